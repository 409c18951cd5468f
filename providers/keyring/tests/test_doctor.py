"""`doctor` with both roles in a real keyring: which one it is, and whether it is locked."""

import json
from collections.abc import Mapping
from typing import Any

from keyringkit import Desktop, client
from support import Machine
from support.hunting import hunt, soon

WHERE = "the default collection of the Secret Service"


def doctor(
    machine: Machine, sandbox: Any, env: Mapping[str, str], service: str
) -> tuple[int, list[tuple[str, str, str]]]:
    """Exit code and rows; nothing that it says may hold a secret."""
    urls = {"GC_CREDHELPER_TOKEN_URL": sandbox.token_url, "GC_CREDHELPER_API_URL": sandbox.api_url}
    argv = ("--provider", f"keyring:{service}", "--cache", f"keyring:{service}")
    run = machine.run("doctor", "--json", *argv, env={**env, **urls})
    hunt(run.out + run.err)
    rows = map(json.loads, run.out.splitlines())
    return run.code, [(row["step"], row["level"], row["text"]) for row in rows]


def test_an_unlocked_keyring_is_named_and_left_as_it_was(
    machine: Machine, sandbox: Any, own_session: Desktop, provider: Any, service: str
) -> None:
    provider(own_session.env()).plugin.store(client(), soon(), replace=False)
    before = len(own_session.items())
    code, rows = doctor(machine, sandbox, own_session.env(), service)
    assert code == 0, rows
    assert ("store", "OK", f"{WHERE} answers, and is not locked") in rows
    assert ("cache", "OK", "keyring keeps what it is given") in rows
    assert ("cache", "OK", f"{WHERE} answers, and is not locked") in rows
    assert len(own_session.items()) == before


def test_a_locked_keyring_is_exit_code_4_and_said_to_be_locked(
    machine: Machine, sandbox: Any, own_session: Desktop, provider: Any, service: str
) -> None:
    provider(own_session.env()).plugin.store(client(), soon(), replace=False)
    own_session.lock()
    code, rows = doctor(machine, sandbox, own_session.env(), service)
    assert code == 4, rows
    assert ("store", "WARN", f"{WHERE} is locked") in rows
    assert ("provider", "FAIL", "the keyring is locked") in rows
    assert ("cache", "WARN", "the cache keyring is not used: the keyring is locked") in rows


def test_no_keyring_is_exit_code_4(machine: Machine, sandbox: Any, service: str) -> None:
    code, rows = doctor(machine, sandbox, {}, service)
    assert code == 4
    assert ("store", "FAIL", "there is no keyring: DBUS_SESSION_BUS_ADDRESS is not set") in rows
    assert ("provider", "SKIP", "not tried: there is no way into the store") in rows
