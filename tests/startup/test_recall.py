"""Properties of a note: anything that it recorded and that is different now makes it worthless."""

import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gc_credhelper import notes, plan
from gc_credhelper.plan import Inputs, Plan
from gc_credhelper.private import PrivateDir
from gc_credhelper.report import Report

from .kit import PYTHON

SECRET = b"canary-8Xk2-secret-value"
PLAN = {
    "key": "0123456789abcdef0123456789abcdef01234567",
    "client_id": "id-1",
    "format": "raw",
    "api_version": "client.authentication.k8s.io/v1",
    "min_ttl": 90.0,
    "verify": 600.0,
    "state": "+/a/b",
    "store": "-/c d/é",
}
unhurried = settings(deadline=None)
names = st.text("ABCDEFGH_", min_size=1, max_size=6)
raw_values = st.binary(min_size=1, max_size=20).map(lambda raw: raw.replace(b"\0", b"0"))
words = st.binary(max_size=8).map(lambda raw: os.fsdecode(raw.replace(b"\0", b"0")))


@dataclass(frozen=True)
class Asked:
    """One run: its command line and environment, and what it asked for on the way."""

    argv: list[str]
    environ: dict[bytes, bytes]
    plain: list[str] = field(default_factory=list)
    secret: list[str] = field(default_factory=list)
    files: list[Path] = field(default_factory=list)

    def inputs(self) -> Inputs:
        inputs = Inputs(self.argv, dict(self.environ))
        for name in self.plain:
            inputs.env(name)
        for name in self.secret:
            inputs.env(name, secret=True)
        for path in self.files:
            inputs.file(str(path))
        inputs.began += 10  # the files of a test are young
        return inputs


@contextmanager
def left(asked: Asked) -> Iterator[bytes]:
    """The note of that run."""
    with tempfile.TemporaryDirectory() as place:
        directory = PrivateDir(plan.place(place, ours=True))
        inputs = asked.inputs()
        notes.leave(directory, inputs, Plan(**PLAN), Report())  # type: ignore[arg-type]
        yield directory.read(plan.note_name(inputs))


def fields(known: Plan | None) -> Mapping[str, object] | None:
    return {name: getattr(known, name) for name in Plan.__slots__} if known else None


def recalled(asked: Asked, note: bytes) -> Mapping[str, object] | None:
    # A later run has asked for nothing yet.
    return fields(plan.recall(Inputs(asked.argv, dict(asked.environ)), note))


@st.composite
def runs(draw: st.DrawFn) -> Asked:
    asked = draw(st.lists(names, min_size=1, max_size=6, unique=True))
    cut = draw(st.integers(0, len(asked)))
    environ = {
        os.fsencode(name): draw(raw_values | st.just(b""))
        for name in draw(st.lists(st.sampled_from(asked) | names, max_size=8, unique=True))
    }
    return Asked(draw(st.lists(words, max_size=4)), environ, asked[:cut], asked[cut:])


@unhurried
@given(runs())
def test_an_identical_run_recalls_the_plan(run: Asked) -> None:
    with left(run) as note:
        assert recalled(run, note) == PLAN


@unhurried
@given(runs(), st.data())
def test_any_other_value_of_a_variable_that_was_asked_for_is_a_miss(run: Asked, data: st.DataObject) -> None:
    name = os.fsencode(data.draw(st.sampled_from(run.plain + run.secret)))
    old = run.environ.get(name, b"")
    new = data.draw(raw_values | st.just(b"") | st.none())
    environ = {key: value for key, value in run.environ.items() if key != name}
    if new is not None:
        environ[name] = new
    same = bool(old) == bool(new) if os.fsdecode(name) in run.secret else old == (new or b"")
    with left(run) as note:
        assert recalled(Asked(run.argv, environ), note) == (PLAN if same else None)


@unhurried
@given(runs(), st.dictionaries(st.text("abc", min_size=1, max_size=3).map(os.fsencode), raw_values, max_size=3))
def test_variables_that_nobody_asked_for_do_not_count(run: Asked, others: dict[bytes, bytes]) -> None:
    with left(run) as note:
        assert recalled(Asked(run.argv, run.environ | others), note) == PLAN


@unhurried
@given(runs(), st.lists(words, max_size=4))
def test_another_command_line_is_a_miss(run: Asked, argv: list[str]) -> None:
    with left(run) as note:
        assert recalled(Asked(argv, run.environ), note) == (PLAN if argv == run.argv else None)


@unhurried
@given(runs(), st.data())
def test_a_changed_byte_is_a_miss(run: Asked, data: st.DataObject) -> None:
    with left(run) as note:
        at = data.draw(st.integers(0, len(note) - 1))
        new = data.draw(st.integers(0, 255).filter(lambda byte: byte != note[at]))
        assert recalled(run, note[:at] + bytes([new]) + note[at + 1 :]) is None


@unhurried
@given(runs(), st.data())
def test_a_note_that_lost_gained_or_mixed_up_bytes_is_a_miss_or_the_same(run: Asked, data: st.DataObject) -> None:
    with left(run) as note:
        start = data.draw(st.integers(0, len(note)))
        stop = data.draw(st.integers(start, len(note)))
        middle = data.draw(st.binary(max_size=30) | st.just(note[start:stop][::-1]) | st.just(note[start:stop] * 2))
        damaged = note[:start] + middle + note[stop:]
        assert recalled(run, damaged) == (PLAN if damaged == note else None)


@unhurried
@given(st.binary(max_size=300) | st.lists(raw_values | st.just(b"")).map(b"\0".join))
def test_anything_else_is_a_miss(junk: bytes) -> None:
    run = Asked(["token"], {})
    assert recalled(run, junk) is None
    assert recalled(run, junk + b"\0" + plan.checksum(junk)) is None


@unhurried
@given(runs(), st.lists(raw_values, max_size=7))
def test_a_sound_sum_over_unknown_kinds_is_a_miss(run: Asked, tail: list[bytes]) -> None:
    with left(run) as note:
        body = b"\0".join([note.rpartition(b"\0")[0], b"X", *tail])
        assert recalled(run, body + b"\0" + plan.checksum(body)) is None


def test_a_note_holds_the_value_of_no_secret() -> None:
    run = Asked(["token"], {b"S": SECRET, b"E": b"plain"}, ["E"], ["S"])
    with left(run) as note:
        assert b"plain" in note
        assert SECRET not in note


def test_the_name_of_a_note_does_not_depend_on_a_secret() -> None:
    name = b"GENESYS_CLOUD_CLIENT_SECRET"
    first, second = (plan.note_name(Inputs(["token"], {name: value})) for value in (SECRET, b"another"))
    assert first == second
    assert plan.note_name(Inputs(["token"], {b"GENESYS_CLOUD_REGION": b"x"})) != first


def rewrite(path: Path) -> None:
    path.write_text("same sized".replace("same", "SAME"))


def replace(path: Path) -> None:
    other = path.with_name("other")
    other.write_bytes(path.read_bytes())
    st = path.stat()
    os.utime(other, ns=(st.st_atime_ns, st.st_mtime_ns))
    other.replace(path)


def rewind(path: Path) -> None:
    """New content under the old size and modification time: only the ctime tells."""
    st = path.stat()
    rewrite(path)
    os.utime(path, ns=(st.st_atime_ns, st.st_mtime_ns))


def touch(path: Path) -> None:
    os.utime(path, (5, 5))


def grow(path: Path) -> None:
    with path.open("a") as file:
        file.write("more")


def loosen(path: Path) -> None:
    path.chmod(0o666)


def remove(path: Path) -> None:
    path.unlink()


def become_directory(path: Path) -> None:
    path.unlink()
    path.mkdir()


def link_elsewhere(path: Path) -> None:
    other = path.with_name("elsewhere")
    other.write_text("elsewhere")
    path.unlink()
    path.symlink_to(other)


CHANGES: list[Callable[[Path], None]] = [
    rewrite, replace, rewind, touch, grow, loosen, remove, become_directory, link_elsewhere,
]  # fmt: skip


@pytest.mark.parametrize("change", CHANGES, ids=lambda change: change.__name__)
@pytest.mark.parametrize("linked", [False, True], ids=["file", "link"])
def test_a_file_that_changed_in_any_way_is_a_miss(
    tmp_path: Path, change: Callable[[Path], None], *, linked: bool
) -> None:
    path = tmp_path / "config.toml"
    path.write_text("same sized")
    asked = path
    if linked:
        asked = tmp_path / "link"
        asked.symlink_to(path)
    run = Asked(["token"], {}, files=[asked])
    with left(run) as note:
        assert recalled(run, note) == PLAN
        change(path)
        assert recalled(run, note) is None


def test_a_file_that_appears_is_a_miss(tmp_path: Path) -> None:
    path = tmp_path / "folder" / "config.toml"
    run = Asked(["token"], {}, files=[path])
    with left(run) as note:
        assert recalled(run, note) == PLAN
        path.parent.mkdir()
        assert recalled(run, note) == PLAN
        path.write_text("")
        assert recalled(run, note) is None
        path.unlink()
        assert recalled(run, note) == PLAN


def test_another_directory_is_a_miss(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = Asked(["token"], {})
    with left(run) as note:
        monkeypatch.chdir(tmp_path)
        assert recalled(run, note) is None


def test_another_version_is_a_miss(monkeypatch: pytest.MonkeyPatch) -> None:
    run = Asked(["token"], {})
    with left(run) as note:
        monkeypatch.setattr(plan, "__version__", "0.0.0")
        assert recalled(run, note) is None


def test_another_effective_uid_is_a_miss() -> None:
    run = Asked(["token"], {})
    with left(run) as note:
        parts = note.rpartition(b"\0")[0].split(b"\0")
        for uid, expected in ((os.geteuid(), PLAN), (os.geteuid() + 1, None)):
            body = b"\0".join([*parts[:2], b"%d" % uid, *parts[3:]])
            assert recalled(run, body + b"\0" + plan.checksum(body)) == expected


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")
def test_a_process_that_dropped_its_privileges_recalls_nothing() -> None:
    run = Asked(["token"], {})
    code = (
        "import os, sys; from gc_credhelper import plan; note = sys.stdin.buffer.read()\n"
        "for uid in (0, 65534): os.seteuid(uid); print(plan.recall(plan.Inputs(['token'], {}), note) is None)"
    )
    with left(run) as note:
        done = subprocess.run([PYTHON, "-c", code], input=note, capture_output=True, check=True)
    assert done.stdout.split() == [b"False", b"True"]


def test_the_modules_of_a_note_load_without_posix() -> None:
    # As far as this system can show: the same modules as on Windows, with nothing but `os`.
    code = (
        "import os, sys; sys.platform = 'win32'; sys.modules['posix'] = None\n"
        "from gc_credhelper import __main__, output, plan\n"
        "assert __main__.posix is None and plan.os is os and output.os is os\n"
        "inputs = plan.Inputs(['token'], {b'LOCALAPPDATA': b'C:'})\n"
        "print(plan.header(inputs)[2].decode(), plan.cache_home(inputs)[0], flush=True)\n"
        "sys.exit(output.emit('out\\n'))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "- +C:\\gc-credhelper\\Cache\nout\n"
