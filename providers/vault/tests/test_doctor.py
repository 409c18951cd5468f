"""`doctor` on a real server: the login, the mount of the cache, and the rights of the login."""

import json
from typing import Any

import pytest
from gc_credhelper.roles import Finding, Level
from support import Machine, Run
from support.hunting import hunt, soon
from vaultkit import ID, Realm, role

CONFIG = {"max_versions": 1, "cas_required": True, "delete_version_after": "24h"}
SHARED = ("--provider", "vault:secret/ci/genesys", "--cache", "file,vault:gc-cache/ci")


def doctor(machine: Machine, sandbox: Any, env: dict[str, str], *argv: str) -> tuple[Run, list[dict[str, Any]]]:
    """The whole command; nothing that it says may hold a secret."""
    urls = {"GC_CREDHELPER_TOKEN_URL": sandbox.token_url, "GC_CREDHELPER_API_URL": sandbox.api_url}
    run = machine.run("doctor", "--json", *argv, env=env | urls)
    hunt(run.out + run.err)
    return run, [json.loads(line) for line in run.out.splitlines()]


def of(rows: list[dict[str, Any]], step: str) -> list[tuple[str, str]]:
    return [(row["level"], row["text"]) for row in rows if row["step"] == step]


def said(cache: Any) -> list[Finding]:
    """What the plug-in alone has to say."""
    found = [*cache.findings(soon())]
    hunt("".join(f"{finding!r}" for finding in found))
    return found


def warned(cache: Any, text: str) -> Finding:
    (found,) = (one for one in said(cache) if text in one.text)
    assert found.level == Level.WARN
    assert found.hint
    return found


def test_a_job_with_the_least_rights_has_nothing_to_mend(machine: Machine, sandbox: Any, realm: Realm) -> None:
    login = role(realm)
    env = login.env(login.secret_id(), GC_CREDHELPER_VAULT_ROLE_ID=login.role_id, GC_CREDHELPER_VAULT_AUTH="approle")
    run, rows = doctor(machine, sandbox, env, *SHARED)
    assert (run.code, run.err) == (0, ""), run.out
    assert of(rows, "store") == [
        ("OK", "logged in to 127.0.0.1 with approle"),
        ("OK", "the secret secret/ci/genesys is on the mount secret, KV version 2"),
    ]
    assert of(rows, "provider") == [("OK", f"vault gave both halves of the client {ID}")]
    assert of(rows, "shared") == [
        ("OK", "vault can be read, and takes a compare-and-set"),
        ("OK", "gc-cache is a KV version 2 mount; its options are not for this login to read, as it should be"),
        ("OK", "the login may create, read, update below gc-cache/ci, and nothing beside it"),
    ]
    assert realm.root.list("gc-cache/metadata/ci")["data"]["keys"] == ["doctor"]
    assert realm.root.read("gc-cache/data/ci/doctor")["data"]["data"]["record"].count('"token": ""') == 1


def test_a_login_that_is_refused_is_exit_code_4_and_the_secret_is_not_asked_for(
    machine: Machine, sandbox: Any, realm: Realm
) -> None:
    login = role(realm)
    env = login.env("canary-wrong", GC_CREDHELPER_VAULT_ROLE_ID=login.role_id, GC_CREDHELPER_VAULT_AUTH="approle")
    run, rows = doctor(machine, sandbox, env, *SHARED)
    assert run.code == 4
    ((level, text),) = of(rows, "store")
    assert level == "FAIL"
    assert "Vault refused the login with approle" in text
    assert of(rows, "provider")[0][0] == "SKIP"
    assert of(rows, "shared")[0][0] == "WARN"
    assert of(rows, "canary")[0][0] == "OK"


def test_a_cache_on_the_mount_of_the_secret_is_warned_of(machine: Machine, sandbox: Any, realm: Realm) -> None:
    realm.allow("both", "secret/data/tokens/*", capabilities='"create", "read", "update"')
    env = realm.env(realm.token(policies=("gc-credhelper", "both")))
    cache = ("--provider", "vault:secret/ci/genesys", "--cache", "file,vault:secret/tokens")
    run, rows = doctor(machine, sandbox, env, *cache)
    assert run.code == 0
    assert ("WARN", "tokens are kept on secret, where the client secret is") in of(rows, "shared")


def test_a_mount_of_version_1_is_exit_code_2(machine: Machine, sandbox: Any, realm: Realm) -> None:
    realm.root.sys.enable_secrets_engine("kv", "old", options={"version": "1"})
    realm.allow("old", "old/*", capabilities='"create", "read", "update"')
    env = realm.env(realm.token(policies=("gc-credhelper", "old")))
    run, rows = doctor(machine, sandbox, env, "--provider", "vault:secret/ci/genesys", "--cache", "vault:old/ci")
    assert run.code == 2
    assert ("FAIL", "old is not a KV version 2 mount") in of(rows, "shared")
    assert ("WARN", "old is a KV version 1 mount, and has no compare-and-set") in of(rows, "shared")


def test_a_job_that_may_only_read_is_told_so(machine: Machine, sandbox: Any, realm: Realm) -> None:
    realm.allow("secret", "secret/data/ci/genesys")
    realm.allow("reader", "gc-cache/data/ci/*")
    env = realm.env(realm.token(policies=("secret", "reader")))
    run, rows = doctor(machine, sandbox, env, *SHARED)
    assert run.code == 0
    level, text = of(rows, "shared")[0]
    assert level == "WARN"
    assert text.startswith("vault can be read and not written")


@pytest.mark.parametrize(
    ("change", "missing"),
    [
        ({"max_versions": 0}, "max_versions=1"),
        ({"cas_required": False}, "cas_required=true"),
        ({"delete_version_after": "0s"}, "delete_version_after=24h"),
    ],
)
def test_options_that_are_missing_are_named_to_whoever_may_read_them(
    realm: Realm, cache: Any, change: dict[str, Any], missing: str
) -> None:
    realm.allow("config", "gc-cache/config")
    env = realm.env(realm.token(policies=("gc-credhelper", "config")))
    assert "gc-cache is a KV version 2 mount with the options for tokens" in [one.text for one in said(cache(env))]
    realm.root.write_data("gc-cache/config", data=CONFIG | change)
    found = warned(cache(env), "gc-cache lacks")
    assert found.text == f"gc-cache lacks {missing}"
    assert "vault write gc-cache/config max_versions=1 cas_required=true delete_version_after=24h" in found.hint


@pytest.mark.parametrize(
    ("paths", "capabilities", "text"),
    [
        (("gc-cache/data/*",), '"read"', "the login may read on gc-cache beside gc-cache/ci"),
        (("gc-cache/metadata/",), '"list"', "the login may list gc-cache"),
        (("gc-cache/metadata/ci/*",), '"delete"', "the login may delete below gc-cache/ci, which nobody needs"),
    ],
)
def test_rights_beyond_the_path_are_warned_of(
    realm: Realm, cache: Any, paths: tuple[str, ...], capabilities: str, text: str
) -> None:
    realm.allow("more", *paths, capabilities=capabilities)
    warned(cache(realm.env(realm.token(policies=("gc-credhelper", "more")))), text)


def test_a_mount_with_secrets_at_its_root_holds_other_things(realm: Realm, cache: Any) -> None:
    realm.allow("more", "gc-cache/metadata/", capabilities='"list"')
    env = realm.env(realm.token(policies=("gc-credhelper", "more")))
    assert not [one for one in said(cache(env)) if "other things" in one.text]
    realm.root.secrets.kv.v2.create_or_update_secret("of-others", {"a": "b"}, cas=0, mount_point="gc-cache")
    warned(cache(env), "gc-cache holds other things than tokens")


def test_root_is_too_much(realm: Realm, cache: Any) -> None:
    assert realm.root.token == "root-canary"
    warned(cache(realm.env("root-canary")), "the login may do everything in this Vault")


def test_what_the_login_may_not_ask_is_said_to_be_open(realm: Realm, cache: Any) -> None:
    env = realm.env(realm.token(no_default_policy=True))
    assert [one.level for one in said(cache(env))] == [Level.OK, Level.OK]
    assert said(cache(env))[1].text == "what the login may do is not for it to ask"
