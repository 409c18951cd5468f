"""The ways to log in: from settings, variables and files to the body of one request, and from that to a token."""

import re
import threading
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from gc_credhelper.credentials import Secret
from gc_credhelper.deadline import Deadline
from gc_credhelper.errors import CredentialsError, TemporaryError, UsageError
from gc_credhelper.oidc import URL, github_token

from .errors import Refused, meaning, meaning_of_login
from .sources import Sources

if TYPE_CHECKING:
    from .wire import Wire

SERVICE_ACCOUNT = "/var/run/secrets/kubernetes.io/serviceaccount/token"


class Login:
    """How we become somebody. What can be used only once, an unwrapped secret id, is kept in memory."""

    def __init__(self, settings: Mapping[str, Any], sources: Sources) -> None:
        self.method: str = settings["vault.auth"]
        self._settings = settings
        self._sources = sources
        self._unwrapped: Secret | None = None
        self._turn = threading.Lock()

    def token(self, wire: "Wire", deadline: Deadline) -> Secret:
        """A token, empty when somebody else adds it. CredentialsError, UsageError, TemporaryError."""
        if self.method == "none":
            return Secret("")
        if self.method == "token":
            return self._given_token()
        mount = self._settings["vault.auth_mount"] or self.method
        body, user = self._body(wire, mount, deadline)
        url = f"/v1/auth/{mount}/login" + (f"/{quote(user, safe='')}" if user else "")
        try:
            wire.token = None
            answer = wire.post(url, json={name: _clear(value) for name, value in body.items()})
        except Refused as e:
            raise meaning_of_login(e, self.method) from None
        return Secret(wire.get_login_token(answer))

    def _given_token(self) -> Secret:
        if path := self._settings["vault.token_file"]:
            return self._sources.file(path, "the token file")
        if found := self._sources.variable("VAULT_TOKEN", "BAO_TOKEN"):
            return found
        if self._sources.exists("~/.vault-token"):
            return self._sources.file("~/.vault-token", "the token file")
        hint = "set VAULT_TOKEN, choose a login with vault.auth, or vault.auth = none when an agent adds the token"
        raise CredentialsError("there is no token for Vault: VAULT_TOKEN is not set, and no ~/.vault-token", hint=hint)

    def _body(self, wire: "Wire", mount: str, deadline: Deadline) -> tuple[dict[str, str | Secret], str]:
        """What a login sends, and the user that its URL ends with, if any."""
        match self.method:
            case "approle":
                return {"role_id": self._role_id(), "secret_id": self._secret_id(wire, mount, deadline)}, ""
            case "jwt":
                role = self._settings["vault.role"]  # the method may have a default
                return {**({"role": role} if role else {}), "jwt": self._jwt(deadline)}, ""
            case "kubernetes":
                return {"role": self._needed("vault.role"), "jwt": self._service_account()}, ""
            case "userpass":
                return {"password": self._password()}, self._needed("vault.username")
        role = self._settings["vault.role"]
        self._needed("vault.client_cert")
        return ({"name": role} if role else {}), ""

    def _needed(self, name: str) -> str:
        value: str | None = self._settings[name]
        if not value:
            raise UsageError(f"the login with {self.method} needs {name}", hint=f"set {name}")
        return value

    def _role_id(self) -> str | Secret:
        if path := self._settings["vault.role_id_file"]:
            return self._sources.file(path, "the role id file")
        return self._needed("vault.role_id")

    def _secret_id(self, wire: "Wire", mount: str, deadline: Deadline) -> Secret:
        if path := self._settings["vault.secret_id_file"]:
            given = self._sources.file(path, "the secret id file")
        elif not (given := self._sources.variable("VAULT_SECRET_ID", "BAO_SECRET_ID") or Secret("")):
            hint = "set VAULT_SECRET_ID or vault.secret_id_file"
            raise CredentialsError("the login with approle has no secret id", hint=hint)
        if not self._settings["vault.secret_id_wrapped"]:
            return given
        if not self._turn.acquire(timeout=deadline.left()):
            raise TemporaryError("another thread does not end to unwrap the secret id", hint="raise --deadline")
        try:  # it can be done once, so only one thread does it
            self._unwrapped = self._unwrapped or _unwrap(wire, mount, given)
            return self._unwrapped
        finally:
            self._turn.release()

    def _jwt(self, deadline: Deadline) -> Secret:
        if path := self._settings["vault.jwt_file"]:
            return self._sources.file(path, "the file with the JSON Web Token")
        if name := self._settings["vault.jwt_env"]:
            if found := self._sources.variable(name):
                return found
            raise CredentialsError(f"the variable {_plain(name)}, which vault.jwt_env names, is not set", hint=_WAYS)
        if found := self._sources.variable("VAULT_ID_TOKEN"):
            return found
        if self._sources.inputs.env(URL, secret=True):
            return github_token(self._sources.inputs, self._settings["vault.jwt_audience"], deadline)
        raise CredentialsError("the login with jwt has no JSON Web Token", hint=_WAYS)

    def _service_account(self) -> Secret:
        return self._sources.file(self._settings["vault.jwt_file"] or SERVICE_ACCOUNT, "the service account's token")

    def _password(self) -> Secret:
        if path := self._settings["vault.password_file"]:
            return self._sources.file(path, "the password file", free=True)
        if found := self._sources.variable("VAULT_PASSWORD", "BAO_PASSWORD", free=True):
            return found
        raise CredentialsError("the login with userpass has no password", hint="set VAULT_PASSWORD")


_WAYS = (
    "on GitHub Actions the job needs `permissions: id-token: write`, on GitLab `id_tokens: VAULT_ID_TOKEN`; "
    "elsewhere set vault.jwt_file or vault.jwt_env"
)


def _unwrap(wire: "Wire", mount: str, wrapping: Secret) -> Secret:
    """The secret id in a response-wrapping token, which must have been made by the method that we log in to."""
    what = "wrapped secret id"
    try:
        wire.token = None
        answer = wire.post("/v1/sys/wrapping/lookup", json={"token": wrapping.reveal()})
        path = answer.get("data", {}).get("creation_path")
        if not isinstance(path, str) or not re.fullmatch(rf"(.+/)?auth/{re.escape(mount)}/role/[^/]+/secret-id", path):
            raise CredentialsError(
                f"the {what} was not made by auth/{mount}: a possible theft, in which another was put in its place",
                hint="find out who made it; make a new secret id, and check vault.auth_mount",
            )
        wire.token = wrapping.reveal()
        found = _unwrapped(wire).get("data")
    except Refused as e:
        raise meaning(e, what) from None
    finally:
        wire.token = None
    secret_id = found.get("secret_id") if isinstance(found, dict) else None
    if not isinstance(secret_id, str) or not secret_id:
        raise CredentialsError(f"the {what} holds no secret id", hint="was it made with secret-id and -wrap-ttl?")
    return Secret(secret_id)


def _unwrapped(wire: "Wire") -> dict[str, Any]:
    try:
        answer: dict[str, Any] = wire.post("/v1/sys/wrapping/unwrap", json={})
    except TemporaryError as e:  # a second try would look like a theft
        hint = "it can be unwrapped only once, and that may have happened; make a new secret id"
        raise CredentialsError(f"the secret id was lost while it was unwrapped: {e}", hint=hint) from None
    return answer


def _clear(value: str | Secret) -> str:
    return value.reveal() if isinstance(value, Secret) else value


def _plain(name: str) -> str:
    """The name of a variable as a message may repeat it: somebody may have put the token itself there."""
    return name if re.fullmatch(r"[A-Z][A-Z0-9_]{0,40}", name) else "of that name"
