"""The whole command with AWS, and what it costs when AWS is not asked."""

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from typing import Any

import pytest
from awskit import ID, KEY, ROLE, SECRET, client, fresh, keys, make_table
from support import Machine, Run
from support.hunting import canary, hunt

PAIR = json.dumps({"client_id": ID, "client_secret": SECRET})
VENDOR = {"boto3", "botocore", "urllib3", "requests", "dotenv"}


@pytest.fixture
def stored(moto: str, secret: str) -> str:
    """The name of a secret that is there."""
    client("secretsmanager", moto).create_secret(Name=secret, SecretString=PAIR)
    return secret


def token(machine: Machine, sandbox: Any, env: Mapping[str, str], *argv: str) -> Run:
    """One `gc-credhelper token` against the sandbox; nothing that it says may hold a secret."""
    run = machine.run("token", *argv, env={"GC_CREDHELPER_TOKEN_URL": sandbox.token_url, **env})
    hunt(run.err)
    hunt(run.out)
    return run


def test_a_token_with_credentials_from_secrets_manager(machine: Machine, sandbox: Any, moto: str, stored: str) -> None:
    run = token(machine, sandbox, keys(moto), "--provider", f"aws:{stored}")
    assert (run.code, run.err) == (0, "")
    assert json.loads(run.out)["status"]["token"]


def test_a_token_with_credentials_from_parameter_store(machine: Machine, sandbox: Any, moto: str) -> None:
    path = "/" + fresh("ci/genesys")
    client("ssm", moto).put_parameter(Name=path, Value=PAIR, Type="SecureString")
    run = token(machine, sandbox, keys(moto), "--provider", f"aws-ssm:{path}")
    assert (run.code, run.err) == (0, "")


def test_settings_with_a_hyphen_come_from_variables_profiles_and_flags(
    machine: Machine, sandbox: Any, moto: str
) -> None:
    path = "/" + fresh("ci/genesys")
    client("ssm", moto).put_parameter(Name=path, Value=PAIR, Type="SecureString")
    env = keys(moto, GC_CREDHELPER_PROVIDER="aws-ssm")
    assert token(machine, sandbox, env | {"GC_CREDHELPER_AWS_SSM_PATH": path}, "--refresh").code == 0
    assert token(machine, sandbox, env, "--set", f"aws-ssm.path={path}", "--refresh").code == 0
    machine.write_config(
        f'[profiles.default.aws-ssm]\npath = "{path}"\n[profiles.default.aws]\nsecret = "of-the-other"\nregion = '
        '"eu-west-1"\n[profiles.default.dynamodb]\ntable = "not-in-use"\n'
    )
    run = token(machine, sandbox, env | {"AWS_REGION": ""}, "--refresh")
    assert (run.code, run.err) == (4, run.err), run.err  # moto keeps regions apart
    assert f"no parameter {path} in eu-west-1" in run.error
    assert token(machine, sandbox, env, "--set", "aws.region=eu-central-1", "--refresh").code == 0


def test_status_shows_the_settings_of_all_three(machine: Machine) -> None:
    env = keys("http://127.0.0.1:1", GC_CREDHELPER_PROVIDER="aws:x", GC_CREDHELPER_CACHE="file,dynamodb:gc-tokens")
    run = machine.run("status", env=env)
    assert run.code == 0
    shown = {line.split()[0] for line in run.out.splitlines() if line.strip()}
    assert {"aws.region", "aws.secret", "dynamodb.table", "aws.role_arn"} <= shown
    hunt(run.out + run.err)


def test_store_puts_a_pair_where_token_finds_it(machine: Machine, sandbox: Any, moto: str, secret: str) -> None:
    env = keys(moto, GC_CREDHELPER_PROVIDER=f"aws:{secret}", GC_CREDHELPER_TOKEN_URL=sandbox.token_url)
    run = machine.run("store", env=env, stdin=f"{ID}\n{SECRET}\n")
    assert (run.code, run.err) == (0, "")
    assert secret in hunt(run.out)
    assert token(machine, sandbox, env).code == 0
    again = machine.run("store", env=env, stdin=f"{ID}\n{SECRET}\n")
    assert (again.code, again.out) == (4, "")
    assert "--replace" in again.hint


def test_a_later_step_is_served_without_aws(machine: Machine, sandbox: Any, moto: str, stored: str) -> None:
    argv = ("--provider", f"aws:{stored}")
    first = token(machine, sandbox, keys(moto), *argv)
    client("secretsmanager", moto).delete_secret(SecretId=stored, ForceDeleteWithoutRecovery=True)
    assert token(machine, sandbox, keys(moto), *argv).out == first.out


@pytest.mark.parametrize(
    "change",
    [
        {"AWS_REGION": "us-east-1"},
        {"AWS_PROFILE": "nope", "AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": ""},
        {"AWS_ACCESS_KEY_ID": "AKIAOTHERACCOUNT0000", "AWS_ENDPOINT_URL_SECRETS_MANAGER": "http://127.0.0.1:1"},
        {"AWS_CONFIG_FILE": "/nowhere", "AWS_ENDPOINT_URL": "http://127.0.0.1:1"},
    ],
)
def test_whoever_changes_what_decides_which_secret_is_meant_is_not_served_the_old_token(
    machine: Machine, sandbox: Any, moto: str, stored: str, change: dict[str, str]
) -> None:
    argv = ("--provider", f"aws:{stored}", "--deadline", "20s")
    assert token(machine, sandbox, keys(moto), *argv).code == 0
    assert token(machine, sandbox, keys(moto) | change, *argv).code in (2, 4, 6)


def test_a_changed_config_file_is_noticed(machine: Machine, sandbox: Any, moto: str, stored: str) -> None:
    argv = ("--provider", f"aws:{stored}")
    env = keys(moto, AWS_REGION="")
    (machine.home / ".aws").mkdir()
    config = machine.home / ".aws" / "config"
    config.write_text("[default]\nregion = eu-central-1\n")
    os.utime(config, (1, 1))
    assert token(machine, sandbox, env, *argv).code == 0
    config.write_text("[default]\nregion = us-east-1\n")
    assert token(machine, sandbox, env, *argv).code == 4


@pytest.mark.parametrize(
    ("change", "argv", "code"),
    [
        ({"AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": ""}, (), 4),
        ({"AWS_SECRET_ACCESS_KEY": ""}, (), 4),
        ({"AWS_REGION": ""}, (), 2),
        ({"AWS_REGION": "canary/../"}, (), 2),
        ({"AWS_ENDPOINT_URL": "http://aws.example.com"}, (), 2),
        ({"AWS_ENDPOINT_URL": "http://127.0.0.1:1"}, ("--deadline", "2s"), 6),
        ({}, ("--set", "aws.secret=canary nope"), 2),
        ({}, ("--set", "aws.auth=canary"), 2),
        ({}, ("--set", "aws.role_arn=canary"), 2),
        ({}, ("--set", "aws.web_identity_env=canary.canary"), 2),
        ({}, ("--set", "aws.id_field=nope"), 4),
        ({}, ("--set", "aws.session_token=canary"), 2),
        ({}, ("--cache", "aws:tokens"), 2),
        ({}, ("--cache", "dynamodb:nowhere"), 2),
    ],
)
def test_each_failure_has_its_exit_code_one_error_and_one_hint(
    machine: Machine, sandbox: Any, moto: str, stored: str, change: dict[str, str], argv: tuple[str, ...], code: int
) -> None:
    run = token(machine, sandbox, keys(moto) | change, "--provider", f"aws:{stored}", *argv)
    assert (run.code, run.out) == (code, "")
    assert run.error
    assert run.hint
    assert "canary" not in run.err.lower()
    assert "Traceback" not in run.err


def test_the_most_talkative_run_shows_no_secret(machine: Machine, sandbox: Any, moto: str, stored: str) -> None:
    env = keys(moto, AWS_SESSION_TOKEN=canary("canary-session-talkative"))
    assert token(machine, sandbox, env, "--provider", f"aws:{stored}", "-vv").code == 0
    assert token(machine, sandbox, env, "--provider", "aws:nope", "-vv").code == 4


def test_a_library_user_who_logs_everything_sees_no_secret_from_the_first_request_on(
    machine: Machine, sandbox: Any, moto: str, stored: str
) -> None:
    table = make_table(moto)
    code = f"""
import logging
logging.basicConfig(level=logging.DEBUG)
from gc_credhelper import token_source
token = token_source(
    provider="aws:{stored}", cache="dynamodb:{table}", token_url="{sandbox.token_url}", aws__role_arn="{ROLE}"
).token()
print(token.value)
"""
    env = machine.environ(keys(moto))
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, env=env)
    assert done.returncode == 0, done.stderr
    assert "DEBUG:urllib3" in done.stderr
    assert done.stdout.strip() not in hunt(done.stderr)


def test_plugins_lists_both_providers_and_the_cache(machine: Machine) -> None:
    rows = [line.split() for line in machine.run("plugins").out.splitlines() if "gc-credhelper-aws" in line]
    assert sorted(row[2] for row in rows) == ["aws", "aws", "aws-ssm", "dynamodb"]


# --- what is imported when


def imports(code: str, env: Mapping[str, str] | None = None) -> str:
    """Which vendor libraries a program has imported at its end."""
    done = subprocess.run(
        [sys.executable, "-c", f"import sys\n{code}\nprint(sorted({VENDOR} & sys.modules.keys()))"],
        capture_output=True,
        text=True,
        check=True,
        env={"PATH": os.environ["PATH"], "HOME": "/nowhere", **(env or {})},
    )
    return done.stdout.splitlines()[-1]


@pytest.mark.parametrize("module", ["provider", "ssm", "cache", "settings", "client", "identity"])
def test_loading_a_role_imports_no_vendor_library(module: str) -> None:
    assert imports(f"import gc_credhelper_aws.{module}") == "[]"


def test_building_every_role_imports_no_vendor_library() -> None:
    code = """
from gc_credhelper.app import environment
from gc_credhelper.config import Layers
from gc_credhelper.plan import Inputs
from gc_credhelper.private import PrivateDir
from gc_credhelper.report import Report
from gc_credhelper.roles import Context
from gc_credhelper_aws.cache import DynamoCache
from gc_credhelper_aws.provider import AwsProvider
from gc_credhelper_aws.ssm import AwsSsmProvider
inputs = Inputs([], environment())
flags = {"aws.secret": ("a/b", "test"), "aws-ssm.path": ("/a/b", "test"), "dynamodb.table": ("abc", "test")}
layers = Layers(inputs, flags)
roles = (AwsProvider, AwsSsmProvider, DynamoCache)
values = {row.name: layers.one(row).value for role in roles for row in role.settings}
for role in roles:
    built = role(Context(values, inputs, Report(), PrivateDir("-/nowhere")))
"""
    assert imports(code) == "[]"


def test_a_hit_with_everything_configured_and_a_fresh_file_imports_no_vendor_library(
    machine: Machine, sandbox: Any, moto: str, stored: str
) -> None:
    env = keys(
        moto,
        GC_CREDHELPER_PROVIDER=f"aws:{stored}",
        GC_CREDHELPER_CACHE=f"file,dynamodb:{make_table(moto)}",
        GC_CREDHELPER_TOKEN_URL=sandbox.token_url,
    )
    first = token(machine, sandbox, env)
    assert first.code == 0
    for argv in (["token"], ["token", "-v"], ["token", "-o", "raw"]):  # with a note, and twice without
        done = subprocess.run(
            [sys.executable, "-X", "importtime", "-P", "-m", "gc_credhelper", *argv],
            capture_output=True,
            text=True,
            check=True,
            env=machine.environ(env),
            cwd=machine.home,
        )
        assert done.stdout.strip()
        imported = {line.rpartition("|")[2].strip() for line in done.stderr.splitlines() if "import time" in line}
        assert "gc_credhelper" in imported
        assert not {name.partition(".")[0] for name in imported} & VENDOR
    assert sandbox.stats()["token_requests"] == 1


def test_a_cold_run_imports_the_library_once_and_builds_only_the_client_in_use(
    machine: Machine, sandbox: Any, moto: str, stored: str
) -> None:
    code = f"""
import botocore.session
made = []
make = botocore.session.Session.create_client
def noted(self, service_name, *args, **more):
    made.append(service_name)
    return make(self, service_name, *args, **more)
botocore.session.Session.create_client = noted
from gc_credhelper import token_source
token_source(provider="aws:{stored}", token_url="{sandbox.token_url}").token()
assert made == ["secretsmanager"], made
"""
    assert "boto3" in imports(code, machine.environ(keys(moto)))


def test_the_version_is_the_cores() -> None:
    import gc_credhelper

    import gc_credhelper_aws

    assert gc_credhelper_aws.__version__ == gc_credhelper.__version__


def test_the_key_is_not_in_the_note(machine: Machine, sandbox: Any, moto: str, stored: str) -> None:
    env = keys(moto, GC_CREDHELPER_PROVIDER=f"aws:{stored}")
    token(machine, sandbox, env)
    token(machine, sandbox, env)
    notes = [*machine.cache.glob("*.note")]
    assert notes
    for note in notes:
        assert KEY.encode() not in note.read_bytes()
        assert SECRET.encode() not in note.read_bytes()
