"""The provider `command`: any program that prints client id and secret as JSON (1Password, pass, sops, gcloud, az).

No shell runs it. Its error output may hold the secret, so nobody is shown it. At the deadline it is ended, with its
whole process group.
"""

import contextlib
import json
import os
import re
import signal
import stat
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import ClassVar

from .credentials import ClientCredentials, Secret
from .deadline import Deadline
from .errors import CredentialsError, TemporaryError, UsageError
from .plan import Inputs
from .reading import trimmed
from .roles import Context
from .settings import Setting, argv, items

NESTED = "GC_CREDHELPER_IN_COMMAND"  # set for the program: the file that we touch when it calls us back
_LIMIT = 65_536
_SECRET = re.compile("SECRET|TOKEN|PASS|KEY|SESSION|CREDENTIAL|AUTH", re.IGNORECASE)
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
            context.inputs.env(name, secret=bool(_SECRET.search(name)))

    def client_id(self) -> str | None:
        """Not known before the command ran."""
        return None

    def credentials(self, deadline: Deadline) -> ClientCredentials:
        """Run it; CredentialsError when it fails or prints something else, TemporaryError when it hangs."""
        name = f"the command {shown(self._argv)}"
        with _marker() as (path, called_back):
            try:
                output = _run(self._argv, name, path, deadline)
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


@contextlib.contextmanager
def _marker() -> Iterator[tuple[str, Callable[[], bool]]]:
    """A file for NESTED, and whether a nested call touched it: its own message goes where nobody reads."""
    with contextlib.ExitStack() as stack:
        try:
            file = stack.enter_context(tempfile.NamedTemporaryFile(prefix="gc-credhelper-"))
            os.utime(file.name, (1, 1))
        except OSError:  # nowhere to put it: a nested call still ends at once
            yield os.devnull, lambda: False
        else:
            yield file.name, lambda: os.fstat(file.fileno()).st_mtime != 1


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


def _run(command: tuple[str, ...], name: str, marker: str, deadline: Deadline) -> bytes:
    """What it printed, 64 KiB at the most."""
    reader, writer = os.pipe()
    try:
        child = subprocess.Popen(  # noqa: S603  # the argv is the user's own, and no shell reads it
            command,
            stdin=subprocess.DEVNULL,
            stdout=writer,
            stderr=subprocess.DEVNULL,
            env={**os.environ, NESTED: marker},
            start_new_session=True,
        )
    except (OSError, ValueError) as e:
        os.close(reader)
        if isinstance(e, FileNotFoundError):
            hint = "is it installed, and on PATH? No shell runs it, so ~, $NAME and NAME=VALUE mean nothing"
            raise CredentialsError(f"{name} was not found", hint=hint) from None
        raise CredentialsError(f"{name} cannot be run", hint="is it an executable program?") from None
    finally:
        os.close(writer)
    try:
        output = deadline.run(lambda: _read(reader), name)
        if len(output) > _LIMIT:
            raise CredentialsError(f"{name} printed more than 64 KiB", hint=_BY_HAND)
        status = child.wait(deadline.left())
    except (TemporaryError, subprocess.TimeoutExpired):
        raise TemporaryError(
            f"{name} did not end within {deadline.seconds:.0f} s", hint=f"{_BY_HAND}, or raise --deadline"
        ) from None
    finally:
        if child.returncode is None:  # not waited for yet, so its id is still its own
            _kill(child)
    if status < 0:
        raise CredentialsError(f"{name} was ended by signal {-status}", hint=_BY_HAND)
    if status:
        raise CredentialsError(f"{name} failed with status {status}", hint=_BY_HAND)
    return output


def _read(reader: int) -> bytes:
    """Everything up to the limit. After a time-out the descriptor stays open: a thread may still wait on it."""
    output = b""
    while len(output) <= _LIMIT and (part := os.read(reader, _LIMIT)):
        output += part
    os.close(reader)
    return output


def _kill(child: "subprocess.Popen[bytes]") -> None:
    """The program and, on POSIX, all of its process group."""
    with contextlib.suppress(OSError):
        if sys.platform == "win32":  # pragma: no cover
            child.kill()
        else:
            os.killpg(child.pid, signal.SIGKILL)
    with contextlib.suppress(subprocess.TimeoutExpired):
        child.wait(1)
