"""Fixtures: a clean machine, one desktop session for all tests, and one of its own for a test that breaks it."""

import itertools
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from gc_credhelper.sandbox.options import Options
from gc_credhelper.sandbox.server import SandboxThread
from keyringkit import ID, SECRET, Desktop, build, desktop
from support import PASSED_ON, Machine
from support.hunting import Built, hunt

from gc_credhelper_keyring import keyrings
from gc_credhelper_keyring.cache import KeyringCache
from gc_credhelper_keyring.provider import KeyringProvider

FOREIGN = ("GC_", "GENESYS", "PURECLOUD", "XDG_", "HTTP", "NO_PROXY", "http", "no_proxy", "DBUS_", "PYTHON_KEYRING")
_numbers = itertools.count(1)


@pytest.fixture(autouse=True)
def clean_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No test sees the account, and no test the keyring, of whoever runs it."""
    for name in list(os.environ):
        if name.startswith((*FOREIGN, "KEYRING_")) and not name.startswith((*PASSED_ON, "GC_CREDHELPER_REQUIRE_REAL")):
            monkeypatch.delenv(name)
    for name in ("RUNNER_TEMP", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE", "DISPLAY", "WAYLAND_DISPLAY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setattr(keyrings, "_hung", {})


@pytest.fixture(autouse=True)
def no_secret_is_shown(capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """Neither in what is printed nor in what the libraries log."""
    yield
    out, err = capfd.readouterr()
    hunt(out + err)
    hunt("\n".join(record.getMessage() for record in caplog.records))


@pytest.fixture(scope="session")
def shared_session() -> Iterator[Desktop]:
    with desktop() as one:
        yield one


@pytest.fixture
def session(shared_session: Desktop) -> Desktop:
    """A desktop whose keyring is unlocked, and stays so; one that has ended by itself is started again."""
    shared_session.revive()
    return shared_session


@pytest.fixture
def own_session() -> Iterator[Desktop]:
    """A desktop that the test may lock, stop and end."""
    with desktop() as one:
        yield one


@pytest.fixture
def service() -> str:
    """A service name that no other test uses."""
    return f"test-{os.getpid()}-{next(_numbers)}-"


@pytest.fixture
def provider(tmp_path: Path, service: str) -> Callable[..., Built]:
    """Builds the provider from variables and settings."""
    return lambda env, **settings: build(KeyringProvider, env, tmp_path, **{"service": service, **settings})


@pytest.fixture
def cache(tmp_path: Path, service: str) -> Callable[..., Any]:
    """Builds the cache from variables and settings."""
    return lambda env, **settings: build(KeyringCache, env, tmp_path, **{"cache": service, **settings}).plugin


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    """A user's account without any configuration."""
    (tmp_path / "home").mkdir()
    return Machine(tmp_path / "home")


@pytest.fixture
def sandbox() -> Iterator[SandboxThread]:
    """A Genesys-like login and API that knows the client of the item."""
    with SandboxThread(Options(clients=((ID, SECRET),))) as running:
        yield running
