"""LocalLock: one holder per key among the threads and processes of this machine.

The kernel drops the file's lock when its holder dies, however it dies. It is only ever tried, never waited for, so that
a caller can look for a fresh entry between two tries and no file system can hang it. Lock files are never deleted: a
lock on a deleted file excludes nobody.
"""

import contextlib
import errno
import os
import socket
import sys
import threading
import weakref
from collections.abc import Iterator

from .deadline import Deadline
from .errors import TemporaryError
from .private import PrivateDir, reason
from .private_portable import Unsafe
from .report import Report

_threads: weakref.WeakValueDictionary[str, threading.Lock] = weakref.WeakValueDictionary()
_guard = threading.RLock()  # held by whoever changes one of these, and by whoever forks
_held: set[int] = set()
_NAME = 300  # characters of a holder's name that are believed

if sys.platform != "win32":
    import fcntl

    def try_lock(fd: int) -> bool:
        """Lock the file unless somebody has; the lock lives as long as the descriptor. OSError."""
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

    def _unlock(fd: int) -> None:
        fcntl.flock(fd, fcntl.LOCK_UN)  # closing alone would leave it to a child that was forked meanwhile

else:  # pragma: no cover
    import msvcrt

    _BYTE = 1 << 30  # far behind the holder's name, which others want to read

    def try_lock(fd: int) -> bool:
        """See above."""
        os.lseek(fd, _BYTE, os.SEEK_SET)
        try:
            msvcrt.locking(fd, msvcrt.LK_NBLCK, 1)
        except OSError as e:
            if e.errno in (errno.EACCES, errno.EDEADLK):
                return False
            raise
        return True

    def _unlock(fd: int) -> None:
        os.lseek(fd, _BYTE, os.SEEK_SET)
        msvcrt.locking(fd, msvcrt.LK_UNLCK, 1)


def thread_lock(name: str) -> threading.Lock:
    """The lock of that name in this process; a child that was forked has another one, which is free.

    It lives as long as somebody holds it or a reference to it.
    """
    with _guard:
        return _threads.setdefault(name, threading.Lock())


@contextlib.contextmanager
def turn(name: str, deadline: Deadline, doing: str) -> Iterator[None]:
    """One thread after the other. TemporaryError for one whose deadline ends while another is `doing` something."""
    lock = thread_lock(name)
    if not lock.acquire(timeout=min(deadline.left(), threading.TIMEOUT_MAX)):
        raise TemporaryError(
            f"another thread has been {doing} for longer than {deadline.seconds:.0f} s",
            hint="try again, or raise the deadline",
        )
    try:
        yield
    finally:
        lock.release()


class LocalLock:
    """`with lock.attempt() as mine:`, where `mine` is False when somebody else holds it."""

    def __init__(self, directory: PrivateDir | None, key: str, report: Report) -> None:
        """`directory`: where the lock file lies; None to exclude only the threads of this process."""
        self._directory = directory
        self._name = f"{key}.lock"
        self._id = f"{directory.where if directory else ''}\0{key}"
        self._report = report

    @contextlib.contextmanager
    def attempt(self) -> Iterator[bool]:
        """Try once. A lock that cannot exist (read-only, full, none on this file system) is done without, and said."""
        thread = thread_lock(self._id)
        if not thread.acquire(blocking=False):
            yield False
            return
        try:
            with self._file() as mine:
                yield mine
        finally:
            thread.release()

    @contextlib.contextmanager
    def _file(self) -> Iterator[bool]:
        fd = mine = None
        owner = os.getpid()
        try:
            if self._directory:
                with _guard:
                    fd = self._directory.open_lock(self._name)
                    _held.add(fd)
                mine = try_lock(fd)
        except (OSError, Unsafe) as e:
            self._report.warn(
                f"no lock can be held in {self._where} ({reason(e)}): every process may ask for a token",
                topic=self._where,
            )
        if fd is None:
            yield True
            return
        try:
            if mine:
                with contextlib.suppress(OSError):
                    os.lseek(fd, 0, os.SEEK_SET)
                    os.ftruncate(fd, 0)
                    os.write(fd, f"process {os.getpid()} on {socket.gethostname()}".encode())
            yield mine is not False
        finally:
            if os.getpid() == owner:  # not in a child that was forked meanwhile, where `_after_fork` closed it
                with _guard:
                    _held.discard(fd)
                    if mine:
                        _unlock(fd)
                    os.close(fd)

    def excludes(self) -> bool:
        """Does the lock, which somebody holds now, keep another one out? Not on every file system. OSError, Unsafe."""
        if not self._directory:
            return True
        with _guard:
            fd = self._directory.open_lock(self._name)
            try:
                if free := try_lock(fd):
                    _unlock(fd)
            finally:
                os.close(fd)
        return not free

    @property
    def _where(self) -> str:
        return self._directory.path if self._directory else "this process"

    def holder(self) -> str:
        """Who wrote his name last into the lock file, to show to a person."""
        try:
            name = self._directory.read(self._name).decode("ascii", "replace") if self._directory else ""
        except (OSError, Unsafe):
            name = ""
        return name if name.isprintable() and 0 < len(name) < _NAME else "another caller"


def _after_fork() -> None:
    """A child has its own locks: the parent's threads do not run in it, and it must not keep the parent's files."""
    _threads.clear()
    for fd in _held:
        with contextlib.suppress(OSError):
            os.close(fd)
    _held.clear()
    _guard.release()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_guard.acquire, after_in_parent=_guard.release, after_in_child=_after_fork)
