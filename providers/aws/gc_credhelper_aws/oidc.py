"""The OIDC token that a role is assumed with: from GitHub's runner, a variable or a file. It stays in memory."""

import json
from pathlib import Path
from urllib.parse import quote, urlsplit

import botocore.httpsession
import botocore.utils
import urllib3
from botocore.awsrequest import AWSRequest
from botocore.exceptions import BotoCoreError
from gc_credhelper.errors import CredentialsError, TemporaryError, UsageError
from gc_credhelper.kinds import is_loopback
from gc_credhelper.plan import Inputs

from .failures import failure

URL, TOKEN = "ACTIONS_ID_TOKEN_REQUEST_URL", "ACTIONS_ID_TOKEN_REQUEST_TOKEN"
_PERMISSION = "the job needs `permissions: id-token: write`, and a pull request from a fork does not get it"
_WHO = "the runner's OIDC endpoint"
_LIMIT = 65_536
_OK, _TOO_MANY, _BROKEN = 200, 429, 500


def github_token(inputs: Inputs, audience: str, timeout: float, ca: str | None) -> str:
    """`timeout`: seconds. CredentialsError, TemporaryError, UsageError."""
    url, bearer = inputs.env(URL, secret=True), inputs.env(TOKEN, secret=True)
    if not url or not bearer:
        raise CredentialsError(f"{TOKEN if url else URL} is not set", hint=_PERMISSION)
    parts = urlsplit(url)
    near = is_loopback(parts.hostname or "")
    if not parts.hostname or (parts.scheme != "https" and not near):
        raise UsageError(f"{URL} is not an https URL", hint="the runner sets it; nobody else should")
    url += ("&" if parts.query else "?") + "audience=" + quote(audience, safe="")
    status, body = _get(url, _checked(bearer, f"the variable {TOKEN}"), near=near, timeout=timeout, ca=ca)
    if status == _TOO_MANY or status >= _BROKEN:
        raise TemporaryError(f"{_WHO} cannot serve now ({status})", hint="try again")
    if status != _OK:
        raise CredentialsError(f"{_WHO} refused us ({status})", hint=_PERMISSION)
    try:
        value = json.loads(body)["value"]
    except (ValueError, RecursionError, KeyError, TypeError):
        value = None
    if not isinstance(value, str) or not value:
        raise CredentialsError(f"{_WHO} gave no token", hint=_PERMISSION)
    return value


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


def _get(url: str, bearer: str, *, near: bool, timeout: float, ca: str | None) -> tuple[int, bytes]:
    """Status and body; no redirect is followed."""
    proxies = {} if near else botocore.utils.get_environ_proxies(url)
    http = botocore.httpsession.URLLib3Session(verify=ca or True, proxies=proxies, timeout=(timeout, timeout))
    request = AWSRequest("GET", url, {"Authorization": f"bearer {bearer}"}, stream_output=True).prepare()
    try:
        answer = http.send(request)
        return int(answer.status_code), answer.raw.read(_LIMIT, decode_content=True)
    except (BotoCoreError, urllib3.exceptions.HTTPError, OSError) as e:
        raise failure(e, _WHO) from None
    finally:
        http.close()
