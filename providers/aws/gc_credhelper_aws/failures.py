"""What a failure of the network or of botocore itself means, in our words. Its own text is not used: it may show a
proxy's password, a part of an answer, or a value of the config file.
"""

import ssl

import botocore.exceptions as boto
from gc_credhelper.errors import CredentialsError, Error, TemporaryError, UsageError, causes

_NETWORK = "try again; check the network, HTTPS_PROXY and NO_PROXY"
_TRUST = "name the CA with AWS_CA_BUNDLE, REQUESTS_CA_BUNDLE or SSL_CERT_FILE"
_FILES = (
    "check ~/.aws/config, ~/.aws/credentials, or the files that AWS_CONFIG_FILE and AWS_SHARED_CREDENTIALS_FILE name"
)
_KEYS = (
    "on GitHub the job needs aws.role_arn and `permissions: id-token: write`, on GitLab aws.role_arn and `id_tokens:`, "
    "on EC2, ECS and EKS a role; elsewhere set AWS_PROFILE, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"
)
_REGION = "set AWS_REGION or aws.region, or name the secret by its ARN"
_METADATA = ("iam-role", "container-role")

_FAILURES: tuple[tuple[tuple[type[BaseException], ...], type[Error], str, str], ...] = (
    ((boto.ProxyConnectionError,), TemporaryError, "the proxy for {} does not serve", "check HTTPS_PROXY and NO_PROXY"),
    (
        (boto.ConnectTimeoutError, boto.ReadTimeoutError, TimeoutError),
        TemporaryError,
        "{} did not answer in time",
        _NETWORK,
    ),
    ((ssl.SSLEOFError, ssl.SSLZeroReturnError), TemporaryError, "{} closed the connection", _NETWORK),
    (
        (ssl.SSLError, boto.SSLError),
        UsageError,
        "no TLS connection to {} can be agreed on",
        "is it https, and the right port?",
    ),
    (
        (boto.EndpointConnectionError,),
        TemporaryError,
        "no connection to {}",
        _NETWORK + "; is it the right region and endpoint?",
    ),
    (
        (boto.ConnectionClosedError, boto.ResponseStreamingError, boto.IncompleteReadError),
        TemporaryError,
        "{} closed the connection",
        _NETWORK,
    ),
    (
        (boto.MetadataRetrievalError,),
        TemporaryError,
        "the metadata service of this machine does not answer",
        "try again",
    ),
    ((boto.HTTPClientError, boto.ConnectionError), TemporaryError, "the request to {} failed on its way", _NETWORK),
    (
        (boto.ProfileNotFound,),
        UsageError,
        "AWS' config files have no such profile",
        "check aws.profile and AWS_PROFILE; " + _FILES,
    ),
    (
        (boto.PartialCredentialsError,),
        CredentialsError,
        "half of the AWS credentials is missing",
        "an access key needs its secret access key; an empty variable is usually one that was not passed",
    ),
    ((boto.NoCredentialsError, boto.NoAuthTokenError), CredentialsError, "there are no AWS credentials", _KEYS),
    (
        (boto.UnauthorizedSSOTokenError, boto.SSOError, boto.TokenRetrievalError),
        CredentialsError,
        "the login with AWS IAM Identity Center is missing, or past its time",
        "`aws sso login` with the same profile",
    ),
    (
        (boto.RefreshWithMFAUnsupportedError,),
        CredentialsError,
        "the profile asks for a code of a second factor",
        "nobody can type it here; get temporary credentials first",
    ),
    ((boto.NoRegionError,), UsageError, "the region is not set", _REGION),
    (
        (boto.BaseEndpointResolverError, boto.InvalidRegionError),
        UsageError,
        "there is no endpoint in this region",
        _REGION,
    ),
    (
        (boto.ConfigParseError, boto.InvalidConfigError, boto.UnknownCredentialError, boto.ConfigNotFound),
        UsageError,
        "AWS' config files do not hold what they should",
        _FILES,
    ),
    (
        (boto.ParamValidationError,),
        UsageError,
        "the request to {} is not one that AWS knows",
        "check the settings that begin with aws",
    ),
    ((OSError,), CredentialsError, "a file of the AWS login cannot be read", _FILES),
    (
        (ValueError,),
        UsageError,
        "a variable that begins with AWS_, or AWS' config files, holds a value that does not fit",
        _FILES,
    ),
)


def failure(error: Exception, host: str) -> Error:
    """Our error for one of botocore's. `host`: who was asked, for messages."""
    for cause in causes(error):
        if isinstance(cause, Error):
            return cause
        if isinstance(cause, ssl.SSLCertVerificationError):
            return UsageError(f"the certificate of {host} is not trusted: {cause.verify_message}", hint=_TRUST)
    if isinstance(error, boto.CredentialRetrievalError):
        return _retrieval(str(error.kwargs.get("provider")))
    for kinds, kind, words, hint in _FAILURES:
        if isinstance(error, kinds):
            return kind(words.replace("{}", host), hint=hint)
    return UsageError(f"no request can be made to {host} ({type(error).__name__})", hint=_FILES)


def _retrieval(provider: str) -> Error:
    if provider in _METADATA:
        return TemporaryError("the metadata service of this machine gave no credentials", hint="try again")
    if provider == "custom-process":
        return CredentialsError(
            "the credential_process of the profile failed", hint="run it by hand; its output is not shown here"
        )
    return CredentialsError("the AWS credentials that the profile names cannot be had", hint=_FILES)
