"""KV secrets: where a mount ends and which version it is, and what the answers of both versions look like."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from gc_credhelper.deadline import Deadline
from gc_credhelper.errors import CredentialsError, UsageError

from .client import Client
from .errors import Refused, meaning
from .settings import split

if TYPE_CHECKING:
    import hvac

_NOT_FOUND, _FORBIDDEN = 404, 403


@dataclass(frozen=True, slots=True)
class Place:
    """A mount, the path on it, and the mount's KV version."""

    mount: str
    path: str
    version: int

    def __str__(self) -> str:
        return f"{self.mount}/{self.path}"


def find(client: Client, place: str, deadline: Deadline) -> Place:
    """Ask the store where the mount ends and which version it is, which whoever may touch the path may ask.

    CredentialsError when it does not say, UsageError when it is no KV mount.
    """
    from hvac.utils import format_url

    flat = place.replace("//", "/")
    url = format_url("/v1/sys/internal/ui/mounts/{path}", path=flat)
    try:
        found = client.ask(lambda hvac: hvac.adapter.get(url), deadline).get("data") or {}
    except Refused as e:
        if e.status == _FORBIDDEN:
            raise CredentialsError(
                f"Vault does not say what is mounted at {flat} (403): the token is past its time, the login may not "
                "touch that path, or there is no such mount",
                hint="check the path, the policy and vault.namespace; or set vault.kv_version, and nobody has to ask",
            ) from None
        raise meaning(e, f"mount of {flat}") from None
    mount, kind = str(found.get("path", "")).strip("/"), found.get("type")
    if kind not in ("kv", "generic") or not mount or not flat.startswith(mount + "/"):
        raise UsageError(f"the mount of {flat} is not a KV mount", hint="name a secret on a KV mount, as mount/path")
    options = found.get("options") or {}
    return Place(mount, flat.removeprefix(mount + "/"), 2 if options.get("version") == "2" else 1)


def read_fields(client: Client, place: Place, version: int | None, deadline: Deadline) -> dict[str, object]:
    """The fields of a secret. `version`: of the secret, None for the newest. CredentialsError, UsageError."""
    what = f"secret {place}"
    if version and place.version == 1:
        raise UsageError(
            f"vault.version is set, but {place.mount} is a KV version 1 mount, which keeps one version",
            hint="unset vault.version, or check vault.kv_version",
        )

    def read(hvac: "hvac.Client") -> Any:
        if place.version == 1:
            return hvac.secrets.kv.v1.read_secret(place.path, mount_point=place.mount)
        return hvac.secrets.kv.v2.read_secret_version(
            place.path, version, mount_point=place.mount, raise_on_deleted_version=True
        )

    try:
        answer = client.ask(read, deadline)
    except Refused as e:
        if e.status == _NOT_FOUND and (metadata := metadata_of(e.body)):
            how = "destroyed" if metadata.get("destroyed") else "deleted"
            hint = "write the secret again, or undelete the version; vault.version names another"
            raise CredentialsError(f"version {metadata.get('version')} of the {what} was {how}", hint=hint) from None
        raise meaning(e, what) from None
    data = answer.get("data")
    fields = data.get("data") if place.version == 2 and isinstance(data, dict) else data  # noqa: PLR2004
    if not isinstance(fields, dict):
        hint = f"is {place.mount} a KV version {place.version} mount? Check vault.kv_version"
        raise UsageError(f"Vault's answer holds no {what}", hint=hint)
    return fields


def field_of(fields: dict[str, object], name: str, place: Place) -> str:
    """A field that is a text; CredentialsError that names it when it is not."""
    if name not in fields:
        hint = "write it, or name the fields with vault.id_field and vault.secret_field"
        raise CredentialsError(f"the secret {place} has no field {name}", hint=hint)
    value = fields[name]
    if not isinstance(value, str):
        kind = "a number" if isinstance(value, int | float) and not isinstance(value, bool) else "not a text"
        hint = "write it as a text; Vault rounds numbers that are large"
        raise CredentialsError(f"the field {name} of the secret {place} is {kind}", hint=hint)
    if not value.strip():
        raise CredentialsError(f"the field {name} of the secret {place} is empty", hint="write it again")
    return value


def metadata_of(body: object) -> dict[str, Any] | None:
    """The metadata of a version, as an answer with or without the data holds it (KV version 2)."""
    data = body.get("data") if isinstance(body, dict) else None
    metadata = data.get("metadata") if isinstance(data, dict) else None
    if isinstance(metadata, dict) and isinstance(metadata.get("version"), int):
        return metadata
    return None


def given(place: str, version: int) -> Place:
    """What the settings say, without asking: the mount ends at `//`, else at the first slash."""
    return Place(*split(place), version)
