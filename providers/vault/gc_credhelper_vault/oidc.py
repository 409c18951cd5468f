"""The JSON Web Token of a job on GitHub Actions, from the runner's own endpoint. It stays in memory."""

import json
from urllib.parse import quote, urlsplit

from gc_credhelper.credentials import Secret
from gc_credhelper.deadline import Deadline
from gc_credhelper.errors import CredentialsError, Error, TemporaryError, UsageError
from gc_credhelper.kinds import is_loopback

from .sources import Sources

URL, TOKEN = "ACTIONS_ID_TOKEN_REQUEST_URL", "ACTIONS_ID_TOKEN_REQUEST_TOKEN"
_PERMISSION = "the job needs `permissions: id-token: write`, and a pull request from a fork does not get it"
_OK, _TOO_MANY, _BROKEN = 200, 429, 500


def github_token(sources: Sources, audience: str | None, deadline: Deadline) -> Secret:
    """`audience`: whom the token is for; None leaves GitHub's own default. CredentialsError, TemporaryError."""
    import requests.utils

    from .sessions import Session, exchange

    url, bearer = sources.inputs.env(URL, secret=True) or "", sources.variable(TOKEN)
    if not bearer:
        raise CredentialsError(f"{URL} is set, but {TOKEN} is not", hint=_PERMISSION)
    host = urlsplit(url).hostname or ""
    if not host or (urlsplit(url).scheme != "https" and not is_loopback(host)):
        raise UsageError(f"{URL} is not an https URL", hint="the runner sets it; nobody else should")
    if audience:
        url += ("&" if urlsplit(url).query else "?") + "audience=" + quote(audience, safe="")
    with Session() as session:
        if not is_loopback(host):
            session.proxies = requests.utils.get_environ_proxies(url)
        headers = {"Authorization": f"bearer {bearer.reveal()}"}
        status, _, body = exchange(session, "GET", url, "the runner's OIDC endpoint", deadline, headers=headers)
    if fault := _fault(status):
        raise fault
    try:
        value = json.loads(body)["value"]
    except (ValueError, RecursionError, KeyError, TypeError):
        value = None
    if not isinstance(value, str) or not value:
        raise CredentialsError("the runner's OIDC endpoint gave no token", hint=_PERMISSION)
    return Secret(value)


def _fault(status: int) -> Error | None:
    if status == _OK:
        return None
    if status == _TOO_MANY or status >= _BROKEN:
        return TemporaryError(f"the runner's OIDC endpoint cannot serve now ({status})", hint="try again")
    return CredentialsError(f"the runner's OIDC endpoint refused us ({status})", hint=_PERMISSION)
