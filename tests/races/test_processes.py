"""Single flight among processes: however many start at once, one of them asks."""

import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from support import Machine, Run, client, outputs
from support.entries import AGEING, ENDING, EXPIRED, OLD, get, is_locked, locked, path_of, put
from support.scripted import ScriptedServer, token

Slowly = Callable[..., ScriptedServer]
Together = Callable[..., list[Run]]
GUARD = 60.0


def until(true: Callable[[], object]) -> None:
    end = time.monotonic() + GUARD
    while not true():
        assert time.monotonic() < end
        time.sleep(0.01)


def wait_until_it_waits(child: "subprocess.Popen[str]") -> None:
    """For a command with -v."""
    assert child.stderr
    for line in child.stderr:
        if "waiting for" in line:
            return
    pytest.fail("it ended without waiting")


def test_sixteen_processes_on_an_empty_cache_ask_once(slowly: Slowly, together: Together) -> None:
    server = slowly(1)
    runs = together(16)
    assert [(run.code, run.out, run.err) for run in runs] == [(0, "new-0\n", "")] * 16
    assert len(server.requests) == 1


@pytest.mark.parametrize("age", [EXPIRED, ENDING])
def test_sixteen_processes_with_an_old_entry_ask_once_and_all_wait(
    machine: Machine, slowly: Slowly, together: Together, age: float
) -> None:
    server = slowly(1)
    put(machine.cache, server, age=age)
    runs = together(16)
    assert [(run.code, run.out, run.err) for run in runs] == [(0, "new-0\n", "")] * 16
    assert len(server.requests) == 1


def test_sixteen_processes_with_an_ageing_entry_ask_once(machine: Machine, slowly: Slowly, together: Together) -> None:
    server = slowly(1)
    put(machine.cache, server, age=AGEING)
    runs = together(16)
    assert [(run.code, run.err) for run in runs] == [(0, "")] * 16
    assert "new-0\n" in {run.out for run in runs} <= {"new-0\n", f"{OLD}\n"}
    assert len(server.requests) == 1
    assert get(machine.cache, server).value == "new-0"


def test_nobody_waits_for_an_early_refresh_that_hangs(
    machine: Machine, scripted: ScriptedServer, together: Together
) -> None:
    scripted.answers = [lambda *_: time.sleep(GUARD)]
    put(machine.cache, scripted, age=AGEING)
    runs = together(8)
    assert [(run.code, run.out) for run in runs] == [(0, f"{OLD}\n")] * 8
    warnings = [warning for run in runs for warning in run.warnings]
    assert len(warnings) == 1
    assert warnings[0].startswith("the token was not renewed early")
    assert len(scripted.requests) == 1


def test_sixteen_processes_that_all_want_a_refresh_ask_once(machine: Machine, slowly: Slowly) -> None:
    server = slowly(1)
    put(machine.cache, server, age=100)
    argv = ("token", "-o", "raw", "--refresh", "-v", "--deadline", "90s")
    with locked(machine.cache, server):
        children = [machine.start(*argv, env=client(server)) for _ in range(16)]
        for child in children:
            wait_until_it_waits(child)
    assert [(run.code, run.out) for run in outputs(children)] == [(0, "new-0\n")] * 16
    assert len(server.requests) == 1


def test_a_refresh_is_not_content_with_what_was_there_before(machine: Machine, slowly: Slowly) -> None:
    server = slowly(0)
    for number in range(3):
        assert machine.run("token", "-o", "raw", "--refresh", env=client(server)).out == f"new-{number}\n"


def test_when_the_lifetime_is_too_short_for_all_of_them_they_ask_once(
    machine: Machine, slowly: Slowly, together: Together
) -> None:
    server = slowly(1, lifetime=300)
    runs = together(8, "--min-ttl", "1h")
    assert [(run.code, run.out) for run in runs] == [(7, "")] * 8
    assert len(server.requests) == 1


def test_a_waiter_leaves_with_the_fresh_entry_while_the_lock_is_still_held(
    machine: Machine, scripted: ScriptedServer
) -> None:
    with locked(machine.cache, scripted):
        child = machine.start("token", "-o", "raw", "-v", "--deadline", "90s", env=client(scripted))
        wait_until_it_waits(child)
        put(machine.cache, scripted, "put-by-hand")
        (done,) = outputs([child], GUARD)
        assert is_locked(path_of(machine.cache, scripted, ".lock"))
    assert (done.code, done.out) == (0, "put-by-hand\n")
    assert scripted.requests == []


def test_a_waiter_whose_deadline_ends_names_the_holder_and_asks_nobody(
    machine: Machine, scripted: ScriptedServer
) -> None:
    scripted.answers = [lambda *_: time.sleep(GUARD)]
    holder = machine.start("token", "--deadline", "90s", env=client(scripted))
    until(lambda: scripted.requests)
    done = machine.run("token", "--deadline", "500ms", env=client(scripted))
    holder.kill()
    holder.communicate()
    assert (done.code, done.out) == (6, "")
    assert f"process {holder.pid} on " in done.error
    assert "--deadline" in done.hint
    assert len(scripted.requests) == 1


@pytest.mark.parametrize("name", ["", "two\nlines", "\x1b[2J", "x" * 400])
def test_an_odd_name_in_the_lock_file_is_not_repeated(machine: Machine, scripted: ScriptedServer, name: str) -> None:
    with locked(machine.cache, scripted, name):
        done = machine.run("token", "--deadline", "200ms", env=client(scripted))
    assert (done.code, done.out) == (6, "")
    assert done.error.startswith("another caller has been getting this token")


def test_the_lock_of_a_holder_that_was_killed_is_free(machine: Machine, scripted: ScriptedServer) -> None:
    scripted.answers = [lambda *_: time.sleep(GUARD), token("after")]
    holder = machine.start("token", "--deadline", "90s", env=client(scripted))
    until(lambda: scripted.requests)
    waiter = machine.start("token", "-o", "raw", "-v", "--deadline", "90s", env=client(scripted))
    wait_until_it_waits(waiter)
    holder.kill()
    holder.communicate()
    (done,) = outputs([waiter], GUARD)
    assert (done.code, done.out) == (0, "after\n")
    assert len(scripted.requests) == 2


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_command_that_is_interrupted_prints_nothing_and_frees_the_lock(
    machine: Machine, scripted: ScriptedServer, number: int, code: int
) -> None:
    scripted.answers = [lambda *_: time.sleep(GUARD), token("after")]
    child = machine.start("token", "--deadline", "90s", env=client(scripted))
    until(lambda: scripted.requests)
    child.send_signal(number)
    (done,) = outputs([child], GUARD)
    assert (done.code, done.out, done.err) == (code, "", "")
    assert not is_locked(path_of(machine.cache, scripted, ".lock"))
    assert machine.run("token", "-o", "raw", env=client(scripted)).out == "after\n"


LOOK = """
import fcntl, json, os, pathlib, sys
lock = next(pathlib.Path(sys.argv[1]).glob("*.lock"))
seen = {"open": [os.readlink(f"/proc/self/fd/{n}") for n in os.listdir("/proc/self/fd") if n.isdigit()
                 and os.path.exists(f"/proc/self/fd/{n}")]}
try:
    fcntl.flock(os.open(lock, os.O_RDWR), fcntl.LOCK_EX | fcntl.LOCK_NB)
    seen["held"] = False
except BlockingIOError:
    seen["held"] = True
pathlib.Path(sys.argv[2]).write_text(json.dumps(seen))
print(json.dumps({"client_id": sys.argv[3], "client_secret": "canary-Wq4-command"}))
"""


@pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="there is no /proc to look at")
def test_a_child_that_is_started_under_the_lock_does_not_inherit_it(
    machine: Machine, scripted: ScriptedServer, tmp_path: Path
) -> None:
    (tmp_path / "look.py").write_text(LOOK)
    words = (sys.executable, tmp_path / "look.py", machine.cache, tmp_path / "seen.json", scripted.client_id)
    env = {
        "GC_CREDHELPER_TOKEN_URL": scripted.token_url,
        "GC_CREDHELPER_CLIENT_ID": scripted.client_id,
        "GC_CREDHELPER_PROVIDER": "command:" + " ".join(map(str, words)),
    }
    done = machine.run("token", env=env)
    assert (done.code, done.err) == (0, "")
    seen = json.loads((tmp_path / "seen.json").read_text())
    assert seen["held"]
    assert not [name for name in seen["open"] if str(machine.cache) in name]


def test_killed_holders_never_stand_in_the_way(machine: Machine, slowly: Slowly) -> None:
    server = slowly(0.1)
    for share in range(6):
        put(machine.cache, server, age=EXPIRED)
        child = machine.start("token", env=client(server))
        time.sleep(0.1 * share)
        child.kill()
        child.communicate()
        done = machine.run("token", "-o", "raw", env=client(server))
        assert done.code == 0
        assert done.out.startswith("new-")
    assert not [*machine.cache.glob("*.gate")]


def test_two_clients_do_not_wait_for_each_other(machine: Machine, scripted: ScriptedServer) -> None:
    with locked(machine.cache, scripted):
        other = client(scripted, GENESYS_CLOUD_CLIENT_ID="another-client")
        assert machine.run("token", "--deadline", "30s", env=other).code == 0


def test_a_lock_file_outlives_its_use(machine: Machine, scripted: ScriptedServer) -> None:
    machine.run("token", env=client(scripted))
    lock = path_of(machine.cache, scripted, ".lock")
    before = lock.stat().st_ino
    machine.run("token", "--refresh", env=client(scripted))
    machine.run("forget", "--all", env=client(scripted))
    assert lock.stat().st_ino == before
