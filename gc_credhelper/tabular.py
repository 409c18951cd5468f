"""Tabular: rows of an API's answer as CSV (RFC 4180). A column is a path into the row, such as `division.name`."""

import csv
import io
from collections.abc import Iterable, Sequence
from typing import Any

from .rows import dumped


def lines(rows: Iterable[Any], columns: Sequence[str], *, head: bool) -> bytes:
    """In UTF-8, each line ended by CR and LF. `head`: begin with the names of the columns."""
    text = io.StringIO(newline="")
    writer = csv.writer(text)
    if head:
        writer.writerow(columns)
    writer.writerows([cell(row, column) for column in columns] for row in rows)
    return text.getvalue().encode("utf-8", "replace")  # half a surrogate pair has no place in UTF-8


def cell(row: Any, path: str) -> str:
    """What the path leads to: a text as it is and anything else as JSON; empty where there is nothing.

    A list on the way makes it a JSON list of all that is found behind it, each once.
    """
    found, several = [row], False
    for name in path.split("."):
        behind = [one.get(name) for one in found if isinstance(one, dict)]
        several = several or any(isinstance(one, list) for one in behind)
        found = [each for one in behind for each in (one if isinstance(one, list) else [one]) if each is not None]
    if not found:
        return ""
    if several:
        return f"[{','.join(dict.fromkeys(map(dumped, found)))}]"
    return found[0] if isinstance(found[0], str) else dumped(found[0])
