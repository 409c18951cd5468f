"""Where the secrets of a login come from: variables and files that somebody else filled. None of them is a setting.

Neither decides which secret is meant, and an agent or the platform writes some of the files anew every few minutes, so
files are not recorded as inputs of the plan.
"""

from pathlib import Path

from gc_credhelper.credentials import Secret
from gc_credhelper.errors import CredentialsError
from gc_credhelper.roles import Context

_LIMIT = 65_536
_PASSED = "an empty value is usually a variable or a secret that was not passed to this job"


class Sources:
    """Reads each when it is needed, and anew each time."""

    def __init__(self, context: Context) -> None:
        self.inputs = context.inputs
        self.report = context.report

    def variable(self, *names: str, free: bool = False) -> Secret | None:
        """The first of the variables that is set. `free`: see `_checked`."""
        for name in names:
            if raw := self.inputs.env(name, secret=True):
                return _checked(raw, f"the variable {name}", free=free)
        return None

    def file(self, path: str, what: str, *, free: bool = False) -> Secret:
        """The content of a file; CredentialsError when it cannot be read or is empty."""
        place = Path(self.home(path))
        what = f"{what} {place}"
        try:
            with place.open("rb") as file:
                raw = file.read(_LIMIT + 1)
            content = raw.decode("utf-8-sig")
        except OSError as e:
            hint = "check the path and who may read it"
            raise CredentialsError(f"{what} cannot be read: {e.strerror}", hint=hint) from None
        except ValueError:  # not UTF-8, or a NUL in the path
            raise CredentialsError(
                f"{what} cannot be read: it is not text", hint="does it name the right file?"
            ) from None
        if len(raw) > _LIMIT:
            raise CredentialsError(f"{what} is larger than 64 KiB", hint="does it name the right file?")
        return _checked(content, what, free=free)

    def home(self, path: str) -> str:
        """The path with `~/` replaced."""
        if not path.startswith("~/"):
            return path
        return str(Path(self.inputs.env("HOME") or "/") / path.removeprefix("~/"))

    def exists(self, path: str) -> bool:
        """Is there such a file?"""
        try:
            return Path(self.home(path)).is_file()
        except OSError:
            return False


def _checked(raw: str, what: str, *, free: bool) -> Secret:
    """The value without white space around it. `free`: any text on one line may be one; else it is visible ASCII."""
    value = raw.strip()
    fault = ""
    if not value:
        fault = "is empty"
    elif not value.isprintable():
        fault = "holds more than one line, or a character that cannot be seen"
    elif not free and (" " in value or not value.isascii()):
        fault = "holds a character that no token has"
    if fault:
        hint = "copy the value again; line breaks and invisible characters are common" if value else _PASSED
        raise CredentialsError(f"{what} {fault}", hint=hint)
    return Secret(value)
