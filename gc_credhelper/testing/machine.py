"""The installed command in an account of its own: HOME in a folder, and no variable of whoever runs the tests."""

import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

GC = str(Path(sys.executable).with_name("gc-credhelper"))
PASSED_ON = ("COVERAGE_", "COV_CORE_", "LLVM_PROFILE_")


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

    def notes(self) -> dict[str, tuple[int, int]]:
        """The recorded plans. A run that is no hit replaces one or leaves a new one."""
        stats = {path.name: path.stat() for path in self.cache.glob("*.note")}
        return {name: (stat.st_ino, stat.st_mtime_ns) for name, stat in stats.items()}

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


def outputs(children: Sequence["subprocess.Popen[str]"], timeout: float = 100) -> list[Run]:
    """Wait for all of them."""
    done = []
    for child in children:
        out, err = child.communicate(timeout=timeout)
        done.append(Run(child.returncode, out, err))
    return done
