"""Fixtures: a clean machine, one moto and one dynalite for all tests, names of their own for each."""

import functools
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import botocore.session
import pytest
from awskit import ID, SECRET, build, client, dynalite_server, fresh, make_table, moto_server
from gc_credhelper.sandbox.options import Options
from gc_credhelper.sandbox.server import SandboxThread
from support import PASSED_ON, Machine
from support.hunting import Built, hunt
from support.scripted import ScriptedServer

from gc_credhelper_aws.cache import DynamoCache
from gc_credhelper_aws.provider import AwsProvider
from gc_credhelper_aws.ssm import AwsSsmProvider

FOREIGN = ("GC_", "GENESYS", "PURECLOUD", "XDG_", "HTTP", "NO_PROXY", "http", "no_proxy", "AWS_", "ACTIONS_", "BOTO")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """The figures' counts run only when they are asked for."""
    if config.option.markexpr:
        return
    config.hook.pytest_deselected(items=[item for item in items if item.get_closest_marker("soak")])
    items[:] = [item for item in items if not item.get_closest_marker("soak")]


@pytest.fixture(autouse=True, scope="session")
def models_are_read_once() -> Iterator[None]:
    """The library reads its descriptions of the services anew for each session, which takes most of a test's time."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(botocore.session, "create_loader", functools.cache(botocore.session.create_loader))
        yield


@pytest.fixture(autouse=True)
def clean_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No test sees the account of whoever runs it, and none looks for a machine's role."""
    for name in list(os.environ):
        if name.startswith(FOREIGN) and not name.startswith((*PASSED_ON, "GC_CREDHELPER_REQUIRE_REAL")):
            monkeypatch.delenv(name)
    for name in ("RUNNER_TEMP", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")


@pytest.fixture(autouse=True)
def no_secret_is_shown(capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """Neither in what is printed nor in what the libraries log."""
    yield
    out, err = capfd.readouterr()
    hunt(out + err)
    hunt(caplog.text)


@pytest.fixture(scope="session")
def moto(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of moto's server."""
    with moto_server(tmp_path_factory.mktemp("moto")) as address:
        yield address


@pytest.fixture(scope="session")
def dynalite(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of dynalite."""
    with dynalite_server(tmp_path_factory.mktemp("dynalite")) as address:
        yield address


@pytest.fixture(params=["moto", "dynalite"])
def dynamo(request: pytest.FixtureRequest) -> str:
    """The address of each DynamoDB that there is."""
    address: str = request.getfixturevalue(request.param)
    return address


@pytest.fixture
def table(dynamo: str) -> str:
    """A table of its own on it."""
    return make_table(dynamo)


@pytest.fixture
def operator() -> Callable[..., Any]:
    """The library's own clients."""
    return client


Plug = Callable[..., Built]


@pytest.fixture
def plug(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Plug:
    """Builds a plug-in of a class from variables and settings; in the names of settings `__` is a dot."""

    def make(cls: Any, env: dict[str, str], **settings: object) -> Built:
        for name, value in env.items():
            monkeypatch.setenv(name, value)
        known = {name.replace("__", ".").replace("ssm.", "aws-ssm."): value for name, value in settings.items()}
        return build(cls, tmp_path, known)

    return make


@pytest.fixture
def provider(plug: Plug) -> Plug:
    """Builds the provider `aws`; settings without `aws.`."""
    return lambda env, **settings: plug(AwsProvider, env, **{f"aws__{name}": v for name, v in settings.items()})


@pytest.fixture
def parameters(plug: Plug) -> Plug:
    """Builds the provider `aws-ssm`."""
    return lambda env, **settings: plug(AwsSsmProvider, env, **settings)


@pytest.fixture
def cache(plug: Plug) -> Callable[..., Any]:
    """Builds the cache `dynamodb`."""
    return lambda env, **settings: plug(DynamoCache, env, **settings).plugin


@pytest.fixture
def secret() -> str:
    """A name for a secret."""
    return fresh("ci/genesys")


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
