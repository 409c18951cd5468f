"""Facts: what the stages of a call can come to, for `explain`, `-v` and the library's log.

Each is one row here, with the text that people read. Details are numbers, names and words of ours: never a secret, and
never a text that a server or a store sent.
"""

from collections.abc import Mapping
from dataclasses import dataclass

Detail = str | float | None

# Those that -v says as notes; -vv says all.
_NOTES = {
    ("client", "changed"): "the provider holds another client than at its last read",
    ("token", "cached"): "the token came from the cache",
    ("token", "ageing"): "the token came from the cache; another caller refreshes it",
    ("token", "kept"): "the token came from the cache; the server asked this client to wait before the next",
    ("token", "renewed"): "the token came from the cache, where another caller had just put it",
    ("token", "far"): "the token came from the far cache",
    ("token", "issued"): "a new token was issued; it lives {lifetime:.0f} s",
    ("check", "alive"): "the cached token is alive",
    ("check", "dead"): "the cached token was dead",
    ("check", "foreign"): "the cached token was another client's",
    ("lock", "waiting"): "waiting for {holder}, who is getting this token",
    ("exchange", "failed"): "attempt {number}: {error}; the next one in {pause:.1f} s",
    ("provider", "changed"): "the secret was refused, but the provider holds another one now; that is tried",
    ("provider", "unreadable"): "the secret was refused, and the provider could not be read again: {error}",
    ("far", "read-only"): "the far cache may only be read; the new token is not shared",
    ("far", "overtaken"): "another machine took over the lease; its token stays in the far cache",
    ("plan", "unsettled"): "the plan is not recorded yet: {path} changed a moment ago",
}
TEXTS: Mapping[tuple[str, str], str] = _NOTES | {
    ("settings", "provider"): "provider {value} ({origin})",
    ("settings", "cache"): "cache {value} ({origin})",
    ("settings", "endpoint"): "tokens come from {token_url}, by {decided_by}",
    ("settings", "slot"): "slot {slot:.0f} of {slots:.0f}, by {decided_by}",
    ("client", "setting"): "{client_id}, which the setting client_id names",
    ("client", "provider"): "{client_id}, which the provider knows without asking a store",
    ("client", "note"): "{client_id}, as an earlier run learned it from the provider",
    ("client", "store"): "{client_id}, as the provider read it just now",
    ("cache", "off"): "none: every call asks for a token of its own",
    ("cache", "empty"): "{name} holds none",
    ("cache", "damaged"): "{name} holds something that is no token of this client",
    ("cache", "rejected"): "{name} holds a token that an API rejected",
    ("cache", "holds"): "{name} holds a token that was issued {age:.0f} s ago",
    ("cache", "failed"): "{name} failed",
    ("cache", "skipped"): "{name} is not asked again: it did not answer in time",
    ("cache", "keeps"): "{name} keeps the token",
    ("cached", "fresh"): "it is fresh for another {left:.0f} s",
    ("cached", "ageing"): "it is due for a refresh, and may be handed out for another {left:.0f} s",
    ("cached", "future"): "it is of no use: it comes from the future, so a clock was wrong",
    ("cached", "unwanted"): "it is of no use: --refresh replaces it",
    ("cached", "expired"): "it is of no use: it has expired",
    ("cached", "old"): "it is of no use: it is too old to be handed out",
    ("cached", "short"): "it is of no use: min_ttl asks for {min_ttl:.0f} s",
    ("lock", "taken"): "taken: this call gets the token for all callers on this machine",
    ("gate", "open"): "open: nothing keeps this call from a token request",
    ("gate", "rate-limit"): "closed for {left:.0f} s more: the server asked this client to wait",
    ("gate", "refused"): "closed for {left:.0f} s more to the secret that was refused, and open to any other",
    ("gate", "failed"): "closed for {left:.0f} s more to a caller that failed",
    ("provider", "read"): "gave client id and secret",
    ("provider", "unchanged"): "the secret was refused, and the provider, asked once more, still holds it",
    ("exchange", "granted"): "attempt {number}: a token",
    ("exchange", "given-up"): "attempt {number}: {error}; a pause of {pause:.1f} s does not fit into the deadline",
    ("exchange", "refused"): "attempt {number}: {error}",
    ("far", "asked"): "{name}, which machines share",
    ("far", "holds"): "its record, {age:.0f} s old, holds a token that is due for a refresh",
    ("far", "empty"): "its record holds no token for this call",
    ("far", "waiting"): "waiting for the machine that holds the lease ({holder})",
    ("far", "refused"): "a secret was refused on another machine, {age:.0f} s ago",
    ("far", "rate-limit"): "another machine was asked to wait, {age:.0f} s ago",
    ("far", "temporary"): "another machine failed to get a token, {age:.0f} s ago",
    ("far", "leads"): "this machine has taken the lease ({holder}), and gets the token for all",
    ("far", "published"): "its record has what this machine learned",
    ("launcher", "serves"): "serves this call by itself, without starting the full program",
    ("launcher", "leaves"): "leaves this call to the full program: {why}",
    ("launcher", "will-serve"): "will serve the same call by itself",
    ("launcher", "will-leave"): "will leave the same call to the full program: {why}",
    ("warning", "said"): "{text}",
    ("note", "said"): "{text}",
}


@dataclass(frozen=True, slots=True)
class Fact:
    """`stage` and `outcome` name a row of `TEXTS`, `details` are what it is filled with."""

    stage: str
    outcome: str
    details: Mapping[str, Detail]

    @property
    def is_note(self) -> bool:
        """Does -v say it?"""
        return (self.stage, self.outcome) in _NOTES

    @property
    def text(self) -> str:
        """For people, without the name of its stage."""
        return TEXTS[self.stage, self.outcome].format_map(self.details)
