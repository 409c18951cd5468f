"""A token endpoint and an API in one: answers are made by a function of the test, and every request is remembered."""

import http.server
import json
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from gc_credhelper.app import App
from gc_credhelper.commands.api import METHODS
from gc_credhelper.plan import Inputs, encode
from gc_credhelper.testing.bench import Heard
from gc_credhelper.testing.scripted import ScriptedServer


@dataclass(frozen=True)
class Asked:
    """A request of the API."""

    method: str
    path: str
    query: dict[str, str]
    headers: Mapping[str, str] = field(repr=False)
    body: Any = field(repr=False)
    token: str = field(repr=False)


@dataclass
class Say:
    """An answer. `body`: bytes as they are, anything else as JSON. `cut`: the connection ends in its middle."""

    body: Any
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    cut: bool = False


class Api:
    """`answer` makes the answers; a token that is in `dead` is refused before."""

    client_id, client_secret = ScriptedServer.client_id, ScriptedServer.client_secret

    def __init__(self, answer: Callable[[Asked], object]) -> None:
        self.answer = answer
        self.asked: list[Asked] = []
        self.tokens: list[str] = []
        self.dead: set[str] = set()
        self.lock = threading.Lock()
        api = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def handle_one_request(self) -> None:
                try:
                    super().handle_one_request()
                except OSError:
                    self.close_connection = True

            def _serve(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                parts = urlsplit(self.path)
                if parts.path == "/oauth/token":
                    said: object = api.issue()
                else:
                    token = (self.headers.get("Authorization") or "").partition(" ")[2]
                    query, headers = dict(parse_qsl(parts.query)), dict(self.headers)
                    said = api.say(Asked(self.command, parts.path, query, headers, as_json(body), token))
                self._send(said if isinstance(said, Say) else Say(said))

            def _send(self, said: Say) -> None:
                content = said.body if isinstance(said.body, bytes) else json.dumps(said.body).encode()
                self.send_response(said.status)
                for name, value in ({"Content-Type": "application/json"} | said.headers).items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(content) + said.cut))
                self.end_headers()
                if self.command != "HEAD":
                    self.wfile.write(content)
                self.close_connection |= said.cut

            def log_message(self, *_: object) -> None:
                pass

        for method in METHODS:
            setattr(Handler, f"do_{method}", Handler._serve)

        class Server(http.server.ThreadingHTTPServer):
            request_queue_size = 256

        self._server = Server(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)

    def issue(self) -> object:
        """A token that nobody has yet."""
        with self.lock:
            self.tokens.append(f"tok-{len(self.tokens) + 1}")
            return {"access_token": self.tokens[-1], "token_type": "bearer", "expires_in": 86_400}

    def say(self, asked: Asked) -> object:
        if asked.token in self.dead or asked.token not in self.tokens:
            return refused()
        with self.lock:
            self.asked.append(asked)
        return self.answer(asked)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    @property
    def token_url(self) -> str:
        return f"{self.url}/oauth/token"

    @property
    def paths(self) -> list[str]:
        return [asked.path for asked in self.asked]

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    def start(self) -> None:
        self._thread.start()


def as_json(body: bytes) -> Any:
    try:
        return json.loads(body)
    except ValueError:
        return body


def refused(status: int = 401, code: str = "bad.credentials", message: str = "Invalid login credentials.") -> Say:
    """An error of the Platform API (SDK model ErrorBody)."""
    return Say(
        {"message": message, "code": code, "status": status, "contextId": CONTEXT},
        status,
        {"ININ-Correlation-Id": CONTEXT},
    )


CONTEXT = "5f2b6f0e-7d3c-4f7a-9a86-0c7a8d1f2e3b"


@contextmanager
def serving(answer: Callable[[Asked], object]) -> Iterator[Api]:
    api = Api(answer)
    api.start()
    try:
        yield api
    finally:
        api.close()


def variables(api: Api, **more: str) -> dict[str, str]:
    """What reaches it."""
    return {
        "GC_CREDHELPER_TOKEN_URL": api.token_url,
        "GC_CREDHELPER_API_URL": api.url,
        "GENESYS_CLOUD_CLIENT_ID": api.client_id,
        "GENESYS_CLOUD_CLIENT_SECRET": api.client_secret,
        **more,
    }


ROWS = [{"id": f"row-{number}"} for number in range(23)]


def ids(output: str) -> list[str]:
    return [json.loads(line)["id"] for line in output.splitlines()]


ALL = [row["id"] for row in ROWS]


def app(api: Api, home: object, **settings: str) -> App:
    """What a command of an account of its own resolves to."""
    environ = {encode(name): encode(value) for name, value in variables(api, HOME=str(home)).items()}
    return App(Inputs([], environ), {name: (value, "test") for name, value in settings.items()}, Heard())
