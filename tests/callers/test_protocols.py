"""The parsers of the helper protocols: what they read, whom they answer for, and that no input makes them fail."""

import itertools
import json
import os
import sys
import time
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from support import Machine, client
from support.entries import put
from support.scripted import ScriptedServer

from gc_credhelper import cli, protocols
from gc_credhelper.deadline import Deadline
from gc_credhelper.errors import TemporaryError
from gc_credhelper.protocols import LIMIT, Request, read_bazel, read_git, read_token
from gc_credhelper.regions import REGIONS, Endpoints
from gc_credhelper.tokens import AccessToken

IRELAND = Endpoints("https://login.mypurecloud.ie/oauth/token", "https://api.mypurecloud.ie", "a test")
GATEWAY = Endpoints("https://Gateway.example:8443/oauth/token", "https://gateway.example:8443/api", "a test")
LOCAL = Endpoints("http://127.0.0.1:4011/oauth/token", "http://127.0.0.1:4011", "a test")
TOKEN = AccessToken("tok-canary-9Jd", 1_900_000_000, 1_900_086_400)


def pieces(*parts: bytes, open_: bool = False) -> protocols.Read:
    """A reader of these; after them the end, or a caller that says no more, which nobody may wait for."""
    rest = iter(parts)

    def read(size: int) -> bytes:
        part = next(rest, b"")
        assert part or not open_, "it waits for more than it needs"
        assert len(part) <= size
        return part

    return read


def is_ours(scheme: str, host: str, endpoints: Endpoints = IRELAND, hosts: tuple[str, ...] = ()) -> bool:
    request = read_git(pieces(f"protocol={scheme}\nhost={host}\n\n".encode()))
    uri = json.dumps({"uri": f"{scheme}://{host}/api/v2/users?x=1"}).encode()
    assert read_bazel(pieces(uri)).host == request.host
    return protocols.is_ours(request, endpoints, hosts)


def test_git_of_today_is_read_without_waiting_for_the_end() -> None:
    asked = b"capability[]=authtype\ncapability[]=state\nprotocol=https\nhost=API.mypurecloud.ie\nwwwauth[]=Bearer\n\n"
    assert read_git(pieces(asked, open_=True)) == Request("https", "api.mypurecloud.ie", bearer=True)


def test_git_is_read_in_whatever_pieces_it_comes() -> None:
    asked = b"protocol=https\r\nhost=api.mypurecloud.ie:443\r\nusername=oauth2\r\npassword=tok-1\r\n\r\n"
    expected = Request("https", "api.mypurecloud.ie", refused="tok-1")
    assert read_git(pieces(*(bytes([byte]) for byte in asked), open_=True)) == expected
    assert read_git(pieces(asked.rstrip())) == expected


def test_git_says_a_refused_bearer_token_in_a_line_of_its_own() -> None:
    asked = b"capability[]=authtype\nauthtype=Bearer\ncredential=tok-1\nprotocol=https\nhost=x.mypurecloud.ie\n\n"
    assert read_git(pieces(asked)).refused == "tok-1"
    assert "tok-1" not in repr(read_git(pieces(asked)))


def test_bazel_is_read_without_waiting_for_the_end() -> None:
    asked = b'{"uri": "https://api.mypurecloud.ie/api/v2/{x}", "more": {"a": [1]}}'
    expected = Request("https", "api.mypurecloud.ie")
    assert read_bazel(pieces(asked, open_=True)) == expected
    assert read_bazel(pieces(*(bytes([byte]) for byte in asked), open_=True)) == expected


@pytest.mark.parametrize(
    "asked",
    [
        b"",
        b"\n",
        b"{}",
        b"[]",
        b"null",
        b'{"uri": null}',
        b'{"uri": ["https://api.mypurecloud.ie"]}',
        b'{"uri": "https://api.mypurecloud.ie"',
        b'{"uri": "api.mypurecloud.ie"}',
        b'{"uri": "\\ud800://api.mypurecloud.ie"}',
        b"\xff\xfe{}",
        b"[" * 60_000 + b"}",
        b'{"uri": ' + b"9" * 50_000 + b"}",
    ],
)
def test_what_is_no_request_of_bazel_is_an_empty_one(asked: bytes) -> None:
    assert read_bazel(pieces(asked)) == Request()


@pytest.mark.parametrize(
    "asked",
    [b"", b"\n", b"=\n\n", b"host\nprotocol\n\n", b"protocol=https\nhost=a\0b\n\n", b"\xff=\xfe\n\n", b"=" * 60_000],
)
def test_what_is_no_request_of_git_is_an_empty_one(asked: bytes) -> None:
    assert read_git(pieces(asked)) == Request()


def test_a_token_is_the_first_line() -> None:
    assert read_token(pieces(b"tok-1\n", open_=True)) == "tok-1"
    assert read_token(pieces(b"tok", b"-1\r\n", b"more\n", open_=True)) == "tok-1"
    assert read_token(pieces(b" tok-1")) == "tok-1"


@pytest.mark.parametrize(
    "given", [b"", b"\n", b"\ntok-1\n", b"Bearer tok-1\n", b"t\xc3\xb6k\n", b"tok\0\n", b"a" * LIMIT]
)
def test_what_is_no_token_is_none(given: bytes) -> None:
    assert read_token(pieces(given)) == ""


def test_a_request_that_does_not_end_is_not_read_for_ever() -> None:
    for read in (read_git, read_bazel, read_token):
        count = itertools.count()

        def endless(size: int, count: Iterator[int] = count) -> bytes:
            next(count)
            return b"x" * min(size, 1000)

        read(endless)
        assert next(count) <= LIMIT // 1000 + 1


def test_who_says_nothing_is_not_waited_for_beyond_the_deadline() -> None:
    ours, theirs = os.pipe()
    kept = os.dup(0)
    try:
        os.dup2(ours, 0)
        start = time.monotonic()
        with pytest.raises(TemporaryError, match="within 0 s"):
            read_git(protocols.standard_input(Deadline(0.2)))
        assert time.monotonic() - start < 20
    finally:
        os.dup2(kept, 0)
        for fd in (ours, theirs, kept):
            os.close(fd)


@pytest.mark.parametrize("row", REGIONS, ids=lambda row: row.aws)
def test_every_region_has_its_hosts_and_no_others(row: object) -> None:
    here = Endpoints(row.token_url, row.api_url, "a test")  # type: ignore[attr-defined]
    for other in REGIONS:
        for host in (f"api.{other.domain}", f"login.{other.domain}", f"apps.{other.domain}:443", other.domain):
            assert is_ours("https", host, here) is (other is row)
            assert protocols.is_genesys(read_git(pieces(f"protocol=https\nhost={host}".encode())))


@pytest.mark.parametrize(
    ("scheme", "host"),
    [
        ("http", "api.mypurecloud.ie"),
        ("http", "api.mypurecloud.ie:443"),
        ("https", "api.mypurecloud.ie:8443"),
        ("ftp", "api.mypurecloud.ie"),
        ("file", "api.mypurecloud.ie"),
        ("", "api.mypurecloud.ie"),
        ("https", "mypurecloud.ie.evil.example"),
        ("https", "evilmypurecloud.ie"),
        ("https", "evil.example/.mypurecloud.ie"),
        ("https", "evil.example#.mypurecloud.ie"),
        ("https", "evil.example\\.mypurecloud.ie"),
        ("https", "evil.example\\@api.mypurecloud.ie"),
        ("https", "user@api.mypurecloud.ie"),
        ("https", "evil.example%2f.mypurecloud.ie"),
        ("https", "api.mypurecloud.ie."),
        ("https", "api.mypurecloud.i\u0435"),
        ("https", ".mypurecloud.ie "),
        ("https", "127.0.0.1:4011"),
        ("http", "127.0.0.1:4011"),
        ("https", "[::1]"),
        ("https", "[::1"),
    ],
)
def test_a_token_is_not_for_a_host_that_only_looks_like_one(scheme: str, host: str) -> None:
    assert not protocols.is_ours(read_git(pieces(f"protocol={scheme}\nhost={host}".encode())), IRELAND, ())
    uri = read_bazel(pieces(json.dumps({"uri": f"{scheme}://{host}"}).encode()))
    assert not protocols.is_ours(uri, IRELAND, ())


@pytest.mark.parametrize("mark", "/?#")
def test_a_host_that_git_decoded_is_not_cut_to_one_of_ours(mark: str) -> None:
    asked = f"protocol=https\nhost=api.mypurecloud.ie{mark}.evil.example\n\n".encode()
    assert not protocols.is_ours(read_git(pieces(asked)), IRELAND, ())


def test_hosts_of_the_settings_are_ours_in_any_spelling() -> None:
    assert is_ours("https", "gateway.example:8443", GATEWAY)
    assert is_ours("https", "GATEWAY.example:8443", GATEWAY)
    assert not is_ours("https", "gateway.example", GATEWAY)
    assert not is_ours("https", "x.gateway.example:8443", GATEWAY)
    assert not is_ours("https", "api.mypurecloud.com", GATEWAY)
    assert is_ours("http", "127.0.0.1:4011", LOCAL)
    assert not is_ours("http", "127.0.0.1:4012", LOCAL)


def test_a_listed_host_is_ours_at_its_port() -> None:
    listed = ("Git.Example", "cache.example:9443", "127.0.0.1:8001", "[::1]:8001")
    for scheme, host in (("https", "git.example"), ("https", "git.example:443"), ("grpcs", "cache.example:9443")):
        assert is_ours(scheme, host, IRELAND, listed)
    for scheme, host in (("http", "127.0.0.1:8001"), ("http", "[::1]:8001"), ("https", "127.0.0.1:8001")):
        assert is_ours(scheme, host, IRELAND, listed)
    for scheme, host in (("https", "git.example:8443"), ("https", "cache.example"), ("http", "git.example")):
        assert not is_ours(scheme, host, IRELAND, listed)


def test_git_gets_a_bearer_credential_where_it_knows_them_and_else_a_password() -> None:
    expiry = TOKEN.reported_expiry
    assert protocols.answer_git(TOKEN, Request("https", "x", bearer=True)) == (
        "capability[]=authtype\nauthtype=Bearer\ncredential=tok-canary-9Jd\nephemeral=1\n"
        f"password_expiry_utc={expiry}\n"
    )
    assert protocols.answer_git(TOKEN, Request("https", "x")) == (
        f"username=oauth2\npassword=tok-canary-9Jd\npassword_expiry_utc={expiry}\n"
    )


# Any bytes, and bytes that go deep: the words of the protocols in any order.
WORDS = [
    b"protocol",
    b"host",
    b"=",
    b"\n",
    b"\r\n",
    b"\n\n",
    b"https",
    b"http",
    b"://",
    b"api.mypurecloud.ie",
    b"password",
]
WORDS += [b"capability[]", b"authtype", b"credential", b"{", b"}", b'"uri"', b":", b'"', b"[", b"]", b"\\u", b"\\ud800"]
WORDS += [b"127.0.0.1", b"localhost", b"@", b"/", b"%2f", b"\0", b"\xff", b"9" * 5000, b"tok-1", b",", b" ", b"url"]
NOISE = st.lists(st.binary(max_size=40) | st.sampled_from(WORDS), max_size=24)
_JSON = st.none() | st.integers() | st.text(max_size=8) | st.lists(st.text(max_size=3), max_size=2)
_HOSTS = st.text(max_size=12).map(lambda text: f"https://{text}.mypurecloud.ie")
URIS = st.builds(
    lambda uri, more, cut: json.dumps({"uri": uri, "more": more}).encode()[:cut],
    st.text(max_size=20) | _HOSTS | _JSON,
    _JSON,
    st.none() | st.integers(0, 60),
)
SOUND = [b"protocol=https\nhost=api.mypurecloud.ie\n\n", b'{"uri": "https://api.mypurecloud.ie/x"}\n', b"tok-1\n"]
SOUND += [b"capability[]=authtype\nprotocol=https\nhost=git.example\npassword=tok-2\n\n"]
NEARLY = st.builds(
    lambda one, at, cut, put: [one[:at], put, one[at + cut :]],
    st.sampled_from(SOUND),
    st.integers(0, 80),
    st.integers(0, 3),
    st.binary(max_size=3) | st.sampled_from(WORDS),
)
INPUTS = NOISE | NEARLY | URIS.map(lambda one: [one])


def inputs(count: int) -> settings:
    """That many of them, and no time spent on what nobody reads: a failure is shown as it came."""
    phases = [Phase.explicit, Phase.generate]
    return settings(
        max_examples=count, deadline=None, database=None, phases=phases, suppress_health_check=[*HealthCheck]
    )


def reads(parts: list[bytes]) -> None:
    """Every parser on one input: a sound request, never for a host that a URL parser sees differently."""
    for read in (read_git, read_bazel):
        request = read(pieces(*filter(None, parts)))
        assert isinstance(request, Request)
        assert bool(request.scheme) == bool(request.host)
        for hosts in ((), ("git.example", "127.0.0.1:1", "", "[", "http://x")):
            if protocols.is_ours(request, IRELAND, hosts):
                assert request.scheme in ("https", "grpcs") or request.host == "127.0.0.1:1"
        protocols.is_genesys(request)
        answer = protocols.answer_git(TOKEN, request)
        assert all(line.isascii() and "=" in line for line in answer.splitlines())
    token = read_token(pieces(*filter(None, parts)))
    assert token.isascii()
    assert not set(token) & set(" \n\r\0")


@inputs(200)
@given(INPUTS)
def test_no_input_makes_a_parser_fail(parts: list[bytes]) -> None:
    reads(parts)


class Commands:
    """The three commands that read standard input, in this process, with a token in the cache."""

    words = (["helper", "git", "get"], ["helper", "git", "erase"], ["helper", "bazel", "get"], ["reject"])

    def __init__(self, capfd: pytest.CaptureFixture[str]) -> None:
        self._capfd = capfd

    def __call__(self, argv: list[str], given: bytes) -> tuple[int, str, str]:
        ours, theirs = os.pipe()
        os.write(theirs, given[:60_000])  # less than a pipe holds
        os.close(theirs)
        os.dup2(ours, 0)
        os.close(ours)
        code = cli.main(argv)
        out, err = self._capfd.readouterr()
        return code, out, err


def follows(argv: list[str], done: tuple[int, str, str]) -> None:
    """Nothing on stdout that is not the protocol's, no traceback, and on failure one error and one hint."""
    code, out, err = done
    assert "Traceback" not in err
    assert "a bug" not in err
    assert code in (0, 2)
    said = [line.split(": ")[1] for line in err.splitlines()]
    assert said == (["error", "hint"] if code else [])
    if argv[:2] == ["helper", "git"]:
        lines = out.splitlines()
        assert not lines or [line.partition("=")[0] for line in lines][-1] == "password_expiry_utc"
        assert argv[2] == "get" or not lines
    elif argv[0] == "helper" and not code:
        assert set(json.loads(out)) == {"headers", "expires"}
    else:
        assert out == ""


@pytest.fixture
def commands(
    machine: Machine, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> Iterator[Commands]:
    """They hold a token that no input rejects, and would notice a token request by its failure."""
    server = ScriptedServer()  # which does not run
    for name, value in client(server, GC_CREDHELPER_HELPER_HOSTS="git.example").items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("GC_CREDHELPER_TOKEN_URL")
    monkeypatch.setenv("GENESYS_CLOUD_REGION", "eu-west-1")

    class Ireland:
        token_url, client_id = IRELAND.token_url, server.client_id

    put(machine.cache, Ireland, lifetime=86_400.0)
    server._server.server_close()
    kept = os.dup(0)
    yield Commands(capfd)
    os.dup2(kept, 0)
    os.close(kept)


def plays(commands: Commands, count: int) -> None:
    """That many inputs, each to every command."""

    @inputs(count)
    @given(INPUTS)
    def play(parts: list[bytes]) -> None:
        for argv in commands.words:
            follows(argv, commands(argv, b"".join(parts)))

    play()


def test_no_input_makes_a_command_fail_in_a_way_of_its_own(commands: Commands) -> None:
    plays(commands, 10)


@pytest.mark.soak
def test_a_hundred_thousand_inputs_make_no_parser_fail() -> None:
    count = itertools.count()
    start = time.monotonic()

    @inputs(100_000)
    @given(INPUTS)
    def play(parts: list[bytes]) -> None:
        next(count)
        reads(parts)

    play()
    done = next(count)
    sys.stdout.write(f"\nprotocol parsers: {done} inputs to each of 3, no failure, {time.monotonic() - start:.0f} s\n")
    assert done >= 100_000


@pytest.mark.soak
def test_a_thousand_inputs_make_no_command_fail_in_a_way_of_its_own(commands: Commands) -> None:
    plays(commands, 1000)
    sys.stdout.write(
        "\nhelper git get, erase, helper bazel get, reject: 1000 inputs to each, only protocol on stdout\n"
    )


def test_another_service_on_this_machine_is_not_meant_by_a_url_of_the_settings() -> None:
    local = Endpoints("https://localhost/oauth/token", None, "a test")
    assert is_ours("https", "localhost", local)
    assert not is_ours("http", "localhost", local)
