"""AWS' own variables and files: all that decides who we are and which secret is meant, recorded before boto3 reads it.

boto3 reads the environment by itself. It takes an empty variable for a set one where CI systems mean an unset one, so
what it would trip over is decided here and handed to it.
"""

from pathlib import Path

from gc_credhelper.errors import UsageError
from gc_credhelper.kinds import url
from gc_credhelper.plan import Inputs

CONFIG = ("AWS_CONFIG_FILE", "~/.aws/config")
CREDENTIALS = ("AWS_SHARED_CREDENTIALS_FILE", "~/.aws/credentials")
PROFILES = ("AWS_PROFILE", "AWS_DEFAULT_PROFILE")
CA = ("AWS_CA_BUNDLE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE")
ENDPOINTS = tuple(
    "AWS_ENDPOINT_URL" + service for service in ("", "_SECRETS_MANAGER", "_SSM", "_DYNAMODB", "_STS", "_SSO")
)
# An access key's id is no secret, and it says which account is meant; its own value must be in the record.
_DECIDE = (
    *("AWS_ACCESS_KEY_ID", "AWS_ROLE_ARN", "AWS_WEB_IDENTITY_TOKEN_FILE", "AWS_EC2_METADATA_DISABLED"),
    *("AWS_EC2_METADATA_SERVICE_ENDPOINT", "AWS_CONTAINER_CREDENTIALS_FULL_URI", "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS"),
    *("AWS_USE_FIPS_ENDPOINT", "AWS_USE_DUALSTACK_ENDPOINT"),
)
_SECRET = (
    *("AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_SECURITY_TOKEN", "AWS_CONTAINER_AUTHORIZATION_TOKEN"),
    *("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "ACTIONS_ID_TOKEN_REQUEST_URL", "ACTIONS_ID_TOKEN_REQUEST_TOKEN"),
)


class Variables:
    """Asked for when a role is built, so that a recorded plan knows all of them."""

    def __init__(self, inputs: Inputs) -> None:
        """UsageError when an endpoint would have secrets sent in clear."""
        self._values = {name: inputs.env(name) for name in (*_DECIDE, *PROFILES, *CA, *ENDPOINTS)}
        self._values |= {name: inputs.env(name, secret=True) for name in _SECRET}
        home = inputs.env("HOME") or "/"
        self.config_file, self.credentials_file = (
            _at_home(inputs.env(name) or usual, home) for name, usual in (CONFIG, CREDENTIALS)
        )
        for path in (self.config_file, self.credentials_file):
            inputs.file(path)
        for name in ENDPOINTS:
            if raw := self[name]:
                try:
                    url(raw)
                except ValueError as e:
                    raise UsageError(f"the variable {name} {e}", hint=f"mend or unset {name}") from None

    def __getitem__(self, name: str) -> str | None:
        return self._values[name]

    def first(self, *names: str) -> str | None:
        """The first of them that is set; its name."""
        return next(filter(self._values.get, names), None)

    @property
    def has_credentials(self) -> bool:
        """Does the environment say where credentials are, keys or a profile or a container's?"""
        return bool(self.first("AWS_ACCESS_KEY_ID", *PROFILES, *_CONTAINER))


_CONTAINER = ("AWS_CONTAINER_CREDENTIALS_FULL_URI", "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI")


def _at_home(path: str, home: str) -> str:
    return str(Path(home) / path.removeprefix("~/")) if path.startswith("~/") else path


def on_ec2(values: Variables, vendor: Path = Path("/sys/devices/virtual/dmi/id/sys_vendor")) -> bool:
    """Is there a metadata service that ought to answer? Elsewhere its silence means nothing."""
    if (values["AWS_EC2_METADATA_DISABLED"] or "").lower() == "true":
        return False
    if values["AWS_EC2_METADATA_SERVICE_ENDPOINT"]:
        return True
    try:
        return "Amazon EC2" in vendor.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return False
