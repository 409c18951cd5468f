"""Progress: a bar on stderr while a long walk goes on, where that is a terminal; nothing anywhere else."""

import sys
import time
from types import TracebackType
from typing import Any, Self

_LONG = 2.0  # seconds after which a walk is long


class Progress:
    """A context manager. Without the package `rich` (the extra `api`) it shows nothing."""

    def __init__(self, what: str) -> None:
        """`what`: is counted."""
        self._what = what
        self._began = time.monotonic()
        self._bar: Any = None
        self._task: Any = None
        self._shows = sys.stderr is not None and sys.stderr.isatty()

    def update(self, done: int, total: int | None) -> None:
        """So many rows of so many, or of nobody knows how many."""
        if not self._shows or time.monotonic() - self._began < _LONG:
            return
        if self._bar is None:
            self._start()
        if self._bar:
            self._bar.update(self._task, completed=done, total=total)

    def _start(self) -> None:
        try:
            from rich.console import Console
            from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn
            from rich.progress import Progress as Bar
        except ImportError:
            self._shows = False
            return
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
        # Rows may go to the same terminal: what they print is not its to redirect.
        self._bar = Bar(*columns, console=Console(stderr=True), transient=True, redirect_stdout=False)
        self._task = self._bar.add_task(self._what, total=None)
        self._bar.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bar:
            self._bar.stop()
