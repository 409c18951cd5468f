"""What the tests of the start share: an environment as an installer makes it, without an installer, and notes."""

import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import requests
from support import Machine, Run

ROOT = Path(__file__).parents[2]
LAUNCHER = ROOT / "launcher" / "gc-credhelper"
PYTHON = Path(sys.executable)
DEPENDENCIES = Path(requests.__file__).parents[1]
LIB = f"lib/python{sys.version_info[0]}.{sys.version_info[1]}/site-packages"
OURS = {"gc_credhelper", *(f"gc_credhelper.{name}" for name in ("__main__", "filestore", "output", "plan", "tokens"))}


@dataclass(frozen=True)
class Layout:
    """An installed copy: the launcher, the package (a link to the checkout's) and the dependencies of this venv."""

    root: Path

    @property
    def bin(self) -> Path:
        return self.root / "bin"

    @property
    def command(self) -> Path:
        return self.bin / "gc-credhelper"


def make_venv(root: Path, *, editable: bool = False) -> Layout:
    """As `python -m venv` and an installer leave it."""
    site = root / LIB
    site.mkdir(parents=True)
    (root / "bin").mkdir()
    (root / "bin" / "python3").symlink_to(PYTHON.resolve())
    (root / "pyvenv.cfg").write_text(f"home = {PYTHON.resolve().parent}\ninclude-system-site-packages = false\n")
    (site / "dependencies.pth").write_text(f"{DEPENDENCIES}\n")
    if editable:
        (site / "_editable_impl_gc_credhelper.pth").write_text(str(ROOT))
    else:
        (site / "gc_credhelper").symlink_to(ROOT / "gc_credhelper")
    layout = Layout(root)
    shutil.copy(LAUNCHER, layout.command)
    write_console_script(layout.bin, root / "bin" / "python3")
    return layout


def make_target(root: Path) -> Layout:
    """As `pip install --target` leaves it: the package beside bin, and no pyvenv.cfg."""
    (root / "bin").mkdir(parents=True)
    (root / "gc_credhelper").symlink_to(ROOT / "gc_credhelper")
    (root / "dependencies.pth").write_text(f"{DEPENDENCIES}\n")
    layout = Layout(root)
    shutil.copy(LAUNCHER, layout.command)
    write_console_script(layout.bin, PYTHON.resolve())
    return layout


def write_console_script(bin: Path, python: Path) -> None:
    """The script of the entry point."""
    script = bin / "gc-credhelper-py"
    script.write_text(f"#!{python}\nimport sys\nfrom gc_credhelper.__main__ import main\nsys.exit(main())\n")
    script.chmod(0o755)


def call(
    machine: Machine,
    argv: Sequence[str | bytes | Path],
    env: Mapping[str, str],
    cwd: Path | None = None,
    *,
    clean: bool = True,
) -> Run:
    """Run any argv as that user."""
    done = subprocess.run(
        [*argv],
        env=machine.environ(env) if clean else dict(env),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        check=False,
        cwd=cwd or machine.home,
        timeout=60,
    )
    return Run(done.returncode, done.stdout.decode(), done.stderr.decode(errors="replace"))


def notes(machine: Machine) -> dict[str, int]:
    """The notes with their inodes: a run that is no hit replaces its note."""
    return {path.name: path.stat().st_ino for path in machine.cache.glob("*.note")}


def assert_hit(machine: Machine, argv: Sequence[str | Path], env: Mapping[str, str], cwd: Path | None = None) -> Run:
    """The command succeeds, and no full run was needed for it."""
    # The directory's own times show every rename into it, that of a note or a token included.
    before = machine.cache.stat().st_mtime_ns, notes(machine)
    done = call(machine, argv, env, cwd)
    assert (done.code, done.err) == (0, "")
    assert (machine.cache.stat().st_mtime_ns, notes(machine)) == before
    assert before[1], "there is no note to hit"
    return done
