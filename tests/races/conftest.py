"""What the races share: a slow endpoint and processes that start at once."""

import time
from collections.abc import Callable

import pytest
from support import Machine, Run, client, outputs
from support.scripted import Answer, ScriptedServer, token


@pytest.fixture
def slowly(scripted: ScriptedServer) -> Callable[..., ScriptedServer]:
    """Let the endpoint answer after so many seconds; each token has another value."""

    def prepare(seconds: float, lifetime: float = 86_400) -> ScriptedServer:
        def answer(number: int) -> Answer:
            def sleep(*_: object) -> bytes:
                time.sleep(seconds)
                return token(f"new-{number}", lifetime)

            return sleep

        scripted.answers = [answer(number) for number in range(200)]
        return scripted

    return prepare


@pytest.fixture
def together(machine: Machine, scripted: ScriptedServer) -> Callable[..., list[Run]]:
    """Start so many commands at once, and wait for all of them."""

    def run(count: int, *more: str, timeout: float = 100) -> list[Run]:
        argv = ("token", "-o", "raw", "--deadline", "90s", *more)
        return outputs([machine.start(*argv, env=client(scripted)) for _ in range(count)], timeout)

    return run
