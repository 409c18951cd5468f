"""The rows: what each value looks like, and that none of them is a secret itself; and the two ways to write a pair."""

import json
import re
from typing import Any

import pytest
from awskit import HERE, ROLE
from gc_credhelper.credentials import ClientCredentials, Secret
from gc_credhelper.errors import CredentialsError
from gc_credhelper.kinds import public_id
from gc_credhelper.report import Report
from gc_credhelper.settings import Layer, Origin, Setting
from hypothesis import given
from hypothesis import strategies as some
from support.hunting import failing

from gc_credhelper_aws import settings
from gc_credhelper_aws.cache import AwsCache, DynamoCache
from gc_credhelper_aws.pairs import Shape, merged, pair
from gc_credhelper_aws.provider import AwsProvider
from gc_credhelper_aws.ssm import AwsSsmProvider
from gc_credhelper_aws.variables import ENDPOINTS, PROFILES

ROLES: tuple[Any, ...] = (AwsProvider, AwsSsmProvider, DynamoCache)
ROWS: tuple[Setting, ...] = tuple(row for role in (*ROLES, AwsCache) for row in role.settings)
SHAPE = Shape("client_id", "client_secret", None)
printable = some.text(some.characters(min_codepoint=0x21, max_codepoint=0x7E), min_size=1)


@pytest.mark.parametrize(
    ("kind", "raw"),
    [
        (settings.secret_id, "ci/genesys"),
        (settings.secret_id, "a+b=c.d@e-f_1/2"),
        (settings.secret_id, "arn:aws:secretsmanager:eu-central-1:123456789012:secret:ci/genesys-AbCdEf"),
        (settings.secret_id, "arn:aws-us-gov:secretsmanager:us-gov-west-1:123456789012:secret:x"),
        (settings.secret_id, "arn:aws-cn:secretsmanager:cn-north-1:123456789012:secret:x"),
        (settings.parameter, "/ci/genesys"),
        (settings.parameter, "/ci/genesys/"),
        (settings.parameter, "genesys"),
        (settings.parameter, "/ci/genesys:3"),
        (settings.parameter, "arn:aws:ssm:eu-central-1:123456789012:parameter/ci/genesys"),
        (settings.table, "gc-tokens"),
        (settings.table, "arn:aws:dynamodb:eu-central-1:123456789012:table/gc-tokens"),
        (settings.role, ROLE),
        (settings.role, "arn:aws-cn:iam::123456789012:role/path/to/ci"),
        (settings.region, "eusc-de-east-1"),
        (settings.region, "us-iso-east-1"),
        (settings.prefix, "team-a/"),
        (settings.variable, "AWS_ID_TOKEN"),
        (settings.session_name, "job@1"),
        (settings.external_id, "a:b/c"),
        (public_id, "8c9c7a5e"),
    ],
)
def test_a_good_value_is_read_as_it_is(kind: Any, raw: str) -> None:
    assert kind(f" {raw} ") == raw


@pytest.mark.parametrize(
    ("kind", "raw"),
    [
        (settings.secret_id, "a b"),
        (settings.secret_id, "ü"),
        (settings.secret_id, "x" * 513),
        (settings.secret_id, "arn:aws:secretsmanager::123456789012:secret:x"),
        (settings.secret_id, "arn:aws:secretsmanager:eu-central-1:12:secret:x"),
        (settings.secret_id, "arn:aws:secretsmanager:eu-central-1:123456789012:parameter/x"),
        (settings.secret_id, "arn:aws:ssm:eu-central-1:123456789012:secret:x"),
        (settings.parameter, "/"),
        (settings.parameter, "/a//b"),
        (settings.parameter, "/a:b:c"),
        (settings.table, "ab"),
        (settings.table, "a/b"),
        (settings.role, "ci"),
        (settings.role, "arn:aws:iam::123456789012:user/ci"),
        (settings.region, "eu-central"),
        (settings.region, "EU-CENTRAL-1"),
        (settings.region, "evil.example.com"),
        (settings.prefix, "a b"),
        (settings.variable, "eyJhbGciOi.eyJ"),
        (settings.session_name, "a b"),
        (settings.external_id, "a b"),
        (public_id, "id:secret"),
        (settings.keep, "1s"),
        (settings.keep, "400d"),
    ],
)
def test_a_bad_value_is_refused(kind: Any, raw: str) -> None:
    with pytest.raises(ValueError, match="must be"):
        kind(raw)


def test_every_row_bears_the_name_of_a_plug_in_and_a_help() -> None:
    for row in ROWS:
        assert re.fullmatch(r"(aws|aws-ssm|dynamodb)\.[a-z][a-z0-9_]*", row.name)
        assert row.help
        if row.default is not None:
            row.read(row.default, Origin(Layer.DEFAULT))


def test_the_roles_share_the_rows_of_the_connection_and_no_locator() -> None:
    names = [{row.name for row in role.settings} for role in ROLES]
    assert names[0] & names[1] & names[2] == {row.name for row in settings.CONNECTION}
    for role in ROLES:
        others = [other for other in ROLES if other is not role]
        assert not [other for other in others if role.locator in {row.name for row in other.settings}]


def test_no_two_rows_have_one_variable() -> None:
    variables = {row.name: row.variable for row in ROWS}
    assert len(set(variables.values())) == len(variables)
    assert variables["aws-ssm.path"] == "GC_CREDHELPER_AWS_SSM_PATH"


def test_no_row_is_filled_by_a_variable_that_holds_a_secret() -> None:
    for row in ROWS:
        for name in (*row.platform, row.variable):
            assert not re.search("SECRET_ACCESS_KEY|TOKEN$|SECURITY_TOKEN", name), name


def test_the_readme_names_every_setting_and_the_variables_of_aws() -> None:
    readme = (HERE / "README.md").read_text(encoding="utf-8")
    for row in ROWS:
        assert f"`{row.name}`" in readme or row.name == "aws.cache", row.name
    for name in (*PROFILES, *ENDPOINTS[:2], "AWS_REGION", "AWS_DEFAULT_REGION", "AWS_WEB_IDENTITY_TOKEN_FILE"):
        assert name in readme, name


@given(printable, printable)
def test_what_is_stored_is_what_is_read(client_id: str, secret: str) -> None:
    if ":" in client_id:
        return
    credentials = ClientCredentials(client_id, Secret(secret))
    assert pair(merged(None, SHAPE, credentials), "secret x", SHAPE, Report()) == credentials


@given(some.text())
def test_any_content_is_a_pair_or_an_error_that_does_not_quote_it(content: str) -> None:
    said = ""
    try:
        pair(content, "secret x", SHAPE, Report())
    except CredentialsError as e:
        said = str(e) + e.hint
    assert not re.search(r"\S{12,}", content) or content not in said


@given(some.dictionaries(some.text(), some.integers() | some.text()))
def test_fields_that_lie_there_stay(fields: dict[str, object]) -> None:
    text = merged(json.dumps(fields), SHAPE, ClientCredentials("id", Secret("hidden")))
    found = json.loads(text)
    assert found == {**fields, "client_id": "id", "client_secret": "hidden"}


def test_what_is_no_json_object_is_replaced_as_a_whole() -> None:
    credentials = ClientCredentials("id", Secret("hidden"))
    for old in (None, "", "plain", "[1]", '"x"', "{"):
        assert json.loads(merged(old, SHAPE, credentials)) == {"client_id": "id", "client_secret": "hidden"}


def test_an_error_names_what_it_is_about() -> None:
    error = failing(CredentialsError, lambda: pair("{}", "secret ci/x", SHAPE, Report()))
    assert str(error) == "the secret ci/x has no field client_id"
