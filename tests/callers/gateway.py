"""A server that wants a token, as an API server, a registry or a git host behind a gateway would, over TLS or not."""

import json
import ssl
import subprocess
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Self

from support import Run

Answers = Callable[[str], object]  # the path to a JSON value, to text or to bytes; None is 404


@dataclass
class Gateway:
    """Lets in who brings one of `good` as the whole header Authorization. `seen`: path and header of each request."""

    answers: Answers
    good: set[str]
    context: ssl.SSLContext | None = None
    challenge: str = "Bearer"
    refusal: object = None
    seen: list[tuple[str, str]] = field(default_factory=list)

    def __post_init__(self) -> None:
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                given = self.headers.get("Authorization", "")
                outer.seen.append((self.path, given))
                if given not in outer.good:
                    self.send(401, outer.refusal)
                    return
                answer = outer.answers(self.path.partition("?")[0].rstrip("/"))
                self.send(404 if answer is None else 200, answer)

            def send(self, status: int, answer: object) -> None:
                content = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
                kind = "application/octet-stream" if isinstance(answer, bytes) else "application/json"
                if isinstance(answer, str):
                    content, kind = answer.encode(), "text/plain"
                self.send_response(status)
                if status == 401:
                    self.send_header("WWW-Authenticate", outer.challenge)
                self.send_header("Content-Type", kind)
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            do_POST = do_GET  # noqa: N815  # the name that http.server looks for

            def log_message(self, *_: object) -> None:
                pass

        class Server(ThreadingHTTPServer):
            daemon_threads = True
            block_on_close = False
            request_queue_size = 128

            def handle_error(self, *_: object) -> None:
                """A client that goes away is none."""

        self._server = Server(("127.0.0.1", 0), Handler)
        if self.context:
            self._server.socket = self.context.wrap_socket(
                self._server.socket, server_side=True, do_handshake_on_connect=False
            )
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)

    @property
    def host(self) -> str:
        return f"127.0.0.1:{self._server.server_address[1]}"

    @property
    def url(self) -> str:
        return f"{'https' if self.context else 'http'}://{self.host}"

    @property
    def headers(self) -> set[str]:
        """Every header Authorization that came, but for the requests without one."""
        return {header for _, header in self.seen if header}

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()


def run(*argv: str, env: Mapping[str, str], cwd: Path, stdin: str | None = None, timeout: float = 100) -> Run:
    """A real client, to its end, without a terminal that it could ask on."""
    done = subprocess.run(
        argv,
        env=dict(env),
        cwd=cwd,
        input=stdin,
        stdin=subprocess.DEVNULL if stdin is None else None,
        capture_output=True,
        text=True,
        check=False,
        start_new_session=True,
        timeout=timeout,
    )
    return Run(done.returncode, done.stdout, done.stderr)
