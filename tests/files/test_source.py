"""TokenSource: windows, clocks, refreshes and rejections, with an exchange that needs no server."""

import fcntl
import gc
import threading
import time
from pathlib import Path

import pytest

from gc_credhelper import locks
from gc_credhelper.deadline import Deadline
from gc_credhelper.entry import Entry, Whose
from gc_credhelper.errors import (
    CredentialsError,
    Error,
    InvalidClient,
    LifetimeError,
    RateLimited,
    TemporaryError,
    TokenError,
)
from gc_credhelper.exchange import TokenExchanger
from gc_credhelper.fetch import Fetch
from gc_credhelper.locks import LocalLock
from gc_credhelper.roles import CredentialProvider
from gc_credhelper.source import ClientChanged
from gc_credhelper.tokens import AccessToken

from .kit import HOUR, Bench


def test_a_token_that_is_not_ageing_is_handed_out(bench: Bench) -> None:
    source = bench.source()
    assert [source.token().value for _ in range(3)] == ["new-1"] * 3
    bench.clock.ahead = HOUR - 1000
    assert source.token().value == "new-1"


def test_an_ageing_token_is_replaced(bench: Bench) -> None:
    source = bench.source()
    source.token()
    bench.clock.ahead = HOUR - 800
    assert source.token().value == "new-2"


def test_an_early_refresh_that_fails_for_now_is_a_warning_and_the_old_token(bench: Bench) -> None:
    source = bench.source()
    source.token()
    bench.clock.ahead = HOUR - 800
    bench.fails = TemporaryError("the network is down")
    assert source.token().value == "new-1"
    assert bench.said.warnings == ["the token was not renewed early: the network is down"]


def test_for_a_while_nobody_repeats_an_early_refresh_that_failed(bench: Bench) -> None:
    source = bench.source()
    source.token()
    bench.fails = TemporaryError("the network is down")
    for ahead, asked in ((HOUR - 800, 2), (HOUR - 790, 2), (HOUR - 784, 3), (HOUR - 780, 3)):
        bench.clock.ahead = ahead
        assert source.token().value == "new-1"
        assert bench.issued == asked


def test_an_early_refresh_may_take_only_a_part_of_the_deadline(bench: Bench) -> None:
    seen: list[float] = []

    def fetch(entry: Entry, deadline: Deadline) -> AccessToken:
        seen.append(deadline.left())
        return bench.exchange(entry, deadline)

    source = bench.source(fetch=fetch)
    source.token()
    bench.clock.ahead = HOUR - 800
    source.token()
    assert seen[0] > 50
    assert seen[1] <= 5


@pytest.mark.parametrize("error", [InvalidClient("wrong secret"), TokenError("not a token")])
def test_an_early_refresh_that_is_refused_is_a_warning_and_the_old_token(bench: Bench, error: Error) -> None:
    source = bench.source()
    source.token()
    bench.clock.ahead = HOUR - 800
    bench.fails = error
    assert source.token().value == "new-1"
    assert bench.said.warnings == [f"the token was not renewed early: {error}"]


def test_a_token_that_was_too_old_when_it_came_is_neither_handed_out_nor_kept(bench: Bench) -> None:
    source = bench.source(fetch=lambda *_: bench.token("late", age=3, lifetime=2))
    with pytest.raises(TemporaryError, match="too old when it came"):
        source.token()
    assert not bench.files(".token")


def test_a_lifetime_from_the_cache_is_said_to_be_renewed_by_a_refresh(bench: Bench) -> None:
    source = bench.source()
    source.token()
    with pytest.raises(LifetimeError) as cached:
        source.token(min_ttl=7200)
    assert "--refresh" in cached.value.hint
    with pytest.raises(LifetimeError) as fresh:
        source.token(min_ttl=7200, refresh=True)
    assert "--refresh" not in fresh.value.hint


def test_the_locks_of_threads_do_not_pile_up(bench: Bench) -> None:
    before = len(locks._threads)
    for number in range(50):
        with LocalLock(None, f"key-{number}", bench.said).attempt() as mine:
            assert mine
    gc.collect()
    assert len(locks._threads) <= before


def test_a_provider_that_hangs_when_asked_for_its_id_ends_at_the_deadline(bench: Bench) -> None:
    leave = threading.Event()

    def provider() -> CredentialProvider:
        leave.wait(60)
        raise CredentialsError("too late")

    def exchanger() -> TokenExchanger:
        raise AssertionError("nothing to exchange")

    try:
        with pytest.raises(TemporaryError, match="credential provider"):
            Fetch(provider, exchanger, None, bench.said).known_client_id(Deadline(0.2))
    finally:
        leave.set()


def test_a_step_without_the_secret_is_served_while_the_token_is_good(bench: Bench) -> None:
    source = bench.source()
    first = source.token()
    bench.clock.ahead = HOUR - 800
    bench.fails = CredentialsError("no secret")
    assert source.token().value == first.value
    assert bench.said.warnings == ["the token was not renewed early: no secret"]


def test_in_the_mandatory_window_a_failure_is_an_error(bench: Bench) -> None:
    source = bench.source()
    source.token()
    bench.clock.ahead = HOUR - 299
    bench.fails = TemporaryError("the network is down")
    with pytest.raises(TemporaryError, match="the network is down"):
        source.token()
    assert not bench.said.warnings


def test_a_claim_never_reaches_into_the_mandatory_window(bench: Bench) -> None:
    source = bench.source()
    source.token()
    bench.fails = TemporaryError("the network is down")
    bench.clock.ahead = HOUR - 303
    assert source.token().value == "new-1"
    bench.clock.ahead = HOUR - 299
    with pytest.raises(TemporaryError):
        source.token()


def test_an_old_token_that_ran_out_during_the_early_refresh_is_not_handed_out(bench: Bench) -> None:
    def fetch(entry: Entry, deadline: Deadline) -> AccessToken:
        if bench.issued:
            bench.clock.ahead = HOUR - 10
            bench.fails = TemporaryError("the network is down")
        return bench.exchange(entry, deadline)

    source = bench.source(fetch=fetch)
    source.token()
    bench.clock.ahead = HOUR - 800
    with pytest.raises(TemporaryError):
        source.token()


def test_a_rate_limit_never_delays_a_caller_who_holds_a_valid_token(bench: Bench) -> None:
    source = bench.source()
    source.token()
    source.entry().gate.rate_limited(RateLimited("slowly", retry_after=60))
    bench.clock.ahead = HOUR - 800
    assert source.token().value == "new-1"
    assert bench.issued == 1


def test_min_ttl_moves_the_edge_for_its_caller_alone(bench: Bench) -> None:
    source = bench.source()
    source.token()
    bench.clock.ahead = 600
    bench.fails = TemporaryError("the network is down")
    with pytest.raises(TemporaryError):
        source.token(min_ttl=3300)
    assert source.token(min_ttl=2900).value == source.token().value == "new-1"
    bench.fails = None
    assert source.token(min_ttl=3300).value == "new-3"
    assert source.token().value == "new-3"


def test_min_ttl_beyond_the_lifetime_is_an_error_without_an_exchange(bench: Bench) -> None:
    source = bench.source()
    source.token()
    with pytest.raises(LifetimeError, match="3600 s"):
        source.token(min_ttl=3601)
    assert bench.issued == 1
    bench.lifetime = 7200
    assert source.token(min_ttl=3601, refresh=True).value == "new-2"


def test_a_refresh_that_brings_too_short_a_token_keeps_it(bench: Bench) -> None:
    source = bench.source()
    with pytest.raises(LifetimeError):
        source.token(min_ttl=7200, refresh=True)
    assert source.token().value == "new-1"


def test_an_expired_entry_says_nothing_of_the_next_lifetime(bench: Bench) -> None:
    source = bench.source()
    source.entry().write(bench.token("old", age=400, lifetime=300))
    assert source.token(min_ttl=1800).value == "new-1"


@pytest.mark.parametrize("min_ttl", [0, 7200])
def test_an_entry_from_the_future_is_replaced(bench: Bench, min_ttl: float) -> None:
    source = bench.source()
    source.entry().write(bench.token("from the clock that was wrong".replace(" ", "-"), age=-3600))
    bench.lifetime = 2 * HOUR
    assert source.token(min_ttl=min_ttl).value == "new-1"
    assert source.token().value == "new-1"


def test_a_small_difference_of_clocks_is_borne(bench: Bench) -> None:
    source = bench.source()
    source.entry().write(bench.token("near", age=-50))
    assert source.token().value == "near"


@pytest.mark.parametrize("refresh", [False, True])
def test_when_the_clock_is_set_back_and_forth_a_token_is_still_found(bench: Bench, *, refresh: bool) -> None:
    source = bench.source()
    source.token()
    for ahead, value in ((-86_400, "new-2"), (0, "new-3"), (86_400, "new-4")):
        bench.clock.ahead = ahead
        assert source.token(refresh=refresh).value == value
        assert source.token().value == value


def test_a_client_that_changed_is_followed(bench: Bench, tmp_path: Path) -> None:
    other = Entry(
        Whose("http://127.0.0.1/oauth/token", "basic", "other"),
        [("file", bench.file_cache())],
        bench.directory,
        bench.said,
    )

    def fetch(entry: Entry, deadline: Deadline) -> AccessToken:
        if entry is not other:
            raise ClientChanged("other")
        return bench.exchange(entry, deadline)

    source = bench.source(fetch=fetch, reopen=lambda _: other)
    assert source.token().value == "new-1"
    assert source.entry() is other
    assert len(bench.files(".token")) == 1


def test_a_provider_that_never_names_the_same_client_twice_is_an_error(bench: Bench) -> None:
    asked: list[Entry] = []

    def fetch(entry: Entry, _: Deadline) -> AccessToken:
        asked.append(entry)
        raise ClientChanged(f"client-{len(asked)}")

    with pytest.raises(CredentialsError, match="another client each time"):
        bench.source(fetch=fetch).token()
    assert len(asked) == 3


def test_a_caller_who_waits_for_its_deadline_gets_the_time_and_the_holder(bench: Bench) -> None:
    source = bench.source(seconds=0.2)
    with source.entry().attempt() as mine:
        assert mine
        with pytest.raises(TemporaryError, match="process"):
            source.token()
        with pytest.raises(TemporaryError, match="process") as raised:
            source.reject("any")
    assert raised.value.hint
    assert bench.issued == 0


def test_a_thread_that_finds_the_client_is_not_waited_for_beyond_the_deadline(bench: Bench) -> None:
    entry = bench.entry()
    leave = threading.Event()

    def find(_: Deadline) -> Entry:
        leave.wait(60)
        return entry

    source = bench.source()
    source._find = find
    thread = threading.Thread(target=source.token)
    thread.start()
    while not [name for name in threading.enumerate() if name is thread]:
        time.sleep(0.01)
    time.sleep(0.1)
    try:
        with pytest.raises(TemporaryError, match="another thread"):
            source.token(deadline=Deadline(0.1))
    finally:
        leave.set()
        thread.join()
    assert source.token().value == "new-1"


def test_a_rejected_token_is_replaced(bench: Bench) -> None:
    source = bench.source()
    dead = source.token().value
    assert source.reject(dead)
    assert source.token().value == "new-2"
    assert not bench.said.warnings


def test_only_the_cached_token_is_removed(bench: Bench) -> None:
    source = bench.source()
    source.token()
    assert source.reject("somebody-elses")
    assert source.token().value == "new-1"


def test_a_slow_fill_does_not_bring_a_rejected_token_back(bench: Bench) -> None:
    source = bench.source()
    dead = source.token()
    text = bench.files(".token")[0].read_bytes()
    source.reject(dead.value)
    bench.directory.write(f"{bench.whose.key}.token", text)
    assert source.token().value == "new-2"


def test_a_rejected_token_that_is_issued_again_is_handed_out_with_a_warning_and_not_kept(bench: Bench) -> None:
    same = bench.token("same")
    issued: list[AccessToken] = []

    def fetch(*_: object) -> AccessToken:
        issued.append(same)
        return same

    source = bench.source(fetch=fetch)
    source.token()
    source.reject("same")
    assert [source.token().value for _ in range(2)] == ["same"] * 2
    assert len(issued) == 3
    assert not bench.files(".token")
    assert bench.said.warnings == ["the server issued a token again that was rejected before; it is not cached"]


def test_everyone_who_rejects_the_same_token_is_content(bench: Bench) -> None:
    source = bench.source()
    dead = source.token().value
    assert [source.reject(dead) for _ in range(5)] == [True] * 5
    source.token()
    assert source.reject(dead)
    assert source.token().value == "new-2"
    assert not bench.said.warnings


def test_a_second_token_within_a_minute_is_not_replaced(bench: Bench) -> None:
    source = bench.source()
    source.reject(source.token().value)
    again = source.token().value
    assert not source.reject(again)
    assert source.token().value == again
    assert len(bench.said.warnings) == 1
    assert "API URL" in bench.said.warnings[0]


def test_a_stale_rejection_does_not_hold_up_a_true_one(bench: Bench) -> None:
    source = bench.source()
    source.token()
    assert source.reject("long-gone")
    assert source.reject("new-1")
    assert source.token().value == "new-2"


def test_a_rejection_that_cannot_be_kept_still_removes_the_token(bench: Bench) -> None:
    source = bench.source()
    dead = source.token().value
    (bench.path / f"{bench.whose.key}.rejected").mkdir()
    assert source.reject(dead)
    assert source.token().value == "new-2"
    assert len(bench.said.warnings) == 1


def test_without_a_cache_there_is_nothing_to_reject(bench: Bench) -> None:
    source = bench.source()
    source._entry = Entry(bench.whose, [], bench.directory, bench.said)
    assert source.reject("any")
    assert not bench.path.exists()


def test_a_lock_is_free_again_after_an_error(bench: Bench) -> None:
    source = bench.source()
    bench.fails = InvalidClient("wrong secret")
    with pytest.raises(InvalidClient):
        source.token()
    bench.fails = None
    assert source.token().value == "new-2"


def test_one_lock_excludes_threads_and_other_locks_of_the_same_file(bench: Bench) -> None:
    first = LocalLock(bench.directory, "k", bench.said)
    second = LocalLock(bench.directory, "k", bench.said)
    other = LocalLock(bench.directory, "other", bench.said)
    with first.attempt() as one, second.attempt() as two, other.attempt() as three:
        assert (one, two, three) == (True, False, True)
        with (bench.path / "k.lock").open() as file, pytest.raises(BlockingIOError):
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        assert first.holder().startswith("process ")
    with second.attempt() as two:
        assert two


def test_a_lock_that_cannot_exist_is_done_without_and_said_once(bench: Bench) -> None:
    bench.path.touch()
    lock = LocalLock(bench.directory, "k", bench.said)
    for _ in range(3):
        with lock.attempt() as mine:
            assert mine
    assert len(bench.said.warnings) == 1
    assert lock.holder() == "another caller"


def test_no_descriptor_is_lost(bench: Bench) -> None:
    source = bench.source()
    for _ in range(20):
        source.token(refresh=True)
        with source.entry().attempt(), pytest.raises(TemporaryError):
            source.token(refresh=True, deadline=Deadline(0))
    open_now = [str(fd.resolve()) for fd in Path("/proc/self/fd").iterdir()]
    assert open_now
    assert not [path for path in open_now if path.startswith(str(bench.path))]
