"""The login: `POST /oauth/token` with the client-credentials grant (RFC 6749 §4.4)."""

import base64
import hmac
from urllib.parse import parse_qs, unquote_plus

from aiohttp import web

from gc_credhelper.sandbox.answers import json_answer, oauth_error
from gc_credhelper.sandbox.faults import misbehave
from gc_credhelper.sandbox.options import Kind
from gc_credhelper.sandbox.state import State

FORM = "application/x-www-form-urlencoded"


class Login:
    """Answers as the service was seen to; texts that nobody recorded are ours.

    | case                 | status | error                    | text                    |
    |----------------------|--------|--------------------------|-------------------------|
    | unknown client id    | 400    | `invalid_client`         | "client not found"      |
    | wrong secret         | 401    | `invalid_client`         | "authentication failed" |
    | no credentials       | 400    | `invalid_request`        | ours                    |
    | not a form, no grant | 400    | `invalid_request`        | ours                    |
    | another grant        | 400    | `unsupported_grant_type` | ours                    |
    """

    def __init__(self, state: State) -> None:
        self._state = state

    async def token(self, request: web.Request) -> web.StreamResponse:
        """Exchange credentials for `{"access_token", "token_type", "expires_in"}`, or fail as planned."""
        if request.method != "POST":
            return oauth_error(405, "invalid_request", "use POST", {"Allow": "POST"})
        self._state.token_requests += 1
        # Read before any fault: closing a socket with unread input would turn every kind of end into a reset.
        body = await request.read()
        fault = self._state.faults.head
        if fault and fault is not Kind.IDLE_DEATH and self._state.faults.meets():
            return await misbehave(fault, request)
        if request.content_type != FORM:
            return oauth_error(400, "invalid_request", f"the content type must be {FORM}")
        return self._exchange(request.headers.get("Authorization", ""), parse_qs(body.decode(errors="replace")))

    def _exchange(self, authorization: str, form: dict[str, list[str]]) -> web.Response:
        readings = read_credentials(authorization, form)
        if not readings:
            return oauth_error(400, "invalid_request", "client credentials are missing or malformed")
        if not any(client_id in self._state.clients for client_id, _ in readings):
            return oauth_error(400, "invalid_client", "client not found")
        client = next((client_id for client_id, secret in readings if self._is_secret(client_id, secret)), None)
        if client is None:
            return oauth_error(401, "invalid_client", "authentication failed", {"WWW-Authenticate": "Basic"})
        grant = form.get("grant_type")
        if not grant:
            return oauth_error(400, "invalid_request", "grant_type is missing")
        if grant != ["client_credentials"]:
            return oauth_error(400, "unsupported_grant_type", "the sandbox knows client_credentials only")
        answer = {
            "access_token": self._state.issue(client),
            "token_type": "bearer",
            "expires_in": self._state.lifetime,
        }
        return json_answer(answer, headers={"Cache-Control": "no-store", "Pragma": "no-cache"})

    def _is_secret(self, client_id: str, secret: str) -> bool:
        right = self._state.clients.get(client_id)
        return right is not None and hmac.compare_digest(right.encode(), secret.encode())


def read_credentials(authorization: str, form: dict[str, list[str]]) -> list[tuple[str, str]]:
    """Find id and secret, in the header or else in the form; all readings, because clients differ in their encoding.

    The vendor's SDKs put the bare pair into the header; RFC 6749 §2.3.1 wants both parts form-encoded first.
    The header is the only place the vendor documents.
    Taking the pair from the form is a liberty of the sandbox, for clients of other servers.
    """
    scheme, _, encoded = authorization.partition(" ")
    if scheme.lower() == "basic":
        try:
            raw = base64.b64decode(encoded.strip(), validate=True)
        except ValueError:
            return []
        try:
            pair = raw.decode()
        except UnicodeDecodeError:
            pair = raw.decode("latin-1")  # what `requests` sends for text outside ASCII
        client_id, colon, secret = pair.partition(":")
        decoded = (unquote_plus(client_id), unquote_plus(secret))
        return list(dict.fromkeys([(client_id, secret), decoded])) if colon else []
    if "client_id" in form and "client_secret" in form:
        return [(form["client_id"][0], form["client_secret"][0])]
    return []
