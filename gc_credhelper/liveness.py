"""Liveness: is a cached token still alive? It can die before its time, and no cache can know (the setting `verify`).

known to be alive lately   handed out: issued, or checked, by anyone of this machine
due for a check            whoever gets the lock asks the server, the others wait for what it says
alive                      handed out, and known to be so by all
dead                       rejected, so that the fleet recovers too, and replaced
the server cannot say      handed out with a warning, and for a moment nobody of this machine asks again

A good token is never lost to a check, and no dead one is handed out because somebody else was already checking it.
"""

import time
from collections.abc import Callable

from .deadline import Deadline
from .entry import Entry
from .errors import Error
from .report import Report
from .tokens import AccessToken

_PART, _MOST = 0.5, 10.0  # of the deadline, and seconds, that a check may take: behind a dead token an exchange waits
_PATIENCE, _LONGER = 0.8, 2.0  # the same for whoever waits for it: of the deadline, and seconds beyond _MOST
_PAUSE = 15  # seconds for which nobody asks again after the server could not say


class Liveness:
    """Of the tokens of one TokenSource."""

    def __init__(
        self,
        within: float,
        client_of: Callable[[str, Deadline], str | None],
        report: Report,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """`within`: seconds for which a token that was known to be alive counts as such; 0 to check none. `client_of`:
        asks the server for the id of the client that a token is of, None for a dead one.
        """
        self._within = within
        self._client_of = client_of
        self._report = report
        self._clock = clock

    @staticmethod
    def patience(deadline: Deadline) -> Deadline:
        """The time for which a caller waits for somebody else's check."""
        return deadline.share(_PATIENCE, most=_MOST + _LONGER)

    def due(self, entry: Entry, token: AccessToken, patience: Deadline) -> bool:
        """Must it be checked before it is handed out? Not when there is no time for it, or it was tried in vain a
        moment ago; then that is said.
        """
        now = self._clock()
        if not self._within or now - token.issued_at < self._within:
            return False
        alive_at, vain_at = entry.proofs.of(token, now)
        if now - alive_at < self._within:
            return False
        if now - vain_at < _PAUSE:
            self._unchecked("a moment ago that was in vain")
        elif not patience.left():
            self._unchecked(f"{entry.holder()} has held its lock for longer than {patience.seconds:.0f} s")
        else:
            return True
        return False

    def holds(self, entry: Entry, token: AccessToken, deadline: Deadline) -> bool:
        """Check it if that is due. False when it is dead, and was rejected. The caller holds the lock."""
        if not self.due(entry, token, deadline):
            return True
        now = self._clock()
        try:
            client_id = self._client_of(token.value, deadline.share(_PART, most=_MOST))
        except Error as e:  # of any kind: whatever answered, it did not say that the token is dead
            entry.proofs.in_vain(token, self._clock())  # not from before it, for a check that hangs takes long
            self._unchecked(str(e))
            return True
        if client_id is not None and is_same(client_id, entry.whose.client_id):
            entry.proofs.alive(token, now)
            self._report.fact("check", "alive")
            return True
        if not entry.reject(token.value, deadline):
            entry.proofs.in_vain(token, self._clock())
            self._report.warn(
                "the cached token is dead, and so was another one less than a minute ago: look at the API URL"
            )
            return True
        self._report.fact("check", "dead" if client_id is None else "foreign")
        return False

    def _unchecked(self, why: str) -> None:
        self._report.warn(f"the cached token was handed out unchecked: {why}", topic="unchecked")


def is_same(one: str, other: str) -> bool:
    """Are they the same id? Those of Genesys Cloud are UUIDs, which people write in either case."""
    return one.casefold() == other.casefold()
