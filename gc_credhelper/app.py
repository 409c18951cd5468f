"""App: the composition root, the one module that knows every concrete class."""

import functools
import os
import zlib
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from . import notes, plan, plugins, slots
from .config import Flags, Layers
from .deadline import Deadline
from .entry import Entry, Whose
from .errors import Error, UsageError
from .fetch import Fetch
from .filecache import FileCache
from .liveness import Liveness
from .plan import Inputs, Plan
from .plugins import CACHES, PROVIDERS, Reference
from .private import PrivateDir
from .protocols import Request, is_ours, place
from .report import Report
from .roles import CacheBackend, Context, CredentialProvider, is_far
from .settings import SETTINGS, Layer
from .shared import Shared
from .source import TokenSource
from .wire import Wire

if TYPE_CHECKING:
    from .calls import Calls
    from .platform import Platform


class App(Wire):
    """What one command line, or one library call, resolved to. Each part is built when it is first needed."""

    def __init__(self, inputs: Inputs, flags: Flags, report: Report) -> None:
        """UsageError, PluginError. Reads the config file and loads the plug-ins that are named; asks no store."""
        self.inputs = inputs
        self.report = report
        self._flags = flags
        self._id_is_learned = False
        self.caller = 0  # see `repeated`
        rows = {row.name: row for row in SETTINGS}
        layers = Layers(inputs, flags)
        pool = layers.one(rows["provider"]).value
        self._caches = [Reference.parse(item) for item in layers.one(rows["cache"]).value]
        if any(reference.name == "none" for reference in self._caches):
            if len(self._caches) > 1:
                raise UsageError("cache none stands beside another cache", hint="name none alone, or the others")
            self._caches = []
        self.provider_name = Reference.parse(pool[0]).name
        self._provider_class = plugins.load(PROVIDERS, self.provider_name)
        self._cache_classes = [plugins.load(CACHES, reference.name) for reference in self._caches]
        if any(map(is_far, self._cache_classes[:-1])):
            raise UsageError("a cache that machines share stands before another", hint="name it last, and only one")
        for loaded in (self._provider_class, *self._cache_classes):
            rows |= {row.name: row for row in loaded.settings}
        tables = {name.rpartition(".")[0] for name in rows}
        self.rows = rows
        self.settings = layers.resolve(rows.values(), tables, plugins.known_names)
        self.seconds: float = self.settings["deadline"]  # see `hasty`
        self.slot = slots.find(self.settings, inputs, len(pool))
        self._provider_written = self.slot.dealt(pool)

    def of_each_slot(self) -> "list[App]":
        """What the same command line means to the caller of each slot."""
        numbers = range(self.slot.count)
        return [self if number == self.slot.number else self._but(slot=(number, "each slot")) for number in numbers]

    def _but(self, **flags: tuple[object, str]) -> "App":
        """What the same command line with these flags means."""
        return App(self.inputs, {**self._flags, **flags}, self.report)

    def _remembering(self) -> "App":
        """The same, when no token is kept, for many requests, which together need but one."""
        return self._but(cache=(["memory"], "requests of one process"))

    @property
    def pinned(self) -> str | None:
        """The client id that a setting names. UsageError when there is not one for each client of the pool."""
        ids, clients = self.settings["client_id"], len(self.settings["provider"])
        if ids and len(ids) != clients:
            raise UsageError(
                f"client_id ({self.settings.origin('client_id')}) names {len(ids)}, and provider {clients}",
                hint="name one id for each client of the pool, in the same order",
            )
        return self.slot.dealt(ids) if ids else None

    @property
    def client_ids(self) -> list[str]:
        """Of every client of the pool. Every error of TokenSource.token, for a provider may have to be asked."""
        apps = {app._provider_written: app for app in (*self.of_each_slot(), self)}  # noqa: SLF001  # of this class
        return sorted({app.source.entry().whose.client_id for app in apps.values()})

    def repeated(self) -> None:
        """Say that whoever called this command may call it again at once when it fails, as some of its callers do."""
        line = "\0".join([str(os.getppid()), *self.inputs.argv])
        self.caller = zlib.crc32(line.encode("utf-8", "surrogateescape")) or 1

    def hasty(self, seconds: float) -> None:
        """Say that whoever called this command gives up soon: that is the deadline, unless somebody set one."""
        if self.settings.origin("deadline").layer == Layer.DEFAULT:
            self.seconds = seconds

    @functools.cached_property
    def directory(self) -> PrivateDir:
        """The cache directory: locks, notes, gates, rejections, and the file cache unless it has its own."""
        path = self.settings["cache_dir"]
        return PrivateDir(plan.named(path, self.inputs) if path else plan.cache_home(self.inputs)[0])

    @functools.cached_property
    def caches(self) -> Sequence[tuple[str, CacheBackend]]:
        """Near to far. One that cannot be built is a warning, as every failure of a cache is."""
        built: list[tuple[str, CacheBackend]] = []
        for reference, cls in zip(self._caches, self._cache_classes, strict=True):
            if not is_far(cls) and (cache := self._built(reference, cls)):
                built.append((reference.name, cache))
        return built

    @functools.cached_property
    def far(self) -> Shared | None:
        """The cache that machines share, if the list ends in one."""
        if not any(map(is_far, self._cache_classes[-1:])):
            return None
        store = self._built(self._caches[-1], self._cache_classes[-1])
        return store and Shared(self._caches[-1].name, store, self.report, strict=self.settings["strict"])

    def _built(self, reference: Reference, cls: Any) -> Any:
        context = self._context("cache", cls, reference)
        try:
            return cls(context)
        except Error:
            raise
        except Exception as e:  # noqa: BLE001  # a plug-in may raise anything
            self.report.warn(f"the cache {reference.name} is not used: {type(e).__name__}")
            return None

    @functools.cached_property
    def provider(self) -> CredentialProvider:
        """The one provider. UsageError, CredentialsError when what it needs is missing or ambiguous."""
        context = self._context("provider", self._provider_class, Reference.parse(self._provider_written))
        if self.provider_name == "command" and Layer.PROFILE in (
            self.settings.origin("provider").layer,
            self.settings.origin("command.argv").layer,
        ):
            from .command import check_config_file

            check_config_file(self.settings["config"])
        provider: CredentialProvider = self._provider_class(context)
        return provider

    def _context(self, role: str, cls: Any, reference: Reference) -> Context:
        """The reference fills the locator of its role, unless a nearer layer sets that."""
        values = {row.name: self.settings[row.name] for row in cls.settings}
        if reference.reference:
            if cls.locator is None:
                raise UsageError(f"the {role} {reference.name} takes no reference ({self.settings.origin(role)})")
            if not self.settings.nearer(cls.locator, role):
                origin = self.settings.origin(role)
                values[cls.locator] = self.rows[cls.locator].read(reference.reference, origin).value
            elif role == "provider" and len(self.settings["provider"]) > 1:
                raise UsageError(
                    f"{cls.locator} ({self.settings.origin(cls.locator)}) takes the place of a whole pool",
                    hint=f"unset it, or name one client with provider {reference.name}",
                )
        return Context(values, self.inputs, self.report, self.directory)

    @functools.cached_property
    def source(self) -> TokenSource:
        """The use case, with everything that it is handed. UsageError for a region that is not known."""
        _ = self.endpoints  # before any store is asked
        fetch = Fetch(lambda: self.provider, self.exchanger, self.pinned, self.report, self.caller)

        def find(deadline: Deadline) -> Entry:
            known, by = fetch.known_client_id(deadline), "setting" if self.pinned else "provider"
            if known is None:
                self._id_is_learned = True
                known, by = notes.recalled_client_id(self.home, self._identity), "note"
            if known is None:
                known, by = fetch.ask_client_id(deadline), "store"
            entry = self.entry(known)
            self.report.fact("client", by, client_id=known, key=entry.key)
            return entry

        return TokenSource(
            find=find,
            reopen=self.entry,
            fetch=fetch,
            liveness=Liveness(
                self.settings["verify"], lambda token, limit: self.platform().client_id(token, limit), self.report
            ),
            seconds=self.seconds,
            min_ttl=self.settings["min_ttl"],
            report=self.report,
            api_url=self.endpoints.api_url,
            remembering=None if self._caches else lambda: self._remembering().source,
            is_ours=lambda url: is_ours(Request(*place(url)), self.endpoints, self.settings["helper_hosts"] or ()),
        )

    def platform(self) -> "Platform":
        """The Platform API. UsageError when nothing says where it is."""
        from .platform import Platform

        return Platform(self.source.api_url, self.transport())

    def calls(self, connections: int | None = None, *, refresh: bool = False) -> "Calls":
        """Requests to the Platform API, with the tokens of all slots, this caller's first. `connections`: of a walk,
        which may take longer than the deadline when nobody set one. `refresh`: with a new token, for everyone.
        UsageError when nothing says where the API is, and with `refresh` every error of TokenSource.token.
        """
        from .calls import Calls

        if not self._caches:
            return self._remembering().calls(connections)
        seconds = self.settings["deadline"]
        bounded = connections is None or self.settings.origin("deadline").layer != Layer.DEFAULT
        deadline = Deadline(seconds) if bounded else None
        if refresh:
            self.source.token(refresh=True, deadline=deadline)
        apps = sorted(self.of_each_slot(), key=lambda one: one is not self)
        return Calls(
            self.source.api_url,
            {app.slot.number: app.source for app in apps},
            self.transport(),
            self.report,
            deadline=deadline,
            seconds=seconds,
            connections=connections or 1,
        )

    def entry(self, client_id: str) -> Entry:
        """Everything under the key of that client."""
        whose = Whose(self.endpoints.token_url, self.settings["client_auth"], client_id, self.slot.number)
        return Entry(whose, self.caches, self.directory, self.report, self.far, seconds=self.seconds)

    @property
    def home(self) -> PrivateDir:
        """Where a launcher looks for notes: it knows the environment, and no profile yet."""
        return PrivateDir(plan.cache_home(self.inputs)[0])

    @property
    def _identity(self) -> Inputs:
        """What the provider's client id depends on, in place of the command line: every command shares what it learned.

        The empty word first sets it apart from any command line.
        """
        rows = [f"{row.name}={self.settings[row.name]}" for row in self._provider_class.settings]
        words = ["", self._provider_written, *rows]
        return self.inputs.under(words)

    def learned(self) -> None:
        """Let the next run know the client id, if the provider's store had to be asked for it."""
        if self._id_is_learned:
            notes.leave(self.home, self._identity, self._plan("raw", ""), self.report)

    def leave_note(self, format: str, api_version: str) -> None:
        """Let the next identical run be a hit."""
        notes.leave(self.home, self.inputs, self._plan(format, api_version), self.report)

    def _plan(self, format: str, api_version: str) -> Plan:
        entry = self.source.entry()
        nearest = self.caches[0][1] if self.caches else None
        return Plan(
            key=entry.key,
            client_id=entry.whose.client_id,
            format=format,
            api_version=api_version,
            min_ttl=self.settings["min_ttl"],
            verify=self.settings["verify"],
            state=self.directory.where,
            store=nearest.directory.where if isinstance(nearest, FileCache) else "",
        )


def environment() -> dict[bytes, bytes]:
    """The environment as `Inputs` takes it."""
    return {plan.encode(name): plan.encode(value) for name, value in os.environ.items()}
