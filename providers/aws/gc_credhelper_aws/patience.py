"""Patience: what may pass is asked for again, within the deadline."""

from collections.abc import Callable
from typing import TypeVar

from gc_credhelper.deadline import Deadline, Pauses
from gc_credhelper.errors import TemporaryError
from gc_credhelper.report import Report

T = TypeVar("T")

_TRIES = 3


def patiently(ask: Callable[[], T], deadline: Deadline, report: Report) -> T:
    """The result of `ask`, which must do no harm when it is repeated."""
    pauses = Pauses(0.2, 2)
    for left in reversed(range(_TRIES)):
        try:
            return ask()
        except TemporaryError as e:
            if not left or deadline.left() < 1:
                raise
            report.note(f"{e}; trying again")
            pauses.sleep(deadline.share(most=2))
    raise AssertionError
