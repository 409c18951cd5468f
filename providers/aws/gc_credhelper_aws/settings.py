"""The rows of the settings `aws.*`, `aws-ssm.*` and `dynamodb.*`: the roles share all but their locators.

No row is ever a secret itself. The variables AWS_PROFILE, AWS_REGION and AWS_ENDPOINT_URL are no `platform` of a row:
AWS ranks them below an ARN, below keys in the environment, or lets a switch turn them off, and so do we.
"""

import re

from gc_credhelper.kinds import choice, deadline, duration, public_id, text, url
from gc_credhelper.settings import Setting

METHODS = ("auto", "chain", "github", "web-identity")
_REGION = r"[a-z]{2,4}(-[a-z]+)+-\d{1,2}"
ARN = re.compile(
    rf"arn:(?P<partition>aws[a-z-]*):(?P<service>[a-z0-9-]+):(?P<region>{_REGION}|):(?P<account>\d{{12}}|):(?P<rest>\S+)"
)


def _written(raw: object, service: str, kind: str, name: str, example: str) -> str:
    """A name that fits, or an ARN of that service and kind."""
    value = text(raw)
    if value.startswith("arn:"):
        arn = ARN.fullmatch(value)
        if (
            not arn
            or not arn["region"]
            or arn["service"] != service
            or not re.fullmatch(kind + name, arn["rest"], re.ASCII)
        ):
            raise ValueError(f"must be {example}, or its ARN (arn:aws:{service}:…)")
    elif not re.fullmatch(name, value, re.ASCII):
        raise ValueError(f"must be {example}, or its ARN")
    return value


def secret_id(raw: object) -> str:
    """The name of a secret, or its ARN, with or without the six characters that AWS adds."""
    return _written(raw, "secretsmanager", "secret:", r"[\w/+=.@-]{1,512}", "the name of a secret such as ci/genesys")


def parameter(raw: object) -> str:
    """The name of a parameter, perhaps with `:VERSION` or `:LABEL`; with `/` at its end it stands for two below it."""
    name = r"/?[\w.-]+(/[\w.-]+)*(/|:[\w.-]+)?"
    return _written(
        raw, "ssm", "parameter/?", name, "a parameter such as /ci/genesys, or /ci/genesys/ for two below it"
    )


def table(raw: object) -> str:
    """The name of a table, or its ARN."""
    return _written(raw, "dynamodb", "table/", r"[\w.-]{3,255}", "the name of a table such as gc-tokens")


def role(raw: object) -> str:
    """The ARN of a role."""
    value = text(raw)
    if not re.fullmatch(r"arn:aws[a-z-]*:iam::\d{12}:role/[\w+=,.@/-]{1,576}", value, re.ASCII):
        raise ValueError("must be the ARN of a role such as arn:aws:iam::123456789012:role/ci")
    return value


def region(raw: object) -> str:
    """A region of AWS."""
    value = text(raw)
    if not re.fullmatch(_REGION, value):
        raise ValueError("must be a region of AWS such as eu-central-1")
    return value


def session_name(raw: object) -> str:
    """What a session of a role is called in CloudTrail."""
    value = text(raw)
    if not re.fullmatch(r"[\w+=,.@-]{2,64}", value, re.ASCII):
        raise ValueError("must be 2 to 64 letters, digits and +=,.@-")
    return value


def external_id(raw: object) -> str:
    """What the trust policy of a role may want to hear."""
    value = text(raw)
    if not re.fullmatch(r"[\w+=,.@:/-]{2,1224}", value, re.ASCII):
        raise ValueError("must be 2 to 1224 letters, digits and +=,.@:/-")
    return value


def variable(raw: object) -> str:
    """The name of a variable: whoever puts the token itself there shall not see it again in a message."""
    value = text(raw)
    if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]{0,60}", value):
        raise ValueError("must be the name of a variable, such as AWS_ID_TOKEN")
    return value


def prefix(raw: object) -> str:
    """What every partition key begins with."""
    value = text(raw)
    if not re.fullmatch(r"[!-~]{1,200}", value):
        raise ValueError("must be visible ASCII, such as team-a/")
    return value


def keep(raw: object) -> float:
    """A minute or more."""
    seconds = duration(raw)
    if not 60 <= seconds <= 366 * 86_400:  # noqa: PLR2004  # a minute, a year
        raise ValueError("must be a duration from 1m to 366d")
    return seconds


CONNECTION = (
    Setting("aws.region", region, "the region, when neither an ARN nor AWS_REGION says it"),
    Setting("aws.profile", text, "the profile of AWS' own config files, when it is not AWS_PROFILE"),
    Setting("aws.auth", choice(*METHODS), f"who we are to AWS: {', '.join(METHODS)}", "auto"),
    Setting("aws.role_arn", role, "the role to assume"),
    Setting(
        "aws.role_session_name",
        session_name,
        "the name of the role's session in CloudTrail",
        "gc-credhelper",
        platform=("AWS_ROLE_SESSION_NAME",),
    ),
    Setting("aws.external_id", external_id, "the external id that the role's trust policy asks for"),
    Setting("aws.web_identity_env", variable, "the name of a variable that holds an OIDC token for the role"),
    Setting("aws.audience", text, "the audience to ask GitHub Actions for", "sts.amazonaws.com"),
    Setting("aws.endpoint_url", url, "the endpoint of every service of AWS, when it is not AWS' own"),
    Setting("aws.timeout", deadline, "time for one request to AWS", "10s"),
)

PAIR = (
    Setting("aws.id_field", text, "the field with the client id", "client_id"),
    Setting("aws.secret_field", text, "the field with the client secret", "client_secret"),
    Setting("aws.client_id", public_id, "the client id, when only the client secret is stored"),
)

VERSION = (
    Setting("aws.version_stage", text, "the staging label of the secret's version, when it is not AWSCURRENT"),
    Setting("aws.version_id", text, "the id of the secret's version"),
)

SECRET = Setting("aws.secret", secret_id, "name or ARN of the secret with the client id and client secret")
PARAMETER = Setting("aws-ssm.path", parameter, "a parameter with both as JSON; with / at its end, the two below it")
TABLE = Setting("dynamodb.table", table, "name or ARN of the table for the tokens")
TOKENS = (
    Setting("dynamodb.prefix", prefix, "what every partition key begins with, for dynamodb:LeadingKeys"),
    Setting("dynamodb.keep", keep, "how long DynamoDB keeps an entry that nobody writes", "48h"),
)
CACHE = Setting("aws.cache", text, "nothing: Secrets Manager keeps no tokens, dynamodb does")
