"""`doctor` on AWS: the login is a step of its own, before the secret is read."""

import json
from typing import Any

import pytest
from awskit import ID, KEY, SECRET, client, keys, unheard
from gc_credhelper.sandbox.server import SandboxThread
from support import Machine
from support.hunting import hunt

PAIR = json.dumps({"client_id": ID, "client_secret": SECRET})


def found(machine: Machine, env: dict[str, str]) -> dict[str, dict[str, Any]]:
    """The first finding of each step."""
    done = machine.run("doctor", "--json", env=env)
    hunt(done.out + done.err)
    rows = [json.loads(line) for line in done.out.splitlines()]
    return {row["step"]: row for row in reversed(rows)}


@pytest.mark.parametrize("kind", ["aws", "aws-ssm"])
def test_where_the_credentials_come_from_is_found(
    machine: Machine, sandbox: SandboxThread, moto: str, secret: str, kind: str
) -> None:
    name = secret if kind == "aws" else f"/{secret}"
    with unheard():
        if kind == "aws":
            client("secretsmanager", moto).create_secret(Name=name, SecretString=PAIR)
        else:
            client("ssm", moto).put_parameter(Name=name, Value=PAIR, Type="SecureString")
    env = {"GC_CREDHELPER_TOKEN_URL": sandbox.token_url, "GC_CREDHELPER_PROVIDER": f"{kind}:{name}"}
    steps = found(machine, keys(moto, **env))
    assert (steps["store"]["level"], steps["store"]["text"]) == ("OK", "credentials for AWS are there (env)")
    assert steps["provider"]["level"] == "OK"


def test_a_login_that_fails_is_found_before_the_secret_is_asked_for(
    machine: Machine, sandbox: SandboxThread, moto: str, secret: str
) -> None:
    env = {"GC_CREDHELPER_TOKEN_URL": sandbox.token_url, "GC_CREDHELPER_PROVIDER": f"aws:{secret}"}
    steps = found(machine, keys(moto, **env, AWS_ACCESS_KEY_ID="", AWS_SECRET_ACCESS_KEY=""))
    assert (steps["store"]["level"], steps["store"]["exit_code"]) == ("FAIL", 4)
    assert "no AWS credentials" in steps["store"]["text"]
    assert steps["provider"]["level"] == "SKIP"


def test_a_role_that_cannot_be_taken_is_a_failed_login(
    machine: Machine, sandbox: SandboxThread, moto: str, secret: str
) -> None:
    env = {
        "GC_CREDHELPER_TOKEN_URL": sandbox.token_url,
        "GC_CREDHELPER_PROVIDER": f"aws:{secret}",
        "GC_CREDHELPER_AWS_ROLE_ARN": "arn:aws:iam::123456789012:role/ci",
        "AWS_ENDPOINT_URL_STS": "http://127.0.0.1:1",
    }
    steps = found(machine, keys(moto, **env))
    assert (steps["store"]["level"], steps["store"]["exit_code"]) == ("FAIL", 6)
    assert KEY not in json.dumps(steps)
