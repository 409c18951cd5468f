"""The cache on a real gnome-keyring: whole texts under keys, names without secrets, an expiry in sight."""

import os
import signal
import subprocess
import sys
import time
from typing import Any

import pytest
from gc_credhelper.errors import Error
from gc_credhelper.tokens import AccessToken, dump
from keyringkit import Desktop, client
from support.hunting import canary, soon

KEY, OTHER = "c0ffee" * 6, "decade" * 6
NOW = time.time()
EXPIRES = "gc-credhelper-expires"


def text(value: str = "canary-token", *, lives: float = 3600, key: str = KEY) -> str:
    """A token as the core stores it; negative: it is past its time."""
    issued_at = NOW if lives > 0 else NOW - 7200
    return dump(AccessToken(canary(value), issued_at, NOW + lives), key, 0, "about")


def test_a_text_comes_back_and_goes(session: Desktop, cache: Any) -> None:
    plugin = cache(session.env())
    assert plugin.get(KEY) is None
    assert plugin.remove(KEY) is False
    plugin.put(KEY, text())
    assert plugin.get(KEY) == text()
    assert plugin.get(OTHER) is None
    assert plugin.keys() == [KEY]
    assert plugin.remove(KEY) is True
    assert (plugin.get(KEY), plugin.keys()) == (None, [])


def test_a_text_that_is_no_token_is_kept_as_it_is(session: Desktop, cache: Any) -> None:
    plugin = cache(session.env())
    for content in ("", "x", "ü\0\n" * 1000):
        plugin.put(KEY, content)
        assert plugin.get(KEY) == content


def test_a_large_token_is_kept_whole(session: Desktop, cache: Any) -> None:
    plugin = cache(session.env())
    large = text("canary-" + "x" * 60_000)
    plugin.put(KEY, large)
    assert plugin.get(KEY) == large


def test_an_item_is_replaced_in_place(session: Desktop, cache: Any, service: str) -> None:
    plugin = cache(session.env())
    for number in range(3):
        plugin.put(KEY, text(f"canary-{number}", lives=1000 + number))
    assert plugin.get(KEY) == text("canary-2", lives=1002)
    ((attributes, _, _),) = session.items(service)
    assert attributes[EXPIRES] == str(int(NOW + 1002))


def test_no_name_of_an_item_carries_a_secret(session: Desktop, cache: Any, service: str) -> None:
    cache(session.env()).put(KEY, text("canary-in-no-name"))
    ((attributes, label, content),) = session.items(service)
    assert "canary-in-no-name" in content
    assert "canary" not in f"{attributes}{label}"
    assert attributes.keys() >= {"service", "username", "application", EXPIRES}


def test_the_expiry_is_read_without_unlocking(own_session: Desktop, cache: Any) -> None:
    plugin = cache(own_session.env())
    plugin.put(KEY, text(lives=-60))
    plugin.put(OTHER, text(key=OTHER))
    own_session.lock()
    assert plugin.get(KEY) is None
    assert plugin.get("absent") is None
    assert sorted(plugin.keys()) == [KEY, OTHER]
    with pytest.raises(Error, match="the keyring is locked"):
        plugin.get(OTHER)


def test_an_expired_token_of_an_open_keyring_is_shown_to_the_core(session: Desktop, cache: Any) -> None:
    plugin = cache(session.env())
    plugin.put(KEY, text(lives=-60))
    assert plugin.get(KEY) == text(lives=-60)


def test_before_the_first_unlocking_nothing_is_listed_by_guess(own_session: Desktop, cache: Any) -> None:
    plugin = cache(own_session.env())
    plugin.put(KEY, text(lives=-60))
    own_session.end_keyring()
    own_session.start_keyring(unlocked=False)
    assert plugin.get("absent") is None
    for work in (plugin.keys, lambda: plugin.get(KEY), lambda: plugin.remove(KEY), lambda: plugin.put(KEY, "x")):
        with pytest.raises(Error, match="the keyring is locked"):
            work()


def test_of_two_items_of_one_name_the_newer_counts_and_both_are_removed(
    session: Desktop, cache: Any, service: str
) -> None:
    plugin = cache(session.env())
    plugin.put(KEY, text("canary-older", lives=1000))
    with session.collection() as collection:
        attributes = {"service": f"{service}/{KEY}", "username": "token", EXPIRES: str(int(NOW + 2000))}
        collection.create_item("x", attributes, b"newer", replace=False)
    assert plugin.get(KEY) == "newer"
    assert plugin.remove(KEY) is True
    assert session.items(service) == []


def test_caches_of_different_references_do_not_meet(session: Desktop, cache: Any, service: str) -> None:
    one, two = cache(session.env()), cache(session.env(), cache=f"{service}/2")
    one.put(KEY, text("canary-one"))
    two.put(KEY, text("canary-two"))
    assert one.get(KEY) == text("canary-one")
    assert one.keys() == two.keys() == [KEY]
    two.remove(KEY)
    assert (one.keys(), two.keys()) == ([KEY], [])


def test_credentials_under_the_same_service_name_are_not_touched(session: Desktop, cache: Any, provider: Any) -> None:
    plugin, source = cache(session.env()), provider(session.env()).plugin
    source.store(client(), soon(), replace=False)
    plugin.put(KEY, text())
    assert plugin.keys() == [KEY]
    for key in plugin.keys():
        plugin.remove(key)
    assert source.credentials(soon()) == client()


WRITER = """
import sys, itertools
from keyringkit import build
from pathlib import Path
from gc_credhelper_keyring.cache import KeyringCache
address, service, key, directory = sys.argv[1:]
plugin = build(KeyringCache, {"DBUS_SESSION_BUS_ADDRESS": address}, Path(directory), cache=service).plugin
for number in itertools.count():
    plugin.put(key, f"{number % 10}" * 20_000)
    if not number:
        print("ready", flush=True)
"""


def test_a_writer_that_is_killed_leaves_no_damaged_item(session: Desktop, cache: Any, service: str) -> None:
    plugin = cache(session.env())
    paths = [path for path in sys.path if path.endswith("tests")]
    for number in range(4):
        child = subprocess.Popen(
            [sys.executable, "-c", WRITER, session.address, service, KEY, str(session.home)],
            env={"PATH": os.environ["PATH"], "PYTHONPATH": os.pathsep.join(paths), "HOME": str(session.home)},
            stdout=subprocess.PIPE,
        )
        assert child.stdout
        with child.stdout as stdout:
            assert stdout.readline() == b"ready\n"
            time.sleep(0.05 + number * 0.017)
            child.send_signal(signal.SIGKILL)
        child.wait()
        found = plugin.get(KEY)
        assert (len(found), len(set(found))) == (20_000, 1)
        plugin.put(KEY, text())
        assert plugin.get(KEY) == text()
    assert len(session.items(service)) == 1
