"""Resumable: wherever the writing of its two files stopped, what is kept is whole pages, and the rest can follow."""

import errno
from pathlib import Path

import pytest

from gc_credhelper import journal, resumable
from gc_credhelper.errors import TemporaryError, UsageError
from gc_credhelper.journal import Position
from gc_credhelper.locks import try_lock
from gc_credhelper.resumable import Resumable
from gc_credhelper.testing.bench import Heard

ABOUT = {"resource": "things"}
PAGES = [b"one\n", b"two two\n", b"", b"three\nthree\n", b"four\n"]


def opened(path: Path, *, restart: bool = False) -> Resumable:
    return Resumable(str(path), ABOUT, Heard(), restart=restart)


def fill(file: Resumable, most: int = len(PAGES)) -> None:
    for number in range(file.at.page, most):
        file.write(PAGES[number], rows=1, list=0, page=number + 1, ids=number)


def files(path: Path) -> list[Path]:
    return [path.with_name(path.name + suffix) for suffix in (".part", ".state")]


def interrupted(path: Path) -> tuple[bytes, bytes]:
    with opened(path) as file:
        fill(file)
    part, state = (one.read_bytes() for one in files(path))
    return part, state


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "out"


def test_what_was_written_is_there_when_it_is_finished_and_not_before(path: Path) -> None:
    with opened(path) as file:
        fill(file)
        assert not path.exists()
        file.finish()
    assert path.read_bytes() == b"".join(PAGES)
    assert [*path.parent.iterdir()] == [path]


def test_a_writer_that_stops_after_any_byte_of_the_journal_leaves_whole_pages(path: Path) -> None:
    part, state = interrupted(path)
    header = len(journal.header(ABOUT))
    ends = [state.find(b"\n", header), *[n for n in range(header, len(state)) if state[n : n + 1] == b"\n"][1:]]
    for length in range(header, len(state) + 1):
        for file, content in zip(files(path), (part, state[:length]), strict=True):
            file.write_bytes(content)
        with opened(path) as again:
            done = sum(end < length for end in ends)
            assert again.at.page == done
            fill(again)
            again.finish()
        assert path.read_bytes() == b"".join(PAGES)


def test_a_disk_that_lost_the_end_of_the_part_leaves_whole_pages(path: Path) -> None:
    part, state = interrupted(path)
    for length in range(1, len(part) + 1):
        for lost in (part[:length], part[:length] + bytes(len(part) - length)):
            for file, content in zip(files(path), (lost, state), strict=True):
                file.write_bytes(content)
            with opened(path) as again:
                assert part.startswith(b"".join(PAGES[: again.at.page]))
                assert again.at.bytes <= length
                fill(again)
                again.finish()
            assert path.read_bytes() == part


def test_a_state_without_its_first_lines_is_never_guessed_at(path: Path) -> None:
    part, state = interrupted(path)
    for length in range(len(journal.header(ABOUT))):
        for file, content in zip(files(path), (part, state[:length]), strict=True):
            file.write_bytes(content)
        with pytest.raises(UsageError), opened(path):
            pass
        assert files(path)[0].read_bytes() == part


def test_going_back_drops_the_list_that_is_being_written_and_no_other(path: Path) -> None:
    with opened(path) as file:
        file.write(b"a\n", rows=1, list=0, page=1, ids=1)
        file.write(b"b\n", rows=1, list=0, page=2, ids=2)
        file.write(b"c\n", rows=1, list=1, page=1, ids=3)
        file.write(b"d\n", rows=1, list=1, page=2, ids=4)
    with opened(path) as file:
        assert (file.at.list, file.at.page, file.at.rows, file.at.ids) == (1, 2, 4, 4)
        file.back()
        assert (file.at.list, file.at.page, file.at.rows) == (0, 2, 2)
        file.write(b"new\n", rows=1, list=1, page=1, ids=5)
        file.back()
        file.write(b"newer\n", rows=1, list=1, page=1, ids=6)
    with opened(path) as file:
        assert (file.at.list, file.at.page, file.at.rows, file.at.ids) == (1, 1, 3, 6)
        file.finish()
    assert path.read_bytes() == b"a\nb\nnewer\n"


def test_going_back_in_the_first_list_is_to_the_beginning(path: Path) -> None:
    interrupted(path)
    with opened(path) as file:
        file.back()
        assert file.at == Position()
        fill(file)
        file.finish()
    assert path.read_bytes() == b"".join(PAGES)


def test_a_writer_that_wrote_nothing_leaves_nothing(path: Path) -> None:
    with opened(path):
        assert len([*path.parent.iterdir()]) == 2
    assert [*path.parent.iterdir()] == []
    interrupted(path)
    with opened(path, restart=True):
        pass
    assert [*path.parent.iterdir()] == []


def test_a_journal_that_its_writer_deletes_while_we_look_is_not_locked(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A lock on a deleted file would exclude nobody."""
    state = files(path)[1]
    tries: list[int] = []

    def late(file: int) -> bool:
        if not tries:
            state.unlink()
        tries.append(file)
        return try_lock(file)

    monkeypatch.setattr(resumable, "try_lock", late)
    with opened(path) as file:
        assert len(tries) == 2
        assert state.exists()
        with pytest.raises(TemporaryError, match="another export"), opened(path):
            pass
        fill(file)
        file.finish()
    assert path.read_bytes() == b"".join(PAGES)


def test_where_no_lock_can_be_held_it_is_said_and_done_without(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def never(_: int) -> bool:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(resumable, "try_lock", never)
    heard = Heard()
    with Resumable(str(path), ABOUT, heard, restart=False) as file:
        fill(file)
        file.finish()
    assert path.read_bytes() == b"".join(PAGES)
    (warning,) = (line for line in heard.lines if line.startswith("warning: "))
    assert "no lock can be held on" in warning


def test_a_position_is_read_as_it_was_written_and_nothing_else_is() -> None:
    position = Position(1, 2, 3, 4, 5, 6)
    line = journal.entry(position)
    assert journal.read_entry(line) == position
    for index in range(len(line)):
        assert journal.read_entry(line[:index]) is None
        assert journal.read_entry(line[:index] + b"#" + line[index + 1 :]) is None
    for wrong in ({"a": 1}, [1, 2, 3], [1, 2, 3, 4, 5, -6], [1, 2, 3, 4, 5, True], [1, 2, 3, 4, 5, "6"], None):
        assert journal.read_entry(journal._line(wrong)) is None
