"""The two roles of a plug-in, and what a plug-in is built from."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, ClassVar, Protocol, Self

from .credentials import ClientCredentials
from .deadline import Deadline
from .errors import CredentialsError, Error
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


class WritableProvider(CredentialProvider, Protocol):
    """One whose store `gc-credhelper store` may write to."""

    def store(self, credentials: ClientCredentials, deadline: Deadline, *, replace: bool) -> str:
        """Put both halves where `credentials` will find them, and return where that is, for people.

        CredentialsError when a pair lies there and `replace` is not said, or when the store does not let us; nothing is
        lost then. TemporaryError.
        """


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


@dataclass(frozen=True, slots=True)
class Snapshot:
    """An entry of a far cache as one read saw it.

    `version`: grows with every write, 0 when there is none; the next compare-and-set must name it. `text`: what lies
    there, empty when nothing does. `age`: seconds since the write by the store's own clocks, None when it did not say.
    """

    version: int
    text: str = field(repr=False)
    age: float | None


class LostRace(Exception):
    """A compare-and-set named a version that is no longer the newest."""


class Denied(Error):
    """The store knows us and does not let us do this: a cache that may only be read."""

    exit_code = CredentialsError.exit_code


class VersionedStore(Protocol):
    """What the lease needs: a version per entry, and a compare-and-set.

    Reads that are stale are allowed, a compare-and-set that is not exact is not. Raises TemporaryError when the store
    cannot be reached, is sealed or throttles (a write may then have happened or not), Denied when the caller may not,
    another Error when the configuration is wrong.
    """

    def read(self, key: str, deadline: Deadline) -> Snapshot:
        """What lies under the key now, or did a moment ago."""

    def compare_and_set(self, key: str, version: int, text: str, deadline: Deadline) -> int:
        """Write if `version` is still the newest (0: there is none), and return the new one. LostRace otherwise."""


class FarCache(VersionedStore, Protocol):
    """Role 2 for a store that machines share. `far = True` tells it from a CacheBackend; the lease on it is ours."""

    far: ClassVar[bool]
    settings: ClassVar[tuple[Setting, ...]]
    locator: ClassVar[str | None]

    def __init__(self, context: Context) -> None: ...


def is_far(cls: Any) -> bool:
    """Is the class a FarCache?"""
    return bool(getattr(cls, "far", False))


class Level(StrEnum):
    """What a finding means to a `token` of this machine: nothing, what it survives, its failure; SKIP: not tried."""

    OK = "OK"
    WARN = "WARN"
    FAIL = "FAIL"
    SKIP = "SKIP"


@dataclass(frozen=True, slots=True)
class Finding:
    """A line of `doctor`, for people and without any secret. `error`: that of a FAIL, whose exit code becomes ours."""

    level: Level
    text: str
    hint: str = ""
    error: Error | None = field(default=None, repr=False)
    seconds: float | None = None

    @classmethod
    def ok(cls, text: str, *, seconds: float | None = None) -> Self:
        """`seconds`: that it took, when that is not the whole step's."""
        return cls(Level.OK, text, seconds=seconds)

    @classmethod
    def warn(cls, text: str, hint: str) -> Self:
        """`token` survives it. `hint`: what to do."""
        return cls(Level.WARN, text, hint)

    @classmethod
    def failed(cls, error: Error) -> Self:
        """`token` would fail with it."""
        return cls(Level.FAIL, str(error), error.hint, error)


class Examined(Protocol):
    """A plug-in of either role that has more to say to `doctor` than that it works."""

    def findings(self, deadline: Deadline) -> Iterable[Finding]:
        """What it found out about its login, its place and its permissions. An Error that it raises is a FAIL of a
        provider, and of a cache a WARN.
        """
