"""Fetch: one exchange on behalf of an entry: gate, provider, exchanger, in this order.

When the secret is refused, by the server or because it was refused to somebody a moment ago, the provider is read once
more: the secret may have been changed since. A changed one is tried at once, an unchanged one is not sent again.
"""

import random
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar

from .credentials import ClientCredentials, check_client_id
from .deadline import Deadline
from .entry import Entry
from .errors import CredentialsError, Error, InvalidClient, PluginError, RateLimited, TemporaryError, TokenError
from .gate import secret_bits
from .lease import Caller
from .record import Refusal
from .report import Report
from .roles import CredentialProvider
from .source import ClientChanged
from .tokens import AccessToken
from .wish import Wish, possible

if TYPE_CHECKING:
    from .exchange import TokenExchanger

T = TypeVar("T")

_PROVIDER_SHARE, _PROVIDER_LATEST = 0.6, 0.7  # of the time that is left: the exchange needs some too
_KEPT = 30  # seconds that credentials may wait to be used
_AGAIN = 10  # seconds that a second read may take: a pipe that was read before may have no writer any more


class _Reading:
    """The credentials of one call, and when they were read."""

    def __init__(
        self,
        read: Callable[[Deadline], ClientCredentials],
        held: tuple[float, ClientCredentials] | None,
        report: Report,
    ) -> None:
        """`held`: credentials that were read a moment ago, for their id."""
        self._read = read
        self._held = held
        self._report = report
        self._is_spent = False

    def get(self, deadline: Deadline) -> ClientCredentials:
        """Read when first asked for, and when they have waited for too long."""
        if not self._held or time.monotonic() - self._held[0] >= _KEPT:
            self._held = (time.monotonic(), self._read(deadline))
        return self._held[1]

    def changed(self, refused: ClientCredentials, deadline: Deadline) -> bool:
        """Does the provider hold others than those that were refused? It is asked once a call, for nobody waits for a
        secret to be mended. A failure of it is no news: the refusal is.
        """
        if self._is_spent:
            return False
        self._is_spent = True
        try:
            self._held = (time.monotonic(), self._read(deadline.share(most=_AGAIN)))
        except Error as e:
            self._report.fact("provider", "unreadable", error=str(e))
            return False
        changed = self._held[1] != refused
        self._report.fact("provider", "changed" if changed else "unchanged")
        return changed


class Fetch:
    """Reads the provider at most once for one token, however often it is asked on the way there, and once more when
    the secret is refused.
    """

    def __init__(
        self,
        provider: Callable[[], CredentialProvider],
        exchanger: Callable[[], "TokenExchanger"],
        pinned: str | None,
        report: Report,
        caller: int = 0,
    ) -> None:
        """`provider`, `exchanger`: build them when asked. `pinned`: the client id that a setting names, if one does.
        `caller`: a process that may repeat a failing call at once; 0 where that is not known.
        """
        self._provider = provider
        self._exchanger = exchanger
        self._pinned = pinned
        self._report = report
        self._caller = caller
        self._held: tuple[float, ClientCredentials] | None = None

    def known_client_id(self, deadline: Deadline) -> str | None:
        """The id, when the setting or the provider knows it without asking a store."""

        def ask() -> str | None:
            return self._provider().client_id()

        # It reads files that somebody named, and one of them may be a pipe that nobody writes to.
        known = self._pinned or guarded(lambda: deadline.run(ask, "the credential provider"))
        if not isinstance(known, str | None):
            raise PluginError("the credential provider's client_id is not a text", hint="ask its author to mend it")
        return known and check_client_id(known)

    def ask_client_id(self, deadline: Deadline) -> str:
        """The id, from the provider's store."""
        credentials = self._credentials(deadline)
        self._held = (time.monotonic(), credentials)
        return credentials.client_id

    def __call__(self, entry: Entry, wish: Wish, deadline: Deadline) -> AccessToken:
        """A new token, or one that another machine got. ClientChanged when the provider holds another client now."""
        if self._caller:  # before a lease is taken: no other machine is to hear of it
            entry.gate.check_caller(self._caller)
        held, self._held = self._held, None
        reading = _Reading(self._credentials, held, self._report)
        if not entry.far:
            return self._exchange(entry, reading, deadline)

        def accepts(token: AccessToken) -> bool:
            if not wish.concerns(token, time.time()) or entry.rejections.holds(token.value):
                return False
            possible(token, wish, "then run once with --refresh")
            return wish.accepts(token, time.time())

        def check(refusal: Refusal) -> None:
            credentials = reading.get(deadline)
            is_refused = secret_bits(credentials.client_secret, refusal.salt) == refusal.bits
            if is_refused and not reading.changed(credentials, deadline):
                said = f"{refusal.status}, invalid_client, said to another machine a moment ago"
                raise InvalidClient.said(said, self._exchanger().decided_by, refusal.status)

        caller = Caller(accepts, lambda deadline: self._exchange(entry, reading, deadline), check, refresh=wish.refresh)
        return entry.far.token(entry.key, str(entry.whose), caller, deadline)

    def _exchange(self, entry: Entry, reading: _Reading, deadline: Deadline) -> AccessToken:
        try:
            return self._issued(entry, reading, deadline)
        except (TokenError, TemporaryError) as e:  # what a person mends in the store must count at once
            if self._caller:
                entry.gate.failed(self._caller, e)
            raise

    def _issued(self, entry: Entry, reading: _Reading, deadline: Deadline) -> AccessToken:
        self._wait(entry, deadline)
        credentials = reading.get(deadline)
        try:
            return self._granted(entry, credentials, deadline)
        except InvalidClient:
            if not reading.changed(credentials, deadline):
                raise
        return self._granted(entry, reading.get(deadline), deadline)

    def _granted(self, entry: Entry, credentials: ClientCredentials, deadline: Deadline) -> AccessToken:
        """A token for these credentials. InvalidClient, ClientChanged."""
        if credentials.client_id != entry.whose.client_id:
            if self._pinned:
                raise CredentialsError(
                    f"the provider holds the client {credentials.client_id}, but client_id says {self._pinned}",
                    hint="mend or unset the setting client_id",
                )
            self._held = (time.monotonic(), credentials)
            raise ClientChanged(credentials.client_id)
        exchanger = self._exchanger()
        entry.gate.check(credentials.client_secret, exchanger.decided_by)
        try:
            token = exchanger.exchange(credentials, deadline, entry.gate.rate_limited)
        except InvalidClient as e:
            entry.gate.refused(credentials.client_secret, e)
            raise
        entry.gate.open()
        self._report.fact("token", "issued", lifetime=token.lifetime)
        return token

    def _wait(self, entry: Entry, deadline: Deadline) -> None:
        """For the gate, when that is possible within the deadline."""
        kind, left = entry.gate.state()
        self._report.fact("gate", kind, left=left)
        while wait := entry.gate.wait():
            if wait >= deadline.left():
                raise RateLimited(
                    f"the server asked this client to wait before it asks for another token; {wait:.0f} s are left",
                    hint="try again after that time",
                    retry_after=wait,
                )
            time.sleep(min(deadline.left(), wait + random.uniform(0, 0.2)))  # noqa: S311

    def _credentials(self, deadline: Deadline) -> ClientCredentials:
        share = deadline.share(_PROVIDER_SHARE)

        def ask() -> ClientCredentials:
            return self._provider().credentials(share)

        # A store's client may hang where no time-out of its own reaches; one that has a time-out may use it first.
        latest = deadline.share(_PROVIDER_LATEST)
        credentials = guarded(lambda: latest.run(ask, "the credential provider"))
        if not isinstance(credentials, ClientCredentials):
            raise PluginError(
                "the credential provider did not return ClientCredentials", hint="ask its author to mend it"
            )
        self._report.fact("provider", "read")
        return credentials


def guarded(ask: Callable[[], T]) -> T:
    """A plug-in may raise anything, and a foreign text may hold the secret: only the kind of it is shown."""
    try:
        return ask()
    except Error:
        raise
    except Exception as e:  # noqa: BLE001  # and it must not stay in a traceback either
        name = type(e).__name__
        raise PluginError(f"the credential provider failed ({name})", hint="ask its author to mend it") from None
