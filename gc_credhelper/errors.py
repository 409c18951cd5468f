"""What can go wrong: one small tree, each error with a hint, an exit code and whether to try again.

Error                  1  a bug of ours
├── UsageError         2  flag, setting, profile, region: the message names its Origin
├── PluginError        3  a plug-in is missing, doubled or broken
├── CredentialsError   4  client id or secret: not found, half a pair, malformed
├── TokenError         5  the server refused, or its answer is not a token
│   └── InvalidClient     wrong secret or wrong region (RFC 6749 §5.2 invalid_client)
├── TemporaryError     6  try again: network, time-out, 5xx, deadline
│   └── RateLimited       the server asked us to wait `retry_after` seconds
└── LifetimeError      7  the client issues tokens shorter than --min-ttl asks
"""

from collections.abc import Iterator


class Error(Exception):
    """The base. `str(error)` is one line without any secret; `hint` says what to do, or is empty."""

    exit_code = 1
    retryable = False

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.hint = hint


class UsageError(Error):
    """A flag, a setting, a profile or a region is wrong."""

    exit_code = 2


class PluginError(Error):
    """A plug-in is not installed, is there twice, or does not keep its promises."""

    exit_code = 3


class CredentialsError(Error):
    """The client id or secret was not found, is half a pair, or is malformed."""

    exit_code = 4


class TokenError(Error):
    """The token was refused, or the answer is not a token."""

    exit_code = 5


class InvalidClient(TokenError):
    """The server knows no such client, or the secret is wrong, or the region is."""

    salt = bits = ""  # say which secret was refused, to whoever has it (gate.py)
    status = 401  # HTTP; RFC 6749 §5.2 allows 400 as well

    @classmethod
    def said(cls, said: str, decided_by: str, status: int) -> "InvalidClient":
        """`said`: by the server, in our words. `decided_by`: what named the server."""
        error = cls(
            f"wrong secret, or wrong region ({said}); the server was chosen by {decided_by}",
            hint="check that the client id and secret belong to this region, and that the OAuth client is active",
        )
        error.status = status
        return error


class TemporaryError(Error):
    """May succeed when tried again: network, time-out, 5xx, a store that is down, the deadline."""

    exit_code = 6
    retryable = True

    def __init__(self, message: str, *, hint: str = "", retry_after: float | None = None) -> None:
        """`retry_after`: seconds that the server asked us to wait, if it said so."""
        super().__init__(message, hint=hint)
        self.retry_after = retry_after


class RateLimited(TemporaryError):
    """Too many token requests: HTTP 429, or Genesys' 400 `invalid_request` "rate limit exceeded"."""


class LifetimeError(Error):
    """`--min-ttl` asks for more than the client's tokens live."""

    exit_code = 7


def causes(error: BaseException) -> Iterator[BaseException]:
    """The error and all that it wraps, which HTTP libraries keep in three different places."""
    seen: set[int] = set()
    todo: list[object] = [error]
    while todo:
        one = todo.pop()
        if isinstance(one, BaseException) and id(one) not in seen:
            seen.add(id(one))
            yield one
            todo += [one.__cause__, one.__context__, getattr(one, "reason", None), *one.args]
