"""TokenSource: the use case. A cached token, or one exchange for everyone who needs one at that moment.

cached and not ageing?    hand it out: no lock, no network
ageing?                   whoever gets the lock at once tries a refresh, everyone else is served
none?                     whoever gets the lock exchanges; the others leave as soon as a fresh entry appears
"""

import time
from collections.abc import Callable

from .deadline import Deadline, Pauses
from .entry import Entry
from .errors import CredentialsError, Error, TemporaryError, UsageError
from .liveness import Liveness
from .locks import turn
from .report import Report
from .tokens import AccessToken, mandatory
from .wish import Wish, possible

_CLAIM = 15  # seconds: longer than an early refresh may take, so that nobody repeats it meanwhile
_EARLY = 5  # seconds that an early refresh may take, since its caller holds a token that is still good
_CLIENTS = 3  # entries that one call may turn to while its provider names one client after another


class ClientChanged(Exception):  # not an error: the provider answered, with news
    """The provider holds another client than the one whose entry was asked for."""

    def __init__(self, client_id: str) -> None:
        super().__init__("the provider holds another client now")
        self.client_id = client_id


class TokenSource:
    """A valid token, from cache or exchange; safe to share among threads and to use after a fork."""

    def __init__(
        self,
        *,
        find: Callable[[Deadline], Entry],
        reopen: Callable[[str], Entry],
        fetch: Callable[[Entry, "Wish", Deadline], AccessToken],
        seconds: float,
        min_ttl: float = 0,
        liveness: Liveness,
        report: Report,
        clock: Callable[[], float] = time.time,
        api_url: str | None = None,
        is_ours: Callable[[str], bool] = lambda _: False,
        remembering: Callable[[], "TokenSource"] | None = None,
    ) -> None:
        """`find`: the entry of the client, which may have to ask the provider for its id. `reopen`: the entry of
        another client id. `fetch`: one exchange; ClientChanged. `liveness`: of tokens that others left. `seconds`: the
        deadline of a call that brings none. `api_url`: where the tokens are used, if it is known. `is_ours`: are they
        for the host of that URL? `remembering`: the same with a cache, when there is none.
        """
        self._find = find
        self._reopen = reopen
        self._fetch = fetch
        self._seconds = seconds
        self._min_ttl = min_ttl
        self._liveness = liveness
        self._report = report
        self._clock = clock
        self._api_url = api_url
        self._is_ours = is_ours
        self._remembering = remembering
        self._entry: Entry | None = None
        self._rejected = ""

    @property
    def api_url(self) -> str:
        """Of the Platform API, without a slash at its end. UsageError when nothing says where it is."""
        if self._api_url is None:
            raise UsageError("the Platform API of this token_url is not known", hint="set api_url")
        return self._api_url

    def is_for(self, url: str) -> bool:
        """May a token be sent there? To hosts of its region and of settings, and over TLS unless on this machine."""
        return self._is_ours(url)

    def entry(self, deadline: Deadline | None = None) -> Entry:
        """Where the token lies. The provider may have to be asked for it, which one thread does for all."""
        deadline = deadline or Deadline(self._seconds)
        if self._entry is None:
            with turn(f"entry of {id(self)}", deadline, "asking the provider"):
                self._entry = self._entry or self._find(deadline)
        return self._entry

    def token(
        self, *, min_ttl: float | None = None, refresh: bool = False, deadline: Deadline | None = None
    ) -> AccessToken:
        """A token that is valid now.

        `min_ttl`: seconds that it must still live. `refresh`: skip the cache and replace the entry. Raises
        CredentialsError, TokenError, TemporaryError (`retryable`), LifetimeError.
        """
        deadline = deadline or Deadline(self._seconds)
        min_ttl = self._min_ttl if min_ttl is None else min_ttl

        def get(entry: Entry) -> AccessToken:
            wish = Wish(min_ttl, refresh=refresh)
            if refresh and (old := entry.read()):
                wish = Wish(min_ttl, min(old.issued_at, self._clock()), refresh=True)
            return self._token(entry, wish, deadline)

        return self._of_its_client(get, deadline)

    def for_many(self) -> "TokenSource":
        """For many requests, each of which asks for a token: itself, or without a cache one that has its process's
        memory. UsageError, PluginError.
        """
        return self._remembering() if self._remembering else self

    def own(self, deadline: Deadline | None = None) -> AccessToken:
        """A token for this caller alone, from one exchange, which is stored nowhere; hand it to `check` before use."""
        deadline = deadline or Deadline(self._seconds)
        return self._of_its_client(lambda entry: self._fetch(entry.alone(), Wish(self._min_ttl), deadline), deadline)

    def check(self, token: AccessToken) -> None:
        """LifetimeError when it does not live as long as was wished, TemporaryError when it came too late."""
        possible(token, Wish(self._min_ttl))
        self._usable(token)

    def _of_its_client(self, get: Callable[[Entry], AccessToken], deadline: Deadline) -> AccessToken:
        """What `get` gives for the client that the provider holds now."""
        for _ in range(_CLIENTS):
            try:
                return get(self.entry(deadline))
            except ClientChanged as e:
                self._report.fact("client", "changed")
                self._entry = self._reopen(e.client_id)
        raise CredentialsError(
            "the provider names another client each time it is asked", hint="pin one with the setting client_id"
        )

    def _token(self, entry: Entry, wish: Wish, deadline: Deadline) -> AccessToken:
        if not entry.shared:
            self._report.fact("cache", "off")
            return self._checked(self._fetched(entry, wish, deadline), wish)
        pauses, patience = Pauses(0.005, 0.05), self._liveness.patience(deadline)
        waits = False
        while True:
            token = self._cached(entry, wish)
            due = token is not None and self._liveness.due(entry, token, patience)
            if token and not due and self._clock() < token.refresh_at:
                self._report.fact("token", "cached")
                return token
            with entry.attempt() as mine:
                if mine:
                    self._report.fact("lock", "taken")
                    return self._refresh(entry, wish, deadline, token)
            if token and not due:
                self._report.fact("token", "ageing")
                return token
            if not waits:
                self._report.fact("lock", "waiting", holder=entry.holder())
                waits = True
            entry.wait(pauses, deadline)

    def _cached(self, entry: Entry, wish: Wish) -> AccessToken | None:
        now = self._clock()
        token = entry.read(lambda token: now < token.refresh_at and wish.accepts(token, now))
        if token:
            left = (token.refresh_at if now < token.refresh_at else token.reported_expiry) - now
            self._report.fact("cached", wish.verdict(token, now), left=left, min_ttl=wish.min_ttl)
        if not token or not wish.concerns(token, now):
            return None
        possible(token, wish, "then run once with --refresh")
        return token if wish.accepts(token, now) else None

    def _refresh(self, entry: Entry, wish: Wish, deadline: Deadline, seen: AccessToken | None) -> AccessToken:
        """With the lock held: look again, then exchange. `seen`: what was found before it was held."""
        old = self._cached(entry, wish)
        if old and not self._liveness.holds(entry, old, deadline):
            old = None
        if old and self._clock() < old.refresh_at:
            self._report.fact("token", "cached" if old == seen else "renewed")
            return old
        if old and entry.gate.wait():
            self._report.fact("token", "kept")
            return old  # a rate limit never delays a caller who holds a valid token
        if old:
            entry.write(self._claimed(old))
            deadline = deadline.share(most=_EARLY)
        try:
            token = self._fetched(entry, wish, deadline)
        except Error as e:  # of any kind: a misconfigured job must not fail callers who hold a good token
            if not old or not wish.accepts(old, self._clock()):
                raise
            self._report.warn(f"the token was not renewed early: {e}")
            return old
        ageing = self._clock() >= token.refresh_at  # another machine refreshes it
        entry.write(self._claimed(token) if ageing else token)
        return self._checked(token, wish)

    def _fetched(self, entry: Entry, wish: Wish, deadline: Deadline) -> AccessToken:
        token = self._fetch(entry, wish, deadline)
        if entry.far and not self._liveness.holds(entry, token, deadline):  # another machine's, which has died since
            token = self._fetch(entry, wish, deadline)
        return self._usable(token)

    def _usable(self, token: AccessToken) -> AccessToken:
        if not token.usable(self._clock()):
            raise TemporaryError(
                "the token was already too old when it came",
                hint="try again; is the token duration of the OAuth client, or the clock of this machine, right?",
            )
        return token

    def _claimed(self, token: AccessToken) -> AccessToken:
        """The same token, said to be fresh while one caller refreshes it, but never into its mandatory window."""
        edge = token.expires_at - mandatory(token.lifetime)
        until = min(self._clock() + _CLAIM, edge)
        return AccessToken(token.value, token.issued_at, token.expires_at, refresh_at=max(until, token.refresh_at))

    @staticmethod
    def _checked(token: AccessToken, wish: Wish) -> AccessToken:
        possible(token, wish)
        return token

    def reject(self, value: str, *, deadline: Deadline | None = None) -> bool:
        """Hear that the API answered 401 to this token: forget it if it is still the cached one, and keep it away.

        False, with a warning, when a token of this client was rejected less than a minute ago: then the cause is
        elsewhere, such as the wrong API URL. Threads that hear it of one token cause one rejection. TemporaryError at
        the deadline.
        """
        deadline = deadline or Deadline(self._seconds)
        with turn(f"rejection of {id(self)}", deadline, "rejecting a token"):
            if value != self._rejected:
                if not self._reject(value, deadline):
                    return False
                self._rejected = value
        return True

    def _reject(self, value: str, deadline: Deadline) -> bool:
        entry = self.entry(deadline)
        if not entry.shared:
            return True
        with entry.held(deadline):
            if entry.reject(value, deadline):
                return True
        self._report.warn(
            "a token of this client was rejected less than a minute ago: look at the API URL and the roles"
        )
        return False
