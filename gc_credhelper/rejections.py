"""Rejections: digests of tokens that an API refused, so that no slow fill and no stale replica brings one back.

They lie beside the lock of their key. An entry carries the mark of the rejections that it was checked against (the time
of their last change), so that a cache hit compares two numbers instead of making a digest.
"""

import hashlib
import time

from .private import PrivateDir
from .private_portable import Unsafe

_KEPT = 16
_PACE = 60  # seconds; a second rejection within them means that the cause is elsewhere


def digest(token: str) -> str:
    """What stands for a token where two lines must be matched."""
    return hashlib.sha256(token.encode()).hexdigest()[:32]


class Rejections:
    """The rejected tokens of one key."""

    def __init__(self, directory: PrivateDir, key: str) -> None:
        self._directory = directory
        self._name = f"{key}.rejected"

    def mark(self) -> int:
        """Names their present state; 0 when there are none or they cannot be read."""
        try:
            return self._directory.changed_at(self._name)
        except (OSError, Unsafe):
            return 0

    def holds(self, token: str) -> bool:
        """Was this token rejected?"""
        return digest(token) in (line[0] for line in self._lines())

    def add(self, token: str) -> bool:
        """Remember one more; False when the last is less than a minute old. OSError, Unsafe."""
        lines = self._lines()
        now = int(time.time())
        if any(now - _PACE < int(at) <= now for _, at in lines):
            return False
        lines = [*lines, [digest(token), str(now)]][-_KEPT:]
        self._directory.write(self._name, "".join(f"{d} {at}\n" for d, at in lines).encode())
        return True

    def _lines(self) -> list[list[str]]:
        try:
            content = self._directory.read(self._name).decode("latin-1")
        except (OSError, Unsafe):
            return []
        lines = [line.split(" ") for line in content.splitlines()]
        return [line for line in lines if len(line) == 2 and line[1].isascii() and line[1].isdigit()]  # noqa: PLR2004
