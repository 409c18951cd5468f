"""Both roles keep the promises that the core asks of any plug-in, on a real gnome-keyring."""

import json
import signal
from pathlib import Path

import pytest
from gc_credhelper.testing import CacheBackendContract, CacheCase, CredentialProviderContract, ProviderCase
from keyringkit import Desktop, build

from gc_credhelper_keyring.keyrings import Name
from gc_credhelper_keyring.provider import KeyringProvider


@pytest.fixture
def stopped(own_session: Desktop) -> Desktop:
    """A keyring that takes a question and never answers."""
    own_session.signal_keyring(signal.SIGSTOP)
    return own_session


class TestKeyringProvider(CredentialProviderContract):
    @pytest.fixture
    def case(self, session: Desktop, stopped: Desktop, service: str, tmp_path: Path) -> ProviderCase:
        env = session.env()
        keyring = build(KeyringProvider, env, tmp_path, service=service).plugin._keyring

        def put(client_id: str | None, secret: str | None) -> dict[str, str]:
            halves = {"client_id": client_id, "client_secret": secret}
            fields = {name: value for name, value in halves.items() if value is not None}
            name = Name(service, "client")
            keyring.ask(lambda store: store.write(name, json.dumps(fields)) if fields else store.delete(name))
            return env

        return ProviderCase(
            name="keyring",
            reference=service,
            put=put,
            unreachable=None,  # without a bus there is no keyring, which no second try will mend
            silent=stopped.env(),
        )


class TestKeyringCache(CacheBackendContract):
    @pytest.fixture
    def case(self, session: Desktop, stopped: Desktop, service: str, tmp_path: Path) -> CacheCase:
        env = session.env()
        keyring = build(KeyringProvider, env, tmp_path, service=service).plugin._keyring

        def damage() -> None:
            names = keyring.ask(lambda store: store.below(service))
            for name in names:
                keyring.ask(lambda store, name=name: store.write(name, "damaged"))

        return CacheCase(
            name="keyring",
            reference=service,
            env=env,
            unreachable={"DBUS_SESSION_BUS_ADDRESS": "unix:path=/nowhere"},
            silent=stopped.env(),
            damage=damage,
            directory=None,
        )
