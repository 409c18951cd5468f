"""gc and Archy, which cannot be had: stand-ins read what these are documented to read, and refuse what they refuse."""

import json

import pytest
from docs.pages import HOW_TO, column, tables
from support import Machine, entries

from callers.shown import Caller, block
from gc_credhelper.handed import Where
from gc_credhelper.regions import Endpoints, Region, find
from gc_credhelper.sandbox.server import SandboxThread

PAGE = "gc-and-archy.md"
VALUE = "region-canary-Lq8"
# The names of AWS regions that CX as Code knows (provider.go, 1.84), and those that gc does not (config.go, 166).
NAMES = """us-east-1 us-east-2 us-west-2 ca-central-1 sa-east-1 mx-central-1 eu-west-1 eu-west-2 eu-central-1
eu-central-2 eusc-de-east-1 me-central-1 ap-south-1 ap-southeast-1 ap-southeast-2 ap-northeast-1 ap-northeast-2
ap-northeast-3"""
GC_LACKS = {"me-central-1", "ap-northeast-3", "eu-central-2"}
GC = f"""#!/bin/sh
case "$GENESYSCLOUD_REGION" in {"|".join(GC_LACKS)}) echo "Invalid AWS region"; exit 1;; esac
test -z "$GENESYS_CLOUD_CLIENT_SECRET" || exit 1
test "$GENESYSCLOUD_ACCESS_TOKEN" = "$EXPECTED" && echo "$GENESYSCLOUD_REGION: $*"
"""
ARCHY = """#!/bin/sh
test "$1 $2 $3 $4" = "publish --file flow.yaml --optionsFile" || exit 1
stat -c %a "$5" && cat "$5"
"""


def row_of(name: str) -> Region:
    row = find(name)
    assert row
    return row


@pytest.fixture
def caller(machine: Machine, sandbox: SandboxThread) -> Caller:
    return Caller(machine, sandbox)


def cached(caller: Caller, region: str) -> dict[str, str]:
    """The variables of a client of that region, whose token is in the cache, so that nothing asks the network."""
    server = type("Server", (), {"token_url": row_of(region).token_url, "client_id": caller.sandbox.client_id})
    entries.put(caller.machine.cache, server, VALUE)
    return {"GC_CREDHELPER_TOKEN_URL": "", "GC_CREDHELPER_API_URL": "", "GENESYS_CLOUD_REGION": region}


@pytest.mark.parametrize("name", NAMES.split())
def test_every_region_is_spelled_as_each_tool_takes_it(name: str) -> None:
    row = row_of(name)
    where = Where.of(Endpoints(row.token_url, row.api_url, "the test"))
    assert where.spelled("terraform") == name
    assert where.spelled("gc") == row.domain
    assert where.spelled(None) == name
    assert where.is_divided == (name in GC_LACKS)


def test_the_page_lists_the_regions_that_no_spelling_serves() -> None:
    (table,) = tables(HOW_TO / PAGE)
    shown = zip(column(table), column(table, 1), column(table, 2), strict=True)
    assert sorted(shown) == sorted((name, row_of(name).domain, name) for name in GC_LACKS)


@pytest.mark.parametrize("region", ["me-central-1", "eu-west-1"])
def test_gc_gets_the_token_and_a_region_that_it_knows(caller: Caller, region: str) -> None:
    caller.stand_in("gc", GC)
    env = cached(caller, region) | {"EXPECTED": VALUE}
    run = caller.shell(block(PAGE, "bash", "exec --for gc"), env=env)
    assert (run.code, run.out, run.err) == (0, f"{row_of(region).domain}: users list --pageSize 5\n", "")
    caller.assert_kept_secret(VALUE, run)


def test_archy_gets_an_options_file_that_is_gone_afterwards(caller: Caller) -> None:
    caller.stand_in("archy", ARCHY)
    env = cached(caller, "eu-west-1") | {"TMPDIR": str(caller.work)}
    run = caller.shell(block(PAGE, "bash", "-o archy"), env=env)
    assert (run.code, run.err) == (0, "")
    mode, *lines = run.out.splitlines()
    assert mode == "600"
    # Of YAML it uses what JSON has as well, so that no reader takes a token for a number.
    options = {name: value for name, _, value in (line.partition(": ") for line in lines)}
    assert json.loads(options["authToken"]) == VALUE
    assert (options["authTokenIsClientCredentials"], options["location"]) == ("true", "mypurecloud.ie")
    assert [*caller.work.iterdir()] == []
    assert VALUE not in "".join(caller.calls)
