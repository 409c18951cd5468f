import json
import socket
from collections.abc import Callable
from urllib.parse import urlsplit

import pytest
import requests

from gc_credhelper.sandbox.server import SandboxThread

from .kit import TIMEOUT, Clock, ask, assert_error, call, new_token, read_all

Start = Callable[..., SandboxThread]
USERS = "/api/v2/users"
QUERY = "/api/v2/analytics/conversations/details/query"


def connect(sandbox: SandboxThread, token: str) -> socket.socket:
    """Send a good POST to the API by hand."""
    url = urlsplit(sandbox.api_url)
    body = json.dumps({"interval": "2026-03-01T00:00:00Z/2026-03-02T00:00:00Z"})
    lines = [
        f"POST {QUERY} HTTP/1.1",
        f"Host: {url.netloc}",
        f"Authorization: Bearer {token}",
        "Content-Type: application/json",
        f"Content-Length: {len(body)}",
    ]
    client = socket.create_connection((url.hostname, url.port), timeout=TIMEOUT)
    client.sendall("\r\n".join([*lines, "", body]).encode())
    return client


@pytest.mark.parametrize(
    ("kind", "status", "code"),
    [
        ("api-429", 429, "too.many.requests.retry.after"),
        ("api-500", 500, "internal.server.error"),
        ("api-503", 503, "service.unavailable"),
        ("api-401", 401, "bad.credentials"),
    ],
)
def test_a_failure_in_json_has_the_shape_of_the_api(
    start: Start, http: requests.Session, kind: str, status: int, code: str
) -> None:
    sandbox = start(fail=[kind])
    answer = call(http, sandbox, new_token(http, sandbox), USERS)
    body = assert_error(answer, status, code)
    assert body["contextId"] == answer.headers["ININ-Correlation-Id"]
    assert answer.headers["inin-ratelimit-count"] == "1"


def test_a_429_names_the_time_to_wait_and_the_limit(start: Start, http: requests.Session) -> None:
    sandbox = start(fail=["api-429:1"])
    token = new_token(http, sandbox)
    answer = call(http, sandbox, token, USERS)
    body = assert_error(answer, 429, "too.many.requests.retry.after")
    assert body["message"] == "Rate limit exceeded the maximum. Retry the request in [1] seconds"
    assert body["limit"]["key"] == "client.credentials.token.rate.per.minute"
    assert answer.headers["Retry-After"] == "1"
    assert call(http, sandbox, token, USERS).status_code == 200
    stats = sandbox.stats()
    assert (stats["rate_limited"], stats["faults"], stats["max_per_window"]) == (0, 1, 2)


def test_a_401_ends_the_token_that_asked_and_no_other(start: Start, http: requests.Session) -> None:
    sandbox = start(fail=["api-401:1@1"])
    token, other = new_token(http, sandbox), new_token(http, sandbox)
    assert [call(http, sandbox, token, USERS).status_code for _ in range(3)] == [200, 401, 401]
    assert call(http, sandbox, other, USERS).status_code == 200
    stats = sandbox.stats()
    assert (stats["revoked"], stats["faults"]) == (1, 1)


def test_html_is_a_login_page_with_200(start: Start, http: requests.Session) -> None:
    sandbox = start(fail=["api-html"])
    answer = call(http, sandbox, new_token(http, sandbox), USERS)
    assert (answer.status_code, answer.headers["Content-Type"]) == (200, "text/html; charset=utf-8")


def test_a_truncated_answer_ends_before_its_content_length(start: Start, http: requests.Session) -> None:
    sandbox = start(fail=["api-truncated"])
    with connect(sandbox, new_token(http, sandbox)) as client:
        head, _, body = read_all(client).partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200 ")
    assert b"Content-Length: 256" in head
    assert body == b'{"entities":['


def test_a_reset_is_a_reset_and_not_an_end(start: Start, http: requests.Session) -> None:
    sandbox = start(fail=["api-reset"])
    with connect(sandbox, new_token(http, sandbox)) as client, pytest.raises(ConnectionResetError):
        read_all(client)


def test_faults_of_the_api_and_of_the_login_do_not_wait_for_each_other(start: Start, http: requests.Session) -> None:
    sandbox = start(fail=["api-500:1", "500:1", "api-503:1", "503:1"])
    assert [ask(http, sandbox).status_code for _ in range(2)] == [500, 503]
    token = new_token(http, sandbox)
    assert [call(http, sandbox, token, USERS).status_code for _ in range(3)] == [500, 503, 200]


def test_every_third_request_may_fail(start: Start, http: requests.Session) -> None:
    sandbox = start(fail=["api-500:2@2", "api-503@2"])
    token = new_token(http, sandbox)
    statuses = [call(http, sandbox, token, USERS).status_code for _ in range(12)]
    assert statuses == [200, 200, 500] * 2 + [200, 200, 503] * 2


def test_a_request_without_a_good_token_meets_no_fault(start: Start, http: requests.Session) -> None:
    sandbox = start(fail=["api-500:1"])
    assert [call(http, sandbox, token, USERS).status_code for token in (None, "nonsense")] == [401, 401]
    assert call(http, sandbox, new_token(http, sandbox), USERS).status_code == 500


def test_the_limit_can_be_set_and_is_what_the_answers_say(start: Start, http: requests.Session) -> None:
    clock = Clock()
    sandbox = start(api_limit=2, clock=clock)
    token = new_token(http, sandbox)
    answers = [call(http, sandbox, token, USERS) for _ in range(4)]
    assert [answer.status_code for answer in answers] == [200, 200, 429, 429]
    assert [answer.headers["inin-ratelimit-count"] for answer in answers] == ["1", "2", "2", "2"]
    assert {answer.headers["inin-ratelimit-allowed"] for answer in answers} == {"2"}
    assert answers[2].json()["limit"]["value"] == 2
    clock.now += 60
    assert call(http, sandbox, token, USERS).status_code == 200
    stats = sandbox.stats()
    assert (stats["rate_limited"], stats["max_per_window"]) == (2, 4)


def test_a_request_beyond_the_limit_meets_no_fault(start: Start, http: requests.Session) -> None:
    sandbox = start(api_limit=1, fail=["api-500:1@1"])
    token = new_token(http, sandbox)
    assert [call(http, sandbox, token, USERS).status_code for _ in range(2)] == [200, 429]
    assert call(http, sandbox, new_token(http, sandbox), USERS).status_code == 500


def test_without_a_limit_there_is_no_word_of_one(start: Start, http: requests.Session) -> None:
    sandbox = start(api_limit=0)
    token = new_token(http, sandbox)
    answers = [call(http, sandbox, token, "/api/v2/tokens/me") for _ in range(302)]
    assert {answer.status_code for answer in answers} == {200}
    assert not [name for name in answers[-1].headers if name.startswith("inin-ratelimit")]
    assert sandbox.stats()["max_per_window"] == 302


def test_a_token_that_is_given_back_counts_as_revoked_and_one_that_expires_does_not(
    start: Start, http: requests.Session
) -> None:
    clock = Clock()
    sandbox = start(lifetime=10, clock=clock)
    given_back, expiring = new_token(http, sandbox), new_token(http, sandbox)
    assert call(http, sandbox, given_back, "/api/v2/tokens/me", "DELETE").status_code == 200
    clock.now += 10
    assert call(http, sandbox, expiring, USERS).status_code == 401
    assert sandbox.stats()["revoked"] == 1
