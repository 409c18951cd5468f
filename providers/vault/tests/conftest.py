"""Fixtures: a clean machine, one OpenBao server for all tests, a namespace of it for each."""

import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from gc_credhelper.deadline import Deadline
from gc_credhelper.sandbox.options import Options
from gc_credhelper.sandbox.server import SandboxThread
from support import PASSED_ON, Machine
from support.hunting import Built, hunt, soon
from support.scripted import ScriptedServer
from vaultkit import ID, SECRET, Realm, answers, build, free_port, make_realm, running

from gc_credhelper_vault.cache import VaultCache
from gc_credhelper_vault.provider import VaultProvider

FOREIGN = ("GC_", "GENESYS", "PURECLOUD", "XDG_", "HTTP", "NO_PROXY", "http", "no_proxy", "VAULT_", "BAO_", "ACTIONS_")


def pytest_configure() -> None:
    """A runner that was started in the background ignores signals, and would have all of its children do so."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


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
        if name.startswith(FOREIGN) and not name.startswith((*PASSED_ON, "GC_CREDHELPER_REQUIRE_REAL")):
            monkeypatch.delenv(name)
    for name in ("RUNNER_TEMP", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))


@pytest.fixture(autouse=True)
def no_secret_is_shown(capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """Neither in what is printed nor in what the libraries log of our requests."""
    yield
    out, err = capfd.readouterr()
    hunt(out + err)
    hunt("\n".join(record.getMessage() for record in caplog.records))


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a development server; its root token is `root-canary`."""
    addr = f"http://127.0.0.1:{free_port()}"
    argv = (
        "server",
        "-dev",
        "-dev-root-token-id=root-canary",
        f"-dev-listen-address={addr[7:]}",
        "-dev-no-store-token",
    )
    with running(tmp_path_factory.mktemp("bao"), *argv, ready=answers(f"{addr}/v1/sys/health")):
        yield addr


@pytest.fixture
def realm(server: str) -> Realm:
    """A namespace of its own, with one secret."""
    return make_realm(server, "root-canary")


Read = Callable[..., tuple[str, str]]


@pytest.fixture
def provider(tmp_path: Path) -> Callable[..., Built]:
    """Builds the provider for `secret/ci/genesys` from variables and settings."""
    return lambda env, **settings: build(VaultProvider, env, tmp_path, **{"secret": "secret/ci/genesys", **settings})


@pytest.fixture
def read(provider: Callable[..., Built]) -> Read:
    """Id and secret as the provider reads them."""

    def ask(env: dict[str, str], *, deadline: Deadline | None = None, **settings: object) -> tuple[str, str]:
        found = provider(env, **settings).plugin.credentials(deadline or soon())
        return found.client_id, found.client_secret.reveal()

    return ask


@pytest.fixture
def cache(tmp_path: Path) -> Callable[..., Any]:
    """Builds the cache for `gc-cache/ci` from variables and settings."""
    return lambda env, **settings: build(VaultCache, env, tmp_path, **{"cache": "gc-cache/ci", **settings}).plugin


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    """A user's account without any configuration."""
    (tmp_path / "home").mkdir()
    return Machine(tmp_path / "home")


@pytest.fixture
def sandbox() -> Iterator[SandboxThread]:
    """A Genesys-like login and API that knows the client of the secret."""
    with SandboxThread(Options(clients=((ID, SECRET),))) as running_sandbox:
        yield running_sandbox


@pytest.fixture
def scripted() -> Iterator[ScriptedServer]:
    """A server that answers what a test wrote."""
    with ScriptedServer() as one:
        yield one
