"""PrivateDir: a directory of ours for small files that nobody else can read or replace.

Writes are temp file, fsync, rename: a reader sees the old content or the new, never a part of one. Every failure is an
OSError or Unsafe, which the callers turn into a warning: a good token is never lost to a file that cannot be written.
"""

import contextlib
import os
import stat
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

from .errors import Error, UsageError
from .private_portable import STALE, PortableDir, Unsafe

if sys.platform != "win32":
    from . import filestore

    class PrivateDir:
        """Opened anew for each step, so that a directory that was deleted or replaced in between is noticed."""

        def __init__(self, where: str) -> None:
            """`where`: see `plan.place`."""
            self.where = where
            self._path = where[1:]
            self._ours = where[0] == "+"

        @property
        def path(self) -> str:
            """What to show to a person."""
            return self._path if self._ours else f"{self._path}/{filestore.subdirectory()}"

        @contextlib.contextmanager
        def _open(self, *, create: bool = False) -> Iterator[int]:
            try:
                fd = filestore.open_dir(self._path, ours=self._ours)
            except FileNotFoundError:
                if not create:
                    raise
                fd = self._create()
            except NotADirectoryError:
                if Path(self.path).is_symlink():
                    raise Unsafe(f"{self.path} is a link; name the directory itself") from None
                raise
            except Unsafe as e:
                raise Unsafe(f"{e}; if it is yours alone, chmod 700 makes it private") from None
            try:
                yield fd
            finally:
                os.close(fd)

        def _create(self) -> int:
            path = Path(self._path)
            _make(path, named=not self._ours)
            try:
                return filestore.open_dir(self._path, ours=self._ours)
            except FileNotFoundError:  # it is not ours, so our subdirectory is meant
                (path / filestore.subdirectory()).mkdir(0o700, exist_ok=True)
                return filestore.open_dir(self._path, ours=self._ours)

        def read(self, name: str) -> bytes:
            """The content of a file; FileNotFoundError, OSError, Unsafe."""
            with self._open() as fd:
                return filestore.read(fd, name)

        def changed_at(self, name: str) -> int:
            """The modification time in nanoseconds, 0 when there is no such file; OSError, Unsafe."""
            try:
                with self._open() as fd:
                    return filestore.changed_at(fd, name)
            except FileNotFoundError:
                return 0

        def write(self, name: str, content: bytes) -> None:
            """Put a whole file in place; OSError, Unsafe."""
            temp = f".{name}.{os.getpid()}.{os.urandom(4).hex()}.tmp"
            with self._open(create=True) as fd:
                try:
                    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
                    with open(os.open(temp, flags, 0o600, dir_fd=fd), "wb") as file:
                        file.write(content)
                        file.flush()
                        os.fsync(file.fileno())
                    os.rename(temp, name, src_dir_fd=fd, dst_dir_fd=fd)
                except BaseException:
                    with contextlib.suppress(OSError):
                        os.unlink(temp, dir_fd=fd)
                    raise

        def remove(self, name: str) -> bool:
            """Was there such a file? OSError, Unsafe."""
            try:
                with self._open() as fd:
                    os.unlink(name, dir_fd=fd)
            except FileNotFoundError:
                return False
            return True

        def names(self) -> dict[str, float]:
            """Every file with its modification time in epoch seconds; empty when the directory is missing."""
            found = {}
            with contextlib.suppress(FileNotFoundError), self._open() as fd:
                for name in os.listdir(fd):
                    with contextlib.suppress(FileNotFoundError):
                        found[name] = os.stat(name, dir_fd=fd, follow_symlinks=False).st_mtime
            return found

        def open_lock(self, name: str) -> int:
            """A descriptor of a file to lock, made when it is missing and never deleted; OSError, Unsafe."""
            with self._open(create=True) as fd:
                lock = os.open(
                    name, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK, 0o600, dir_fd=fd
                )
            st = os.fstat(lock)
            if st.st_uid != os.geteuid() or not stat.S_ISREG(st.st_mode):
                os.close(lock)
                raise Unsafe(f"{name} is not a file of ours")
            if st.st_mode & 0o077:  # nothing in it is believed, and without it every process would ask for a token
                os.fchmod(lock, 0o600)
            return lock

    def _make(path: Path, *, named: bool) -> None:
        """Make the directory and its parents, all 0700: `parents=True` would leave those to the umask.

        `named`: by a user, and so wanted even where it lies in the directory of another. Unsafe when it is not: sudo
        may keep HOME, and a `~/.cache` of root would lock the user out of it.
        """
        if not path.parent.is_dir():
            _make(path.parent, named=named)
        owner = path.parent.stat().st_uid
        if not named and owner not in (0, os.geteuid()) and not path.exists():
            raise Unsafe(f"{path.parent} belongs to uid {owner}, so {path.name} is not made in it")
        path.mkdir(0o700, exist_ok=True)

else:  # pragma: no cover
    PrivateDir = PortableDir


class Files(Protocol):
    """Where small files lie: a PrivateDir, or what stands for one where nothing may be written down."""

    @property
    def path(self) -> str:
        """What to show to a person."""

    def read(self, name: str) -> bytes:
        """See PrivateDir."""

    def changed_at(self, name: str) -> int:
        """See PrivateDir."""

    def write(self, name: str, content: bytes) -> None:
        """See PrivateDir."""


def reason(error: Exception) -> str:
    """Why a store could not be used, in a few words and without a path twice; of a foreign error only its kind."""
    if isinstance(error, OSError) and error.strerror:
        return str(error.strerror)
    return str(error) if isinstance(error, Unsafe | Error) else type(error).__name__


def sweep(directory: PrivateDir) -> None:
    """Delete what writers that were killed left behind; OSError, Unsafe."""
    for name, changed in directory.names().items():
        if name.endswith(".tmp") and changed < time.time() - STALE:
            directory.remove(name)


def write_alone(path: str, text: str) -> None:
    """Put a file in place that a user named, of mode 0600 and whole. UsageError when it cannot be written.

    A link is replaced, not followed. What is no file stays: to root even /dev/null could be replaced.
    """
    target = Path(path)
    part = target.with_name(f".{target.name[:200]}.{os.getpid()}.{os.urandom(4).hex()}.tmp") if target.name else target
    try:
        if not target.name or (target.exists() and not target.is_file()):
            raise UsageError(f"{path} is not a file that can be replaced", hint="name a file, new or old")
        fd = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            with open(fd, "w", encoding="utf-8", newline="\n") as file:
                file.write(text)
                file.flush()
                os.fsync(file.fileno())
            part.replace(target)
        except BaseException:
            part.unlink(missing_ok=True)
            raise
    except OSError as e:
        raise UsageError(
            f"{path} cannot be written: {e.strerror}", hint="check the directory and who may write"
        ) from None
