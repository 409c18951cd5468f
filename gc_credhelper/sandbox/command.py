"""Runs a command beside a sandbox that lives exactly as long."""

import os
import signal
import subprocess
from collections.abc import Callable, Mapping, Sequence
from types import FrameType

from gc_credhelper.sandbox.options import Options, Ready
from gc_credhelper.sandbox.server import SandboxThread

NOT_EXECUTABLE = 126
NOT_FOUND = 127
KILLED = 128
"""Statuses of POSIX shells (POSIX.1-2024, Shell Command Language, 2.8.2); KILLED is added to a signal's number."""


def run_with_command(options: Options, argv: Sequence[str], environ_for: Callable[[Ready], Mapping[str, str]]) -> int:
    """Run `argv` in the environment that `environ_for` gives it, and return its status as a shell would.

    SIGINT, SIGTERM and SIGHUP are passed on; call it in the main thread. Raises OSError when the port cannot be had.
    """
    with SandboxThread(options) as sandbox:
        return run_child(argv, environ_for(sandbox.ready))


def run_child(argv: Sequence[str], environ: Mapping[str, str]) -> int:
    """Run a child and pass signals on to it; 128 + n when a signal ended it, 127 not found, 126 not executable."""
    child: subprocess.Popen[bytes] | None = None
    early: list[int] = []

    def forward(signum: int, _frame: FrameType | None) -> None:
        if child is None:
            early.append(signum)
        elif signum != signal.SIGINT or not _in_foreground():
            child.send_signal(signum)

    names = [name for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)]
    numbers = [signal.Signals[name] for name in names]
    # One that we were told to ignore, as under nohup, is ignored by the child as well.
    numbers = [number for number in numbers if signal.getsignal(number) != signal.SIG_IGN]
    before = {number: signal.signal(number, forward) for number in numbers}
    try:
        child = subprocess.Popen(argv, env=environ)  # noqa: S603 - running the caller's command is the purpose
        for signum in early:
            forward(signum, None)
        status = child.wait()
    except FileNotFoundError:
        return NOT_FOUND
    except OSError:
        return NOT_EXECUTABLE
    finally:
        for signum, handler in before.items():
            signal.signal(signum, handler)
    return status if status >= 0 else KILLED - status


def _in_foreground() -> bool:
    """Whether Ctrl-C at a terminal reached the child already, because the terminal sends it to the whole group."""
    try:
        terminal = os.open("/dev/tty", os.O_RDONLY)
    except OSError:
        return False
    try:
        return os.tcgetpgrp(terminal) == os.getpgrp()
    finally:
        os.close(terminal)
