# pyright: strict
"""A program that uses every public name of the library as its users do. Two type checkers read it, and it runs."""

import asyncio
import sys
from typing import assert_type

import httpx
import requests

import gc_credhelper
from gc_credhelper import (
    AccessToken,
    ClientCredentials,
    CredentialsError,
    Error,
    GenesysAuth,
    InvalidClient,
    LifetimeError,
    PluginError,
    RateLimited,
    Secret,
    TemporaryError,
    TokenError,
    TokenSource,
    UsageError,
    configure_sdk,
    httpx_auth,
    token_source,
)

FINAL = (CredentialsError, InvalidClient, LifetimeError, PluginError, TokenError, UsageError)


def tokens(source: TokenSource) -> AccessToken:
    """Everything that a source and its tokens can be asked."""
    token = source.token(min_ttl=60, refresh=False)
    assert_type(token.value, str)
    assert_type(token.type, str)
    assert_type(token.issued_at, float)
    assert_type(token.expires_at, float)
    assert_type(token.refresh_at, float)
    assert_type(token.lifetime, float)
    assert_type(token.reported_expiry, int)
    assert_type(source.reject("a-token-that-was-refused"), bool)
    assert_type(source.is_for(source.api_url), bool)
    return token


def errors(profile: str) -> int:
    """How they are told apart; the exit code of one."""
    try:
        token_source(profile)
    except RateLimited as error:
        assert_type(error.retry_after, float | None)
    except TemporaryError as error:
        assert_type(error.retryable, bool)
    except FINAL as error:
        assert_type(error.hint, str)
        return error.exit_code
    except Error as error:
        return error.exit_code
    return 0


def requests_(source: TokenSource) -> int:
    """A session of requests."""
    with requests.Session() as session:
        session.auth = GenesysAuth(source)
        return session.get(f"{source.api_url}/api/v2/users", timeout=30).status_code


def httpx_(source: TokenSource) -> int:
    """A client of httpx."""
    with httpx.Client(auth=httpx_auth.GenesysAuth(source), base_url=source.api_url) as client:
        return client.get("/api/v2/users").status_code


async def httpx_async(source: TokenSource) -> int:
    """The same class for an asynchronous one."""
    async with httpx.AsyncClient(auth=httpx_auth.GenesysAuth(source), base_url=source.api_url) as client:
        return (await client.get("/api/v2/users")).status_code


def sdk(source: TokenSource) -> None:
    """Where it is installed."""
    configure_sdk()
    configure_sdk(source)


def main() -> None:
    """All but the SDK, which is not in this environment."""
    pair = ClientCredentials("an-id", Secret("made-up-secret"))
    assert_type(pair.client_secret.reveal(), str)
    source = token_source(min_ttl="5m", cache="memory", env__prefix="GENESYS_CLOUD")
    assert_type(source, TokenSource)
    assert tokens(source).lifetime > 0
    assert errors("no-such-profile") == UsageError.exit_code
    assert requests_(source) == httpx_(source) == asyncio.run(httpx_async(source)) == requests.codes.ok
    assert GenesysAuth(), "by itself"
    sys.stdout.write(f"{gc_credhelper.__version__}\n")


if __name__ == "__main__":
    main()
