"""Handed: what another program is given in its environment, and what is taken out of it.

GENESYSCLOUD_ACCESS_TOKEN and GENESYSCLOUD_REGION are what the `gc` CLI and CX as Code read; no official tool reads a
ready token by any other name.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from .env import FAMILIES
from .plugins import Reference
from .regions import Endpoints, Region, find

TOKEN, REGION = "GENESYSCLOUD_ACCESS_TOKEN", "GENESYSCLOUD_REGION"
CONSUMERS = ("terraform", "gc")
_PROGRAMS = {"gc": "gc", "terraform": "terraform", "tofu": "terraform", "terragrunt": "terraform"}
# Of these the two tools take no common spelling: gc knows no name with hyphens, CX as Code no domain.
DIVIDED = ("me-central-1", "ap-northeast-3", "eu-central-2")


def consumer_of(program: str) -> str | None:
    """Which of the consumers a program is, by its name; None for any other, such as one that runs them."""
    return _PROGRAMS.get(program.rpartition("/")[2])


@dataclass(frozen=True, slots=True)
class Where:
    """The region of a token, as far as it has one."""

    row: Region | None
    api_url: str | None

    @classmethod
    def of(cls, endpoints: Endpoints) -> "Where":
        """`endpoints` outside the table, such as a gateway's or the sandbox's, have no region."""
        row = find(urlsplit(endpoints.token_url).hostname or "")
        return cls(row if row and endpoints.token_url == row.token_url else None, endpoints.api_url)

    def spelled(self, consumer: str | None) -> str | None:
        """As the consumer takes it. Without one, as both do, or for three regions as CX as Code does.

        The sandbox's is `localhost:PORT`, which puts gc into its test mode.
        """
        if self.row:
            return self.row.domain if consumer == "gc" else self.row.aws
        parts = urlsplit(self.api_url or "")
        return f"localhost:{parts.port}" if parts.hostname in ("localhost", "127.0.0.1") and parts.port else None

    @property
    def is_divided(self) -> bool:
        """Does one spelling not serve both tools?"""
        return self.row is not None and self.row.aws in DIVIDED


def variables(token: str, where: Where, consumer: str | None = None) -> dict[str, str]:
    """What a program reads."""
    region = where.spelled(consumer)
    return {TOKEN: token} | ({REGION: region} if region else {})


def without_secrets(environ: Mapping[str, str], settings: Mapping[str, Any]) -> dict[str, str]:
    """The environment without any client secret; the ids stay, so that a nested call finds the cached token.

    `settings`: name the prefixes that the provider env reads, one for each client of a pool.
    """
    written = [Reference.parse(one) for one in settings["provider"]]
    prefixes = [settings.get("env.prefix"), *(one.reference for one in written if one.name == "env")]
    names = [secret for _, secret in FAMILIES]
    names += [f"{own.removesuffix('_')}_CLIENT_SECRET" for own in prefixes if own]
    gone = {name + suffix for name in names for suffix in ("", "_FILE")}
    return {name: value for name, value in environ.items() if name not in gone}
