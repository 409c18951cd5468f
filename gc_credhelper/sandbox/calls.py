"""The made-up calls: one starts every ten minutes, for ever, and is the same in every run.

Field names follow the vendor's SDK model `AnalyticsConversationWithoutAttributes`.
"""

import math
from datetime import UTC, datetime

from gc_credhelper.sandbox.answers import Json
from gc_credhelper.sandbox.data import DIVISION, QUEUES, make_id

SPACING = 600
"""Seconds between the starts of two calls; one starts at each multiple of it."""
HOUR = 3600
CALLS_AN_HOUR = HOUR // SPACING
LONGEST = 60 + 480 + HOUR


def start_of(number: int) -> int:
    """When the call starts, in seconds since the epoch."""
    return number * SPACING


def end_of(number: int) -> int:
    """When it ends: within ten minutes, but the last of every hour goes on into the next, at midnight as well."""
    return start_of(number) + 60 + number % 480 + (0 if (number + 1) % CALLS_AN_HOUR else HOUR)


def active_in(start: datetime, end: datetime, *, from_day: bool) -> list[int]:
    """Say which calls overlap [start, end), in their order.

    With `from_day` without those that started before the UTC day of `start`.
    """
    first, last = start.timestamp(), end.timestamp()
    earliest = first - LONGEST
    if from_day:
        earliest = max(earliest, start.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0).timestamp())
    before = range(math.ceil(earliest / SPACING), math.ceil(first / SPACING))
    under_way = [number for number in before if end_of(number) > first]
    return under_way + list(range(before.stop, math.ceil(last / SPACING)))


def make_conversation(number: int, agent: Json | None) -> Json:
    """Make an inbound call: a customer waits, and is answered if there is a user to do so."""
    start, end = start_of(number), end_of(number)
    began, ended, answered = _instant(start), _instant(end), _instant(start + 5 + number % 40)
    queue = make_id("queue", number % QUEUES)
    customer = {
        "participantId": make_id("customer", number),
        "participantName": "Customer",
        "purpose": "customer",
        "sessions": [_session("customer-session", number, _segment("interact", began, ended, queue))],
    }
    participants = [customer]
    if agent:
        alert = _segment("alert", began, answered, queue)
        talk = _segment("interact", answered, ended, queue)
        participants.append(
            {
                "participantId": make_id("agent", number),
                "participantName": agent["name"],
                "purpose": "agent",
                "userId": agent["id"],
                "sessions": [_session("agent-session", number, alert, talk)],
            }
        )
    return {
        "conversationId": make_id("conversation", number),
        "conversationStart": began,
        "conversationEnd": ended,
        "conversationInitiator": "customer",
        "customerParticipation": True,
        "divisionIds": [DIVISION["id"]],
        "originatingDirection": "inbound",
        "mediaStatsMinConversationMos": 4.5,
        "participants": participants,
    }


def _session(kind: str, number: int, *segments: Json) -> Json:
    return {
        "sessionId": make_id(kind, number),
        "mediaType": "voice",
        "direction": "inbound",
        "ani": f"tel:+1555{number % 10_000_000:07}",
        "dnis": "tel:+15550000000",
        "provider": "Edge",
        "segments": segments,
    }


def _segment(kind: str, start: str, end: str, queue: str) -> Json:
    return {"segmentStart": start, "segmentEnd": end, "segmentType": kind, "queueId": queue, "conference": False}


def _instant(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
