"""Lease: one exchange among machines, on any store that keeps a version per entry and can compare-and-set.

The version is the fencing token: whoever loses a compare-and-set was overtaken and never overwrites. No client's wall
clock decides anything. An age is the store's clock at the answer less its clock at the write; a lease is dead when it
is that old, or when this process watched it for its whole time on its own monotonic clock.

    fresh                      return the token
    ageing, live lease         return the token: nobody waits
    ageing, just failed        return the token, whatever the last leader was told
    ageing or none, no lease   take the lease by compare-and-set; the winner exchanges, the others read again
    none, live lease           wait, at first until an answer may be expected, then with growing pauses
    failed for good            raise what the leader was told, if it binds this caller
    failed for now             pause once for this version, then read again
"""

import contextlib
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

from .deadline import Deadline, Pauses
from .errors import Error, RateLimited, TemporaryError
from .record import Record, Refusal, shown_holder
from .report import Report
from .roles import Denied, LostRace, Snapshot, VersionedStore
from .tokens import AccessToken

LEASE = 10.0  # seconds after which somebody has taken over a lease at the latest
_NOTICED = 0.5  # of them until a waiter has seen it; only then does the waiter count
_BUDGET = 0.8  # of a lease that the exchange may take, so that its outcome is published before somebody takes over
_EARLY = 5.0  # seconds that an exchange may take while there is a token that is still good
_TRIES = 3  # failures of the store in a row, after which it counts as down
_PATIENCE = 0.3  # of the deadline that a store may keep silent, because an exchange without it needs some too
_LAST_WORD = 1.5  # seconds that publishing may take when the deadline is used up


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
        self.pauses = Pauses(0.3, _NOTICED)  # shorter ones would show the token little sooner, and double the requests
        self.seen: dict[int, float] = {}
        self.paused: set[int] = set()
        self.patience = deadline.seconds * _PATIENCE
        self.unwritten = 0
        self.unwanted: str | None = None
        self.failures = False  # has another leader failed while we looked on?

    @contextlib.contextmanager
    def step(self, failed: int) -> Iterator[Deadline]:
        """The time for one step of the store, of which so many have `failed`. StoreDown when it is the last."""
        began = time.monotonic()
        try:
            yield self.deadline.share(most=self.patience)
        except TemporaryError as e:
            self.patience -= time.monotonic() - began
            if failed + 1 >= _TRIES or self.patience <= 0 or not self.deadline.left():
                raise StoreDown(str(e), hint=e.hint) from e
            raise

    def lives(self, record: Record, snapshot: Snapshot) -> float:
        """Seconds for which the lease of the record lives still."""
        watched = time.monotonic() - self.seen.setdefault(snapshot.version, time.monotonic())
        return max(0.0, record.lease - max(watched, snapshot.age or 0.0))

    def wait(self, record: Record, snapshot: Snapshot, lives: float) -> None:
        """For somebody else's lease while it lives, first until an answer may be expected. TemporaryError."""
        if not self.deadline.left():
            raise TemporaryError(
                f"another machine has been getting this token for longer than {self.deadline.seconds:.0f} s",
                hint="try again, or raise --deadline",
            )
        if self.failures and self.deadline.left() < self.deadline.seconds * _PATIENCE:
            raise StoreDown("other machines keep failing to get this token", hint="try again")
        latest = self.deadline.share(most=lives)
        expected = record.eta - (snapshot.age or 0.0)
        if expected > 1:  # the store's clock counts whole seconds, so that one is kept for looking
            time.sleep(min(expected - 1, latest.left()))
        self.pauses.sleep(latest)

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

    def __init__(self, store: VersionedStore, key: str, about: str, report: Report) -> None:
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
            snapshot = self._read(watch)
            record = Record.load(snapshot.text)
            if watch.unwanted is None:
                watch.unwanted = record.token if caller.refresh else ""
            token = self._offered(record, snapshot, caller) if record.token != watch.unwanted else None
            leased = watch.lives(record, snapshot) if record.holder not in ("", self._me) else 0.0
            failed = snapshot.age is not None and record.refusal.believed > snapshot.age
            watch.failures |= failed and record.refusal.kind == "temporary"
            if token and (leased or failed or time.time() < token.refresh_at):
                self._report.fact("token", "far")
                return token
            state = "waiting" if leased else record.refusal.kind if failed else "holds" if token else "empty"
            self._report.fact("far", state, age=snapshot.age or 0.0, holder=shown_holder(record.holder))
            if leased:
                watch.wait(record, snapshot, leased)
            elif failed and self._binds(record.refusal, snapshot, caller, watch):
                watch.believe(record.refusal, snapshot)
            elif found := self._take(record, snapshot, token, caller, watch):
                return found

    def _take(
        self, record: Record, snapshot: Snapshot, token: AccessToken | None, caller: Caller, watch: "_Watch"
    ) -> AccessToken | None:
        """Try to become the leader, and lead. None: look again. `token`: an ageing one, for which nobody waits."""
        sent = time.monotonic()
        try:
            version = self._claim(record, snapshot, watch)
        except (LostRace, Denied, TemporaryError) as e:
            return token or self._unclaimed(e, caller, watch)
        self._report.fact("far", "leads", holder=shown_holder(self._me))
        most = _EARLY if token else LEASE * _BUDGET
        budget = watch.deadline.share(most=max(0.0, most - (time.monotonic() - sent)))
        try:
            return self._lead(version, record, snapshot, caller, budget)
        except Error as e:  # of any kind: a misconfigured job must not fail where there is a good token
            if not token:
                raise
            self._report.warn(f"the token was not renewed early: {e}")
            return token

    def _claim(self, record: Record, snapshot: Snapshot, watch: "_Watch") -> int:
        """Write our lease; its version. Every error of the store."""
        text = replace(_free(record, snapshot), holder=self._me, lease=LEASE - _NOTICED, eta=record.took).dump()
        try:
            with watch.step(watch.unwritten) as deadline:
                return self._store.compare_and_set(self._key, snapshot.version, text, deadline)
        except (Error, LostRace):
            raise
        except BaseException:  # an interrupt: it may have been written
            self._give_back()
            raise

    def _unclaimed(self, why: Exception, caller: Caller, watch: "_Watch") -> AccessToken | None:
        """There is no token either. None: look again; a lease that is there after all is ours, and written again."""
        if isinstance(why, Denied):
            self._report.fact("far", "read-only")
            return caller.exchange(watch.deadline)
        if isinstance(why, StoreDown):
            raise why
        watch.unwritten += isinstance(why, TemporaryError)
        watch.pauses.sleep(watch.deadline)
        return None

    def _read(self, watch: "_Watch") -> Snapshot:
        pauses, failed = Pauses(0.05, 0.5), 0
        while True:
            try:
                with watch.step(failed) as deadline:
                    return self._store.read(self._key, deadline)
            except StoreDown:
                raise
            except TemporaryError:
                failed += 1
                pauses.sleep(watch.deadline)

    def _give_back(self) -> None:
        """The lease, if it is ours. Every error of the store is a pity."""
        deadline = Deadline(_LAST_WORD)
        with contextlib.suppress(Error, LostRace):
            snapshot = self._store.read(self._key, deadline)
            record = Record.load(snapshot.text)
            if record.holder == self._me:
                self._store.compare_and_set(self._key, snapshot.version, _free(record, snapshot).dump(), deadline)

    @staticmethod
    def _offered(record: Record, snapshot: Snapshot, caller: Caller) -> AccessToken | None:
        """The record's token, if the caller takes it. Without the store's clock its age is not known."""
        token = None if snapshot.age is None else record.access_token(snapshot.age, time.time())
        return token if token and caller.accepts(token) else None

    @staticmethod
    def _binds(refusal: Refusal, snapshot: Snapshot, caller: Caller, watch: "_Watch") -> bool:
        """Must the caller pause for what the last leader was told? InvalidClient when that was about its secret."""
        if refusal.kind == "refused":
            caller.check(refusal)
            return False
        before = snapshot.version in watch.paused
        watch.paused.add(snapshot.version)
        return refusal.kind == "rate-limit" or not before

    def _lead(
        self, version: int, record: Record, snapshot: Snapshot, caller: Caller, deadline: Deadline
    ) -> AccessToken:
        """Exchange, and end the lease with exactly one write, whatever happens."""
        began = time.monotonic()
        token, refusal = None, Refusal()  # of an interrupt: the lease is given back, and nothing else is said
        try:
            token = caller.exchange(deadline)
        except Error as e:
            refusal = Refusal.of(e)
            raise
        finally:
            took = time.monotonic() - began
            kept = _free(record, snapshot, refusal, took)
            self._publish(version, Record.of(token, took, self._about, kept.quiet) if token else kept, deadline)
        return token

    def _publish(self, version: int, record: Record, deadline: Deadline) -> None:
        left = Deadline(max(_LAST_WORD, deadline.left()))
        try:
            self._store.compare_and_set(self._key, version, record.dump(), left)
            self._report.fact("far", "published")
        except LostRace:
            self._report.fact("far", "overtaken")
        except Error as e:
            self._report.warn(f"the far cache did not take what this run learned: {e}")


def _free(record: Record, snapshot: Snapshot, refusal: Refusal | None = None, took: float = 0.0) -> Record:
    """The same token as it is now, `took` seconds after the read, and nobody's lease."""
    aged = record.token_age + (snapshot.age or 0.0) + 1 + took
    quiet = record.still_quiet((snapshot.age or 0.0) + took)
    return replace(record, token_age=aged, holder="", lease=0, eta=0, quiet=quiet, refusal=refusal or Refusal())
