"""What the tests share: the installed command in a clean environment, and a token server that is scripted."""

import os
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

GC = str(Path(sys.executable).with_name("gc-credhelper"))
# Read once: the variable is ours to the tests, and a stranger to the product.
REQUIRE_REAL = bool(os.environ.get("GC_CREDHELPER_REQUIRE_REAL"))
PASSED_ON = ("COVERAGE_", "COV_CORE_", "LLVM_PROFILE_FILE")


@dataclass(frozen=True)
class Run:
    """A finished command."""

    code: int
    out: str
    err: str

    @property
    def error(self) -> str:
        """The one `error:` line."""
        return self._one("error")

    @property
    def hint(self) -> str:
        """The one `hint:` line."""
        return self._one("hint")

    @property
    def warnings(self) -> list[str]:
        """The texts of the `warning:` lines."""
        return self._lines("warning")

    def _lines(self, kind: str) -> list[str]:
        start = f"gc-credhelper: {kind}: "
        return [line.removeprefix(start) for line in self.err.splitlines() if line.startswith(start)]

    def _one(self, kind: str) -> str:
        lines = self._lines(kind)
        assert len(lines) == 1, f"{len(lines)} {kind} lines in: {self.err}"
        return lines[0]


@dataclass(frozen=True)
class Machine:
    """A user's account: HOME in a folder of its own, and no variable of ours or of the platform."""

    home: Path

    def environ(self, extra: Mapping[str, str] | None = None) -> dict[str, str]:
        """The environment of a command."""
        kept = {name: value for name, value in os.environ.items() if name.startswith(PASSED_ON)}
        path = f"{Path(sys.executable).parent}:/usr/local/bin:/usr/bin:/bin"
        return kept | {"PATH": path, "HOME": str(self.home), "LANG": "C.UTF-8"} | dict(extra or {})

    @property
    def cache(self) -> Path:
        """The default cache directory."""
        return self.home / ".cache" / "gc-credhelper"

    @property
    def config(self) -> Path:
        """The default config file."""
        return self.home / ".config" / "gc-credhelper" / "config.toml"

    def write_config(self, text: str) -> Path:
        """Put the config file in place, old enough that plans which read it are recorded."""
        self.config.parent.mkdir(parents=True, exist_ok=True)
        self.config.write_text(text)
        return self.config

    def run(
        self,
        *argv: str,
        env: Mapping[str, str] | None = None,
        stdin: str | None = None,
        cwd: Path | None = None,
        timeout: float = 60,
    ) -> Run:
        """Run the installed command to its end."""
        done = subprocess.run(
            [GC, *argv],
            env=self.environ(env),
            input=stdin,
            stdin=subprocess.DEVNULL if stdin is None else None,
            capture_output=True,
            text=True,
            check=False,
            cwd=cwd or self.home,
            timeout=timeout,
        )
        return Run(done.returncode, done.stdout, done.stderr)

    def start(self, *argv: str, env: Mapping[str, str] | None = None) -> "subprocess.Popen[str]":
        """Start the installed command, its output captured."""
        return subprocess.Popen(
            [GC, *argv],
            env=self.environ(env),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=self.home,
        )


def client(server: object, **more: str) -> dict[str, str]:
    """The variables that reach a sandbox or a scripted server with its client."""
    return {
        "GC_CREDHELPER_TOKEN_URL": server.token_url,  # type: ignore[attr-defined]
        "GENESYS_CLOUD_CLIENT_ID": server.client_id,  # type: ignore[attr-defined]
        "GENESYS_CLOUD_CLIENT_SECRET": server.client_secret,  # type: ignore[attr-defined]
        **more,
    }


def require(program: str) -> str:
    """The path of a program that a test needs; where CI says so its absence is a failure, else a loud skip."""
    import pytest

    found = shutil.which(program)
    if not found and REQUIRE_REAL:
        pytest.fail(f"{program} is missing, and CI must not skip")
    if not found:
        pytest.skip(f"{program} is not installed")
    return found


def outputs(children: Sequence["subprocess.Popen[str]"], timeout: float = 100) -> list[Run]:
    """Wait for all of them."""
    done = []
    for child in children:
        out, err = child.communicate(timeout=timeout)
        done.append(Run(child.returncode, out, err))
    return done
