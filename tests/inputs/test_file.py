"""The provider `file`: JSON, dotenv, a mounted directory, and what is wrong with them."""

import base64
import json
import os
import subprocess
import traceback
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support import GC, Machine, require
from support.scripted import ScriptedServer, token

from gc_credhelper.app import App, environment
from gc_credhelper.credentials import ClientCredentials
from gc_credhelper.credfile import FileProvider
from gc_credhelper.deadline import Deadline
from gc_credhelper.errors import CredentialsError
from gc_credhelper.plan import Inputs
from gc_credhelper.private import PrivateDir
from gc_credhelper.report import Report
from gc_credhelper.roles import Context
from inputs.kit import CANARY, Shell, refused


def given_by(server: ScriptedServer, path: object) -> dict[str, str]:
    return {"GC_CREDHELPER_TOKEN_URL": server.token_url, "GC_CREDHELPER_PROVIDER": f"file:{path}"}


def sent(server: ScriptedServer) -> tuple[str, ...]:
    pair = base64.b64decode(server.requests[-1].headers["authorization"].removeprefix("Basic ")).decode()
    return tuple(pair.split(":", 1))


GOOD = {
    "json": json.dumps({"client_id": "an-id", "client_secret": CANARY}),
    "json with more": json.dumps({"note": 1, "client_secret": CANARY, "client_id": "an-id"}, indent=2) + "\n",
    "camel case": json.dumps({"clientId": "an-id", "clientSecret": CANARY}),
    "family in json": json.dumps({"GENESYS_CLOUD_CLIENT_ID": "an-id", "GENESYS_CLOUD_CLIENT_SECRET": CANARY}),
    "bom": "\ufeff" + json.dumps({"client_id": "an-id", "client_secret": CANARY}),
    "dotenv": f"CLIENT_ID=an-id\nCLIENT_SECRET={CANARY}\n",
    "crlf": f"CLIENT_ID=an-id\r\nCLIENT_SECRET={CANARY}\r\n",
    "export and quotes": f"# ours\nexport CLIENT_ID='an-id'\nexport CLIENT_SECRET=\"{CANARY}\" # x",
    "spaces and comments": f"\n  PURECLOUD_CLIENT_ID = an-id # the id\n\nPURECLOUD_CLIENT_SECRET = {CANARY}\n",
    "lower case": f"client_id=an-id\nclient_secret={CANARY}",
    "other lines": f"this is no assignment\nPATH=/bin\nCLIENT_ID=an-id\nCLIENT_SECRET={CANARY}\n",
    "half before a whole": f"client_id=other\nCLIENT_ID=an-id\nCLIENT_SECRET={CANARY}\n",
}


@pytest.mark.parametrize("content", GOOD.values(), ids=GOOD)
def test_a_file_gives_the_pair(shell: Shell, scripted: ScriptedServer, tmp_path: Path, content: str) -> None:
    path = tmp_path / "creds"
    path.write_bytes(content.encode())
    done = shell("token", env=given_by(scripted, path))
    assert (done.code, done.err) == (0, "")
    assert sent(scripted) == ("an-id", CANARY)


@pytest.mark.parametrize("quoted", ["{}", "'{}'", '"{}"'])
def test_a_dollar_in_dotenv_is_a_dollar(shell: Shell, scripted: ScriptedServer, tmp_path: Path, quoted: str) -> None:
    secret = "a$HOME-${HOME}-$$"
    (tmp_path / "x.env").write_text(f"CLIENT_ID=an-id\nCLIENT_SECRET={quoted.format(secret)}\n")
    assert shell("token", env=given_by(scripted, tmp_path / "x.env")).code == 0
    assert sent(scripted) == ("an-id", secret)


def test_a_directory_as_kubernetes_mounts_it_gives_the_pair(
    machine: Machine, scripted: ScriptedServer, tmp_path: Path
) -> None:
    mount = tmp_path / "mount"
    scripted.answers = [token("one"), token("two")]

    def publish(version: str, client_id: str) -> None:
        (mount / version).mkdir(parents=True)
        (mount / version / "client_id").write_text(client_id)
        (mount / version / "client_secret").write_text(CANARY)
        fresh = mount / "..data_tmp"
        fresh.symlink_to(version)
        fresh.rename(mount / "..data")

    publish("..2026_1", "first-id")
    for name in ("client_id", "client_secret"):
        (mount / name).symlink_to(f"..data/{name}")
    env = given_by(scripted, mount)
    for _ in range(2):
        assert machine.run("token", "-o", "raw", env=env).out == "one\n"
    assert sent(scripted) == ("first-id", CANARY)
    publish("..2026_2", "second-id")
    assert machine.run("token", "-o", "raw", env=env).out == "two\n"
    assert sent(scripted) == ("second-id", CANARY)
    assert len(scripted.requests) == 2


@pytest.mark.parametrize("missing", ["client_id", "client_secret"])
def test_a_directory_without_one_of_the_two_is_refused(
    shell: Shell, scripted: ScriptedServer, tmp_path: Path, missing: str
) -> None:
    for name in {"client_id", "client_secret"} - {missing}:
        (tmp_path / name).write_text(CANARY)
    done = shell("token", env=given_by(scripted, tmp_path))
    refused(done, 4, f"the file {tmp_path / missing} cannot be read: No such file", "is the secret mounted")


def test_a_trailing_line_feed_in_a_mounted_secret_is_mended_with_a_warning(
    shell: Shell, scripted: ScriptedServer, tmp_path: Path
) -> None:
    (tmp_path / "client_id").write_text("an-id")
    (tmp_path / "client_secret").write_text(f"{CANARY}\n")
    done = shell("token", env=given_by(scripted, tmp_path))
    assert done.code == 0
    assert done.warnings == [f"white space around the value of the file {tmp_path}/client_secret was removed"]
    assert sent(scripted) == ("an-id", CANARY)


def test_a_link_to_a_file_of_anyone_is_followed(shell: Shell, scripted: ScriptedServer, tmp_path: Path) -> None:
    (tmp_path / "real").write_text(GOOD["json"])
    (tmp_path / "real").chmod(0o644)
    (tmp_path / "link").symlink_to("real")
    assert shell("token", env=given_by(scripted, tmp_path / "link")).code == 0


def test_a_tilde_is_the_home_directory_of_that_moment(
    machine: Machine, scripted: ScriptedServer, tmp_path: Path
) -> None:
    scripted.answers = [token("one"), token("two")]
    other = tmp_path / "other"
    other.mkdir()
    for home, client_id in ((machine.home, "first-id"), (other, "second-id")):
        (home / "creds.json").write_text(json.dumps({"client_id": client_id, "client_secret": CANARY}))
        os.utime(home / "creds.json", (1, 1))
    env = given_by(scripted, "~/creds.json") | {"GC_CREDHELPER_CACHE_DIR": str(tmp_path / "cache")}
    import time

    time.sleep(2.1)  # a plan that read a file which changed just now is not recorded
    for _ in range(2):
        assert machine.run("token", "-o", "raw", env=env).out == "one\n"
    assert machine.run("token", "-o", "raw", env=env | {"HOME": str(other)}, cwd=machine.home).out == "two\n"


def test_an_unknown_home_directory_is_only_a_missing_file(shell: Shell, scripted: ScriptedServer) -> None:
    refused(shell("token", env=given_by(scripted, "~nobody-at-all/x")), 4, "~nobody-at-all/x cannot be read")


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("{", "is not JSON (line 1, column 2)"),
        (f'{{\n  "client_id": "x",\n  "client_secret": "{CANARY}\n}}', "is not JSON (line 3, column"),
        (f'{{"client_id": "x", "client_secret": "{CANARY}",}}', "is not JSON (line 1"),
        (f'{{"client_id": {CANARY}}}', "is not JSON (line 1, column 15)"),
        ('{"a":' * 100_000, "is larger than 64 KiB"),
        ('{"a":' * 10_000, "is not JSON"),
        ('{"a":' + "9" * 5000 + "}", "is not JSON (beyond measure)"),
        ("{}", "has no client_id and client_secret"),
        ("", "has no client_id and client_secret"),
        (f'["{CANARY}"]', "has no client_id and client_secret"),
        (CANARY, "has no client_id and client_secret"),
        (f"id: x\nsecret: {CANARY}", "has no client_id and client_secret"),
        (f'{{"client_secret": "{CANARY}"}}', "has no client_id"),
        ('{"client_id": "x"}', "has no client_secret"),
        (f'{{"client_id": 5, "client_secret": "{CANARY}"}}', "has no client_id"),
        (f'{{"client_id": "x", "client_secret": ["{CANARY}"]}}', "has no client_secret"),
        ('{"client_id": "x", "client_secret": ""}', "has no client_secret"),
        ("CLIENT_ID=x\nCLIENT_SECRET=\n", "has no CLIENT_SECRET"),
        ("CLIENT_ID=x\nCLIENT_SECRET\n", "has no CLIENT_SECRET"),
        (f"CLIENT_ID=x\nCLIENT_SECRET='{CANARY}\n", "has no CLIENT_SECRET"),
        (f'{{"client_id": "x", "client_secret": "{CANARY} {CANARY}"}}', "the client secret is malformed"),
        ('{"client_id": "x", "client_secret": "\\u00e9"}', "the client secret is malformed"),
        (f'{{"client_id": "x y", "client_secret": "{CANARY}"}}', "the client id is malformed"),
    ],
)
def test_a_file_that_holds_no_pair_is_refused(
    shell: Shell, scripted: ScriptedServer, tmp_path: Path, content: str, said: str
) -> None:
    (tmp_path / "creds").write_text(content)
    refused(shell("token", env=given_by(scripted, tmp_path / "creds")), 4, said)
    assert not scripted.requests


@pytest.mark.parametrize("content", [b"\xff\xfe{", b"\x7fELF\x00\x80"])
def test_a_file_that_is_no_text_is_refused(
    shell: Shell, scripted: ScriptedServer, tmp_path: Path, content: bytes
) -> None:
    (tmp_path / "creds").write_bytes(content)
    refused(shell("token", env=given_by(scripted, tmp_path / "creds")), 4, "is not UTF-8 text")


def test_a_missing_file_is_refused(shell: Shell, scripted: ScriptedServer, tmp_path: Path) -> None:
    refused(shell("token", env=given_by(scripted, tmp_path / "gone")), 4, f"{tmp_path / 'gone'} cannot be read")
    refused(shell("token", env=given_by(scripted, "x" * 5000)), 4, "cannot be read")


@pytest.mark.parametrize("provider", ["file", "file:", "file: "])
def test_a_path_is_needed(shell: Shell, provider: str) -> None:
    refused(shell("token", "--provider", provider), 2, "the provider file needs a path", "file:PATH")


def test_a_nearer_setting_displaces_the_reference(shell: Shell, scripted: ScriptedServer, tmp_path: Path) -> None:
    (tmp_path / "near").write_text(GOOD["json"])
    env = given_by(scripted, tmp_path / "far")
    assert shell("token", "--set", f"file.path={tmp_path / 'near'}", env=env).code == 0
    refused(shell("token", env=env | {"GC_CREDHELPER_FILE_PATH": str(tmp_path / "near")}), 4, "far cannot be read")


NAMES = st.sampled_from(["client_id", "client_secret", "CLIENT_ID", "GENESYS_CLOUD_CLIENT_SECRET", "x"])
JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.text(), lambda v: st.lists(v) | st.dictionaries(NAMES, v)
)
CONTENT = (
    st.binary(max_size=80)
    | st.dictionaries(NAMES, JSON, max_size=4).map(lambda found: json.dumps(found).encode())
    | st.lists(st.tuples(NAMES, st.text("abc$'\"\\ #={}\n\r\té", max_size=12))).map(
        lambda lines: "\n".join(f"{name}={value}" for name, value in lines).encode()
    )
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=200, deadline=None)
@given(content=CONTENT)
def test_any_content_gives_a_pair_or_an_error_of_ours(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "creds"
    path.write_bytes(content)
    context = Context({"file.path": str(path)}, Inputs([], {}), Report(), PrivateDir(f"+{tmp_path}"))
    try:
        assert isinstance(FileProvider(context).credentials(Deadline(5)), ClientCredentials)
    except CredentialsError as e:
        assert e.hint  # noqa: PT017  # some contents are good


def test_a_pipe_is_read_once_and_gives_both_halves(machine: Machine, scripted: ScriptedServer, tmp_path: Path) -> None:
    (tmp_path / "c.json").write_text(GOOD["json"])
    line = f"{GC} token --refresh --provider file:<(cat {tmp_path}/c.json)"
    env = machine.environ({"GC_CREDHELPER_TOKEN_URL": scripted.token_url})
    done = subprocess.run(
        [require("bash"), "-c", line], env=env, capture_output=True, text=True, check=False, timeout=60
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert sent(scripted) == ("an-id", CANARY)


@pytest.mark.parametrize(
    ("env", "code"),
    [
        ({"GC_CREDHELPER_PROVIDER": "file:pipe"}, 6),
        ({"GENESYS_CLOUD_CLIENT_ID_FILE": "pipe"}, 6),
        ({"GC_CREDHELPER_CONFIG": "pipe"}, 2),
    ],
)
def test_a_pipe_that_nobody_writes_to_does_not_hold_us(machine: Machine, env: dict[str, str], code: int) -> None:
    os.mkfifo(machine.home / "pipe")
    assert machine.run("token", "--deadline", "1s", env=env, timeout=60).code == code
    assert machine.run("status", "--set", "deadline=1s", env=env, timeout=60).code == (2 if code == 2 else 0)


def test_no_frame_of_an_error_holds_what_was_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "c.json").write_text(json.dumps({"client_id": "a", "secret": CANARY}))
    monkeypatch.setenv("GC_CREDHELPER_PROVIDER", f"file:{tmp_path}/c.json")
    with pytest.raises(CredentialsError) as caught:
        App(Inputs([], environment()), {}, Report()).provider.credentials(Deadline(60))
    shown = "".join(traceback.TracebackException.from_exception(caught.value, capture_locals=True).format())
    assert CANARY not in shown
