"""The command `sandbox`: its ready line, the environment of its child, and its flags."""

import json
import signal
import socket
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest
from support import GC, Machine, Run

from inputs.kit import CANARY, Shell, refused, script

ENVIRON = "import json, os; print(json.dumps(dict(os.environ)))"
FOREIGN = {
    "GENESYS_CLOUD_CLIENT_ID": "real",
    "GENESYS_CLOUD_CLIENT_SECRET": CANARY,
    "GENESYS_CLOUD_CLIENT_SECRET_FILE": "/real",
    "GENESYS_CLOUD_REGION": "mypurecloud.ie",
    "GENESYS_CLOUD_ENVIRONMENT": "mypurecloud.ie",
    "GENESYSCLOUD_OAUTHCLIENT_ID": "real",
    "GENESYSCLOUD_OAUTHCLIENT_SECRET": CANARY,
    "GENESYSCLOUD_REGION": "eu-west-1",
    "PURECLOUD_CLIENT_ID": "real",
    "PURECLOUD_CLIENT_SECRET": CANARY,
    "PURECLOUD_ENVIRONMENT": "mypurecloud.ie",
    "GC_CREDHELPER_PROFILE": "prod",
    "GC_CREDHELPER_REGION": "mypurecloud.ie",
    "GC_CREDHELPER_VAULT_TOKEN": CANARY,
    "GC_CREDHELPER_CLIENT_ID": "real",
    "VAULT_TOKEN": CANARY,
    "AWS_PROFILE": "real",
    "KUBERNETES_EXEC_INFO": "junk",
}


def test_the_ready_line_is_one_line_of_json_and_the_server_answers(machine: Machine) -> None:
    with machine.start("sandbox") as child:
        assert child.stdout
        ready = json.loads(child.stdout.readline())
        assert ready.keys() == {"token_url", "api_url", "client_id", "client_secret"}
        assert ready["token_url"] == ready["api_url"] + "/oauth/token"
        assert ready["api_url"].startswith("http://127.0.0.1:")
        with urllib.request.urlopen(ready["api_url"] + "/_sandbox/stats", timeout=30) as answer:
            assert json.load(answer)["token_requests"] == 0
        env = {
            "GC_CREDHELPER_TOKEN_URL": ready["token_url"],
            "GENESYS_CLOUD_CLIENT_ID": ready["client_id"],
            "GENESYS_CLOUD_CLIENT_SECRET": ready["client_secret"],
        }
        assert machine.run("token", env=env).code == 0
        child.send_signal(signal.SIGINT)
        out, err = child.communicate(timeout=60)
        assert (child.returncode, out, err) == (0, "", "")


def test_flags_reach_the_server(machine: Machine) -> None:
    flags = ["--client", "an-id:a:secret", "--lifetime", "600", "--latency", "10ms", "--users", "3", "--fail", "500:1"]
    with machine.start("sandbox", *flags) as child:
        assert child.stdout
        ready = json.loads(child.stdout.readline())
        assert (ready["client_id"], ready["client_secret"]) == ("an-id", "a:secret")
        env = {
            "GC_CREDHELPER_TOKEN_URL": ready["token_url"],
            "GENESYS_CLOUD_CLIENT_ID": "an-id",
            "GENESYS_CLOUD_CLIENT_SECRET": "a:secret",
        }
        done = machine.run("token", "-v", "-o", "json", env=env)
        assert "attempt 1" in done.err
        assert 500 < json.loads(done.out)["expires_in"] <= 600
        child.terminate()
        assert child.wait(60) == 0


def test_the_limit_of_the_api_reaches_the_server(machine: Machine) -> None:
    code = """
import os, subprocess, urllib.request
token = subprocess.check_output(["gc-credhelper", "token", "-o", "raw"], text=True).strip()
ask = urllib.request.Request(os.environ["GC_CREDHELPER_API_URL"] + "/api/v2/users?pageSize=1")
ask.add_header("Authorization", "Bearer " + token)
with urllib.request.urlopen(ask) as answer:
    print(answer.headers["inin-ratelimit-allowed"])
"""
    assert machine.run("sandbox", "--api-limit", "7", "--", sys.executable, "-c", code).out == "7\n"


def test_a_command_sees_the_sandbox_and_nothing_real(machine: Machine) -> None:
    done = machine.run("sandbox", "--", sys.executable, "-c", ENVIRON, env=FOREIGN | {"KEPT": "yes"})
    assert (done.code, done.err) == (0, "")
    found = json.loads(done.out)
    ours = {name: value for name, value in found.items() if name.startswith(("GC_CREDHELPER_", "GENESYS", "PURECLOUD"))}
    assert ours.keys() == {
        "GC_CREDHELPER_TOKEN_URL",
        "GC_CREDHELPER_API_URL",
        "GC_CREDHELPER_PROVIDER",
        "GC_CREDHELPER_CACHE",
        "GC_CREDHELPER_CACHE_DIR",
        "GC_CREDHELPER_CONFIG",
        "GENESYS_CLOUD_CLIENT_ID",
        "GENESYS_CLOUD_CLIENT_SECRET",
    }
    assert found["KEPT"] == "yes"
    assert not found.keys() & {"VAULT_TOKEN", "AWS_PROFILE", "KUBERNETES_EXEC_INFO"}
    assert found["HOME"] == str(machine.home)
    assert CANARY not in done.out
    assert "real" not in ours.values()
    assert (ours["GC_CREDHELPER_PROVIDER"], ours["GC_CREDHELPER_CACHE"]) == ("env", "file")
    assert not Path(ours["GC_CREDHELPER_CACHE_DIR"]).exists()


def test_a_token_comes_out_of_one_line(machine: Machine) -> None:
    machine.write_config("this is not TOML, and nobody reads it")
    done = machine.run("sandbox", "--", GC, "token", env=FOREIGN)
    assert (done.code, done.err) == (0, "")
    assert json.loads(done.out)["kind"] == "ExecCredential"
    assert not machine.cache.exists()


def test_the_cache_of_a_sandbox_serves_every_step_of_its_command(machine: Machine, tmp_path: Path) -> None:
    steps = script(tmp_path / "steps", f"{GC} token -o raw; {GC} token -o raw; {GC} status --json >/dev/null")
    first, second = machine.run("sandbox", "--", steps).out.splitlines()
    assert first == second


@pytest.mark.parametrize(
    ("text", "status"), [("exit 0", 0), ("exit 7", 7), ("kill -TERM $$", 143), ("kill -9 $$", 137)]
)
def test_the_status_is_that_of_the_command(machine: Machine, text: str, status: int) -> None:
    assert machine.run("sandbox", "--", "sh", "-c", text).code == status


def test_a_signal_goes_to_the_command(machine: Machine) -> None:
    with machine.start(
        "sandbox", "--", "sh", "-c", "trap 'exit 5' TERM; echo up; while :; do sleep 0.05; done"
    ) as child:
        assert child.stdout
        assert child.stdout.readline() == "up\n"
        child.terminate()
        assert child.wait(60) == 5


@pytest.mark.parametrize(
    ("argv", "said"),
    [
        (["--port", CANARY], "--port: invalid port value"),
        (["--port", "70000"], "--port: invalid port value"),
        (["--port", "-1"], "--port"),
        (["--lifetime", "0"], "the lifetime must be at least 1 second"),
        (["--lifetime", "1.5"], "--lifetime: invalid int value"),
        (["--latency", "nan"], "--latency: invalid duration value"),
        (["--latency", "inf"], "--latency: invalid duration value"),
        (["--latency=-1"], "--latency: invalid duration value"),
        (["--users=-1"], "cannot be negative"),
        (["--api-limit=-1"], "cannot be negative"),
        (["--api-limit", CANARY], "--api-limit: invalid int value"),
        (["--client", CANARY], "--client takes ID:SECRET"),
        (["--client", f":{CANARY}"], "--client takes ID:SECRET"),
        (["--client", "an-id:"], "--client takes ID:SECRET"),
        (["--fail", "rest"], "did you mean reset"),
        (["--fail", "api-rest@3"], "did you mean api-reset"),
        (["--fail", CANARY], "known: 429, 500"),
        (["--fail", "500:0"], "COUNT and SKIP are whole numbers from 1 on"),
        (["--fail", "api-500:1@0"], "COUNT and SKIP are whole numbers from 1 on"),
        (["--fail", f"api-500@{CANARY}"], "COUNT and SKIP are whole numbers from 1 on"),
        (["--fail", f"500:{CANARY}"], "COUNT and SKIP are whole numbers from 1 on"),
        (["--fial", "500"], "did you mean --fail?"),
        (["--"], "there is no command after --"),
        (["--", f"/nowhere/{CANARY}"], "the command after -- was not found"),
        ([CANARY, "--", "true"], "a word too many"),
    ],
)
def test_bad_flags_are_refused(shell: Shell, argv: list[str], said: str) -> None:
    refused(shell("sandbox", *argv), 2, said)


def test_a_port_that_is_taken_is_refused(machine: Machine) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        for argv in ([], ["--", "true"]):
            refused(machine.run("sandbox", "--port", str(port), *argv), 2, f"port {port} cannot be had", "--port")


def test_without_aiohttp_the_hint_is_the_install_command(machine: Machine, tmp_path: Path) -> None:
    (tmp_path / "aiohttp").mkdir()
    (tmp_path / "aiohttp" / "__init__.py").write_text("raise ModuleNotFoundError('none here', name='aiohttp')\n")
    done = subprocess.run(
        [sys.executable, "-m", "gc_credhelper", "sandbox", "--", "true"],
        env=machine.environ() | {"PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
        cwd=machine.home,
        timeout=60,
    )
    refused(Run(done.returncode, done.stdout, done.stderr), 3, "the sandbox needs aiohttp")
    assert "pip install 'gc-credhelper[sandbox]'" in done.stderr
