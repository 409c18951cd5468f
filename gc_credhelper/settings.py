"""The settings: one table that declares each, and what a value is, where it came from and how it is read.

Order: flag > GC_CREDHELPER_* > profile > the platform's own variables > default. An empty variable is an unset one.
"""

import difflib
import re
import shlex
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from enum import IntEnum
from typing import Any
from urllib.parse import urlsplit, urlunsplit

from .credentials import check_client_id
from .errors import CredentialsError, UsageError


class Layer(IntEnum):
    """Nearer layers have smaller numbers."""

    FLAG = 0
    VARIABLE = 1
    PROFILE = 2
    PLATFORM = 3
    DEFAULT = 4


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a value came from: the layer, and its name as the user wrote it."""

    layer: Layer
    name: str = ""

    def __str__(self) -> str:
        match self.layer:
            case Layer.FLAG:
                return f"flag {self.name}"
            case Layer.VARIABLE | Layer.PLATFORM:
                return f"variable {self.name}"
            case Layer.PROFILE:
                return f"profile {self.name}"
        return "default"


@dataclass(frozen=True, slots=True)
class Value:
    """A setting's value as its type reads it, and its Origin."""

    value: Any
    origin: Origin


Kind = Callable[[object], Any]

_DAY = 86_400  # seconds


def text(raw: object) -> str:
    """A string; white space around it is not part of it."""
    if not isinstance(raw, str | int | float) or isinstance(raw, bool) or not str(raw).strip():
        raise ValueError("must be a text that is not empty")
    return str(raw).strip()


def duration(raw: object) -> float:
    """Seconds: `90s`, `45m`, `2h`, `1d`, or bare seconds."""
    found = re.fullmatch(r"(\d{1,9}(?:\.\d{1,3})?)\s*(ms|s|m|h|d|)", str(raw).strip(), re.ASCII)
    if not found or isinstance(raw, bool):
        raise ValueError("must be a duration such as 90s, 45m or 2h")
    return float(found[1]) * {"ms": 0.001, "s": 1, "": 1, "m": 60, "h": 3600, "d": _DAY}[found[2]]


def deadline(raw: object) -> float:
    """Seconds, more than none and a day at the most."""
    seconds = duration(raw)
    if not 0 < seconds <= _DAY:
        raise ValueError("must be more than 0s and not more than 1d")
    return seconds


def url(raw: object) -> str:
    """An https URL without user, query or fragment; http only on loopback, since a secret is sent to it."""
    value = text(raw)
    try:
        parts = urlsplit(value)
        port = parts.port
    except ValueError:
        raise ValueError("must be a URL") from None
    if parts.scheme not in ("http", "https") or not parts.hostname or port == 0 or re.search(r"[^!-\[\]-~]", value):
        raise ValueError("must be a URL such as https://login.mypurecloud.ie/oauth/token")
    if parts.username is not None or parts.password is not None or parts.query or parts.fragment:
        raise ValueError("must be a URL without a user, a query and a fragment")
    if parts.scheme == "http" and not is_loopback(parts.hostname):
        raise ValueError("must begin with https:// unless it is on this machine")
    return urlunsplit(parts._replace(netloc=parts.netloc.lower()))


def region_name(raw: object) -> str:
    """A text; of a URL the part before query and fragment, since a browser may have put a token there."""
    name = re.split(r"[?#]", text(raw))[0]
    if "@" in name:
        raise ValueError("must be a region, not an address with a user")
    return text(name)


def is_loopback(host: str) -> bool:
    """Does the name of the host say that it is this machine? See RFC 6761 §6.3 and RFC 1122 §3.2.1.3."""
    return host in ("localhost", "::1") or bool(re.fullmatch(r"127(\.\d{1,3}){3}", host)) or host.endswith(".localhost")


def public_id(raw: object) -> str:
    """A client id, without the secret that people write behind a colon."""
    try:
        return check_client_id(text(raw))
    except CredentialsError as e:
        raise ValueError(f"must be a client id, but {e}") from None


def public_ids(raw: object) -> tuple[str, ...]:
    """A client id, or a list of one for each client of a pool."""
    return tuple(public_id(one) for one in (raw if isinstance(raw, list) else text(raw).split(",")))


def pool(raw: object) -> tuple[str, ...]:
    """A reference, or several of one provider. In a text a comma begins the next when a name and a colon follow it; a
    command may hold such a thing itself.
    """
    if not isinstance(raw, str):
        parts = items(raw)
    else:
        name = "command" if raw.strip().startswith("command:") else "[a-z][a-z0-9-]+"
        parts = tuple(text(part) for part in re.split(rf",\s*(?={name}:)", raw))
    names = {part.partition(":")[0].strip() for part in parts}
    if len(names) > 1 or "," in names.pop():
        raise ValueError("must name one provider: a list is a pool of its references, and there is no chain")
    return parts


def whole(least: int) -> Kind:
    """A whole number, `least` or more."""

    def number(raw: object) -> int:
        value = str(raw).strip()
        if isinstance(raw, bool) or not re.fullmatch(r"\d{1,6}", value, re.ASCII) or int(value) < least:
            raise ValueError(f"must be a whole number from {least} to 999999")
        return int(value)

    return number


def items(raw: object) -> tuple[str, ...]:
    """A list, or a text with commas."""
    parts = raw.split(",") if isinstance(raw, str) else raw
    if not isinstance(parts, list) or not parts or not all(isinstance(part, str) and part.strip() for part in parts):
        raise ValueError("must be a list of names")
    return tuple(part.strip() for part in parts)


def argv(raw: object) -> tuple[str, ...]:
    """A command: a list, or a text that is split as a shell would; no shell runs it."""
    try:
        parts = shlex.split(raw) if isinstance(raw, str) else raw
    except ValueError:
        raise ValueError("must be a command; a quotation mark is not closed") from None
    if not isinstance(parts, list) or not all(isinstance(part, str) for part in parts) or not any(parts[:1]):
        raise ValueError("must be a command: a text, or a list of texts")
    return tuple(parts)


def yes_or_no(raw: object) -> bool:
    """A switch."""
    value = str(raw).strip().casefold()
    if value not in ("yes", "no", "true", "false", "1", "0", "on", "off"):
        raise ValueError("must be yes or no")
    return value in ("yes", "true", "1", "on")


def choice(*names: str) -> Kind:
    """One of the names."""

    def one_of(raw: object) -> str:
        if raw not in names:
            raise ValueError(f"must be one of {', '.join(names)}")
        return str(raw)

    return one_of


@dataclass(frozen=True, slots=True)
class Setting:
    """A declared knob. `flag`: it has an option of its own; `platform`: variables that others defined, nearest first;
    `bootstrap`: it is needed before the profile can be read, so the profile cannot set it.
    """

    name: str
    kind: Kind
    help: str
    default: object = None
    flag: bool = False
    platform: tuple[str, ...] = ()
    bootstrap: bool = False

    @property
    def variable(self) -> str:
        """Its environment variable."""
        return "GC_CREDHELPER_" + re.sub(r"\W", "_", self.name).upper()

    @property
    def option(self) -> str:
        """Its option on the command line."""
        return "--" + self.name.replace("_", "-") if self.flag else f"--set {self.name}"

    def read(self, raw: object, origin: Origin) -> Value:
        """The typed value; UsageError that names the Origin and not the value, which may be a misplaced secret."""
        try:
            return Value(self.kind(raw), origin)
        except ValueError as e:
            raise UsageError(f"{self.name} ({origin}) {e}", hint=f"{self.name}: {self.help}") from None


SETTINGS = (
    Setting(
        "provider",
        pool,
        "where the client id and secret come from, NAME or NAME:REFERENCE, or a pool",
        "env",
        flag=True,
    ),
    Setting("cache", items, "where tokens are kept, near to far, each NAME or NAME:REFERENCE", "file", flag=True),
    Setting("profile", text, "which [profiles.NAME] of the config file to use", "default", flag=True, bootstrap=True),
    Setting("config", text, "the config file", bootstrap=True),
    Setting("cache_dir", text, "directory of locks and notes, and of the file cache unless it names its own"),
    Setting(
        "region",
        region_name,
        "the Genesys Cloud region, in any spelling: mypurecloud.ie, eu-west-1, https://api.mypurecloud.ie",
        "mypurecloud.com",
        flag=True,
        platform=("GENESYS_CLOUD_REGION", "GENESYSCLOUD_REGION", "GENESYS_CLOUD_ENVIRONMENT", "PURECLOUD_ENVIRONMENT"),
    ),
    Setting("token_url", url, "the token endpoint, when it is not https://login.<region>/oauth/token", flag=True),
    Setting("api_url", url, "the Platform API, when it is not https://api.<region>", flag=True),
    Setting("client_id", public_ids, "the public id of the OAuth client: finds a cached token without the provider"),
    Setting("client_auth", choice("basic", "body"), "how the client authenticates: basic or body", "basic"),
    Setting("min_ttl", duration, "the shortest life that the token must still have, such as 45m", "0", flag=True),
    Setting("deadline", deadline, "time for the whole command, such as 30s", "30s", flag=True),
    Setting("slots", whole(1), "how many tokens the callers share, unless that is one for each client of the pool"),
    Setting("slot", whole(0), "which of the tokens this caller uses, when the CI system's job does not say"),
    Setting("strict", yes_or_no, "fail when the cache that machines share is down, in place of asking alone", "no"),
    Setting("client_cert", text, "a PEM file with the client certificate for mutual TLS"),
    Setting("client_key", text, "a PEM file with the key of client_cert, when that does not hold it"),
)


class Settings(Mapping[str, Any]):
    """Every setting's value by name, and its Origin."""

    def __init__(self, values: Mapping[str, Value]) -> None:
        self._values = dict(values)

    def __getitem__(self, name: str) -> Any:
        return self._values[name].value

    def __iter__(self) -> Any:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def origin(self, name: str) -> Origin:
        """Where the value came from."""
        return self._values[name].origin

    def nearer(self, name: str, than: str) -> bool:
        """Was `name` set in a nearer layer than `than`?"""
        return self.origin(name).layer < self.origin(than).layer


def nearest(name: str, known: Iterable[str]) -> str:
    """A hint that begins with the nearest known names."""
    known = sorted(known)
    if close := closest(name, known):
        return f"did you mean {' or '.join(close)}?"
    return f"known: {', '.join(known)}" if known else "none is known"


def closest(name: str, known: Iterable[str], cutoff: float = 0.6) -> list[str]:
    """Up to three known names that `name` may be a slip of."""
    folded = {one.casefold(): one for one in known}
    return [folded[one] for one in difflib.get_close_matches(name.casefold(), folded, n=3, cutoff=cutoff)]


def spoken(name: str, known: Iterable[str]) -> str:
    """An unknown name as a message may repeat it: a plain word, or a slip of a known one. Anything else could be a
    secret that was put where a name belongs.
    """
    plain = re.fullmatch(r"[a-z]+([._-][a-z]+)*", name) and len(name) <= 24  # noqa: PLR2004  # generated secrets are longer
    slip = re.fullmatch(r"[\w.-]{1,40}", name) and closest(name, known)
    return name if plain or slip else "of that name"
