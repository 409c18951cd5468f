"""The forms in which the Platform API gives out lists (GET); names of fields and parameters are those of the SDK.

| form         | next page                                                            | example         |
|--------------|----------------------------------------------------------------------|-----------------|
| `numbered`   | `pageNumber`, or `nextUri`                                           | `/users`        |
| `linked`     | `nextUri` alone, or `after` beside it                                | `/teams`        |
| `scanned`    | `cursors.after`, which the parameter `cursor` takes, or `nextUri`    | external contacts |
| `scim`       | `startIndex` (RFC 7644 §3.4.2.4)                                     | `/scim/v2/users` |
"""

import math
from collections.abc import Awaitable, Callable
from functools import lru_cache
from typing import NamedTuple
from urllib.parse import urlencode

from aiohttp import web

from gc_credhelper.sandbox.answers import Json, encode, json_answer
from gc_credhelper.sandbox.asking import page, slice_at, whole_number

SIZE = 25
NUMBERED_CAP, LINKED_CAP, SCIM_CAP = 500, 200, 100
SCAN_SIZE, SCAN_LEAST, SCAN_CAP = 100, 10, 200
PAGES_KEPT = 128
"""Rendered pages that a list remembers, so that the walks of several clients cost the server one rendering."""

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Rows(NamedTuple):
    """A list whose rows are made when they are asked for, by number from 0."""

    total: int
    make: Callable[[int], Json]

    def take(self, numbers: range) -> list[Json]:
        """Make those that exist."""
        return [self.make(number) for number in numbers if number < self.total]


Find = Callable[[web.Request], Rows]
"""Finds the list that a path names; may raise ApiError."""


def numbered(rows: Rows) -> Handler:
    """Answer with `entities` and the numbers of the page, as 256 models do."""

    @lru_cache(PAGES_KEPT)
    def render(path: str, size: int, number: int) -> bytes:
        pages = math.ceil(rows.total / size)
        last = max(1, pages)

        def uri(to: int) -> str:
            return f"{path}?{urlencode({'pageSize': size, 'pageNumber': to})}"

        listing: Json = {
            "entities": rows.take(range((number - 1) * size, number * size)),
            "pageSize": size,
            "pageNumber": number,
            "total": rows.total,
            "pageCount": pages,
            "firstUri": uri(1),
            "selfUri": uri(number),
            "lastUri": uri(last),
        }
        if number > 1:
            listing["previousUri"] = uri(min(number - 1, last))
        if number < last:
            listing["nextUri"] = uri(number + 1)
        return encode(listing)

    async def answer(request: web.Request) -> web.Response:
        size, number = page(request.query, default=SIZE, cap=NUMBERED_CAP)
        return web.Response(body=render(request.path, size, number), content_type="application/json")

    return answer


def linked(find: Find, *, with_after: bool = False) -> Handler:
    """Answer with `entities` and links, as 75 models do, or 15 more with the next cursor in `after` too."""

    async def answer(request: web.Request) -> web.Response:
        rows, query = find(request), request.query
        size = whole_number(query, "pageSize", SIZE, least=1, most=LINKED_CAP)
        part = slice_at(query.get("after") or query.get("before", ""), size, rows.total)
        listing: Json = {"entities": rows.take(part.numbers), "selfUri": request.path_qs}
        for name, side, cursor in (("nextUri", "after", part.after), ("previousUri", "before", part.before)):
            if cursor:
                listing[name] = f"{request.rel_url.raw_path}?{urlencode({'pageSize': size, side: cursor})}"
        if with_after and part.after:
            listing["after"] = part.after
        return json_answer(listing)

    return answer


def scanned(rows: Rows) -> Handler:
    """Answer with `entities`, links and `cursors`, as 9 models do."""

    async def answer(request: web.Request) -> web.Response:
        size = whole_number(request.query, "limit", SCAN_SIZE, least=SCAN_LEAST, most=SCAN_CAP)
        part = slice_at(request.query.get("cursor", ""), size, rows.total)
        cursors = {side: cursor for side, cursor in (("before", part.before), ("after", part.after)) if cursor}
        listing: Json = {"entities": rows.take(part.numbers), "selfUri": request.path_qs, "cursors": cursors}
        for name, side in (("nextUri", "after"), ("previousUri", "before")):
            if side in cursors:
                listing[name] = f"{request.path}?{urlencode({'limit': size, 'cursor': cursors[side]})}"
        return json_answer(listing)

    return answer


def scim(rows: Rows) -> Handler:
    """Answer with `Resources` and an index that starts at 1; a `count` of 0 asks for the total alone."""

    async def answer(request: web.Request) -> web.Response:
        start = max(1, whole_number(request.query, "startIndex", 1, least=-(2**31), most=2**31 - 1))
        count = whole_number(request.query, "count", SIZE, least=0, most=SCIM_CAP)
        resources = rows.take(range(start - 1, start - 1 + count))
        return json_answer(
            {
                "schemas": ["urn:ietf:params:scim:api:messages:2.0:ListResponse"],
                "totalResults": rows.total,
                "startIndex": start,
                "itemsPerPage": len(resources),
                "Resources": resources,
            }
        )

    return answer
