"""Where a run leaves its files, and what it remembers for the next one."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from support import Machine, client
from support.scripted import ScriptedServer

from gc_credhelper import plan
from gc_credhelper.settings import SETTINGS


def test_a_relative_directory_of_a_ci_system_is_not_taken_for_one(machine: Machine, scripted: ScriptedServer) -> None:
    checkout = machine.home / "checkout"
    checkout.mkdir()
    for path in (".", "D:\\a\\_temp"):
        done = machine.run("token", env=client(scripted, RUNNER_TEMP=path), cwd=checkout)
        assert (done.code, done.err) == (0, "")
    assert not [*checkout.iterdir()]
    assert [*machine.cache.glob("*.token")]


@pytest.mark.parametrize("how", ["variable", "setting"])
def test_a_tilde_in_cache_dir_is_home(machine: Machine, scripted: ScriptedServer, how: str) -> None:
    env = client(scripted)
    argv = ["token"]
    if how == "variable":
        env["GC_CREDHELPER_CACHE_DIR"] = "~/kept \n"
    else:
        argv += ["--set", "cache_dir=~/kept"]
    for _ in range(2):
        assert machine.run(*argv, env=env).code == 0
    assert len(scripted.requests) == 1
    assert [*(machine.home / "kept" / f"gc-credhelper-{os.geteuid()}").glob("*.token")]
    assert not (machine.home / "~").exists()


def test_a_relative_cache_dir_counts_from_where_the_run_started(machine: Machine, scripted: ScriptedServer) -> None:
    assert machine.run("token", env=client(scripted, GC_CREDHELPER_CACHE_DIR="kept"), cwd=machine.home).code == 0
    assert [*(machine.home / "kept").glob("*/*.token")]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a HOME away")
def test_another_users_home_gets_no_directories_of_ours(machine: Machine, scripted: ScriptedServer) -> None:
    os.chown(machine.home, 65_534, 65_534)
    temp = machine.home.parent / "tmp"
    temp.mkdir()
    done = machine.run("token", env=client(scripted, TMPDIR=str(temp)), cwd=temp)
    assert (done.code, done.err) == (0, "")
    assert not [*machine.home.iterdir()]
    assert [*temp.glob("gc-credhelper-*/*.token")]


def test_without_any_variable_the_origin_names_none(machine: Machine) -> None:
    done = machine.run("status", env={"HOME": "/"})
    (line,) = (line for line in done.out.splitlines() if "/tmp/gc-credhelper-" in line)
    assert "variable" not in line


def test_a_name_of_a_note_depends_on_nothing_that_could_be_a_secret() -> None:
    assert not [name for name in plan.TELLING if b"SECRET" in name or b"TOKEN" in name.removesuffix(b"TOKEN_URL")]
    plain = plan.Inputs(["token"], {})
    for name in (b"PURECLOUD_PASSWORD", b"GENESYSCLOUD_ACCESS_TOKEN", b"GC_CREDHELPER_COMMAND_ARGV"):
        assert plan.note_name(plain) == plan.note_name(plan.Inputs(["token"], {name: b"canary"}))


def test_every_flag_that_is_a_variable_has_notes_of_its_own() -> None:
    assert {row.variable.encode() for row in SETTINGS if row.flag} <= set(plan.TELLING)


def test_a_command_that_tells_the_id_runs_once_for_all_commands(
    machine: Machine, scripted: ScriptedServer, tmp_path: Path
) -> None:
    ran = tmp_path / "ran"
    script = tmp_path / "secret"
    script.write_text(
        f'#!/bin/sh\necho >> {ran}\necho \'{{"client_id": "an-id", "client_secret": "{scripted.client_secret}"}}\'\n'
    )
    script.chmod(0o755)
    os.utime(script, (time.time() - 60,) * 2)
    time.sleep(2.1)  # or the script counts as changed a moment ago, and nothing that depends on it is recorded
    env = {"GC_CREDHELPER_TOKEN_URL": scripted.token_url, "GC_CREDHELPER_PROVIDER": f"command:{script}"}
    for argv in (["token"], ["token"], ["token", "-o", "raw"], ["token", "-v"], ["forget"]):
        assert machine.run(*argv, env=env).code == 0
    assert ran.read_text() == "\n"
    assert len(scripted.requests) == 1
    assert not [*machine.cache.glob("*.token")]


def test_an_interrupt_while_a_class_is_made_is_130_too(machine: Machine) -> None:
    program = """
import sys
from gc_credhelper import __main__

class Field:
    def __set_name__(self, *_):
        raise KeyboardInterrupt

def start():
    class Record:
        field = Field()

__main__.start = start
sys.exit(__main__.main())
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False, timeout=60)
    assert (done.returncode, done.stderr) == (130, "")


def test_an_interrupt_is_130_and_no_traceback(machine: Machine) -> None:
    codes = []
    for step in range(12):
        child = machine.start("status")
        time.sleep(0.06 + step * 0.012)
        child.send_signal(signal.SIGINT)
        _, err = child.communicate(timeout=60)
        codes.append(child.returncode)
        assert "gc_credhelper" not in err  # what measures coverage may be interrupted before we are
    assert set(codes) <= {0, 130, -signal.SIGINT}
