"""GenesysAuth for httpx, sync and async: the token in every request of a client, and one more try after a 401.

Needs the extra `gc-credhelper[httpx]`.
"""

from collections.abc import AsyncGenerator, Generator

import httpx
from anyio.to_thread import run_sync

from .bearer import AUTHORIZATION, UNAUTHORIZED, Bearer
from .library import token_source
from .source import TokenSource


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
            yield from _again(response, self._bearer.instead_of(_sent(response)))

    async def async_auth_flow(self, request: httpx.Request) -> AsyncGenerator[httpx.Request, httpx.Response]:
        """See httpx.Auth. The source is asked in a thread, which a caller that is cancelled leaves behind."""
        url = str(request.url)
        request.headers[AUTHORIZATION] = await run_sync(self._bearer.header, url, abandon_on_cancel=True)
        response = yield request
        if response.status_code == UNAUTHORIZED:
            header = await run_sync(self._bearer.instead_of, _sent(response), abandon_on_cancel=True)
            for again in _again(response, header):
                yield again


def _sent(response: httpx.Response) -> str | None:
    header: str | None = response.request.headers.get(AUTHORIZATION)
    return header


def _again(response: httpx.Response, header: str | None) -> list[httpx.Request]:
    """The request that was refused, behind any redirects, with the other header; nothing without one, or when its body
    can be read only once.
    """
    request = response.request
    if not header or not isinstance(request.stream, httpx.ByteStream):
        return []
    request.headers[AUTHORIZATION] = header
    return [request]
