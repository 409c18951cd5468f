"""`forget`: one entry, or all of them."""

from pathlib import Path

import pytest
from support import Machine, client
from support.scripted import ScriptedServer, http, token

from inputs.kit import CANARY, Shell, refused


def tokens_of(machine: Machine) -> list[Path]:
    return [*machine.cache.glob("*.token")]


def test_forget_deletes_the_token_that_the_same_options_would_have_printed(
    machine: Machine, scripted: ScriptedServer
) -> None:
    scripted.answers = [token("one"), token("two"), token("three")]
    mine, other = client(scripted), client(scripted, GENESYS_CLOUD_CLIENT_ID="other")
    assert machine.run("token", "-o", "raw", env=mine).out == "one\n"
    assert machine.run("token", "-o", "raw", env=other).out == "two\n"
    done = machine.run("forget", env=mine)
    assert (done.code, done.out, done.err) == (0, "", "")
    assert machine.run("token", "-o", "raw", env=other).out == "two\n"
    assert machine.run("token", "-o", "raw", env=mine).out == "three\n"


def test_forget_all_deletes_every_token_and_every_note(machine: Machine, scripted: ScriptedServer) -> None:
    for client_id in ("one", "two"):
        assert machine.run("token", env=client(scripted, GENESYS_CLOUD_CLIENT_ID=client_id)).code == 0
    assert len(tokens_of(machine)) == 2
    done = machine.run("forget", "--all")
    assert (done.code, done.out, done.err) == (0, "", "")
    assert {path.suffix for path in machine.cache.iterdir()} == {".lock"}


def test_forget_all_opens_the_gate(machine: Machine, scripted: ScriptedServer) -> None:
    scripted.answers = [http(401, {"error": "invalid_client"}), token("good")]
    assert machine.run("token", env=client(scripted)).code == 5
    assert machine.run("forget", "--all").code == 0
    assert machine.run("token", "-o", "raw", env=client(scripted)).out == "good\n"


def test_forget_needs_no_secret(machine: Machine, scripted: ScriptedServer) -> None:
    assert machine.run("token", env=client(scripted)).code == 0
    env = client(scripted)
    del env["GENESYS_CLOUD_CLIENT_SECRET"]
    assert machine.run("forget", env=env).code == 0
    assert not tokens_of(machine)


@pytest.mark.parametrize("argv", [[], ["--all"]])
def test_nothing_to_forget_is_no_failure(shell: Shell, scripted: ScriptedServer, argv: list[str]) -> None:
    done = shell("forget", *argv, env=client(scripted))
    assert (done.code, done.out, done.err) == (0, "", "")
    assert shell("forget", *argv, "--cache", "none", env=client(scripted)).code == 0


def test_with_v_it_says_what_it_did(shell: Shell, scripted: ScriptedServer) -> None:
    shell("token", env=client(scripted))
    assert "note: cached tokens that were deleted: 1\n" in shell("forget", "-v", env=client(scripted)).err
    assert "note: cached tokens that were deleted: 0\n" in shell("forget", "-v", env=client(scripted)).err
    shell("token", env=client(scripted))
    assert "note: cached tokens that were deleted: 1\n" in shell("forget", "--all", "-v").err


def test_forget_all_works_with_a_broken_provider(machine: Machine, scripted: ScriptedServer) -> None:
    assert machine.run("token", env=client(scripted)).code == 0
    assert machine.run("forget", "--all", "--provider", "file:/nowhere").code == 0
    assert not tokens_of(machine)
    refused(machine.run("forget", "--provider", "file:/nowhere"), 4, "/nowhere cannot be read")


@pytest.mark.parametrize("argv", [[], ["--all"]])
def test_a_token_that_could_not_be_deleted_is_a_failure(
    shell: Shell, scripted: ScriptedServer, tmp_path: Path, argv: list[str]
) -> None:
    (tmp_path / "file").write_text(CANARY)
    env = client(scripted, GC_CREDHELPER_CACHE_DIR=str(tmp_path / "file"))
    refused(shell("forget", *argv, env=env), 6, "a token may still lie in the cache file (Not a directory)")


def test_forget_reaches_the_cache_that_is_named(shell: Shell, scripted: ScriptedServer, tmp_path: Path) -> None:
    env = client(scripted, GC_CREDHELPER_CACHE=f"file:{tmp_path}/far")
    assert shell("token", env=env).code == 0
    assert len([*tmp_path.rglob("*.token")]) == 1
    assert shell("forget", "--all").code == 0
    assert len([*tmp_path.rglob("*.token")]) == 1
    assert shell("forget", "--all", env=env).code == 0
    assert not [*tmp_path.rglob("*.token")]
