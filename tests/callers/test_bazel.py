"""Bazel, which cannot be had here: a stand-in that calls the shim as Bazel does and reads the answer by its rules.

The rules are those of its source (GetCredentialsResponse, CredentialHelper) and of the schema that EngFlow publishes.
"""

import json
import subprocess
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import clients
import pytest
from support import GC, Machine, Run, client
from support.scripted import ScriptedServer, http, token

from callers.gateway import run
from callers.shown import block

TOKEN = "tok-canary-Tk1"
PAGE = "bazel-and-header-helpers.md"
URI = "https://gateway.example.com/cas/blobs"
# How Bazel parses `expires`; a fraction of a second, a space or a missing zone fails the build.
FORMATTER = """\
import java.time.Instant;
import java.time.format.DateTimeFormatter;

class Expires {
  public static void main(String[] words) {
    var format = DateTimeFormatter.ofPattern("yyyy-MM-dd'T'HH:mm:ssXXX");
    System.out.println(Instant.from(format.parse(words[0])).getEpochSecond());
  }
}
"""


class Bazel:
    """Calls a helper: the word `get`, the request on standard input, 10 s for the answer."""

    def __init__(self, machine: Machine, server: ScriptedServer) -> None:
        self.machine, self.server = machine, server
        server.answers = [token(TOKEN, 3600)]
        machine.write_config(block(PAGE, "toml", "gateway.example.com"))
        self.path = machine.home / ".local" / "bin" / "genesys-bazel"
        self.path.parent.mkdir(parents=True)
        assert self.shell(block(PAGE, "bash", "genesys-bazel")).code == 0

    def shell(self, text: str) -> Run:
        return run("bash", "-ec", text, env=self.machine.environ(), cwd=self.machine.home)

    def calls(self, request: Mapping[str, object]) -> Run:
        # Its own time limit is left out: on a busy machine a test may take longer.
        env = self.machine.environ(client(self.server))
        return run(str(self.path), "get", env=env, cwd=self.machine.home, stdin=json.dumps(request))


@pytest.fixture
def bazel(machine: Machine, scripted: ScriptedServer) -> Bazel:
    return Bazel(machine, scripted)


def read(text: str) -> dict[str, Any]:
    """As its adapter for Gson reads an answer: an error where that has one, and where it would pass over something."""

    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        assert len({name for name, _ in pairs}) == len(pairs), "a name stands there twice"
        return dict(pairs)

    answer = json.loads(text, object_pairs_hook=once)
    assert set(answer) <= {"headers", "expires"}, "the specification has no more"
    assert isinstance(answer.get("headers", {}), dict)
    for values in answer.get("headers", {}).values():
        assert isinstance(values, list)
        assert all(isinstance(value, str) for value in values)
    assert isinstance(answer.get("expires", ""), str)
    return dict(answer)


def test_bazel_gets_a_header_and_when_it_expires(bazel: Bazel) -> None:
    before = int(time.time())
    done = bazel.calls({"uri": URI})
    assert (done.code, done.err) == (0, "")
    answer = read(done.out)
    assert answer["headers"] == {"Authorization": [f"Bearer {TOKEN}"]}
    expires = datetime.strptime(answer["expires"], "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC).timestamp()
    assert before + 3540 - 1 <= expires <= time.time() + 3540  # a minute before the real end


def test_java_parses_when_it_expires_as_bazel_does(bazel: Bazel, tmp_path: Path) -> None:
    java = clients.need("java")
    expires = read(bazel.calls({"uri": URI}).out)["expires"]
    file = tmp_path / "Expires.java"
    file.write_text(FORMATTER)
    done = subprocess.run([java, str(file), expires], capture_output=True, text=True, check=False, timeout=100)
    assert done.returncode == 0, done.stderr
    expected = datetime.strptime(expires, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC).timestamp()
    assert int(done.stdout) == expected


def test_more_than_the_uri_may_be_asked(bazel: Bazel) -> None:
    done = bazel.calls({"future": {"nested": [1, 2, None]}, "uri": URI, "more": "x"})
    assert read(done.out)["headers"]


@pytest.mark.parametrize("uri", ["https://github.com/x", "http://gateway.example.com/", "gateway.example.com", ""])
def test_a_uri_that_is_not_ours_is_an_error(bazel: Bazel, uri: str) -> None:
    done = bazel.calls({"uri": uri})
    assert (done.code, done.out) == (2, "")
    assert done.error
    assert done.hint
    assert bazel.server.requests == []


def test_many_uris_are_one_token_request(bazel: Bazel) -> None:
    """It asks anew for each exact URI."""
    answers = {bazel.calls({"uri": f"{URI}/{number}"}).out for number in range(4)}
    assert len(answers) == 1
    assert len(bazel.server.requests) == 1


def test_an_error_is_an_exit_code_and_two_lines(bazel: Bazel) -> None:
    bazel.server.answers = [http(503, "no")]
    done = bazel.calls({"uri": URI})
    assert (done.code, done.out) == (6, "")
    assert [line.split(": ")[1] for line in done.err.splitlines()] == ["error", "hint"]


def test_without_arguments_it_says_how_it_is_used(bazel: Bazel) -> None:
    done = run(str(bazel.path), env=bazel.machine.environ(), cwd=bazel.machine.home)
    assert (done.code, done.out) == (2, "")
    assert done.error
    assert "--help" in done.hint
    assert "helper git|bazel" in run(GC, "helper", "--help", env=bazel.machine.environ(), cwd=bazel.machine.home).out


def test_the_format_of_token_is_the_same_answer(bazel: Bazel) -> None:
    env = client(bazel.server, GC_CREDHELPER_PROFILE="ci")
    assert bazel.machine.run("token", "-o", "bazel", env=env).out == bazel.calls({"uri": URI}).out
