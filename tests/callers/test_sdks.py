"""Genesys' own SDKs, each with what the page shows: a first token that the API refuses, then a good one."""

from collections.abc import Iterator
from pathlib import Path

import clients
import pytest
from support import Machine

from callers.shown import Caller, block
from gc_credhelper.sandbox.options import Options
from gc_credhelper.sandbox.server import SandboxThread

PAGE = "sdks.md"


@pytest.fixture
def refused(machine: Machine) -> Iterator[Caller]:
    """The API refuses the first token."""
    with SandboxThread(Options(fail=["idle-death:1"])) as sandbox:
        yield Caller(machine, sandbox)


@pytest.mark.parametrize(("shown", "calls"), [("configure_sdk", (0, 0)), ("subprocess", (2, 1))])
def test_the_sdk_for_python_calls_the_api_with_the_helpers_token(
    refused: Caller, shown: str, calls: tuple[int, int]
) -> None:
    refused.watch("python", clients.need("genesys-python"))
    (refused.work / "users.py").write_text(block(PAGE, "py", shown))
    run = refused.run("python", "users.py")
    assert (run.code, run.out, run.err) == (0, "50 users\n", "")
    assert (refused.helper_calls("token"), refused.helper_calls("reject")) == calls
    assert refused.sandbox.stats()["token_requests"] == 2
    refused.assert_kept_secret(refused.token, run)


def test_the_sdk_for_javascript_calls_the_api_with_the_helpers_token(refused: Caller) -> None:
    refused.watch("node", clients.need("node"))
    (refused.work / "node_modules").symlink_to(Path(clients.need("genesys-node")))
    (refused.work / "users.cjs").write_text(block(PAGE, "js"))
    run = refused.run("node", "users.cjs")
    assert (run.code, run.out, run.err) == (0, "50 users\n", "")
    assert (refused.helper_calls("token"), refused.helper_calls("reject")) == (2, 1)
    assert refused.sandbox.stats()["token_requests"] == 2
    refused.assert_kept_secret(refused.token, run)
