"""Where tokens are kept: each cache with a test entry, the lock, and who else can touch the directories."""

import os
import stat
import sys
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

from .. import tokens
from ..app import App
from ..deadline import Deadline
from ..errors import Error, UsageError
from ..filecache import FileCache
from ..locks import LocalLock
from ..memory import MemoryCache
from ..private import PrivateDir, reason
from ..private_portable import Unsafe
from ..record import Record
from ..roles import CacheBackend, Denied, Finding, LostRace, Snapshot, VersionedStore
from ..tokens import AccessToken
from .configured import findings_of
from .visit import KEY, Visit, foreign, survived

_EACH = 5.0  # seconds that a cache gets, as in a run of `token`
_SHORT = 300  # seconds that a test entry which stays behind lives
_TRIES = 5
_STRANGERS = stat.S_IWGRP | stat.S_IWOTH
_ASK_AGAIN = "until that is mended every call may ask for a token of its own"


def caches(visit: Visit, limit: Deadline) -> Iterator[Finding]:
    """Write, read, compare, delete, under a key of its own."""
    app = visit.resolved
    for name, cache in app.caches:
        try:
            yield from _near(name, cache, limit.share(most=_EACH))
        except Exception as e:  # noqa: BLE001  # a plug-in's cache may raise anything
            where = f" ({cache.directory.path})" if isinstance(cache, FileCache) else ""
            hint = e.hint if isinstance(e, Error) else ""
            yield Finding.warn(f"the cache {name} is not used{where}: {reason(e)}", hint or _ASK_AGAIN)
    if not app.caches:
        yield Finding.ok("none: every call asks for a token of its own" if not app.far else "none on this machine")


def _near(name: str, cache: CacheBackend, limit: Deadline) -> Iterator[Finding]:
    began = time.monotonic()
    if isinstance(cache, FileCache | MemoryCache):
        flaw = _tried(cache)
    else:
        flaw = limit.run(lambda: _tried(cache), f"the cache {name}")
    if flaw:
        yield Finding.warn(f"the cache {name} {flaw}", _ASK_AGAIN)
    else:
        yield Finding.ok(f"{name} keeps what it is given", seconds=time.monotonic() - began)
    if hasattr(cache, "findings"):
        yield from limit.run(lambda: findings_of(cache, limit), f"the cache {name}")


def _tried(cache: CacheBackend) -> str:
    """What is wrong, if anything."""
    key = f"{KEY}{uuid.uuid4().hex}"
    now = time.time()
    text = tokens.dump(AccessToken(f"{KEY}-{uuid.uuid4().hex}", now, now + _SHORT), key, 0, "a test entry of doctor")
    try:
        cache.put(key, text)
        if (found := cache.get(key)) != text:
            return "keeps nothing" if found is None else "changes what it is given"
    finally:
        gone = cache.remove(key)
    if cache.get(key) is not None:
        return "does not delete"
    return "" if gone else "does not say that it deleted something"


def shared(visit: Visit, limit: Deadline) -> Iterator[Finding]:
    """Read and compare-and-set under a key that nobody else uses; then what the plug-in has to say. The record stays,
    empty, since jobs need no right to delete one.
    """
    app = visit.resolved
    far = app.far
    if not far:
        yield Finding.ok("no cache that machines share")
        return
    try:
        yield from foreign(lambda: [*_far(far.name, far.store, limit)], f"the cache {far.name}")
    except Error as e:
        yield _failure(app, e)
    if hasattr(far.plugin, "findings"):
        try:
            yield from foreign(lambda: findings_of(far.plugin, limit), f"the cache {far.name}")
        except Error as e:
            yield survived(e)


def _failure(app: App, error: Error) -> Finding:
    """A job fails open, unless it said otherwise, or the configuration is wrong."""
    is_fatal = app.settings["strict"] or isinstance(error, UsageError)
    return Finding.failed(error) if is_fatal else survived(error)


def _far(name: str, store: VersionedStore, limit: Deadline) -> Iterator[Finding]:
    snapshot = store.read(KEY, limit)
    try:
        text, version = _written(store, snapshot, limit)
    except Denied as e:
        yield Finding.warn(
            f"{name} can be read and not written: {e}", f"right for a job that may only read; else {e.hint}"
        )
        return
    after = store.read(KEY, limit)
    if after.version == version and after.text != text:
        yield Finding.warn(f"{name} changes what it is given", "ask the plug-in's author to mend it")
    elif after.age is None and after.version == version:
        yield Finding.warn(f"{name} does not say how old its entries are", "without that no token from it can be used")
    elif after.version < version:
        yield Finding.ok(f"{name} takes a compare-and-set; a read came from a copy that is behind")
    else:
        yield Finding.ok(f"{name} can be read, and takes a compare-and-set")


def _written(store: VersionedStore, snapshot: Snapshot, limit: Deadline) -> tuple[str, int]:
    text = Record(about="a test record of doctor").dump()
    for _ in range(_TRIES):  # another doctor may be there
        try:
            return text, store.compare_and_set(KEY, snapshot.version, text, limit)
        except LostRace:
            snapshot = store.read(KEY, limit)
    raise Error("every compare-and-set was lost", hint="does something else write under the key doctor?")


def lock(visit: Visit, _: Deadline) -> Iterator[Finding]:
    """Can one be held, and does it keep another out? Of one that cannot exist the lock itself warns."""
    app = visit.resolved
    one = LocalLock(app.directory, KEY, visit.report)
    with one.attempt() as mine:
        try:
            excludes = one.excludes()
        except (OSError, Unsafe):
            return
    if mine and not excludes:
        hint = f"set cache_dir to a directory on a local disk; {_ASK_AGAIN}"
        yield Finding.warn(f"locks in {app.directory.path} keep nobody out, as on some network file systems", hint)
    else:
        yield Finding.ok(f"a lock in {app.directory.path} keeps others out")


def permissions(visit: Visit, _: Deadline) -> Iterator[Finding]:
    """Of our directories, and of the config file, which says where the secret is sent."""
    app = visit.resolved
    found = [*_directories(app), *_config(app)]
    yield from found or [Finding.ok(f"{app.directory.path} is private")]


def _directories(app: App) -> Iterator[Finding]:
    ours: dict[str, PrivateDir] = {one.path: one for one in (app.home, app.directory)}
    ours |= {cache.directory.path: cache.directory for _, cache in app.caches if isinstance(cache, FileCache)}
    for path, directory in ours.items():
        try:
            directory.names()
        except (OSError, Unsafe) as e:
            yield Finding.warn(f"{path} is not used: {reason(e)}", f"when it is yours alone: chmod 700 {path}")


def _config(app: App) -> Iterator[Finding]:
    path = Path(app.settings["config"] or "")
    try:
        mode = path.stat().st_mode
    except OSError:
        return
    if path.is_file() and sys.platform != "win32" and mode & _STRANGERS and path.stat().st_uid == os.geteuid():
        yield Finding.warn(f"others can write {path}, and so choose where the secret is sent", f"chmod go-w {path}")
