"""Platform: what the Platform API says of a token, and ends it (`/api/v2/tokens/me`)."""

from requests import PreparedRequest

from .deadline import Deadline
from .errors import TemporaryError, TokenError
from .transport import Transport

_DONE, _DEAD = (200, 202, 204), (401, 404)
_OVERLOADED, _SERVER = 429, 500


class Platform:
    """The Platform API of one region or gateway."""

    def __init__(self, api_url: str, transport: Transport) -> None:
        self._url = f"{api_url}/api/v2/tokens/me"
        self._transport = transport

    def end(self, token: str, deadline: Deadline) -> bool:
        """Revoke the token; False when it was dead already. TemporaryError, TokenError."""

        def fill(request: PreparedRequest) -> PreparedRequest:
            request.headers["Authorization"] = f"Bearer {token}"
            return request

        answer = self._transport.send("DELETE", self._url, fill, deadline, "ending the token")
        if answer.status in _DONE:
            return True
        if answer.status in _DEAD:
            return False
        if answer.status == _OVERLOADED or answer.status >= _SERVER:
            raise TemporaryError(f"the Platform API cannot end the token now ({answer.status})", hint="try again")
        raise TokenError(f"the Platform API did not end the token ({answer.status})", hint="check api_url")
