"""`exec`: what the program finds, that nothing of us stays between it and its caller, and tokens of its own."""

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from support import GC, Machine, Run, client
from support.entries import put
from support.scripted import ScriptedServer, http, token

from gc_credhelper.handed import DIVIDED
from gc_credhelper.sandbox.options import Options
from gc_credhelper.sandbox.server import SandboxThread

from .kit import SECRET, Somewhere, command_lines, is_alive, program, variables_of, wait_for, with_api

TOKEN, REGION = "GENESYSCLOUD_ACCESS_TOKEN", "GENESYSCLOUD_REGION"
MINE = ("GENESYS_CLOUD_CLIENT_ID", "GENESYSCLOUD_OAUTHCLIENT_ID", "PURECLOUD_CLIENT_ID")
SIGNALS = "grep -E 'Sig(Blk|Ign)' /proc/self/status"


@pytest.fixture
def somewhere(machine: Machine) -> dict[str, str]:
    """A cached token of a client in Ireland."""
    put(machine.cache, Somewhere.in_region("eu-west-1"), "tok-ie")
    return {"GENESYS_CLOUD_REGION": "eu-west-1", MINE[0]: Somewhere.client_id}


def test_the_program_finds_the_cached_token(machine: Machine, sandbox: SandboxThread) -> None:
    env = client(sandbox)
    cached = machine.run("token", "-o", "raw", env=env).out.strip()
    assert variables_of(machine, env=env)[TOKEN] == cached
    assert sandbox.stats()["token_requests"] == 1


def test_an_empty_machine_gets_a_token_that_stays_for_the_next_caller(
    machine: Machine, scripted: ScriptedServer
) -> None:
    assert variables_of(machine, env=client(scripted))[TOKEN] == "tok-1"
    assert machine.run("token", "-o", "raw", env=client(scripted)).out == "tok-1\n"
    assert len(scripted.requests) == 1
    scripted.answers = [token("tok-2")]
    assert variables_of(machine, "--refresh", env=client(scripted))[TOKEN] == "tok-2"


def test_no_secret_of_any_family_reaches_the_program_and_every_id_does(
    machine: Machine, somewhere: dict[str, str], tmp_path: Path
) -> None:
    file = tmp_path / "secret"
    file.write_text(SECRET)
    secrets = {name.replace("_ID", "_SECRET"): SECRET for name in MINE[:2]} | {
        "PURECLOUD_CLIENT_SECRET_FILE": str(file),
        "MY_OWN_CLIENT_SECRET": SECRET,
    }
    ids = dict.fromkeys(MINE, Somewhere.client_id) | {"MY_OWN_CLIENT_ID": Somewhere.client_id}
    found = variables_of(machine, "--set", "env.prefix=MY_OWN", env=somewhere | secrets | ids)
    assert not found.keys() & secrets.keys()
    assert ids.items() <= found.items()
    assert SECRET not in "".join(found.values())


@pytest.mark.parametrize("provider", ["env:ONE", "env:ONE_", "env:ONE,env:TWO"])
def test_a_prefix_in_the_reference_names_secrets_too(machine: Machine, scripted: ScriptedServer, provider: str) -> None:
    env = {"GC_CREDHELPER_TOKEN_URL": scripted.token_url}
    for name in ("ONE", "TWO"):
        env |= {f"{name}_CLIENT_ID": f"client-{name}", f"{name}_CLIENT_SECRET": f"{SECRET}-{name}"}
    found = variables_of(machine, "--provider", provider, env=env)
    assert "ONE_CLIENT_SECRET" not in found
    assert ("TWO_CLIENT_SECRET" in found) == ("TWO" not in provider)
    assert {found["ONE_CLIENT_ID"], found["TWO_CLIENT_ID"]} == {"client-ONE", "client-TWO"}


def test_a_call_by_the_program_finds_the_same_token_without_the_secret(
    machine: Machine, scripted: ScriptedServer
) -> None:
    env = {f"MY_{name}": value for name, value in zip(("CLIENT_ID", "CLIENT_SECRET"), _pair(scripted), strict=True)}
    machine.write_config("[profiles.ci]\nprovider = 'env:MY'\n")
    said = ["--profile", "ci", "--token-url", scripted.token_url, "--set", "client-auth=body", "--min-ttl", "1h"]
    done = machine.run("exec", *said, "--", GC, "token", "-o", "raw", env=env)
    assert (done.code, done.out, done.err) == (0, "tok-1\n", "")
    assert len(scripted.requests) == 1
    found = variables_of(machine, *said, env=env)
    assert not {"GC_CREDHELPER_MIN_TTL", "GC_CREDHELPER_DEADLINE", "GC_CREDHELPER_CONSUMER"} & found.keys()


def _pair(server: ScriptedServer) -> tuple[str, str]:
    return server.client_id, server.client_secret


def test_nothing_else_in_the_environment_is_changed(machine: Machine, somewhere: dict[str, str]) -> None:
    # No locale: there Python would add LC_CTYPE. A shell adds PWD.
    env = somewhere | {"LANG": "", "PWD": str(machine.home), "EMPTY": "", "ODD": "a=b\nc\t\udcff"}
    direct = subprocess.run(["env", "-0"], env=machine.environ(env), capture_output=True, check=True, cwd=machine.home)
    ours = subprocess.run(
        [GC, "exec", "--", "env", "-0"], env=machine.environ(env), capture_output=True, check=True, cwd=machine.home
    )
    more = {b"GENESYSCLOUD_ACCESS_TOKEN=tok-ie", b"GENESYSCLOUD_REGION=eu-west-1", b""}
    assert {*ours.stdout.split(b"\0")} == {*direct.stdout.split(b"\0")} | more
    kept = variables_of(machine, env=somewhere | {"LC_CTYPE": "C.UTF-8"})
    assert kept["LC_CTYPE"] == "C.UTF-8"


def test_the_program_is_the_process_that_was_started(machine: Machine, somewhere: dict[str, str]) -> None:
    child = machine.start("exec", "--", "sh", "-c", "echo $$; cat /proc/$$/cmdline", env=somewhere)
    out, _ = child.communicate(timeout=60)
    pid, shown = out.split("\n", 1)
    assert int(pid) == child.pid
    assert shown.startswith("sh\0")


@pytest.mark.parametrize("ignored", ["", "INT TERM HUP QUIT USR1"])
@pytest.mark.parametrize("options", [[], ["--ephemeral"]])
def test_the_program_has_the_signals_that_it_would_have_without_us(
    machine: Machine, sandbox: SandboxThread, ignored: str, options: list[str]
) -> None:
    def seen(*argv: str) -> list[int]:
        trap = f"trap '' {ignored}; " if ignored else ""
        done = subprocess.run(
            ["sh", "-c", f'{trap}exec "$@"', "-", *argv, "sh", "-c", SIGNALS],
            env=machine.environ(with_api(sandbox)),
            cwd=machine.home,
            capture_output=True,
            text=True,
            check=True,
        )
        sets = [int(line.split()[1], 16) for line in done.stdout.splitlines()]
        assert len(sets) == 2
        return [one & ~(3 << 31) for one in sets]  # 32 and 33 are the C library's own, which its posix_spawn ignores

    assert seen(GC, "exec", *options, "--") == seen("env")


@pytest.mark.parametrize("options", [[], ["--ephemeral"]])
def test_input_output_and_other_descriptors_are_the_callers(
    machine: Machine, sandbox: SandboxThread, options: list[str], tmp_path: Path
) -> None:
    data = bytes(range(256)) * 1000
    other = tmp_path / "other"
    with other.open("wb") as file:
        done = subprocess.run(
            [GC, "exec", *options, "--", "sh", "-c", f"echo seen > /proc/self/fd/{file.fileno()}; echo error >&2; cat"],
            env=machine.environ(with_api(sandbox)),
            cwd=machine.home,
            input=data,
            capture_output=True,
            check=False,
            pass_fds=[file.fileno()],
        )
    assert (done.returncode, done.stderr) == (0, b"error\n")
    assert done.stdout == data
    assert other.read_bytes() == b"seen\n"


def test_the_status_is_the_programs_own(machine: Machine, somewhere: dict[str, str]) -> None:
    for status in (0, 1, 7, 255):
        assert machine.run("exec", "--", "sh", "-c", f"exit {status}", env=somewhere).code == status
    assert machine.run("exec", "--", "sh", "-c", "kill -TERM $$", env=somewhere).code == -signal.SIGTERM
    assert machine.run("exec", "--", "sh", "-c", "kill -PIPE $$", env=somewhere).code == -signal.SIGPIPE


def test_further_variables_are_written_in_the_formats_of_token(machine: Machine, somewhere: dict[str, str]) -> None:
    argv = ["--env", "PLAIN=raw", "--env", "LINE=header", "--env", "MAP=headers", "--env", "BARE="]
    found = variables_of(machine, *argv, env=somewhere)
    assert found["PLAIN"] == found["BARE"] == "tok-ie"
    assert found["LINE"] == "Authorization: Bearer tok-ie"
    assert found["MAP"] == '{"Authorization":"Bearer tok-ie"}'


@pytest.mark.parametrize("wrong", ["NAME", "1A=raw", "NAME=rwa", "NAME=github", "A\nB=raw"])
def test_a_wrong_variable_is_refused_before_anyone_is_asked(
    machine: Machine, scripted: ScriptedServer, wrong: str
) -> None:
    done = machine.run("exec", "--env", wrong, "--", "true", env=client(scripted))
    assert (done.code, done.out, len(scripted.requests)) == (2, "", 0)
    assert "--env" in done.error


def test_a_life_that_is_too_short_for_the_program_keeps_it_from_starting(
    machine: Machine, scripted: ScriptedServer
) -> None:
    scripted.answers = [token("short", 600)]
    done = machine.run("exec", "--min-ttl", "45m", "--", "echo", "ran", env=client(scripted))
    assert (done.code, done.out) == (7, "")
    assert machine.run("exec", "--min-ttl", "5m", "--", "echo", "ran", env=client(scripted)).out == "ran\n"


def test_a_failure_before_the_start_has_our_exit_codes(machine: Machine, somewhere: dict[str, str]) -> None:
    for argv in (["exec"], ["exec", "--"], ["exec", "true"], ["exec", "--", "no-such-program"], ["exec", "--", "/"]):
        done = machine.run(*argv, env=somewhere)
        assert (done.code, done.out) == (2, ""), argv
        assert done.error
        assert done.hint
        assert "tok-ie" not in done.err
    assert machine.run("exec", "--", "true", env={}).code == 4
    both = machine.run("exec", "--ephemeral", "--refresh", "--", "true", env=somewhere)
    assert "--ephemeral" in both.error


@pytest.mark.parametrize("region", [*DIVIDED, "us-east-2"])
def test_each_consumer_gets_the_region_as_it_takes_it(machine: Machine, region: str) -> None:
    place = Somewhere.in_region(region)
    put(machine.cache, place, "tok-there")
    env = {MINE[0]: place.client_id, "GENESYS_CLOUD_REGION": region}
    domain = place.token_url.removeprefix("https://login.").partition("/")[0]
    assert variables_of(machine, "--for", "terraform", env=env)[REGION] == region
    assert variables_of(machine, "--for", "gc", env=env)[REGION] == domain
    done = machine.run("exec", "--", "printenv", REGION, env=env)
    assert done.out == f"{region}\n"
    # Where one spelling serves both there is nothing to say.
    assert [warning for warning in done.warnings if "--for gc" in warning] == done.warnings
    assert bool(done.warnings) == (region in DIVIDED)


def test_a_program_that_is_a_consumer_needs_no_option(machine: Machine, tmp_path: Path) -> None:
    place = Somewhere.in_region("eu-central-2")
    put(machine.cache, place, "tok-there")
    env = {MINE[0]: place.client_id, "GENESYS_CLOUD_REGION": "eu-central-2"}
    shown = {}
    for name in ("gc", "terraform", "tofu"):
        path = program(tmp_path / "bin", name, f"#!/bin/sh\nprintenv {REGION}\n")
        done = machine.run("exec", "--", str(path), env=env)
        assert (done.code, done.err) == (0, "")
        shown[name] = done.out.strip()
    assert shown == {"gc": "euc2.pure.cloud", "terraform": "eu-central-2", "tofu": "eu-central-2"}


def test_an_endpoint_that_no_region_has_leaves_the_region_alone(machine: Machine, scripted: ScriptedServer) -> None:
    assert REGION not in variables_of(machine, env=client(scripted))
    found = variables_of(machine, env=client(scripted, GENESYSCLOUD_REGION="eu-west-1"))
    assert found[REGION] == "eu-west-1"


def test_the_sandboxs_region_is_the_test_mode_of_gc(machine: Machine, sandbox: SandboxThread) -> None:
    found = variables_of(machine, env=with_api(sandbox))
    assert found[REGION] == f"localhost:{sandbox.ready['api_url'].rpartition(':')[2]}"


def test_the_token_is_in_nobodys_arguments_and_on_no_stream(machine: Machine, scripted: ScriptedServer) -> None:
    scripted.answers = [token("canary-tok-9X")]
    child = machine.start("exec", "-vv", "--", "sh", "-c", "echo up; exec sleep 60", env=client(scripted))
    assert child.stdout
    assert child.stderr
    try:
        assert child.stdout.readline() == "up\n"
        shown = command_lines()
        assert "sleep 60" in shown
        assert "canary-tok-9X" not in shown
        assert scripted.client_secret not in shown
    finally:
        child.kill()
        _, err = child.communicate(timeout=60)
    assert "canary-tok-9X" not in err
    assert scripted.client_secret not in err


# Tokens of its own.


def ephemeral(machine: Machine, sandbox: SandboxThread, script: str) -> Run:
    return machine.run("exec", "--ephemeral", "--", "sh", "-c", script, env=with_api(sandbox))


def test_an_ephemeral_token_is_its_own_lies_nowhere_and_is_ended(machine: Machine, sandbox: SandboxThread) -> None:
    shared = machine.run("token", "-o", "raw", env=with_api(sandbox)).out.strip()
    done = ephemeral(machine, sandbox, f"echo ${TOKEN}; grep -rl ${TOKEN} {machine.home}; exit 9")
    (own,) = done.out.split()
    assert (done.code, done.err) == (9, "")
    assert own != shared
    assert not is_alive(sandbox, own)
    assert is_alive(sandbox, shared)
    assert machine.run("token", "-o", "raw", env=with_api(sandbox)).out.strip() == shared
    assert sandbox.stats()["token_requests"] == 2


def test_an_ephemeral_token_is_alive_while_the_program_runs(machine: Machine, sandbox: SandboxThread) -> None:
    call = f'curl -fsS -o /dev/null -H "Authorization: Bearer ${TOKEN}" $GC_CREDHELPER_API_URL/api/v2/tokens/me'
    assert ephemeral(machine, sandbox, call).code == 0


@contextlib.contextmanager
def running(machine: Machine, sandbox: SandboxThread, script: str) -> Iterator[tuple["subprocess.Popen[str]", str]]:
    """A program that prints its token first, and the token."""
    argv = ["exec", "--ephemeral", "--", "sh", "-c", f"echo ${TOKEN}; {script}"]
    child = machine.start(*argv, env=with_api(sandbox))
    assert child.stdout
    try:
        yield child, child.stdout.readline().strip()
    finally:
        if child.poll() is None:
            child.terminate()
        child.communicate(timeout=60)


@pytest.mark.parametrize("name", ["TERM", "INT", "HUP", "QUIT"])
def test_a_signal_to_us_reaches_the_program_and_the_token_is_ended(
    machine: Machine, sandbox: SandboxThread, name: str
) -> None:
    script = f"trap 'echo heard; exit 5' {name}; echo up; while :; do sleep 0.02; done"
    with running(machine, sandbox, script) as (child, own):
        assert child.stdout
        assert child.stdout.readline() == "up\n"
        assert is_alive(sandbox, own)
        child.send_signal(signal.Signals[f"SIG{name}"])
        out, err = child.communicate(timeout=60)
    assert (child.returncode, out, err) == (5, "heard\n", "")
    assert not is_alive(sandbox, own)


@pytest.mark.parametrize("name", ["KILL", "PIPE"])
def test_a_program_that_a_signal_ended_gives_128_and_its_number(
    machine: Machine, sandbox: SandboxThread, name: str
) -> None:
    done = ephemeral(machine, sandbox, f"ulimit -c 0; echo ${TOKEN}; kill -{name} $$")
    assert done.code == 128 + signal.Signals[f"SIG{name}"]
    assert not is_alive(sandbox, done.out.strip())


def test_a_second_signal_does_not_keep_us_from_ending_the_token(machine: Machine) -> None:
    with SandboxThread(Options(latency=0.6)) as slow, running(machine, slow, "exec sleep 60") as (child, own):
        asked = slow.stats()["api_requests"]
        child.terminate()
        wait_for(lambda: slow.stats()["api_requests"] > asked)
        child.terminate()
        child.send_signal(signal.SIGINT)
        child.communicate(timeout=60)
        assert child.returncode == 128 + signal.SIGTERM
        assert not is_alive(slow, own)


def test_ctrl_c_at_a_terminal_reaches_the_program_once(machine: Machine, sandbox: SandboxThread) -> None:
    # Terraform, for one, gives up its state at the second.
    script = f"echo $${TOKEN}$; n=0; trap 'n=$((n+1))' INT; echo up; while [ $n = 0 ]; do sleep 0.05; done; sleep 0.3;"
    script += " echo got=$n; exit 3"
    terminal = "import pty, os, sys; sys.exit(os.waitstatus_to_exitcode(pty.spawn(sys.argv[1:])))"
    child = subprocess.Popen(
        [sys.executable, "-c", terminal, GC, "exec", "--ephemeral", "--", "sh", "-c", script],
        env=machine.environ(with_api(sandbox)),
        cwd=machine.home,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert child.stdin
    assert child.stdout
    lines: list[str] = []
    try:
        while "up" not in lines:
            line = child.stdout.readline()
            assert line, lines
            lines.append(line.strip())
        child.stdin.write("\x03")
        child.stdin.flush()
        rest, _ = child.communicate(timeout=60)
    finally:
        if child.poll() is None:
            child.kill()
            child.communicate()
    assert "got=1" in rest
    assert child.returncode == 3
    own = lines[0].strip("$")
    assert own
    assert not is_alive(sandbox, own)


def test_a_platform_that_is_down_is_a_warning_and_the_status_stays(machine: Machine, scripted: ScriptedServer) -> None:
    env = client(scripted, GC_CREDHELPER_API_URL="http://127.0.0.1:9")
    done = machine.run("exec", "--ephemeral", "--", "sh", "-c", "exit 4", env=env)
    assert (done.code, done.out) == (4, "")
    assert len(done.warnings) == 1
    assert "lives on" in done.warnings[0]
    assert "tok-1" not in done.err


def test_an_api_that_nobody_named_is_known_before_a_token_is_asked_for(
    machine: Machine, scripted: ScriptedServer
) -> None:
    done = machine.run("exec", "--ephemeral", "--", "true", env=client(scripted))
    assert (done.code, len(scripted.requests)) == (2, 0)
    assert "api_url" in done.hint


def test_a_program_that_cannot_be_started_leaves_no_token_behind(machine: Machine, sandbox: SandboxThread) -> None:
    done = machine.run("exec", "--ephemeral", "--", "no-such-program", env=with_api(sandbox))
    assert (done.code, done.out) == (2, "")
    stats = sandbox.stats()
    assert (stats["tokens_issued"], stats["api_requests"]) == (1, 1)
    assert not [*machine.cache.glob("*.token")]


def test_the_ephemeral_token_is_in_nobodys_arguments(machine: Machine, sandbox: SandboxThread) -> None:
    with running(machine, sandbox, "exec sleep 61") as (child, own):
        wait_for(lambda: "sleep 61" in command_lines())
        shown = command_lines()
        assert "exec --ephemeral" in shown
        assert own not in shown
        assert os.getpid() != child.pid


def test_a_flag_displaces_for_the_program_what_it_displaced_for_us(machine: Machine, sandbox: SandboxThread) -> None:
    env = client(
        sandbox, GC_CREDHELPER_TOKEN_URL="http://127.0.0.1:1/oauth/token", GC_CREDHELPER_API_URL="http://127.0.0.1:1"
    )
    region = sandbox.api_url.removeprefix("http://").replace("127.0.0.1", "localhost")
    script = 'echo "${GC_CREDHELPER_TOKEN_URL-none} ${GC_CREDHELPER_API_URL-none} $GC_CREDHELPER_REGION"'
    done = machine.run("exec", "--region", region, "--", "sh", "-c", script, env=env)
    assert (done.code, done.out) == (0, f"none none {region}\n"), done.err


def test_an_ephemeral_token_that_is_too_short_lived_is_ended_as_well(
    machine: Machine, scripted: ScriptedServer
) -> None:
    scripted.answers = [token("tok-short", 3600), http(200, "")]
    env = client(scripted, GC_CREDHELPER_API_URL=f"http://127.0.0.1:{scripted.port}")
    done = machine.run("exec", "--ephemeral", "--min-ttl", "2h", "--", "true", env=env)
    assert done.code == 7
    assert [one.line.split()[0] for one in scripted.requests] == ["POST", "DELETE"]
