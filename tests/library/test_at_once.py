"""Many callers that meet a 401 at once, an event loop that goes on, and what a fork leaves behind."""

import asyncio
import os
import socket
import subprocess
import sys
import threading
from pathlib import Path

import anyio.to_thread
import httpx
import pytest
from support import Machine, client, entries
from support.scripted import Request, ScriptedServer, http, token

from gc_credhelper import TemporaryError, httpx_auth, token_source
from gc_credhelper.deadline import Deadline
from gc_credhelper.locks import thread_lock
from gc_credhelper.sandbox.server import SandboxThread
from gc_credhelper.source import TokenSource

from .conftest import Source
from .kit import SENDERS, Answer, options, variables

USERS = "/api/v2/users?pageSize=1"
CROWD = 100
EACH = pytest.mark.parametrize("cache", ["file", "memory", "none"])


def assert_recovered_once(sandbox: SandboxThread, answers: list[Answer]) -> None:
    """All were served, by one new token."""
    assert len(answers) == CROWD
    assert {answer.status for answer in answers} == {200}
    assert any(answer.before == (401,) for answer in answers)
    assert sandbox.stats()["token_requests"] == 2


@EACH
@pytest.mark.parametrize("library", ["requests", "httpx"])
def test_a_hundred_threads_reject_once_and_get_one_new_token(
    refused: SandboxThread, source_of: Source, library: str, cache: str
) -> None:
    send = SENDERS[library](source_of(refused, cache=cache))
    start = threading.Barrier(CROWD)
    answers: list[Answer] = []

    def run() -> None:
        start.wait(60)
        answers.append(send(USERS))

    threads = [threading.Thread(target=run) for _ in range(CROWD)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(100)
    assert_recovered_once(refused, answers)


@EACH
def test_a_hundred_tasks_reject_once_and_get_one_new_token(
    refused: SandboxThread, source_of: Source, cache: str
) -> None:
    source = source_of(refused, cache=cache)

    async def main() -> list[httpx.Response]:
        async with httpx.AsyncClient(**options(httpx_auth.GenesysAuth(source)), base_url=source.api_url) as session:
            return await asyncio.gather(*(session.get(USERS) for _ in range(CROWD)))

    answers = [Answer(got.status_code, tuple(one.status_code for one in got.history)) for got in asyncio.run(main())]
    assert_recovered_once(refused, answers)


OF_ITS_OWN = """
import sys
import gc_credhelper
from library.kit import SENDERS
print(SENDERS["requests"](gc_credhelper.token_source(cache=sys.argv[1]))("/api/v2/users"))
"""


@pytest.mark.parametrize("cache", ["memory", "none"])
def test_a_process_that_replaced_a_token_of_its_own_keeps_no_other_from_doing_so(
    machine: Machine, scripted: ScriptedServer, cache: str
) -> None:
    def api(request: Request, _: socket.socket) -> bytes:
        return http(401 if request.headers["authorization"] in ("Bearer tok-1", "Bearer tok-3") else 200, "")

    scripted.answers = [token(f"tok-{number}") for number in (1, 2, 3, 4)]
    with ScriptedServer(api) as server:
        env = client(scripted, GC_CREDHELPER_API_URL=f"http://127.0.0.1:{server.port}")
        for _ in range(2):
            done = subprocess.run(
                [sys.executable, "-c", OF_ITS_OWN, cache],
                env=machine.environ(env) | {"PYTHONPATH": os.pathsep.join(sys.path)},
                capture_output=True,
                text=True,
                timeout=100,
                check=False,
            )
            assert (done.stdout, done.stderr) == (f"{Answer(200, (401,))}\n", "")
        assert len(server.requests) == len(scripted.requests) == 4


class SlowLogin:
    """A token server that answers only when it is told to."""

    def __init__(self, scripted: ScriptedServer, monkeypatch: pytest.MonkeyPatch) -> None:
        self.asked, self.answer = threading.Event(), threading.Event()
        scripted.answers = [self._wait]
        for name, value in client(scripted, GC_CREDHELPER_API_URL=f"http://127.0.0.1:{scripted.port}").items():
            monkeypatch.setenv(name, value)

    def _wait(self, _: Request, __: socket.socket) -> bytes:
        self.asked.set()
        assert self.answer.wait(60)
        return token()


@pytest.fixture
def slow(scripted: ScriptedServer, monkeypatch: pytest.MonkeyPatch) -> SlowLogin:
    return SlowLogin(scripted, monkeypatch)


@pytest.fixture
def source(slow: SlowLogin) -> TokenSource:
    return token_source(deadline="60s")


async def until(event: threading.Event) -> None:
    """Look now and then, as a loop that is not blocked can."""
    while not event.is_set():  # noqa: ASYNC110  # a thread sets it
        await asyncio.sleep(0.01)


def test_the_event_loop_and_the_programs_own_threads_go_on_while_the_login_is_slow(
    slow: SlowLogin, scripted: ScriptedServer, source: TokenSource
) -> None:
    async def main() -> list[httpx.Response]:
        async with httpx.AsyncClient(**options(httpx_auth.GenesysAuth(source))) as session:
            waiting = [asyncio.create_task(session.get(source.api_url)) for _ in range(CROWD)]
            await until(slow.asked)
            await anyio.to_thread.run_sync(slow.answer.set)
            return await asyncio.gather(*waiting)

    assert {got.status_code for got in asyncio.run(main())} == {200}
    assert [one.line.split(" ")[0] for one in scripted.requests].count("POST") == 1


def test_a_task_that_waits_for_a_token_can_be_cancelled(slow: SlowLogin, source: TokenSource) -> None:
    async def main() -> None:
        async with httpx.AsyncClient(**options(httpx_auth.GenesysAuth(source))) as session:
            task = asyncio.create_task(session.get(source.api_url))
            await until(slow.asked)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            assert not slow.answer.is_set()
            slow.answer.set()
            assert (await session.get(source.api_url)).status_code == 200

    asyncio.run(main())


def test_a_thread_whose_deadline_ends_while_another_one_rejects_says_so(source: TokenSource) -> None:
    with (
        thread_lock(f"rejection of {id(source)}"),
        pytest.raises(TemporaryError, match="another thread has been rejecting a token for longer than 0 s"),
    ):
        source.reject("a-token", deadline=Deadline(0.01))


FORK = """
import fcntl, os, sys, threading, time
import gc_credhelper
from gc_credhelper.locks import thread_lock
from library.kit import SENDERS

library, lock = sys.argv[1:]
source = gc_credhelper.token_source()
send = SENDERS[library](source)
source.token()

held = os.open(lock, os.O_RDWR | os.O_CREAT, 0o600)
fcntl.flock(held, fcntl.LOCK_EX)
answers = []
thread = threading.Thread(target=lambda: answers.append(send("/api/v2/users").status))
thread.start()
while not thread_lock(f"rejection of {id(source)}").locked():  # it waits for the lock of the file, with its own held
    time.sleep(0.01)

child = os.fork()
if not child:
    code = 70
    try:
        fcntl.flock(held, fcntl.LOCK_UN)  # the parent's as well
        code = 0 if send("/api/v2/users").status == 200 else 71
    finally:
        os._exit(code)
print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
thread.join()
print(answers)
"""


@pytest.mark.parametrize("library", SENDERS)
def test_a_child_that_is_forked_while_a_token_is_rejected_is_served(
    machine: Machine, refused: SandboxThread, library: str
) -> None:
    done = subprocess.run(
        [sys.executable, "-W", "ignore::DeprecationWarning", "-c", FORK, library, lock_of(machine, refused)],
        env=machine.environ(variables(refused)) | {"PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert (done.stdout, done.stderr) == ("0\n[200]\n", "")
    assert refused.stats()["token_requests"] == 2


def lock_of(machine: Machine, sandbox: SandboxThread) -> Path:
    return entries.path_of(machine.cache, sandbox, ".lock")


def test_no_module_is_imported_while_a_token_is_got_where_a_fork_could_fall_into_it(
    machine: Machine, sandbox: SandboxThread
) -> None:
    program = """
import sys, time, gc_credhelper
source = gc_credhelper.token_source()
before = {*sys.modules}
assert source.reject(source.token().value)
source.token()
time.sleep(0.01)
source.token()  # it is due for a check
print({*sys.modules} - before)
"""
    done = subprocess.run(
        [sys.executable, "-c", program],
        env=machine.environ(variables(sandbox) | {"GC_CREDHELPER_VERIFY": "1ms"}),
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert (done.stdout, done.stderr) == ("set()\n", "")
    assert sandbox.stats()["api_requests"]
