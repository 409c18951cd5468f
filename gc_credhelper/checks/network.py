"""The way to the token endpoint: proxy, name, TLS, and by whose clock it answers. No credentials are sent."""

import ipaddress
import os
import socket
import ssl
import time
from collections.abc import Iterator
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import urlsplit

from ..deadline import Deadline
from ..roles import Finding
from ..transport import ca_bundle, proxy_for, translated
from .visit import Visit

_PROXIES = ("HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy")
_SKEW = 30.0  # seconds
_SOON = 14  # days that a certificate should still be valid
_DAY = 86_400
_LONGEST = 60  # characters of a name that a certificate bears


def proxy(visit: Visit, _: Deadline) -> Iterator[Finding]:
    """Without its user and password."""
    url = visit.resolved.endpoints.token_url
    found = proxy_for(url)
    if not found:
        yield Finding.ok(f"none for {urlsplit(url).hostname}")
        return
    host, port = _place(found)
    by = next((f" (variable {name})" for name in _PROXIES if os.environ.get(name) == found), "")
    yield Finding.ok(f"{host}:{port}{by}" if port else f"{host}{by}")


def _place(proxy: str) -> tuple[str, int | None]:
    parts = urlsplit(proxy if "://" in proxy else f"http://{proxy}")
    return parts.hostname or "?", parts.port


def dns(visit: Visit, _: Deadline) -> Iterator[Finding]:
    """Of the proxy, where there is one: it looks up the other name itself."""
    url = visit.resolved.endpoints.token_url
    found = proxy_for(url)
    host = _place(found)[0] if found else urlsplit(url).hostname or ""
    if _is_address(host):
        visit.named = True
        yield Finding.ok(f"{host} is an address")
        return
    try:
        answers = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as e:
        raise translated(e, host) from None
    visit.named = True
    yield Finding.ok(f"{host} has {len({answer[4][0] for answer in answers})} addresses")


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def tls(visit: Visit, limit: Deadline) -> Iterator[Finding]:
    """One request without credentials; its answer tells the clock as well."""
    app = visit.resolved
    url = app.endpoints.token_url
    seen: dict[str, Any] = {}

    def heed(connection: socket.socket) -> None:
        if isinstance(connection, ssl.SSLSocket):
            seen.update(connection.getpeercert() or {}, tls=connection.version())

    sent = time.time()
    answer = app.transport().send(
        "HEAD", url, lambda request: request, limit, "a request to the token endpoint", heed=heed
    )
    middle = (sent + time.time()) / 2
    visit.reached = True
    host = urlsplit(url).hostname
    if not url.startswith("https:"):
        yield Finding.ok(f"{host} is this machine, and answers without TLS")
    else:
        yield from _certificate(f"{host} is trusted", seen)
    yield _clock(answer.headers.get("Date"), middle)


def _certificate(trusted: str, seen: dict[str, Any]) -> Iterator[Finding]:
    """By whom it was issued: behind a proxy that inspects TLS that is the proxy's owner. The name was checked with the
    certificate, before anything was sent that the server could repeat.
    """
    issuer = dict(pair for part in seen.get("issuer", ()) for pair in part)
    name = str(issuer.get("organizationName") or issuer.get("commonName") or "")[:_LONGEST]
    by = f", by a certificate of {name}" if name else ""
    bundle = ca_bundle()
    yield Finding.ok(
        f"{trusted}{by} ({seen.get('tls', 'TLS')}, {f'the CA bundle {bundle}' if bundle else 'the usual CAs'})"
    )
    if "notAfter" in seen:
        days = int((ssl.cert_time_to_seconds(seen["notAfter"]) - time.time()) // _DAY)
        if days < _SOON:
            hint = "whoever runs it, or the proxy before it, has to renew it"
            yield Finding.warn(f"the certificate ends in {days} days", hint)


def _clock(date: str | None, here: float) -> Finding:
    """The header has whole seconds."""
    try:
        ahead = here - parsedate_to_datetime(date or "").timestamp()
    except (TypeError, ValueError, OverflowError):
        return Finding.ok("the server does not say what time it is, so the clock was not compared")
    if abs(ahead) <= _SKEW:
        return Finding.ok(f"the clock is within {_SKEW:.0f} s of the server's")
    way = "ahead of" if ahead > 0 else "behind"
    hint = "set the clock of this machine (NTP): other tools compare a token's expiry with it"
    return Finding.warn(f"the clock of this machine is {abs(ahead):.0f} s {way} the server's", hint)
