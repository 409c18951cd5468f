"""What the tests of the sandbox share: a clock to turn by hand, and the usual requests."""

import socket
from typing import Any

import requests

from gc_credhelper.sandbox.server import SandboxThread

TIMEOUT = 10.0
GRANT = {"grant_type": "client_credentials"}


class Clock:
    """Seconds that pass only when a test says so."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        """Read it."""
        return self.now


def ask(http: requests.Session, sandbox: SandboxThread, **changes: Any) -> requests.Response:
    """Ask for a token as a client should; `changes` are arguments of requests."""
    usual: dict[str, Any] = {"auth": (sandbox.client_id, sandbox.client_secret), "data": GRANT}
    return http.post(sandbox.token_url, timeout=TIMEOUT, allow_redirects=False, **{**usual, **changes})


def new_token(http: requests.Session, sandbox: SandboxThread) -> str:
    """Get a token."""
    answer = ask(http, sandbox)
    assert answer.status_code == 200
    return str(answer.json()["access_token"])


def call(
    http: requests.Session, sandbox: SandboxThread, token: str | None, path: str, method: str = "GET", **more: Any
) -> requests.Response:
    """Call the API with a token."""
    headers = {"Authorization": f"Bearer {token}"} if token is not None else {}
    return http.request(method, sandbox.api_url + path, headers=headers, timeout=TIMEOUT, **more)


def assert_error(answer: requests.Response, status: int, code: str) -> dict[str, Any]:
    """Check that this is an `ErrorBody`, and return it."""
    body: dict[str, Any] = answer.json()
    assert (answer.status_code, body["status"], body["code"]) == (status, status, code)
    assert {"message", "contextId", "details", "errors"} <= set(body)
    return body


def read_all(client: socket.socket) -> bytes:
    """Read until the server ends."""
    parts = []
    while part := client.recv(65_536):
        parts.append(part)
    return b"".join(parts)
