"""The figures of a fleet, at counts that every run of the tests can bear; test_soak.py has the full ones, and
test_slots.py those of slots.
"""

import signal
import subprocess
import sys
from pathlib import Path

import figures
import pytest
from fleetkit import LIST, own_server, stage
from startup.test_modules import BARE, Seen
from vaultkit import Realm


def test_machines_at_an_empty_store_cause_one_token_request(tmp_path: Path, realm: Realm) -> None:
    with stage(tmp_path, realm) as one:
        figures.empty_store(one, machines=12)


def test_processes_of_one_machine_ask_the_store_once_for_all_of_them(tmp_path: Path, realm: Realm) -> None:
    with stage(tmp_path, realm) as one:
        figures.empty_store(one, machines=4, processes=4, most=40)


def test_a_leader_that_is_killed_is_replaced_when_its_lease_is_over(tmp_path: Path, realm: Realm) -> None:
    with stage(tmp_path, realm, fail=("timeout:1",)) as one:
        figures.ended_leader(one, signal.SIGKILL, machines=4)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_leader_that_is_interrupted_gives_the_lease_back(
    tmp_path: Path, realm: Realm, number: signal.Signals
) -> None:
    with stage(tmp_path, realm, fail=("timeout:1",)) as one:
        figures.ended_leader(one, number, machines=6)


def test_nobody_waits_while_an_old_token_is_renewed(tmp_path: Path, realm: Realm) -> None:
    with stage(tmp_path, realm, latency=2) as one:
        figures.renewed_by_one(one, machines=6)


def test_an_old_token_that_somebody_renews_is_served_as_fast_as_a_fresh_one(tmp_path: Path, realm: Realm) -> None:
    with stage(tmp_path, realm) as one:
        figures.old_and_fresh(one, pairs=3)


def test_without_the_store_each_machine_gets_a_token_from_one_exchange(tmp_path: Path, realm: Realm) -> None:
    with stage(tmp_path, realm) as one:
        figures.no_store(one, "refuses", machines=3, processes=2, VAULT_ADDR="http://127.0.0.1:1")


def test_when_the_store_is_silent_from_the_start_each_machine_gets_a_token(tmp_path: Path) -> None:
    with own_server(tmp_path / "bao") as (realm, pid), stage(tmp_path, realm) as one:
        figures.stop(pid)
        figures.no_store(one, "is silent", machines=3, processes=2, GC_CREDHELPER_VAULT_TIMEOUT="500ms")


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSTOP])
def test_when_the_store_stops_in_the_middle_each_machine_gets_a_token(tmp_path: Path, number: signal.Signals) -> None:
    with own_server(tmp_path / "bao") as (realm, pid), stage(tmp_path, realm, latency=1) as one:
        figures.store_ends(one, pid, number, machines=4, GC_CREDHELPER_VAULT_TIMEOUT="500ms")


def test_a_hit_imports_nothing_of_the_store_and_asks_it_nothing(tmp_path: Path, realm: Realm) -> None:
    with stage(tmp_path, realm) as one:
        del one.env["GC_CREDHELPER_CLIENT_ID"]  # so that the id has to be learned from the store
        assert one.env["GC_CREDHELPER_CACHE"] == LIST
        (machine,) = one.machines(1)
        (filled,) = one.run([machine])
        assert filled.code == 0
        asked = len(one.vault.asks), len(one.login.asks)
        assert asked[0]
        # Another command line has no note of its own: this hit is the full program's.
        words = [
            sys.executable,
            "-I",
            "-X",
            "importtime",
            "-m",
            "gc_credhelper",
            "token",
            "-o",
            "raw",
            "--min-ttl",
            "60s",
        ]
        full = subprocess.run(
            words, env=machine.environ(one.env), capture_output=True, text=True, check=True, cwd=machine.home
        )
        assert full.stdout == filled.out
        loaded = {line.rpartition("|")[2].strip() for line in full.stderr.splitlines()}
        assert "gc_credhelper.source" in loaded
        assert not {name for name in loaded if name.partition(".")[0] in ("hvac", "requests", "urllib3")}
        bare = subprocess.run([sys.executable, "-I", "-S", "-c", BARE], capture_output=True, text=True, check=True)
        hit = Seen(machine, one.env, "token", "-o", "raw")
        assert hit.out == filled.out
        assert hit.modules - {*bare.stdout.split()} == {
            *("gc_credhelper", "gc_credhelper.__main__", "gc_credhelper.filestore", "gc_credhelper.output"),
            *("gc_credhelper.plan", "gc_credhelper.tokens"),
            *{"posix", "sys", "time"} - {*bare.stdout.split()},
        }
        assert hit.others == []
        assert (len(one.vault.asks), len(one.login.asks)) == asked
