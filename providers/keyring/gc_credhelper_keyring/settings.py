"""The rows of the settings `keyring.*`: the roles share them all but their locators."""

import re

from gc_credhelper.settings import Setting, deadline, public_id, text, yes_or_no

_LONGEST = 200  # characters; Windows takes 32,767, and a person reads less


def name(raw: object) -> str:
    """The service name of an item, as `keyring get SERVICE …` takes it."""
    value = text(raw)
    if not value.isprintable() or len(value) > _LONGEST:
        raise ValueError(f"must be a name on one line, of {_LONGEST} characters at the most")
    return value


def backend(raw: object) -> str:
    """The class of a backend, with its module."""
    value = text(raw)
    if not re.fullmatch(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)+", value, re.ASCII):
        raise ValueError("must be a class with its module, such as keyring.backends.kwallet.DBusKeyring")
    return value


def collection(raw: object) -> str:
    """The last part of the D-Bus path of a collection."""
    value = text(raw)
    if not re.fullmatch(r"\w+", value, re.ASCII):
        raise ValueError("must be the name of a collection, such as login or session")
    return value


SERVICE = Setting(
    "keyring.service", name, "the service name of the item with the client id and secret", "gc-credhelper"
)
CACHE = Setting("keyring.cache", name, "what the service names of the items with tokens begin with", "gc-credhelper")
CLIENT = Setting("keyring.client", public_id, "the client id whose item is meant, when the service holds several")

CONNECTION = (
    Setting(
        "keyring.backend",
        backend,
        "a backend of the package keyring, such as keyring.backends.kwallet.DBusKeyring, in place of the system's own",
    ),
    Setting("keyring.collection", collection, "the collection of the Secret Service, such as login or session"),
    Setting("keyring.prompt", yes_or_no, "may a person be asked to unlock the keyring?", "no"),
    Setting("keyring.timeout", deadline, "time for the keyring to answer: 3s, or 30s with keyring.prompt"),
)
