"""The OIDC token that a role is assumed with, from a variable or a file. It stays in memory."""

from pathlib import Path

from gc_credhelper.errors import CredentialsError
from gc_credhelper.plan import Inputs

_LIMIT = 65_536


def variable_token(inputs: Inputs, name: str) -> str:
    """CredentialsError when the variable is not set."""
    if raw := inputs.env(name, secret=True):
        return _checked(raw, f"the variable {name}")
    hint = "on GitLab the job needs `id_tokens:` with that name"
    raise CredentialsError(f"the variable {name}, which aws.web_identity_env names, is not set", hint=hint)


def file_token(path: str) -> str:
    """Read anew each time: Kubernetes writes it anew every hour."""
    what = f"the OIDC token file {path}"
    try:
        with Path(path).open("rb") as file:
            raw = file.read(_LIMIT).decode("utf-8-sig")
    except OSError as e:
        hint = "check AWS_WEB_IDENTITY_TOKEN_FILE and who may read it"
        raise CredentialsError(f"{what} cannot be read: {e.strerror}", hint=hint) from None
    except ValueError:
        raise CredentialsError(f"{what} is not text", hint="does it name the right file?") from None
    return _checked(raw, what)


def _checked(raw: str, what: str) -> str:
    value = raw.strip()
    if not value:
        raise CredentialsError(f"{what} is empty", hint="an empty value is usually one that was not passed to this job")
    if not value.isascii() or not value.isprintable() or " " in value:
        raise CredentialsError(f"{what} holds a character that no token has", hint="it must hold the token and no more")
    return value
