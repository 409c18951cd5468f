"""The promises of a far cache, kept."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from gc_credhelper.testing import FarCacheContract, FarCase


class TestSqliteCache(FarCacheContract):
    @pytest.fixture
    def case(self, tmp_path: Path) -> Iterator[FarCase]:
        with closing(sqlite3.connect(tmp_path / "locked.db")) as database:
            database.execute("BEGIN EXCLUSIVE")
            yield FarCase(
                name="sqlite",
                env={"SHARED_DATABASE": str(tmp_path / "shared.db")},
                unreachable={"SHARED_DATABASE": str(tmp_path / "no" / "such.db")},
                silent={"SHARED_DATABASE": str(tmp_path / "locked.db")},
                read_only=None,
                end=None,
            )
