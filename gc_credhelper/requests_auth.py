"""GenesysAuth for requests: the token in every request of a session, and one more try after a 401."""

from typing import Any

from requests import PreparedRequest, Response
from requests.auth import AuthBase

from .bearer import AUTHORIZATION, UNAUTHORIZED, Bearer
from .errors import Error
from .library import token_source
from .source import TokenSource


class GenesysAuth(AuthBase):
    """`session.auth = GenesysAuth()`. Threads and sessions may share it.

    A token that the API refuses is rejected, for the whole fleet, and the request is sent once more with another one;
    a second 401 is the answer, and so is the first when another token will not help or the body is a stream. A request
    raises UsageError for a host that the token is not for, and what TokenSource.token raises.
    """

    def __init__(self, source: TokenSource | None = None) -> None:
        """`source`: by default that of `token_source()`. UsageError, PluginError."""
        self._bearer = Bearer(source or token_source())

    def __call__(self, r: PreparedRequest) -> PreparedRequest:
        """The request with its header. Called by requests."""
        r.headers[AUTHORIZATION] = self._bearer.header(r.url or "")
        r.register_hook("response", self._again)  # type: ignore[no-untyped-call]
        return r

    def _again(self, response: Response, **how: Any) -> Response:
        """The answer to the same request with another token, when ours was refused. A hook of requests."""
        if response.status_code != UNAUTHORIZED:
            return response
        sent = response.request
        try:
            header = self._bearer.instead_of(sent.headers.get(AUTHORIZATION))
        except Error:
            response.close()
            raise
        if not header or not isinstance(sent.body, bytes | str | None):  # a stream is read only once
            return response
        again = sent.copy()
        again.headers[AUTHORIZATION] = header
        _ = response.content  # or the connection could not be used again
        response.close()
        answer: Response = response.connection.send(again, **how)
        answer.history.append(response)
        answer.request = again
        return answer
