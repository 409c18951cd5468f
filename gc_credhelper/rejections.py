"""Rejections: digests of tokens that an API refused, so that no slow fill and no stale replica brings one back.

They lie beside the lock of their key. An entry carries the mark of the rejections that it was checked against (the time
of their last change), so that a cache hit compares two numbers instead of making a digest.
"""

import hashlib
import time

from .private import Files, reason
from .private_portable import Unsafe
from .report import Report

_KEPT = 16
_DIGITS = 12  # more than any time has that we write
PACE = 60  # seconds; a second rejection within them means that the cause is elsewhere


def digest(token: str) -> str:
    """What stands for a token where two lines must be matched."""
    return hashlib.sha256(token.encode()).hexdigest()[:32]


class Rejections:
    """The rejected tokens of one key."""

    def __init__(self, directory: Files, key: str, report: Report | None = None) -> None:
        self._directory = directory
        self._report = report
        self._name = f"{key}.rejected"
        self._own: list[list[str]] = []  # of this process, where they cannot be kept for all

    def mark(self) -> int:
        """Names their present state; 0 when there are none or they cannot be read."""
        try:
            return self._directory.changed_at(self._name)
        except (OSError, Unsafe):
            return 0

    def holds(self, token: str) -> bool:
        """Was this token rejected?"""
        return digest(token) in (line[0] for line in self._lines())

    def add(self, token: str, *, current: bool) -> bool:
        """Remember one more. `current`: it is the cached one, so that another will be asked for in its place; False
        when that happened less than a minute ago to another one.
        """
        lines = self._lines()
        name = digest(token)
        if name in (line[0] for line in lines):
            return True
        now = int(time.time())
        if current and any(now - PACE < int(at) <= now for _, at in lines):
            return False
        lines = [*lines, [name, str(now if current else 0)]][-_KEPT:]
        try:
            self._directory.write(self._name, "".join(f"{d} {at}\n" for d, at in lines).encode())
            self._own = []
        except (OSError, Unsafe) as e:
            self._own = lines
            self._warn(e)
        return True

    def _lines(self) -> list[list[str]]:
        try:
            content = self._directory.read(self._name).decode("ascii", "replace")
        except FileNotFoundError:
            return self._own
        except (OSError, Unsafe) as e:
            self._warn(e)
            return self._own
        lines = [line.split(" ") for line in content.splitlines()]
        return [line for line in lines if len(line) == 2 and line[1].isdigit() and len(line[1]) < _DIGITS]  # noqa: PLR2004

    def _warn(self, error: OSError | Unsafe) -> None:
        if self._report:
            where = self._directory.path
            self._report.warn(f"the rejected tokens are not kept in {where}: {reason(error)}", topic=self._name)
