"""Resources: the lists of the Platform API that `export` writes to a file, one row of the table for each.

All of them are cut up by page numbers, so that a walk can begin at any page. Paths, fields and the query are those of
the official SDKs (models `User`, `Queue`, `RoutingSkill`, `ConversationQuery`, and of what that gives
`AnalyticsConversationWithoutAttributes`).
"""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from .calls import Call
from .interval import Interval, moment

STATES = ("active", "inactive", "deleted", "any")  # of users; the API shows the active ones unless told otherwise
_JSON = (("Content-Type", "application/json"),)
_START = "conversationStart"


@dataclass(frozen=True, slots=True)
class Resource:
    """`id`: the field that tells rows apart. `columns`: of the CSV, as paths. `size`: rows of a page."""

    path: str
    columns: tuple[str, ...] = field(repr=False)
    id: str = "id"
    size: int = 100
    by_interval: bool = False


@dataclass(frozen=True, slots=True)
class Listing:
    """One list. `call`: for the page of a number, from 1 on. `keeps`: is this row wanted from this list?"""

    call: Callable[[int], Call]
    keeps: Callable[[Any], bool] = lambda _: True


RESOURCES = {
    "users": Resource(
        "/api/v2/users",
        (
            *("id", "name", "email", "username", "state", "title", "department", "division.id", "division.name"),
            *("manager.id", "preferredName", "acdAutoAnswer", "version"),
        ),
    ),
    "queues": Resource(
        "/api/v2/routing/queues",
        (
            *("id", "name", "description", "division.id", "division.name", "memberCount", "userMemberCount"),
            *("joinedMemberCount", "skillEvaluationMethod", "scoringMethod", "acwSettings.wrapupPrompt"),
            *("acwSettings.timeoutMs", "queueFlow.id", "enableTranscription", "dateCreated", "dateModified"),
        ),
    ),
    "skills": Resource("/api/v2/routing/skills", ("id", "name", "state", "division.id", "dateModified", "version")),
    "conversations": Resource(
        "/api/v2/analytics/conversations/details/query",
        (
            *("conversationId", _START, "conversationEnd", "originatingDirection", "conversationInitiator"),
            *("externalTag", "divisionIds", "participants.purpose", "participants.userId"),
            *("participants.sessions.mediaType", "participants.sessions.segments.queueId"),
            *("participants.sessions.segments.wrapUpCode", "mediaStatsMinConversationMos"),
        ),
        id="conversationId",
        by_interval=True,
    ),
}


def lists(resource: Resource, filters: tuple[tuple[str, str], ...], interval: Interval | None) -> Iterator[Listing]:
    """What to walk, one list after the other. `filters`: of a list without an interval, for its query."""
    if interval is None:
        yield Listing(partial(_numbered, resource, filters))
        return
    for number, day in enumerate(interval.days()):
        yield Listing(partial(_query, resource, day), partial(_belongs, day, is_first=number == 0))


def _numbered(resource: Resource, filters: tuple[tuple[str, str], ...], page: int) -> Call:
    return Call("GET", resource.path, (*filters, ("pageSize", str(resource.size)), ("pageNumber", str(page))))


def _query(resource: Resource, day: Interval, page: int) -> Call:
    query = {
        "interval": str(day),
        "order": "asc",
        "orderBy": _START,
        "paging": {"pageSize": resource.size, "pageNumber": page},
    }
    return Call("POST", resource.path, body=json.dumps(query).encode(), headers=_JSON)


def _belongs(day: Interval, row: Any, *, is_first: bool) -> bool:
    """Each conversation to one day only, though the API may show it on every day on which it goes on.

    It belongs to the day on which it starts. One that started before all of the interval belongs to the first day.
    """
    start = moment(row.get(_START))
    return start is None or ((is_first or start >= day.start) and start < day.end)
