"""A token server on raw sockets that answers what a test wrote, byte for byte, and remembers what it was asked."""

import contextlib
import json
import socket
import socketserver
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Self

Answer = bytes | Callable[["Request", socket.socket], bytes | None]


@dataclass(frozen=True)
class Request:
    """What a client sent."""

    line: str
    headers: dict[str, str] = field(repr=False)
    body: bytes = field(repr=False)
    at: float = field(default_factory=time.monotonic)


def http(status: int, body: bytes | str | dict[str, object], **headers: str) -> bytes:
    """A whole answer; underscores in header names become hyphens."""
    if isinstance(body, dict):
        body, headers = json.dumps(body), {"Content_Type": "application/json", **headers}
    if isinstance(body, str):
        body = body.encode()
    headers = {"Content_Length": str(len(body)), "Connection": "close", **headers}
    head = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in headers.items())
    return f"HTTP/1.1 {status} Scripted\r\n{head}\r\n".encode() + body


def token(value: str = "tok-1", lifetime: object = 86_400, **more: object) -> bytes:
    """A good answer."""
    return http(200, {"access_token": value, "token_type": "bearer", "expires_in": lifetime, **more})


class ScriptedServer:
    """Answers in order; the last answer is repeated."""

    client_id = "8c9c7a5e-scripted-client"
    client_secret = "canary-Sq7dW2-scripted-secret"  # noqa: S105  # made up, and hunted for

    def __init__(self, *answers: Answer) -> None:
        self.answers = [*answers] or [token()]
        self.requests: list[Request] = []
        self._lock = threading.Lock()
        answer = self._answer

        class Handler(socketserver.BaseRequestHandler):
            def handle(self) -> None:
                try:
                    if request := _read(self.request):
                        answer(request, self.request)
                except OSError:
                    return

        class Server(socketserver.ThreadingTCPServer):
            request_queue_size = 512
            daemon_threads = True
            block_on_close = False

        self._server = Server(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)

    @property
    def port(self) -> int:
        """The free port that it took."""
        return int(self._server.server_address[1])

    @property
    def token_url(self) -> str:
        """Where tokens are asked for."""
        return f"http://127.0.0.1:{self.port}/oauth/token"

    def _answer(self, request: Request, connection: socket.socket) -> None:
        with self._lock:
            answer = self.answers[min(len(self.requests), len(self.answers) - 1)]
            self.requests.append(request)
        content = answer(request, connection) if callable(answer) else answer
        if content:
            connection.sendall(content)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()


def _read(connection: socket.socket) -> Request | None:
    connection.settimeout(30)
    data = b""
    while b"\r\n\r\n" not in data:
        part = connection.recv(65_536)
        if not part:
            return None
        data += part
    head, _, body = data.partition(b"\r\n\r\n")
    line, *rest = head.decode("latin-1").split("\r\n")
    headers = {name.strip().lower(): value.strip() for name, _, value in (row.partition(":") for row in rest)}
    while len(body) < int(headers.get("content-length", "0")):
        body += connection.recv(65_536)
    return Request(line, headers, body)


@contextlib.contextmanager
def silent_host() -> Iterator[str]:
    """The `host:port` of a server that takes connections and never says a word."""
    with socket.create_server(("127.0.0.1", 0), backlog=64) as server:
        yield f"127.0.0.1:{server.getsockname()[1]}"
