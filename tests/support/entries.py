"""Entries of the file cache, written and read by hand, and the lock of their key, held by the test."""

import contextlib
import fcntl
import os
import time
from collections.abc import Iterator
from pathlib import Path

from gc_credhelper import tokens
from gc_credhelper.entry import Whose
from gc_credhelper.tokens import AccessToken

OLD = "old-canary-Vb3"
HOUR = 3600.0  # its advisory window begins 900 s before the end, its mandatory window 300 s before it
AGEING = HOUR - 600
ENDING = HOUR - 200
EXPIRED = HOUR + 1


def whose(server: object) -> Whose:
    """The client of a sandbox or a scripted server."""
    return Whose(server.token_url, "basic", server.client_id)  # type: ignore[attr-defined]


def path_of(directory: Path, server: object, suffix: str = ".token") -> Path:
    """The file of that kind, in a directory that exists."""
    directory.mkdir(0o700, parents=True, exist_ok=True)
    return directory / (whose(server).key + suffix)


def put(directory: Path, server: object, value: str = OLD, *, age: float = 0, lifetime: float = HOUR) -> AccessToken:
    """Put an entry in place that was issued `age` seconds ago."""
    issued = time.time() - age
    token = AccessToken(value, issued, issued + lifetime)
    place = path_of(directory, server)
    part = place.with_suffix(".part")
    part.touch(0o600)
    part.write_text(tokens.dump(token, whose(server).key, 0))
    part.rename(place)
    return token


def get(directory: Path, server: object) -> AccessToken:
    """What lies there; it must be sound."""
    found = tokens.load(path_of(directory, server).read_text(), whose(server).key)
    assert found
    return found[0]


@contextlib.contextmanager
def locked(directory: Path, server: object, name: str = "process 4242 on elsewhere") -> Iterator[None]:
    """Hold the lock as another process would."""
    fd = os.open(path_of(directory, server, ".lock"), os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        os.write(fd, name.encode())
        yield
    finally:
        os.close(fd)


def is_locked(path: Path) -> bool:
    """Does anyone hold it?"""
    fd = os.open(path, os.O_RDWR)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(fd)
    return False
