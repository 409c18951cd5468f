"""Pages: a whole list of the Platform API, page by page and in order, in each form in which it is cut up.

pageNumber, pageCount            the next numbers, in the query or the body, several pages at a time
paging, totalHits                the same below `paging` in the body
startIndex, totalResults         the next indexes (SCIM, RFC 7644 §3.4.2.4), several pages at a time
nextPage                         a value of `q64`, with GET (search)
nextUri                          followed on the same API, wherever it leads: the token goes nowhere else
cursor, cursors.after            as `cursor` in the query, or as `after` when that is how the list was begun
after                            the same in the query
"""

import json
import math
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future
from dataclasses import dataclass, replace
from http import HTTPStatus
from itertools import islice
from typing import Any, TypeVar
from urllib.parse import parse_qsl, urlsplit

from .calls import Call
from .deadline import THREAD
from .errors import TokenError
from .transport import Answer

T = TypeVar("T")
Json = dict[str, Any]

AHEAD = 16  # pages that are fetched at a time: with more, our own work is what takes the time
_ROWS = ("entities", "results", "conversations", "Resources")
_TOTALS = ("total", "totalHits", "totalResults", "totalCount")
_EMPTY = 3  # pages without rows, one after the other, that end a list though it goes on
_DEFAULT_SIZE = 25  # rows of a page of the conversation details query


@dataclass(frozen=True, slots=True)
class Page:
    """`rows`: of one page. `total`: of all pages together, when the API says it."""

    rows: list[Any]
    total: int | None


def walk(send: Callable[[Call], Answer], call: Call, *, most: int | None = None) -> Iterator[Page]:
    """The page that the call asks for, and all that follow. `most`: rows that are wanted, so that no page is fetched in
    vain.

    TokenError when the API sends a page twice, or an answer that is not JSON; every error of `send`.
    """
    return _Walk(send, most).pages(call)


class _Walk:
    def __init__(self, send: Callable[[Call], Answer], most: int | None) -> None:
        self._send = send
        self._most = most
        self._got = self._empty = 0
        self._step = 1  # of the numbers that are being asked for
        self._seen: set[int] = set()

    def pages(self, first: Call) -> Iterator[Page]:
        following: Iterable[Call] = [first]
        while following and self._empty < _EMPTY:
            for call, sent in in_order(self._send, following):
                answer = parsed(sent, call)  # only now: ahead lie bytes, which are a small part of what they say
                yield self._page(call, answer)
                if _index(answer) is not None and len(rows_of(answer)) != self._step:
                    break  # the next row has another index than was counted on
            following = self._following(call, answer)  # the last one

    def _following(self, call: Call, answer: Any) -> Iterable[Call]:
        """What is wanted behind this page; calls are made as their turn comes, for there may be very many."""
        size = max(1, len(rows_of(answer)))
        wanted = None if self._most is None else max(0, math.ceil((self._most - self._got) / size))
        numbers, asking = _numbered(call, answer)
        self._step = numbers.step
        if numbers := numbers[:wanted]:
            return map(asking, numbers)
        return _linked(call, answer)[:wanted]

    def _page(self, call: Call, answer: Any) -> Page:
        rows = rows_of(answer)
        self._got += len(rows)
        self._empty = 0 if rows else self._empty + 1
        # An API that ignores what it is asked sends the same rows for ever.
        mark = hash((len(rows), repr(rows[0]), repr(rows[-1]))) if rows else 0
        if rows and mark in self._seen:
            hint = "it may have no pages; ask for it without them"
            raise TokenError(f"{call} sent a page again that it had sent before", hint=hint)
        self._seen.add(mark)
        return Page(rows, _whole(answer, *_TOTALS))


def in_order(work: Callable[[Call], T], calls: Iterable[Call]) -> Iterator[tuple[Call, T]]:
    """Each call with its result, of which a few are fetched ahead."""
    todo, doing = iter(calls), deque[tuple[Call, Future[T]]]()
    while True:
        doing.extend((call, _begun(work, call)) for call in islice(todo, AHEAD - len(doing)))
        if not doing:
            return
        call, future = doing.popleft()
        yield call, future.result()


def _begun(work: Callable[[Call], T], call: Call) -> "Future[T]":
    """In a thread that does not keep the process from ending, as those of an executor would."""
    future: Future[T] = Future()

    def run() -> None:
        try:
            future.set_result(work(call))
        except BaseException as e:  # noqa: BLE001  # raised again where it is waited for
            future.set_exception(e)

    threading.Thread(target=run, daemon=True, name=THREAD).start()
    return future


def parsed(answer: Answer, call: Call) -> Any:
    """The body, and an empty list for 204; TokenError when it is no JSON, as a login page is not."""
    if answer.status == HTTPStatus.NO_CONTENT:
        return []
    try:
        return json.loads(answer.body)
    except (ValueError, RecursionError):
        pass
    raise TokenError(f"the answer to {call} is not JSON", hint="a proxy, a login page? Check the path and api_url")


def rows_of(answer: Any) -> list[Any]:
    """The rows of a page; an answer that is no list is a list of itself."""
    if isinstance(answer, list):
        return answer
    if not isinstance(answer, dict):
        return [answer]
    for name in _ROWS:
        if isinstance(answer.get(name), list):
            return list(answer[name])
    if any(name in answer for name in (*_ROWS, *_TOTALS, "pageCount")):  # of no rows the API says only the number
        return []
    lists = [value for value in answer.values() if isinstance(value, list)]
    return lists[0] if len(lists) == 1 and "nextUri" in answer else [answer]


def _numbered(call: Call, answer: Any) -> tuple[range, Callable[[int], Call]]:
    """The numbers that follow, of a list whose length is known, and the call for each."""
    if not isinstance(answer, dict) or _cursor(answer) or isinstance(answer.get("nextPage"), str):
        return range(0), lambda _: call
    got = len(rows_of(answer))
    if (index := _index(answer)) is not None:
        indexes = range(index + got, answer["totalResults"] + 1, got) if got else range(0)
        return indexes, lambda start: _asking(call, startIndex=start)
    body = _body(call)
    if (hits := _whole(answer, "totalHits")) is not None and body is not None:
        paging = body.get("paging")
        paging = paging if isinstance(paging, dict) else {}
        number, given = _whole(paging, "pageNumber") or 1, _whole(paging, "pageSize")
        size = given or _DEFAULT_SIZE
        if number == 1 and 0 < got < min(size, hits):  # it sends no larger pages
            size = got
        numbers = range(number + 1, math.ceil(hits / size) + 1)
        return numbers, lambda n: _with(call, body, paging={**paging, "pageSize": given or size, "pageNumber": n})
    asked = dict(call.query).get("pageNumber", "")
    said = _whole(answer, "pageNumber") or _whole(body, "pageNumber") or (int(asked) if asked.isdecimal() else 0)
    count, number = _whole(answer, "pageCount"), said or 1
    numbers = range(number + 1, (count or 0) + 1)
    if body is not None:
        return numbers, lambda n: _with(call, body, pageNumber=n)
    return numbers, lambda n: _asking(call, pageNumber=n)


def _index(answer: Any) -> int | None:
    """Of the first row, in a list that is cut up by indexes (SCIM)."""
    is_indexed = isinstance(answer, dict) and "Resources" in answer and _whole(answer, "totalResults") is not None
    return _whole(answer, "startIndex") if is_indexed else None


def _linked(call: Call, answer: Any) -> list[Call]:
    """The one call that follows, if any does."""
    if not isinstance(answer, dict):
        return []
    if isinstance(q64 := answer.get("nextPage"), str) and q64:
        return [replace(call, method="GET", body=None, query=(("q64", q64),))]
    if isinstance(uri := answer.get("nextUri"), str) and uri:
        try:
            parts = urlsplit(uri)
        except ValueError:
            parts = urlsplit("")
        if not parts.path.startswith("/"):
            raise TokenError(
                f"{call} names a next page that is no path",
                hint="ask for it without its pages, or report it to Genesys",
            )
        return [replace(call, path=parts.path, query=tuple(parse_qsl(parts.query, keep_blank_values=True)))]
    if cursor := _cursor(answer):
        name = "after" if any(name == "after" for name, _ in call.query) else "cursor"
        return [_asking(call, **{name: cursor})]
    if isinstance(after := answer.get("after"), str) and after:
        return [_asking(call, after=after)]
    return []


def _cursor(answer: Json) -> str:
    cursors = answer.get("cursors")
    found = answer.get("cursor") or (cursors.get("after") if isinstance(cursors, dict) else None)
    return found if isinstance(found, str) else ""


def _asking(call: Call, **values: object) -> Call:
    """The same call with these values in its query."""
    kept = [(name, value) for name, value in call.query if name not in values]
    return replace(call, query=(*kept, *((name, str(value)) for name, value in values.items())))


def _with(call: Call, body: Json, **values: object) -> Call:
    """The same call with these values in its body."""
    return replace(call, body=json.dumps({**body, **values}).encode())


def _body(call: Call) -> Json | None:
    try:
        body = json.loads(call.body or b"")
    except (ValueError, RecursionError):
        return None
    return body if isinstance(body, dict) else None


def _whole(values: Any, *names: str) -> int | None:
    """The first of them that is a whole number."""
    found = (values.get(name) for name in names) if isinstance(values, dict) else ()
    return next((value for value in found if type(value) is int and value >= 0), None)
