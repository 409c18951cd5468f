"""The settings: one table that declares each, and what a value is, where it came from and how it is read.

Order: flag > GC_CREDHELPER_* > profile > the platform's own variables > default. An empty variable is an unset one.
"""

import difflib
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import IntEnum
from typing import Any

from .errors import UsageError
from .kinds import (
    Kind,
    choice,
    deadline,
    duration,
    duration_or_off,
    hosts,
    items,
    pool,
    public_ids,
    region_name,
    text,
    url,
    whole,
    yes_or_no,
)


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
    Setting(
        "verify", duration_or_off, "check a cached token that was not known to be alive for so long, or off", "off"
    ),
    Setting("deadline", deadline, "time for the whole command, such as 30s", "30s", flag=True),
    Setting("slots", whole(1, 1000), "how many tokens the callers share, when not one for each client of the pool"),
    Setting("slot", whole(0, 999_999), "which of the tokens this caller uses, when the CI system's job does not say"),
    Setting("strict", yes_or_no, "fail when the cache that machines share is down, in place of asking alone", "no"),
    Setting("helper_hosts", hosts, "more hosts that a helper answers for, each HOST or HOST:PORT"),
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
