"""Both roles keep the promises that the core asks of any plug-in, on a real server under the shipped policy."""

from collections.abc import Iterator

import hvac
import pytest
from gc_credhelper.testing import (
    CredentialProviderContract,
    FarCacheContract,
    FarCase,
    ProviderCase,
    silent_host,
)
from vaultkit import Realm

CLOSED = "http://127.0.0.1:1"
WRITE = '"create", "read", "update"'


class TestVaultProvider(CredentialProviderContract):
    @pytest.fixture
    def case(self, realm: Realm) -> Iterator[ProviderCase]:
        env = realm.env()
        writer = realm.token(policies=(realm.allow("writer", "secret/data/ci/genesys", capabilities=WRITE),))

        def put(client_id: str | None, secret: str | None) -> dict[str, str]:
            halves = {"client_id": client_id, "client_secret": secret}
            fields = {name: value for name, value in halves.items() if value is not None}
            if fields:
                realm.put(**fields)
            else:
                realm.root.secrets.kv.v2.delete_latest_version_of_secret("ci/genesys", mount_point="secret")
            return env

        with silent_host() as silent:
            yield ProviderCase(
                name="vault",
                reference="secret/ci/genesys",
                put=put,
                unreachable={"VAULT_ADDR": CLOSED},
                silent={"VAULT_ADDR": f"http://{silent}"},
                writer={"VAULT_TOKEN": writer},
            )


class TestVaultProviderOfVersion1(CredentialProviderContract):
    @pytest.fixture
    def case(self, realm: Realm) -> ProviderCase:
        realm.root.sys.enable_secrets_engine("kv", "old", options={"version": "1"})
        env = realm.env(realm.token(policies=(realm.allow("old", "old/ci/genesys"),)))
        writer = realm.token(policies=(realm.allow("writer", "old/ci/genesys", capabilities=WRITE),))

        def put(client_id: str | None, secret: str | None) -> dict[str, str]:
            halves = {"client_id": client_id, "client_secret": secret}
            fields = {name: value for name, value in halves.items() if value is not None}
            kv: hvac.api.secrets_engines.KvV1 = realm.root.secrets.kv.v1
            if fields:
                kv.create_or_update_secret("ci/genesys", fields, mount_point="old")
            else:
                kv.delete_secret("ci/genesys", mount_point="old")
            return env

        return ProviderCase(
            name="vault",
            reference="old/ci/genesys",
            put=put,
            unreachable=None,
            silent=None,
            writer={"VAULT_TOKEN": writer},
        )


class TestVaultCache(FarCacheContract):
    @pytest.fixture
    def case(self, realm: Realm) -> Iterator[FarCase]:
        reader = realm.token(policies=(realm.allow("reader", "gc-cache/data/*"),))

        def end(key: str) -> None:
            realm.root.secrets.kv.v2.delete_latest_version_of_secret(f"ci/{key}", mount_point="gc-cache")

        with silent_host() as silent:
            yield FarCase(
                name="vault",
                reference="gc-cache/ci",
                env=realm.env(),
                unreachable={"VAULT_ADDR": CLOSED},
                silent={"VAULT_ADDR": f"http://{silent}"},
                read_only={"VAULT_TOKEN": reader},
                end=end,
            )
