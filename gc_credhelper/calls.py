"""Calls: requests to the Platform API, each with a valid token, tried again where that is safe and of use.

401             the token is rejected, so that everyone gets another, and the request is made once more
429             once more after the time that the server asked for, or at once with the token of another slot
408, 5xx        once more after a pause, when the request may be made twice or the server names a time
no connection   the same
"""

import random
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode, urlsplit

from .bearer import UNAUTHORIZED
from .deadline import Deadline, backoff
from .errors import Error, RateLimited, TemporaryError, TokenError
from .pace import Pace
from .refusals import is_success, refusal
from .report import Report
from .source import TokenSource
from .tokens import AccessToken
from .transport import FAILURES, Answer, Transport, bearer, read, translated

LIMIT = 1 << 26  # bytes of an answer
_REFUSAL = 1 << 16  # bytes of one that is no success: its few words are searched for the token
_ATTEMPT = 60.0  # seconds that one attempt may take; a query of the analytics API takes its time
_LONGEST = 180.0  # seconds that a call of a walk waits when the server asks for it; Genesys' SDKs wait no longer either
_UNTOLD = 10.0  # seconds after a rate limit that came without a time to wait
_SAFE = ("GET", "HEAD", "OPTIONS", "PUT", "DELETE")  # RFC 9110 §9.2.2: may be repeated
_READING = ("/query", "/search")  # how the paths end to which a POST reads


@dataclass(frozen=True, slots=True)
class Call:
    """A request. `path`: from its first slash on, without the query. `query`: names and values. `body`: as sent."""

    method: str
    path: str
    query: tuple[tuple[str, str], ...] = ()
    body: bytes | None = field(default=None, repr=False)
    headers: tuple[tuple[str, str], ...] = field(default=(), repr=False)

    def __str__(self) -> str:
        return f"{self.method} {self.path}"

    @property
    def repeatable(self) -> bool:
        """May it be made twice when nobody knows what became of the first?"""
        return self.method in _SAFE or self.path.endswith(_READING)

    @property
    def target(self) -> str:
        """Path and query."""
        return f"{self.path}?{urlencode(self.query)}" if self.query else self.path


class _Slot:
    """One token that the requests may use."""

    def __init__(self, number: int, source: TokenSource) -> None:
        self.number = number
        self.source = source
        self.pace = Pace()
        self.stopped_by: RateLimited | None = None


class _Time:
    """What one call may take. Unless there is a deadline for all of them, pauses that the server asks for are extra."""

    def __init__(self, whole: Deadline | None, seconds: float) -> None:
        self._whole = whole
        self._asked = 0.0  # seconds that the server had it wait
        self.limit = whole or Deadline(seconds)

    def rest(self, wait: float, why: Error, *, asked: bool = True) -> None:
        """So long, as the server asked for or as the pace has it; raises `why` when that is too long, or what the
        server asked for has become so.
        """
        left = self.limit.left()
        if wait >= (left if self._whole else _LONGEST - self._asked * asked):
            raise why
        self._asked += wait * asked
        time.sleep(wait + random.uniform(0, min(0.2, wait / 4)))  # noqa: S311
        self.limit = self._whole or Deadline(left)

    def pause(self, attempt: int, why: Error) -> None:
        """Before another attempt that nobody asked for, with full jitter; raises `why` when there is no time for it."""
        wait = backoff(attempt)
        if wait >= self.limit.left():
            raise why
        time.sleep(wait)


class Calls:
    """Makes requests to one API, from as many threads as there are `connections`."""

    def __init__(
        self,
        api_url: str,
        sources: Mapping[int, TokenSource],
        transport: Transport,
        report: Report,
        *,
        deadline: Deadline | None,
        seconds: float = 30,
        connections: int = 1,
    ) -> None:
        """`sources`: of the tokens that may be used, by the numbers of their slots; the first, the caller's own, as
        long as its limit allows. `deadline`: for all calls together; None gives each attempt at a call
        `seconds`, all of them twice that, and besides the pauses that the server asks for.
        """
        self._api_url = api_url
        self._slots = [_Slot(number, source) for number, source in sources.items()]
        self._report = report
        self._deadline = deadline
        self._attempt = _ATTEMPT if deadline else seconds
        self._session = transport.session(api_url, connections=connections)

    def send(self, call: Call) -> Answer:
        """The answer, whose status is one of success.

        UsageError: the API does not take the request. TokenError: it refuses the token, or the answer is of no use.
        RateLimited, TemporaryError: it failed until the deadline, or the request may not be repeated. Every error of
        TokenSource.token.
        """
        time_ = _Time(self._deadline, self._attempt * 2)  # one that is never answered may be made again
        attempt, replaced = 0, False
        while True:
            slot = self._slot(time_)
            token = self._token(slot, time_.limit)
            if token is None:
                continue
            answer, failure = self._tried(call, slot, token, time_.limit)
            if failure is None:
                assert answer, "a try without an answer has failed"
                return answer
            if answer and answer.status == UNAUTHORIZED and not replaced:
                replaced = slot.source.reject(token.value, deadline=time_.limit)
                if replaced:
                    self._report.note(f"{call}: the token was refused, and replaced")
                    continue
            attempt += 1
            self._wait(call, failure, slot, time_, attempt)

    def _wait(self, call: Call, failure: Error, slot: _Slot, time_: _Time, attempt: int) -> None:
        """Until the call may be tried again; raises the failure when it may not."""
        asked = failure.retry_after if isinstance(failure, TemporaryError) else None
        if not failure.retryable or not (call.repeatable or asked is not None or isinstance(failure, RateLimited)):
            raise failure
        self._report.note(f"attempt {attempt}: {failure}")
        if isinstance(failure, RateLimited):  # another token may serve meanwhile
            slot.pace.stop(_UNTOLD if asked is None else asked)
            slot.stopped_by = failure
        elif asked is not None:
            time_.rest(asked, failure)
        else:
            time_.pause(attempt, failure)

    def _slot(self, time_: _Time) -> _Slot:
        """The first whose token may be used, once there is one. RateLimited when that would be too late."""
        while True:
            waits: list[tuple[float, int]] = []
            slots = self._slots
            for number, slot in enumerate(slots):
                wait = slot.pace.take()
                if not wait:
                    slot.stopped_by = None
                    return slot
                waits.append((wait, number))
            wait, number = min(waits)
            text = f"the requests of this minute are used up; there will be more in {wait:.0f} s"
            self._report.note(text)
            failure = RateLimited(text, hint="raise --deadline, or share the load with slots", retry_after=wait)
            stopped_by = slots[number].stopped_by
            time_.rest(wait, stopped_by or failure, asked=stopped_by is not None)

    def _token(self, slot: _Slot, limit: Deadline) -> AccessToken | None:
        """Its token. None, with a warning, when it is not the caller's own and has none: it is used no more."""
        own = slot is self._slots[0]
        try:
            return slot.source.token(deadline=limit if own else limit.share(0.5))
        except Error as e:
            slot.pace.give({})
            if own:
                raise
            self._slots = [one for one in self._slots if one is not slot]
            self._report.warn(f"slot {slot.number} is left out: {e}", topic=f"slot {slot.number}")
            return None

    def _tried(
        self, call: Call, slot: _Slot, token: AccessToken, limit: Deadline
    ) -> tuple[Answer | None, Error | None]:
        """One attempt: the answer if one came, and what is wrong, if anything is."""
        answer, most = None, limit.share(most=self._attempt)
        try:
            answer = most.run(lambda: self._asked(call, token, most), f"{call}")
        except TemporaryError as e:
            return None, e
        finally:
            slot.pace.give(answer.headers if answer else {})
        if len(answer.body) > LIMIT:
            raise TokenError(f"the answer to {call} is larger than {LIMIT >> 20} MiB", hint="ask for smaller pages")
        return answer, refusal(f"{call}", answer, token.value)

    def _asked(self, call: Call, token: AccessToken, most: Deadline) -> Answer:
        how: dict[str, Any] = {"timeout": max(0.001, most.left()), "allow_redirects": False, "stream": True}
        fill = bearer(token.value)
        try:
            url = self._api_url + call.target  # of which a server's links and cursors become a part
            with self._session.request(
                call.method, url, data=call.body, headers=dict(call.headers), auth=fill, **how
            ) as response:
                most_bytes = LIMIT if is_success(response.status_code) else _REFUSAL
                return Answer(response.status_code, response.headers, read(response, most_bytes))
        except FAILURES as e:
            raise translated(e, urlsplit(self._api_url).hostname or "") from None
