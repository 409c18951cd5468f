"""Bench: a plug-in in this process, built as the core builds it, and what it said, asked for and did meanwhile."""

import contextlib
import functools
import os
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

import pytest

from .. import plugins
from ..config import Layers
from ..deadline import Deadline
from ..errors import Error
from ..plan import Inputs, decode, encode
from ..private import PrivateDir
from ..report import Report
from ..roles import Context
from ..settings import Layer, Origin, Setting
from .machine import PASSED_ON

P = ParamSpec("P")
T = TypeVar("T")
E = TypeVar("E", bound=Exception)

ENOUGH = 20.0  # seconds, for what works
_ASKING = ("socket.connect", "socket.getaddrinfo", "subprocess.Popen", "os.system", "os.posix_spawn", "sqlite3.connect")
_watchers: list[list[str]] = []


class Heard(Report):
    """Keeps what it is told."""

    def __init__(self) -> None:
        super().__init__(verbosity=1)
        self.lines: list[str] = []

    def _write(self, kind: str, text: str) -> None:
        self.lines.append(f"{kind}: {text}")


def context(
    rows: Sequence[Setting], locator: str | None, reference: str | None, inputs: Inputs, report: Report
) -> Context:
    """What the core would build a plug-in from. The reference fills the locator."""
    layers = Layers(inputs, {})
    values = {row.name: layers.one(row).value for row in rows}
    if reference is not None:
        (row,) = (row for row in rows if row.name == locator)
        values[row.name] = row.read(reference, Origin(Layer.FLAG, "the case's reference")).value
    home = decode(inputs.environ[b"HOME"])
    return Context(values, inputs, report, PrivateDir(f"-{home}"))


load = functools.cache(plugins.load)  # what is installed does not change while tests run, and is slow to list


def build(
    group: str, name: str, reference: str | None, environ: Mapping[str, str], report: Report
) -> tuple[Any, Inputs]:
    """The plug-in, and the inputs that it asked."""
    inputs = Inputs([], {encode(variable): encode(value) for variable, value in environ.items()})
    loaded = load(group, name)
    return loaded(context(loaded.settings, loaded.locator, reference, inputs, report)), inputs


class Bench:
    """For one test. `os.environ` is that of the machine, so that a plug-in's library sees what the plug-in sees."""

    def __init__(self, group: str, name: str, reference: str | None, environ: Callable[..., dict[str, str]]) -> None:
        """`environ`: of a command of the machine, with these variables."""
        self.group = group
        self.name = name
        self.reference = reference
        self.report = Heard()
        self.inputs: Inputs | None = None
        self._environ = environ

    @property
    def loaded(self) -> Any:
        """The class."""
        return load(self.group, self.name)

    def build(self, env: Mapping[str, str]) -> Any:
        """The plug-in, with these variables."""
        environ = self._environ(env)
        for name in {*os.environ} - {*environ}:
            if not name.startswith((*PASSED_ON, "PYTEST_")):
                del os.environ[name]
        os.environ.update(environ)
        plug_in, self.inputs = build(self.group, self.name, self.reference, environ, self.report)
        return plug_in

    def asked(self) -> set[str]:
        """Variables and files that the last one asked the inputs for."""
        assert self.inputs, "nothing was built yet"
        return {decode(name) for _, name in self.inputs.record}


@contextlib.contextmanager
def own_environ() -> Iterator[None]:
    """The variables as they were, afterwards."""
    before = dict(os.environ)
    try:
        yield
    finally:
        for name in {*os.environ} - {*before}:
            del os.environ[name]
        os.environ.update(before)


@contextlib.contextmanager
def watched() -> Iterator[list[str]]:
    """What is done meanwhile to ask a store: connections, look-ups of names, processes, databases."""
    _install_hook()
    seen: list[str] = []
    _watchers.append(seen)
    try:
        yield seen
    finally:
        _watchers.remove(seen)


@functools.cache
def _install_hook() -> None:
    """Once, since an audit hook cannot be taken away."""

    def hook(event: str, _: object) -> None:
        if _watchers and event in _ASKING:
            for seen in _watchers:
                seen.append(event)

    sys.addaudithook(hook)


def failing(kind: type[E], work: Callable[P, object], *args: P.args, **kwargs: P.kwargs) -> E:
    """The error of that kind that `work` ends in. Of another one only the kind is shown: its text may hold a secret."""
    fault: Exception | None = None
    try:
        work(*args, **kwargs)
    except kind as e:
        return e
    except Exception as e:  # noqa: BLE001
        fault = e
    pytest.fail(f"{kind.__name__} was expected, and not {type(fault).__name__ if fault else 'success'}")


def said_by(error: BaseException) -> str:
    """All that a person could come to see of it."""
    hint = error.hint if isinstance(error, Error) else ""
    return "".join(traceback.format_exception(error)) + hint


def shows(text: str, *secrets: str) -> bool:
    """Does it hold one of them, in any case of letters?"""
    return any(secret.lower() in text.lower() for secret in secrets)


def at_once(work: Sequence[Callable[[], T]]) -> list[T | Exception]:
    """Each in a thread of its own, all started together: what it returned or raised."""
    start = threading.Barrier(len(work))
    results: dict[int, T | Exception] = {}

    def run(number: int, one: Callable[[], T]) -> None:
        start.wait(ENOUGH)
        try:
            results[number] = one()
        except Exception as e:  # noqa: BLE001  # the test looks at it
            results[number] = e

    threads = [threading.Thread(target=run, args=(number, one)) for number, one in enumerate(work)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(2 * ENOUGH)
    assert len(results) == len(work), "a thread still runs"
    return [results[number] for number in range(len(work))]


def within(seconds: float, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """The result. A test that fails in place of one that hangs."""
    result: list[T] = []
    failure: list[BaseException] = []

    def target() -> None:
        try:
            result.append(work(*args, **kwargs))
        except BaseException as e:  # noqa: BLE001  # raised again below
            failure.append(e)

    thread = threading.Thread(target=target, daemon=True)
    thread.start()
    thread.join(seconds)
    if failure:
        raise failure[0]
    assert result, f"it took longer than {seconds:.0f} s"
    return result[0]


def until(true: Callable[[], object], seconds: float = ENOUGH) -> None:
    """Wait for it; a failure when it does not come."""
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.02)


def soon(seconds: float = ENOUGH) -> Deadline:
    """A deadline."""
    return Deadline(seconds)


def modes(directory: Path) -> dict[str, int]:
    """The permissions of every file below."""
    return {path.name: path.stat().st_mode & 0o777 for path in directory.rglob("*") if path.is_file()}
