from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest
import requests

from gc_credhelper.sandbox.server import SandboxThread

from .kit import assert_error, call, new_token

Start = Callable[..., SandboxThread]
Query = Callable[[str], list[dict[str, Any]]]
QUERY = "/api/v2/analytics/conversations/details/query"
JOBS = "/api/v2/analytics/conversations/details/jobs"
DAY = "2026-03-01T00:00:00.000Z/2026-03-02T00:00:00.000Z"
MONTH = "2026-03-01T00:00:00Z/2026-04-01T00:00:00Z"


@pytest.fixture
def query(sandbox: SandboxThread, http: requests.Session, token: str) -> Query:
    """Walk the details query over an interval."""

    def walk(interval: str) -> list[dict[str, Any]]:
        seen: list[dict[str, Any]] = []
        while True:
            paging = {"pageSize": 100, "pageNumber": len(seen) // 100 + 1}
            body = {"interval": interval, "paging": paging}
            page = call(http, sandbox, token, QUERY, "POST", json=body).json()
            seen += page["conversations"]
            if len(seen) >= page["totalHits"]:
                assert len(seen) == page["totalHits"]
                return seen

    return walk


def ids(conversations: list[dict[str, Any]]) -> list[str]:
    return [conversation["conversationId"] for conversation in conversations]


def days(first: str, count: int) -> Iterator[str]:
    start = datetime.fromisoformat(first)
    for number in range(count):
        yield "/".join((start + timedelta(days=number + more)).isoformat() for more in (0, 1))


def test_conversations_are_walked_by_page_number(sandbox: SandboxThread, http: requests.Session, token: str) -> None:
    seen: list[dict[str, Any]] = []
    for number in (1, 2, 3):
        query = {"interval": DAY, "paging": {"pageSize": 100, "pageNumber": number}}
        answer = call(http, sandbox, token, QUERY, "POST", json=query).json()
        assert answer["totalHits"] == 144
        seen += answer["conversations"]
    starts = [conversation["conversationStart"] for conversation in seen]
    assert starts == sorted(starts)
    assert len({conversation["conversationId"] for conversation in seen}) == len(seen) == 144
    bounds = [datetime.fromisoformat(part) for part in DAY.split("/")]
    assert all(bounds[0] <= datetime.fromisoformat(start) < bounds[1] for start in starts)


def test_overlapping_intervals_agree_on_their_conversations(
    sandbox: SandboxThread, http: requests.Session, token: str
) -> None:
    wide = {"interval": "2026-03-01T00:00:00/2026-03-01T04:00:00"}
    narrow = {"interval": "2026-03-01T03:59:30+02:00/2026-03-01T06:00:00+02:00", "order": "desc"}
    first, second = (
        call(http, sandbox, token, QUERY, "POST", json=query).json()["conversations"] for query in (wide, narrow)
    )
    assert len(first) == 24
    assert second == first[:10:-1]


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"interval": "PT1H"},
        {"interval": "2026-03-01T00:00:00/PT1H"},
        {"interval": "2026-03-02T00:00:00/2026-03-01T00:00:00"},
        {"interval": f"{DAY}/{DAY}"},
        {"interval": "2026-03-01T00:00:00/2026-04-01T00:00:00.001"},
        {"interval": 7},
        {"interval": DAY, "paging": {"pageSize": 101}},
        {"interval": DAY, "paging": {"pageNumber": 0}},
        {"interval": DAY, "paging": [1]},
        [],
    ],
)
def test_a_query_that_says_no_interval_or_page_is_a_bad_request(
    sandbox: SandboxThread, http: requests.Session, token: str, body: object
) -> None:
    assert_error(call(http, sandbox, token, QUERY, "POST", json=body), 400, "bad.request")


def test_days_that_are_cut_at_noon_meet_a_call_twice_and_lose_none(query: Query) -> None:
    whole = ids(query("2026-03-01T12:00:00Z/2026-03-04T12:00:00Z"))
    parts = [ids(query(day)) for day in days("2026-03-01T12:00:00+00:00", 3)]
    assert {one for part in parts for one in part} == set(whole)
    assert [len(set(one) & set(next_one)) for one, next_one in pairwise(parts)] == [1, 1]


def test_days_that_are_cut_at_midnight_utc_share_no_call(query: Query) -> None:
    parts = [query(day) for day in days("2026-03-01T00:00:00+00:00", 3)]
    assert ids([one for part in parts for one in part]) == ids(query("2026-03-01T00:00:00Z/2026-03-04T00:00:00Z"))
    last = parts[0][-1]
    assert (last["conversationStart"], last["conversationEnd"] > "2026-03-02T00:00:00.000Z") == (
        "2026-03-01T23:50:00.000Z",
        True,
    )


def test_every_call_that_a_query_gives_out_overlaps_its_interval(query: Query) -> None:
    found = query("2026-03-01T11:59:59Z/2026-03-01T12:00:01Z")
    assert [(one["conversationStart"][11:16], one["conversationEnd"] > "2026-03-01T12") for one in found] == [
        ("11:50", True),
        ("12:00", True),
    ]


def test_a_month_is_the_longest_interval(query: Query) -> None:
    assert len(query(MONTH)) == 31 * 144


def test_a_job_gives_out_the_calls_of_its_interval_by_cursor(
    sandbox: SandboxThread, http: requests.Session, token: str, query: Query
) -> None:
    started = call(http, sandbox, token, JOBS, "POST", json={"interval": DAY})
    assert started.status_code == 202
    job = f"{JOBS}/{started.json()['jobId']}"
    assert call(http, sandbox, token, job).json()["state"] == "FULFILLED"
    seen, cursor, pages = [], "", 0
    while cursor is not None:
        page = call(http, sandbox, token, f"{job}/results", params={"pageSize": 50, "cursor": cursor}).json()
        seen += page["conversations"]
        cursor, pages = page.get("cursor"), pages + 1
    assert pages == 3
    # A job knows of the call that came over midnight as well, which the query leaves to the day before.
    assert ids(seen[1:]) == ids(query(DAY))
    assert seen[0]["conversationStart"] < "2026-03-01" < seen[0]["conversationEnd"]


@pytest.mark.parametrize("path", ["nobody", "nobody/results"])
def test_a_job_that_nobody_started_is_not_found(
    sandbox: SandboxThread, http: requests.Session, token: str, path: str
) -> None:
    assert_error(call(http, sandbox, token, f"{JOBS}/{path}"), 404, "not.found")


def test_without_users_nobody_answers_the_calls(start: Start, http: requests.Session) -> None:
    sandbox = start(users=0)
    found = call(http, sandbox, new_token(http, sandbox), QUERY, "POST", json={"interval": DAY}).json()
    assert {len(conversation["participants"]) for conversation in found["conversations"]} == {1}
