"""The search for users: the query goes out in a POST, and its further pages are asked for by a Q64 value.

Models `UserSearchRequest` and `UsersSearchResponse`; a Q64 value is the query again, in base64.
"""

import base64
import json
import math

from aiohttp import web

from gc_credhelper.sandbox.answers import Json, bad_request, json_answer
from gc_credhelper.sandbox.asking import json_object, page
from gc_credhelper.sandbox.lists import Rows

SIZE, CAP = 25, 500


class Search:
    """The handlers; criteria, sorting and `expand` are taken and make no difference."""

    def __init__(self, rows: Rows) -> None:
        self._rows = rows

    async def first(self, request: web.Request) -> web.Response:
        """Answer a query, whose body may name `pageSize` and `pageNumber`."""
        return self._page(await json_object(request))

    async def further(self, request: web.Request) -> web.Response:
        """Answer the query in `q64`."""
        return self._page(_from_q64(request.query.get("q64", "")))

    def _page(self, query: Json) -> web.Response:
        size, number = page(query, default=SIZE, cap=CAP)
        pages = math.ceil(self._rows.total / size)
        found: Json = {
            "total": self._rows.total,
            "pageCount": pages,
            "pageSize": size,
            "pageNumber": number,
            "currentPage": _q64({**query, "pageNumber": number}),
            "types": ["users"],
            "results": self._rows.take(range((number - 1) * size, number * size)),
        }
        if number > 1:
            found["previousPage"] = _q64({**query, "pageNumber": number - 1})
        if number < pages:
            found["nextPage"] = _q64({**query, "pageNumber": number + 1})
        return json_answer(found)


def _q64(query: Json) -> str:
    return base64.b64encode(json.dumps(query).encode()).decode()


def _from_q64(text: str) -> Json:
    try:
        query = json.loads(base64.b64decode(text, validate=True))
    except ValueError:
        query = None
    if not isinstance(query, dict):
        raise bad_request("q64 must be a value that a search gave out")
    return query
