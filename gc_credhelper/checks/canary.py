"""Canary: a made-up secret that a server of our own sends back, and a hunt for it in all that anyone could see."""

import base64
import http.server
import io
import json
import logging
import os
import subprocess
import sys
import threading
import traceback
import uuid
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Self

from ..credentials import ClientCredentials, Secret
from ..deadline import Deadline
from ..errors import Error, TokenError
from ..exchange import TokenExchanger
from ..report import Report
from ..transport import Transport

_TELL = "import os, sys; print(sys.argv, dict(os.environ))"


class _Echo(http.server.BaseHTTPRequestHandler):
    """Refuses with what was sent, or issues a token."""

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length", "0")))
        sent = base64.b64decode(self.headers.get("Authorization", "").partition(" ")[2]).decode()
        told = f"authentication failed {sent} {self.headers.get('Authorization')}"
        issued = {"access_token": "made-up-by-doctor", "token_type": "bearer", "expires_in": 300}
        refused = {"error": "invalid_client", "description": told, "error_description": told}
        status, answer = (200, issued) if self.path.startswith("/issue") else (401, refused)
        body = json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.send_header("ININ-Correlation-Id", sent)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Nowhere."""


class Canary:
    """For the time of one hunt."""

    def __init__(self) -> None:
        self.secret = f"canary-{uuid.uuid4().hex}"
        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Echo)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def url(self, what: str) -> str:
        """`refuse` or `issue`."""
        return f"http://127.0.0.1:{self._server.server_address[1]}/{what}/oauth/token"

    def seen(self, command: Sequence[str], home: Path, environ: dict[str, str], limit: Deadline) -> Iterator[str]:
        """Where it shows. Error when a path could not be tried."""
        found = self._in_this_process(limit)
        found["the child that was refused"] = self._child([*command, "token", "-vv"], environ, 5, limit)
        environ = environ | {"GC_CREDHELPER_TOKEN_URL": self.url("issue")}
        found["a program that exec runs"] = self._child(
            [*command, "exec", "-vv", "--", sys.executable, "-c", _TELL], environ, 0, limit
        )
        files = [path for path in home.rglob("*") if path.is_file()]
        found["a file of the cache"] = "".join(f"{path}{path.read_bytes()!r}" for path in files)
        yield from (where for where, text in found.items() if self._shows(text))

    def _in_this_process(self, limit: Deadline) -> dict[str, str]:
        """The log at its most talkative, the error, and its traceback with the variables of each frame."""
        credentials = ClientCredentials("doctor", Secret(self.secret))
        exchanger = TokenExchanger(self.url("refuse"), "basic", "doctor", Transport(), Report())
        log, root = io.StringIO(), logging.getLogger()
        handler, level = logging.StreamHandler(log), root.level
        root.addHandler(handler)
        root.setLevel(logging.DEBUG)
        try:
            exchanger.exchange(credentials, limit)
        except TokenError as e:
            logging.getLogger(__name__).exception("%s", credentials)
            frames = traceback.TracebackException.from_exception(e, capture_locals=True)
            return {"the log": log.getvalue(), "the error": f"{e} {e.hint}", "the traceback": "".join(frames.format())}
        finally:
            root.removeHandler(handler)
            root.setLevel(level)
        raise _untried("the exchange")

    @staticmethod
    def _child(argv: list[str], environ: dict[str, str], status: int, limit: Deadline) -> str:
        try:
            done = subprocess.run(  # noqa: S603  # our own command
                argv,
                env=environ,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                timeout=limit.left(),
                check=False,
            )
        except (OSError, subprocess.TimeoutExpired):
            raise _untried(argv[0]) from None
        if done.returncode != status:
            raise _untried(f"{os.path.basename(argv[0])} {argv[1]}")  # noqa: PTH119  # a name to show
        return done.stdout.decode(errors="replace")

    def _shows(self, text: str) -> bool:
        raw = self.secret.encode()
        forms = [self.secret, self.secret[::-1], raw.hex(), base64.b64encode(b"doctor:" + raw).decode().rstrip("=")]
        return any(form.lower() in text.lower() for form in forms)

    def error(self, shown: Sequence[str]) -> Error:
        """A bug, of ours or of what this Python loads at its start."""
        hint = (
            "report it; until then keep logs of this machine private. Does a sitecustomize or a tracer print variables?"
        )
        return Error(f"a made-up secret was shown in {', '.join(shown)}", hint=hint)


def _untried(what: str) -> Error:
    return Error(f"the canary could not be sent through {what}", hint="run it again with a longer --deadline")
