"""Entry: all that this machine knows under one cache key: the token in each cache, lock, gate and rejections.

The key is who and where, nothing else: token URL, client auth, client id and slot. So every job of a fleet has the same
key however it reached its credentials, and two clients never share one.
"""

import contextlib
import hashlib
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import TypeVar

from . import tokens
from .deadline import Deadline, Pauses
from .errors import TemporaryError
from .filecache import FileCache
from .gate import Gate
from .locks import LocalLock
from .memory import MemoryCache, MemoryFiles
from .private import PrivateDir, reason
from .proofs import Proofs
from .rejections import Rejections
from .report import Report
from .roles import CacheBackend
from .shared import Shared
from .tokens import AccessToken

Named = tuple[str, CacheBackend]
T = TypeVar("T")
_STEP = 5.0  # seconds that one step of a plug-in's cache may take,
_SHARE = 0.4  # and of the deadline, because the exchange needs some too

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
        self,
        whose: Whose,
        caches: Sequence[tuple[str, CacheBackend]],
        directory: PrivateDir,
        report: Report,
        far: Shared | None = None,
        *,
        seconds: float = float("inf"),
    ) -> None:
        """`caches`: names and backends, near to far. `directory`: of lock, gate and rejections. `far`: the cache behind
        them that machines share; it is asked in place of the server, by whoever holds the lock. `seconds`: the deadline
        of the calls to come.
        """
        self.far = far
        self.whose = whose
        self.key = key = whose.key
        self._directory = directory
        self.gate = Gate(directory, key)
        self._caches = caches
        self._step = min(_STEP, seconds * _SHARE)
        self._stuck: set[str] = set()
        self._own: AccessToken | None = (
            None  # that no cache took: a long process must not ask for one with each request
        )
        self._report = report
        beyond_process = far or any(name != "memory" for name, _ in caches)
        self._lock = LocalLock(directory if beyond_process else None, key, report) if caches or far else None
        files = directory if beyond_process else MemoryFiles()
        self.rejections = Rejections(files, key, report)
        self.proofs = Proofs(files, key, report)

    def alone(self) -> "Entry":
        """The same client with no cache; its gate still binds."""
        return Entry(self.whose, [], self._directory, self._report)

    @property
    def shared(self) -> bool:
        """Is there a cache, and so a lock?"""
        return self._lock is not None

    def attempt(self) -> AbstractContextManager[bool]:
        """Try to become the one that refreshes."""
        assert self._lock, "an entry without a cache has no lock"
        return self._lock.attempt()

    @contextlib.contextmanager
    def held(self, deadline: Deadline) -> Iterator[None]:
        """Hold the lock, after whoever holds it. TemporaryError at the deadline."""
        pauses = Pauses(0.005, 0.05)
        while True:
            with self.attempt() as mine:
                if mine:
                    yield
                    return
            self.wait(pauses, deadline)

    def wait(self, pauses: Pauses, deadline: Deadline) -> None:
        """Pause once for whoever holds the lock. TemporaryError at the deadline."""
        if not deadline.left():
            raise TemporaryError(
                f"{self.holder()} has been getting this token for longer than {deadline.seconds:.0f} s",
                hint="try again, raise --deadline, or look at what that process waits for",
            )
        pauses.sleep(deadline)

    def holder(self) -> str:
        """Who refreshes now."""
        return self._lock.holder() if self._lock else "nobody"

    def read(self, enough: Callable[[AccessToken], bool] = lambda _: True) -> AccessToken | None:
        """The newest sound token that was not rejected, of whatever age, be it one that no cache took; no cache is
        asked behind one that is enough.

        Nearer caches that lack it get it.
        """
        best = None
        lacking: list[Named] = []
        passed: list[Named] = []
        for named in self._caches:
            token = self._get(named)
            if token and (best is None or token.issued_at > best.issued_at):
                best, lacking = token, [*passed]
            if best and enough(best):
                break
            passed.append(named)
        if best and lacking:
            self._fill(best, lacking)
        own = self._own
        if not own or (best and best.issued_at > own.issued_at) or self.rejections.holds(own.value):
            return best
        return own

    def _get(self, named: Named) -> AccessToken | None:
        def look(cache: CacheBackend) -> tuple[AccessToken, int] | str:
            text = cache.get(self.key) or ""
            return tokens.load(text, self.key) or ("damaged" if text else "empty")

        name, found = named[0], self._try(named, look)
        if found is None or isinstance(found, str):
            if found:
                self._report.fact("cache", found, name=name)
            return None
        token, mark = found
        if mark != self.rejections.mark() and self.rejections.holds(token.value):
            self._report.fact("cache", "rejected", name=name)
            return None
        self._report.fact("cache", "holds", name=name, age=time.time() - token.issued_at)
        return token

    def _fill(self, token: AccessToken, lacking: Sequence[Named]) -> None:
        """Under the lock, and after another look, so that a fill never replaces a newer token or revives a rejected."""
        with self.attempt() as mine:
            if mine and not self.rejections.holds(token.value):
                now = [(named, self._get(named)) for named in lacking]
                self._put(token, [named for named, there in now if not there or there.issued_at < token.issued_at])

    def write(self, token: AccessToken) -> None:
        """Put it into every cache. The caller holds the lock, unless there is none.

        A rejected token that the server issued again is not kept: it would be a hit for everyone.
        """
        if self.rejections.mark() and self.rejections.holds(token.value):
            self._report.warn("the server issued a token again that was rejected before; it is not cached")
            return
        self._own = None if self._put(token, self._caches) else token

    def _put(self, token: AccessToken, caches: Sequence[Named]) -> bool:
        """Did one of them take it?"""
        text = tokens.dump(token, self.key, self.rejections.mark(), str(self.whose))

        def put(cache: CacheBackend) -> bool:
            cache.put(self.key, text)
            return True

        took = [named[0] for named in caches if self._try(named, put)]
        for name in took:
            self._report.fact("cache", "keeps", name=name)
        return bool(took)

    def remove(self) -> bool:
        """Delete the token everywhere; was there one?"""
        self._own = None
        gone = [self._try(named, lambda cache: cache.remove(self.key)) for named in self._caches]
        return any(gone)

    def reject(self, value: str, deadline: Deadline, *, ended: bool = False) -> bool:
        """See TokenSource.reject. The caller holds the lock. `ended`: at the server, by us, however often."""
        cached = self.read()
        current = cached is not None and cached.value == value
        limit = deadline.share(_SHARE, most=self._step)  # a far cache that hangs must leave time to get another token
        lies_there = is_quiet = False
        if self.far and (current or not cached):
            lies_there, is_quiet = self.far.sighted(self.key, value, limit)
        current = current or lies_there
        paced = current and not ended
        if (paced and is_quiet) or not self.rejections.add(value, current=paced):
            return False
        if self.far:
            self.far.try_remove(self.key, limit, value)
        if current:
            self.remove()
        elif cached:
            self.write(cached)  # with the new mark, or every hit would look at the rejections
        return True

    def _try(self, named: Named, step: Callable[[CacheBackend], T]) -> T | None:
        name, cache = named
        where = cache.directory.path if isinstance(cache, FileCache) else name  # caches of one directory warn once
        if where in self._stuck:
            self._report.fact("cache", "skipped", name=name)
            return None
        try:
            if isinstance(cache, FileCache | MemoryCache):
                return step(cache)
            return Deadline(self._step).run(lambda: step(cache), f"the cache {name}")
        except Exception as e:  # noqa: BLE001  # a plug-in's cache may raise anything, and none of it may lose a token
            if isinstance(e, TemporaryError):
                self._stuck.add(where)
            self._report.fact("cache", "failed", name=name)
            self._report.warn(f"the cache {name} is not used ({where}): {reason(e)}", topic=where)
            return None
