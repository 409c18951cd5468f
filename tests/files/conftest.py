"""The bench."""

import uuid
from pathlib import Path

import pytest

from .kit import Bench


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    """A client of its own, so that no test meets another's in the memory cache."""
    return Bench(tmp_path / "cache", str(uuid.uuid4()))
