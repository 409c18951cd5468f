"""Who we are to AWS and where: regions, profiles, roles, OIDC tokens of GitHub and GitLab, endpoints, CAs."""

import contextlib
import http.server
import json
import os
import ssl
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import trustme
from awskit import ID, KEY, KEY_ID, REGION, ROLE, SECRET, fresh, keys
from gc_credhelper.deadline import Deadline
from gc_credhelper.errors import CredentialsError, TemporaryError, UsageError
from support.hunting import Built, canary, failing, soon
from support.scripted import Request, ScriptedServer
from support.scripted import http as answer

from gc_credhelper_aws import variables

PAIR = json.dumps({"client_id": ID, "client_secret": SECRET})
FOUND = answer(200, {"SecretString": PAIR})
TOKEN = canary("canary.eyJvaWRj.token-7Kd")
BEARER = canary("canary-runner-bearer-2Hs")
TEMPORARY = canary("canary-session-token-Xe4")
OTHER = "arn:aws:iam::999999999999:role/far-away"


def sts(operation: str, key: str = "ASIATEMPORARYKEY0000") -> bytes:
    """What STS answers."""
    xml = (
        f'<{operation}Response xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><{operation}Result>'
        f"<AssumedRoleUser><Arn>arn:aws:sts::123456789012:assumed-role/ci/x</Arn></AssumedRoleUser><Credentials>"
        f"<AccessKeyId>{key}</AccessKeyId><SecretAccessKey>{KEY}</SecretAccessKey>"
        f"<SessionToken>{TEMPORARY}</SessionToken><Expiration>2099-01-01T00:00:00Z</Expiration>"
        f"</Credentials></{operation}Result></{operation}Response>"
    )
    return answer(200, xml, Content_Type="text/xml")


WEB, ASSUMED = sts("AssumeRoleWithWebIdentity"), sts("AssumeRole", "ASIASECONDROLEKEY000")


def sts_error(code: str) -> bytes:
    xml = f"<ErrorResponse><Error><Code>{code}</Code><Message>no {TOKEN}</Message></Error></ErrorResponse>"
    return answer(403, xml, Content_Type="text/xml")


def form(request: Request) -> dict[str, str]:
    """What was sent to STS."""
    return {name: values[0] for name, values in parse_qs(request.body.decode()).items()}


def signer(request: Request) -> str:
    """Whose key signed it."""
    return request.headers.get("authorization", "").partition("Credential=")[2].partition("/")[0]


@pytest.fixture
def aws(scripted: ScriptedServer) -> dict[str, str]:
    """The variables that send every service to the scripted server; no credentials."""
    return {"AWS_REGION": REGION, "AWS_ENDPOINT_URL": f"http://127.0.0.1:{scripted.port}"}


Ask = Callable[..., tuple[str, str]]


@pytest.fixture
def read(provider: Any) -> Ask:
    def ask(env: dict[str, str], *, deadline: Deadline | None = None, **settings: object) -> tuple[str, str]:
        found = provider(env, **{"secret": "ci/genesys", **settings}).plugin.credentials(deadline or soon())
        return found.client_id, found.client_secret.reveal()

    return ask


@pytest.fixture
def files(tmp_path: Path) -> Callable[..., None]:
    """Writes AWS' config files into HOME."""

    def write(config: str = "", credentials: str = "") -> None:
        (tmp_path / ".aws").mkdir(exist_ok=True)
        (tmp_path / ".aws" / "config").write_text(config)
        (tmp_path / ".aws" / "credentials").write_text(credentials)

    return write


def region_of(request: Request) -> str:
    return request.headers["authorization"].partition("Credential=")[2].split("/")[2]


# --- the region


@pytest.mark.parametrize(
    ("env", "settings", "region"),
    [
        ({"AWS_REGION": "eu-west-1", "AWS_DEFAULT_REGION": "us-east-1"}, {}, "eu-west-1"),
        ({"AWS_REGION": "", "AWS_DEFAULT_REGION": "us-east-1"}, {}, "us-east-1"),
        ({"AWS_REGION": "eu-west-1"}, {"region": "ap-south-1"}, "ap-south-1"),
        (
            {"AWS_REGION": "eu-west-1"},
            {"secret": "arn:aws:secretsmanager:sa-east-1:123456789012:secret:ci/genesys-abcdef"},
            "sa-east-1",
        ),
        (
            {"AWS_REGION": "eu-west-1"},
            {"secret": "arn:aws:secretsmanager:sa-east-1:123456789012:secret:x", "region": "sa-east-1"},
            "sa-east-1",
        ),
        ({"AWS_REGION": ""}, {}, "me-south-1"),
    ],
)
def test_the_region_is_that_of_setting_arn_and_variables_in_this_order(
    aws: dict[str, str],
    scripted: ScriptedServer,
    read: Ask,
    files: Any,
    env: dict[str, str],
    settings: dict[str, str],
    region: str,
) -> None:
    scripted.answers = [FOUND]
    files("[default]\nregion = me-south-1\n")
    assert read(keys(aws["AWS_ENDPOINT_URL"], **env), **settings) == (ID, SECRET)
    assert region_of(scripted.requests[0]) == region


def test_a_setting_that_contradicts_the_arn_is_a_mistake(provider: Any) -> None:
    arn = "arn:aws:secretsmanager:sa-east-1:123456789012:secret:x"
    with pytest.raises(UsageError, match="lies in sa-east-1"):
        provider(keys("http://127.0.0.1:1"), secret=arn, region="eu-west-1")


def test_without_any_region_it_is_a_mistake_that_says_how_to_set_one(aws: dict[str, str], read: Ask) -> None:
    error = failing(UsageError, lambda: read(keys(aws["AWS_ENDPOINT_URL"], AWS_REGION="")))
    assert "region of AWS is not set" in str(error)
    assert "AWS_REGION" in error.hint


def test_a_variable_that_is_no_region_is_a_mistake(provider: Any) -> None:
    with pytest.raises(UsageError, match="variable AWS_REGION must be a region"):
        provider(keys("http://127.0.0.1:1", AWS_REGION="evil.example.com/"), secret="x")


# --- keys and profiles


def test_keys_of_the_environment_sign(aws: dict[str, str], scripted: ScriptedServer, read: Ask) -> None:
    scripted.answers = [FOUND]
    read(keys(aws["AWS_ENDPOINT_URL"], AWS_SESSION_TOKEN=TEMPORARY))
    assert signer(scripted.requests[0]) == KEY_ID
    assert scripted.requests[0].headers["x-amz-security-token"] == TEMPORARY


def test_half_of_the_keys_is_an_error(aws: dict[str, str], read: Ask) -> None:
    env = keys(aws["AWS_ENDPOINT_URL"]) | {"AWS_SECRET_ACCESS_KEY": ""}
    assert "half of the AWS credentials" in str(failing(CredentialsError, lambda: read(env)))


def test_without_any_credentials_the_hint_names_the_ways(aws: dict[str, str], read: Ask) -> None:
    error = failing(CredentialsError, lambda: read(aws))
    assert "no AWS credentials" in str(error)
    assert "aws.role_arn" in error.hint


PROFILES = f"""
[default]
aws_access_key_id = AKIADEFAULT000000000
aws_secret_access_key = {KEY}
[one]
aws_access_key_id = AKIAPROFILEONE000000
aws_secret_access_key = {KEY}
[two]
aws_access_key_id = AKIAPROFILETWO000000
aws_secret_access_key = {KEY}
"""


@pytest.mark.parametrize(
    ("env", "settings", "key"),
    [
        ({}, {}, "AKIADEFAULT000000000"),
        ({"AWS_PROFILE": ""}, {}, "AKIADEFAULT000000000"),
        ({"AWS_PROFILE": "one"}, {}, "AKIAPROFILEONE000000"),
        ({"AWS_PROFILE": "one", "AWS_DEFAULT_PROFILE": "two"}, {}, "AKIAPROFILEONE000000"),
        ({"AWS_PROFILE": "", "AWS_DEFAULT_PROFILE": "two"}, {}, "AKIAPROFILETWO000000"),
        ({"AWS_PROFILE": "one"}, {"profile": "two"}, "AKIAPROFILETWO000000"),
        ({"AWS_PROFILE": "one", "AWS_ACCESS_KEY_ID": KEY_ID, "AWS_SECRET_ACCESS_KEY": KEY}, {}, KEY_ID),
        (
            {"AWS_ACCESS_KEY_ID": KEY_ID, "AWS_SECRET_ACCESS_KEY": KEY},
            {"profile": "two"},
            "AKIAPROFILETWO000000",
        ),
        ({"AWS_CONFIG_FILE": "", "AWS_SHARED_CREDENTIALS_FILE": ""}, {}, "AKIADEFAULT000000000"),
    ],
)
def test_the_profile_is_that_of_the_setting_and_the_variables_as_aws_ranks_them(
    aws: dict[str, str],
    scripted: ScriptedServer,
    read: Ask,
    files: Any,
    env: dict[str, str],
    settings: dict[str, str],
    key: str,
) -> None:
    scripted.answers = [FOUND]
    files(credentials=PROFILES)
    read(aws | env, **settings)
    assert signer(scripted.requests[0]) == key


@pytest.mark.parametrize(("env", "settings"), [({"AWS_PROFILE": "nope"}, {}), ({}, {"profile": "nope"})])
def test_a_profile_that_is_not_there_is_a_mistake(
    aws: dict[str, str], read: Ask, env: dict[str, str], settings: dict[str, str]
) -> None:
    assert "no such profile" in str(failing(UsageError, lambda: read(aws | env, **settings)))


def test_a_config_file_that_cannot_be_parsed_is_a_mistake_that_does_not_quote_it(
    aws: dict[str, str], read: Ask, files: Any
) -> None:
    files(credentials=f"aws_secret_access_key = {KEY}\n[default\n")
    failing(UsageError, lambda: read(aws))


def test_a_profile_that_wants_a_code_is_refused_and_nobody_is_asked(aws: dict[str, str], read: Ask, files: Any) -> None:
    config = f"[profile a]\nrole_arn = {ROLE}\nsource_profile = b\n"
    config += f"[profile b]\nrole_arn = {ROLE}\nsource_profile = one\nmfa_serial = x\n"
    files(config, PROFILES)
    assert "second factor" in str(failing(CredentialsError, lambda: read(aws | {"AWS_PROFILE": "a"})))


def test_a_credential_process_that_fails_is_an_error_without_its_output(
    aws: dict[str, str], read: Ask, files: Any
) -> None:
    files(f"[default]\ncredential_process = sh -c 'echo {TEMPORARY} >&2; exit 1'\n")
    assert "credential_process" in str(failing(CredentialsError, lambda: read(aws)))


# --- roles


def test_a_role_is_assumed_with_session_name_and_external_id(
    aws: dict[str, str], scripted: ScriptedServer, read: Ask
) -> None:
    scripted.answers = [ASSUMED, FOUND]
    assert read(keys(aws["AWS_ENDPOINT_URL"]), role_arn=ROLE, external_id="e-1", role_session_name="job") == (
        ID,
        SECRET,
    )
    sent = form(scripted.requests[0])
    assert (sent["Action"], sent["RoleArn"], sent["ExternalId"]) == ("AssumeRole", ROLE, "e-1")
    assert sent["RoleSessionName"] == "job"
    assert [signer(request) for request in scripted.requests] == [KEY_ID, "ASIASECONDROLEKEY000"]


def test_moto_takes_the_role_too(moto: str, provider: Any, operator: Any) -> None:
    name = fresh("ci/role")
    operator("secretsmanager", moto).create_secret(Name=name, SecretString=PAIR)
    assert provider(keys(moto), secret=name, role_arn=ROLE).plugin.credentials(soon()).client_id == ID


def test_a_role_of_a_profile_is_assumed_by_the_librarys_own_chain(
    aws: dict[str, str], scripted: ScriptedServer, read: Ask, files: Any
) -> None:
    files(f"[profile ci]\nrole_arn = {ROLE}\nsource_profile = one\nexternal_id = e-2\n", PROFILES)
    scripted.answers = [ASSUMED, FOUND]
    assert read(aws | {"AWS_PROFILE": "ci"}) == (ID, SECRET)
    assert form(scripted.requests[0])["ExternalId"] == "e-2"


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("AccessDenied", "does not let us assume"),
        ("ExpiredTokenException", "past their time"),
        ("ValidationError", "does not take the request to assume"),
        ("SomethingNewException", "refused the login (SomethingNewException)"),
        (TOKEN, "a code that we do not know"),
    ],
)
def test_a_role_that_is_refused_says_why(
    aws: dict[str, str], scripted: ScriptedServer, read: Ask, code: str, said: str
) -> None:
    scripted.answers = [sts_error(code)]
    error = failing(CredentialsError, lambda: read(keys(aws["AWS_ENDPOINT_URL"]), role_arn=ROLE))
    assert said in str(error)


# --- OIDC tokens


def github(scripted: ScriptedServer, **more: str) -> dict[str, str]:
    return {
        "ACTIONS_ID_TOKEN_REQUEST_URL": f"http://127.0.0.1:{scripted.port}/runner?api-version=2",
        "ACTIONS_ID_TOKEN_REQUEST_TOKEN": BEARER,
        **more,
    }


@pytest.mark.parametrize("variable", [True, False])
def test_on_github_the_runners_token_is_traded_for_the_role(
    aws: dict[str, str], scripted: ScriptedServer, read: Ask, tmp_path: Path, *, variable: bool
) -> None:
    scripted.answers = [answer(200, {"value": TOKEN}), WEB, FOUND]
    role = ({"AWS_ROLE_ARN": ROLE}, {}) if variable else ({}, {"role_arn": ROLE})
    assert read(aws | github(scripted) | role[0], **role[1]) == (ID, SECRET)
    asked, traded, found = scripted.requests
    assert asked.line == "GET /runner?api-version=2&audience=sts.amazonaws.com HTTP/1.1"
    assert asked.headers["authorization"] == f"bearer {BEARER}"
    sent = form(traded)
    assert (sent["Action"], sent["RoleArn"]) == ("AssumeRoleWithWebIdentity", ROLE)
    assert (sent["WebIdentityToken"], sent["RoleSessionName"]) == (TOKEN, "gc-credhelper")
    assert "authorization" not in traded.headers
    assert signer(found) == "ASIATEMPORARYKEY0000"
    written = [path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()]
    assert not [content for content in written if TOKEN.encode() in content]


def test_a_further_role_is_assumed_with_the_first(aws: dict[str, str], scripted: ScriptedServer, read: Ask) -> None:
    scripted.answers = [answer(200, {"value": TOKEN}), WEB, ASSUMED, FOUND]
    env = aws | github(scripted, AWS_ROLE_ARN=ROLE)
    assert read(env, role_arn=OTHER, external_id="e-3") == (ID, SECRET)
    _, first, second, found = scripted.requests
    assert (form(first)["RoleArn"], form(second)["RoleArn"]) == (ROLE, OTHER)
    assert "ExternalId" not in form(first)
    assert form(second)["ExternalId"] == "e-3"
    assert (signer(second), signer(found)) == ("ASIATEMPORARYKEY0000", "ASIASECONDROLEKEY000")


def test_the_login_happens_once_for_many_requests(aws: dict[str, str], scripted: ScriptedServer, provider: Any) -> None:
    scripted.answers = [answer(200, {"value": TOKEN}), WEB, FOUND]
    plugin = provider(aws | github(scripted), secret="x", role_arn=ROLE).plugin
    for _ in range(3):
        plugin.credentials(soon())
    assert len(scripted.requests) == 5


@pytest.mark.parametrize(
    ("reply", "kind"),
    [(answer(403, {"message": BEARER}), CredentialsError), (answer(503, "<html>"), TemporaryError)],
)
def test_a_runner_that_gives_no_token_is_an_error(
    aws: dict[str, str], scripted: ScriptedServer, read: Ask, reply: bytes, kind: type[Any]
) -> None:
    scripted.answers = [reply]
    error = failing(kind, lambda: read(aws | github(scripted), role_arn=ROLE))
    assert "the runner's OIDC endpoint" in str(error)


def test_a_runner_that_lends_nothing_is_not_asked(aws: dict[str, str], scripted: ScriptedServer, read: Ask) -> None:
    env = aws | github(scripted, ACTIONS_ID_TOKEN_REQUEST_TOKEN="")
    failing(CredentialsError, lambda: read(env, role_arn=ROLE))
    assert not scripted.requests


@pytest.mark.parametrize("code", ["InvalidIdentityToken", "IDPRejectedClaim", "AccessDenied", "ExpiredTokenException"])
def test_a_token_that_aws_refuses_is_an_error_that_does_not_show_it(
    aws: dict[str, str], scripted: ScriptedServer, read: Ask, code: str
) -> None:
    scripted.answers = [answer(200, {"value": TOKEN}), sts_error(code)]
    failing(CredentialsError, lambda: read(aws | github(scripted), role_arn=ROLE))


def test_an_identity_provider_that_aws_cannot_reach_may_pass(
    aws: dict[str, str], scripted: ScriptedServer, read: Ask
) -> None:
    bad = [answer(200, {"value": TOKEN}), sts_error("IDPCommunicationError")]
    scripted.answers = [*bad, answer(200, {"value": TOKEN}), WEB, FOUND]
    assert read(aws | github(scripted), role_arn=ROLE) == (ID, SECRET)


@pytest.mark.parametrize("role", [({"AWS_ROLE_ARN": ROLE}, {}), ({}, {"role_arn": ROLE})])
def test_gitlabs_token_in_a_file_is_traded_for_the_role(
    aws: dict[str, str], scripted: ScriptedServer, read: Ask, tmp_path: Path, role: tuple[dict[str, str], ...]
) -> None:
    (tmp_path / "token").write_text(TOKEN + "\n")
    scripted.answers = [WEB, FOUND]
    env = aws | role[0] | {"AWS_WEB_IDENTITY_TOKEN_FILE": str(tmp_path / "token"), "AWS_ROLE_SESSION_NAME": "gitlab"}
    assert read(env, **role[1]) == (ID, SECRET)
    sent = form(scripted.requests[0])
    assert (sent["WebIdentityToken"], sent["RoleArn"], sent["RoleSessionName"]) == (TOKEN, ROLE, "gitlab")


def test_gitlabs_token_in_a_variable_needs_no_file(aws: dict[str, str], scripted: ScriptedServer, read: Ask) -> None:
    scripted.answers = [WEB, FOUND]
    settings = {"role_arn": ROLE, "web_identity_env": "AWS_ID_TOKEN"}
    assert read(aws | {"AWS_ID_TOKEN": TOKEN}, **settings) == (ID, SECRET)
    assert form(scripted.requests[0])["WebIdentityToken"] == TOKEN
    failing(CredentialsError, lambda: read(aws | {"AWS_ID_TOKEN": ""}, **settings))


@pytest.mark.parametrize("content", [None, b"", b"a b", b"\xff\xfe"])
def test_a_token_file_that_is_wrong_is_an_error(
    aws: dict[str, str], read: Ask, tmp_path: Path, content: bytes | None
) -> None:
    if content is not None:
        (tmp_path / "token").write_bytes(content)
    env = aws | {"AWS_WEB_IDENTITY_TOKEN_FILE": str(tmp_path / "token"), "AWS_ROLE_ARN": ROLE}
    assert "OIDC token file" in str(failing(CredentialsError, lambda: read(env)))


def test_whoever_has_keys_needs_no_token_and_auth_says_otherwise(
    aws: dict[str, str], scripted: ScriptedServer, read: Ask
) -> None:
    scripted.answers = [ASSUMED, FOUND]
    env = keys(aws["AWS_ENDPOINT_URL"], **github(scripted))
    read(env, role_arn=ROLE)
    assert form(scripted.requests[0])["Action"] == "AssumeRole"
    scripted.requests.clear()
    scripted.answers = [answer(200, {"value": TOKEN}), WEB, FOUND]
    read(env, role_arn=ROLE, auth="github")
    assert form(scripted.requests[1])["Action"] == "AssumeRoleWithWebIdentity"
    scripted.requests.clear()
    scripted.answers = [FOUND]
    read(env, auth="chain")
    assert signer(scripted.requests[0]) == KEY_ID


@pytest.mark.parametrize(
    ("env", "settings"),
    [({}, {"auth": "github"}), ({}, {"auth": "web-identity", "role_arn": ROLE}), ({}, {"web_identity_env": "X"})],
)
def test_a_login_that_lacks_something_is_a_mistake(
    provider: Any, env: dict[str, str], settings: dict[str, str]
) -> None:
    with pytest.raises(UsageError):
        provider(keys("http://127.0.0.1:1", **env), secret="x", **settings)


# --- machines


def test_the_role_of_a_container_is_taken(aws: dict[str, str], scripted: ScriptedServer, read: Ask) -> None:
    given = {"AccessKeyId": "ASIACONTAINER0000000", "SecretAccessKey": KEY, "Token": TEMPORARY}
    scripted.answers = [answer(200, {**given, "Expiration": "2099-01-01T00:00:00Z"}), FOUND]
    env = aws | {"AWS_CONTAINER_CREDENTIALS_FULL_URI": f"http://127.0.0.1:{scripted.port}/creds"}
    assert read(env) == (ID, SECRET)
    assert signer(scripted.requests[1]) == "ASIACONTAINER0000000"


def test_the_role_of_an_instance_is_taken(aws: dict[str, str], scripted: ScriptedServer, read: Ask) -> None:
    given = {"AccessKeyId": "ASIAINSTANCE00000000", "SecretAccessKey": KEY, "Token": TEMPORARY, "Code": "Success"}
    scripted.answers = [
        answer(200, "imds-token"),
        answer(200, "ci-role"),
        answer(200, {**given, "Expiration": "2099-01-01T00:00:00Z"}),
        FOUND,
    ]
    env = aws | {
        "AWS_EC2_METADATA_DISABLED": "",
        "AWS_EC2_METADATA_SERVICE_ENDPOINT": f"http://127.0.0.1:{scripted.port}/",
    }
    assert read(env) == (ID, SECRET)
    assert signer(scripted.requests[3]) == "ASIAINSTANCE00000000"


def test_a_metadata_service_that_does_not_answer_may_pass(
    aws: dict[str, str], scripted: ScriptedServer, read: Ask
) -> None:
    scripted.answers = [b""]
    env = aws | {
        "AWS_EC2_METADATA_DISABLED": "",
        "AWS_EC2_METADATA_SERVICE_ENDPOINT": f"http://127.0.0.1:{scripted.port}/",
    }
    error = failing(TemporaryError, lambda: read(env))
    assert "metadata service" in str(error)


def test_a_machine_says_itself_whether_it_is_an_instance(tmp_path: Path, provider: Any) -> None:
    values = provider(
        keys("http://127.0.0.1:1", AWS_EC2_METADATA_DISABLED=""), secret="x"
    ).plugin._client.identity.values
    (tmp_path / "vendor").write_text("Amazon EC2\n")
    assert variables.on_ec2(values, tmp_path / "vendor")
    (tmp_path / "vendor").write_text("QEMU\n")
    assert not variables.on_ec2(values, tmp_path / "vendor")
    assert not variables.on_ec2(values, tmp_path / "nothing")


# --- endpoints


@pytest.mark.parametrize(
    ("env", "settings", "reached"),
    [
        ({"AWS_ENDPOINT_URL": "{}"}, {}, True),
        ({"AWS_ENDPOINT_URL_SECRETS_MANAGER": "{}", "AWS_ENDPOINT_URL": "http://127.0.0.1:1"}, {}, True),
        ({"AWS_ENDPOINT_URL_SECRETS_MANAGER": "", "AWS_ENDPOINT_URL": "{}"}, {}, True),
        ({"AWS_ENDPOINT_URL_SECRETS_MANAGER": "http://127.0.0.1:1"}, {"endpoint_url": "{}"}, True),
        ({"AWS_ENDPOINT_URL": "{}", "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS": "true"}, {}, False),
        (
            {"AWS_ENDPOINT_URL": "http://127.0.0.1:1", "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS": "true"},
            {"endpoint_url": "{}"},
            True,
        ),
    ],
)
def test_the_endpoint_is_that_of_setting_and_variables_as_aws_ranks_them(
    scripted: ScriptedServer, read: Ask, env: dict[str, str], settings: dict[str, str], *, reached: bool
) -> None:
    scripted.answers = [FOUND]
    here = f"http://127.0.0.1:{scripted.port}"
    env = keys("") | {name: value.replace("{}", here) for name, value in env.items()}
    # What is not sent to the scripted server goes to a proxy that is not there, and so nowhere.
    env |= {"HTTPS_PROXY": "http://127.0.0.1:1", "HTTP_PROXY": "http://127.0.0.1:1"}
    settings = {name: value.replace("{}", here) for name, value in settings.items()}
    if reached:
        assert read(env, **settings) == (ID, SECRET)
    else:
        failing(TemporaryError, lambda: read(env, deadline=Deadline(0.9), **settings))
        assert not scripted.requests


def test_an_endpoint_of_the_config_file_is_used(scripted: ScriptedServer, read: Ask, files: Any) -> None:
    scripted.answers = [FOUND]
    url = f"http://127.0.0.1:{scripted.port}"
    files(f"[default]\nservices = here\n[services here]\nsecrets_manager =\n  endpoint_url = {url}\n")
    env = keys("", HTTP_PROXY="http://127.0.0.1:1")
    assert read(env) == (ID, SECRET)


@pytest.mark.parametrize("name", ["AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_SECRETS_MANAGER", "AWS_ENDPOINT_URL_STS"])
@pytest.mark.parametrize("url", ["http://vpce.example.com", "nope", "https://user:x@example.com"])
def test_a_variable_with_an_endpoint_that_is_not_https_is_a_mistake(provider: Any, name: str, url: str) -> None:
    with pytest.raises(UsageError, match=f"the variable {name} must"):
        provider(keys("", **{name: url}), secret="x")


def test_an_endpoint_of_the_config_file_that_is_not_https_is_a_mistake_before_anything_is_sent(
    read: Ask, files: Any
) -> None:
    files("[default]\nendpoint_url = http://vpce.example.com\n")
    error = failing(UsageError, lambda: read(keys("")))
    assert "vpce.example.com would have the secret sent in clear" in str(error)


# --- TLS


@pytest.fixture
def tls(tmp_path: Path) -> Iterator[tuple[str, Path]]:
    """A server with a certificate of a CA of its own: its address, and the CA's file."""
    ca = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    ca.issue_cert("localhost").configure_cert(context)
    ca.cert_pem.write_to_path(str(tmp_path / "ca.pem"))

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            body = json.dumps({"SecretString": PAIR}).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    yield f"https://localhost:{urlsplit(f'//x:{server.server_address[1]}').port}", tmp_path / "ca.pem"
    server.shutdown()
    server.server_close()


@pytest.mark.parametrize("name", variables.CA)
def test_a_ca_of_ones_own_is_named_by_any_of_the_usual_variables(tls: tuple[str, Path], read: Ask, name: str) -> None:
    assert read(keys(tls[0], **{name: str(tls[1])})) == (ID, SECRET)


@pytest.mark.parametrize("empty", [{}, dict.fromkeys(variables.CA, "")])
def test_a_certificate_of_a_stranger_is_not_trusted_and_an_empty_variable_changes_nothing(
    tls: tuple[str, Path], read: Ask, empty: dict[str, str]
) -> None:
    error = failing(UsageError, lambda: read(keys(tls[0], **empty)))
    assert "is not trusted" in str(error)
    assert "AWS_CA_BUNDLE" in error.hint


# --- what is recorded


def test_all_that_decides_which_secret_is_meant_is_recorded_and_no_secret_is(
    aws: dict[str, str], provider: Any, files: Any, tmp_path: Path
) -> None:
    files(credentials=PROFILES)
    built: Built = provider(
        keys(aws["AWS_ENDPOINT_URL"], AWS_SESSION_TOKEN=TEMPORARY, AWS_PROFILE="one", AWS_ROLE_ARN=ROLE), secret="x"
    )
    assert built.inputs
    record = built.inputs.record
    for name in ("AWS_PROFILE", "AWS_REGION", "AWS_ACCESS_KEY_ID", "AWS_ROLE_ARN", "AWS_ENDPOINT_URL"):
        assert record[b"E", name.encode()] == os.environ[name].encode()
    for name in ("AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"):
        assert record[b"S", name.encode()] == b""
    for name in ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE", "AWS_DEFAULT_PROFILE", "AWS_ENDPOINT_URL_SSM"):
        assert (b"U", name.encode()) in record
    assert (b"F", str(tmp_path / ".aws" / "credentials").encode()) in record
    assert (b"F", str(tmp_path / ".aws" / "config").encode()) in record
    assert KEY.encode() not in b"".join(record.values())
    assert TEMPORARY.encode() not in b"".join(record.values())


def test_a_child_that_was_forked_makes_its_own_connections(
    aws: dict[str, str], scripted: ScriptedServer, provider: Any
) -> None:
    scripted.answers = [FOUND]
    plugin = provider(keys(aws["AWS_ENDPOINT_URL"]), secret="x").plugin
    plugin.credentials(soon())
    plugin._client._turn.acquire()  # as a thread of the parent may have, which the child does not have
    child = os.fork()
    if not child:
        code = 1
        with contextlib.suppress(BaseException):
            code = int(plugin.credentials(soon(10)).client_id != ID)
        os._exit(code)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
