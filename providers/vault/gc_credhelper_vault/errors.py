"""What an answer of the store means, in our words. No text of the store is ever shown."""

import re
from collections.abc import Mapping

from gc_credhelper.errors import CredentialsError, Error, TemporaryError, UsageError


class Forbidden(CredentialsError):
    """403: the store does not let us, or what we ask for is not there; it does not say which."""


class Refused(Exception):
    """An answer other than 200 and 204. `said`: the store's own text, to be matched and never shown."""

    def __init__(self, status: int, said: str, body: object, headers: Mapping[str, str]) -> None:
        """`headers`: names in small letters."""
        super().__init__(status)
        self.status = status
        self.said = said
        self.body = body
        self.headers = headers

    @property
    def retry_after(self) -> float | None:
        """Seconds that we were asked to wait, if we were."""
        raw = self.headers.get("retry-after", "")
        return float(raw) if re.fullmatch(r"\d{1,6}", raw, re.ASCII) else None


class Behind(Refused):
    """A node has not seen our last write yet, and did nothing: OpenBao says 429 and no word, Vault Enterprise 412."""

    is_write = False


_Row = tuple[tuple[int, ...], str, type[Error], str, str]
_AGAIN = "try again"
_ADDRESS = "check vault.addr (variable VAULT_ADDR)"
_SPACE = "check vault.namespace (variable VAULT_NAMESPACE)"
_BAD_REQUEST, _FORBIDDEN = 400, 403
_LOGIN = "check vault.auth, vault.auth_mount, vault.role and what the login is made of"

# The first row whose status and text fit says what an answer means. {} is what was asked for, {status} the number.
_MEANINGS: tuple[_Row, ...] = (
    (
        (301, 302, 303, 308),
        "",
        UsageError,
        "Vault's address leads elsewhere ({status}), which is not followed: the token would go to another host",
        _ADDRESS,
    ),
    (
        (307,),
        "",
        TemporaryError,
        "Vault answered with a redirect (307), which is not followed: the token would go to another host",
        "the server may be a standby without a leader; try again, or set vault.addr to the active node",
    ),
    (
        (400,),
        "sent an HTTP request to an HTTPS server",
        UsageError,
        "the server speaks TLS, but vault.addr begins with http://",
        "write https:// in vault.addr (variable VAULT_ADDR)",
    ),
    (
        (400,),
        "Waiting for the primary|Upgrading from non-versioned",
        TemporaryError,
        "the mount of the {} is being made ready",
        _AGAIN,
    ),
    (
        (400,),
        "wrapping token is not valid or does not exist",
        CredentialsError,
        "the {} cannot be unwrapped: its token was used before, or is past its time: a possible theft",
        "find out who unwrapped it; make a new secret id, and destroy the old ones",
    ),
    (
        (401, 403),
        "",
        Forbidden,
        "Vault denies the {}, or there is no such thing ({status}); the two cannot be told apart",
        f"check the path, the policy of the login, and whether its token is past its time; {_SPACE}",
    ),
    (
        (404,),
        "no handler for route|route entry not found",
        UsageError,
        "there is no mount for the {}",
        f"check the path; {_SPACE}",
    ),
    ((404,), "namespace not found", UsageError, "there is no such namespace in Vault", _SPACE),
    (
        (404,),
        "Invalid path for a versioned",
        UsageError,
        "the mount of the {} is KV version 2",
        "set vault.kv_version to 2, or unset it",
    ),
    (
        (404,),
        r"^\[\]$",
        CredentialsError,
        "there is no {}",
        f"check the path, without data/ in it, and vault.kv_version when it is set; {_SPACE}",
    ),
    ((412,), "X-Vault-Request", UsageError, "the header X-Vault-Request was lost on the way to Vault", _ADDRESS),
    ((412,), "", TemporaryError, "the node of Vault that answered is behind the others", _AGAIN),
    ((413,), "", UsageError, "the {} is larger than Vault takes", "raise max_request_size of the listener"),
    ((429,), "", TemporaryError, "Vault limits the rate of requests", "try again later, or raise the rate quota"),
    ((472, 473), "", TemporaryError, "the node of Vault that answered is a standby", _AGAIN),
    (
        (500,),
        "missing name in alias",
        CredentialsError,
        "the client certificate has no common name",
        "issue it with one: Vault knows the user by it",
    ),
    ((501,), "", TemporaryError, "Vault is not initialised", "the operator has to initialise it; try again then"),
    ((503,), "sealed", TemporaryError, "Vault is sealed", "the operator has to unseal it; try again then"),
    (
        tuple(range(500, 600)),
        "",
        TemporaryError,
        "Vault, or a proxy before it, cannot serve now ({status})",
        _AGAIN,
    ),
)

# What the auth methods say, kubernetes with status 403 and the others with 400; each behind the method's name. The name
# of a claim or a role is shown, as it is in the operator's own configuration; what it was compared with is not.
_LOGINS: tuple[tuple[str, str], ...] = (
    (
        r'claim "([\w.:/-]{1,60})" does not match',
        "the claim {1} of the JSON Web Token is not one that the role is bound to",
    ),
    (r'claim "([\w.:/-]{1,60})" is missing', "the JSON Web Token has no claim {1}, which the role is bound to"),
    (r"invalid audience", "the audience of the JSON Web Token is not one that the role takes"),
    (r"invalid issuer", "the issuer of the JSON Web Token is not the one that Vault was told"),
    (r"token is expired|token is not (yet )?valid", "the JSON Web Token is past its time, or before it"),
    (r"no known key|invalid signature|signature", "no key that Vault knows made the signature of the JSON Web Token"),
    (r"role .* could not be found|invalid role name", "Vault knows no such role"),
    (
        r"invalid role or secret ID|invalid role_id|invalid secret",
        "the role id or secret id is wrong, past its time or used up",
    ),
    (r"invalid username or password", "the user name or password is wrong"),
    (
        r"service account name not authorized|namespace not authorized",
        "the service account or its namespace is not one that the role is bound to",
    ),
    (
        r"kubernetes: permission denied",
        "it cannot ask the cluster, the cluster does not know the token, or there is no such method (403)",
    ),
    (r"invalid certificate|no chain matching|certificate", "Vault takes no such client certificate"),
)


def meaning(refused: Refused, what: str) -> Error:
    """Our error for an answer to a request for `what`."""
    return _looked_up(refused, what) or UsageError(
        f"Vault did not take the request for the {what} ({refused.status})", hint=f"check the settings; {_ADDRESS}"
    )


def meaning_of_login(refused: Refused, method: str) -> Error:
    """The same for a login: 400 and 403 are refusals that nothing but a person can mend."""
    what = f"login with {method}"
    found = None if refused.status in (401, 403) else _looked_up(refused, what)
    if found:
        return found
    for said, why in _LOGINS if refused.status in (_BAD_REQUEST, _FORBIDDEN) else ():
        if match := re.search(said, f"{method}: {refused.said}"):
            return CredentialsError(
                f"Vault refused the {what}: {why.format(*(match[0], *match.groups()))}", hint=_LOGIN
            )
    return CredentialsError(f"Vault refused the {what} ({refused.status})", hint=f"{_LOGIN}; {_SPACE}")


def _looked_up(refused: Refused, what: str) -> Error | None:
    for statuses, said, kind, words, hint in _MEANINGS:
        if refused.status in statuses and re.search(said, refused.said):
            message = words.replace("{}", what).replace("{status}", str(refused.status))
            if kind is TemporaryError:
                return TemporaryError(message, hint=hint, retry_after=refused.retry_after)
            return kind(message, hint=hint)
    return None
