"""Entry: several caches as one, fills, failures; the memory cache; the file of rejections."""

import os
import time
from pathlib import Path
from typing import ClassVar

import pytest
from support.versioned import Store

from gc_credhelper import tokens
from gc_credhelper.deadline import Deadline
from gc_credhelper.entry import Whose
from gc_credhelper.errors import TemporaryError
from gc_credhelper.record import Record
from gc_credhelper.rejections import Rejections, digest
from gc_credhelper.settings import Setting
from gc_credhelper.shared import Shared

from .kit import HOUR, Bench


class Broken:
    """A plug-in's cache that keeps no promise."""

    settings: ClassVar[tuple[Setting, ...]] = ()
    locator: ClassVar[str | None] = None

    def __init__(self, gives: object = None) -> None:
        self.gives = gives

    def get(self, key: str) -> str | None:
        if self.gives is None:
            raise RuntimeError(f"canary-Yb9-in-a-foreign-text {key}")
        return self.gives  # type: ignore[return-value]

    def put(self, key: str, text: str) -> None:
        raise RuntimeError(f"canary-Yb9-in-a-foreign-text {key} {text}")

    def remove(self, key: str) -> bool:
        raise RuntimeError(f"canary-Yb9-in-a-foreign-text {key}")

    def keys(self) -> list[str]:
        return []


def test_a_write_goes_to_all_and_a_removal_too(bench: Bench) -> None:
    near, far = bench.memory_cache(), bench.file_cache()
    entry = bench.entry(("memory", near), ("file", far))
    entry.write(bench.token("one"))
    assert near.get(entry.key) == far.get(entry.key) is not None
    assert entry.remove()
    assert near.get(entry.key) is far.get(entry.key) is None
    assert not entry.remove()


def test_a_read_fills_the_caches_that_it_passed(bench: Bench) -> None:
    near, far = bench.memory_cache(), bench.file_cache()
    bench.entry(("file", far)).write(bench.token("one"))
    entry = bench.entry(("memory", near), ("file", far))
    assert entry.read()
    assert near.get(entry.key) == far.get(entry.key)


def test_behind_an_old_token_a_newer_one_is_found(bench: Bench) -> None:
    near, far = bench.memory_cache(), bench.file_cache()
    bench.entry(("memory", near)).write(bench.token("old", age=HOUR))
    bench.entry(("file", far)).write(bench.token("new"))
    source = bench.source(("memory", near), ("file", far))
    assert source.token().value == "new"
    assert bench.issued == 0
    found = tokens.load(near.get(bench.whose.key) or "", bench.whose.key)
    assert found
    assert found[0].value == "new"


def test_no_cache_is_asked_behind_a_token_that_is_enough(bench: Bench) -> None:
    near = bench.memory_cache()
    bench.entry(("memory", near)).write(bench.token("near"))
    assert bench.source(("memory", near), ("far", Broken())).token().value == "near"
    assert not bench.said.warnings


def test_a_fill_never_replaces_a_newer_token(bench: Bench) -> None:
    near, far = bench.memory_cache(), bench.file_cache()
    entry = bench.entry(("memory", near), ("file", far))
    bench.entry(("memory", near)).write(bench.token("newer"))
    entry._fill(bench.token("older", age=100), [("memory", near)])
    found = entry.read()
    assert found
    assert found.value == "newer"


def test_a_fill_never_brings_a_rejected_token_back(bench: Bench) -> None:
    near, far = bench.memory_cache(), bench.file_cache()
    entry = bench.entry(("memory", near), ("file", far))
    entry.rejections.add("dead", current=True)
    entry._fill(bench.token("dead"), [("memory", near)])
    assert near.get(entry.key) is None


def test_nobody_fills_while_another_holds_the_lock(bench: Bench) -> None:
    near, far = bench.memory_cache(), bench.file_cache()
    bench.entry(("file", far)).write(bench.token("one"))
    entry = bench.entry(("memory", near), ("file", far))
    with entry.attempt():
        assert entry.read()
    assert near.get(entry.key) is None


@pytest.mark.parametrize("gives", [None, 7, b"bytes", ["list"]])
def test_a_cache_that_breaks_its_promises_is_one_warning(bench: Bench, gives: object) -> None:
    source = bench.source(("far", Broken(gives)))
    assert [source.token().value for _ in range(2)] == ["new-1"] * 2
    assert bench.source(("far", Broken(gives))).token().value == "new-2"
    assert len(bench.said.warnings) == 1
    assert "far" in bench.said.warnings[0]
    assert "canary" not in bench.said.warnings[0]


def test_a_token_that_no_cache_takes_displaces_the_old_one_that_lies_there(bench: Bench) -> None:
    cache = bench.file_cache()
    bench.entry().write(bench.token("old", age=HOUR + 1))

    def put(key: str, text: str) -> None:
        raise OSError(f"no room for {len(text)} characters of {key}")

    cache.put = put  # type: ignore[method-assign]
    source = bench.source(("file", cache))
    assert [source.token().value for _ in range(3)] == ["new-1"] * 3
    assert source.reject("new-1")
    assert source.token().value == "new-2"


def test_a_broken_cache_does_not_stop_the_next(bench: Bench) -> None:
    source = bench.source(("near", Broken()), ("file", bench.file_cache()))
    assert [source.token().value for _ in range(2)] == ["new-1"] * 2


def test_caches_in_two_directories_are_told_apart(bench: Bench, tmp_path: Path) -> None:
    for name in ("one", "two"):
        (tmp_path / name).touch()
    source = bench.source(("file", bench.file_cache(tmp_path / "one")), ("file", bench.file_cache(tmp_path / "two")))
    assert source.token().value == "new-1"
    assert len(bench.said.warnings) == 2
    assert [str(tmp_path / name) in warning for name, warning in zip(("one", "two"), bench.said.warnings, strict=True)]


def test_a_memory_cache_alone_touches_no_file(bench: Bench) -> None:
    source = bench.source(("memory", bench.memory_cache()))
    assert [source.token().value for _ in range(2)] == ["new-1"] * 2
    assert bench.memory_cache().keys().count(bench.whose.key) == 1
    assert not bench.path.exists()
    assert not bench.said.warnings


def test_status_sweeps_what_killed_writers_left(bench: Bench) -> None:
    cache = bench.file_cache()
    bench.entry().write(bench.token("one"))
    left = bench.path / f".{bench.whose.key}.token.1.aa.tmp"
    left.touch(0o600)
    os.utime(left, (1, 1))
    assert cache.keys() == [bench.whose.key]
    assert not left.exists()


def test_the_key_depends_on_each_part_and_on_where_it_ends() -> None:
    one = Whose("https://a", "basic", "b", 1)
    others = [
        Whose("https://ab", "basic", "", 1),
        Whose("https://a", "basic", "b", 2),
        Whose("https://a", "body", "b", 1),
        Whose("https://a", "basic", "c", 1),
        Whose("https://", "abasic", "b", 1),
        Whose("https://a", "basic", "b1", 0),
        Whose("https://a", "basi", "cb", 1),
    ]
    assert len({whose.key for whose in [one, *others]}) == 8
    assert one.key == Whose("https://a", "basic", "b", 1).key


def test_at_most_sixteen_rejections_are_kept(bench: Bench) -> None:
    rejections = Rejections(bench.directory, "k", bench.said)
    for number in range(20):
        assert rejections.add(f"token-{number}", current=False)
    assert [rejections.holds(f"token-{number}") for number in range(20)] == [False] * 4 + [True] * 16


def test_a_rejected_token_that_still_lies_in_the_far_cache_is_rejected_again(bench: Bench) -> None:
    entry = bench.entry()
    store = Store(key=entry.key)
    store.put(Record("dead", ttl=HOUR, soft=900))
    entry.far = Shared("far", store, bench.said, strict=False)

    def breaks(step: str) -> None:
        if step == "write":
            raise TemporaryError("down")

    store.breaks = breaks
    assert entry.reject("dead", Deadline(60))
    assert store.record().token == "dead"
    store.breaks = lambda _: None
    assert entry.reject("dead", Deadline(60))
    assert store.record() == Record(quiet=60)


def test_no_token_stands_in_the_file_of_rejections(bench: Bench) -> None:
    Rejections(bench.directory, "k", bench.said).add("canary-Jx2-token", current=True)
    content = (bench.path / "k.rejected").read_text()
    assert "canary" not in content
    assert content.split()[0] == digest("canary-Jx2-token")


@pytest.mark.parametrize("ago", [61, -100])
def test_the_pace_is_a_minute_of_the_past(bench: Bench, ago: int) -> None:
    rejections = Rejections(bench.directory, "k", bench.said)
    rejections.add("one", current=True)
    assert not rejections.add("two", current=True)
    bench.directory.write("k.rejected", f"{digest('one')} {int(time.time()) - ago}\n".encode())
    assert rejections.add("two", current=True)
    assert rejections.holds("one")


@pytest.mark.parametrize(
    "content", [b"", b"\xff\n", b"a b c\n", "d \N{SUPERSCRIPT TWO}\n".encode(), b"\n\n", b"x", b"d " + b"9" * 5000]
)
def test_junk_in_the_file_of_rejections_rejects_nothing(bench: Bench, content: bytes) -> None:
    bench.directory.write("k.rejected", content)
    rejections = Rejections(bench.directory, "k", bench.said)
    assert not rejections.holds("one")
    assert rejections.add("one", current=True)
    assert rejections.holds("one")
    assert rejections.mark()
