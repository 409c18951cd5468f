"""The lease on a store in memory: every state of its machine, with threads for machines."""

import threading
import time
from collections.abc import Callable
from dataclasses import replace

import pytest
from support.versioned import Store

from gc_credhelper.deadline import Deadline
from gc_credhelper.errors import CredentialsError, Error, InvalidClient, RateLimited, TemporaryError
from gc_credhelper.lease import LEASE, Caller, Lease, StoreDown
from gc_credhelper.record import Record, Refusal
from gc_credhelper.report import Report
from gc_credhelper.roles import Denied, Snapshot
from gc_credhelper.shared import Shared
from gc_credhelper.tokens import AccessToken
from gc_credhelper.trace import Trace


class Issuer:
    """Issues numbered tokens."""

    def __init__(self, lifetime: float = 3600, takes: float = 0.0) -> None:
        self.lifetime = lifetime
        self.takes = takes
        self.count = 0
        self.fails: Exception | None = None

    def __call__(self, deadline: Deadline) -> AccessToken:  # noqa: ARG002
        self.count += 1
        now = time.time()
        time.sleep(self.takes)
        if self.fails:
            raise self.fails
        return AccessToken(f"token-{self.count}", now, now + self.lifetime)


@pytest.fixture
def store() -> Store:
    return Store()


@pytest.fixture
def issuer() -> Issuer:
    return Issuer()


def ask(store: Store, issuer: Issuer, *, seconds: float = 30, binds: bool = True, **more: bool) -> str:
    def check(refusal: Refusal) -> None:
        if binds:
            raise InvalidClient.said(str(refusal.status), "our own setting", refusal.status)

    caller = Caller(lambda token: token.usable(time.time()), issuer, check, **more)
    return Lease(store, "k", "about", Report()).token(caller, Deadline(seconds)).value


def machines(count: int, work: Callable[[], str]) -> list[str]:
    """What each machine got; an error counts as its text."""
    results: list[str] = []

    def one() -> None:
        try:
            results.append(work())
        except (TemporaryError, InvalidClient) as e:
            results.append(str(e))

    threads = [threading.Thread(target=one) for _ in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    return results


def test_thirty_machines_at_an_empty_store_cause_one_exchange(store: Store) -> None:
    issuer = Issuer(takes=0.3)
    assert machines(30, lambda: ask(store, issuer)) == ["token-1"] * 30
    assert issuer.count == 1
    assert store.record().token == "token-1"
    assert not store.record().holder


def test_a_fresh_token_is_one_read(store: Store, issuer: Issuer) -> None:
    ask(store, issuer)
    store.reads = store.writes = 0
    assert ask(store, issuer) == "token-1"
    assert (store.reads, store.writes) == (1, 0)


def test_an_ageing_token_is_served_while_one_machine_refreshes_it(store: Store) -> None:
    issuer = Issuer()
    ask(store, issuer)
    store.ahead = 3600 - 700
    issuer.takes = 0.5
    got = machines(20, lambda: ask(store, issuer))
    assert sorted(set(got)) == ["token-1", "token-2"]
    assert issuer.count == 2


def test_a_token_that_is_too_old_is_replaced(store: Store, issuer: Issuer) -> None:
    ask(store, issuer)
    store.ahead = 3600 - 200
    assert ask(store, issuer) == "token-2"


def test_a_refresh_does_not_take_the_token_that_lies_there(store: Store, issuer: Issuer) -> None:
    ask(store, issuer)
    assert ask(store, issuer, refresh=True) == "token-2"


def test_a_dead_lease_is_taken_over_at_once_by_the_store_s_clock(store: Store, issuer: Issuer) -> None:
    store.put(Record(holder="somebody", lease=LEASE))
    store.ahead = LEASE + 1
    began = time.monotonic()
    assert ask(store, issuer) == "token-1"
    assert time.monotonic() - began < LEASE / 2


def test_a_live_lease_is_waited_for_until_the_deadline(store: Store, issuer: Issuer) -> None:
    store.put(Record(holder="somebody", lease=LEASE))
    with pytest.raises(TemporaryError, match="another machine"):
        ask(store, issuer, seconds=0.3)
    assert not issuer.count


def test_a_lease_that_claims_to_live_for_ever_is_none(store: Store, issuer: Issuer) -> None:
    store.put(Record(holder="somebody", lease=100_000))
    assert ask(store, issuer) == "token-1"


def test_a_refusal_is_raised_by_those_whom_it_binds_and_by_nobody_else(store: Store, issuer: Issuer) -> None:
    issuer.fails = InvalidClient.said("400", "the setting of the leader", 400)
    issuer.fails.salt, issuer.fails.bits = "salt", "bits"
    told = machines(10, lambda: ask(store, issuer))
    assert issuer.count == 1
    assert sum("the setting of the leader" in text for text in told) == 1
    assert sum("(400); the server was chosen by our own setting" in text for text in told) == 9
    assert "setting" not in store.record().dump()
    issuer.fails = None
    assert ask(store, issuer, binds=False) == "token-2"


def test_a_temporary_failure_is_not_repeated_by_everyone(store: Store) -> None:
    issuer = Issuer(takes=0.2)
    issuer.fails = TemporaryError("503")
    threading.Timer(1.0, lambda: setattr(issuer, "fails", None)).start()
    got = machines(20, lambda: ask(store, issuer))
    assert issuer.count <= 6
    assert sum(text.startswith("token-") for text in got) >= 15


def test_a_rate_limit_binds_every_machine(store: Store, issuer: Issuer) -> None:
    issuer.fails = RateLimited("too many", retry_after=100)
    with pytest.raises(RateLimited):
        ask(store, issuer)
    issuer.fails = None
    with pytest.raises(RateLimited, match="another machine"):
        ask(store, issuer)
    store.ahead = 101
    assert ask(store, issuer) == "token-2"


def test_an_interrupt_gives_the_lease_back(store: Store, issuer: Issuer) -> None:
    issuer.fails = KeyboardInterrupt()  # type: ignore[assignment]
    with pytest.raises(KeyboardInterrupt):
        ask(store, issuer)
    assert not store.record().holder
    issuer.fails = None
    assert ask(store, issuer) == "token-2"


def test_a_failed_early_refresh_keeps_the_old_token_for_everyone(
    store: Store, issuer: Issuer, capsys: pytest.CaptureFixture[str]
) -> None:
    ask(store, issuer)
    store.ahead = 3600 - 700
    issuer.fails = TemporaryError("503")
    assert ask(store, issuer) == "token-1"
    assert capsys.readouterr().err == "gc-credhelper: warning: the token was not renewed early: 503\n"
    assert store.record().token == "token-1"
    assert store.record().token_age > 3600 - 710
    assert not store.record().holder


def test_an_early_refresh_takes_no_longer_than_five_seconds(store: Store, issuer: Issuer) -> None:
    ask(store, issuer)
    store.ahead = 3600 - 700
    left = []

    def exchange(deadline: Deadline) -> AccessToken:
        left.append(deadline.left())
        return issuer(deadline)

    caller = Caller(lambda token: token.usable(time.time()), exchange, lambda _: None)
    assert Lease(store, "k", "", Report()).token(caller, Deadline(30)).value == "token-2"
    assert 4 < left[0] <= 5


@pytest.mark.parametrize(
    "refusal", [Refusal("rate-limit", 100), Refusal("temporary", 1), Refusal("refused", 60, "salt", "bits", 401)]
)
def test_what_a_leader_was_told_holds_up_nobody_who_has_an_ageing_token(
    store: Store, issuer: Issuer, refusal: Refusal
) -> None:
    store.put(Record(token="old", ttl=3600, soft=900, token_age=3600 - 700, refusal=refusal))
    assert ask(store, issuer, seconds=5) == "old"
    assert not issuer.count


def test_where_writes_are_denied_an_ageing_token_is_served(store: Store, issuer: Issuer) -> None:
    def breaks(step: str) -> None:
        if step == "write":
            raise Denied("no")

    store.put(Record(token="old", ttl=3600, soft=900, token_age=3600 - 700))
    store.breaks = breaks
    assert ask(store, issuer) == "old"
    assert not issuer.count


@pytest.mark.parametrize("step", ["write", "written"])
def test_an_interrupt_while_the_lease_is_taken_leaves_no_lease(store: Store, issuer: Issuer, step: str) -> None:
    once = [step]

    def breaks(one: str) -> None:
        if one in once:
            once.clear()
            raise KeyboardInterrupt

    store.breaks = breaks
    with pytest.raises(KeyboardInterrupt):
        ask(store, issuer)
    assert not store.record_exists() or not store.record().holder
    assert ask(store, issuer, seconds=5) == "token-1"


def test_a_lease_is_watched_no_longer_than_it_lives(store: Store, issuer: Issuer) -> None:
    store.put(Record(holder="somebody", lease=0.5, eta=1000))
    assert ask(store, issuer, seconds=20) == "token-1"


def test_a_late_leader_does_not_overwrite_who_took_over(store: Store, issuer: Issuer) -> None:
    def overtaken(deadline: Deadline) -> AccessToken:
        store.put(replace(store.record(), token="theirs", ttl=3600, soft=900, holder=""))
        return issuer(deadline)

    caller = Caller(lambda token: token.usable(time.time()), overtaken, lambda _: None)
    assert Lease(store, "k", "", Report()).token(caller, Deadline(30)).value == "token-1"
    assert store.record().token == "theirs"


def test_an_ambiguous_write_that_happened_is_ours(store: Store, issuer: Issuer) -> None:
    once = ["written"]

    def breaks(step: str) -> None:
        if step in once:
            once.clear()
            raise TemporaryError("cut off")

    store.breaks = breaks
    assert ask(store, issuer) == "token-1"
    assert issuer.count == 1


@pytest.mark.parametrize("step", ["read", "write"])
def test_a_store_that_is_down_is_said(store: Store, issuer: Issuer, step: str) -> None:
    def breaks(one: str) -> None:
        if one == step:
            raise TemporaryError("down")

    store.breaks = breaks
    with pytest.raises(StoreDown, match="down"):
        ask(store, issuer)
    assert not issuer.count


@pytest.mark.parametrize("step", ["read", "write"])
def test_a_store_that_keeps_silent_leaves_time_for_an_exchange_without_it(
    store: Store, issuer: Issuer, step: str
) -> None:
    class Silent(Store):
        def read(self, key: str, deadline: Deadline) -> Snapshot:
            return self._silent("read", deadline) or super().read(key, deadline)

        def compare_and_set(self, key: str, version: int, text: str, deadline: Deadline) -> int:
            self._silent("write", deadline)
            return super().compare_and_set(key, version, text, deadline)

        @staticmethod
        def _silent(one: str, deadline: Deadline) -> None:
            if one == step:
                time.sleep(deadline.left())
                raise TemporaryError("silence")

    deadline = Deadline(2)
    caller = Caller(lambda token: token.usable(time.time()), issuer, lambda _: None)
    with pytest.raises(StoreDown, match="silence"):
        Lease(Silent(), "k", "", Report()).token(caller, deadline)
    assert deadline.left()


def test_where_reads_work_and_writes_are_denied_the_caller_asks_alone(store: Store, issuer: Issuer) -> None:
    def breaks(step: str) -> None:
        if step == "write":
            raise Denied("no")

    store.breaks = breaks
    assert ask(store, issuer) == "token-1"
    assert not store.record_exists()


@pytest.mark.parametrize(
    "text",
    ["", "{}", "[]", "null", "junk", '{"version": 2}', '{"version": 1, "refusal": {}, "token": 5}', "[" * 100_000],
)
def test_a_record_that_makes_no_sense_counts_as_empty(store: Store, issuer: Issuer, text: str) -> None:
    store.put_text(text)
    assert ask(store, issuer) == "token-1"


def test_the_times_of_a_record_are_capped() -> None:
    good = Record(token="a", ttl=3600, soft=900)
    assert Record.load(good.dump()) == good
    for bad in (
        replace(good, ttl=1e12),
        replace(good, token_age=-1),
        replace(good, token="not a token"),
        replace(good, soft=3600),
        replace(good, lease=61),
        replace(good, quiet=-1),
        replace(good, refusal=Refusal("refused", 60, status=200)),
        replace(good, refusal=Refusal("temporary", 1, status=400)),
    ):
        assert Record.load(bad.dump()) == Record()
    assert Refusal("refused", 1e6).believed == 60
    assert Refusal("anything", 10).believed == 0
    assert replace(good, quiet=3600).still_quiet(1) == 59


def test_a_store_that_does_not_say_the_age_of_a_rejection_is_no_obstacle_to_the_next(store: Store) -> None:
    shared = Shared("far", store, Report(), strict=False)
    store.put(Record(token="a", ttl=3600, soft=900, quiet=60))
    assert shared.sighted("k", "a", Deadline(9)) == (True, True)
    assert shared.sighted("k", "another", Deadline(9)) == (False, False)
    store.ahead = 61
    assert shared.sighted("k", "a", Deadline(9)) == (True, False)
    store.put(Record(token="a", ttl=3600, soft=900, quiet=60))
    read = store.read
    store.read = lambda key, deadline: replace(read(key, deadline), age=None)  # type: ignore[method-assign]
    assert shared.sighted("k", "a", Deadline(9)) == (True, False)


@pytest.mark.parametrize("back", [5, 500])
def test_a_clock_of_the_store_that_was_set_back_costs_one_exchange_at_most(
    store: Store, issuer: Issuer, back: float
) -> None:
    trace = Trace()
    store.put(Record())
    store.ahead -= back
    caller = Caller(lambda token: token.usable(time.time()), issuer, lambda _: None)
    shared = Shared("far", store, trace, strict=False)
    assert {shared.token("k", "about", caller, Deadline(60)).value for _ in range(3)} == {"token-1"}
    assert [event.fact.text for event in trace.events][:2] == [
        "far, which machines share",
        "its record holds no token for this call",
    ]
    assert issuer.count == 1


def test_a_store_that_answers_with_something_else_is_down(store: Store) -> None:
    store.read = lambda *_: "text"  # type: ignore[method-assign, assignment]
    with pytest.raises(TemporaryError, match="it failed"):
        Shared("far", store, Report(), strict=False).look("k", Deadline(9))


def test_machines_that_keep_failing_do_not_starve_one_that_would_succeed(store: Store, issuer: Issuer) -> None:
    store.put(Record(refusal=Refusal("temporary", 1)))
    took = 0

    def breaks(step: str) -> None:
        nonlocal took
        if step == "read" and time.monotonic() - began > 0.5:  # from then on another machine always has the lease
            took += 1
            store.put(Record(holder=f"another-{took}", lease=LEASE))

    began = time.monotonic()
    store.breaks = breaks
    shared = Shared("far", store, Report(), strict=False)
    caller = Caller(lambda token: token.usable(time.time()), issuer, lambda _: None)
    assert shared.token("k", "about", caller, Deadline(4)).value == "token-1"
    began = time.monotonic()
    store.put(Record(refusal=Refusal("temporary", 1)))
    with pytest.raises(StoreDown, match="other machines keep failing"):
        ask(store, issuer, seconds=4)


def test_a_refusal_of_unknown_age_is_not_believed(store: Store, issuer: Issuer) -> None:
    class Timeless(Store):
        def read(self, key: str, deadline: Deadline) -> Snapshot:
            return replace(super().read(key, deadline), age=None)

    timeless = Timeless()
    timeless.put(Record(refusal=Refusal("rate-limit", 200)))
    assert ask(timeless, issuer) == "token-1"


def test_no_time_to_wait_that_a_server_names_spoils_the_record() -> None:
    refusal = Refusal.of(RateLimited("later", retry_after=1e9))
    assert refusal.seconds == 300
    assert Record.load(Record(token="a", ttl=3600, soft=900, refusal=refusal).dump()).token == "a"


def test_a_token_of_a_record_has_the_lifetime_that_was_granted() -> None:
    token = Record(token="a", ttl=3600, soft=900, took=0.3, token_age=10).access_token(5.0, time.time())
    assert token
    assert token.lifetime == pytest.approx(3600)
    assert token.expires_at == pytest.approx(time.time() + 3600 - 16, abs=1)


@pytest.mark.parametrize(
    "error", [CredentialsError("no login"), ValueError("canary-of-a-plug-in"), TemporaryError("x")]
)
def test_a_store_that_fails_in_whatever_way_loses_no_token(store: Store, issuer: Issuer, error: Exception) -> None:
    def breaks(step: str) -> None:
        raise error

    store.breaks = breaks
    caller = Caller(lambda token: token.usable(time.time()), issuer, lambda _: None)
    assert Shared("far", store, Report(), strict=False).token("k", "about", caller, Deadline(9)).value == "token-1"
    with pytest.raises(Error) as caught:
        Shared("far", store, Report(), strict=True).token("k", "about", caller, Deadline(9))
    assert caught.value.exit_code in (4, 6)
    assert "canary" not in str(caught.value)


def test_a_store_that_hangs_does_not_outlast_the_deadline(store: Store, issuer: Issuer) -> None:
    store.breaks = lambda _: time.sleep(60)
    caller = Caller(lambda token: token.usable(time.time()), issuer, lambda _: None)
    began = time.monotonic()
    assert Shared("far", store, Report(), strict=False).token("k", "about", caller, Deadline(2)).value == "token-1"
    assert time.monotonic() - began < 20


def test_a_record_that_others_keep_writing_is_not_said_to_be_empty(store: Store) -> None:
    store.put(Record(token="a", ttl=3600, soft=900))
    store.breaks = lambda step: store.put(Record(token="a", ttl=3600, soft=900)) if step == "write" else None
    with pytest.raises(TemporaryError, match="others keep writing"):
        Shared("far", store, Report(), strict=False).remove("k", Deadline(9))
