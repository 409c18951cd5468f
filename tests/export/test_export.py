"""`export`: every resource in both formats, what is written where, and every way to write the command wrong."""

import contextlib
import csv
import json
import os
import pty
import re
import select
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from api.kit import Api, Asked, Say, refused, serving, variables
from support import GC, Machine, Run, client

from gc_credhelper.resources import RESOURCES
from gc_credhelper.sandbox import calls, data
from gc_credhelper.sandbox.options import Options
from gc_credhelper.sandbox.server import SandboxThread

from .kit import ROWS, Book, export, names, read

USERS = 230
DAYS = "2026-01-05/2026-01-08"
IDS = {
    "users": [data.make_id("user", number) for number in range(USERS)],
    "queues": [data.make_id("queue", number) for number in range(data.QUEUES)],
    "skills": [data.make_id("skill", number) for number in range(data.SKILLS)],
    "conversations": [data.make_id("conversation", 1_767_571_200 // calls.SPACING + number) for number in range(432)],
}


@pytest.fixture(scope="module")
def full() -> Iterator[SandboxThread]:
    with SandboxThread(Options(users=USERS, api_limit=0)) as sandbox:
        yield sandbox


@pytest.fixture
def api() -> Iterator[Api]:
    with serving(Book()) as server:
        yield server


def run(machine: Machine, sandbox: SandboxThread, resource: str, *words: str) -> Run:
    more = ["--interval", DAYS] if resource == "conversations" else []
    env = client(sandbox, GC_CREDHELPER_API_URL=sandbox.api_url)
    return machine.run("export", resource, *more, *words, env=env)


@pytest.mark.parametrize("resource", RESOURCES)
def test_a_resource_is_all_there_once_and_whole_in_both_formats(
    resource: str, machine: Machine, full: SandboxThread
) -> None:
    for file in ("out.jsonl", "out.csv"):
        assert run(machine, full, resource, "--file", file) == Run(0, "", "")
    rows = read(machine.home / "out.jsonl")
    key = RESOURCES[resource].id
    assert [row[key] for row in rows] == IDS[resource]
    assert rows[0].keys() > {key, "selfUri" if resource != "conversations" else "participants"}
    with (machine.home / "out.csv").open(newline="", encoding="utf-8") as file_:
        table = list(csv.DictReader(file_))
    assert [row[key] for row in table] == IDS[resource]
    assert tuple(table[0]) == RESOURCES[resource].columns
    for plain in [column for column in table[0] if "." not in column and isinstance(rows[0].get(column), str)]:
        assert [row[plain] for row in table] == [row[plain] for row in rows]


def test_the_columns_lead_to_what_they_name(machine: Machine, full: SandboxThread) -> None:
    for resource in ("users", "conversations"):
        run(machine, full, resource, "--file", f"{resource}.csv")
    with (machine.home / "users.csv").open(newline="", encoding="utf-8") as file:
        user = next(csv.DictReader(file))
    assert (user["division.name"], user["acdAutoAnswer"], user["version"], user["title"]) == ("Home", "false", "1", "")
    with (machine.home / "conversations.csv").open(newline="", encoding="utf-8") as file:
        call = next(csv.DictReader(file))
    assert json.loads(call["participants.purpose"]) == ["customer", "agent"]
    assert json.loads(call["participants.sessions.mediaType"]) == ["voice"]
    assert json.loads(call["divisionIds"]) == [data.DIVISION["id"]]


def test_nothing_is_printed_without_v_and_the_number_of_rows_with_it(machine: Machine, api: Api) -> None:
    assert export(machine, api) == Run(0, "", "")
    done = export(machine, api, "-v")
    assert (done.code, done.out) == (0, "")
    assert "gc-credhelper: note: 23 rows are in out.jsonl\n" in done.err


def test_the_file_is_private_and_nothing_is_left_beside_it(machine: Machine, api: Api) -> None:
    old = os.umask(0)
    try:
        assert export(machine, api).code == 0
    finally:
        os.umask(old)
    assert names(machine) == {"out.jsonl"}
    assert (machine.home / "out.jsonl").stat().st_mode & 0o7777 == 0o600
    assert read(machine.home / "out.jsonl") == ROWS


def test_an_older_file_is_replaced_only_when_all_is_there(machine: Machine, api: Api) -> None:
    target = machine.home / "out.jsonl"
    target.write_text("old\n")
    book = Book()
    book.broken[4] = refused(400)
    api.answer = book
    assert export(machine, api).code == 2
    assert target.read_text() == "old\n"
    book.broken.clear()
    assert export(machine, api).code == 0
    assert read(target) == ROWS


def test_a_link_is_replaced_and_what_it_leads_to_stays(machine: Machine, api: Api, tmp_path: Path) -> None:
    (tmp_path / "victim").write_text("old\n")
    (machine.home / "out.jsonl").symlink_to(tmp_path / "victim")
    assert export(machine, api).code == 0
    assert (tmp_path / "victim").read_text() == "old\n"
    assert read(machine.home / "out.jsonl") == ROWS


def test_an_empty_list_is_an_empty_file_or_a_line_of_names(machine: Machine, api: Api) -> None:
    api.answer = Book(rows=[])
    assert export(machine, api) == Run(0, "", "")
    assert (machine.home / "out.jsonl").read_bytes() == b""
    assert export(machine, api, resource="skills", file="out.csv") == Run(0, "", "")
    assert (machine.home / "out.csv").read_bytes() == b"id,name,state,division.id,dateModified,version\r\n"
    assert names(machine) == {"out.jsonl", "out.csv"}


def test_the_state_of_users_is_asked_for(machine: Machine, api: Api) -> None:
    assert export(machine, api, "--state", "inactive").code == 0
    assert all(one.query["state"] == "inactive" for one in api.asked)
    api.asked.clear()
    assert export(machine, api).code == 0
    assert not any("state" in one.query for one in api.asked)


@pytest.mark.parametrize(
    ("file", "words", "format"),
    [
        ("out.ndjson", [], "jsonl"),
        ("OUT.CSV", [], "csv"),
        ("out.txt", ["--format", "csv"], "csv"),
        ("out.csv", ["--format", "jsonl"], "jsonl"),
    ],
)
def test_the_format_is_the_one_asked_for_or_that_of_the_name(
    file: str, words: list[str], format: str, machine: Machine, api: Api
) -> None:
    assert export(machine, api, *words, file=file).code == 0
    assert (machine.home / file).read_bytes()[:3] == (b"id," if format == "csv" else b'{"i')


@pytest.mark.parametrize(
    ("words", "part", "hint"),
    [
        (["user", "--file", "a.csv"], "no such resource", "users"),
        (["--file", "a.csv"], "RESOURCE", "--help"),
        (["users"], "needs a --file", "users.jsonl"),
        (["users", "--file", ""], "needs a --file", "users.jsonl"),
        (["users", "--file", "-"], "needs a --file", "users.jsonl"),
        (["users", "--file", "a.txt"], "does not tell its format", "--format"),
        (["users", "--file", "csv"], "does not tell its format", "--format"),
        (["users", "--file", "a.csv", "--format", "xml"], "--format", "--help"),
        (["users", "--file", "a.csv", "--interval", "2026-01-01/2026-01-02"], "takes no --interval", "conversations"),
        (["conversations", "--file", "a.csv"], "needs an --interval", "2026-01-01/2026-02-01"),
        (["conversations", "--file", "a.csv", "--interval", "P1D"], "START/END", "2026-01-01/2026-02-01"),
        (["queues", "--file", "a.csv", "--state", "any"], "takes no --state", "users"),
        (["users", "--file", "a.csv", "--state", "gone"], "--state", "--help"),
        (["users", "--file", "a.csv", "b.csv"], "a word too many", "--help"),
        (["users", "--file", "nowhere/a.csv"], "No such file or directory", "directory"),
        (["users", "--file", "sub.csv"], "not a file that can be replaced", "name a file"),
        (["users", "--file", "a" * 250 + ".csv"], "File name too long", "directory"),
        (["users", "--file", "odd.csv"], "not a file of yours", "--file"),
        (["users", "--file", "mine.csv"], "mine.csv.state is not of an export", "--file"),
        (["users", "--file", "mine.csv", "--restart"], "mine.csv.state is not of an export", "--file"),
        (["users", "--file", "link.csv"], "symbolic links", "directory"),
    ],
)  # fmt: skip
def test_what_is_written_wrong_is_said_before_anything_is_sent(
    words: list[str], part: str, hint: str, machine: Machine, api: Api
) -> None:
    (machine.home / "sub.csv").mkdir()
    os.mkfifo(machine.home / "odd.csv.part")
    (machine.home / "mine.csv.state").write_text("Terraform's\n")
    (machine.home / "link.csv.part").symlink_to(machine.home / "victim")
    there = names(machine)
    done = machine.run("export", *words, env=variables(api))
    assert (done.code, done.out) == (2, ""), done.err
    assert part in done.error
    assert hint in done.hint
    assert not api.asked
    assert not api.tokens
    assert names(machine) == there
    assert (machine.home / "mine.csv.state").read_text() == "Terraform's\n"


@pytest.mark.parametrize(
    "answer", [{"message": "fine"}, {"entities": [{"name": "x"}]}, {"entities": [1]}, [], {"entities": [{"id": 5}]}]
)
def test_what_is_no_list_of_this_resource_is_no_export(answer: object, machine: Machine, api: Api) -> None:
    api.answer = lambda _: Say(answer)
    done = export(machine, api)
    if answer == []:
        assert done == Run(0, "", "")
        return
    assert (done.code, done.out) == (5, "")
    assert "/api/v2/users sent a row without id" in done.error
    assert names(machine) == set()


def test_an_error_of_the_api_keeps_its_code_and_leaves_nothing_when_there_was_nothing(
    machine: Machine, api: Api
) -> None:
    api.answer = lambda _: refused(403, "missing.permissions", "You are missing: directory:user:view")
    done = export(machine, api)
    assert (done.code, done.out) == (5, "")
    assert "missing.permissions" in done.error
    assert "goes on" not in done.hint
    assert names(machine) == set()


def test_a_list_that_changes_while_it_is_walked_is_a_warning(machine: Machine, api: Api) -> None:
    book = Book()

    def answer(asked: object) -> object:
        said = book(asked)  # type: ignore[arg-type]
        assert isinstance(said, dict)
        return said | {"total": 22} if said["pageNumber"] == 3 else said

    api.answer = answer
    done = export(machine, api)
    assert (done.code, done.out) == (0, "")
    assert done.warnings == ["the list changed while it was walked: rows may be missing, or there twice"]


def test_it_stays_below_the_rate_limit_and_goes_beyond_it_with_slots(machine: Machine) -> None:
    with SandboxThread(Options(users=2_500, api_limit=15)) as sandbox:
        env = client(sandbox, GC_CREDHELPER_API_URL=sandbox.api_url, GC_CREDHELPER_SLOTS="2", GC_CREDHELPER_SLOT="0")
        assert machine.run("export", "users", "--file", "a.jsonl", env=env) == Run(0, "", "")
        assert len(read(machine.home / "a.jsonl")) == 2_500
        stats = sandbox.stats()
    assert stats["rate_limited"] == 0
    assert stats["max_per_window"] <= 15
    assert stats["token_requests"] == 2


def test_a_long_export_shows_a_bar_to_a_person(machine: Machine, api: Api) -> None:
    def slow(asked: Asked) -> object:
        day = asked.body["interval"][:10]
        time.sleep(0.8)
        rows = [{"conversationId": f"{day}-{number}", "conversationStart": f"{day}T00:00:00Z"} for number in range(2)]
        return {"conversations": rows, "totalHits": 2}

    api.answer = slow
    master, slave = pty.openpty()
    child = subprocess.Popen(
        [GC, "export", "conversations", "--interval", "2026-01-05/2026-01-09", "--file", "out.jsonl"],
        env=machine.environ(variables(api, TERM="xterm", COLUMNS="100")),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=slave,
        cwd=machine.home,
    )
    os.close(slave)
    shown = b""
    with contextlib.suppress(OSError):  # the other end is closed
        while select.select([master], [], [], 60)[0] and (part := os.read(master, 65_536)):
            shown += part
    out, _ = child.communicate(timeout=60)
    os.close(master)
    assert (child.returncode, out) == (0, b"")
    assert re.search(rb"export conversations .*[68]/", shown)
    assert len(read(machine.home / "out.jsonl")) == 8
