"""A cache that is read-only, full, missing or hostile: the token is printed all the same, with one warning."""

import os
import shlex
from collections.abc import Callable
from pathlib import Path

import pytest
from support import Machine, Run, client, require
from support.entries import OLD, get, path_of, put
from support.scripted import ScriptedServer, token
from support.spaces import limited, namespaced, read_only
from support.tokenme import of

from gc_credhelper import tokens

from .test_directories import ODD, make_loose

ODD_FILES = pytest.mark.parametrize("make", [*ODD, Path.mkdir], ids=lambda make: make.__name__)


def raw(machine: Machine, server: ScriptedServer, **env: str) -> Run:
    return machine.run("token", "-o", "raw", env=client(server, **env))


@pytest.fixture
def numbered(scripted: ScriptedServer) -> ScriptedServer:
    scripted.answers = [token(f"new-{number}") for number in range(9)]
    return scripted


def victim(machine: Machine) -> str:
    """What a link of the hostile files points to, and whether a dangling one was followed."""
    path = machine.cache.parent / "victim"
    assert not (machine.cache.parent / "nowhere").exists()
    return path.read_text() if path.exists() else "victim"


@ODD_FILES
def test_a_hostile_entry_is_one_warning_and_is_replaced(
    machine: Machine, numbered: ScriptedServer, make: Callable[[Path], None]
) -> None:
    assert raw(machine, numbered).out == "new-0\n"
    entry = path_of(machine.cache, numbered)
    entry.unlink()
    make(entry)
    done = raw(machine, numbered)
    assert (done.code, done.out) == (0, "new-1\n")
    assert len(done.warnings) == 1, done.err
    assert str(machine.cache) in done.warnings[0]
    assert victim(machine) == "victim"
    again = raw(machine, numbered)
    if make is Path.mkdir:  # nothing can be renamed onto a directory
        assert (again.code, again.out, len(again.warnings)) == (0, "new-2\n", 1)
    else:
        assert (again.code, again.out, again.err) == (0, "new-1\n", "")


OTHER_VERSION = "gcct0 0 rest\n"


@pytest.mark.parametrize("content", [b"", b"\n", bytes(range(256)), b"gcct1", OTHER_VERSION.encode()], ids=repr)
def test_a_damaged_entry_is_a_miss(machine: Machine, numbered: ScriptedServer, content: bytes) -> None:
    raw(machine, numbered)
    path_of(machine.cache, numbered).write_bytes(content)
    assert [raw(machine, numbered) for _ in range(2)] == [Run(0, "new-1\n", "")] * 2
    assert len(numbered.requests) == 2


def test_an_entry_cut_short_or_with_one_bit_wrong_is_a_miss(machine: Machine, numbered: ScriptedServer) -> None:
    raw(machine, numbered)
    entry = path_of(machine.cache, numbered)
    whole = entry.read_bytes()
    entry.write_bytes(whole[:-20])
    assert raw(machine, numbered).out == "new-1\n"
    entry.write_bytes(whole.replace(b"new-0", b"new-8"))
    assert raw(machine, numbered).out == "new-2\n"


def test_the_entry_of_another_key_is_a_miss(machine: Machine, numbered: ScriptedServer) -> None:
    other = client(numbered, GENESYS_CLOUD_CLIENT_ID="another-client")
    assert machine.run("token", "-o", "raw", env=other).out == "new-0\n"
    (stolen,) = machine.cache.glob("*.token")
    stolen.rename(path_of(machine.cache, numbered))
    assert raw(machine, numbered) == Run(0, "new-1\n", "")


def test_an_entry_of_a_megabyte_is_one_warning(machine: Machine, numbered: ScriptedServer) -> None:
    raw(machine, numbered)
    path_of(machine.cache, numbered).write_bytes(bytes(1 << 20))
    done = raw(machine, numbered)
    assert (done.code, done.out, len(done.warnings)) == (0, "new-1\n", 1)
    assert raw(machine, numbered) == Run(0, "new-1\n", "")


@ODD_FILES
def test_a_hostile_lock_file_is_one_warning(
    machine: Machine, numbered: ScriptedServer, make: Callable[[Path], None]
) -> None:
    make(path_of(machine.cache, numbered, ".lock"))
    done = raw(machine, numbered)
    assert (done.code, done.out) == (0, "new-0\n")
    if make is make_loose:  # made private again
        assert not done.warnings
        return
    assert len(done.warnings) == 1, done.err
    assert "no lock can be held" in done.warnings[0]
    assert raw(machine, numbered) == Run(0, "new-0\n", ""), "a hit takes no lock"
    assert victim(machine) == "victim"


@pytest.mark.parametrize("content", [b"", b"\xff\x00\n", bytes(1 << 20)], ids=["empty", "junk", "megabyte"])
def test_junk_in_a_lock_file_does_no_harm(machine: Machine, numbered: ScriptedServer, content: bytes) -> None:
    lock = path_of(machine.cache, numbered, ".lock")
    lock.touch(0o600)
    lock.write_bytes(content)
    assert raw(machine, numbered) == Run(0, "new-0\n", "")


@ODD_FILES
def test_a_hostile_note_is_only_a_slower_hit(
    machine: Machine, numbered: ScriptedServer, make: Callable[[Path], None]
) -> None:
    raw(machine, numbered)
    (note,) = machine.cache.glob("*.note")
    note.unlink()
    make(note)
    assert [raw(machine, numbered) for _ in range(2)] == [Run(0, "new-0\n", "")] * 2
    assert victim(machine) == "victim"


@ODD_FILES
def test_a_hostile_gate_is_open(machine: Machine, numbered: ScriptedServer, make: Callable[[Path], None]) -> None:
    make(path_of(machine.cache, numbered, ".gate"))
    done = raw(machine, numbered)
    assert (done.code, done.out) == (0, "new-0\n")
    assert len(done.warnings) <= 1
    assert raw(machine, numbered) == Run(0, "new-0\n", "")
    assert victim(machine) == "victim"


@ODD_FILES
def test_a_hostile_list_of_rejections_rejects_nothing(
    machine: Machine, numbered: ScriptedServer, make: Callable[[Path], None]
) -> None:
    raw(machine, numbered)
    make(path_of(machine.cache, numbered, ".rejected"))
    done = raw(machine, numbered)
    assert (done.code, done.out) == (0, "new-0\n")
    assert len(done.warnings) == 1, done.err
    assert len(numbered.requests) == 1
    assert victim(machine) == "victim"


def test_a_directory_whose_parents_are_missing_is_made(
    machine: Machine, numbered: ScriptedServer, tmp_path: Path
) -> None:
    place = tmp_path / "a" / "b" / "c"
    for _ in range(2):
        assert raw(machine, numbered, GC_CREDHELPER_CACHE_DIR=str(place)) == Run(0, "new-0\n", "")
    assert {path.stat().st_mode & 0o7777 for path in (tmp_path / "a", place, *place.iterdir())} == {0o700}


@pytest.mark.parametrize(
    "place", ["file", "file/below", "/dev/null", "/proc/self/nowhere", "\N{GREEK SMALL LETTER PI}\nx"]
)
def test_a_cache_directory_that_cannot_be_is_one_warning(
    machine: Machine, numbered: ScriptedServer, tmp_path: Path, place: str
) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "\N{GREEK SMALL LETTER PI}\nx").touch()
    for number in range(2):
        done = raw(machine, numbered, GC_CREDHELPER_CACHE_DIR=str(tmp_path / place))
        assert (done.code, done.out) == (0, f"new-{number}\n")
        assert len(done.err.splitlines()) == len(done.warnings) == 1, done.err


@pytest.mark.parametrize("kind", ["file", "link", "dangling", "0777", "fifo"])
def test_a_default_directory_that_is_not_ours_alone_is_one_warning(
    machine: Machine, numbered: ScriptedServer, tmp_path: Path, kind: str
) -> None:
    machine.cache.parent.mkdir(parents=True)
    match kind:
        case "file":
            machine.cache.touch()
        case "link":
            (tmp_path / "target").mkdir(0o700)
            machine.cache.symlink_to(tmp_path / "target")
        case "dangling":
            machine.cache.symlink_to(tmp_path / "target")
        case "0777":
            machine.cache.mkdir()
            machine.cache.chmod(0o777)
        case "fifo":
            os.mkfifo(machine.cache)
    for number in range(2):
        done = raw(machine, numbered)
        assert (done.code, done.out) == (0, f"new-{number}\n")
        assert len(done.warnings) == 1, done.err
    assert not (tmp_path / "target").exists() or [*(tmp_path / "target").iterdir()] == []
    assert kind != "0777" or [*machine.cache.iterdir()] == []


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can make a directory of another owner")
def test_in_a_home_that_sudo_kept_we_have_a_directory_of_our_own(machine: Machine, numbered: ScriptedServer) -> None:
    machine.cache.mkdir(parents=True)
    os.chown(machine.cache, 65_534, 65_534)
    assert [raw(machine, numbered) for _ in range(2)] == [Run(0, "new-0\n", "")] * 2
    (ours,) = machine.cache.iterdir()
    assert ours.name == f"gc-credhelper-{os.geteuid()}"
    assert [*ours.glob("*.note")]


def test_a_read_only_cache_is_one_warning(machine: Machine, numbered: ScriptedServer) -> None:
    machine.cache.parent.mkdir(parents=True)
    done = namespaced(machine, read_only(machine), client(numbered))
    assert (done.code, done.out, len(done.warnings)) == (0, "new-0\n", 1), done.err
    put(machine.cache, numbered, age=9999)
    path_of(machine.cache, numbered, ".lock").touch(0o600)
    done = namespaced(machine, read_only(machine), client(numbered))
    assert (done.code, done.out, len(done.warnings)) == (0, "new-1\n", 1), done.err
    assert "Read-only" in done.warnings[0]
    assert get(machine.cache, numbered).value == OLD


def test_a_good_token_in_a_read_only_cache_serves(machine: Machine, numbered: ScriptedServer) -> None:
    put(machine.cache, numbered)
    assert namespaced(machine, read_only(machine), client(numbered)) == Run(0, f"{OLD}\n", "")
    assert raw(machine, numbered).out == f"{OLD}\n"
    assert namespaced(machine, read_only(machine), client(numbered)) == Run(0, f"{OLD}\n", "")
    assert not numbered.requests


def test_a_token_that_is_checked_where_nothing_can_be_kept_is_one_warning(
    machine: Machine, numbered: ScriptedServer
) -> None:
    put(machine.cache, numbered, age=1000)
    with ScriptedServer(of()) as api:
        env = client(numbered, GC_CREDHELPER_API_URL=f"http://127.0.0.1:{api.port}", GC_CREDHELPER_VERIFY="10m")
        for _ in range(2):
            done = namespaced(machine, read_only(machine), env)
            assert (done.code, done.out, len(done.warnings)) == (0, f"{OLD}\n", 1), done.err
        assert len(api.requests) == 2
    assert not numbered.requests


@pytest.mark.parametrize("size", ["4k", "64k"])
def test_a_full_disk_is_one_warning(machine: Machine, numbered: ScriptedServer, size: str) -> None:
    machine.cache.mkdir(0o700, parents=True)
    place = shlex.quote(str(machine.cache))
    mount = f"mount -t tmpfs -o mode=0700,size={size} none {place}"
    full = f"{mount}; dd if=/dev/zero of={place}/filler 2>/dev/null || true"
    done = namespaced(machine, full, client(numbered))
    assert (done.code, done.out, len(done.warnings)) == (0, "new-0\n", 1), done.err
    assert "No space left" in done.warnings[0]


def test_a_disk_without_inodes_is_one_warning(machine: Machine, numbered: ScriptedServer) -> None:
    machine.cache.parent.mkdir(parents=True)
    mount = f"mount -t tmpfs -o mode=0700,nr_inodes=1 none {shlex.quote(str(machine.cache.parent))}"
    done = namespaced(machine, mount, client(numbered))
    assert (done.code, done.out, len(done.warnings)) == (0, "new-0\n", 1), done.err


def test_a_limit_on_the_size_of_files_is_one_warning(machine: Machine, numbered: ScriptedServer) -> None:
    done = limited(machine, [require("prlimit"), "--fsize=0"], client(numbered))
    assert (done.code, done.out, len(done.warnings)) == (0, "new-0\n", 1), done.err
    assert "too large" in done.warnings[0]
    assert {path.suffix for path in machine.cache.iterdir()} == {".lock"}, "no temp file is left"


@pytest.mark.skipif(os.geteuid() == 0, reason="modes do not bind root, for whom the read-only mount stands")
def test_a_directory_without_permission_is_one_warning(machine: Machine, numbered: ScriptedServer) -> None:
    machine.cache.parent.mkdir(parents=True)
    machine.cache.parent.chmod(0o500)
    done = raw(machine, numbered)
    machine.cache.parent.chmod(0o700)
    assert (done.code, done.out, len(done.warnings)) == (0, "new-0\n", 1), done.err


def test_an_entry_of_this_version_is_what_the_other_tests_damage() -> None:
    assert not OTHER_VERSION.startswith(tokens.MAGIC)
    assert tokens.MAGIC == "gcct1"
