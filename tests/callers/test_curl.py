"""curl, as the page calls it: tests/docs runs the page, here is what it promises beside that."""

from collections.abc import Iterator

import clients
import pytest
from support import Machine
from support.scripted import ScriptedServer, http

from callers.shown import Caller, block
from gc_credhelper.sandbox.options import Options
from gc_credhelper.sandbox.server import SandboxThread

PAGE = "curl-and-httpie.md"
AGAIN = block(PAGE, "sh", "gc-credhelper reject")
USERS = 'curl --fail --silent --show-error -K - "$GC_CREDHELPER_API_URL/api/v2/users"'


@pytest.fixture
def caller(machine: Machine, sandbox: SandboxThread) -> Caller:
    caller = Caller(machine, sandbox)
    caller.watch("curl", clients.need("curl"))
    return caller


@pytest.fixture
def refused(machine: Machine) -> Iterator[Caller]:
    """The API refuses the first token."""
    with SandboxThread(Options(fail=["idle-death:1"])) as sandbox:
        caller = Caller(machine, sandbox)
        caller.watch("curl", clients.need("curl"))
        yield caller


@pytest.mark.parametrize("form", [("curl", "-K -"), ("header", "-H @-")])
def test_the_token_reaches_the_api_and_no_argument(caller: Caller, form: tuple[str, str]) -> None:
    name, option = form
    run = caller.shell(f"gc-credhelper token -o {name} | {USERS.replace('-K -', option)}")
    assert (run.code, run.err) == (0, "")
    assert '"total": 50' in run.out
    caller.assert_kept_secret(caller.token, run)


def test_the_script_of_the_page_asks_once_more_after_a_401(refused: Caller) -> None:
    run = refused.shell(AGAIN)
    assert (run.code, run.out, run.err) == (0, "", "")
    assert '"total": 50' in (refused.work / "users.json").read_text()
    assert refused.sandbox.stats()["token_requests"] == 2
    refused.assert_kept_secret(refused.token, run)


def test_with_pipefail_a_pipeline_without_a_token_fails(caller: Caller) -> None:
    wrong = {"GENESYS_CLOUD_CLIENT_SECRET": "canary-Wx3-wrong"}
    quiet = f"gc-credhelper token -o curl | {USERS} || true"
    assert "401" in caller.shell(quiet, env=wrong).err
    assert caller.shell(f"set -o pipefail; gc-credhelper token -o curl | {USERS}", env=wrong).code != 0


def test_curl_keeps_the_header_from_the_host_of_a_redirect(caller: Caller, scripted: ScriptedServer) -> None:
    scripted.answers = [http(200, "elsewhere")]
    with ScriptedServer(http(302, "", Location=f"http://localhost:{scripted.port}/")) as first:
        url = f"http://127.0.0.1:{first.port}/"
        run = caller.shell(f"gc-credhelper token -o curl | curl --silent --location -K - {url}")
        assert run.out == "elsewhere"
        assert caller.token in first.requests[0].headers["authorization"]
        assert "authorization" not in scripted.requests[0].headers
