"""Fixtures for all tests: a clean machine, a sandbox, a scripted token server."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from support import PASSED_ON, Machine
from support.scripted import ScriptedServer

from gc_credhelper.sandbox.options import Options
from gc_credhelper.sandbox.server import SandboxThread

FOREIGN = ("GC_CREDHELPER_", "GENESYS", "PURECLOUD", "XDG_", "HTTP", "NO_PROXY", "http", "no_proxy", "VAULT_", "AWS_")


def pytest_configure() -> None:
    """A runner that was started in the background ignores signals, and would have all of its children do so."""
    for number, handler in ((signal.SIGINT, signal.default_int_handler), (signal.SIGHUP, signal.SIG_DFL)):
        if signal.getsignal(number) is signal.SIG_IGN:
            signal.signal(number, handler)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """The figures' counts run only when they are asked for."""
    if config.option.markexpr:
        return
    kept = [item for item in items if not item.get_closest_marker("soak")]
    config.hook.pytest_deselected(items=[item for item in items if item.get_closest_marker("soak")])
    items[:] = kept


@pytest.fixture(autouse=True)
def clean_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No test sees the account of whoever runs it."""
    for name in list(os.environ):
        if name.startswith(FOREIGN) and not name.startswith(PASSED_ON):
            monkeypatch.delenv(name)
    for name in ("RUNNER_TEMP", "AGENT_TEMPDIRECTORY", "WORKSPACE_TMP", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.delenv("SSL_CERT_FILE", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    """A user's account without any configuration."""
    (tmp_path / "home").mkdir(exist_ok=True)
    return Machine(tmp_path / "home")


@pytest.fixture
def sandbox() -> Iterator[SandboxThread]:
    """A Genesys-like login and API."""
    with SandboxThread(Options()) as server:
        yield server


@pytest.fixture
def scripted() -> Iterator[ScriptedServer]:
    """A token server; set `.answers` before it is asked."""
    with ScriptedServer() as server:
        yield server
