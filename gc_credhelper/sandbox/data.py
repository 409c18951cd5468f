"""The made-up organisation: the same users, skills, queues and conversations in every run.

Field names follow the vendor's SDK models `User`, `RoutingSkill`, `Queue`, `Organization` and
`AnalyticsConversationWithoutAttributes`.
"""

import math
import uuid
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

Json = dict[str, Any]

NAMESPACE = uuid.uuid5(uuid.NAMESPACE_DNS, "sandbox.example")
FIRST = ("Ada", "Björn", "Chloé", "Dmitri", "Ewa", "Farah", "Gita", "Hiro", "Inés", "João", "Kofi", "Lena")
LAST = ("Abe", "Brandt", "Costa", "Diallo", "Eriksen", "Fischer", "García", "Haddad", "Ito", "Jansen", "Kim")
SKILLS = 40
QUEUES = 12
SPACING = 600
"""Seconds between the starts of two conversations; one starts at each multiple of it, for ever."""


def make_id(kind: str, number: int = 0) -> str:
    """Derive the id that the thing has in every run."""
    return str(uuid.uuid5(NAMESPACE, f"{kind}-{number}"))


ORGANIZATION: Json = {
    "id": make_id("organization"),
    "name": "Sandbox Organization",
    "defaultLanguage": "en-us",
    "defaultCountryCode": "US",
    "thirdPartyOrgName": "sandbox",
    "domain": "sandbox",
    "version": 1,
    "state": "active",
    "voicemailEnabled": False,
    "productPlatform": "GenesysCloud",
    "selfUri": "/api/v2/organizations/me",
    "features": {"purecloud": True},
}

DIVISION: Json = {
    "id": make_id("division"),
    "name": "Home",
    "selfUri": f"/api/v2/authorization/divisions/{make_id('division')}",
}


def make_user(number: int) -> Json:
    """Make a `User`, without anything that has to be asked for with `expand`."""
    name = f"{FIRST[number % len(FIRST)]} {LAST[number % len(LAST)]}"
    email = f"user{number:05}@sandbox.example"
    return {
        "id": make_id("user", number),
        "name": name,
        "division": DIVISION,
        "chat": {"jabberId": f"{make_id('user', number)}@sandbox.orgspan.example"},
        "email": email,
        "primaryContactInfo": [{"address": email, "mediaType": "EMAIL", "type": "PRIMARY"}],
        "addresses": [],
        "state": "active",
        "username": email,
        "version": 1,
        "acdAutoAnswer": False,
        "selfUri": f"/api/v2/users/{make_id('user', number)}",
    }


def make_skill(number: int) -> Json:
    """Make a `RoutingSkill`."""
    return {
        "id": make_id("skill", number),
        "name": f"Skill {number:03}",
        "dateModified": "2026-01-05T08:00:00Z",
        "state": "active",
        "version": "1",
        "selfUri": f"/api/v2/routing/skills/{make_id('skill', number)}",
    }


def make_queue(number: int) -> Json:
    """Make a `Queue`, as far as a list shows it."""
    return {
        "id": make_id("queue", number),
        "name": f"Queue {number:03}",
        "division": DIVISION,
        "dateCreated": "2026-01-05T08:00:00Z",
        "dateModified": "2026-01-05T08:00:00Z",
        "memberCount": 0,
        "acwSettings": {"wrapupPrompt": "OPTIONAL"},
        "skillEvaluationMethod": "ALL",
        "enableTranscription": False,
        "selfUri": f"/api/v2/routing/queues/{make_id('queue', number)}",
    }


def conversation_numbers(start: datetime, end: datetime) -> range:
    """Say which conversations start within [start, end); intervals that overlap agree on them."""
    return range(math.ceil(start.timestamp() / SPACING), math.ceil(end.timestamp() / SPACING))


def make_conversation(number: int, users: Sequence[Json]) -> Json:
    """Make an inbound call: a customer waits, and is answered if there are users."""
    start = number * SPACING
    answered, end = start + 5 + number % 40, start + 60 + number % 480
    queue = make_id("queue", number % QUEUES)
    customer = {
        "participantId": make_id("customer", number),
        "participantName": "Customer",
        "purpose": "customer",
        "sessions": [_session("customer-session", number, _segment("interact", start, end, queue))],
    }
    participants = [customer]
    if users:
        user = users[number % len(users)]
        alert = _segment("alert", start, answered, queue)
        talk = _segment("interact", answered, end, queue)
        participants.append(
            {
                "participantId": make_id("agent", number),
                "participantName": user["name"],
                "purpose": "agent",
                "userId": user["id"],
                "sessions": [_session("agent-session", number, alert, talk)],
            }
        )
    return {
        "conversationId": make_id("conversation", number),
        "conversationStart": _instant(start),
        "conversationEnd": _instant(end),
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


def _segment(kind: str, start: int, end: int, queue: str) -> Json:
    times = {"segmentStart": _instant(start), "segmentEnd": _instant(end)}
    return {**times, "segmentType": kind, "queueId": queue, "conference": False}


def _instant(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S.000Z")
