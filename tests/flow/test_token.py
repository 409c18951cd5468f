"""`token`, the whole command over real HTTP: miss, hit, formats, windows."""

import json
import os
import re
import time
from pathlib import Path

import pytest
from support import Machine, client
from support.scripted import ScriptedServer, token

from gc_credhelper.sandbox.server import SandboxThread

RFC3339 = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ")


def test_an_empty_machine_gets_an_exec_credential(machine: Machine, sandbox: SandboxThread) -> None:
    done = machine.run("token", env=client(sandbox))
    assert (done.code, done.err) == (0, "")
    answer = json.loads(done.out)
    assert answer["apiVersion"] == "client.authentication.k8s.io/v1"
    assert answer["kind"] == "ExecCredential"
    assert answer["status"].keys() == {"token", "expirationTimestamp"}
    assert RFC3339.fullmatch(answer["status"]["expirationTimestamp"])


def test_the_second_call_prints_the_same_bytes_and_asks_nobody(machine: Machine, sandbox: SandboxThread) -> None:
    first = machine.run("token", env=client(sandbox))
    second = machine.run("token", env=client(sandbox))
    assert first.out == second.out
    assert sandbox.stats()["token_requests"] == 1


def test_the_reported_expiry_is_a_minute_early(machine: Machine, scripted: ScriptedServer) -> None:
    before = int(time.time())
    done = machine.run("token", env=client(scripted))
    reported = time.strptime(json.loads(done.out)["status"]["expirationTimestamp"], "%Y-%m-%dT%H:%M:%SZ")
    import calendar

    assert before + 86_400 - 61 <= calendar.timegm(reported) <= time.time() + 86_400 - 60


@pytest.mark.parametrize("output", ["exec-credential", "raw", "header", "json"])
def test_every_format_is_the_same_from_the_server_and_from_the_cache(
    machine: Machine, scripted: ScriptedServer, output: str
) -> None:
    fresh = machine.run("token", "-o", output, env=client(scripted))
    cached = machine.run("token", "-o", output, env=client(scripted))
    assert fresh.code == cached.code == 0
    assert "tok-1" in fresh.out
    if output != "json":  # which counts the seconds that are left
        assert fresh.out == cached.out
    assert len(scripted.requests) == 1


def test_raw_and_header_are_what_curl_takes(machine: Machine, scripted: ScriptedServer) -> None:
    assert machine.run("token", "-o", "raw", env=client(scripted)).out == "tok-1\n"
    assert machine.run("token", "-o", "header", env=client(scripted)).out == "Authorization: Bearer tok-1\n"


def test_kubernetes_is_answered_in_the_version_that_it_asks_for(machine: Machine, scripted: ScriptedServer) -> None:
    info = {
        "apiVersion": "client.authentication.k8s.io/v1beta1",
        "kind": "ExecCredential",
        "spec": {"interactive": False},
    }
    env = client(scripted, KUBERNETES_EXEC_INFO=json.dumps(info) + "\n")
    for _ in range(2):
        assert json.loads(machine.run("token", env=env).out)["apiVersion"] == info["apiVersion"]
    info["apiVersion"] = "client.authentication.k8s.io/v1alpha1"
    done = machine.run("token", env=client(scripted, KUBERNETES_EXEC_INFO=json.dumps(info)))
    assert (done.code, done.out) == (2, "")
    assert "KUBERNETES_EXEC_INFO" in done.error
    assert machine.run("token", env=client(scripted, KUBERNETES_EXEC_INFO="{")).code == 2


def test_refresh_replaces_the_entry(machine: Machine, scripted: ScriptedServer) -> None:
    scripted.answers = [token("one"), token("two")]
    assert machine.run("token", "-o", "raw", env=client(scripted)).out == "one\n"
    assert machine.run("token", "-o", "raw", "--refresh", env=client(scripted)).out == "two\n"
    assert machine.run("token", "-o", "raw", env=client(scripted)).out == "two\n"
    assert len(scripted.requests) == 2


def test_cache_none_keeps_nothing(machine: Machine, scripted: ScriptedServer) -> None:
    for _ in range(2):
        assert machine.run("token", "--cache", "none", env=client(scripted)).code == 0
    assert len(scripted.requests) == 2
    assert not [*machine.cache.glob("*.token")]


def test_the_secret_is_not_needed_while_the_token_is_cached(machine: Machine, scripted: ScriptedServer) -> None:
    env = client(scripted)
    assert machine.run("token", env=env).code == 0
    del env["GENESYS_CLOUD_CLIENT_SECRET"]
    for _ in range(2):
        assert machine.run("token", env=env).code == 0
    done = machine.run("token", "--refresh", env=env)
    assert (done.code, done.out) == (4, "")
    assert "GENESYS_CLOUD_CLIENT_SECRET" in done.error
    assert len(scripted.requests) == 1


def test_min_ttl_beyond_what_the_client_grants_is_exit_7_without_a_second_exchange(
    machine: Machine, scripted: ScriptedServer
) -> None:
    scripted.answers = [token(lifetime=300)]
    for _ in range(2):
        done = machine.run("token", "--min-ttl", "1h", env=client(scripted))
        assert (done.code, done.out) == (7, "")
        assert "300 s" in done.error
    assert machine.run("token", env=client(scripted)).code == 0
    assert len(scripted.requests) == 1


def test_a_young_token_satisfies_a_min_ttl_of_its_whole_lifetime(machine: Machine, scripted: ScriptedServer) -> None:
    scripted.answers = [token(lifetime=3600)]
    for _ in range(2):
        time.sleep(0.01)
        assert machine.run("token", "--min-ttl", "60m", env=client(scripted)).code == 0
    assert len(scripted.requests) == 1


def test_two_clients_never_share_a_token(machine: Machine, scripted: ScriptedServer) -> None:
    scripted.answers = [token("one"), token("two")]
    env = client(scripted)
    assert machine.run("token", "-o", "raw", env=env).out == "one\n"
    assert machine.run("token", "-o", "raw", env=env | {"GENESYS_CLOUD_CLIENT_ID": "other"}).out == "two\n"
    assert machine.run("token", "-o", "raw", env=env).out == "one\n"


def test_files_and_directories_are_private(machine: Machine, scripted: ScriptedServer) -> None:
    old = os.umask(0)
    try:
        machine.run("token", env=client(scripted))
    finally:
        os.umask(old)
    files = [*machine.cache.iterdir()]
    assert {path.suffix for path in files} == {".token", ".lock", ".note"}
    assert {path.stat().st_mode & 0o7777 for path in files} == {0o600}
    assert machine.cache.stat().st_mode & 0o7777 == 0o700


def test_in_ci_the_token_lies_in_the_jobs_own_directory(
    machine: Machine, scripted: ScriptedServer, tmp_path: Path
) -> None:
    for name in ("RUNNER_TEMP", "AGENT_TEMPDIRECTORY", "WORKSPACE_TMP"):
        place = tmp_path / name
        place.mkdir()
        machine.run("token", env=client(scripted, **{name: str(place)}))
        assert [*(place / f"gc-credhelper-{os.geteuid()}").glob("*.token")]
    assert not machine.cache.exists()


@pytest.mark.parametrize("home", ["", "/"])
def test_without_a_home_the_runtime_directory_serves(
    machine: Machine, scripted: ScriptedServer, tmp_path: Path, home: str
) -> None:
    runtime = tmp_path / "run"
    runtime.mkdir(mode=0o700)
    done = machine.run("token", env=client(scripted, HOME=home, XDG_RUNTIME_DIR=str(runtime)))
    assert (done.code, done.err) == (0, "")
    assert [*(runtime / "gc-credhelper").glob("*.token")]
