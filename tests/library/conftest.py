"""Fixtures of the library's tests: a source of a sandbox's client, and a way to send."""

from collections.abc import Callable, Iterator

import pytest
from support import Machine

from gc_credhelper.library import token_source
from gc_credhelper.sandbox.options import Options
from gc_credhelper.sandbox.server import SandboxThread
from gc_credhelper.source import TokenSource

from .kit import SENDERS, Send, variables

Source = Callable[..., TokenSource]


@pytest.fixture
def source_of(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> Source:
    """A TokenSource of the sandbox's client, in this process."""

    def build(sandbox: SandboxThread, **settings: object) -> TokenSource:
        for name, value in variables(sandbox).items():
            monkeypatch.setenv(name, value)
        return token_source(**settings)  # type: ignore[arg-type]  # profile is one of them

    return build


@pytest.fixture(params=SENDERS)
def sender(request: pytest.FixtureRequest) -> Callable[[TokenSource], Send]:
    """Each library in turn."""
    return SENDERS[request.param]


@pytest.fixture
def refused() -> Iterator[SandboxThread]:
    """Its API refuses the first token."""
    with SandboxThread(Options(fail=["idle-death:1"])) as sandbox:
        yield sandbox
