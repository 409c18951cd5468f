"""Nothing hangs: a keyring that is locked, absent, stopped, or waits for a person who is not there."""

import os
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from gc_credhelper.deadline import Deadline
from gc_credhelper.errors import CredentialsError, Error, TemporaryError
from keyringkit import AbsentPerson, Desktop, client, desktop
from support.hunting import failing, soon

from gc_credhelper_keyring import keyrings

KEY = "c0ffee" * 6
GUARD = 30  # seconds; what hangs would hang for ever


@pytest.fixture(autouse=True)
def nothing_takes_for_ever() -> Iterator[None]:
    began = time.monotonic()
    yield
    assert time.monotonic() - began < GUARD


@pytest.fixture
def bare_session() -> Iterator[Desktop]:
    """A bus without a keyring on it."""
    with desktop(keyring=False) as one:
        yield one


def refused(work: Any) -> Error:
    """How a cache says it: in words that the core shows in its warning."""
    with pytest.raises(Error, match="keyring") as caught:
        work()
    return caught.value


def test_a_locked_keyring_is_said_at_once(own_session: Desktop, provider: Any, cache: Any) -> None:
    provider(own_session.env()).plugin.store(client(), soon(), replace=False)
    own_session.lock()
    error = failing(CredentialsError, lambda: provider(own_session.env()).plugin.credentials(soon()))
    assert str(error) == "the keyring is locked"
    failing(CredentialsError, lambda: provider(own_session.env()).plugin.store(client(), soon(), replace=True))
    assert "locked" in str(refused(lambda: cache(own_session.env()).put(KEY, "text")))


def test_a_keyring_that_was_not_unlocked_since_the_start_is_said_at_once(own_session: Desktop, provider: Any) -> None:
    provider(own_session.env()).plugin.store(client(), soon(), replace=False)
    own_session.end_keyring()
    own_session.start_keyring(unlocked=False)
    error = failing(CredentialsError, lambda: provider(own_session.env()).plugin.credentials(soon()))
    assert str(error) == "the keyring is locked"


def test_no_person_is_asked_unless_a_setting_allows_it(own_session: Desktop, provider: Any, cache: Any) -> None:
    provider(own_session.env()).plugin.store(client(), soon(), replace=False)
    own_session.lock()
    person = AbsentPerson(own_session.address)
    failing(CredentialsError, lambda: provider(own_session.env()).plugin.credentials(soon()))
    failing(CredentialsError, lambda: provider(own_session.env()).plugin.store(client(), soon(), replace=True))
    refused(lambda: cache(own_session.env()).put(KEY, "text"))
    assert person.asked == 0
    plugin = provider(own_session.env(), prompt="yes", timeout="1s").plugin
    error = failing(TemporaryError, lambda: plugin.credentials(soon()))
    assert str(error) == "the keyring did not answer within 1 s"
    assert person.asked == 1
    own_session.end()
    person.join()


def test_a_question_that_no_display_can_show_is_a_locked_keyring(own_session: Desktop, provider: Any) -> None:
    provider(own_session.env()).plugin.store(client(), soon(), replace=False)
    own_session.lock()
    error = failing(CredentialsError, lambda: provider(own_session.env(), prompt="yes").plugin.credentials(soon()))
    assert str(error) == "the keyring is locked"


@pytest.mark.parametrize("prompt", ["no", "yes"])
def test_a_keyring_without_a_collection_is_said_at_once(bare_session: Desktop, provider: Any, prompt: str) -> None:
    bare_session.start_keyring(unlocked=False, ready="collection/session")
    failing(CredentialsError, lambda: provider(bare_session.env(), prompt=prompt).plugin.credentials(soon()))


def test_a_collection_that_does_not_exist_is_named(session: Desktop, provider: Any) -> None:
    error = failing(CredentialsError, lambda: provider(session.env(), collection="nope").plugin.credentials(soon()))
    assert "the collection nope" in str(error)
    assert "keyring.collection" in error.hint


@pytest.mark.parametrize(
    ("address", "said"),
    [
        ("", "not set"),
        ("unix:path=/nowhere/bus", "no Secret Service"),
        ("nonsense", "not an address"),
        ("unix:", "not an address"),
        ("tcp:host=127.0.0.1,port=1", "not an address"),
        ("autolaunch:", "not an address"),
    ],
)
def test_no_bus_is_said_at_once(provider: Any, cache: Any, address: str, said: str) -> None:
    env = {"DBUS_SESSION_BUS_ADDRESS": address}
    error = failing(CredentialsError, lambda: provider(env).plugin.credentials(soon()))
    assert said in str(error)
    refusal = refused(lambda: cache(env).get(KEY))
    assert isinstance(refusal, CredentialsError)
    assert said in f"{refusal}; {refusal.hint}"


def test_a_bus_without_a_keyring_is_said_at_once(bare_session: Desktop, provider: Any) -> None:
    error = failing(CredentialsError, lambda: provider(bare_session.env()).plugin.credentials(soon()))
    assert "no Secret Service" in str(error)
    assert "env" in error.hint


@pytest.mark.parametrize(
    ("program", "kind"),
    [("/bin/false", CredentialsError), ("/nowhere/keyring", CredentialsError), ("/bin/sleep 3", TemporaryError)],
)
def test_a_keyring_that_the_bus_cannot_start_is_said(provider: Any, program: str, kind: Any) -> None:
    with desktop(keyring=False) as broken:
        broken.end()
        broken.start_bus(starts=program)
        error = failing(kind, lambda: provider(broken.env(), timeout="1s").plugin.credentials(soon()))
    assert ("no Secret Service" if kind is CredentialsError else "1 s") in str(error)


def test_a_bus_of_somebody_else_is_said_at_once(provider: Any) -> None:
    with desktop(keyring=False) as other:
        other.end()
        other.start_bus(auth="ANONYMOUS")
        error = failing(CredentialsError, lambda: provider(other.env()).plugin.credentials(soon()))
    assert "refuses this user" in str(error)
    assert "sudo" in error.hint


def test_a_keyring_that_hangs_is_left_at_its_time(own_session: Desktop, provider: Any, cache: Any) -> None:
    plugin = provider(own_session.env(), timeout="1s").plugin
    plugin.store(client(), soon(), replace=False)
    own_session.signal_keyring(signal.SIGSTOP)
    began = time.monotonic()
    error = failing(TemporaryError, lambda: plugin.credentials(soon()))
    assert str(error) == "the keyring did not answer within 1 s"
    assert time.monotonic() - began > 0.9
    threads = threading.active_count()
    for _ in range(5):  # at once now, and no thread more
        failing(TemporaryError, lambda: plugin.credentials(soon()))
        assert isinstance(refused(lambda: cache(own_session.env(), timeout="1s").get(KEY)), TemporaryError)
    assert threading.active_count() == threads


def test_a_keyring_that_hung_is_asked_again_later(
    own_session: Desktop, provider: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(keyrings, "_PAUSE", 0)
    plugin = provider(own_session.env(), timeout="500ms").plugin
    plugin.store(client(), soon(), replace=False)
    own_session.signal_keyring(signal.SIGSTOP)
    failing(TemporaryError, lambda: plugin.credentials(soon()))
    own_session.signal_keyring(signal.SIGCONT)
    assert plugin.credentials(soon()) == client()


def test_a_deadline_that_is_nearer_counts(own_session: Desktop, provider: Any) -> None:
    own_session.signal_keyring(signal.SIGSTOP)
    began = time.monotonic()
    failing(TemporaryError, lambda: provider(own_session.env(), timeout="1h").plugin.credentials(Deadline(0.3)))
    assert time.monotonic() - began < 10
    assert not keyrings._hung  # that says nothing of the keyring


def test_a_keyring_that_ends_in_the_middle_may_be_tried_again(own_session: Desktop, provider: Any) -> None:
    own_session.signal_keyring(signal.SIGSTOP)
    end = threading.Timer(0.5, own_session.signal_keyring, (signal.SIGKILL,))
    end.start()
    error = failing(TemporaryError, lambda: provider(own_session.env(), timeout="20s").plugin.credentials(soon()))
    assert "went away" in str(error)
    end.join()


def test_a_bus_that_hangs_is_left_as_well(own_session: Desktop, provider: Any) -> None:
    own_session.signal_bus(signal.SIGSTOP)
    failing(TemporaryError, lambda: provider(own_session.env(), timeout="5s").plugin.credentials(soon()))


def test_a_bus_that_ends_in_the_middle_may_be_tried_again(own_session: Desktop, provider: Any) -> None:
    own_session.signal_keyring(signal.SIGSTOP)
    end = threading.Timer(0.5, own_session.signal_bus, (signal.SIGKILL,))
    end.start()
    failing(TemporaryError, lambda: provider(own_session.env(), timeout="20s").plugin.credentials(soon()))
    end.join()


def test_no_child_is_left_behind(own_session: Desktop, provider: Any) -> None:
    before = children()
    own_session.signal_keyring(signal.SIGSTOP)
    failing(TemporaryError, lambda: provider(own_session.env(), timeout="300ms").plugin.credentials(soon()))
    assert children() == before


def children() -> str:
    """Of this process, as Linux lists them."""
    return Path(f"/proc/self/task/{os.getpid()}/children").read_text(encoding="ascii")
