"""The Secret Service of a Linux desktop (GNOME Keyring, KWallet, KeePassXC), on SecretStorage.

In place of keyring's own backend, which asks a person to unlock or to create a collection and then waits for ever, and
cannot list. The items are called as that calls them, so that `keyring get SERVICE NAME` finds them.
"""

import functools
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from typing import Any, ParamSpec, TypeVar

import secretstorage
from gc_credhelper.errors import CredentialsError
from jeepney.bus import get_bus
from jeepney.io.blocking import open_dbus_connection
from secretstorage.util import add_match_rules

from .errors import ELSEWHERE
from .keyrings import Name

P = ParamSpec("P")
T = TypeVar("T")

_LOOKS, _MOMENT = 6, 0.05  # seconds
_PATH = "/org/freedesktop/secrets/"
_APPLICATION = {"application": "Python keyring library"}
_EXPIRES = "gc-credhelper-expires"  # epoch seconds; an attribute can be read while the item is locked
_TOKENS = "gc-credhelper-cache"  # what all tokens of a cache are found by


def _settled(work: Callable[P, T]) -> Callable[P, T]:
    """Do it again when something that was there is not: GNOME Keyring, while it writes its file, may hide any of it."""

    @functools.wraps(work)
    def settled(*args: P.args, **kwargs: P.kwargs) -> T:
        for _ in range(_LOOKS):
            try:
                return work(*args, **kwargs)
            except secretstorage.ItemNotFoundException:
                time.sleep(_MOMENT)
        return work(*args, **kwargs)

    return settled


@contextmanager
def visit(address: str | None, collection: str | None, *, prompt: bool) -> Iterator["SecretService"]:
    """A connection to D-Bus for one visit. `address`: as DBUS_SESSION_BUS_ADDRESS has it."""
    if not address:
        raise CredentialsError("there is no keyring: DBUS_SESSION_BUS_ADDRESS is not set", hint=ELSEWHERE)
    try:
        get_bus(address)
    except (ValueError, KeyError, RuntimeError):
        hint = "it must be an address such as unix:path=/run/user/1000/bus"
        raise CredentialsError("there is no keyring: DBUS_SESSION_BUS_ADDRESS is not an address", hint=hint) from None
    with closing(open_dbus_connection(address)) as connection:
        yield SecretService(connection, collection, prompt=prompt)


class SecretService:
    """One collection of it. Nothing here asks a person unless `prompt` says so."""

    def __init__(self, connection: Any, collection: str | None, *, prompt: bool) -> None:
        """CredentialsError when there is no such collection."""
        named = f"the collection {collection}" if collection else "the default collection"
        self.where = f"{named} of the Secret Service"
        self._prompt = prompt
        if prompt:
            add_match_rules(connection)
        try:
            path = f"collection/{collection}" if collection else "aliases/default"
            self._collection = _settled(lambda: secretstorage.Collection(connection, _PATH + path))()
        except secretstorage.ItemNotFoundException:
            if not prompt or collection:
                hint = "log in to the desktop once, name another with keyring.collection, or let it ask: keyring.prompt"
                raise CredentialsError(f"there is no keyring: {self.where} does not exist", hint=hint) from None
            self._collection = secretstorage.create_collection(connection, "Default", "default")

    def is_locked(self) -> bool:
        """Of the collection; items follow it in every service that is known."""
        return bool(self._collection.is_locked())

    @_settled
    def read(self, name: Name) -> str | None:
        """Without unlocking it can still be told that there is no item, or that it is past its time."""
        item = self._newest(name)
        if item is None or (item.is_locked() and (_expiry(item) or float("inf")) <= time.time()):
            return None
        self._unlock(item)
        return bytes(item.get_secret()).decode()

    @_settled
    def write(self, name: Name, text: str, expires: int | None = None) -> None:
        """In place: the service puts an item that is replaced beside the old one when an attribute has changed."""
        self._unlock(self._collection)
        attributes = {"service": name.service, "username": name.username}
        if expires is not None:
            attributes |= {_TOKENS: name.service.rpartition("/")[0], _EXPIRES: str(expires)}
        item = self._newest(name)
        if item is None:
            label = f"gc-credhelper: {name}"
            self._collection.create_item(label, _APPLICATION | attributes, text.encode(), replace=True)
            return
        self._unlock(item)
        if expires is not None:
            # First, so that a reader between the two sees an item whose text says that it is older.
            item.set_attributes(item.get_attributes() | attributes)
        item.set_secret(text.encode())

    @_settled
    def delete(self, name: Name) -> bool:
        """All of that name: two machines' clocks or two cache directories may have left more than one."""
        items = self._found({"service": name.service, "username": name.username})
        for item in items:
            self._unlock(item)
            item.delete()
        return bool(items)

    @_settled
    def below(self, service: str) -> list[Name]:
        """By their attributes, without unlocking where those can be read."""
        names = []
        for item in self._found({_TOKENS: service}):
            attributes = item.get_attributes()
            if not {"service", "username"} <= attributes.keys():
                self._unlock(item)
                attributes = item.get_attributes()
            names.append(Name(attributes["service"], attributes["username"]))
        return names

    def _newest(self, name: Name) -> Any:
        items = self._found({"service": name.service, "username": name.username})
        return max(items, key=lambda item: _expiry(item) or 0, default=None)

    def _found(self, attributes: dict[str, str]) -> list[Any]:
        return [*self._collection.search_items(attributes)]

    def _unlock(self, what: Any) -> None:
        """Ask a person, if that is allowed; else LockedException of whoever touches it."""
        if self._prompt and what.is_locked():
            what.unlock()
        what.ensure_not_locked()


def _expiry(item: Any) -> int | None:
    """Epoch seconds. None when there is none, and of an item that GNOME Keyring has not seen unlocked since it was
    started: it knows digests of the attributes only.
    """
    said = str(item.get_attributes().get(_EXPIRES, ""))
    return int(said) if said.isdecimal() else None
