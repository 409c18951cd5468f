"""Any other backend of the package keyring: macOS Keychain, Windows Credential Manager, or one that a setting names."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import keyring.core
from gc_credhelper.errors import CredentialsError, UsageError
from keyring.backend import KeyringBackend
from keyring.errors import PasswordDeleteError

from .keyrings import Name

# Windows' CRED_MAX_CREDENTIAL_BLOB_SIZE (wincred.h), in bytes of UTF-16.
_MOST = {"WinVaultKeyring": 2560}
_SPARE = " (new)"


@contextmanager
def visit(name: str, *, prompt: bool) -> Iterator["Backend"]:
    """The backend of that class. UsageError when there is none, CredentialsError when it does not serve here."""
    try:
        loaded = keyring.core.load_keyring(name)
    except (ImportError, AttributeError):
        hint = "check the module and the class, and that the package is installed beside gc-credhelper"
        raise UsageError(f"the keyring backend {name} cannot be loaded", hint=hint) from None
    except RuntimeError:  # how a backend says so; NoKeyringError is one as well
        hint = "is its service running, and what it needs installed? keyring.backend names another"
        raise CredentialsError(f"the keyring backend {name} does not work here", hint=hint) from None
    with _quiet(allowed=prompt):
        yield Backend(loaded, name)


class Backend:
    """What every backend can do: get, set and delete by service and user name. None can list."""

    def __init__(self, backend: KeyringBackend, name: str) -> None:
        self.where = f"the keyring {name}"
        self._backend = backend
        self._most = next((_MOST[cls.__name__] for cls in type(backend).__mro__ if cls.__name__ in _MOST), None)

    def is_locked(self) -> bool:
        """No backend says so before an item is asked for."""
        return False

    def read(self, name: Name) -> str | None:
        """The item, or what a write that was cut off has left beside it."""
        found = self._backend.get_password(name.service, name.username)
        return self._backend.get_password(*_spare(name)) if found is None else found

    def write(self, name: Name, text: str, expires: int | None = None) -> None:
        """What must not be lost is written beside the item first, since macOS' backend deletes before it adds."""
        size = len(text.encode("utf-16-le"))
        if self._most and size > self._most:
            raise CredentialsError(
                f"the text for {name} takes {size} bytes, and {self.where} {self._most} at the most",
                hint="nothing was changed; keep tokens in the cache file, and credentials in another provider",
            )
        if expires is None:
            self._backend.set_password(*_spare(name), text)
        self._backend.set_password(name.service, name.username, text)
        if expires is None:
            self._delete(*_spare(name))

    def delete(self, name: Name) -> bool:
        """The item and what may lie beside it."""
        return any([self._delete(name.service, name.username), self._delete(*_spare(name))])

    def below(self, service: str) -> list[Name]:
        """Not here: see `Keyring.lists`."""
        raise NotImplementedError(service)

    def _delete(self, service: str, username: str) -> bool:
        if self._backend.get_password(service, username) is None:
            return False
        try:
            self._backend.delete_password(service, username)
        except PasswordDeleteError:
            if self._backend.get_password(service, username) is not None:
                raise
        return True


def _spare(name: Name) -> tuple[str, str]:
    return name.service, name.username + _SPARE


@contextmanager
def _quiet(*, allowed: bool) -> Iterator[None]:
    """On macOS let no item ask on the screen whether this Python may read it, unless that is allowed."""
    security: Any = None
    if sys.platform == "darwin" and not allowed:  # pragma: no cover
        import ctypes

        security = ctypes.CDLL("/System/Library/Frameworks/Security.framework/Security")
    try:
        if security:
            security.SecKeychainSetUserInteractionAllowed(False)
        yield
    finally:
        if security:
            security.SecKeychainSetUserInteractionAllowed(True)
