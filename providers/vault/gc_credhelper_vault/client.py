"""Client: a store and who we are in it. Logs in when first asked, once more when a login has ended, and not again."""

import os
import threading
import weakref
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from gc_credhelper.credentials import Secret
from gc_credhelper.deadline import Deadline, Pauses
from gc_credhelper.errors import CredentialsError, TemporaryError
from gc_credhelper.roles import Context

from .endpoint import Endpoint, endpoint
from .errors import Behind, Refused
from .logins import Login
from .settings import CONNECTION, LOGIN
from .sources import Sources

if TYPE_CHECKING:
    import hvac

    from .sessions import Session
    from .wire import Wire

T = TypeVar("T")
Work = Callable[["hvac.Client"], T]

_FORBIDDEN = (401, 403)
_AGAIN = "try again"
_PATIENCE = 1.0  # seconds for a node that has not seen our last write yet
_shared: "weakref.WeakValueDictionary[tuple[object, ...], Client]" = weakref.WeakValueDictionary()
_sharing = threading.Lock()


@dataclass(slots=True)
class _Held:
    """A token, and whether the store has taken it before."""

    token: Secret
    worked: bool = False


class Client:
    """Thread-safe. Tokens of a login are kept in memory for this process, and nowhere else."""

    def __init__(self, context: Context) -> None:
        """UsageError when the address is missing or its TLS settings contradict each other."""
        self.endpoint: Endpoint = endpoint(context)
        self._each: float = context.settings["vault.timeout"]
        self._login = Login(context.settings, Sources(context))
        self._held: _Held | None = None
        self._session: tuple[int, Session] | None = None
        self._index = ""
        self._turn = threading.Lock()
        self.holds_secrets: set[str] = set()  # mounts that credentials were read from, so that a cache there is noticed

    def log_in(self, deadline: Deadline) -> str:
        """Log in, unless that was done; the method."""
        self._hold(deadline)
        return self._login.method

    def ask(self, work: "Work[T]", deadline: Deadline) -> T:
        """The result of `work`, which is handed a client of the library. Refused as the store said it, but a 403 only
        when the login was new. Whoever answers has seen our last write: a standby that has not would read what is old,
        and, which is worse, call a compare-and-set lost by what is old. In the end a read may, and a write may not.
        """
        pauses, patience = Pauses(0.02, 0.2), deadline.share(most=_PATIENCE)
        while True:
            try:
                return self._ask(work, deadline)
            except Behind as e:
                if patience.left():
                    pauses.sleep(patience)
                elif e.is_write:
                    raise TemporaryError("the node of Vault that answered is behind the others", hint=_AGAIN) from None
                else:
                    self._index = ""

    def _ask(self, work: "Work[T]", deadline: Deadline) -> T:
        held = self._hold(deadline)
        try:
            result = self._once(work, held.token, deadline)
        except Refused as e:
            if e.status not in _FORBIDDEN or not (new := self._another(held, deadline)):
                raise
            held, result = new, self._once(work, new.token, deadline)
        held.worked = True
        return result

    def _once(self, work: "Work[T]", token: Secret, deadline: Deadline) -> T:
        import hvac

        wire = self._wire(deadline, token.reveal(), self._index)
        try:
            return work(hvac.Client(url=self.endpoint.base, token="", adapter=lambda **_: wire))
        except TemporaryError:
            self._session = None  # a thread may still hang in it
            raise

    def _wire(self, deadline: Deadline, token: str = "", index: str = "") -> "Wire":
        from .sessions import session_for
        from .wire import Wire

        kept = self._session
        if not kept or kept[0] != os.getpid():  # no connection outlives a fork
            kept = self._session = (os.getpid(), session_for(self.endpoint))
        return Wire(kept[1], self.endpoint, token, deadline, each=self._each, index=index, wrote=self._remember)

    def _remember(self, index: str) -> None:
        self._index = index

    def _hold(self, deadline: Deadline) -> _Held:
        """The login, made when there is none."""
        if not self._turn.acquire(timeout=deadline.left()):
            raise TemporaryError("another thread's login to Vault did not end in time", hint="raise --deadline")
        try:
            if not self._held:
                self._held = _Held(self._login.token(self._wire(deadline), deadline))
            return self._held
        finally:
            self._turn.release()

    def _another(self, held: _Held, deadline: Deadline) -> _Held | None:
        """A new login in place of one that worked before: it may be past its time, revoked or used up."""
        if not held.worked or self._login.method == "none":
            return None
        if self._held is held:
            self._held = None
        try:
            new = self._hold(deadline)
        except CredentialsError:  # the secret id was for one use: what was denied is the first thing to say
            return None
        return None if new.token == held.token else new


def client_for(context: Context) -> Client:
    """The client of these settings. The roles of a process share it: a wrapped secret id can be unwrapped only once."""
    values = tuple(context.settings[row.name] for row in (*CONNECTION, *LOGIN))
    key = (id(context.inputs), *values)
    with _sharing:
        client = _shared.get(key)
        if client is None:
            client = _shared[key] = Client(context)
        return client
