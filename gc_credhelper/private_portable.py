"""PortableDir: PrivateDir on a system without POSIX owners and modes, that is on Windows.

There a file is private because the user's profile directory is, by its access control list.
"""

import contextlib
import os
import sys
import time
from pathlib import Path

if sys.platform != "win32":
    from .filestore import Unsafe as Unsafe  # noqa: PLC0414  # for everyone who handles it
else:  # pragma: no cover

    class Unsafe(Exception):
        """Never raised here."""


STALE = 600  # seconds after which a temp file has no living writer
_TRIES = 20


class PortableDir:
    """The interface of `private.PrivateDir`, which see, on paths instead of descriptors."""

    def __init__(self, where: str) -> None:
        """`where`: see `plan.place`."""
        self.where = where
        self.path = where[1:] if where[0] == "+" else str(Path(where[1:]) / "gc-credhelper")

    def read(self, name: str) -> bytes:
        """The content of a file; FileNotFoundError, OSError."""
        return Path(self.path, name).read_bytes()

    def changed_at(self, name: str) -> int:
        """The modification time in nanoseconds, 0 when there is no such file; OSError."""
        try:
            return Path(self.path, name).stat().st_mtime_ns
        except FileNotFoundError:
            return 0

    def write(self, name: str, content: bytes) -> None:
        """Put a whole file in place; OSError.

        Windows refuses to replace a file that somebody has open at that moment, hence the bounded retries.
        """
        Path(self.path).mkdir(0o700, parents=True, exist_ok=True)
        temp = Path(self.path, f".{name}.{os.getpid()}.{os.urandom(4).hex()}.tmp")
        try:
            with temp.open("xb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            for attempt in range(_TRIES):
                try:
                    temp.replace(Path(self.path, name))
                    break
                except PermissionError:
                    if attempt == _TRIES - 1:
                        raise
                    time.sleep(0.01)
        except BaseException:
            temp.unlink(missing_ok=True)
            raise

    def remove(self, name: str) -> bool:
        """Was there such a file? OSError."""
        try:
            Path(self.path, name).unlink()
        except FileNotFoundError:
            return False
        return True

    def names(self) -> dict[str, float]:
        """Every file with its modification time in epoch seconds; empty when the directory is missing."""
        found = {}
        with contextlib.suppress(FileNotFoundError):
            for path in Path(self.path).iterdir():
                with contextlib.suppress(FileNotFoundError):
                    found[path.name] = path.stat().st_mtime
        return found

    def open_lock(self, name: str) -> int:
        """A descriptor of a file to lock, made when it is missing and never deleted; OSError."""
        Path(self.path).mkdir(0o700, parents=True, exist_ok=True)
        return os.open(Path(self.path, name), os.O_RDWR | os.O_CREAT, 0o600)
