"""`helper`: what it says to callers, what it keeps to itself, and the scripts that it writes."""

import json
import os
import re
import shutil
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from inputs.kit import script
from support import GC, Machine, Run, client
from support.scripted import ScriptedServer, http, token

from callers.gateway import run
from gc_credhelper import cli
from gc_credhelper.commands import helper

TOKEN = "tok-canary-Wd5"
GIT = str(Path(sys.executable).with_name("git-credential-gc"))
EXPIRES = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ")


class Asker:
    """Calls the helpers of an account whose client is the server's; the host of that is one of ours."""

    def __init__(self, machine: Machine, server: ScriptedServer) -> None:
        self.machine, self.server = machine, server
        self.host = f"127.0.0.1:{server.port}"

    def __call__(self, *argv: str, stdin: str = "", **env: str) -> Run:
        given = self.machine.environ(client(self.server, **env))
        done = run(*argv, env=given, cwd=self.machine.home, stdin=stdin)
        assert self.server.client_secret not in done.out + done.err
        assert TOKEN not in done.err
        return done

    def git(self, operation: str, *options: str, host: str = "", more: str = "", **env: str) -> Run:
        stdin = f"{more}protocol=http\nhost={host or self.host}\n\n"
        return self(GIT, *options, operation, stdin=stdin, **env)

    def bazel(self, *options: str, uri: str = "", **env: str) -> Run:
        stdin = json.dumps({"uri": uri or f"http://{self.host}/api/v2/users"})
        return self(GC, "helper", "bazel", *options, "get", stdin=stdin, **env)


@pytest.fixture
def ask(machine: Machine, scripted: ScriptedServer) -> Asker:
    scripted.answers = [token(TOKEN)]
    return Asker(machine, scripted)


def silent(done: Run) -> Run:
    assert (done.code, done.err) == (0, "")
    return done


def refused(done: Run, code: int, out: str = "") -> Run:
    """One error and one hint, and nothing else."""
    assert (done.code, done.out) == (code, out)
    assert [line.split(": ")[1] for line in done.err.splitlines()] == ["error", "hint"]
    return done


def test_git_before_2_46_gets_a_password(ask: Asker) -> None:
    lines = silent(ask.git("get")).out.splitlines()
    assert lines[:2] == ["username=oauth2", f"password={TOKEN}"]
    assert re.fullmatch(r"password_expiry_utc=\d{10}", lines[2])
    assert len(lines) == 3


def test_git_of_today_gets_a_bearer_credential(ask: Asker) -> None:
    asked = "capability[]=authtype\ncapability[]=state\nwwwauth[]=Bearer realm=x\n"
    lines = silent(ask.git("get", more=asked)).out.splitlines()
    assert lines[:4] == ["capability[]=authtype", "authtype=Bearer", f"credential={TOKEN}", "ephemeral=1"]
    assert len(lines) == 5


def test_the_two_names_of_it_are_one(ask: Asker) -> None:
    stdin = f"protocol=http\nhost={ask.host}\n\n"
    assert silent(ask(GC, "helper", "git", "get", stdin=stdin)).out == silent(ask(GIT, "get", stdin=stdin)).out


def test_git_today_says_which_bearer_credential_was_refused(ask: Asker) -> None:
    ask.server.answers = [token(TOKEN), token("tok-canary-Wd6")]
    silent(ask.git("get"))
    assert silent(ask.git("erase", more=f"capability[]=authtype\nauthtype=Bearer\ncredential={TOKEN}\n")).out == ""
    assert "password=tok-canary-Wd6" in silent(ask.git("get")).out


@pytest.mark.parametrize("operation", ["store", "capability", "anything-else"])
def test_git_has_what_is_not_known_ignored(ask: Asker, operation: str) -> None:
    assert silent(ask.git(operation, more=f"password={TOKEN}\n")).out == ""
    assert ask.server.requests == []


def test_bazel_gets_headers_and_when_they_expire(ask: Asker) -> None:
    answer = json.loads(silent(ask.bazel()).out)
    assert answer["headers"] == {"Authorization": [f"Bearer {TOKEN}"]}
    assert EXPIRES.fullmatch(answer["expires"])
    assert set(answer) == {"headers", "expires"}


@pytest.mark.parametrize("uri", ["https://api.mypurecloud.com", "http://127.0.0.1:1/", "https://example.com", "x"])
def test_bazel_is_refused_what_is_not_ours(ask: Asker, uri: str) -> None:
    refused(ask.bazel(uri=uri), 2)
    assert ask.server.requests == []


def test_bazel_knows_one_operation(ask: Asker) -> None:
    for operation in ("store", "get-token"):
        refused(ask(GC, "helper", "bazel", operation), 2)
    refused(ask(GC, "helper", "bazel"), 2)
    refused(ask(GC, "helper", "git"), 2)
    refused(ask(GC, "helper", "docker", "get"), 2)


def test_options_stand_before_the_operation(ask: Asker) -> None:
    ask.machine.write_config("[profiles.ci]\nhelper_hosts = ['git.example']\n")
    hit = ask(GIT, "--profile", "ci", "get", stdin="protocol=https\nhost=git.example\n\n")
    assert f"password={TOKEN}" in silent(hit).out
    assert silent(ask(GIT, "get", stdin="protocol=https\nhost=git.example\n\n")).out == ""
    silent(ask.bazel("--profile=ci", "--min-ttl", "5m", uri="https://git.example/x"))


@pytest.mark.parametrize("words", [("helper", "git", "get"), ("helper", "git", "erase"), ("helper", "bazel", "get")])
def test_nobody_has_to_close_standard_input(ask: Asker, words: tuple[str, ...]) -> None:
    asked = json.dumps({"uri": f"http://{ask.host}"}) if "bazel" in words else f"protocol=http\nhost={ask.host}\n\n"
    ours, theirs = os.pipe()
    with os.fdopen(theirs, "wb", 0) as caller, os.fdopen(ours, "rb", 0) as stdin:
        environ = ask.machine.environ(client(ask.server))
        child = subprocess.Popen([GC, *words], stdin=stdin, stdout=subprocess.DEVNULL, env=environ)
        caller.write(asked.encode())
        assert child.wait(60) == 0


def test_nobody_has_to_write_what_is_not_read(ask: Asker) -> None:
    """git ignores it, and so do others: the pipe may be closed before they write."""
    assert silent(ask(GIT, "store", stdin="x" * 1_000_000)).out == ""
    refused(ask.bazel(uri="https://example.com/" + "x" * 1_000_000), 2)


def test_warnings_are_kept_for_status(ask: Asker) -> None:
    padded = {"GENESYS_CLOUD_CLIENT_SECRET": f"{ask.server.client_secret}\n"}
    silent(ask.git("get", **padded))
    status = ask(GC, "status")
    assert status.code == 0
    assert len(status.warnings) == 1
    assert re.match(r"a helper warned \d+s ago: .*white space.*", status.warnings[0])
    silent(ask(GC, "forget", "--all"))
    assert ask(GC, "status").warnings == []


def test_warnings_are_said_at_once_to_who_asks_for_them(ask: Asker) -> None:
    padded = {"GENESYS_CLOUD_CLIENT_SECRET": f"{ask.server.client_secret}\n"}
    done = ask.bazel("-v", **padded)
    assert (done.code, len(done.warnings)) == (0, 1)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"[]",
        b"{",
        b'{"version":1,"at":NaN,"lines":["x"]}',
        b'{"version":1,"at":1e999,"lines":["x"]}',
        b'{"version":1,"at":%s,"lines":["x"]}' % (b"9" * 400),
        b'{"version":1,"at":1,"lines":"text"}',
        b'{"version":1,"at":1,"lines":[1]}',
        b'{"version":2,"at":1,"lines":["x"]}',
        b"[" * 10_000,
    ],
)
def test_what_was_kept_and_is_damaged_is_nothing(ask: Asker, content: bytes) -> None:
    ask.machine.cache.mkdir(mode=0o700, parents=True)
    (ask.machine.cache / "helper.warnings").touch(0o600)
    (ask.machine.cache / "helper.warnings").write_bytes(content)
    silent(ask(GC, "status"))


def test_a_helper_that_fails_says_so_in_two_lines_and_asks_the_server_once(ask: Asker) -> None:
    ask.server.answers = [http(401, {"error": "invalid_client"})]
    refused(ask.git("get"), 5, "quit=1\n")
    refused(ask.bazel(), 5)
    refused(ask.git("get"), 5, "quit=1\n")
    assert len(ask.server.requests) == 1


def test_the_time_of_a_caller_that_gives_up_early_is_not_used_up(
    ask: Asker, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """Bazel's 10 s, of which a default of ours takes less, and a user's deadline whatever it says."""
    assert helper._IMPATIENT < 9
    monkeypatch.setattr(helper, "_IMPATIENT", 0.4)
    ask.server.answers = [lambda *_: None]  # hears, and closes without an answer
    for name, value in client(ask.server).items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("HOME", str(ask.machine.home))
    kept = os.dup(0)
    try:
        for deadline in ("", "700ms"):
            monkeypatch.setenv("GC_CREDHELPER_DEADLINE", deadline)
            ours, theirs = os.pipe()
            os.write(theirs, json.dumps({"uri": f"http://{ask.host}"}).encode())
            os.close(theirs)
            os.dup2(ours, 0)
            os.close(ours)
            code = cli.main(["helper", "bazel", "get"])
            out, err = capfd.readouterr()
            assert (code, out) == (6, "")
            assert err.count("error: ") == err.count("hint: ") == 1
    finally:
        os.dup2(kept, 0)
        os.close(kept)


def test_the_client_id_that_a_provider_told_is_remembered(ask: Asker, tmp_path: Path) -> None:
    calls = tmp_path / "calls"
    answer = json.dumps({"client_id": ask.server.client_id, "client_secret": ask.server.client_secret})
    script(tmp_path / "provider", f"echo called >> '{calls}'\necho '{answer}'")
    hidden = f'command:sh -c "exec {tmp_path}/provider"'  # a file in the arguments that is so new would be no plan
    for _ in range(2):
        silent(ask.bazel(GC_CREDHELPER_PROVIDER=hidden))
    assert calls.read_text().count("called") == 1


# Shims


def shim(ask: Asker, path: Path, *options: str) -> Run:
    return ask(GC, "helper", "shim", *options, str(path))


def test_a_shim_is_two_lines_that_everyone_may_run(ask: Asker, tmp_path: Path) -> None:
    path = tmp_path / "a folder" / "it's a shim"
    path.parent.mkdir()
    kept = os.umask(0o077)
    try:
        silent(shim(ask, path))
    finally:
        os.umask(kept)
    assert stat.S_IMODE(path.stat().st_mode) == 0o755
    lines = path.read_text().splitlines()
    assert lines == ["#!/bin/sh", f"exec {GC} token -o raw # a shim of gc-credhelper"]
    assert silent(ask(str(path), "get")).out == f"{TOKEN}\n"
    assert [*path.parent.iterdir()] == [path]


def test_a_shim_speaks_a_protocol(ask: Asker, tmp_path: Path) -> None:
    ask.machine.write_config("[profiles.ci]\nmin_ttl = '5m'\n")
    path = tmp_path / "shim"
    silent(shim(ask, path, "--protocol", "bazel", "--profile", "ci"))
    answer = ask(str(path), "get", stdin=json.dumps({"uri": f"http://{ask.host}"}))
    assert json.loads(silent(answer).out)["headers"] == {"Authorization": [f"Bearer {TOKEN}"]}
    refused(ask(str(path)), 2)
    refused(ask(str(path), "get", stdin='{"uri":"https://example.com"}'), 2)


@pytest.mark.parametrize("form", ["header", "headers", "bazel", "json", "curl"])
def test_a_shim_prints_a_format_whatever_it_is_asked(ask: Asker, tmp_path: Path, form: str) -> None:
    silent(shim(ask, tmp_path / "shim", "-o", form))
    assert TOKEN in silent(ask(str(tmp_path / "shim"), "get", "more")).out


def test_a_shim_keeps_settings_as_they_were_written(ask: Asker, tmp_path: Path) -> None:
    odd = tmp_path / 'a $HOME `folder` "of" it\'s'
    silent(shim(ask, tmp_path / "shim", "--set", f"cache_dir={odd}", "--min-ttl", "5m"))
    assert silent(ask(str(tmp_path / "shim"))).out == f"{TOKEN}\n"
    assert [*odd.rglob("*.token")]
    assert " --min-ttl 5m --set " in (tmp_path / "shim").read_text()


def test_a_shim_replaces_an_earlier_one(ask: Asker, tmp_path: Path) -> None:
    path = tmp_path / "shim"
    silent(shim(ask, path))
    silent(shim(ask, path, "-o", "header"))
    assert silent(ask(str(path))).out == f"Authorization: Bearer {TOKEN}\n"


@pytest.mark.parametrize("kind", ["file", "mention", "link", "dangling", "folder", "fifo", "empty"])
def test_a_shim_does_not_take_the_place_of_anything_else(ask: Asker, tmp_path: Path, kind: str) -> None:
    path = tmp_path / "taken"
    silent(shim(ask, tmp_path / "earlier"))
    match kind:
        case "file":
            path.write_bytes(b"\xff\xfe precious")
        case "mention":
            path.write_text("# a shim of gc-credhelper\nprecious\n")
        case "link":
            path.symlink_to(tmp_path / "earlier")
        case "dangling":
            path.symlink_to(tmp_path / "nothing")
        case "folder":
            path.mkdir()
        case "fifo":
            os.mkfifo(path)
        case "empty":
            path.touch()
    before = path.lstat()
    assert "is no shim" in refused(shim(ask, path), 2).error
    assert path.lstat().st_ino == before.st_ino


def test_a_shim_needs_a_place(ask: Asker, tmp_path: Path) -> None:
    refused(shim(ask, tmp_path / "no folder" / "shim"), 2)
    refused(shim(ask, tmp_path / ("x" * 300)), 2)
    refused(ask(GC, "helper", "shim"), 2)
    refused(ask(GC, "helper", "shim", ""), 2)
    refused(shim(ask, tmp_path / "shim", "-o", "yaml"), 2)
    refused(shim(ask, tmp_path / "shim", "-o", "raw", "--protocol", "git"), 2)
    refused(ask(GC, "helper", "git", "-o", "raw", "get"), 2)
    assert [*tmp_path.glob("*shim*")] == []


def test_a_shim_names_the_link_that_an_upgrade_keeps(ask: Asker, tmp_path: Path) -> None:
    """pipx and uv tool put a link to the program on PATH; a distribution's link leads to one version."""
    links = tmp_path / "bin"
    links.mkdir()
    (links / "gc-credhelper").symlink_to(GC)
    path = f"{links}:/usr/bin:/bin"
    for program in ("gc-credhelper", GC):
        silent(ask(shutil.which(program, path=path) or program, "helper", "shim", str(tmp_path / "shim"), PATH=path))
        assert (tmp_path / "shim").read_text().splitlines()[1].startswith(f"exec {links}/gc-credhelper ")
        assert silent(ask(str(tmp_path / "shim"))).out == f"{TOKEN}\n"


def test_a_shim_names_the_program_that_wrote_it_when_path_has_another(ask: Asker, tmp_path: Path) -> None:
    script(tmp_path / "gc-credhelper", "exit 9")
    silent(ask(GC, "helper", "shim", str(tmp_path / "shim"), PATH=f"{tmp_path}:/usr/bin:/bin"))
    assert (tmp_path / "shim").read_text().splitlines()[1].startswith(f"exec {GC} ")


def test_a_shim_that_python_wrote_works_without_any_program_on_path(ask: Asker, tmp_path: Path) -> None:
    module = (sys.executable, "-m", "gc_credhelper")
    silent(ask(*module, "helper", "shim", str(tmp_path / "shim"), PATH="/usr/bin:/bin"))
    assert silent(ask(str(tmp_path / "shim"))).out == f"{TOKEN}\n"
