"""Lists: each form in which the Platform API cuts one up is walked to its end, in order, without a row twice."""

import math
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from gc_credhelper import pages
from gc_credhelper.calls import Call
from gc_credhelper.errors import TemporaryError, TokenError, UsageError

from .kit import ALL, ROWS, Api, Asked, Say, app, refused, serving

SIZE = 5
Answer = Callable[[Asked], object]


def page(number: int, size: int = SIZE) -> list[dict[str, str]]:
    return ROWS[(number - 1) * size : number * size]


def numbered(asked: Asked) -> object:
    number = int(asked.query.get("pageNumber", 1))
    answer = {"entities": page(number), "pageNumber": number, "pageSize": SIZE, "total": 23, "pageCount": 5}
    return answer | ({"nextUri": f"/api/v2/list?pageSize=5&pageNumber={number + 1}"} if number < 5 else {})


def linked(after: str, prefix: str = "") -> Answer:
    """`nextUri` without numbers."""

    def answer(asked: Asked) -> object:
        number = int(asked.query.get(after, 1))
        uri = f"{prefix}{asked.path}?{after}={number + 1}&state=active"
        return {"entities": page(number), "selfUri": asked.path} | ({"nextUri": uri} if number < 5 else {})

    return answer


def cursor(asked: Asked) -> object:
    number = int(asked.query.get("cursor", 1))
    return {"conversations": page(number)} | ({"cursor": str(number + 1)} if number < 5 else {})


def cursors(asked: Asked) -> object:
    """Most of these lists take `cursor`, and two take `after`."""
    assert not {"after", "cursor"} <= asked.query.keys()
    number = int(asked.query.get("after") or asked.query.get("cursor") or 1)
    return {"entities": page(number), "cursors": {"before": "x", "after": str(number + 1) if number < 5 else None}}


def after(asked: Asked) -> object:
    number = int(asked.query.get("after", 1))
    return {"entities": page(number)} | ({"after": str(number + 1)} if number < 5 else {})


def search(asked: Asked) -> object:
    if "q64" in asked.query:
        assert (asked.method, asked.body) == ("GET", b"")
        number = int(asked.query["q64"])
    else:
        assert asked.body["query"] == []
        number = asked.body.get("pageNumber", 1)
    found = {"results": page(number), "pageNumber": number, "pageCount": 5, "pageSize": SIZE, "total": 23}
    return found | ({"nextPage": str(number + 1)} if number < 5 else {})


def scim(asked: Asked) -> object:
    start = int(asked.query.get("startIndex", 1))
    rows = ROWS[start - 1 : start - 1 + SIZE]
    return {"Resources": rows, "startIndex": start, "itemsPerPage": len(rows), "totalResults": 23}


def in_body(asked: Asked) -> object:
    assert asked.body["interval"] == "a/b"
    paging = asked.body.get("paging", {})
    size, number = paging.get("pageSize", 25), paging.get("pageNumber", 1)
    rows = page(number, size)
    return {"totalHits": 23} | ({"conversations": rows} if rows else {})


def body_numbers(asked: Asked) -> object:
    number = asked.body.get("pageNumber", 1)
    return {"results": page(number), "pageNumber": number, "pageCount": 5}


GET = Call("GET", "/api/v2/list", (("state", "active"),))
FORMS: dict[str, tuple[Answer, Call]] = {
    "page numbers": (numbered, GET),
    "relative links": (linked("after"), GET),
    "absolute links": (linked("before", "https://api.mypurecloud.com"), GET),
    "cursor": (cursor, GET),
    "cursors": (cursors, GET),
    "cursors after": (cursors, Call("GET", "/api/v2/list", (("after", "1"),))),
    "after": (after, GET),
    "q64": (search, Call("POST", "/api/v2/users/search", body=b'{"query":[]}')),
    "SCIM": (scim, GET),
    "paging": (in_body, Call("POST", "/api/v2/q/query", body=b'{"interval":"a/b","paging":{"pageSize":5}}')),
    "paging by default": (in_body, Call("POST", "/api/v2/q/query", body=b'{"interval":"a/b"}')),
    "numbers in the body": (body_numbers, Call("POST", "/api/v2/list/search", body=b"{}")),
}


@pytest.fixture
def api() -> Iterator[Api]:
    with serving(numbered) as server:
        yield server


def walked(api: Api, home: Path, call: Call = GET, most: int | None = None) -> list[str]:
    calls = app(api, home).calls(connections=pages.AHEAD)
    return [row["id"] for page in pages.walk(calls.send, call, most=most) for row in page.rows]


@pytest.mark.parametrize("form", FORMS)
def test_a_list_is_walked_to_its_end_in_order(form: str, api: Api, tmp_path: Path) -> None:
    api.answer, call = FORMS[form]
    assert walked(api, tmp_path, call) == ALL
    assert len({(str(one.query), str(one.body)) for one in api.asked}) == len(api.asked), "a page was fetched twice"
    if call is GET and form != "absolute links":
        assert all(one.query.get("state") == "active" for one in api.asked), "the query of the list was lost"


@pytest.mark.parametrize("form", FORMS)
def test_no_page_is_fetched_behind_the_rows_that_are_wanted(form: str, api: Api, tmp_path: Path) -> None:
    api.answer, call = FORMS[form]
    assert walked(api, tmp_path, call, most=7)[:7] == ALL[:7]
    assert len(api.asked) <= 2


def test_a_list_that_is_begun_in_its_middle_goes_on_from_there(api: Api, tmp_path: Path) -> None:
    assert walked(api, tmp_path, Call("GET", "/api/v2/list", (("pageNumber", "4"),))) == ALL[15:]
    api.answer = in_body
    body = b'{"interval":"a/b","paging":{"pageSize":5,"pageNumber":4}}'
    assert walked(api, tmp_path, Call("POST", "/api/v2/q/query", body=body)) == ALL[15:]


def test_an_api_that_does_not_say_which_page_it_sends_is_taken_at_what_it_was_asked(api: Api, tmp_path: Path) -> None:
    api.answer = lambda asked: {"entities": page(int(asked.query.get("pageNumber", 1))), "pageCount": 5}
    assert walked(api, tmp_path) == ALL
    api.answer = lambda asked: {"results": page(asked.body.get("pageNumber", 1)), "pageCount": 5}
    assert walked(api, tmp_path, Call("POST", "/api/v2/list/search", body=b"{}")) == ALL


@pytest.mark.parametrize("sizes", [{6: 2}, {11: 1, 16: 3}, {1: 1}, {1: 2, 7: 9}], ids=str)
def test_indexes_go_on_behind_what_a_page_brought(sizes: dict[int, int], api: Api, tmp_path: Path) -> None:
    def answer(asked: Asked) -> object:
        start = int(asked.query.get("startIndex", 1))
        rows = ROWS[start - 1 : start - 1 + sizes.get(start, SIZE)]
        return {"Resources": rows, "startIndex": start, "itemsPerPage": len(rows), "totalResults": 23}

    api.answer = answer
    assert walked(api, tmp_path) == ALL


@pytest.mark.parametrize("paging", ["", ',"paging":{"pageSize":20}'])
def test_an_api_whose_pages_are_smaller_than_it_was_asked_for_loses_no_row(
    paging: str, api: Api, tmp_path: Path
) -> None:
    def answer(asked: Asked) -> object:
        asked_for = asked.body.get("paging", {})
        size = min(7, asked_for.get("pageSize", 7))
        return {"totalHits": 23, "conversations": page(asked_for.get("pageNumber", 1), size)}

    api.answer = answer
    body = f'{{"interval":"a/b"{paging}}}'.encode()
    assert walked(api, tmp_path, Call("POST", "/api/v2/q/query", body=body)) == ALL


def test_a_list_that_grows_meanwhile_is_walked_to_its_new_end(api: Api, tmp_path: Path) -> None:
    def growing(asked: Asked) -> object:
        number = int(asked.query.get("pageNumber", 1))
        return {"entities": page(number), "pageNumber": number, "pageCount": 2 if number == 1 else 5}

    api.answer = growing
    assert walked(api, tmp_path) == ALL


@pytest.mark.parametrize(
    "answer", [{"id": "one"}, {"id": "one", "members": [1, 2]}, [{"id": "one"}], {"entities": [{"id": "one"}]}]
)
def test_an_answer_that_is_no_list_is_a_list_of_itself(answer: Any, api: Api, tmp_path: Path) -> None:
    api.answer = lambda _: answer
    assert walked(api, tmp_path) == ["one"]


@pytest.mark.parametrize(
    "answer", [{"entities": []}, {"totalHits": 0}, {"entities": None, "pageCount": 0}, [], Say(b"", 204)]
)
def test_a_list_without_rows_is_empty(answer: Any, api: Api, tmp_path: Path) -> None:
    api.answer = lambda _: answer
    assert walked(api, tmp_path) == []


def test_an_api_that_ignores_the_page_is_found_out(api: Api, tmp_path: Path) -> None:
    api.answer = lambda _: {"entities": page(1), "pageNumber": 1, "pageCount": 5}
    with pytest.raises(TokenError, match="sent a page again"):
        walked(api, tmp_path)


@pytest.mark.parametrize("uri", ["/api/v2/list", "/api/v2/list?after=1"])
def test_links_that_lead_in_a_circle_are_found_out(uri: str, api: Api, tmp_path: Path) -> None:
    api.answer = lambda _: {"entities": page(1), "nextUri": uri}
    with pytest.raises(TokenError, match="sent a page again"):
        walked(api, tmp_path)


def test_a_cursor_that_never_ends_does(api: Api, tmp_path: Path) -> None:
    api.answer = lambda _: {"entities": [], "cursor": f"c{len(api.asked)}"}
    assert walked(api, tmp_path) == []
    assert len(api.asked) == 3


def test_a_page_without_rows_in_the_middle_does_not_end_a_list(api: Api, tmp_path: Path) -> None:
    def holed(asked: Asked) -> object:
        number = int(asked.query.get("cursor", 1))
        rows = [] if number == 2 else page(number)
        return {"entities": rows} | ({"cursor": str(number + 1)} if number < 5 else {})

    api.answer = holed
    assert walked(api, tmp_path) == ALL[:5] + ALL[10:]


@pytest.mark.parametrize("uri", ["list?after=1", "mailto:x", "@other.example/x", "https://[/x"])
def test_a_link_that_is_no_path_is_refused(uri: str, api: Api, tmp_path: Path) -> None:
    api.answer = lambda _: {"entities": page(1), "nextUri": uri}
    with pytest.raises(TokenError, match="no path"):
        walked(api, tmp_path)


@pytest.mark.parametrize("more", [{"nextUri": "/a?b=\ud800"}, {"cursor": "\ud800"}], ids=ascii)
def test_what_follows_must_be_text(more: dict[str, str], api: Api, tmp_path: Path) -> None:
    api.answer = lambda _: {"entities": page(1), **more}
    with pytest.raises(UsageError, match="no request can be made"):
        walked(api, tmp_path)


@pytest.mark.parametrize("content", [b"<html>sign in</html>", b"", b"[" * 100_000])
def test_an_answer_that_is_not_json_is_no_list(content: bytes, api: Api, tmp_path: Path) -> None:
    api.answer = lambda _: Say(content)
    with pytest.raises(TokenError, match="not JSON"):
        walked(api, tmp_path)


def test_page_numbers_that_are_no_numbers_end_a_list(api: Api, tmp_path: Path) -> None:
    api.answer = lambda _: {"entities": page(1), "pageNumber": "one", "pageCount": True, "cursor": 5, "nextUri": None}
    assert walked(api, tmp_path) == ALL[:5]


def test_a_list_that_says_it_is_endless_is_walked_as_far_as_it_is_read(api: Api, tmp_path: Path) -> None:
    api.answer = lambda asked: {"entities": [{"id": asked.query.get("pageNumber", "1")}], "pageCount": 10**15}
    calls = app(api, tmp_path).calls(connections=pages.AHEAD)
    walk = pages.walk(calls.send, GET)
    assert [next(walk).rows[0]["id"] for _ in range(40)] == [str(number) for number in range(1, 41)]


def test_pages_are_fetched_several_at_a_time_and_come_in_order(api: Api, tmp_path: Path) -> None:
    """Each page but the first waits until the next two have been asked for as well."""
    last = math.ceil(len(ROWS) / SIZE)

    def answer(asked: Asked) -> object:
        number = int(asked.query.get("pageNumber", 1))
        wanted = {str(n) for n in range(2, last + 1)} if number > 1 else set()
        for _ in range(2_000):
            if wanted <= {one.query.get("pageNumber") for one in api.asked}:
                return numbered(asked)
            time.sleep(0.01)
        return refused(400)

    api.answer = answer
    assert walked(api, tmp_path) == ALL


def test_what_goes_wrong_on_a_page_comes_after_the_rows_before_it(api: Api, tmp_path: Path) -> None:
    def answer(asked: Asked) -> object:
        return refused(404, "not.found", "gone") if asked.query.get("pageNumber") == "4" else numbered(asked)

    api.answer = answer
    got: list[str] = []

    def walk() -> None:
        for page in pages.walk(app(api, tmp_path).calls(8).send, GET):
            got.extend(row["id"] for row in page.rows)

    with pytest.raises(UsageError, match="404"):
        walk()
    assert got == ALL[:15]


def test_a_walk_ends_when_the_api_stays_down(api: Api, tmp_path: Path) -> None:
    api.answer = lambda asked: numbered(asked) if "pageNumber" not in asked.query else Say({}, 503)
    calls = app(api, tmp_path, deadline="2s").calls(8)
    with pytest.raises(TemporaryError, match="503"):
        list(pages.walk(calls.send, GET))
