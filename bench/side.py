"""Side by side: commands that are timed in turns, so that whatever slows the machine slows all of them.

A ratio is the median over pairs: a command's time divided by that of the baseline in the same round.
"""

import contextlib
import http.server
import json
import os
import shlex
import statistics
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

WARM_UP = 3  # rounds that do not count: the first fills caches and writes .pyc files


@dataclass(frozen=True)
class Timing:
    """What the rounds showed of one command."""

    milliseconds: float
    ratio: float
    low: float
    high: float

    @classmethod
    def of(cls, seconds: Sequence[float], baseline: Sequence[float]) -> "Timing":
        """`low` and `high`: the quartiles of the ratio."""
        ratios = [mine / base for mine, base in zip(seconds, baseline, strict=True)]
        low, middle, high = statistics.quantiles(ratios, n=4, method="inclusive")
        return cls(statistics.median(seconds) * 1000, middle, low, high)


def time_once(argv: list[str], env: Mapping[str, str]) -> float:
    """Seconds from the start of a process to its end, its three streams on /dev/null."""
    null = [(os.POSIX_SPAWN_OPEN, fd, os.devnull, os.O_RDWR, 0) for fd in range(3)]
    start = time.perf_counter()
    child = os.posix_spawn(argv[0], argv, env, file_actions=null)
    _, status = os.waitpid(child, 0)
    seconds = time.perf_counter() - start
    if os.waitstatus_to_exitcode(status):
        raise SystemExit(f"this ended with {os.waitstatus_to_exitcode(status)}: {shlex.join(argv)}")
    return seconds


def in_turns(commands: Sequence[list[str]], env: Mapping[str, str], rounds: int) -> list[Timing]:
    """One Timing for each command; the first is the baseline."""
    seconds: list[list[float]] = [[] for _ in commands]
    for number in range(-WARM_UP, rounds):
        for argv, times in zip(commands, seconds, strict=True):
            taken = time_once(argv, env)
            if number >= 0:
                times.append(taken)
    return [Timing.of(times, seconds[0]) for times in seconds]


class TokenServer:
    """Issues a token a request and counts them."""

    def __init__(self) -> None:
        outer = self
        self.issued = 0

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                self.rfile.read(int(self.headers["Content-Length"]))
                outer.issued += 1
                value = f"bench-{outer.issued}-{'0123456789abcdef' * 4}"
                body = json.dumps({"access_token": value, "token_type": "bearer", "expires_in": 86_400}).encode()
                self.send_response(200)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                pass

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    @property
    def url(self) -> str:
        """The token endpoint."""
        return f"http://127.0.0.1:{self._server.server_address[1]}/oauth/token"

    def close(self) -> None:
        """Stop."""
        self._server.shutdown()
        self._server.server_close()


class Account:
    """A user without configuration, and the token server that all commands of this user ask."""

    def __init__(self, home: str, server: TokenServer) -> None:
        self.home = home
        self.server = server
        self.env = {
            "PATH": "/usr/local/bin:/usr/bin:/bin",
            "HOME": home,
            "LANG": "C.UTF-8",
            "GC_CREDHELPER_TOKEN_URL": server.url,
            "GENESYS_CLOUD_CLIENT_ID": "bench",
            "GENESYS_CLOUD_CLIENT_SECRET": "not-a-secret",
        }

    def forget(self) -> None:
        """Nothing is cached."""
        for path in Path(self.home, ".cache", "gc-credhelper").glob("*"):
            path.unlink()

    def answer(self, argv: Sequence[str]) -> bytes:
        """What a command prints; SystemExit with its complaint when it fails."""
        done = subprocess.run(argv, env=self.env, stdin=subprocess.DEVNULL, capture_output=True, check=False)
        if done.returncode:
            raise SystemExit(f"{shlex.join(argv)} ended with {done.returncode}\n{done.stderr.decode()}")
        return done.stdout


@contextlib.contextmanager
def account() -> Iterator[Account]:
    """In a temporary HOME that is gone afterwards."""
    server = TokenServer()
    with tempfile.TemporaryDirectory(prefix="gc-credhelper-bench-") as home:
        try:
            yield Account(home, server)
        finally:
            server.close()


class NotAHit(Exception):
    """The cached token was not served as it should be."""


def time_hits(
    user: Account, baseline: list[str], hits: Sequence[list[str]], others: Sequence[list[str]], rounds: int
) -> list[Timing]:
    """Timings of baseline, hits and others in this order. NotAHit when a hit prints other bytes or asks the server."""
    first = [user.answer(argv) for argv in hits]
    issued = user.server.issued
    timings = in_turns([baseline, *hits, *others], user.env, rounds)
    for argv, before in zip(hits, first, strict=True):
        if not before or user.answer(argv) != before:
            raise NotAHit(f"other bytes: {shlex.join(argv)}")
    if user.server.issued != issued:
        raise NotAHit(f"{user.server.issued - issued} more token requests")
    return timings
