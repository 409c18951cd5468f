"""The cache `keyring`: an item for each token, in the keyring of the user's session."""

from collections.abc import Iterator

from gc_credhelper import tokens
from gc_credhelper.deadline import Deadline
from gc_credhelper.roles import Context, Finding

from .keyrings import Keyring, Name
from .settings import CACHE, CONNECTION

_MARK = ".keyring"  # a file in the cache directory for each item of a keyring that cannot be listed


class KeyringCache:
    """The reference is what the service names of the items begin with; the key follows. Neither is secret."""

    settings = (CACHE, *CONNECTION)
    locator = CACHE.name

    def __init__(self, context: Context) -> None:
        """Asks nobody."""
        self._keyring = Keyring(context)
        self._service: str = context.settings[CACHE.name]
        self._directory = context.directory

    def get(self, key: str) -> str | None:
        """See roles.CacheBackend; CredentialsError, TemporaryError when the keyring is locked, absent, or hangs."""
        return self._keyring.ask(lambda store: store.read(self._name(key)))

    def put(self, key: str, text: str) -> None:
        """See roles.CacheBackend; CredentialsError also when the token is too large for the keyring."""
        known = tokens.load(text, key)
        expires = int(known[0].expires_at) if known else 0
        if not self._keyring.lists:
            self._directory.write(key + _MARK, b"")  # first: a token that nobody can list is not kept
        self._keyring.ask(lambda store: store.write(self._name(key), text, expires))

    def remove(self, key: str) -> bool:
        """See roles.CacheBackend."""
        there = self._keyring.ask(lambda store: store.delete(self._name(key)))
        if not self._keyring.lists:
            self._directory.remove(key + _MARK)
        return there

    def keys(self) -> list[str]:
        """Those that the keyring lists; where it cannot, those that were put from this cache directory."""
        if not self._keyring.lists:
            return sorted(name.removesuffix(_MARK) for name in self._directory.names() if name.endswith(_MARK))
        found = self._keyring.ask(lambda store: store.below(self._service))
        return sorted({name.service.rpartition("/")[2] for name in found})

    def findings(self, deadline: Deadline) -> Iterator[Finding]:
        """See `roles.Examined`."""
        yield self._keyring.finding(deadline.left())

    def _name(self, key: str) -> Name:
        return Name(f"{self._service}/{key}", "token")
