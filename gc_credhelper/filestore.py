"""Private files, the reading half: ours, 0600, not a link, not a pipe, of a sane size.

Hot: a cache hit runs this module. POSIX only; `private.py` holds the writing half and what Windows needs.
"""

import posix

_FILE = posix.O_RDONLY | posix.O_NOFOLLOW | posix.O_NONBLOCK | posix.O_CLOEXEC
_DIRECTORY = posix.O_RDONLY | posix.O_DIRECTORY | posix.O_NOFOLLOW | posix.O_CLOEXEC
_REGULAR = 0o100000
_LIMIT = 131_072  # bytes; a token answer is at most 64 KiB


class Unsafe(Exception):
    """The file or directory may have been touched by somebody else."""


def subdirectory() -> str:
    """The name of our own directory inside one that we did not make."""
    return f"gc-credhelper-{posix.geteuid()}"


def open_dir(path: str, *, ours: bool) -> int:
    """A descriptor of a directory that is ours and 0700; OSError, Unsafe.

    `ours`: False for a directory that a user named or that the system shares; there, and where the directory turns
    out to have another owner (sudo keeps HOME), our own subdirectory is meant.
    """
    if ours:
        fd = posix.open(path, _DIRECTORY)
        st = posix.fstat(fd)
        if st.st_uid == posix.geteuid():
            return _checked(fd, path, st)
        posix.close(fd)
    path += "/" + subdirectory()
    fd = posix.open(path, _DIRECTORY)
    return _checked(fd, path, posix.fstat(fd))


def _checked(fd: int, path: str, st: posix.stat_result) -> int:
    if st.st_uid != posix.geteuid() or st.st_mode & 0o077:
        posix.close(fd)
        raise Unsafe(_blame(path, st))
    return fd


def read(dir_fd: int, name: str) -> bytes:
    """The content of a private file; OSError, Unsafe."""
    fd = posix.open(name, _FILE, dir_fd=dir_fd)
    try:
        st = posix.fstat(fd)
        if st.st_mode & 0o170000 != _REGULAR:
            raise Unsafe(f"{name} is not a regular file")
        if st.st_uid != posix.geteuid() or st.st_mode & 0o177:
            raise Unsafe(_blame(name, st))
        if st.st_size > _LIMIT:
            raise Unsafe(f"{name} has {st.st_size} bytes")
        return posix.read(fd, st.st_size + 1)
    finally:
        posix.close(fd)


def _blame(name: str, st: posix.stat_result) -> str:
    if st.st_uid != posix.geteuid():
        return f"{name} belongs to uid {st.st_uid}, not to uid {posix.geteuid()}"
    return f"{name} has mode {st.st_mode & 0o7777:04o}: others may have touched it"


def changed_at(dir_fd: int, name: str) -> int:
    """The modification time of a file in nanoseconds, 0 when there is none; OSError."""
    try:
        return posix.stat(name, dir_fd=dir_fd, follow_symlinks=False).st_mtime_ns
    except FileNotFoundError:
        return 0
