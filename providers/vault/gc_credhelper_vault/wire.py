"""hvac's way to the network: an adapter that gives JSON objects, and Refused for every other answer."""

import json
from collections.abc import Callable
from typing import Any

import hvac.adapters
from gc_credhelper.deadline import Deadline
from gc_credhelper.errors import TemporaryError, UsageError

from .endpoint import Endpoint
from .errors import Behind, Refused
from .sessions import LIMIT, Session, exchange

_OK, _EMPTY, _BEHIND, _TOO_MANY = 200, 204, 412, 429


class Wire(hvac.adapters.RawAdapter):
    """Lives for one piece of work, within its deadline. `headers`: those of the last answer, names in small letters."""

    def __init__(
        self,
        session: Session,
        endpoint: Endpoint,
        token: str,
        deadline: Deadline,
        *,
        each: float,
        index: str,
        wrote: Callable[[str], None],
    ) -> None:
        """`each`: seconds that one request may take. `index`: of the last write, which whoever answers must have seen.
        `wrote`: is told that of a new one.
        """
        super().__init__(
            base_uri=endpoint.base,
            token=token,
            session=session,
            namespace=endpoint.namespace,
            allow_redirects=False,
        )
        self._endpoint = endpoint
        self._deadline = deadline
        self._each = each
        self._index = index
        self._wrote = wrote
        self.headers: dict[str, str] = {}

    def request(
        self,
        method: str,
        url: str,
        headers: dict[str, str] | None = None,
        raise_exception: bool = True,  # noqa: ARG002, FBT001, FBT002  # the signature is the library's
        **more: Any,
    ) -> dict[str, Any]:
        """The parsed answer, empty for 204. Refused, TemporaryError, UsageError."""
        sent = {"X-Vault-Request": "true", **(headers or {})}
        given = {"X-Vault-Token": self.token, "X-Vault-Namespace": self.namespace, "X-Vault-Index": self._index}
        sent |= {name: value for name, value in given.items() if value}
        status, received, body = exchange(
            self.session,
            method,
            self.urljoin(self.base_uri, url),
            self._endpoint.host,
            self._deadline.share(most=self._each),
            headers=sent,
            **more,
        )
        self.headers = {name.lower(): value for name, value in received.items()}
        if method != "get" and (new := self.headers.get("x-vault-index")):
            self._wrote(new)
        if status == _EMPTY:
            return {}
        if len(body) > LIMIT:
            raise UsageError(f"the answer of {self._endpoint.host} is larger than 2 MiB", hint=_NOT_VAULT)
        parsed = _parsed(body)
        if status != _OK:
            said = _said(parsed, body)
            if self._index and _is_behind(status, said):
                behind = Behind(status, said, parsed, self.headers)
                behind.is_write = method != "get"
                raise behind
            raise Refused(status, said, parsed, self.headers)
        if not isinstance(parsed, dict):
            if _is_cut(self.headers, body):
                raise TemporaryError(f"{self._endpoint.host} cut the answer short", hint="try again")
            raise UsageError(f"{self._endpoint.host} answered with something that is not Vault's", hint=_NOT_VAULT)
        return parsed

    def get_login_token(self, response: dict[str, Any]) -> str:
        """The token of a login; UsageError when the answer has none."""
        token = (response.get("auth") or {}).get("client_token") if isinstance(response.get("auth"), dict) else None
        if not isinstance(token, str) or not token:
            raise UsageError(f"the login's answer of {self._endpoint.host} holds no token", hint=_NOT_VAULT)
        return token


_NOT_VAULT = "is it a login page or a proxy? Check vault.addr (variable VAULT_ADDR)"


def _parsed(body: bytes) -> object:
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        return None


def _is_behind(status: int, said: str) -> bool:
    return (status, said) == (_TOO_MANY, "[]") or (status == _BEHIND and "X-Vault-Request" not in said)


def _is_cut(headers: dict[str, str], body: bytes) -> bool:
    """JSON that has a beginning and no end."""
    return "json" in headers.get("content-type", "") and body.lstrip().startswith(b"{")


def _said(parsed: object, body: bytes) -> str:
    """What the store says, as text for our tables to match. `[]` when it says nothing."""
    if not isinstance(parsed, dict):
        return body[:300].decode("utf-8", "replace") or "(nothing)"
    said = [*(parsed.get("errors") or []), *(parsed.get("warnings") or [])]
    return "\n".join(str(one) for one in said) if said else "[]"
