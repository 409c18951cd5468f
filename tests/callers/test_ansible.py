"""The playbook of the page, run by ansible-core in an environment of its own."""

import clients
import pytest
from support import Machine

from callers.shown import Caller, block
from gc_credhelper.sandbox.options import Options
from gc_credhelper.sandbox.server import SandboxThread

START = block("ansible.md", "bash")
PLAYBOOK = block("ansible.md", "yaml")


def caller_of(machine: Machine, sandbox: SandboxThread) -> Caller:
    caller = Caller(machine, sandbox)
    caller.watch("ansible-playbook", clients.need("ansible"))
    (caller.work / "playbook.yml").write_text(PLAYBOOK)
    python = "ansible_python_interpreter='{{ ansible_playbook_python }}'"
    (caller.work / "hosts").write_text(f"localhost ansible_connection=local {python}\n")
    (caller.work / "ansible.cfg").write_text("[defaults]\ninventory = hosts\n")
    return caller


def test_the_playbook_reads_the_users_and_its_loudest_log_has_no_token(
    machine: Machine, sandbox: SandboxThread
) -> None:
    caller = caller_of(machine, sandbox)
    run = caller.shell(START, env={"ANSIBLE_VERBOSITY": "4"})
    assert run.code == 0, run.out[-2000:]
    assert '"msg": "50 users"' in run.out
    assert (caller.helper_calls("token"), caller.helper_calls("reject")) == (1, 0)
    caller.assert_kept_secret(caller.token, run)


def test_a_refused_token_fails_the_play_and_the_next_one_has_another(machine: Machine) -> None:
    with SandboxThread(Options(fail=["idle-death:1"])) as sandbox:
        caller = caller_of(machine, sandbox)
        refused = caller.run("gc-credhelper", "token", "-o", "raw").out.strip()
        run = caller.shell(START)
        assert run.code != 0
        assert "the API refused the token; the next run has another one" in run.out
        assert caller.helper_calls("reject") == 1
        caller.assert_kept_secret(refused, run)
        assert caller.run("gc-credhelper", "token", "-o", "raw").out.strip() != refused
        assert sandbox.stats()["token_requests"] == 2


def test_without_a_token_the_play_stops_and_names_the_exit_code(machine: Machine, sandbox: SandboxThread) -> None:
    run = caller_of(machine, sandbox).shell(START, env={"GENESYS_CLOUD_CLIENT_SECRET": "canary-Wx3-wrong"})
    assert run.code != 0
    assert "returned 5" in run.out + run.err
    assert sandbox.stats()["api_requests"] == 0
    assert "canary" not in run.out + run.err


@pytest.mark.parametrize("task", PLAYBOOK.split("    - name: ")[1:], ids=lambda task: task.partition("\n")[0])
def test_every_task_that_holds_the_token_is_kept_out_of_the_log(task: str) -> None:
    holds = "genesys_token" in task or "register:" in task
    assert ("no_log: true" in task) == holds
