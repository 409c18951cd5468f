"""Keyring: the store that the settings mean, asked within a time that ends, whatever it hangs in."""

import sys
import threading
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Protocol, TypeVar

from gc_credhelper.deadline import Deadline
from gc_credhelper.errors import Error, TemporaryError, UsageError
from gc_credhelper.locks import thread_lock
from gc_credhelper.roles import Context, Finding

from .errors import ELSEWHERE, UNLOCK, meaning

T = TypeVar("T")

SECRET_SERVICE = "keyring.backends.SecretService.Keyring"  # noqa: S105  # the name of a class
_SYSTEMS = {"darwin": "keyring.backends.macOS.Keyring", "win32": "keyring.backends.Windows.WinVaultKeyring"}
# What a variable that was made for other programs may choose. The other backends drop what they are given, keep it in
# clear, ask for a password on the terminal, or choose yet another by themselves.
_SAFE = {
    SECRET_SERVICE,
    *_SYSTEMS.values(),
    "keyring.backends.kwallet.DBusKeyring",
    "keyring.backends.libsecret.Keyring",
}
_PATIENCE = {False: 3.0, True: 30.0}  # seconds, by keyring.prompt
_PAUSE = 30.0  # seconds during which a keyring that hung is not asked again
_hung: dict[tuple[str | None, ...], float] = {}


@dataclass(frozen=True, slots=True)
class Name:
    """What an item is called by. None of it is secret."""

    service: str
    username: str

    def __str__(self) -> str:
        return f"{self.username} of {self.service}"


class Store(Protocol):
    """One visit to a keyring. Every method may hang, and may raise anything. `where`: for people."""

    where: str

    def is_locked(self) -> bool:
        """As far as that can be told without touching an item."""

    def read(self, name: Name) -> str | None:
        """The text of the item; None when there is none, or it is locked and known to be past its time."""

    def write(self, name: Name, text: str, expires: int | None = None) -> None:
        """Put the whole text in place. `expires`: epoch seconds, for what can be had again; anything else is never
        gone, not even for a moment. CredentialsError for a text that is too large, before anything is changed.
        """

    def delete(self, name: Name) -> bool:
        """Was there such an item?"""

    def below(self, service: str) -> list[Name]:
        """Every item with a time to expire whose service name begins with `service/`. Only where a keyring `lists`."""


class Keyring:
    """Builds nothing and imports nothing before it is asked."""

    def __init__(self, context: Context) -> None:
        self._named: str | None = context.settings["keyring.backend"]
        self._variable = context.inputs.env("PYTHON_KEYRING_BACKEND")
        self._address = context.inputs.env("DBUS_SESSION_BUS_ADDRESS")
        self._collection: str | None = context.settings["keyring.collection"]
        self._prompt: bool = context.settings["keyring.prompt"]
        self._timeout: float = context.settings["keyring.timeout"] or _PATIENCE[self._prompt]
        self._id = (self._named, self._variable, self._address, self._collection)

    @property
    def lists(self) -> bool:
        """Can it say which items it holds?"""
        return self._backend() == SECRET_SERVICE

    def ask(self, work: Callable[[Store], T], seconds: float = float("inf")) -> T:
        """The result of `work`; TemporaryError when the keyring hangs, and then at once for a while.

        No library of a keyring has a time-out of its own. The thread that hangs is left behind, and ends with the
        process (docs/adr/0009); its visit to the keyring ends with it, and with that a question on the screen.
        """
        if time.monotonic() < _hung.get(self._id, 0):
            raise _no_answer(self._timeout)
        opened = self._open()  # imports what it needs, which is no time of the keyring's
        turn = Deadline(min(seconds, self._timeout))
        mine = thread_lock("keyring")  # GNOME Keyring may end when threads come with several things at once
        if not mine.acquire(timeout=min(turn.left(), threading.TIMEOUT_MAX)):
            raise _no_answer(turn.seconds)
        try:
            return self._visit(opened, work, Deadline(turn.seconds))
        finally:
            mine.release()

    def _visit(self, opened: AbstractContextManager[Store], work: Callable[[Store], T], deadline: Deadline) -> T:
        def visit() -> T:
            try:
                with opened as store:
                    return work(store)
            except Error:
                raise
            except Exception as e:  # noqa: BLE001  # a backend may raise anything, and its text may hold the secret
                raise meaning(e) from None

        try:
            return deadline.run(visit, "the keyring")
        except TemporaryError:
            if deadline.left():
                raise
            if deadline.seconds == self._timeout:
                _hung[self._id] = time.monotonic() + _PAUSE
            raise _no_answer(deadline.seconds) from None

    def finding(self, seconds: float = float("inf")) -> Finding:
        """Which keyring it is, and whether it is locked, for `doctor`. What `ask` raises."""
        where, is_locked = self.ask(lambda store: (store.where, store.is_locked()), seconds)
        if is_locked and not self._prompt:
            return Finding.warn(f"{where} is locked", UNLOCK)
        return Finding.ok(f"{where} answers, and is {'locked: it will ask you' if is_locked else 'not locked'}")

    def _open(self) -> AbstractContextManager[Store]:
        if self.lists:
            from .secret_service import visit

            return visit(self._address, self._collection, prompt=self._prompt)
        from .backends import visit as visit_backend

        return visit_backend(self._backend(), prompt=self._prompt)

    def _backend(self) -> str:
        """The class that is meant. keyring's own choice is not asked for: whoever installs a package could make it."""
        if self._named:
            return self._named
        if not self._variable:
            return _SYSTEMS.get(sys.platform, SECRET_SERVICE)
        if self._variable not in _SAFE:
            raise UsageError(
                "the variable PYTHON_KEYRING_BACKEND names a backend that is not known to keep secrets",
                hint=f"unset it, or name the backend with keyring.backend if you want it; {ELSEWHERE}",
            )
        return self._variable


def _no_answer(seconds: float) -> TemporaryError:
    hint = "a question may wait on the desktop, or its service hang: log in there again; or raise keyring.timeout"
    return TemporaryError(f"the keyring did not answer within {seconds:.3g} s", hint=hint)
