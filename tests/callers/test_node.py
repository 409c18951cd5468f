"""The project for Node, run by node."""

import json
import shutil
from collections.abc import Iterator

import clients
import pytest
from docs.pages import HOW_TO
from support import GC, Machine

from callers.shown import Caller, block
from gc_credhelper.sandbox.options import Options
from gc_credhelper.sandbox.server import SandboxThread

PROJECT = HOW_TO / "node"
START = block("node.md", "bash")


def caller_of(machine: Machine, sandbox: SandboxThread) -> Caller:
    caller = Caller(machine, sandbox)
    caller.watch("node", clients.need("node"))
    shutil.copytree(PROJECT, caller.work, dirs_exist_ok=True)
    return caller


@pytest.fixture
def caller(machine: Machine, sandbox: SandboxThread) -> Caller:
    return caller_of(machine, sandbox)


@pytest.fixture
def refused(machine: Machine) -> Iterator[Caller]:
    """The API refuses the first token."""
    with SandboxThread(Options(fail=["idle-death:1"])) as sandbox:
        yield caller_of(machine, sandbox)


def test_the_page_shows_the_file_and_the_project_needs_no_package() -> None:
    assert block("node.md", "js") == (PROJECT / "genesys.js").read_text()
    assert "dependencies" not in json.loads((PROJECT / "package.json").read_text())


def test_the_project_walks_every_page_with_one_run_of_the_helper(caller: Caller) -> None:
    run = caller.shell(START)
    assert (run.code, run.out, run.err) == (0, "50 users\n", "")
    assert caller.helper_calls("token") == 1
    assert caller.sandbox.stats()["api_requests"] == 3
    caller.assert_kept_secret(caller.token, run)


def test_a_token_is_not_used_beyond_the_expiry_that_was_reported(caller: Caller) -> None:
    caller.watch("gc-credhelper", GC, then='| sed \'s/"expires_at_epoch":[0-9]*/"expires_at_epoch":1/\'')
    assert caller.shell(START).out == "50 users\n"
    assert caller.helper_calls("token") == 3


def test_a_refused_token_is_rejected_once_and_the_request_repeated(refused: Caller) -> None:
    run = refused.shell(START)
    assert (run.code, run.out, run.err) == (0, "50 users\n", "")
    assert (refused.helper_calls("token"), refused.helper_calls("reject")) == (2, 1)
    assert refused.sandbox.stats()["token_requests"] == 2
    refused.assert_kept_secret(refused.token, run)


def test_requests_at_once_share_the_helper_and_the_rejection(refused: Caller) -> None:
    script = """
    import { api } from "./genesys.js";
    const answers = await Promise.all(Array.from({ length: 8 }, () => api("/api/v2/tokens/me")));
    console.log(answers.map((answer) => answer.status).join(" "));
    """
    run = refused.run("node", "--input-type=module", "-e", script)
    assert (run.code, run.out.split(), run.err) == (0, ["200"] * 8, "")
    assert (refused.helper_calls("token"), refused.helper_calls("reject")) == (2, 1)


def test_a_second_401_reaches_the_caller(machine: Machine) -> None:
    with SandboxThread(Options(fail=["idle-death"])) as sandbox:
        caller = caller_of(machine, sandbox)
        run = caller.shell(START)
        assert (run.code, run.out) == (1, "")
        assert "the API answered 401" in run.err
        assert sandbox.stats()["token_requests"] == 2


def test_a_helper_that_fails_says_why_and_its_exit_code_is_in_the_error(caller: Caller) -> None:
    run = caller.shell(START, env={"GENESYS_CLOUD_CLIENT_SECRET": "canary-Wx3-wrong"})
    assert (run.code, run.out) == (1, "")
    assert "gc-credhelper: error: wrong secret" in run.err
    assert "gc-credhelper token ended with status 5" in run.err
    assert "canary" not in run.err
