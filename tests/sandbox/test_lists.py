from collections.abc import Callable, Iterator
from typing import Any

import pytest
import requests

from gc_credhelper.sandbox.server import SandboxThread

from .kit import assert_error, call, new_token

Start = Callable[..., SandboxThread]
Page = dict[str, Any]
CONTACTS = "/api/v2/externalcontacts/scan/contacts"
SCIM = "/api/v2/scim/v2/users"
SEARCH = "/api/v2/users/search"
VERSIONS = "/api/v2/taskmanagement/workbins/11111111-2222-4333-8444-555555555555/versions"


def follow(
    http: requests.Session, sandbox: SandboxThread, path: str, link: str = "nextUri"
) -> Iterator[dict[str, Any]]:
    """Walk a list by one of its links."""
    token, uri = new_token(http, sandbox), path
    while uri:
        page = call(http, sandbox, token, uri).json()
        yield page
        uri = page.get(link)


def names(http: requests.Session, sandbox: SandboxThread) -> list[str]:
    """List the users of up to 500."""
    page = call(http, sandbox, new_token(http, sandbox), "/api/v2/users?pageSize=500").json()
    return [user["name"] for user in page["entities"]]


@pytest.mark.parametrize(("path", "total"), [("users", 120), ("routing/skills", 40), ("routing/queues", 12)])
def test_a_list_is_walked_by_its_relative_links(start: Start, http: requests.Session, path: str, total: int) -> None:
    sandbox = start(users=120)
    token, seen, pages = new_token(http, sandbox), [], 0
    uri: str | None = f"/api/v2/{path}"
    while uri:
        assert uri.startswith(f"/api/v2/{path}")
        page = call(http, sandbox, token, uri).json()
        pages += 1
        assert (page["pageNumber"], page["pageSize"], page["total"]) == (pages, 25, total)
        assert ("previousUri" in page) == (pages > 1)
        assert page["selfUri"] == f"/api/v2/{path}?pageSize=25&pageNumber={pages}"
        seen += page["entities"]
        uri = page.get("nextUri")
    assert pages == page["pageCount"] == -(-total // 25)
    assert (page["firstUri"][-1], page["lastUri"][-1]) == ("1", str(pages))
    assert len({entity["id"] for entity in seen}) == len(seen) == total
    assert all({"id", "name", "selfUri"} <= set(entity) for entity in seen)


def test_a_page_after_the_last_is_empty_and_leads_back(
    sandbox: SandboxThread, http: requests.Session, token: str
) -> None:
    page = call(http, sandbox, token, "/api/v2/users?pageSize=20&pageNumber=9").json()
    assert (page["entities"], page["total"], page["pageCount"]) == ([], 50, 3)
    assert "nextUri" not in page
    assert page["previousUri"].endswith("pageNumber=3")


def test_an_organisation_may_have_no_users(start: Start, http: requests.Session) -> None:
    sandbox = start(users=0)
    token = new_token(http, sandbox)
    page = call(http, sandbox, token, "/api/v2/users").json()
    assert (page["entities"], page["total"], page["pageCount"]) == ([], 0, 0)


def test_the_largest_page_is_of_500(start: Start, http: requests.Session) -> None:
    sandbox = start(users=600)
    token = new_token(http, sandbox)
    assert len(call(http, sandbox, token, "/api/v2/users?pageSize=500").json()["entities"]) == 500


@pytest.mark.parametrize("query", ["pageSize=501", "pageSize=0", "pageSize=x", "pageNumber=0", "pageNumber=1.5"])
def test_paging_out_of_bounds_is_a_bad_request(
    sandbox: SandboxThread, http: requests.Session, token: str, query: str
) -> None:
    assert_error(call(http, sandbox, token, f"/api/v2/users?{query}"), 400, "bad.request")


def test_the_members_of_a_team_are_walked_by_next_uri_alone(start: Start, http: requests.Session) -> None:
    sandbox = start(users=120)
    (team,) = call(http, sandbox, new_token(http, sandbox), "/api/v2/teams").json()["entities"]
    pages = list(follow(http, sandbox, f"{team['selfUri']}/members?pageSize=50"))
    assert [len(page["entities"]) for page in pages] == [50, 50, 20]
    assert [user["name"] for page in pages for user in page["entities"]] == names(http, sandbox)
    assert team["memberCount"] == 120
    fields = {"entities", "selfUri"}
    assert [page.keys() ^ fields for page in pages] == [{"nextUri"}, {"nextUri", "previousUri"}, {"previousUri"}]
    assert all("after=" in page["nextUri"] for page in pages[:-1])


def test_previous_uri_leads_back_to_the_same_pages(start: Start, http: requests.Session) -> None:
    sandbox = start(users=60)
    (team,) = call(http, sandbox, new_token(http, sandbox), "/api/v2/teams").json()["entities"]
    pages = list(follow(http, sandbox, f"{team['selfUri']}/members"))
    back = list(follow(http, sandbox, pages[-1]["selfUri"], "previousUri"))
    assert [page["entities"] for page in back] == [page["entities"] for page in pages[::-1]]
    assert "before=" in pages[1]["previousUri"]


def test_a_team_of_nobody_is_not_found(sandbox: SandboxThread, http: requests.Session, token: str) -> None:
    assert_error(call(http, sandbox, token, "/api/v2/teams/nobody/members"), 404, "not.found")


def test_versions_of_a_workbin_name_the_next_cursor_beside_the_link(
    sandbox: SandboxThread, http: requests.Session, token: str
) -> None:
    linked = list(follow(http, sandbox, VERSIONS))
    assert [version["version"] for page in linked for version in page["entities"]] == list(range(1, 61))
    assert {version["id"] for page in linked for version in page["entities"]} == {VERSIONS.split("/")[5]}
    page, pages = call(http, sandbox, token, VERSIONS).json(), 1
    while "after" in page:
        page, pages = call(http, sandbox, token, VERSIONS, params={"after": page["after"]}).json(), pages + 1
        assert page["entities"] == linked[pages - 1]["entities"]
    assert pages == len(linked) == 3
    assert ["after" in page for page in linked] == [True, True, False]


def test_external_contacts_are_scanned_by_cursors(start: Start, http: requests.Session) -> None:
    sandbox = start(users=250)
    linked = list(follow(http, sandbox, CONTACTS))
    assert [len(page["entities"]) for page in linked] == [100, 100, 50]
    assert [set(page["cursors"]) for page in linked] == [{"after"}, {"before", "after"}, {"before"}]
    assert len({contact["id"] for page in linked for contact in page["entities"]}) == 250
    token = new_token(http, sandbox)
    second = call(http, sandbox, token, CONTACTS, params={"cursor": linked[0]["cursors"]["after"]}).json()
    first = call(http, sandbox, token, CONTACTS, params={"cursor": second["cursors"]["before"]}).json()
    assert (second["entities"], first["entities"]) == (linked[1]["entities"], linked[0]["entities"])


def test_users_are_found_page_by_page_with_q64(start: Start, http: requests.Session) -> None:
    sandbox = start(users=70)
    token = new_token(http, sandbox)
    query = {"pageSize": 30, "query": [{"type": "EXACT", "fields": ["state"], "value": "active"}]}
    pages = [call(http, sandbox, token, SEARCH, "POST", json=query).json()]
    while "nextPage" in pages[-1]:
        pages.append(call(http, sandbox, token, SEARCH, params={"q64": pages[-1]["nextPage"]}).json())
    assert [user["name"] for page in pages for user in page["results"]] == names(http, sandbox)
    assert [(page["pageNumber"], page["pageCount"], page["total"]) for page in pages] == [(n, 3, 70) for n in (1, 2, 3)]
    assert [page["currentPage"] for page in pages[1:]] == [page["nextPage"] for page in pages[:-1]]
    assert [page.get("previousPage") for page in pages] == [None] + [page["currentPage"] for page in pages[:-1]]
    assert call(http, sandbox, token, SEARCH, "POST", json={**query, "pageNumber": 3}).json() == pages[2]


def test_scim_counts_from_one(start: Start, http: requests.Session) -> None:
    sandbox = start(users=60)
    token, seen, index = new_token(http, sandbox), [], 1
    while True:
        page = call(http, sandbox, token, SCIM, params={"startIndex": index}).json()
        assert (page["startIndex"], page["totalResults"]) == (index, 60)
        assert page["itemsPerPage"] == len(page["Resources"])
        if not page["Resources"]:
            break
        seen += page["Resources"]
        index += page["itemsPerPage"]
    assert index == 61
    assert [user["displayName"] for user in seen] == names(http, sandbox)


def test_scim_gives_the_total_alone_for_a_count_of_zero(
    sandbox: SandboxThread, http: requests.Session, token: str
) -> None:
    page = call(http, sandbox, token, f"{SCIM}?count=0&startIndex=-3").json()
    assert (page["Resources"], page["totalResults"], page["startIndex"]) == ([], 50, 1)


@pytest.mark.parametrize(
    "path",
    [
        "/api/v2/teams?pageSize=201",
        "/api/v2/teams?after=nonsense",
        "/api/v2/teams?before=YWZ0ZXI6LTE%3D",
        f"{CONTACTS}?limit=9",
        f"{CONTACTS}?limit=201",
        f"{CONTACTS}?cursor=c2lkZXdheXM6MQ%3D%3D",
        f"{SCIM}?count=101",
        f"{SCIM}?startIndex=x",
        f"{SEARCH}?q64=W10%3D",
        f"{SEARCH}?q64=nonsense",
        SEARCH,
    ],
)
def test_a_part_of_a_list_that_cannot_be_is_a_bad_request(
    sandbox: SandboxThread, http: requests.Session, token: str, path: str
) -> None:
    assert_error(call(http, sandbox, token, path), 400, "bad.request")


@pytest.mark.parametrize("path", ["/api/v2/users?pageSize=100&pageNumber=1000", f"{SCIM}?startIndex=99901&count=100"])
def test_a_hundred_thousand_users_are_made_as_they_are_asked_for(
    start: Start, http: requests.Session, path: str
) -> None:
    sandbox = start(users=100_000)
    page = call(http, sandbox, new_token(http, sandbox), path).json()
    last = (page.get("entities") or page["Resources"])[-1]
    assert "user99999@sandbox.example" in (last.get("email"), last.get("userName"))
