"""The provider `keyring`: client id and secret from one item, a JSON object."""

import json
from collections.abc import Iterator

from gc_credhelper.credentials import ClientCredentials, Secret
from gc_credhelper.deadline import Deadline
from gc_credhelper.errors import CredentialsError
from gc_credhelper.roles import Context, Finding

from .keyrings import Keyring, Name, Store
from .settings import CLIENT, CONNECTION, SERVICE

_ONLY = "client"  # the user name of the item when the service holds one: a name that needs no list


class KeyringProvider:
    """The reference is the service name."""

    settings = (SERVICE, CLIENT, *CONNECTION)
    locator = SERVICE.name

    def __init__(self, context: Context) -> None:
        """Asks nobody."""
        self._keyring = Keyring(context)
        self._report = context.report
        self._client: str | None = context.settings[CLIENT.name]
        self._name = Name(context.settings[SERVICE.name], self._client or _ONLY)

    def client_id(self) -> str | None:
        """What `keyring.client` says."""
        return self._client

    def credentials(self, deadline: Deadline) -> ClientCredentials:
        """Both halves, of one item. CredentialsError when it is locked or absent, TemporaryError when it hangs."""
        found = self._keyring.ask(lambda store: store.read(self._name), deadline.left())
        if found is None:
            raise CredentialsError(
                f"the keyring holds no item {self._name}",
                hint=f"store it: gc-credhelper store --provider keyring:{self._name.service}; keyring.client names one "
                "of several",
            )
        fields = _object(found)
        halves = []
        for half in ("client_id", "client_secret"):
            value = fields.get(half)
            if not isinstance(value, str) or not value.strip():
                raise CredentialsError(f"the item {self._name} has no {half}", hint="store it again, as two texts")
            if value != value.strip():
                self._report.warn(f"white space around the {half} in the item {self._name} was removed")
            halves.append(value.strip())
        self._check(halves[0])
        return ClientCredentials(halves[0], Secret(halves[1]))

    def findings(self, deadline: Deadline) -> Iterator[Finding]:
        """See `roles.Examined`."""
        yield self._keyring.finding(deadline.left())

    def store(self, credentials: ClientCredentials, deadline: Deadline, *, replace: bool) -> str:
        """Write the item and return where it is, for people. CredentialsError, and nothing is changed, when there is
        one and `replace` does not say so, or it is too large for the keyring.
        """
        self._check(credentials.client_id)
        text = json.dumps({"client_id": credentials.client_id, "client_secret": credentials.client_secret.reveal()})

        def work(store: Store) -> str:
            if not replace and store.read(self._name) is not None:
                hint = "--replace overwrites it; keyring.client or another service name keeps both"
                raise CredentialsError(f"the keyring holds an item {self._name}", hint=hint)
            store.write(self._name, text)
            if store.read(self._name) != text:
                hint = "check keyring.backend: a backend may drop what it is given"
                raise CredentialsError(f"the keyring did not keep the item {self._name}", hint=hint)
            return f"the item {self._name} in {store.where}"

        return self._keyring.ask(work, deadline.left())

    def _check(self, client_id: str) -> None:
        if self._client and client_id != self._client:
            raise CredentialsError(
                f"the item {self._name} would be that of the client {client_id}", hint="mend or unset keyring.client"
            )


def _object(text: str) -> dict[str, object]:
    """The fields of the item; none when it is no JSON object."""
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict):
        hint = "store it again: gc-credhelper store --provider keyring --replace"
        raise CredentialsError("the item in the keyring is not a JSON object", hint=hint)
    return found
