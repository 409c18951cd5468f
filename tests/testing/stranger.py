"""An environment in which a stranger's plug-ins are installed, made without an installer."""

import shutil
import subprocess
from collections.abc import Iterable, Sequence
from pathlib import Path
from xml.etree import ElementTree as ET

from startup.kit import LIB, ROOT, make_venv
from support import Machine

from gc_credhelper.plugins import CACHES, PROVIDERS

EXAMPLE = ROOT / "tests" / "example"
BROKEN = Path(__file__).parent / "broken"


def environment(root: Path, points: Iterable[tuple[str, str, str]], *modules: Path) -> Path:
    """The Python of an environment with these entry points (group, name, value) and folders of modules."""
    layout = make_venv(root)
    site = root / LIB
    (site / "modules.pth").write_text("".join(f"{folder}\n" for folder in modules))
    info = site / "stranger-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: stranger\nVersion: 1.0\n")
    text = ""
    for group in (PROVIDERS, CACHES):
        text += f"[{group}]\n" + "".join(f"{name} = {value}\n" for of, name, value in points if of == group)
    (info / "entry_points.txt").write_text(text)
    return layout.bin / "python3"


def pytest_run(python: Path, machine: Machine, file: Path, *argv: str, cwd: Path) -> "subprocess.CompletedProcess[str]":
    """Run a file of tests as a stranger does, warnings being errors; `report.xml` in `cwd` says how each ended."""
    (cwd / "pytest.ini").write_text("[pytest]\nfilterwarnings = error\n")
    copy = shutil.copy(file, cwd)  # away from the conftest of our own tests
    given: Sequence[str | Path] = [python, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-c", cwd / "pytest.ini"]
    return subprocess.run(
        [*given, "--import-mode=importlib", f"--junitxml={cwd / 'report.xml'}", *argv, copy],
        env=machine.environ(),
        cwd=cwd,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
        timeout=280,
    )


def outcomes(report: Path) -> dict[str, dict[str, set[str]]]:
    """For each class: the numbers of the tests that passed, failed and were skipped."""
    found: dict[str, dict[str, set[str]]] = {}
    for case in ET.parse(report).getroot().iter("testcase"):
        name = (case.get("classname") or "").rpartition(".")[2]
        number = (case.get("name") or "").split("_")[1]
        kinds = {"failure": "failed", "error": "broke", "skipped": "skipped"}
        outcome = next((kinds[part.tag] for part in case if part.tag in kinds), "passed")
        found.setdefault(name, {}).setdefault(outcome, set()).add(number)
    return found
