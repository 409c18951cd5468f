"""AccessToken: a bearer token with its lifetime, the windows that follow from it, and the text that stores it.

Hot: a cache hit runs this module, so it imports nothing.
"""

MAGIC = "gcct1"
PROOF_MAGIC = "gcca1"
MAX_LIFETIME = 38_880_000  # seconds; the longest a Genesys client can grant (SCIM clients, 450 days)
MAX_SKEW = 60  # seconds that an entry may come from the future
YOUNG = 60  # seconds during which a new token satisfies any --min-ttl up to its lifetime

_PRIME = 2**127 - 1
_B64TOKEN = str.maketrans("", "", "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._~+/")


def is_b64token(value: str) -> bool:
    """RFC 6750 §2.1: letters, digits, `-._~+/`, then any number of `=`."""
    stem = value.rstrip("=")
    return bool(stem) and not stem.translate(_B64TOKEN)


class AccessToken:
    """A bearer token (RFC 6749 §1.4). Times are epoch seconds, UTC, with milliseconds.

    `issued_at` is the moment before the token request was sent, `expires_at` is issued_at + expires_in, and from
    `refresh_at` on one caller tries to replace it (the advisory window).
    """

    __slots__ = ("expires_at", "issued_at", "refresh_at", "type", "value")

    value: str
    type: str
    issued_at: float
    expires_at: float
    refresh_at: float

    def __init__(
        self,
        value: str,
        issued_at: float,
        expires_at: float,
        *,
        refresh_at: "float | None" = None,
        type: str = "Bearer",
    ) -> None:
        """`refresh_at`: None for the start of the advisory window."""
        if refresh_at is None:
            refresh_at = expires_at - advisory(expires_at - issued_at)
        for name, given in (
            ("value", value),
            ("type", type),
            ("issued_at", issued_at),
            ("expires_at", expires_at),
            ("refresh_at", refresh_at),
        ):
            object.__setattr__(self, name, given)

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError("an AccessToken is frozen")

    __delattr__ = __setattr__  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"AccessToken(hidden, issued_at={self.issued_at:.0f}, expires_at={self.expires_at:.0f})"

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, AccessToken):
            return NotImplemented
        return (self.value, self.issued_at, self.expires_at) == (other.value, other.issued_at, other.expires_at)

    __hash__ = None  # type: ignore[assignment]

    def __reduce_ex__(self, protocol: object) -> "tuple[object, ...]":
        raise TypeError("an AccessToken cannot be pickled")

    @property
    def lifetime(self) -> float:
        """Seconds that the server granted."""
        return self.expires_at - self.issued_at

    @property
    def reported_expiry(self) -> int:
        """What callers are told, in whole epoch seconds: early enough that nobody uses a token to its last second."""
        return int(self.expires_at - min(60, mandatory(self.lifetime)))

    def usable(self, now: float, min_ttl: float = 0) -> bool:
        """May it be handed out? Not from the future, not in the mandatory window, with `min_ttl` seconds left."""
        if self.issued_at > now + MAX_SKEW:
            return False
        left = self.expires_at - now
        if left <= mandatory(self.lifetime) or now >= self.reported_expiry:
            return False
        return left >= min_ttl or (now < self.issued_at + YOUNG and min_ttl <= self.lifetime)


def advisory(lifetime: float) -> float:
    """Seconds before expiry from which one caller tries a refresh while all are served."""
    return min(900, lifetime / 4)


def mandatory(lifetime: float) -> float:
    """Seconds before expiry from which nobody is served."""
    return min(300, lifetime / 10)


def dump(token: AccessToken, key: str, mark: int, about: str = "") -> str:
    """The stored form, in ASCII: a line for us, and `about`, which is for people.

    `mark` names the state of the rejections that the token was checked against.
    """
    times = f"{token.issued_at * 1000:.0f} {token.refresh_at * 1000:.0f} {token.expires_at * 1000:.0f}"
    about = about.encode("ascii", "backslashreplace").decode()
    content = f"{key} {mark} {token.type} {times} {token.value}\n{about}\n"
    return f"{MAGIC} {_checksum(content)} {content}"


def load(text: str, key: str) -> "tuple[AccessToken, int] | None":
    """The token and its mark; None for anything that `dump` did not write under this key."""
    try:
        magic, check, content = text.split(" ", 2)
        if magic != MAGIC or not content.isascii() or check != _checksum(content):
            return None
        of, mark, type_, issued, refresh, expires, value = content.partition("\n")[0].split(" ")
        issued_at, refresh_at, expires_at = int(issued) / 1000, int(refresh) / 1000, int(expires) / 1000
        sound = (
            (mark + issued + refresh + expires).isdigit()
            and of == key
            and type_ == "Bearer"
            and is_b64token(value)
            and 0 <= issued_at < refresh_at < expires_at <= issued_at + MAX_LIFETIME
        )
        if not sound:
            return None
        return AccessToken(value, issued_at, expires_at, refresh_at=refresh_at, type=type_), int(mark)
    except ValueError:
        return None


def dump_proof(token: AccessToken, digest: str, alive_at: float, vain_at: float) -> str:
    """The stored form of what `load_proof` gives. `digest`: of the token, see rejections.py."""
    times = (token.issued_at, token.expires_at, alive_at, vain_at)
    return f"{PROOF_MAGIC} {digest} {' '.join(f'{at * 1000:.0f}' for at in times)}\n"


def load_proof(text: str, token: AccessToken, now: float, digest: str = "") -> "tuple[float, float]":
    """When the token was last known to be alive, and when the server was last asked in vain; of a proof that is not
    this token's, is from the future or is damaged nothing but that the token was issued once.

    `digest`: how the token is known. A hit, which cannot make one, knows it by the times of its entry.
    """
    alive_at, vain_at = token.issued_at, 0.0
    try:
        magic, of, issued, expires, alive, vain = text.split(" ")
        times = (f"{token.issued_at * 1000:.0f}", f"{token.expires_at * 1000:.0f}")
        if magic == PROOF_MAGIC and (of == digest if digest else (issued, expires) == times):
            found = int(alive) / 1000, int(vain) / 1000
            if max(found) <= now + MAX_SKEW:
                alive_at, vain_at = max(alive_at, found[0]), found[1]
    except (ValueError, OverflowError):
        pass
    return alive_at, vain_at


def _checksum(content: str) -> str:
    """Changes with every changed byte. Against damage, not against forgery: whoever can write an entry can sum it."""
    return f"{int.from_bytes(content.encode(), 'big') % _PRIME:x}"
