"""When it is tried again, how long it waits, and that it ends at the deadline."""

import socket
import threading
import time
from email.utils import formatdate

import pytest
from support import Machine, client
from support.scripted import Answer, Request, ScriptedServer, http, token

from gc_credhelper.deadline import Deadline
from gc_credhelper.errors import RateLimited, TemporaryError, UsageError
from gc_credhelper.exchange import retry_after
from gc_credhelper.transport import Answer as Received

from .kit import GUARD, RATE_LIMIT, Heard, drip_body, drip_header, exchange, fails, hang, refused


@pytest.mark.parametrize("status", [429, 500, 503])
def test_a_retry_after_that_fits_is_obeyed(scripted: ScriptedServer, status: int) -> None:
    scripted.answers = [http(status, "", Retry_After="1"), token()]
    exchange(scripted)
    first, second = scripted.requests
    assert second.at - first.at >= 1


def test_a_retry_after_may_be_a_date(scripted: ScriptedServer) -> None:
    def later(*_: object) -> bytes:
        return http(429, "", Retry_After=formatdate(time.time() + 2, usegmt=True))

    scripted.answers = [later, token()]
    exchange(scripted)
    first, second = scripted.requests
    assert second.at - first.at >= 0.9  # a date has whole seconds


@pytest.mark.parametrize("status", [400, 429, 503])
@pytest.mark.parametrize("as_date", [False, True], ids=["seconds", "date"])
def test_a_retry_after_that_does_not_fit_ends_it_at_once_and_is_told(
    machine: Machine,
    scripted: ScriptedServer,
    status: int,
    as_date: bool,  # noqa: FBT001
) -> None:
    after = formatdate(time.time() + 117, usegmt=True) if as_date else "117"
    scripted.answers = [http(status, RATE_LIMIT, Retry_After=after)]
    started = time.monotonic()
    done = fails(machine, scripted, 6, GC_CREDHELPER_DEADLINE="100s")
    assert time.monotonic() - started < GUARD
    assert "the server asks to wait 11" in done.error
    assert len(scripted.requests) == 1


def test_the_time_may_stand_in_the_text(scripted: ScriptedServer) -> None:
    text = "rate limit exceeded; retry the request in [77] seconds"
    scripted.answers = [http(400, {"error": "invalid_request", "error_description": text})]
    error = refused(scripted, RateLimited)
    assert isinstance(error, RateLimited)
    assert error.retry_after == 77
    assert "wait 77 s" in str(error)


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("120", 120),
        (" 120 ", 120),
        ("0", None),
        ("", None),
        ("-5", None),
        ("1.5", None),
        ("soon", None),
        ("9" * 10, None),
        ("Sun, 06 Nov 1994 08:49:37 GMT", None),
    ],
)
def test_a_retry_after_is_seconds_or_a_date_to_come(header: str, seconds: float | None) -> None:
    found = retry_after(Received(429, {"Retry-After": header}, b""), "")
    assert found is None if seconds is None else found == seconds


def test_an_old_form_of_date_is_in_utc_as_well(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "Asia/Tokyo")
    time.tzset()
    try:
        found = retry_after(Received(429, {"Retry-After": time.asctime(time.gmtime(time.time() + 100))}, b""), "")
    finally:
        monkeypatch.undo()
        time.tzset()
    assert found == pytest.approx(100, abs=GUARD)


@pytest.mark.parametrize("text", ["wait 12 s", "try again in [12] seconds", "in 12 sec.", "12 seconds", "[12] seconds"])
def test_a_wait_in_the_text_is_a_number_of_its_own(text: str) -> None:
    assert retry_after(Received(400, {}, b""), text) == 12


@pytest.mark.parametrize(
    "text", ["bad secret ab12s-x", "abc-12 s", "12s", "12345678 seconds", "12 tries", "x[12] seconds"]
)
def test_digits_that_may_be_part_of_an_echo_are_no_wait(text: str) -> None:
    assert retry_after(Received(400, {}, b""), text) is None


@pytest.mark.parametrize("after", ["0", formatdate(0, usegmt=True)])
def test_a_retry_after_of_nothing_does_not_make_a_busy_loop(scripted: ScriptedServer, after: str) -> None:
    scripted.answers = [http(503, "", Retry_After=after)]
    refused(scripted, TemporaryError, seconds=2)
    assert 1 <= len(scripted.requests) < 50


def test_pauses_are_told_with_v_and_without_any_text_of_the_server(machine: Machine, scripted: ScriptedServer) -> None:
    scripted.answers = [http(503, "text of the server"), token()]
    done = machine.run("token", "-v", env=client(scripted))
    assert done.code == 0
    assert "attempt 1: the token endpoint failed (503); the next one in " in done.err
    assert "text of the server" not in done.err


@pytest.mark.parametrize("answer", [hang, drip_header, drip_body])
def test_a_server_that_takes_its_time_is_left_at_the_deadline(
    machine: Machine, scripted: ScriptedServer, answer: Answer
) -> None:
    scripted.answers = [answer]
    started = time.monotonic()
    fails(machine, scripted, 6, GC_CREDHELPER_DEADLINE="1s")
    assert time.monotonic() - started < 10


def test_a_port_that_accepts_and_says_nothing_is_left_at_the_deadline(
    machine: Machine, scripted: ScriptedServer
) -> None:
    with socket.create_server(("127.0.0.1", 0), backlog=1) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}/oauth/token"
        fails(machine, scripted, 6, GC_CREDHELPER_TOKEN_URL=url, GC_CREDHELPER_DEADLINE="1s")


def test_a_port_where_nobody_listens_is_temporary(machine: Machine, scripted: ScriptedServer) -> None:
    with socket.socket() as deaf:  # bound, so that nobody else gets the port, and not listening
        deaf.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{deaf.getsockname()[1]}/oauth/token"
        done = fails(machine, scripted, 6, GC_CREDHELPER_TOKEN_URL=url, GC_CREDHELPER_DEADLINE="1s")
    assert "refused the connection" in done.error


def test_a_slow_server_recovers_within_the_deadline(scripted: ScriptedServer) -> None:
    def slow(_: Request, __: socket.socket) -> bytes:
        time.sleep(1)
        return token()

    scripted.answers = [slow]
    assert exchange(scripted).value == "tok-1"


def test_every_attempt_is_noted(scripted: ScriptedServer) -> None:
    heard = Heard()
    scripted.answers = [http(500, ""), http(500, ""), token()]
    exchange(scripted, report=heard)
    assert [line[:15] for line in heard.lines] == ["note: attempt 1", "note: attempt 2"]


def test_a_deadline_leaves_only_daemon_threads_behind() -> None:
    release = threading.Event()
    before = set(threading.enumerate())
    try:
        with pytest.raises(TemporaryError, match=r"the work took longer than 0\.1 s"):
            Deadline(0.1).run(release.wait, "the work")
        left = set(threading.enumerate()) - before
        assert left
        assert all(thread.daemon for thread in left)
    finally:
        release.set()
    for thread in left:
        thread.join(GUARD)
    assert not left & set(threading.enumerate())


def test_a_deadline_hands_on_results_and_errors() -> None:
    assert Deadline(GUARD).run(lambda: 7, "the work") == 7
    assert Deadline(GUARD).run(lambda: None, "the work") is None

    def broken() -> None:
        raise UsageError("broken")

    with pytest.raises(UsageError, match="broken"):
        Deadline(GUARD).run(broken, "the work")


def test_a_deadline_of_a_million_years_is_no_bug() -> None:
    assert Deadline(3e13).run(lambda: 7, "the work") == 7


def test_a_share_is_a_part_and_has_a_limit() -> None:
    whole = Deadline(100)
    assert 49 < whole.share(0.5).left() <= 50
    assert whole.share(most=5).left() <= 5
    assert Deadline(0).share(0.5).left() == 0


def test_a_wait_of_centuries_is_not_spelt_in_seconds(scripted: ScriptedServer) -> None:
    scripted.answers = [http(429, "", Retry_After="Fri, 31 Dec 9999 23:59:59 GMT")]
    assert "more than a day" in str(refused(scripted, RateLimited, seconds=2))
