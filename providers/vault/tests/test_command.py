"""The whole command with the provider from Vault, and what it costs when Vault is not asked."""

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from typing import Any

import pytest
from support import Machine, Run
from support.hunting import canary, hunt
from vaultkit import Realm

REFERENCE = ("--provider", "vault:secret/ci/genesys")


def token(machine: Machine, sandbox: Any, env: Mapping[str, str], *argv: str) -> Run:
    """One `gc-credhelper token` against the sandbox; nothing that it says may hold a secret."""
    run = machine.run("token", *REFERENCE, *argv, env={"GC_CREDHELPER_TOKEN_URL": sandbox.token_url, **env})
    hunt(run.err)
    hunt(run.out)
    return run


def test_a_token_with_credentials_from_vault(machine: Machine, sandbox: Any, realm: Realm) -> None:
    run = token(machine, sandbox, realm.env())
    assert (run.code, run.err) == (0, "")
    assert json.loads(run.out)["status"]["token"]


def test_the_whole_configuration_is_variables(machine: Machine, sandbox: Any, realm: Realm) -> None:
    env = {"GC_CREDHELPER_PROVIDER": "vault:secret/ci/genesys", "GC_CREDHELPER_TOKEN_URL": sandbox.token_url}
    assert machine.run("token", env=realm.env(**env)).code == 0


def test_a_profile_names_the_settings_of_the_store(machine: Machine, sandbox: Any, realm: Realm) -> None:
    machine.write_config(
        f'[profiles.ci]\nprovider = "vault:secret/ci/genesys"\n[profiles.ci.vault]\naddr = "{realm.addr}"\n'
        f'namespace = "{realm.namespace}"\nkv_version = 2\n'
    )
    env = {"GC_CREDHELPER_PROFILE": "ci", "GC_CREDHELPER_TOKEN_URL": sandbox.token_url, "VAULT_TOKEN": realm.token()}
    run = machine.run("token", env=env)
    assert (run.code, run.err) == (0, "")


def test_a_later_step_is_served_without_vault(machine: Machine, sandbox: Any, realm: Realm) -> None:
    env = realm.env()
    first = token(machine, sandbox, env)
    realm.root.auth.token.revoke(env["VAULT_TOKEN"])
    assert token(machine, sandbox, env).out == first.out


def test_a_changed_address_or_namespace_is_not_served_the_old_token(
    machine: Machine, sandbox: Any, realm: Realm
) -> None:
    env = realm.env()
    assert token(machine, sandbox, env).code == 0
    assert token(machine, sandbox, env | {"VAULT_ADDR": "http://127.0.0.1:1"}, "--deadline", "3s").code == 6
    assert token(machine, sandbox, env | {"VAULT_NAMESPACE": "nowhere"}).code in (2, 4)


@pytest.mark.parametrize(
    ("change", "argv", "code"),
    [
        ({"VAULT_TOKEN": "s.canary-nobody"}, (), 4),
        ({"VAULT_TOKEN": ""}, (), 4),
        ({"VAULT_ADDR": ""}, (), 2),
        ({"VAULT_ADDR": "http://vault.example.com"}, (), 2),
        ({"VAULT_ADDR": "https://vault.example.com", "VAULT_SKIP_VERIFY": "1"}, (), 2),
        ({"VAULT_ADDR": "http://127.0.0.1:1"}, ("--deadline", "2s"), 6),
        ({}, ("--set", "vault.auth=nope"), 2),
        ({}, ("--set", "vault.kv_version=3"), 2),
        ({}, ("--set", "vault.id_field=nope"), 4),
        ({}, ("--set", "vault.auth=approle"), 2),
        ({}, ("--set", "vault.token=canary"), 2),
    ],
)
def test_each_failure_has_its_exit_code_one_error_and_one_hint(
    machine: Machine, sandbox: Any, realm: Realm, change: dict[str, str], argv: tuple[str, ...], code: int
) -> None:
    run = token(machine, sandbox, realm.env() | change, *argv)
    assert (run.code, run.out) == (code, "")
    assert run.error
    assert run.hint
    assert "canary" not in run.err.lower()


def test_a_secret_in_a_setting_that_is_checked_is_not_repeated(machine: Machine, sandbox: Any, realm: Realm) -> None:
    for name in ("addr", "kv_version", "version", "auth", "auth_mount", "skip_verify", "timeout", "secret"):
        run = token(machine, sandbox, realm.env(), "--set", f"vault.{name}= s.canary/../{name}?x=#")
        assert run.code == 2, run.err
        assert "canary" not in run.err


def test_the_most_talkative_run_shows_no_secret(machine: Machine, sandbox: Any, realm: Realm) -> None:
    env = realm.env(canary("s.canary-talkative"))
    assert token(machine, sandbox, env, "-vv").code == 4
    assert token(machine, sandbox, realm.env(), "-vv").code == 0


def test_plugins_lists_the_provider_and_the_cache(machine: Machine) -> None:
    rows = [line for line in machine.run("plugins").out.splitlines() if "gc-credhelper-vault" in line]
    assert len(rows) == 2


@pytest.mark.parametrize("module", ["provider", "cache", "settings", "client"])
def test_loading_and_building_a_role_imports_no_vendor_library(module: str) -> None:
    code = (
        f"import sys, gc_credhelper_vault.{module}\n"
        "print(sorted({'hvac', 'requests', 'urllib3'} & sys.modules.keys()))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=_bare())
    assert done.stdout == "[]\n"


def test_building_both_roles_imports_no_vendor_library() -> None:
    code = """
import sys
from gc_credhelper.config import Layers
from gc_credhelper.plan import Inputs
from gc_credhelper.private import PrivateDir
from gc_credhelper.report import Report
from gc_credhelper.roles import Context
from gc_credhelper_vault.cache import VaultCache
from gc_credhelper_vault.provider import VaultProvider
inputs = Inputs([], {b"HOME": b"/nowhere", b"VAULT_ADDR": b"https://vault.test"})
flags = {"vault.secret": ("a/b", "test"), "vault.cache": ("c/d", "test")}
layers = Layers(inputs, flags)
values = {row.name: layers.one(row).value for row in (*VaultProvider.settings, *VaultCache.settings)}
context = Context(values, inputs, Report(), PrivateDir("-/nowhere"))
VaultCache(context)
VaultProvider(context).client_id()
print(sorted({'hvac', 'requests', 'urllib3'} & sys.modules.keys()))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=_bare())
    assert done.stdout == "[]\n"


def test_the_version_is_the_cores() -> None:
    import gc_credhelper

    import gc_credhelper_vault

    assert gc_credhelper_vault.__version__ == gc_credhelper.__version__


def _bare() -> dict[str, str]:
    return {"PATH": os.environ["PATH"], "HOME": "/nowhere"}
