"""Resumable: a file in the making that loses nothing when its writer ends, however it ends.

PATH.part      the rows so far
PATH.state     the journal: what is about to be written, and where each page ends; locked by whoever writes

The journal tells the CRC-32 of the part up to each page. So it need not be known in which order a disk that lost its
power wrote the two: what counts is the last page up to which the part is what the journal says. When all is there, the
part becomes PATH, and until then an older PATH stays as it is.
"""

import contextlib
import os
import stat
import sys
import time
import zlib
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from . import journal
from .errors import TemporaryError, UsageError
from .journal import Position
from .locks import try_lock
from .report import Report

_PACE = 1.0  # seconds between two writes to the disk itself: what a loss of power may cost
_AGAIN = "--restart begins anew, and another --file leaves it as it is"

if sys.platform != "win32":
    _FLAGS = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW
else:  # pragma: no cover
    _FLAGS = os.O_RDWR | os.O_CREAT | os.O_BINARY


class Resumable:
    """A context manager. `at`: behind the last page that is safe."""

    def __init__(self, path: str, about: dict[str, Any], report: Report, *, restart: bool) -> None:
        """`about`: what must be the same for one writer to go on where another stopped, and nothing secret. `restart`:
        forget what another has written.
        """
        self._path = Path(path)
        self._part_path, self._state_path = (
            self._path.with_name(self._path.name + suffix) if self._path.name else self._path
            for suffix in (".part", ".state")
        )
        self._about = about
        self._report = report
        self._restart = restart
        self._part = self._state = -1  # descriptors
        self._is_ours = False
        self._synced = time.monotonic()
        self.at = Position()
        self._end = 0  # of the journal
        self._before = (0, Position())  # end of the journal, and position, before the list that `at` lies in

    def __enter__(self) -> Self:
        """UsageError: it cannot be written, or is of something else. TemporaryError: another process writes it."""
        try:
            with self._told():
                self._open()
        except BaseException:
            self._close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.at.rows:
            self._report.note(f"{self.at.rows} rows are in {self._part_path}; the same command goes on behind them")
        self._close()

    def write(self, content: bytes, *, rows: int, list: int, page: int, ids: int) -> None:
        """One page of so many rows; the rest as in a Position. UsageError."""
        check = zlib.crc32(content, self.at.check)
        at = Position(list, page, self.at.rows + rows, self.at.bytes + len(content), check, ids)
        line = journal.entry(at)
        with self._told():
            _write(self._part, content)
            _write(self._state, line)
            self._reached(at, len(line))
            if time.monotonic() - self._synced >= _PACE:
                os.fsync(self._part)
                os.fsync(self._state)
                self._synced = time.monotonic()

    def back(self) -> None:
        """To before the list that `at` lies in. UsageError."""
        self._end, self.at = self._before
        with self._told():
            self._cut()

    def finish(self) -> None:
        """Put the file in its place. UsageError."""
        rows = self.at.rows
        with self._told():
            os.fsync(self._part)
            os.close(self._part)
            self._part = -1
            self._part_path.replace(self._path)
            _sync_directory(self._path.parent)
            os.ftruncate(self._state, 0)  # so that it is nobody's, where an open file cannot be deleted
        self.at = Position()
        self._report.note(f"{rows} rows are in {self._path}")

    def _open(self) -> None:
        path = self._path
        if not path.name or (path.exists() and not path.is_file()):
            raise UsageError(f"{path} is not a file that can be replaced", hint="name a file, new or old")
        self._lock()
        with open(self._state, "rb", closefd=False) as lines:
            version, about = lines.readline(journal.LONGEST), lines.readline(journal.LONGEST)
            if not (version.startswith(journal.MAGIC) or journal.MAGIC.startswith(version)):
                raise UsageError(f"{self._state_path} is not of an export", hint="name another --file")
            self._part = _opened(self._part_path)
            if self._restart or not os.fstat(self._part).st_size:
                self._begin()
                return
            self._check(version, about)
            self._end = len(version) + len(about)
            self._before = (self._end, Position())
            self._recover(lines)
        self._is_ours = True
        self._cut()
        self._report.note(f"going on behind row {self.at.rows} of {self._part_path}")

    def _lock(self) -> None:
        """Open the state, which nobody else writes. Whoever wrote it last may delete it while we look."""
        while True:
            self._state = _opened(self._state_path)
            try:
                mine = try_lock(self._state)
            except OSError:
                mine = True
                text = f"no lock can be held on {self._state_path}: let no other export write {self._path}"
                self._report.warn(text)
            if not mine:
                hint = "wait until it has ended, or name another --file"
                os.close(self._state)
                self._state = -1
                raise TemporaryError(f"another export writes {self._path}: it holds {self._state_path}", hint=hint)
            with contextlib.suppress(FileNotFoundError):
                if os.path.samestat(os.fstat(self._state), self._state_path.stat()):
                    return
            os.close(self._state)

    def _begin(self) -> None:
        header = journal.header(self._about)
        self._is_ours = True
        self.at, self._end = Position(), 0
        self._cut()
        _write(self._state, header)
        os.fsync(self._state)
        _sync_directory(self._path.parent)
        self._end = len(header)
        self._before = (self._end, self.at)

    def _check(self, version: bytes, about: bytes) -> None:
        """UsageError unless another writer of the same was at work."""
        if not version:
            text = f"{self._part_path} is there, and {self._state_path}, which tells what it is, is not"
            raise UsageError(text, hint=_AGAIN)
        if version != journal.VERSION:
            raise UsageError(f"{self._state_path} is of another version of gc-credhelper", hint=_AGAIN)
        found = journal.read_about(about)
        if found is None:
            raise UsageError(f"{self._state_path} is damaged", hint=_AGAIN)
        if found != self._about:
            other = [name for name in {**self._about, **found} if found.get(name) != self._about.get(name)]
            raise UsageError(f"{self._part_path} is of another export, by its {', '.join(sorted(other))}", hint=_AGAIN)

    def _recover(self, lines: Any) -> None:
        """Find the last page up to which the part is what the journal says."""
        check = 0
        os.lseek(self._part, 0, os.SEEK_SET)
        with open(self._part, "rb", closefd=False) as part:
            while at := journal.read_entry(line := lines.readline(journal.LONGEST)):
                content = part.read(max(0, at.bytes - self.at.bytes))
                check = zlib.crc32(content, check)
                if self.at.bytes + len(content) != at.bytes or check != at.check:
                    text = f"{self._part_path} is not what was written behind row {self.at.rows}"
                    self._report.warn(f"{text}: the rows from there on are fetched again")
                    return
                self._reached(at, len(line))

    def _reached(self, at: Position, length: int) -> None:
        """The next page, and its line of that many bytes."""
        if at.list != self.at.list:
            self._before = (self._end, self.at)
        self.at = at
        self._end += length

    def _cut(self) -> None:
        """Drop what lies behind the position, in both files."""
        for file, end in ((self._part, self.at.bytes), (self._state, self._end)):
            os.ftruncate(file, end)
            os.lseek(file, end, os.SEEK_SET)

    def _close(self) -> None:
        """Leave nothing behind where nothing was written."""
        with contextlib.suppress(OSError):
            if self._is_ours and not self.at.bytes and self._part != -1:
                self._part_path.unlink()
                os.ftruncate(self._state, 0)
            if self._state != -1 and not os.fstat(self._state).st_size:
                self._state_path.unlink()
        for file in (self._part, self._state):
            if file != -1:
                os.close(file)

    @contextlib.contextmanager
    def _told(self) -> Iterator[None]:
        try:
            yield
        except OSError as e:
            hint = "check the directory, its space and who may write"
            raise UsageError(f"{self._path} cannot be written: {e.strerror}", hint=hint) from None


def _opened(path: Path) -> int:
    """A file of ours that nobody else can read, new or old. UsageError, OSError."""
    file = os.open(path, _FLAGS, 0o600)
    st = os.fstat(file)
    if not stat.S_ISREG(st.st_mode) or (hasattr(os, "geteuid") and st.st_uid != os.geteuid()):
        os.close(file)
        raise UsageError(f"{path} is not a file of yours", hint="name another --file")
    if st.st_mode & 0o077 and hasattr(os, "fchmod"):
        os.fchmod(file, 0o600)
    return file


def _write(file: int, content: bytes) -> None:
    view = memoryview(content)
    while view:
        view = view[os.write(file, view) :]


def _sync_directory(path: Path) -> None:
    """So that new names outlive a loss of power, where directories can be opened."""
    with contextlib.suppress(OSError):
        file = os.open(path, os.O_RDONLY)
        try:
            os.fsync(file)
        finally:
            os.close(file)
