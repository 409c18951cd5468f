"""An organisation on loopback, which is a sandbox in a process of its own, and commands that read its users."""

import contextlib
import json
import os
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

BIN = Path(sys.executable).parent  # not resolved: the interpreter of a venv is a link out of it
OURS = str(BIN / "gc-credhelper")


# A process begins with the peak of the one that starts it (Linux, mm_struct.hiwater_rss), so a small one must do it.
_PEAK = """
import os, resource, sys
status = os.waitstatus_to_exitcode(os.waitpid(os.posix_spawn(sys.argv[2], sys.argv[2:], os.environ), 0)[1])
with open(sys.argv[1], "w") as out:
    out.write(str(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss))
sys.exit(status)
"""


@dataclass(frozen=True)
class Run:
    """One command: `seconds` from its start to its end, and what it said."""

    seconds: float
    status: int
    complaint: str


class Organisation:
    """Commands that run here have no configuration, and reach nothing else."""

    def __init__(self, place: Path, users: int, *options: str) -> None:
        """`place`: a directory for files, such as `rows`. `options`: of `gc-credhelper sandbox`."""
        self.place = place
        self.users = users
        self.rows = place / "rows.jsonl"
        self.part = place / "rows.jsonl.part"
        argv = [OURS, "sandbox", "--users", str(users), *options]
        self._server = subprocess.Popen(argv, stdout=subprocess.PIPE)
        assert self._server.stdout
        self._ready = json.loads(self._server.stdout.readline())

    def stats(self) -> dict[str, int]:
        """What the sandbox counted."""
        with urllib.request.urlopen(self._ready["api_url"] + "/_sandbox/stats") as answer:
            counted: dict[str, int] = json.load(answer)
            return counted

    def environment(self, **more: str) -> dict[str, str]:
        """Of a command that has no token yet."""
        return {
            "PATH": f"{BIN}:/usr/local/bin:/usr/bin:/bin",
            "HOME": tempfile.mkdtemp(dir=self.place),
            "LANG": "C.UTF-8",
            "GC_CREDHELPER_TOKEN_URL": self._ready["token_url"],
            "GC_CREDHELPER_API_URL": self._ready["api_url"],
            "GENESYS_CLOUD_CLIENT_ID": self._ready["client_id"],
            "GENESYS_CLOUD_CLIENT_SECRET": self._ready["client_secret"],
            **more,
        }

    def start(self, argv: list[str], out: str = os.devnull, **more: str) -> "Started":
        """In a group of its own, with its output in a file."""
        environ, err = self.environment(**more), str(self.place / "stderr")
        flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC
        actions = [(os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0)]
        actions += [(os.POSIX_SPAWN_OPEN, fd, path, flags, 0o600) for fd, path in ((1, out), (2, err))]
        began = time.perf_counter()
        return Started(os.posix_spawn(argv[0], argv, environ, file_actions=actions), began, Path(err))

    def run(self, argv: list[str], out: str = os.devnull, **more: str) -> Run:
        """To its end; SystemExit when it fails."""
        run = self.start(argv, out, **more).ended()
        if run.status:
            raise SystemExit(f"{' '.join(argv)} ended with {run.status}\n{run.complaint}")
        return run

    def peak(self, argv: list[str], out: str = os.devnull) -> float:
        """The most memory that a command holds, in MiB; SystemExit when it fails."""
        found = self.place / "peak"
        self.run([str(BIN / "python"), "-I", "-S", "-c", _PEAK, str(found), *argv], out)
        return int(found.read_text()) / 1024

    def close(self) -> None:
        """End the sandbox."""
        assert self._server.stdout
        self._server.terminate()
        self._server.wait()
        self._server.stdout.close()


@dataclass(frozen=True)
class Started:
    """A command that runs."""

    pid: int
    began: float
    err: Path

    def ended(self) -> Run:
        """When it has."""
        _, status = os.waitpid(self.pid, 0)
        return Run(time.perf_counter() - self.began, os.waitstatus_to_exitcode(status), self.err.read_text())


@contextlib.contextmanager
def organisation(users: int, *options: str) -> Iterator[Organisation]:
    """As long as the block runs, with a directory that is gone afterwards."""
    with tempfile.TemporaryDirectory(prefix="gc-credhelper-bench-") as place:
        one = Organisation(Path(place), users, *options)
        try:
            yield one
        finally:
            one.close()


def ids(path: Path) -> list[str]:
    """Of rows in JSON lines, in their order."""
    with path.open(encoding="utf-8") as lines:
        return [json.loads(line)["id"] for line in lines]
