"""A cache hit against `python -c pass`, in every layout that installers make: `.venv/bin/python bench/layouts.py`.

Builds the wheel, installs it by pip 23, the newest pip, uv tool and pipx, and the checkout as editable, on every
supported Python that it finds; measures each as it is and with a `.pth` file that imports half of the standard library.
Takes some minutes and needs PyPI. Exits with 1 when a hit takes longer than the baseline, or a layout cannot be made.
"""

import argparse
import contextlib
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import side

ROOT = Path(__file__).parent.parent
SUPPORTED = ("3.11", "3.12", "3.13")
OLD_PIP = "pip==23.2.1"
SLOW = "import re, ssl, pathlib, email, http.client\n"


@dataclass(frozen=True)
class Installed:
    """The command as a user would call it, and the interpreter of its environment."""

    command: Path
    python: Path

    def site_packages(self) -> Path:
        """Where a .pth file belongs."""
        return Path(ask(self.python, "import sysconfig; print(sysconfig.get_path('purelib'))"))


@dataclass(frozen=True)
class Workshop:
    """What the layouts are made of."""

    place: Path
    wheel: Path
    tools: Path  # bin of an environment with uv and pipx
    base: Path  # the interpreter to install for

    def venv(self, name: str, pip: str, *what: str) -> Installed:
        """An environment with a given pip, which installs `what`."""
        run(self.base, "-m", "venv", self.place / name)
        bin = self.place / name / "bin"
        pip_install(bin / "python", pip)
        pip_install(bin / "python", *what)
        return Installed(bin / "gc-credhelper", bin / "python")

    def pip_23(self) -> Installed:
        """Its console scripts import re."""
        return self.venv("pip-23", OLD_PIP, str(self.wheel))

    def newest_pip(self) -> Installed:
        """Its console scripts import little."""
        return self.venv("newest-pip", "--upgrade pip", str(self.wheel))

    def editable(self) -> Installed:
        """The checkout itself, found by a .pth file."""
        return self.venv("editable", OLD_PIP, "-e", str(ROOT))

    def uv_tool(self) -> Installed:
        """Links in a bin, and no .pyc files until the first run."""
        tools, bin = self.place / "uv-tools", self.place / "uv-bin"
        where = {"UV_TOOL_DIR": tools, "UV_TOOL_BIN_DIR": bin, "UV_CACHE_DIR": self.place / "uv-cache"}
        run(self.tools / "uv", "tool", "install", "--quiet", "--python", self.base, self.wheel, **where)
        return Installed(bin / "gc-credhelper", tools / "gc-credhelper" / "bin" / "python")

    def pipx(self) -> Installed:
        """Links in a bin."""
        home, bin = self.place / "pipx", self.place / "pipx-bin"
        where: dict[str, Path | str] = {
            "PIPX_HOME": home,
            "PIPX_BIN_DIR": bin,
            "PIPX_MAN_DIR": self.place / "man",
            "USE_EMOJI": "0",
        }
        run(self.tools / "pipx", "install", "--python", self.base, self.wheel, **where)
        return Installed(bin / "gc-credhelper", home / "venvs" / "gc-credhelper" / "bin" / "python")


LAYOUTS: dict[str, Callable[[Workshop], Installed]] = {
    "venv, pip 23": Workshop.pip_23,
    "venv, newest pip": Workshop.newest_pip,
    "uv tool": Workshop.uv_tool,
    "pipx": Workshop.pipx,
    "editable": Workshop.editable,
}


def run(*argv: str | Path, **env: Path | str) -> str:
    """The output of an installer; SystemExit with all of it when it fails."""
    more = {name: str(value) for name, value in env.items()}
    done = subprocess.run([*map(str, argv)], env=os.environ | more, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{' '.join(map(str, argv))} ended with {done.returncode}\n{done.stdout}{done.stderr}")
    return done.stdout


def ask(python: Path | str, code: str) -> str:
    """What a line of Python prints."""
    return run(python, "-I", "-c", code).strip()


def pip_install(python: Path, *what: str) -> None:
    options = ("--quiet", "--disable-pip-version-check", "--no-input")
    run(python, "-m", "pip", "install", *options, *" ".join(what).split())


def candidates(version: str) -> Iterator[str]:
    """Interpreters that may be that version, some of which may be shims without anything behind them."""
    name = f"python{version}"
    yield from filter(None, [shutil.which(name), sys.executable if sys.version.startswith(version + ".") else None])
    for manager in (["pyenv", "root"], ["uv", "python", "dir"]):
        with contextlib.suppress(OSError, subprocess.CalledProcessError):
            where = subprocess.run(manager, capture_output=True, text=True, check=True).stdout.strip()
            yield from map(str, sorted(Path(where).glob(f"**/bin/{name}")))


def find_python(version: str) -> Path | None:
    """The real interpreter, outside of any environment."""
    code = "import os, sys; print('%d.%d' % sys.version_info[:2], os.path.realpath(sys.executable))"
    for candidate in candidates(version):
        with contextlib.suppress(OSError, subprocess.CalledProcessError, ValueError):
            done = subprocess.run([candidate, "-I", "-c", code], capture_output=True, text=True, check=True)
            found, executable = done.stdout.strip().split(" ", 1)
            if found == version:
                return Path(executable)
    return None


def measure(user: side.Account, installed: Installed, rounds: int) -> side.Timing:
    """A hit of the installed command."""
    user.forget()
    return side.time_hits(user, [str(installed.python), "-c", "pass"], [[str(installed.command), "token"]], [], rounds)[
        1
    ]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=30, help="interleaved pairs for each row (default: 30)")
    options = parser.parse_args()
    found = {version: find_python(version) for version in SUPPORTED}
    failed = [
        f"Python {version} was not found, so nothing was measured on it" for version in SUPPORTED if not found[version]
    ]
    print(*(f"MISSING: {line}" for line in failed), sep="\n", end="\n" if failed else "")
    print(f"{'Python':8} {'layout':18} {'.pth':5} {'ms':>6} {'ratio':>6}  quartiles", flush=True)
    with tempfile.TemporaryDirectory(prefix="gc-credhelper-layouts-") as name, side.account() as user:
        place = Path(name)
        run(sys.executable, "-m", "venv", place / "tools")
        tools = place / "tools" / "bin"
        pip_install(tools / "python", "uv", "pipx", "build")
        run(tools / "python", "-m", "build", "--wheel", "--outdir", place / "dist", ROOT)
        (wheel,) = (place / "dist").glob("*.whl")
        for version, python in found.items():
            for layout, install in LAYOUTS.items() if python else ():
                assert python
                (place / version).mkdir(exist_ok=True)
                installed = install(Workshop(place / version, wheel, tools, python))
                for pth in ("", "slow"):
                    if pth:
                        (installed.site_packages() / "slow.pth").write_text(SLOW)
                    timing = measure(user, installed, options.rounds)
                    row = f"{version:8} {layout:18} {pth:5} {timing.milliseconds:6.1f} {timing.ratio:6.2f}"
                    print(f"{row}  {timing.low:.2f} to {timing.high:.2f}", flush=True)
                    if timing.ratio > 1:
                        failed.append(f"{version}, {layout}{', slow .pth' * bool(pth)}: {timing.ratio:.2f}")
    print(*(f"FAIL: {line}" for line in failed), sep="\n", end="\n" if failed else "")
    if not failed:
        print("PASS: a hit is at most 1.00 times the baseline in every row")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
