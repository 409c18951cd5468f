"""The way to the server: what leaves it, what comes back from something else, and what our environment changes."""

import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from gc_credhelper.deadline import Deadline
from gc_credhelper.errors import CredentialsError, TemporaryError, UsageError
from support.hunting import canary, failing, soon
from support.scripted import ScriptedServer
from support.scripted import http as answer
from vaultkit import ID, SECRET, Realm

TOKEN = canary("s.canary-token-Qr8")
GOOD = answer(
    200,
    {"data": {"data": {"client_id": ID, "client_secret": SECRET}, "metadata": {"version": 1}}},
)


@pytest.fixture
def ask(read: Any, scripted: ScriptedServer) -> Any:
    """Reads from the scripted server, which answers as it is told."""

    def get(*replies: bytes, seconds: float = 20, **settings: object) -> tuple[str, str]:
        scripted.answers = [*replies]
        env = {"VAULT_ADDR": f"http://127.0.0.1:{scripted.port}", "VAULT_TOKEN": TOKEN}
        found: tuple[str, str] = read(env, deadline=Deadline(seconds), kv_version=2, **settings)
        return found

    return get


def errors(status: int, *said: str, **headers: str) -> bytes:
    return answer(status, {"errors": [*said]}, **headers)


def test_a_redirect_is_not_followed_and_the_other_host_gets_no_token(ask: Any, scripted: ScriptedServer) -> None:
    with ScriptedServer(GOOD) as other:
        location = f"http://localhost:{other.port}/v1/secret/data/ci/genesys"
        error = failing(TemporaryError, lambda: ask(answer(307, "", Location=location), seconds=3))
        assert "redirect (307)" in str(error)
        assert other.requests == []
    assert scripted.requests[0].headers["x-vault-token"] == TOKEN


@pytest.mark.parametrize("status", [301, 302, 303, 308])
def test_an_address_that_leads_elsewhere_is_a_mistake(ask: Any, scripted: ScriptedServer, status: int) -> None:
    error = failing(UsageError, lambda: ask(answer(status, "", Location="https://elsewhere.test/")))
    assert f"({status})" in str(error)
    assert len(scripted.requests) == 1


PAGE = f"<html><title>Sign in</title>{TOKEN}{SECRET}</html>"


@pytest.mark.parametrize(
    ("reply", "kind", "words"),
    [
        (answer(200, PAGE, Content_Type="text/html"), UsageError, "not Vault's"),
        (answer(200, PAGE, Content_Type="application/json"), UsageError, "not Vault's"),
        (answer(200, "", Content_Type="application/json"), UsageError, "not Vault's"),
        (answer(200, "[]", Content_Type="application/json"), UsageError, "not Vault's"),
        (answer(200, "[" * 100_000, Content_Type="application/json"), UsageError, "not Vault's"),
        (answer(200, '{"data": {', Content_Type="application/json"), TemporaryError, "cut the answer short"),
        (answer(200, {}), UsageError, "holds no secret"),
        (answer(200, {"data": {"data": [SECRET]}}), UsageError, "holds no secret"),
        (answer(200, {"data": SECRET}), UsageError, "holds no secret"),
        (answer(200, b"x" * (2 << 20) + b"x"), UsageError, "larger than 2 MiB"),
        (answer(404, PAGE, Content_Type="text/html"), UsageError, "did not take the request"),
        (answer(400, PAGE), UsageError, "did not take the request"),
        (answer(405, {"errors": [SECRET]}), UsageError, "(405)"),
        (answer(418, {"errors": SECRET}), UsageError, "(418)"),
        (errors(412, 'missing "X-Vault-Request" header'), UsageError, "X-Vault-Request was lost"),
        (errors(412, "required index state not present"), TemporaryError, "behind the others"),
        (errors(413, "http: request body too large"), UsageError, "larger than Vault takes"),
        (errors(429, 'request path "secret/data": rate limit quota exceeded'), TemporaryError, "limits the rate"),
        (errors(472), TemporaryError, "standby"),
        (errors(473), TemporaryError, "standby"),
        (errors(500, f"internal error {SECRET}"), TemporaryError, "cannot serve now (500)"),
        (errors(501), TemporaryError, "not initialised"),
        (answer(502, PAGE, Content_Type="text/html"), TemporaryError, "cannot serve now (502)"),
        (errors(503, "Vault is sealed"), TemporaryError, "Vault is sealed"),
        (answer(503, PAGE), TemporaryError, "cannot serve now (503)"),
        (answer(504, ""), TemporaryError, "cannot serve now (504)"),
        (
            errors(400, "Waiting for the primary to upgrade from non-versioned to versioned data. This backend…"),
            TemporaryError,
            "being made ready",
        ),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 4000\r\n\r\n{", TemporaryError, "cut the answer short"),
        (b"SSH-2.0-OpenSSH_9.6\r\n", UsageError, "did not answer in HTTP"),
        (b"\r\n", UsageError, "did not answer in HTTP"),
    ],
)
def test_whatever_answers_in_place_of_a_secret_has_its_own_words(ask: Any, reply: bytes, kind: Any, words: str) -> None:
    assert words in str(failing(kind, lambda: ask(reply, seconds=3)))


def test_what_may_pass_is_tried_again(ask: Any, scripted: ScriptedServer) -> None:
    assert ask(errors(503, "Vault is sealed"), answer(502, PAGE), GOOD) == (ID, SECRET)
    assert len(scripted.requests) == 3


def test_what_may_pass_is_tried_three_times_and_no_more(ask: Any, scripted: ScriptedServer) -> None:
    failing(TemporaryError, lambda: ask(errors(503, "Vault is sealed")))
    assert len(scripted.requests) == 3


def test_a_mistake_is_not_tried_again(ask: Any, scripted: ScriptedServer) -> None:
    failing(UsageError, lambda: ask(answer(405, "")))
    failing(CredentialsError, lambda: ask(errors(404)))
    assert len(scripted.requests) == 2


def test_a_time_to_wait_that_does_not_fit_is_told_and_not_waited_for(ask: Any, scripted: ScriptedServer) -> None:
    error = failing(TemporaryError, lambda: ask(errors(429, "slow down", Retry_After="3000")))
    assert error.retry_after == 3000
    assert len(scripted.requests) == 1


def test_a_server_that_never_answers_ends_with_the_deadline(read: Any) -> None:
    with socket.socket() as deaf:
        deaf.bind(("127.0.0.1", 0))
        deaf.listen()
        env = {"VAULT_ADDR": f"http://127.0.0.1:{deaf.getsockname()[1]}", "VAULT_TOKEN": TOKEN}
        began = time.monotonic()
        failing(TemporaryError, lambda: read(env, deadline=Deadline(0.5), kv_version=2))
        assert time.monotonic() - began < 5
        began = time.monotonic()
        failing(TemporaryError, lambda: read(env, timeout="300ms", kv_version=2))
        assert time.monotonic() - began < 15


def test_a_server_that_sends_a_byte_at_a_time_ends_with_the_deadline(ask: Any) -> None:
    ended = threading.Event()

    def drip(_: object, connection: socket.socket) -> bytes | None:
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 5000\r\n\r\n")
        while not ended.wait(0.05):
            connection.sendall(b" ")
        return None

    try:
        failing(TemporaryError, lambda: ask(drip, seconds=0.8))
    finally:
        ended.set()


def test_a_port_that_nobody_listens_on_is_temporary(read: Any) -> None:
    env = {"VAULT_ADDR": "http://127.0.0.1:1", "VAULT_TOKEN": TOKEN}
    assert "refused the connection" in str(failing(TemporaryError, lambda: read(env)))


def test_a_name_that_cannot_be_resolved_is_temporary(read: Any) -> None:
    env = {"VAULT_ADDR": "https://vault.invalid", "VAULT_TOKEN": TOKEN}
    failing(TemporaryError, lambda: read(env, deadline=Deadline(3)))


def test_this_machine_is_never_asked_through_a_proxy(realm: Realm, read: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    env = realm.env()
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "HTTPS_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    assert read(env) == (ID, SECRET)


def test_another_host_is_asked_through_the_proxy(
    read: Any, scripted: ScriptedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    scripted.answers = [answer(403, "no")]
    password = canary("proxy-canary-3X")
    monkeypatch.setenv("HTTPS_PROXY", f"http://user:{password}@127.0.0.1:{scripted.port}")
    env = {"VAULT_ADDR": "https://vault.test", "VAULT_TOKEN": TOKEN}
    error = failing(TemporaryError, lambda: read(env, deadline=Deadline(5)))
    assert "proxy" in str(error)
    assert scripted.requests[0].line.startswith("CONNECT vault.test:443")
    assert "x-vault-token" not in scripted.requests[0].headers


def test_netrc_is_not_read(ask: Any, scripted: ScriptedServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "netrc").write_text("machine 127.0.0.1 login a password netrc-canary\n")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    assert ask(GOOD) == (ID, SECRET)
    assert "authorization" not in scripted.requests[0].headers


def test_no_cookie_is_kept(ask: Any, scripted: ScriptedServer) -> None:
    ask(errors(503, "x", Set_Cookie="a=b"), GOOD)
    assert "cookie" not in scripted.requests[1].headers


def test_the_namespace_goes_into_its_header(ask: Any, scripted: ScriptedServer) -> None:
    ask(GOOD, namespace="/team1/ci/")
    assert scripted.requests[0].headers["x-vault-namespace"] == "team1/ci"


def test_a_token_with_a_line_break_is_refused_before_it_is_sent(read: Any, scripted: ScriptedServer) -> None:
    env = {"VAULT_ADDR": f"http://127.0.0.1:{scripted.port}", "VAULT_TOKEN": "s.canary-line\r\nX-Evil: 1"}
    failing(CredentialsError, lambda: read(env))
    env["VAULT_TOKEN"] = "s.canary-snowman-☃"
    failing(CredentialsError, lambda: read(env))
    assert scripted.requests == []


@pytest.fixture
def silent() -> Iterator[ScriptedServer]:
    with ScriptedServer(GOOD) as one:
        yield one


def test_plain_http_to_another_host_is_refused_because_of_the_token(provider: Any) -> None:
    error = failing(UsageError, lambda: provider({"VAULT_ADDR": "http://vault.example.com:8200"}))
    assert "VAULT_ADDR" in str(error)
    assert "https://" in str(error)


def test_without_an_address_it_says_which_variable_to_set(provider: Any) -> None:
    assert "VAULT_ADDR" in failing(UsageError, lambda: provider({})).hint


def test_a_failure_of_the_network_leaves_no_dead_connection_behind(ask: Any, provider: Any, silent: Any) -> None:
    env = {"VAULT_ADDR": f"http://127.0.0.1:{silent.port}", "VAULT_TOKEN": TOKEN}
    silent.answers = [b"", GOOD]
    assert provider(env, kv_version=2).plugin.credentials(soon()).client_id == ID
