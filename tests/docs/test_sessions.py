"""Every command of README and docs is run, a page at a time, in the shell of a sandbox."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from support import GC, Machine

from .pages import HOW_TO, PAGES, ROOT, STORES, Step, blocks, check, name, script, steps, store_blocks

BUILD = "make demo"
SHOWN = [page for page in PAGES if any(BUILD not in step.command for step in steps(page))]
NOT_RUN = {
    "README.md",
    "docs/tutorial/first-token.md",
    "docs/how-to/vault-kubernetes.md",
}
OF_STORES = {f"{kind} {store}" for store in STORES for kind in ("sh", "console", "yaml", "groovy", "json", "toml")}
OF_CALLERS = {"bash", "groovy", "hcl", "ini", "java", "js", "make", "py"}  # tests/callers runs these
KNOWN = OF_STORES | OF_CALLERS | {"console", "sh", "python", "toml", "json", "yaml", "text", ""}
KNOWN |= {"sh not-run"}


def session(page: Path) -> list[Step]:
    """The page's commands; building and testing the project is not for a test of it."""
    return [step for step in steps(page) if BUILD not in step.command]


@pytest.mark.parametrize("page", SHOWN, ids=name)
def test_the_commands_of_a_page_do_what_it_says(page: Path, machine: Machine) -> None:
    commands = session(page)
    for program in ("bash", "curl"):
        if any(re.search(rf"\b{program} ", step.command) for step in commands) and not shutil.which(program):
            pytest.skip(f"the page uses {program}, which is not installed")
    file = machine.home / "session.sh"
    file.write_text(script(commands))
    done = subprocess.run(
        [GC, "sandbox", "--", "bash", str(file)],
        env=machine.environ(),
        cwd=machine.home,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        text=True,
        timeout=110,
        check=False,
    )
    check(commands, done.stdout)


def test_the_fence_of_each_block_says_what_becomes_of_it() -> None:
    assert {block.info for page in PAGES for block in blocks(page)} <= KNOWN


@pytest.mark.parametrize("store", STORES)
def test_the_blocks_that_need_a_store_are_left_to_a_suite_that_takes_all_of_them(store: str) -> None:
    suite = (ROOT / "providers" / store / "tests" / "test_howto.py").read_text(encoding="utf-8")
    assert store_blocks(store)
    assert f'BLOCKS = store_blocks("{store}")\n' in suite


def test_blocks_that_are_not_run_are_few_and_say_why() -> None:
    excused = [block for page in PAGES for block in blocks(page) if block.info.endswith("not-run")]
    assert sorted(name(block.page) for block in excused) == sorted(NOT_RUN)
    for block in excused:
        above = block.page.read_text(encoding="utf-8").split(block.text)[0].rstrip().split("\n\n")[-2]
        assert "ot run by the tests, " in above, f"{name(block.page)} does not say why"


def test_a_page_that_shows_a_wrong_output_would_be_noticed() -> None:
    step = Step("true", ["token …", "…", "end"])
    assert re.fullmatch(step.pattern, "token abc\none\ntwo\nend\n")
    assert re.fullmatch(step.pattern, "token abc\nend\n")
    assert not re.fullmatch(step.pattern, "token abc\none\n")
    assert not re.fullmatch(Step("true").pattern, "anything\n")


def test_make_demo_prints_an_exec_credential(machine: Machine) -> None:
    venv = Path(sys.prefix)
    done = subprocess.run(
        # The environment is there: only the last step of the target is of interest.
        ["make", "--no-print-directory", "-C", str(ROOT), f"VENV={venv}", "-o", f"{venv}/core", "demo"],
        env=machine.environ(),
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert (done.returncode, done.stderr) == (0, "")
    answer = json.loads(done.stdout)
    assert answer["kind"] == "ExecCredential"
    assert answer["status"]["token"]


def test_the_example_token_of_the_readme_is_obviously_made_up_and_has_the_shape_of_a_real_one(machine: Machine) -> None:
    (example,) = (block for block in blocks(ROOT / "README.md") if block.info == "json")
    shown = json.loads(example.text)
    assert shown["status"]["token"].startswith("made-up-")
    real = json.loads(machine.run("sandbox", "--", GC, "token").out)
    assert shown.keys() == real.keys()
    assert shown["status"].keys() == real["status"].keys()
    assert (shown["apiVersion"], shown["kind"]) == (real["apiVersion"], real["kind"])


def test_the_readme_shows_make_demo_and_make_test_first_and_nothing_beside_them() -> None:
    first = next(blocks(ROOT / "README.md"))
    assert first.text == "make demo\nmake test\n"
    screen = (ROOT / "README.md").read_text(encoding="utf-8").partition("\n## ")[0]
    assert screen.count("```sh") == 1
    assert "```console" not in screen


def test_the_kinds_of_failures_that_the_guide_runs_are_all_of_them() -> None:
    from gc_credhelper.sandbox.options import Kind

    text = (HOW_TO / "try-failures-with-the-sandbox.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `([\w-]+)` \|", text, re.MULTILINE)
    assert sorted(rows) == sorted(Kind)


def test_no_page_names_a_path_of_a_developers_machine() -> None:
    for page in PAGES:
        text = page.read_text(encoding="utf-8")
        assert not re.search(r"/(?:home|Users|tmp)/\w|/(?:root|work)\b|C:\\\\?Users", text), name(page)
        assert str(ROOT) not in text or os.path.sep == str(ROOT), name(page)
