"""What a call tells of the cache that machines share: who led, for whom it waited, and what others were told."""

import contextlib
import threading
import time
import uuid

import pytest
from support.versioned import Store

from gc_credhelper.deadline import Deadline
from gc_credhelper.errors import Error, InvalidClient, TemporaryError
from gc_credhelper.lease import LEASE, Caller
from gc_credhelper.record import Record, Refusal
from gc_credhelper.roles import Denied
from gc_credhelper.shared import Shared
from gc_credhelper.tokens import AccessToken
from gc_credhelper.trace import Event, Trace

ME = uuid.uuid4().hex
HOUR = 3600.0


@pytest.fixture
def store() -> Store:
    return Store()


def ask(store: Store, *, seconds: float = 30, fails: Error | None = None) -> Trace:
    trace = Trace()

    def exchange(_: Deadline) -> AccessToken:
        if fails:
            raise fails
        return AccessToken("new", time.time(), time.time() + HOUR)

    def check(refusal: Refusal) -> None:
        raise InvalidClient.said(str(refusal.status), "a test", refusal.status)

    caller = Caller(lambda token: token.usable(time.time()), exchange, check)
    with contextlib.suppress(TemporaryError, InvalidClient):
        Shared("far", store, trace, strict=False).token("k", "about", caller, Deadline(seconds))
    trace.end()
    return trace


def told(trace: Trace) -> list[str]:
    return [f"{event.fact.stage} {event.fact.outcome}" for event in trace.events]


def one(trace: Trace, outcome: str) -> Event:
    (event,) = (event for event in trace.events if event.fact.outcome == outcome)
    return event


def test_the_first_machine_takes_the_lease_and_publishes(store: Store) -> None:
    trace = ask(store)
    assert told(trace) == ["far asked", "far empty", "far leads", "far published"]
    assert len(str(one(trace, "leads").fact.details["holder"])) == 8


def test_the_next_one_gets_its_token(store: Store) -> None:
    ask(store)
    assert told(ask(store)) == ["far asked", "token far"]


def test_whose_lease_is_waited_for_is_told_once_and_for_how_long(store: Store) -> None:
    store.put(Record(holder=ME, lease=LEASE))
    threading.Timer(0.7, lambda: store.put(Record("theirs", ttl=HOUR, soft=900))).start()
    trace = ask(store)
    assert told(trace) == ["far asked", "far waiting", "token far"]
    waiting = one(trace, "waiting")
    assert waiting.fact.details["holder"] == ME[:8]
    assert waiting.seconds > 0


def test_a_name_that_no_machine_of_ours_gives_itself_is_not_shown(store: Store) -> None:
    store.put(Record(holder="canary-of-somebody-who-may-write", lease=LEASE))
    trace = ask(store, seconds=0.5)
    assert one(trace, "waiting").fact.details["holder"] == "not named"


@pytest.mark.parametrize("kind", ["refused", "rate-limit"])
def test_what_another_machine_was_told_is_told(store: Store, kind: str) -> None:
    store.put(Record(refusal=Refusal(kind, 50, "salt", "bits", 401 if kind == "refused" else 0)))
    trace = ask(store, seconds=2)
    assert told(trace) == ["far asked", f"far {kind}"]
    age = one(trace, kind).fact.details["age"]
    assert isinstance(age, float)
    assert age >= 0


def test_a_failure_of_another_machine_that_may_pass_is_told_before_the_lease_is_taken(store: Store) -> None:
    store.put(Record(refusal=Refusal("temporary", 0.5)))
    found = told(ask(store))
    assert [one for one in found if one != "far empty"] == ["far asked", "far temporary", "far leads", "far published"]


def test_an_ageing_token_that_this_machine_renews_is_told(store: Store) -> None:
    store.put(Record("theirs", ttl=HOUR, token_age=HOUR - 600, soft=900))
    assert told(ask(store)) == ["far asked", "far holds", "far leads", "far published"]


def test_one_that_is_not_renewed_is_told_with_the_warning(store: Store) -> None:
    store.put(Record("theirs", ttl=HOUR, token_age=HOUR - 600, soft=900))
    trace = ask(store, fails=TemporaryError("no"))
    assert told(trace)[-1] == "warning said"
    assert one(trace, "said").fact.text == "the token was not renewed early: no"


def test_a_store_that_may_only_be_read_is_told(store: Store) -> None:
    def breaks(step: str) -> None:
        if step == "write":
            raise Denied("read only")

    store.breaks = breaks
    assert told(ask(store)) == ["far asked", "far empty", "far read-only"]


def test_a_store_that_is_down_is_told_with_the_warning(store: Store) -> None:
    def breaks(_: str) -> None:
        raise TemporaryError("it is sealed")

    store.breaks = breaks
    trace = ask(store)
    assert told(trace) == ["far asked", "warning said"]
    assert one(trace, "said").fact.text == "the cache far is not used: it is sealed"
