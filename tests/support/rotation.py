"""A secret that is rotated while jobs run: a token endpoint that takes one secret at a time, and a storm around it."""

import base64
import itertools
import socket
import subprocess
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Self

from gc_credhelper.testing.bench import until
from gc_credhelper.testing.machine import Machine, Run, outputs

from .hunting import canary, hunt
from .scripted import Request, ScriptedServer, http, token

OLD, NEW = canary("canary-Jb5xU8-old-secret"), canary("canary-Mf2rY6-new-secret")
GUARD = 600.0  # seconds after which a storm hangs
Jobs = list["subprocess.Popen[str]"]
REFUSAL: dict[str, object] = {"error": "invalid_client", "error_description": "authentication failed"}


def sent(request: Request) -> tuple[str, str]:
    """Client id and secret that a token request came with."""
    client_id, _, secret = base64.b64decode(request.headers["authorization"].partition(" ")[2]).decode().partition(":")
    return client_id, secret


class RotatingLogin:
    """Takes `OLD` until it is rotated, and from then on only `NEW`. Requests that come in between are held."""

    def __init__(self) -> None:
        self.server = ScriptedServer(self._answer)
        self.token_url = self.server.token_url
        self.refused: list[str] = []
        self.issued: list[str] = []
        self._secret = OLD
        self._is_open = threading.Event()
        self._is_open.set()
        self._count = threading.Lock()

    def __enter__(self) -> Self:
        self.server.__enter__()
        return self

    def __exit__(self, *_: object) -> None:
        self._is_open.set()
        self.server.__exit__()

    def hold(self) -> None:
        """Answer nobody from now on."""
        self._is_open.clear()

    def held(self, count: int) -> None:
        """Wait until so many requests have come."""
        until(lambda: len(self.server.requests) >= count, GUARD)

    def rotate(self, put: Callable[[], object]) -> None:
        """Both places at one moment for everyone else: `put` the new secret into the store, take it, and answer."""
        put()
        self._secret = NEW
        self._is_open.set()

    def _answer(self, request: Request, _: socket.socket) -> bytes:
        self._is_open.wait(GUARD)
        secret = sent(request)[1]
        with self._count:
            if secret != self._secret:
                self.refused.append(secret)
                return http(401, REFUSAL)
            self.issued.append(f"tok-{len(self.issued)}")
            return token(self.issued[-1])


def storm(
    login: RotatingLogin, directory: Path, env: Mapping[str, str], put: Callable[[], object], jobs: int, *, at_once: int
) -> list[Run]:
    """Each job has a machine of its own. Half of them start before the rotation, a quarter in the middle of it, and a
    quarter after it. `at_once`: how many of the first half ask for a token of their own, and so hold the old secret
    when it is changed.
    """
    numbers = itertools.count(1)

    def start(count: int) -> Jobs:
        machines = [Machine(directory / f"machine-{next(numbers)}") for _ in range(count)]
        for machine in machines:
            machine.home.mkdir()
        return [machine.start("token", "-o", "raw", env=env) for machine in machines]

    login.hold()
    running = start(jobs // 2)
    login.held(at_once)
    running += start(jobs // 4)
    login.rotate(put)
    running += start(jobs // 4)
    done = outputs(running, GUARD)
    for run in done:
        hunt(run.err)
    return done
