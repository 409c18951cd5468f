"""`api`: what is sent for what was written, what is printed, and every way to write it wrong."""

import json
import os
import pty
import re
import select
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from support import GC, Machine, Run, client

from gc_credhelper.sandbox.options import Options
from gc_credhelper.sandbox.server import SandboxThread

from .kit import ALL, Api, Asked, Say, ids, refused, serving, variables
from .test_pages import numbered

_SHOWN = ("content-type", "x-own", "accept")


def echo(asked: Asked) -> object:
    headers = {name: value for name, value in asked.headers.items() if name.lower() in _SHOWN}
    return {"method": asked.method, "path": asked.path, "query": asked.query, "headers": headers} | (
        {"body": asked.body} if asked.body != b"" else {}
    )


@pytest.fixture
def api() -> Iterator[Api]:
    with serving(echo) as server:
        yield server


@pytest.fixture
def call(machine: Machine, api: Api) -> Callable[..., Run]:
    def run(*words: str, stdin: str | None = None) -> Run:
        return machine.run("api", *words, env=variables(api), stdin=stdin)

    return run


def said(run: Run) -> dict[str, object]:
    assert (run.code, run.err) == (0, "")
    found: dict[str, object] = json.loads(run.out)
    return found


@pytest.mark.parametrize(
    ("words", "wanted"),
    [
        (["GET", "/a"], {"method": "GET", "path": "/a", "query": {}}),
        (["get", "a"], {"method": "GET", "path": "/a", "query": {}}),
        (["GET", "/a?x=1&y=%20"], {"path": "/a", "query": {"x": "1", "y": " "}}),
        (["GET", "/a?x=1", "-f", "y=true", "-F", "z=false"], {"query": {"x": "1", "y": "true", "z": "false"}}),
        (["GET", "/a/bé c".replace(" ", "%20")], {"path": "/a/b%C3%A9%20c"}),
        (["DELETE", "/a"], {"method": "DELETE"}),
        (["POST", "/a", "-f", "n=1", "-f", "t=x=y"], {"body": {"n": "1", "t": "x=y"}, "query": {}}),
        (["POST", "/a", "-F", "n=1", "-F", "b=true", "-F", "z=null"], {"body": {"n": 1, "b": True, "z": None}}),
        (["PATCH", "/a", "-F", "p[size]=5", "-F", "p[n]=1"], {"body": {"p": {"size": 5, "n": 1}}}),
        (["PUT", "/a", "-f", "l[]=x", "-f", "l[]=y"], {"body": {"l": ["x", "y"]}}),
        (["PUT", "/a", "-F", "l[][a]=1", "-F", "l[][b]=2", "-F", "l[][a]=3"], {"body": {"l": [{"a": 1, "b": 2}, {"a": 3}]}}),  # noqa: E501
        (["PUT", "/a", "-F", "l[][][]=1"], {"body": {"l": [[[1]]]}}),
        (["POST", "/a"], {"method": "POST", "query": {}}),
        (["GET", "/a", "-H", "X-Own: yes"], {"headers": {"Accept": "application/json", "X-Own": "yes"}}),
        (["POST", "/a", "-F", "a=1"], {"headers": {"Accept": "application/json", "Content-Type": "application/json"}}),
        (["POST", "/a", "-F", "a=1", "-H", "content-type: x/y"], {"headers": {"Accept": "application/json", "content-type": "x/y"}}),  # noqa: E501
        (["POST", "-f", "a=1", "/a"], {"body": {"a": "1"}}),
    ],
)  # fmt: skip
def test_what_is_written_is_what_is_sent(words: list[str], wanted: dict[str, object], call: Callable[..., Run]) -> None:
    found = said(call(*words))
    assert {name: found.get(name) for name in wanted} == wanted


def test_a_whole_url_is_fine_when_it_is_the_apis_own(api: Api, call: Callable[..., Run]) -> None:
    assert said(call("GET", api.url + "/a?x=1"))["query"] == {"x": "1"}
    for other in ("https://api.mypurecloud.de/a", api.url + "0/a", api.url + "@other.example/a"):
        done = call("GET", other)
        assert (done.code, done.out) == (2, "")
        assert api.url in done.hint
    assert len(api.asked) == 1


def test_a_body_comes_from_a_file_or_from_standard_input(machine: Machine, call: Callable[..., Run]) -> None:
    (machine.home / "body.json").write_text('{"from": "file"}')
    found = said(call("POST", "/a", "--input", "body.json", "-f", "x=1"))
    assert (found["body"], found["query"]) == ({"from": "file"}, {"x": "1"})
    assert said(call("POST", "/a", "--input", "-", stdin='{"from": "stdin"}'))["body"] == {"from": "stdin"}
    assert said(call("POST", "/a", "-F", "text=@body.json"))["body"] == {"text": '{"from": "file"}'}


@pytest.mark.parametrize(
    ("words", "part"),
    [
        (["FETCH", "/a"], "no such method"),
        (["GET"], "PATH"),
        (["GET", "/a", "/b"], "a word too many"),
        (["GET", "/a#b"], "none of the Platform API"),
        (["GET", "/a b"], "none of the Platform API"),
        (["GET", "/a\nb"], "none of the Platform API"),
        (["GET", "http://[/a"], "none of the Platform API"),
        (["GET", "//other.example/a://b"], "none of the Platform API"),
        (["GET", "/a", "-f", "novalue"], "KEY=VALUE"),
        (["GET", "/a", "-F", "=5"], "KEY=VALUE"),
        (["POST", "/a", "-f", "a[=1"], "KEY[NAME]"),
        (["POST", "/a", "-f", "[a]=1"], "KEY[NAME]"),
        (["POST", "/a", "-f", "a=1", "-f", "a[b]=1"], "a value and an object"),
        (["POST", "/a", "-f", "a[]=1", "-f", "a[b]=1"], "a list and an object"),
        (["POST", "/a", "-F", "a=@nowhere"], "cannot be read"),
        (["POST", "/a", "--input", "nowhere"], "cannot be read"),
        (["POST", "/a", "--input", "."], "cannot be read"),
        (["GET", "/a", "-H", "no header"], "NAME: VALUE"),
        (["GET", "/a", "-H", "Authorization: Bearer x"], "not yours to set"),
        (["GET", "/a", "-H", "X-Own: a\r\nX: b"], "not plain text"),
        (["GET", "/a", "--slurp"], "--paginate"),
        (["GET", "/a", "--limit", "5"], "--paginate"),
        (["GET", "/a", "--paginate", "--limit", "0"], "limit"),
        (["GET", "/a", "--paginate", "-i"], "exclude"),
        (["HEAD", "/a", "--paginate"], "no rows"),
        (["GET", "/a", "-f", "n=\udcff"], "not UTF-8"),
        (["POST", "/a", "-F", "n[\udcff]=1"], "not UTF-8"),
        (["GET", "/a", "--jq", ".["], "does not compile"),
        (["GET", "/a", "--token-url", "https://login.example.com/oauth/token", "--api-url", ""], "not known"),
    ],
)
def test_what_is_written_wrong_is_said_before_anything_is_sent(
    words: list[str], part: str, api: Api, call: Callable[..., Run]
) -> None:
    done = call(*words)
    assert (done.code, done.out) == (2, ""), done.err
    assert part in done.error
    assert done.hint
    assert not api.asked
    assert not api.tokens


def test_an_input_that_the_api_would_not_take_is_not_sent(machine: Machine, api: Api, call: Callable[..., Run]) -> None:
    (machine.home / "big").write_bytes(b" " * 512_001)
    done = call("POST", "/a", "--input", "big")
    assert done.code == 2
    assert "512000 bytes" in done.error
    assert not api.asked


@pytest.mark.parametrize("words", ["--input -", "-F text=@-"])
def test_a_standard_input_that_is_closed_is_said(words: str, machine: Machine, api: Api) -> None:
    done = subprocess.run(
        ["sh", "-c", f"exec {GC} api POST /a {words} <&-"],
        env=machine.environ(variables(api)),
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert "standard input, which is closed" in done.stderr
    assert not api.asked


def test_the_body_is_printed_as_it_came(api: Api, call: Callable[..., Run]) -> None:
    api.answer = lambda _: Say(b'{ "a" : 1.0 }')
    assert call("GET", "/a").out == '{ "a" : 1.0 }\n'
    api.answer = lambda _: Say(b"plain", headers={"Content-Type": "text/plain"})
    assert call("GET", "/a").out == "plain"
    api.answer = lambda _: Say(b"")
    assert call("DELETE", "/a").out == ""


def test_status_and_headers_are_printed_when_asked_for(api: Api, call: Callable[..., Run]) -> None:
    api.answer = lambda _: Say({"a": 1}, 201, {"X-Own": "yes"})
    done = call("POST", "/a", "-i")
    head, _, body = done.out.partition("\n\n")
    assert head.startswith("HTTP/1.1 201 Created\n")
    assert "X-Own: yes" in head.splitlines()
    assert body == '{"a": 1}\n'
    assert call("HEAD", "/a", "-i").out.startswith("HTTP/1.1 201 Created\n")


def test_an_error_has_its_code_and_nothing_on_standard_output(api: Api, call: Callable[..., Run]) -> None:
    api.answer = lambda _: refused(403, "missing.permissions", "You are missing: routing:queue:view")
    done = call("GET", "/a")
    assert (done.code, done.out) == (5, "")
    assert "403 missing.permissions: You are missing: routing:queue:view" in done.error
    assert "role" in done.hint


def test_jq_sees_the_answer_or_each_row_or_all_of_them(api: Api, call: Callable[..., Run]) -> None:
    api.answer = numbered
    assert call("GET", "/a", "--jq", ".entities[].id").out.split() == ALL[:5]
    assert call("GET", "/a", "--jq", "{n: .pageCount, s: .entities[0].id}").out == '{"n":5,"s":"row-0"}\n'
    assert call("GET", "/a", "--paginate", "--jq", ".id").out.split() == ALL
    assert call("GET", "/a", "--paginate", "--slurp", "--jq", "length").out == "23\n"
    done = call("GET", "/a", "--jq", ".entities.id")
    assert (done.code, done.out) == (2, "")
    assert "does not fit the answer" in done.error


def test_without_jq_installed_the_command_to_install_it_is_said(machine: Machine, api: Api, tmp_path: Path) -> None:
    (tmp_path / "jq.py").write_text("raise ImportError")
    python = str(Path(GC).with_name("python"))
    done = subprocess.run(
        [python, "-m", "gc_credhelper", "api", "GET", "/a", "--jq", "."],
        env=machine.environ(variables(api, PYTHONPATH=str(tmp_path))),
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert (done.returncode, done.stdout) == (3, "")
    assert "pip install 'gc-credhelper[api]'" in done.stderr


def test_a_list_is_printed_row_by_row_or_as_one_list(api: Api, call: Callable[..., Run]) -> None:
    api.answer = numbered
    assert ids(call("GET", "/a", "--paginate").out) == ALL
    assert ids(call("GET", "/a", "--paginate", "--limit", "7").out) == ALL[:7]
    assert [row["id"] for row in json.loads(call("GET", "/a", "--paginate", "--slurp").out)] == ALL
    assert [row["id"] for row in json.loads(call("GET", "/a", "--paginate", "--slurp", "--limit", "3").out)] == ALL[:3]
    api.answer = lambda _: {"entities": []}
    assert call("GET", "/a", "--paginate").out == ""
    assert call("GET", "/a", "--paginate", "--slurp").out == "[]\n"


def test_texts_that_utf_8_cannot_hold_are_printed_all_the_same(api: Api, call: Callable[..., Run]) -> None:
    api.answer = lambda _: Say(b'{"entities":[{"n":"\\ud800"},{"n":"\xc3\xa9"}]}')
    assert call("GET", "/a", "--paginate").out == '{"n":"\\ud800"}\n{"n":"é"}\n'


def test_a_filter_sees_texts_that_utf_8_cannot_hold(api: Api, call: Callable[..., Run]) -> None:
    api.answer = lambda _: Say(b'{"entities":[{"n":"a\\ud800b"},{"n":"\\ud83d\\ude00"}]}')
    assert call("GET", "/a", "--paginate", "--jq", ".n").out == "a?b\n\U0001f600\n"


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-1e999"])
def test_a_number_that_json_cannot_tell_is_no_row(number: str, api: Api, call: Callable[..., Run]) -> None:
    api.answer = lambda _: Say(f'{{"entities":[{{"n":{number}}}]}}'.encode())
    done = call("GET", "/a", "--paginate")
    assert (done.code, done.out) == (5, "")
    assert "a number that is none" in done.error
    assert call("GET", "/a").code == 0


def test_rows_are_printed_while_the_walk_goes_on(machine: Machine, api: Api) -> None:
    """The last page waits until the first has been read."""
    read: list[str] = []

    def answer(asked: Asked) -> object:
        number = int(asked.query.get("cursor", 1))
        for _ in range(3_000):
            if number == 1 or read:
                break
            time.sleep(0.01)
        return {"entities": [{"id": f"row-{number}"}]} | ({"cursor": "2"} if number == 1 else {})

    api.answer = answer
    child = machine.start("api", "GET", "/a", "--paginate", env=variables(api))
    assert child.stdout
    read.append(child.stdout.readline())
    out, err = child.communicate(timeout=60)
    assert (ids(read[0] + out), err, child.returncode) == (["row-1", "row-2"], "", 0)


def test_a_reader_that_leaves_ends_the_walk(machine: Machine, api: Api) -> None:
    api.answer = lambda asked: {
        "entities": [{"id": f"{asked.query.get('cursor')}-{n}", "x": "x" * 900} for n in range(100)],
        "cursor": str(int(asked.query.get("cursor", 0)) + 1),
    }
    done = subprocess.run(
        ["sh", "-c", f"({GC} api GET /a --paginate; echo $? >&2) | head -n 1 > head.out"],
        env=machine.environ(variables(api)),
        cwd=machine.home,
        capture_output=True,
        text=True,
        check=False,
        timeout=100,
    )
    assert done.stderr == "141\n"
    assert len((machine.home / "head.out").read_text().splitlines()) == 1


def test_a_failure_in_the_middle_leaves_whole_rows_and_its_code(api: Api, call: Callable[..., Run]) -> None:
    def answer(asked: Asked) -> object:
        return Say(b"<html>") if asked.query.get("pageNumber") == "3" else numbered(asked)

    api.answer = answer
    done = call("GET", "/a", "--paginate")
    assert (done.code, ids(done.out)) == (5, ALL[:10])
    assert "not JSON" in done.error


def test_a_token_that_dies_in_the_middle_costs_no_row(api: Api, call: Callable[..., Run]) -> None:
    def answer(asked: Asked) -> object:
        if asked.query.get("pageNumber") == "3" and asked.token == "tok-1":
            api.dead.add("tok-1")
            return refused()
        return numbered(asked)

    api.answer = answer
    done = call("GET", "/a", "--paginate")
    assert (done.code, ids(done.out), done.err) == (0, ALL, "")
    assert api.tokens == ["tok-1", "tok-2"]


def test_a_new_token_is_used_when_that_is_asked_for(api: Api, call: Callable[..., Run]) -> None:
    for words in ([], ["--refresh"], ["--refresh", "--paginate"], ["--refresh", "--cache", "none"], []):
        assert call("GET", "/a", *words).code == 0
    assert [one.token for one in api.asked] == ["tok-1", "tok-2", "tok-3", "tok-4", "tok-3"]


@pytest.mark.parametrize("words", [["GET", "/a"], ["GET", "/a", "--paginate"]])
def test_a_store_is_not_asked_again_for_the_client_id(words: list[str], machine: Machine, api: Api) -> None:
    """What one command learned the next one knows."""
    program = machine.home / "provider"
    pair = json.dumps({"client_id": api.client_id, "client_secret": api.client_secret})
    program.write_text(f"#!/bin/sh\necho x >> asked\nprintf '%s' '{pair}'\n")
    program.chmod(0o755)
    os.utime(program, (time.time() - 10, time.time() - 10))
    env = variables(api, GC_CREDHELPER_PROVIDER=f"command:{program}")
    for _ in range(2):
        settle(program)
        assert machine.run("api", *words, env=env).code == 0
    assert (machine.home / "asked").read_text() == "x\n"


def settle(path: Path) -> None:
    """A file that changed a moment ago is in no note: its change time cannot be set, so wait."""
    while time.time() - path.stat().st_ctime < 2.1:
        time.sleep(0.1)


def test_an_interrupt_ends_it_at_once(machine: Machine, api: Api) -> None:
    begun = []

    def answer(_: Asked) -> object:
        begun.append(True)
        time.sleep(20)
        return {}

    api.answer = answer
    child = machine.start("api", "GET", "/a", "--paginate", env=variables(api))
    for _ in range(3_000):
        if begun:
            break
        time.sleep(0.01)
    child.send_signal(2)
    out, err = child.communicate(timeout=10)
    assert (child.returncode, out, err) == (130, "", "")


def test_a_long_walk_shows_a_bar_to_a_person_and_rows_to_the_pipe(machine: Machine, api: Api) -> None:
    """Standard error is a terminal, standard output is not."""

    def answer(asked: Asked) -> object:
        time.sleep(0.8)
        return {"entities": [{"id": asked.query.get("cursor", "1")}], "total": 5} | (
            {"cursor": str(int(asked.query.get("cursor", 1)) + 1)} if asked.query.get("cursor") != "5" else {}
        )

    api.answer = answer
    master, slave = pty.openpty()
    child = subprocess.Popen(
        [GC, "api", "GET", "/a", "--paginate"],
        env=machine.environ(variables(api, TERM="xterm", COLUMNS="100")),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=slave,
        cwd=machine.home,
    )
    os.close(slave)
    shown = b""
    while select.select([master], [], [], 60)[0]:
        try:
            part = os.read(master, 65_536)
        except OSError:
            break
        if not part:
            break
        shown += part
    out, _ = child.communicate(timeout=60)
    os.close(master)
    assert ids(out.decode()) == list("12345")
    assert re.search(rb"GET /a .*[345]/5", shown)


LISTS = {
    "/api/v2/users": 230,
    "/api/v2/users?pageSize=100": 230,
    "/api/v2/routing/skills": 40,
    "/api/v2/teams": 0,
    "/api/v2/externalcontacts/scan/contacts": 0,
    "/api/v2/scim/v2/users": 230,
}


@pytest.fixture(scope="module")
def full() -> Iterator[SandboxThread]:
    with SandboxThread(Options(users=230)) as sandbox:
        yield sandbox


def walked(machine: Machine, sandbox: SandboxThread, *words: str) -> list[str]:
    done = machine.run("api", *words, "--paginate", env=client(sandbox, GC_CREDHELPER_API_URL=sandbox.api_url))
    assert (done.code, done.err) == (0, "")
    return done.out.splitlines()


@pytest.mark.parametrize("path", LISTS)
def test_a_list_of_the_sandbox_is_all_there_once(path: str, machine: Machine, full: SandboxThread) -> None:
    found = walked(machine, full, "GET", path)
    assert len(set(found)) == len(found) >= max(1, LISTS[path])
    assert LISTS[path] in (0, len(found))


def test_a_search_of_the_sandbox_goes_on_by_q64(machine: Machine, full: SandboxThread) -> None:
    found = walked(machine, full, "POST", "/api/v2/users/search", "-F", "pageSize=50", "-f", "sortOrder=ASC")
    assert len(set(found)) == len(found) == 230


def test_conversations_of_the_sandbox_are_all_there_once(machine: Machine, full: SandboxThread) -> None:
    words = ["-f", "interval=2026-01-01T00:00:00/2026-01-03T00:00:00", "-F", "paging[pageSize]=100"]
    found = walked(machine, full, "POST", "/api/v2/analytics/conversations/details/query", *words)
    assert len(set(found)) == len(found) >= 288
    job = machine.run(
        *["api", "POST", "/api/v2/analytics/conversations/details/jobs", *words[:2], "--jq", ".jobId"],
        env=client(full, GC_CREDHELPER_API_URL=full.api_url),
    )
    assert job.code == 0
    results = f"/api/v2/analytics/conversations/details/jobs/{job.out.strip()}/results"
    found = walked(machine, full, "GET", results, "-F", "pageSize=50")
    assert len(set(found)) == len(found) >= 288


def test_a_walk_through_every_fault_loses_no_row_and_doubles_none(machine: Machine) -> None:
    kinds = ("api-429:2@3", "api-500:2@3", "api-503:2@3", "api-reset:2@3", "api-truncated:2@3", "api-401:1@4")
    with SandboxThread(Options(users=1_000, fail=kinds)) as sandbox:
        env = client(sandbox, GC_CREDHELPER_API_URL=sandbox.api_url)
        done = machine.run("api", "GET", "/api/v2/users?pageSize=25", "--paginate", env=env, timeout=110)
        assert (done.code, done.err) == (0, "")
        assert sandbox.stats()["faults"] == 11
        assert sandbox.stats()["token_requests"] == 2
    assert len(set(ids(done.out))) == len(ids(done.out)) == 1_000
