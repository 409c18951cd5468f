"""Platform: what the Platform API says of a token, and ends it (`/api/v2/tokens/me`)."""

import json
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any

from .deadline import Deadline
from .errors import TemporaryError, TokenError
from .transport import LIMIT, Transport, bearer

_DONE, _DEAD = (200, 202, 204), (401, 404)
_AGAIN, _CHECK = "try again", "check api_url"


@dataclass(frozen=True, slots=True)
class About:
    """Whose a token is; empty where the server did not say. It may hold an echo of the token, so it does not print."""

    client_id: str = field(repr=False)
    client_name: str = field(default="", repr=False)
    organization_id: str = field(default="", repr=False)
    organization_name: str = field(default="", repr=False)


class Platform:
    """The Platform API of one region or gateway."""

    def __init__(self, api_url: str, transport: Transport) -> None:
        self._url = f"{api_url}/api/v2/tokens/me"
        self._transport = transport

    def about(self, token: str, deadline: Deadline) -> About | None:
        """Whose the token is, None when it is dead. Its idle time is not begun anew. TemporaryError, TokenError."""
        url = f"{self._url}?preserveIdleTTL=true"
        answer = self._transport.send("GET", url, bearer(token), deadline, "asking about the token")
        if answer.status in _DEAD:
            return None
        if _is_temporary(answer.status):
            raise TemporaryError(f"the Platform API cannot say now whose the token is ({answer.status})", hint=_AGAIN)
        about = _about(answer.body) if answer.status == HTTPStatus.OK and len(answer.body) <= LIMIT else None
        if not about:
            raise TokenError(f"the Platform API did not say whose the token is ({answer.status})", hint=_CHECK)
        return about

    def client_id(self, token: str, deadline: Deadline) -> str | None:
        """The id of the OAuth client that the token is of, likewise."""
        about = self.about(token, deadline)
        return about.client_id if about else None

    def end(self, token: str, deadline: Deadline) -> bool:
        """Revoke the token; False when it was dead already. TemporaryError, TokenError."""
        answer = self._transport.send("DELETE", self._url, bearer(token), deadline, "ending the token")
        if answer.status in _DONE:
            return True
        if answer.status in _DEAD:
            return False
        if _is_temporary(answer.status):
            raise TemporaryError(f"the Platform API cannot end the token now ({answer.status})", hint=_AGAIN)
        raise TokenError(f"the Platform API did not end the token ({answer.status})", hint=_CHECK)


def _is_temporary(status: int) -> bool:
    return (
        status in (HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_MANY_REQUESTS)
        or status >= HTTPStatus.INTERNAL_SERVER_ERROR
    )


def _about(body: bytes) -> About | None:
    """Of a `TokenInfo`, as the vendor's SDK names it; None for anything else."""
    try:
        found: Any = json.loads(body)
    except (ValueError, RecursionError):
        return None
    client_id, client_name = _named(found, "OAuthClient")
    return About(client_id, client_name, *_named(found, "organization")) if client_id else None


def _named(found: Any, name: str) -> tuple[str, str]:
    """Id and name of a part."""
    part = found.get(name) if isinstance(found, dict) else None
    given = [part.get(key) if isinstance(part, dict) else "" for key in ("id", "name")]
    one, other = (text if isinstance(text, str) else "" for text in given)
    return one, other
