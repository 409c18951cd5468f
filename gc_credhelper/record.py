"""Record: what lies in a far cache under one key: a token, a lease, or what the last leader was told.

It is input, not truth: whoever may write the path chooses it. So everything is checked, times are capped by our own
limits, and anything odd counts as empty. Times are seconds and spans, never moments, so that no clocks are compared.
"""

import json
import re
from dataclasses import asdict, dataclass, field

from .errors import Error, InvalidClient, RateLimited, TemporaryError
from .gate import STATUSES
from .rejections import PACE
from .tokens import MAX_LIFETIME, AccessToken, advisory, is_b64token, mandatory

VERSION = 1
MAX_LEASE = 60.0
_LARGEST = 131_072  # characters
_MOST = {"refused": 60.0, "rate-limit": 300.0, "temporary": 5.0}  # seconds


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why the last leader got no token. `kind`: refused, rate-limit or temporary.

    `salt` and `bits` say which secret a refusal is about (see gate.py), `status` is that of the HTTP answer; of its
    text nothing is kept. `seconds`: for how long it is believed.
    """

    kind: str = ""
    seconds: float = 0
    salt: str = ""
    bits: str = ""
    status: int = 0

    @classmethod
    def of(cls, error: Error) -> "Refusal":
        """What others are to know of it; nothing when it is no more than this caller's own."""
        if isinstance(error, InvalidClient) and error.salt:
            return cls("refused", 60, error.salt, error.bits, error.status)
        if isinstance(error, RateLimited):
            seconds = 10 if error.retry_after is None else error.retry_after
            return cls("rate-limit", min(seconds, _MOST["rate-limit"]))
        return cls("temporary", 1) if isinstance(error, TemporaryError) else cls()

    @property
    def believed(self) -> float:
        """Seconds, capped whatever the record says."""
        return min(self.seconds, _MOST.get(self.kind, 0))


@dataclass(frozen=True, slots=True)
class Record:
    """`ttl`: what the server granted; `token_age`: the token's age at this write; `soft`: seconds before its expiry
    from which it is refreshed. `holder`, `lease`, `eta`: who exchanges, for how long the lease lives, and when an
    answer may be expected; `took`: how long the last exchange took. `quiet`: for how long no further token is rejected.
    """

    token: str = field(default="", repr=False)
    ttl: float = 0
    token_age: float = 0
    soft: float = 0
    holder: str = ""
    lease: float = 0
    eta: float = 0
    took: float = 0
    quiet: float = 0
    refusal: Refusal = Refusal()
    about: str = ""

    @classmethod
    def of(cls, token: AccessToken, took: float, about: str, quiet: float) -> "Record":
        """A new token. `took`: seconds that its exchange took, by which it is old already."""
        soft = token.expires_at - token.refresh_at
        return cls(token.value, token.lifetime, took, soft, took=took, quiet=quiet, about=about)

    def dump(self) -> str:
        """One JSON object."""
        return json.dumps({"version": VERSION, **asdict(self)})

    @classmethod
    def load(cls, text: str) -> "Record":
        """What `dump` wrote; an empty record for anything else."""
        try:
            raw = json.loads(text)
            if raw.pop("version") != VERSION or len(text) > _LARGEST:
                return cls()
            refusal = Refusal(**raw.pop("refusal"))
            record = cls(refusal=refusal, **raw)
        except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
            return cls()
        return record if record._sound() else cls()

    def _sound(self) -> bool:
        spans = (self.ttl, self.token_age, self.soft, self.lease, self.eta, self.took, self.quiet, self.refusal.seconds)
        if not all(type(span) in (int, float) and 0 <= span <= MAX_LIFETIME for span in spans):
            return False
        texts = [self.token, self.holder, self.about]
        texts += [self.refusal.kind, self.refusal.salt, self.refusal.bits]
        if not all(isinstance(text, str) and text.isprintable() for text in texts):
            return False
        if self.refusal.status not in (STATUSES if self.refusal.kind == "refused" else (0,)):
            return False
        if self.token and not (is_b64token(self.token) and mandatory(self.ttl) < self.soft < self.ttl):
            return False
        return self.lease <= MAX_LEASE

    def still_quiet(self, age: float) -> float:
        """Seconds, capped whatever the record says. `age`: as below."""
        return max(0.0, min(self.quiet, PACE) - age)

    def access_token(self, age: float, now: float) -> AccessToken | None:
        """The token as this machine's clock would have dated it. `age`: seconds since the record was written; the
        store's clock counts whole seconds, so that one more is taken off its life.
        """
        elapsed = self.token_age + age
        if not self.token or elapsed + 1 >= self.ttl:
            return None
        issued_at = now - elapsed - 1
        expires_at = issued_at + self.ttl
        soft = min(self.soft, advisory(self.ttl) * 1.1)
        return AccessToken(self.token, issued_at, expires_at, refresh_at=expires_at - soft)


def shown_holder(holder: str) -> str:
    """Enough of who holds a lease to find that machine's own trace by; a record may hold anything in its place."""
    return holder[:8] if re.fullmatch(r"[0-9a-f]{32}", holder) else "not named"
