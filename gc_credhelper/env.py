"""The provider `env`: client id and secret from environment variables, or from the files that they name.

The first complete family wins. The id alone finds a cached token: the secret is asked for when an exchange is needed.
"""

import re
from dataclasses import dataclass
from typing import ClassVar

from .credentials import ClientCredentials, Secret, check_client_id
from .deadline import Deadline
from .errors import CredentialsError, UsageError
from .kinds import text
from .reading import PATIENCE, is_stream, read_file, sealed, trimmed
from .roles import Context
from .settings import Setting

FAMILIES = (
    ("GENESYS_CLOUD_CLIENT_ID", "GENESYS_CLOUD_CLIENT_SECRET"),
    ("GENESYSCLOUD_OAUTHCLIENT_ID", "GENESYSCLOUD_OAUTHCLIENT_SECRET"),
    ("PURECLOUD_CLIENT_ID", "PURECLOUD_CLIENT_SECRET"),
)


def prefix(raw: object) -> str:
    """The beginning of a variable's name, ending in `_`."""
    if not re.fullmatch(r"[A-Za-z_]\w*", text(raw), re.ASCII):
        raise ValueError("must be the beginning of a variable's name, such as MY_ORG")
    return text(raw).removesuffix("_") + "_"


@dataclass(frozen=True, slots=True)
class _Half:
    """One of the two values: the variable that is set, NAME or NAME_FILE; empty when neither is."""

    name: str
    source: str


class EnvProvider:
    """Reads the families of the official tools, or with a reference the pair PREFIX_CLIENT_ID, PREFIX_CLIENT_SECRET."""

    settings: ClassVar[tuple[Setting, ...]] = (
        Setting("env.prefix", prefix, "prefix of the variables …CLIENT_ID and …CLIENT_SECRET"),
    )
    locator: ClassVar[str | None] = "env.prefix"

    def __init__(self, context: Context) -> None:
        """UsageError when a variable and its _FILE twin are both set, or two families name different ids."""
        self._inputs = context.inputs
        self._report = context.report
        families: tuple[tuple[str, str], ...] = FAMILIES
        if own := context.settings["env.prefix"]:
            families = ((f"{own}CLIENT_ID", f"{own}CLIENT_SECRET"),)
        self._pairs = [(self._half(id_), self._half(secret, secret=True)) for id_, secret in families]
        complete = [pair for pair in self._pairs if pair[0].source and pair[1].source]
        candidates = complete or [pair for pair in self._pairs if pair[0].source]
        ids = [self._client_id(pair[0]) for pair in candidates]
        for pair, client_id in zip(candidates, ids, strict=True):
            if client_id != ids[0]:
                raise UsageError(
                    f"{candidates[0][0].source} and {pair[0].source} name different clients",
                    hint="unset one of the two, or choose one with provider env:PREFIX",
                )
        self._chosen = candidates[0] if candidates else None
        self._id = ids[0] if ids else None

    def _half(self, name: str, *, secret: bool = False) -> _Half:
        direct = self._inputs.env(name, secret=secret)
        by_file = self._inputs.env(f"{name}_FILE", secret=secret)  # people put the secret itself there
        if direct and by_file:
            raise UsageError(f"{name} and {name}_FILE are both set", hint="unset one of them")
        return _Half(name, name if direct else f"{name}_FILE" if by_file else "")

    def _client_id(self, half: _Half) -> str:
        return check_client_id(self._read(half, PATIENCE))

    def client_id(self) -> str | None:
        """The id of the family that wins."""
        if self._id is None:
            raise self._missing()
        return self._id

    @sealed
    def credentials(self, deadline: Deadline) -> ClientCredentials:
        """Both halves, read anew; CredentialsError that names the missing one."""
        if not self._chosen or not self._chosen[1].source:
            raise self._missing()
        id_, secret = self._chosen
        if id_.source == id_.name or not is_stream(self._inputs.env(id_.source) or ""):
            self._id = self._client_id(id_)
        return ClientCredentials(self._id or "", Secret(self._read(secret, deadline.left(), secret=True)))

    def _read(self, half: _Half, seconds: float, *, secret: bool = False) -> str:
        by_file = half.source != half.name
        value = self._inputs.env(half.source, secret=secret and not by_file) or ""
        what = half.source
        if by_file:
            what = f"the file that {half.source} names"
            value = read_file(value, what, self._inputs, seconds)
        return trimmed(value, what, self._report)

    def _missing(self) -> CredentialsError:
        for id_, secret in self._pairs:
            if id_.source or secret.source:
                there, gone = (id_, secret) if id_.source else (secret, id_)
                return CredentialsError(
                    f"{there.source} is set, but neither {gone.name} nor {gone.name}_FILE is",
                    hint=f"set {gone.name}; in CI an empty or unset secret is often one that this job may not read",
                )
        names = " and ".join(half.name for half in self._pairs[0])
        return CredentialsError(
            f"no client id and secret in the environment: {names} are not set",
            hint=f"set {names}, or name a provider: --provider file:PATH, --provider vault:mount/path",
        )
