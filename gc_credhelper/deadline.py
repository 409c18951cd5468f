"""Deadline: the time that a whole command has, and what each stage of it may take."""

import random
import threading
import time
from collections.abc import Callable
from typing import TypeVar

from .errors import TemporaryError

T = TypeVar("T")

_FIRST, _MOST = 0.5, 8.0  # seconds: bounds of `backoff`
THREAD = "gc-credhelper"  # the name of every thread that `run` starts


class Deadline:
    """Counts down from `seconds` on the monotonic clock."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self._end = time.monotonic() + seconds

    def left(self) -> float:
        """Seconds that remain, never negative."""
        return max(0.0, self._end - time.monotonic())

    def share(self, part: float = 1.0, *, most: float = float("inf")) -> "Deadline":
        """A deadline for one stage: `part` of what remains, and not more than `most` seconds."""
        return Deadline(min(self.left() * part, most))

    def run(self, work: Callable[[], T], what: str) -> T:
        """The result of `work`, or TemporaryError at the deadline, whatever it hangs in (a look-up of a name has no
        time-out of its own, and a server may send one byte a second). The thread that hangs is left behind.
        """
        result: list[T] = []
        failure: list[BaseException] = []

        def target() -> None:
            try:
                result.append(work())
            except BaseException as e:  # noqa: BLE001  # raised again in the caller's thread
                failure.append(e)

        thread = threading.Thread(target=target, daemon=True, name=THREAD)
        thread.start()
        thread.join(min(self.left(), threading.TIMEOUT_MAX))
        if failure:
            raise failure[0]
        if not result:
            raise TemporaryError(f"{what} took longer than {self.seconds:.1f} s", hint="try again, or raise --deadline")
        return result[0]


def backoff(failures: int) -> float:
    """Seconds to wait after so many failures that named no time, with full jitter."""
    return random.uniform(0, min(_MOST, _FIRST * 2 ** min(failures, 9)))  # noqa: S311


class Pauses:
    """Sleeps that grow from `first` to `most` seconds with jitter, so that waiters do not move in step."""

    def __init__(self, first: float, most: float) -> None:
        self._next = first
        self._most = most

    def sleep(self, deadline: Deadline) -> None:
        """Once, and not beyond the deadline."""
        time.sleep(min(deadline.left(), self._next * random.uniform(0.5, 1.0)))  # noqa: S311
        self._next = min(self._most, self._next * 1.6)
