"""The cache `memory`: shared by the threads of one process, gone with it."""

from typing import ClassVar

from .roles import Context
from .settings import Setting

_texts: dict[str, str] = {}


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
