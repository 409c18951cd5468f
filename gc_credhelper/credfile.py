"""The provider `file`: client id and secret from a JSON or dotenv file, or from a directory that holds one file each.

A directory with the files `client_id` and `client_secret` is what Kubernetes and Docker mount for a secret.
"""

import io
import json
import os
from typing import ClassVar

from .credentials import ClientCredentials, Secret, check_client_id
from .deadline import Deadline
from .env import FAMILIES
from .errors import CredentialsError, UsageError
from .kinds import text
from .reading import PATIENCE, expanded, is_stream, read_file, sealed, trimmed
from .roles import Context
from .settings import Setting

_NAMES = (("client_id", "client_secret"), ("clientId", "clientSecret"), ("CLIENT_ID", "CLIENT_SECRET"), *FAMILIES)


class FileProvider:
    """The reference is the path."""

    settings: ClassVar[tuple[Setting, ...]] = (
        Setting("file.path", text, "a JSON or dotenv file, or a directory with client_id and client_secret"),
    )
    locator: ClassVar[str | None] = "file.path"

    def __init__(self, context: Context) -> None:
        """UsageError when no path was given."""
        self._inputs = context.inputs
        self._report = context.report
        path = context.settings["file.path"]
        if not path:
            raise UsageError("the provider file needs a path", hint="--provider file:PATH")
        self._path = expanded(path, context.inputs)

    @sealed
    def client_id(self) -> str | None:
        """The id, from the file; the secret beside it is not kept. None of a pipe, which can be read only once."""
        if is_stream(self._path):
            self._inputs.volatile = True
            return None
        if directory := self._directory():
            return check_client_id(self._part(directory, "client_id", PATIENCE))
        return check_client_id(self._halves(PATIENCE)[0])

    @sealed
    def credentials(self, deadline: Deadline) -> ClientCredentials:
        """Both halves, of one read; CredentialsError that names the missing one."""
        if directory := self._directory():
            client_id, secret = (self._part(directory, name, deadline.left()) for name in _NAMES[0])
        else:
            client_id, secret = self._halves(deadline.left())
        return ClientCredentials(client_id, Secret(secret))

    def _directory(self) -> str:
        """The directory that holds a file for each half; empty when both lie in one file.

        Kubernetes changes a mounted secret by a new directory behind the link `..data`: both halves come out of one.
        """
        if not os.path.isdir(self._path):  # noqa: PTH112  # Path.is_dir raises for a name that is too long
            return ""
        current = os.path.join(self._path, "..data")  # noqa: PTH118
        return os.path.realpath(current) if os.path.isdir(current) else self._path  # noqa: PTH112

    def _part(self, directory: str, name: str, seconds: float) -> str:
        shown = f"the file {os.path.join(self._path, name)}"  # noqa: PTH118
        self._inputs.file(os.path.join(self._path, name))  # noqa: PTH118
        path = os.path.join(directory, name)  # noqa: PTH118
        return trimmed(read_file(path, shown, self._inputs, seconds), shown, self._report)

    def _halves(self, seconds: float) -> tuple[str, str]:
        pairs = self._pairs(read_file(self._path, f"the file {self._path}", self._inputs, seconds))
        begun = [names for names in _NAMES if pairs.keys() & {*names}]
        if not begun:
            raise CredentialsError(
                f"{self._path} has no client_id and client_secret",
                hint='write {"client_id": "…", "client_secret": "…"}, or the two as lines NAME=VALUE',
            )
        names = next((names for names in begun if pairs.keys() >= {*names}), begun[0])
        client_id, secret = (self._half(pairs, name) for name in names)
        return check_client_id(client_id), secret

    def _half(self, pairs: dict[str, object], name: str) -> str:
        value = pairs.get(name)
        if not isinstance(value, str) or not value.strip():
            raise CredentialsError(f"{self._path} has no {name}", hint="it needs both halves, as texts")
        return trimmed(value, f"{name} in {self._path}", self._report)

    def _pairs(self, content: str) -> dict[str, object]:
        if content.lstrip().startswith("{"):
            try:
                return dict(json.loads(content))
            except (ValueError, RecursionError) as e:
                where = (
                    f"line {e.lineno}, column {e.colno}" if isinstance(e, json.JSONDecodeError) else "beyond measure"
                )
                raise CredentialsError(f"{self._path} is not JSON ({where})", hint="check quotes and commas") from None
        from dotenv.parser import parse_stream  # dotenv_values logs what it cannot read, and expands

        return {line.key: line.value for line in parse_stream(io.StringIO(content)) if line.key}
