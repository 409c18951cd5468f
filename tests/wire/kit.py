"""What the tests of the wire share: one exchange in this process, servers with TLS, a proxy, hostile answers."""

import contextlib
import socket
import ssl
import struct
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import trustme
from support import Machine, Run, client
from support.scripted import Answer, Request, ScriptedServer, token

from gc_credhelper.credentials import ClientCredentials, Secret
from gc_credhelper.deadline import Deadline
from gc_credhelper.errors import Error
from gc_credhelper.exchange import TokenExchanger
from gc_credhelper.report import Report
from gc_credhelper.tokens import AccessToken
from gc_credhelper.transport import Transport

GUARD = 20.0  # seconds: nothing here takes a tenth of it, unless it hangs
RATE_LIMIT: dict[str, object] = {
    "error": "invalid_request",
    "description": "rate limit exceeded; slow down",
    "error_description": "rate limit exceeded; slow down",
}
INVALID: dict[str, object] = {
    "error": "invalid_client",
    "description": "authentication failed",
    "error_description": "authentication failed",
}


class Heard(Report):
    """Keeps what is said."""

    def __init__(self) -> None:
        super().__init__(1)
        self.lines: list[str] = []

    def _write(self, kind: str, text: str) -> None:
        self.lines.append(f"{kind}: {text}")


def exchange(
    server: ScriptedServer,
    *,
    seconds: float = 10,
    client_auth: str = "basic",
    secret: str | None = None,
    client_id: str | None = None,
    report: Report | None = None,
) -> AccessToken:
    """One exchange in this process; `seconds` is its deadline."""
    credentials = ClientCredentials(client_id or server.client_id, Secret(secret or server.client_secret))
    exchanger = TokenExchanger(server.token_url, client_auth, "a test", Transport(), report or Heard())
    return exchanger.exchange(credentials, Deadline(seconds))


def refused(server: ScriptedServer, kind: type[Error], **more: object) -> Error:
    """The error of an exchange that must fail with exactly this kind."""
    started = time.monotonic()
    with pytest.raises(kind) as caught:
        exchange(server, **more)  # type: ignore[arg-type]
    assert type(caught.value) is kind
    assert time.monotonic() - started < GUARD
    assert server.client_secret not in f"{caught.value} {caught.value.hint}"
    return caught.value


def fails(machine: Machine, server: ScriptedServer, code: int, *argv: str, **env: str) -> Run:
    """A `token` that must fail with this exit code, as every failure does: one error, one hint, nothing on stdout."""
    done = machine.run("token", *argv, env=client(server, **env), timeout=GUARD)
    assert (done.code, done.out) == (code, ""), done.err
    assert done.error
    assert done.hint
    assert server.client_secret not in done.err
    return done


def hang(_: Request, connection: socket.socket) -> None:
    """Never answer; end when the client does."""
    connection.settimeout(GUARD)
    connection.recv(1)


def reset(_: Request, connection: socket.socket) -> None:
    """Cut the connection with an RST."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()


def _drip(connection: socket.socket, content: bytes) -> None:
    for position in range(int(GUARD)):
        connection.sendall(content[position : position + 1])
        time.sleep(1)


def drip_header(_: Request, connection: socket.socket) -> None:
    """One byte a second, from the first on."""
    _drip(connection, token())


def drip_body(_: Request, connection: socket.socket) -> None:
    """The header at once, then one byte a second."""
    head, blank, body = token().partition(b"\r\n\r\n")
    connection.sendall(head + blank)
    _drip(connection, body)


class Endless:
    """An answer whose body does not end; counts what the client let it send, up to 64 MiB."""

    MOST = 64 * 2**20

    def __init__(self, head: bytes) -> None:
        self.head = head
        self.sent = 0
        self.done = threading.Event()

    def __call__(self, _: Request, connection: socket.socket) -> None:
        with contextlib.suppress(OSError):
            connection.sendall(self.head + b"\r\n\r\n")
            while self.sent < self.MOST:
                connection.sendall(b" " * 65_536)
                self.sent += 65_536
        self.done.set()


TRUNCATED = token().replace(b"Content-Length: ", b"Content-Length: 9")
TRUNCATED_CHUNK = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n20\r\n" + b'{"access_token":'


class TlsServer(ScriptedServer):
    """The same over TLS. `names`: of its certificate."""

    def __init__(self, ca: trustme.CA, *answers: Answer, wants: trustme.CA | None = None, **names: str) -> None:
        super().__init__(*answers)
        self.host = names.get("host", "127.0.0.1")
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        ca.issue_cert(self.host).configure_cert(context)
        if wants:
            wants.configure_trust(context)
            context.verify_mode = ssl.CERT_REQUIRED
        finish = self._server.finish_request

        def over_tls(request: socket.socket, address: object) -> None:
            request.settimeout(GUARD)
            with context.wrap_socket(request, server_side=True, do_handshake_on_connect=False) as wrapped:
                try:
                    wrapped.do_handshake()
                except OSError:
                    _drain(socket.socket(fileno=wrapped.detach()))
                    return
                finish(wrapped, address)

        self._server.finish_request = over_tls  # type: ignore[assignment, method-assign]

    @property
    def token_url(self) -> str:
        port = f":{self.port}" if self.host == "127.0.0.1" else ""
        return f"https://{self.host}{port}/oauth/token"


def _drain(connection: socket.socket) -> None:
    """Read on, so that the client gets our alert and not a reset."""
    with connection, contextlib.suppress(OSError):
        connection.shutdown(socket.SHUT_WR)
        while connection.recv(4096):
            pass


def tunnel(server: ScriptedServer) -> Answer:
    """The answer of a proxy that connects every name to this server."""

    def connect(_: Request, connection: socket.socket) -> None:
        with socket.create_connection(("127.0.0.1", server.port), timeout=GUARD) as far:
            connection.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
            back = threading.Thread(target=_pump, args=(far, connection), daemon=True)
            back.start()
            _pump(connection, far)
            back.join(GUARD)

    return connect


def _pump(source: socket.socket, sink: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while part := source.recv(65_536):
            sink.sendall(part)
        sink.shutdown(socket.SHUT_WR)


@contextlib.contextmanager
def plain_port(answer: bytes) -> Iterator[int]:
    """A port that sends this to whoever says anything at all."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(0.05)
        stop = threading.Event()

        def serve() -> None:
            while not stop.is_set():
                with contextlib.suppress(OSError):
                    connection, _ = listener.accept()
                    with connection:
                        connection.settimeout(GUARD)
                        connection.recv(65_536)
                        connection.sendall(answer)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        try:
            yield int(listener.getsockname()[1])
        finally:
            stop.set()
            thread.join()


def files_below(folder: Path) -> dict[Path, bytes]:
    """Every file with its content."""
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
