import base64
import re
from collections.abc import Callable
from urllib.parse import quote_plus

import pytest
import requests

from gc_credhelper.sandbox.server import SandboxThread

from .kit import GRANT, TIMEOUT, Clock, ask, call, new_token

Start = Callable[..., SandboxThread]
ODD = ("id é", "p%40ss+wörd: /&=")


def basic(text: bytes) -> dict[str, str]:
    return {"Authorization": "Basic " + base64.b64encode(text).decode()}


def test_good_credentials_give_a_token_and_nothing_else(sandbox: SandboxThread, http: requests.Session) -> None:
    answer = ask(http, sandbox)
    assert answer.status_code == 200
    assert answer.headers["Content-Type"] == "application/json"
    assert answer.headers["Cache-Control"] == "no-store"
    body = answer.json()
    assert set(body) == {"access_token", "token_type", "expires_in"}
    assert (body["token_type"], body["expires_in"]) == ("bearer", 86_400)
    assert re.fullmatch(r"[A-Za-z0-9._~+/-]{40,}=*", body["access_token"])


def test_the_lifetime_is_the_one_asked_for(start: Start, http: requests.Session) -> None:
    assert ask(http, start(lifetime=300)).json()["expires_in"] == 300


def test_a_client_holds_several_live_tokens(sandbox: SandboxThread, http: requests.Session) -> None:
    first, second = new_token(http, sandbox), new_token(http, sandbox)
    assert first != second
    assert [call(http, sandbox, token, "/api/v2/tokens/me").status_code for token in (first, second)] == [200, 200]


def test_several_clients_have_their_own_tokens(start: Start, http: requests.Session) -> None:
    sandbox = start(clients=[("a", "1"), ("b", "2")])
    assert (sandbox.client_id, sandbox.client_secret) == ("a", "1")
    for pair in (("a", "1"), ("b", "2")):
        token = ask(http, sandbox, auth=pair).json()["access_token"]
        assert call(http, sandbox, token, "/api/v2/tokens/me").json()["OAuthClient"]["id"] == pair[0]
    assert ask(http, sandbox, auth=("a", "2")).status_code == 401


@pytest.mark.parametrize(
    ("pair", "status", "text"),
    [(("nobody", "x"), 400, "client not found"), (("me", "wrong"), 401, "authentication failed")],
)
def test_wrong_credentials_are_told_apart_as_by_the_service(
    start: Start, http: requests.Session, pair: tuple[str, str], status: int, text: str
) -> None:
    answer = ask(http, start(clients=[("me", "right")]), auth=pair)
    assert answer.status_code == status
    assert answer.json() == {"error": "invalid_client", "description": text, "error_description": text}


@pytest.mark.parametrize(
    "headers", [{}, basic(b"no colon"), {"Authorization": "Basic %%%"}, {"Authorization": "Bearer abc"}]
)
def test_missing_or_malformed_credentials_are_a_bad_request(
    sandbox: SandboxThread, http: requests.Session, headers: dict[str, str]
) -> None:
    answer = ask(http, sandbox, auth=None, headers=headers)
    assert answer.status_code == 400
    assert answer.json()["error"] == "invalid_request"


@pytest.mark.parametrize(
    "text",
    [
        ":".join(ODD).encode(),
        ":".join(ODD).encode("latin-1"),
        ":".join(map(quote_plus, ODD)).encode(),
    ],
    ids=["utf-8", "latin-1", "form-encoded"],
)
def test_basic_credentials_are_read_in_every_usual_encoding(start: Start, http: requests.Session, text: bytes) -> None:
    assert ask(http, start(clients=[ODD]), auth=None, headers=basic(text)).status_code == 200


def test_credentials_are_taken_from_the_form_too(sandbox: SandboxThread, http: requests.Session) -> None:
    pair = {"client_id": sandbox.client_id, "client_secret": sandbox.client_secret}
    assert ask(http, sandbox, auth=None, data={**GRANT, **pair}).status_code == 200
    assert ask(http, sandbox, auth=None, data={**GRANT, **pair, "client_secret": "wrong"}).status_code == 401


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"data": {}, "headers": {"Content-Type": "application/x-www-form-urlencoded"}}, "invalid_request"),
        ({"data": {"grant_type": "password"}}, "unsupported_grant_type"),
        ({"data": "{}", "headers": {"Content-Type": "application/json"}}, "invalid_request"),
        ({"data": b"grant_type=client_credentials"}, "invalid_request"),
    ],
    ids=["no grant", "another grant", "json", "no content type"],
)
def test_anything_but_the_form_of_the_grant_is_a_bad_request(
    sandbox: SandboxThread, http: requests.Session, changes: dict[str, object], error: str
) -> None:
    answer = ask(http, sandbox, **changes)
    assert answer.status_code == 400
    assert answer.json()["error"] == error
    assert answer.json()["description"] == answer.json()["error_description"]


def test_the_token_url_takes_only_post(sandbox: SandboxThread, http: requests.Session) -> None:
    answer = http.get(sandbox.token_url, timeout=TIMEOUT)
    assert answer.status_code == 405
    assert answer.headers["Allow"] == "POST"
    assert sandbox.stats()["token_requests"] == 0


def test_a_token_ends_with_its_lifetime(start: Start, http: requests.Session) -> None:
    clock = Clock()
    sandbox = start(lifetime=300, clock=clock)
    token = new_token(http, sandbox)
    clock.now += 299
    assert call(http, sandbox, token, "/api/v2/tokens/me").status_code == 200
    clock.now += 1
    answer = call(http, sandbox, token, "/api/v2/tokens/me")
    assert (answer.status_code, answer.json()["code"]) == (401, "bad.credentials")


def test_the_counters_are_served_and_the_same_in_process(sandbox: SandboxThread, http: requests.Session) -> None:
    token = new_token(http, sandbox)
    ask(http, sandbox, auth=("nobody", "x"))
    for _ in range(3):
        call(http, sandbox, token, "/api/v2/users")
    served = http.get(sandbox.api_url + "/_sandbox/stats", timeout=TIMEOUT).json()
    assert served == {
        "token_requests": 2,
        "tokens_issued": 1,
        "api_requests": 3,
        "max_in_flight": 1,
        "rate_limited": 0,
        "max_per_window": 3,
        "revoked": 0,
        "faults": 0,
    }
    assert sandbox.stats() == served
