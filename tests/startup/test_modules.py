"""What a hit loads, opens and touches, seen by running the launcher under an audit hook."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from support import GC, Machine, client
from support.entries import path_of, put
from support.scripted import ScriptedServer
from support.tokenme import of

from gc_credhelper.__main__ import hit

from .kit import OURS, PYTHON, ROOT, notes

# Runs the launcher as Python runs it, and reports instead of leaving.
DRIVER = """
import posix, sys
events, argv = [], sys.argv[1:]
def hook(event, arguments):
    if event == "open":
        events.append([event, str(arguments[0]), arguments[2]])
    elif event.partition(".")[0] in ("socket", "fcntl", "subprocess", "ctypes", "shutil", "tempfile") or event in (
        "os.fork", "os.exec", "os.posix_spawn", "os.system", "os.rename", "os.remove", "os.mkdir", "os.chmod"):
        events.append([event, str(arguments), 0])
def leave(code):
    report = {"code": code, "modules": sorted(sys.modules), "events": events[:]}
    import json
    posix.write(2, json.dumps(report).encode())
    leave_indeed(code)
leave_indeed, posix._exit = posix._exit, leave
with open(argv[0], encoding="utf-8") as file:
    code = compile(file.read(), argv[0], "exec")
sys.argv = argv
sys.addaudithook(hook)
exec(code, {"__name__": "__main__", "__file__": argv[0]})
"""
BARE = "import sys; print(*sorted(sys.modules), sep='\\n')"


class Seen:
    def __init__(self, machine: Machine, env: dict[str, str], *argv: str) -> None:
        done = subprocess.run(
            [PYTHON, "-I", "-S", "-c", DRIVER, GC, *argv],
            env=machine.environ(env),
            capture_output=True,
            text=True,
            check=True,
            cwd=machine.home,
            stdin=subprocess.DEVNULL,
        )
        report = json.loads(done.stderr)
        self.out = done.stdout
        self.code: int = report["code"]
        self.modules: set[str] = set(report["modules"])
        self.opened: list[tuple[str, int]] = [
            (path, flags) for event, path, flags in report["events"] if event == "open"
        ]
        self.others: list[str] = [event for event, *_ in report["events"] if event != "open"]


@pytest.fixture
def ready(machine: Machine, scripted: ScriptedServer) -> dict[str, str]:
    """A cached token with its note."""
    env = client(scripted)
    assert machine.run("token", env=env).code == 0
    assert notes(machine)
    return env


def test_a_hit_imports_exactly_these_modules(machine: Machine, ready: dict[str, str]) -> None:
    bare = subprocess.run([PYTHON, "-I", "-S", "-c", BARE], capture_output=True, text=True, check=True)
    seen = Seen(machine, ready, "token")
    assert seen.code == 0
    assert seen.modules == set(bare.stdout.split()) | OURS | {"posix", "sys", "time"}
    assert {
        "gc_credhelper",
        "gc_credhelper.__main__",
        "gc_credhelper.filestore",
        "gc_credhelper.output",
        "gc_credhelper.plan",
        "gc_credhelper.tokens",
    } == OURS


@pytest.mark.parametrize("flags", [["-I", "-S"]])
def test_a_bare_start_has_nothing_but_what_python_itself_needs(flags: list[str]) -> None:
    bare = subprocess.run([PYTHON, *flags, "-c", BARE], capture_output=True, text=True, check=True)
    packages = {name.partition(".")[0] for name in bare.stdout.split()}
    assert packages - set(sys.builtin_module_names) <= {
        "__main__", "_frozen_importlib", "_frozen_importlib_external", "abc", "codecs", "encodings", "io", "zipimport",
    }  # fmt: skip


@pytest.mark.parametrize("output", ["exec-credential", "raw", "header", "json", "headers", "bazel", "codex"])
def test_no_format_needs_another_module(machine: Machine, ready: dict[str, str], output: str) -> None:
    assert machine.run("token", "-o", output, env=ready).code == 0
    assert {name for name in Seen(machine, ready, "token", "-o", output).modules if "gc_cred" in name} == OURS


def test_a_hit_opens_its_directory_the_note_and_the_token_and_no_config_file(
    machine: Machine, ready: dict[str, str]
) -> None:
    machine.write_config("[profiles.default]\nmin_ttl = '1m'\n")
    time.sleep(2.1)  # a file that changed a moment ago leaves no note
    assert machine.run("token", env=ready).code == 0
    seen = Seen(machine, ready, "token")
    ours = [(path, flags) for path, flags in seen.opened if path.startswith(str(machine.home)) or "/" not in path]
    assert [Path(path).suffix or Path(path).name for path, _ in ours] == ["gc-credhelper", ".note", ".token"]
    assert all(flags & os.O_NOFOLLOW and not flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT) for _, flags in ours)
    elsewhere = {path for path, _ in seen.opened} - {path for path, _ in ours}
    code = {path for path in elsewhere if Path(path).suffix in (".py", ".pyc")}
    assert {Path(path).parents[path.endswith(".pyc")] for path in code} == {ROOT / "gc_credhelper"}
    assert {Path(path).name for path in elsewhere - code} <= {"_editable_impl_gc_credhelper.pth"}


@pytest.fixture
def checked(machine: Machine, scripted: ScriptedServer) -> Iterator[dict[str, str]]:
    """A cached token that is old and was checked a moment ago, with its note."""
    with ScriptedServer(of()) as api:
        url = f"http://127.0.0.1:{api.port}"
        env = client(scripted, GC_CREDHELPER_API_URL=url, GC_CREDHELPER_VERIFY="10m")
        put(machine.cache, scripted, age=1000)
        assert machine.run("token", env=env).code == 0
        assert notes(machine)
        yield env
        assert len(api.requests) == 1


def opened(machine: Machine, seen: Seen) -> list[str]:
    """The kinds of our files that it opened, in this order."""
    ours = [Path(path) for path, _ in seen.opened if path.startswith(str(machine.home)) or "/" not in path]
    return [path.suffix or path.name for path in ours]


def test_a_token_that_was_checked_lately_is_a_hit_with_one_more_file(machine: Machine, checked: dict[str, str]) -> None:
    seen = Seen(machine, checked, "token")
    assert {name for name in seen.modules if "gc_cred" in name} == OURS
    assert opened(machine, seen) == ["gc-credhelper", ".note", ".token", ".alive"]
    assert seen.others == []


def test_a_token_that_was_issued_lately_is_a_hit_without_it(machine: Machine, ready: dict[str, str]) -> None:
    env = ready | {"GC_CREDHELPER_API_URL": "http://127.0.0.1:9", "GC_CREDHELPER_VERIFY": "10m"}
    assert machine.run("token", env=env).code == 0
    assert opened(machine, Seen(machine, env, "token")) == ["gc-credhelper", ".note", ".token"]


@pytest.mark.parametrize("spoil", ["older", "of another", "missing", "loose"])
def test_without_a_sound_proof_of_that_token_there_is_no_hit(
    machine: Machine,
    scripted: ScriptedServer,
    checked: dict[str, str],
    monkeypatch: pytest.MonkeyPatch,
    spoil: str,
) -> None:
    environ = {os.fsencode(name): os.fsencode(value) for name, value in machine.environ(checked).items()}
    monkeypatch.chdir(machine.home)
    assert hit(["token"], environ) == 0
    proof = path_of(machine.cache, scripted, ".alive")
    words = proof.read_text().split(" ")
    if spoil == "older":
        proof.write_text(" ".join([*words[:4], f"{int(words[4]) - 600_000}", words[5]]))
    elif spoil == "of another":
        proof.write_text(" ".join([*words[:2], f"{int(words[2]) + 1}", *words[3:]]))
    elif spoil == "missing":
        proof.unlink()
    else:
        proof.chmod(0o640)
    assert hit(["token"], environ) is None


def test_a_hit_uses_no_network_no_lock_and_no_process_and_writes_nothing(
    machine: Machine, ready: dict[str, str], scripted: ScriptedServer
) -> None:
    asked = len(scripted.requests)
    assert Seen(machine, ready, "token").others == []
    assert len(scripted.requests) == asked


def test_a_hit_prints_what_the_full_program_prints(machine: Machine, ready: dict[str, str]) -> None:
    assert Seen(machine, ready, "token").out == machine.run("token", "--set", "min_ttl=60s", env=ready).out


def test_a_miss_is_seen_by_the_same_driver(machine: Machine, ready: dict[str, str]) -> None:
    # Without this the tests above could pass because the driver saw nothing.
    with pytest.raises(subprocess.CalledProcessError) as failed:
        Seen(machine, ready, "token", "--profile", "there-is-none")
    assert "there is no profile" in failed.value.stderr
