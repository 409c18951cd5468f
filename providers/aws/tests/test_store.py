"""`store`: a pair goes where the provider finds it, and nothing that lies there is lost."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from awskit import ID, REGION, SECRET, fresh, keys
from gc_credhelper.credentials import ClientCredentials, Secret
from gc_credhelper.errors import CredentialsError, UsageError
from support.hunting import canary, failing, soon

PAIR = ClientCredentials(ID, Secret(SECRET))
NEWER = ClientCredentials("newer", Secret(canary("canary-store-newer")))
Current = Callable[[], dict[str, Any]]


@pytest.fixture(params=["aws", "aws-ssm"])
def kind(request: pytest.FixtureRequest) -> str:
    chosen: str = request.param
    return chosen


@pytest.fixture
def name() -> str:
    return "/" + fresh("ci/stored")


@pytest.fixture
def writer(kind: str, moto: str, provider: Any, parameters: Any, name: str) -> Callable[..., Any]:
    """The provider of either kind, on the same name."""

    def make(**settings: object) -> Any:
        own = {f"aws__{key}": value for key, value in settings.items()}
        if kind == "aws":
            return provider(keys(moto), secret=name, **settings).plugin
        return parameters(keys(moto), ssm__path=name, **own).plugin

    return make


@pytest.fixture
def lies_there(kind: str, moto: str, operator: Any, name: str) -> Callable[[], dict[str, Any]]:
    """What lies there, by the operator's own tools."""

    def look() -> dict[str, Any]:
        if kind == "aws":
            text = operator("secretsmanager", moto).get_secret_value(SecretId=name)["SecretString"]
        else:
            text = operator("ssm", moto).get_parameter(Name=name, WithDecryption=True)["Parameter"]["Value"]
        found: dict[str, Any] = json.loads(text)
        return found

    return look


def test_what_is_stored_is_what_is_read(writer: Any, name: str, kind: str) -> None:
    where = writer().store(PAIR, soon(), replace=False)
    assert name in where
    assert REGION in where
    assert writer().credentials(soon()) == PAIR


def test_a_parameter_is_encrypted(moto: str, parameters: Any, operator: Any, name: str) -> None:
    parameters(keys(moto), ssm__path=name).plugin.store(PAIR, soon(), replace=False)
    assert operator("ssm", moto).get_parameter(Name=name)["Parameter"]["Type"] == "SecureString"


def test_what_lies_there_is_not_replaced_unless_somebody_says_so(writer: Any, lies_there: Current) -> None:
    writer().store(PAIR, soon(), replace=False)
    error = failing(CredentialsError, lambda: writer().store(NEWER, soon(), replace=False))
    assert "already" in str(error)
    assert "--replace" in error.hint
    assert lies_there()["client_id"] == ID
    writer().store(NEWER, soon(), replace=True)
    assert writer().credentials(soon()) == NEWER


def test_other_fields_stay_when_the_pair_is_replaced(
    writer: Any, lies_there: Current, kind: str, moto: str, operator: Any, name: str
) -> None:
    text = json.dumps({"client_id": "old", "client_secret": "old", "owner": "tëam", "number": 7})
    if kind == "aws":
        operator("secretsmanager", moto).create_secret(Name=name, SecretString=text)
    else:
        operator("ssm", moto).put_parameter(Name=name, Value=text, Type="SecureString")
    writer().store(PAIR, soon(), replace=True)
    assert lies_there() == {"client_id": ID, "client_secret": SECRET, "owner": "tëam", "number": 7}


def test_replace_makes_what_is_not_there(writer: Any) -> None:
    writer().store(PAIR, soon(), replace=True)
    assert writer().credentials(soon()) == PAIR


def test_the_names_of_the_fields_are_those_of_the_settings(writer: Any, lies_there: Current) -> None:
    writer(id_field="user", secret_field="password").store(PAIR, soon(), replace=False)
    assert lies_there() == {"user": ID, "password": SECRET}


def test_a_client_that_a_setting_contradicts_is_not_stored(writer: Any) -> None:
    failing(CredentialsError, lambda: writer(client_id="other").store(PAIR, soon(), replace=False))
    failing(CredentialsError, lambda: writer().credentials(soon()))


def test_the_version_before_stays_with_aws(moto: str, provider: Any, name: str) -> None:
    def make(**more: str) -> Any:
        return provider(keys(moto), secret=name, **more).plugin

    make().store(PAIR, soon(), replace=False)
    make().store(NEWER, soon(), replace=True)
    assert make(version_stage="AWSPREVIOUS").credentials(soon()) == PAIR
    failing(UsageError, lambda: make(version_stage="AWSPREVIOUS").store(PAIR, soon(), replace=True))


def test_a_secret_without_a_value_gets_one(moto: str, provider: Any, operator: Any, name: str) -> None:
    made = operator("secretsmanager", moto).create_secret(Name=name)
    provider(keys(moto), secret=name).plugin.store(PAIR, soon(), replace=False)
    by_arn = provider(keys(moto), secret=made["ARN"]).plugin
    assert by_arn.credentials(soon()) == PAIR
    failing(CredentialsError, lambda: by_arn.store(NEWER, soon(), replace=False))
    by_arn.store(NEWER, soon(), replace=True)
    assert by_arn.credentials(soon()) == NEWER


@pytest.mark.parametrize("replace", [True, False])
def test_a_secret_that_is_marked_for_deletion_is_left_alone(
    moto: str, provider: Any, operator: Any, name: str, *, replace: bool
) -> None:
    plugin = provider(keys(moto), secret=name).plugin
    plugin.store(PAIR, soon(), replace=False)
    operator("secretsmanager", moto).delete_secret(SecretId=name)
    error = failing(CredentialsError, lambda: plugin.store(NEWER, soon(), replace=replace))
    assert "marked for deletion" in str(error)
    operator("secretsmanager", moto).restore_secret(SecretId=name)
    assert plugin.credentials(soon()) == PAIR


@pytest.mark.parametrize("path", ["/ci/two/", "/ci/one:3"])
def test_two_parameters_and_a_version_cannot_be_stored(moto: str, parameters: Any, path: str) -> None:
    plugin = parameters(keys(moto), ssm__path=path).plugin
    failing(UsageError, lambda: plugin.store(PAIR, soon(), replace=False))
