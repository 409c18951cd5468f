"""What a running sandbox remembers: clients, live tokens, counters, and the faults still to come."""

import math
import secrets
from collections import deque
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace

from gc_credhelper.sandbox.options import Fault, Kind, Options

WINDOW = 60.0
"""Seconds; the window opens with the first request that is counted in it."""


@dataclass(slots=True)
class Token:
    """A token that the API accepts; times are readings of the sandbox's clock."""

    client_id: str
    expires_at: float
    asked: int = 0
    window_ends: float = -math.inf

    def ask(self, now: float) -> int:
        """Count one request; say how many there were in this window, those that were refused among them."""
        if now >= self.window_ends:
            self.asked, self.window_ends = 0, now + WINDOW
        self.asked += 1
        return self.asked

    def reset_in(self, now: float) -> int:
        """Whole seconds until the window ends."""
        return max(1, math.ceil(self.window_ends - now))


class FaultQueue:
    """Faults in the order given; the next one starts when the one before it is used up."""

    def __init__(self, faults: Iterable[Fault]) -> None:
        self._left = deque(faults)
        self._passed = 0
        self.used = 0

    @property
    def head(self) -> Kind | None:
        """The kind of the fault that is due, or will be when enough requests have passed."""
        return self._left[0].kind if self._left else None

    def meets(self) -> bool:
        """Count a request (or token) against the head; whether it has to fail. There must be a head."""
        fault = self._left[0]
        if self._passed < fault.skip:
            self._passed += 1
            return False
        self._passed = 0
        self.used += 1
        if fault.count == 1:
            self._left.popleft()
        elif fault.count:
            self._left[0] = replace(fault, count=fault.count - 1)
        return True


class State:
    """The memory of one sandbox, touched by the thread of its event loop only; `stats` may be read from any."""

    def __init__(self, options: Options) -> None:
        self.clients = dict(options.clients)
        self.lifetime = options.lifetime
        self.clock = options.clock
        self.api_limit = options.api_limit
        self.faults = FaultQueue(fault for fault in options.faults() if not fault.kind.of_api)
        self.api_faults = FaultQueue(fault for fault in options.faults() if fault.kind.of_api)
        self.token_requests = 0
        self.tokens_issued = 0
        self.api_requests = 0
        self._rate_limited = 0
        self._max_per_window = 0
        self._revoked = 0
        self._tokens: dict[str, Token] = {}
        self._in_flight = 0
        self._max_in_flight = 0

    def issue(self, client_id: str) -> str:
        """Make a token; the client's older ones stay alive, as they do at the service."""
        value = secrets.token_urlsafe(64)
        if not (self.faults.head is Kind.IDLE_DEATH and self.faults.meets()):
            self._tokens[value] = Token(client_id, self.clock() + self.lifetime)
        self.tokens_issued += 1
        return value

    def find(self, value: str) -> Token | None:
        """Look a token up; None when it is unknown, revoked or expired."""
        token = self._tokens.get(value)
        if token and token.expires_at <= self.clock():
            del self._tokens[value]
            return None
        return token

    def revoke(self, value: str) -> None:
        """End a token that `find` found."""
        del self._tokens[value]
        self._revoked += 1

    def admit(self, token: Token) -> bool:
        """Count one request of a token; False when this minute's allowance is used up."""
        asked = token.ask(self.clock())
        self._max_per_window = max(self._max_per_window, asked)
        admitted = not self.api_limit or asked <= self.api_limit
        self._rate_limited += not admitted
        return admitted

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
        """Count so far; docs/reference/commands.md says what each is."""
        return {
            "token_requests": self.token_requests,
            "tokens_issued": self.tokens_issued,
            "api_requests": self.api_requests,
            "max_in_flight": self._max_in_flight,
            "rate_limited": self._rate_limited,
            "max_per_window": self._max_per_window,
            "revoked": self._revoked,
            "faults": self.faults.used + self.api_faults.used,
        }
