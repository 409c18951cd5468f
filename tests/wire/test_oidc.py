"""The OIDC token of a job on GitHub Actions, from a runner's endpoint that gives one or does not."""

import pytest
from support.scripted import ScriptedServer, http

from gc_credhelper.deadline import Deadline
from gc_credhelper.errors import CredentialsError, Error, TemporaryError, UsageError
from gc_credhelper.oidc import BEARER, URL, github_token
from gc_credhelper.plan import Inputs, encode

from .kit import GUARD

TOKEN, LENT = "canary.oidc.token-7Kd", "canary-runner-bearer-2Hs"


def inputs(**variables: str) -> Inputs:
    return Inputs([], {encode(name): encode(value) for name, value in variables.items()})


def runner(server: ScriptedServer, **more: str) -> Inputs:
    return inputs(**{URL: f"http://127.0.0.1:{server.port}/token?api-version=2.0", BEARER: LENT} | more)


def refusal(of: Inputs, seconds: float = GUARD) -> Error:
    with pytest.raises(Error) as caught:
        github_token(of, "vault", Deadline(seconds))
    said = f"{caught.value} {caught.value.hint} {caught.value.__cause__} {caught.value.__context__}"
    assert TOKEN not in said
    assert LENT not in said
    assert caught.value.hint
    return caught.value


def test_the_runner_is_asked_with_what_it_lent_for_the_audience(scripted: ScriptedServer) -> None:
    scripted.answers = [http(200, {"value": TOKEN})]
    assert github_token(runner(scripted), "https://vault.test/a b", Deadline(GUARD)).reveal() == TOKEN
    (request,) = scripted.requests
    assert request.line == "GET /token?api-version=2.0&audience=https%3A%2F%2Fvault.test%2Fa%20b HTTP/1.1"
    assert request.headers["authorization"] == f"bearer {LENT}"


def test_an_address_without_a_query_gets_one(scripted: ScriptedServer) -> None:
    scripted.answers = [http(200, {"value": TOKEN})]
    github_token(runner(scripted, **{URL: f"http://127.0.0.1:{scripted.port}/token"}), "vault", Deadline(GUARD))
    assert scripted.requests[0].line == "GET /token?audience=vault HTTP/1.1"


def test_without_an_audience_github_chooses_its_own(scripted: ScriptedServer) -> None:
    scripted.answers = [http(200, {"value": TOKEN})]
    github_token(runner(scripted), None, Deadline(GUARD))
    assert scripted.requests[0].line == "GET /token?api-version=2.0 HTTP/1.1"


def test_only_that_the_variables_are_set_is_recorded(scripted: ScriptedServer) -> None:
    scripted.answers = [http(200, {"value": TOKEN})]
    asked = runner(scripted)
    github_token(asked, "vault", Deadline(GUARD))
    assert asked.record == {(b"S", encode(name)): b"" for name in (URL, BEARER)}


@pytest.mark.parametrize(
    ("reply", "kind", "words"),
    [
        (http(403, {"message": f"no {LENT}"}), CredentialsError, "refused us (403)"),
        (http(404, ""), CredentialsError, "refused us (404)"),
        (http(302, "", Location="http://127.0.0.1:1/"), CredentialsError, "refused us (302)"),
        (http(429, ""), TemporaryError, "cannot serve now (429)"),
        (http(503, "<html>"), TemporaryError, "cannot serve now (503)"),
        (http(200, f"<html>{LENT}"), CredentialsError, "gave no token"),
        (http(200, {"value": [TOKEN]}), CredentialsError, "gave no token"),
        (http(200, {"value": ""}), CredentialsError, "gave no token"),
        (http(200, "[1]"), CredentialsError, "gave no token"),
        (http(200, "[" * 60_000), CredentialsError, "gave no token"),
        (http(200, '{"value": "' + "x" * 70_000 + '"}'), CredentialsError, "gave no token"),
        (b"SSH-2.0-canary\r\n", CredentialsError, "endpoint gave no token: 127.0.0.1 did not answer in HTTP"),
        (b"", TemporaryError, "the runner's OIDC endpoint gave no token: 127.0.0.1 closed the connection"),
    ],
)
def test_a_runner_that_gives_no_token_is_an_error(
    scripted: ScriptedServer, reply: bytes, kind: type[Error], words: str
) -> None:
    scripted.answers = [reply]
    error = refusal(runner(scripted))
    assert type(error) is kind
    assert words in str(error)


def test_a_runner_that_says_nothing_is_left_at_the_deadline(scripted: ScriptedServer) -> None:
    scripted.answers = [lambda _, connection: connection.recv(1) and None]
    error = refusal(runner(scripted), 0.5)
    assert type(error) is TemporaryError
    assert "the runner's OIDC endpoint" in str(error)


@pytest.mark.parametrize(
    ("change", "kind"),
    [
        ({URL: ""}, CredentialsError),
        ({BEARER: " "}, CredentialsError),
        ({BEARER: "a\x01b"}, CredentialsError),
        ({BEARER: "a b"}, CredentialsError),
        ({URL: "http://runner.test/?x=1"}, UsageError),
        ({URL: "ftp://127.0.0.1/"}, UsageError),
        ({URL: "file:///etc/passwd"}, UsageError),
    ],
)
def test_a_runners_variable_that_is_wrong_is_an_error_before_anybody_is_asked(
    scripted: ScriptedServer, change: dict[str, str], kind: type[Error]
) -> None:
    assert type(refusal(runner(scripted, **change))) is kind
    assert not scripted.requests
