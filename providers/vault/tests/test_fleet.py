"""What the machines of a fleet see of each other through the tokens in a real OpenBao. For the counts: test_figures."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from fleetkit import BY_ENV, Stage, stage
from support.hunting import hunt
from vaultkit import Realm


@pytest.fixture
def fleet(tmp_path: Path, realm: Realm) -> Iterator[Stage]:
    with stage(tmp_path, realm) as one:
        yield one


def test_a_job_that_may_read_only_the_cache_gets_the_token(fleet: Stage) -> None:
    (leader,) = fleet.run(fleet.machines(1))
    (reader,) = fleet.run(fleet.machines(1), GC_CREDHELPER_PROVIDER="vault:secret/not/for/us")
    assert (reader.code, reader.out) == (0, leader.out)


def test_a_later_step_asks_neither_vault_nor_the_server(fleet: Stage) -> None:
    machines = fleet.machines(1)
    (first,) = fleet.run(machines)
    fleet.realm.root.auth.token.revoke(fleet.env["VAULT_TOKEN"])
    (second,) = fleet.run(machines)
    assert (second.code, second.out, second.err) == (0, first.out, "")


def test_when_the_store_is_down_strict_fails_and_asks_nobody(fleet: Stage) -> None:
    down = {"VAULT_ADDR": "http://127.0.0.1:1", "GC_CREDHELPER_STRICT": "yes", **BY_ENV}
    (run,) = fleet.run(fleet.machines(1), **down)
    assert (run.code, run.out) == (6, "")
    assert run.error
    assert not fleet.login.asks


def test_forget_empties_the_record(fleet: Stage) -> None:
    machines = fleet.machines(1)
    (first,) = fleet.run(machines)
    assert machines[0].run("forget", env=fleet.env).code == 0
    (second,) = fleet.run(machines)
    assert second.out != first.out
    assert len(fleet.login.asks) == 2


def test_refresh_replaces_the_token_for_all(fleet: Stage) -> None:
    first, second, third = fleet.machines(3)
    (old,) = fleet.run([first])
    (new,) = fleet.run([second], "--refresh")
    assert new.out != old.out
    assert fleet.run([third])[0].out == new.out


def test_the_first_hit_after_a_fill_is_recorded(fleet: Stage) -> None:
    (machine,) = fleet.machines(1)
    outs = {machine.run("token", env=fleet.env).out for _ in range(3)}
    assert len(outs) == 1
    assert json.loads(outs.pop())["kind"] == "ExecCredential"
    assert [*machine.cache.glob("*.note")]


def test_explain_tells_who_led_and_who_got_the_token_of_another(fleet: Stage) -> None:
    first, second = fleet.machines(2)
    told = [machine.run("explain", "--json", env=fleet.env) for machine in (first, second)]
    for run in told:
        hunt(run.out + run.err)
    led, followed = (
        [f"{event['stage']} {event['outcome']}" for event in json.loads(run.out)["events"]] for run in told
    )
    assert [one for one in led if one.startswith("far")] == ["far asked", "far empty", "far leads", "far published"]
    assert [one for one in followed if one.startswith(("far", "token"))] == ["far asked", "token far"]
    digests = {json.loads(run.out)["token"]["digest"] for run in told}
    assert len(digests) == 1
    assert len(fleet.login.asks) == 1
