"""What AWS and those between us and it may answer: codes with botocore's Stubber, the rest from a scripted server."""

import json
import logging
import re
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest
from awskit import ID, KEY, REGION, SECRET, keys
from botocore.stub import Stubber
from gc_credhelper.credentials import ClientCredentials, Secret
from gc_credhelper.deadline import Deadline
from gc_credhelper.errors import CredentialsError, TemporaryError, UsageError
from support.hunting import canary, failing, hunt, soon
from support.scripted import ScriptedServer
from support.scripted import http as answer

from gc_credhelper_aws.errors import Forbidden, Refused, meaning

PAIR = json.dumps({"client_id": ID, "client_secret": SECRET})
ECHO = canary("canary-echo-of-the-request-5Tg")
FOUND = answer(200, {"SecretString": PAIR})


def stubbed(plugin: Any, service: str) -> Stubber:
    """botocore's own stub on the client that the plug-in uses."""
    return Stubber(plugin._client.client(service, REGION, soon()))


def refuse(plugin: Any, service: str, operation: str, code: str, times: int = 1) -> Stubber:
    stub = stubbed(plugin, service)
    for _ in range(times):
        stub.add_client_error(operation, code, f"User: {ECHO} is not authorized", http_status_code=400)
    return stub


DENIED = [
    "AccessDeniedException",
    "ExpiredTokenException",
    "UnrecognizedClientException",
    "InvalidSignatureException",
    "MissingAuthenticationTokenException",
    "RequestExpired",
    "KMSDisabledException",
]


@pytest.mark.parametrize(
    ("code", "kind", "said", "hint"),
    [
        ("AccessDeniedException", Forbidden, "AWS denies the secret x", "secretsmanager:GetSecretValue"),
        ("ExpiredTokenException", Forbidden, "past their time", "log in again"),
        ("UnrecognizedClientException", Forbidden, "does not know these credentials", "AWS_ACCESS_KEY_ID"),
        ("InvalidClientTokenId", Forbidden, "does not know these credentials", "AWS_SESSION_TOKEN"),
        ("MissingAuthenticationTokenException", Forbidden, "does not know these credentials", "AWS_SECRET_ACCESS_KEY"),
        ("InvalidSignatureException", Forbidden, "secret access key is wrong", "belong together"),
        ("RequestExpired", Forbidden, "clock of this machine", "set the clock"),
        ("DecryptionFailure", Forbidden, "key of the secret x cannot be used", "kms:Decrypt"),
        ("ResourceNotFoundException", CredentialsError, f"no secret x in {REGION}", "region and account"),
        ("InvalidRequestException", CredentialsError, "marked for deletion", "restore-secret"),
        ("InvalidParameterException", UsageError, "does not take the request for the secret x", "settings"),
        ("OptInRequired", UsageError, "does not use this service", "region"),
        ("SomethingNewException", UsageError, "did not take the request for the secret x (SomethingNew", "settings"),
        (ECHO, UsageError, "a code that we do not know", "settings"),
    ],
)
def test_each_code_has_its_own_error_and_hint(provider: Any, code: str, kind: Any, said: str, hint: str) -> None:
    plugin = provider(keys("http://127.0.0.1:1"), secret="x").plugin
    with refuse(plugin, "secretsmanager", "get_secret_value", code):
        error = failing(kind, lambda: plugin.credentials(soon()))
    assert said in str(error)
    assert hint in error.hint


PASSING = [
    "ThrottlingException",
    "Throttling",
    "TooManyRequestsException",
    "RequestLimitExceeded",
    "InternalServiceError",
    "ServiceUnavailableException",
    "InternalFailure",
    "RequestTimeout",
    "503",
]


@pytest.mark.parametrize("code", PASSING)
def test_what_may_pass_is_temporary(code: str) -> None:
    for operation in ("GetSecretValue", "GetParameter", "GetItem", "PutItem"):
        assert type(meaning(Refused(code, operation), "secret x")) is TemporaryError


def test_what_may_pass_is_asked_again_three_times_at_most(provider: Any) -> None:
    built = provider(keys("http://127.0.0.1:1"), secret="x")
    stub = refuse(built.plugin, "secretsmanager", "get_secret_value", "ThrottlingException", 2)
    stub.add_response("get_secret_value", {"SecretString": PAIR})
    with stub:
        assert built.plugin.credentials(soon()).client_id == ID
    assert len([line for line in built.said if "trying again" in line]) == 2
    with refuse(built.plugin, "secretsmanager", "get_secret_value", "InternalServiceError", 3) as stub:
        failing(TemporaryError, lambda: built.plugin.credentials(soon()))
        stub.assert_no_pending_responses()


@pytest.mark.parametrize(
    ("code", "kind", "said"),
    [
        ("AccessDeniedException", Forbidden, "ssm:GetParameter"),
        ("ParameterNotFound", CredentialsError, "path, region"),
        ("ParameterVersionNotFound", CredentialsError, "behind the colon"),
        ("InvalidKeyId", Forbidden, "kms:Decrypt"),
        ("ValidationException", UsageError, "settings"),
    ],
)
def test_each_code_of_parameter_store_has_its_own_error(parameters: Any, code: str, kind: Any, said: str) -> None:
    plugin = parameters(keys("http://127.0.0.1:1"), ssm__path="/x").plugin
    with refuse(plugin, "ssm", "get_parameter", code):
        assert said in failing(kind, lambda: plugin.credentials(soon())).hint


@pytest.mark.parametrize("code", ["AccessDeniedException", "LimitExceededException", "EncryptionFailure"])
def test_a_refused_write_of_credentials_is_an_error(provider: Any, code: str) -> None:
    plugin = provider(keys("http://127.0.0.1:1"), secret="x").plugin
    kind: Any = UsageError if code.startswith("Limit") else Forbidden
    with refuse(plugin, "secretsmanager", "create_secret", code):
        failing(kind, lambda: plugin.store(ClientCredentials(ID, Secret(SECRET)), soon(), replace=False))


def test_credentials_that_aws_does_not_know_are_looked_for_anew(provider: Any) -> None:
    plugin = provider(keys("http://127.0.0.1:1"), secret="x").plugin
    with refuse(plugin, "secretsmanager", "get_secret_value", "ExpiredTokenException") as stub:
        failing(Forbidden, lambda: plugin.credentials(soon()))
        assert plugin._client.client("secretsmanager", REGION, soon()) is not stub.client


def test_no_code_of_aws_is_taken_for_what_may_pass_by_its_status() -> None:
    for code in DENIED:
        assert not isinstance(meaning(Refused(code, "GetSecretValue"), "secret x"), TemporaryError)


# --- the network


@pytest.fixture
def asked(scripted: ScriptedServer, provider: Any) -> Callable[..., ClientCredentials]:
    """Asks the scripted server for the secret."""

    def ask(seconds: float = 20, **settings: object) -> ClientCredentials:
        env = keys(f"http://127.0.0.1:{scripted.port}")
        found: ClientCredentials = provider(env, secret="x", **settings).plugin.credentials(Deadline(seconds))
        return found

    return ask


@pytest.mark.parametrize(
    ("reply", "kind", "said"),
    [
        (answer(200, "<html>" + ECHO), UsageError, "not AWS'"),
        (answer(200, ""), UsageError, "not AWS'"),
        (answer(200, {}), UsageError, "holds no secret"),
        (answer(200, {"SecretString": 7}), UsageError, "holds no secret"),
        (answer(200, [ECHO].__repr__()), UsageError, "not AWS'"),
        (answer(301, "", Location="https://elsewhere.test/"), UsageError, "leads elsewhere (301)"),
        (answer(307, "<html>", Location="https://elsewhere.test/"), UsageError, "leads elsewhere (307)"),
        (answer(403, "<html>" + ECHO), Forbidden, "AWS denies"),
        (answer(404, "<html>" + ECHO), UsageError, "(404)"),
        (answer(400, {"__type": ECHO, "message": ECHO}), UsageError, "a code that we do not know"),
        (answer(400, {"__type": "com.amazon#AccessDeniedException", "Message": ECHO}), Forbidden, "AWS denies"),
    ],
)
def test_an_answer_that_is_no_secret_is_an_error_that_does_not_show_it(
    asked: Any, scripted: ScriptedServer, reply: bytes, kind: Any, said: str
) -> None:
    scripted.answers = [reply]
    assert said in str(failing(kind, asked))
    assert len(scripted.requests) == 1


@pytest.mark.parametrize(
    "reply",
    [
        b"",
        b"nonsense\r\n\r\n",
        b'HTTP/1.1 200 OK\r\nContent-Length: 400\r\n\r\n{"SecretString": "',
        answer(500, "<html>" + ECHO),
        answer(502, "<html>" + ECHO),
        answer(503, ""),
        answer(429, ""),
    ],
)
def test_a_failure_on_the_way_may_pass(asked: Any, scripted: ScriptedServer, reply: bytes) -> None:
    scripted.answers = [reply, FOUND]
    assert asked().client_id == ID
    assert len(scripted.requests) == 2


def test_a_failure_that_does_not_pass_is_temporary_in_the_end(asked: Any, scripted: ScriptedServer) -> None:
    scripted.answers = [answer(500, "<html>" + ECHO)]
    failing(TemporaryError, asked)
    assert len(scripted.requests) == 3


def test_nobody_at_the_endpoint_may_pass(provider: Any) -> None:
    plugin = provider(keys("http://127.0.0.1:1"), secret="x").plugin
    assert "no connection" in str(failing(TemporaryError, lambda: plugin.credentials(Deadline(0.9))))


def test_one_that_hangs_ends_with_the_deadline_or_the_time_for_one_request(
    asked: Any, scripted: ScriptedServer
) -> None:
    ended = threading.Event()

    def hang(*_: object) -> None:
        ended.wait(30)

    scripted.answers = [hang]
    began = time.monotonic()
    failing(TemporaryError, lambda: asked(0.5))
    failing(TemporaryError, lambda: asked(5, timeout="200ms"))
    ended.set()
    assert time.monotonic() - began < 20


def test_an_endpoint_that_drips_ends_with_the_deadline(asked: Any, scripted: ScriptedServer) -> None:
    def drip(_: object, connection: Any) -> None:
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")
        for _ in range(300):
            connection.sendall(b"{")
            time.sleep(0.05)

    scripted.answers = [drip]
    began = time.monotonic()
    failing(TemporaryError, lambda: asked(0.7))
    assert time.monotonic() - began < 10


def test_a_proxy_is_used_for_aws_and_its_password_is_not_shown(provider: Any, scripted: ScriptedServer) -> None:
    scripted.answers = [answer(407, "")]
    password = canary("canary-proxy-password")
    env = keys("", HTTPS_PROXY=f"http://user:{password}@127.0.0.1:{scripted.port}")
    plugin = provider(env, secret="x").plugin
    failing(TemporaryError, lambda: plugin.credentials(Deadline(0.9)))
    assert all(request.line.startswith("CONNECT secretsmanager.") for request in scripted.requests)


def test_the_most_talkative_log_holds_neither_secret_nor_token(
    asked: Any, scripted: ScriptedServer, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    scripted.answers = [FOUND]
    assert asked().client_id == ID
    assert logging.getLogger("botocore.parsers").isEnabledFor(logging.DEBUG)
    assert caplog.records
    for record in caplog.records:
        hunt(f"{record.getMessage()} {record.args} {record.exc_text}")
        assert not re.search("Authorization|Response body", record.getMessage())


def test_the_log_of_other_users_of_the_library_stays_as_it_is(
    asked: Any, scripted: ScriptedServer, caplog: pytest.LogCaptureFixture
) -> None:
    scripted.answers = [FOUND]
    asked()
    logger = logging.getLogger("botocore.parsers")
    caplog.set_level(logging.DEBUG)
    logger.debug("of somebody else")
    assert "of somebody else" in caplog.text


def test_a_traceback_does_not_hold_what_the_library_was_told(asked: Any, scripted: ScriptedServer) -> None:
    scripted.answers = [answer(400, {"__type": "AccessDeniedException", "Message": f"{ECHO} {KEY}"})]
    error = failing(Forbidden, asked)
    seen: list[BaseException | None] = [error]
    while seen[-1] is not None:
        seen.append(seen[-1].__cause__ if seen[-1].__suppress_context__ else seen[-1].__context__)
    hunt("".join(repr(one) for one in seen))
