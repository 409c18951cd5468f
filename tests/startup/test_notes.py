"""Notes as whole commands leave them: which run leaves one, which is served by one, how many there are."""

import os
import re
import shutil
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from support import GC, Machine, client
from support.scripted import ScriptedServer, token

from gc_credhelper import notes, plan
from gc_credhelper.plan import Inputs, Plan
from gc_credhelper.private import PrivateDir
from gc_credhelper.report import Report

from . import kit

KNOWN = Plan(
    key="k" * 40, client_id="id", format="raw", api_version="v1", min_ttl=0, verify=0, state="+/s", store="+/s"
)


def leave(directory: PrivateDir, *argv: str) -> str:
    inputs = Inputs([*argv], {})
    notes.leave(directory, inputs, KNOWN, Report())
    assert plan.note_name(inputs) in directory.names()
    return plan.note_name(inputs)


def test_there_are_at_most_64_and_the_oldest_goes(tmp_path: Path) -> None:
    tmp_path.chmod(0o700)
    directory = PrivateDir(plan.place(str(tmp_path), ours=True))
    names = [leave(directory, "token", str(number)) for number in range(64)]
    for age, name in enumerate(reversed(names)):
        os.utime(tmp_path / name, (10**9 - age, 10**9 - age))
    (tmp_path / "kept.token").touch()
    newest = [leave(directory, "token", "more", str(number)) for number in range(3)]
    assert {path.name for path in tmp_path.iterdir()} == {"kept.token", *names[3:], *newest}


def test_leftovers_of_killed_writers_are_swept_when_there_are_many_notes(tmp_path: Path) -> None:
    tmp_path.chmod(0o700)
    directory = PrivateDir(plan.place(str(tmp_path), ours=True))
    old, young = tmp_path / ".a.note.1.2.tmp", tmp_path / ".b.note.1.2.tmp"
    for path in (old, young):
        path.touch()
    os.utime(old, (1, 1))
    for number in range(64):
        leave(directory, str(number))
    assert (old.exists(), young.exists()) == (False, True)


def test_forget_deletes_notes_and_nothing_else(tmp_path: Path) -> None:
    tmp_path.chmod(0o700)
    directory = PrivateDir(plan.place(str(tmp_path), ours=True))
    leave(directory, "token")
    (tmp_path / "kept.token").touch()
    notes.forget(directory)
    assert [path.name for path in tmp_path.iterdir()] == ["kept.token"]


def test_a_directory_that_cannot_be_written_is_no_error(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    directory = PrivateDir(plan.place(str(tmp_path / "file"), ours=True))
    notes.leave(directory, Inputs(["token"], {}), KNOWN, Report())
    assert (tmp_path / "file").read_bytes() == b""


def test_a_config_file_that_changed_a_moment_ago_leaves_no_note(machine: Machine, scripted: ScriptedServer) -> None:
    machine.write_config("[profiles.default]\nmin_ttl = '1m'\n")
    env = client(scripted)
    assert machine.run("token", env=env).code == 0
    assert not kit.notes(machine)
    time.sleep(2.1)
    assert machine.run("token", env=env).code == 0
    kit.assert_hit(machine, [GC, "token"], env)
    assert len(scripted.requests) == 1


def test_how_long_the_exchange_took_does_not_age_a_file(machine: Machine, scripted: ScriptedServer) -> None:
    # The file may change again while the server is thinking, within the grain of its times.
    def slow(_request: object, _connection: object) -> bytes:
        time.sleep(2.5)
        return token()

    scripted.answers = [slow, token()]
    machine.write_config("[profiles.default]\nmin_ttl = '1m'\n")
    assert machine.run("token", env=client(scripted)).code == 0
    assert not kit.notes(machine)


def test_a_changed_config_file_takes_effect_at_once(machine: Machine, scripted: ScriptedServer) -> None:
    env = client(scripted)
    del env["GC_CREDHELPER_TOKEN_URL"]
    config = f"[profiles.default]\ntoken_url = '{scripted.token_url}'\n"
    machine.write_config(config)
    time.sleep(2.1)
    assert machine.run("token", env=env).code == 0
    kit.assert_hit(machine, [GC, "token"], env)
    machine.write_config(config + "no_such_setting = 1\n")
    done = machine.run("token", env=env)
    assert (done.code, done.out) == (2, "")
    assert "no_such_setting" in done.error


@pytest.mark.parametrize("extra", [["--refresh"], ["-v"], ["-vv"], ["--verbose"]])
def test_refresh_and_verbose_runs_leave_none(machine: Machine, scripted: ScriptedServer, extra: list[str]) -> None:
    for _ in range(2):
        done = machine.run("token", *extra, env=client(scripted))
        assert done.code == 0
    assert not kit.notes(machine)
    assert bool(done.err) == (extra != ["--refresh"])


def test_a_failed_run_leaves_none(machine: Machine, scripted: ScriptedServer) -> None:
    scripted.answers = [b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"]
    assert machine.run("token", env=client(scripted)).code == 5
    assert not kit.notes(machine)


@pytest.mark.parametrize("output", ["exec-credential", "raw", "header", "json"])
def test_each_format_has_its_own_note(machine: Machine, scripted: ScriptedServer, output: str) -> None:
    env = client(scripted)
    machine.run("token", env=env)
    first = machine.run("token", "-o", output, env=env)
    assert len(kit.notes(machine)) == 2
    hit = kit.assert_hit(machine, [GC, "token", "-o", output], env)
    if output != "json":  # which counts the seconds that are left
        assert hit.out == first.out
    assert "tok-1" in hit.out


def test_jobs_with_other_directories_arguments_or_variables_do_not_evict_each_other(
    machine: Machine, scripted: ScriptedServer, tmp_path: Path
) -> None:
    base = client(scripted)
    jobs = [
        (argv, base | extra, cwd)
        for argv in (["token"], ["token", "--min-ttl", "1s"])
        for extra in ({}, {"GC_CREDHELPER_MIN_TTL": "2s"}, {"GENESYS_CLOUD_REGION": "mypurecloud.ie"})
        for cwd in (machine.home, tmp_path)
    ]
    for argv, env, cwd in jobs:
        assert machine.run(*argv, env=env, cwd=cwd).code == 0
    assert len(kit.notes(machine)) == len(jobs)
    for argv, env, cwd in jobs:
        kit.assert_hit(machine, [GC, *argv], env, cwd)


def test_two_clients_in_one_directory_are_both_served(machine: Machine, scripted: ScriptedServer) -> None:
    scripted.answers = [token("one"), token("two")]
    one = client(scripted)
    two = one | {"GENESYS_CLOUD_CLIENT_ID": "another"}
    for env in (one, two):
        machine.run("token", "-o", "raw", env=env)
    assert [kit.assert_hit(machine, [GC, "token", "-o", "raw"], env).out for env in (one, two)] == ["one\n", "two\n"]


def empty(note: Path) -> None:
    note.write_bytes(b"")


def truncate(note: Path) -> None:
    note.write_bytes(note.read_bytes()[:-1])


def change(note: Path) -> None:
    note.write_bytes(note.read_bytes().replace(b"raw", b"RAW"))


def fill(note: Path) -> None:
    note.write_bytes(b"\0" * 200_000)


def publish(note: Path) -> None:
    note.chmod(0o644)


def become_directory(note: Path) -> None:
    note.unlink()
    note.mkdir()


def become_pipe(note: Path) -> None:
    note.unlink()
    os.mkfifo(note, 0o600)


def become_link(note: Path) -> None:
    note.rename(note.with_name("moved"))
    note.symlink_to("moved")


def go(note: Path) -> None:
    note.unlink()


DAMAGES = [empty, truncate, change, fill, publish, become_directory, become_pipe, become_link, go]


@pytest.mark.parametrize("damage", DAMAGES, ids=lambda damage: damage.__name__)
def test_a_damaged_or_unsafe_note_is_a_miss_and_the_token_is_printed(
    machine: Machine, scripted: ScriptedServer, damage: Callable[[Path], None]
) -> None:
    env = client(scripted)
    machine.run("token", "-o", "raw", env=env)
    (name,) = kit.notes(machine)
    damage(machine.cache / name)
    done = machine.run("token", "-o", "raw", env=env)
    assert (done.code, done.out) == (0, "tok-1\n")
    assert len(scripted.requests) == 1


def test_a_deleted_working_directory_serves_and_leaves_no_note(machine: Machine, scripted: ScriptedServer) -> None:
    gone = machine.home / "gone"
    script = f'cd "{gone}" && rmdir "{gone}" && exec "{GC}" token -o raw'
    for _ in range(2):
        gone.mkdir()
        done = kit.call(machine, ["/bin/sh", "-c", script], client(scripted))
        assert (done.code, done.out) == (0, "tok-1\n")
        # Some shells say of themselves that their directory is gone before the first line of a script.
        assert [line for line in done.err.splitlines() if "getcwd" not in line] == []
    assert not kit.notes(machine)
    assert len(scripted.requests) == 1


def test_the_copy_of_another_user_is_not_trusted(machine: Machine, scripted: ScriptedServer) -> None:
    env = client(scripted)
    machine.run("token", env=env)
    machine.cache.chmod(0o755)
    done = machine.run("token", env=env)
    assert (done.code, len(done.warnings)) == (0, 1)
    assert len(scripted.requests) == 2


def test_a_token_that_ages_ends_the_hits(machine: Machine, scripted: ScriptedServer) -> None:
    env = client(scripted)
    scripted.answers = [token("one", 3600), token("two", 3600)]
    machine.run("token", "-o", "raw", env=env)
    kit.assert_hit(machine, [GC, "token", "-o", "raw"], env)
    (entry,) = machine.cache.glob("*.token")
    # Its times are the numbers of 13 digits: epoch milliseconds.
    entry.write_text(re.sub(r"\b\d{13}\b", lambda found: str(int(found[0]) - 2_800_000), entry.read_text()))
    assert machine.run("token", "-o", "raw", env=env).out == "two\n"
    kit.assert_hit(machine, [GC, "token", "-o", "raw"], env)


def test_without_any_cache_directory_there_is_still_a_token(machine: Machine, scripted: ScriptedServer) -> None:
    env = client(scripted)
    machine.run("token", env=env)
    shutil.rmtree(machine.cache)
    assert machine.run("token", "-o", "raw", env=env).out == "tok-1\n"
    assert len(scripted.requests) == 2
