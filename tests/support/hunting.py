"""Secrets that tests make up, and the hunt for them in all that is said."""

import traceback
from collections.abc import Callable
from typing import TypeVar

import pytest

from gc_credhelper.deadline import Deadline
from gc_credhelper.errors import Error
from gc_credhelper.report import Report

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
