"""Genesys' own SDKs, each with what the page shows: a first token that the API refuses, then a good one."""

from collections.abc import Iterator
from pathlib import Path

import clients
import pytest
from support import Machine

from callers.shown import Caller, block
from gc_credhelper.sandbox.options import Options
from gc_credhelper.sandbox.server import SandboxThread

PAGE = "sdks.md"
LISTS = """
import os
import PureCloudPlatformClientV2 as sdk
client = sdk.ApiClient(host=os.environ["GC_CREDHELPER_API_URL"])
client.get_client_credentials_token(os.environ["GENESYS_CLOUD_CLIENT_ID"], os.environ["GENESYS_CLOUD_CLIENT_SECRET"])
teams, tasks, contacts = sdk.TeamsApi(client), sdk.TaskManagementApi(client), sdk.ExternalContactsApi(client)
search, analytics, query = sdk.SearchApi(client), sdk.AnalyticsApi(client), sdk.UserSearchRequest()
print(sdk.UsersApi(client).get_users(page_size=100, page_number=3).entities[-1].email)
print(teams.get_team_members(teams.get_teams().entities[0].id, page_size=50).next_uri.split("?")[1])
after = tasks.get_taskmanagement_workbin_versions("w").after
print(tasks.get_taskmanagement_workbin_versions("w", after=after).entities[0].version)
cursor = contacts.get_externalcontacts_scan_contacts().cursors.after
print(contacts.get_externalcontacts_scan_contacts(cursor=cursor).entities[0].work_email)
query.page_size = 30
print(search.get_users_search(search.post_users_search(query).next_page).results[0].email)
print(sdk.SCIMApi(client).get_scim_v2_users(start_index=26).resources[0].user_name)
query = sdk.ConversationQuery()
query.interval = "2026-03-01T00:00:00Z/2026-03-03T00:00:00Z"
found = analytics.post_analytics_conversations_details_query(query)
print(found.total_hits, found.conversations[0].participants[1].sessions[0].segments[0].segment_type)
job = analytics.post_analytics_conversations_details_jobs(query).job_id
print(analytics.get_analytics_conversations_details_job(job).state)
cursor = analytics.get_analytics_conversations_details_job_results(job, page_size=200).cursor
found = analytics.get_analytics_conversations_details_job_results(job, page_size=200, cursor=cursor)
print(len(found.conversations), found.cursor)
"""


@pytest.fixture
def refused(machine: Machine) -> Iterator[Caller]:
    """The API refuses the first token."""
    with SandboxThread(Options(fail=["idle-death:1"])) as sandbox:
        yield Caller(machine, sandbox)


@pytest.mark.parametrize(("shown", "calls"), [("configure_sdk", (0, 0)), ("subprocess", (2, 1))])
def test_the_sdk_for_python_calls_the_api_with_the_helpers_token(
    refused: Caller, shown: str, calls: tuple[int, int]
) -> None:
    refused.watch("python", clients.need("genesys-python"))
    (refused.work / "users.py").write_text(block(PAGE, "py", shown))
    run = refused.run("python", "users.py")
    assert (run.code, run.out, run.err) == (0, "50 users\n", "")
    assert (refused.helper_calls("token"), refused.helper_calls("reject")) == calls
    assert refused.sandbox.stats()["token_requests"] == 2
    refused.assert_kept_secret(refused.token, run)


def test_the_sdk_for_javascript_calls_the_api_with_the_helpers_token(refused: Caller) -> None:
    refused.watch("node", clients.need("node"))
    (refused.work / "node_modules").symlink_to(Path(clients.need("genesys-node")))
    (refused.work / "users.cjs").write_text(block(PAGE, "js"))
    run = refused.run("node", "users.cjs")
    assert (run.code, run.out, run.err) == (0, "50 users\n", "")
    assert (refused.helper_calls("token"), refused.helper_calls("reject")) == (2, 1)
    assert refused.sandbox.stats()["token_requests"] == 2
    refused.assert_kept_secret(refused.token, run)


def test_the_sdk_for_python_reads_every_list_of_the_sandbox(machine: Machine) -> None:
    machine.home.joinpath("lists.py").write_text(LISTS)
    run = machine.run(
        "sandbox", "--users", "250", "--", clients.need("genesys-python"), str(machine.home / "lists.py"), timeout=120
    )
    assert run.err == ""
    assert run.out.splitlines() == [
        "user00249@sandbox.example",
        "pageSize=50&after=YWZ0ZXI6NTA%3D",
        "26",
        "contact00100@elsewhere.example",
        "user00030@sandbox.example",
        "user00025@sandbox.example",
        "288 alert",
        "FULFILLED",
        "89 None",
    ]
