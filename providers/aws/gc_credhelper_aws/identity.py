"""Who we are to AWS: the library's own chain, or a role by an OIDC token; and then perhaps a further role.

github          the runner's OIDC endpoint gives the token; auto, when a role is named and no other credentials are
web-identity    a variable or a file holds the token; auto, when one is named and no other credentials are
chain           keys, profile, SSO, container, instance, in the order of AWS' own tools
"""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from gc_credhelper.deadline import Deadline
from gc_credhelper.errors import CredentialsError, UsageError
from gc_credhelper.oidc import github_token
from gc_credhelper.plan import Inputs
from gc_credhelper.roles import Context

from .oidc import file_token, variable_token
from .variables import CA, PROFILES, Variables

if TYPE_CHECKING:
    from .wire import Session

_ROLE = "set aws.role_arn, or AWS_ROLE_ARN"


class Identity:
    """Decided from settings and variables; `session` is where the library is imported."""

    def __init__(self, context: Context) -> None:
        """UsageError when the settings ask for a login and do not say all that it needs."""
        self._inputs: Inputs = context.inputs
        self._settings: Mapping[str, Any] = context.settings
        self.values = Variables(context.inputs)
        self.role: str | None = context.settings["aws.role_arn"]
        self.method = self._method()
        ca = self.values.first(*CA)
        self._ca = ca and self.values[ca]
        self._first = self.values["AWS_ROLE_ARN"] or self.role
        self._variable: str | None = context.settings["aws.web_identity_env"]
        self._file = self.values["AWS_WEB_IDENTITY_TOKEN_FILE"]
        if self.method != "chain" and not self._first:
            raise UsageError(f"aws.auth {self.method} needs a role", hint=_ROLE)
        if self.method == "web-identity" and not self._variable and not self._file:
            hint = "set aws.web_identity_env or AWS_WEB_IDENTITY_TOKEN_FILE"
            raise UsageError("aws.auth web-identity needs an OIDC token", hint=hint)

    def _method(self) -> str:
        chosen: str = self._settings["aws.auth"]
        if chosen != "auto":
            return chosen
        if self._settings["aws.web_identity_env"]:
            return "web-identity"
        role = self.role or self.values["AWS_ROLE_ARN"]
        if not role or self._settings["aws.profile"] or self.values.has_credentials:
            return "chain"
        if self.values["AWS_WEB_IDENTITY_TOKEN_FILE"]:
            return "web-identity"
        return "github" if self.values["ACTIONS_ID_TOKEN_REQUEST_URL"] else "chain"

    def session(self, region: str | None) -> "Session":
        """A session of the library that knows its credentials, or how to get them when a request needs them.

        UsageError, CredentialsError. `region`: None leaves it to the profile.
        """
        from botocore.credentials import (
            AssumeRoleCredentialFetcher,
            AssumeRoleWithWebIdentityCredentialFetcher,
            CredentialResolver,
        )

        from .wire import Session

        name = self.values.first(*PROFILES)
        made = Session(
            timeout=self._settings["aws.timeout"],
            endpoint_url=self._settings["aws.endpoint_url"],
            ca=self._ca,
            # Its own would take an empty variable for a profile without a name.
            session_vars={"profile": (None, [name] if name else None, None, None)},
            profile=self._settings["aws.profile"],
        )
        made.set_config_variable("config_file", self.values.config_file)
        made.set_config_variable("credentials_file", self.values.credentials_file)
        if region:
            made.set_config_variable("region", region)
        extra = {"RoleSessionName": self._settings["aws.role_session_name"]}
        fetcher: Any
        if self.method != "chain":
            fetcher = AssumeRoleWithWebIdentityCredentialFetcher(made.create_client, self._token, self._first, extra)
            base = _deferred(fetcher, "assume-role-with-web-identity")
        else:
            _refuse_codes(made)
            base = made.get_component("credential_provider").load_credentials() if self.role else None
            if not self.role:
                return made
            if not base:
                raise _nobody()
        if self.role and (self.method == "chain" or self.role != self._first):
            if external := self._settings["aws.external_id"]:
                extra["ExternalId"] = external
            fetcher = AssumeRoleCredentialFetcher(made.create_client, base, self.role, extra)
            base = _deferred(fetcher, "assume-role")
        made.register_component("credential_provider", CredentialResolver([_Given(base)]))
        return made

    def _token(self) -> str:
        if self.method == "github":
            return github_token(
                self._inputs, self._settings["aws.audience"], Deadline(self._settings["aws.timeout"])
            ).reveal()
        if self._variable:
            return variable_token(self._inputs, self._variable)
        assert self._file
        return file_token(self._file)


class _Given:
    """A provider of the library's, of credentials that are there."""

    METHOD = CANONICAL_NAME = "gc-credhelper"

    def __init__(self, credentials: object) -> None:
        self._credentials = credentials

    def load(self) -> object:
        return self._credentials


def _deferred(fetcher: Any, method: str) -> object:
    from botocore.credentials import DeferredRefreshableCredentials

    fetch: Callable[[], object] = fetcher.fetch_credentials
    return DeferredRefreshableCredentials(fetch, method)


def _nobody() -> Exception:
    from botocore.exceptions import NoCredentialsError

    return NoCredentialsError()  # type: ignore[no-any-return]


def _refuse_codes(session: "Session") -> None:
    """CredentialsError for a profile whose role wants a code: the library would ask for it on the terminal."""
    profiles = session.full_config.get("profiles", {})
    name, seen = session.profile or "default", set[str]()
    while name and name not in seen:
        seen.add(name)
        profile = profiles.get(name, {})
        if profile.get("mfa_serial"):
            hint = "nobody can type it here; get temporary credentials first, and set AWS_PROFILE to them"
            raise CredentialsError("the profile asks for a code of a second factor (mfa_serial)", hint=hint)
        name = profile.get("source_profile")
