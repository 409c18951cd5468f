"""What the tests of the library share: one way to send a request with each of the libraries that are served."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Protocol

import httpx
import requests
from support import client

from gc_credhelper import GenesysAuth, httpx_auth
from gc_credhelper.sandbox.server import SandboxThread
from gc_credhelper.source import TokenSource

QUERY = {"interval": "2026-01-01T00:00:00/2026-01-01T01:00:00"}
CONVERSATIONS = "/api/v2/analytics/conversations/details/query"


@dataclass(frozen=True)
class Answer:
    """What a caller sees: the status, and those of the answers before it."""

    status: int
    before: tuple[int, ...] = ()


class Send(Protocol):
    """Sends a request to the URL, or the path of the API, and follows redirects."""

    def __call__(
        self, url: str, *, method: str = "GET", json: object = None, stream: Iterable[bytes] | None = None
    ) -> Answer: ...


def by_requests(source: TokenSource) -> Send:
    auth = GenesysAuth(source)

    def send(url: str, *, method: str = "GET", json: object = None, stream: Iterable[bytes] | None = None) -> Answer:
        with requests.Session() as session:
            session.trust_env = False
            session.auth = auth
            got = session.request(method, whole(source, url), json=json, data=stream, timeout=60)
            return Answer(got.status_code, tuple(one.status_code for one in got.history))

    return send


def by_httpx(source: TokenSource) -> Send:
    auth = httpx_auth.GenesysAuth(source)

    def send(url: str, *, method: str = "GET", json: object = None, stream: Iterable[bytes] | None = None) -> Answer:
        with httpx.Client(**options(auth)) as session:
            got = session.request(method, whole(source, url), json=json, content=stream)
            return Answer(got.status_code, tuple(one.status_code for one in got.history))

    return send


def by_httpx_async(source: TokenSource) -> Send:
    auth = httpx_auth.GenesysAuth(source)

    def send(url: str, *, method: str = "GET", json: object = None, stream: Iterable[bytes] | None = None) -> Answer:
        async def main() -> Answer:
            async with httpx.AsyncClient(**options(auth)) as session:
                content = None if stream is None else slowly(stream)
                got = await session.request(method, whole(source, url), json=json, content=content)
                return Answer(got.status_code, tuple(one.status_code for one in got.history))

        return asyncio.run(main())

    return send


SENDERS: dict[str, Callable[[TokenSource], Send]] = {
    "requests": by_requests,
    "httpx": by_httpx,
    "httpx-async": by_httpx_async,
}


def options(auth: httpx.Auth) -> dict[str, Any]:
    """Of a client of httpx; a hundred connections on a slow machine take their time."""
    limits = httpx.Limits(max_connections=100)
    return {"auth": auth, "trust_env": False, "follow_redirects": True, "timeout": 60, "limits": limits}


def whole(source: TokenSource, url: str) -> str:
    """The URL of a path of the API."""
    return source.api_url + url if url.startswith("/") else url


async def slowly(parts: Iterable[bytes]) -> AsyncIterator[bytes]:
    for part in parts:
        yield part


def parts() -> Iterator[bytes]:
    """A body that can be read only once."""
    yield b'{"interval": '
    yield b'"2026-01-01T00:00:00/2026-01-01T01:00:00"}'


def variables(sandbox: SandboxThread) -> dict[str, str]:
    """Those that reach it and its API."""
    return client(sandbox, GC_CREDHELPER_API_URL=sandbox.api_url)
