"""Platform: what the Platform API says of a token, and ends it (`/api/v2/tokens/me`)."""

import json
from typing import Any

from .deadline import Deadline
from .errors import TemporaryError, TokenError
from .transport import LIMIT, Transport, bearer

_OK, _DONE, _DEAD = 200, (200, 202, 204), (401, 404)
_OVERLOADED, _SERVER = 429, 500
_AGAIN, _CHECK = "try again", "check api_url"


class Platform:
    """The Platform API of one region or gateway."""

    def __init__(self, api_url: str, transport: Transport) -> None:
        self._url = f"{api_url}/api/v2/tokens/me"
        self._transport = transport

    def about(self, token: str, deadline: Deadline) -> str | None:
        """The id of the OAuth client that the token is of, None when the token is dead. Nothing else of the answer is
        kept, and its idle time is not begun anew. TemporaryError, TokenError.
        """
        url = f"{self._url}?preserveIdleTTL=true"
        answer = self._transport.send("GET", url, bearer(token), deadline, "asking about the token")
        if answer.status in _DEAD:
            return None
        if answer.status == _OVERLOADED or answer.status >= _SERVER:
            raise TemporaryError(f"the Platform API cannot say now whose the token is ({answer.status})", hint=_AGAIN)
        try:
            found: Any = json.loads(answer.body) if answer.status == _OK and len(answer.body) <= LIMIT else None
            client_id = found["OAuthClient"]["id"]
        except (ValueError, RecursionError, TypeError, KeyError):
            client_id = None
        if not isinstance(client_id, str):
            raise TokenError(f"the Platform API did not say whose the token is ({answer.status})", hint=_CHECK)
        return client_id

    def end(self, token: str, deadline: Deadline) -> bool:
        """Revoke the token; False when it was dead already. TemporaryError, TokenError."""
        answer = self._transport.send("DELETE", self._url, bearer(token), deadline, "ending the token")
        if answer.status in _DONE:
            return True
        if answer.status in _DEAD:
            return False
        if answer.status == _OVERLOADED or answer.status >= _SERVER:
            raise TemporaryError(f"the Platform API cannot end the token now ({answer.status})", hint=_AGAIN)
        raise TokenError(f"the Platform API did not end the token ({answer.status})", hint=_CHECK)
