"""Secret and ClientCredentials: what a provider gives, built so that it cannot be shown by accident."""

from dataclasses import dataclass
from typing import NoReturn, Self

from .errors import CredentialsError

_PRINTABLE = frozenset(map(chr, range(0x21, 0x7F)))  # RFC 6749 appendix A.1 and A.2 (VSCHAR), less the space


class Secret:
    """A string that does not print, pickle or format. `.reveal()` is the one way out, and can be searched for."""

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def reveal(self) -> str:
        """The secret in clear: hand it to the wire or to a digest, never to a message."""
        return self._value

    def __repr__(self) -> str:
        return "Secret(hidden)"

    __str__ = __repr__

    def __format__(self, spec: str) -> str:
        return repr(self)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Secret):
            return NotImplemented
        import hmac

        return hmac.compare_digest(self._value.encode(), other._value.encode())

    __hash__ = None  # type: ignore[assignment]  # a hash of a secret is one more place that it could be guessed from

    def __bool__(self) -> bool:
        return bool(self._value)

    def __copy__(self) -> Self:
        return self

    def __deepcopy__(self, memo: object) -> Self:
        return self

    def __reduce_ex__(self, protocol: object) -> NoReturn:
        raise TypeError("a Secret cannot be pickled")


@dataclass(frozen=True, slots=True)
class ClientCredentials:
    """An OAuth client's id and secret (RFC 6749 §2.3.1).

    Raises CredentialsError when a part is empty or holds a character that no client id or secret can have.
    """

    client_id: str
    client_secret: Secret

    def __post_init__(self) -> None:
        check_client_id(self.client_id)
        _reject(_fault("client secret", self.client_secret.reveal()))


def check_client_id(client_id: str) -> str:
    """The id itself; CredentialsError when it cannot be one (a colon would end it early in HTTP Basic)."""
    _reject(_fault("client id", client_id))
    if ":" in client_id:
        raise CredentialsError("the client id holds a colon", hint="pass the id alone, without the secret")
    return client_id


def _fault(what: str, value: str) -> str:
    """What is wrong with it, if anything. The error is raised elsewhere, where no variable holds the value."""
    if not value:
        return f"the {what} is empty"
    for position, character in enumerate(value, 1):
        if character not in _PRINTABLE:
            kind = "white space" if character.isspace() else "not printable ASCII"
            return f"the {what} is malformed: character {position} of {len(value)} is {kind}"
    return ""


def _reject(fault: str) -> None:
    if not fault:
        return
    hint = "copy the value again; quotes, line breaks and invisible characters are common"
    if fault.endswith("empty"):
        hint = "an empty value is usually a variable that was not passed"
    raise CredentialsError(fault, hint=hint)
