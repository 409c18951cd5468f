"""Quiet: warnings of a helper, whose caller may take stderr for a part of the answer. They are kept for `status`."""

import contextlib
import json
import math
import time
from typing import Self

from .private import PrivateDir
from .private_portable import Unsafe
from .report import Report, one_line

_NAME = "helper.warnings"
_MOST = 20  # lines
_VERSION = 1


class Quiet(Report):
    """Says nothing without -v; at its end leaves what it did not say in the directory that it was told."""

    def __init__(self, other: Report) -> None:
        super().__init__(other.verbosity)
        self._lines: list[str] = []
        self._directory: PrivateDir | None = None

    def keep_in(self, directory: PrivateDir) -> None:
        """Where to."""
        self._directory = directory

    def _write(self, kind: str, text: str) -> None:
        if self.verbosity:
            super()._write(kind, text)
        if kind == "warning":
            self._lines.append(one_line(text))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if not self._lines or not self._directory:
            return
        kept = {"version": _VERSION, "at": time.time(), "lines": self._lines[-_MOST:]}
        with contextlib.suppress(OSError, Unsafe):
            self._directory.write(_NAME, json.dumps(kept).encode())


def kept_warnings(directory: PrivateDir) -> tuple[float, list[str]]:
    """When a helper last had something to say, in epoch seconds, and what; nothing for a file that is not sound."""
    try:
        kept = json.loads(directory.read(_NAME))
        at, lines = float(kept["at"]), kept["lines"]
        sound = math.isfinite(at) and isinstance(lines, list) and all(isinstance(line, str) for line in lines)
        if kept["version"] != _VERSION or not sound:
            return 0.0, []
    except (OSError, Unsafe, ValueError, TypeError, KeyError, OverflowError, RecursionError):
        return 0.0, []
    return at, lines[:_MOST]
