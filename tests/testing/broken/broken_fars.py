"""The example's far cache, which keeps its promises, and for each promise one that breaks it."""

import json
import os
import re
import sqlite3
import threading
import time
from contextlib import closing, suppress
from pathlib import Path

from gc_credhelper_sqlite import SqliteCache

from gc_credhelper import Error, TemporaryError, UsageError
from gc_credhelper.deadline import Deadline
from gc_credhelper.roles import Context, Denied, LostRace, Snapshot
from gc_credhelper.settings import Setting, text, yes_or_no

_here = threading.Lock()
PATH = SqliteCache.settings[0]


class Good(SqliteCache):
    """With a switch that forbids to write."""

    settings: tuple[Setting, ...] = (  # type: ignore[assignment]  # the example says no more than it has to
        PATH,
        Setting("sqlite.read_only", yes_or_no, "may only read", "no"),
    )

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self.context = context
        self.read_only = context.settings["sqlite.read_only"]

    def compare_and_set(self, key: str, version: int, text: str, deadline: Deadline) -> int:
        if self.read_only:
            raise Denied("this login may only read", hint="use another")
        return super().compare_and_set(key, version, text, deadline)


class F1(Good):
    settings = (*Good.settings, Setting("Sqlite.Mode", text, "anything"))


class F2(Good):
    def __init__(self, context: Context) -> None:
        super().__init__(context)
        with suppress(Error):
            self.run(Deadline(0.1), "SELECT 1")


class F3(Good):
    def read(self, key: str, deadline: Deadline) -> Snapshot:
        found = super().read(key, deadline)
        return found if found.version else Snapshot(0, "null", None)


class F4(Good):
    def compare_and_set(self, key: str, version: int, text: str, deadline: Deadline) -> int:
        return min(4, super().compare_and_set(key, version, text, deadline))


class F5(Good):
    def compare_and_set(self, key: str, version: int, text: str, deadline: Deadline) -> int:
        if text.startswith("{") and not json.loads(text).get("token", "x") and not json.loads(text)["holder"]:
            self.run(deadline, "DELETE FROM entry WHERE key = ? AND version = ?", key, version)
            return version + 1
        return super().compare_and_set(key, version, text, deadline)


class F6(Good):
    def compare_and_set(self, key: str, version: int, text: str, deadline: Deadline) -> int:
        now = super().read(key, deadline).version
        return super().compare_and_set(key, now if now and version > now else version, text, deadline)


class F7(Good):
    def compare_and_set(self, key: str, version: int, text: str, deadline: Deadline) -> int:
        return super().compare_and_set(key, version or super().read(key, deadline).version, text, deadline)


class F8(Good):
    """Looks first, and writes then."""

    def compare_and_set(self, key: str, version: int, text: str, deadline: Deadline) -> int:
        if super().read(key, deadline).version != version:
            raise LostRace
        time.sleep(0.05)
        now = super().read(key, deadline).version
        return super().compare_and_set(key, now, text, deadline)


class F9(F8):
    """The same, under a lock that no other process sees."""

    def compare_and_set(self, key: str, version: int, text: str, deadline: Deadline) -> int:
        with _here:
            return super().compare_and_set(key, version, text, deadline)


class F10(Good):
    def compare_and_set(self, key: str, version: int, text: str, deadline: Deadline) -> int:
        return super().compare_and_set(key, version, text[:40_000], deadline)


class F11(Good):
    def run(self, deadline: Deadline, statement: str, *values: object) -> tuple[list[tuple[int, str, float]], int]:
        cut = [value[:40] if isinstance(value, str) and value.startswith("0f0f") else value for value in values]
        return super().run(deadline, statement, *cut)


class F12(Good):
    def read(self, key: str, deadline: Deadline) -> Snapshot:
        found = super().read(key, deadline)
        return Snapshot(found.version, found.text, 0.0 if found.version else None)


class F13(Good):
    def read(self, key: str, deadline: Deadline) -> Snapshot:
        found = super().read(key, deadline)
        with closing(sqlite3.connect(self.path)) as database:
            (off,) = database.execute("SELECT (julianday('now') - 2440587.5) * 86400").fetchone()
        return Snapshot(found.version, found.text, found.age and found.age + time.time() - off)


class F14(Good):
    def run(self, deadline: Deadline, statement: str, *values: object) -> tuple[list[tuple[int, str, float]], int]:
        if not Path(self.path).parent.exists():
            raise UsageError("there is no such folder", hint="make it")
        return super().run(deadline, statement, *values)


class F15(Good):
    def run(self, deadline: Deadline, statement: str, *values: object) -> tuple[list[tuple[int, str, float]], int]:
        return super().run(Deadline(deadline.left() + 3), statement, *values)


class F16(Good):
    def compare_and_set(self, key: str, version: int, text: str, deadline: Deadline) -> int:
        try:
            return super().compare_and_set(key, version, text, deadline)
        except Denied:
            raise TemporaryError("it was not written", hint="try again") from None


class F17(Good):
    def compare_and_set(self, key: str, version: int, text: str, deadline: Deadline) -> int:
        self.context.report.note(f"writes {text}")
        return super().compare_and_set(key, version, text, deadline)


class F18(Good):
    """Every machine for itself."""

    def run(self, deadline: Deadline, statement: str, *values: object) -> tuple[list[tuple[int, str, float]], int]:
        home = self.context.inputs.env("HOME") or ""
        own = [
            f"{home} {value}" if isinstance(value, str) and re.fullmatch("[0-9a-f]{39,}", value) else value
            for value in values
        ]
        return super().run(deadline, statement, *own)


class F19(Good):
    """Keeps a lock for the time of the lease, which nobody takes from the dead."""

    def compare_and_set(self, key: str, version: int, text: str, deadline: Deadline) -> int:
        lock = f"{self.path}.lock"
        if text.startswith("{") and json.loads(text).get("holder"):
            written = None
            with suppress(FileExistsError):
                os.close(os.open(lock, os.O_CREAT | os.O_EXCL))
                written = super().compare_and_set(key, version, text, deadline)
            if written is None:
                raise TemporaryError("another machine holds the lock", hint="wait for it")
            return written
        with suppress(FileNotFoundError):
            Path(lock).unlink()
        return super().compare_and_set(key, version, text, deadline)


class F20(Good):
    """Saves itself a write that brings no token."""

    leads = False

    def compare_and_set(self, key: str, version: int, text: str, deadline: Deadline) -> int:
        record = json.loads(text) if text.startswith('{"version"') else {}
        if self.leads and not record.get("token"):
            return version + 1
        self.leads = bool(record.get("holder"))
        return super().compare_and_set(key, version, text, deadline)


class F21(Good):
    """Waits for whoever holds the lease."""

    def read(self, key: str, deadline: Deadline) -> Snapshot:
        until = time.monotonic() + 1
        while True:
            found = super().read(key, deadline)
            if not found.text.startswith('{"version"') or not json.loads(found.text)["holder"]:
                return found
            if time.monotonic() > until:
                raise TemporaryError("another machine is at it", hint="wait for it")
            time.sleep(0.05)


class F22(Good):
    """Never lets go of a token."""

    def compare_and_set(self, key: str, version: int, text: str, deadline: Deadline) -> int:
        if '"token": ""' in text and "holder" in text and not json.loads(text)["holder"]:
            return version + 1
        return super().compare_and_set(key, version, text, deadline)


class F23(Good):
    def run(self, deadline: Deadline, statement: str, *values: object) -> tuple[list[tuple[int, str, float]], int]:
        try:
            return super().run(deadline, statement, *values)
        except TemporaryError as e:
            self.context.report.warn(str(e))
            raise
