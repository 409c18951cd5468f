"""The credential-helper protocols of git and of Bazel: what a caller asks, for which host, and how it is answered.

git: gitcredentials(7), git-credential(1). Bazel, Buck2 and restish: EngFlow's credential helper specification. What
cannot be read is an empty request, never a traceback: callers send whatever their own users wrote. Nobody is waited for
longer than it takes, since a caller may keep its end of the pipe open.
"""

import json
import os
import re
import select
import sys
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from .deadline import Deadline
from .errors import TemporaryError
from .kinds import is_loopback
from .output import bazel
from .regions import REGIONS, Endpoints, find
from .tokens import AccessToken, is_b64token

LIMIT = 65_536  # bytes of a request
_USER = "oauth2"  # as forges take a token for a password
_PORTS = {"https": "443", "grpcs": "443", "http": "80"}  # the schemes that a token may go over, and what they imply
# Narrow on purpose: where parsers differ (a user, a backslash, white space) the caller's may see another host in it.
_URL = re.compile(
    r"(?P<scheme>[a-z]+)://(?P<host>[\w.-]+|\[[\da-f:.]+\])(:(?P<port>\d{1,5})?)?([/?#][!-~]*)?",
    re.ASCII | re.IGNORECASE,
)

Read = Callable[[int], bytes]  # what has arrived, of that many bytes at the most; nothing at the end


@dataclass(frozen=True, slots=True)
class Request:
    """`scheme` and `host`, in small letters; `host` with its port, unless the scheme implies that. Both are empty when
    they were not said, or are not plain.

    `bearer`: does git know more than passwords? `refused`: the token that git was told is wrong.
    """

    scheme: str = ""
    host: str = ""
    bearer: bool = False
    refused: str = field(default="", repr=False)


def standard_input(deadline: Deadline) -> Read:
    """What reads it; TemporaryError when nothing comes before the deadline."""

    def read(size: int) -> bytes:
        if sys.platform != "win32" and not select.select([0], [], [], deadline.left())[0]:
            raise TemporaryError(
                f"standard input did not bring what is needed within {deadline.seconds:.0f} s",
                hint="the caller writes it there; gc-credhelper never asks a person for it",
            )
        try:
            return os.read(0, size)
        except OSError:  # it is a directory, or a terminal that is not ours
            return b""

    return read


def until(read: Read, complete: Callable[[bytes], object]) -> bytes:
    """What has come once it is complete, too long, or at its end; LIMIT bytes at the most."""
    raw = b""
    while len(raw) < LIMIT and (part := read(LIMIT)):
        raw += part
        if complete(raw):
            break
    return raw[:LIMIT]


def read_token(read: Read) -> str:
    """The first line, when it is a token; else nothing."""
    line = until(read, lambda raw: b"\n" in raw).partition(b"\n")[0]
    value = line.decode("latin-1").strip(" \t\r")
    return value if len(line) < LIMIT and is_b64token(value) else ""


def read_git(read: Read) -> Request:
    """Lines of `name=value` up to an empty one."""
    found: dict[str, str] = {}
    capabilities = set()
    for line in until(read, re.compile(rb"(\A|\n)\r?\n").search).split(b"\n"):
        name, equals, value = line.removesuffix(b"\r").decode("utf-8", "replace").partition("=")
        if not name and not equals:
            break
        if name == "capability[]":
            capabilities.add(value)
        else:
            found[name] = value
    # Of a host that git has decoded more than a URL's first part may remain.
    asked = re.sub(r".*[/?#].*", "", found.get("host", ""), flags=re.DOTALL)
    scheme, host = place(f"{found.get('protocol')}://{asked}")
    refused = found.get("credential") or found.get("password") or ""
    return Request(scheme, host, "authtype" in capabilities, refused if is_b64token(refused) else "")


def read_bazel(read: Read) -> Request:
    """One JSON object with a text `uri`."""
    found: list[object] = []

    def complete(raw: bytes) -> bool:
        if raw.rstrip().endswith(b"}"):  # or a caller that writes byte by byte would have us parse as often
            try:
                found.append(json.loads(raw))
            except (ValueError, RecursionError):
                return False
        return bool(found)

    until(read, complete)
    uri = found[0].get("uri") if found and isinstance(found[0], dict) else None
    return Request(*place(uri)) if isinstance(uri, str) else Request()


def place(url: str) -> tuple[str, str]:
    """Scheme and host of a URL in small letters, the host with its port unless that is the scheme's own; or nothing."""
    parts = _URL.fullmatch(url)
    scheme = parts["scheme"].lower() if parts else ""
    if not parts or scheme not in _PORTS:
        return "", ""
    port = parts["port"] or _PORTS[scheme]
    return scheme, parts["host"].lower() + ("" if port == _PORTS[scheme] else f":{port}")


def is_ours(request: Request, endpoints: Endpoints, hosts: Collection[str]) -> bool:
    """Is the token for that host? For those of its region, of the settings' URLs, and of `hosts`; over TLS, unless it
    is this machine.
    """
    name = re.sub(r":\d+\Z", "", request.host)
    if not name or (request.scheme == "http" and not is_loopback(name.strip("[]"))):
        return False
    scheme = request.scheme.replace("grpcs", "https")
    named = [place(url) for url in (endpoints.token_url, endpoints.api_url) if url]
    listed = [place(f"{scheme}://{host}") for host in hosts]
    if (scheme, request.host) in (*named, *listed):
        return True
    row = find(urlsplit(endpoints.token_url).hostname or "")
    return row is not None and endpoints.token_url == row.token_url and _is_under(request.host, row.domain)


def is_genesys(request: Request) -> bool:
    """Is the host one of Genesys Cloud, in whatever region?"""
    return any(_is_under(request.host, row.domain) for row in REGIONS)


def _is_under(host: str, domain: str) -> bool:
    return f".{host}".endswith(f".{domain}")


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
