"""Limits of an answer, proxies, and answers that no library was made for."""

import base64
import gc
import gzip
import http.client
import json
import tracemalloc
import warnings
import zlib
from collections.abc import Callable

import pytest
import requests
import trustme
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from support import Machine, client
from support.scripted import ScriptedServer, token
from support.scripted import http as answer

from gc_credhelper.credentials import ClientCredentials, Secret
from gc_credhelper.deadline import Deadline
from gc_credhelper.errors import Error, TokenError, UsageError
from gc_credhelper.exchange import grant
from gc_credhelper.transport import LIMIT, Answer, Transport, translated

from .kit import GUARD, Endless, TlsServer, exchange, fails, refused, tunnel

MEBIBYTE = 2**20
CREDENTIALS = ClientCredentials(ScriptedServer.client_id, Secret(ScriptedServer.client_secret))


def post(server: ScriptedServer) -> Answer:
    """One attempt, and no more."""
    return send(server.token_url)


def send(url: str) -> Answer:
    """The same to any URL."""
    return Transport().send("POST", url, grant(CREDENTIALS, "basic"), Deadline(GUARD), "the token request")


def failure(work: Callable[[], object]) -> Error | None:
    """The error of ours; anything else goes through."""
    try:
        work()
    except Error as e:
        return e
    return None


@pytest.mark.parametrize(
    "head",
    [
        b"HTTP/1.1 200 OK",
        b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999",
        b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1/",
        b"HTTP/1.1 403 Forbidden\r\nContent-Type: text/html",
    ],
    ids=["200", "200 with a length", "302", "403"],
)
def test_of_an_endless_answer_only_the_beginning_is_read(scripted: ScriptedServer, head: bytes) -> None:
    endless = Endless(head)
    scripted.answers = [endless]
    refused(scripted, TokenError)
    assert endless.done.wait(GUARD)
    assert endless.sent < 16 * MEBIBYTE  # what the buffers of the system hold


@pytest.mark.parametrize("size", [LIMIT, LIMIT + 1])
def test_the_limit_is_64_kib(scripted: ScriptedServer, size: int) -> None:
    body = token().partition(b"\r\n\r\n")[2]
    scripted.answers = [answer(200, body + b" " * (size - len(body)))]
    if size <= LIMIT:
        assert exchange(scripted).value == "tok-1"
    else:
        assert "larger than 64 KiB" in str(refused(scripted, TokenError))


def test_a_compressed_answer_is_read_although_none_was_asked_for(scripted: ScriptedServer) -> None:
    body = token().partition(b"\r\n\r\n")[2]
    scripted.answers = [answer(200, gzip.compress(body), Content_Encoding="gzip")]
    assert exchange(scripted).value == "tok-1"


@pytest.mark.parametrize("coding", ["gzip", "deflate", "gzip, gzip"])
def test_a_compressed_bomb_does_not_fill_the_memory(scripted: ScriptedServer, coding: str) -> None:
    bomb = b" " * (128 * MEBIBYTE)
    for one in reversed(coding.split(", ")):
        bomb = gzip.compress(bomb) if one == "gzip" else zlib.compress(bomb)
    scripted.answers = [answer(200, bomb, Content_Encoding=coding)]
    tracemalloc.start()
    try:
        refused(scripted, TokenError)
        assert tracemalloc.get_traced_memory()[1] < 32 * MEBIBYTE
    finally:
        tracemalloc.stop()


NASTY = [
    b'Set-Cookie: a=b; expires=Thu, 99 Foo 99999 99:99:99 GMT; version=x; port="y"',
    b"Set-Cookie: =; =; ;;; \xff",
    b"Set-Cookie2: $Version=x",
    b"Content-Encoding: gzip, gzip, gzip, gzip, gzip, gzip",
    b"Content-Encoding: br",
    b"Content-Encoding: zstd",
    b"Transfer-Encoding: chunked",
    b"Transfer-Encoding: gzip, chunked",
    b"Content-Length: -1",
    b"Content-Length: x",
    b"Location: http://[::1",
    b"Location: \xff\xfe://\x00",
    b"Retry-After: Mon, 99 Jan 99999 99:99:99 +9999",
    b"Content-Type: text/html; charset=\xff",
    b"no colon here",
    b" a folded line",
    b": no name",
    b"ININ-Correlation-Id: \xff",
    b"Connection: upgrade",
]


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    status=st.sampled_from([b"200 OK", b"204 No", b"302 Found", b"400 Bad", b"401 ", b"403", b"299 \xff", b"999 x"]),
    headers=st.lists(st.sampled_from(NASTY) | st.binary(max_size=40), max_size=4),
    body=st.binary(max_size=200) | st.sampled_from([b"{}", b"5\r\n{}{}{\r\n0\r\n\r\n", gzip.compress(b"{}")]),
)
def test_whatever_bytes_come_back_the_failure_is_in_our_words(
    scripted: ScriptedServer, status: bytes, headers: list[bytes], body: bytes
) -> None:
    scripted.answers = [b"\r\n".join([b"HTTP/1.1 " + status, *headers, b"", body])]
    error = failure(lambda: exchange(scripted, seconds=0.19))  # too short for a second attempt
    assert error is None or (error.exit_code in (5, 6) and error.hint)


@settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(raw=st.binary(min_size=1, max_size=100))
@example(raw=b"HTTP/1.1")
@example(raw=b"HTTP/1.1 abc\r\n\r\n")
@example(raw=b"HTTP/9.9 200 OK\r\n\r\n")
@example(raw=b"HTTP/1.1 100 Continue\r\n\r\n" * 3)
@example(raw=b"\r\n\r\n")
def test_whatever_is_no_http_at_all_is_in_our_words_too(scripted: ScriptedServer, raw: bytes) -> None:
    scripted.answers = [raw]
    error = failure(lambda: post(scripted))
    assert error is None or (error.exit_code in (5, 6) and error.hint)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=8,
)
FIELDS = ("access_token", "token_type", "expires_in", "error", "description", "error_description")


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    status=st.sampled_from([200, 400, 401, 403]),
    value=JSON | st.fixed_dictionaries({}, optional=dict.fromkeys(FIELDS, JSON)),
)
@example(status=400, value={"error": []})
@example(status=400, value={"error": {}, "description": [[]]})
@example(status=200, value={"access_token": "a", "token_type": "bearer", "expires_in": 10**400})
def test_whatever_json_comes_back_is_a_token_or_an_error_of_ours(
    scripted: ScriptedServer, status: int, value: object
) -> None:
    scripted.answers = [answer(status, json.dumps(value))]
    error = failure(lambda: exchange(scripted, seconds=0.19))
    if error:
        assert error.exit_code in (5, 6)
        assert error.hint
    else:
        assert status == 200


@pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning")  # urllib3 leaves the socket to the garbage collector
def test_two_lengths_are_not_http(scripted: ScriptedServer) -> None:
    scripted.answers = [b"HTTP/1.1 200 OK\r\nContent-Length: 5, 6\r\n\r\n{}"]
    assert "did not answer in HTTP" in str(refused(scripted, TokenError))
    gc.collect()


def test_cookies_of_any_shape_are_no_warning(scripted: ScriptedServer) -> None:
    head = b"HTTP/1.1 503 No\r\nContent-Length: 0\r\n" + b"".join(line + b"\r\n" for line in NASTY[:3])
    scripted.answers = [head + b"\r\n", token()]
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        exchange(scripted)
    assert [str(warning.message) for warning in caught if "socket" not in str(warning.message)] == []


@pytest.fixture
def ca() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def trusted(ca: trustme.CA, machine: Machine) -> dict[str, str]:
    bundle = machine.home / "ca.pem"
    ca.cert_pem.write_to_path(str(bundle))
    return {"REQUESTS_CA_BUNDLE": str(bundle)}


@pytest.mark.parametrize("variable", ["HTTPS_PROXY", "https_proxy", "ALL_PROXY"])
def test_an_https_endpoint_is_reached_through_the_proxy(
    machine: Machine, ca: trustme.CA, trusted: dict[str, str], variable: str
) -> None:
    with TlsServer(ca, host="login.example.test") as far, ScriptedServer(tunnel(far)) as proxy:
        user = f"http://proxy-user:proxy-word@127.0.0.1:{proxy.port}"
        done = machine.run("token", "-vv", "-o", "raw", env=client(far, **trusted, **{variable: user}))
        assert (done.code, done.out) == (0, "tok-1\n"), done.err
        assert "proxy-word" not in done.err
        (connect,) = proxy.requests
        assert connect.line.startswith("CONNECT login.example.test:443 ")
        pair = base64.b64encode(b"proxy-user:proxy-word").decode()
        assert connect.headers["proxy-authorization"] == f"Basic {pair}"
        assert "authorization" not in connect.headers
        assert "proxy-authorization" not in far.requests[0].headers
        assert far.requests[0].headers["authorization"].startswith("Basic ")


@pytest.mark.parametrize("no_proxy", ["login.example.test", ".example.test", "example.test", "a.b, .test", "*"])
def test_no_proxy_is_obeyed(machine: Machine, scripted: ScriptedServer, no_proxy: str) -> None:
    url = "https://login.example.test/oauth/token"  # a name that nobody can resolve (RFC 6761 §6.2)
    proxy = f"http://127.0.0.1:{scripted.port}"
    env = {"HTTPS_PROXY": proxy, "NO_PROXY": no_proxy, "GC_CREDHELPER_DEADLINE": "1s"}
    fails(machine, scripted, 6, GC_CREDHELPER_TOKEN_URL=url, **env)
    assert not scripted.requests


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_loopback_never_goes_through_a_proxy(machine: Machine, scripted: ScriptedServer, host: str) -> None:
    with ScriptedServer() as proxy:
        names = ("HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy")
        env = client(scripted, **dict.fromkeys(names, f"http://127.0.0.1:{proxy.port}"))
        env["GC_CREDHELPER_TOKEN_URL"] = f"http://{host}:{scripted.port}/oauth/token"
        assert machine.run("token", env=env).code == 0
        assert not proxy.requests
    assert len(scripted.requests) == 1


def through(proxy: str) -> dict[str, str]:
    return {
        "GC_CREDHELPER_TOKEN_URL": "https://login.example.test:4070/oauth/token",
        "HTTPS_PROXY": proxy,
        "GC_CREDHELPER_DEADLINE": "1s",
    }


def test_a_proxy_that_wants_a_password_is_a_matter_of_configuration(machine: Machine, scripted: ScriptedServer) -> None:
    scripted.answers = [answer(407, "", Proxy_Authenticate='Basic realm="p"')]
    done = fails(machine, scripted, 2, "-vv", **through(f"http://u:proxy-word@127.0.0.1:{scripted.port}"))
    assert "407" in done.error
    assert "HTTPS_PROXY" in done.hint
    assert "proxy-word" not in done.err
    assert len(scripted.requests) == 1


@pytest.mark.parametrize("status", [403, 502, 503])
def test_a_proxy_that_does_not_serve_is_temporary(machine: Machine, scripted: ScriptedServer, status: int) -> None:
    scripted.answers = [answer(status, scripted.client_secret)]
    done = fails(machine, scripted, 6, "-vv", **through(f"http://u:proxy-407@127.0.0.1:{scripted.port}"))
    assert "the proxy for login.example.test does not serve" in done.error
    assert "proxy-407" not in done.err


def test_a_proxy_that_cannot_be_spoken_to_is_a_matter_of_configuration(
    machine: Machine, scripted: ScriptedServer
) -> None:
    done = fails(machine, scripted, 2, **through("socks5://u:proxy-word@127.0.0.1:9"))
    assert "HTTPS_PROXY" in done.hint
    assert "proxy-word" not in done.err


def test_a_name_that_cannot_be_resolved_is_temporary(machine: Machine, scripted: ScriptedServer) -> None:
    url = "https://login.example.test/oauth/token"
    fails(machine, scripted, 6, GC_CREDHELPER_TOKEN_URL=url, GC_CREDHELPER_DEADLINE="2s")


def test_what_no_row_knows_is_still_an_error_of_ours_without_its_text() -> None:
    error = translated(requests.exceptions.InvalidURL("http://user:word@host"), "host")
    assert (error.exit_code, "word" in f"{error} {error.hint}") == (2, False)


def test_a_cut_is_told_from_what_is_not_http() -> None:
    for cause, code in ((http.client.RemoteDisconnected("x"), 6), (http.client.BadStatusLine("x"), 5)):
        assert translated(requests.exceptions.ConnectionError(cause), "host").exit_code == code


@pytest.mark.parametrize("host", ["a" * 70 + ".com", "a..b.com"])
def test_a_host_that_no_name_can_be_is_a_wrong_setting(host: str) -> None:
    with pytest.raises(UsageError, match="no request can be made"):
        send(f"https://{host}/oauth/token")


def test_a_proxy_that_no_name_can_be_is_a_wrong_setting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://..:1")
    with pytest.raises(UsageError):
        send("https://login.invalid/oauth/token")


def test_a_program_that_debugs_its_http_does_not_print_our_headers(
    scripted: ScriptedServer, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(http.client.HTTPConnection, "debuglevel", 1)
    scripted.answers = [token()]
    assert post(scripted).status == 200
    assert capsys.readouterr().out == ""
