"""The provider `command`: real programs that work, fail, hang, print junk, or call us back."""

import json
import os
import signal
import time
import traceback
from pathlib import Path

import pytest
from support import GC, Machine
from support.scripted import ScriptedServer, token

from gc_credhelper.app import App, environment
from gc_credhelper.deadline import Deadline
from gc_credhelper.errors import CredentialsError
from gc_credhelper.plan import Inputs
from gc_credhelper.report import Report
from inputs.kit import CANARY, Shell, refused, script

PAIR = json.dumps({"client_id": "an-id", "client_secret": CANARY})
PRINTS = f"echo '{PAIR}'"
NESTED = "GC_CREDHELPER_IN_COMMAND"


def given_by(server: ScriptedServer, command: str) -> dict[str, str]:
    return {"GC_CREDHELPER_TOKEN_URL": server.token_url, "GC_CREDHELPER_PROVIDER": f"command:{command}"}


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return "\nState:\tZ" not in Path(f"/proc/{pid}/status").read_text() if Path("/proc/self").exists() else True


def ends(pid: int) -> bool:
    """Does it end soon?"""
    for _ in range(500):
        if not alive(pid):
            return True
        time.sleep(0.02)
    return False


@pytest.fixture
def program(tmp_path: Path) -> Path:
    return tmp_path / "get-secret"


def test_a_command_in_one_text_is_split_as_a_shell_would(shell: Shell, scripted: ScriptedServer, program: Path) -> None:
    script(program, f'[ "$1" = "a b" ] && [ "$2" = \'$HOME\' ] && [ $# = 2 ] && {PRINTS}')
    done = shell("token", env=given_by(scripted, f"{program} 'a b' '$HOME'"))
    assert (done.code, done.err) == (0, "")


def test_a_command_may_be_a_list_in_the_profile(shell: Shell, scripted: ScriptedServer, program: Path) -> None:
    script(program, f'[ "$1" = "a b" ] && [ $# = 1 ] && {PRINTS}')
    config = shell.write_config(
        f"[profiles.default]\nprovider = 'command'\ntoken_url = '{scripted.token_url}'\n"
        f"command.argv = ['{program}', 'a b']\n"
    )
    config.chmod(0o600)
    assert shell("token").code == 0


def test_the_second_run_is_a_hit_that_does_not_run_the_command(
    machine: Machine, scripted: ScriptedServer, program: Path, tmp_path: Path
) -> None:
    runs = tmp_path / "runs"
    script(program, f"echo run >> {runs}\n{PRINTS}")
    time.sleep(2.1)  # or the program counts as changed a moment ago, and nothing that depends on it is recorded
    for _ in range(3):
        assert machine.run("token", env=given_by(scripted, str(program))).code == 0
    assert runs.read_text() == "run\n"
    assert len(scripted.requests) == 1


def test_with_the_client_id_named_another_command_line_hits_without_running_it(
    machine: Machine, scripted: ScriptedServer, program: Path, tmp_path: Path
) -> None:
    runs = tmp_path / "runs"
    script(program, f"echo run >> {runs}\n{PRINTS}")
    env = given_by(scripted, str(program)) | {"GC_CREDHELPER_CLIENT_ID": "an-id"}
    assert machine.run("token", env=env).code == 0
    assert machine.run("token", "-o", "raw", "--min-ttl", "1m", env=env).code == 0
    assert runs.read_text() == "run\n"


def test_a_variable_that_the_command_lists_is_an_input_of_the_note(
    machine: Machine, scripted: ScriptedServer, program: Path
) -> None:
    scripted.answers = [token("one"), token("two")]
    script(program, 'echo "{\\"client_id\\": \\"$ACCOUNT-id\\", \\"client_secret\\": \\"s\\"}"')
    env = given_by(scripted, str(program)) | {"GC_CREDHELPER_COMMAND_ENV": "ACCOUNT,OP_SESSION", "ACCOUNT": "first"}
    env["OP_SESSION"] = CANARY
    for _ in range(2):
        assert machine.run("token", "-o", "raw", env=env).out == "one\n"
    env["ACCOUNT"] = "second"
    for _ in range(2):
        assert machine.run("token", "-o", "raw", env=env).out == "two\n"
    assert len(scripted.requests) == 2
    assert not [note for note in machine.cache.glob("*.note") if CANARY.encode() in note.read_bytes()]


def test_another_client_id_at_a_later_read_is_followed(
    machine: Machine, scripted: ScriptedServer, program: Path, tmp_path: Path
) -> None:
    scripted.answers = [token("one"), token("two"), token("three")]
    answer = tmp_path / "answer"
    answer.write_text(PAIR)
    script(program, f"cat {answer}")
    time.sleep(2.1)  # or the program counts as changed a moment ago, and nothing that depends on it is recorded
    env = given_by(scripted, str(program))
    assert machine.run("token", "-o", "raw", env=env).out == "one\n"
    answer.write_text(PAIR.replace("an-id", "other-id"))
    assert machine.run("token", "-o", "raw", env=env).out == "one\n"
    assert machine.run("token", "-o", "raw", "--refresh", env=env).out == "two\n"
    shown = json.loads(machine.run("status", "--json", env=env).out)["entries"]
    assert {entry["client_id"] for entry in shown} == {"an-id", "other-id"}


def test_a_client_id_that_is_pinned_and_not_the_commands_is_refused(
    shell: Shell, scripted: ScriptedServer, program: Path
) -> None:
    env = given_by(scripted, script(program, PRINTS)) | {"GC_CREDHELPER_CLIENT_ID": "pinned"}
    refused(shell("token", env=env), 4, "the provider holds the client an-id, but client_id says pinned")
    assert not scripted.requests


def test_white_space_around_its_values_is_mended(shell: Shell, scripted: ScriptedServer, program: Path) -> None:
    script(program, f"printf '%s' '{PAIR.replace(CANARY, CANARY + chr(92) + 'n')}'")
    done = shell("token", env=given_by(scripted, str(program)))
    assert done.code == 0
    assert done.warnings == ["white space around the value of client_secret of the command get-secret was removed"]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (f"echo {CANARY} >&2; exit 3", "the command get-secret failed with status 3"),
        (f"{PRINTS}; exit 1", "failed with status 1"),
        (f"{PRINTS}; kill -9 $$", "was ended by signal 9"),
        ("true", "printed something that is not a JSON object"),
        (f"echo {CANARY}", "not a JSON object"),
        (f"echo '[\"{CANARY}\"]'", "not a JSON object"),
        (f"echo '{PAIR}{PAIR}'", "not a JSON object"),
        (f"printf '\\377\\376{CANARY}'", "not a JSON object"),
        ('head -c 40000 /dev/zero | tr "\\0" "["', "not a JSON object"),
        (f'echo \'{{"client_id": "x", "secret": "{CANARY}"}}\'', "printed no client_secret"),
        (f'echo \'{{"client_id": 5, "client_secret": "{CANARY}"}}\'', "printed no client_id"),
        (f'echo \'{{"client_id": "x", "client_secret": ["{CANARY}"]}}\'', "printed no client_secret"),
        ('echo \'{"client_id": "x", "client_secret": " "}\'', "printed no client_secret"),
        (f'echo \'{{"client_id": "x", "client_secret": "{CANARY} y"}}\'', "the client secret is malformed"),
        (f"yes {CANARY}", "printed more than 64 KiB"),
        (f"yes {CANARY} | head -c 70000", "printed more than 64 KiB"),
    ],
)
def test_a_command_that_fails_is_refused_and_its_output_is_not_shown(
    shell: Shell, scripted: ScriptedServer, program: Path, text: str, said: str
) -> None:
    refused(shell("token", "-vv", env=given_by(scripted, script(program, text))), 4, said)
    assert not scripted.requests


def test_the_error_output_of_a_command_that_works_is_not_shown(
    machine: Machine, scripted: ScriptedServer, program: Path
) -> None:
    script(program, f"echo {CANARY} >&2\n{PRINTS}\necho {CANARY} >&2")
    done = machine.run("token", "-vv", env=given_by(scripted, str(program)))
    assert done.code == 0
    assert CANARY not in done.out + done.err


@pytest.mark.parametrize(
    "text",
    [
        "sleep 600",
        "exec 1>&-; sleep 600",
        f"{PRINTS}; sleep 600",
        f"{PRINTS}; sleep 600 & wait",
        "trap '' TERM HUP; sleep 600",
    ],
)
def test_a_command_that_hangs_is_ended_at_the_deadline(
    shell: Shell, scripted: ScriptedServer, program: Path, tmp_path: Path, text: str
) -> None:
    pid = tmp_path / "pid"
    script(program, f"echo $$ > {pid}; {text}")
    started = time.monotonic()
    done = shell("token", "--deadline", "2s", env=given_by(scripted, str(program)))
    refused(done, 6, "the command get-secret did not end within 1 s", "--deadline")
    assert time.monotonic() - started < 20
    assert ends(int(pid.read_text()))


def test_what_the_command_left_behind_with_its_output_open_does_not_hold_us(
    shell: Shell, scripted: ScriptedServer, program: Path, tmp_path: Path
) -> None:
    pid = tmp_path / "pid"
    script(program, f"{PRINTS}; sleep 600 & echo $! > {pid}")
    done = shell("token", "--deadline", "60s", env=given_by(scripted, str(program)))
    os.kill(int(pid.read_text()), signal.SIGKILL)
    assert (done.code, done.err) == (0, "")


def test_what_escaped_with_the_output_open_does_not_hold_us(
    machine: Machine, scripted: ScriptedServer, program: Path, tmp_path: Path
) -> None:
    pid = tmp_path / "pid"
    script(
        program,
        f"{PRINTS}; setsid sh -c 'echo $$ > {pid}; exec sleep 600' &\nwhile ! [ -s {pid} ]; do sleep 0.01; done",
    )
    assert machine.run("token", "--deadline", "60s", env=given_by(scripted, str(program))).code == 0
    os.kill(int(pid.read_text()), signal.SIGKILL)


def test_a_daemon_that_the_command_starts_and_lets_go_is_left_alone(
    shell: Shell, scripted: ScriptedServer, program: Path, tmp_path: Path
) -> None:
    pid = tmp_path / "pid"
    script(program, f"sleep 600 >/dev/null 2>&1 & echo $! > {pid}; {PRINTS}")
    assert shell("token", env=given_by(scripted, str(program))).code == 0
    assert alive(int(pid.read_text()))
    os.kill(int(pid.read_text()), signal.SIGKILL)


def test_the_command_gets_no_input_and_no_secret_of_ours_in_its_arguments(
    shell: Shell, scripted: ScriptedServer, program: Path
) -> None:
    script(program, f'[ -z "$(cat)" ] && [ $# = 0 ] && [ -n "${NESTED}" ] && {PRINTS}')
    assert shell("token", env=given_by(scripted, str(program))).code == 0


@pytest.mark.parametrize(
    "command", [f"/nowhere/get-secret {CANARY}", f"no-such-program {CANARY}", f"PASSWORD={CANARY} op"]
)
def test_a_command_that_is_not_there_is_refused(shell: Shell, scripted: ScriptedServer, command: str) -> None:
    refused(shell("token", env=given_by(scripted, command)), 4, "was not found", "on PATH")


def test_a_command_that_cannot_be_executed_is_refused(
    shell: Shell, scripted: ScriptedServer, program: Path, tmp_path: Path
) -> None:
    program.write_text(PRINTS)
    for command in (program, tmp_path):
        refused(shell("token", env=given_by(scripted, f"{command} {CANARY}")), 4, "cannot be run", "executable")


@pytest.mark.parametrize("provider", ["command", "command:"])
def test_a_command_is_needed(shell: Shell, provider: str) -> None:
    refused(shell("token", "--provider", provider), 2, "the provider command needs a command")


def test_a_command_with_an_open_quotation_mark_is_refused(shell: Shell) -> None:
    done = shell("token", "--provider", f"command:x '{CANARY}")
    refused(done, 2, "command.argv (flag --provider) must be a command; a quotation mark is not closed")


@pytest.mark.parametrize("pinned", [{}, {"GC_CREDHELPER_CLIENT_ID": "an-id"}])
@pytest.mark.parametrize(
    "text", [f"exec {GC} token", f"{GC} token || true", f"{GC} token -o raw", f"{GC} token | sed s/x/y/"]
)
def test_a_command_that_calls_us_back_is_refused_at_once(
    machine: Machine, scripted: ScriptedServer, program: Path, text: str, pinned: dict[str, str]
) -> None:
    script(program, text)
    done = machine.run("token", env=given_by(scripted, str(program)) | pinned)
    refused(done, 2, "the command of the provider command called gc-credhelper again", "not a token")
    assert not scripted.requests


def test_a_command_may_call_us_for_another_client(machine: Machine, scripted: ScriptedServer, program: Path) -> None:
    scripted.answers = [token("inner"), token("outer")]
    inner = "GENESYS_CLOUD_CLIENT_ID=inner-id GENESYS_CLOUD_CLIENT_SECRET=s"
    script(program, f"{inner} {GC} token --provider env >/dev/null && {PRINTS}")
    assert machine.run("token", "-o", "raw", env=given_by(scripted, str(program))).out == "outer\n"


@pytest.mark.parametrize("mode", [0o666, 0o660, 0o602])
def test_a_config_file_that_others_can_write_names_no_command(
    shell: Shell, scripted: ScriptedServer, program: Path, tmp_path: Path, mode: int
) -> None:
    script(program, f"touch {tmp_path / 'ran'}; {PRINTS}")
    for lines in (f"provider = 'command:{program}'", f"provider = 'command'\ncommand.argv = '{program}'"):
        config = shell.write_config(f"[profiles.default]\ntoken_url = '{scripted.token_url}'\n{lines}\n")
        config.chmod(mode)
        refused(shell("token"), 2, f"{config} names a command, but others can write it", "chmod go-w")
    assert not (tmp_path / "ran").exists()
    config.chmod(0o644)
    assert shell("token").code == 0


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away")
def test_a_config_file_of_somebody_else_names_no_command(shell: Shell, scripted: ScriptedServer) -> None:
    config = shell.write_config("[profiles.default]\nprovider = 'command:true'\n")
    config.chmod(0o600)
    os.chown(config, 12_345, -1)
    refused(shell("token"), 2, "uid 12345")


def test_a_config_file_that_others_can_write_is_fine_when_it_names_no_command(
    shell: Shell, scripted: ScriptedServer, program: Path
) -> None:
    shell.write_config(f"[profiles.default]\ntoken_url = '{scripted.token_url}'\n").chmod(0o666)
    assert shell("token", env=given_by(scripted, script(program, PRINTS))).code == 0


@pytest.mark.parametrize("name", ["PASSWORD_STORE_DIR", "SOPS_AGE_KEY_FILE", "MY_TOKEN"])
def test_another_value_of_a_listed_variable_never_gives_the_token_of_another_client(
    machine: Machine, scripted: ScriptedServer, program: Path, name: str
) -> None:
    scripted.answers = [token("one"), token("two")]
    script(program, f'echo "{{\\"client_id\\": \\"${name}-id\\", \\"client_secret\\": \\"s\\"}}"')
    time.sleep(2.1)  # or nothing is recorded, whatever the variable
    env = given_by(scripted, str(program)) | {"GC_CREDHELPER_COMMAND_ENV": name}
    assert machine.run("token", "-o", "raw", env=env | {name: "first"}).out == "one\n"
    assert machine.run("token", "-o", "raw", env=env | {name: "second"}).out == "two\n"


def test_a_command_that_was_edited_runs_again(machine: Machine, scripted: ScriptedServer, program: Path) -> None:
    scripted.answers = [token("one"), token("two")]
    script(program, PRINTS)
    time.sleep(2.1)  # or nothing is recorded, edited or not
    env = given_by(scripted, str(program))
    assert machine.run("token", "-o", "raw", env=env).out == "one\n"
    script(program, PRINTS.replace("an-id", "other-id"))
    assert machine.run("token", "-o", "raw", env=env).out == "two\n"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT])
def test_a_signal_ends_the_command_and_removes_its_marker(
    machine: Machine, scripted: ScriptedServer, program: Path, tmp_path: Path, number: signal.Signals
) -> None:
    pid, temporary = tmp_path / "pid", tmp_path / "temporary"
    temporary.mkdir()
    script(program, f"echo $$ > {pid}.new; mv {pid}.new {pid}; exec sleep 321")
    with machine.start("token", env=given_by(scripted, str(program)) | {"TMPDIR": str(temporary)}) as child:
        while not pid.exists():
            assert child.poll() is None
            time.sleep(0.01)
        child.send_signal(number)
        assert child.wait(60) in (128 + number, -number)
    assert ends(int(pid.read_text()))
    assert not [path for path in temporary.iterdir() if path.is_file()]


def test_no_frame_of_an_error_holds_what_the_command_printed(program: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    script(program, f'echo \'{{"client_id": "a", "secret": "{CANARY}"}}\'')
    monkeypatch.setenv("GC_CREDHELPER_PROVIDER", f"command:{program}")
    with pytest.raises(CredentialsError) as caught:
        App(Inputs([], environment()), {}, Report()).provider.credentials(Deadline(60))
    shown = "".join(traceback.TracebackException.from_exception(caught.value, capture_locals=True).format())
    assert CANARY not in shown
