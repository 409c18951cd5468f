"""The setting `verify`: a cached token that died before its time is replaced before anybody is handed it."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from support import Machine, Run, client
from support.entries import AGEING, OLD, path_of, put
from support.fleet import Fleet
from support.scripted import ScriptedServer, http, token
from support.tokenme import DEAD, of

from gc_credhelper.library import token_source
from gc_credhelper.sandbox.options import Options
from gc_credhelper.sandbox.server import SandboxThread

WINDOW = {"GC_CREDHELPER_VERIFY": "10m"}
DUE = 1000.0  # seconds of age


@pytest.fixture
def api() -> Iterator[ScriptedServer]:
    """The Platform API; `scripted` is the login."""
    with ScriptedServer(of()) as server:
        yield server


@pytest.fixture
def env(scripted: ScriptedServer, api: ScriptedServer) -> dict[str, str]:
    return client(scripted, GC_CREDHELPER_API_URL=f"http://127.0.0.1:{api.port}", **WINDOW)


@pytest.fixture
def dying() -> Iterator[SandboxThread]:
    """An organisation whose first token is dead at once."""
    with SandboxThread(Options(fail=["idle-death:1"])) as server:
        yield server


def raw(machine: Machine, env: dict[str, str], *argv: str) -> Run:
    return machine.run("token", "-o", "raw", *argv, env=env)


def test_a_token_that_died_early_is_replaced(machine: Machine, dying: SandboxThread) -> None:
    env = client(dying, GC_CREDHELPER_API_URL=dying.api_url, GC_CREDHELPER_VERIFY="1ms")
    dead = raw(machine, env)  # just issued, and so known to be alive
    assert dead.code == 0
    live = raw(machine, env)
    assert (live.code, live.err, dying.stats()["tokens_issued"]) == (0, "", 2)
    assert live.out != dead.out
    assert [raw(machine, env) for _ in range(2)] == [live] * 2
    assert dying.stats()["tokens_issued"] == 2


def test_when_it_is_off_nobody_is_asked(machine: Machine, scripted: ScriptedServer, api: ScriptedServer) -> None:
    put(machine.cache, scripted, age=DUE)
    for value in ("", "off", "0"):
        env = client(scripted, GC_CREDHELPER_API_URL=f"http://127.0.0.1:{api.port}", GC_CREDHELPER_VERIFY=value)
        assert raw(machine, env) == Run(0, f"{OLD}\n", "")
    assert not api.requests


def test_a_live_token_is_checked_once_a_window_without_beginning_its_idle_time(
    machine: Machine, scripted: ScriptedServer, api: ScriptedServer, env: dict[str, str]
) -> None:
    put(machine.cache, scripted, age=DUE)
    assert [raw(machine, env) for _ in range(3)] == [Run(0, f"{OLD}\n", "")] * 3
    assert [request.line for request in api.requests] == ["GET /api/v2/tokens/me?preserveIdleTTL=true HTTP/1.1"]
    assert not scripted.requests


def test_a_checked_token_is_said_to_come_from_the_cache_where_it_lay(
    machine: Machine, scripted: ScriptedServer, api: ScriptedServer, env: dict[str, str]
) -> None:
    put(machine.cache, scripted, age=DUE)
    assert [line for line in raw(machine, env, "-v").err.splitlines() if "the token" in line] == [
        "gc-credhelper: note: the token came from the cache"
    ]


@pytest.mark.parametrize("answer", [DEAD, of("another-client")], ids=["dead", "of another client"])
def test_a_dead_token_and_one_of_another_client_are_rejected_and_replaced(
    machine: Machine, scripted: ScriptedServer, api: ScriptedServer, env: dict[str, str], answer: bytes
) -> None:
    api.answers = [answer]
    put(machine.cache, scripted, age=DUE)
    assert [raw(machine, env) for _ in range(2)] == [Run(0, "tok-1\n", "")] * 2
    put(machine.cache, scripted, age=DUE)
    assert raw(machine, env).out == "tok-1\n"
    assert (len(api.requests), len(scripted.requests)) == (1, 2)


FAILURES = {
    "a page": http(200, "<html>"),
    "another shape": http(200, {"OAuthClient": []}),
    "huge": of(more={"padding": "x" * 70_000}),
    "an echo": http(200, {"message": OLD}),
    "forbidden": http(403, {"message": OLD}),
    "a redirect": http(302, "", Location=f"http://127.0.0.1:9/{OLD}"),
    "429": http(429, {"code": "too.many.requests"}, Retry_After="30"),
    "500": http(500, OLD),
    "cut short": of()[:-9],
    "closed": lambda *_: None,
}


@pytest.mark.parametrize("name", FAILURES)
def test_a_good_token_is_never_lost_to_a_check(
    machine: Machine, scripted: ScriptedServer, api: ScriptedServer, env: dict[str, str], name: str
) -> None:
    api.answers = [FAILURES[name]]  # type: ignore[list-item]
    put(machine.cache, scripted, age=DUE)
    for _ in range(2):
        done = raw(machine, env)
        assert (done.code, done.out, len(done.warnings)) == (0, f"{OLD}\n", 1), done.err
        assert "was handed out unchecked" in done.warnings[0]
        assert OLD not in done.err
    assert len(api.requests) == 1
    assert not scripted.requests


def test_nor_to_an_api_that_is_not_there(machine: Machine, scripted: ScriptedServer) -> None:
    put(machine.cache, scripted, age=DUE)
    done = raw(machine, client(scripted, GC_CREDHELPER_API_URL="http://127.0.0.1:9", **WINDOW))
    assert (done.code, done.out, len(done.warnings)) == (0, f"{OLD}\n", 1)


def test_nor_to_a_ca_bundle_that_is_missing(machine: Machine, scripted: ScriptedServer) -> None:
    put(machine.cache, scripted, age=DUE)
    more = {"GC_CREDHELPER_API_URL": "https://127.0.0.1:9", "SSL_CERT_FILE": "/nowhere", **WINDOW}
    done = raw(machine, client(scripted, **more))
    assert (done.code, done.out, len(done.warnings)) == (0, f"{OLD}\n", 1), done.err


@pytest.mark.parametrize("argv", [["token"], ["exec", "--", "true"], ["reject"], ["forget"]])
def test_an_api_that_is_not_known_is_2_and_both_settings_are_named(
    machine: Machine, scripted: ScriptedServer, argv: list[str]
) -> None:
    done = machine.run(*argv, env=client(scripted, **WINDOW), stdin="some-token\n")
    assert (done.code, done.out) == (2, "")
    assert "verify (variable GC_CREDHELPER_VERIFY)" in done.error
    assert "api_url" in done.hint
    assert "verify" in done.hint
    assert not scripted.requests


@pytest.mark.parametrize("value", ["soon", "-1", "10 minutes"])
def test_what_is_no_duration_is_2(machine: Machine, value: str) -> None:
    done = machine.run("token", "--set", f"verify={value}")
    assert (done.code, "flag --set verify" in done.error) == (2, True)


def test_exec_helper_and_library_hand_out_no_dead_token(
    machine: Machine,
    scripted: ScriptedServer,
    api: ScriptedServer,
    env: dict[str, str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    api.answers = [DEAD]

    def again() -> None:
        machine.run("forget", "--all", env=env)
        put(machine.cache, scripted, age=DUE)

    again()
    shown = machine.run("exec", "--", "sh", "-c", 'echo "$GENESYSCLOUD_ACCESS_TOKEN"', env=env)
    assert shown == Run(0, "tok-1\n", "")
    again()
    asked = f"protocol=http\nhost=127.0.0.1:{api.port}\n\n"
    shown = machine.run("helper", "git", "get", env=env, stdin=asked)
    assert (shown.code, "password=tok-1\n" in shown.out, shown.err) == (0, True, "")
    again()
    for name, value in machine.environ(env).items():
        monkeypatch.setenv(name, value)
    assert token_source().token().value == "tok-1"
    assert len(api.requests) == 3


def test_an_ageing_token_is_checked_before_it_is_kept_for_want_of_a_new_one(
    machine: Machine, scripted: ScriptedServer, api: ScriptedServer, env: dict[str, str]
) -> None:
    scripted.answers = [http(503, "")]
    api.answers = [DEAD]
    put(machine.cache, scripted, age=AGEING)
    done = raw(machine, env, "--deadline", "2s")
    assert (done.code, done.out) == (6, "")


def test_status_says_what_is_due_for_a_check(
    machine: Machine, scripted: ScriptedServer, api: ScriptedServer, env: dict[str, str]
) -> None:
    put(machine.cache, scripted, age=DUE)

    def state(env: dict[str, str]) -> object:
        return json.loads(machine.run("status", "--json", env=env).out)["entries"][0]["state"]

    assert state(env) == "due for a check"
    assert state(env | {"GC_CREDHELPER_VERIFY": "off"}) == "fresh"
    assert not api.requests
    assert raw(machine, env).code == 0
    assert state(env) == "fresh"


def test_forget_all_takes_the_proofs_with_it(
    machine: Machine, scripted: ScriptedServer, api: ScriptedServer, env: dict[str, str]
) -> None:
    put(machine.cache, scripted, age=DUE)
    assert raw(machine, env).code == 0
    assert path_of(machine.cache, scripted, ".alive").exists()
    assert machine.run("forget", "--all", env=env).code == 0
    assert {path.suffix for path in machine.cache.iterdir()} == {".lock"}


def test_a_proof_is_private_and_holds_nothing_of_the_token(
    machine: Machine, scripted: ScriptedServer, api: ScriptedServer, env: dict[str, str]
) -> None:
    put(machine.cache, scripted, age=DUE)
    assert raw(machine, env).code == 0
    proof = path_of(machine.cache, scripted, ".alive")
    assert proof.stat().st_mode & 0o777 == 0o600
    assert not any(OLD[i : i + 5] in proof.read_text() for i in range(len(OLD) - 4))


def test_a_proof_that_others_may_have_written_proves_nothing(
    machine: Machine, scripted: ScriptedServer, api: ScriptedServer, env: dict[str, str]
) -> None:
    put(machine.cache, scripted, age=DUE)
    assert raw(machine, env).code == 0
    path_of(machine.cache, scripted, ".alive").chmod(0o666)
    assert raw(machine, env) == Run(0, f"{OLD}\n", "")
    assert len(api.requests) == 2


def test_a_token_of_the_fleet_that_died_is_replaced_for_all_of_it(
    tmp_path: Path, scripted: ScriptedServer, api: ScriptedServer
) -> None:
    scripted.answers = [token("tok-1"), token("tok-2")]
    more = {"GC_CREDHELPER_API_URL": f"http://127.0.0.1:{api.port}"}
    fleet = Fleet(tmp_path / "fleet", scripted, **more)
    assert fleet.token("a") == "tok-1"
    api.answers = [DEAD, of()]
    assert fleet.token("b", "--set", "verify=1ms") == "tok-2"
    assert fleet.token("c") == "tok-2"
    assert len(scripted.requests) == 2


def test_a_fleet_without_a_near_cache_checks_once_a_window_too(
    tmp_path: Path, scripted: ScriptedServer, api: ScriptedServer
) -> None:
    more = {"GC_CREDHELPER_API_URL": f"http://127.0.0.1:{api.port}"}
    fleet = Fleet(tmp_path / "fleet", scripted, **more)
    assert fleet.token("a") == "tok-1"
    far = Path(fleet.env["FAR"])
    kept = json.loads(far.read_text())
    far.write_text(json.dumps({key: (version, text, at - DUE) for key, (version, text, at) in kept.items()}))
    for _ in range(3):
        assert fleet.token("b", "--cache", "far", "--set", "verify=10m") == "tok-1"
    assert len(api.requests) == 1
    assert len(scripted.requests) == 1


def test_a_cached_token_that_is_not_due_costs_no_import_of_http(machine: Machine, env: dict[str, str]) -> None:
    machine.run("token", env=env)
    code = "import sys; from gc_credhelper import cli; cli.main(['token', '-v']); sys.exit('requests' in sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", code], env=machine.environ(env), capture_output=True, check=False, timeout=60
    )
    assert done.returncode == 0
    assert b"the token came from the cache" in done.stderr
