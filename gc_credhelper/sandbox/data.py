"""The made-up organisation: the same people, skills and queues in every run, each made when it is asked for.

Field names follow the vendor's SDK models `Organization`, `User`, `RoutingSkill`, `Queue`, `Team`,
`UserReferenceWithName`, `ExternalContact`, `WorkbinVersion` and `ScimV2User`.
"""

import uuid
from functools import lru_cache
from typing import Any

Json = dict[str, Any]

NAMESPACE = uuid.uuid5(uuid.NAMESPACE_DNS, "sandbox.example")
FIRST = ("Ada", "Björn", "Chloé", "Dmitri", "Ewa", "Farah", "Gita", "Hiro", "Inés", "João", "Kofi", "Lena")
LAST = ("Abe", "Brandt", "Costa", "Diallo", "Eriksen", "Fischer", "García", "Haddad", "Ito", "Jansen", "Kim")
SKILLS = 40
QUEUES = 12
WORKBIN_VERSIONS = 60
CREATED = "2026-01-05T08:00:00Z"


@lru_cache
def _first_digits(kind: str) -> str:
    return str(uuid.uuid5(NAMESPACE, kind))[:-12]


def make_id(kind: str, number: int = 0) -> str:
    """Derive the id that the thing has in every run; only its last digits are counted, because hashes take time."""
    return f"{_first_digits(kind)}{number % 2**48:012x}"


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
    user, (first, last), email = make_id("user", number), _name(number), f"user{number:05}@sandbox.example"
    return {
        "id": user,
        "name": f"{first} {last}",
        "division": DIVISION,
        "chat": {"jabberId": f"{user}@sandbox.orgspan.example"},
        "email": email,
        "primaryContactInfo": [{"address": email, "mediaType": "EMAIL", "type": "PRIMARY"}],
        "addresses": [],
        "state": "active",
        "username": email,
        "version": 1,
        "acdAutoAnswer": False,
        "selfUri": f"/api/v2/users/{user}",
    }


def make_member(number: int) -> Json:
    """Make the `UserReferenceWithName` that a team shows of a user."""
    user = make_user(number)
    return {key: user[key] for key in ("id", "name", "selfUri")}


def make_scim_user(number: int) -> Json:
    """Make the `ScimV2User` of a user."""
    user = make_user(number)
    return {
        "id": user["id"],
        "schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"],
        "active": True,
        "userName": user["username"],
        "displayName": user["name"],
        "emails": [{"value": user["email"], "type": "work", "primary": True}],
        "meta": {
            "resourceType": "User",
            "lastModified": CREATED,
            "location": f"/api/v2/scim/v2/users/{user['id']}",
            "version": "1",
        },
    }


def make_contact(number: int) -> Json:
    """Make an `ExternalContact`: there is one for every user."""
    contact, (first, last) = make_id("contact", number), _name(number)
    return {
        "id": contact,
        "division": DIVISION,
        "firstName": first,
        "lastName": last,
        "workEmail": f"contact{number:05}@elsewhere.example",
        "type": "Curated",
        "createDate": CREATED,
        "modifyDate": CREATED,
        "selfUri": f"/api/v2/externalcontacts/contacts/{contact}",
    }


def make_team(members: int) -> Json:
    """Make the `Team` to which everybody belongs."""
    return {
        "id": make_id("team"),
        "name": "Everybody",
        "division": DIVISION,
        "dateCreated": CREATED,
        "dateModified": CREATED,
        "memberCount": members,
        "selfUri": f"/api/v2/teams/{make_id('team')}",
    }


def make_workbin_version(workbin: str, number: int) -> Json:
    """Make a `WorkbinVersion`; every workbin has WORKBIN_VERSIONS of them, which share its id."""
    return {
        "id": workbin,
        "name": f"Workbin, version {number + 1}",
        "division": DIVISION,
        "dateCreated": CREATED,
        "dateModified": CREATED,
        "version": number + 1,
        "selfUri": f"/api/v2/taskmanagement/workbins/{workbin}/versions/{number + 1}",
    }


def make_skill(number: int) -> Json:
    """Make a `RoutingSkill`."""
    return {
        "id": make_id("skill", number),
        "name": f"Skill {number:03}",
        "dateModified": CREATED,
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
        "dateCreated": CREATED,
        "dateModified": CREATED,
        "memberCount": 0,
        "acwSettings": {"wrapupPrompt": "OPTIONAL"},
        "skillEvaluationMethod": "ALL",
        "enableTranscription": False,
        "selfUri": f"/api/v2/routing/queues/{make_id('queue', number)}",
    }


def _name(number: int) -> tuple[str, str]:
    return FIRST[number % len(FIRST)], LAST[number % len(LAST)]
