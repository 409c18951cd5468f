"""What is sent, and how a good answer and a refusal are read."""

import base64
import json
import string
import time
from urllib.parse import parse_qs

import pytest
from support import Machine, client
from support.scripted import Answer, ScriptedServer, http, token

from gc_credhelper import __version__
from gc_credhelper.credentials import ClientCredentials, Secret
from gc_credhelper.errors import CredentialsError, InvalidClient, RateLimited, TemporaryError, TokenError

from .kit import INVALID, RATE_LIMIT, TRUNCATED, TRUNCATED_CHUNK, Heard, exchange, fails, refused, reset

VSCHAR = "".join(map(chr, range(0x21, 0x7F)))  # RFC 6749 appendix A, less the space


def test_basic_sends_the_pair_in_the_header_and_only_the_grant_in_the_body(
    machine: Machine, scripted: ScriptedServer
) -> None:
    assert machine.run("token", env=client(scripted)).code == 0
    (request,) = scripted.requests
    pair = base64.b64encode(f"{scripted.client_id}:{scripted.client_secret}".encode()).decode()
    assert request.line == "POST /oauth/token HTTP/1.1"
    assert request.body == b"grant_type=client_credentials"
    assert request.headers.pop("connection", "keep-alive") == "keep-alive"
    assert request.headers == {
        "host": f"127.0.0.1:{scripted.port}",
        "authorization": f"Basic {pair}",
        "content-type": "application/x-www-form-urlencoded",
        "content-length": "29",
        "user-agent": f"gc-credhelper/{__version__}",
        "accept": "application/json",
        "accept-encoding": "identity",
    }


def test_body_sends_the_pair_in_the_form_and_no_authorization(machine: Machine, scripted: ScriptedServer) -> None:
    assert machine.run("token", env=client(scripted, GC_CREDHELPER_CLIENT_AUTH="body")).code == 0
    (request,) = scripted.requests
    assert "authorization" not in request.headers
    assert request.headers["content-type"] == "application/x-www-form-urlencoded"
    assert request.headers["content-length"] == str(len(request.body))
    assert parse_qs(request.body.decode(), strict_parsing=True) == {
        "grant_type": ["client_credentials"],
        "client_id": [scripted.client_id],
        "client_secret": [scripted.client_secret],
    }


@pytest.mark.parametrize("client_auth", ["basic", "body"])
def test_netrc_is_never_read(machine: Machine, scripted: ScriptedServer, client_auth: str) -> None:
    netrc = machine.home / ".netrc"
    netrc.write_text("machine 127.0.0.1 login other password other\ndefault login other password other\n")
    netrc.chmod(0o600)
    env = client(scripted, GC_CREDHELPER_CLIENT_AUTH=client_auth, NETRC=str(netrc))
    assert machine.run("token", env=env).code == 0
    sent = scripted.requests[0].headers.get("authorization", "")
    assert base64.b64encode(b"other:other").decode() not in sent
    assert bool(sent) == (client_auth == "basic")


def test_no_cookie_is_kept_between_two_attempts(scripted: ScriptedServer) -> None:
    scripted.answers = [http(503, "", Set_Cookie="session=1; Path=/"), token()]
    exchange(scripted)
    assert len(scripted.requests) == 2
    assert all("cookie" not in request.headers for request in scripted.requests)


def test_every_character_that_an_id_and_a_secret_can_have_arrives(scripted: ScriptedServer) -> None:
    client_id, secret = VSCHAR.replace(":", ""), VSCHAR
    exchange(scripted, client_id=client_id, secret=secret)
    exchange(scripted, client_id=client_id, secret=secret, client_auth="body")
    basic, body = scripted.requests
    assert base64.b64decode(basic.headers["authorization"].removeprefix("Basic ")).decode() == f"{client_id}:{secret}"
    form = parse_qs(body.body.decode(), strict_parsing=True)
    assert (form["client_id"], form["client_secret"]) == ([client_id], [secret])


@pytest.mark.parametrize(
    ("client_id", "secret", "said"),
    [
        ("", "secret", "the client id is empty"),
        ("id", "", "the client secret is empty"),
        ("id:secret", "secret", "the client id holds a colon"),
        ("id", "se\tcret", "character 3 of 7 is white space"),
        ("i\u200bd", "secret", "character 2 of 3 is not printable ASCII"),
    ],
)
def test_what_cannot_be_an_id_or_a_secret_is_not_sent(client_id: str, secret: str, said: str) -> None:
    with pytest.raises(CredentialsError, match=said) as caught:
        ClientCredentials(client_id, Secret(secret))
    assert caught.value.hint


@pytest.mark.parametrize("kind", ["bearer", "Bearer", "BEARER", "bEaReR"])
def test_the_token_type_is_bearer_in_any_case(scripted: ScriptedServer, kind: str) -> None:
    scripted.answers = [token(token_type=kind)]
    assert exchange(scripted).type == "Bearer"


@pytest.mark.parametrize("kind", ["mac", "", "Bearer ", "DPoP", None, 1, ["bearer"], {"bearer": 1}])
def test_any_other_token_type_is_refused(scripted: ScriptedServer, kind: object) -> None:
    scripted.answers = [token(token_type=kind)]
    assert "token_type" in str(refused(scripted, TokenError))


@pytest.mark.parametrize("value", [string.ascii_letters + string.digits + "-._~+/", "a==", "x", "9" * 60_000])
def test_a_token_of_rfc_6750_characters_is_taken_as_it_is(scripted: ScriptedServer, value: str) -> None:
    scripted.answers = [token(value)]
    assert exchange(scripted).value == value


@pytest.mark.parametrize(
    "value",
    [
        "",
        " ",
        "a b",
        "a\n",
        "a\r\nX: y",
        "tök",
        "=",
        "=a",
        "a=b",
        'a"b',
        "a\0",
        "a,b",
        None,
        5,
        True,
        ["a"],
        {"a": "b"},
    ],
)
def test_a_token_of_other_characters_is_refused_and_not_shown(scripted: ScriptedServer, value: object) -> None:
    scripted.answers = [token(value)]  # type: ignore[arg-type]
    error = refused(scripted, TokenError)
    assert str(error) == "the answer holds no access_token (RFC 6750)"


@pytest.mark.parametrize(
    ("said", "meant"),
    [(300, 300), (86_400, 86_400), (3600.5, 3600.5), ("3600", 3600), (1, 1), (38_880_000, 38_880_000)],
)
def test_a_lifetime_may_be_a_number_or_digits(scripted: ScriptedServer, said: object, meant: float) -> None:
    scripted.answers = [token(lifetime=said)]
    assert exchange(scripted).lifetime == pytest.approx(meant)


@pytest.mark.parametrize(
    "answer", [{"access_token": "a", "token_type": "bearer"}, {"access_token": "a", "expires_in": None}]
)
def test_a_missing_lifetime_is_the_shortest_and_said(scripted: ScriptedServer, answer: dict[str, object]) -> None:
    scripted.answers = [http(200, answer)]
    heard = Heard()
    assert exchange(scripted, report=heard).lifetime == pytest.approx(300)
    (line,) = heard.lines
    assert line.startswith("warning: ")
    assert "300 s" in line


def test_the_warning_about_a_missing_lifetime_reaches_the_user(machine: Machine, scripted: ScriptedServer) -> None:
    scripted.answers = [http(200, {"access_token": "tok-1", "token_type": "bearer"})]
    done = machine.run("token", "-o", "raw", env=client(scripted))
    assert (done.code, done.out) == (0, "tok-1\n")
    (warning,) = done.warnings
    assert "300 s" in warning


@pytest.mark.parametrize(
    "said",
    ["-1", "0", "0.5", "NaN", "Infinity", "-Infinity", "true", "false", "1e300", "1" + "0" * 30, "38880001", "[]", "{}"]
    + [json.dumps(text) for text in ("", "abc", "1.5", "-300", " 300", "1e3", "0", "٣٠٠", "9" * 11)],
)
def test_any_other_lifetime_is_refused(scripted: ScriptedServer, said: str) -> None:
    scripted.answers = [http(200, f'{{"access_token": "a", "token_type": "bearer", "expires_in": {said}}}')]
    assert "expires_in" in str(refused(scripted, TokenError))


def test_the_lifetime_counts_from_before_the_request_was_sent(scripted: ScriptedServer) -> None:
    arrived: list[float] = []

    def slow(*_: object) -> bytes:
        arrived.append(time.time())
        time.sleep(0.3)
        return token()

    scripted.answers = [slow]
    before = time.time()
    assert before <= exchange(scripted).issued_at <= arrived[0]


def test_an_early_refresh_begins_within_a_tenth_of_its_window_so_that_a_fleet_does_not_move_in_step(
    scripted: ScriptedServer,
) -> None:
    early = {exchange(scripted).expires_at - exchange(scripted).refresh_at for _ in range(4)}
    assert len(early) > 1
    assert all(900 * 0.89 < seconds < 900 * 1.11 for seconds in early)


HTML = "<!doctype html><title>Sign in to the guest network</title>"
NOT_TOKENS: dict[str, Answer] = {
    "html": http(200, HTML, Content_Type="text/html"),
    "empty": http(200, ""),
    "no body": http(204, ""),
    "array": http(200, "[]"),
    "string": http(200, '"tok"'),
    "number": http(200, "1"),
    "null": http(200, "null"),
    "NaN": http(200, "NaN"),
    "empty object": http(200, "{}"),
    "an error with status 200": http(200, INVALID),
    "two objects": http(200, "{}{}"),
    "cut without a length": b'HTTP/1.1 200 OK\r\n\r\n{"access_token": "a',
    "deep array": http(200, "[" * 30_000 + "]" * 30_000),
    "deep object": http(200, '{"a":' * 10_000 + "1" + "}" * 10_000),
    "deep token type": http(200, '{"access_token": "a", "token_type": ' + "[" * 900 + "]" * 900 + "}"),
    "long number": http(200, '{"expires_in": ' + "9" * 5_000 + "}"),
    "bad UTF-8": http(200, b'{"access_token": "\xff\xfe\xfa"}'),
    "lone surrogate": http(200, r'{"access_token": "\ud800", "expires_in": 300}'),
    "too large": http(200, token().partition(b"\r\n\r\n")[2] + b" " * 65_536),
    "created": http(201, {"access_token": "a", "token_type": "bearer", "expires_in": 300}),
    "not found": http(404, HTML),
    "not allowed": http(405, ""),
    "forbidden": http(403, {"error": "access_denied"}),
    "unauthorized by somebody else": http(401, HTML, WWW_Authenticate='Basic realm="proxy"'),
    "bad request": http(400, {"error": "invalid_request"}),
    "error is a list": http(400, {"error": ["invalid_client"]}),
    "error is an object": http(400, {"error": {"a": 1}, "description": {"b": ["c"]}}),
    "deep description": http(400, '{"description": ' + "[" * 900 + "]" * 900 + "}"),
    "garbage": b"SSH-2.0-OpenSSH_9.6\r\n",
    "a header without end": b"HTTP/1.1 200 OK\r\nX: " + b"y" * 70_000 + b"\r\n\r\n",
    "too many headers": b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 200 + b"\r\n",
    "an unknown coding": http(200, "x", Content_Encoding="gzip"),
}


@pytest.mark.parametrize("answer", NOT_TOKENS.values(), ids=NOT_TOKENS.keys())
def test_an_answer_that_is_not_a_token_is_final(scripted: ScriptedServer, answer: Answer) -> None:
    scripted.answers = [answer]
    heard = Heard()
    error = refused(scripted, TokenError, report=heard)
    assert error.hint
    assert not heard.lines
    assert (error.exit_code, error.retryable) == (5, False)
    assert len(scripted.requests) == 1


TEMPORARY: dict[str, Answer] = {
    "500": http(500, {"error": "server_error"}),
    "502 in HTML": http(502, HTML, Content_Type="text/html"),
    "503": http(503, ""),
    "504": http(504, {"error": "temporarily_unavailable"}),
    "503 that blames the client": http(503, INVALID),
    "408": http(408, ""),
    "429": http(429, ""),
    "the rate limit as Genesys says it": http(400, RATE_LIMIT),
    "the rate limit in one field": http(400, {"error": "invalid_request", "description": "rate limit exceeded; x"}),
    "truncated": TRUNCATED,
    "truncated chunk": TRUNCATED_CHUNK,
    "closed without an answer": lambda *_: None,
    "reset": reset,
}


@pytest.mark.parametrize("answer", TEMPORARY.values(), ids=TEMPORARY.keys())
def test_a_temporary_failure_is_tried_again(scripted: ScriptedServer, answer: Answer) -> None:
    scripted.answers = [answer, answer, token()]
    assert exchange(scripted).value == "tok-1"
    assert len(scripted.requests) == 3


@pytest.mark.parametrize(
    "name", ["500", "502 in HTML", "429", "the rate limit as Genesys says it", "truncated", "reset"]
)
def test_a_temporary_failure_that_lasts_is_exit_6(machine: Machine, scripted: ScriptedServer, name: str) -> None:
    scripted.answers = [TEMPORARY[name]]
    fails(machine, scripted, 6, GC_CREDHELPER_DEADLINE="1s")
    assert scripted.requests


def test_the_last_failure_is_the_one_that_is_told(scripted: ScriptedServer) -> None:
    scripted.answers = [http(503, "")]
    assert "the token endpoint failed (503)" in str(refused(scripted, TemporaryError, seconds=1.5))


@pytest.mark.parametrize(
    ("status", "text"), [(400, "client not found"), (401, "authentication failed"), (400, "authentication failed")]
)
def test_invalid_client_is_final_and_may_mean_the_region(
    machine: Machine, scripted: ScriptedServer, status: int, text: str
) -> None:
    scripted.answers = [http(status, {"error": "invalid_client", "description": text, "error_description": text})]
    done = fails(machine, scripted, 5)
    assert done.error.startswith(f"wrong secret, or wrong region ({status}, invalid_client, {text})")
    assert f"token_url {scripted.token_url} (variable GC_CREDHELPER_TOKEN_URL)" in done.error
    assert len(scripted.requests) == 1


def test_invalid_client_names_the_origin_of_the_region(machine: Machine, scripted: ScriptedServer) -> None:
    scripted.answers = [http(401, INVALID)]
    env = client(scripted, GENESYS_CLOUD_REGION=f"127.0.0.1:{scripted.port}")
    del env["GC_CREDHELPER_TOKEN_URL"]
    done = machine.run("token", env=env)
    assert done.code == 5
    assert f"region 127.0.0.1:{scripted.port} (variable GENESYS_CLOUD_REGION)" in done.error


def test_a_correlation_id_is_shown_because_support_asks_for_it(scripted: ScriptedServer) -> None:
    id_ = "0b8f2c1e-5f0a-4b7e-9d55-1c2d3e4f5a6b"
    scripted.answers = [http(401, INVALID, inin_correlation_id=id_)]
    assert f"correlation id {id_}" in str(refused(scripted, InvalidClient))


def test_a_rate_limit_is_not_taken_for_a_wrong_request(scripted: ScriptedServer) -> None:
    scripted.answers = [http(400, RATE_LIMIT)]
    error = refused(scripted, RateLimited, seconds=0.5)
    assert "too many token requests (400, invalid_request, rate limit exceeded)" in str(error)


def test_the_hint_of_a_403_speaks_of_the_allowed_addresses(machine: Machine, scripted: ScriptedServer) -> None:
    scripted.answers = [NOT_TOKENS["forbidden"]]
    assert "address" in fails(machine, scripted, 5).hint


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_is_not_followed(machine: Machine, scripted: ScriptedServer, status: int) -> None:
    with ScriptedServer() as other:
        scripted.answers = [http(status, INVALID, Location=other.token_url)]
        assert "redirect" in fails(machine, scripted, 5).error
        assert not other.requests
    assert len(scripted.requests) == 1


@pytest.mark.parametrize(
    "location", ["", "//", "http://[", "\xff\xfe", "http://\x00", "http://a:b:c", "http://" + "a" * 300]
)
def test_a_redirect_to_nowhere_is_a_redirect(scripted: ScriptedServer, location: str) -> None:
    scripted.answers = [f"HTTP/1.1 302 Found\r\nLocation: {location}\r\nContent-Length: 0\r\n\r\n".encode("latin-1")]
    assert "redirect" in str(refused(scripted, TokenError))


@pytest.mark.parametrize("name", ["html", "too large", "array", "garbage", "deep object", "error is a list"])
def test_an_answer_that_is_not_a_token_is_exit_5(machine: Machine, scripted: ScriptedServer, name: str) -> None:
    scripted.answers = [NOT_TOKENS[name]]
    fails(machine, scripted, 5)
    assert len(scripted.requests) == 1


def test_of_two_equal_names_the_last_counts_and_nothing_breaks(scripted: ScriptedServer) -> None:
    body = '{"access_token": "one", "access_token": "two", "token_type": "bearer", "expires_in": 300}'
    scripted.answers = [http(200, body)]
    assert exchange(scripted).value == "two"
