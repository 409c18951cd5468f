"""Secrets that tests make up, the hunt for them in all that is said, and plug-ins built as the core builds them."""

import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import pytest

from gc_credhelper.config import Layers
from gc_credhelper.deadline import Deadline
from gc_credhelper.errors import Error
from gc_credhelper.plan import Inputs, encode
from gc_credhelper.private import PrivateDir
from gc_credhelper.report import Report
from gc_credhelper.roles import Context

E = TypeVar("E", bound=Error)

_secrets: set[str] = set()


def canary(value: str) -> str:
    """The value itself; from now on no output may hold it."""
    _secrets.add(value)
    return value


def hunt(text: str) -> str:
    """The text itself, in which no secret may be."""
    for value in _secrets:
        assert value.lower() not in text.lower(), "a secret was shown"
    return text


def failing(kind: type[E], work: Callable[[], object]) -> E:
    """The error that `work` ends in: of exactly that kind, with a hint, and without a secret in text and traceback."""
    with pytest.raises(Error) as caught:
        work()
    error = caught.value
    hunt("".join(traceback.format_exception(error)) + error.hint)
    assert type(error) is kind, f"{type(error).__name__}: {error}"
    assert error.hint
    assert "{" not in str(error) + error.hint.replace('{"client_id"', ""), "a template was not filled"
    return error


class Said(Report):
    """Keeps what it is told."""

    def __init__(self) -> None:
        super().__init__(1)
        self.lines: list[str] = []

    def _write(self, kind: str, text: str) -> None:
        self.lines.append(hunt(f"{kind}: {text}"))


def soon(seconds: float = 20) -> Deadline:
    """Time enough."""
    return Deadline(seconds)


@dataclass
class Built:
    """A plug-in, what it was told and what it asked for."""

    plugin: Any
    said: list[str]
    inputs: Inputs


def build(cls: Any, inputs: Inputs, directory: Path, settings: Mapping[str, object]) -> Built:
    """A plug-in of that class, as the core builds it. `settings`: values by the names of its rows."""
    layers = Layers(inputs, {name: (value, f"--set {name}") for name, value in settings.items()})
    report = Said()
    values = {row.name: layers.one(row).value for row in cls.settings}
    assert settings.keys() <= values.keys()
    return Built(cls(Context(values, inputs, report, PrivateDir("-" + str(directory)))), report.lines, inputs)


def variables(directory: Path, env: Mapping[str, str]) -> Inputs:
    """A process with these variables, whose HOME is the directory."""
    return Inputs([], {encode(name): encode(value) for name, value in {"HOME": str(directory), **env}.items()})
