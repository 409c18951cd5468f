"""`store`: what is asked and read, what is tried first, what is refused, and that nothing of it is shown."""

import json
import os
import pty
import select
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path

import pytest
from support import Machine, Run, client
from support.scripted import ScriptedServer, http

from inputs.kit import CANARY, refused

PLUGIN = """
import json, pathlib
from gc_credhelper import ClientCredentials, CredentialsError, Secret
from gc_credhelper.kinds import text
from gc_credhelper.settings import Setting

class Provider:
    settings = (Setting("drawer.path", text, "a file"),)
    locator = "drawer.path"
    def __init__(self, context):
        self.path = pathlib.Path(context.settings["drawer.path"])
    def client_id(self):
        return None
    def credentials(self, deadline):
        client_id, secret = json.loads(self.path.read_text())
        return ClientCredentials(client_id, Secret(secret))
    def store(self, credentials, deadline, *, replace):
        if self.path.name == "broken":
            raise ValueError(credentials.client_secret.reveal())
        if self.path.exists() and not replace:
            raise CredentialsError("something lies there", hint="--replace")
        self.path.write_text(json.dumps([credentials.client_id, credentials.client_secret.reveal()]))
        return f"the drawer {self.path.name}"
"""
START = "import sys; sys.path.insert(0, sys.argv[1]); from gc_credhelper.cli import main; sys.exit(main(sys.argv[2:]))"
PAIR = json.dumps({"client_id": "an-id", "client_secret": CANARY})


@pytest.fixture
def drawer(machine: Machine) -> Path:
    """A store that can be written to."""
    info = machine.home / "packages" / "drawer-1.0.dist-info"
    info.mkdir(parents=True)
    (info.parent / "drawer_plugin.py").write_text(PLUGIN)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: drawer\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[gc_credhelper.credential_providers]\ndrawer = drawer_plugin:Provider\n")
    return machine.home / "drawer"


def command(machine: Machine, *argv: str) -> list[str]:
    return [sys.executable, "-c", START, str(machine.home / "packages"), *argv]


def store(
    machine: Machine, server: ScriptedServer, *argv: str, stdin: str | bytes = PAIR, to: str = "", **more: str
) -> Run:
    env = machine.environ({"GC_CREDHELPER_TOKEN_URL": server.token_url, **more})
    to = to or f"drawer:{machine.home}/drawer"
    content = stdin.encode() if isinstance(stdin, str) else stdin
    done = subprocess.run(
        command(machine, "store", "--provider", to, *argv),
        input=content,
        env=env,
        capture_output=True,
        check=False,
        timeout=60,
    )
    run = Run(done.returncode, done.stdout.decode(), done.stderr.decode())
    assert CANARY not in run.out + run.err
    return run


def test_a_pair_on_standard_input_is_tried_and_stored(machine: Machine, drawer: Path, scripted: ScriptedServer) -> None:
    done = store(machine, scripted)
    assert (done.code, done.out, done.err) == (0, "stored the client an-id in the drawer drawer\n", "")
    assert json.loads(drawer.read_text()) == ["an-id", CANARY]
    assert len(scripted.requests) == 1
    env = {"GC_CREDHELPER_TOKEN_URL": scripted.token_url}
    argv = command(machine, "token", "-o", "raw", "--provider", f"drawer:{drawer}")
    assert subprocess.run(argv, env=machine.environ(env), capture_output=True, check=True).stdout == b"tok-1\n"


@pytest.mark.parametrize(
    "stdin",
    [f"an-id\n{CANARY}\n", f"an-id\r\n{CANARY}", f"\n an-id \n\n{CANARY}\n", f"\ufeff{PAIR}", PAIR.replace(",", ",\n")],
)
def test_two_lines_or_json_will_do(machine: Machine, drawer: Path, scripted: ScriptedServer, stdin: str) -> None:
    assert store(machine, scripted, stdin=stdin).code == 0
    assert json.loads(drawer.read_text()) == ["an-id", CANARY]


@pytest.mark.parametrize(
    ("stdin", "said"),
    [
        ("", "does not hold a client id and a client secret"),
        (f"{CANARY}\n", "does not hold a client id and a client secret"),
        (f"a\n{CANARY}\nb\n", "does not hold a client id and a client secret"),
        (f'{{"client_secret": "{CANARY}"}}', "does not hold a client id and a client secret"),
        (f'{{"client_id": 5, "client_secret": "{CANARY}"}}', "the client ID is not a text"),
        (f'{{"client_id": {CANARY}', "standard input is not JSON"),
        (f"an-id\n{CANARY} with spaces\n", "the client secret is malformed"),
        (f"an-id:{CANARY}\n{CANARY}\n", "the client id holds a colon"),
        (b"\xff\xfe\0", "cannot be read as UTF-8 text"),
        (f"an-id\n{CANARY * 9000}\n", "more than 64 KiB"),
        ("[" * 50_000, "does not hold"),
        ('{"a":' * 12_000, "standard input is not JSON"),
    ],
)
def test_what_is_no_pair_is_refused(
    machine: Machine, drawer: Path, scripted: ScriptedServer, stdin: str | bytes, said: str
) -> None:
    refused(store(machine, scripted, stdin=stdin), 4, said)
    assert not drawer.exists()
    assert not scripted.requests


def test_a_pair_that_the_server_refuses_is_not_stored(machine: Machine, drawer: Path, scripted: ScriptedServer) -> None:
    scripted.answers = [http(401, {"error": "invalid_client", "error_description": CANARY})]
    refused(store(machine, scripted), 5, "wrong secret, or wrong region")
    assert not drawer.exists()


def test_without_the_check_no_server_is_asked(machine: Machine, drawer: Path, scripted: ScriptedServer) -> None:
    assert store(machine, scripted, "--no-check").code == 0
    assert drawer.exists()
    assert not scripted.requests


def test_what_lies_there_is_replaced_only_when_asked(machine: Machine, drawer: Path, scripted: ScriptedServer) -> None:
    drawer.write_text("precious")
    refused(store(machine, scripted), 4, "something lies there")
    assert drawer.read_text() == "precious"
    assert store(machine, scripted, "--replace").code == 0
    assert json.loads(drawer.read_text()) == ["an-id", CANARY]


def test_another_client_than_the_pinned_one_is_refused(
    machine: Machine, drawer: Path, scripted: ScriptedServer
) -> None:
    refused(
        store(machine, scripted, "--set", "client_id=other"), 4, "this is the client an-id, but client_id says other"
    )
    assert not drawer.exists()


def test_a_provider_that_only_reads_is_refused(machine: Machine, drawer: Path, scripted: ScriptedServer) -> None:
    refused(store(machine, scripted, to="env"), 2, "the provider env only reads")
    refused(store(machine, scripted, to="env:A,env:B"), 2, "provider names a pool")


def test_a_plug_in_that_fails_does_not_show_the_secret(
    machine: Machine, drawer: Path, scripted: ScriptedServer
) -> None:
    done = store(machine, scripted, "-vv", to=f"drawer:{machine.home}/broken")
    assert done.code == 3
    assert "the credential provider failed (ValueError)" in done.err


def test_the_two_are_no_options(machine: Machine, drawer: Path, scripted: ScriptedServer) -> None:
    refused(store(machine, scripted, "--client-secret", CANARY), 2, "no secret is ever an option")
    refused(store(machine, scripted, CANARY), 2, "a word too many")


def typed(machine: Machine, words: list[str], env: Mapping[str, str], *argv: str) -> tuple[int, str]:
    """Answer the prompts on a terminal, one after the other; exit code, and all that the terminal showed."""
    pid, fd = pty.fork()
    if not pid:
        os.execve(sys.executable, command(machine, "store", *argv), dict(machine.environ(env)))
    shown = b""
    give_up = time.monotonic() + 60
    todo = [*words]
    while time.monotonic() < give_up:
        if not select.select([fd], [], [], 0.5)[0]:
            continue
        try:
            part = os.read(fd, 4096)
        except OSError:
            break
        shown += part
        if todo and shown.endswith(b": "):
            os.write(fd, todo.pop(0).encode())
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), shown.decode()


def test_a_terminal_is_asked_and_does_not_show_the_secret(
    machine: Machine, drawer: Path, scripted: ScriptedServer
) -> None:
    env = {"GC_CREDHELPER_TOKEN_URL": scripted.token_url, "GC_CREDHELPER_PROVIDER": f"drawer:{drawer}"}
    code, shown = typed(machine, ["an-id\n", f"{CANARY}\n"], env)
    assert (code, CANARY in shown) == (0, False)
    assert [line.strip() for line in shown.splitlines()] == [
        "Client ID: an-id",
        "Client secret (not shown):",
        "stored the client an-id in the drawer drawer",
    ]
    assert json.loads(drawer.read_text()) == ["an-id", CANARY]


def test_whoever_gives_up_at_the_terminal_stores_nothing(
    machine: Machine, drawer: Path, scripted: ScriptedServer
) -> None:
    env = client(scripted, GC_CREDHELPER_PROVIDER=f"drawer:{drawer}")
    code, shown = typed(machine, ["an-id\n", "\x03"], env)
    assert code == 130, shown
    code, shown = typed(machine, ["an-id\n", "\x04"], env)
    assert code == 4
    assert "the client secret is empty" in shown
    assert not drawer.exists()


def test_a_silent_pipe_ends_with_the_deadline(machine: Machine, drawer: Path, scripted: ScriptedServer) -> None:
    child = subprocess.Popen(
        command(machine, "store", "--provider", f"drawer:{drawer}", "--deadline", "1s"),
        env=machine.environ({"GC_CREDHELPER_TOKEN_URL": scripted.token_url}),
        stdin=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert child.stderr
    assert "standard input did not bring what is needed" in child.stderr.read()
    assert child.wait(60) == 6
    child.stderr.close()
    assert child.stdin
    child.stdin.close()
