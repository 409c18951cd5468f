"""Entry: all that this machine knows under one cache key: the token in each cache, lock, gate and rejections.

The key is who and where, nothing else: token URL, client auth, client id and slot. So every job of a fleet has the same
key however it reached its credentials, and two clients never share one.
"""

import hashlib
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import ParamSpec, TypeVar

from . import tokens
from .filecache import FileCache
from .gate import Gate
from .locks import LocalLock, reason
from .private import PrivateDir
from .private_portable import Unsafe
from .rejections import Rejections
from .report import Report
from .roles import CacheBackend
from .tokens import AccessToken

P = ParamSpec("P")
T = TypeVar("T")

KEY_VERSION = "gcck1"  # of the stored format as well: two versions side by side never read each other's entries


@dataclass(frozen=True, slots=True)
class Whose:
    """Who and where: a client at a token endpoint, and which of its tokens. None of it is secret."""

    token_url: str
    client_auth: str
    client_id: str
    slot: int = 0

    @property
    def key(self) -> str:
        """40 hex digits. Each part goes in with its length, so that no two sets of parts read the same."""
        parts = (KEY_VERSION, self.token_url, self.client_auth, self.client_id, str(self.slot))
        joined = b"".join(b"%d:%s" % (len(part.encode()), part.encode()) for part in parts)
        return hashlib.sha256(joined).hexdigest()[:40]

    def __str__(self) -> str:
        return f"{self.client_id} {self.slot} {self.token_url}"

    @classmethod
    def told(cls, text: str) -> "Whose | None":
        """The reverse of `str`, as far as it goes; None for anything else."""
        client_id, _, rest = text.partition(" ")
        slot, _, token_url = rest.partition(" ")
        return cls(token_url, "", client_id, int(slot)) if slot.isdecimal() and token_url.isprintable() else None


class Entry:
    """Reads go near to far and fill what they passed; writes go to all. A cache that fails is a warning and a miss."""

    def __init__(
        self, whose: Whose, caches: Sequence[tuple[str, CacheBackend]], directory: PrivateDir, report: Report
    ) -> None:
        """`caches`: names and backends, near to far. `directory`: of lock, gate and rejections."""
        self.whose = whose
        self.key = key = whose.key
        self.gate = Gate(directory, key)
        self.rejections = Rejections(directory, key)
        self._caches = caches
        self._report = report
        beyond_process = any(name != "memory" for name, _ in caches)
        self._lock = LocalLock(directory if beyond_process else None, key, report) if caches else None

    @property
    def shared(self) -> bool:
        """Is there a cache, and so a lock?"""
        return self._lock is not None

    def attempt(self) -> AbstractContextManager[bool]:
        """Try to become the one that refreshes."""
        assert self._lock, "an entry without a cache has no lock"
        return self._lock.attempt()

    def holder(self) -> str:
        """Who refreshes now."""
        return self._lock.holder() if self._lock else "nobody"

    def read(self) -> AccessToken | None:
        """The nearest sound token that was not rejected, of whatever age."""
        for name, cache in self._caches:
            text = self._try(name, cache.get, self.key)
            found = tokens.load(text, self.key) if text else None
            if found and not self._rejected(*found):
                return found[0]
        return None

    def _rejected(self, token: AccessToken, mark: int) -> bool:
        return mark != self.rejections.mark() and self.rejections.holds(token.value)

    def write(self, token: AccessToken) -> None:
        """Put it into every cache. The caller holds the lock, unless there is none."""
        text = tokens.dump(token, self.key, self.rejections.mark(), str(self.whose))
        for name, cache in self._caches:
            self._try(name, cache.put, self.key, text)

    def remove(self) -> bool:
        """Delete the token everywhere; was there one?"""
        gone = [self._try(name, cache.remove, self.key) for name, cache in self._caches]
        return any(gone)

    def _try(self, name: str, step: Callable[P, T], *arguments: P.args, **none: P.kwargs) -> T | None:
        try:
            return step(*arguments, **none)
        except Exception as e:  # noqa: BLE001  # a plug-in's cache may raise anything, and none of it may lose a token
            where = self._where(name)
            why = reason(e) if isinstance(e, OSError | Unsafe) else type(e).__name__
            self._report.warn(f"the cache {name} is not used ({where}): {why}", topic=where)
            return None

    def _where(self, name: str) -> str:
        """Caches that lie in one directory share a warning about it."""
        cache = dict(self._caches)[name]
        return cache.directory.path if isinstance(cache, FileCache) else name
