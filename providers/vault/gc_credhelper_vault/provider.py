"""The provider `vault`: client id and secret from two fields of a KV secret, version 1 or 2."""

from collections.abc import Iterator

from gc_credhelper.credentials import ClientCredentials, Secret
from gc_credhelper.deadline import Deadline, Pauses
from gc_credhelper.errors import TemporaryError, UsageError
from gc_credhelper.roles import Context, Finding

from .client import client_for
from .kv import Place, field_of, find, given, read_fields
from .settings import CONNECTION, KV, LOGIN, SECRET

_TRIES = 3


class VaultProvider:
    """The reference is mount/path."""

    settings = (SECRET, *KV, *CONNECTION, *LOGIN)
    locator = SECRET.name

    def __init__(self, context: Context) -> None:
        """UsageError when there is no path, no address, or its TLS settings contradict each other."""
        self._settings = context.settings
        self._report = context.report
        if not context.settings[SECRET.name]:
            raise UsageError("the provider vault needs a path", hint="--provider vault:mount/path")
        self._client = client_for(context)

    def client_id(self) -> str | None:
        """Not known before the store was asked."""
        return None

    def credentials(self, deadline: Deadline) -> ClientCredentials:
        """Both halves, read anew; what may pass is tried again."""
        pauses = Pauses(0.2, 2)
        for left in reversed(range(_TRIES)):
            try:
                return self._read(deadline)
            except TemporaryError as e:
                if not left or (e.retry_after or 0) >= deadline.left() or deadline.left() < 1:
                    raise
                self._report.note(f"{e}; trying again")
                pauses.sleep(deadline.share(most=2) if not e.retry_after else deadline)
        raise AssertionError

    def findings(self, deadline: Deadline) -> Iterator[Finding]:
        """See `roles.Examined`."""
        from .findings import of_provider

        return of_provider(self._client, lambda: self._place(deadline), deadline)

    def store(self, credentials: ClientCredentials, deadline: Deadline, *, replace: bool) -> str:
        """See `roles.WritableProvider`. The other fields of the secret stay; UsageError when a version is pinned."""
        from .writing import write_fields

        if self._settings["vault.version"]:
            hint = "unset vault.version: what is written now becomes the newest version"
            raise UsageError("vault.version pins a version, and no version can be written again", hint=hint)
        place = self._place(deadline)
        names = (self._settings["vault.id_field"], self._settings["vault.secret_field"])
        halves = (credentials.client_id, credentials.client_secret.reveal())
        write_fields(self._client, place, dict(zip(names, halves, strict=True)), deadline, replace=replace)
        return f"the secret {place} in Vault"

    def _read(self, deadline: Deadline) -> ClientCredentials:
        place = self._place(deadline)
        fields = read_fields(self._client, place, self._settings["vault.version"], deadline)
        halves = []
        for row in ("vault.id_field", "vault.secret_field"):
            name = self._settings[row]
            value = field_of(fields, name, place)
            if value != value.strip():
                self._report.warn(f"white space around the field {name} of the secret {place} was removed")
            halves.append(value.strip())
        return ClientCredentials(halves[0], Secret(halves[1]))

    def _place(self, deadline: Deadline) -> Place:
        written = self._settings[SECRET.name]
        version = self._settings["vault.kv_version"]
        place = given(written, version) if version else find(self._client, written, deadline)
        self._client.holds_secrets.add(place.mount)
        return place
