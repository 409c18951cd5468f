"""Wish: what one caller needs of a token, and what a cached one is to that caller."""

from dataclasses import dataclass

from .errors import LifetimeError
from .tokens import MAX_SKEW, AccessToken


@dataclass(frozen=True, slots=True)
class Wish:
    """What one caller needs. `after`: with --refresh, when the token was issued that is no longer wanted. Whoever asks
    for a refresh while another one is under way is content with its token.
    """

    min_ttl: float = 0
    after: float = float("-inf")
    refresh: bool = False

    def verdict(self, token: AccessToken, now: float) -> str:
        """What a cached token is to the caller: an outcome of the stage `cached` in facts.py."""
        if token.issued_at > now + MAX_SKEW:
            return "future"
        if token.issued_at <= self.after:
            return "unwanted"
        if now >= token.expires_at:
            return "expired"
        if not token.usable(now, self.min_ttl):
            return "short" if token.usable(now) else "old"
        return "fresh" if now < token.refresh_at else "ageing"

    def concerns(self, token: AccessToken, now: float) -> bool:
        """Is it a token to look at: not from the future, not expired, not the one to be replaced?"""
        return self.verdict(token, now) not in ("future", "unwanted", "expired")

    def accepts(self, token: AccessToken, now: float) -> bool:
        """Would the caller be content?"""
        return self.verdict(token, now) in ("fresh", "ageing")


def possible(token: AccessToken, wish: Wish, then: str = "") -> None:
    """LifetimeError when no token of this client lives that long. `then`: what to do once the advice is followed."""
    if wish.min_ttl > token.lifetime:
        hint = "ask for less, or have the token duration of the OAuth client raised in Genesys Cloud"
        raise LifetimeError(
            f"this client's tokens live {token.lifetime:.0f} s, less than min_ttl asks ({wish.min_ttl:.0f} s)",
            hint=f"{hint}, {then}" if then else hint,
        )
