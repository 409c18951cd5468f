"""The provider `file`: client id and secret from a JSON or dotenv file, or from a directory that holds one file each.

A directory with the files `client_id` and `client_secret` is what Kubernetes and Docker mount for a secret.
"""

import io
import json
import os
from pathlib import Path
from typing import ClassVar

from .credentials import ClientCredentials, Secret, check_client_id
from .deadline import Deadline
from .env import FAMILIES
from .errors import CredentialsError, UsageError
from .reading import read_file, trimmed
from .roles import Context
from .settings import Setting, text

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
        if path.startswith("~"):
            self._inputs.env("HOME")
        self._path = Path(os.path.expanduser(path))  # noqa: PTH111  # Path.expanduser raises for an unknown user

    def client_id(self) -> str | None:
        """The id, from the file; the secret beside it is not kept."""
        return check_client_id(self._half(0))

    def credentials(self, deadline: Deadline) -> ClientCredentials:
        """Both halves; CredentialsError that names the missing one."""
        del deadline
        return ClientCredentials(check_client_id(self._half(0)), Secret(self._half(1)))

    def _half(self, index: int) -> str:
        what = ("client_id", "client_secret")[index]
        if os.path.isdir(self._path):  # noqa: PTH112  # Path.is_dir raises for a name that is too long
            path = self._path / what
            return trimmed(read_file(str(path), f"the file {path}", self._inputs), f"the file {path}", self._report)
        pairs = self._pairs(read_file(str(self._path), f"the file {self._path}", self._inputs))
        begun = [names for names in _NAMES if pairs.keys() & {*names}]
        if not begun:
            raise CredentialsError(
                f"{self._path} has no client_id and client_secret",
                hint='write {"client_id": "…", "client_secret": "…"}, or the two as lines NAME=VALUE',
            )
        names = next((names for names in begun if pairs.keys() >= {*names}), begun[0])
        value = pairs.get(names[index])
        if not isinstance(value, str) or not value.strip():
            raise CredentialsError(f"{self._path} has no {names[index]}", hint="it needs both halves, as texts")
        return trimmed(value, f"{names[index]} in {self._path}", self._report)

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
