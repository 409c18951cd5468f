"""Transport: one HTTP request on `requests`, bounded in time and size, with every foreign failure in our words.

No redirect is followed, no netrc is read, no cookie is kept, and a loopback URL never goes through a proxy.
"""

import os
import socket
import ssl
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

import requests
import requests.utils

from . import __version__
from .deadline import Deadline
from .errors import Error, TemporaryError, TokenError, UsageError
from .settings import is_loopback

LIMIT = 65_536  # bytes of an answer
CONNECT, READ = 5.0, 10.0  # seconds of one attempt; the deadline of the command may be shorter
_NETWORK = "try again; check the network, HTTPS_PROXY and NO_PROXY"
_PROXY = "check token_url, HTTPS_PROXY and NO_PROXY"
_CA_VARIABLES = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE")


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back. `body` is at most LIMIT + 1 bytes; it is never printed."""

    status: int
    headers: Mapping[str, str]
    body: bytes = field(repr=False)


class Transport:
    """Sends forms. `certificate`: the client's for mutual TLS, one PEM file or certificate and key."""

    def __init__(self, certificate: str | tuple[str, str] | None = None) -> None:
        self._certificate = certificate

    def post(self, url: str, form: Mapping[str, str], headers: Mapping[str, str], deadline: Deadline) -> Answer:
        """One attempt. TemporaryError when the network failed, UsageError when our side of TLS or proxy is wrong."""
        most = deadline.share(most=CONNECT + READ)
        return most.run(lambda: self._post(url, form, headers, most), "the token request")

    def _post(self, url: str, form: Mapping[str, str], headers: Mapping[str, str], deadline: Deadline) -> Answer:
        timeout = (max(0.001, min(CONNECT, deadline.left())), max(0.001, min(READ, deadline.left())))
        try:
            with (
                self._session(url) as session,
                session.post(
                    url, form, headers=headers, timeout=timeout, allow_redirects=False, stream=True
                ) as response,
            ):
                body = b""
                for part in response.iter_content(8192):
                    body += part
                    if len(body) > LIMIT:
                        break
                return Answer(response.status_code, response.headers, body)
        except requests.RequestException as e:
            raise translated(e, urlsplit(url).hostname or "") from None
        except OSError:  # of our own files: the library looks for them before it connects
            raise self._unreadable() from None

    def _session(self, url: str) -> requests.Session:
        """A new one for each request: a process makes one exchange an hour, and no connection outlives a fork."""
        session = requests.Session()
        session.trust_env = False  # it would read netrc
        session.headers.update(
            {"User-Agent": f"gc-credhelper/{__version__}", "Accept": "application/json", "Accept-Encoding": "identity"}
        )
        session.cert = self._certificate
        session.verify = next(filter(None, map(os.environ.get, _CA_VARIABLES)), True)
        if not is_loopback(urlsplit(url).hostname or ""):
            session.proxies = requests.utils.get_environ_proxies(url)
        return session

    def _unreadable(self) -> Error:
        for name in _CA_VARIABLES:
            if (path := os.environ.get(name)) and not Path(path).exists():
                return UsageError(f"the CA bundle {path} (variable {name}) does not exist")
        if self._certificate:
            return UsageError("the client certificate cannot be read", hint="check client_cert and client_key")
        return TemporaryError("the token endpoint cannot be reached", hint="try again")


def translated(error: requests.RequestException, host: str) -> Error:
    """Our error for one of the library's. Its own text is not used: it may show a proxy's password."""
    causes = list(_causes(error))

    def any_of(*kinds: type[BaseException]) -> bool:
        return any(isinstance(cause, kinds) for cause in causes)

    if any_of(ssl.SSLCertVerificationError):
        why = next(cause.verify_message for cause in causes if isinstance(cause, ssl.SSLCertVerificationError))
        hint = "behind a proxy that inspects TLS, name its CA with REQUESTS_CA_BUNDLE or SSL_CERT_FILE"
        return UsageError(f"the certificate of {host} is not trusted: {why}", hint=hint)
    if isinstance(error, requests.exceptions.ProxyError) and any("407" in str(cause) for cause in causes):
        return UsageError(
            "the proxy wants a user and password (407)", hint="put them into HTTPS_PROXY, or set NO_PROXY"
        )
    for applies, kind, text, hint in (
        (isinstance(error, requests.exceptions.ProxyError), TemporaryError, "the proxy for {} does not serve", _PROXY),
        (
            isinstance(error, requests.Timeout) or any_of(TimeoutError),
            TemporaryError,
            "{} did not answer in time",
            _NETWORK,
        ),
        (any_of(ssl.SSLEOFError, ssl.SSLZeroReturnError), TemporaryError, "{} closed the connection", _NETWORK),
        (
            any_of(ssl.SSLError),
            UsageError,
            "no TLS connection to {} can be agreed on",
            "is it https, and the right port?",
        ),
        (
            isinstance(error, requests.exceptions.ContentDecodingError),
            TokenError,
            "{} sent an answer in no known coding",
            _PROXY,
        ),
        (
            isinstance(error, requests.exceptions.ChunkedEncodingError),
            TemporaryError,
            "{} cut the answer short",
            "try again",
        ),
        (any_of(socket.gaierror), TemporaryError, "the name {} cannot be resolved", _NETWORK),
        (any_of(ConnectionRefusedError), TemporaryError, "{} refused the connection", "is the port right? Try again"),
        (isinstance(error, requests.ConnectionError), TemporaryError, "{} closed the connection", _NETWORK),
    ):
        if applies:
            return kind(text.format(host), hint=hint)
    return UsageError(f"no request can be made to {host or 'this URL'} ({type(error).__name__})", hint=_PROXY)


def _causes(error: BaseException) -> Iterator[BaseException]:
    """The error and all that it wraps, which the libraries keep in three different places."""
    seen: set[int] = set()
    todo: list[object] = [error]
    while todo:
        one = todo.pop()
        if isinstance(one, BaseException) and id(one) not in seen:
            seen.add(id(one))
            yield one
            todo += [one.__cause__, one.__context__, getattr(one, "reason", None), *one.args]
