"""What a running sandbox remembers: clients, live tokens, counters, and the faults still to come."""

import math
import secrets
from collections import deque
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from gc_credhelper.sandbox.options import Fault, Kind, Options

REQUESTS_PER_WINDOW = 300
"""Limit `client.credentials.token.rate.per.minute` of the vendor's limits page: per token, not per client."""
WINDOW = 60.0
"""Seconds; the window opens with the first request that is counted in it."""


@dataclass(slots=True)
class Token:
    """A token that the API accepts; times are readings of the sandbox's clock."""

    client_id: str
    expires_at: float
    count: int = 0
    window_ends: float = -math.inf

    def spend(self, now: float) -> bool:
        """Count one request; False when this minute's allowance is used up."""
        if now >= self.window_ends:
            self.count, self.window_ends = 0, now + WINDOW
        if self.count >= REQUESTS_PER_WINDOW:
            return False
        self.count += 1
        return True

    def reset_in(self, now: float) -> int:
        """Whole seconds until the window ends."""
        return max(1, math.ceil(self.window_ends - now))


class FaultQueue:
    """Faults in the order given; the next one starts when the one before it is used up."""

    def __init__(self, faults: Iterable[Fault]) -> None:
        self._left = deque(faults)

    @property
    def head(self) -> Kind | None:
        """The fault that is due now."""
        return self._left[0].kind if self._left else None

    def use(self) -> None:
        """Take one off the count of the fault that is due."""
        fault = self._left.popleft()
        if fault.count != 1:
            self._left.appendleft(Fault(fault.kind, fault.count and fault.count - 1))


class State:
    """The memory of one sandbox, touched by the thread of its event loop only; `stats` may be read from any."""

    def __init__(self, options: Options) -> None:
        self.clients = dict(options.clients)
        self.lifetime = options.lifetime
        self.clock = options.clock
        self.faults = FaultQueue(options.faults())
        self.token_requests = 0
        self.tokens_issued = 0
        self.api_requests = 0
        self._tokens: dict[str, Token] = {}
        self._in_flight = 0
        self._max_in_flight = 0

    def issue(self, client_id: str) -> str:
        """Make a token; the client's older ones stay alive, as they do at the service."""
        value = secrets.token_urlsafe(64)
        if self.faults.head is Kind.IDLE_DEATH:
            self.faults.use()
        else:
            self._tokens[value] = Token(client_id, self.clock() + self.lifetime)
        self.tokens_issued += 1
        return value

    def find(self, value: str) -> Token | None:
        """Look a token up; None when it is unknown, revoked or expired."""
        token = self._tokens.get(value)
        if token and token.expires_at <= self.clock():
            self.revoke(value)
            return None
        return token

    def revoke(self, value: str) -> None:
        """End a token."""
        self._tokens.pop(value, None)

    @contextmanager
    def in_flight(self) -> Iterator[None]:
        """Count a request among those held at once, while it is answered."""
        self._in_flight += 1
        self._max_in_flight = max(self._max_in_flight, self._in_flight)
        try:
            yield
        finally:
            self._in_flight -= 1

    def stats(self) -> dict[str, int]:
        """Count so far: requests and issued tokens of the login, requests of the API, and the most held at once."""
        return {
            "token_requests": self.token_requests,
            "tokens_issued": self.tokens_issued,
            "api_requests": self.api_requests,
            "max_in_flight": self._max_in_flight,
        }
