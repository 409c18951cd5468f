"""`verify`: whose a token is, and what is said of a dead one, by the installed command."""

import json
import logging
from collections.abc import Iterator
from pathlib import Path

import pytest
from support import Machine, Run, client
from support.entries import OLD, get, path_of, put
from support.fleet import Fleet
from support.scripted import ScriptedServer, http, token
from support.tokenme import DEAD, ORG_ID, ORG_NAME, of

from gc_credhelper.commands.verify import _Subject
from gc_credhelper.sandbox.options import Options
from gc_credhelper.sandbox.server import SandboxThread

ECHO = "gT4xVw8zKp2qYb6nMj9rDf3hCs7"


@pytest.fixture
def api() -> Iterator[ScriptedServer]:
    """The Platform API; `scripted` is the login."""
    with ScriptedServer(of()) as server:
        yield server


def at(api: ScriptedServer) -> str:
    return f"http://127.0.0.1:{api.port}"


def verify(machine: Machine, login: ScriptedServer, api: ScriptedServer, *argv: str, stdin: str | None = None) -> Run:
    return machine.run("verify", *argv, env=client(login, GC_CREDHELPER_API_URL=at(api)), stdin=stdin)


def test_a_live_token_is_told_of_for_people(machine: Machine, sandbox: SandboxThread) -> None:
    env = client(sandbox, GC_CREDHELPER_API_URL=sandbox.api_url)
    done = machine.run("verify", env=env)
    assert (done.code, done.err) == (0, "")
    lines = {line[:12].strip(): line[14:] for line in done.out.splitlines()}
    assert lines["client"] == f"Sandbox client ({sandbox.client_id})"
    assert lines["organisation"].startswith("Sandbox Organization (")
    assert lines["Platform API"] == sandbox.api_url
    assert lines["came from"] == "token request"
    assert machine.run("verify", env=env).out.splitlines()[-1] == "came from     cache"
    assert sandbox.stats()["tokens_issued"] == 1


def test_with_json_it_is_one_object_without_the_token(
    machine: Machine, scripted: ScriptedServer, api: ScriptedServer
) -> None:
    issued = put(machine.cache, scripted, age=100)
    done = verify(machine, scripted, api, "--json")
    assert (done.code, done.err) == (0, "")
    found = json.loads(done.out)
    assert found.pop("expires_at") > found.pop("issued_at") > "2026-"
    assert found == {
        "client": {"id": scripted.client_id, "name": "A client"},
        "organization": {"id": ORG_ID, "name": ORG_NAME},
        "region": None,
        "api_url": at(api),
        "came_from": "cache",
    }
    assert issued.value not in done.out
    assert not scripted.requests


def test_the_idle_time_is_preserved_and_users_me_is_never_asked(
    machine: Machine, scripted: ScriptedServer, api: ScriptedServer
) -> None:
    assert verify(machine, scripted, api).code == 0
    assert [request.line for request in api.requests] == ["GET /api/v2/tokens/me?preserveIdleTTL=true HTTP/1.1"]
    assert api.requests[0].headers["authorization"] == "Bearer tok-1"


def test_a_live_token_is_known_to_be_alive_from_then_on(
    machine: Machine, scripted: ScriptedServer, api: ScriptedServer
) -> None:
    put(machine.cache, scripted, age=1000)
    assert verify(machine, scripted, api).code == 0
    env = client(scripted, GC_CREDHELPER_API_URL=at(api), GC_CREDHELPER_VERIFY="10m")
    assert machine.run("token", "-o", "raw", env=env) == Run(0, f"{OLD}\n", "")
    assert len(api.requests) == 1


@pytest.mark.parametrize("answer", [DEAD, http(401, "<html>"), http(404, {"code": "not.found"})])
def test_a_dead_token_is_5_and_stays_where_it_is(
    machine: Machine, scripted: ScriptedServer, api: ScriptedServer, answer: bytes
) -> None:
    api.answers = [answer]
    put(machine.cache, scripted)
    for more in ([], ["--set", "verify=1ms"], ["--json"]):
        done = verify(machine, scripted, api, *more)
        assert (done.code, done.out) == (5, "")
        assert "it is dead" in done.error
        assert "--refresh" in done.hint
        assert "reject" in done.hint
    assert get(machine.cache, scripted).value == OLD
    assert not scripted.requests


def test_a_new_token_that_is_dead_points_to_the_url(machine: Machine) -> None:
    with SandboxThread(Options(fail=["idle-death:1"])) as sandbox:
        env = client(sandbox, GC_CREDHELPER_API_URL=sandbox.api_url)
        done = machine.run("verify", env=env)
        assert (done.code, done.out) == (5, "")
        assert "api_url" in done.hint
        assert "--refresh" in machine.run("verify", env=env).hint
        assert machine.run("verify", "--refresh", env=env).code == 0


def test_a_token_of_another_client_counts_as_dead(
    machine: Machine, scripted: ScriptedServer, api: ScriptedServer
) -> None:
    api.answers = [of("another-client")]
    done = verify(machine, scripted, api)
    assert (done.code, done.out) == (5, "")
    assert done.error == f"the token is of the OAuth client another-client, not of {scripted.client_id}"
    assert "counts as dead" in done.hint


@pytest.mark.parametrize("wanted", [ORG_ID, ORG_ID.upper(), ORG_NAME])
def test_the_organisation_that_is_required_is_an_id_in_either_case_or_a_name(
    machine: Machine, scripted: ScriptedServer, api: ScriptedServer, wanted: str
) -> None:
    assert verify(machine, scripted, api, "--require-org", wanted).code == 0


@pytest.mark.parametrize("wanted", ["Other", ORG_NAME.upper(), ORG_ID[:-1], ORG_NAME + "s"])
def test_another_organisation_is_5_and_both_are_named(
    machine: Machine, scripted: ScriptedServer, api: ScriptedServer, wanted: str
) -> None:
    done = verify(machine, scripted, api, "--require-org", wanted)
    assert (done.code, done.out) == (5, "")
    assert f"{ORG_NAME} ({ORG_ID})" in done.error
    assert f"not of {wanted} " in done.error
    assert done.hint


@pytest.mark.parametrize("more", [{"organization": None}, {"organization": "x"}, {"organization": {"id": 7}}])
def test_an_organisation_that_is_not_told_is_not_the_one_that_is_required(
    machine: Machine, scripted: ScriptedServer, api: ScriptedServer, more: dict[str, object]
) -> None:
    api.answers = [of(more=more)]
    assert "organisation  not told" in verify(machine, scripted, api).out
    done = verify(machine, scripted, api, "--require-org", ORG_ID)
    assert (done.code, "not told" in done.error) == (5, True)


@pytest.mark.parametrize("wanted", ["", " "])
def test_a_variable_that_is_not_set_does_not_pass_for_any_organisation(
    machine: Machine, scripted: ScriptedServer, api: ScriptedServer, wanted: str
) -> None:
    done = verify(machine, scripted, api, "--require-org", wanted)
    assert (done.code, "names no organisation" in done.error) == (2, True)
    assert not scripted.requests
    assert not api.requests


HOSTILE = {
    "a page": (5, http(200, "<html>Log in</html>")),
    "a redirect": (5, http(302, "", Location="/elsewhere")),
    "nothing": (5, http(200, "")),
    "a list": (5, http(200, "[]")),
    "a number": (5, http(200, "7")),
    "another shape": (5, http(200, {"OAuthClient": "x"})),
    "no id": (5, http(200, {"OAuthClient": {"id": None}})),
    "deep": (5, http(200, "[" * 50_000)),
    "huge": (5, of(more={"padding": "x" * 70_000})),
    "forbidden": (5, http(403, {"code": "not.authorized"})),
    "bad request": (5, http(400, {"code": "bad.request"})),
    "429": (6, http(429, {"code": "too.many.requests.retry.after"}, Retry_After="600")),
    "500": (6, http(500, "")),
    "503": (6, http(503, "<html>")),
    "504": (6, http(504, {"code": "authentication.request.timeout"})),
    "408": (6, http(408, "")),
    "cut short": (6, of()[:-20]),
    "closed": (6, lambda *_: None),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_what_says_nothing_of_the_token_is_no_success_and_changes_nothing(
    machine: Machine, scripted: ScriptedServer, api: ScriptedServer, name: str
) -> None:
    code, answer = HOSTILE[name]
    api.answers = [answer]  # type: ignore[list-item]
    put(machine.cache, scripted)
    done = verify(machine, scripted, api)
    assert (done.code, done.out) == (code, ""), done.err
    assert done.hint
    assert get(machine.cache, scripted).value == OLD
    assert not path_of(machine.cache, scripted, ".alive").exists()


def test_an_api_that_cannot_be_reached_is_6(machine: Machine, scripted: ScriptedServer) -> None:
    done = machine.run("verify", env=client(scripted, GC_CREDHELPER_API_URL="http://127.0.0.1:9"))
    assert (done.code, done.out) == (6, "")


def test_an_api_that_is_not_known_is_2_before_anybody_is_asked(machine: Machine, scripted: ScriptedServer) -> None:
    done = machine.run("verify", env=client(scripted))
    assert (done.code, done.out, done.hint) == (2, "", "set api_url")
    assert not scripted.requests


@pytest.mark.parametrize(
    "echo",
    [ECHO, f"Org {ECHO} Ltd", ECHO[3:12], ECHO[::-1], ECHO.upper(), ECHO.encode().hex(), f"{ECHO[:9]}-{ECHO[9:]}"],
)
def test_no_part_of_a_token_that_comes_back_is_shown(
    machine: Machine, scripted: ScriptedServer, api: ScriptedServer, echo: str
) -> None:
    scripted.answers = [token(ECHO)]
    api.answers = [
        of(org=(echo, echo), more={"more": ECHO}),
        of(org=(ORG_ID, echo)),
        of(echo),
        http(200, {"OAuthClient": {"id": scripted.client_id, "name": echo}}),
    ]
    argvs = [[], ["--json", "--require-org", ORG_ID], ["-vv"], ["-vv", "--require-org", "Other"]]
    shown = [verify(machine, scripted, api, *argv) for argv in argvs]
    assert [done.code for done in shown] == [0, 0, 5, 5]
    for done in shown:
        assert echo not in done.out + done.err
        assert ECHO not in done.out + done.err
        assert "not shown" in done.out + done.err or done is shown[-1]


def test_names_are_on_one_line_without_control_characters(
    machine: Machine, scripted: ScriptedServer, api: ScriptedServer
) -> None:
    api.answers = [of(org=("id\n\x1b[31m", "a\r\nerror: b\x07\N{RIGHT-TO-LEFT OVERRIDE}" + "c" * 5000))]
    done = verify(machine, scripted, api)
    assert (done.code, done.err) == (0, "")
    assert len(done.out.splitlines()) == 5
    assert all(len(line) < 300 and line.isprintable() for line in done.out.splitlines())


def test_a_token_on_standard_input_is_looked_at(
    machine: Machine, scripted: ScriptedServer, api: ScriptedServer
) -> None:
    done = verify(machine, scripted, api, "--stdin", "--json", stdin="somebodys-token\n")
    assert (done.code, done.err) == (0, "")
    found = json.loads(done.out)
    assert (found["came_from"], found["expires_at"]) == ("standard input", None)
    assert api.requests[0].headers["authorization"] == "Bearer somebodys-token"
    assert not scripted.requests
    put(machine.cache, scripted)
    assert json.loads(verify(machine, scripted, api, "--stdin", "--json", stdin=OLD).out)["expires_at"]
    api.answers = [DEAD]
    assert verify(machine, scripted, api, "--stdin", stdin="somebodys-token\n").code == 5


def test_a_token_of_another_client_of_the_pool_is_known_by_the_slot_in_which_it_lies(
    machine: Machine, scripted: ScriptedServer, api: ScriptedServer
) -> None:
    more = {f"{name}_CLIENT_{part}": f"{name}-{part}" for name in ("ONE", "TWO") for part in ("ID", "SECRET")}
    env = client(scripted, GC_CREDHELPER_PROVIDER="env:ONE,env:TWO", GC_CREDHELPER_API_URL=at(api), **more)
    assert machine.run("token", "--set", "slot=1", env=env).code == 0
    api.answers = [of("TWO-ID")]
    done = machine.run("verify", "--stdin", "--json", "--set", "slot=0", env=env, stdin="tok-1\n")
    assert (done.code, done.err) == (0, "")
    assert json.loads(done.out)["client"]["id"] == "TWO-ID"


@pytest.mark.parametrize("argv", [["--stdin"], ["--stdin", "--refresh"], ["token-as-a-word"]])
def test_what_makes_no_sense_is_2(
    machine: Machine, scripted: ScriptedServer, api: ScriptedServer, argv: list[str]
) -> None:
    done = verify(machine, scripted, api, *argv, stdin="not a token\n")
    assert (done.code, done.out) == (2, "")
    assert not api.requests


def test_the_token_of_the_fleet_is_looked_at(tmp_path: Path, scripted: ScriptedServer, api: ScriptedServer) -> None:
    fleet = Fleet(tmp_path / "fleet", scripted, GC_CREDHELPER_API_URL=at(api))
    assert fleet.token("a") == "tok-1"
    done = fleet("b", "verify", "--json")
    assert (done.code, json.loads(done.out)["came_from"]) == (0, "cache")
    assert len(scripted.requests) == 1


def test_a_program_that_prints_the_locals_of_a_traceback_does_not_print_the_token() -> None:
    assert OLD not in repr(_Subject(OLD, None, "standard input", "a hint"))


def test_the_library_logs_nothing_of_an_answer(
    scripted: ScriptedServer, api: ScriptedServer, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    from gc_credhelper.deadline import Deadline
    from gc_credhelper.platform import Platform
    from gc_credhelper.transport import Transport

    caplog.set_level(logging.DEBUG)
    api.answers = [of(org=(ECHO, ECHO))]
    about = Platform(at(api), Transport()).about(ECHO, Deadline(20))
    assert ECHO not in repr(about) + caplog.text
