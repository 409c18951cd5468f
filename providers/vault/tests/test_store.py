"""`store` on a real server: both KV versions, other fields that stay, and what is refused without a loss."""

import json
from typing import Any

import pytest
from gc_credhelper.credentials import ClientCredentials, Secret
from gc_credhelper.errors import CredentialsError, TemporaryError, UsageError
from gc_credhelper.sandbox.server import SandboxThread
from support import Machine
from support.hunting import canary, failing, hunt, soon
from vaultkit import ID, SECRET, Realm

PAIR = ClientCredentials("a-new-id", Secret(canary("canary-Nw3-new-secret")))
HALVES = {"client_id": PAIR.client_id, "client_secret": PAIR.client_secret.reveal()}


def writer(realm: Realm, *paths: str, capabilities: str = '"create", "read", "update"') -> dict[str, str]:
    """The variables of a person who may write there."""
    return realm.env(realm.token(policies=(realm.allow("writer", *paths, capabilities=capabilities),)))


def at(realm: Realm, path: str) -> dict[str, Any]:
    found: dict[str, Any] = realm.root.secrets.kv.v2.read_secret_version(
        path, mount_point="secret", raise_on_deleted_version=True
    )["data"]["data"]
    return found


def test_a_new_secret_is_read_back(realm: Realm, provider: Any, read: Any) -> None:
    env = writer(realm, "secret/data/ci/new")
    where = provider(env, secret="secret/ci/new").plugin.store(PAIR, soon(), replace=False)
    assert where == "the secret secret/ci/new in Vault"
    assert at(realm, "ci/new") == HALVES
    assert read(env, secret="secret/ci/new") == (PAIR.client_id, PAIR.client_secret.reveal())


def test_what_lies_there_is_replaced_only_when_asked_and_other_fields_stay(realm: Realm, provider: Any) -> None:
    realm.put(client_id=ID, client_secret=SECRET, owner="team-a")
    one = provider(writer(realm, "secret/data/ci/genesys")).plugin
    error = failing(CredentialsError, lambda: one.store(PAIR, soon(), replace=False))
    assert "holds a client id or secret already" in str(error)
    assert at(realm, "ci/genesys") == {"client_id": ID, "client_secret": SECRET, "owner": "team-a"}
    one.store(PAIR, soon(), replace=True)
    assert at(realm, "ci/genesys") == HALVES | {"owner": "team-a"}


def test_a_secret_without_the_two_fields_gets_them(realm: Realm, provider: Any) -> None:
    realm.put(owner="team-a")
    provider(writer(realm, "secret/data/ci/genesys")).plugin.store(PAIR, soon(), replace=False)
    assert at(realm, "ci/genesys") == HALVES | {"owner": "team-a"}


def test_the_names_of_the_fields_are_those_of_the_settings(realm: Realm, provider: Any) -> None:
    env = writer(realm, "secret/data/ci/genesys")
    provider(env, id_field="user", secret_field="key").plugin.store(PAIR, soon(), replace=False)
    assert at(realm, "ci/genesys")["user"] == PAIR.client_id


def test_a_deleted_secret_is_written_again(realm: Realm, provider: Any) -> None:
    realm.root.secrets.kv.v2.delete_latest_version_of_secret("ci/genesys", mount_point="secret")
    provider(writer(realm, "secret/data/ci/genesys")).plugin.store(PAIR, soon(), replace=False)
    assert at(realm, "ci/genesys") == HALVES


def test_a_version_1_mount_is_written_as_well(realm: Realm, provider: Any, read: Any) -> None:
    realm.root.sys.enable_secrets_engine("kv", "old", options={"version": "1"})
    env = writer(realm, "old/ci/g")
    one = provider(env, secret="old/ci/g").plugin
    one.store(PAIR, soon(), replace=False)
    assert read(env, secret="old/ci/g") == (PAIR.client_id, PAIR.client_secret.reveal())
    failing(CredentialsError, lambda: one.store(PAIR, soon(), replace=False))
    one.store(PAIR, soon(), replace=True)


def test_a_write_that_somebody_else_overtakes_loses_nothing(
    realm: Realm, provider: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from gc_credhelper_vault import writing

    look = writing._look

    def overtaken(*args: Any) -> Any:
        seen = look(*args)
        realm.put(client_id="theirs", client_secret=SECRET)
        return seen

    monkeypatch.setattr(writing, "_look", overtaken)
    one = provider(writer(realm, "secret/data/ci/genesys")).plugin
    error = failing(TemporaryError, lambda: one.store(PAIR, soon(), replace=True))
    assert "written by somebody else just now" in str(error)
    assert at(realm, "ci/genesys")["client_id"] == "theirs"


def test_a_login_that_may_only_read_is_told_so(realm: Realm, provider: Any) -> None:
    error = failing(CredentialsError, lambda: provider(realm.env()).plugin.store(PAIR, soon(), replace=True))
    assert "does not let this login write the secret secret/ci/genesys (403)" in str(error)
    assert at(realm, "ci/genesys")["client_id"] == ID


def test_a_pinned_version_cannot_be_written(realm: Realm, provider: Any) -> None:
    env = writer(realm, "secret/data/ci/genesys")
    failing(UsageError, lambda: provider(env, version=1).plugin.store(PAIR, soon(), replace=True))


def test_the_command_tries_the_two_and_writes_them(realm: Realm, machine: Machine, sandbox: SandboxThread) -> None:
    env = writer(realm, "secret/data/ci/new") | {
        "GC_CREDHELPER_TOKEN_URL": sandbox.token_url,
        "GC_CREDHELPER_PROVIDER": "vault:secret/ci/new",
    }
    wrong = machine.run("store", env=env, stdin=json.dumps(HALVES))
    assert (wrong.code, wrong.out) == (5, "")
    done = machine.run("store", env=env, stdin=f"{ID}\n{SECRET}\n")
    assert (done.code, done.err) == (0, "")
    assert done.out == f"stored the client {ID} in the secret secret/ci/new in Vault\n"
    hunt(done.out + wrong.err)
    assert machine.run("token", env=env).code == 0
