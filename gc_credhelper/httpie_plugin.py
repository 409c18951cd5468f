"""HTTPie's plug-in: `http -A gc -a PROFILE URL`.

HTTPie imports it for each of its commands, and nobody else does, so all that costs time is imported when it is used.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING, ParamSpec, TypeVar

from httpie.plugins import AuthPlugin  # type: ignore[import-not-found]  # a dependency of nobody but itself
from requests import PreparedRequest
from requests.auth import AuthBase

if TYPE_CHECKING:
    from .requests_auth import GenesysAuth

P = ParamSpec("P")
T = TypeVar("T")


class NoToken(Exception):
    """Why; HTTPie prints the name and the text."""


def _explained(step: Callable[P, T]) -> Callable[P, T]:
    """The same, but our errors are NoToken, with the hint, which HTTPie knows nothing of."""

    def explain(*args: P.args, **kwargs: P.kwargs) -> T:
        from .errors import Error

        try:
            return step(*args, **kwargs)
        except Error as e:
            raise NoToken(f"{e}; {e.hint}" if e.hint else str(e)) from None

    return explain


class Bearer(AuthBase):
    """GenesysAuth with the token of a profile, which is opened when the first request needs it: HTTPie reports only
    what goes wrong while it prepares and sends.
    """

    def __init__(self, profile: str | None) -> None:
        self._profile = profile
        self._opened: GenesysAuth | None = None

    def __call__(self, r: PreparedRequest) -> PreparedRequest:
        """The request with its header. NoToken, also for a host that the token is not for."""
        request = _explained(lambda: self._auth()(r))()
        request.hooks["response"] = [_explained(hook) for hook in request.hooks["response"]]
        return request

    def _auth(self) -> "GenesysAuth":
        from .app import App, environment
        from .plan import Inputs
        from .report import Report
        from .requests_auth import GenesysAuth

        if not self._opened:
            flags = {"profile": (self._profile, "-a")} if self._profile else {}
            self._opened = GenesysAuth(App(Inputs([], environment()), flags, Report()).source)
        return self._opened


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
