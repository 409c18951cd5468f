"""The far cache `sqlite`: one database file on a disk that every machine sees. The reference is the file."""

import sqlite3
from contextlib import closing

from gc_credhelper import TemporaryError, UsageError
from gc_credhelper.deadline import Deadline
from gc_credhelper.roles import Context, LostRace, Snapshot
from gc_credhelper.settings import Setting, text

TABLE = "CREATE TABLE IF NOT EXISTS entry (key TEXT PRIMARY KEY, version INTEGER, text TEXT, written REAL)"
READ = "SELECT version, text, (julianday('now') - written) * 86400 FROM entry WHERE key = ?"
FIRST = "INSERT INTO entry VALUES (?, 1, ?, julianday('now')) ON CONFLICT DO NOTHING"
NEXT = "UPDATE entry SET version = version + 1, text = ?, written = julianday('now') WHERE key = ? AND version = ?"


class SqliteCache:
    far = True
    settings = (Setting("sqlite.path", text, "the database file", platform=("SHARED_DATABASE",)),)
    locator = "sqlite.path"

    def __init__(self, context: Context) -> None:
        self.path = context.settings["sqlite.path"]
        if not self.path:
            raise UsageError("the cache sqlite needs a file", hint="--cache file,sqlite:PATH")

    def read(self, key: str, deadline: Deadline) -> Snapshot:
        rows, _ = self.run(deadline, READ, key)
        return Snapshot(*rows[0]) if rows else Snapshot(0, "", None)

    def compare_and_set(self, key: str, version: int, text: str, deadline: Deadline) -> int:
        statement, *values = (NEXT, text, key, version) if version else (FIRST, key, text)
        _, written = self.run(deadline, statement, *values)
        if not written:
            raise LostRace
        return version + 1

    def run(self, deadline: Deadline, statement: str, *values: object) -> tuple[list[tuple[int, str, float]], int]:
        try:
            with closing(sqlite3.connect(self.path, timeout=deadline.left(), isolation_level=None)) as database:
                database.execute(TABLE)
                done = database.execute(statement, values)
                return done.fetchall(), done.rowcount
        except sqlite3.Error:
            hint = "is the disk mounted, and does another program hold the file?"
            raise TemporaryError(f"the database {self.path} cannot be used", hint=hint) from None
