"""Writing the two halves into a secret: beside its other fields, and never over what was not seen before."""

from typing import TYPE_CHECKING, Any

from gc_credhelper.deadline import Deadline
from gc_credhelper.errors import CredentialsError, TemporaryError, UsageError

from .cache import LOST
from .client import Client
from .errors import Refused, meaning
from .kv import Place, metadata_of

if TYPE_CHECKING:
    import hvac

_BAD_REQUEST, _FORBIDDEN, _NOT_FOUND = 400, 403, 404
_VERSIONED = 2


def write_fields(client: Client, place: Place, fields: dict[str, str], deadline: Deadline, *, replace: bool) -> None:
    """Add them to the secret, or make it. CredentialsError when it has one of them and `replace` is not said.

    Version 2 mounts take the write only if nobody else wrote since we looked; version 1 mounts cannot tell.
    """
    version, there = _look(client, place, deadline)
    if there.keys() & fields.keys() and not replace:
        hint = "with --replace they are replaced, and the other fields of the secret stay"
        raise CredentialsError(f"the secret {place} holds a client id or secret already", hint=hint)
    whole = {**there, **fields}

    def write(hvac: "hvac.Client") -> Any:
        if place.version == _VERSIONED:
            return hvac.secrets.kv.v2.create_or_update_secret(place.path, whole, cas=version, mount_point=place.mount)
        return hvac.secrets.kv.v1.create_or_update_secret(
            place.path,
            whole,
            method="POST",
            mount_point=place.mount,  # or the library would read first
        )

    try:
        client.ask(write, deadline)
    except Refused as e:
        if e.status == _BAD_REQUEST and LOST in e.said.splitlines():
            hint = "look at what was written, then try again"
            raise TemporaryError(f"the secret {place} was written by somebody else just now", hint=hint) from None
        if e.status == _FORBIDDEN:
            hint = "log in as somebody whose policy has create and update there"
            raise CredentialsError(f"Vault does not let this login write the secret {place} (403)", hint=hint) from None
        raise meaning(e, f"secret {place}") from None


def _look(client: Client, place: Place, deadline: Deadline) -> tuple[int, dict[str, object]]:
    """The version to replace, and the fields that lie there. A version that was deleted has none, and counts."""

    def read(hvac: "hvac.Client") -> Any:
        if place.version == _VERSIONED:
            return hvac.secrets.kv.v2.read_secret_version(
                place.path, mount_point=place.mount, raise_on_deleted_version=True
            )
        return hvac.secrets.kv.v1.read_secret(place.path, mount_point=place.mount)

    try:
        answer = client.ask(read, deadline)
    except Refused as e:
        if e.status == _NOT_FOUND and (metadata := metadata_of(e.body)):
            return metadata["version"], {}
        if e.status == _NOT_FOUND and e.said == "[]":
            return 0, {}
        raise meaning(e, f"secret {place}") from None
    data, metadata = answer.get("data"), metadata_of(answer)
    if place.version == _VERSIONED:
        data = data.get("data") if isinstance(data, dict) and metadata else None
    if not isinstance(data, dict):
        hint = f"is {place.mount} a KV version {place.version} mount? Check vault.kv_version"
        raise UsageError(f"Vault's answer holds no secret {place}", hint=hint)
    return metadata["version"] if metadata else 0, data
