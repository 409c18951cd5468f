"""A server that sends the secret back in every disguise, and everything of ours that could show it.

The secret and the token are made of characters that no message of ours has in this order, so that a piece of five
characters of either, in any disguise, is a find.
"""

import base64
import copy
import gzip
import html
import json
import logging
import pickle
import subprocess
import sys
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import ClassVar
from urllib.parse import quote

import pytest
from support import Machine, client
from support.scripted import Answer, ScriptedServer, http, token

import gc_credhelper
from gc_credhelper.credentials import ClientCredentials, Secret
from gc_credhelper.deadline import Deadline
from gc_credhelper.errors import CredentialsError, Error, InvalidClient, PluginError
from gc_credhelper.exchange import TokenExchanger
from gc_credhelper.fetch import Fetch
from gc_credhelper.plan import Inputs
from gc_credhelper.private import PrivateDir
from gc_credhelper.roles import Context
from gc_credhelper.settings import Setting
from gc_credhelper.tokens import AccessToken
from gc_credhelper.transport import Transport

from .kit import GUARD, Heard, exchange, files_below

SECRET = "Zq7Wk3vXp9Jt5Lm2Hx8Rd4Bn6Fy1Qs"
TOKEN = "gT4xVw8zKp2qYb6nMj9rDf3hCs7"
PIECE = 5
STATUSES = (200, 302, 400, 401, 403, 429, 500)


def disguises(text: str) -> dict[str, str]:
    """The text as others may write it."""
    raw = text.encode()
    return {
        "clear": text,
        "lower": text.lower(),
        "upper": text.upper(),
        "reversed": text[::-1],
        "hex": raw.hex(),
        "HEX": raw.hex().upper(),
        "percent": "".join(f"%{byte:02X}" for byte in raw),
        "json": "".join(f"\\u{ord(character):04x}" for character in text),
        "html": "".join(f"&#{ord(character)};" for character in text),
        "html hex": "".join(f"&#x{ord(character):x};" for character in text),
        "utf-16": text.encode("utf-16-le").decode("latin-1"),
        **{f"base64 {shift}": base64.b64encode(b"x" * shift + raw).decode().rstrip("=")[4:-2] for shift in range(3)},
        "base64 reversed": base64.b64encode(raw).decode()[::-1],
        "base64 of the pair": base64.b64encode(f"{ScriptedServer.client_id}:{text}".encode()).decode(),
        "base64url": base64.urlsafe_b64encode(raw).decode().rstrip("="),
        "base32": base64.b32encode(raw).decode().rstrip("="),
        "base85": base64.b85encode(raw).decode(),
    }


def pieces(text: str) -> Iterator[str]:
    """Every run of a few characters of the text in every disguise; longer where a disguise has a small alphabet."""
    for name, form in disguises(text).items():
        letters = {"hex": 2, "HEX": 2, "percent": 3, "json": 6, "html": 5, "html hex": 6, "utf-16": 2}.get(name, 1)
        run = PIECE * letters
        yield from {form[i : i + run] for i in range(len(form) - run + 1)}


SECRET_PIECES = {*pieces(SECRET)}
TOKEN_PIECES = {*pieces(TOKEN)}


def assert_hidden(shown: str, *, token_too: bool = True) -> None:
    """Nothing of the secret, and nothing of the token unless this is where it belongs."""
    found = sorted(piece for piece in SECRET_PIECES | (TOKEN_PIECES if token_too else set()) if piece in shown)
    assert not found, f"{found[:5]} in: {shown}"


ALL = " ".join(disguises(SECRET).values()).replace("\0", "\x01")
IN_HEADERS = "".join(character for character in ALL if character.isprintable())
ECHO_HEADERS = {
    "ININ_Correlation_Id": IN_HEADERS,
    "Genesys_Correlation_Id": SECRET,
    "WWW_Authenticate": f'Basic realm="{IN_HEADERS}"',
    "Location": f"http://{SECRET}.example.test/{IN_HEADERS}",
    "Retry_After": SECRET,
    "Set_Cookie": f"{SECRET}={IN_HEADERS}; expires={SECRET}; version={SECRET}",
    "X_Authorization": IN_HEADERS,
}


def echo(status: int, **more: str) -> dict[str, Answer]:
    """Answers that say it in their bodies, headers and reasons."""
    fields = ("error", "description", "error_description", "error_uri", "message", "token_type", "expires_in", "kind")
    whole = http(status, {**dict.fromkeys(fields, ALL), "access_token": SECRET + " "}, **ECHO_HEADERS, **more)
    known: dict[str, object] = {
        "error": "invalid_client",
        "description": f"authentication failed {ALL}",
        "error_description": ALL,
    }
    plain = http(status, known, **more)
    first, _, rest = plain.partition(b"\r\n")
    return {
        "everywhere": whole,
        "beside a known code": http(status, known, **ECHO_HEADERS, **more),
        "as a code": http(status, {"error": SECRET, "description": [SECRET], "error_description": {SECRET: SECRET}}),
        "as names": http(status, {SECRET: SECRET, f"error {SECRET}": 1}),
        "as the reason": f"HTTP/1.1 {status} {IN_HEADERS}\r\n".encode() + rest,
        "as a line that is no header": first + b"\r\n" + f"{SECRET}\r\n {ALL}\r\n".encode() + rest,
        "as the name of a header": first + b"\r\n" + f"{SECRET}: {SECRET}\r\n".encode() + rest,
        "as a page": http(status, f"<title>{html.escape(ALL)}</title>", Content_Type=f"text/html; charset={SECRET}"),
        "in UTF-16": http(status, json.dumps(known).encode("utf-16")),
        "compressed": http(status, gzip.compress(json.dumps(known).encode()), Content_Encoding="gzip"),
        "as a coding": http(status, SECRET, Content_Encoding=SECRET),
        "as a length": first + b"\r\nContent-Length: " + SECRET.encode() + b"\r\n\r\n" + SECRET.encode(),
        "as a chunk": first + b"\r\nTransfer-Encoding: chunked\r\n\r\n" + SECRET.encode() + b"\r\n" + SECRET.encode(),
        "instead of a status": f"HTTP/1.1 {SECRET}\r\n\r\n".encode(),
        "instead of HTTP": SECRET.encode() + b"\r\n\r\n",
    }


@pytest.fixture
def echoing(scripted: ScriptedServer) -> ScriptedServer:
    scripted.client_secret = SECRET
    return scripted


@pytest.mark.parametrize("shape", echo(200).keys())
@pytest.mark.parametrize("status", STATUSES)
def test_an_echo_is_in_no_error_no_log_and_no_traceback(
    echoing: ScriptedServer, caplog: pytest.LogCaptureFixture, status: int, shape: str
) -> None:
    caplog.set_level(logging.DEBUG)
    echoing.answers = [echo(status)[shape]]
    heard = Heard()
    with pytest.raises(Error) as caught:
        exchange(echoing, seconds=0.5, report=heard, client_auth="body" if status == 400 else "basic")
    shown = traceback.TracebackException.from_exception(caught.value)
    assert_hidden("".join(shown.format()))
    assert_hidden(f"{caught.value!r} {caught.value.hint} {caught.value.args} {heard.lines} {caplog.text}")


def variables_of_ours(error: BaseException) -> str:
    """The variables of every function of ours on the way, as an error tracker collects them."""
    ours = str(Path(gc_credhelper.__file__).parent)
    shown = traceback.TracebackException.from_exception(error, capture_locals=True)
    frames = [frame for frame in shown.stack if frame.filename.startswith(ours)]
    assert frames
    return "\n".join(f"{frame.name} {frame.locals}" for frame in frames)


@pytest.mark.parametrize("client_auth", ["basic", "body"])
@pytest.mark.parametrize("status", STATUSES)
def test_no_variable_on_the_way_of_an_error_shows_it(echoing: ScriptedServer, status: int, client_auth: str) -> None:
    echoing.answers = [echo(status)["everywhere"]]
    with pytest.raises(Error) as caught:
        exchange(echoing, seconds=0.5, client_auth=client_auth)
    assert_hidden(variables_of_ours(caught.value))


def test_no_variable_shows_the_token_of_an_answer_that_is_refused(echoing: ScriptedServer) -> None:
    for answer in (token(TOKEN, token_type="mac"), token(TOKEN, lifetime=-1), token(TOKEN + " ")):
        echoing.answers = [answer]
        with pytest.raises(Error) as caught:
            exchange(echoing)
        assert_hidden(variables_of_ours(caught.value))


def test_a_malformed_secret_is_shown_neither_by_its_error_nor_by_a_variable() -> None:
    for broken in (f"{SECRET}\n{SECRET}", f"{SECRET}é", f"\0{SECRET}"):
        with pytest.raises(CredentialsError) as caught:
            ClientCredentials("id", Secret(broken))
        assert_hidden(f"{caught.value} {caught.value.hint} {variables_of_ours(caught.value)}")


@pytest.mark.parametrize("status", STATUSES)
def test_the_command_shows_it_nowhere(machine: Machine, echoing: ScriptedServer, status: int) -> None:
    for answer in (echo(status)["everywhere"], echo(status)["as a line that is no header"]):
        echoing.answers = [answer]
        done = machine.run("token", "-vv", env=client(echoing, GC_CREDHELPER_DEADLINE="1s"))
        assert done.code in (5, 6)
        assert done.out == ""
        assert_hidden(done.err)
        for path, content in files_below(machine.home).items():
            assert_hidden(f"{path} {content.decode('latin-1')}")


def test_a_good_token_is_in_its_file_and_on_standard_output_only(machine: Machine, echoing: ScriptedServer) -> None:
    echoing.answers = [echo(500)["everywhere"], token(TOKEN, **{"echo": ALL, SECRET: SECRET})]
    for _ in range(2):
        done = machine.run("token", "-vv", "-o", "raw", env=client(echoing))
        assert (done.code, done.out) == (0, TOKEN + "\n")
        assert_hidden(done.err)
    for path, content in files_below(machine.home).items():
        assert_hidden(str(path))
        assert_hidden(content.decode("latin-1"), token_too=path.suffix != ".token")


PROGRAM = """
import logging, sys, traceback
logging.basicConfig(level=logging.DEBUG, stream=sys.stderr)
import gc_credhelper
source = gc_credhelper.token_source(deadline="10s")
try:
    token = source.token()
except gc_credhelper.Error:
    traceback.print_exc()
else:
    print(repr(source), repr(token), str(token), f"{token}", [token], vars(source).keys(), file=sys.stderr)
"""


@pytest.mark.parametrize("status", STATUSES)
def test_a_library_user_with_every_log_on_sees_it_nowhere(
    machine: Machine, echoing: ScriptedServer, status: int
) -> None:
    for shape in ("everywhere", "as a line that is no header"):
        echoing.answers = [echo(status)[shape], token(TOKEN)]
        done = subprocess.run(
            [sys.executable, "-c", PROGRAM],
            env=machine.environ(client(echoing)),
            capture_output=True,
            text=True,
            check=True,
            timeout=GUARD,
        )
        assert done.stdout == ""
        assert "DEBUG" in done.stderr
        assert_hidden(done.stderr)


class LeakyProvider:
    """A plug-in whose error quotes what it read."""

    settings: ClassVar[tuple[Setting, ...]] = ()
    locator: ClassVar[str | None] = None

    def __init__(self, context: Context) -> None:
        """Takes nothing from it."""

    def client_id(self) -> None:
        return None

    def credentials(self, deadline: Deadline) -> ClientCredentials:
        raise ValueError(f"cannot parse {SECRET} within {deadline.seconds} s")


def test_the_text_of_a_plug_ins_error_is_not_shown(scripted: ScriptedServer, tmp_path: Path) -> None:
    context = Context({}, Inputs([], {}), Heard(), PrivateDir(f"+{tmp_path}"))
    exchanger = TokenExchanger(scripted.token_url, "basic", "a test", Transport(), Heard())
    fetch = Fetch(lambda: LeakyProvider(context), lambda: exchanger, None, Heard())
    with pytest.raises(PluginError, match="ValueError") as caught:
        fetch.ask_client_id(Deadline(GUARD))
    assert_hidden("".join(traceback.format_exception(caught.value)))
    assert not scripted.requests


UUID = "0b8f2c1e-5f0a-4b7e-9d55-1c2d3e4f5a6b"


@pytest.mark.parametrize("secret", [UUID, UUID.replace("-", ""), "Zq7Wk3vXp9Jt5Lm2", "Zq7W", f"x{UUID}y"])
@pytest.mark.parametrize("turn", [1, -1])
@pytest.mark.parametrize("case", [str.lower, str.upper])
def test_a_correlation_id_that_is_made_of_the_secret_is_not_shown(
    scripted: ScriptedServer, secret: str, turn: int, case: Callable[[str], str]
) -> None:
    bare = secret.strip("xy").replace("-", "")
    digits = case((bare if bare in UUID.replace("-", "") else secret.encode().hex())[::turn].ljust(32, "0"))
    id_ = "-".join((digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:]))
    scripted.answers = [http(401, {"error": "invalid_client"}, ININ_Correlation_Id=id_)]
    with pytest.raises(InvalidClient) as caught:
        exchange(scripted, secret=secret)
    assert "correlation" not in str(caught.value)


def test_digits_of_a_secret_do_not_come_back_as_a_time_to_wait(scripted: ScriptedServer) -> None:
    secret = "a-739518s-b"
    scripted.answers = [http(500, {"error_description": f"bad {secret}"})]
    with pytest.raises(Error) as caught:
        exchange(scripted, secret=secret, seconds=0.5)
    assert "7395" not in str(caught.value)


def test_secret_and_token_do_not_show_themselves() -> None:
    secret = Secret(SECRET)
    credentials = ClientCredentials("the-id", secret)
    access = AccessToken(TOKEN, 0, 300)
    for each in (secret, credentials, access):
        shown = f"{each} {each!r} {each!s} {[each]!r} { ({'x': each}) } {each!s:>200}" + "%s %r" % (each, each)  # noqa: UP031
        assert_hidden(shown)
        assert format(each, "") == str(each)
        with pytest.raises(TypeError, match="cannot be pickled"):
            pickle.dumps(each)
        with pytest.raises(TypeError, match="not JSON serializable"):
            json.dumps(each)
        with pytest.raises(TypeError, match="unhashable"):
            hash(each)
    assert "the-id" in repr(credentials)
    assert copy.copy(secret).reveal() == copy.deepcopy(secret).reveal() == SECRET
    assert copy.deepcopy(credentials) == credentials
    assert quote(str(secret)) == "Secret%28hidden%29"


def test_secrets_are_compared_by_value_and_told_empty_from_full() -> None:
    assert Secret(SECRET) == Secret(SECRET)
    assert Secret(SECRET) != Secret(TOKEN)
    assert (Secret(SECRET) == SECRET) is False
    assert (bool(Secret("")), bool(Secret("x"))) == (False, True)
