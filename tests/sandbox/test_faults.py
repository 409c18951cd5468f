import base64
import socket
import time
from collections.abc import Callable
from urllib.parse import urlsplit

import pytest
import requests

from gc_credhelper.sandbox.server import SandboxThread

from .kit import TIMEOUT, ask, call, new_token, read_all

Start = Callable[..., SandboxThread]


def connect(sandbox: SandboxThread) -> socket.socket:
    """Send a good token request by hand."""
    url = urlsplit(sandbox.token_url)
    pair = base64.b64encode(f"{sandbox.client_id}:{sandbox.client_secret}".encode()).decode()
    body = "grant_type=client_credentials"
    lines = [
        f"POST {url.path} HTTP/1.1",
        f"Host: {url.netloc}",
        f"Authorization: Basic {pair}",
        "Content-Type: application/x-www-form-urlencoded",
        f"Content-Length: {len(body)}",
    ]
    client = socket.create_connection((url.hostname, url.port), timeout=TIMEOUT)
    client.sendall("\r\n".join([*lines, "", body]).encode())
    return client


@pytest.mark.parametrize(
    ("kind", "status", "error"),
    [
        ("rate-limit", 400, "invalid_request"),
        ("429", 429, "too_many_requests"),
        ("500", 500, "server_error"),
    ],
)
def test_a_failure_in_json_has_the_shape_of_the_login(
    start: Start, http: requests.Session, kind: str, status: int, error: str
) -> None:
    answer = ask(http, start(fail=[kind]))
    body = answer.json()
    assert (answer.status_code, body["error"]) == (status, error)
    assert body["description"] == body["error_description"]


def test_a_rate_limited_login_is_a_400_that_says_so(start: Start, http: requests.Session) -> None:
    answer = ask(http, start(fail=["rate-limit"]))
    assert answer.json()["description"].startswith("rate limit exceeded;")
    assert "Retry-After" not in answer.headers


def test_a_429_names_the_time_to_wait(start: Start, http: requests.Session) -> None:
    assert ask(http, start(fail=["429"])).headers["Retry-After"] == "1"


def test_a_503_is_a_page_of_a_proxy(start: Start, http: requests.Session) -> None:
    answer = ask(http, start(fail=["503"]))
    assert (answer.status_code, answer.headers["Content-Type"]) == (503, "text/html; charset=utf-8")


def test_html_is_a_login_page_with_200(start: Start, http: requests.Session) -> None:
    answer = ask(http, start(fail=["html"]))
    assert (answer.status_code, answer.headers["Content-Type"]) == (200, "text/html; charset=utf-8")
    assert "Log in" in answer.text


def test_a_redirect_leads_elsewhere(start: Start, http: requests.Session) -> None:
    answer = ask(http, start(fail=["redirect"]))
    assert (answer.status_code, answer.headers["Location"]) == (302, "/elsewhere")


def test_no_token_is_json_without_one(start: Start, http: requests.Session) -> None:
    answer = ask(http, start(fail=["no-token"]))
    assert answer.status_code == 200
    assert set(answer.json()) == {"token_type", "expires_in"}


def test_a_truncated_answer_ends_before_its_content_length(start: Start, http: requests.Session) -> None:
    sandbox = start(fail=["truncated"])
    with connect(sandbox) as client:
        head, _, body = read_all(client).partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200 ")
    assert b"Content-Length: 256" in head
    assert body == b'{"access_token":"'
    with pytest.raises(requests.exceptions.ChunkedEncodingError):
        ask(http, sandbox)


def test_a_reset_is_a_reset_and_not_an_end(start: Start, http: requests.Session) -> None:
    sandbox = start(fail=["reset"])
    with connect(sandbox) as client, pytest.raises(ConnectionResetError):
        read_all(client)
    with pytest.raises(requests.exceptions.ConnectionError):
        ask(http, sandbox)


def test_a_time_out_takes_the_request_and_never_answers(start: Start) -> None:
    sandbox = start(fail=["timeout"])
    with connect(sandbox) as client:
        client.settimeout(0.4)
        with pytest.raises(TimeoutError):
            client.recv(1)
    assert sandbox.stats()["token_requests"] == 1


def test_a_hanging_client_does_not_hold_up_the_end(start: Start) -> None:
    sandbox = start(fail=["timeout"])
    clients = [connect(sandbox) for _ in range(20)]
    while sandbox.stats()["max_in_flight"] < 20:
        time.sleep(0.01)
    before = time.monotonic()
    sandbox.stop()
    assert time.monotonic() - before < 1
    for client in clients:
        with client:
            assert read_all(client) == b""


def test_a_token_of_idle_death_is_normal_but_dead(start: Start, http: requests.Session) -> None:
    sandbox = start(fail=["idle-death:2"])
    tokens = [new_token(http, sandbox) for _ in range(3)]
    answers = [call(http, sandbox, token, "/api/v2/tokens/me") for token in tokens]
    assert [answer.status_code for answer in answers] == [401, 401, 200]
    assert answers[0].json()["code"] == "bad.credentials"
    assert sandbox.stats()["tokens_issued"] == 3


def test_idle_death_counts_tokens_and_not_requests(start: Start, http: requests.Session) -> None:
    sandbox = start(fail=["idle-death:1", "500:1"])
    assert ask(http, sandbox, auth=("nobody", "x")).status_code == 400
    assert ask(http, sandbox).status_code == 200
    assert ask(http, sandbox).status_code == 500
    assert ask(http, sandbox).status_code == 200


def test_faults_come_in_their_order_and_then_the_login_works(start: Start, http: requests.Session) -> None:
    sandbox = start(fail=["rate-limit:2", "503:1", "429:1"])
    assert [ask(http, sandbox).status_code for _ in range(6)] == [400, 400, 503, 429, 200, 200]
    stats = sandbox.stats()
    assert [stats[name] for name in ("token_requests", "tokens_issued", "api_requests", "faults")] == [6, 2, 0, 4]


def test_requests_may_pass_before_each_failure(start: Start, http: requests.Session) -> None:
    sandbox = start(fail=["500:2@2", "503:1"])
    assert [ask(http, sandbox).status_code for _ in range(8)] == [200, 200, 500, 200, 200, 500, 503, 200]


def test_idle_death_lets_tokens_pass_and_not_requests(start: Start, http: requests.Session) -> None:
    sandbox = start(fail=["idle-death:1@1"])
    assert ask(http, sandbox, auth=("nobody", "x")).status_code == 400
    tokens = [new_token(http, sandbox) for _ in range(3)]
    assert [call(http, sandbox, token, "/api/v2/tokens/me").status_code for token in tokens] == [200, 401, 200]


def test_a_fault_leaves_the_api_alone(start: Start, http: requests.Session) -> None:
    sandbox = start(fail=["idle-death:1", "500"])
    dead = new_token(http, sandbox)
    assert ask(http, sandbox).status_code == 500
    assert call(http, sandbox, dead, "/api/v2/users").status_code == 401


def test_latency_delays_login_and_api_but_not_the_counters(start: Start, http: requests.Session) -> None:
    sandbox = start(latency=0.3)
    token = new_token(http, sandbox)
    assert call(http, sandbox, token, "/api/v2/tokens/me").elapsed.total_seconds() >= 0.3
    assert ask(http, sandbox).elapsed.total_seconds() >= 0.3
    stats = http.get(sandbox.api_url + "/_sandbox/stats", timeout=TIMEOUT)
    assert stats.elapsed.total_seconds() < 0.3


def test_clients_that_leave_early_are_no_error(start: Start, caplog: pytest.LogCaptureFixture) -> None:
    for kind in ("truncated", "html", "reset"):
        sandbox = start(fail=[kind], latency=0.05)
        for _ in range(10):
            connect(sandbox).close()
        time.sleep(0.15)
        sandbox.stop()
    assert not caplog.records


def test_a_request_that_breaks_off_in_its_body_is_no_error(
    sandbox: SandboxThread, caplog: pytest.LogCaptureFixture
) -> None:
    url = urlsplit(sandbox.token_url)
    for _ in range(5):
        with socket.create_connection((url.hostname, url.port), timeout=TIMEOUT) as client:
            client.sendall(f"POST {url.path} HTTP/1.1\r\nHost: {url.netloc}\r\nContent-Length: 99\r\n\r\nabc".encode())
            time.sleep(0.05)
    sandbox.stop()
    assert not caplog.records
