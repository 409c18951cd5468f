"""Who signs JSON Web Tokens for the tests: an OIDC issuer on loopback, and a Kubernetes API that reviews its tokens."""

import contextlib
import datetime as dt
import functools
import http.server
import json
import ssl
import threading
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Self
from urllib.parse import parse_qs, urlsplit

import jwt
import trustme
from cryptography.hazmat.primitives.asymmetric import rsa
from support.hunting import canary

Answer = tuple[int, dict[str, Any]]


@contextlib.contextmanager
def serving(
    answer: Callable[[str, Mapping[str, str], bytes], Answer], context: ssl.SSLContext | None = None
) -> Iterator[int]:
    """A server of JSON for the length of the block; its port. `answer`: of a path, headers and a body."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            status, parsed = answer(self.path, dict(self.headers), asked)
            body = json.dumps(parsed).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def do_POST(self) -> None:
            self.do_GET()

        def log_message(self, *_: object) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        if context:
            server.socket = context.wrap_socket(server.socket, server_side=True)
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        yield server.server_port
        server.shutdown()
        thread.join()


class Issuer:
    """An OIDC issuer as GitHub, GitLab and a cluster are one: discovery, its keys, and RS256.

    Like GitHub's runner it also gives tokens to who brings `bearer`: at /runner, and at /runner/CLAIM=VALUE others.
    """

    bearer = canary("runner-canary-W8")

    def __init__(self, claims: Mapping[str, Any]) -> None:
        """`claims`: of every token."""
        self.claims = claims
        self._key = rsa.generate_private_key(65_537, 2048)

    def __enter__(self) -> Self:
        self._stack = contextlib.ExitStack()
        self.url = f"http://127.0.0.1:{self._stack.enter_context(serving(self._answer))}"
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def sign(self, **claims: Any) -> str:
        """A token with these claims beside, or instead of, those of every token."""
        now = dt.datetime.now(dt.UTC)
        times = {"iat": now, "nbf": now, "exp": now + dt.timedelta(minutes=5)}
        body = {"iss": self.url, **times, **self.claims, **claims}
        return canary(jwt.encode(body, self._key, "RS256", headers={"kid": "1"}))

    def claims_of(self, token: str, audience: str) -> dict[str, Any] | None:
        """What a token says, if it is one of ours for that audience."""
        try:
            found: dict[str, Any] = jwt.decode(token, self._key.public_key(), ["RS256"], audience=audience)
        except jwt.PyJWTError:
            return None
        return found

    @functools.cached_property
    def _keys(self) -> dict[str, Any]:
        key = json.loads(jwt.algorithms.RSAAlgorithm.to_jwk(self._key.public_key()))
        return {"keys": [key | {"kid": "1", "alg": "RS256", "use": "sig"}]}

    def _answer(self, path: str, headers: Mapping[str, str], _: bytes) -> Answer:
        url = urlsplit(path)
        if url.path == "/.well-known/openid-configuration":
            algorithms = {"id_token_signing_alg_values_supported": ["RS256"]}
            return 200, {"issuer": self.url, "jwks_uri": f"{self.url}/keys", **algorithms}
        if url.path == "/keys":
            return 200, self._keys
        if url.path.startswith("/runner") and headers.get("Authorization") == f"bearer {self.bearer}":
            changed = dict(part.split("=") for part in url.path.split("/")[2:])
            return 200, {"value": self.sign(aud=parse_qs(url.query)["audience"][0], **changed)}
        return 403, {}


@contextlib.contextmanager
def reviewer(review: Callable[[str, str], dict[str, Any] | None]) -> Iterator[tuple[str, str]]:
    """A Kubernetes API that knows TokenReview and nothing else; its URL and its CA.

    `review`: of a token and an audience, the account it is of, as a `user` of the review; None for a token it refuses.
    """

    def answer(_: str, __: Mapping[str, str], body: bytes) -> Answer:
        spec = json.loads(body)["spec"]
        audiences = spec.get("audiences") or ["https://kubernetes.default.svc"]
        user = review(spec["token"], audiences[0])
        status = {"authenticated": True, "user": user, "audiences": audiences} if user else {"authenticated": False}
        return 201, {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenReview", "status": status}

    ca = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    ca.issue_cert("127.0.0.1").configure_cert(context)
    with serving(answer, context) as port:
        yield f"https://127.0.0.1:{port}", ca.cert_pem.bytes().decode()


def service_account(name: str, namespace: str) -> dict[str, Any]:
    """A service account as a review names it."""
    return {"username": f"system:serviceaccount:{namespace}:{name}", "uid": "1", "groups": ["system:serviceaccounts"]}
