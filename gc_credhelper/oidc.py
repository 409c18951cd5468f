"""OIDC: the token of a job on GitHub Actions, by which a store's login knows the job. It stays in memory.

The runner tells the steps of a job with `permissions: id-token: write` where to ask for it, and lends them a bearer for
that (docs.github.com, "OpenID Connect reference"). Public: plug-ins use it.
"""

import json
from typing import TYPE_CHECKING
from urllib.parse import quote, urlsplit

from .credentials import Secret
from .deadline import Deadline
from .errors import CredentialsError, TemporaryError, TokenError, UsageError
from .kinds import is_loopback
from .plan import Inputs

if TYPE_CHECKING:
    from requests import PreparedRequest

URL, BEARER = "ACTIONS_ID_TOKEN_REQUEST_URL", "ACTIONS_ID_TOKEN_REQUEST_TOKEN"
_WHO = "the runner's OIDC endpoint"
_PERMISSION = "the job needs `permissions: id-token: write`, and a pull request from a fork does not get it"
_OK, _TOO_MANY, _BROKEN = 200, 429, 500


def github_token(inputs: Inputs, audience: str | None, deadline: Deadline) -> Secret:
    """The job's token. `audience`: whom it is for; None leaves GitHub's default.

    CredentialsError when the job gets none, TemporaryError, UsageError.
    """
    from .transport import (  # a plug-in may import this module when it is loaded, and its libraries later
        LIMIT,
        Transport,
    )

    url, bearer = _where(inputs, audience), _bearer(inputs)

    def fill(request: "PreparedRequest") -> "PreparedRequest":
        request.headers["Authorization"] = f"bearer {bearer.reveal()}"
        return request

    try:
        answer = Transport().send("GET", url, fill, deadline, _WHO)
    except (TemporaryError, TokenError) as e:
        kind = TemporaryError if e.retryable else CredentialsError
        raise kind(f"{_WHO} gave no token: {e}", hint=e.hint) from None
    if answer.status == _TOO_MANY or answer.status >= _BROKEN:
        raise TemporaryError(f"{_WHO} cannot serve now ({answer.status})", hint="try again")
    if answer.status != _OK:
        raise CredentialsError(f"{_WHO} refused us ({answer.status})", hint=_PERMISSION)
    try:
        value = json.loads(answer.body)["value"] if len(answer.body) <= LIMIT else None
    except (ValueError, RecursionError, KeyError, TypeError):
        value = None
    if not isinstance(value, str) or not value:
        raise CredentialsError(f"{_WHO} gave no token", hint=_PERMISSION)
    return Secret(value)


def _where(inputs: Inputs, audience: str | None) -> str:
    url = inputs.env(URL, secret=True)
    if not url:
        raise CredentialsError(f"{URL} is not set", hint=_PERMISSION)
    parts = urlsplit(url)
    if not parts.hostname or (parts.scheme != "https" and not (parts.scheme == "http" and is_loopback(parts.hostname))):
        raise UsageError(f"{URL} is not an https URL", hint="the runner sets it; nobody else should")
    return url + (f"{'&' if parts.query else '?'}audience={quote(audience, safe='')}" if audience else "")


def _bearer(inputs: Inputs) -> Secret:
    value = (inputs.env(BEARER, secret=True) or "").strip()
    if not value:
        raise CredentialsError(f"{URL} is set, but {BEARER} is not", hint=_PERMISSION)
    if not value.isascii() or not value.isprintable() or " " in value:
        raise CredentialsError(f"{BEARER} holds a character that no token has", hint="the runner sets it")
    return Secret(value)
