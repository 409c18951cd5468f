"""The two roles of a plug-in, and what a plug-in is built from."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol

from .credentials import ClientCredentials
from .deadline import Deadline
from .plan import Inputs
from .private import PrivateDir
from .report import Report
from .settings import Setting


@dataclass(frozen=True, slots=True)
class Context:
    """What a plug-in is built from.

    `settings`: the values of its own rows by name, such as `vault.addr`, the locator among them. `inputs`: asks for
    variables and files, so that a recorded plan knows what it depends on. `directory`: the cache directory.
    """

    settings: Mapping[str, Any]
    inputs: Inputs
    report: Report
    directory: PrivateDir


class CredentialProvider(Protocol):
    """Role 1: where the client id and secret come from.

    The class declares `settings`, its rows named `<plug-in>.<name>`, and `locator`, the name of the row that the
    reference in `provider = "NAME:REFERENCE"` fills, or None.
    """

    settings: ClassVar[tuple[Setting, ...]]
    locator: ClassVar[str | None]

    def __init__(self, context: Context) -> None: ...

    def client_id(self) -> str | None:
        """The id if it is known without asking the store; it finds a cached token. None otherwise."""

    def credentials(self, deadline: Deadline) -> ClientCredentials:
        """Both halves, read anew. CredentialsError, TemporaryError, UsageError."""


class CacheBackend(Protocol):
    """Role 2: keeps opaque text under a key. Any exception is a warning and a miss. `settings`, `locator`: as above."""

    settings: ClassVar[tuple[Setting, ...]]
    locator: ClassVar[str | None]

    def __init__(self, context: Context) -> None: ...

    def get(self, key: str) -> str | None:
        """The text under the key (letters and digits), None when there is none."""

    def put(self, key: str, text: str) -> None:
        """Put the whole text in place at once: a reader sees the old or the new."""

    def remove(self, key: str) -> bool:
        """Delete the text; was there one?"""

    def keys(self) -> list[str]:
        """Every key that can be listed."""
