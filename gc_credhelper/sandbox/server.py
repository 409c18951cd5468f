"""Runs a sandbox: until a signal, beside a command, or in a thread of the caller's process."""

import asyncio
import json
import signal
import threading
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from concurrent.futures import Future
from contextlib import asynccontextmanager
from types import TracebackType
from typing import Self

from aiohttp import web

from gc_credhelper.sandbox.answers import ApiError, json_answer
from gc_credhelper.sandbox.api import PREFIX, Api
from gc_credhelper.sandbox.login import Login
from gc_credhelper.sandbox.options import Options, Ready
from gc_credhelper.sandbox.state import State

HOST = "127.0.0.1"
STATS = "/_sandbox/stats"
BACKLOG = 1024
"""Connections that may wait to be accepted: a fleet of jobs starts all at once."""
GRACE = 0.1
"""Seconds that requests in work get at the end; a client that is held on purpose would otherwise hold us."""
REQUEST_BYTES = 512_000
"""Limit `request.bytes.max` of the vendor's limits page."""


def build_app(options: Options, state: State) -> web.Application:
    """Put login, API and counters together: one server for both hosts of the service."""

    @web.middleware
    async def pace(
        request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
    ) -> web.StreamResponse:
        if request.path == STATS:
            return await handler(request)
        with state.in_flight():
            await asyncio.sleep(options.latency)
            return await handler(request)

    async def stats(_request: web.Request) -> web.Response:
        return json_answer({**state.stats()})

    async def nowhere(_request: web.Request) -> web.Response:
        return ApiError.of(web.HTTPNotFound()).answer(str(uuid.uuid4()))

    app = web.Application(middlewares=[pace], client_max_size=REQUEST_BYTES)
    app.add_subapp(PREFIX, Api(state, options.users).app())
    app.router.add_route("*", "/oauth/token", Login(state).token)
    app.router.add_get(STATS, stats)
    app.router.add_route("*", "/{path:.*}", nowhere)
    return app


@asynccontextmanager
async def serving(options: Options, state: State) -> AsyncIterator[Ready]:
    """Serve while the block runs; OSError when the port cannot be had."""
    # Cancelling makes a held request end when its client leaves.
    runner = web.AppRunner(
        build_app(options, state), access_log=None, handler_cancellation=True, shutdown_timeout=GRACE
    )
    await runner.setup()
    try:
        await web.TCPSite(runner, HOST, options.port, backlog=BACKLOG).start()
        url = f"http://{HOST}:{runner.addresses[0][1]}"
        client_id, client_secret = options.clients[0]
        yield {
            "token_url": f"{url}/oauth/token",
            "api_url": url,
            "client_id": client_id,
            "client_secret": client_secret,
        }
    finally:
        await runner.cleanup()
        await asyncio.sleep(0.01)  # connections that were taken in the last moment close in the next rounds of the loop


def ready_line(ready: Ready) -> str:
    """Render what a caller needs as one line of JSON, without its newline."""
    return json.dumps(ready, separators=(",", ":"))


def run(options: Options, ready: Callable[[Ready], object]) -> int:
    """Serve until SIGINT or SIGTERM, in the main thread; `ready` is called once the port answers.

    Returns 0. Raises OSError when the port cannot be had.
    """

    async def main() -> int:
        stop = asyncio.Event()
        async with serving(options, State(options)) as line:
            for signum in (signal.SIGINT, signal.SIGTERM):
                asyncio.get_running_loop().add_signal_handler(signum, stop.set)
            ready(line)
            await stop.wait()
        return 0

    return asyncio.run(main())


class SandboxThread:
    """A sandbox in a thread, as a context manager; entering raises OSError when the port cannot be had."""

    def __init__(self, options: Options | None = None) -> None:
        self._options = options or Options()
        self._state = State(self._options)
        self._started: Future[Ready] = Future()
        self._thread = threading.Thread(target=self._run, name="sandbox", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        self.ready = self._started.result()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    @property
    def token_url(self) -> str:
        """Where tokens are asked for."""
        return self.ready["token_url"]

    @property
    def api_url(self) -> str:
        """What every path of the API begins with, without a slash at its end."""
        return self.ready["api_url"]

    @property
    def client_id(self) -> str:
        """The id of the first client."""
        return self.ready["client_id"]

    @property
    def client_secret(self) -> str:
        """The secret of the first client."""
        return self.ready["client_secret"]

    def stats(self) -> dict[str, int]:
        """Count as `GET /_sandbox/stats` does."""
        return self._state.stats()

    def stop(self) -> None:
        """Cut every connection and free the port; a second call does nothing."""
        if self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._stop.set)
            self._thread.join()

    def _run(self) -> None:
        try:
            asyncio.run(self._main())
        except BaseException as error:  # the caller waits for the outcome, whatever it is
            if self._started.done():
                raise
            self._started.set_exception(error)

    async def _main(self) -> None:
        self._loop, self._stop = asyncio.get_running_loop(), asyncio.Event()
        async with serving(self._options, self._state) as ready:
            self._started.set_result(ready)
            await self._stop.wait()
