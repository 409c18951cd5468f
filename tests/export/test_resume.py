"""Resume: an export that ended in its middle, however it ended, goes on with no row lost and none twice."""

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from api.kit import Api, Asked, Say, serving, variables
from support import GC, PASSED_ON, REQUIRE_REAL, Machine, Run, client, outputs, require

from gc_credhelper.sandbox.options import Options
from gc_credhelper.sandbox.server import SandboxThread

from .kit import PAGES, ROWS, SIZE, Book, begin, done_pages, export, names, read, until


@pytest.fixture
def book() -> Book:
    return Book()


@pytest.fixture
def api(book: Book) -> Iterator[Api]:
    with serving(book) as server:
        yield server


def ended(
    machine: Machine, api: Api, book: Book, number: int, *words: str, held: int = 4, file: str = "out.jsonl"
) -> Run:
    """An export that gets a signal when all pages before the one that is held are written."""
    gate = book.hold(held)
    child = begin(machine, api, *words, file=file)
    until(lambda: done_pages(machine.home / f"{file}.state") == held - 1)
    child.send_signal(number)
    out, err = child.communicate(timeout=60)
    gate.set()
    book.held.clear()
    book.asked.clear()
    return Run(child.returncode, out, err)


@pytest.mark.parametrize("held", [2, 4, PAGES])
@pytest.mark.parametrize("file", ["out.jsonl", "out.csv"])
def test_a_killed_export_goes_on_behind_the_last_page(
    file: str, held: int, machine: Machine, api: Api, book: Book
) -> None:
    assert export(machine, api, file=f"whole-{file}").code == 0
    assert ended(machine, api, book, signal.SIGKILL, held=held, file=file).code == -9
    assert names(machine) == {f"whole-{file}", f"{file}.part", f"{file}.state"}
    assert export(machine, api, file=file) == Run(0, "", "")
    assert (machine.home / file).read_bytes() == (machine.home / f"whole-{file}").read_bytes()
    assert sorted(book.asked) == list(range(held - 1, PAGES + 1)), "the last page is looked at again, and no other"
    assert names(machine) == {f"whole-{file}", file}


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)])
def test_an_export_that_is_asked_to_end_does_so_at_once_and_goes_on_later(
    number: int, code: int, machine: Machine, api: Api, book: Book
) -> None:
    assert ended(machine, api, book, number) == Run(code, "", "")
    done = export(machine, api, "-v")
    assert (done.code, done.out) == (0, "")
    assert "going on behind row 15 of out.jsonl.part" in done.err
    assert read(machine.home / "out.jsonl") == ROWS


def test_an_export_that_failed_says_that_it_can_go_on(machine: Machine, api: Api, book: Book) -> None:
    book.broken[3] = Say(b"<html>sign in</html>")
    done = export(machine, api)
    assert (done.code, done.out) == (5, "")
    assert done.hint.endswith("; the same command goes on behind row 10")
    book.broken.clear()
    assert export(machine, api) == Run(0, "", "")
    assert read(machine.home / "out.jsonl") == ROWS


def test_an_export_that_is_killed_between_its_end_and_the_clearing_up_begins_anew(
    machine: Machine, api: Api, book: Book
) -> None:
    ended(machine, api, book, signal.SIGKILL)
    (machine.home / "out.jsonl.part").rename(machine.home / "out.jsonl")
    assert export(machine, api, "--state", "any") == Run(0, "", "")
    assert read(machine.home / "out.jsonl") == ROWS
    assert names(machine) == {"out.jsonl"}


def test_files_of_an_earlier_run_that_others_can_read_are_made_private(machine: Machine, api: Api, book: Book) -> None:
    ended(machine, api, book, signal.SIGKILL)
    for suffix in (".part", ".state"):
        (machine.home / f"out.jsonl{suffix}").chmod(0o644)
    gate = book.hold(5)
    child = begin(machine, api)
    until(lambda: done_pages(machine.home / "out.jsonl.state") == 4)
    assert {path.stat().st_mode & 0o777 for path in machine.home.glob("out.*")} == {0o600}
    gate.set()
    assert outputs([child]) == [Run(0, "", "")]
    assert (machine.home / "out.jsonl").stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize(
    ("words", "named"),
    [
        (["--state", "any"], "filters"),
        (["--format", "csv"], "columns, format"),
        (["--set", "client_id=another-client"], "client ids"),
        (["--api-url", "http://127.0.0.1:9"], "api_url"),
    ],
)
def test_an_export_of_something_else_does_not_go_on(
    words: list[str], named: str, machine: Machine, api: Api, book: Book
) -> None:
    ended(machine, api, book, signal.SIGKILL)
    before = {path.name: path.read_bytes() for path in machine.home.glob("out.*")}
    done = export(machine, api, *words)
    assert (done.code, done.out) == (2, "")
    assert f"out.jsonl.part is of another export, by its {named}" in done.error
    assert "--restart" in done.hint
    assert {path.name: path.read_bytes() for path in machine.home.glob("out.*")} == before
    assert not book.asked


def test_another_resource_does_not_go_on_and_restart_begins_anew(machine: Machine, api: Api, book: Book) -> None:
    ended(machine, api, book, signal.SIGKILL)
    done = export(machine, api, resource="queues")
    assert (done.code, "resource" in done.error) == (2, True)
    assert export(machine, api, "--restart", resource="queues") == Run(0, "", "")
    assert read(machine.home / "out.jsonl") == ROWS
    assert {asked.path for asked in api.asked[-PAGES:]} == {"/api/v2/routing/queues"}


def test_restart_begins_the_same_anew(machine: Machine, api: Api, book: Book) -> None:
    ended(machine, api, book, signal.SIGKILL)
    assert export(machine, api, "--restart") == Run(0, "", "")
    assert sorted(book.asked) == list(range(1, PAGES + 1))
    assert read(machine.home / "out.jsonl") == ROWS


def test_a_token_that_is_another_does_not_matter(machine: Machine, api: Api, book: Book) -> None:
    ended(machine, api, book, signal.SIGKILL)
    api.dead.update(api.tokens)
    assert export(machine, api) == Run(0, "", "")
    assert read(machine.home / "out.jsonl") == ROWS


def test_another_slot_of_the_same_pool_goes_on(machine: Machine, api: Api, book: Book) -> None:
    pool = {"GC_CREDHELPER_PROVIDER": "env:FIRST,env:SECOND"}
    for name in ("FIRST", "SECOND"):
        pool |= {f"{name}_CLIENT_ID": f"client-{name}", f"{name}_CLIENT_SECRET": "canary-5f0"}
    words = ["export", "users", "--file", "out.jsonl"]
    book.broken[4] = Say(b"<html>")
    assert machine.run(*words, env=variables(api, **pool, GC_CREDHELPER_SLOT="0")).code == 5
    assert b"canary" not in (machine.home / "out.jsonl.state").read_bytes()
    book.broken.clear()
    assert machine.run(*words, env=variables(api, **pool, GC_CREDHELPER_SLOT="1")) == Run(0, "", "")
    assert read(machine.home / "out.jsonl") == ROWS


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away")
def test_a_part_or_a_state_of_somebody_else_is_refused(machine: Machine, api: Api) -> None:
    for suffix in (".part", ".state"):
        strange = machine.home / f"out.jsonl{suffix}"
        strange.touch()
        os.chown(strange, 65_534, 65_534)
        done = export(machine, api)
        assert (done.code, done.out) == (2, "")
        assert f"out.jsonl{suffix} is not a file of yours" in done.error
        assert names(machine) == {strange.name}
        strange.unlink()


def test_a_list_that_changed_meanwhile_is_fetched_from_its_beginning(machine: Machine, api: Api, book: Book) -> None:
    ended(machine, api, book, signal.SIGKILL)
    del book.rows[2]
    done = export(machine, api, "-v")
    assert done.code == 0
    assert "the list has changed since" in done.err
    assert read(machine.home / "out.jsonl") == ROWS[:2] + ROWS[3:]


def test_a_list_that_shrank_to_less_than_was_written_is_fetched_from_its_beginning(
    machine: Machine, api: Api, book: Book
) -> None:
    ended(machine, api, book, signal.SIGKILL)
    del book.rows[3:]
    assert export(machine, api) == Run(0, "", "")
    assert read(machine.home / "out.jsonl") == ROWS[:3]


def test_rows_that_were_added_at_the_end_meanwhile_are_there(machine: Machine, api: Api, book: Book) -> None:
    ended(machine, api, book, signal.SIGKILL, held=PAGES)
    book.rows += [{"id": f"late-{number}"} for number in range(2 * SIZE)]
    assert export(machine, api) == Run(0, "", "")
    assert read(machine.home / "out.jsonl") == book.rows


DAMAGES: dict[str, Callable[[bytes], bytes]] = {
    "cut in its first line": lambda old: old[:5],
    "without its second line": lambda old: old[: old.index(b"\n") + 1],
    "cut in its second line": lambda old: old[: old.index(b"{") + 9],
    "with another second line": lambda old: old.replace(b'"users"', b'"queue"'),
    "gone": lambda _: b"",
    "of another version": lambda old: old.replace(b"export 1", b"export 2"),
    "of junk": lambda _: bytes(range(256)),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_state_that_does_not_say_what_the_part_is_stops_it(
    damage: str, machine: Machine, api: Api, book: Book
) -> None:
    ended(machine, api, book, signal.SIGKILL)
    state = machine.home / "out.jsonl.state"
    state.write_bytes(DAMAGES[damage](state.read_bytes()))
    part = (machine.home / "out.jsonl.part").read_bytes()
    done = export(machine, api)
    assert (done.code, done.out) == (2, ""), done.err
    assert (machine.home / "out.jsonl.part").read_bytes() == part
    assert not book.asked
    if damage == "of junk":
        return
    assert "--restart" in done.hint
    assert export(machine, api, "--restart") == Run(0, "", "")
    assert read(machine.home / "out.jsonl") == ROWS


@pytest.mark.parametrize(
    "line", [b"", b"12345678 [0,3,15]\n", b"junk\n", b"\0" * 5_000, b"0 [0,4,20,900,1,1]\n", b"[" * 99_999]
)
def test_lines_of_the_state_that_are_damaged_do_not_count(line: bytes, machine: Machine, api: Api, book: Book) -> None:
    ended(machine, api, book, signal.SIGKILL)
    state = machine.home / "out.jsonl.state"
    lines = state.read_bytes().splitlines(keepends=True)
    state.write_bytes(b"".join(lines[:3]) + line)
    assert export(machine, api) == Run(0, "", "")
    assert min(book.asked) == 1
    assert read(machine.home / "out.jsonl") == ROWS


@pytest.mark.parametrize(
    ("change", "first"),
    [
        (lambda old: old[:-1], 2),
        (lambda old: old[: len(old) // 2], 1),
        (lambda old: old.replace(b"Name 7", b"Name 8"), 1),
        (lambda old: b"x" + old[1:], 1),
        (lambda old: bytes(len(old)), 1),
    ],
)
def test_a_part_that_was_changed_is_kept_up_to_the_page_before(
    change: Callable[[bytes], bytes], first: int, machine: Machine, api: Api, book: Book
) -> None:
    ended(machine, api, book, signal.SIGKILL)
    part = machine.home / "out.jsonl.part"
    part.write_bytes(change(part.read_bytes()))
    done = export(machine, api)
    assert (done.code, done.out) == (0, "")
    assert len(done.warnings) == 1, done.err
    assert "out.jsonl.part is not what was written behind row" in done.warnings[0]
    assert min(book.asked) == first
    assert read(machine.home / "out.jsonl") == ROWS


@pytest.mark.parametrize("more", [b"x", b'{"id":"half a ro', bytes(100_000), b'{"id":"row-15"}\n'])
def test_what_the_part_holds_behind_the_last_page_is_dropped(
    more: bytes, machine: Machine, api: Api, book: Book
) -> None:
    ended(machine, api, book, signal.SIGKILL)
    with (machine.home / "out.jsonl.part").open("ab") as part:
        part.write(more)
    assert export(machine, api) == Run(0, "", "")
    assert read(machine.home / "out.jsonl") == ROWS


def test_a_part_that_is_gone_or_empty_is_begun_anew(machine: Machine, api: Api, book: Book) -> None:
    for lose in (Path.unlink, lambda path: path.write_bytes(b"")):
        ended(machine, api, book, signal.SIGKILL)
        lose(machine.home / "out.jsonl.part")
        assert export(machine, api) == Run(0, "", "")
        assert sorted(book.asked) == list(range(1, PAGES + 1))
        assert read(machine.home / "out.jsonl") == ROWS


def test_a_second_export_into_the_same_file_is_turned_away(machine: Machine, api: Api, book: Book) -> None:
    gate = book.hold(3)
    child = begin(machine, api)
    until(lambda: done_pages(machine.home / "out.jsonl.state") == 2)
    for words in ([], ["--restart"], ["--state", "any"]):
        done = export(machine, api, *words)
        assert (done.code, done.out) == (6, "")
        assert "another export writes out.jsonl: it holds out.jsonl.state" in done.error
        assert "wait" in done.hint
    gate.set()
    assert outputs([child]) == [Run(0, "", "")]
    assert read(machine.home / "out.jsonl") == ROWS
    assert names(machine) == {"out.jsonl"}


def test_of_many_that_begin_at_once_each_ends_or_is_turned_away(machine: Machine, api: Api) -> None:
    runs = outputs([begin(machine, api) for _ in range(8)])
    assert {run.code for run in runs} <= {0, 6}
    assert any(run.code == 0 for run in runs)
    assert read(machine.home / "out.jsonl") == ROWS
    assert names(machine) == {"out.jsonl"}


def test_two_exports_into_two_files_do_not_meet(machine: Machine, api: Api) -> None:
    runs = outputs([begin(machine, api, file=f"{number}.jsonl") for number in range(2)])
    assert runs == [Run(0, "", "")] * 2
    assert read(machine.home / "0.jsonl") == read(machine.home / "1.jsonl") == ROWS


FAULTS = ("api-429:1@2", "api-500:2@3", "api-503:1@3", "api-reset:2@3", "api-truncated:2@3", "api-401:1@4")
LIMIT = 100_000  # requests a minute; with none the API would not say after its 429 how many there may be


def test_faults_of_the_api_and_interruptions_together_lose_no_row_and_double_none(machine: Machine) -> None:
    with SandboxThread(Options(users=3_000, latency=0.02, fail=FAULTS, api_limit=LIMIT)) as sandbox:
        env = client(sandbox, GC_CREDHELPER_API_URL=sandbox.api_url)
        for number, pages in ((signal.SIGKILL, 3), (signal.SIGTERM, 10), (signal.SIGKILL, 20)):
            child = machine.start("export", "users", "--file", "out.jsonl", env=env)
            until(lambda: done_pages(machine.home / "out.jsonl.state") >= pages or child.poll() is not None)  # noqa: B023
            child.send_signal(number)
            child.communicate(timeout=60)
        done = machine.run("export", "users", "--file", "out.jsonl", env=env)
        assert done.code == 0, done.err
    found = [row["username"] for row in read(machine.home / "out.jsonl")]
    assert found == [f"user{number:05}@sandbox.example" for number in range(3_000)]


def test_conversations_go_on_in_the_middle_of_a_day(machine: Machine) -> None:
    """The query of the third page of the second day is refused at first."""
    with SandboxThread(Options(fail=["api-html:1@4"], api_limit=0)) as sandbox:
        env = client(sandbox, GC_CREDHELPER_API_URL=sandbox.api_url)
        words = ["export", "conversations", "--interval", "2026-01-05/2026-01-08", "--file"]
        first = machine.run(*words, "out.jsonl", env=env)
        assert first.code == 5
        assert "goes on behind row" in first.hint
        before = sandbox.stats()["api_requests"]
        assert machine.run(*words, "out.jsonl", env=env) == Run(0, "", "")
        assert sandbox.stats()["api_requests"] - before < 6
        assert machine.run(*words, "whole.jsonl", env=env) == Run(0, "", "")
    assert read(machine.home / "out.jsonl") == read(machine.home / "whole.jsonl")


def test_a_day_that_changed_meanwhile_is_fetched_again_and_the_days_before_are_not(machine: Machine) -> None:
    days = {"2026-01-05": [f"a{n}" for n in range(3)], "2026-01-06": [f"b{n}" for n in range(250)]}
    asked: list[tuple[str, int]] = []
    broken = [True]

    def answer(one: Asked) -> object:
        day, number = one.body["interval"][:10], one.body["paging"]["pageNumber"]
        asked.append((day, number))
        if broken and number == 3:
            return Say(b"<html>")
        ids = days[day][(number - 1) * 100 : number * 100]
        found = [{"conversationId": one, "conversationStart": f"{day}T12:00:00.000Z"} for one in ids]
        return {"conversations": found, "totalHits": len(days[day])}

    with serving(answer) as api:
        words = ["export", "conversations", "--interval", "2026-01-05/2026-01-07", "--file", "out.jsonl"]
        assert machine.run(*words, env=variables(api)).code == 5
        broken.clear()
        asked.clear()
        days["2026-01-06"].insert(0, "new")
        done = machine.run(*words, "-v", env=variables(api))
        assert done.code == 0, done.err
        assert "the list has changed since" in done.err
    assert {day for day, _ in asked} == {"2026-01-06"}
    assert [row["conversationId"] for row in read(machine.home / "out.jsonl")] == [
        *days["2026-01-05"],
        *days["2026-01-06"],
    ]


def without_coverage(machine: Machine, api: Api) -> dict[str, str]:
    """Its own files are not what is tested."""
    return {name: value for name, value in machine.environ(variables(api)).items() if not name.startswith(PASSED_ON)}


WORDS = ["export", "users", "--file", "place/out.jsonl"]


def full_disk(machine: Machine, api: Api, setup: str) -> Run:
    """Let an export meet what `setup` makes of the directory, which nobody else sees; its files are left in `kept`."""
    flags = ["-m"] if os.geteuid() == 0 else ["-rm"]
    unshare = require("unshare")
    if subprocess.run([unshare, *flags, "true"], capture_output=True, check=False).returncode:
        if REQUIRE_REAL:
            pytest.fail("no mount namespace can be made, and CI must not skip")
        pytest.skip("no mount namespace can be made here")
    (machine.home / "place").mkdir()
    (machine.home / "kept").mkdir()
    script = f'{setup}\nset +e\n"$@"\ncode=$?\ncp place/out* kept 2> /dev/null\nexit $code'
    done = subprocess.run(
        [unshare, *flags, "sh", "-ec", script, "sh", GC, *WORDS],
        env=without_coverage(machine, api),
        cwd=machine.home,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    return Run(
        done.returncode, done.stdout, done.stderr.replace("cp: cannot stat 'place/out*'", "").partition("\n:")[0]
    )


def test_a_full_disk_is_said_and_the_export_goes_on_where_there_is_room(machine: Machine, api: Api, book: Book) -> None:
    book.rows = [{"id": f"row-{number}", "x": "x" * 4_000} for number in range(23)]
    done = full_disk(machine, api, "mount -t tmpfs -o size=64k none place")
    assert (done.code, done.out) == (2, ""), done.err
    assert "place/out.jsonl cannot be written: No space left on device" in done.error
    assert "space" in done.hint
    (machine.home / "place").rmdir()
    (machine.home / "kept").rename(machine.home / "place")
    book.asked.clear()
    assert machine.run(*WORDS, env=variables(api)) == Run(0, "", "")
    assert 1 < min(book.asked) < PAGES
    assert read(machine.home / "place" / "out.jsonl") == book.rows


def test_a_read_only_directory_is_said_before_anything_is_sent(machine: Machine, api: Api) -> None:
    done = full_disk(machine, api, "mount --bind place place; mount -o remount,ro,bind place")
    assert (done.code, done.out) == (2, "")
    assert "place/out.jsonl cannot be written: Read-only file system" in done.error
    assert not api.asked


def test_a_limit_on_the_size_of_files_is_said_and_the_export_goes_on_later(
    machine: Machine, api: Api, book: Book
) -> None:
    book.rows = [{"id": f"row-{number}", "x": "x" * 4_000} for number in range(23)]
    (machine.home / "place").mkdir()
    done = subprocess.run(
        [require("prlimit"), "--fsize=50000", GC, *WORDS],
        env=without_coverage(machine, api),
        cwd=machine.home,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert "File too large" in done.stderr
    assert machine.run(*WORDS, env=variables(api)) == Run(0, "", "")
    assert read(machine.home / "place" / "out.jsonl") == book.rows


@pytest.mark.soak
def test_twenty_kills_at_random_moments_lose_no_row_and_double_none(machine: Machine) -> None:
    users, kills, number = 4_000, 0, 0
    with SandboxThread(Options(users=users, latency=0.05, fail=["api-reset@15"], api_limit=LIMIT)) as sandbox:
        env = client(sandbox, GC_CREDHELPER_API_URL=sandbox.api_url)
        start = time.monotonic()
        assert machine.run("export", "users", "--file", "whole.jsonl", env=env).code == 0
        usual = time.monotonic() - start
        while kills < 20:
            target = machine.home / f"{number}.jsonl"
            child = machine.start("export", "users", "--file", target.name, env=env)
            try:
                assert child.wait(random.uniform(0.1, 0.7) * usual) == 0
                number += 1
            except subprocess.TimeoutExpired:
                child.kill()
                kills += 1
            child.communicate()
        assert machine.run("export", "users", "--file", target.name, env=env).code == 0
    assert len(read(machine.home / "whole.jsonl")) == users
    whole = (machine.home / "whole.jsonl").read_bytes()
    assert all(path.read_bytes() == whole for path in machine.home.glob("*.jsonl"))
    assert not [*machine.home.glob("*.part"), *machine.home.glob("*.state")]
    sys.stdout.write(
        f"\nkill -9 at {kills} random moments of {number + 1} exports of {users} users: no row lost or twice\n"
    )


@pytest.mark.soak
def test_memory_does_not_grow_with_the_list(machine: Machine) -> None:
    peaks = []
    for users in (1_000, 100_000):
        with SandboxThread(Options(users=users, api_limit=0)) as sandbox:
            env = machine.environ(client(sandbox, GC_CREDHELPER_API_URL=sandbox.api_url))
            code = (
                "import resource, subprocess, sys; subprocess.run(sys.argv[1:], check=True);"
                "print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)"
            )
            words = [sys.executable, "-c", code, GC, "export", "users", "--file", f"{users}.jsonl"]
            done = subprocess.run(words, env=env, cwd=machine.home, capture_output=True, text=True, check=True)
            peaks.append(int(done.stdout))
        assert len((machine.home / f"{users}.jsonl").read_bytes().splitlines()) == users
    sys.stdout.write(
        f"\npeak at 1,000 users {peaks[0]} KiB, at 100,000 {peaks[1]} KiB: {peaks[1] / peaks[0]:.2f} times\n"
    )
    assert peaks[1] <= 1.2 * peaks[0]
