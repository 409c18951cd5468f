"""What an error code of AWS means, in our words. No text of AWS is ever shown, and no status decides."""

import re

from gc_credhelper.errors import CredentialsError, Error, TemporaryError, UsageError


class Forbidden(CredentialsError):
    """AWS knows us and does not let us, or does not know us."""


class Refused(Exception):
    """An answer that is an error. `code`: AWS' own word for it. `date`: the header, empty when there is none."""

    def __init__(self, code: str, operation: str, date: str = "") -> None:
        super().__init__(code)
        self.code = code
        self.operation = operation
        self.date = date

    @property
    def is_about_credentials(self) -> bool:
        """Are the credentials of no use, so that others are to be looked for?"""
        return bool(re.match("ExpiredToken|UnrecognizedClient|InvalidClientTokenId|InvalidSignature", self.code))


_Row = tuple[str, str, type[Error], str, str]
_AGAIN = "try again"
_WHO = "`aws sts get-caller-identity` says who you are to AWS"
_KEYS = (
    "check AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_SESSION_TOKEN, or the profile; all three belong together"
)
_RIGHTS = {
    "GetSecretValue": "give the role secretsmanager:GetSecretValue on it, and kms:Decrypt when it has a key of its own",
    "GetParameter": "give the role ssm:GetParameter on it, and kms:Decrypt when it has a key of its own",
    "GetParameters": "give the role ssm:GetParameters on both, and kms:Decrypt when they have a key of their own",
    "CreateSecret": "give the role secretsmanager:CreateSecret",
    "PutSecretValue": "give the role secretsmanager:PutSecretValue",
    "PutParameter": "give the role ssm:PutParameter",
    "GetItem": "give the role dynamodb:GetItem on the table; LeadingKeys in its policy must fit dynamodb.prefix",
    "PutItem": "give the role dynamodb:PutItem on the table; LeadingKeys in its policy must fit dynamodb.prefix",
}

_THROTTLED = (
    r"Throttl\w+|RequestThrottled\w*|RequestLimitExceeded|TooManyRequests\w*|ProvisionedThroughputExceededException"
    r"|PriorRequestNotComplete|TooManyUpdates|SlowDown|429"
)
_BROKEN = (
    r"Internal\w+|ServiceUnavailable\w*|TransactionInProgressException|ReplicatedWriteConflict\w*"
    r"|IDPCommunicationError|RequestTimeout\w*|50\d"
)
_UNKNOWN = (
    r"UnrecognizedClientException|InvalidClientTokenId|InvalidAccessKeyId|MissingAuthenticationToken\w*"
    r"|InvalidToken\w*|IncompleteSignature\w*|AuthFailure|NotAuthorizedException"
)

# The first row whose operation and code fit says what an answer means. {} is what was asked for, {region} where.
_MEANINGS: tuple[_Row, ...] = (
    (
        "",
        _THROTTLED,
        TemporaryError,
        "AWS limits the rate of requests for the {}",
        "try again later; a table with provisioned capacity may need more",
    ),
    (
        "",
        _BROKEN,
        TemporaryError,
        "AWS cannot serve the {} now",
        _AGAIN,
    ),
    (
        "",
        r"ExpiredToken\w*|TokenRefreshRequired",
        Forbidden,
        "the AWS credentials are past their time",
        "log in again, or get new ones for this job",
    ),
    (
        "",
        r"RequestExpired|RequestTimeTooSkewed|RequestInTheFuture",
        Forbidden,
        "AWS says that the clock of this machine is wrong",
        "set the clock: a request is good for five minutes",
    ),
    (
        "",
        _UNKNOWN,
        Forbidden,
        "AWS does not know these credentials",
        _KEYS,
    ),
    (
        "",
        r"InvalidSignature\w*|SignatureDoesNotMatch\w*",
        Forbidden,
        "AWS does not take the signature: the secret access key is wrong, or the clock of this machine is",
        _KEYS,
    ),
    (
        "",
        r"AccessDenied\w*|UnauthorizedOperation|Unauthorized\w*|403",
        Forbidden,
        "AWS denies the {}, or there is no such thing; the two cannot be told apart",
        "{rights}; " + _WHO,
    ),
    (
        "",
        r"KMS\w+|DecryptionFailure\w*|EncryptionFailure\w*|InvalidKeyId",
        Forbidden,
        "the key of the {} cannot be used",
        "is it enabled, and may the role use kms:Decrypt with it?",
    ),
    (
        "",
        r"OptInRequired|SubscriptionRequired\w*|RegionDisabledException",
        UsageError,
        "the account does not use this service, or this region, of AWS",
        "check the region and the account; " + _WHO,
    ),
    (
        r"GetItem|PutItem",
        r"ResourceNotFoundException|TableNotFoundException",
        UsageError,
        "there is no {} in {region}",
        "make it with table.yaml; check name, region and account",
    ),
    (
        r"GetItem|PutItem",
        r"ValidationException|SerializationException",
        UsageError,
        "the {} has another key than pk, a text, or does not take the entry",
        "make a table with table.yaml",
    ),
    (
        r"GetSecretValue|PutSecretValue",
        r"ResourceNotFoundException",
        CredentialsError,
        "there is no {} in {region}, or no such version of it",
        "check name, region and account, aws.version_stage and aws.version_id; " + _WHO,
    ),
    (
        r"\w*Secret\w*",
        r"InvalidRequestException",
        CredentialsError,
        "the {} is marked for deletion",
        "`aws secretsmanager restore-secret` brings it back",
    ),
    (
        r"GetParameters?",
        r"ParameterVersionNotFound",
        CredentialsError,
        "the {} has no such version or label",
        "check what stands behind the colon",
    ),
    (
        r"GetParameters?",
        r"ParameterNotFound",
        CredentialsError,
        "there is no {} in {region}",
        "check path, region and account; " + _WHO,
    ),
    (
        r"\w+",
        r"LimitExceeded\w*|ParameterLimitExceeded|ParameterMaxVersionLimitExceeded|QuotaExceeded\w*",
        UsageError,
        "AWS does not take the {}: a limit of the account is reached",
        "raise the quota, or delete what nobody uses",
    ),
    (
        "",
        r"InvalidParameter\w*|ValidationException|ValidationError|InvalidArn\w*|InvalidResource\w*",
        UsageError,
        "AWS does not take the request for the {}",
        "check the settings that begin with aws, and the name",
    ),
)

_LOGINS: tuple[tuple[str, str, str], ...] = (
    (
        r"AccessDenied\w*",
        "AWS does not let us assume the role",
        "check the role's trust policy: who, audience, subject and external id",
    ),
    (
        r"InvalidIdentityToken\w*|IDPRejectedClaim\w*",
        "AWS does not take the OIDC token",
        "is its issuer an identity provider of the account, and its audience what that expects?",
    ),
    (
        r"ExpiredToken\w*",
        "the OIDC token, or the credentials to assume the role with, are past their time",
        "get a new one for this job",
    ),
    (
        r"ValidationError|MalformedPolicy\w*",
        "AWS does not take the request to assume the role",
        "check aws.role_arn, aws.role_session_name and the OIDC token",
    ),
)


def meaning(refused: Refused, what: str, region: str = "this region") -> Error:
    """Our error for an answer to a request for `what`."""
    rights = _RIGHTS.get(refused.operation, "check the policy of the role")
    for operation, code, kind, words, hint in _MEANINGS:
        if re.fullmatch(operation or ".*", refused.operation) and re.fullmatch(code, refused.code):
            return kind(words.replace("{}", what).replace("{region}", region), hint=hint.replace("{rights}", rights))
    return UsageError(
        f"AWS did not take the request for the {what} ({_plain(refused.code)})", hint="check the settings"
    )


def meaning_of_login(refused: Refused) -> Error:
    """The same for what happens before: becoming somebody. What may not pass is for a person to mend."""
    for code, words, hint in _LOGINS:
        if re.fullmatch(code, refused.code):
            return CredentialsError(words, hint=hint)
    found = meaning(refused, "login")
    if isinstance(found, UsageError):
        return CredentialsError(
            f"AWS refused the login ({_plain(refused.code)})", hint=f"check aws.role_arn and the profile; {_WHO}"
        )
    return found


def _plain(code: str) -> str:
    """A code as a message may repeat it: a word. Whoever answers may write there what it likes."""
    known = r"[A-Z][A-Za-z]{2,50}(Exception|Error|Fault|Failure|Denied|NotFound)|\d{3}"
    return code if re.fullmatch(known, code) else "a code that we do not know"
