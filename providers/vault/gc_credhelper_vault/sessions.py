"""An HTTP session for an endpoint: no redirect, no netrc, no cookie, no proxy for this machine, a socket if need be."""

import http.cookiejar
import re
import socket
import warnings
from collections.abc import Mapping
from typing import Any

import requests
import requests.adapters
import requests.utils
import urllib3
from gc_credhelper.deadline import Deadline
from urllib3.connection import HTTPConnection
from urllib3.connectionpool import HTTPConnectionPool

from . import __version__
from .endpoint import Endpoint
from .failures import failure

LIMIT = 2 << 20  # bytes of an answer; a secret can have one MiB
CONNECT = 5.0  # seconds


class Session(requests.Session):
    """Reads neither netrc nor variables, and keeps no cookie."""

    def __init__(self) -> None:
        super().__init__()
        self.trust_env = False
        self.cookies.set_policy(http.cookiejar.DefaultCookiePolicy(allowed_domains=[]))
        agent = f"gc-credhelper-vault/{__version__}"
        self.headers.update({"User-Agent": agent, "Accept": "application/json", "Accept-Encoding": "identity"})

    def get_redirect_target(self, resp: requests.Response) -> None:
        """None: to learn where a redirect leads the library would read all of its body, without a limit."""


def session_for(endpoint: Endpoint) -> Session:
    """UsageError when a file of the TLS settings cannot be used."""
    session = Session()
    if endpoint.socket:
        session.mount("http://", _SocketAdapter(endpoint.socket))
        return session
    if not endpoint.is_near:
        session.proxies = requests.utils.get_environ_proxies(endpoint.base)
    if endpoint.base.startswith("https:"):
        endpoint.check_files()
        session.verify, session.cert = endpoint.verify, endpoint.certificate
        if endpoint.verify is False:  # we have warned in our own words
            kind = urllib3.exceptions.InsecureRequestWarning
            warnings.filterwarnings("ignore", f".*'{re.escape(endpoint.host)}'", kind)
        if endpoint.server_name:
            session.mount("https://", _NamedAdapter(endpoint.server_name))
    return session


def exchange(
    session: requests.Session, method: str, url: str, host: str, deadline: Deadline, **more: Any
) -> tuple[int, Mapping[str, str], bytes]:
    """Status, headers and body of one request. TemporaryError, UsageError in our words; `host`: for messages."""

    def send() -> tuple[int, Mapping[str, str], bytes]:
        left = max(0.001, deadline.left() * 0.9)  # so that a server which says nothing is named before time is up
        timeout = (min(CONNECT, left), left)
        try:
            with session.request(method, url, timeout=timeout, allow_redirects=False, stream=True, **more) as response:
                body = b""
                for part in response.iter_content(16_384):
                    body += part
                    if len(body) > LIMIT:
                        break
                return response.status_code, response.headers, body
        except OSError as e:  # the base of all that the library raises
            raise failure(e, host) from None

    return deadline.run(send, f"a request to {host}")


class _NamedAdapter(requests.adapters.HTTPAdapter):
    """Expects another name in the server's certificate than that in the URL."""

    def __init__(self, name: str) -> None:
        self._name = name
        super().__init__()

    def init_poolmanager(self, *args: Any, **more: Any) -> None:
        super().init_poolmanager(*args, server_hostname=self._name, **more)


class _SocketAdapter(requests.adapters.HTTPAdapter):
    """Sends every request to a unix socket."""

    def __init__(self, path: str) -> None:
        self._pool = _SocketPool(path)
        super().__init__()

    def get_connection_with_tls_context(self, *_: Any, **__: Any) -> HTTPConnectionPool:
        return self._pool

    def close(self) -> None:
        self._pool.close()
        super().close()


class _SocketPool(HTTPConnectionPool):
    def __init__(self, path: str) -> None:
        super().__init__("localhost")
        self._path = path

    def _new_conn(self) -> "_SocketConnection":
        return _SocketConnection(self._path)


class _SocketConnection(HTTPConnection):
    def __init__(self, path: str) -> None:
        super().__init__("localhost")
        self._path = path

    def _new_conn(self) -> socket.socket:
        connected = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        connected.settimeout(CONNECT)
        try:
            connected.connect(self._path)
        except BaseException:
            connected.close()
            raise
        return connected
