"""`explain`: one call of `token`, told stage by stage: what it says, what it does not show, and what it changes."""

import ast
import base64
import hashlib
import json
import string
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from support import Machine, Run, client
from support.entries import AGEING, ENDING, EXPIRED, get, locked, path_of, put
from support.hunting import canary, hunt
from support.scripted import Request, ScriptedServer, http, token
from support.tokenme import DEAD, of

import gc_credhelper
from gc_credhelper.facts import TEXTS
from gc_credhelper.notes import difference
from gc_credhelper.plan import Inputs, encode, note_name
from gc_credhelper.recalled import obstacle
from gc_credhelper.sandbox.server import SandboxThread

canary(ScriptedServer.client_secret)
TOKEN = canary("tok-canary-Ge4wH")
INVALID: dict[str, object] = {"error": "invalid_client", "error_description": "authentication failed"}
CODE = Path(gc_credhelper.__file__).parent


@pytest.fixture
def server(scripted: ScriptedServer) -> ScriptedServer:
    scripted.answers = [token(TOKEN)]
    return scripted


class Told:
    """What `explain --json` said. `fault`: its exit code, of which stderr tells as well."""

    def __init__(self, done: Run) -> None:
        hunt(done.out + done.err)
        self.run = done
        found = json.loads(done.out)
        assert found.keys() == {"events", "token", "error", "seconds"}
        self.events: list[dict[str, Any]] = found["events"]
        self.token: dict[str, Any] | None = found["token"]
        self.error: dict[str, Any] | None = found["error"]
        if self.error:
            assert (done.code, done.error, done.hint) == tuple(self.error.values())
            assert self.token is None
        else:
            assert (done.code, done.err) == (0, "")
            assert self.token

    def of(self, stage: str) -> list[str]:
        return [event["outcome"] for event in self.events if event["stage"] == stage]

    def one(self, stage: str, outcome: str) -> dict[str, Any]:
        (event,) = (event for event in self.events if (event["stage"], event["outcome"]) == (stage, outcome))
        return event


def explain(machine: Machine, server: object, *argv: str, **env: str) -> Told:
    return Told(machine.run("explain", "--json", *argv, env=client(server, **env)))


def test_a_first_call_is_told_from_the_settings_to_the_new_token(machine: Machine, server: ScriptedServer) -> None:
    told = explain(machine, server)
    assert [(event["stage"], event["outcome"]) for event in told.events] == [
        ("settings", "provider"),
        ("settings", "cache"),
        ("settings", "endpoint"),
        ("launcher", "leaves"),
        ("client", "provider"),
        ("cache", "empty"),
        ("lock", "taken"),
        ("gate", "open"),
        ("provider", "read"),
        ("exchange", "granted"),
        ("token", "issued"),
        ("cache", "keeps"),
        ("launcher", "will-serve"),
    ]
    assert all(event["seconds"] >= 0 and event["text"] for event in told.events)
    assert [event["at"] for event in told.events] == sorted(event["at"] for event in told.events)
    assert len(server.requests) == 1


def test_the_token_is_told_by_its_times_its_key_and_a_digest(machine: Machine, server: ScriptedServer) -> None:
    told = explain(machine, server).token
    kept = get(machine.cache, server)
    assert told
    assert told["digest"] == hashlib.sha256(kept.value.encode()).hexdigest()[:12]
    assert told["key"] == path_of(machine.cache, server).stem
    assert (told["client_id"], told["slot"], told["lifetime"]) == (server.client_id, 0, 86_400)
    for name in ("issued_at", "refresh_at", "expires_at"):
        assert told[name] == pytest.approx(getattr(kept, name), abs=0.01)
    assert told["handed_out_until"] == pytest.approx(kept.expires_at - 300, abs=0.01)
    assert told["reported_expiry"] == pytest.approx(kept.expires_at - 60, abs=1)


def test_the_same_is_told_to_people_in_a_line_each(machine: Machine, server: ScriptedServer) -> None:
    done = machine.run("explain", env=client(server))
    hunt(done.out)
    assert (done.code, done.err) == (0, "")
    stages, _, answer = done.out.partition("\n\n")
    assert all(line.split()[1] == "ms" for line in stages.splitlines())
    assert stages.splitlines()[-1].endswith("in all")
    assert "gate      open: nothing keeps this call from a token request" in stages
    assert [line.split()[0] for line in answer.splitlines()] == [
        "digest", "client_id", "slot", "key", "lifetime",
        "issued_at", "refresh_at", "handed_out_until", "reported_expiry", "expires_at",
    ]  # fmt: skip


def test_it_is_one_call_of_token_whose_next_one_the_launcher_serves(machine: Machine, server: ScriptedServer) -> None:
    explain(machine, server, "-o", "raw")
    before = machine.notes()
    assert before
    assert machine.run("token", "-o", "raw", env=client(server)).out == f"{TOKEN}\n"
    assert machine.notes() == before
    told = explain(machine, server, "-o", "raw")
    assert told.of("launcher") == ["serves", "will-serve"]
    assert (told.of("cache"), told.of("cached"), told.of("token")) == (["holds"], ["fresh"], ["cached"])
    assert len(server.requests) == 1


def test_it_prints_no_answer_and_writes_no_file_of_the_format(machine: Machine, server: ScriptedServer) -> None:
    explain(machine, server, "-o", "archy", "--file", "options.yaml")
    assert not (machine.home / "options.yaml").exists()


@pytest.mark.parametrize("argv", [["--refresh"], ["-o", "github"], ["-o", "raw", "--file", "there"]])
def test_an_option_that_is_nothing_for_the_launcher_is_named(
    machine: Machine, server: ScriptedServer, argv: list[str]
) -> None:
    explain(machine, server)
    told = explain(machine, server, *argv)
    assert told.of("launcher") == ["leaves", "will-leave"]
    assert "is nothing for it" in told.one("launcher", "leaves")["why"]


def test_its_own_options_are_none_of_the_calls(machine: Machine, server: ScriptedServer) -> None:
    explain(machine, server)
    for own in (["-v"], ["-vv"], ["--verbose"]):
        assert explain(machine, server, *own).of("launcher") == ["serves", "will-serve"]


def test_an_input_of_the_note_that_has_changed_is_named_without_its_value(
    machine: Machine, server: ScriptedServer
) -> None:
    secret = canary("canary-Tn3-other-family")
    for name, value in (("PURECLOUD_CLIENT_SECRET", secret), ("GC_CREDHELPER_SLOTS", "1")):
        explain(machine, server)
        told = explain(machine, server, **{name: value})
        assert told.one("launcher", "leaves")["why"] == f"the variable {name} is not what it was"


def test_a_config_file_that_has_changed_is_named(machine: Machine, server: ScriptedServer) -> None:
    explain(machine, server)
    path = machine.write_config("[profiles.default]\nmin_ttl = '1m'\n")
    told = explain(machine, server)
    assert told.one("launcher", "leaves")["why"] == f"the file {path} is not what it was"
    assert told.one("plan", "unsettled")["path"] == str(path)


# What lies there before the call, and the outcome of the stage that says why it is of no use or of some.
def old(machine: Machine, server: ScriptedServer, age: float) -> None:
    put(machine.cache, server, TOKEN, age=age)


def damage(machine: Machine, server: ScriptedServer) -> None:
    old(machine, server, 0)
    path = path_of(machine.cache, server)
    path.write_text(path.read_text().replace("Bearer", "bearer"))


def reject(machine: Machine, server: ScriptedServer) -> None:
    old(machine, server, 0)
    assert machine.run("reject", env=client(server), stdin=TOKEN).code == 0
    old(machine, server, 0)


def loosen(machine: Machine, server: ScriptedServer) -> None:
    old(machine, server, 0)
    path_of(machine.cache, server).chmod(0o644)


Setup = Callable[[Machine, ScriptedServer], None]
CASES: dict[str, tuple[Setup, str, str]] = {
    "expired": (lambda m, s: old(m, s, EXPIRED), "cached", "expired"),
    "in its mandatory window": (lambda m, s: old(m, s, ENDING), "cached", "old"),
    "in its advisory window": (lambda m, s: old(m, s, AGEING), "cached", "ageing"),
    "from the future": (lambda m, s: old(m, s, -90), "cached", "future"),
    "damaged": (damage, "cache", "damaged"),
    "rejected": (reject, "cache", "rejected"),
    "open to others": (loosen, "cache", "failed"),
}


@pytest.mark.parametrize("name", CASES)
def test_why_a_cached_token_is_not_just_handed_out(machine: Machine, server: ScriptedServer, name: str) -> None:
    setup, stage, outcome = CASES[name]
    setup(machine, server)
    server.answers = [token("another-" + TOKEN)]
    told = explain(machine, server)
    assert outcome in told.of(stage)
    assert told.of("token") == ["issued"]
    assert ("warning" in [event["stage"] for event in told.events]) == (outcome == "failed")


def test_a_token_that_min_ttl_does_not_take_is_told(machine: Machine, server: ScriptedServer) -> None:
    old(machine, server, 1800)
    told = explain(machine, server, "--min-ttl", "45m")
    assert told.one("cached", "short")["min_ttl"] == 2700
    assert told.of("token") == ["issued"]


def test_a_life_that_no_token_has_is_an_error_and_the_trace_says_how_it_was_known(
    machine: Machine, server: ScriptedServer
) -> None:
    old(machine, server, 1800)
    told = explain(machine, server, "--min-ttl", "2h")
    assert told.run.code == 7
    assert told.of("cached") == ["short"]
    assert server.requests == []


def test_who_holds_the_lock_and_how_long_that_was_waited_for_is_told(machine: Machine, server: ScriptedServer) -> None:
    with locked(machine.cache, server):
        told = explain(machine, server, "--deadline", "1s")
    assert told.run.code == 6
    waiting = told.one("lock", "waiting")
    assert waiting["holder"] == "process 4242 on elsewhere"
    assert waiting["seconds"] > 0
    assert told.of("cache") == ["empty"]  # once, though it was looked at many times


def test_an_ageing_token_that_another_caller_refreshes_is_told(machine: Machine, server: ScriptedServer) -> None:
    old(machine, server, AGEING)
    with locked(machine.cache, server):
        assert explain(machine, server).of("token") == ["ageing"]


def test_each_attempt_is_told_with_what_became_of_it(machine: Machine, server: ScriptedServer) -> None:
    server.answers = [http(503, ""), token(TOKEN)]
    told = explain(machine, server)
    assert told.of("exchange") == ["failed", "granted"]
    failed = told.one("exchange", "failed")
    assert (failed["number"], failed["error"]) == (1, "the token endpoint failed (503)")
    assert failed["pause"] >= 0


def test_a_wait_that_does_not_fit_is_told_and_then_the_gate_is_closed(machine: Machine, server: ScriptedServer) -> None:
    server.answers = [http(429, "", Retry_After="200")]
    told = explain(machine, server)
    assert (told.run.code, told.of("exchange")) == (6, ["given-up"])
    told = explain(machine, server)
    assert (told.run.code, told.of("gate"), told.of("exchange")) == (6, ["rate-limit"], [])
    assert 0 < told.one("gate", "rate-limit")["left"] <= 200
    assert len(server.requests) == 1


def test_an_ageing_token_behind_a_closed_gate_is_told(machine: Machine, server: ScriptedServer) -> None:
    server.answers = [http(429, "", Retry_After="200")]
    assert explain(machine, server).run.code == 6
    old(machine, server, AGEING)
    assert explain(machine, server).of("token") == ["kept"]


def test_a_refused_secret_is_told_with_the_second_read(machine: Machine, server: ScriptedServer) -> None:
    server.answers = [http(401, INVALID)]
    told = explain(machine, server)
    assert told.run.code == 5
    assert told.events[-2:] == [told.one("exchange", "refused"), told.one("provider", "unchanged")]
    told = explain(machine, server)
    assert (told.of("gate"), told.of("exchange"), told.of("provider")) == (["refused"], [], ["read", "unchanged"])
    assert len(server.requests) == 1


def test_people_see_the_trace_of_a_failure_and_the_error_as_of_any_command(
    machine: Machine, server: ScriptedServer
) -> None:
    server.answers = [http(401, INVALID)]
    done = machine.run("explain", env=client(server))
    assert done.code == 5
    assert "exchange  attempt 1: wrong secret, or wrong region" in done.out
    assert done.out.splitlines()[-1].endswith("in all")
    assert "wrong secret, or wrong region" in done.error
    assert done.hint


def test_a_failure_before_the_first_stage_is_an_answer_too(machine: Machine, server: ScriptedServer) -> None:
    told = explain(machine, server, "--profile", "nowhere")
    assert (told.run.code, told.events) == (2, [])


def test_a_wrong_option_is_an_error_and_nothing_else(machine: Machine, server: ScriptedServer) -> None:
    done = machine.run("explain", "--nonsense", env=client(server))
    assert (done.code, done.out) == (2, "")
    assert done.error


def test_each_cache_is_told_in_its_order(machine: Machine, server: ScriptedServer, tmp_path: Path) -> None:
    told = explain(machine, server, "--cache", f"memory,file:{tmp_path / 'kept'}")
    names = [(event["name"], event["outcome"]) for event in told.events if event["stage"] == "cache"]
    assert names == [("memory", "empty"), ("file", "empty"), ("memory", "keeps"), ("file", "keeps")]
    assert told.one("launcher", "will-leave")["why"] == "the nearest cache is not a file"


def test_without_a_cache_that_is_told(machine: Machine, server: ScriptedServer) -> None:
    told = explain(machine, server, "--cache", "none")
    assert (told.of("cache"), told.of("lock")) == (["off"], [])


def test_where_the_client_id_comes_from_is_told(machine: Machine, server: ScriptedServer) -> None:
    program = machine.home / "pair.json"
    program.write_text(json.dumps({"client_id": server.client_id, "client_secret": server.client_secret}))
    command = {"GC_CREDHELPER_PROVIDER": "command", "GC_CREDHELPER_COMMAND_ARGV": f"cat {program}"}
    assert explain(machine, server).of("client") == ["provider"]
    time.sleep(2.1)  # a file that changed a moment ago leaves no note
    assert explain(machine, server, **command).of("client") == ["store"]
    assert explain(machine, server, **command).of("client") == ["note"]
    assert explain(machine, server, GC_CREDHELPER_CLIENT_ID=server.client_id).of("client") == ["setting"]


def test_the_slot_is_told_where_there_are_several(machine: Machine, server: ScriptedServer) -> None:
    told = explain(machine, server, "--set", "slots=4", "--set", "slot=3")
    assert told.one("settings", "slot")["slot"] == 3


def test_a_server_that_repeats_what_it_is_sent_does_not_make_it_show(machine: Machine, server: ScriptedServer) -> None:
    def echo(request: Request, _: object) -> bytes:
        sent = request.headers["authorization"]
        told = f"{sent} {base64.b64decode(sent.partition(' ')[2]).decode()}"
        return http(400, {"error": told, "error_description": told}, ININ_Correlation_Id=told)

    server.answers = [echo]
    for argv in ([], ["--json"], ["-vv"]):
        done = machine.run("explain", *argv, env=client(server))
        assert done.code == 5
        hunt(done.out + done.err)


def test_token_says_some_of_it_with_v_and_all_of_it_with_vv(machine: Machine, sandbox: SandboxThread) -> None:
    some = machine.run("token", "-v", "--refresh", env=client(sandbox)).err.splitlines()
    all_of_it = machine.run("token", "-vv", "--refresh", env=client(sandbox)).err.splitlines()
    assert some == ["gc-credhelper: note: a new token was issued; it lives 86400 s"]
    assert {*some} < {*all_of_it}
    assert "gc-credhelper: note: gate: open: nothing keeps this call from a token request" in all_of_it


@pytest.mark.parametrize(
    ("said", "outcome"),
    [(of(), "alive"), (DEAD, "dead"), (of("another client"), "foreign")],
    ids=["alive", "dead", "foreign"],
)
def test_what_the_api_said_of_a_cached_token_is_told(
    machine: Machine, server: ScriptedServer, said: bytes, outcome: str
) -> None:
    with ScriptedServer(said) as api:
        more = {"GC_CREDHELPER_API_URL": api.token_url.removesuffix("/oauth/token"), "GC_CREDHELPER_VERIFY": "10s"}
        assert machine.run("token", env=client(server, **more)).code == 0
        put(machine.cache, server, age=100)
        told = explain(machine, server, **more)
    assert told.of("check") == [outcome]
    assert "due for a check" in told.one("launcher", "leaves")["why"]
    assert told.of("launcher")[-1] == "will-serve"


# The cold twin of the launcher's own decision.
def is_hit(machine: Machine, env: dict[str, str]) -> bool:
    """Did the launcher serve it? A full run writes."""
    before = machine.cache.stat().st_mtime_ns, machine.notes()
    machine.run("token", env=env)
    return bool(before[1]) and before == (machine.cache.stat().st_mtime_ns, machine.notes())


def forget_note(machine: Machine, _: ScriptedServer) -> None:
    for path in machine.cache.glob("*.note"):
        path.unlink()


SITUATIONS: dict[str, Setup] = {
    "nothing changed": lambda *_: None,
    "no note": forget_note,
    "no token": lambda m, s: path_of(m.cache, s).unlink(),
    **{f"the token is {name}": setup for name, (setup, *_) in CASES.items()},
}


@pytest.mark.parametrize("name", SITUATIONS)
def test_what_is_said_of_the_launcher_is_what_it_does(machine: Machine, server: ScriptedServer, name: str) -> None:
    env = client(server)
    assert machine.run("token", env=env).code == 0
    SITUATIONS[name](machine, server)
    whole = machine.environ(env)
    inputs = Inputs(["token"], {encode(key): encode(value) for key, value in whole.items()})
    inputs.cwd = str(machine.home)
    why = obstacle(inputs)
    assert is_hit(machine, env) == (not why) == (name == "nothing changed"), why


def test_a_note_that_is_not_sound_is_said_to_be(machine: Machine, server: ScriptedServer) -> None:
    env = client(server)
    assert machine.run("token", env=env).code == 0
    whole = machine.environ(env)
    inputs = Inputs(["token"], {encode(key): encode(value) for key, value in whole.items()})
    inputs.cwd = str(machine.home)
    note = (machine.cache / note_name(inputs)).read_bytes()
    assert difference(inputs, note) == ""
    assert difference(inputs, note[:-1] + b"x") == "the note is damaged"
    inputs.cwd = "/"
    assert difference(inputs, note) == "the note was left by another directory"


# The table of facts.
def calls() -> list[ast.Call]:
    trees = [ast.parse(path.read_text(encoding="utf-8")) for path in CODE.rglob("*.py")]
    found = [node for tree in trees for node in ast.walk(tree) if isinstance(node, ast.Call)]
    return [call for call in found if isinstance(call.func, ast.Attribute) and call.func.attr == "fact"]


def constants(node: ast.expr) -> set[str]:
    return {str(one.value) for one in ast.walk(node) if isinstance(one, ast.Constant)}


def needs(row: tuple[str, str]) -> set[str]:
    return {field for _, field, _, _ in string.Formatter().parse(TEXTS[row]) if field}


def test_every_fact_that_is_told_has_a_text_with_its_details_and_every_text_is_told() -> None:
    told = {("warning", "said"), ("note", "said")}  # by Trace
    computed = set()
    for call in calls():
        (stage,) = constants(call.args[0])
        given = {keyword.arg for keyword in call.keywords}
        rows = {(stage, outcome) for outcome in constants(call.args[1])} & TEXTS.keys()
        if not rows:  # the outcome is found out elsewhere
            computed.add(stage)
            rows = {row for row in TEXTS if row[0] == stage and needs(row) <= given}
        assert all(needs(row) <= given for row in rows), stage
        told |= rows
    assert computed <= {"cache", "cached", "client", "exchange", "far", "gate", "settings"}
    assert told == TEXTS.keys()
