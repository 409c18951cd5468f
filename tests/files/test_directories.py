"""PrivateDir and PortableDir: one contract, and what POSIX adds to it."""

import fcntl
import os
import socket
import stat
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from gc_credhelper import filestore
from gc_credhelper.private import PrivateDir, sweep
from gc_credhelper.private_portable import STALE, PortableDir, Unsafe

Dir = PrivateDir | PortableDir
ROOT = pytest.mark.skipif(os.geteuid() != 0, reason="only root can make files of another owner")


@pytest.fixture(params=[PrivateDir, PortableDir])
def directory(request: pytest.FixtureRequest, tmp_path: Path) -> Dir:
    made: Dir = request.param(f"+{tmp_path}/a/b/ours")
    return made


@pytest.fixture
def private(tmp_path: Path) -> PrivateDir:
    return PrivateDir(f"+{tmp_path}/ours")


def test_a_directory_that_is_missing_holds_nothing_and_is_not_made_by_looking(directory: Dir, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        directory.read("x")
    assert directory.changed_at("x") == 0
    assert directory.names() == {}
    assert not directory.remove("x")
    assert [*tmp_path.iterdir()] == []


@pytest.mark.parametrize("content", [b"", b"one", bytes(range(256)) * 400])
def test_what_was_written_is_read(directory: Dir, content: bytes) -> None:
    directory.write("x", b"before")
    directory.write("x", content)
    assert directory.read("x") == content
    assert [*directory.names()] == ["x"], "no temp file is left"


def test_every_write_is_a_new_file_with_a_new_time(directory: Dir) -> None:
    before = time.time() - 1
    directory.write("x", b"one")
    old = (Path(directory.path, "x").stat().st_ino, directory.changed_at("x"))
    with Path(directory.path, "x").open("rb") as reader:
        time.sleep(0.02)
        directory.write("x", b"two")
        assert reader.read() == b"one", "whoever has opened it reads the old content"
    assert old[0] != Path(directory.path, "x").stat().st_ino
    assert old[1] < directory.changed_at("x")
    assert before < directory.names()["x"] < time.time() + 1


def test_what_was_removed_is_gone(directory: Dir) -> None:
    directory.write("x", b"one")
    assert directory.remove("x")
    assert not directory.remove("x")
    assert directory.changed_at("x") == 0


def test_a_write_that_fails_leaves_no_temp_file(directory: Dir) -> None:
    directory.write("x", b"one")
    Path(directory.path, "taken").mkdir()
    with pytest.raises(OSError, match="taken"):
        directory.write("taken", b"two")
    assert sorted(directory.names()) == ["taken", "x"]


def test_a_lock_file_is_made_once_and_never_emptied(directory: Dir) -> None:
    first = directory.open_lock("k.lock")
    os.write(first, b"name")
    second = directory.open_lock("k.lock")
    assert os.fstat(first).st_ino == os.fstat(second).st_ino
    assert directory.read("k.lock") == b"name"
    assert not os.get_inheritable(first)
    fcntl.flock(first, fcntl.LOCK_EX | fcntl.LOCK_NB)
    with pytest.raises(BlockingIOError):
        fcntl.flock(second, fcntl.LOCK_EX | fcntl.LOCK_NB)
    os.close(first)
    os.close(second)


def test_what_killed_writers_left_is_swept_and_nothing_else(directory: Dir) -> None:
    for name in ("k.token", ".k.token.1.aa.tmp", ".k.token.2.bb.tmp"):
        directory.write(name, b"x")
    for name in ("k.token", ".k.token.1.aa.tmp"):
        os.utime(Path(directory.path, name), (1, time.time() - STALE - 1))
    sweep(directory)  # type: ignore[arg-type]
    assert sorted(directory.names()) == [".k.token.2.bb.tmp", "k.token"]


def test_a_directory_that_is_deleted_is_made_again(directory: Dir) -> None:
    directory.write("x", b"one")
    directory.remove("x")
    Path(directory.path).rmdir()
    directory.write("x", b"two")
    assert directory.read("x") == b"two"


@pytest.mark.parametrize("kind", [PrivateDir, PortableDir])
def test_in_a_directory_that_a_user_named_only_our_own_is_touched(tmp_path: Path, kind: Callable[[str], Dir]) -> None:
    directory = kind(f"-{tmp_path}")
    directory.write("x", b"one")
    (ours,) = tmp_path.iterdir()
    assert str(ours) == directory.path
    assert ours.name.startswith("gc-credhelper")
    assert (ours / "x").read_bytes() == b"one"


@pytest.mark.parametrize("umask", [0, 0o022, 0o077])
def test_every_directory_that_we_make_is_0700_and_every_file_0600(tmp_path: Path, umask: int) -> None:
    directory = PrivateDir(f"-{tmp_path}/a/b")
    old = os.umask(umask)
    try:
        directory.write("x", b"one")
        os.close(directory.open_lock("k.lock"))
    finally:
        os.umask(old)
    made = [path for path in tmp_path.rglob("*") if path.is_dir()]
    assert len(made) == 3
    assert {stat.S_IMODE(path.stat().st_mode) for path in made} == {0o700}
    assert {stat.S_IMODE(path.stat().st_mode) for path in Path(directory.path).iterdir()} == {0o600}


def steps(directory: PrivateDir) -> list[Callable[[], object]]:
    return [
        lambda: directory.read("x"),
        lambda: directory.changed_at("x"),
        lambda: directory.write("x", b"one"),
        lambda: directory.remove("x"),
        directory.names,
        lambda: directory.open_lock("k.lock"),
    ]


@pytest.mark.parametrize("mode", [0o777, 0o770, 0o701, 0o1777])
def test_a_directory_that_others_can_enter_is_not_used(private: PrivateDir, mode: int) -> None:
    Path(private.path).mkdir()
    Path(private.path).chmod(mode)
    for step in steps(private):
        with pytest.raises(Unsafe, match=f"{mode:04o}"):
            step()
    assert [*Path(private.path).iterdir()] == []


def test_a_link_to_a_directory_is_not_followed(private: PrivateDir, tmp_path: Path) -> None:
    (tmp_path / "victim").mkdir(0o700)
    Path(private.path).symlink_to("victim")
    for step in steps(private):
        with pytest.raises(Unsafe, match=r"ours is a link"):
            step()
    assert [*(tmp_path / "victim").iterdir()] == []


@ROOT
def test_a_directory_of_somebody_else_gets_a_subdirectory_of_ours(private: PrivateDir) -> None:
    theirs = Path(private.path)
    theirs.mkdir(0o755)
    os.chown(theirs, 65_534, 65_534)
    private.write("x", b"one")
    ours = theirs / f"gc-credhelper-{os.geteuid()}"
    assert [*theirs.iterdir()] == [ours]
    assert stat.S_IMODE(ours.stat().st_mode) == 0o700
    assert private.read("x") == (ours / "x").read_bytes() == b"one"


@ROOT
def test_a_subdirectory_of_ours_that_belongs_to_somebody_else_is_not_used(tmp_path: Path) -> None:
    directory = PrivateDir(f"-{tmp_path}")
    Path(directory.path).mkdir(0o700)
    os.chown(directory.path, 65_534, 65_534)
    for step in steps(directory):
        with pytest.raises(Unsafe, match="uid 65534"):
            step()


def make_fifo(path: Path) -> None:
    os.mkfifo(path, 0o600)


def make_socket(path: Path) -> None:
    here = Path.cwd()
    os.chdir(path.parent)
    try:
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(path.name)
    finally:
        os.chdir(here)


def make_link(path: Path) -> None:
    victim = path.parent.parent / "victim"
    victim.touch(0o600)
    victim.write_text("victim")
    path.symlink_to(victim)


def make_dangling_link(path: Path) -> None:
    path.symlink_to(path.parent.parent / "nowhere")


def make_loose(path: Path) -> None:
    path.touch()
    path.chmod(0o644)


def make_device(path: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root can make a device")
    os.mknod(path, 0o600 | stat.S_IFCHR, os.makedev(1, 5))


def make_theirs(path: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root can make files of another owner")
    path.touch(0o600)
    os.chown(path, 65_534, 65_534)


ODD = [make_fifo, make_socket, make_link, make_dangling_link, make_loose, make_device, make_theirs]


@pytest.mark.parametrize("make", [*ODD, Path.mkdir])
def test_what_is_not_a_private_file_is_neither_read_nor_locked(
    private: PrivateDir, tmp_path: Path, make: Callable[[Path], None]
) -> None:
    private.write("other", b"")
    path = Path(private.path, "x")
    make(path)
    with pytest.raises((OSError, Unsafe)) as raised:
        private.read("x")
    assert not isinstance(raised.value, FileNotFoundError), "it is refused, not missing"
    if make is not make_loose:  # which a lock file of ours may be: it is made private again
        with pytest.raises((OSError, Unsafe)):
            private.open_lock("x")
    assert not (tmp_path / "nowhere").exists()
    assert not (tmp_path / "victim").exists() or (tmp_path / "victim").read_text() == "victim"


@pytest.mark.parametrize("make", ODD)
def test_a_write_puts_a_private_file_in_the_place_of_anything_but_a_directory(
    private: PrivateDir, tmp_path: Path, make: Callable[[Path], None]
) -> None:
    private.write("other", b"")
    make(Path(private.path, "x"))
    private.write("x", b"one")
    assert private.read("x") == b"one"
    assert not (tmp_path / "nowhere").exists()
    assert not (tmp_path / "victim").exists() or (tmp_path / "victim").read_text() == "victim"


def test_a_file_that_is_far_too_large_is_not_read(private: PrivateDir) -> None:
    private.write("x", bytes(filestore._LIMIT + 1))
    with pytest.raises(Unsafe, match="bytes"):
        private.read("x")


def test_a_lock_file_that_became_loose_is_made_private_again(private: PrivateDir) -> None:
    os.close(private.open_lock("k.lock"))
    path = Path(private.path, "k.lock")
    path.chmod(0o644)
    os.close(private.open_lock("k.lock"))
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


@ROOT
def test_no_parent_is_made_in_the_directory_of_another_user(tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir()
    os.chown(home, 65_534, 65_534)
    with pytest.raises(Unsafe, match="belongs to uid 65534"):
        PrivateDir(f"+{home}/.cache/gc-credhelper").write("x", b"content")
    assert [*home.iterdir()] == []


def test_a_linked_directory_is_called_a_link_and_a_loose_one_comes_with_its_remedy(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir(0o700)
    (tmp_path / "link").symlink_to(tmp_path / "real")
    with pytest.raises(Unsafe, match="is a link"):
        PrivateDir(f"+{tmp_path}/link").read("x")
    (tmp_path / "real").chmod(0o755)
    with pytest.raises(Unsafe, match="chmod 700"):
        PrivateDir(f"+{tmp_path}/real").read("x")
