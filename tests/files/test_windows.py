"""The windows in whole commands: entries that were issued a while ago, and an endpoint that fails."""

import calendar
import json
import time

import pytest
from support import Machine, Run, client
from support.entries import AGEING, ENDING, HOUR, OLD, get, put
from support.scripted import ScriptedServer, http, token

from gc_credhelper.library import token_source

DOWN = http(503, "", Retry_After="3600")  # no second attempt fits into the deadline


def raw(machine: Machine, server: ScriptedServer, *more: str) -> Run:
    return machine.run("token", "-o", "raw", *more, env=client(server))


def test_a_failure_in_the_advisory_window_is_a_warning_and_is_not_repeated_at_once(
    machine: Machine, scripted: ScriptedServer
) -> None:
    scripted.answers = [DOWN]
    put(machine.cache, scripted, age=AGEING)
    done = raw(machine, scripted)
    assert (done.code, done.out) == (0, f"{OLD}\n")
    assert len(done.warnings) == len(done.err.splitlines()) == 1
    assert done.warnings[0].startswith("the token was not renewed early")
    assert [raw(machine, scripted) for _ in range(3)] == [Run(0, f"{OLD}\n", "")] * 3
    assert len(scripted.requests) == 1


def test_the_entry_that_was_served_meanwhile_keeps_its_times(machine: Machine, scripted: ScriptedServer) -> None:
    scripted.answers = [DOWN]
    before = put(machine.cache, scripted, age=AGEING)
    raw(machine, scripted)
    after = get(machine.cache, scripted)
    assert abs(after.issued_at - before.issued_at) < 0.01
    assert abs(after.expires_at - before.expires_at) < 0.01
    assert time.time() < after.refresh_at < time.time() + 20


def test_a_refusal_in_the_advisory_window_is_a_warning(machine: Machine, scripted: ScriptedServer) -> None:
    scripted.answers = [http(400, {"error": "unauthorized_client"})]
    put(machine.cache, scripted, age=AGEING)
    done = raw(machine, scripted)
    assert (done.code, len(done.warnings)) == (0, 1)
    assert done.out
    assert done.warnings[0].startswith("the token was not renewed early")


def test_in_the_mandatory_window_an_endpoint_that_is_down_is_exit_6(machine: Machine, scripted: ScriptedServer) -> None:
    scripted.answers = [DOWN, token("new")]
    put(machine.cache, scripted, age=ENDING)
    done = raw(machine, scripted)
    assert (done.code, done.out, done.warnings) == (6, "", [])
    assert done.error
    assert done.hint
    assert raw(machine, scripted) == Run(0, "new\n", "")


def test_in_the_advisory_window_the_token_is_renewed(machine: Machine, scripted: ScriptedServer) -> None:
    scripted.answers = [token("new")]
    put(machine.cache, scripted, age=AGEING)
    assert [raw(machine, scripted) for _ in range(2)] == [Run(0, "new\n", "")] * 2
    assert len(scripted.requests) == 1


def test_min_ttl_raises_the_edge_for_its_caller_alone(machine: Machine, scripted: ScriptedServer) -> None:
    scripted.answers = [DOWN, token("new")]
    put(machine.cache, scripted, age=600)
    assert raw(machine, scripted, "--min-ttl", "49m") == Run(0, f"{OLD}\n", "")
    done = raw(machine, scripted, "--min-ttl", "55m")
    assert (done.code, done.out) == (6, "")
    assert raw(machine, scripted) == Run(0, f"{OLD}\n", "")
    assert raw(machine, scripted, "--min-ttl", "55m") == Run(0, "new\n", "")


def test_an_expiry_that_is_reported_is_never_past(machine: Machine, scripted: ScriptedServer) -> None:
    scripted.answers = [DOWN]
    for lifetime in (300, 301, 599, 600, 3600):
        left = min(300, lifetime / 10) + 1.5
        put(machine.cache, scripted, age=lifetime - left, lifetime=lifetime)
        done = machine.run("token", env=client(scripted))
        ended = time.time() - 60  # the command may be slow, the answer may not be a minute early
        if done.code == 0:
            reported = time.strptime(json.loads(done.out)["status"]["expirationTimestamp"], "%Y-%m-%dT%H:%M:%SZ")
            assert calendar.timegm(reported) > ended
        else:
            assert done.code == 6


def test_an_entry_from_the_future_is_replaced(machine: Machine, scripted: ScriptedServer) -> None:
    put(machine.cache, scripted, age=-120)
    scripted.answers = [token("new", HOUR * 2)]
    assert raw(machine, scripted, "--min-ttl", "90m") == Run(0, "new\n", "")
    assert raw(machine, scripted) == Run(0, "new\n", "")
    assert len(scripted.requests) == 1


@pytest.mark.parametrize("lifetime", [300, 900, 86_400, 172_800])
def test_a_new_token_of_every_lifetime_is_a_hit(machine: Machine, scripted: ScriptedServer, lifetime: int) -> None:
    scripted.answers = [token("new", lifetime)]
    assert [raw(machine, scripted) for _ in range(3)] == [Run(0, "new\n", "")] * 3
    assert len(scripted.requests) == 1


def test_the_command_does_not_serve_what_a_library_rejected(
    machine: Machine, scripted: ScriptedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    scripted.answers = [token("one"), token("two")]
    assert [raw(machine, scripted).out for _ in range(2)] == ["one\n"] * 2
    for name, value in client(scripted, HOME=str(machine.home)).items():
        monkeypatch.setenv(name, value)
    entry = put(machine.cache, scripted, "one")
    source = token_source()
    assert source.reject("one")
    put(machine.cache, scripted, "one", age=time.time() - entry.issued_at)
    assert [raw(machine, scripted).out for _ in range(2)] == ["two\n"] * 2
    source.reject("somebody-elses")
    assert raw(machine, scripted) == Run(0, "two\n", "")
    assert len(scripted.requests) == 2
