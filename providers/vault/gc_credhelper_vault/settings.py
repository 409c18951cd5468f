"""The rows of the settings `vault.*`: the roles share them all but their locators. No row is ever a secret itself."""

import re
from urllib.parse import urlsplit

from gc_credhelper.kinds import choice, deadline, text, url
from gc_credhelper.settings import Setting

METHODS = ("token", "approle", "jwt", "kubernetes", "userpass", "cert", "none")


def address(raw: object) -> str:
    """An https URL, `unix:///path` of an agent's socket, or http on this machine: a token would go in clear."""
    value = text(raw)
    if value.startswith("unix://"):
        if not re.fullmatch(r"unix:///[^\0]+", value):
            raise ValueError("must name the socket with its whole path, such as unix:///run/agent.sock")
        return value
    if not urlsplit(value).scheme:
        raise ValueError("must be a URL such as https://vault.example.com:8200")
    return url(value).rstrip("/")


def place(raw: object) -> str:
    """`mount/path`; `//` marks where the mount ends when that is not the first slash."""
    value = text(raw).strip("/")
    mount, path = split(value)
    if not mount or not path or value.count("//") > 1:
        raise ValueError("must be mount/path, such as secret/ci/genesys")
    for segment in re.split("//?", value):
        if segment in ("", ".", "..") or not segment.isprintable() or segment != segment.strip():
            raise ValueError("must be mount/path, and no part of it empty, . or ..")
    return value


def split(place: str) -> tuple[str, str]:
    """Mount and path; without `//` the mount is taken to end at the first slash."""
    mount, marked, path = place.partition("//")
    if not marked:
        mount, _, path = place.partition("/")
    return mount, path


def mount(raw: object) -> str:
    """The path that an auth method is mounted at, without `auth/`."""
    value = text(raw).strip("/").removeprefix("auth/")
    if not re.fullmatch(r"[\w.-]+(/[\w.-]+)*", value) or {".", ".."} & {*value.split("/")}:
        raise ValueError("must be a path such as approle")
    return value


def namespace(raw: object) -> str:
    """A namespace such as `team1/ci`."""
    value = text(raw).strip("/")
    if not re.fullmatch(r"[!-~]+", value):
        raise ValueError("must be a namespace such as team1")
    return value


def switch(raw: object) -> bool:
    """Yes or no, in the spellings of Vault's own variables and of TOML."""
    word = str(raw).strip().lower()
    if word in ("1", "t", "true", "yes", "on"):
        return True
    if word in ("0", "f", "false", "no", "off"):
        return False
    raise ValueError("must be true or false")


def number(raw: object) -> int:
    """A version of a secret: 1 or more."""
    if isinstance(raw, bool) or not re.fullmatch(r"[1-9]\d{0,8}", str(raw).strip(), re.ASCII):
        raise ValueError("must be a number of 1 or more")
    return int(str(raw))


def kv_version(raw: object) -> int:
    """1 or 2."""
    if isinstance(raw, bool) or str(raw).strip() not in ("1", "2"):
        raise ValueError("must be 1 or 2")
    return int(str(raw))


_ADDRESSES = ("VAULT_AGENT_ADDR", "BAO_AGENT_ADDR", "VAULT_ADDR", "BAO_ADDR")

CONNECTION = (
    Setting("vault.addr", address, "the server, or unix:///path of an agent's socket", platform=_ADDRESSES),
    Setting("vault.namespace", namespace, "the namespace", platform=("VAULT_NAMESPACE", "BAO_NAMESPACE")),
    Setting("vault.cacert", text, "a PEM file with the CA of the server", platform=("VAULT_CACERT", "BAO_CACERT")),
    Setting("vault.capath", text, "a directory of CA files", platform=("VAULT_CAPATH", "BAO_CAPATH")),
    Setting(
        "vault.client_cert",
        text,
        "a PEM file with our certificate for mutual TLS and the login cert",
        platform=("VAULT_CLIENT_CERT", "BAO_CLIENT_CERT"),
    ),
    Setting(
        "vault.client_key",
        text,
        "a PEM file with the key of vault.client_cert, when that does not hold it",
        platform=("VAULT_CLIENT_KEY", "BAO_CLIENT_KEY"),
    ),
    Setting(
        "vault.tls_server_name",
        text,
        "the name that the server's certificate must have, when it is not that of vault.addr",
        platform=("VAULT_TLS_SERVER_NAME", "BAO_TLS_SERVER_NAME"),
    ),
    # VAULT_SKIP_VERIFY is no `platform` of this row: it counts on loopback only, and this row everywhere.
    Setting("vault.skip_verify", switch, "trust any certificate: whoever is on the way then has the token and secret"),
    Setting("vault.timeout", deadline, "time for one request to the server", "10s"),
)

LOGIN = (
    Setting("vault.auth", choice(*METHODS), f"how to log in: {', '.join(METHODS)}", "token"),
    Setting("vault.auth_mount", mount, "where the auth method is mounted, when it is not at its own name"),
    Setting("vault.role", text, "the role of a login with jwt, kubernetes or cert"),
    Setting("vault.token_file", text, "a file with the token, when it is not VAULT_TOKEN or ~/.vault-token"),
    Setting("vault.role_id", text, "the role id of approle", platform=("VAULT_ROLE_ID", "BAO_ROLE_ID")),
    Setting("vault.role_id_file", text, "a file with the role id of approle"),
    Setting("vault.secret_id_file", text, "a file with the secret id of approle, when it is not VAULT_SECRET_ID"),
    Setting("vault.secret_id_wrapped", switch, "the secret id is response-wrapped: unwrap it first"),
    Setting("vault.jwt_file", text, "a file with the JSON Web Token of the logins jwt and kubernetes"),
    Setting("vault.jwt_env", text, "the name of a variable with the JSON Web Token, such as VAULT_ID_TOKEN"),
    Setting("vault.jwt_audience", text, "the audience to ask GitHub Actions for"),
    Setting("vault.username", text, "the user of a login with userpass"),
    Setting("vault.password_file", text, "a file with the password of userpass, when it is not VAULT_PASSWORD"),
)

KV = (
    Setting("vault.kv_version", kv_version, "the version of the secret's KV mount, 1 or 2; found out when not set"),
    Setting("vault.version", number, "a version of the secret (KV version 2), when it is not the newest"),
    Setting("vault.id_field", text, "the field of the secret with the client id", "client_id"),
    Setting("vault.secret_field", text, "the field of the secret with the client secret", "client_secret"),
)

SECRET = Setting("vault.secret", place, "mount/path of the secret with the client id and client secret")
CACHE = Setting("vault.cache", place, "mount/path for the tokens, on a KV version 2 mount that holds nothing else")
