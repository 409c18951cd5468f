"""A far cache in memory, whose clock a test can move and whose steps it can break."""

import threading
import time
from collections.abc import Callable
from typing import ClassVar

from gc_credhelper.deadline import Deadline
from gc_credhelper.record import Record
from gc_credhelper.roles import Context, LostRace, Snapshot
from gc_credhelper.settings import Setting


class Store:
    """Keeps texts with versions; `ahead` moves its clock, `breaks` is asked before each step."""

    far: ClassVar[bool] = True
    settings: ClassVar[tuple[Setting, ...]] = ()
    locator: ClassVar[str | None] = None

    def __init__(self, _: Context | None = None, key: str = "k") -> None:
        """`key`: the one that a test looks at."""
        self._key = key
        self.ahead = 0.0
        self.reads = self.writes = 0
        self.breaks: Callable[[str], None] = lambda _: None
        self._lock = threading.Lock()
        self._kept: dict[str, tuple[int, str, float]] = {}

    def read(self, key: str, deadline: Deadline) -> Snapshot:  # noqa: ARG002  # nothing here takes time
        self.breaks("read")
        with self._lock:
            self.reads += 1
            version, text, at = self._kept.get(key, (0, "", 0.0))
            return Snapshot(version, text, self._now() - at if version else None)

    def compare_and_set(self, key: str, version: int, text: str, deadline: Deadline) -> int:  # noqa: ARG002
        self.breaks("write")
        with self._lock:
            self.writes += 1
            if self._kept.get(key, (0,))[0] != version:
                raise LostRace
            self._kept[key] = (version + 1, text, self._now())
        self.breaks("written")
        return version + 1

    def _now(self) -> float:
        return time.monotonic() + self.ahead

    def record(self) -> Record:
        return Record.load(self._kept[self._key][1])

    def record_exists(self) -> bool:
        return self._key in self._kept

    def put(self, record: Record) -> None:
        self.put_text(record.dump())

    def put_text(self, text: str) -> None:
        version = self._kept.get(self._key, (0,))[0]
        self._kept[self._key] = (version + 1, text, self._now())
