"""The credential-helper protocols of git and of Bazel: what a caller asks, for which host, and how it is answered.

git: gitcredentials(7), git-credential(1). Bazel, Buck2 and restish: EngFlow's credential helper specification.
What cannot be read is an empty request, never a traceback: callers send whatever their own users wrote.
"""

import json
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from .output import bazel
from .regions import Endpoints, find
from .settings import is_loopback
from .tokens import AccessToken

LIMIT = 65_536  # bytes of a request
_USER = "oauth2"  # as forges take a token for a password


@dataclass(frozen=True, slots=True)
class Request:
    """`scheme` and `host`, in small letters, `host` with its port; empty when they were not said or make no sense.

    `refused`: the credential that git was told is wrong.
    """

    scheme: str = ""
    host: str = ""
    bearer: bool = False
    refused: str = field(default="", repr=False)


def read_git(readline: Callable[[int], bytes]) -> Request:
    """Lines up to an empty one: the caller may keep its end of the pipe open."""
    found: dict[str, str] = {}
    capabilities = set()
    size = 0
    while (line := readline(LIMIT).strip(b"\r\n")) and size < LIMIT:
        size += len(line)
        name, equals, value = line.decode("utf-8", "replace").partition("=")
        if name == "capability[]":
            capabilities.add(value)
        elif equals and "\0" not in value:
            found[name] = value
    scheme, host = found.get("protocol", ""), found.get("host", "")
    if url := found.get("url"):
        scheme, host = _split(url)
    refused = found.get("credential") or found.get("password") or ""
    return Request(scheme.lower(), host.lower(), "authtype" in capabilities, refused)


def read_bazel(read: Callable[[int], bytes]) -> Request:
    """One JSON object; the caller may keep its end of the pipe open."""
    raw = b""
    while len(raw) < LIMIT and (part := read(LIMIT)):
        raw += part
        try:
            asked = json.loads(raw)
        except (ValueError, RecursionError):
            continue
        uri = asked.get("uri") if isinstance(asked, dict) else None
        return Request(*_split(uri)) if isinstance(uri, str) else Request()
    return Request()


def _split(url: str) -> tuple[str, str]:
    try:
        parts = urlsplit(url)
        host = parts.hostname or ""
        port = f":{parts.port}" if parts.port is not None else ""
    except ValueError:
        return "", ""
    return parts.scheme.lower(), (f"[{host}]" if ":" in host else host) + port


def is_ours(request: Request, endpoints: Endpoints, hosts: Collection[str]) -> bool:
    """Is the token for that host? For those of its region, of the settings' URLs, and of `hosts`; over TLS, unless it
    is this machine.
    """
    scheme, host = request.scheme, request.host
    name, _, port = host.rpartition(":") if host.rpartition(":")[2].isdecimal() else (host, "", "")
    if not name or scheme not in ("https", "http") or (scheme == "http" and not is_loopback(name.strip("[]"))):
        return False
    named = {_split(url)[1] for url in (endpoints.token_url, endpoints.api_url) if url}
    if host in named or host in hosts or (port in ("", "443") and name in hosts):
        return True
    row = find(urlsplit(endpoints.token_url).hostname or "")
    known = row is not None and endpoints.token_url == row.token_url
    return known and row is not None and port in ("", "443") and (name == row.domain or name.endswith(f".{row.domain}"))


def answer_git(token: AccessToken, request: Request) -> str:
    """A bearer credential where git knows them (2.46 and later), else the token as a password."""
    if request.bearer:
        lines = ["capability[]=authtype", "authtype=Bearer", f"credential={token.value}", "ephemeral=1"]
    else:
        lines = [f"username={_USER}", f"password={token.value}"]
    return "\n".join([*lines, f"password_expiry_utc={token.reported_expiry}", ""])


def answer_bazel(token: AccessToken, _: Request) -> str:
    """Headers, and when they expire."""
    return bazel(token, "")
