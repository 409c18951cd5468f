"""gc-credhelper: a valid Genesys Cloud token for any tool in a pipeline.

The public names are loaded when first used, so that a cache hit does not pay for them.
"""

__version__ = "0.1.0"

TYPE_CHECKING = False  # what `typing` says too, which a hit need not import
if TYPE_CHECKING:
    from .credentials import ClientCredentials as ClientCredentials
    from .credentials import Secret as Secret
    from .errors import CredentialsError as CredentialsError
    from .errors import Error as Error
    from .errors import InvalidClient as InvalidClient
    from .errors import LifetimeError as LifetimeError
    from .errors import PluginError as PluginError
    from .errors import RateLimited as RateLimited
    from .errors import TemporaryError as TemporaryError
    from .errors import TokenError as TokenError
    from .errors import UsageError as UsageError
    from .library import token_source as token_source
    from .requests_auth import GenesysAuth as GenesysAuth
    from .sdk import configure_sdk as configure_sdk
    from .source import TokenSource as TokenSource
    from .tokens import AccessToken as AccessToken

_WHERE = {
    "AccessToken": "tokens",
    "ClientCredentials": "credentials",
    "CredentialsError": "errors",
    "Error": "errors",
    "GenesysAuth": "requests_auth",
    "InvalidClient": "errors",
    "LifetimeError": "errors",
    "PluginError": "errors",
    "RateLimited": "errors",
    "Secret": "credentials",
    "TemporaryError": "errors",
    "TokenError": "errors",
    "TokenSource": "source",
    "UsageError": "errors",
    "configure_sdk": "sdk",
    "token_source": "library",
}

__all__ = [*_WHERE]  # noqa: PLE0604  # the keys are strings


if not TYPE_CHECKING:  # a type checker would take any name for one of ours

    def __getattr__(name: str) -> object:
        if name not in _WHERE:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        import importlib

        value: object = getattr(importlib.import_module("." + _WHERE[name], __name__), name)
        globals()[name] = value
        return value


def __dir__() -> list[str]:
    return sorted([*globals(), *_WHERE])
