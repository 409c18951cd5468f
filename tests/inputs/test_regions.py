"""All regions in every spelling, and the hosts that only look like one."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gc_credhelper.regions import REGIONS, Region, find
from inputs.kit import CANARY, Shell, refused

TABLE = {  # AWS region: domain, short form, web-messenger environment
    "us-east-1": ("mypurecloud.com", "use1", "prod"),
    "us-east-2": ("use2.us-gov-pure.cloud", "use2", "fedramp-use2-core"),
    "us-west-2": ("usw2.pure.cloud", "usw2", "prod-usw2"),
    "ca-central-1": ("cac1.pure.cloud", "cac1", "prod-cac1"),
    "sa-east-1": ("sae1.pure.cloud", "sae1", "prod-sae1"),
    "mx-central-1": ("mxc1.pure.cloud", "mxc1", "prod-mxc1"),
    "eu-west-1": ("mypurecloud.ie", "euw1", "prod-euw1"),
    "eu-west-2": ("euw2.pure.cloud", "euw2", "prod-euw2"),
    "eu-central-1": ("mypurecloud.de", "euc1", "prod-euc1"),
    "eu-central-2": ("euc2.pure.cloud", "euc2", "prod-euc2"),
    "eusc-de-east-1": ("edee1.eusc-pure.cloud", "edee1", "eusc-edee1-core"),
    "me-central-1": ("mec1.pure.cloud", "mec1", "prod-mec1"),
    "ap-south-1": ("aps1.pure.cloud", "aps1", "prod-aps1"),
    "ap-southeast-1": ("apse1.pure.cloud", "apse1", "prod-apse1"),
    "ap-southeast-2": ("mypurecloud.com.au", "apse2", "prod-apse2"),
    "ap-northeast-1": ("mypurecloud.jp", "apne1", "prod-apne1"),
    "ap-northeast-2": ("apne2.pure.cloud", "apne2", "prod-apne2"),
    "ap-northeast-3": ("apne3.pure.cloud", "apne3", "prod-apne3"),
}
DOMAINS = {domain for domain, _, _ in TABLE.values()}


def test_the_table_has_these_rows_and_no_other() -> None:
    assert {row.aws: row.domain for row in REGIONS} == {aws: domain for aws, (domain, _, _) in TABLE.items()}


def spellings(aws: str) -> list[str]:
    domain, short, environment = TABLE[aws]
    hosts = [domain, f"api.{domain}", f"login.{domain}", f"apps.{domain}"]
    written = [aws, aws.replace("-", "_"), short, environment, *hosts, *(f"https://{host}" for host in hosts)]
    written += [f"https://api.{domain}:443", f"https://login.{domain}/oauth/token", f"apps.{domain}/directory/"]
    return [*written, f"https://apps.{domain}/directory/#/x", f"https://apps.{domain}/directory/?a=b#/engage/1?c=d"]


@pytest.mark.parametrize("aws", TABLE)
def test_every_spelling_means_its_row(aws: str) -> None:
    for written in spellings(aws):
        dotted = [written + "/", written + ".", written + "./"] if "/" not in written else []
        for variant in (written, written.upper(), written.title(), f"  {written}\t\n", *dotted):
            row = find(variant)
            assert row, variant
            assert row.aws == aws, variant
            assert row.token_url == f"https://login.{TABLE[aws][0]}/oauth/token"
            assert row.api_url == f"https://api.{TABLE[aws][0]}"


@pytest.mark.parametrize("aws", TABLE)
def test_a_region_reaches_the_whole_command(shell: Shell, aws: str) -> None:
    domain = TABLE[aws][0]
    found = shell.settings(env={"GENESYSCLOUD_REGION": f" {aws.upper()}\n"})
    assert found["(token endpoint)"] == (
        f"https://login.{domain}/oauth/token",
        f"region {domain} (variable GENESYSCLOUD_REGION)",
    )
    assert found["(Platform API)"][0] == f"https://api.{domain}"


LOOK_ALIKES = [
    "api.mypurecloud.ie.evil.com",
    "https://api.mypurecloud.ie.evil.com",
    "mypurecloud.ie@evil.com",
    "evil@mypurecloud.ie",
    "https://mypurecloud.ie@evil.com/",
    f"https://user:{CANARY}@api.mypurecloud.ie",
    "https://evil.com/mypurecloud.ie",
    "https://evil.com#mypurecloud.ie",
    "https://evil.com?mypurecloud.ie",
    "https://evil.com\\.mypurecloud.ie",
    "https://api.mypurecloud.ie:8443",
    "mypurecloud.ie:8443",
    "http://api.mypurecloud.ie",
    "http://mypurecloud.ie",
    "ftp://api.mypurecloud.ie",
    "//api.mypurecloud.ie",
    "xmypurecloud.ie",
    "my-purecloud.ie",
    "mypurecloud.ie.com",
    "api.api.mypurecloud.ie",
    "admin.mypurecloud.ie",
    "mypurecloud",
    "pure.cloud",
    "us-east",
    "us-east-11",
    "prod-use1",
    "..",
    "https://",
    "https://[",
    "mуpurecloud.ie",  # noqa: RUF001  # with a Cyrillic letter
    "mypurecloud。ie",
    "localhost@evil.com",
    "localhost.evil.com:80",
    "localhost:0",
    "localhost:99999",
    "localhost:80:90",
    "127.0.0.1.evil.com",
    "10.0.0.1:8080",
    CANARY,
]


@pytest.mark.parametrize("written", LOOK_ALIKES)
def test_a_look_alike_is_refused(shell: Shell, written: str) -> None:
    found = find(written)
    assert found is None
    refused(shell("token", "--region", written), 2, "region", "flag --region")


@pytest.mark.parametrize(
    ("written", "near"),
    [
        ("eu-west-11", "eu-west-1"),
        ("mypurecloud.co", "mypurecloud.com"),
        ("us_west_1", "us-west-2"),
        ("nowhere", "eu-west-1"),
    ],
)
def test_an_unknown_region_gets_the_nearest_rows_and_the_way_out(shell: Shell, written: str, near: str) -> None:
    done = refused(shell("token", env={"GENESYS_CLOUD_REGION": written}), 2, "(variable GENESYS_CLOUD_REGION)")
    assert written in done.error
    assert near in done.hint
    assert "--token-url" in done.hint


@pytest.mark.parametrize(
    "written", ["localhost", "localhost:8080", "LOCALHOST:8080", "127.0.0.1:4011", " localhost:1/ "]
)
def test_localhost_is_plain_http_on_this_machine(shell: Shell, written: str) -> None:
    if written.endswith("/ "):
        refused(shell("token", "--region", written), 2)
        return
    found = shell.settings("--region", written)
    assert found["(token endpoint)"][0] == f"http://{written.lower()}/oauth/token"
    assert found["(Platform API)"][0] == f"http://{written.lower()}"


def test_what_a_browser_put_behind_the_address_is_not_shown(shell: Shell) -> None:
    done = shell("status", "--region", f"https://apps.mypurecloud.ie/directory/#access_token={CANARY}")
    assert done.code == 0
    assert CANARY not in done.out + done.err
    assert "region mypurecloud.ie (flag --region)" in done.out


@given(
    written=st.text(max_size=60) | st.from_regex(r"(https://)?(api\.|login\.)?mypurecloud\.\S{0,20}", fullmatch=True)
)
def test_whatever_is_written_only_a_row_comes_out(written: str) -> None:
    row = find(written)
    assert row is None or row.domain in DOMAINS


@given(prefix=st.sampled_from("axz-._9"), row=st.sampled_from(REGIONS), suffix=st.sampled_from("axz-_9@:"))
def test_a_domain_with_something_stuck_to_it_is_no_region(prefix: str, row: Region, suffix: str) -> None:
    assert find(prefix + row.domain) is None
    assert find(row.domain + suffix + "x") is None
