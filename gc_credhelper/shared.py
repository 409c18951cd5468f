"""Shared: the far cache of a list, and what is done when it is down."""

from collections.abc import Callable
from dataclasses import replace
from typing import TypeVar

from .deadline import Deadline
from .errors import CredentialsError, Error, TemporaryError, UsageError
from .lease import Caller, Lease, StoreDown
from .record import Record
from .rejections import PACE
from .report import Report
from .roles import Denied, FarCache, LostRace, Snapshot
from .tokens import MAX_SKEW, AccessToken

T = TypeVar("T")

_TRIES = 5  # at emptying a record that others write at the same moment


class Bounded:
    """A plug-in's store within the deadline, and its errors among those that a far cache may raise (roles.FarCache)."""

    def __init__(self, name: str, store: FarCache) -> None:
        self._what = f"the cache {name}"
        self._store = store

    def read(self, key: str, deadline: Deadline) -> Snapshot:
        """See FarCache."""
        return self._step(lambda: _dated(self._store.read(key, deadline)), deadline)

    def compare_and_set(self, key: str, version: int, text: str, deadline: Deadline) -> int:
        """See FarCache."""
        return self._step(lambda: self._store.compare_and_set(key, version, text, deadline), deadline)

    def _step(self, work: Callable[[], T], deadline: Deadline) -> T:
        try:
            return deadline.run(work, self._what)
        except CredentialsError as e:  # a store that cannot be entered, not credentials that are asked for
            raise Denied(str(e), hint=e.hint) from None
        except (Error, LostRace):
            raise
        except Exception as e:  # noqa: BLE001  # a plug-in may raise anything, and its text may hold the token
            raise TemporaryError(f"it failed ({type(e).__name__})", hint="ask its author to mend it") from None


def _dated(found: Snapshot) -> Snapshot:
    """With an age that can be: what a clock that was set back says is none, or not known when that was by much."""
    if found.age is None or found.age >= 0:
        return found
    return replace(found, age=0.0 if found.age >= -MAX_SKEW else None)


class Shared:
    """One far cache. It fails open: a token is worth more than one exchange for the whole fleet, unless `strict`."""

    def __init__(self, name: str, store: FarCache, report: Report, *, strict: bool) -> None:
        self.name = name
        self.plugin = store
        self.store = Bounded(name, store)
        self._report = report
        self._strict = strict

    def token(self, key: str, about: str, caller: Caller, deadline: Deadline) -> AccessToken:
        """From the far cache, or from one exchange among all machines. When the store is down, from our own."""
        self._report.fact("far", "asked", name=self.name)
        try:
            return Lease(self.store, key, about, self._report).token(caller, deadline)
        except (StoreDown, Denied, UsageError) as e:
            if self._strict or isinstance(e, UsageError):
                raise
            self._report.warn(f"the cache {self.name} is not used: {e}", topic=self.name)
            return caller.exchange(deadline)

    def look(self, key: str, deadline: Deadline) -> tuple[Record, float | None]:
        """What lies there, and its age in seconds; for `status`. Every error."""
        snapshot = self.store.read(key, deadline)
        return Record.load(snapshot.text), snapshot.age

    def remove(self, key: str, deadline: Deadline, value: str | None = None) -> bool:
        """Empty the record by compare-and-set; was there a token? `value`: only if it is this one, and then no other is
        rejected for a while. Every error.
        """
        for _ in range(_TRIES):
            snapshot = self.store.read(key, deadline)
            token = Record.load(snapshot.text).token
            if not snapshot.text or (value is not None and token != value):
                return False
            try:
                self.store.compare_and_set(key, snapshot.version, Record(quiet=PACE if value else 0).dump(), deadline)
            except LostRace:
                continue
            return bool(token)
        raise TemporaryError(f"others keep writing the token in the cache {self.name}", hint="try again")

    def sighted(self, key: str, value: str, deadline: Deadline) -> tuple[bool, bool]:
        """Does that token lie there, and was it put in place of one that was rejected a moment ago, on whatever
        machine? A store that cannot say does not hold it, and is no obstacle.
        """
        try:
            record, age = self.look(key, deadline)
        except Error:
            return False, False
        lies_there = record.token == value
        return lies_there, lies_there and age is not None and record.still_quiet(age) > 0

    def try_remove(self, key: str, deadline: Deadline, value: str) -> None:
        """Remove that token, where a failure is a warning."""
        try:
            self.remove(key, deadline, value)
        except Error as e:
            self._report.warn(f"the rejected token may still lie in the cache {self.name}: {e}")
