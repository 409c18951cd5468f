"""What analytics tell of conversations: the details query, paged in its body, and the same as a job with a cursor.

Models `ConversationQuery`, `AnalyticsConversationQueryResponse`, `AsyncConversationQuery`, `AsyncQueryStatus` and
`AnalyticsConversationAsyncQueryResponse`; filters are taken and make no difference.
"""

import uuid
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from aiohttp import web

from gc_credhelper.sandbox import calls, data
from gc_credhelper.sandbox.answers import ApiError, Json, bad_request, json_answer
from gc_credhelper.sandbox.asking import json_object, page, slice_at, whole_number

SIZE, CAP = 25, 100
JOB_SIZE, JOB_CAP = 1000, 10_000
LONGEST_INTERVAL = timedelta(days=31)


class Conversations:
    """The handlers; jobs are kept for as long as the sandbox runs, and done as soon as they are asked for."""

    def __init__(self, users: int) -> None:
        self._users = users
        self._jobs: dict[str, Sequence[int]] = {}

    async def query(self, request: web.Request) -> web.Response:
        """Answer with the calls that overlap `interval` and started on a UTC day that it touches.

        The vendor's page on detail queries says so of the day, because each day has an index of its own there.
        """
        query = await json_object(request)
        numbers = _ordered(query, calls.active_in(*_interval(query.get("interval")), from_day=True))
        paging = query.get("paging") or {}
        if not isinstance(paging, dict):
            raise bad_request("paging must be an object")
        size, number = page(paging, default=SIZE, cap=CAP)
        shown = self._make(numbers[(number - 1) * size : number * size])
        return json_answer({"conversations": shown, "totalHits": len(numbers)})

    async def start_job(self, request: web.Request) -> web.Response:
        """Take a query for all calls that overlap `interval`, whenever they started."""
        query = await json_object(request)
        numbers = _ordered(query, calls.active_in(*_interval(query.get("interval")), from_day=False))
        job = str(uuid.uuid4())
        self._jobs[job] = numbers
        return json_answer({"jobId": job}, status=202)

    async def job(self, request: web.Request) -> web.Response:
        """Tell that it is done."""
        self._numbers(request)
        return json_answer({"state": "FULFILLED", "submissionDate": _now(), "completionDate": _now()})

    async def results(self, request: web.Request) -> web.Response:
        """Answer with a page of its calls, and a `cursor` unless it is the last."""
        numbers = self._numbers(request)
        size = whole_number(request.query, "pageSize", JOB_SIZE, least=1, most=JOB_CAP)
        part = slice_at(request.query.get("cursor", ""), size, len(numbers))
        shown = self._make(numbers[part.numbers.start : part.numbers.stop])
        answer: Json = {"conversations": shown, "dataAvailabilityDate": _now()}
        return json_answer({**answer, "cursor": part.after} if part.after else answer)

    def _numbers(self, request: web.Request) -> Sequence[int]:
        job = request.match_info["job"]
        if job not in self._jobs:
            raise ApiError(404, "not.found", "There is no such job.")
        return self._jobs[job]

    def _make(self, numbers: Sequence[int]) -> list[Json]:
        agents = [data.make_user(number % self._users) if self._users else None for number in numbers]
        return [calls.make_conversation(number, agent) for number, agent in zip(numbers, agents, strict=True)]


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _ordered(query: Json, numbers: list[int]) -> list[int]:
    return numbers[::-1] if str(query.get("order", "asc")).lower() == "desc" else numbers


def _interval(value: object) -> tuple[datetime, datetime]:
    """Read `start/end`, both ISO-8601 instants, UTC unless they say otherwise; a duration is no interval here."""
    try:
        start, end = (datetime.fromisoformat(part) for part in str(value).split("/"))
    except ValueError:
        raise bad_request("interval must be YYYY-MM-DDThh:mm:ss/YYYY-MM-DDThh:mm:ss") from None
    start, end = (moment if moment.tzinfo else moment.replace(tzinfo=UTC) for moment in (start, end))
    if start >= end:
        raise bad_request("interval must end after it starts")
    if end - start > LONGEST_INTERVAL:
        raise bad_request(f"interval must not be longer than {LONGEST_INTERVAL.days} days")
    return start, end
