"""The provider `aws-ssm`: client id and secret from AWS Systems Manager Parameter Store.

`/ci/genesys` is one parameter that holds both, as the provider `aws` takes them. `/ci/genesys/` stands for two,
`/ci/genesys/client_id` and `/ci/genesys/client_secret`.
"""

from collections.abc import Iterator
from typing import Any

from gc_credhelper.credentials import ClientCredentials, Secret
from gc_credhelper.deadline import Deadline
from gc_credhelper.errors import CredentialsError, UsageError
from gc_credhelper.roles import Context, Finding

from .client import client_for, login_finding
from .errors import Refused, meaning
from .pairs import Shape, merged, pair
from .patience import patiently
from .place import place
from .settings import CONNECTION, PAIR, PARAMETER

_SERVICE = "ssm"
_NONE, _EXISTS = "ParameterNotFound", "ParameterAlreadyExists"
_ENCRYPTED, _CLEAR = "SecureString", "String"


class AwsSsmProvider:
    """The reference is the name or the ARN of a parameter, or with `/` at its end what two names begin with."""

    settings = (PARAMETER, *PAIR, *CONNECTION)
    locator = PARAMETER.name

    def __init__(self, context: Context) -> None:
        """UsageError when there is no name, or the settings contradict each other."""
        if not context.settings[PARAMETER.name]:
            raise UsageError("the provider aws-ssm needs a parameter", hint="--provider aws-ssm:/path")
        self._place = place(context, context.settings[PARAMETER.name])
        self._name = str(self._place)
        self._what = f"parameter {self._place}"
        self._where = self._place.region or "the profile's region"
        self._shape = Shape.of(context.settings)
        self._report = context.report
        self._client = client_for(context)

    def client_id(self) -> str | None:
        """Only when a setting says it."""
        return self._shape.client_id

    def credentials(self, deadline: Deadline) -> ClientCredentials:
        """Both halves, read anew; what may pass is tried again."""
        read = self._read_two if self._name.endswith("/") else self._read_one
        return patiently(lambda: read(deadline), deadline, self._report)

    def findings(self, deadline: Deadline) -> Iterator[Finding]:
        """See `roles.Examined`."""
        yield login_finding(self._client, self._place.region, deadline)

    def store(self, credentials: ClientCredentials, deadline: Deadline, *, replace: bool) -> str:
        """See `roles.WritableProvider`. The pair is JSON, encrypted; other fields of what is replaced stay, and AWS
        keeps the older versions. After a TemporaryError it may have been written.
        """
        if self._name.endswith("/") or ":" in self._name.rpartition("/")[2]:
            raise UsageError(f"nothing can be stored in {self._name}", hint="name one parameter, without version")
        self._shape.check(credentials)
        old = self._value(deadline) if replace else None
        try:
            self._ask(
                "put_parameter",
                deadline,
                Name=self._name,
                Value=merged(old, self._shape, credentials),
                Type=_ENCRYPTED,
                Overwrite=replace,
            )
        except Refused as e:
            if e.code == _EXISTS:
                hint = "--replace writes a new version of it and keeps its other fields"
                raise CredentialsError(f"there is a {self._what} already", hint=hint) from None
            raise meaning(e, self._what, self._where) from None
        return f"the {self._what} in AWS Parameter Store ({self._where})"

    def _ask(self, operation: str, deadline: Deadline, **parameters: Any) -> dict[str, Any]:
        return self._client.ask(_SERVICE, self._place.region, operation, deadline, **parameters)

    def _value(self, deadline: Deadline) -> str | None:
        try:
            return self._get(deadline)
        except Refused as e:
            if e.code == _NONE:
                return None
            raise meaning(e, self._what, self._where) from None

    def _read_one(self, deadline: Deadline) -> ClientCredentials:
        try:
            return pair(self._get(deadline), self._what, self._shape, self._report)
        except Refused as e:
            raise meaning(e, self._what, self._where) from None

    def _get(self, deadline: Deadline) -> str:
        answer = self._ask("get_parameter", deadline, Name=self._name, WithDecryption=True)
        return self._text(answer.get("Parameter"), self._what, is_secret=True)

    def _read_two(self, deadline: Deadline) -> ClientCredentials:
        names = [self._name + field for field in (self._shape.id_field, self._shape.secret_field)]
        wanted = names[1:] if self._shape.client_id else names
        try:
            answer = self._ask("get_parameters", deadline, Names=wanted, WithDecryption=True)
        except Refused as e:
            raise meaning(e, f"parameters below {self._name}", self._where) from None
        found = {one.get("Name"): one for one in answer.get("Parameters", []) if isinstance(one, dict)}
        found |= {one.get("ARN"): one for one in found.values()}
        for name in wanted:
            if name not in found:
                raise meaning(Refused(_NONE, "GetParameters"), f"parameter {name}", self._where)
        client_id = self._shape.client_id or self._text(found[names[0]], f"parameter {names[0]}", is_secret=False)
        secret = self._text(found[names[1]], f"parameter {names[1]}", is_secret=True)
        return ClientCredentials(client_id.strip(), Secret(secret.strip()))

    def _text(self, parameter: object, what: str, *, is_secret: bool) -> str:
        value, kind = (
            (parameter.get(name) for name in ("Value", "Type")) if isinstance(parameter, dict) else (None,) * 2
        )
        if not isinstance(value, str) or kind not in (_ENCRYPTED, _CLEAR):
            raise CredentialsError(f"the {what} is not a text", hint="make it a SecureString")
        if is_secret and kind == _CLEAR:
            self._report.warn(f"the {what} is not encrypted: make it a SecureString")
        return value
