"""Transport: one HTTP request on `requests`, bounded in time and size, with every foreign failure in our words.

No redirect is followed, no netrc is read, no cookie is kept, and a loopback URL never goes through a proxy.
"""

import http.client
import logging
import os
import re
import socket
import ssl
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http.cookiejar import DefaultCookiePolicy
from typing import Any
from urllib.parse import urlsplit

import requests
import requests.adapters
import requests.utils
import urllib3

from . import __version__
from .deadline import THREAD, Deadline
from .errors import Error, TemporaryError, TokenError, UsageError, causes
from .kinds import is_loopback
from .tlsfiles import flaw_of_ca, flaw_of_certificate

LIMIT = 65_536  # bytes of an answer
CONNECT, READ = 5.0, 10.0  # seconds of one attempt; the deadline of the command may be shorter
_CA_VARIABLES = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE")

# What the library raises; a host that no name can be is not wrapped.
FAILURES = (OSError, urllib3.exceptions.HTTPError, UnicodeError)

Fill = Callable[[requests.PreparedRequest], requests.PreparedRequest]
Heed = Callable[[socket.socket], None]


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back; none of it but the status is ever printed. `body` is not much more than LIMIT bytes."""

    status: int
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)


class Transport:
    """Sends requests. `certificate`: the client's for mutual TLS, one PEM file or certificate and key."""

    def __init__(self, certificate: str | tuple[str, str] | None = None) -> None:
        self._certificate = certificate

    def send(
        self, method: str, url: str, fill: Fill, deadline: Deadline, what: str, *, heed: Heed | None = None
    ) -> Answer:
        """One attempt at `what`. `fill` writes headers and body at the last moment: no variable holds a secret. `heed`
        is shown the connection before anything is sent on it.

        TemporaryError when the network failed, TokenError when the answer is not HTTP, UsageError when our side of TLS
        or proxy is wrong.
        """
        most = deadline.share(most=CONNECT + READ)
        return most.run(lambda: self._send(method, url, fill, most, heed), what)

    def _send(self, method: str, url: str, fill: Fill, deadline: Deadline, heed: Heed | None) -> Answer:
        timeout = (max(0.001, min(CONNECT, deadline.left())), max(0.001, min(READ, deadline.left())))
        try:
            # A new session for each request: a process makes one exchange an hour, and no connection outlives a fork.
            with (
                self.session(url, heed) as session,
                session.request(
                    method, url, auth=fill, timeout=timeout, allow_redirects=False, stream=True
                ) as response,
            ):
                return Answer(response.status_code, response.headers, read(response, LIMIT))
        except FAILURES as e:
            raise translated(e, urlsplit(url).hostname or "") from None

    def session(self, url: str, heed: Heed | None = None, connections: int = 1) -> requests.Session:
        """For requests to the host of the URL, with so many kept connections. UsageError: TLS files, CA bundle."""
        session = _Session()
        session.trust_env = False  # it would read netrc
        session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=()))
        for scheme in ("https://", "http://"):
            session.mount(scheme, _Quiet(heed, connections))
        session.headers.update(
            {"User-Agent": f"gc-credhelper/{__version__}", "Accept": "application/json", "Accept-Encoding": "identity"}
        )
        parts = urlsplit(url)
        if parts.scheme == "https":
            session.verify, session.cert = ca_bundle() or True, self._certificate
            if self._certificate:
                _check_certificate(self._certificate)
        session.proxies = _proxies(url)
        return session


def read(response: requests.Response, limit: int) -> bytes:
    """The body, of which not much more than `limit` bytes; one of FAILURES when it does not come whole."""
    parts, size = [], 0
    for part in response.iter_content(65_536):
        parts.append(part)
        size += len(part)
        if size > limit:
            break
    return b"".join(parts)


def bearer(token: str) -> Fill:
    """Puts the token into a request (RFC 6750 §2.1)."""

    def fill(request: requests.PreparedRequest) -> requests.PreparedRequest:
        request.headers["Authorization"] = f"Bearer {token}"
        return request

    return fill


class _Session(requests.Session):
    def get_redirect_target(self, resp: requests.Response) -> None:
        """None: to learn where a redirect leads the library would read all of its body, without a limit."""


class _Quiet(requests.adapters.HTTPAdapter):
    def __init__(self, heed: Heed | None, connections: int) -> None:
        self._heed = heed
        super().__init__(pool_maxsize=connections)

    def get_connection_with_tls_context(self, *args: Any, **kwargs: Any) -> Any:
        """A connection that prints no header, though the program that we are a library of may have set `debuglevel`."""
        pool: Any = super().get_connection_with_tls_context(*args, **kwargs)
        kind, heed = pool.ConnectionCls, self._heed
        if getattr(kind, "is_quiet", False):  # a pool that served before
            return pool

        def connect(connection: Any) -> None:
            kind.connect(connection)
            if heed:
                heed(connection.sock)

        own = {"debuglevel": 0, "connect": connect, "is_quiet": True}
        pool.ConnectionCls = type("_QuietConnection", (kind,), own)
        return pool


class _Discreet(logging.Filter):
    """Drops what urllib3 logs of our answers: it quotes header lines that it cannot parse, and one may be an echo."""

    def filter(self, record: logging.LogRecord) -> bool:  # noqa: ARG002  # whose it is, the thread tells
        return threading.current_thread().name != THREAD


logging.getLogger("urllib3.connection").addFilter(_Discreet())


def _proxies(url: str) -> dict[str, str]:
    return {} if is_loopback(urlsplit(url).hostname or "") else requests.utils.get_environ_proxies(url)


def proxy_for(url: str) -> str | None:
    """The proxy that a request to this URL goes through, as it is written; it may hold a password."""
    return requests.utils.select_proxy(url, _proxies(url))


def ca_bundle() -> str | None:
    """The file or directory that a variable names; UsageError that names the variable when it is of no use."""
    name = next(filter(os.environ.get, _CA_VARIABLES), None)
    if name is None:
        return None
    path = os.environ[name]
    if flaw := flaw_of_ca(path):
        hint = f"{name} must name a PEM file, or a directory, with the certificates to trust"
        raise UsageError(f"the CA bundle {path} (variable {name}) cannot be used: {flaw}", hint=hint)
    return path


def _check_certificate(certificate: str | tuple[str, str]) -> None:
    cert, key = (certificate, None) if isinstance(certificate, str) else certificate
    if flaw := flaw_of_certificate(cert, key):
        hint = "client_cert must name a PEM file, and client_key that of its key when the first does not hold it"
        which = f"{cert} with key {key}" if key else cert
        raise UsageError(f"the client certificate {which} cannot be used: {flaw}", hint=hint)


_NETWORK = "try again; check the network, HTTPS_PROXY and NO_PROXY"
_PROXY = "check token_url, HTTPS_PROXY and NO_PROXY"

# The first row that fits an error, or anything that it wraps, says what it means.
_Meaning = tuple[tuple[type[BaseException], ...], type[Error], str, str]
_MEANINGS: tuple[_Meaning, ...] = (
    ((requests.exceptions.ProxyError,), TemporaryError, "the proxy for {} does not serve", _PROXY),
    ((requests.Timeout, TimeoutError), TemporaryError, "{} did not answer in time", _NETWORK),
    ((ssl.SSLEOFError, ssl.SSLZeroReturnError), TemporaryError, "{} closed the connection", _NETWORK),
    ((ssl.SSLError,), UsageError, "no TLS connection to {} can be agreed on", "is it https, and the right port?"),
    ((requests.exceptions.ContentDecodingError,), TokenError, "{} sent an answer in no known coding", _PROXY),
    ((http.client.IncompleteRead,), TemporaryError, "{} cut the answer short", "try again"),
    ((socket.gaierror,), TemporaryError, "the name {} cannot be resolved", _NETWORK),
    ((ConnectionRefusedError,), TemporaryError, "{} refused the connection", "is the port right? Try again"),
    ((ConnectionError,), TemporaryError, "{} closed the connection", _NETWORK),
    ((http.client.HTTPException, requests.exceptions.InvalidHeader), TokenError, "{} did not answer in HTTP", _PROXY),
    ((requests.exceptions.ChunkedEncodingError,), TemporaryError, "{} cut the answer short", "try again"),
    ((requests.ConnectionError,), TemporaryError, "{} closed the connection", _NETWORK),
)


def translated(error: Exception, host: str) -> Error:
    """Our error for one of the library's. Its own text is not used: it may show a proxy's password."""
    wrapped = list(causes(error))
    for cause in wrapped:
        if isinstance(cause, ssl.SSLCertVerificationError):
            hint = "behind a proxy that inspects TLS, name its CA with REQUESTS_CA_BUNDLE or SSL_CERT_FILE"
            return UsageError(f"the certificate of {host} is not trusted: {cause.verify_message}", hint=hint)
        if isinstance(cause, ssl.SSLError) and re.search("ALERT.*(CERTIFICATE|UNKNOWN_CA)", cause.reason or ""):
            hint = "set client_cert and client_key"
            return UsageError(f"{host} wants a client certificate that it trusts", hint=hint)
        if isinstance(cause, OSError) and str(cause).startswith("Tunnel connection failed: 407"):
            hint = "put them into HTTPS_PROXY, or set NO_PROXY"
            return UsageError("the proxy wants a user and password (407)", hint=hint)
    for kinds, meaning, text, hint in _MEANINGS:
        if any(isinstance(cause, kinds) for cause in wrapped):
            return meaning(text.format(host), hint=hint)
    return UsageError(f"no request can be made to {host or 'this URL'} ({type(error).__name__})", hint=_PROXY)
