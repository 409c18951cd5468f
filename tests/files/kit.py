"""An entry without a server: caches in a directory of the test, a clock to turn, an exchange to script."""

import time
from collections.abc import Callable, Sequence
from pathlib import Path

from gc_credhelper.deadline import Deadline
from gc_credhelper.entry import Entry, Whose
from gc_credhelper.filecache import FileCache
from gc_credhelper.liveness import Liveness
from gc_credhelper.memory import MemoryCache
from gc_credhelper.plan import Inputs
from gc_credhelper.private import PrivateDir
from gc_credhelper.report import Report
from gc_credhelper.roles import CacheBackend, Context
from gc_credhelper.source import TokenSource
from gc_credhelper.tokens import AccessToken

HOUR = 3600.0


class Said(Report):
    """Keeps what is said."""

    def __init__(self) -> None:
        super().__init__(verbosity=1)
        self.warnings: list[str] = []
        self.notes: list[str] = []

    def _write(self, kind: str, text: str) -> None:
        {"warning": self.warnings, "note": self.notes}[kind].append(text)


class Clock:
    """The wall clock, ahead by as much as a test says."""

    def __init__(self) -> None:
        self.ahead = 0.0

    def __call__(self) -> float:
        """Read it."""
        return time.time() + self.ahead


class Bench:
    """Everything about one client."""

    def __init__(self, directory: Path, client_id: str) -> None:
        self.directory = PrivateDir(f"+{directory}")
        self.path = directory
        self.said = Said()
        self.clock = Clock()
        self.whose = Whose("http://127.0.0.1/oauth/token", "basic", client_id)
        self.lifetime = HOUR
        self.issued = 0
        self.fails: Exception | None = None
        self.verify = 0.0
        self.says: Exception | str | None = client_id  # the Platform API, of any token
        self.checked: list[str] = []

    def file_cache(self, named: Path | None = None) -> FileCache:
        """One in the common directory, or in another."""
        settings = {"file.directory": str(named) if named else None}
        return FileCache(Context(settings, Inputs([], {}), self.said, self.directory))

    def memory_cache(self) -> MemoryCache:
        """The one of this process."""
        return MemoryCache(Context({}, Inputs([], {}), self.said, self.directory))

    def entry(self, *caches: tuple[str, CacheBackend]) -> Entry:
        """In a file cache, unless there are others."""
        return Entry(self.whose, caches or [("file", self.file_cache())], self.directory, self.said)

    def token(self, value: str, *, age: float = 0.0, lifetime: float = HOUR) -> AccessToken:
        """Issued `age` seconds ago by the clock."""
        at = self.clock() - age
        return AccessToken(value, at, at + lifetime)

    def exchange(self, *_: object) -> AccessToken:
        """The next token: new-1, new-2, …"""
        self.issued += 1
        if self.fails:
            raise self.fails
        return self.token(f"new-{self.issued}", lifetime=self.lifetime)

    def client_of(self, token: str, _: Deadline) -> str | None:
        """Whose the token is."""
        self.checked.append(token)
        if isinstance(self.says, Exception):
            raise self.says
        return self.says

    def source(
        self,
        *caches: tuple[str, CacheBackend],
        fetch: Callable[[Entry, Deadline], AccessToken] | None = None,
        reopen: Callable[[str], Entry] | None = None,
        seconds: float = 60,
        min_ttl: float = 0,
    ) -> TokenSource:
        """Asks `exchange` unless told otherwise."""
        entry = self.entry(*caches)
        return TokenSource(
            find=lambda _: entry,
            reopen=reopen or (lambda _: entry),
            fetch=lambda entry, _, deadline: (fetch or self.exchange)(entry, deadline),
            seconds=seconds,
            min_ttl=min_ttl,
            liveness=Liveness(self.verify, self.client_of, self.said, self.clock),
            report=self.said,
            clock=self.clock,
        )

    def files(self, suffix: str) -> Sequence[Path]:
        """Those of that kind."""
        return [*self.path.glob(f"*{suffix}")]
