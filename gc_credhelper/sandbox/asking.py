"""How a request says what it wants: the part of a list, and a body of JSON; ApiError 400 when it says it wrongly."""

import base64
import json
from collections.abc import Mapping
from typing import NamedTuple

from aiohttp import web

from gc_credhelper.sandbox.answers import ApiError, Json, bad_request


class Slice(NamedTuple):
    """A part of a list, and the cursors to what follows it and what precedes it, where there is something."""

    numbers: range
    after: str | None
    before: str | None


def whole_number(values: Mapping[str, object], name: str, default: int, *, least: int, most: int) -> int:
    """Read a parameter, or a field of a body."""
    try:
        number = int(str(values.get(name, default)))
    except ValueError:
        raise bad_request(f"{name} must be a whole number") from None
    if not least <= number <= most:
        raise bad_request(f"{name} must be from {least} to {most}")
    return number


def page(values: Mapping[str, object], *, default: int, cap: int) -> tuple[int, int]:
    """Read `pageSize` and `pageNumber`, which starts at 1."""
    size = whole_number(values, "pageSize", default, least=1, most=cap)
    return size, whole_number(values, "pageNumber", 1, least=1, most=2**31 - 1)


def slice_at(cursor: str, size: int, total: int) -> Slice:
    """Take the part that a cursor of ours leads to; an empty one leads to the beginning."""
    forward, position = _read(cursor) if cursor else (True, 0)
    start = min(position, total) if forward else max(0, position - size)
    numbers = range(start, min(start + size, total) if forward else min(position, total))
    return Slice(
        numbers,
        _cursor("after", numbers.stop) if numbers.stop < total else None,
        _cursor("before", numbers.start) if numbers.start else None,
    )


async def json_object(request: web.Request) -> Json:
    """Read the body."""
    if request.content_type != "application/json":
        raise ApiError(415, "unsupported.media.type", "Unsupported Media Type: use application/json")
    try:
        body = json.loads(await request.read())
    except ValueError:
        body = None
    if not isinstance(body, dict):
        raise bad_request("The request could not be understood: the body must be a JSON object")
    return body


def _cursor(side: str, position: int) -> str:
    # Opaque to clients; its padding shows whether they encode what they put into a URI.
    return base64.b64encode(f"{side}:{position}".encode()).decode()


def _read(cursor: str) -> tuple[bool, int]:
    try:
        side, _, position = base64.b64decode(cursor, validate=True).decode().partition(":")
        number = int(position)
    except ValueError:
        raise bad_request("The cursor is not one that was given out") from None
    if side not in ("after", "before") or number < 0:
        raise bad_request("The cursor is not one that was given out")
    return side == "after", number
