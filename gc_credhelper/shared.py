"""Shared: the far cache of a list, and what is done when it is down."""

from .deadline import Deadline
from .errors import Error, UsageError
from .lease import Caller, Lease, StoreDown
from .record import Record
from .report import Report
from .roles import Denied, FarCache, LostRace
from .tokens import AccessToken

_TRIES = 5  # at emptying a record that others write at the same moment


class Shared:
    """One far cache. It fails open: a token is worth more than one exchange for the whole fleet, unless `strict`."""

    def __init__(self, name: str, store: FarCache, report: Report, *, strict: bool) -> None:
        self.name = name
        self.store = store
        self._report = report
        self._strict = strict

    def token(self, key: str, about: str, caller: Caller, deadline: Deadline) -> AccessToken:
        """From the far cache, or from one exchange among all machines. When the store is down, from our own."""
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
        """Empty the record by compare-and-set; was there a token? `value`: only if it is this one. Every error."""
        for _ in range(_TRIES):
            snapshot = self.store.read(key, deadline)
            token = Record.load(snapshot.text).token
            if not snapshot.text or (value is not None and token != value):
                return False
            try:
                self.store.compare_and_set(key, snapshot.version, Record().dump(), deadline)
            except LostRace:
                continue
            return bool(token)
        return False

    def try_remove(self, key: str, deadline: Deadline, value: str) -> None:
        """The same, where a failure is a warning."""
        try:
            self.remove(key, deadline, value)
        except Error as e:
            self._report.warn(f"the rejected token may still lie in the cache {self.name}: {e}")
