"""`revoke`: the token is ended at the server and forgotten everywhere, or nothing happens, by the installed command."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests
from support import Machine, Run, client
from support.entries import EXPIRED, OLD, get, locked, path_of, put
from support.fleet import Fleet
from support.scripted import ScriptedServer, http, token
from support.spaces import namespaced, read_only
from support.tokenme import DEAD

from gc_credhelper.sandbox.server import SandboxThread

DONE = http(200, "")


@pytest.fixture
def api() -> Iterator[ScriptedServer]:
    """The Platform API; `scripted` is the login."""
    with ScriptedServer(DONE) as server:
        yield server


def at(api: ScriptedServer) -> str:
    return f"http://127.0.0.1:{api.port}"


def revoke(machine: Machine, login: ScriptedServer, api: ScriptedServer, *argv: str, stdin: str | None = None) -> Run:
    done = machine.run("revoke", *argv, env=client(login, GC_CREDHELPER_API_URL=at(api)), stdin=stdin)
    assert done.out == ""
    assert OLD not in done.err
    return done


def ended(api: ScriptedServer) -> list[str]:
    assert {request.line for request in api.requests} <= {"DELETE /api/v2/tokens/me HTTP/1.1"}
    return [request.headers["authorization"].removeprefix("Bearer ") for request in api.requests]


def test_the_token_is_dead_at_the_server_and_another_one_comes_next(machine: Machine, sandbox: SandboxThread) -> None:
    env = client(sandbox, GC_CREDHELPER_API_URL=sandbox.api_url)
    old = machine.run("token", "-o", "raw", env=env).out.strip()
    assert machine.run("revoke", env=env) == Run(0, "", "")
    headers = {"Authorization": f"Bearer {old}"}
    assert requests.get(f"{sandbox.api_url}/api/v2/tokens/me", headers=headers, timeout=20).status_code == 401
    assert machine.run("token", "-o", "raw", env=env).out.strip() not in ("", old)


def test_it_stays_away_when_something_brings_it_back(
    machine: Machine, scripted: ScriptedServer, api: ScriptedServer
) -> None:
    put(machine.cache, scripted)
    assert revoke(machine, scripted, api) == Run(0, "", "")
    put(machine.cache, scripted)
    assert machine.run("token", "-o", "raw", env=client(scripted)).out == "tok-1\n"
    assert ended(api) == [OLD]


def test_one_token_after_the_other_can_be_ended(
    machine: Machine, scripted: ScriptedServer, api: ScriptedServer
) -> None:
    scripted.answers = [token(f"tok-{number}") for number in range(3)]
    for _ in range(3):
        assert machine.run("token", env=client(scripted)).code == 0
        assert revoke(machine, scripted, api) == Run(0, "", "")
    assert ended(api) == ["tok-0", "tok-1", "tok-2"]


@pytest.mark.parametrize("cache", ["file", "none"])
def test_where_nothing_is_cached_nobody_is_asked(
    machine: Machine, scripted: ScriptedServer, api: ScriptedServer, cache: str
) -> None:
    assert revoke(machine, scripted, api, "--cache", cache) == Run(0, "", "")
    assert not scripted.requests
    assert not api.requests


def test_with_v_it_says_what_it_did(machine: Machine, scripted: ScriptedServer, api: ScriptedServer) -> None:
    assert "no token is cached" in revoke(machine, scripted, api, "-v").err
    put(machine.cache, scripted)
    assert "the token was ended" in revoke(machine, scripted, api, "-v").err


@pytest.mark.parametrize("age", [0, EXPIRED])
def test_a_token_that_was_dead_already_is_forgotten(
    machine: Machine, scripted: ScriptedServer, api: ScriptedServer, age: float
) -> None:
    api.answers = [DEAD]
    put(machine.cache, scripted, age=age)
    assert revoke(machine, scripted, api) == Run(0, "", "")
    assert not path_of(machine.cache, scripted).exists()


@pytest.mark.parametrize(
    ("code", "answer"),
    [
        (6, http(500, "")),
        (6, http(429, "")),
        (6, lambda *_: None),
        (5, http(403, "")),
        (5, http(302, "", Location="/")),
    ],
)
def test_what_could_not_be_ended_is_not_forgotten(
    machine: Machine, scripted: ScriptedServer, api: ScriptedServer, code: int, answer: bytes
) -> None:
    api.answers = [answer]
    put(machine.cache, scripted)
    done = revoke(machine, scripted, api)
    assert done.code == code
    assert done.hint
    assert get(machine.cache, scripted).value == OLD
    assert not path_of(machine.cache, scripted, ".rejected").exists()
    api.answers = [DONE]
    assert revoke(machine, scripted, api).code == 0


def test_a_server_that_cannot_be_reached_is_6(machine: Machine, scripted: ScriptedServer) -> None:
    put(machine.cache, scripted)
    done = machine.run("revoke", env=client(scripted, GC_CREDHELPER_API_URL="http://127.0.0.1:9"))
    assert (done.code, get(machine.cache, scripted).value) == (6, OLD)


def test_an_api_that_is_not_known_is_2(machine: Machine, scripted: ScriptedServer) -> None:
    put(machine.cache, scripted)
    done = machine.run("revoke", env=client(scripted))
    assert (done.code, done.hint, get(machine.cache, scripted).value) == (2, "set api_url", OLD)


def test_while_somebody_holds_the_lock_nothing_is_ended(
    machine: Machine, scripted: ScriptedServer, api: ScriptedServer
) -> None:
    put(machine.cache, scripted)
    with locked(machine.cache, scripted):
        done = revoke(machine, scripted, api, "--deadline", "2s")
    assert (done.code, "4242" in done.error) == (6, True), done.err
    assert not api.requests


def test_a_token_that_cannot_be_forgotten_is_6(machine: Machine, scripted: ScriptedServer, api: ScriptedServer) -> None:
    put(machine.cache, scripted)
    done = namespaced(machine, read_only(machine), client(scripted, GC_CREDHELPER_API_URL=at(api)), "revoke")
    assert done.code == 6, done.err
    assert "it still lies in a cache" in done.error


def test_only_the_callers_slot_is_meant_unless_all_are(
    machine: Machine, scripted: ScriptedServer, api: ScriptedServer
) -> None:
    scripted.answers = [token(f"tok-{number}") for number in range(3)]
    slots = ["--set", "slots=3"]
    for slot in range(3):
        assert machine.run("token", *slots, "--set", f"slot={slot}", env=client(scripted)).code == 0
    assert revoke(machine, scripted, api, *slots, "--set", "slot=1").code == 0
    assert ended(api) == ["tok-1"]
    assert revoke(machine, scripted, api, *slots, "--all-slots").code == 0
    assert ended(api) == ["tok-1", "tok-0", "tok-2"]


def test_an_error_of_one_slot_does_not_keep_the_others(
    machine: Machine, scripted: ScriptedServer, api: ScriptedServer
) -> None:
    scripted.answers = [token(f"tok-{number}") for number in range(2)]
    api.answers = [http(503, ""), DONE]
    slots = ["--set", "slots=2"]
    for slot in range(2):
        machine.run("token", *slots, "--set", f"slot={slot}", env=client(scripted))
    assert revoke(machine, scripted, api, *slots, "--all-slots").code == 6
    assert ended(api) == ["tok-0", "tok-1"]
    assert len([*machine.cache.glob("*.token")]) == 1


def test_a_token_on_standard_input_is_ended_and_forgotten_where_it_lies(
    machine: Machine, scripted: ScriptedServer, api: ScriptedServer
) -> None:
    put(machine.cache, scripted)
    assert revoke(machine, scripted, api, "--stdin", stdin="another-token\n") == Run(0, "", "")
    assert get(machine.cache, scripted).value == OLD
    assert revoke(machine, scripted, api, "--stdin", stdin=f"{OLD}\n") == Run(0, "", "")
    assert not path_of(machine.cache, scripted).exists()
    assert revoke(machine, scripted, api, "--stdin", "--cache", "none", stdin="third\n") == Run(0, "", "")
    assert ended(api) == ["another-token", OLD, "third"]


@pytest.mark.parametrize("argv", [["--stdin"], ["--stdin", "--all-slots"], ["--refresh"], ["token-as-a-word"]])
def test_what_makes_no_sense_is_2(
    machine: Machine, scripted: ScriptedServer, api: ScriptedServer, argv: list[str]
) -> None:
    put(machine.cache, scripted)
    done = revoke(machine, scripted, api, *argv, stdin="not a token\n")
    assert (done.code, get(machine.cache, scripted).value) == (2, OLD)
    assert not api.requests


@pytest.fixture
def fleet(tmp_path: Path, scripted: ScriptedServer, api: ScriptedServer) -> Fleet:
    scripted.answers = [token(f"tok-{number}") for number in range(3)]
    return Fleet(tmp_path / "fleet", scripted, GC_CREDHELPER_API_URL=at(api))


def test_a_token_that_other_machines_may_use_is_not_ended_by_accident(fleet: Fleet, api: ScriptedServer) -> None:
    assert fleet.token("a") == "tok-0"
    done = fleet("a", "revoke")
    assert (done.code, done.out) == (2, "")
    assert "nothing was revoked" in done.error
    assert "--shared" in done.hint
    assert fleet.token("a") == "tok-0"
    assert not api.requests


def test_with_shared_it_is_ended_for_all_of_them(fleet: Fleet, api: ScriptedServer) -> None:
    assert fleet.token("a") == "tok-0"
    assert fleet("a", "revoke", "--shared") == Run(0, "", "")
    assert ended(api) == ["tok-0"]
    assert [fleet.token(name) for name in "ba"] == ["tok-1", "tok-1"]


def test_a_machine_that_never_held_it_ends_the_one_of_the_fleet(fleet: Fleet, api: ScriptedServer) -> None:
    assert fleet.token("a") == "tok-0"
    assert fleet("b", "revoke", "--shared") == Run(0, "", "")
    assert ended(api) == ["tok-0"]
    assert fleet.token("b") == "tok-1"


def test_a_newer_token_of_the_fleet_is_ended_as_well(fleet: Fleet, api: ScriptedServer) -> None:
    assert [fleet.token("a"), fleet.token("b", "--refresh")] == ["tok-0", "tok-1"]
    assert fleet("a", "revoke", "--shared") == Run(0, "", "")
    assert sorted(ended(api)) == ["tok-0", "tok-1"]
    assert fleet.token("a") == "tok-2"


def test_a_shared_cache_that_cannot_be_emptied_is_6(fleet: Fleet, api: ScriptedServer) -> None:
    assert fleet.token("a") == "tok-0"
    far = Path(fleet.env["FAR"])

    def lock(*_: object) -> bytes:
        kept = json.loads(far.read_text())
        far.unlink()
        far.mkdir()
        (far / "kept").write_text(json.dumps(kept))
        return DONE

    api.answers = [lock]
    done = fleet("a", "revoke", "--shared")
    assert (done.code, done.out) == (6, ""), done.err
    assert ended(api) == ["tok-0"]
