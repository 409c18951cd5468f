"""The provider on moto: every way to name a secret, to write a pair, and to get it wrong."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from awskit import ID, REGION, SECRET, fresh, keys
from gc_credhelper.errors import CredentialsError, UsageError
from support.hunting import canary, failing, soon

Ask = Callable[..., tuple[str, str]]
PAIR = json.dumps({"client_id": ID, "client_secret": SECRET, "note": 7})


@pytest.fixture
def put(moto: str, operator: Any, secret: str) -> Callable[..., dict[str, Any]]:
    """Makes the secret of the test."""

    def make(value: str | bytes = PAIR, name: str = secret) -> dict[str, Any]:
        part = {"SecretBinary": value} if isinstance(value, bytes) else {"SecretString": value}
        made: dict[str, Any] = operator("secretsmanager", moto).create_secret(Name=name, **part)
        return made

    return make


@pytest.fixture
def read(moto: str, provider: Any, secret: str) -> Ask:
    """Id and secret as the provider reads them."""

    def ask(**settings: object) -> tuple[str, str]:
        found = provider(keys(moto), **{"secret": secret, **settings}).plugin.credentials(soon())
        return found.client_id, found.client_secret.reveal()

    return ask


def test_a_secret_is_named_by_its_name_its_arn_or_a_part_of_that(put: Any, read: Ask, secret: str) -> None:
    arn = put()["ARN"]
    assert read() == (ID, SECRET)
    assert read(secret=arn) == (ID, SECRET)
    assert read(secret=arn.rpartition("-")[0]) == (ID, SECRET)


@pytest.mark.parametrize(
    "value",
    [
        PAIR,
        "\n " + PAIR,
        PAIR.encode(),
        b"\xef\xbb\xbf" + PAIR.encode(),
        f"client_id={ID}\nclient_secret={SECRET}\n",
        f"# the client of CI\nexport client_id='{ID}'\nclient_secret=\"{SECRET}\"",
        f"{ID}\n{SECRET}\n",
        f"{ID}\r\n\r\n{SECRET}",
        f"{ID}:{SECRET}",
        f"{ID}:{SECRET}".encode(),
    ],
)
def test_a_pair_is_json_or_plain_text_or_binary(put: Any, read: Ask, value: str | bytes) -> None:
    put(value)
    assert read() == (ID, SECRET)


def test_the_secret_alone_is_enough_when_a_setting_says_the_id(put: Any, read: Ask) -> None:
    secret = canary("canary:with=signs-9Qz")
    put(secret)
    assert read(client_id=ID) == (ID, secret)


def test_the_id_is_known_before_the_store_is_asked_only_when_a_setting_says_it(provider: Any) -> None:
    env = keys("http://127.0.0.1:1")
    assert provider(env, secret="a").plugin.client_id() is None
    assert provider(env, secret="a", client_id=ID).plugin.client_id() == ID


def test_json_without_an_id_is_enough_when_a_setting_says_it(put: Any, read: Ask) -> None:
    put(json.dumps({"client_secret": SECRET}))
    assert read(client_id=ID) == (ID, SECRET)


def test_an_id_that_a_setting_contradicts_is_an_error(put: Any, read: Ask) -> None:
    put()
    assert "another client" in str(failing(CredentialsError, lambda: read(client_id="other")))


def test_the_names_of_the_fields_can_be_set(put: Any, read: Ask) -> None:
    put(json.dumps({"user": ID, "password": SECRET}))
    assert read(id_field="user", secret_field="password") == (ID, SECRET)


def test_white_space_around_a_field_is_removed_with_a_warning(moto: str, put: Any, provider: Any, secret: str) -> None:
    put(json.dumps({"client_id": ID, "client_secret": SECRET + "\n"}))
    built = provider(keys(moto), secret=secret)
    assert built.plugin.credentials(soon()).client_secret.reveal() == SECRET
    assert [line for line in built.said if "white space around the field client_secret" in line]


def test_a_version_is_named_by_its_stage_or_its_id(moto: str, operator: Any, put: Any, read: Ask, secret: str) -> None:
    first = put()["VersionId"]
    newer = json.dumps({"client_id": "newer", "client_secret": canary("canary-newer-secret")})
    operator("secretsmanager", moto).put_secret_value(SecretId=secret, SecretString=newer)
    assert read()[0] == "newer"
    assert read(version_stage="AWSPREVIOUS") == (ID, SECRET)
    assert read(version_id=first) == (ID, SECRET)
    assert "no such version" in str(failing(CredentialsError, lambda: read(version_stage="NOPE")))
    assert "no such version" in str(failing(CredentialsError, lambda: read(version_id="0" * 32)))


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ("{", "is not JSON (line 1, column 2)"),
        (f'["{ID}", "{SECRET}"]', "not an object"),
        (f'"{SECRET}"', "not an object"),
        (json.dumps({"client_id": ID}), "no field client_secret"),
        (json.dumps({"client_secret": SECRET}), "no field client_id"),
        (json.dumps({"client_id": ID, "client_secret": 12}), "is not a text"),
        (json.dumps({"client_id": ID, "client_secret": " "}), "is empty"),
        (f"client_secret={SECRET}", "no field client_id"),
        (SECRET, "holds no client id"),
        (f"{ID}\n{SECRET}\nmore", "holds no client id"),
        (f"{ID}:", "client secret is empty"),
        ("  ", "is empty"),
        (b"\xff\xfe", "is binary"),
        ("[" * 100_000, "beyond measure"),
    ],
)
def test_what_is_no_pair_is_an_error_that_does_not_show_it(put: Any, read: Ask, value: str | bytes, said: str) -> None:
    put(value)
    assert said in str(failing(CredentialsError, read))


def test_a_secret_that_is_not_there_says_where_we_looked(read: Ask, secret: str) -> None:
    assert f"no secret {secret} in {REGION}" in str(failing(CredentialsError, read))


def test_a_secret_without_a_value_is_none(moto: str, operator: Any, read: Ask, secret: str) -> None:
    operator("secretsmanager", moto).create_secret(Name=secret)
    failing(CredentialsError, read)


def test_a_secret_that_is_marked_for_deletion_says_so(
    moto: str, operator: Any, put: Any, read: Ask, secret: str
) -> None:
    put()
    operator("secretsmanager", moto).delete_secret(SecretId=secret)
    error = failing(CredentialsError, read)
    assert "marked for deletion" in str(error)
    assert "restore-secret" in error.hint


@pytest.mark.parametrize(
    "written", [None, "a b", "arn:aws:ssm:eu-central-1:123456789012:parameter/x", "arn:aws:secretsmanager:x", "ä"]
)
def test_a_reference_that_is_no_secret_is_a_mistake(provider: Any, written: str | None) -> None:
    with pytest.raises(UsageError):
        provider(keys("http://127.0.0.1:1"), **({"secret": written} if written else {}))


# --- Parameter Store


@pytest.fixture
def path() -> str:
    return "/" + fresh("ci/genesys")


@pytest.fixture
def read_parameter(moto: str, parameters: Any) -> Ask:
    def ask(path: str, **settings: object) -> tuple[str, str]:
        found = parameters(keys(moto), ssm__path=path, **settings).plugin.credentials(soon())
        return found.client_id, found.client_secret.reveal()

    return ask


@pytest.fixture
def put_parameter(moto: str, operator: Any) -> Callable[..., Any]:
    def put(name: str, value: str, kind: str = "SecureString", **more: Any) -> Any:
        return operator("ssm", moto).put_parameter(Name=name, Value=value, Type=kind, **more)

    return put


@pytest.mark.parametrize("value", [PAIR, f"{ID}:{SECRET}", f"{ID}\n{SECRET}"])
def test_a_parameter_holds_both_in_the_shapes_of_a_secret(
    put_parameter: Any, read_parameter: Ask, path: str, value: str
) -> None:
    put_parameter(path, value)
    assert read_parameter(path) == (ID, SECRET)
    assert read_parameter(f"arn:aws:ssm:{REGION}:123456789012:parameter{path}") == (ID, SECRET)


def test_a_slash_at_the_end_stands_for_two_parameters(put_parameter: Any, read_parameter: Ask, path: str) -> None:
    put_parameter(f"{path}/client_id", ID, "String")
    put_parameter(f"{path}/client_secret", SECRET)
    assert read_parameter(f"{path}/") == (ID, SECRET)
    assert read_parameter(f"{path}/", aws__client_id="given") == ("given", SECRET)
    error = failing(CredentialsError, lambda: read_parameter(f"{path}/", aws__secret_field="password"))
    assert f"no parameter {path}/password in {REGION}" in str(error)


def test_a_version_of_a_parameter_stands_behind_a_colon(put_parameter: Any, read_parameter: Ask, path: str) -> None:
    put_parameter(path, PAIR)
    put_parameter(path, "newer:" + canary("canary-newer-parameter"), Overwrite=True)
    assert read_parameter(path)[0] == "newer"
    assert read_parameter(f"{path}:1") == (ID, SECRET)
    failing(CredentialsError, lambda: read_parameter(f"{path}:7"))


def test_a_secret_that_is_not_encrypted_is_taken_with_a_warning(
    moto: str, put_parameter: Any, parameters: Any, path: str
) -> None:
    put_parameter(path, PAIR, "String")
    built = parameters(keys(moto), ssm__path=path)
    built.plugin.credentials(soon())
    assert [line for line in built.said if "not encrypted" in line]


def test_a_list_is_no_pair(put_parameter: Any, read_parameter: Ask, path: str) -> None:
    put_parameter(path, "a,b", "StringList")
    assert "is not a text" in str(failing(CredentialsError, lambda: read_parameter(path)))


def test_a_parameter_that_is_not_there_says_where_we_looked(read_parameter: Ask, path: str) -> None:
    assert f"no parameter {path} in {REGION}" in str(failing(CredentialsError, lambda: read_parameter(path)))
    failing(CredentialsError, lambda: read_parameter(f"{path}/"))


@pytest.mark.parametrize("written", [None, "/", "a b", "//a", "arn:aws:ssm:eu-central-1:1:parameter/x"])
def test_a_reference_that_is_no_parameter_is_a_mistake(parameters: Any, written: str | None) -> None:
    with pytest.raises(UsageError):
        parameters(keys("http://127.0.0.1:1"), **({"ssm__path": written} if written else {}))
