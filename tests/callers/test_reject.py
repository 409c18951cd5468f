"""`reject`: an API said 401 to a token, and the next caller gets another one."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from support import GC, Machine, Run, client
from support.entries import path_of, put
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


FAR = '''
import json
import os
import time

from gc_credhelper.roles import LostRace, Snapshot


class Far:
    """A store for machines that is a file."""

    far, settings, locator = True, (), None

    def __init__(self, context):
        self.path = os.environ["FAR"]

    def load(self):
        try:
            with open(self.path) as file:
                return json.load(file)
        except FileNotFoundError:
            return {}

    def read(self, key, deadline):
        version, text, at = self.load().get(key, (0, "", None))
        return Snapshot(version, text, at and time.time() - at)

    def compare_and_set(self, key, version, text, deadline):
        kept = self.load()
        if kept.get(key, (0,))[0] != version:
            raise LostRace
        kept[key] = (version + 1, text, time.time())
        with open(self.path, "w") as file:
            json.dump(kept, file)
        return version + 1
'''


class Fleet:
    """Machines that share a cache: a plug-in that lies in a folder of its own."""

    def __init__(self, folder: Path, server: ScriptedServer) -> None:
        self.folder, self.server = folder, server
        info = folder / "far-1.dist-info"
        info.mkdir(parents=True)
        (folder / "far_module.py").write_text(FAR)
        (info / "METADATA").write_text("Metadata-Version: 2.1\nName: far\nVersion: 1\n")
        (info / "entry_points.txt").write_text("[gc_credhelper.cache_backends]\nfar = far_module:Far\n")

    def __call__(self, name: str, *argv: str, stdin: str = "", said: bool = False) -> str:
        home = self.folder / name
        home.mkdir(exist_ok=True)
        more = {"PYTHONPATH": str(self.folder), "FAR": str(self.folder / "far.json"), "GC_CREDHELPER_CACHE": "file,far"}
        done = subprocess.run(
            [sys.executable, "-m", "gc_credhelper", *argv],
            env=Machine(home).environ(client(self.server, GC_CREDHELPER_SLOTS="2", **more)),
            input=stdin,
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
        assert done.returncode == 0
        assert ("less than a minute ago" in done.stderr) if said else not done.stderr
        return done.stdout.strip()

    def later(self, seconds: float) -> None:
        """Let the shared cache be older."""
        path = self.folder / "far.json"
        kept = json.loads(path.read_text())
        path.write_text(json.dumps({key: (version, text, at - seconds) for key, (version, text, at) in kept.items()}))


def test_of_a_fleet_one_token_a_minute_is_replaced(tmp_path: Path, server: ScriptedServer) -> None:
    fleet = Fleet(tmp_path / "fleet", server)
    for name in "abc":
        assert fleet(name, "token", "-o", "raw") == ONE
    fleet("a", "reject", stdin=f"{ONE}\n")
    assert fleet("a", "token", "-o", "raw") == TWO
    fleet("b", "reject", stdin=f"{ONE}\n")  # of a token that is gone anybody may hear
    assert fleet("b", "token", "-o", "raw") == TWO
    fleet("b", "reject", stdin=f"{TWO}\n", said=True)
    fleet("d", "reject", stdin=f"{TWO}\n", said=True)
    assert fleet("c", "token", "-o", "raw", "--refresh") == THREE  # which is a new token of the same minute
    fleet("e", "reject", stdin=f"{THREE}\n", said=True)
    assert fleet("e", "token", "-o", "raw") == THREE
    fleet.later(61)
    fleet("e", "reject", stdin=f"{THREE}\n")
    assert len(server.requests) == 3


def test_a_token_of_the_fleet_is_forgotten_by_a_machine_that_never_held_it(
    tmp_path: Path, server: ScriptedServer
) -> None:
    fleet = Fleet(tmp_path / "fleet", server)
    assert fleet("a", "token", "-o", "raw", "--set", "slot=1") == ONE
    assert fleet("b", "token", "-o", "raw", "--set", "slot=1") == ONE
    fleet("c", "reject", "--set", "slot=0", stdin=f"{ONE}\n")
    assert fleet("d", "token", "-o", "raw", "--set", "slot=1") == TWO
    assert fleet("c", "token", "-o", "raw", "--set", "slot=1") == TWO
    assert len(server.requests) == 2
