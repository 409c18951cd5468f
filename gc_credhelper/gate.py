"""Gate: what the server said to one process of this machine, so that the others of the same key do not ask again.

A rate limit binds everyone for the time that the server asked for. A refused secret binds only callers with the same
secret, known by a salt and 32 bits of its HMAC-SHA-256: too few to search for the secret by, enough that a mended one
opens the gate at once. Any other failure binds for seconds, and only the same caller: some repeat a failing helper at
once, five times and more. The gate never delays a caller who holds a valid token.
"""

import hashlib
import json
import os
import time
from typing import Any

from .credentials import Secret
from .errors import Error, InvalidClient, RateLimited, TemporaryError, TokenError
from .private import PrivateDir
from .private_portable import Unsafe

MOST_RATE = 300  # seconds, whatever a header or a record says
MOST_REFUSED = 60
MOST_FAILED = 5
MOST = {"rate-limit": MOST_RATE, "refused": MOST_REFUSED, "failed": MOST_FAILED}
STATUSES = (400, 401, 403)  # that come with invalid_client; a record is input
_UNTOLD = 10  # seconds for a rate limit that came without a time to wait


class Gate:
    """The gate of one key. A gate that cannot be read is open; one that cannot be written stays open."""

    def __init__(self, directory: PrivateDir, key: str) -> None:
        self._directory = directory
        self._name = f"{key}.gate"

    def state(self) -> tuple[str, float]:
        """Which record keeps whom from a token request, and for how many seconds: rate-limit, refused or failed; else
        open, 0.
        """
        record = self._read()
        kind = next((kind for kind in MOST if kind == record.get("kind")), "")
        left = self._left(record, MOST[kind]) if kind else 0.0
        return (kind, left) if left else ("open", 0.0)

    def wait(self) -> float:
        """Seconds until a token may be asked for again after a rate limit; 0 when it may be now."""
        kind, left = self.state()
        return left if kind == "rate-limit" else 0.0

    def check(self, secret: Secret, decided_by: str) -> None:
        """InvalidClient, as the server said it a moment ago about this very secret. `decided_by`: what named the server
        to this caller, which need not be what named it to the one who asked.
        """
        record = self._read()
        left = self._left(record, MOST_REFUSED) if record.get("kind") == "refused" else 0.0
        salt, bits, status = str(record.get("salt")), record.get("bits"), record.get("status")
        if left and salt.isascii() and status in STATUSES and bits == secret_bits(secret, salt):
            ago = f"{MOST_REFUSED - left:.0f} s ago; the server is not asked again yet"
            raise InvalidClient.said(f"{status}, invalid_client, said {ago}", decided_by, int(status))

    def check_caller(self, caller: int) -> None:
        """TokenError or TemporaryError, as it was, when a token request for the same caller failed a moment ago."""
        record = self._read()
        left = self._left(record, MOST_FAILED) if record.get("kind") == "failed" else 0.0
        if left and record.get("caller") == caller:
            said = f"a token request for this caller failed {MOST_FAILED - left:.0f} s ago; it is not repeated yet"
            if record.get("final"):
                raise TokenError(said, hint=f"its error was shown then; mend that, and try again in {left:.0f} s")
            raise TemporaryError(said, hint=f"try again in {left:.0f} s", retry_after=left)

    def failed(self, caller: int, error: Error) -> None:
        """Close it for that caller. What binds others as well stays."""
        if self.state()[0] not in ("rate-limit", "refused"):
            final = not error.retryable
            self._write({"kind": "failed", "seconds": MOST_FAILED, "caller": caller, "final": final})

    def rate_limited(self, error: RateLimited) -> None:
        """Close it for everyone."""
        seconds = _UNTOLD if error.retry_after is None else error.retry_after
        self._write({"kind": "rate-limit", "seconds": min(seconds, MOST_RATE)})

    def refused(self, secret: Secret, error: InvalidClient) -> None:
        """Close it for callers with this secret. Of the answer only the status is kept."""
        error.salt = os.urandom(16).hex()
        error.bits = secret_bits(secret, error.salt)
        record = {"salt": error.salt, "bits": error.bits, "status": error.status}
        self._write({"kind": "refused", "seconds": MOST_REFUSED, **record})

    def open(self) -> None:
        """A token was issued."""
        try:
            self._directory.remove(self._name)
        except (OSError, Unsafe):
            return

    @staticmethod
    def _left(record: dict[str, Any], most: float) -> float:
        at, seconds = record.get("at"), record.get("seconds")
        if not isinstance(at, int | float) or not isinstance(seconds, int | float):
            return 0.0
        now = time.time()
        if not now - most <= at <= now or not seconds > 0:  # numbers of any size, NaN too, may stand there
            return 0.0
        return max(0.0, at + min(seconds, most) - now)

    def _read(self) -> dict[str, Any]:
        try:
            record = json.loads(self._directory.read(self._name))
        except (OSError, Unsafe, ValueError, RecursionError):
            return {}
        return record if isinstance(record, dict) and record.get("version") == 1 else {}

    def _write(self, record: dict[str, Any]) -> None:
        try:
            self._directory.write(self._name, json.dumps({"version": 1, "at": time.time(), **record}).encode())
        except (OSError, Unsafe):
            return


def secret_bits(secret: Secret, salt: str) -> str:
    """32 bits of the secret's HMAC: 8 hex digits."""
    import hmac  # with it comes more than a run that asks no server should pay for

    return hmac.digest(salt.encode(), secret.reveal().encode(), hashlib.sha256).hex()[:8]
