"""Genesys' SDK for Python, PureCloudPlatformClientV2, with our host and a token that stays fresh.

The seam is the HTTP client of its ApiClient (`set_http_client`), which is documented, and which every call goes through
with its URL and headers complete: with or without a callback, in whatever thread. A token that is only set, on
`configuration` or on the ApiClient, is read before the call is sent and cannot be replaced when the API refuses it; and
a call that is repeated further up (`call_api`) would send a form's files twice.
"""

import importlib
import os
from typing import Any, Protocol

from .bearer import AUTHORIZATION, UNAUTHORIZED, Bearer
from .errors import UsageError
from .library import token_source
from .source import TokenSource

_SDK = "PureCloudPlatformClientV2"


class ApiClient(Protocol):
    """What we need of the SDK's ApiClient, which has no types."""

    def set_http_client(self, http_client: Any) -> Any:
        """What sends its requests from now on."""


def configure_sdk(source: TokenSource | None = None, *, api_client: ApiClient | None = None) -> None:
    """Let the SDK call the API of our settings, each time with a token that is valid then.

    `source`: by default that of `token_source()`. `api_client`: one of the SDK's, by default the one that its APIs use
    when they are given none. A token that the API refuses is rejected, for the whole fleet, and the call is sent once
    more with another one. Imports the SDK, which takes seconds. UsageError when the SDK is not here or too old, or when
    nothing says where the API is; PluginError. A call raises what the SDK does, UsageError for a host that the token is
    not for, and what TokenSource.token raises.
    """
    sdk = _import(_SDK)
    source = source or token_source()
    client: Any = api_client
    if client is None:
        sdk.configuration.host = source.api_url  # for an ApiClient that is made later
        client = sdk.configuration.api_client = sdk.configuration.api_client or sdk.ApiClient()
    client.host = source.api_url
    client.set_http_client(_http_client(Bearer(source), getattr(client, "http_client", None)))


def _http_client(bearer: Bearer, before: Any) -> Any:
    """A client of the SDK's kind. `before`: the one that was set until now, or None."""
    kinds: Any = _import(f"{_SDK}.abstract_http_client")
    plain: Any = _import(f"{_SDK}.default_http_client")
    refusal: type[Any] = _import(f"{_SDK}.rest").ApiException

    class Authorized(kinds.AbstractHttpClient):  # type: ignore[misc]  # has no types
        """Sends through the client that its caller had set, or else through the SDK's own."""

        def __init__(self) -> None:
            super().__init__()
            self.given = getattr(before, "given", before)
            self._own: Any = None
            self._process = 0

        def request(self, http_request_options: Any) -> Any:
            options, headers = http_request_options, http_request_options.headers
            if not headers.get(AUTHORIZATION, "").startswith("Bearer"):  # a login, or a call that needs none
                return self._send(options, headers)
            header = bearer.header(options.url)
            try:
                return self._send(options, {**headers, AUTHORIZATION: header})
            except refusal as e:
                if e.status != UNAUTHORIZED:
                    raise
                refused = e
            other = bearer.instead_of(header)  # out of the except block: its errors show nothing of the API's answer
            if not other:
                raise refused
            return self._send(options, {**headers, AUTHORIZATION: other})

        def _send(self, options: Any, headers: dict[str, str]) -> Any:
            options.headers = headers  # of this attempt alone, since the SDK takes away from them
            sender = self.given or self._opened()
            sender.pre_hook, sender.post_hook = self.pre_hook or sender.pre_hook, self.post_hook or sender.post_hook
            return sender.request(options)

        def _opened(self) -> Any:
            """Made when it is needed, because it takes the proxy and the like from the configuration of that moment;
            and made anew in a process that was forked, because no connection can be shared.
            """
            if self._process != os.getpid():
                self._own, self._process = plain.DefaultHttpClient(), os.getpid()
            return self._own

    return Authorized()


def _import(name: str) -> Any:
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as e:
        if not e.name or not f"{name}.".startswith(f"{e.name}."):  # something else that it needs
            raise
        what = "is not in this environment" if e.name == _SDK else "is too old"
        raise UsageError(f"{_SDK} {what}", hint=f"pip install --upgrade {_SDK}") from None
