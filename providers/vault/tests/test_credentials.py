"""The provider on a real server: both KV versions, any mount, and what every kind of absence looks like."""

from typing import Any

import pytest
from gc_credhelper.errors import CredentialsError, UsageError
from support.hunting import canary, failing, soon
from vaultkit import ID, POLICY, SECRET, Realm

from gc_credhelper_vault.errors import Forbidden


def test_the_shipped_policy_is_enough_to_read_the_secret(realm: Realm, read: Any) -> None:
    assert read(realm.env()) == (ID, SECRET)


def test_the_shipped_policy_lets_a_job_neither_delete_nor_list_nor_touch_metadata() -> None:
    rows = [row for row in POLICY.read_text().splitlines() if not row.strip().startswith("#")]
    assert not {"delete", "list", "metadata", "sudo"} & {*" ".join(rows).replace('"', " ").replace("/", " ").split()}


def test_the_id_is_not_known_before_the_store_was_asked(provider: Any) -> None:
    assert provider({"VAULT_ADDR": "http://127.0.0.1:1"}).plugin.client_id() is None


def test_a_kv_version_1_mount_is_found_out(realm: Realm, read: Any) -> None:
    realm.root.sys.enable_secrets_engine("kv", "old", options={"version": "1"})
    realm.root.secrets.kv.v1.create_or_update_secret(
        "ci/g", {"client_id": ID, "client_secret": SECRET}, mount_point="old"
    )
    token = realm.token(policies=(realm.allow("old", "old/ci/g"),))
    assert read(realm.env(token), secret="old/ci/g") == (ID, SECRET)
    assert read(realm.env(token), secret="old/ci/g", kv_version=1) == (ID, SECRET)


@pytest.mark.parametrize("mount", ["teams", "teams/a", "teams/a/b/secrets"])
@pytest.mark.parametrize("path", ["g", "ci/prod/genesys"])
def test_a_mount_and_a_path_of_any_depth_are_found(realm: Realm, read: Any, mount: str, path: str) -> None:
    realm.mount(mount)
    realm.put(path, mount)
    env = realm.env(realm.token(policies=(realm.allow("deep", f"{mount}/data/{path}"),)))
    assert read(env, secret=f"{mount}/{path}") == (ID, SECRET)
    assert read(env, secret=f"{mount}//{path}", kv_version="2") == (ID, SECRET)


def test_the_names_of_the_fields_can_be_set(realm: Realm, read: Any) -> None:
    realm.put(user=ID, password=SECRET)
    assert read(realm.env(), id_field="user", secret_field="password") == (ID, SECRET)


def test_a_path_with_blanks_and_signs_is_quoted(realm: Realm, read: Any) -> None:
    realm.put("my team/a+b?c#d%20")
    env = realm.env(realm.token(policies=(realm.allow("odd", "secret/data/my team/*"),)))
    assert read(env, secret="secret/my team/a+b?c#d%20") == (ID, SECRET)


def test_a_version_can_be_pinned(realm: Realm, read: Any) -> None:
    realm.put(client_id="newer", client_secret=canary("canary-newer-secret"))
    assert read(realm.env())[0] == "newer"
    assert read(realm.env(), version=1) == (ID, SECRET)


def test_a_version_that_is_not_there_is_no_secret(realm: Realm, read: Any) -> None:
    assert "no secret secret/ci/genesys" in str(failing(CredentialsError, lambda: read(realm.env(), version=7)))


def test_a_pinned_version_on_a_version_1_mount_is_a_mistake(realm: Realm, read: Any) -> None:
    error = failing(UsageError, lambda: read(realm.env(), version=7, kv_version=1))
    assert "keeps one version" in str(error)


def test_a_deleted_version_says_so_and_which_it_was(realm: Realm, read: Any) -> None:
    realm.put()
    realm.root.secrets.kv.v2.delete_latest_version_of_secret("ci/genesys", mount_point="secret")
    assert "version 2 of the secret secret/ci/genesys was deleted" in str(
        failing(CredentialsError, lambda: read(realm.env()))
    )


def test_a_destroyed_version_says_so(realm: Realm, read: Any) -> None:
    realm.root.secrets.kv.v2.destroy_secret_versions("ci/genesys", [1], mount_point="secret")
    assert "was destroyed" in str(failing(CredentialsError, lambda: read(realm.env())))


def test_a_secret_that_was_never_written_is_told_from_one_that_may_not_be_read(realm: Realm, read: Any) -> None:
    token = realm.token(policies=(realm.allow("wide", "secret/data/*"),))
    error = failing(CredentialsError, lambda: read(realm.env(token), secret="secret/ci/other"))
    assert "there is no secret secret/ci/other" in str(error)
    assert "VAULT_NAMESPACE" in error.hint


def test_a_secret_outside_the_policy_says_that_denied_and_absent_look_the_same(realm: Realm, read: Any) -> None:
    error = failing(Forbidden, lambda: read(realm.env(), secret="secret/ci/other"))
    assert "the two cannot be told apart" in str(error)
    assert error.exit_code == 4


def test_metadata_without_any_data_is_no_secret(realm: Realm, read: Any) -> None:
    realm.root.secrets.kv.v2.update_metadata("ci/bare", max_versions=3, mount_point="secret")
    token = realm.token(policies=(realm.allow("wide", "secret/data/*"),))
    assert "there is no secret" in str(
        failing(CredentialsError, lambda: read(realm.env(token), secret="secret/ci/bare"))
    )


def test_data_in_the_path_gets_a_hint(realm: Realm, read: Any) -> None:
    token = realm.token(policies=(realm.allow("wide", "secret/data/*"),))
    error = failing(CredentialsError, lambda: read(realm.env(token), secret="secret/data/ci/genesys"))
    assert "without data/" in error.hint


def test_a_mount_that_the_login_may_not_touch_says_how_to_do_without_asking(realm: Realm, read: Any) -> None:
    error = failing(CredentialsError, lambda: read(realm.env(), secret="nope/ci/genesys"))
    assert "does not say what is mounted at nope/ci/genesys" in str(error)
    assert "vault.kv_version" in error.hint


def test_a_mount_that_is_not_there_is_a_mistake_in_the_settings(realm: Realm, read: Any) -> None:
    token = realm.token(policies=(realm.allow("nope", "nope/*"),))
    error = failing(UsageError, lambda: read(realm.env(token), secret="nope/x", kv_version=2))
    assert "there is no mount for the secret nope/x" in str(error)


def test_a_mount_of_another_kind_is_a_mistake_in_the_settings(realm: Realm, read: Any) -> None:
    realm.root.sys.enable_secrets_engine("transit", "keys")
    token = realm.token(policies=(realm.allow("keys", "keys/*"),))
    assert "not a KV mount" in str(failing(UsageError, lambda: read(realm.env(token), secret="keys/x")))


def test_a_namespace_that_is_not_there_is_named_as_the_cause(realm: Realm, read: Any) -> None:
    env = realm.env("root-canary", VAULT_NAMESPACE="nowhere")
    error = failing(UsageError, lambda: read(env, kv_version=2))
    assert "no such namespace" in str(error)


def test_a_token_of_another_namespace_is_denied(realm: Realm, read: Any) -> None:
    env = realm.env()
    del env["VAULT_NAMESPACE"]
    failing(Forbidden, lambda: read(env, kv_version=2))


def test_version_1_asked_of_a_version_2_mount_is_explained(realm: Realm, read: Any) -> None:
    token = realm.token(policies=(realm.allow("wide", "secret/*"),))
    error = failing(UsageError, lambda: read(realm.env(token), kv_version=1))
    assert "KV version 2" in str(error)


def test_version_2_asked_of_a_version_1_mount_points_at_the_setting(realm: Realm, read: Any) -> None:
    realm.root.sys.enable_secrets_engine("kv", "old", options={"version": "1"})
    token = realm.token(policies=(realm.allow("old", "old/*"),))
    error = failing(CredentialsError, lambda: read(realm.env(token), secret="old/g", kv_version=2))
    assert "vault.kv_version" in error.hint


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"client_id": ID}, "has no field client_secret"),
        ({"client_secret": SECRET}, "has no field client_id"),
        ({"client_id": 12345678901234567890, "client_secret": SECRET}, "the field client_id of"),
        ({"client_id": ID, "client_secret": {"value": SECRET}}, "is not a text"),
        ({"client_id": ID, "client_secret": True}, "is not a text"),
        ({"client_id": ID, "client_secret": " "}, "is empty"),
        ({"client_id": ID, "client_secret": f"{SECRET} {SECRET}"}, "client secret is malformed"),
    ],
)
def test_a_field_that_is_missing_or_no_text_is_named(realm: Realm, read: Any, fields: Any, words: str) -> None:
    realm.put(**fields)
    assert words in str(failing(CredentialsError, lambda: read(realm.env())))


def test_white_space_around_a_field_is_removed_with_a_warning(realm: Realm, provider: Any) -> None:
    realm.put(client_id=f"{ID}\n", client_secret=f" {SECRET}\n")
    built = provider(realm.env())
    assert built.plugin.credentials(soon()).client_secret.reveal() == SECRET
    assert sum(line.startswith("warning: white space") for line in built.said) == 2


def test_what_decides_which_secret_is_meant_is_recorded_for_the_note(realm: Realm, provider: Any) -> None:
    built = provider(realm.env())
    built.plugin.credentials(soon())
    asked = {name for kind, name in built.inputs.record if kind in (b"E", b"U")}
    assert {b"VAULT_ADDR", b"VAULT_AGENT_ADDR", b"VAULT_NAMESPACE", b"GC_CREDHELPER_VAULT_VERSION"} <= asked
    assert (b"S", b"VAULT_TOKEN") in built.inputs.record
    assert built.inputs.record[b"S", b"VAULT_TOKEN"] == b""
