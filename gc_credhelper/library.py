"""Library: the entry of programs that take tokens in their own process."""

# What an App imports late is imported here: the child of a fork that falls into an import of another thread inherits
# the lock of a module and waits for it without an end.
from . import exchange, platform, plugins  # noqa: F401
from .app import App, environment
from .plan import Inputs
from .report import LogReport
from .source import TokenSource


def token_source(profile: str | None = None, **settings: object) -> TokenSource:
    """A TokenSource with the same configuration, cache and single flight as the command.

    `settings`: any setting of the reference by name, as a flag would give it (`region="eu-west-1"`); those of plug-ins
    with two underscores for the dot (`vault__addr=…`). Warnings go to the logger `gc_credhelper`. UsageError,
    PluginError at once; all else when a token is asked for.
    """
    given = {"profile": profile, **settings}
    flags = {
        _dotted(name): (value, f"token_source argument {name}") for name, value in given.items() if value is not None
    }
    return App(Inputs([], environment()), flags, LogReport()).source


def _dotted(argument: str) -> str:
    """`vault__addr` as `vault.addr`, and `aws_ssm__path` as `aws-ssm.path`: an argument can hold no hyphen."""
    table, _, name = argument.rpartition("__")
    if "_" in table and table not in (known := plugins.known_names()) and table.replace("_", "-") in known:
        table = table.replace("_", "-")
    return f"{table}.{name}" if table else name
