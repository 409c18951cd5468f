"""`reject`: an API said 401 to a token, and the next caller gets another one."""

import os
import subprocess
import time
from pathlib import Path

import pytest
from support import GC, Machine, Run, client
from support.entries import path_of, put
from support.fleet import Fleet
from support.scripted import ScriptedServer, token

ONE, TWO, THREE = "tok-canary-one-Cp9", "tok-canary-two-Ue2", "tok-canary-three-Xb7"


@pytest.fixture
def server(scripted: ScriptedServer) -> ScriptedServer:
    scripted.answers = [token(one) for one in (ONE, TWO, THREE)]
    return scripted


def ask(machine: Machine, server: ScriptedServer, *argv: str, **env: str) -> str:
    done = machine.run("token", "-o", "raw", *argv, env=client(server, **env))
    assert (done.code, done.err) == (0, "")
    return done.out.strip()


def reject(machine: Machine, server: ScriptedServer, text: str, *argv: str, **env: str) -> Run:
    done = machine.run("reject", *argv, env=client(server, **env), stdin=text)
    assert done.out == ""
    assert not any(one in done.err for one in (ONE, TWO, THREE))
    return done


def silent(done: Run) -> None:
    assert (done.code, done.err) == (0, "")


def test_the_cached_token_is_forgotten_and_another_one_is_handed_out(machine: Machine, server: ScriptedServer) -> None:
    assert ask(machine, server) == ONE
    silent(reject(machine, server, f"{ONE}\n"))
    assert ask(machine, server) == TWO
    assert ask(machine, server) == TWO
    assert len(server.requests) == 2


def test_a_token_that_is_no_longer_cached_changes_nothing_for_others(machine: Machine, server: ScriptedServer) -> None:
    assert ask(machine, server) == ONE
    silent(reject(machine, server, f"{TWO}\n"))
    assert ask(machine, server) == ONE
    assert len(server.requests) == 1


def test_a_rejected_token_is_not_handed_out_when_something_brings_it_back(
    machine: Machine, server: ScriptedServer
) -> None:
    silent(reject(machine, server, f"{THREE}\n"))
    put(machine.cache, server, THREE)
    assert ask(machine, server) == ONE


def test_rejecting_one_token_after_the_other_is_a_warning_and_the_same_token(
    machine: Machine, server: ScriptedServer
) -> None:
    ask(machine, server)
    silent(reject(machine, server, f"{ONE}\n"))
    assert ask(machine, server) == TWO
    done = reject(machine, server, f"{TWO}\n")
    assert (done.code, len(done.warnings)) == (0, 1)
    assert "less than a minute ago" in done.warnings[0]
    assert ask(machine, server) == TWO
    silent(reject(machine, server, f"{ONE}\n"))  # of the first one nobody need hear again


def test_after_a_minute_the_next_one_may_be_rejected(machine: Machine, server: ScriptedServer) -> None:
    ask(machine, server)
    silent(reject(machine, server, f"{ONE}\n"))
    assert ask(machine, server) == TWO
    record = path_of(machine.cache, server, ".rejected")
    digest, at = record.read_text().split()
    record.write_text(f"{digest} {int(at) - 61}\n")
    silent(reject(machine, server, f"{TWO}\n"))
    assert ask(machine, server) == THREE


@pytest.mark.parametrize("form", ["raw", "bare"])
def test_what_token_prints_can_be_handed_on(machine: Machine, server: ScriptedServer, form: str) -> None:
    text = ask(machine, server) + ("\n" if form == "raw" else "")
    silent(reject(machine, server, text))
    assert ask(machine, server) == TWO


def test_nobody_has_to_close_standard_input(machine: Machine, server: ScriptedServer) -> None:
    assert ask(machine, server) == ONE
    ours, theirs = os.pipe()
    with os.fdopen(theirs, "wb", 0) as caller, os.fdopen(ours, "rb", 0) as stdin:
        child = subprocess.Popen([GC, "reject"], stdin=stdin, env=machine.environ(client(server)), cwd=machine.home)
        caller.write(f"{ONE}\r\nand more".encode())
        assert child.wait(60) == 0
    assert ask(machine, server) == TWO


@pytest.mark.parametrize(
    "text",
    ["", "\n", "\n" + ONE, f"Bearer {ONE}\n", f"Authorization: Bearer {ONE}\n", f'{{"t":"{ONE}"}}', "t\u00f6ken\n"],
)
def test_what_is_no_token_is_refused(machine: Machine, server: ScriptedServer, text: str) -> None:
    done = reject(machine, server, text)
    assert done.code == 2
    assert "does not hold a token" in done.error
    assert done.hint


def test_a_caller_that_says_nothing_is_not_waited_for_beyond_the_deadline(
    machine: Machine, server: ScriptedServer
) -> None:
    ours, theirs = os.pipe()
    with os.fdopen(theirs, "wb", 0), os.fdopen(ours, "rb", 0) as stdin:
        start = time.monotonic()
        done = subprocess.run(
            [GC, "reject", "--deadline", "300ms"],
            stdin=stdin,
            env=machine.environ(client(server)),
            cwd=machine.home,
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
    assert time.monotonic() - start < 30
    run = Run(done.returncode, done.stdout, done.stderr)
    assert (run.code, run.out) == (6, "")
    assert "standard input" in run.error
    assert run.hint


def test_a_terminal_is_not_asked(machine: Machine, server: ScriptedServer) -> None:
    controller, terminal = os.openpty()
    try:
        done = subprocess.run(
            [GC, "reject"],
            stdin=terminal,
            env=machine.environ(client(server)),
            cwd=machine.home,
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
    finally:
        os.close(controller)
        os.close(terminal)
    assert (done.returncode, "is a terminal" in done.stderr) == (2, True)


def test_without_standard_input_it_says_so(machine: Machine, server: ScriptedServer) -> None:
    command = f"exec '{GC}' reject <&-"
    done = subprocess.run(
        ["sh", "-c", command], env=machine.environ(client(server)), capture_output=True, check=False, timeout=60
    )
    assert (done.returncode, done.stdout) == (2, b"")


def test_the_token_of_another_slot_is_found(machine: Machine, server: ScriptedServer) -> None:
    shared = {"GC_CREDHELPER_SLOTS": "3"}
    assert ask(machine, server, "--set", "slot=0", **shared) == ONE
    assert ask(machine, server, "--set", "slot=2", **shared) == TWO
    silent(reject(machine, server, f"{TWO}\n", "--set", "slot=0", **shared))
    assert ask(machine, server, "--set", "slot=0", **shared) == ONE
    assert ask(machine, server, "--set", "slot=2", **shared) == THREE


def test_of_a_fleet_one_token_a_minute_is_replaced(tmp_path: Path, server: ScriptedServer) -> None:
    fleet = Fleet(tmp_path / "fleet", server)

    def reject(name: str, value: str, *, warned: bool = False) -> None:
        done = fleet(name, "reject", stdin=f"{value}\n")
        assert done.code == 0
        assert ("less than a minute ago" in done.err) if warned else not done.err

    for name in "abc":
        assert fleet.token(name) == ONE
    reject("a", ONE)
    assert fleet.token("a") == TWO
    reject("b", ONE)  # of a token that is gone anybody may hear
    assert fleet.token("b") == TWO
    reject("b", TWO, warned=True)
    reject("d", TWO, warned=True)
    assert fleet.token("c", "--refresh") == THREE  # which is a new token of the same minute
    reject("e", THREE, warned=True)
    assert fleet.token("e") == THREE
    fleet.later(61)
    reject("e", THREE)
    assert len(server.requests) == 3


def test_a_token_of_the_fleet_is_forgotten_by_a_machine_that_never_held_it(
    tmp_path: Path, server: ScriptedServer
) -> None:
    fleet = Fleet(tmp_path / "fleet", server)
    assert fleet.token("a", "--set", "slot=1") == ONE
    assert fleet.token("b", "--set", "slot=1") == ONE
    silent(fleet("c", "reject", "--set", "slot=0", stdin=f"{ONE}\n"))
    assert fleet.token("d", "--set", "slot=1") == TWO
    assert fleet.token("c", "--set", "slot=1") == TWO
    assert len(server.requests) == 2
