"""One exchange for a fleet: machines (processes with homes of their own) that share tokens in a real OpenBao."""

import json
import signal
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest
from gc_credhelper.sandbox.options import Options
from gc_credhelper.sandbox.server import SandboxThread
from support import Machine, Run, outputs
from vaultkit import ID, SECRET, Realm, hunt

LIST = "file,vault:gc-cache/ci"


def fleet(tmp_path: Path, count: int) -> list[Machine]:
    machines = []
    for number in range(count):
        home = tmp_path / f"machine-{number}"
        home.mkdir()
        machines.append(Machine(home))
    return machines


def variables(sandbox: SandboxThread, realm: Realm, **more: str) -> dict[str, str]:
    own = {
        "GC_CREDHELPER_TOKEN_URL": sandbox.token_url,
        "GC_CREDHELPER_PROVIDER": "vault:secret/ci/genesys",
        "GC_CREDHELPER_CACHE": LIST,
        "GC_CREDHELPER_CLIENT_ID": ID,
        "GC_CREDHELPER_DEADLINE": "60s",
    }
    return realm.env(**own | more)


def run_all(machines: Sequence[Machine], env: Mapping[str, str], *argv: str) -> list[Run]:
    """All at once; nothing that they say may hold a secret."""
    done = outputs([machine.start("token", "-o", "raw", *argv, env=env) for machine in machines])
    for run in done:
        hunt(run.err)
    return done


@pytest.fixture
def slow() -> SandboxThread:
    return SandboxThread(Options(clients=((ID, SECRET),), latency=0.3))


def test_sixteen_machines_cause_one_token_request(tmp_path: Path, slow: SandboxThread, realm: Realm) -> None:
    with slow as sandbox:
        done = run_all(fleet(tmp_path, 16), variables(sandbox, realm))
        assert {(run.code, run.err) for run in done} == {(0, "")}
        assert len({run.out for run in done}) == 1
        assert sandbox.stats()["token_requests"] == 1


def test_a_job_that_may_read_only_the_cache_gets_the_token(tmp_path: Path, slow: SandboxThread, realm: Realm) -> None:
    with slow as sandbox:
        first, second = fleet(tmp_path, 2)
        env = variables(sandbox, realm)
        (leader,) = run_all([first], env)
        (reader,) = run_all([second], env | {"GC_CREDHELPER_PROVIDER": "vault:secret/not/for/us"})
        assert (reader.code, reader.out) == (0, leader.out)


def test_a_later_step_asks_neither_vault_nor_the_server(machine: Machine, slow: SandboxThread, realm: Realm) -> None:
    with slow as sandbox:
        env = variables(sandbox, realm)
        (first,) = run_all([machine], env)
        realm.root.auth.token.revoke(env["VAULT_TOKEN"])
        (second,) = run_all([machine], env)
        assert (second.code, second.out, second.err) == (0, first.out, "")


def test_a_leader_that_is_terminated_gives_the_lease_back(tmp_path: Path, realm: Realm) -> None:
    with SandboxThread(Options(clients=((ID, SECRET),), fail=("timeout:1",))) as sandbox:
        first, second = fleet(tmp_path, 2)
        env = variables(sandbox, realm)
        leader = first.start("token", env=env)
        until = time.monotonic() + 30
        while not sandbox.stats()["token_requests"] and time.monotonic() < until:
            time.sleep(0.02)
        leader.send_signal(signal.SIGTERM)
        leader.communicate(timeout=30)
        began = time.monotonic()
        (done,) = run_all([second], env)
        assert done.code == 0
        assert time.monotonic() - began < 8  # a lease that was not given back lives 10 s


def test_without_vault_every_machine_asks_for_itself_with_one_warning(
    tmp_path: Path, slow: SandboxThread, realm: Realm
) -> None:
    with slow as sandbox:
        env = variables(sandbox, realm) | {
            "VAULT_ADDR": "http://127.0.0.1:1",
            "GC_CREDHELPER_PROVIDER": "env",
            "GENESYS_CLOUD_CLIENT_ID": ID,
            "GENESYS_CLOUD_CLIENT_SECRET": SECRET,
        }
        done = run_all(fleet(tmp_path, 3), env)
        assert {run.code for run in done} == {0}
        assert all(len(run.warnings) == 1 and "vault" in run.warnings[0] for run in done)
        assert sandbox.stats()["token_requests"] == 3
        (strict,) = run_all([Machine(tmp_path / "machine-0")], env | {"GC_CREDHELPER_STRICT": "yes"}, "--refresh")
        assert (strict.code, strict.out) == (6, "")


def test_forget_empties_the_record(machine: Machine, slow: SandboxThread, realm: Realm) -> None:
    with slow as sandbox:
        env = variables(sandbox, realm)
        (first,) = run_all([machine], env)
        assert machine.run("forget", env=env).code == 0
        (second,) = run_all([machine], env)
        assert second.out != first.out
        assert sandbox.stats()["token_requests"] == 2


def test_refresh_replaces_the_token_for_all(tmp_path: Path, slow: SandboxThread, realm: Realm) -> None:
    with slow as sandbox:
        first, second, third = fleet(tmp_path, 3)
        env = variables(sandbox, realm)
        (old,) = run_all([first], env)
        (new,) = run_all([second], env, "--refresh")
        assert new.out != old.out
        assert run_all([third], env)[0].out == new.out


def test_the_first_hit_after_a_fill_is_recorded(machine: Machine, slow: SandboxThread, realm: Realm) -> None:
    with slow as sandbox:
        env = variables(sandbox, realm)
        outs = {machine.run("token", env=env).out for _ in range(3)}
        assert len(outs) == 1
        assert json.loads(outs.pop())["kind"] == "ExecCredential"
        assert [*machine.cache.glob("*.note")]
