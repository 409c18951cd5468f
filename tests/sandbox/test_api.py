import re
import uuid
from collections.abc import Callable

import pytest
import requests

from gc_credhelper.sandbox.server import REQUEST_BYTES, SandboxThread

from .kit import TIMEOUT, Clock, assert_error, call, new_token

Start = Callable[..., SandboxThread]
QUERY = "/api/v2/analytics/conversations/details/query"
DAY = "2026-03-01T00:00:00.000Z/2026-03-02T00:00:00.000Z"


def test_a_token_describes_its_client(sandbox: SandboxThread, http: requests.Session, token: str) -> None:
    info = call(http, sandbox, token, "/api/v2/tokens/me?preserveIdleTTL=true").json()
    assert info["OAuthClient"]["id"] == sandbox.client_id
    assert info["OAuthClient"]["authorizedGrantType"] == "CLIENT-CREDENTIALS"
    assert info["OAuthClient"]["organization"] == info["organization"] == info["homeOrganization"]
    assert "authenticatedUser" not in info
    organization = call(http, sandbox, token, "/api/v2/organizations/me").json()
    assert {key: organization[key] for key in ("id", "name")} == info["organization"]


def test_head_says_whether_the_token_lives(sandbox: SandboxThread, http: requests.Session, token: str) -> None:
    alive = call(http, sandbox, token, "/api/v2/tokens/me", "HEAD")
    dead = call(http, sandbox, "x", "/api/v2/tokens/me", "HEAD")
    assert (alive.status_code, alive.content) == (200, b"")
    assert (dead.status_code, dead.content) == (401, b"")


def test_delete_ends_this_token_and_no_other(sandbox: SandboxThread, http: requests.Session, token: str) -> None:
    other = new_token(http, sandbox)
    assert call(http, sandbox, token, "/api/v2/tokens/me", "DELETE").status_code == 200
    assert_error(call(http, sandbox, token, "/api/v2/tokens/me"), 401, "bad.credentials")
    assert_error(call(http, sandbox, token, "/api/v2/tokens/me", "DELETE"), 401, "bad.credentials")
    assert call(http, sandbox, other, "/api/v2/tokens/me").status_code == 200


def test_a_request_without_a_token_is_refused(sandbox: SandboxThread, http: requests.Session) -> None:
    body = assert_error(call(http, sandbox, None, "/api/v2/users"), 401, "authentication.required")
    assert body["message"] == "No authentication bearer token specified in authorization header."
    basic = http.get(sandbox.api_url + "/api/v2/users", auth=("a", "b"), timeout=TIMEOUT)
    assert_error(basic, 401, "authentication.required")


def test_a_token_of_nobody_is_refused(sandbox: SandboxThread, http: requests.Session) -> None:
    body = assert_error(call(http, sandbox, "nonsense", "/api/v2/users"), 401, "bad.credentials")
    assert body["message"] == "Invalid login credentials."


def test_the_scheme_is_read_in_any_case(sandbox: SandboxThread, http: requests.Session, token: str) -> None:
    headers = {"Authorization": f"bearer {token}"}
    assert http.get(sandbox.api_url + "/api/v2/users", headers=headers, timeout=TIMEOUT).status_code == 200


def test_there_is_no_user_behind_client_credentials(sandbox: SandboxThread, http: requests.Session, token: str) -> None:
    body = assert_error(call(http, sandbox, token, "/api/v2/users/me"), 400, "bad.request")
    assert body["message"].startswith("This request requires a user context. Client credentials cannot be used")


@pytest.mark.parametrize("path", ["/api/v2/nothing", "/api/v2", "/api/v1/users", "/elsewhere", "/"])
def test_an_unknown_path_is_not_found(sandbox: SandboxThread, http: requests.Session, token: str, path: str) -> None:
    assert_error(call(http, sandbox, token, path), 404, "not.found")


def test_a_wrong_method_is_said_to_be_one(sandbox: SandboxThread, http: requests.Session, token: str) -> None:
    assert_error(call(http, sandbox, token, "/api/v2/users", "PUT"), 405, "method.not.allowed")


@pytest.mark.parametrize(("path", "status"), [("users", 200), ("nothing", 404), ("users/me", 400)])
def test_every_answer_has_its_correlation_id_and_rate_limit(
    sandbox: SandboxThread, http: requests.Session, token: str, path: str, status: int
) -> None:
    answer = call(http, sandbox, token, f"/api/v2/{path}")
    assert answer.status_code == status
    correlation_id = str(uuid.UUID(answer.headers["ININ-Correlation-Id"]))
    assert status == 200 or answer.json()["contextId"] == correlation_id
    limits = [answer.headers[f"inin-ratelimit-{name}"] for name in ("count", "allowed", "reset")]
    assert limits == ["1", "300", "60"]
    refused = call(http, sandbox, None, f"/api/v2/{path}")
    assert {"ININ-Correlation-Id", "inin-ratelimit-count"} <= set(refused.headers.keys())


def test_users_are_the_same_in_every_sandbox(start: Start, http: requests.Session) -> None:
    lists = [call(http, one, new_token(http, one), "/api/v2/users").json() for one in (start(), start())]
    assert lists[0] == lists[1]


def test_a_body_must_be_json_and_of_bounded_size(sandbox: SandboxThread, http: requests.Session, token: str) -> None:
    assert_error(call(http, sandbox, token, QUERY, "POST", data="a=b"), 415, "unsupported.media.type")
    padded = ('{"interval":"' + DAY + '"}').ljust(REQUEST_BYTES - 1)
    json = {"Content-Type": "application/json", "Authorization": f"Bearer {token}"}
    url = sandbox.api_url + QUERY
    assert http.post(url, data=padded, headers=json, timeout=TIMEOUT).status_code == 200
    assert_error(http.post(url, data=padded + "  ", headers=json, timeout=TIMEOUT), 413, "request.entity.too.large")
    assert_error(http.post(url, data="{", headers=json, timeout=TIMEOUT), 400, "bad.request")


def test_a_token_has_300_requests_a_minute(start: Start, http: requests.Session) -> None:
    clock = Clock()
    sandbox = start(clock=clock)
    token, other = new_token(http, sandbox), new_token(http, sandbox)
    for count in range(1, 301):
        answer = call(http, sandbox, token, "/api/v2/tokens/me")
        assert (answer.status_code, answer.headers["inin-ratelimit-count"]) == (200, str(count))
    clock.now += 18
    refused = call(http, sandbox, token, "/api/v2/tokens/me")
    body = assert_error(refused, 429, "too.many.requests.retry.after")
    assert body["message"] == "Rate limit exceeded the maximum. Retry the request in [42] seconds"
    assert body["limit"] == {
        "key": "client.credentials.token.rate.per.minute",
        "namespace": "platform.api",
        "value": 300,
    }
    assert refused.headers["Retry-After"] == refused.headers["inin-ratelimit-reset"] == "42"
    assert call(http, sandbox, other, "/api/v2/tokens/me").headers["inin-ratelimit-count"] == "1"
    clock.now += 42
    again = call(http, sandbox, token, "/api/v2/tokens/me")
    assert (again.status_code, again.headers["inin-ratelimit-count"]) == (200, "1")


def test_the_path_of_an_answer_is_not_broken_by_its_query(
    sandbox: SandboxThread, http: requests.Session, token: str
) -> None:
    page = call(http, sandbox, token, "/api/v2/users?pageSize=10&expand=groups").json()
    assert re.fullmatch(r"/api/v2/users\?pageSize=10&pageNumber=2", page["nextUri"])
