"""Intervals: how they are written, and that their days together give each conversation once."""

import json
import random
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from api.kit import Api, Asked, app, serving

from gc_credhelper import pages
from gc_credhelper.errors import UsageError
from gc_credhelper.interval import Interval, moment
from gc_credhelper.resources import RESOURCES, lists
from gc_credhelper.sandbox import calls

DAY = "2026-01-05T00:00:00.000Z/2026-01-06T00:00:00.000Z"


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("2026-01-05/2026-01-06", DAY),
        ("2026-01-05T00:00/2026-01-06T00:00:00", DAY),
        ("2026-01-05T00:00:00Z/2026-01-06T00:00:00.000Z", DAY),
        ("2026-01-05T01:00:00+01:00/2026-01-05T19:00:00-05:00", DAY),
        ("20260105/20260106", DAY),
        (
            "2026-01-05T08:30:00.123456/2026-01-05T08:30:00.5",
            "2026-01-05T08:30:00.123Z/2026-01-05T08:30:00.500Z",
        ),
        ("0001-01-01/9999-12-31T23:59:59Z", "0001-01-01T00:00:00.000Z/9999-12-31T23:59:59.000Z"),
    ],
)
def test_an_interval_is_days_or_instants_in_utc_unless_it_says_otherwise(written: str, read: str) -> None:
    assert str(Interval.parse(written)) == read
    assert str(Interval.parse(read)) == read


@pytest.mark.parametrize(
    "written",
    [
        *("", "/", "2026-01-05", "2026-01-05/", "/2026-01-05", "2026-01-05/P1D", "PT1H", "a/b", "5/6"),
        *("2026-01-05/2026-01-06/2026-01-07", "2026-01-06/2026-01-05", "2026-01-05/2026-01-05"),
        *("2026-02-30/2026-03-01", "2026-01-05T25:00/2026-01-06", "0001-01-01T00:00:00+10:00/2026-01-01"),
        "2026-01-05T00:00:00.0001Z/2026-01-05T00:00:00.0009Z",
    ],
)
def test_what_is_no_interval_is_said_with_an_example(written: str) -> None:
    with pytest.raises(UsageError, match="--interval") as caught:
        Interval.parse(written)
    assert "2026-01-01/2026-02-01" in caught.value.hint


@pytest.mark.parametrize(
    ("written", "wanted"),
    [
        (DAY, [DAY]),
        (
            "2026-01-05T23:00/2026-01-07T01:00",
            [
                "2026-01-05T23:00:00.000Z/2026-01-06T00:00:00.000Z",
                "2026-01-06T00:00:00.000Z/2026-01-07T00:00:00.000Z",
                "2026-01-07T00:00:00.000Z/2026-01-07T01:00:00.000Z",
            ],
        ),
        ("2026-01-05T10:00/2026-01-05T11:00", ["2026-01-05T10:00:00.000Z/2026-01-05T11:00:00.000Z"]),
    ],
)
def test_an_interval_is_split_at_midnight_in_utc(written: str, wanted: list[str]) -> None:
    assert [str(day) for day in Interval.parse(written).days()] == wanted


def test_the_last_day_that_can_be_written_has_an_end() -> None:
    (day,) = Interval.parse("9999-12-31/9999-12-31T23:59:59.999").days()
    assert str(day) == "9999-12-31T00:00:00.000Z/9999-12-31T23:59:59.999Z"


@pytest.mark.parametrize("value", [None, 5, "", "soon", "0001-01-01T00:00:00+14:00", "2026-13-01"])
def test_what_is_no_instant_is_none(value: object) -> None:
    assert moment(value) is None


def conversation(number: int) -> dict[str, Any]:
    """Each starts at one of the sandbox's times, and every fifth goes on for days."""
    start = calls.start_of(number)
    end = calls.end_of(number) + (200_000 if number % 5 == 0 else 0)
    return {"conversationId": f"c-{number}", "conversationStart": written(start), "conversationEnd": written(end)}


def written(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S.000Z")


FIRST = round(datetime(2026, 1, 1, tzinfo=UTC).timestamp()) // calls.SPACING
ALL = [conversation(FIRST + number) for number in range(144 * 8)]


def overlapping(interval: str, *, from_day: bool) -> list[dict[str, Any]]:
    """What an API gives out: with `from_day` as the details query does, and else as its jobs do."""
    start, end = interval.split("/")
    early = start[:10] if from_day else ""
    return [
        one
        for one in ALL
        if one["conversationStart"] < end and one["conversationEnd"] > start and one["conversationStart"] >= early
    ]


@pytest.fixture(params=[True, False], ids=["of the days touched", "whenever started"])
def rule(request: pytest.FixtureRequest) -> bool:
    return bool(request.param)


@pytest.fixture
def api(rule: bool) -> Iterator[Api]:  # noqa: FBT001
    def answer(asked: Asked) -> object:
        assert (asked.body["order"], asked.body["orderBy"]) == ("asc", "conversationStart")
        size, number = asked.body["paging"]["pageSize"], asked.body["paging"]["pageNumber"]
        found = overlapping(asked.body["interval"], from_day=rule)
        shown = found[(number - 1) * size : number * size]
        return {"totalHits": len(found)} | ({"conversations": shown} if shown else {})

    with serving(answer) as server:
        yield server


def test_the_days_give_what_one_query_would_each_conversation_once_and_in_order(
    rule: bool,  # noqa: FBT001
    api: Api,
    tmp_path: Path,
) -> None:
    dice = random.Random(5)  # the same in every run
    send = app(api, tmp_path).calls(connections=pages.AHEAD).send
    begin = datetime(2026, 1, 2, tzinfo=UTC)
    edges = [(timedelta(), timedelta(days=3)), (timedelta(hours=23, minutes=55), timedelta(hours=24, minutes=5))]
    edges += [(timedelta(minutes=10), timedelta(minutes=20)), (timedelta(days=1), timedelta(days=2, milliseconds=1))]
    for _ in range(8):
        start = timedelta(seconds=dice.randrange(3 * 86_400))
        edges.append((start, start + timedelta(seconds=dice.randrange(1, 3 * 86_400))))
    for start, end in edges:
        interval = Interval(begin + start, begin + end)
        found = [
            row["conversationId"]
            for listing in lists(RESOURCES["conversations"], (), interval)
            for page in pages.walk(send, listing.call(1))
            for row in page.rows
            if listing.keeps(row)
        ]
        assert found == [one["conversationId"] for one in overlapping(str(interval), from_day=rule)], str(interval)


def test_an_instant_on_the_edge_of_two_days_belongs_to_one_of_them() -> None:
    listings = list(lists(RESOURCES["conversations"], (), Interval.parse("2026-01-05/2026-01-07")))
    kept = [one.keeps({"conversationStart": "2026-01-06T00:00:00.000Z"}) for one in listings]
    assert kept == [False, True]
    assert [one.keeps({"conversationStart": "2026-01-07T00:00:00.000Z"}) for one in listings] == [False, False]


def test_a_conversation_that_does_not_say_when_it_started_is_not_lost() -> None:
    (listing,) = lists(RESOURCES["conversations"], (), Interval.parse(DAY))
    assert listing.keeps({"conversationId": "x"})


def test_the_body_has_the_fields_of_the_query_and_no_others() -> None:
    (listing,) = lists(RESOURCES["conversations"], (), Interval.parse(DAY))
    call = listing.call(7)
    assert (call.method, call.query, call.repeatable) == ("POST", (), True)
    assert json.loads(call.body or b"") == {
        "interval": DAY,
        "order": "asc",
        "orderBy": "conversationStart",
        "paging": {"pageSize": 100, "pageNumber": 7},
    }
