"""One exchange for a fleet: machines (processes with homes of their own) that share tokens in moto and in dynalite."""

import json
import random
import signal
import statistics
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import pytest
from awskit import ID, SECRET, client, hunt, keys, make_table
from gc_credhelper.lease import LEASE
from gc_credhelper.sandbox.options import Options
from gc_credhelper.sandbox.server import SandboxThread
from support import Machine, Run, outputs

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


def test_sixteen_machines_cause_one_token_request(tmp_path: Path, slow: SandboxThread, variables: Variables) -> None:
    done = run_all(fleet(tmp_path, 16), variables(slow))
    assert {(run.code, run.err) for run in done} == {(0, "")}
    assert len({run.out for run in done}) == 1
    assert slow.stats()["token_requests"] == 1


def leading(machine: Machine, env: Mapping[str, str], sandbox: SandboxThread) -> "subprocess.Popen[str]":
    """A process that holds the lease and waits for the token endpoint."""
    leader = machine.start("token", env=env)
    until = time.monotonic() + 60
    while not sandbox.stats()["token_requests"] and time.monotonic() < until:
        time.sleep(0.02)
    return leader


# --- the rest is the same in either


@pytest.fixture
def on_moto(moto: str, secret: str) -> Variables:
    client("secretsmanager", moto).create_secret(Name=secret, SecretString=PAIR)
    table = make_table(moto)

    def make(sandbox: SandboxThread, **more: str) -> dict[str, str]:
        own = {
            "GC_CREDHELPER_TOKEN_URL": sandbox.token_url,
            "GC_CREDHELPER_PROVIDER": f"aws:{secret}",
            "GC_CREDHELPER_CACHE": f"file,dynamodb:{table}",
            "GC_CREDHELPER_CLIENT_ID": ID,
            "GC_CREDHELPER_DEADLINE": "60s",
        }
        return keys(moto, **own | more)

    return make


def test_a_leader_that_is_killed_is_followed_by_another(tmp_path: Path, on_moto: Variables) -> None:
    with SandboxThread(Options(clients=((ID, SECRET),), fail=("timeout:1",))) as sandbox:
        first, *others = fleet(tmp_path, 4)
        env = on_moto(sandbox)
        leader = leading(first, env, sandbox)
        killed = time.monotonic()
        leader.kill()
        leader.communicate(timeout=30)
        done = run_all(others, env)
        assert {run.code for run in done} == {0}
        assert len({run.out for run in done}) == 1
        assert sandbox.stats()["token_requests"] == 2
        assert time.monotonic() - killed < LEASE * 4


def test_a_leader_that_is_terminated_gives_the_lease_back(tmp_path: Path, on_moto: Variables) -> None:
    with SandboxThread(Options(clients=((ID, SECRET),), fail=("timeout:1",))) as sandbox:
        first, second = fleet(tmp_path, 2)
        env = on_moto(sandbox)
        leader = leading(first, env, sandbox)
        leader.send_signal(signal.SIGTERM)
        leader.communicate(timeout=30)
        (done,) = run_all([second], env, "-v")
        assert done.code == 0
        record = json.loads(_only_record(env))
        assert (record["holder"], record["token"] + "\n") == ("", done.out)


def _only_record(env: Mapping[str, str]) -> str:
    table = env["GC_CREDHELPER_CACHE"].partition(":")[2]
    (item,) = client("dynamodb", env["AWS_ENDPOINT_URL"]).scan(TableName=table)["Items"]
    text: str = item["rec"]["S"]
    return text


def test_a_job_that_may_not_read_the_secret_gets_the_token_of_another(
    tmp_path: Path, slow: SandboxThread, on_moto: Variables
) -> None:
    first, second = fleet(tmp_path, 2)
    env = on_moto(slow)
    (leader,) = run_all([first], env)
    (reader,) = run_all([second], env | {"GC_CREDHELPER_PROVIDER": "aws:not/for/us"})
    assert (reader.code, reader.out) == (0, leader.out)


def test_without_dynamodb_every_machine_asks_for_itself_with_one_warning(
    tmp_path: Path, slow: SandboxThread, on_moto: Variables
) -> None:
    env = on_moto(slow) | {"AWS_ENDPOINT_URL_DYNAMODB": "http://127.0.0.1:1"}
    machines = fleet(tmp_path, 2)
    done = run_all(machines, env)
    assert {run.code for run in done} == {0}
    assert all(len(run.warnings) == 1 and "dynamodb" in run.warnings[0] for run in done)
    assert slow.stats()["token_requests"] == 2
    (strict,) = run_all(machines[:1], env | {"GC_CREDHELPER_STRICT": "yes"}, "--refresh")
    assert (strict.code, strict.out) == (6, "")


def test_without_credentials_for_the_table_the_token_is_not_lost(
    machine: Machine, slow: SandboxThread, on_moto: Variables
) -> None:
    own = {"GC_CREDHELPER_PROVIDER": "env", "GENESYS_CLOUD_CLIENT_ID": ID, "GENESYS_CLOUD_CLIENT_SECRET": SECRET}
    env = on_moto(slow) | own | {"AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": ""}
    (done,) = run_all([machine], env)
    assert done.code == 0
    assert [warning for warning in done.warnings if "no AWS credentials" in warning]


def test_forget_empties_the_record_and_refresh_replaces_it_for_all(
    tmp_path: Path, slow: SandboxThread, on_moto: Variables
) -> None:
    first, second, third = fleet(tmp_path, 3)
    env = on_moto(slow)
    (old,) = run_all([first], env)
    (new,) = run_all([second], env, "--refresh")
    assert new.out != old.out
    assert run_all([third], env)[0].out == new.out
    assert third.run("forget", env=env).code == 0
    assert run_all([third], env)[0].out != new.out


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
