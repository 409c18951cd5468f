"""The Makefile of the page, run by make."""

import clients
import pytest
from support import Machine

from callers.shown import Caller, block
from gc_credhelper.sandbox.server import SandboxThread

PAGE = "make.md"
DEPLOY = """#!/bin/sh
test -z "$GENESYS_CLOUD_CLIENT_SECRET" || exit 1
curl --fail --silent -K - "$GC_CREDHELPER_API_URL/api/v2/tokens/me" > /dev/null <<END
header = "Authorization: Bearer $GENESYSCLOUD_ACCESS_TOKEN"
END
"""


@pytest.fixture
def caller(machine: Machine, sandbox: SandboxThread) -> Caller:
    caller = Caller(machine, sandbox)
    caller.watch("make", clients.need("make"))
    caller.watch("curl", clients.need("curl"))
    (caller.work / "Makefile").write_text(block(PAGE, "make"))
    (caller.work / "deploy.sh").write_text(DEPLOY)
    (caller.work / "deploy.sh").chmod(0o755)
    return caller


def test_the_commands_of_the_page_cause_one_token_request_and_print_no_token(caller: Caller) -> None:
    run = caller.shell(block(PAGE, "bash"))
    assert (run.code, run.err) == (0, "")
    for name in ("users.json", "routing/skills.json", "routing/queues.json"):
        assert '"entities"' in (caller.work / name).read_text()
    assert caller.helper_calls("token") == 3
    assert caller.sandbox.stats()["token_requests"] == 1
    assert caller.sandbox.stats()["api_requests"] == 4
    traced = caller.run("make", "--trace", "--always-make", "users.json")
    assert traced.code == 0
    caller.assert_kept_secret(caller.token, run, traced)


def test_without_a_token_the_target_fails_and_leaves_no_file(caller: Caller) -> None:
    run = caller.run("make", "users.json", env={"GENESYS_CLOUD_CLIENT_SECRET": "canary-Wx3-wrong"})
    assert run.code == 2
    assert "gc-credhelper: error: wrong secret" in run.err
    assert not (caller.work / "users.json").exists()
    assert "canary" not in run.out + run.err
