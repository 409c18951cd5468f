"""Standard streams that are closed, full, broken or slow, on a hit and on a full run."""

import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from support import GC, Machine, client
from support.scripted import ScriptedServer, token

from .kit import PYTHON

Start = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture(params=["hit", "full run"])
def start(request: pytest.FixtureRequest, machine: Machine, scripted: ScriptedServer) -> Start:
    """Starts `token -o raw` under a line of shell in which it stands as "$@"."""
    env = client(scripted)
    argv = [GC, "token", "-o", "raw"]
    if request.param == "hit":
        assert machine.run(*argv[1:], env=env).code == 0

    def run(script: str, stdout: int = subprocess.PIPE) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            ["/bin/bash", "-c", script, "bash", *argv],
            stdin=subprocess.DEVNULL,
            stdout=stdout,
            stderr=subprocess.PIPE,
            env=machine.environ(env),
            text=True,
            check=False,
            cwd=machine.home,
            timeout=60,
        )

    return run


def test_a_reader_that_has_gone_is_141(start: Start) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    done = start('exec "$@"', stdout=writing)
    os.close(writing)
    assert (done.returncode, done.stderr) == (141, "")


def test_head_c0_sees_nothing_and_no_complaint(start: Start) -> None:
    done = start(
        '{ until [ -e closed ]; do sleep 0.05; done; "$@"; } | { exec <&-; touch closed; }; exit ${PIPESTATUS[0]}'
    )
    assert (done.returncode, done.stdout, done.stderr) == (141, "", "")


def test_a_full_device_is_exit_1_with_one_line(start: Start) -> None:
    done = start('exec "$@" >/dev/full')
    assert done.returncode == 1
    assert done.stderr.startswith("gc-credhelper: error: standard output cannot be written: No space left")
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.parametrize("closed", [">&-", "<&- >&-", ">&- 3>&-"])
def test_a_closed_stdout_is_exit_1_with_one_line(start: Start, closed: str) -> None:
    done = start(f'exec "$@" {closed}')
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("gc-credhelper: error: standard output cannot be written: Bad file descriptor")
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.parametrize("closed", ["<&-", "2>&-", "<&- 2>&-"])
def test_a_closed_stdin_or_stderr_does_not_matter(start: Start, closed: str) -> None:
    done = start(f'exec "$@" {closed}')
    assert (done.returncode, done.stdout, done.stderr) == (0, "tok-1\n", "")


@pytest.mark.parametrize("closed", [">&- 2>&-", "<&- >&- 2>&-", ">/dev/full 2>/dev/full", ">/dev/full 2>&-"])
def test_with_nobody_to_tell_there_is_still_the_exit_code(start: Start, closed: str) -> None:
    assert start(f'exec "$@" {closed}').returncode == 1


def test_what_was_closed_never_becomes_a_file_or_a_socket_of_ours(machine: Machine, scripted: ScriptedServer) -> None:
    # A connection that a store keeps open would get the answer if it were number 1.
    seen: list[str] = []

    def look(_request: object, _connection: object) -> bytes:
        seen.extend(str(Path(f"/proc/{child.pid}/fd/{number}").readlink()) for number in range(3))
        return token()

    scripted.answers = [look]
    argv = ["/bin/bash", "-c", f'sleep 0.5; exec "{GC}" token <&- >&- 2>&-']
    child = subprocess.Popen(argv, env=machine.environ(client(scripted)), cwd=machine.home)
    assert child.wait(60) == 1
    assert seen == ["/dev/null"] * 3


def test_errors_never_go_to_stdout_when_stderr_is_closed(machine: Machine) -> None:
    done = subprocess.run(
        ["/bin/bash", "-c", f'exec "{GC}" token 2>&-'],
        env=machine.environ(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        check=False,
    )
    assert (done.returncode, done.stdout) == (4, b"")


def test_a_write_that_stops_in_the_middle_goes_on_and_then_fails(start: Start, tmp_path: Path) -> None:
    out = tmp_path / "out"
    with out.open("wb") as file:
        file.write(b"x" * 1020)
        file.flush()
        # The kernel takes four bytes of the token, and refuses the fifth.
        done = start('ulimit -f 1; exec "$@"', stdout=file.fileno())
    assert done.returncode == 1
    assert "standard output cannot be written: File too large" in done.stderr
    assert out.read_bytes() == b"x" * 1020 + b"tok-"


EMIT = "import sys; from gc_credhelper import output; sys.exit(output.emit(sys.argv[1] * int(sys.argv[2]) + '\\n'))"


def test_a_pipe_that_does_not_wait_gets_everything_all_the_same() -> None:
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    child = subprocess.Popen([sys.executable, "-c", EMIT, "0123456789abcdef", "16384"], stdout=writing)
    os.close(writing)
    received: list[bytes] = []

    def read_slowly() -> None:
        while part := os.read(reading, 30_000):
            received.append(part)
            time.sleep(0.01)

    reader = threading.Thread(target=read_slowly)
    reader.start()
    assert child.wait(60) == 0
    reader.join(60)
    os.close(reading)
    assert b"".join(received) == b"0123456789abcdef" * 16384 + b"\n"


def test_a_token_of_64_kib_arrives_whole(machine: Machine, scripted: ScriptedServer) -> None:
    value = "a" * 60_000
    scripted.answers = [token(value)]
    for _ in range(2):
        done = machine.run("token", "-o", "raw", env=client(scripted))
        assert (done.code, done.out) == (0, value + "\n")
    assert len(scripted.requests) == 1


def test_an_interpreter_flag_reaches_the_hit_unharmed(machine: Machine, scripted: ScriptedServer) -> None:
    # The launcher's Python part is an ordinary script.
    machine.run("token", "-o", "raw", env=client(scripted))
    for flags in (["-I", "-S"], ["-I"], ["-O"], ["-X", "dev", "-W", "error"], ["-B"], ["-u"]):
        done = subprocess.run(
            [PYTHON, *flags, GC, "token", "-o", "raw"],
            env=machine.environ(client(scripted)),
            capture_output=True,
            text=True,
            check=False,
            cwd=machine.home,
        )
        assert (done.returncode, done.stdout, done.stderr) == (0, "tok-1\n", ""), flags
