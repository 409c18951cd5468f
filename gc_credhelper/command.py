"""The provider `command`: any program that prints client id and secret as JSON (1Password, pass, sops, gcloud, az).

No shell runs it. Its error output may hold the secret, so nobody is shown it. At the deadline it is ended, with its
whole process group.
"""

import contextlib
import json
import os
import re
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import ClassVar

from .credentials import ClientCredentials, Secret
from .deadline import THREAD, Deadline
from .errors import CredentialsError, TemporaryError, UsageError
from .kinds import argv, items
from .plan import Inputs
from .reading import sealed, trimmed
from .roles import Context
from .settings import Setting

NESTED = "GC_CREDHELPER_IN_COMMAND"  # set for the program: the file that we touch when it calls us back
_LIMIT = 65_536
_MOMENT = 1  # second, for what the command wrote to arrive
_SECRET = re.compile("SECRET|TOKEN|PASS|PWD|KEY|SESSION|CREDENTIAL|AUTH", re.IGNORECASE)
_PLACE = re.compile("_(DIR|FILE|PATH|ID|NAME|URL|ADDR)$", re.IGNORECASE)  # where a secret lies, not what it is
_running: set[contextlib.ExitStack] = set()
_starting = threading.Lock()
_BY_HAND = "run the command by hand; its output is not shown here, because it may hold the secret"


class CommandProvider:
    """The reference is the command."""

    settings: ClassVar[tuple[Setting, ...]] = (
        Setting("command.argv", argv, "the command that prints a JSON object with client_id and client_secret"),
        Setting("command.env", items, "variables that decide which secret the command prints, such as OP_ACCOUNT"),
    )
    locator: ClassVar[str | None] = "command.argv"

    def __init__(self, context: Context) -> None:
        """UsageError when there is no command, it came from a config file that others can write, or it called us."""
        self._report = context.report
        command = context.settings["command.argv"]
        if not command:
            raise UsageError("the provider command needs a command", hint='--provider "command:op read …"')
        refuse_nested(context.inputs)
        self._argv = command
        for name in context.settings["command.env"] or ():
            secret = bool(_SECRET.search(name)) and not _PLACE.search(name)
            if context.inputs.env(name, secret=secret) and secret:
                context.inputs.volatile = True  # another value may mean another client, and no note can tell
        for path in (_program(command[0], context.inputs), *filter(os.path.isfile, command[1:])):
            context.inputs.file(path)

    def client_id(self) -> str | None:
        """Not known before the command ran."""
        return None

    @sealed
    def credentials(self, deadline: Deadline) -> ClientCredentials:
        """Run it; CredentialsError when it fails or prints something else, TemporaryError when it hangs."""
        name = f"the command {shown(self._argv)}"
        with _ending() as ending:
            path, called_back = _marker(ending)
            try:
                output = _run(self._argv, name, path, deadline, ending)
            except (CredentialsError, TemporaryError):
                if called_back():
                    raise _nested() from None
                raise
            if called_back():
                raise _nested()
        try:
            answer = json.loads(output)
        except (ValueError, RecursionError):
            answer = None
        if not isinstance(answer, dict):
            raise CredentialsError(f"{name} printed something that is not a JSON object", hint=_BY_HAND)
        halves = []
        for what in ("client_id", "client_secret"):
            value = answer.get(what)
            if not isinstance(value, str) or not value.strip():
                raise CredentialsError(f"{name} printed no {what}", hint=_BY_HAND)
            halves.append(trimmed(value, f"{what} of {name}", self._report))
        return ClientCredentials(halves[0], Secret(halves[1]))


def shown(command: tuple[str, ...]) -> str:
    """The program's name. Its arguments, and a value that a shell would have put into its environment, stay hidden."""
    return Path(command[0]).name.partition("=")[0] or "given"


def refuse_nested(inputs: Inputs) -> None:
    """UsageError when it is the command that calls us: it would start itself without end."""
    if path := inputs.env(NESTED):
        with contextlib.suppress(OSError, ValueError):
            os.utime(path)
        raise _nested()


def _nested() -> UsageError:
    return UsageError(
        "the command of the provider command called gc-credhelper again",
        hint="let the command print the client id and secret themselves, not a token",
    )


def _program(name: str, inputs: Inputs) -> str:
    """The file that runs under this name."""
    return shutil.which(name, path=inputs.env("PATH")) or name


@contextlib.contextmanager
def _ending() -> Iterator[contextlib.ExitStack]:
    """What must happen at the end, even when that comes to the main thread while another one runs the command."""
    with contextlib.ExitStack() as ending:
        _running.add(ending)
        try:
            yield ending
        finally:
            _running.discard(ending)


def end_all() -> None:
    """End every command that still runs, and remove its marker."""
    with _starting:  # whoever starts one at this moment has noted then how to end it
        for ending in [*_running]:
            ending.close()


def _marker(ending: contextlib.ExitStack) -> tuple[str, Callable[[], bool]]:
    """A file for NESTED, and whether a nested call touched it: its own message goes where nobody reads."""
    try:
        file = ending.enter_context(tempfile.NamedTemporaryFile(prefix="gc-credhelper-"))  # noqa: SIM115
        os.utime(file.name, (1, 1))
    except OSError:  # nowhere to put it: a nested call still ends at once
        return os.devnull, lambda: False
    return file.name, lambda: os.fstat(file.fileno()).st_mtime != 1


def check_config_file(path: str) -> None:
    """A config file that names a command must belong to the caller or root and be writable by nobody else."""
    if sys.platform == "win32":  # pragma: no cover
        return
    st = Path(path).stat()
    if st.st_uid not in (0, os.geteuid()) or st.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        raise UsageError(
            f"{path} names a command, but others can write it (uid {st.st_uid}, mode {stat.S_IMODE(st.st_mode):04o})",
            hint=f"chown {os.geteuid()} and chmod go-w the file",
        )


def _run(command: tuple[str, ...], name: str, marker: str, deadline: Deadline, ending: contextlib.ExitStack) -> bytes:
    """What it printed, 64 KiB at the most."""
    reader, writer = os.pipe()
    try:
        with _starting:
            child = subprocess.Popen(  # noqa: S603  # the argv is the user's own, and no shell reads it
                command,
                stdin=subprocess.DEVNULL,
                stdout=writer,
                stderr=subprocess.DEVNULL,
                env={**os.environ, NESTED: marker},
                start_new_session=True,
            )
            ending.callback(_kill, child)
    except (OSError, ValueError) as e:
        os.close(reader)
        if isinstance(e, FileNotFoundError):
            hint = "is it installed, and on PATH? No shell runs it, so ~, $NAME and NAME=VALUE mean nothing"
            raise CredentialsError(f"{name} was not found", hint=hint) from None
        raise CredentialsError(f"{name} cannot be run", hint="is it an executable program?") from None
    finally:
        os.close(writer)
    output = bytearray()
    thread = threading.Thread(target=_drain, args=(reader, output), daemon=True, name=THREAD)
    thread.start()
    try:
        status = child.wait(deadline.left())
    except subprocess.TimeoutExpired:
        status = None
    thread.join(_MOMENT if status is not None else 0)  # what the command left behind may hold its output open
    if len(output) > _LIMIT:
        raise CredentialsError(f"{name} printed more than 64 KiB", hint=_BY_HAND)
    if status is None:
        raise TemporaryError(
            f"{name} did not end within {deadline.seconds:.0f} s", hint=f"{_BY_HAND}, or raise --deadline"
        )
    if status < 0:
        raise CredentialsError(f"{name} was ended by signal {-status}", hint=_BY_HAND)
    if status:
        raise CredentialsError(f"{name} failed with status {status}", hint=_BY_HAND)
    return bytes(output)


def _drain(reader: int, output: bytearray) -> None:
    """Everything up to the limit. A command that prints more finds its output closed."""
    while len(output) <= _LIMIT and (part := os.read(reader, _LIMIT)):
        output += part
    os.close(reader)


def _kill(child: "subprocess.Popen[bytes]") -> None:
    """The program and, on POSIX, all of its process group; nothing when it ended by itself."""
    if child.returncode is not None:  # it was waited for, so its id is not its own any more
        return
    with contextlib.suppress(OSError):
        if sys.platform == "win32":  # pragma: no cover
            child.kill()
        else:
            os.killpg(child.pid, signal.SIGKILL)
    with contextlib.suppress(subprocess.TimeoutExpired):
        child.wait(1)
