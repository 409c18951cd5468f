"""Single flight of checks: however many hold a token that is due, one of them asks whether it is alive."""

import signal
import threading
import time
from collections.abc import Callable, Iterator

import pytest
from support import Machine, Run, client, outputs
from support.entries import OLD, get, is_locked, path_of, put
from support.scripted import Answer, ScriptedServer, http, token
from support.tokenme import DEAD, of

DUE = 1000.0
GUARD = 60.0


@pytest.fixture
def api() -> Iterator[ScriptedServer]:
    """The Platform API; `scripted` is the login."""
    with ScriptedServer(of()) as server:
        yield server


@pytest.fixture
def env(scripted: ScriptedServer, api: ScriptedServer) -> dict[str, str]:
    return client(scripted, GC_CREDHELPER_API_URL=f"http://127.0.0.1:{api.port}", GC_CREDHELPER_VERIFY="10m")


def slowly(answer: bytes) -> Answer:
    def sleep(*_: object) -> bytes:
        time.sleep(1)
        return answer

    return sleep


@pytest.fixture
def together(machine: Machine, scripted: ScriptedServer, env: dict[str, str]) -> Callable[[], list[Run]]:
    """Sixteen commands at once, which find a token that is due."""

    def run() -> list[Run]:
        put(machine.cache, scripted, age=DUE)
        argv = ("token", "-o", "raw", "--deadline", "90s")
        return outputs([machine.start(*argv, env=env) for _ in range(16)])

    return run


def test_sixteen_processes_check_a_live_token_once(
    api: ScriptedServer, scripted: ScriptedServer, together: Callable[[], list[Run]]
) -> None:
    api.answers = [slowly(of())]
    assert together() == [Run(0, f"{OLD}\n", "")] * 16
    assert len(api.requests) == 1
    assert not scripted.requests


def test_sixteen_processes_check_a_dead_token_once_and_share_a_new_one(
    api: ScriptedServer, scripted: ScriptedServer, together: Callable[[], list[Run]]
) -> None:
    api.answers = [slowly(DEAD)]
    scripted.answers = [slowly(token("new"))]
    assert together() == [Run(0, "new\n", "")] * 16
    assert (len(api.requests), len(scripted.requests)) == (1, 1)


def test_an_api_that_is_down_is_asked_once_and_all_are_served(
    api: ScriptedServer, scripted: ScriptedServer, together: Callable[[], list[Run]]
) -> None:
    api.answers = [slowly(http(503, ""))]
    runs = together()
    assert [(run.code, run.out, len(run.warnings)) for run in runs] == [(0, f"{OLD}\n", 1)] * 16
    # Whoever comes after the pause of 15 s may ask again, if this machine is as slow as that.
    assert len(api.requests) <= 2
    assert not scripted.requests


@pytest.mark.parametrize("dead", [False, True])
def test_when_the_checker_is_killed_another_one_checks(
    machine: Machine, api: ScriptedServer, scripted: ScriptedServer, env: dict[str, str], *, dead: bool
) -> None:
    asked, leave = threading.Event(), threading.Event()

    def hang(*_: object) -> None:
        asked.set()
        leave.wait(GUARD)

    api.answers = [hang, DEAD if dead else of()]
    put(machine.cache, scripted, age=DUE)
    argv = ("token", "-o", "raw", "-v", "--deadline", "90s")
    checker = machine.start(*argv, env=env)
    try:
        assert asked.wait(GUARD)
        assert is_locked(path_of(machine.cache, scripted, ".lock"))
        other = machine.start(*argv, env=env)
        assert other.stderr
        assert any("waiting for" in line for line in other.stderr)
    finally:
        checker.send_signal(signal.SIGKILL)
        outputs([checker])
        leave.set()
    (done,) = outputs([other], GUARD)
    assert (done.code, done.out, done.warnings) == (0, "tok-1\n" if dead else f"{OLD}\n", [])
    assert get(machine.cache, scripted).value == done.out.strip()
    assert len(api.requests) == 2
