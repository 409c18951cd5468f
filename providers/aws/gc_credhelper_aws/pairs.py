"""From what a store holds to client id and secret, and back: a JSON object, or plain text of one of four shapes.

client_id=…            lines NAME=VALUE, as in a dotenv file, with the names of the fields
client_secret=…
8c9c7a5e-…             two lines, id and secret
s3cr3t…
8c9c7a5e-…:s3cr3t…     one line, as in HTTP Basic
s3cr3t…                the secret alone, when aws.client_id says the id
"""

import io
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from gc_credhelper.credentials import ClientCredentials, Secret
from gc_credhelper.errors import CredentialsError
from gc_credhelper.report import Report

_SHAPE = 'store {"client_id": "…", "client_secret": "…"}, or set aws.client_id when it holds the secret alone'
_NAMES = "write it, or name the fields with aws.id_field and aws.secret_field"


@dataclass(frozen=True, slots=True)
class Shape:
    """The names of the two fields, and the id when a setting says it."""

    id_field: str
    secret_field: str
    client_id: str | None

    @classmethod
    def of(cls, settings: Mapping[str, Any]) -> "Shape":
        """From the rows `PAIR`."""
        return cls(settings["aws.id_field"], settings["aws.secret_field"], settings["aws.client_id"])

    def check(self, credentials: ClientCredentials) -> None:
        """CredentialsError when they are of another client than the setting says."""
        if self.client_id not in (None, credentials.client_id):
            hint = "mend or unset aws.client_id"
            raise CredentialsError(f"this is another client than aws.client_id says ({self.client_id})", hint=hint)


def pair(content: str, what: str, shape: Shape, report: Report) -> ClientCredentials:
    """`content`: what lies there; `what`: its name in messages. CredentialsError."""
    content = content.strip().removeprefix("\ufeff").strip()
    if not content:
        raise CredentialsError(f"the {what} is empty", hint=_SHAPE)
    if content.startswith(("{", "[", '"')):
        return _of_fields(_object(content, what), what, shape, report)
    fields = _lines(content)
    if shape.secret_field in fields:
        return _of_fields(fields, what, shape, report)
    if shape.client_id:
        return ClientCredentials(shape.client_id, Secret(content))
    parts = [line.strip() for line in content.splitlines() if line.strip()]
    if len(parts) == 1:
        parts = content.split(":", 1)
    if len(parts) != 2:  # noqa: PLR2004  # id and secret
        raise CredentialsError(f"the {what} holds no client id and client secret", hint=_SHAPE)
    return ClientCredentials(parts[0].strip(), Secret(parts[1].strip()))


def text_of(raw: bytes, what: str) -> str:
    """The text of a binary value."""
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise CredentialsError(f"the {what} is binary, and no UTF-8 text", hint=_SHAPE) from None


def merged(content: str | None, shape: Shape, credentials: ClientCredentials) -> str:
    """JSON with both halves; the other fields of a JSON object that lies there stay."""
    fields: dict[str, object] = {}
    if content:
        try:
            found = json.loads(content)
        except (ValueError, RecursionError):
            found = None
        fields = found if isinstance(found, dict) else {}
    fields |= {shape.id_field: credentials.client_id, shape.secret_field: credentials.client_secret.reveal()}
    return json.dumps(fields, ensure_ascii=False)


def _of_fields(fields: Mapping[str, object], what: str, shape: Shape, report: Report) -> ClientCredentials:
    client_id = shape.client_id
    if not client_id or shape.id_field in fields:
        client_id = _field(fields, shape.id_field, what, report)
    if shape.client_id and client_id != shape.client_id:
        hint = "mend or unset aws.client_id"
        raise CredentialsError(f"the {what} is of another client than aws.client_id says", hint=hint)
    return ClientCredentials(client_id, Secret(_field(fields, shape.secret_field, what, report)))


def _field(fields: Mapping[str, object], name: str, what: str, report: Report) -> str:
    if name not in fields:
        raise CredentialsError(f"the {what} has no field {name}", hint=_NAMES)
    value = fields[name]
    if not isinstance(value, str):
        raise CredentialsError(f"the field {name} of the {what} is not a text", hint="put it in quotation marks")
    if not value.strip():
        raise CredentialsError(f"the field {name} of the {what} is empty", hint="write it again")
    if value != value.strip():
        report.warn(f"white space around the field {name} of the {what} was removed")
    return value.strip()


def _object(content: str, what: str) -> dict[str, object]:
    try:
        found = json.loads(content)
    except json.JSONDecodeError as e:
        where = f"line {e.lineno}, column {e.colno}"
        raise CredentialsError(f"the {what} is not JSON ({where})", hint="check quotes and commas") from None
    except (ValueError, RecursionError):
        raise CredentialsError(f"the {what} is JSON beyond measure", hint=_SHAPE) from None
    if not isinstance(found, dict):
        raise CredentialsError(f"the {what} is JSON, but not an object", hint=_SHAPE)
    return found


def _lines(content: str) -> dict[str, str | None]:
    from dotenv.parser import parse_stream  # dotenv_values logs what it cannot read, and expands

    return {line.key: line.value for line in parse_stream(io.StringIO(content)) if line.key}
