"""Values out of files and variables that people filled: read with limits, trimmed with a warning."""

import errno
import functools
import os
import select
import stat
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import ParamSpec, TypeVar

from .errors import CredentialsError, Error, TemporaryError
from .plan import Inputs
from .report import Report

P = ParamSpec("P")
T = TypeVar("T")

_LIMIT = 65_536
PATIENCE = 5.0  # seconds that the writer of a pipe gets, where no deadline says otherwise


def sealed(work: Callable[P, T]) -> Callable[P, T]:
    """Errors leave `work` without its frames: the variables there hold what was read, and some log them."""

    @functools.wraps(work)
    def seal(*args: P.args, **kwargs: P.kwargs) -> T:
        try:
            return work(*args, **kwargs)
        except Error as e:
            fault = e.with_traceback(None)
            fault.__cause__ = fault.__context__ = None
        raise fault

    return seal


def expanded(path: str, inputs: Inputs) -> str:
    """The path with its `~` replaced; that of an unknown user stays."""
    if path.startswith("~"):
        inputs.env("HOME")
    return os.path.expanduser(path)  # noqa: PTH111  # Path.expanduser raises for an unknown user


def is_stream(path: str) -> bool:
    """Is it a pipe or the like, which can be read only once?"""
    try:
        mode = Path(path).stat().st_mode
    except (OSError, ValueError):
        return False
    return not stat.S_ISREG(mode) and not stat.S_ISDIR(mode)


def read_bytes(path: str, inputs: Inputs, seconds: float = PATIENCE, limit: int = _LIMIT) -> bytes:
    """All of it. OSError, among them TimeoutError; ValueError for a path that cannot be one."""
    inputs.file(path)
    if is_stream(path):
        inputs.volatile = True  # its times say nothing of what comes out of it next
    flags = os.O_RDONLY if sys.platform == "win32" else os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK
    content = b""
    end = time.monotonic() + seconds
    with open(os.open(path, flags), "rb", buffering=0) as file:  # noqa: PTH123  # a FIFO without a writer must not hold us
        while len(content) <= limit:
            if sys.platform != "win32" and not select.select([file], [], [], max(0.0, end - time.monotonic()))[0]:
                raise TimeoutError(None, f"its writer took longer than {seconds:.1f} s")
            part = file.read(limit + 1 - len(content))
            if part == b"":
                return content
            content += part or b""
    raise OSError(errno.EFBIG, f"it is larger than {limit >> 10} KiB")


@sealed
def read_file(path: str, what: str, inputs: Inputs, seconds: float = PATIENCE) -> str:
    """The text of a file that somebody else owns, which may be a link or a pipe.

    CredentialsError when it cannot be read, TemporaryError when a pipe's writer takes longer than `seconds`.
    """
    try:
        return read_bytes(path, inputs, seconds).decode("utf-8-sig")
    except TimeoutError as e:
        hint = "what writes into it hangs, or was never started"
        raise TemporaryError(f"{what} cannot be read: {e.strerror}", hint=hint) from None
    except OSError as e:
        gone = isinstance(e, FileNotFoundError | NotADirectoryError)
        hint = "check the path; is the secret mounted in this job?" if gone else "check the path and who may read it"
        if e.errno == errno.EFBIG:
            raise CredentialsError(f"{what} is larger than 64 KiB", hint="does it name the right file?") from None
        raise CredentialsError(f"{what} cannot be read: {e.strerror}", hint=hint) from None
    except UnicodeDecodeError:
        hint = "is it the right file? PowerShell's > writes UTF-16; save it as UTF-8"
        raise CredentialsError(f"{what} is not UTF-8 text", hint=hint) from None
    except ValueError:  # a NUL
        raise CredentialsError(f"{what} cannot be read: that is no path", hint="check the path") from None


def trimmed(value: str, what: str, report: Report) -> str:
    """The value without white space around it: a line feed at the end of a variable is the commonest cause of a 401.

    CredentialsError when nothing else is in it.
    """
    clean = value.strip().strip("\ufeff\u200b").strip()
    if not clean:
        hint = "an empty value is usually a variable or a secret that was not passed to this job"
        raise CredentialsError(f"{what} is empty", hint=hint)
    if clean != value:
        report.warn(f"white space around the value of {what} was removed")
    return clean
