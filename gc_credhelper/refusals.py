"""Refusals: what an answer of the Platform API that is no success means, as our error with a few words of the server's.

Shown are what a person needs to ask for help: status, `code`, `message` and the two ids (SDK model `ErrorBody`). A text
that has anything in common with the token, in clear or in a coding that a server could put it in, is not shown.
"""

import json
import re
from http import HTTPStatus
from typing import Any

from .echo import Echo, is_uuid
from .errors import Error, RateLimited, TemporaryError, TokenError, UsageError
from .exchange import retry_after
from .report import one_line
from .transport import Answer

_LONGEST = 300  # characters of a message
_WORD = 40  # characters of a word; a longer one is no word, and may be anything
_NAME = re.compile(r"[a-z][a-z0-9_.-]{0,63}", re.IGNORECASE)
_CORRELATIONS = ("ININ-Correlation-Id", "Genesys-Correlation-Id")
_MEANINGS: dict[int, tuple[type[Error], str]] = {
    100: (TokenError, "check api_url"),
    300: (TokenError, "a redirect is not followed: the token stays here; check the path and api_url"),
    400: (UsageError, "check the path, the query and the body of the request"),
    401: (TokenError, "does api_url belong to the region of the token? gc-credhelper verify tells"),
    403: (TokenError, "give the OAuth client a role, in a division, that allows this"),
    408: (TemporaryError, "try again"),
    500: (TemporaryError, "try again"),
    501: (UsageError, "the API does not do this"),
}


def is_success(status: int) -> bool:
    """Is it 2xx (RFC 9110 §15.3)?"""
    return HTTPStatus.OK <= status < HTTPStatus.MULTIPLE_CHOICES


def refusal(what: str, answer: Answer, token: str) -> Error | None:
    """None for a success. `what`: the request, for people. `token`: what must not show."""
    status = answer.status
    if is_success(status):
        return None
    body = _parsed(answer)
    message = body.get("message")
    message = one_line(message) if isinstance(message, str) else ""
    text = f"{what}: {status}{_told(body, message, answer, token)}"
    if status == HTTPStatus.TOO_MANY_REQUESTS:
        wait = retry_after(answer, message.casefold())
        said = "the server does not say for how long" if wait is None else f"the server asks to wait {wait:.0f} s"
        return RateLimited(f"{text}; {said}", hint="share the load with slots", retry_after=wait)
    kind, hint = _MEANINGS.get(status) or _MEANINGS.get(status // 100 * 100, _MEANINGS[500])
    error = kind(text, hint=hint)
    if isinstance(error, TemporaryError):
        error.retry_after = retry_after(answer, "")
    return error


def _parsed(answer: Answer) -> dict[str, Any]:
    try:
        body = json.loads(answer.body)
    except (ValueError, RecursionError):
        return {}
    return body if isinstance(body, dict) else {}


def _told(body: dict[str, Any], message: str, answer: Answer, token: str) -> str:
    """Code, message and ids, as far as they are there and may be shown."""
    echo = Echo(token)
    code, context = body.get("code"), body.get("contextId")
    said = f" {code}" if isinstance(code, str) and _NAME.fullmatch(code) and echo.misses(code) else ""
    if message and echo.misses(message):
        words = " ".join(word if len(word) <= _WORD else "…" for word in message.split())
        said += f": {words[:_LONGEST]}{'…' if len(words) > _LONGEST else ''}"
    correlation = next((value for name in _CORRELATIONS if (value := answer.headers.get(name))), "")
    ids = {"context": context if isinstance(context, str) else "", "correlation": correlation}
    shown = [f"{name} id {value}" for name, value in ids.items() if is_uuid(value) and echo.misses(value)]
    return f"{said} ({', '.join(shown)})" if shown else said
