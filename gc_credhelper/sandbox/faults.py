"""How login and API fail when they are told to."""

import asyncio
import socket
import struct
from collections.abc import Callable

from aiohttp import web

from gc_credhelper.sandbox.answers import ApiError, bad_credentials, json_answer, oauth_error, too_many_requests
from gc_credhelper.sandbox.options import Kind

HOLD = 300.0
"""Seconds after which `timeout` lets go of a client that still waits."""

LOGIN_PAGE = "<!DOCTYPE html><html><head><title>Log in</title></head><body><form>Log in</form></body></html>"
GATEWAY_PAGE = "<html><head><title>503 Service Unavailable</title></head><body>503 Service Unavailable</body></html>"
HALVES = {Kind.TRUNCATED: b'{"access_token":"', Kind.API_TRUNCATED: b'{"entities":['}

ANSWERS: dict[Kind, Callable[[], web.Response]] = {
    # Clients recognise the text up to the semicolon; what the service says after it is not recorded.
    Kind.RATE_LIMIT: lambda: oauth_error(400, "invalid_request", "rate limit exceeded; try again later"),
    Kind.TOO_MANY_REQUESTS: lambda: oauth_error(429, "too_many_requests", "slow down", {"Retry-After": "1"}),
    Kind.SERVER_ERROR: lambda: oauth_error(500, "server_error", "internal server error"),
    # Not JSON: it is the proxies in front of the service that answer so.
    Kind.UNAVAILABLE: lambda: web.Response(status=503, text=GATEWAY_PAGE, content_type="text/html"),
    Kind.API_HTML: lambda: web.Response(text=LOGIN_PAGE, content_type="text/html"),
    Kind.HTML: lambda: web.Response(text=LOGIN_PAGE, content_type="text/html"),
    Kind.REDIRECT: lambda: web.Response(status=302, headers={"Location": "/elsewhere"}),
    Kind.NO_TOKEN: lambda: json_answer({"token_type": "bearer", "expires_in": 86_400}),
}
"""The kinds that are a whole answer; `timeout`, `reset` and `truncated` are ends of a connection."""

API_ERRORS: dict[Kind, Callable[[], ApiError]] = {
    Kind.API_TOO_MANY_REQUESTS: lambda: too_many_requests(wait=1),
    Kind.API_SERVER_ERROR: lambda: ApiError(500, "internal.server.error", "The server met an unexpected condition."),
    Kind.API_UNAVAILABLE: lambda: ApiError(503, "service.unavailable", "The service is not available right now."),
    Kind.API_UNAUTHORIZED: bad_credentials,
}


async def misbehave(kind: Kind, request: web.Request) -> web.StreamResponse:
    """Answer a request, whose body was read, in this way (any but `idle-death`, which is a normal answer).

    Raises ApiError for what the API says in its own form.
    """
    if kind in API_ERRORS:
        error = API_ERRORS[kind]()
        raise error
    if kind in ANSWERS:
        return ANSWERS[kind]()
    if kind in HALVES:
        return await _half_answer(request, HALVES[kind])
    if kind is Kind.TIMEOUT:
        await asyncio.sleep(HOLD)
    return _reset(request)


async def _half_answer(request: web.Request, half: bytes) -> web.StreamResponse:
    answer = web.StreamResponse(headers={"Content-Type": "application/json", "Content-Length": "256"})
    await answer.prepare(request)
    await answer.write(half)
    if request.transport is not None:
        request.transport.close()
    return answer


def _reset(request: web.Request) -> web.StreamResponse:
    if request.transport is not None:
        # Lingering for no time makes the kernel send RST instead of FIN.
        linger = struct.pack("ii", 1, 0)
        request.transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        request.transport.abort()
    return web.Response()  # goes nowhere, but aiohttp logs an error when a handler has none
