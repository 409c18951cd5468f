"""The command line: unknown words, values in the wrong place, help."""

import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest
from support import GC, Machine

from gc_credhelper.cli import COMMANDS
from gc_credhelper.settings import SETTINGS
from inputs.kit import CANARY, Shell, refused

SHARED = ("token", "status", "forget")


@pytest.mark.parametrize(
    "argv",
    [
        [CANARY],
        ["--client-secret", CANARY],
        [f"--client-secret={CANARY}"],
        [f"-{CANARY}"],
        [f"--{CANARY}"],
        [f"{CANARY}={CANARY}"],
        ["help", CANARY],
        *(
            [command, *words]
            for command in SHARED
            for words in (
                [CANARY],
                ["--", CANARY],
                ["--client-secret", CANARY],
                [f"--client-secret={CANARY}"],
                [f"--secret={CANARY}"],
                [f"--password={CANARY}"],
                [f"--token={CANARY}"],
                [f"--{CANARY}"],
                [f"--{CANARY}", CANARY],
                [f"-{CANARY}"],
                [f"-v{CANARY}"],
                [f"-p{CANARY}"],
                [f"-h{CANARY}"],
                [f"--help={CANARY}"],
                [f"--verbose={CANARY}"],
                ["--set", CANARY],
                ["--set", f"={CANARY}"],
                ["--set", f"regoin={CANARY}"],
                ["--set", f"client_secret={CANARY}"],
                ["--set", f"vault.secret={CANARY}"],
                ["--set", f"a b={CANARY}"],
                ["--set", f"client_auth={CANARY}"],
                ["--region", CANARY],
                ["--profile", CANARY],
                ["--token-url", CANARY],
                ["--api-url", CANARY],
                ["--min-ttl", CANARY],
                ["--deadline", CANARY],
            )
        ),
        ["token", "-o", CANARY],
        ["token", f"--output={CANARY}"],
        ["token", f"-o{CANARY}"],
        ["token", f"--refresh={CANARY}"],
        ["status", f"--json={CANARY}"],
        ["forget", f"--all={CANARY}"],
        ["plugins", CANARY],
        ["plugins", f"--client-secret={CANARY}"],
        ["sandbox", CANARY],
        ["sandbox", "--port", CANARY],
        ["sandbox", "--client", CANARY],
        ["sandbox", "--client", f":{CANARY}"],
        ["sandbox", "--lifetime", CANARY],
        ["sandbox", "--latency", CANARY],
        ["sandbox", "--users", CANARY],
        ["sandbox", "--fail", CANARY],
        ["sandbox", "--fail", f"500:{CANARY}"],
        ["sandbox", f"--secret={CANARY}"],
        ["sandbox", "--", CANARY],
    ],
    ids=" ".join,
)
def test_no_value_is_repeated_wherever_it_stands(shell: Shell, argv: list[str]) -> None:
    if argv[-1] == f"-h{CANARY}":  # argparse takes the h and shows the help
        assert CANARY not in shell(*argv).err
        return
    if argv[:2] == ["status", "--region"]:  # it shows what is wrong among the settings
        assert "K7xQ2v" not in shell(*argv).out
        return
    done = refused(shell(*argv), 2)
    assert "K7xQ2v" not in done.err


@pytest.mark.parametrize(("option", "word"), [("--provider", "provider"), ("--cache", "backend")])
def test_a_plugin_of_an_unknown_name_is_not_repeated_either(shell: Shell, option: str, word: str) -> None:
    refused(shell("token", option, CANARY), 3, word)
    refused(shell("token", option, f"{CANARY}:{CANARY}"), 3)
    refused(shell("token", option, f":{CANARY}"), 3)


@pytest.mark.parametrize(
    "row", [row for row in SETTINGS if row.name not in ("config", "cache_dir")], ids=lambda row: row.name
)
def test_a_secret_in_a_variable_of_ours_is_not_repeated(shell: Shell, row: object) -> None:
    variable = row.variable  # type: ignore[attr-defined]
    done = shell("token", "--deadline=200ms", "--token-url=http://127.0.0.1:9/t", env={variable: f"{CANARY}\x1b[31m"})
    assert done.code in (2, 3, 4)
    assert done.out == ""
    assert CANARY not in done.err
    assert "\x1b" not in done.err


@pytest.mark.parametrize(
    ("argv", "said"),
    [
        ([], "no command was given"),
        (["tokn"], "did you mean token?"),
        (["-v", "token"], "the command comes first"),
        (["token", "--deadlin", "3"], "did you mean --deadline?"),
        (["token", "--region"], "--region: expected one argument"),
        (["token", "--cache-dir", "x"], "--set cache_dir=VALUE"),
        (["token", "--client-id=x"], "--set client_id=VALUE"),
        (["token", "-o", "jsn"], "did you mean json?"),
        (["token", "-o", "yaml"], "known: archy, azure"),
        (["token", "--set", "regoin=x"], "did you mean region?"),
        (["token", "--set", "valt.addr=x"], "did you mean vault?"),
        (["token", "--set", "vault.addr=x"], "vault is not in use here"),
        (["token", "--json"], "there is no option --json"),
        (["forget", "--al"], "did you mean --all"),
        (["token", "-x"], "there is no option -x"),
    ],
)
def test_the_message_says_what_to_do(shell: Shell, argv: list[str], said: str) -> None:
    refused(shell(*argv), 2, said)


def test_no_option_may_be_abbreviated(shell: Shell) -> None:
    refused(shell("token", "--prof", "x"), 2, "there is no option --prof")


@pytest.mark.parametrize("argv", [["--help"], ["-h"], ["help"]])
def test_help_lists_every_command(shell: Shell, argv: list[str]) -> None:
    done = shell(*argv)
    assert (done.code, done.err) == (0, "")
    for name, text in COMMANDS.items():
        assert f"  {name} " in done.out
        assert text in done.out


@pytest.mark.parametrize("command", COMMANDS)
def test_help_of_a_command_is_on_stdout(shell: Shell, command: str) -> None:
    done = shell(command, "--help")
    assert (done.code, done.err) == (0, "")
    assert done.out.startswith(f"usage: gc-credhelper {command}")
    assert shell("help", command).out == done.out
    assert max(map(len, done.out.splitlines())) <= 120


@pytest.mark.parametrize("command", SHARED)
def test_help_shows_every_setting_with_its_variable(shell: Shell, command: str) -> None:
    out = " ".join(shell(command, "--help").out.split())
    for row in SETTINGS:
        assert row.variable in out
        assert (row.option if row.flag else row.name) in out
        assert all(variable in out for variable in row.platform)


def test_the_version_is_printed(shell: Shell) -> None:
    from gc_credhelper import __version__

    for argv in (["--version"], ["-V"]):
        assert shell(*argv).out == f"gc-credhelper {__version__}\n"


class Buggy(ModuleType):
    """A command with a bug."""

    @staticmethod
    def run(*_: object) -> int:
        secret = CANARY
        raise KeyError(secret)


def test_a_bug_shows_its_kind_and_place_and_no_text(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(COMMANDS, "buggy", "has a bug")
    monkeypatch.setitem(sys.modules, "gc_credhelper.commands.buggy", Buggy("buggy"))
    for argv, traced in ((["buggy"], False), (["buggy", "-vv"], True)):
        done = refused(shell(*argv), 1, "a bug: KeyError in run, line", "run it again with -vv")
        assert ("gc-credhelper: traceback: KeyError" in done.err) is traced


def test_vv_shows_where_an_error_was_raised_and_no_values(shell: Shell) -> None:
    done = shell("token", "-vv", "--min-ttl", CANARY)
    assert done.code == 2
    assert "gc-credhelper: traceback: UsageError" in done.err
    assert CANARY not in done.err


def test_the_v_of_the_command_that_a_sandbox_runs_is_not_ours(shell: Shell) -> None:
    done = refused(shell("sandbox", "--fail", "x", "--", "true", "-vv"), 2)
    assert "traceback" not in done.err


@pytest.mark.parametrize("argv", [["token", "--region", CANARY], [CANARY], ["token", CANARY]])
def test_the_installed_command_refuses_in_the_same_way(machine: Machine, argv: list[str]) -> None:
    refused(machine.run(*argv), 2)


def test_without_stderr_nothing_goes_to_stdout(machine: Machine) -> None:
    for redirect in ("2>&-", "2>/dev/full"):
        done = subprocess.run(
            ["/bin/sh", "-c", f'"$0" token --region nowhere {redirect}', GC],
            env=machine.environ(),
            stdout=subprocess.PIPE,
            check=False,
            timeout=60,
        )
        assert (done.returncode, done.stdout) == (2, b"")


def test_a_pasted_secret_that_looks_like_an_assignment_is_not_repeated(shell: Shell) -> None:
    refused(shell("token", "--set", "aBcSECRET9CANARY=x"), 2, "there is no setting of that name (--set)")


def test_help_that_cannot_be_written_is_a_failure(machine: Machine) -> None:
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [GC, "token", "--help"], env=machine.environ(), stdout=full, stderr=subprocess.PIPE, text=True, check=False
        )
    assert done.returncode == 1
    assert "standard output cannot be written" in done.stderr
