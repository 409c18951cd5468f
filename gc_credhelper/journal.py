"""Journal: lines that tell how far a file in the making has come, so that another process can go on with it.

gc-credhelper export 1          magic and version
<CRC-32> {…}                    what the file is about
<CRC-32> [list, page, …]        a Position: one line for each page that was written

A line whose CRC-32 is not that of the rest of it, as one that was half written, does not count, and ends the journal.
"""

import json
import zlib
from dataclasses import astuple, dataclass
from typing import Any

MAGIC = b"gc-credhelper export "
VERSION = MAGIC + b"1\n"
LONGEST = 65_536  # bytes of a line


@dataclass(frozen=True, slots=True)
class Position:
    """Behind a page. `list`: which, from 0 on. `page`: of it, from 1 on; 0 before the first. `rows`, `bytes`: in the
    file up to there. `check`: CRC-32 of these bytes. `ids`: CRC-32 of the ids that the page consists of.
    """

    list: int = 0
    page: int = 0
    rows: int = 0
    bytes: int = 0
    check: int = 0
    ids: int = 0


def header(about: dict[str, Any]) -> bytes:
    """The first two lines."""
    return VERSION + _line(about)


def entry(position: Position) -> bytes:
    """The line of a page."""
    return _line(astuple(position))


def read_about(line: bytes) -> dict[str, Any] | None:
    """What the second line says; None when it is damaged."""
    value = _read(line)
    return value if isinstance(value, dict) else None


def read_entry(line: bytes) -> Position | None:
    """The reverse of `entry`; None for a line that is damaged, or the end of the file."""
    value = _read(line)
    whole = isinstance(value, list) and len(value) == len(Position.__slots__)
    return Position(*value) if whole and all(type(part) is int and part >= 0 for part in value) else None


def _line(value: Any) -> bytes:
    text = json.dumps(value, separators=(",", ":")).encode()
    return b"%08x %s\n" % (zlib.crc32(text), text)


def _read(line: bytes) -> Any:
    check, _, text = line.partition(b" ")
    if not text.endswith(b"\n") or check != b"%08x" % zlib.crc32(text[:-1]):
        return None
    try:
        return json.loads(text)
    except ValueError:
        return None
