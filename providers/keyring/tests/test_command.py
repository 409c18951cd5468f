"""The whole command with both roles in a real keyring, and what it costs when the keyring is not asked."""

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Mapping
from typing import Any

import pytest
from keyringkit import ID, SECRET, Desktop, client, desktop
from support import GC, Machine, Run
from support.hunting import hunt, soon


@pytest.fixture
def stored(session: Desktop, provider: Any, service: str) -> str:
    """The reference of a provider that has its item."""
    provider(session.env()).plugin.store(client(), soon(), replace=False)
    return f"keyring:{service}"


def token(machine: Machine, sandbox: Any, env: Mapping[str, str], *argv: str) -> Run:
    """One `gc-credhelper token` against the sandbox; nothing that it says may hold a secret."""
    run = machine.run("token", *argv, env={"GC_CREDHELPER_TOKEN_URL": sandbox.token_url, **env})
    hunt(run.err)
    hunt(run.out)
    return run


def test_a_token_with_credentials_from_the_keyring(
    machine: Machine, sandbox: Any, session: Desktop, stored: str
) -> None:
    run = token(machine, sandbox, session.env(), "--provider", stored)
    assert (run.code, run.err) == (0, "")
    assert json.loads(run.out)["status"]["token"]


def test_a_profile_names_the_settings_of_both_roles(
    machine: Machine, sandbox: Any, session: Desktop, stored: str, service: str
) -> None:
    machine.write_config(
        f'[profiles.default]\nprovider = "{stored}"\ncache = ["keyring"]\n'
        f'[profiles.default.keyring]\ncache = "{service}"\ntimeout = "5s"\nprompt = false\n'
    )
    first, second = (token(machine, sandbox, session.env()) for _ in range(2))
    assert (first.code, first.err, second.out) == (0, "", first.out)
    assert sandbox.stats()["token_requests"] == 1


def test_the_token_is_found_by_another_cache_directory(
    machine: Machine, sandbox: Any, session: Desktop, stored: str, service: str
) -> None:
    argv = ("--provider", stored, "--cache", f"keyring:{service}")
    outs = {
        token(machine, sandbox, session.env(GC_CREDHELPER_CACHE_DIR=str(machine.home / name)), *argv).out
        for name in ("one", "two")
    }
    assert len(outs) == 1
    assert sandbox.stats()["token_requests"] == 1


def test_a_hit_with_a_fresh_file_imports_no_keyring(
    machine: Machine, sandbox: Any, session: Desktop, stored: str, service: str
) -> None:
    argv = ("--provider", stored, "--cache", f"file,keyring:{service}")
    first = token(machine, sandbox, session.env(), *argv)
    assert first.code == 0
    for more in ((), ("-o", "raw"), ("-v",)):
        env = session.env(GC_CREDHELPER_TOKEN_URL=sandbox.token_url)
        done = subprocess.run(
            [sys.executable, "-X", "importtime", "-m", "gc_credhelper", "token", *argv, *more],
            env=machine.environ(env),
            capture_output=True,
            text=True,
            check=True,
            cwd=machine.home,
        )
        hunt(done.stderr)
        imported = {line.rpartition("|")[2].strip().partition(".")[0] for line in done.stderr.splitlines()}
        assert "gc_credhelper" in imported
        assert not imported & {"keyring", "secretstorage", "jeepney", "cryptography"}
    assert sandbox.stats()["token_requests"] == 1


def test_a_later_run_needs_no_keyring(
    machine: Machine, sandbox: Any, own_session: Desktop, provider: Any, service: str
) -> None:
    provider(own_session.env()).plugin.store(client(), soon(), replace=False)
    argv = ("--provider", f"keyring:{service}", "--cache", f"file,keyring:{service}")
    first = token(machine, sandbox, own_session.env(), *argv)
    own_session.signal_keyring(signal.SIGSTOP)
    assert token(machine, sandbox, own_session.env(), *argv) == first
    assert token(machine, sandbox, own_session.env(), *argv, "-v").out == first.out


def test_a_stuck_keyring_is_exit_6_and_a_locked_or_absent_one_exit_4(
    machine: Machine, sandbox: Any, own_session: Desktop, provider: Any, service: str
) -> None:
    provider(own_session.env()).plugin.store(client(), soon(), replace=False)
    argv = ("--provider", f"keyring:{service}", "--deadline", "10s", "--set", "keyring.timeout=1s")
    own_session.signal_keyring(signal.SIGSTOP)
    runs = [token(machine, sandbox, own_session.env(), *argv)]
    own_session.signal_keyring(signal.SIGCONT)
    own_session.lock()
    runs.append(token(machine, sandbox, own_session.env(), *argv))
    own_session.end_keyring()
    runs += [token(machine, sandbox, env, *argv) for env in (own_session.env(), {})]
    assert [run.code for run in runs] == [6, 4, 4, 4]
    assert all(run.error and run.hint and not run.out and not run.warnings for run in runs)


@pytest.mark.parametrize("state", ["stuck", "locked", "absent"])
def test_a_cache_that_cannot_be_used_is_one_warning_and_the_token_is_printed(
    machine: Machine, sandbox: Any, own_session: Desktop, state: str
) -> None:
    if state == "stuck":
        own_session.signal_keyring(signal.SIGSTOP)
    elif state == "locked":
        own_session.lock()
    else:
        own_session.end_keyring()
    env = own_session.env(GENESYS_CLOUD_CLIENT_ID=ID, GENESYS_CLOUD_CLIENT_SECRET=SECRET)
    run = token(machine, sandbox, env, "--cache", "keyring", "--set", "keyring.timeout=1s")
    assert run.code == 0
    assert json.loads(run.out)["status"]["token"]
    (warning,) = run.warnings
    assert {"stuck": "did not answer", "locked": "locked", "absent": "no Secret Service"}[state] in warning


@pytest.mark.parametrize(
    ("env", "argv", "code"),
    [
        ({}, (), 4),
        ({"PYTHON_KEYRING_BACKEND": "keyring.backends.null.Keyring"}, (), 2),
        ({}, ("--set", "keyring.backend=keyring.backends.fail.Keyring"), 4),
        ({}, ("--set", "keyring.backend=no.such.Backend"), 2),
        ({}, ("--set", "keyring.backend=nope"), 2),
        ({}, ("--set", "keyring.collection=no/path"), 2),
        ({}, ("--set", "keyring.collection=nope"), 4),
        ({}, ("--set", "keyring.client=id:canary"), 2),
        ({}, ("--set", "keyring.secret=canary"), 2),
    ],
)
def test_each_failure_has_its_exit_code_one_error_and_one_hint(
    machine: Machine, sandbox: Any, session: Desktop, env: dict[str, str], argv: tuple[str, ...], code: int
) -> None:
    run = token(machine, sandbox, session.env(**env), "--provider", "keyring:nobody-stored-this", *argv)
    assert (run.code, run.out) == (code, "")
    assert run.error
    assert run.hint
    assert "canary" not in run.err.lower()


def test_status_lists_and_forget_deletes(
    machine: Machine, sandbox: Any, own_session: Desktop, provider: Any, service: str
) -> None:
    provider(own_session.env()).plugin.store(client(), soon(), replace=False)
    env = own_session.env(
        GC_CREDHELPER_PROVIDER=f"keyring:{service}",
        GC_CREDHELPER_CACHE="keyring",
        GC_CREDHELPER_TOKEN_URL=sandbox.token_url,
    )
    assert machine.run("token", env=env).code == 0
    entries = json.loads(machine.run("status", "--json", env=env).out)["entries"]
    assert [(entry["cache"], entry["state"], entry["client_id"]) for entry in entries] == [("keyring", "fresh", ID)]
    own_session.lock()
    locked = machine.run("forget", "--all", env=env)
    assert (locked.code, "keyring is locked" in locked.error) == (6, True)
    own_session.end_keyring()
    own_session.start_keyring()
    assert machine.run("forget", "--all", env=env).code == 0
    assert json.loads(machine.run("status", "--json", env=env).out)["entries"] == []
    assert len(own_session.items()) == 1  # the credentials


def test_the_most_talkative_run_shows_no_secret(
    machine: Machine, sandbox: Any, session: Desktop, stored: str, service: str
) -> None:
    argv = ("--provider", stored, "--cache", f"keyring:{service}", "-vv")
    assert token(machine, sandbox, session.env(), *argv).code == 0
    assert token(machine, sandbox, {}, *argv, "--refresh").code == 4


def test_a_hung_thread_does_not_keep_the_process_alive(session: Desktop) -> None:
    with desktop() as stuck:
        stuck.signal_keyring(signal.SIGSTOP)
        env = {"PATH": os.environ["PATH"], "HOME": str(stuck.home), **stuck.env()}
        argv = [GC, "token", "--provider", "keyring", "--set", "keyring.timeout=300ms"]
        done = subprocess.run(argv, env=env, capture_output=True, text=True, check=False, timeout=30)
        assert (done.returncode, done.stdout) == (6, "")


def test_plugins_lists_the_provider_and_the_cache(machine: Machine) -> None:
    rows = [line for line in machine.run("plugins").out.splitlines() if "gc-credhelper-keyring" in line]
    assert len(rows) == 2


def test_loading_and_building_both_roles_imports_no_library_of_a_keyring() -> None:
    code = """
import sys
from gc_credhelper.config import Layers
from gc_credhelper.plan import Inputs
from gc_credhelper.private import PrivateDir
from gc_credhelper.report import Report
from gc_credhelper.roles import Context
from gc_credhelper_keyring.cache import KeyringCache
from gc_credhelper_keyring.provider import KeyringProvider
inputs = Inputs([], {b"HOME": b"/nowhere"})
layers = Layers(inputs, {})
values = {row.name: layers.one(row).value for row in (*KeyringProvider.settings, *KeyringCache.settings)}
context = Context(values, inputs, Report(), PrivateDir("-/nowhere"))
KeyringCache(context)
KeyringProvider(context).client_id()
print(sorted({'keyring', 'secretstorage', 'jeepney', 'cryptography'} & sys.modules.keys()))
"""
    env = {"PATH": os.environ["PATH"], "HOME": "/nowhere"}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=env)
    assert done.stdout == "[]\n"


def test_the_version_is_the_cores() -> None:
    import gc_credhelper

    import gc_credhelper_keyring

    assert gc_credhelper_keyring.__version__ == gc_credhelper.__version__
    assert re.fullmatch(r"\d+\.\d+\.\d+", gc_credhelper_keyring.__version__)
