"""Checks: every step of a cold run, as `doctor` takes them, in one table."""

import contextlib
from collections.abc import Iterator, Sequence

from ..deadline import Deadline
from ..errors import Error
from ..roles import Finding
from . import configured, issued, keeping, network, own
from .visit import Heard, Step, Visit

__all__ = ["STEPS", "Heard", "Visit", "examine"]

_GOODBYE = 2.0  # seconds that ending the token of an interrupted run may take

STEPS = (
    Step("settings", configured.settings, 0.5, 5),
    Step("variables", configured.variables, 0.5, 5, ("app",)),
    Step("store", configured.store, 0.3, 10, ("app",)),
    Step("provider", configured.provider, 0.4, 10, ("entered",)),
    Step("proxy", network.proxy, 0.2, 2, ("where",)),
    Step("DNS", network.dns, 0.3, 5, ("where",)),
    Step("TLS", network.tls, 0.3, 10, ("where", "named")),
    Step("exchange", issued.exchange, 0.5, 15, ("credentials", "where", "named", "reached")),
    Step("API", issued.api, 0.4, 10, ("token",)),
    Step("revoke", issued.revoke, 0.5, 10, ("token",)),
    Step("cache", keeping.caches, 0.4, 10, ("app",), survived=True),
    Step("shared", keeping.shared, 0.5, 10, ("app",), survived=True),
    Step("lock", keeping.lock, 0.3, 2, ("app",), survived=True),
    Step("permissions", keeping.permissions, 0.3, 2, ("app",), survived=True),
    Step("start", own.start, 0.4, 6, survived=True),
    Step("canary", own.canary, 0.9, 10, survived=True),
)


def examine(visit: Visit, steps: Sequence[Step] = STEPS) -> Iterator[tuple[str, Finding]]:
    """The name of each step and what it found, as it goes. The token that was issued is ended, however this ends."""
    try:
        for step in steps:
            for finding in step.findings(visit):
                yield step.name, finding
    finally:
        if visit.app and visit.token:
            with contextlib.suppress(Error):
                visit.app.platform().end(visit.token.value, Deadline(_GOODBYE))
