"""Fixtures for the tests of input."""

from pathlib import Path

import pytest

from inputs.kit import Shell


@pytest.fixture
def shell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Shell:
    """The command in this process, with an account of its own."""
    home = tmp_path / "home"
    home.mkdir(exist_ok=True)
    return Shell(home, monkeypatch, capfd)
