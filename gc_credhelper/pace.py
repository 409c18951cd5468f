"""Pace: how many requests a token may still make in this minute, so that its limit is never met with a 429.

Genesys Cloud allows 300 requests a minute for each token of a client, counted from the first of them, and tells in
`inin-ratelimit-count`, `-allowed` and `-reset` where a token stands. Other processes may use the same token, so what
the server counts is believed when it is more than what was counted here.
"""

import math
import threading
import time
from collections.abc import Mapping

WINDOW = 60.0  # seconds
MOST = 3_600.0  # seconds that a header may make us wait; whoever waits has limits of its own


class Pace:
    """Of one token. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._allowed = math.inf  # until the server says how many
        self._used = 0.0
        self._in_flight = 0
        self._ends = 0.0  # of the window, by the monotonic clock; before the first request there is none
        self._stopped = 0.0  # until then

    def take(self) -> float:
        """Count one request, and return 0; or seconds to wait until there may be another, and count nothing."""
        with self._lock:
            now = time.monotonic()
            if now >= self._ends:
                self._used, self._ends = self._in_flight, now + WINDOW
            until = max(self._stopped, self._ends if self._used >= self._allowed else now)
            if until > now:
                return until - now
            self._used += 1
            self._in_flight += 1
            return 0.0

    def give(self, headers: Mapping[str, str]) -> None:
        """One request has ended, with these headers, or none without an answer."""
        with self._lock:
            self._in_flight -= 1
            count, allowed, reset = (_number(headers, name) for name in ("count", "allowed", "reset"))
            if count is None or allowed is None or reset is None:
                return
            self._allowed = max(1.0, allowed)
            ends = time.monotonic() + min(reset, MOST)
            begun = ends - self._ends > WINDOW / 2  # the next window, before the last has ended by our clock
            self._ends = ends
            if begun or count > self._used:  # others use the token too, and may not be told of what is on its way
                self._used = count + self._in_flight

    def stop(self, seconds: float) -> None:
        """The server asked for a pause of the token."""
        with self._lock:
            self._stopped = time.monotonic() + min(seconds, MOST)


def _number(headers: Mapping[str, str], name: str) -> float | None:
    text = headers.get(f"inin-ratelimit-{name}", "")
    return float(text) if text.isascii() and text.isdigit() else None
