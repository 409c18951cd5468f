"""A secret that is rotated between the read of it and the exchange, or while the gate is closed to the old one."""

import json
import socket
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from support import Machine, Run
from support.entries import AGEING, put
from support.hunting import hunt
from support.rotation import NEW, OLD, sent, storm
from support.rotation import RotatingLogin as Login
from support.scripted import Request, ScriptedServer, http, token

from .kit import GUARD, INVALID

ID = "a-client"
PRINTER = """\
import pathlib, sys
log = pathlib.Path(sys.argv[1] + ".log")
log.open("a").write("x")
turn = len(log.read_text())
lines = pathlib.Path(sys.argv[1]).read_text().splitlines()
print(lines[min(turn, len(lines)) - 1])
"""


def pair(secret: str, client_id: str = ID) -> str:
    return json.dumps({"client_id": client_id, "client_secret": secret})


class Vault:
    """A store that the provider `command` asks: a file that holds what it answers, a line for each turn."""

    def __init__(self, machine: Machine) -> None:
        self.path = machine.home / "store"
        self.program = machine.home / "printer.py"
        self.program.write_text(PRINTER)
        self.argv = f"{sys.executable} -I -S {self.program} {self.path}"

    def gives(self, *answers: str) -> None:
        self.path.write_text("\n".join(answers) + "\n")
        self.path.with_suffix(".log").unlink(missing_ok=True)

    @property
    def reads(self) -> int:
        return len(self.path.with_suffix(".log").read_text())


@pytest.fixture
def vault(machine: Machine) -> Vault:
    return Vault(machine)


Token = Callable[..., Run]


@pytest.fixture
def run(machine: Machine, scripted: ScriptedServer, vault: Vault) -> Token:
    def token_of(*argv: str, provider: str = "command", **more: str) -> Run:
        own = {"GC_CREDHELPER_TOKEN_URL": scripted.token_url, "GC_CREDHELPER_PROVIDER": provider}
        own |= {"GC_CREDHELPER_COMMAND_ARGV": vault.argv}
        done = machine.run("token", "-o", "raw", *argv, env=own | more, timeout=GUARD * 2)
        hunt(done.out + done.err)
        return done

    return token_of


def refuses_and(rotate: Callable[[], object]) -> Callable[[Request, socket.socket], bytes]:
    def answer(*_: object) -> bytes:
        rotate()
        return http(401, INVALID)

    return answer


def secrets_sent(server: ScriptedServer) -> list[str]:
    return [sent(request)[1] for request in server.requests]


def gates(machine: Machine) -> list[Path]:
    return [*machine.cache.glob("*.gate")]


def test_a_secret_that_was_changed_after_it_was_read_is_tried_at_once(
    machine: Machine, scripted: ScriptedServer, run: Token, vault: Vault
) -> None:
    vault.gives(pair(OLD), pair(NEW))
    scripted.answers = [http(401, INVALID), token()]
    done = run("-v")
    assert (done.code, done.out) == (0, "tok-1\n")
    assert "note: the secret was refused, but the provider holds another one now; that is tried" in done.err
    assert (vault.reads, secrets_sent(scripted)) == (2, [OLD, NEW])
    assert not gates(machine)


@pytest.mark.parametrize("status", [400, 401])
def test_one_that_was_not_changed_is_sent_once_and_its_refusal_stands(
    scripted: ScriptedServer, run: Token, vault: Vault, status: int
) -> None:
    vault.gives(pair(OLD))
    scripted.answers = [http(status, INVALID), token()]
    done = run()
    assert (done.code, done.out) == (5, "")
    assert "wrong secret, or wrong region" in done.error
    assert (vault.reads, secrets_sent(scripted)) == (2, [OLD])


def test_when_the_changed_one_is_refused_as_well_nothing_more_is_tried(
    machine: Machine, scripted: ScriptedServer, run: Token, vault: Vault
) -> None:
    vault.gives(pair("first-one"), pair(OLD), pair(NEW))
    scripted.answers = [http(401, INVALID)]
    assert run().code == 5
    assert (vault.reads, secrets_sent(scripted)) == (2, ["first-one", OLD])
    vault.gives(pair(OLD))
    assert "not asked again" in run().error  # the gate is closed to the one that was refused last
    assert len(scripted.requests) == 2


def test_when_the_store_fails_the_second_time_the_refusal_is_what_is_said(
    scripted: ScriptedServer, run: Token, vault: Vault
) -> None:
    vault.gives(pair(OLD), "no JSON")
    scripted.answers = [http(401, INVALID), token()]
    done = run("-v")
    assert done.code == 5
    assert "wrong secret, or wrong region" in done.error
    assert "could not be read again: the command" in done.err
    assert (vault.reads, len(scripted.requests)) == (2, 1)


def test_another_refusal_than_of_the_client_is_no_reason_to_read_again(
    scripted: ScriptedServer, run: Token, vault: Vault
) -> None:
    vault.gives(pair(OLD), pair(NEW))
    scripted.answers = [http(403, ""), token()]
    assert run().code == 5
    assert (vault.reads, len(scripted.requests)) == (1, 1)


def test_behind_a_gate_that_is_closed_to_the_old_secret_a_changed_one_is_tried_at_once(
    machine: Machine, scripted: ScriptedServer, run: Token, vault: Vault
) -> None:
    vault.gives(pair(OLD))
    scripted.answers = [http(401, INVALID), token()]
    assert run().code == 5
    vault.gives(pair(OLD), pair(NEW))  # the store changes while the next call stands before the gate
    done = run()
    assert (done.code, done.out, done.err) == (0, "tok-1\n", "")
    assert (vault.reads, secrets_sent(scripted)) == (2, [OLD, NEW])
    assert not gates(machine)


def test_a_client_that_took_the_place_of_the_refused_one_gets_its_own_token(
    scripted: ScriptedServer, run: Token, vault: Vault
) -> None:
    vault.gives(pair(OLD), pair(NEW, "another-client"))
    scripted.answers = [http(401, INVALID), token()]
    assert run().code == 0
    assert [sent(request) for request in scripted.requests] == [(ID, OLD), ("another-client", NEW)]
    assert vault.reads == 2


def test_a_client_that_a_setting_names_is_not_replaced(scripted: ScriptedServer, run: Token, vault: Vault) -> None:
    vault.gives(pair(OLD), pair(NEW, "another-client"))
    scripted.answers = [http(401, INVALID), token()]
    done = run(GC_CREDHELPER_CLIENT_ID=ID)
    assert done.code == 4
    assert "the provider holds the client another-client, but client_id says a-client" in done.error
    assert len(scripted.requests) == 1


def test_a_file_is_read_anew(machine: Machine, scripted: ScriptedServer, run: Token) -> None:
    path = machine.home / "pair.json"
    path.write_text(pair(OLD))
    scripted.answers = [refuses_and(lambda: path.write_text(pair(NEW))), token()]
    assert run(provider=f"file:{path}").out == "tok-1\n"
    assert secrets_sent(scripted) == [OLD, NEW]


def test_a_file_that_a_variable_names_is_read_anew(machine: Machine, scripted: ScriptedServer, run: Token) -> None:
    path = machine.home / "secret"
    path.write_text(OLD)
    scripted.answers = [refuses_and(lambda: path.write_text(NEW)), token()]
    names = {"GENESYS_CLOUD_CLIENT_ID": ID, "GENESYS_CLOUD_CLIENT_SECRET_FILE": str(path)}
    assert run(provider="env", **names).out == "tok-1\n"
    assert secrets_sent(scripted) == [OLD, NEW]


def test_an_early_refresh_survives_a_rotation_as_well(
    machine: Machine, scripted: ScriptedServer, run: Token, vault: Vault
) -> None:
    scripted.client_id = ID
    put(machine.cache, scripted, age=AGEING)
    vault.gives(pair(OLD), pair(NEW))
    scripted.answers = [http(401, INVALID), token()]
    done = run(GC_CREDHELPER_CLIENT_ID=ID)
    assert (done.code, done.out, done.err) == (0, "tok-1\n", "")
    assert (vault.reads, secrets_sent(scripted)) == (2, [OLD, NEW])


@pytest.mark.parametrize("jobs", [16, pytest.param(64, marks=pytest.mark.soak)])
def test_a_storm_of_jobs_with_a_token_each_loses_none_while_the_secret_is_rotated(tmp_path: Path, jobs: int) -> None:
    store = tmp_path / "pair.json"
    store.write_text(pair(OLD))

    def change() -> None:
        part = tmp_path / "part"
        part.write_text(pair(NEW))
        part.rename(store)

    with Login() as login:
        env = {
            "GC_CREDHELPER_TOKEN_URL": login.token_url,
            "GC_CREDHELPER_PROVIDER": f"file:{store}",
            "GC_CREDHELPER_CACHE_DIR": str(tmp_path),  # so that all have one gate
            "GC_CREDHELPER_CACHE": "none",
            "GC_CREDHELPER_DEADLINE": "120s",
        }
        done = storm(login, tmp_path, env, change, jobs, at_once=jobs // 2)
    assert {(run.code, run.err) for run in done} == {(0, "")}
    assert len(login.refused) >= jobs // 2
    assert {run.out.strip() for run in done} <= {*login.issued}
