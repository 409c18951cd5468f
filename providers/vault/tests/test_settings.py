"""The rows: what each value looks like, and that none of them is a secret itself."""

import re
from typing import Any

import pytest
from gc_credhelper.settings import Layer, Origin, Setting
from hypothesis import given
from hypothesis import strategies as some
from vaultkit import POLICY

from gc_credhelper_vault.cache import VaultCache
from gc_credhelper_vault.provider import VaultProvider
from gc_credhelper_vault.settings import address, kv_version, mount, namespace, number, place, split, switch

ROWS: tuple[Setting, ...] = (*VaultProvider.settings, *VaultCache.settings)


@pytest.mark.parametrize(
    ("kind", "raw", "value"),
    [
        (address, "https://vault.test:8200/", "https://vault.test:8200"),
        (address, "https://proxy.test/vault", "https://proxy.test/vault"),
        (address, "http://127.0.0.1:8200", "http://127.0.0.1:8200"),
        (address, "http://localhost:8200", "http://localhost:8200"),
        (address, "unix:///run/agent.sock", "unix:///run/agent.sock"),
        (place, "/secret/ci/", "secret/ci"),
        (place, "teams/a//ci/x", "teams/a//ci/x"),
        (mount, "auth/jenkins/ci/", "jenkins/ci"),
        (namespace, "team1/", "team1"),
        (switch, True, True),
        (switch, "T", True),
        (switch, "0", False),
        (number, "12", 12),
        (number, 12, 12),
        (kv_version, "2", 2),
        (kv_version, 1, 1),
    ],
)
def test_a_good_value_is_read(kind: Any, raw: object, value: object) -> None:
    assert kind(raw) == value


@pytest.mark.parametrize(
    ("kind", "raw"),
    [
        (address, "http://vault.test"),
        (address, "vault.test:8200"),
        (address, "vault.test"),
        (address, "unix://relative.sock"),
        (address, "unix://"),
        (address, "https://user:pass@vault.test"),
        (address, "https://vault.test?x=1"),
        (address, "ftp://vault.test"),
        (place, "secret"),
        (place, "secret/../sys"),
        (place, "secret/./x"),
        (place, "a//b//c"),
        (place, "a///b"),
        (place, "secret/a\nb"),
        (place, "secret/ a"),
        (mount, "a b"),
        (mount, "a/../b"),
        (mount, ""),
        (namespace, "a\nb"),
        (namespace, "ü"),
        (switch, "maybe"),
        (number, 0),
        (number, True),
        (number, "1.5"),
        (kv_version, 3),
        (kv_version, True),
    ],
)
def test_a_bad_value_is_refused(kind: Any, raw: object) -> None:
    with pytest.raises(ValueError, match="must"):
        kind(raw)


@given(some.text())
def test_a_place_that_is_taken_stays_below_its_mount(raw: str) -> None:
    try:
        written = place(raw)
    except ValueError:
        return
    mount_point, path = split(written)
    assert mount_point
    assert path
    assert not {"", ".", ".."} & {*mount_point.split("/"), *path.split("/")}
    assert place(written) == written


def test_every_row_bears_the_plug_ins_name_and_a_help() -> None:
    for row in ROWS:
        assert re.fullmatch(r"vault\.[a-z][a-z0-9_]*", row.name)
        assert row.help


def test_the_roles_share_their_rows_but_for_the_locators() -> None:
    provider, cache = ({row.name: row for row in role.settings} for role in (VaultProvider, VaultCache))
    assert cache.keys() - provider.keys() == {"vault.cache"}
    assert VaultProvider.locator not in cache
    assert all(provider[name] is cache[name] for name in provider.keys() & cache.keys())


def test_every_default_is_a_good_value() -> None:
    for row in ROWS:
        if row.default is not None:
            row.read(row.default, Origin(Layer.DEFAULT))


def test_every_variable_of_vault_has_its_twin_and_comes_first() -> None:
    for row in ROWS:
        ours = [name.removeprefix("VAULT_") for name in row.platform if name.startswith("VAULT_")]
        twins = [name.removeprefix("BAO_") for name in row.platform if name.startswith("BAO_")]
        assert ours == twins
        assert not row.platform or row.platform[0].startswith("VAULT_")


def test_no_row_is_filled_by_a_variable_that_holds_a_secret() -> None:
    held = {"VAULT_TOKEN", "BAO_TOKEN", "VAULT_SECRET_ID", "BAO_SECRET_ID", "VAULT_PASSWORD", "VAULT_ID_TOKEN"}
    assert not held & {name for row in ROWS for name in (*row.platform, row.variable)}


def test_the_readme_names_every_variable_and_login() -> None:
    readme = (POLICY.parent / "README.md").read_text()
    for row in ROWS:
        for name in row.platform:
            assert name.replace("BAO_", "VAULT_") in readme, name
