"""Plug-ins: how one is found by name, and what to say when it is not.

A plug-in is a class of one of the two roles (`roles.py`) that an entry point names, in the group
`gc_credhelper.credential_providers` or `gc_credhelper.cache_backends`. Only the one that a setting names is loaded; no
plug-in outranks another, and none can take the place of a built-in one.
"""

import contextlib
import importlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from .errors import PluginError
from .settings import Setting, nearest, spoken

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

PROVIDERS = "gc_credhelper.credential_providers"
CACHES = "gc_credhelper.cache_backends"
ROLE_NAMES = {PROVIDERS: "credential provider", CACHES: "cache backend"}

BUILT_IN = {
    PROVIDERS: {"env": "env:EnvProvider", "file": "credfile:FileProvider", "command": "command:CommandProvider"},
    CACHES: {"file": "filecache:FileCache", "memory": "memory:MemoryCache"},
}
_METHODS = {PROVIDERS: ("client_id", "credentials"), CACHES: ("get", "put", "remove", "keys")}
_FAR_METHODS = ("read", "compare_and_set")
# Names whose distribution we know, so that the hint can be the exact command.
DISTRIBUTIONS = {
    "keyring": "gc-credhelper-keyring",
    "vault": "gc-credhelper-vault",
    "aws": "gc-credhelper-aws",
    "aws-ssm": "gc-credhelper-aws",
    "dynamodb": "gc-credhelper-aws",
}


@dataclass(frozen=True, slots=True)
class Reference:
    """`NAME` or `NAME:REFERENCE` of a role."""

    name: str
    reference: str | None

    @classmethod
    def parse(cls, written: str) -> "Reference":
        """Split at the first colon."""
        name, colon, reference = written.partition(":")
        return cls(name.strip(), reference.strip() if colon and reference.strip() else None)


def load(group: str, name: str) -> Any:
    """The class of the plug-in of that name; PluginError when it is missing, doubled or broken."""
    if target := BUILT_IN[group].get(name):
        module, _, attribute = target.partition(":")
        return getattr(importlib.import_module("." + module, __package__), attribute)
    found = {(entry.value, _distribution(entry)): entry for entry in _entries(group) if entry.name == name}
    if len(found) > 1:
        who = " and ".join(sorted(distribution for _, distribution in found))
        raise PluginError(f"two plug-ins call themselves {name}: {who}", hint="uninstall the one that you do not want")
    if not found:
        raise PluginError(
            f"there is no {ROLE_NAMES[group]} {spoken(name, _known(group))}", hint=_how_to_install(group, name)
        )
    (entry,) = found.values()
    try:
        loaded: Any = entry.load()
    except (Exception, SystemExit) as e:
        raise PluginError(
            f"the {ROLE_NAMES[group]} {name} of {_distribution(entry)} cannot be loaded ({type(e).__name__})",
            hint=f"reinstall it: pip install --force-reinstall {_distribution(entry)}",
        ) from e
    if flaw := _flaw(loaded, group):
        raise PluginError(
            f"the {ROLE_NAMES[group]} {name} of {_distribution(entry)} {flaw}", hint="ask its author to mend it"
        )
    return loaded


def _flaw(loaded: Any, group: str) -> str:
    """Which promise of its role the class does not keep, if any. Its rows may not take the place of ours."""
    methods = _FAR_METHODS if group == CACHES and getattr(loaded, "far", False) else _METHODS[group]
    for wanted in ("settings", "locator", *methods):
        if not hasattr(loaded, wanted):
            return f"has no {wanted}"
    if not callable(loaded) or not all(callable(getattr(loaded, method)) for method in methods):
        return f"has no methods {', '.join(methods)}"
    rows = loaded.settings
    if not isinstance(rows, tuple) or not all(isinstance(row, Setting) and "." in row.name for row in rows):
        return "has settings that are not a tuple of Setting, each named <plug-in>.<name>"
    ours = {*BUILT_IN[PROVIDERS], *BUILT_IN[CACHES]}
    if taken := [row.name for row in rows if row.name.partition(".")[0] in ours]:
        return f"declares {taken[0]}, which is a setting of a built-in plug-in"
    if loaded.locator is not None and loaded.locator not in {row.name for row in rows}:
        return "has a locator that is not among its settings"
    return ""


def known_names(table: str = "") -> set[str]:
    """Every name that a profile may have a table for; or the rows of that table, whichever role they belong to."""
    if not table:
        return _known(PROVIDERS) | _known(CACHES)
    rows: set[str] = set()
    for group in ROLE_NAMES:
        with contextlib.suppress(PluginError):
            rows |= {row.name for row in load(group, table).settings}
    return rows


def _known(group: str) -> set[str]:
    return {*BUILT_IN[group], *DISTRIBUTIONS, *(entry.name for entry in _entries(group))}


def _entries(group: str) -> "list[EntryPoint]":
    """Every entry point of the group; PluginError when what some installer left behind cannot be read."""
    from importlib.metadata import entry_points  # slow to import, and the built-in plug-ins need none

    try:
        return [*entry_points(group=group)]
    except Exception as e:
        raise PluginError(
            f"the entry points of the installed packages cannot be read ({type(e).__name__})",
            hint="a package left a broken entry_points.txt behind; install into a new environment",
        ) from e


def _how_to_install(group: str, name: str) -> str:
    other = CACHES if group == PROVIDERS else PROVIDERS
    if name in BUILT_IN[other] or any(entry.name == name for entry in _entries(other)):
        return f"{name} is a {ROLE_NAMES[other]}"
    if distribution := DISTRIBUTIONS.get(name):
        return f"pip install {distribution}"
    return f"{nearest(name, _known(group))}; `gc-credhelper plugins` lists what is installed"


def _distribution(entry: "EntryPoint") -> str:
    return entry.dist.name if entry.dist else "an unknown distribution"


@dataclass(frozen=True, slots=True)
class Installed:
    """A row of `plugins`: role, name, distribution with version, and what is wrong with it, if anything."""

    role: str
    name: str
    distribution: str
    version: str
    problem: str = ""


def installed() -> list[Installed]:
    """Everything that `load` could find, without loading it."""
    from . import __version__

    rows = []
    for group, role in ROLE_NAMES.items():
        rows += [Installed(role, name, "gc-credhelper", __version__) for name in BUILT_IN[group]]
        entries = {(entry.name, entry.value, _distribution(entry)): entry for entry in _entries(group)}
        names = [name for name, _, _ in entries]
        for (name, _, distribution), entry in sorted(entries.items()):
            problem = "shadowed by the built-in one" if name in BUILT_IN[group] else ""
            if names.count(name) > 1:
                problem = "two of this name"
            rows.append(Installed(role, name, distribution, entry.dist.version if entry.dist else "", problem))
    rows.append(Installed(ROLE_NAMES[CACHES], "none", "gc-credhelper", __version__))
    return rows
