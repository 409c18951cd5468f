"""Slots: which one a caller has and who decides, one exchange for each, and a pool of clients dealt over them."""

import base64
import json
import socket
from collections import Counter
from collections.abc import Mapping
from pathlib import Path

import pytest
from support import Machine, client, outputs
from support.scripted import ScriptedServer, token

from gc_credhelper import plan, slots
from gc_credhelper.kinds import pool
from gc_credhelper.plan import Inputs, encode
from gc_credhelper.sandbox.options import Options
from gc_credhelper.sandbox.server import SandboxThread
from gc_credhelper.settings import Layer, Origin, Settings, Value
from inputs.kit import CANARY, Shell, refused

POOL = {f"{name}_CLIENT_{half}": f"{name.lower()}-{half.lower()}" for name in "ABCD" for half in ("ID", "SECRET")}
FOUR = Settings({"slots": Value(4, Origin(Layer.DEFAULT)), "slot": Value(None, Origin(Layer.DEFAULT))})
NAMED = {"GC_CREDHELPER_PROVIDER": "env:A,env:B,env:C,env:D"}


@pytest.fixture(autouse=True)
def no_ci(monkeypatch: pytest.MonkeyPatch) -> None:
    for names in (*slots._JOBS, *((index, total) for index, _, total in slots._INDEXES)):
        for name in filter(None, names):
            monkeypatch.delenv(name, raising=False)


def slot(shell: Shell, env: Mapping[str, str], *argv: str) -> tuple[str, str]:
    return shell.settings(*argv, env={"GC_CREDHELPER_SLOTS": "4", **env})["(slot)"]


@pytest.mark.parametrize(
    ("env", "number", "decided_by"),
    [
        ({"CI_NODE_INDEX": "2", "CI_NODE_TOTAL": "6", "CI_JOB_ID": "99"}, 1, "CI_NODE_INDEX"),
        ({"CI_NODE_INDEX": "6", "CI_NODE_TOTAL": "6"}, 1, "CI_NODE_INDEX"),
        ({"CIRCLE_NODE_INDEX": "0", "CIRCLE_NODE_TOTAL": "2"}, 0, "CIRCLE_NODE_INDEX"),
        ({"BUILDKITE_PARALLEL_JOB": "3", "BUILDKITE_PARALLEL_JOB_COUNT": "5"}, 3, "BUILDKITE_PARALLEL_JOB"),
        ({"SYSTEM_JOBPOSITIONINPHASE": "4", "SYSTEM_TOTALJOBSINPHASE": "4"}, 3, "SYSTEM_JOBPOSITIONINPHASE"),
        ({"BITBUCKET_PARALLEL_STEP": "1", "BITBUCKET_PARALLEL_STEP_COUNT": "2"}, 1, "BITBUCKET_PARALLEL_STEP"),
        ({"SEMAPHORE_JOB_INDEX": "1", "SEMAPHORE_JOB_COUNT": "2"}, 0, "SEMAPHORE_JOB_INDEX"),
        ({"JOB_COMPLETION_INDEX": "7"}, 3, "JOB_COMPLETION_INDEX"),
        ({"AWS_BATCH_JOB_ARRAY_INDEX": "5", "AWS_BATCH_JOB_ID": "x"}, 1, "AWS_BATCH_JOB_ARRAY_INDEX"),
    ],
)
def test_a_job_among_siblings_has_the_slot_of_its_index(
    shell: Shell, env: dict[str, str], number: int, decided_by: str
) -> None:
    assert slot(shell, env) == (f"{number} of 4", f"variable {decided_by}")


@pytest.mark.parametrize(
    "env",
    [
        {"CI_JOB_ID": "4711", "CI_NODE_TOTAL": "1"},
        {"SYSTEM_JOBID": "4711", "SYSTEM_JOBPOSITIONINPHASE": "1", "SYSTEM_TOTALJOBSINPHASE": "1"},
        {"CIRCLE_WORKFLOW_JOB_ID": "4711", "CIRCLE_NODE_INDEX": "0", "CIRCLE_NODE_TOTAL": "1"},
        {"CI_JOB_ID": "4711", "CI_NODE_INDEX": "not a number", "CI_NODE_TOTAL": "3"},
        {"CI_JOB_ID": "4711", "CI_NODE_INDEX": "1" * 5000, "CI_NODE_TOTAL": "3"},
    ],
)
def test_a_job_without_siblings_has_the_slot_of_its_id(shell: Shell, env: dict[str, str]) -> None:
    number, decided_by = slot(shell, env)
    assert decided_by == f"variable {next(iter(env))}"
    assert number == f"{slots._hashed('4711', 4)} of 4"


@pytest.mark.parametrize("names", slots._JOBS, ids=lambda names: str(names[0]))
def test_the_steps_of_a_job_stay_on_one_slot_and_jobs_spread_over_all(names: tuple[str, ...]) -> None:
    def of(job: int) -> int:
        inputs = Inputs([], {encode(name): b"%d" % job for name in names})
        return slots.find(FOUR, inputs, 1).number

    assert [of(job) for job in range(20)] == [of(job) for job in range(20)]
    counts = Counter(map(of, range(400)))
    assert sorted(counts) == [0, 1, 2, 3]
    assert min(counts.values()) > 50


def test_the_jobs_of_a_matrix_on_github_differ_by_their_runners() -> None:
    def of(runner: int) -> int:
        env = {"GITHUB_RUN_ID": "1", "GITHUB_JOB": "deploy", "RUNNER_NAME": f"GitHub Actions {runner}"}
        return slots.find(FOUR, Inputs([], {encode(k): encode(v) for k, v in env.items()}), 1).number

    assert len({of(runner) for runner in range(40)}) == 4


def test_without_a_job_the_host_name_decides(shell: Shell) -> None:
    assert slot(shell, {}) == (f"{slots._hashed(socket.gethostname(), 4)} of 4", "the host name")


def test_one_slot_asks_for_no_variable_of_any_job(shell: Shell) -> None:
    assert shell.settings(env={"CI_JOB_ID": "99"})["(slot)"] == ("0 of 1", "default")


def test_the_setting_slot_comes_first_and_is_counted_around(shell: Shell) -> None:
    env = {"CI_NODE_INDEX": "1", "CI_NODE_TOTAL": "3", "GC_CREDHELPER_SLOT": "6"}
    assert slot(shell, env) == ("2 of 4", "variable GC_CREDHELPER_SLOT")
    assert slot(shell, env, "--set", "slot=3") == ("3 of 4", "flag --set slot")


@pytest.mark.parametrize("value", ["0", "-1", "many", "1.5", "1001", CANARY])
def test_a_number_of_slots_that_cannot_be_one_is_refused(shell: Shell, value: str) -> None:
    refused(shell("token", env={"GC_CREDHELPER_SLOTS": value}), 2, "slots (variable GC_CREDHELPER_SLOTS) must be")


def test_each_slot_has_one_token_for_all_of_its_callers(machine: Machine) -> None:
    with SandboxThread(Options(latency=0.3)) as sandbox:
        env = client(sandbox, GC_CREDHELPER_SLOTS="4")
        started = [machine.start("token", env=env | {"CI_JOB_ID": str(job)}) for job in range(16)]
        done = outputs(started)
        assert {(run.code, run.err) for run in done} == {(0, "")}
        by_slot = {slots._hashed(str(job), 4): run.out for job, run in enumerate(done)}
        assert [run.out for run in done] == [by_slot[slots._hashed(str(job), 4)] for job in range(16)]
        assert len(set(by_slot.values())) == 4
        assert sandbox.stats()["token_requests"] == 4


def test_status_shows_and_forget_deletes_every_slot(machine: Machine, scripted: ScriptedServer) -> None:
    scripted.answers = [token(f"t{number}") for number in range(9)]
    env = client(scripted, GC_CREDHELPER_SLOTS="3")
    for number in range(3):
        assert machine.run("token", "--set", f"slot={number}", "-o", "raw", env=env).out == f"t{number}\n"
    rows = json.loads(machine.run("status", "--json", env=env).out)["entries"]
    assert sorted(row["slot"] for row in rows) == [0, 1, 2]
    assert machine.run("forget", "-v", env=env).err == "gc-credhelper: note: cached tokens that were deleted: 3\n"
    assert not [*machine.cache.glob("*.token")]


def test_the_later_steps_of_a_job_are_hits_on_its_slot(machine: Machine, scripted: ScriptedServer) -> None:
    env = client(scripted, GC_CREDHELPER_SLOTS="4", CI_JOB_ID="4711")
    assert {machine.run("token", "-o", "raw", env=env).out for _ in range(3)} == {"tok-1\n"}
    note = next(machine.cache.glob("*.note")).read_bytes()
    assert b"\0E\0CI_JOB_ID\x004711\0" in note
    scripted.answers = [token("of-another-slot")]
    other = next(str(job) for job in range(99) if slots._hashed(str(job), 4) != slots._hashed("4711", 4))
    assert machine.run("token", "-o", "raw", env=env | {"CI_JOB_ID": other}).out == "of-another-slot\n"


def test_a_note_of_another_host_does_not_hold_here(machine: Machine, scripted: ScriptedServer) -> None:
    env = client(scripted, GC_CREDHELPER_SLOTS="4")
    assert machine.run("token", env=env).code == 0
    assert machine.run("token", env=env).code == 0
    (path,) = machine.cache.glob("*.note")
    inputs = Inputs(["token"], {encode(name): encode(value) for name, value in machine.environ(env).items()})
    inputs.cwd = str(machine.home)
    note = path.read_bytes()
    assert plan.recall(inputs, note)
    here, elsewhere = (b"\0H\0\0%s\0" % name for name in (encode(socket.gethostname()), b"elsewhere"))
    body = note.rpartition(b"\0")[0].replace(here, elsewhere)
    assert body + b"\0" + plan.checksum(body) != note
    assert plan.recall(inputs, body + b"\0" + plan.checksum(body)) is None


def test_a_pool_is_dealt_over_the_slots(machine: Machine, scripted: ScriptedServer) -> None:
    scripted.answers = [token(f"t{number}") for number in range(9)]
    env = {"GC_CREDHELPER_TOKEN_URL": scripted.token_url} | POOL | NAMED
    for number in (0, 1, 2, 3, 4):
        machine.run("token", env=env | {"GC_CREDHELPER_SLOT": str(number)})
    users = [base64.b64decode(one.headers["authorization"].split()[1]).decode() for one in scripted.requests]
    assert users == ["a-id:a-secret", "b-id:b-secret", "c-id:c-secret", "d-id:d-secret"]
    machine.run("token", env=env | {"GC_CREDHELPER_SLOTS": "8", "GC_CREDHELPER_SLOT": "5"})
    users = [base64.b64decode(one.headers["authorization"].split()[1]).decode() for one in scripted.requests]
    assert users[4] == "b-id:b-secret"
    assert machine.run("forget", "-v", env=env).err.endswith("deleted: 4\n")


def test_a_pool_stands_in_a_profile_as_a_list(shell: Shell, scripted: ScriptedServer) -> None:
    shell.write_config('[profiles.default]\nprovider = ["env:A", "env:B"]\n')
    env = {"GC_CREDHELPER_TOKEN_URL": scripted.token_url, "GC_CREDHELPER_SLOT": "1", **POOL}
    found = shell.settings(env=env)
    assert found["provider"][0] == "env:A,env:B"
    assert found["(slot)"][0] == "1 of 2"
    assert found["(client id)"][0] == "b-id"


def test_one_client_id_is_named_for_each_client_of_a_pool(shell: Shell) -> None:
    env = NAMED | {"GC_CREDHELPER_SLOT": "2"}
    assert shell.settings("--set", "client_id=1,2,3,4", env=env)["(client id)"][0] == "3"
    done = shell("token", "--set", "client_id=1,2", env=env)
    refused(done, 2, "client_id (flag --set client_id) names 2, and provider 4")


def test_clients_that_no_slot_would_use_are_refused(shell: Shell) -> None:
    done = shell("token", "--set", "slots=3", env=NAMED)
    refused(done, 2, "slots (flag --set slots) is 3, but provider names a pool of 4 clients")


def test_a_setting_that_would_take_the_place_of_the_whole_pool_is_refused(shell: Shell) -> None:
    done = shell("token", "--set", "env.prefix=Z", env=NAMED)
    refused(done, 2, "env.prefix (flag --set env.prefix) takes the place of a whole pool")


def test_a_path_may_hold_a_comma() -> None:
    assert pool("file:x,env") == ("file:x,env",)


@pytest.mark.parametrize("value", ["env,file:x", "env:A,file:x", "vault:a,vault", "env:A , env : B"])
def test_a_chain_of_providers_is_refused(shell: Shell, value: str) -> None:
    refused(shell("token", "--provider", value), 2, "there is no chain")


def test_the_commas_of_a_command_are_its_own(shell: Shell, tmp_path: Path) -> None:
    assert pool("command:op read a,b:c") == ("command:op read a,b:c",)
    assert pool("command:op read a, command:op read b") == ("command:op read a", "command:op read b")
    shown = shell.settings("--provider", f"command:{tmp_path}/one {CANARY},command:{tmp_path}/two {CANARY}")
    assert shown["provider"][0] == "command:one …,command:two …"
