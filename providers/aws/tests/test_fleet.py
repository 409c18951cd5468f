"""Fleets of machines (processes with homes of their own): what the contracts do not say, and the figures' counts."""

import json
import random
import statistics
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import pytest
from awskit import ID, SECRET, client, keys
from gc_credhelper.lease import LEASE
from gc_credhelper.sandbox.options import Options
from gc_credhelper.sandbox.server import SandboxThread
from support import Machine, Run, outputs
from support.hunting import hunt

# 64 processes that start at once on two processors are slow to do anything.
PATIENT = {"GC_CREDHELPER_DEADLINE": "280s", "GC_CREDHELPER_AWS_TIMEOUT": "60s"}
PAIR = json.dumps({"client_id": ID, "client_secret": SECRET})


def fleet(tmp_path: Path, count: int) -> list[Machine]:
    machines = []
    for number in range(count):
        home = tmp_path / f"machine-{number}"
        home.mkdir(parents=True)
        machines.append(Machine(home))
    return machines


Variables = Callable[..., dict[str, str]]


@pytest.fixture
def variables(moto: str, dynamo: str, table: str, secret: str) -> Variables:
    """The whole configuration of a job: the secret in moto, the table in either DynamoDB."""
    client("secretsmanager", moto).create_secret(Name=secret, SecretString=PAIR)

    def make(sandbox: SandboxThread, **more: str) -> dict[str, str]:
        own = {
            "AWS_ENDPOINT_URL_DYNAMODB": dynamo,
            "GC_CREDHELPER_TOKEN_URL": sandbox.token_url,
            "GC_CREDHELPER_PROVIDER": f"aws:{secret}",
            "GC_CREDHELPER_CACHE": f"file,dynamodb:{table}",
            "GC_CREDHELPER_CLIENT_ID": ID,
            "GC_CREDHELPER_DEADLINE": "90s",
        }
        return keys(moto, **own | more)

    return make


def run_all(machines: Sequence[Machine], env: Mapping[str, str], *argv: str) -> list[Run]:
    """All at once; nothing that they say may hold a secret."""
    done = outputs([machine.start("token", "-o", "raw", *argv, env=env) for machine in machines])
    for run in done:
        hunt(run.err)
    return done


@pytest.fixture
def slow() -> Iterator[SandboxThread]:
    with SandboxThread(Options(clients=((ID, SECRET),), latency=0.3)) as sandbox:
        yield sandbox


def test_a_job_that_may_not_read_the_secret_gets_the_token_of_another(
    tmp_path: Path, slow: SandboxThread, variables: Variables
) -> None:
    first, second = fleet(tmp_path, 2)
    env = variables(slow)
    (leader,) = run_all([first], env)
    (reader,) = run_all([second], env | {"GC_CREDHELPER_PROVIDER": "aws:not/for/us"})
    assert (reader.code, reader.out) == (0, leader.out)


def test_without_credentials_for_the_table_the_token_is_not_lost(
    machine: Machine, slow: SandboxThread, variables: Variables
) -> None:
    own = {"GC_CREDHELPER_PROVIDER": "env", "GENESYS_CLOUD_CLIENT_ID": ID, "GENESYS_CLOUD_CLIENT_SECRET": SECRET}
    env = variables(slow) | own | {"AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": ""}
    (done,) = run_all([machine], env)
    assert done.code == 0
    assert [warning for warning in done.warnings if "no AWS credentials" in warning]


@pytest.mark.soak
@pytest.mark.timeout(1500)
def test_soak_sixty_four_machines_cause_one_token_request_each_time(
    tmp_path: Path, variables: Variables, dynamo: str, moto: str
) -> None:
    walls, requests, said = [], [], Counter[str]()
    env: dict[str, str] = {}
    for turn in range(10):
        with SandboxThread(Options(clients=((ID, SECRET),), latency=0.3)) as sandbox:
            env = (env or variables(sandbox, **PATIENT)) | {"GC_CREDHELPER_TOKEN_URL": sandbox.token_url}
            machines = fleet(tmp_path / str(turn), 64)
            began = time.monotonic()
            done = outputs([machine.start("token", "-o", "raw", env=env) for machine in machines], timeout=300)
            walls.append(time.monotonic() - began)
            said.update(run.err or f"exit code {run.code}" for run in done)
            assert len({run.out for run in done if not run.code}) == 1
            requests.append(sandbox.stats()["token_requests"])
    name = "moto" if dynamo == moto else "dynalite"
    sys.stdout.write(
        f"\n{name}: 64 machines, 10 runs: token requests {requests}, answers {dict(said)}, "
        f"wall {min(walls):.1f} to {max(walls):.1f} s, median {statistics.median(walls):.1f} s\n"
    )
    assert (requests, said) == ([1] * 10, {"exit code 0": 640})


@pytest.mark.soak
@pytest.mark.timeout(1500)
def test_soak_a_leader_killed_at_a_random_moment_never_stops_the_others(
    tmp_path: Path, variables: Variables, dynamo: str, moto: str
) -> None:
    took, requests = [], []
    env: dict[str, str] = {}
    for turn in range(10):
        with SandboxThread(Options(clients=((ID, SECRET),), latency=1)) as sandbox:
            env = (env or variables(sandbox)) | {"GC_CREDHELPER_TOKEN_URL": sandbox.token_url}
            first, *others = fleet(tmp_path / str(turn), 4)
            leader = first.start("token", env=env)
            time.sleep(random.uniform(0.3, 2.5))
            leader.kill()
            leader.communicate(timeout=30)
            began = time.monotonic()
            done = run_all(others, env)
            took.append(time.monotonic() - began)
            assert ({run.code for run in done}, len({run.out for run in done})) == ({0}, 1)
            requests.append(sandbox.stats()["token_requests"])
    name = "moto" if dynamo == moto else "dynalite"
    sys.stdout.write(
        f"\n{name}: leader killed 10 times: token requests {requests}, the others served after "
        f"{min(took):.1f} to {max(took):.1f} s (a lease lives {LEASE:.0f} s)\n"
    )
    assert max(requests) <= 2
