"""Fixtures: sandboxes that end with their test, and an HTTP session that ignores the environment."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest
import requests

from gc_credhelper.sandbox.options import Options
from gc_credhelper.sandbox.server import SandboxThread

from .kit import new_token


@pytest.fixture
def start() -> Iterator[Callable[..., SandboxThread]]:
    """Start a sandbox with these options."""
    with ExitStack() as stack:

        def enter(**options: Any) -> SandboxThread:
            return stack.enter_context(SandboxThread(Options(**options)))

        yield enter


@pytest.fixture
def sandbox(start: Callable[..., SandboxThread]) -> SandboxThread:
    """Start a sandbox as it comes."""
    return start()


@pytest.fixture
def http() -> Iterator[requests.Session]:
    """Make an HTTP client without proxies and netrc."""
    with requests.Session() as session:
        session.trust_env = False
        yield session


@pytest.fixture
def token(sandbox: SandboxThread, http: requests.Session) -> str:
    """Get a token of the sandbox as it comes."""
    return new_token(http, sandbox)
