"""What the caller can choose about a sandbox; plain Python, so that it can be checked before aiohttp is imported."""

import secrets
import time
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

Ready = dict[str, str]
"""What a caller needs to reach a running sandbox: `token_url`, `api_url`, `client_id`, `client_secret`."""


class Kind(StrEnum):
    """The ways in which the login can be told to fail, and, where the name begins with `api-`, the API."""

    RATE_LIMIT = "rate-limit"
    """400 `invalid_request` "rate limit exceeded; …": how the service says that too many tokens were asked for."""
    TOO_MANY_REQUESTS = "429"
    """429 with `Retry-After: 1`."""
    SERVER_ERROR = "500"
    UNAVAILABLE = "503"
    TIMEOUT = "timeout"
    """The request is taken and never answered."""
    RESET = "reset"
    """The connection ends with a TCP reset."""
    HTML = "html"
    """200 with a login page."""
    TRUNCATED = "truncated"
    """200 whose body stops short of its Content-Length."""
    REDIRECT = "redirect"
    """302 to another path."""
    NO_TOKEN = "no-token"  # noqa: S105 - the name of a fault
    """200 with a JSON object that lacks `access_token`."""
    IDLE_DEATH = "idle-death"
    """A normal 200, but the API refuses the token at once, as it does after the organisation's idle timeout."""
    API_TOO_MANY_REQUESTS = "api-429"
    """429 with `Retry-After: 1` and the body of the rate limit."""
    API_SERVER_ERROR = "api-500"
    API_UNAVAILABLE = "api-503"
    API_UNAUTHORIZED = "api-401"
    """The token that makes the request ends, as after the idle timeout, and the request is its first to be refused."""
    API_RESET = "api-reset"
    API_TRUNCATED = "api-truncated"
    API_HTML = "api-html"

    @property
    def of_api(self) -> bool:
        """Whether it is the API that fails."""
        return self.startswith("api-")


@dataclass(frozen=True, slots=True)
class Fault:
    """Fail in this way `count` times (None: for ever), and let `skip` requests pass before each of them.

    For `idle-death` it is tokens that are counted.
    """

    kind: Kind
    count: int | None = None
    skip: int = 0

    @classmethod
    def parse(cls, text: str) -> "Fault":
        """Read `KIND[:COUNT][@SKIP]`; ValueError names what is wrong."""
        rest, at, skip = text.partition("@")
        name, colon, count = rest.partition(":")
        if name not in list(Kind):
            raise ValueError(f"unknown fault {name!r}; the kinds are {', '.join(Kind)}")
        for given, number, what in ((colon, count, "count"), (at, skip, "number after @")):
            if given and not (number.isascii() and number.isdigit() and int(number)):
                raise ValueError(f"the {what} of fault {text!r} must be a whole number from 1 on")
        return cls(Kind(name), int(count) if colon else None, int(skip) if at else 0)


def new_client() -> tuple[str, str]:
    """Make up the id and secret of an OAuth client, in the form the service gives them out."""
    return str(uuid.uuid4()), secrets.token_urlsafe(32)


@dataclass(frozen=True, slots=True)
class Options:
    """One sandbox; ValueError for a value that makes no sense.

    port: of 127.0.0.1; 0 takes a free one.
    clients: pairs of id and secret; when there is none, one is made up.
    lifetime: of the tokens, in seconds (the service grants 300 to 172 800, this one also less).
    latency: seconds before every answer of login and API.
    users: how many users the organisation has.
    fail: `KIND[:COUNT][@SKIP]`; those of the login and those of the API are used up in this order, side by side.
    api_limit: requests a minute that the API takes from each token; 0 for no limit.
    clock: seconds that only grow; lets a test reach the end of a token or of a minute without waiting.
    """

    port: int = 0
    clients: Sequence[tuple[str, str]] = field(default=(), repr=False)
    lifetime: int = 86_400
    latency: float = 0.0
    users: int = 50
    fail: Sequence[str] = ()
    api_limit: int = 300
    clock: Callable[[], float] = time.monotonic

    def __post_init__(self) -> None:
        if self.lifetime < 1:
            raise ValueError("the lifetime must be at least 1 second")
        if self.latency < 0 or self.users < 0 or self.api_limit < 0:
            raise ValueError("latency, users and the API's limit cannot be negative")
        self.faults()
        if not self.clients:
            object.__setattr__(self, "clients", (new_client(),))

    def faults(self) -> list[Fault]:
        """Read `fail`."""
        return [Fault.parse(text) for text in self.fail]
