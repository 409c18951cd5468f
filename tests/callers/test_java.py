"""The program for Java, run by java: once from its source as the page says, else compiled, which takes less time."""

import shutil
import subprocess
from pathlib import Path

import clients
import pytest
from docs.pages import HOW_TO
from support import GC, Machine

from callers.shown import Caller, block
from gc_credhelper.sandbox.options import Options
from gc_credhelper.sandbox.server import SandboxThread

FILE = HOW_TO / "java" / "Genesys.java"
START = block("java.md", "bash")
COMPILED = "java Genesys"
pytestmark = pytest.mark.xdist_group("java")


@pytest.fixture(scope="module")
def compiled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The class. Run from source, java compiles it each time."""
    folder = tmp_path_factory.mktemp("java")
    compiler = [clients.need("java"), "-m", "jdk.compiler/com.sun.tools.javac.Main"]
    subprocess.run([*compiler, "-Xlint:all", "-Werror", "-d", str(folder), str(FILE)], check=True, timeout=100)
    return folder / "Genesys.class"


def caller_of(machine: Machine, sandbox: SandboxThread, file: Path) -> Caller:
    caller = Caller(machine, sandbox)
    caller.watch("java", clients.need("java"))
    shutil.copy(file, caller.work)
    return caller


@pytest.fixture
def caller(machine: Machine, sandbox: SandboxThread, compiled: Path) -> Caller:
    return caller_of(machine, sandbox, compiled)


def test_the_page_shows_the_file() -> None:
    assert block("java.md", "java") == FILE.read_text()


def test_the_program_walks_every_page_with_one_run_of_the_helper(machine: Machine, sandbox: SandboxThread) -> None:
    caller = caller_of(machine, sandbox, FILE)
    run = caller.shell(START)
    assert (run.code, run.out, run.err) == (0, "50 users\n", "")
    assert caller.helper_calls("token") == 1
    assert caller.sandbox.stats()["api_requests"] == 3
    caller.assert_kept_secret(caller.token, run)


def test_a_token_is_not_used_beyond_the_expiry_that_was_reported(caller: Caller) -> None:
    caller.watch("gc-credhelper", GC, then='| sed \'s/"expires_at_epoch":[0-9]*/"expires_at_epoch":1/\'')
    assert caller.shell(COMPILED).out == "50 users\n"
    assert caller.helper_calls("token") == 3


def test_a_refused_token_is_rejected_once_and_the_request_repeated(machine: Machine, compiled: Path) -> None:
    with SandboxThread(Options(fail=["idle-death:1"])) as sandbox:
        caller = caller_of(machine, sandbox, compiled)
        run = caller.shell(COMPILED)
        assert (run.code, run.out, run.err) == (0, "50 users\n", "")
        assert (caller.helper_calls("token"), caller.helper_calls("reject")) == (2, 1)
        assert sandbox.stats()["token_requests"] == 2
        caller.assert_kept_secret(caller.token, run)


def test_a_second_401_reaches_the_caller(machine: Machine, compiled: Path) -> None:
    with SandboxThread(Options(fail=["idle-death"])) as sandbox:
        run = caller_of(machine, sandbox, compiled).shell(COMPILED)
        assert (run.code, run.out) == (1, "")
        assert "the API answered 401" in run.err
        assert sandbox.stats()["token_requests"] == 2


def test_a_helper_that_fails_says_why_and_its_exit_code_is_in_the_exception(caller: Caller) -> None:
    run = caller.shell(COMPILED, env={"GENESYS_CLOUD_CLIENT_SECRET": "canary-Wx3-wrong"})
    assert (run.code, run.out) == (1, "")
    assert "gc-credhelper: error: wrong secret" in run.err
    assert "gc-credhelper token ended with status 5" in run.err
    assert "canary" not in run.err
