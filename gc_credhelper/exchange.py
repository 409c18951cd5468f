"""TokenExchanger: the client-credentials grant (RFC 6749 §4.4), its retries, and the reading of every answer.

No text of the server is ever shown: it may repeat the secret, in clear or in any encoding. What is shown are status,
the registered error codes of RFC 6749 §5.2, phrases that Genesys is known to send, and a correlation id.
"""

import base64
import json
import random
import re
import time
from collections.abc import Callable
from datetime import UTC
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import Any

from requests import PreparedRequest

from .credentials import ClientCredentials
from .deadline import Deadline, backoff
from .echo import Echo, is_uuid
from .errors import Error, InvalidClient, RateLimited, TemporaryError, TokenError
from .report import Report
from .tokens import MAX_LIFETIME, AccessToken, advisory, is_b64token
from .transport import LIMIT, Answer, Fill, Transport

DEFAULT_LIFETIME = 300  # seconds, when the answer does not say: the shortest that a Genesys client can be set to
_LEAST = 0.2  # seconds that an attempt needs; a shorter one would only hide what was wrong with the last
_DAY = 86_400
_CODES = {
    *("invalid_request", "invalid_client", "invalid_grant", "unauthorized_client", "unsupported_grant_type"),
    *("invalid_scope", "access_denied", "server_error", "temporarily_unavailable"),
}
_PHRASES = ("client not found", "authentication failed", "rate limit exceeded")


class TokenExchanger:
    """Posts the grant to one token URL."""

    def __init__(self, token_url: str, client_auth: str, decided_by: str, transport: Transport, report: Report) -> None:
        """`client_auth`: basic or body (RFC 6749 §2.3.1). `decided_by`: what named the URL, for the message."""
        self._url = token_url
        self._client_auth = client_auth
        self.decided_by = decided_by
        self._transport = transport
        self._report = report

    def exchange(
        self,
        credentials: ClientCredentials,
        deadline: Deadline,
        limited: Callable[[RateLimited], None] = lambda _: None,
    ) -> AccessToken:
        """A new token. Temporary failures are tried again with full jitter until the deadline; a `Retry-After` that
        does not fit ends it at once. `limited` hears of every rate limit, so that others do not run into it meanwhile.
        InvalidClient, TokenError, RateLimited, TemporaryError, UsageError.
        """
        attempt = 0
        while True:
            attempt += 1
            try:
                token = self._once(credentials, deadline)
            except TemporaryError as e:
                if isinstance(e, RateLimited):
                    limited(e)
                pause = backoff(attempt - 1)
                if e.retry_after is not None:
                    pause = e.retry_after + random.uniform(0, min(1.0, e.retry_after / 4))  # noqa: S311
                fits = pause + _LEAST < deadline.left()
                outcome = "failed" if fits else "given-up"
                self._report.fact("exchange", outcome, number=attempt, error=str(e), pause=pause)
                if not fits:
                    raise _gave_up(e, attempt) from None
                time.sleep(pause)
            except Error as e:
                self._report.fact("exchange", "refused", number=attempt, error=str(e))
                raise
            else:
                self._report.fact("exchange", "granted", number=attempt)
                return token

    def _once(self, credentials: ClientCredentials, deadline: Deadline) -> AccessToken:
        started = time.time()
        fill = grant(credentials, self._client_auth)
        answer = self._transport.send("POST", self._url, fill, deadline, "the token request")
        if answer.status == HTTPStatus.OK:
            return self._token(answer, started)
        raise self._refusal(answer, credentials)

    def _token(self, answer: Answer, started: float) -> AccessToken:
        """RFC 6749 §5.1, checked: a captive portal answers 200 as well."""
        found = parsed(answer)
        if found is None:
            kind = "larger than 64 KiB" if len(answer.body) > LIMIT else "not a JSON object"
            hint = "a proxy, a login page or the wrong URL; check token_url and HTTPS_PROXY"
            raise TokenError(f"the answer of the token endpoint is {kind}", hint=hint)
        if not isinstance(found.get("access_token"), str) or not is_b64token(found["access_token"]):
            raise TokenError("the answer holds no access_token (RFC 6750)", hint="is token_url a token endpoint?")
        kind = found.get("token_type", "Bearer")
        if not isinstance(kind, str) or kind.casefold() != "bearer":
            raise TokenError("the answer's token_type is not bearer", hint="is token_url Genesys Cloud's?")
        seconds = self._lifetime(found)
        soft = advisory(seconds) * random.uniform(0.9, 1.1)  # noqa: S311  # or a fleet would refresh in step
        return AccessToken(found["access_token"], started, started + seconds, refresh_at=started + seconds - soft)

    def _lifetime(self, found: dict[str, Any]) -> float:
        raw = found.get("expires_in")
        if raw is None:
            self._report.warn(f"the server did not say how long the token lives; {DEFAULT_LIFETIME} s are assumed")
            return DEFAULT_LIFETIME
        if isinstance(raw, str) and re.fullmatch(r"[0-9]{1,10}", raw):
            raw = int(raw)
        if isinstance(raw, bool) or not isinstance(raw, int | float) or not 1 <= raw <= MAX_LIFETIME:
            raise TokenError(
                "the answer's expires_in is not a sane number of seconds", hint="is token_url Genesys Cloud's?"
            )
        return float(raw)

    def _refusal(self, answer: Answer, credentials: ClientCredentials) -> Error:
        """The error for every status but 200. The meaning is in the body: Genesys throttles with a 400."""
        found = parsed(answer) or {}
        code = next((code for code in _CODES if code == found.get("error")), "")
        texts = (found.get("description"), found.get("error_description"))
        told = " ".join(text for text in texts if isinstance(text, str)).casefold()
        phrase = next((phrase for phrase in _PHRASES if phrase in told), "")
        said = ", ".join(filter(None, (f"{answer.status}", code, phrase, _correlation(answer, credentials))))
        wait = retry_after(answer, told)
        if answer.status == HTTPStatus.TOO_MANY_REQUESTS or phrase == "rate limit exceeded":
            return RateLimited(
                f"too many token requests ({said})", hint="share tokens among jobs with a cache", retry_after=wait
            )
        if answer.status >= HTTPStatus.INTERNAL_SERVER_ERROR or answer.status == HTTPStatus.REQUEST_TIMEOUT:
            return TemporaryError(f"the token endpoint failed ({said})", hint="try again", retry_after=wait)
        if HTTPStatus.MULTIPLE_CHOICES <= answer.status < HTTPStatus.BAD_REQUEST:
            return TokenError(
                f"the token endpoint answered with a redirect ({said}), and a secret goes nowhere else",
                hint="check region and token_url; a captive portal or a proxy's login page redirects as well",
            )
        if code == "invalid_client":
            return InvalidClient.said(said, self.decided_by, answer.status)
        hint = "the rest of the answer is not shown, because it may hold the secret"
        if answer.status == HTTPStatus.FORBIDDEN:
            hint = "is this machine's address allowed for the OAuth client? A proxy may have answered as well"
        return TokenError(f"the token was refused ({said})", hint=hint)


def grant(credentials: ClientCredentials, client_auth: str) -> Fill:
    """Writes the grant and the client's authentication (RFC 6749 §4.4.2, §2.3.1) into a request."""

    def fill(request: PreparedRequest) -> PreparedRequest:
        form = {"grant_type": "client_credentials"}
        if client_auth == "body":
            form |= {"client_id": credentials.client_id, "client_secret": credentials.client_secret.reveal()}
        else:
            pair = f"{credentials.client_id}:{credentials.client_secret.reveal()}"
            request.headers["Authorization"] = "Basic " + base64.b64encode(pair.encode()).decode()
        request.prepare_body(form, None)
        return request

    return fill


class _Fields(dict[str, Any]):
    """The answer's fields. They may hold the token or an echo of the secret, so they do not print."""

    def __repr__(self) -> str:
        return "Fields(hidden)"


def parsed(answer: Answer) -> dict[str, Any] | None:
    """The body as a JSON object; None when it is too large or anything else."""
    if len(answer.body) > LIMIT:
        return None
    try:
        found = json.loads(answer.body)
    except (ValueError, RecursionError):
        return None
    return _Fields(found) if isinstance(found, dict) else None


def retry_after(answer: Answer, told: str) -> float | None:
    """Seconds to wait: from the header, a number or a date (RFC 9110 §10.2.3), else from "in [42] seconds" in the text.
    None when the server named no time, or one that is over.
    """
    raw = answer.headers.get("Retry-After", "").strip()
    if re.fullmatch(r"[0-9]{1,9}", raw):
        return float(raw) or None
    try:
        when = parsedate_to_datetime(raw)
        return max(0.0, when.replace(tzinfo=when.tzinfo or UTC).timestamp() - time.time()) or None
    except (TypeError, ValueError, OverflowError):
        found = re.search(r"(?<!\S)\[?([0-9]{1,6})\]? s(ec|$|\W)", told)  # words of their own: no part of a secret
        return float(found[1]) or None if found else None


def _correlation(answer: Answer, credentials: ClientCredentials) -> str:
    """The id that Genesys' support asks for, when it looks like one and has nothing of the secret, however turned."""
    value = answer.headers.get("ININ-Correlation-Id", "").strip()
    if not is_uuid(value) or not Echo(credentials.client_secret.reveal()).misses(value):
        return ""
    return f"correlation id {value}"


def _gave_up(error: TemporaryError, attempts: int) -> TemporaryError:
    wait = ""
    if error.retry_after is not None:
        time_ = "more than a day" if error.retry_after > _DAY else f"{error.retry_after:.0f} s"
        wait = f"; the server asks to wait {time_}"
    times = f" after {attempts} attempts" if attempts > 1 else ""
    return type(error)(f"{error}{wait}{times}", hint=error.hint, retry_after=error.retry_after)
