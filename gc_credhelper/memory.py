"""The cache `memory`: shared by the threads of one process, gone with it; and what else is known of its tokens."""

import itertools
from typing import ClassVar

from .roles import Context
from .settings import Setting

_texts: dict[str, str] = {}
_files: dict[str, tuple[bytes, int]] = {}
_changes = itertools.count(1)


class MemoryCache:
    """One dictionary for the whole process, so that two TokenSources of one client share a token."""

    settings: ClassVar[tuple[Setting, ...]] = ()
    locator: ClassVar[str | None] = None

    def __init__(self, context: Context) -> None:
        """Takes nothing from the context."""

    def get(self, key: str) -> str | None:
        """See roles.CacheBackend."""
        return _texts.get(key)

    def put(self, key: str, text: str) -> None:
        """See roles.CacheBackend."""
        _texts[key] = text

    def remove(self, key: str) -> bool:
        """See roles.CacheBackend."""
        return _texts.pop(key, None) is not None

    def keys(self) -> list[str]:
        """See roles.CacheBackend."""
        return [*_texts]


class MemoryFiles:
    """See private.Files. Of tokens that only this process has: when another one replaces a token of its own, that says
    nothing about them.
    """

    path = "the memory of this process"

    def read(self, name: str) -> bytes:
        """The content of a file; FileNotFoundError."""
        if name not in _files:
            raise FileNotFoundError(name)
        return _files[name][0]

    def changed_at(self, name: str) -> int:
        """A number that is another one after each write; 0 when there is no such file."""
        return _files[name][1] if name in _files else 0

    def write(self, name: str, content: bytes) -> None:
        """Put a whole file in place."""
        _files[name] = (content, next(_changes))
