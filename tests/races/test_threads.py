"""Single flight among the threads of one process, through the library; and what a fork leaves behind."""

import subprocess
import sys
import threading
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from support import client
from support.scripted import ScriptedServer

from gc_credhelper.library import token_source
from gc_credhelper.source import TokenSource
from gc_credhelper.tokens import AccessToken

Slowly = Callable[..., ScriptedServer]
BOTH = pytest.mark.parametrize("cache", ["file", "memory", "memory,file"])


@pytest.fixture
def source(scripted: ScriptedServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., TokenSource]:
    """A TokenSource of the scripted server's client."""
    for name, value in client(scripted).items():
        monkeypatch.setenv(name, value)

    def build(**settings: str) -> TokenSource:
        return token_source(cache_dir=str(tmp_path / "cache"), deadline="60s", **settings)

    return build


def race(sources: Sequence[TokenSource], *, refresh: bool = False) -> list[AccessToken]:
    """One thread for each, all at once."""
    start = threading.Barrier(len(sources))
    got: list[AccessToken] = []

    def run(source: TokenSource) -> None:
        start.wait(60)
        got.append(source.token(refresh=refresh))

    threads = [threading.Thread(target=run, args=(source,)) for source in sources]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    return got


@BOTH
def test_a_hundred_threads_ask_once(slowly: Slowly, source: Callable[..., TokenSource], cache: str) -> None:
    server = slowly(1)
    got = race([source(cache=cache)] * 100)
    assert [token.value for token in got] == ["new-0"] * 100
    assert len(server.requests) == 1


@BOTH
def test_two_sources_of_one_client_ask_once(slowly: Slowly, source: Callable[..., TokenSource], cache: str) -> None:
    server = slowly(0.5)
    got = race([source(cache=cache), source(cache=cache)] * 10)
    assert [token.value for token in got] == ["new-0"] * 20
    assert len(server.requests) == 1


@BOTH
def test_threads_that_all_want_a_refresh_ask_once(
    slowly: Slowly, source: Callable[..., TokenSource], cache: str
) -> None:
    server = slowly(1)
    one = source(cache=cache)
    one.token()
    assert {token.value for token in race([one] * 20, refresh=True)} == {"new-1"}
    assert len(server.requests) == 2


def test_a_hundred_threads_read_the_provider_once(
    slowly: Slowly, source: Callable[..., TokenSource], tmp_path: Path
) -> None:
    server = slowly(0.5)
    script = tmp_path / "print.py"
    script.write_text(
        f"open({str(tmp_path / 'runs')!r}, 'a').write('x')\n"
        f'print(\'{{"client_id": "{server.client_id}", "client_secret": "canary-Zt6-command"}}\')\n'
    )
    got = race([source(provider=f"command:{sys.executable} {script}")] * 100)
    assert [token.value for token in got] == ["new-0"] * 100
    assert (tmp_path / "runs").read_text() == "x"


def test_without_a_cache_every_caller_asks(slowly: Slowly, source: Callable[..., TokenSource]) -> None:
    server = slowly(0)
    assert len({token.value for token in race([source(cache="none")] * 5)}) == 5
    assert len(server.requests) == 5


FORK = """
import fcntl, multiprocessing, os, pathlib, signal, sys, threading, time
import gc_credhelper
from gc_credhelper.locks import LocalLock
from gc_credhelper.private import PrivateDir
from gc_credhelper.report import Report

here = sys.argv[1]
directory = PrivateDir("+" + here)
lock = LocalLock(directory, "k", Report())

def elsewhere():
    fd = os.open(here + "/k.lock", os.O_RDWR)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return "free"
    except BlockingIOError:
        return "held"
    finally:
        os.close(fd)

def in_a_thread(lock, body):
    held, leave = threading.Event(), threading.Event()
    def hold():
        with lock.attempt() as mine:
            assert mine
            held.set()
            leave.wait(60)
    thread = threading.Thread(target=hold)
    thread.start()
    assert held.wait(60)
    body()
    leave.set()
    thread.join()

def in_a_child(body):
    child = os.fork()
    if not child:
        code = 70
        try:
            body()
            code = 0
        finally:
            os._exit(code)
    return child

def ended(child):
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
"""


def forking(script: str, *arguments: object) -> str:
    """What the script printed; it runs in a process of its own, because this one has threads that must not be lost."""
    done = subprocess.run(
        [sys.executable, "-W", "ignore::DeprecationWarning", "-c", FORK + script, *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


def test_a_fork_neither_takes_nor_drops_the_lock_that_another_thread_holds(tmp_path: Path) -> None:
    script = """
def child():
    assert elsewhere() == "held"
    with lock.attempt() as mine:
        assert not mine, "it is the parent's"
def body():
    print(ended(in_a_child(child)), elsewhere())
in_a_thread(lock, body)
print(elsewhere())
"""
    assert forking(script, tmp_path / "d") == "0 held\nfree\n"


def test_a_forked_child_that_lives_on_does_not_keep_the_lock(tmp_path: Path) -> None:
    script = """
children = []
in_a_thread(lock, lambda: children.append(in_a_child(lambda: time.sleep(60))))
print(elsewhere())
os.kill(children[0], signal.SIGKILL)
"""
    assert forking(script, tmp_path / "d") == "free\n"


def test_a_forked_child_does_not_keep_the_lock_of_a_parent_that_was_killed(tmp_path: Path) -> None:
    script = """
reader, writer = os.pipe()
def parent():
    def live_on():
        os.write(writer, b"%d\\n" % os.getpid())
        time.sleep(60)
    def body():
        in_a_child(live_on)
        time.sleep(60)
    in_a_thread(lock, body)
child = in_a_child(parent)
grandchild = int(os.read(reader, 20))
os.kill(child, signal.SIGKILL)
print(ended(child), elsewhere())
os.kill(grandchild, signal.SIGKILL)
"""
    assert forking(script, tmp_path / "d") == "-9 free\n"


def test_a_child_that_was_forked_under_the_lock_leaves_it_to_its_parent(tmp_path: Path) -> None:
    script = """
with lock.attempt() as mine:
    child = os.fork()
    if not child:
        inner = LocalLock(directory, "other", Report()).attempt()
        assert inner.__enter__()
    else:
        time.sleep(1)
        print(ended(child), elsewhere())
if not child:
    os._exit(0 if elsewhere() == "held" else 70)
print(elsewhere())
"""
    assert forking(script, tmp_path / "d") == "0 held\nfree\n"


def test_a_lock_of_threads_alone_is_free_in_a_forked_child(tmp_path: Path) -> None:
    script = """
lock = LocalLock(None, "k", Report())
def child():
    with lock.attempt() as mine:
        assert mine
def body():
    print(ended(in_a_child(child)))
    with lock.attempt() as mine:
        print(mine)
in_a_thread(lock, body)
"""
    assert forking(script, tmp_path / "d") == "0\nFalse\n"


@pytest.mark.usefixtures("source")
@pytest.mark.parametrize(("cache", "requests"), [("file", 1), ("memory", 2)])
@pytest.mark.parametrize("how", ["os.fork", "multiprocessing"])
def test_a_child_that_was_forked_during_an_exchange_gets_a_token(
    slowly: Slowly, tmp_path: Path, how: str, cache: str, requests: int
) -> None:
    server = slowly(1)
    script = f"""
source = gc_credhelper.token_source(cache={cache!r}, cache_dir=here, deadline="60s")
thread = threading.Thread(target=source.token)
thread.start()
while not [name for name in threading.enumerate() if name.name == "gc-credhelper"]:
    time.sleep(0.01)
time.sleep(0.3)
def child():
    assert source.token().value.startswith("new-")
if {how!r} == "os.fork":
    print(ended(in_a_child(child)))
else:
    process = multiprocessing.get_context("fork").Process(target=child)
    process.start()
    process.join()
    print(process.exitcode)
thread.join()
assert source.token().value == "new-0"
"""
    assert forking(script, tmp_path / "cache") == "0\n"
    assert len(server.requests) == requests
