"""The provider on a real gnome-keyring: what is stored is read, by us and by the programs that people have."""

import json
from typing import Any

import pytest
from gc_credhelper.errors import CredentialsError
from keyring.backends.SecretService import Keyring as KeyringsOwn
from keyringkit import ID, SECRET, Desktop, client
from support.hunting import canary, failing, soon


def read(built: Any) -> tuple[str, str]:
    found = built.plugin.credentials(soon())
    return found.client_id, found.client_secret.reveal()


@pytest.fixture
def keyrings_own(session: Desktop, monkeypatch: pytest.MonkeyPatch) -> Any:  # it has no types
    """What `keyring get` and `keyring set` use."""
    monkeypatch.setenv("DBUS_SESSION_BUS_ADDRESS", session.address)
    own: Any = KeyringsOwn
    return own()


def test_what_was_stored_is_read(session: Desktop, provider: Any, service: str) -> None:
    where = provider(session.env()).plugin.store(client(), soon(), replace=False)
    assert where == f"the item client of {service} in the default collection of the Secret Service"
    assert read(provider(session.env())) == (ID, SECRET)


def test_the_program_keyring_finds_what_we_stored(
    session: Desktop, provider: Any, service: str, keyrings_own: Any
) -> None:
    provider(session.env()).plugin.store(client(), soon(), replace=False)
    found = keyrings_own.get_password(service, "client")
    assert json.loads(found or "") == {"client_id": ID, "client_secret": SECRET}


def test_we_find_what_the_program_keyring_stored(
    session: Desktop, provider: Any, service: str, keyrings_own: Any
) -> None:
    keyrings_own.set_password(service, "client", json.dumps({"client_id": ID, "client_secret": SECRET}))
    assert read(provider(session.env())) == (ID, SECRET)
    provider(session.env()).plugin.store(client(secret="canary-newer"), soon(), replace=True)
    assert len(session.items(service)) == 1
    keyrings_own.set_password(service, "client", json.dumps({"client_id": ID, "client_secret": "canary-newest"}))
    assert read(provider(session.env())) == (ID, "canary-newest")


def test_store_refuses_to_overwrite_and_loses_nothing(session: Desktop, provider: Any) -> None:
    plugin = provider(session.env()).plugin
    plugin.store(client(), soon(), replace=False)
    other = client("other-id", "canary-refused")
    error = failing(CredentialsError, lambda: plugin.store(other, soon(), replace=False))
    assert "--replace" in error.hint
    assert read(provider(session.env())) == (ID, SECRET)


def test_store_with_replace_overwrites(session: Desktop, provider: Any, service: str) -> None:
    plugin = provider(session.env()).plugin
    plugin.store(client(), soon(), replace=False)
    plugin.store(client("other-id", "canary-other"), soon(), replace=True)
    assert read(provider(session.env())) == ("other-id", "canary-other")
    assert len(session.items(service)) == 1


def test_store_with_replace_needs_nothing_to_be_there(session: Desktop, provider: Any) -> None:
    provider(session.env()).plugin.store(client(), soon(), replace=True)
    assert read(provider(session.env())) == (ID, SECRET)


def test_a_setting_chooses_among_several_clients_of_one_service(session: Desktop, provider: Any) -> None:
    for name in ("id-1", "id-2"):
        provider(session.env(), client=name).plugin.store(client(name, f"canary-of-{name}"), soon(), replace=False)
    assert read(provider(session.env(), client="id-1")) == ("id-1", "canary-of-id-1")
    assert read(provider(session.env(), client="id-2")) == ("id-2", "canary-of-id-2")
    assert "keyring.client" in failing(CredentialsError, lambda: read(provider(session.env()))).hint


def test_the_client_id_is_known_without_the_keyring_only_when_a_setting_says_it(provider: Any) -> None:
    assert provider({}).plugin.client_id() is None
    assert provider({}, client=ID).plugin.client_id() == ID


def test_an_item_of_another_client_than_the_setting_says_is_refused(session: Desktop, provider: Any) -> None:
    plugin = provider(session.env(), client="id-1").plugin
    failing(CredentialsError, lambda: plugin.store(client("id-2"), soon(), replace=False))
    with session.collection() as collection:
        attributes = {"service": plugin._name.service, "username": "id-1"}
        collection.create_item("x", attributes, json.dumps({"client_id": "id-2", "client_secret": SECRET}).encode())
    failing(CredentialsError, lambda: plugin.credentials(soon()))


def test_no_item_is_an_error_that_names_what_was_looked_for(session: Desktop, provider: Any, service: str) -> None:
    error = failing(CredentialsError, lambda: read(provider(session.env())))
    assert str(error) == f"the keyring holds no item client of {service}"
    assert "gc-credhelper store" in error.hint


@pytest.mark.parametrize(
    "text",
    [
        canary("canary-no-json-at-all"),
        "",
        "[]",
        '"canary-text"',
        "[" * 100_000,
        '{"client_id": "x"}',
        '{"client_id": "x", "client_secret": ""}',
        '{"client_id": "x", "client_secret": 12}',
        '{"client_secret": "canary-half"}',
        '{"client_id": "x", "client_secret": "canary\\nhalf"}',
        '{"client_id": "x:y", "client_secret": "canary-half"}',
    ],
    ids=range(11),
)
def test_an_item_that_is_something_else_is_an_error_that_does_not_show_it(
    session: Desktop, provider: Any, service: str, text: str
) -> None:
    with session.collection() as collection:
        collection.create_item("x", {"service": service, "username": "client"}, text.encode())
    error = failing(CredentialsError, lambda: read(provider(session.env())))
    assert "canary" not in f"{error}{error.hint}"


def test_white_space_around_a_value_is_removed_with_a_warning(session: Desktop, provider: Any, service: str) -> None:
    with session.collection() as collection:
        text = json.dumps({"client_id": ID, "client_secret": f"{SECRET}\n"})
        collection.create_item("x", {"service": service, "username": "client"}, text.encode())
    built = provider(session.env())
    assert read(built) == (ID, SECRET)
    assert built.said == [f"warning: white space around the client_secret in the item client of {service} was removed"]


def test_the_secret_is_in_no_name_of_the_item(session: Desktop, provider: Any, service: str) -> None:
    provider(session.env()).plugin.store(client(), soon(), replace=False)
    ((attributes, label, _),) = session.items(service)
    assert SECRET not in str(attributes)
    assert label == f"gc-credhelper: client of {service}"


def test_another_collection_is_used_when_a_setting_names_it(session: Desktop, provider: Any, service: str) -> None:
    provider(session.env(), collection="session").plugin.store(client(), soon(), replace=False)
    assert read(provider(session.env(), collection="session")) == (ID, SECRET)
    assert session.items(service) == []


def test_the_bus_is_an_input_of_the_plan(session: Desktop, provider: Any) -> None:
    built = provider(session.env())
    assert (b"E", b"DBUS_SESSION_BUS_ADDRESS") in built.inputs.record
    assert (b"U", b"PYTHON_KEYRING_BACKEND") in built.inputs.record
