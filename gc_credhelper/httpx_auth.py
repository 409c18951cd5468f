"""GenesysAuth for httpx, sync and async: the token in every request of a client, and one more try after a 401.

Needs the extra `gc-credhelper[httpx]`.
"""

from collections.abc import AsyncGenerator, Callable, Generator
from typing import TypeVar

import httpx
from anyio import CapacityLimiter
from anyio.lowlevel import RunVar
from anyio.to_thread import run_sync

from .bearer import AUTHORIZATION, UNAUTHORIZED, Bearer
from .library import token_source
from .source import TokenSource

A = TypeVar("A")
T = TypeVar("T")

_THREADS = 8  # they all wait for the same
_limiter: RunVar[CapacityLimiter] = RunVar("gc_credhelper")  # of the event loop


class GenesysAuth(httpx.Auth):
    """`httpx.Client(auth=GenesysAuth())`, and the same for an AsyncClient, whose event loop it never blocks. Clients,
    tasks and threads may share it.

    A token that the API refuses is rejected, for the whole fleet, and the request is sent once more with another one;
    a second 401 is the answer, and so is the first when another token will not help or the body is a stream, which in
    httpx a multipart form is. A request raises UsageError for a host that the token is not for, and what
    TokenSource.token raises.
    """

    def __init__(self, source: TokenSource | None = None) -> None:
        """`source`: by default that of `token_source()`. UsageError, PluginError."""
        self._bearer = Bearer(source or token_source())

    def sync_auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        """See httpx.Auth."""
        request.headers[AUTHORIZATION] = self._bearer.header(str(request.url))
        response = yield request
        if response.status_code == UNAUTHORIZED:
            header = self._bearer.instead_of(_sent(response))
            if again := _again(response, header):
                yield again

    async def async_auth_flow(self, request: httpx.Request) -> AsyncGenerator[httpx.Request, httpx.Response]:
        """See httpx.Auth."""
        request.headers[AUTHORIZATION] = await _in_thread(self._bearer.header, str(request.url))
        response = yield request
        if response.status_code == UNAUTHORIZED:
            header = await _in_thread(self._bearer.instead_of, _sent(response))
            if again := _again(response, header):
                yield again


async def _in_thread(step: Callable[[A], T], argument: A) -> T:
    """Its result. A caller that is cancelled leaves the thread behind. The threads are counted apart from the program's
    own, whose other work would wait for them when the login is slow.
    """
    limiter = _limiter.get(None) or CapacityLimiter(_THREADS)
    _limiter.set(limiter)
    return await run_sync(step, argument, abandon_on_cancel=True, limiter=limiter)


def _sent(response: httpx.Response) -> str | None:
    header: str | None = response.request.headers.get(AUTHORIZATION)
    return header


def _again(response: httpx.Response, header: str | None) -> httpx.Request | None:
    """The request that was refused, behind any redirects, with the other header; None without one, or when its body can
    be read only once.
    """
    request = response.request
    if not header or not isinstance(request.stream, httpx.ByteStream):
        return None
    request.headers[AUTHORIZATION] = header
    return request
