"""What an author says about a plug-in: its name, and how a test reaches a store for it.

Variables are those of a user: the store's own (`VAULT_ADDR`) and those of the plug-in's rows (`GC_CREDHELPER_VAULT_…`).
A field without a default has to be thought about: None says that there is no such thing.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

Variables = Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class ProviderCase:
    """A credential provider.

    name: of its entry point. reference: what stands behind the colon, such as `secret/ci` in `vault:secret/ci`.
    put: has the store hold this id and this secret, neither for None, and returns the variables that lead there.
    unreachable: variables to change so that the store cannot be reached. silent: so that it never answers.
    files: those on this machine that decide which secret is meant. writer: variables to change for a login that may
    write, where it can be stored with the plug-in and takes another login.
    """

    name: str
    put: Callable[[str | None, str | None], Variables] = field(repr=False)
    unreachable: Variables | None
    silent: Variables | None
    reference: str | None = None
    files: Sequence[Path] = ()
    writer: Variables = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class CacheCase:
    """A cache backend, on a store that is empty.

    name, reference, unreachable, silent: as in ProviderCase. env: the variables that lead to the store.
    damage: spoils whatever the store holds. directory: where its files lie, if it keeps files of its own.
    one_process: it is gone with its process. lists: it can list its keys.
    """

    name: str
    env: Variables
    unreachable: Variables | None
    silent: Variables | None
    damage: Callable[[], object] | None
    directory: Path | None
    reference: str | None = None
    one_process: bool = False
    lists: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class FarCase:
    """A far cache, on a store that is empty and that every machine of the test can reach.

    name, reference, env, unreachable, silent: as in CacheCase. read_only: variables of a login that may only read.
    end: ends the entry of a key as the store's own clock or its operator would.
    """

    name: str
    env: Variables
    unreachable: Variables | None
    silent: Variables | None
    read_only: Variables | None
    end: Callable[[str], object] | None
    reference: str | None = None
