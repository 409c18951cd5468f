"""The provider `aws`: client id and secret from a secret of AWS Secrets Manager."""

import uuid
from collections.abc import Iterator
from typing import Any

from gc_credhelper.credentials import ClientCredentials
from gc_credhelper.deadline import Deadline
from gc_credhelper.errors import CredentialsError, UsageError
from gc_credhelper.roles import Context, Finding

from .client import client_for, login_finding
from .errors import Refused, meaning
from .pairs import Shape, merged, pair, text_of
from .patience import patiently
from .place import place
from .settings import CONNECTION, PAIR, SECRET, VERSION

_SERVICE = "secretsmanager"
_NONE, _MARKED, _EXISTS = "ResourceNotFoundException", "InvalidRequestException", "ResourceExistsException"


class AwsProvider:
    """The reference is the name or the ARN of the secret."""

    settings = (SECRET, *VERSION, *PAIR, *CONNECTION)
    locator = SECRET.name

    def __init__(self, context: Context) -> None:
        """UsageError when there is no name, or the settings contradict each other."""
        if not context.settings[SECRET.name]:
            raise UsageError("the provider aws needs a secret", hint="--provider aws:NAME, or its ARN")
        self._place = place(context, context.settings[SECRET.name])
        self._what = f"secret {self._place}"
        self._where = self._place.region or "the profile's region"
        self._shape = Shape.of(context.settings)
        given = {"VersionStage": context.settings["aws.version_stage"], "VersionId": context.settings["aws.version_id"]}
        self._version = {name: value for name, value in given.items() if value}
        self._report = context.report
        self._client = client_for(context)

    def client_id(self) -> str | None:
        """Only when a setting says it."""
        return self._shape.client_id

    def credentials(self, deadline: Deadline) -> ClientCredentials:
        """Both halves, read anew; what may pass is tried again."""
        return patiently(lambda: self._read(deadline), deadline, self._report)

    def findings(self, deadline: Deadline) -> Iterator[Finding]:
        """See `roles.Examined`."""
        yield login_finding(self._client, self._place.region, deadline)

    def store(self, credentials: ClientCredentials, deadline: Deadline, *, replace: bool) -> str:
        """See `roles.WritableProvider`. The pair is JSON. Other fields of what is replaced stay, and AWS keeps it as
        AWSPREVIOUS. After a TemporaryError it may have been written.
        """
        if self._version:
            hint = "unset aws.version_stage and aws.version_id: what is written now becomes the newest version"
            raise UsageError("a setting pins a version, and no version can be written again", hint=hint)
        self._shape.check(credentials)
        old = self._value(deadline) if replace else None
        if old is None and not self._place.is_arn:
            try:
                self._write(
                    "create_secret", deadline, Name=str(self._place), SecretString=self._json(None, credentials)
                )
            except Refused as e:
                if e.code == _EXISTS and self._value(deadline) is not None:
                    hint = "--replace writes a new version of it and keeps its other fields"
                    raise CredentialsError(f"there is a {self._what} already", hint=hint) from None
                if e.code != _EXISTS:
                    raise meaning(e, self._what, self._where) from None
            else:
                return self._stored()
        elif not replace and self._value(deadline) is not None:
            raise CredentialsError(f"there is a {self._what} already", hint="--replace writes a new version of it")
        try:  # it has no value yet, or may be replaced
            text = self._json(old, credentials)
            self._write("put_secret_value", deadline, SecretId=str(self._place), SecretString=text)
        except Refused as e:
            raise meaning(e, self._what, self._where) from None
        return self._stored()

    def _stored(self) -> str:
        return f"the {self._what} in AWS Secrets Manager ({self._where})"

    def _json(self, old: str | None, credentials: ClientCredentials) -> str:
        return merged(old, self._shape, credentials)

    def _write(self, operation: str, deadline: Deadline, **parameters: str) -> None:
        token = str(uuid.uuid4())  # with it AWS takes a request that comes twice for one
        self._client.ask(_SERVICE, self._place.region, operation, deadline, ClientRequestToken=token, **parameters)

    def _read(self, deadline: Deadline) -> ClientCredentials:
        try:
            return pair(self._get(deadline, **self._version), self._what, self._shape, self._report)
        except Refused as e:
            raise meaning(e, self._what, self._where) from None

    def _value(self, deadline: Deadline) -> str | None:
        """What lies there now; None when there is no secret, or one without a value."""
        try:
            return self._get(deadline)
        except Refused as e:
            if e.code == _NONE:
                return None
            raise meaning(e, self._what, self._where) from None

    def _get(self, deadline: Deadline, **version: str) -> str:
        answer: dict[str, Any] = self._client.ask(
            _SERVICE, self._place.region, "get_secret_value", deadline, SecretId=str(self._place), **version
        )
        text, binary = answer.get("SecretString"), answer.get("SecretBinary")
        if isinstance(text, str):
            return text
        if isinstance(binary, bytes):
            return text_of(binary, self._what)
        raise UsageError(
            f"AWS' answer holds no {self._what}", hint="is it a login page or a proxy? Check aws.endpoint_url"
        )
