"""Lease: one exchange among machines, on any store that keeps a version per entry and can compare-and-set.

The version is the fencing token: whoever loses a compare-and-set was overtaken and never overwrites. No client's wall
clock decides anything. An age is the store's clock at the answer less its clock at the write; a lease is dead when it
is that old, or when this process watched it for its whole time on its own monotonic clock.

    fresh                      return the token
    ageing, live lease         return the token: nobody waits
    ageing or none, no lease   take the lease by compare-and-set; the winner exchanges, the others read again
    none, live lease           wait, at first until an answer may be expected, then with growing pauses
    failed for good            raise what the leader was told, if it binds this caller
    failed for now             pause once for this version, then read again
"""

import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass, replace

from .deadline import Deadline, Pauses
from .errors import Error, InvalidClient, RateLimited, TemporaryError
from .record import Record, Refusal
from .report import Report
from .roles import Denied, FarCache, LostRace, Snapshot
from .tokens import AccessToken

LEASE = 10.0  # seconds that a lease lives
_BUDGET = 0.8  # of it that the exchange may take, so that its outcome is published before somebody takes over
_TRIES = 3  # failures of the store in a row, after which it counts as down
_BELIEVED = 1.0  # seconds for which others believe in a temporary failure
_LAST_WORD = 2.0  # seconds that publishing may take when the deadline is used up


class StoreDown(TemporaryError):
    """The far cache cannot be read, or can be read but not written."""


@dataclass(frozen=True, slots=True)
class Caller:
    """What one caller brings: which tokens it would take, how it gets a new one, and which refusals concern it."""

    accepts: Callable[[AccessToken], bool]
    exchange: Callable[[Deadline], AccessToken]
    check: Callable[[Refusal], None]  # raises InvalidClient when it is about this caller's secret
    refresh: bool = False  # the token that lies there at first is not wanted


class _Watch:
    """What one call has seen of the store so far, and its pauses."""

    def __init__(self, deadline: Deadline) -> None:
        self.deadline = deadline
        self.pauses = Pauses(0.05, 0.5)
        self.seen: dict[int, float] = {}
        self.paused: set[int] = set()
        self.unwritten = 0
        self.unwanted: str | None = None

    def wait(self, record: Record, snapshot: Snapshot) -> None:
        """For somebody else's lease: first until an answer may be expected. TemporaryError at the deadline."""
        if not self.deadline.left():
            raise TemporaryError(
                f"another machine has been getting this token for longer than {self.deadline.seconds:.0f} s",
                hint="try again, or raise --deadline",
            )
        expected = record.eta - (snapshot.age or 0.0)
        if expected > 1:  # the store's clock counts whole seconds, so that one is kept for looking
            time.sleep(min(expected - 1, self.deadline.left()))
        self.pauses.sleep(self.deadline)

    def believe(self, refusal: Refusal, snapshot: Snapshot) -> None:
        """Pause for as long as what the last leader was told is believed; RateLimited when that is too long."""
        wait = refusal.believed - (snapshot.age or 0.0)
        if refusal.kind == "rate-limit" and wait >= self.deadline.left():
            raise RateLimited(
                f"another machine was asked to wait before the next token request; {wait:.0f} s are left",
                hint="try again after that time",
                retry_after=wait,
            )
        Pauses(wait, wait).sleep(self.deadline)


class Lease:
    """The lease on one key of one far cache, as one process sees it."""

    def __init__(self, store: FarCache, key: str, about: str, report: Report) -> None:
        """`about`: what the record is about, for people."""
        self._store = store
        self._key = key
        self._about = about
        self._report = report
        self._me = uuid.uuid4().hex

    def token(self, caller: Caller, deadline: Deadline) -> AccessToken:
        """A token that the caller accepts, from the store or from one exchange for everyone.

        StoreDown when the store is the obstacle; Denied when it may not even be read; every error of the exchange.
        """
        watch = _Watch(deadline)
        while True:
            snapshot = self._read(deadline)
            record = Record.load(snapshot.text)
            if watch.unwanted is None:
                watch.unwanted = record.token if caller.refresh else ""
            token = self._offered(record, snapshot, caller) if record.token != watch.unwanted else None
            leased = self._leased(record, snapshot, watch)
            if token and (leased or time.time() < token.refresh_at):
                self._report.note("the token came from the far cache")
                return token
            if leased:
                watch.wait(record, snapshot)
            elif self._failed(record.refusal, snapshot, caller, watch):
                watch.believe(record.refusal, snapshot)
            elif found := self._take(record, snapshot, token, caller, watch):
                return found

    def _take(
        self, record: Record, snapshot: Snapshot, token: AccessToken | None, caller: Caller, watch: "_Watch"
    ) -> AccessToken | None:
        """Try to become the leader, and lead. None: look again. `token`: an ageing one, for which nobody waits."""
        sent = time.monotonic()
        text = self._claim(record, snapshot)
        try:
            version = self._store.compare_and_set(self._key, snapshot.version, text, watch.deadline)
        except LostRace:
            if not token:
                Pauses(0.03, 0.03).sleep(watch.deadline)
            return token
        except Denied:
            self._report.note("the far cache may only be read; the new token is not shared")
            return caller.exchange(watch.deadline)
        except TemporaryError as e:
            watch.unwritten += 1
            if not token and (watch.unwritten >= _TRIES or not watch.deadline.left()):
                raise StoreDown(str(e), hint=e.hint) from e
            if not token:  # then look: a lease that is there after all is ours, and one more write holds it
                watch.pauses.sleep(watch.deadline)
            return token
        budget = watch.deadline.share(most=max(0.0, LEASE * _BUDGET - (time.monotonic() - sent)))
        return self._lead(version, record, snapshot, caller, budget)

    def _read(self, deadline: Deadline) -> Snapshot:
        pauses, tries = Pauses(0.05, 0.5), 0
        while True:
            try:
                return self._store.read(self._key, deadline)
            except TemporaryError as e:
                tries += 1
                if tries >= _TRIES or not deadline.left():
                    raise StoreDown(str(e), hint=e.hint) from e
                pauses.sleep(deadline)

    @staticmethod
    def _offered(record: Record, snapshot: Snapshot, caller: Caller) -> AccessToken | None:
        """The record's token, if the caller takes it. Without the store's clock its age is not known."""
        token = None if snapshot.age is None else record.access_token(snapshot.age, time.time())
        return token if token and caller.accepts(token) else None

    def _leased(self, record: Record, snapshot: Snapshot, watch: "_Watch") -> bool:
        """Does somebody else hold a live lease?"""
        if not record.holder or record.holder == self._me:
            return False
        watched = time.monotonic() - watch.seen.setdefault(snapshot.version, time.monotonic())
        return watched < record.lease and (snapshot.age is None or snapshot.age < record.lease)

    @staticmethod
    def _failed(refusal: Refusal, snapshot: Snapshot, caller: Caller, watch: "_Watch") -> bool:
        """Must the caller pause for what the last leader was told? InvalidClient when that binds the caller."""
        if (snapshot.age or 0.0) >= refusal.believed:
            return False
        if refusal.kind == "refused":
            caller.check(refusal)
            return False
        before = snapshot.version in watch.paused
        watch.paused.add(snapshot.version)
        return refusal.kind == "rate-limit" or not before

    def _claim(self, record: Record, snapshot: Snapshot) -> str:
        aged = record.token_age + (snapshot.age or 0.0) + 1
        return replace(record, token_age=aged, holder=self._me, lease=LEASE, eta=record.took, refusal=Refusal()).dump()

    def _lead(
        self, version: int, record: Record, snapshot: Snapshot, caller: Caller, deadline: Deadline
    ) -> AccessToken:
        """Exchange, and end the lease with exactly one write, whatever happens."""
        began = time.monotonic()
        token, refusal = None, Refusal()  # of an interrupt: the lease is given back, and nothing else is said
        try:
            token = caller.exchange(deadline)
        except Error as e:
            refusal = _refusal(e)
            raise
        finally:
            took = time.monotonic() - began
            aged = record.token_age + (snapshot.age or 0.0) + 1 + took
            kept = replace(record, token_age=aged, holder="", lease=0, eta=0, refusal=refusal)
            self._publish(version, Record.of(token, took, self._about) if token else kept, began)
        return token

    def _publish(self, version: int, record: Record, began: float) -> None:
        left = max(_LAST_WORD, LEASE - (time.monotonic() - began))
        try:
            self._store.compare_and_set(self._key, version, record.dump(), Deadline(left))
        except LostRace:
            self._report.note("another machine took over the lease; its token stays in the far cache")
        except Error as e:
            self._report.warn(f"the far cache did not take what this run learned: {e}")


def _refusal(error: Error) -> Refusal:
    if isinstance(error, InvalidClient) and error.salt:
        return Refusal("refused", 60, error.salt, error.bits, error.status)
    if isinstance(error, RateLimited):
        return Refusal("rate-limit", 10 if error.retry_after is None else error.retry_after)
    if isinstance(error, TemporaryError):
        return Refusal("temporary", _BELIEVED)
    return Refusal()
