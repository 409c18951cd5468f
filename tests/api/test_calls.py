"""Calls: a request is made again where that is safe and of use, and nothing that the API says shows the token."""

import json
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from wire.test_canary import TOKEN, assert_hidden, disguises

from gc_credhelper.calls import Call, Calls
from gc_credhelper.echo import Echo
from gc_credhelper.errors import Error, InvalidClient, RateLimited, TemporaryError, TokenError, UsageError
from gc_credhelper.pace import Pace
from gc_credhelper.testing.bench import Heard

from .kit import CONTEXT, Api, Asked, Say, app, refused, serving

GET = Call("GET", "/api/v2/thing")
POST = Call("POST", "/api/v2/thing", body=b"{}")
ANSWERS = [Say({}, 500), Say({}, 502), Say({}, 408), Say({"a": 1}, cut=True)]
SAFE = [GET, Call("PUT", "/api/v2/thing", body=b"{}"), Call("DELETE", "/api/v2/thing"), Call("POST", "/api/v2/a/query")]
UNSAFE = [POST, Call("PATCH", "/api/v2/thing", body=b"{}")]


@pytest.fixture
def api() -> Iterator[Api]:
    with serving(lambda _: {"fine": True}) as server:
        yield server


def first(*answers: object) -> Callable[[Asked], object]:
    """These, then a good one for ever."""
    left = [*answers]
    return lambda _: left.pop(0) if left else {"fine": True}


def sent(api: Api, home: Path, call: Call = GET, **settings: str) -> object:
    return json.loads(app(api, home, **settings).calls().send(call).body)


def fails(kind: type[Error], api: Api, home: Path, call: Call = GET, **settings: str) -> Error:
    with pytest.raises(Error) as caught:
        sent(api, home, call, **settings)
    assert type(caught.value) is kind, caught.value
    assert caught.value.hint
    return caught.value


def test_a_refused_token_is_replaced_for_everyone_and_the_call_made_once_more(api: Api, tmp_path: Path) -> None:
    assert sent(api, tmp_path) == {"fine": True}
    api.dead.add("tok-1")
    assert sent(api, tmp_path, POST) == {"fine": True}
    assert api.tokens == ["tok-1", "tok-2"]
    assert app(api, tmp_path).source.token().value == "tok-2"
    assert [one.token for one in api.asked] == ["tok-1", "tok-2"]


def test_an_api_that_refuses_every_token_is_asked_twice(api: Api, tmp_path: Path) -> None:
    api.answer = lambda _: refused()
    error = fails(TokenError, api, tmp_path)
    assert "401 bad.credentials: Invalid login credentials." in str(error)
    assert "api_url" in error.hint
    assert [one.token for one in api.asked] == ["tok-1", "tok-2"]
    fails(TokenError, api, tmp_path)
    assert api.tokens == ["tok-1", "tok-2"], "a token was replaced again within a minute"


def test_many_requests_whose_token_dies_cause_one_rejection(api: Api, tmp_path: Path) -> None:
    calls = app(api, tmp_path).calls(16)
    calls.send(GET)
    api.dead.add("tok-1")
    results: list[object] = []

    def work() -> None:
        try:
            results.append(calls.send(GET).status)
        except Exception as e:  # noqa: BLE001
            results.append(e)

    threads = [threading.Thread(target=work) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert results == [200] * 16
    assert api.tokens == ["tok-1", "tok-2"]


@pytest.mark.parametrize(("call", "answer"), [*zip(SAFE, ANSWERS, strict=True)], ids=str)
def test_a_call_that_may_be_repeated_is(call: Call, answer: Say, api: Api, tmp_path: Path) -> None:
    api.answer = first(answer)
    assert sent(api, tmp_path, call) == {"fine": True}
    assert len(api.asked) == 2


@pytest.mark.parametrize("call", UNSAFE, ids=str)
@pytest.mark.parametrize("answer", [Say({}, 500), Say({}, 503), Say({"a": 1}, cut=True)])
def test_a_call_that_may_not_be_repeated_is_not(call: Call, answer: Say, api: Api, tmp_path: Path) -> None:
    api.answer = first(answer)
    fails(TemporaryError, api, tmp_path, call)
    assert len(api.asked) == 1


@pytest.mark.parametrize("status", [429, 503])
def test_a_call_is_repeated_when_the_server_names_a_time_whatever_it_does(
    status: int, api: Api, tmp_path: Path
) -> None:
    api.answer = first(Say({}, status, {"Retry-After": "1"}))
    began = time.monotonic()
    assert sent(api, tmp_path, POST) == {"fine": True}
    assert time.monotonic() - began >= 1, "the time that the server asked for was not waited"


def test_the_time_to_wait_may_stand_in_the_message_alone(api: Api, tmp_path: Path) -> None:
    message = "Rate limit exceeded the maximum. Retry the request in [900] seconds"
    api.answer = first(refused(429, "too.many.requests.retry.after", message))
    error = fails(RateLimited, api, tmp_path)
    assert isinstance(error, RateLimited)
    assert error.retry_after == pytest.approx(900, abs=2)
    assert "too.many.requests.retry.after" in str(error)


@pytest.mark.parametrize("status", [429, 503])
def test_a_time_to_wait_that_does_not_fit_ends_it_at_once(status: int, api: Api, tmp_path: Path) -> None:
    api.answer = lambda _: Say({}, status, {"Retry-After": "40"})
    fails(RateLimited if status == 429 else TemporaryError, api, tmp_path, deadline="20s")
    assert len(api.asked) == 1


def test_a_walk_waits_for_a_server_that_asks_for_it_though_its_deadline_is_the_default(
    api: Api, tmp_path: Path
) -> None:
    api.answer = lambda _: Say({}, 503, {"Retry-After": "181"})
    with pytest.raises(TemporaryError):
        app(api, tmp_path).calls(4).send(GET)
    api.answer = first(Say({}, 503, {"Retry-After": "1"}))
    assert app(api, tmp_path).calls(4).send(GET).status == 200


def test_a_call_of_a_walk_that_is_never_answered_is_made_again(api: Api, tmp_path: Path) -> None:
    never = threading.Event()
    api.answer = lambda _: {"fine": len(api.asked) > 1 or never.wait(100)}
    resolved = app(api, tmp_path)
    calls = Calls(api.url, {0: resolved.source}, resolved.transport(), resolved.report, deadline=None, seconds=5)
    assert json.loads(calls.send(GET).body) == {"fine": True}
    never.set()
    assert len(api.asked) == 2


@pytest.mark.parametrize("status", [429, 503])
def test_a_server_that_asks_for_one_pause_after_the_other_is_not_waited_for_without_end(
    status: int, api: Api, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gc_credhelper.calls._LONGEST", 2.5)
    api.answer = lambda _: Say({}, status, {"Retry-After": "1"})
    with pytest.raises(TemporaryError, match=str(status)):
        app(api, tmp_path).calls(4).send(GET)
    assert len(api.asked) == 3


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, UsageError),
        (403, TokenError),
        (404, UsageError),
        (405, UsageError),
        (409, UsageError),
        (413, UsageError),
        (415, UsageError),
        (301, TokenError),
        (303, TokenError),
        (501, UsageError),
        (999, TemporaryError),
    ],
)
def test_every_refusal_has_its_kind_and_shows_what_support_asks_for(
    status: int, kind: type[Error], api: Api, tmp_path: Path
) -> None:
    api.answer = lambda _: refused(status, "some.code", "You cannot have it.")
    error = fails(kind, api, tmp_path, POST, deadline="2s")
    assert f"POST /api/v2/thing: {status} some.code: You cannot have it." in str(error)
    assert f"(context id {CONTEXT}, correlation id {CONTEXT})" in str(error)
    assert len(api.asked) == 1


def test_a_redirect_is_not_followed(api: Api, tmp_path: Path) -> None:
    with serving(lambda _: {"stolen": True}) as other:
        api.answer = lambda _: Say({}, 302, {"Location": other.url + "/api/v2/thing"})
        fails(TokenError, api, tmp_path)
        assert not other.asked


@pytest.mark.parametrize(
    "content", [b"<html>", b"[]", b"null", b'{"message":5,"code":[],"contextId":{}}', b"[" * 99_999]
)
def test_a_refusal_of_any_shape_is_understood(content: bytes, api: Api, tmp_path: Path) -> None:
    api.answer = lambda _: Say(content, 404)
    assert str(fails(UsageError, api, tmp_path)) == "GET /api/v2/thing: 404"


def test_a_long_message_is_cut_and_control_characters_are_taken_out(api: Api, tmp_path: Path) -> None:
    api.answer = lambda _: refused(400, "bad.request", "no\x1b[2J " + "no way " * 200)
    text = str(fails(UsageError, api, tmp_path))
    assert "\x1b" not in text
    assert len(text) < 500


def test_an_api_that_sends_the_token_back_does_not_make_us_print_it(api: Api, tmp_path: Path) -> None:
    api.tokens.append(TOKEN)
    api.issue = lambda: {"access_token": TOKEN, "token_type": "bearer", "expires_in": 86_400}  # type: ignore[method-assign]
    calls = app(api, tmp_path).calls()
    for name, form in disguises(TOKEN).items():
        if name == "base64 of the pair":  # of a client id and a secret; an API knows neither
            continue
        width = max(1, len(form) // len(TOKEN))
        for text in (form, f"your token {form} is bad", form[3:-3], f"x{form[width * 3 : width * 12]}y"):
            body = {"message": text, "code": text, "contextId": text}
            api.answer = lambda _, body=body: Say(body, 400, {"ININ-Correlation-Id": "x"})  # type: ignore[misc]
            with pytest.raises(UsageError) as caught:
                calls.send(GET)
            assert_hidden(f"{caught.value} {caught.value.hint}")


def test_a_message_of_ordinary_words_is_no_echo() -> None:
    echo = Echo("gT4xVw8zKp2qYb6nMj9rDf3hCs7" * 3)
    assert echo.misses("Rate limit exceeded the maximum. Retry the request in [42] seconds")
    assert not echo.misses("see GT4XV")


def test_the_answer_of_a_huge_size_is_refused(api: Api, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gc_credhelper.calls.LIMIT", 1 << 20)
    api.answer = lambda _: Say(b'"' + b"x" * (2 << 20) + b'"')
    assert "larger than 1 MiB" in str(fails(TokenError, api, tmp_path))


def test_of_a_refusal_no_more_is_read_than_its_words_may_take(api: Api, tmp_path: Path) -> None:
    api.answer = lambda _: refused(400, "bad.request", "no way " * 20_000)
    assert str(fails(UsageError, api, tmp_path)) == f"GET /api/v2/thing: 400 (correlation id {CONTEXT})"


# The pace


def limited(allowed: int, api: Api) -> Callable[[Asked], object]:
    """As the service counts: so many for each token, then 429 until the window ends after two seconds."""
    counts: dict[str, int] = {}
    ends: dict[str, float] = {}

    def answer(asked: Asked) -> object:
        with api.lock:
            now = time.monotonic()
            if now >= ends.get(asked.token, 0):
                counts[asked.token], ends[asked.token] = 0, now + 2
            counts[asked.token] += 1
            reset = max(1, int(ends[asked.token] - now + 0.999))
            headers = {
                "inin-ratelimit-count": str(counts[asked.token]),
                "inin-ratelimit-allowed": str(allowed),
                "inin-ratelimit-reset": str(reset),
            }
            if counts[asked.token] > allowed:
                return Say({}, 429, headers | {"Retry-After": str(reset)})
            return Say({"fine": True}, 200, headers)

    return answer


def statuses(api: Api, home: Path, count: int, workers: int = 4, **settings: str) -> tuple[list[int], set[str]]:
    calls = app(api, home, **settings).calls(workers)
    done: list[int] = [calls.send(GET).status]

    def work() -> None:
        while len(done) < count:
            done.append(calls.send(GET).status)

    threads = [threading.Thread(target=work) for _ in range(workers)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(100)
    return done, {one.token for one in api.asked}


def test_the_limit_of_a_token_is_never_met(api: Api, tmp_path: Path) -> None:
    answer, refusals = limited(10, api), []

    def watched(asked: Asked) -> object:
        said = answer(asked)
        assert isinstance(said, Say)
        refusals.append(said.status == 429)
        return said

    api.answer = watched
    done, tokens = statuses(api, tmp_path, 25)
    assert len(done) >= 25
    assert set(done) == {200}
    assert not any(refusals)
    assert tokens == {"tok-1"}


def test_the_tokens_of_other_slots_are_used_when_one_is_used_up(api: Api, tmp_path: Path) -> None:
    api.answer = limited(10, api)
    done, tokens = statuses(api, tmp_path, 28, slots="3", slot="1")
    assert set(done) == {200}
    assert len(tokens) == 3
    assert api.asked[0].token == "tok-1"
    assert len(api.tokens) == 3


def test_all_requests_of_a_command_share_a_token_that_no_cache_keeps(api: Api, tmp_path: Path) -> None:
    api.answer = lambda asked: refused() if asked.token == "tok-1" and len(api.asked) > 10 else {"fine": True}
    done, tokens = statuses(api, tmp_path, 20, cache="none")
    assert set(done) == {200}
    assert tokens == {*api.tokens} == {"tok-1", "tok-2"}, "one that serves, and one in its place when it is refused"


def test_a_429_has_the_token_of_another_slot_used_at_once(api: Api, tmp_path: Path) -> None:
    api.answer = lambda asked: {"fine": True} if asked.token != "tok-1" else Say({}, 429, {"Retry-After": "100"})
    assert sent(api, tmp_path, POST, slots="2", slot="0") == {"fine": True}
    assert [one.token for one in api.asked] == ["tok-1", "tok-2"]


WRONG = Say({"error": "invalid_client", "error_description": "authentication failed"}, 401)


def test_a_slot_that_gets_no_token_is_left_out_while_another_serves(api: Api, tmp_path: Path) -> None:
    issue = api.issue
    api.issue = lambda: WRONG if api.tokens else issue()  # type: ignore[method-assign]
    api.answer = limited(5, api)
    resolved = app(api, tmp_path, slots="2", slot="1")
    calls = resolved.calls(4)
    assert {calls.send(GET).status for _ in range(11)} == {200}
    heard = resolved.report
    assert isinstance(heard, Heard)
    assert len([line for line in heard.lines if "warning: slot 0 is left out: wrong secret" in line]) == 1


def test_the_callers_own_slot_is_not_left_out(api: Api, tmp_path: Path) -> None:
    api.issue = lambda: WRONG  # type: ignore[method-assign]
    with pytest.raises(InvalidClient, match="wrong secret"):
        sent(api, tmp_path, slots="3", slot="2")
    assert not api.asked


def test_a_server_that_tells_of_no_limit_sets_none() -> None:
    pace = Pace()
    for _ in range(1_000):
        assert pace.take() == 0
        pace.give({})


def test_a_pause_that_the_server_asked_for_says_nothing_of_a_limit() -> None:
    pace = Pace()
    for _ in range(3):
        assert pace.take() == 0
        pace.give({})
    pace.stop(0.05)
    assert 0 < pace.take() <= 0.05
    time.sleep(0.06)
    for _ in range(1_000):
        assert pace.take() == 0
        pace.give({})


def test_what_others_use_of_a_token_counts() -> None:
    pace = Pace()
    assert pace.take() == 0
    pace.give({"inin-ratelimit-count": "299", "inin-ratelimit-allowed": "300", "inin-ratelimit-reset": "60"})
    assert pace.take() == 0
    assert 59 < pace.take() <= 60


def told(count: int, allowed: int, reset: int) -> dict[str, str]:
    return {
        "inin-ratelimit-count": f"{count}",
        "inin-ratelimit-allowed": f"{allowed}",
        "inin-ratelimit-reset": f"{reset}",
    }


def test_a_window_that_the_server_begins_before_ours_has_ended_is_a_new_one() -> None:
    pace = Pace()
    assert pace.take() == 0
    pace.give(told(299, 300, 2))
    assert pace.take() == 0
    pace.give(told(1, 300, 60))
    for number in range(2, 301):
        assert pace.take() == 0, "what was used of the last window counts in the next"
        pace.give(told(number, 300, 60))
    assert pace.take() > 0


def test_a_limit_may_be_a_large_one() -> None:
    pace = Pace()
    assert pace.take() == 0
    pace.give(told(5_000, 10_000, 30))
    assert pace.take() == 0


@pytest.mark.parametrize("text", ["", "x", "-1", "1e9", "9" * 40, "\u0661", " 5"])
def test_numbers_of_the_limit_that_are_none_do_no_harm(text: str) -> None:
    pace = Pace()
    assert pace.take() == 0
    pace.give({f"inin-ratelimit-{name}": text for name in ("count", "allowed", "reset")})
    assert pace.take() <= 3_600


def test_a_limit_that_is_used_up_for_too_long_is_an_error_that_says_so(api: Api, tmp_path: Path) -> None:
    headers = {"inin-ratelimit-count": "300", "inin-ratelimit-allowed": "300", "inin-ratelimit-reset": "50"}
    api.answer = lambda _: Say({}, 200, headers)
    calls = app(api, tmp_path).calls()
    calls.send(GET)
    with pytest.raises(RateLimited, match="used up"):
        calls.send(GET)
    assert len(api.asked) == 1
