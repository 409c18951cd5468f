"""HTTPie's plug-in: `http -A gc -a PROFILE URL`.

HTTPie imports it for each of its commands, and nobody else does, so all that costs time is imported when it is used.
"""

from typing import TYPE_CHECKING, Any

from httpie.plugins import AuthPlugin  # type: ignore[import-not-found]  # a dependency of nobody but itself
from requests import PreparedRequest, Response
from requests.auth import AuthBase

if TYPE_CHECKING:
    from .app import App

_UNAUTHORIZED = 401


class NoToken(Exception):
    """Why; HTTPie prints the name and the text."""


class Bearer(AuthBase):
    """Puts the token of a profile into a request; after a 401 has it replaced and asks once more."""

    def __init__(self, profile: str | None) -> None:
        """Asks for nothing: HTTPie reports only what goes wrong while it prepares and sends."""
        self._profile = profile
        self._opened: App | None = None
        self._value = ""

    def __call__(self, request: PreparedRequest) -> PreparedRequest:
        """The request with its header. NoToken, also for a host that the token is not for."""
        self._authorize(request)
        request.register_hook("response", self._again)  # type: ignore[no-untyped-call]
        return request

    def _authorize(self, request: PreparedRequest) -> None:
        from .errors import Error, UsageError
        from .protocols import Request, is_ours, place

        try:
            app = self._app()
            asked = Request(*place(request.url or ""))
            if not is_ours(asked, app.endpoints, app.settings["helper_hosts"] or ()):
                raise UsageError(
                    "the URL is not one of this region's",
                    hint="name its region in the profile, or list other hosts in helper_hosts",
                )
            self._value = app.source.token().value
        except Error as e:
            raise NoToken(f"{e}; {e.hint}" if e.hint else str(e)) from None
        request.headers["Authorization"] = f"Bearer {self._value}"

    def _app(self) -> "App":
        from .app import App, environment
        from .plan import Inputs
        from .report import Report

        if not self._opened:
            flags = {"profile": (self._profile, "-a")} if self._profile else {}
            self._opened = App(Inputs([], environment()), flags, Report())
        return self._opened

    def _again(self, response: Response, **how: Any) -> Response:
        """The answer to the same request with another token, when ours was refused. A hook of requests."""
        sent, refused = response.request, self._value
        # After a redirect to another host it is not ours that was refused: requests took it out.
        if response.status_code != _UNAUTHORIZED or sent.headers.get("Authorization") != f"Bearer {refused}":
            return response
        from .errors import Error

        try:
            self._app().source.reject(refused)
        except Error:  # then the answer that we have is the best one
            return response
        again = sent.copy()
        self._authorize(again)
        if self._value == refused or not isinstance(sent.body, bytes | str | None):  # a stream is read only once
            return response
        _ = response.content  # or the connection could not be used again
        response.close()
        answer: Response = response.connection.send(again, **how)
        answer.history.append(response)
        answer.request = again
        return answer


class GenesysCloud(AuthPlugin):  # type: ignore[misc]  # has no types
    """`-A gc`, with or without `-a PROFILE`."""

    name = "Genesys Cloud"
    description = "A token from gc-credhelper; -a names the profile"
    auth_type = "gc"
    auth_require = False
    auth_parse = False

    def get_auth(self, username: str | None = None, password: str | None = None) -> Bearer:
        """What signs the requests; HTTPie hands over what -a said in `raw_auth`."""
        del username, password
        return Bearer(self.raw_auth)
