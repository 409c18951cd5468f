"""`configure_sdk` in the environment of Genesys' own SDK, which is imported once a test: that takes seconds."""

from collections.abc import Callable, Iterator

import clients
import pytest
from support import Machine, entries
from support.scripted import Request, ScriptedServer, http

from callers.shown import Caller
from gc_credhelper.sandbox.options import Options
from gc_credhelper.sandbox.server import SandboxThread

START = """
import os, sys, threading
import gc_credhelper
from gc_credhelper import configure_sdk, token_source
assert configure_sdk
assert "PureCloudPlatformClientV2" not in sys.modules, "it takes seconds"
import PureCloudPlatformClientV2 as genesys
from PureCloudPlatformClientV2.rest import ApiException

def status(call, *args, **kwargs):
    try:
        call(*args, **kwargs)
    except ApiException as e:
        return e.status
    return 200
"""

InSdk = Callable[..., str]


def running(caller: Caller) -> InSdk:
    """Runs a program in the SDK's environment, and gives what it printed."""
    caller.watch("python", clients.need("genesys-python"))

    def run(program: str, *arguments: object, **env: str) -> str:
        (caller.work / "program.py").write_text(START + program)
        done = caller.run("python", "program.py", *map(str, arguments), env=env)
        assert (done.code, done.err) == (0, "")
        caller.assert_kept_secret(caller.token, done)
        return done.out

    return run


@pytest.fixture
def caller(machine: Machine, sandbox: SandboxThread) -> Caller:
    return Caller(machine, sandbox)


@pytest.fixture
def refused(machine: Machine) -> Iterator[Caller]:
    """The API refuses the first token."""
    with SandboxThread(Options(fail=["idle-death:1"])) as sandbox:
        yield Caller(machine, sandbox)


def counts(caller: Caller) -> tuple[int, int]:
    stats = caller.sandbox.stats()
    return stats["token_requests"], stats["api_requests"]


def test_a_hundred_threads_and_a_callback_reject_once_and_get_one_new_token(refused: Caller) -> None:
    program = """
configure_sdk()
configure_sdk()  # as often as one likes
start = threading.Barrier(100)
totals = []

def run():
    start.wait(60)
    totals.append(genesys.UsersApi().get_users(page_size=1).total)

threads = [threading.Thread(target=run) for _ in range(100)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
genesys.UsersApi().get_users(page_size=1, callback=lambda users: totals.append(users.total)).join()
print(len(totals), set(totals))
"""
    assert running(refused)(program) == "101 {50}\n"
    assert counts(refused)[0] == 2
    rejected = entries.path_of(refused.machine.cache, refused.sandbox, ".rejected")
    assert len(rejected.read_text().splitlines()) == 1


def test_a_second_401_is_the_answer_and_nothing_is_repeated_within_a_minute(machine: Machine) -> None:
    program = """
configure_sdk()
print([status(genesys.UsersApi().get_users) for _ in range(3)])
"""
    with SandboxThread(Options(fail=["idle-death"])) as sandbox:
        caller = Caller(machine, sandbox)
        caller.watch("python", clients.need("genesys-python"))
        (caller.work / "program.py").write_text(START + program)
        done = caller.run("python", "program.py")
        assert (done.code, done.out) == (0, "[401, 401, 401]\n")
        assert "rejected less than a minute ago" in done.err
        assert counts(caller) == (2, 4)


def test_each_call_asks_for_a_token_and_a_forked_process_is_served(caller: Caller) -> None:
    program = """
source = token_source()
configure_sdk(source)
users = genesys.UsersApi()
print(status(users.get_users))
assert token_source().reject(source.token().value)  # as another process does
print(status(users.get_users))
child = os.fork()
if not child:
    code = 70
    try:
        code = 0 if status(users.get_users) == 200 else 71
    finally:
        os._exit(code)
print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), status(users.get_users))
"""
    ignored = {"PYTHONWARNINGS": "ignore::DeprecationWarning"}  # of a fork beside the SDK's own threads
    assert running(caller)(program, **ignored) == "200\n200\n0 200\n"
    assert counts(caller) == (2, 4)


def test_a_call_is_repeated_as_it_was_with_its_body_behind_a_gateways_path(
    caller: Caller, scripted: ScriptedServer
) -> None:
    scripted.answers = [http(401, {}), http(200, {}), http(401, {}), http(200, {})]
    program = """
configure_sdk(token_source(cache_dir="one"))
client = genesys.configuration.api_client
assert client.host == genesys.configuration.host == os.environ["GC_CREDHELPER_API_URL"]
genesys.ConversationsApi().post_analytics_conversations_details_query(genesys.ConversationQuery())
configure_sdk(token_source(cache_dir="two"))  # another source takes the place of the first
client.call_api(
    "/api/v2/form", "POST", header_params={"Content-Type": "multipart/form-data"},
    files={"file": sys.argv[0]}, auth_settings=["PureCloud OAuth"],
)
"""
    caller.machine.run("token", env=caller.environ())
    running(caller)(program, GC_CREDHELPER_API_URL=f"http://127.0.0.1:{scripted.port}/gateway/api")
    query, again, form, form_again = scripted.requests

    def content(request: Request) -> tuple[object, ...]:
        boundary = request.headers["content-type"].partition("boundary=")[2]
        body = request.body.replace(boundary.encode(), b"boundary") if boundary else request.body
        return request.line, body, request.headers["content-type"].partition(";")[0]

    assert query.line == "POST /gateway/api/api/v2/analytics/conversations/details/query HTTP/1.1"
    assert content(query) == content(again)
    assert content(form) == content(form_again)
    assert form.body.count(b'filename="program.py"') == 1
    assert len({one.headers["authorization"] for one in scripted.requests}) == 4


def test_the_token_goes_to_no_other_host_and_to_no_other_client(caller: Caller, scripted: ScriptedServer) -> None:
    scripted.answers = [http(401, {})]
    program = """
there, first, elsewhere = sys.argv[1:]
client_id, secret = os.environ["GENESYS_CLOUD_CLIENT_ID"], os.environ["GENESYS_CLOUD_CLIENT_SECRET"]
here = genesys.ApiClient()
configure_sdk(api_client=here)
assert here.host == there
assert genesys.configuration.host == "https://api.mypurecloud.com", "it was not meant"
assert genesys.configuration.api_client is None
here.get_client_credentials_token(client_id, secret)  # the SDK's own login
print(status(genesys.UsersApi(here).get_users))

here.host = elsewhere
try:
    genesys.UsersApi(here).get_users()
except gc_credhelper.UsageError as e:
    print(e)

moved = genesys.ApiClient()
configure_sdk(token_source(api_url=first), api_client=moved)
print(status(genesys.UsersApi(moved).get_users))
"""
    elsewhere = f"http://localhost:{scripted.port}"
    with ScriptedServer(http(302, "", Location=f"{elsewhere}/")) as first:
        urls = (caller.sandbox.api_url, f"http://127.0.0.1:{first.port}", elsewhere)
        out = running(caller)(program, *urls)
        assert "authorization" in first.requests[0].headers
    assert out == "200\nthe URL is not one of this region's\n401\n"
    assert {"authorization" in one.headers for one in scripted.requests} == {False}


def test_what_the_sdk_is_told_later_or_was_told_before_is_heeded(caller: Caller, scripted: ScriptedServer) -> None:
    scripted.answers = [http(200, {"total": 7})]
    program = """
from PureCloudPlatformClientV2.default_http_client import DefaultHttpClient

seen = []

def hook(options):
    seen.append(options.headers["Authorization"] == "Bearer " + token_source().token().value)
    return options

configure_sdk()
genesys.configuration.proxy = sys.argv[1]
genesys.configuration.api_client.get_http_client().set_pre_request_hook(hook)
print(genesys.UsersApi().get_users().total, seen)

class Own(DefaultHttpClient):
    def request(self, options):
        seen.append("own")
        return super().request(options)

before = genesys.ApiClient()
before.set_http_client(Own())
configure_sdk(api_client=before)
configure_sdk(api_client=before)
print(genesys.UsersApi(before).get_users().total, seen)
"""
    out = running(caller)(program, f"http://127.0.0.1:{scripted.port}")
    assert out == "7 [True]\n7 [True, 'own']\n"
    assert {one.line for one in scripted.requests} == {f"GET {caller.sandbox.api_url}/api/v2/users HTTP/1.1"}
