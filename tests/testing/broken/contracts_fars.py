"""The contract, asked of each of broken_fars."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from gc_credhelper.testing import FarCacheContract, FarCase


class Contract(FarCacheContract):
    patience, slack, fleet = 0.5, 1.5, 4
    name = "good"

    @pytest.fixture
    def case(self, tmp_path: Path) -> Iterator[FarCase]:
        shared, locked, variable = tmp_path / "shared.db", tmp_path / "locked.db", "GC_CREDHELPER_SQLITE_PATH"

        def end(key: str) -> None:
            with closing(sqlite3.connect(shared)) as database, database:
                database.execute("UPDATE entry SET text = '' WHERE key = ?", (key,))

        with closing(sqlite3.connect(locked)) as database:
            database.execute("BEGIN EXCLUSIVE")
            yield FarCase(
                name=self.name,
                env={variable: str(shared)},
                unreachable={variable: str(tmp_path / "no" / "such.db")},
                silent={variable: str(locked)},
                read_only={"GC_CREDHELPER_SQLITE_READ_ONLY": "yes"},
                end=end,
            )


class TestGood(Contract):
    pass


for _number in range(1, 24):
    globals()[f"TestF{_number}"] = type(f"TestF{_number}", (Contract,), {"name": f"f{_number}"})
