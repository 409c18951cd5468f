"""The plug-in of HTTPie, in HTTPie's own environment."""

import json
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path

import clients
import pytest
from support import Machine, Run
from support.scripted import ScriptedServer, http, token

from callers.shown import Caller, block
from gc_credhelper.sandbox.options import Options
from gc_credhelper.sandbox.server import SandboxThread

SHOWN = block("curl-and-httpie.md", "bash")
PROFILES = '[profiles.ci]\nmin_ttl = "10m"\n[profiles.impatient]\nmin_ttl = "40d"\n'


def caller_of(machine: Machine, sandbox: SandboxThread) -> Caller:
    caller = Caller(machine, sandbox)
    caller.watch("http", clients.need("httpie"))
    machine.write_config(PROFILES)
    settings = machine.home / ".config" / "httpie"
    settings.mkdir()
    (settings / "config.json").write_text('{"disable_update_warnings": true}')  # it would ask the network
    return caller


@pytest.fixture
def caller(machine: Machine, sandbox: SandboxThread) -> Caller:
    return caller_of(machine, sandbox)


@pytest.fixture
def refused(machine: Machine) -> Iterator[Caller]:
    """The API refuses the first token."""
    with SandboxThread(Options(fail=["idle-death:1"])) as sandbox:
        yield caller_of(machine, sandbox)


def call(caller: Caller, *words: str, url: str = "", env: Mapping[str, str] | None = None) -> Run:
    """One request; without --ignore-stdin HTTPie would read its body from there."""
    url = url or f"{caller.sandbox.api_url}/api/v2/users"
    options = [word for word in words if word.startswith("-")]
    items = [word for word in words if not word.startswith("-")]
    return caller.run("http", "--ignore-stdin", "--check-status", "--body", "-A=gc", *options, url, *items, env=env)


def test_the_command_of_the_page_gets_the_token_of_the_profile(caller: Caller) -> None:
    run = caller.shell(SHOWN)
    assert (run.code, run.err) == (0, "")
    assert json.loads(run.out)["total"] == 50
    caller.assert_kept_secret(caller.token, run)
    assert call(caller).code == 0
    assert caller.sandbox.stats()["token_requests"] == 1


def test_the_profile_is_the_one_that_a_names(caller: Caller) -> None:
    run = call(caller, "-a=impatient")
    assert run.code == 1
    assert "NoToken: this client's tokens live 86400 s, less than min_ttl asks" in run.err
    assert "ask for less" in run.err
    assert "NoToken" in call(caller, "-a=unheard-of").err


def test_a_refused_token_is_rejected_and_the_request_sent_again(refused: Caller) -> None:
    run = call(refused)
    assert (run.code, run.err) == (0, "")
    assert json.loads(run.out)["total"] == 50
    stats = refused.sandbox.stats()
    assert (stats["token_requests"], stats["api_requests"]) == (2, 2)
    refused.assert_kept_secret(refused.token, run)


@pytest.mark.parametrize(("option", "code", "requests"), [("--no-chunked", 0, 2), ("--chunked", 4, 1)])
def test_a_body_is_sent_again_unless_it_is_a_stream(refused: Caller, option: str, code: int, requests: int) -> None:
    query = json.dumps({"interval": "2026-01-01T00:00:00/2026-01-01T01:00:00"})
    url = f"{refused.sandbox.api_url}/api/v2/analytics/conversations/details/query"
    run = refused.run("http", "--ignore-stdin", "--check-status", "-A=gc", option, "--raw", query, "POST", url)
    assert run.code == code, run.err
    assert ("bad.credentials" if code else "totalHits") in run.out
    stats = refused.sandbox.stats()
    assert (stats["token_requests"], stats["api_requests"]) == (2, requests)


def test_a_second_401_is_the_answer(machine: Machine) -> None:
    with SandboxThread(Options(fail=["idle-death"])) as sandbox:
        run = call(caller_of(machine, sandbox))
        assert run.code == 4
        assert "bad.credentials" in run.out
        assert sandbox.stats()["token_requests"] == 2


def test_a_refused_token_that_cannot_be_replaced_is_said_with_what_to_do(
    caller: Caller, scripted: ScriptedServer
) -> None:
    scripted.answers = [token(), http(401, {"error": "invalid_client"})]
    run = call(caller, env={"GC_CREDHELPER_TOKEN_URL": scripted.token_url})
    assert (run.code, run.out) == (1, "")
    assert "NoToken: wrong secret, or wrong region" in run.err
    assert "check that the client id and secret belong to this region" in run.err


def test_a_host_that_is_not_of_the_region_gets_nothing(caller: Caller, scripted: ScriptedServer) -> None:
    elsewhere = f"http://127.0.0.1:{scripted.port}/"
    run = call(caller, url=elsewhere)
    assert (run.code, run.out) == (1, "")
    assert "NoToken: the URL is not one of this region's" in run.err
    assert scripted.requests == []
    listed = {"GC_CREDHELPER_HELPER_HOSTS": f"127.0.0.1:{scripted.port}"}
    assert call(caller, url=elsewhere, env=listed).code == 0
    assert caller.token in scripted.requests[0].headers["authorization"]


def test_a_redirect_to_another_host_neither_carries_the_token_nor_rejects_it(
    caller: Caller, scripted: ScriptedServer
) -> None:
    scripted.answers = [http(401, "who are you")]
    with ScriptedServer(http(302, "", Location=f"http://localhost:{scripted.port}/")) as first:
        url = f"http://127.0.0.1:{first.port}"
        run = call(caller, "--follow", url=f"{url}/", env={"GC_CREDHELPER_API_URL": url})
        assert run.code == 4
        assert "authorization" in first.requests[0].headers
        assert len(scripted.requests) == 1
        assert "authorization" not in scripted.requests[0].headers
    assert caller.sandbox.stats()["token_requests"] == 1
    assert caller.token


def test_a_session_keeps_the_profile_and_not_the_token(caller: Caller) -> None:
    assert call(caller, "--session=work", "-a=ci").code == 0
    (kept,) = (caller.home / ".config" / "httpie" / "sessions").rglob("work.json")
    assert json.loads(kept.read_text())["auth"] == {"type": "gc", "raw_auth": "ci"}
    plain = caller.run(
        "http", "--ignore-stdin", "--check-status", "--session=work", f"{caller.sandbox.api_url}/api/v2/users"
    )
    assert plain.code == 0
    caller.assert_kept_secret(caller.token, plain)


def test_no_secret_is_in_what_httpie_says_of_a_failure(caller: Caller) -> None:
    run = call(caller, "--traceback", env={"GENESYS_CLOUD_CLIENT_SECRET": "canary-Wx3-wrong"})
    assert run.code != 0
    assert "wrong secret, or wrong region" in run.err
    assert "canary" not in run.out + run.err


def test_a_command_without_the_plug_in_loads_nothing_of_ours_but_its_module(caller: Caller) -> None:
    program = """
import sys
from httpie.core import main
assert main(["http", "--offline", "--ignore-stdin", "--body", "http://127.0.0.1"]) == 0
print(sorted(name for name in sys.modules if name.startswith("gc_credhelper")))
"""
    python = Path(clients.need("httpie")).with_name("python")
    done = subprocess.run(
        [python, "-c", program], env=caller.environ(), capture_output=True, text=True, check=True, timeout=100
    )
    assert done.stdout.splitlines()[-1] == "['gc_credhelper', 'gc_credhelper.httpie_plugin']"
