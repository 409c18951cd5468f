"""Bearer: the token of a source as the header of a request, and what follows when the API refuses it.

The policy of every HTTP library that we serve; each brings its own way to send a request once more.
"""

from .errors import UsageError
from .source import TokenSource

AUTHORIZATION = "Authorization"
UNAUTHORIZED = 401
_SCHEME = "Bearer "


class Bearer:
    """Gives values of the header Authorization; both methods may block. Safe among threads, and after a fork."""

    def __init__(self, source: TokenSource) -> None:
        """UsageError, PluginError."""
        self._source = source.for_many()

    def header(self, url: str) -> str:
        """For a request to that URL. UsageError when the token is not for its host; else as TokenSource.token."""
        if not self._source.is_for(url):
            raise UsageError(
                "the URL is not one of this region's",
                hint="name its region in the profile, or list other hosts in helper_hosts",
            )
        return f"{_SCHEME}{self._source.token().value}"

    def instead_of(self, header: str | None) -> str | None:
        """Another one, when the API answered 401 to a request with this one; its token is rejected for the whole fleet.

        None when no other will help, or when it was none of ours, as after a redirect to another host. Raises what
        TokenSource.reject and TokenSource.token do.
        """
        if not header or not header.startswith(_SCHEME):
            return None
        refused = header.removeprefix(_SCHEME)
        if not self._source.reject(refused):
            return None
        value = self._source.token().value
        return f"{_SCHEME}{value}" if value != refused else None
