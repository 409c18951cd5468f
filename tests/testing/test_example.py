"""The example, as its page tells a stranger to make, install and test it. Needs a package index."""

import re
import subprocess
from pathlib import Path

import pytest
from docs.pages import HOW_TO, ROOT, Step, blocks, check, console, script
from support import GC, Machine

from .stranger import EXAMPLE

PAGE = HOW_TO / "write-a-plug-in.md"


def commands() -> list[Step]:
    """Those of the page. They install packages, which those of the other pages must not."""
    found = [step for block in blocks(PAGE) if block.info == "text" for step in console(block)]
    assert [word for step in found for word in ("install", "token", "pytest") if word in step.command]
    return found


def test_the_page_shows_the_files_of_the_example() -> None:
    shown = [block.text for block in blocks(PAGE) if block.info in ("python", "toml")]
    files = sorted(path for path in EXAMPLE.iterdir() if path.is_file())
    assert sorted(shown) == sorted(path.read_text(encoding="utf-8") for path in files)


def test_the_module_of_the_example_has_about_forty_lines() -> None:
    (module,) = EXAMPLE.glob("gc_credhelper_*.py")
    assert len([line for line in module.read_text(encoding="utf-8").splitlines() if line.strip()]) <= 42


@pytest.mark.parametrize(
    "folder", [EXAMPLE, *ROOT.glob("providers/*/gc_credhelper_*")], ids=lambda folder: str(folder.name)
)
def test_a_plug_in_imports_only_what_it_may(folder: Path) -> None:
    page = (ROOT / "docs" / "reference" / "plugins.md").read_text(encoding="utf-8")
    sentence = next(line for line in page.splitlines() if line.startswith("What a plug-in may import: "))
    allowed = {"gc_credhelper", *re.findall(r"`(gc_credhelper\.\w+)`", sentence)}
    text = "".join(path.read_text(encoding="utf-8") for path in folder.glob("*.py"))
    assert set(re.findall(r"^ *(?:from|import) (gc_credhelper(?:\.\w+)*)\b", text, re.MULTILINE)) <= allowed


@pytest.mark.timeout(400)
def test_a_stranger_who_follows_the_page_has_a_plug_in_that_keeps_its_promises(machine: Machine) -> None:
    (machine.home / "gc-credhelper").symlink_to(ROOT)
    session = machine.home / "session.sh"
    steps = commands()
    session.write_text(script(steps))
    done = subprocess.run(
        [GC, "sandbox", "--", "bash", str(session)],
        env=machine.environ(),
        cwd=machine.home,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        text=True,
        timeout=390,
        check=False,
    )
    check(steps, done.stdout)
    assert not (ROOT / "tests" / "example" / "build").exists()


def test_the_page_has_a_copy_of_nothing_but_the_example() -> None:
    assert {path.name for path in Path(EXAMPLE).iterdir() if path.is_file()} == {
        "pyproject.toml",
        "gc_credhelper_sqlite.py",
        "test_sqlite.py",
    }
