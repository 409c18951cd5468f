"""Genesys' SDK for Python, PureCloudPlatformClientV2, with our host and a token that stays fresh.

The seam is the HTTP client of its ApiClient (`set_http_client`), which is documented, and which every call goes through
with its URL and headers complete: with or without a callback, in whatever thread. A token that is only set, on
`configuration` or on the ApiClient, is read before the call is sent and cannot be replaced when the API refuses it; and
a call that is repeated further up (`call_api`) would send a form's files twice.
"""

import functools
import importlib
import os
from collections.abc import Callable
from typing import Any, ClassVar, Protocol

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
    sdk, kind = _import(_SDK), _http_client()
    source = source or token_source()
    client: Any = api_client
    if client is None:
        sdk.configuration.host = source.api_url  # for an ApiClient that is made later
        client = sdk.configuration.api_client = sdk.configuration.api_client or sdk.ApiClient()
    client.host = source.api_url
    client.set_http_client(kind(Bearer(source), client.http_client))


class _Authorized:
    """An HTTP client of the SDK, once it has the SDK's base. Sends through the one that its caller had set, or else
    through the SDK's own.
    """

    own: ClassVar[Callable[[], Any]]
    refusal: ClassVar[type[Any]]
    pre_hook: Any
    post_hook: Any

    def __init__(self, bearer: Bearer, before: Any) -> None:
        """`before`: the client that was set until now, or None."""
        super().__init__()
        self.given = getattr(before, "given", before)
        self._bearer = bearer
        self._opened: Any = None
        self._process = 0

    def request(self, http_request_options: Any) -> Any:
        """See the SDK's AbstractHttpClient."""
        options, headers = http_request_options, http_request_options.headers
        if not headers.get(AUTHORIZATION, "").startswith("Bearer"):  # a login, or a call that needs none
            return self._send(options, headers)
        header = self._bearer.header(options.url)
        try:
            return self._send(options, {**headers, AUTHORIZATION: header})
        except self.refusal as e:
            if e.status != UNAUTHORIZED:
                raise
            refused = e
        # Not in the except block, or a traceback of what goes wrong here would show the API's answer.
        other = self._bearer.instead_of(header)
        if not other:
            raise refused
        return self._send(options, {**headers, AUTHORIZATION: other})

    def _send(self, options: Any, headers: dict[str, str]) -> Any:
        options.headers = headers  # of this attempt alone, since the SDK takes away from them
        sender = self.given or self._of_this_process()
        for hook in ("pre_hook", "post_hook"):  # a caller who asks for the HTTP client sets them on this one
            if mine := getattr(self, hook):
                setattr(sender, hook, mine)
        return sender.request(options)

    def _of_this_process(self) -> Any:
        """Made when it is needed, because it takes the proxy and the like from the configuration of that moment; and
        made anew in a process that was forked, because no connection can be shared.
        """
        if self._process != os.getpid():
            self._opened, self._process = type(self).own(), os.getpid()
        return self._opened


@functools.cache
def _http_client() -> Any:
    """That class with its base, which it cannot have before the SDK is imported."""
    base: Any = _import(f"{_SDK}.abstract_http_client").AbstractHttpClient
    own: Any = _import(f"{_SDK}.default_http_client").DefaultHttpClient
    refusal: Any = _import(f"{_SDK}.rest").ApiException
    return type("AuthorizedHttpClient", (_Authorized, base), {"own": own, "refusal": refusal})


def _import(name: str) -> Any:
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as e:
        if not e.name or not f"{name}.".startswith(f"{e.name}."):  # something else that it needs
            raise
        what = "is not in this environment" if e.name == _SDK else "is too old"
        raise UsageError(f"{_SDK} {what}", hint=f"pip install --upgrade {_SDK}") from None
