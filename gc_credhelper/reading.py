"""Values out of files and variables that people filled: read with a limit, trimmed with a warning."""

from pathlib import Path

from .errors import CredentialsError
from .plan import Inputs
from .report import Report

_LIMIT = 65_536


def read_file(path: str, what: str, inputs: Inputs) -> str:
    """The text of a file that somebody else owns, which may be a link. CredentialsError when it cannot be read."""
    there = False
    try:
        there = inputs.file(path)
        with Path(path).open("rb") as file:
            raw = file.read(_LIMIT + 1)
        if len(raw) > _LIMIT:
            raise CredentialsError(f"{what} is larger than 64 KiB", hint="does it name the right file?")
        return raw.decode("utf-8-sig")
    except OSError as e:
        hint = "check the path and who may read it" if there else "check the path; is the secret mounted in this job?"
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
