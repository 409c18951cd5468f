"""A storm of jobs while the secret is rotated in AWS Secrets Manager: none of them is lost."""

import json
from pathlib import Path

import pytest
from awskit import ID, client, keys, make_table, unheard
from support.rotation import NEW, OLD, RotatingLogin, storm

COUNTS = [16, pytest.param(64, marks=[pytest.mark.soak, pytest.mark.timeout(1500)])]


def pair(secret: str) -> str:
    return json.dumps({"client_id": ID, "client_secret": secret})


class Store:
    """The secret in Secrets Manager, and the variables of jobs that read it."""

    def __init__(self, moto: str, secret: str) -> None:
        self._client = client("secretsmanager", moto)
        self._secret = secret
        self._moto = moto
        with unheard():
            self._client.create_secret(Name=secret, SecretString=pair(OLD))

    def rotate(self) -> None:
        with unheard():
            self._client.put_secret_value(SecretId=self._secret, SecretString=pair(NEW))

    def env(self, login: RotatingLogin, cache: str) -> dict[str, str]:
        own = {
            "GC_CREDHELPER_TOKEN_URL": login.token_url,
            "GC_CREDHELPER_PROVIDER": f"aws:{self._secret}",
            "GC_CREDHELPER_CACHE": cache,
            "GC_CREDHELPER_CLIENT_ID": ID,
            "GC_CREDHELPER_DEADLINE": "280s",
            "GC_CREDHELPER_AWS_TIMEOUT": "60s",
        }
        return keys(self._moto, **own)


@pytest.fixture
def store(moto: str, secret: str) -> Store:
    return Store(moto, secret)


@pytest.mark.parametrize("jobs", COUNTS)
def test_jobs_that_share_a_token_lose_none_and_ask_twice(tmp_path: Path, moto: str, store: Store, jobs: int) -> None:
    with RotatingLogin() as login:
        env = store.env(login, f"file,dynamodb:{make_table(moto)}")
        done = storm(login, tmp_path, env, store.rotate, jobs, at_once=1)
    assert {(run.code, run.out, run.err) for run in done} == {(0, "tok-0\n", "")}
    assert (login.refused, login.issued) == ([OLD], ["tok-0"])


@pytest.mark.parametrize("jobs", COUNTS)
def test_jobs_with_a_token_each_lose_none(tmp_path: Path, store: Store, jobs: int) -> None:
    with RotatingLogin() as login:
        done = storm(login, tmp_path, store.env(login, "file"), store.rotate, jobs, at_once=jobs // 2)
    assert {(run.code, run.err) for run in done} == {(0, "")}
    assert len({run.out for run in done}) == jobs
    assert len(login.refused) >= jobs // 2
