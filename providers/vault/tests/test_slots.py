"""Slots on a store that machines share: one exchange for each, pools of clients, and who lists and empties them all."""

import json
from pathlib import Path

import pytest
from fleetkit import Stage, ended, stage
from gc_credhelper import slots
from support.hunting import canary
from vaultkit import SECRET, Realm

POOL = ("genesys-1", "genesys-2", "genesys-3", "genesys-4")


def fleet(one: Stage, count: int, **env: str) -> list[str]:
    """What each machine got; machine N runs the job N."""
    machines = one.machines(count)
    started = [one.start([machine], CI_JOB_ID=str(job), **env)[0] for job, machine in enumerate(machines)]
    done = ended(started)
    assert {(run.code, run.err) for run in done} == {(0, "")}
    return [run.out for run in done]


def check(got: list[str], count: int) -> None:
    """Machines of one slot have one token, and no two slots have the same."""
    by_slot = {slots._hashed(str(job), count): out for job, out in enumerate(got)}
    assert [by_slot[slots._hashed(str(job), count)] for job in range(len(got))] == got
    assert len(set(by_slot.values())) == len(by_slot) == count


def figure(what: str, one: Stage) -> None:
    """For `make soak`."""
    print(f"{what}: {len(one.login.asks)} token requests, {len(one.vault.asks)} to Vault")  # noqa: T201


def pool(realm: Realm) -> dict[str, str]:
    """Four clients of the login in the store; the variables that name them, and of a job that may read them."""
    for name in POOL:
        realm.put(f"ci/{name}", client_id=f"id-of-{name}", client_secret=canary(f"{SECRET}-{name}"))
    token = realm.token(policies=("gc-credhelper", realm.allow("pool", "secret/data/ci/*")))
    provider = ",".join(f"vault:secret/ci/{name}" for name in POOL)
    return {"GC_CREDHELPER_PROVIDER": provider, "GC_CREDHELPER_CLIENT_ID": "", "VAULT_TOKEN": token}


CLIENTS = tuple((f"id-of-{name}", f"{SECRET}-{name}") for name in POOL)


@pytest.mark.parametrize("machines", [16, pytest.param(64, marks=pytest.mark.soak)])
def test_each_slot_has_one_exchange(tmp_path: Path, realm: Realm, machines: int) -> None:
    with stage(tmp_path, realm) as one:
        check(fleet(one, machines, GC_CREDHELPER_SLOTS="4"), 4)
        figure(f"slots 4, {machines} machines with fixed job ids", one)
        assert len(one.login.asks) == 4


@pytest.mark.parametrize("machines", [16, pytest.param(64, marks=pytest.mark.soak)])
def test_each_client_of_a_pool_has_one_exchange(tmp_path: Path, realm: Realm, machines: int) -> None:
    with stage(tmp_path, realm, clients=CLIENTS) as one:
        env = pool(realm)
        check(fleet(one, machines, **env), 4)
        figure(f"a pool of 4 clients, {machines} machines with fixed job ids", one)
        assert len(one.login.asks) == 4
        rows = json.loads(one.look(**env).out)["entries"]
        assert [(row["slot"], row["client_id"], row["state"]) for row in rows] == [
            (number, f"id-of-{name}", "fresh") for number, name in enumerate(POOL)
        ]


def test_status_lists_what_lies_in_the_store_and_forget_empties_it(tmp_path: Path, realm: Realm) -> None:
    with stage(tmp_path, realm) as one:
        (machine,) = one.machines(1)
        env = one.env | {"GC_CREDHELPER_SLOTS": "2"}
        assert machine.run("token", "--set", "slot=1", env=env).code == 0

        def states() -> list[tuple[int, str]]:
            (other,) = one.machines(1)
            done = other.run("status", "--json", "--shared", env=env)
            assert (done.code, done.err) == (0, "")
            return [(row["slot"], row["state"]) for row in json.loads(done.out)["entries"]]

        assert states() == [(0, "empty"), (1, "fresh")]
        done = one.machines(1)[0].run("forget", "-v", env=env)
        assert (done.code, done.err) == (0, "gc-credhelper: note: cached tokens that were deleted: 1\n")
        assert states() == [(0, "empty"), (1, "empty")]
        assert machine.run("token", "--set", "slot=1", "--refresh", env=env).code == 0
        assert one.machines(1)[0].run("forget", "--all", env=env).code == 0
        assert states() == [(0, "empty"), (1, "empty")]


def test_without_the_store_status_warns_and_forget_fails(tmp_path: Path, realm: Realm) -> None:
    with stage(tmp_path, realm) as one:
        (machine,) = one.machines(1)
        env = one.env | {"VAULT_ADDR": "http://127.0.0.1:1"}
        done = machine.run("status", "--shared", env=env)
        assert done.code == 0
        assert len(done.warnings) == 1
        assert "slot 0 of the shared cache cannot be looked at" in done.warnings[0]
        assert machine.run("forget", env=env).code == 6


def test_a_near_cache_that_fails_does_not_keep_forget_from_the_store(tmp_path: Path, realm: Realm) -> None:
    with stage(tmp_path, realm) as one:
        (machine,) = one.machines(1)
        assert machine.run("token", env=one.env).code == 0
        machine.cache.chmod(0o755)
        done = machine.run("forget", env=one.env)
        assert done.code == 6
        assert "the cache file" in done.error
        assert json.loads(one.look().out)["entries"][-1]["state"] == "empty"


def test_a_token_that_lies_in_the_store_alone_is_rejected_once_a_minute(tmp_path: Path, realm: Realm) -> None:
    with stage(tmp_path, realm) as one:
        (machine,) = one.machines(1)
        env = one.env | {"GC_CREDHELPER_CACHE": "vault:gc-cache/ci"}
        warned = 0
        for _ in range(4):
            token = machine.run("token", "-o", "raw", env=env).out
            warned += len(machine.run("reject", env=env, stdin=token).warnings)
        assert len(one.login.asks) == 2
        assert warned == 3
