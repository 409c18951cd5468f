"""`status`: everything that one needs to know at three in the morning, and nothing that one must not."""

import json
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from support import Machine, client
from support.scripted import ScriptedServer, token

from gc_credhelper import tokens
from gc_credhelper.app import App, environment
from gc_credhelper.commands.status import span
from gc_credhelper.entry import Whose
from gc_credhelper.plan import Inputs
from gc_credhelper.report import Report
from gc_credhelper.tokens import AccessToken
from inputs.kit import CANARY, Shell, refused, script

TOKEN = "canary-token-Zq81"


@pytest.fixture
def entries(shell: Shell, scripted: ScriptedServer) -> Callable[[], list[dict[str, object]]]:
    """One token in the cache, and what `status` says of the cache."""
    scripted.answers = [token(TOKEN, 1000)]
    assert shell("token", env=client(scripted)).code == 0

    def read() -> list[dict[str, object]]:
        done = shell("status", "--json", env=client(scripted))
        assert (done.code, done.err) == (0, "")
        assert TOKEN not in done.out
        found: list[dict[str, object]] = json.loads(done.out)["entries"]
        people = shell("status", env=client(scripted))
        assert TOKEN not in people.out + people.err
        assert all(str(entry["state"]) in people.out for entry in found)
        return found

    return read


def file_of(shell: Shell) -> Path:
    (found,) = shell.home.rglob("*.token")
    return found


def shift(path: Path, seconds: float) -> None:
    """Make the entry older."""
    text = path.read_text()
    found = tokens.load(text, path.stem)
    assert found
    old, mark = found
    times = (old.issued_at - seconds, old.expires_at - seconds)
    aged = AccessToken(old.value, *times, refresh_at=old.refresh_at - seconds)
    path.write_text(tokens.dump(aged, path.stem, mark, text.partition("\n")[2].strip()))


Entries = Callable[[], list[dict[str, object]]]


def test_an_entry_is_shown_with_age_remaining_life_and_slot(
    shell: Shell, scripted: ScriptedServer, entries: Entries
) -> None:
    (entry,) = entries()
    key = Whose(scripted.token_url, "basic", scripted.client_id).key
    assert entry["cache"] == "file"
    assert entry["key"] == key[:12]
    assert entry["client_id"] == scripted.client_id
    assert entry["token_url"] == scripted.token_url
    assert entry["slot"] == 0
    assert entry["state"] == "fresh"
    assert isinstance(entry["age"], int)
    assert 0 <= entry["age"] <= 60
    assert isinstance(entry["remaining"], int)
    assert 900 <= entry["remaining"] <= 1000


@pytest.mark.parametrize(
    ("age", "state"),
    [(300, "fresh"), (790, "due for a refresh"), (920, "too old to be handed out"), (2000, "expired")],
)
def test_the_state_follows_the_windows(shell: Shell, entries: Entries, age: int, state: str) -> None:
    shift(file_of(shell), age)
    (entry,) = entries()
    assert entry["state"] == state
    assert isinstance(entry["age"], int)
    assert age <= entry["age"] <= age + 60
    if state == "expired":
        assert entry["remaining"] == 0


@pytest.mark.parametrize("content", ["", "junk", "gcct1 \n", "\x1b[31mjunk\n\x1b[31m 0 http://x/\n"])
def test_a_damaged_entry_is_shown_as_such(shell: Shell, entries: Entries, content: str) -> None:
    file_of(shell).write_text(content)
    (entry,) = entries()
    assert (entry["state"], entry["age"], entry["remaining"]) == ("damaged", None, None)


def test_a_rejected_token_is_shown_as_such(
    shell: Shell, scripted: ScriptedServer, entries: Entries, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = file_of(shell).read_bytes()
    with monkeypatch.context() as patch:
        for name, value in client(scripted).items():
            patch.setenv(name, value)
        App(Inputs([], environment()), {}, Report()).source.reject(TOKEN)
    assert not entries()
    place = shell.home / ".cache" / "gc-credhelper"
    path = place / f"{Whose(scripted.token_url, 'basic', scripted.client_id).key}.token"
    path.write_bytes(kept)
    path.chmod(0o600)
    (entry,) = entries()
    assert entry["state"] == "rejected"


def test_control_characters_of_an_entry_do_not_reach_the_terminal(
    shell: Shell, scripted: ScriptedServer, entries: Entries
) -> None:
    path = file_of(shell)
    path.write_text(path.read_text().partition("\n")[0] + "\n\x1b[31mevil 0 http://x/\n")
    assert len(entries()) == 1
    assert "\x1b" not in shell("status", env=client(scripted)).out


def test_an_empty_cache_says_so(shell: Shell) -> None:
    assert shell("status").out.endswith("\nno cached token\n")


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [(0, "0s"), (59, "59s"), (60, "1m 0s"), (3599, "59m 59s"), (3600, "1h 0m"), (86_399, "23h 59m"), (90_000, "1d 1h")],
)
def test_lengths_of_time_are_readable(seconds: int, shown: str) -> None:
    assert span(seconds) == shown


def test_the_columns_stand_below_each_other(shell: Shell, scripted: ScriptedServer, entries: Entries) -> None:
    out = shell("status", env=client(scripted)).out
    first, second = out.split("\n\n")
    for block in (first, second):
        lines = block.splitlines()
        assert lines[0].startswith(("name", "cache"))
        start = lines[0].index("value" if block is first else "state")
        assert all(line[start - 1] == " " != line[start] for line in lines)
    assert "  15m" in second or "  16m" in second


def test_no_secret_is_shown(shell: Shell, scripted: ScriptedServer, tmp_path: Path) -> None:
    (tmp_path / "creds.json").write_text(json.dumps({"client_id": "an-id", "client_secret": CANARY}))
    (tmp_path / "secret").write_text(CANARY)
    program = script(tmp_path / "get-secret", f"echo {CANARY}")
    providers: list[dict[str, str]] = [
        {"GENESYS_CLOUD_CLIENT_ID": "an-id", "GENESYS_CLOUD_CLIENT_SECRET": CANARY},
        {"GENESYS_CLOUD_CLIENT_ID": "an-id", "GENESYS_CLOUD_CLIENT_SECRET_FILE": str(tmp_path / "secret")},
        {"GENESYS_CLOUD_CLIENT_ID": "an-id", "GENESYS_CLOUD_CLIENT_SECRET_FILE": CANARY},
        {"GC_CREDHELPER_PROVIDER": f"file:{tmp_path / 'creds.json'}"},
        {"GC_CREDHELPER_PROVIDER": f"command:{program} --password {CANARY}"},
        {"GC_CREDHELPER_PROVIDER": f"command:PASSWORD={CANARY} {program}"},
        {"GC_CREDHELPER_PROVIDER": "command", "GC_CREDHELPER_COMMAND_ARGV": f"{program} {CANARY}"},
    ]
    for env in providers:
        for argv in ([], ["--json"], ["-vv"]):
            done = shell("status", *argv, env=env)
            assert done.code == 0, done.err
            assert CANARY not in done.out + done.err


def test_the_program_of_a_command_is_shown(shell: Shell, tmp_path: Path) -> None:
    found = shell.settings("--provider", f"command:/usr/bin/op read {CANARY}")
    assert found["provider"][0] == "command:op …"
    assert found["(client id)"][0] == "known once the provider was read"
    found = shell.settings("--set", f"command.argv=op read {CANARY}", "--provider", "command")
    assert found["command.argv"] == ("op …", "flag --set command.argv")


@pytest.mark.parametrize(
    "env",
    [
        {},
        {"GENESYS_CLOUD_CLIENT_SECRET": CANARY},
        {"GENESYS_CLOUD_CLIENT_ID": "x", "GENESYS_CLOUD_CLIENT_ID_FILE": "y"},
        {"GENESYS_CLOUD_CLIENT_ID_FILE": "/nowhere"},
        {"GC_CREDHELPER_PROVIDER": "file:/nowhere"},
        {"GC_CREDHELPER_PROVIDER": "file"},
        {"GC_CREDHELPER_PROVIDER": "command"},
    ],
)
def test_status_works_with_a_provider_that_does_not(shell: Shell, env: dict[str, str]) -> None:
    done = shell("status", "--json", env=env)
    assert (done.code, done.err) == (0, "")
    rows = {row["name"]: row for row in json.loads(done.out)["settings"]}
    assert rows["(client id)"]["value"].startswith("not known: ")


def test_status_asks_no_server_and_runs_no_command(machine: Machine, scripted: ScriptedServer, tmp_path: Path) -> None:
    program = script(tmp_path / "get-secret", f"touch {tmp_path / 'ran'}")
    env = client(scripted, GC_CREDHELPER_PROVIDER=f"command:{program}")
    assert machine.run("status", env=env).code == 0
    assert machine.run("status", env=client(scripted)).code == 0
    assert not scripted.requests
    assert not (tmp_path / "ran").exists()
    assert not machine.cache.exists()


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("GC_CREDHELPER_REGOIN", "did you mean GC_CREDHELPER_REGION"),
        ("GC_CREDHELPER_CLIENT_SECRET", "no secret belongs there; name a provider that holds it"),
        ("GC_CREDHELPER_ENV_PREFX", "did you mean GC_CREDHELPER_ENV_PREFIX"),
        ("GC_CREDHELPER_FROBNICATE", "GC_CREDHELPER_"),
    ],
)
def test_a_variable_that_sets_nothing_is_warned_of(shell: Shell, name: str, said: str) -> None:
    done = shell("status", env={name: CANARY})
    assert done.code == 0
    (warning,) = done.warnings
    assert warning.startswith(f"there is no setting for the variable {name}: ")
    assert said in warning
    assert CANARY not in done.out + done.err


@pytest.mark.parametrize(
    "env",
    [
        {"GC_CREDHELPER_VAULT_ADDR": "x"},
        {"GC_CREDHELPER_FILE_PATH": "x"},
        {"GC_CREDHELPER_COMMAND_ARGV": "x"},
        {"GC_CREDHELPER_REGION": ""},
        {"GC_CREDHELPER_PROVIDER": "env:GC_CREDHELPER_X", "GC_CREDHELPER_X_CLIENT_ID": "x"},
    ],
)
def test_a_variable_of_something_that_is_installed_or_known_is_not_warned_of(shell: Shell, env: dict[str, str]) -> None:
    done = shell("status", env=env)
    assert (done.code, done.err) == (0, "")


def test_other_commands_do_not_warn_of_variables(shell: Shell, scripted: ScriptedServer) -> None:
    assert shell("token", env=client(scripted, GC_CREDHELPER_FROBNICATE="x")).err == ""


def test_a_cache_directory_that_cannot_be_listed_is_a_warning(
    shell: Shell, scripted: ScriptedServer, tmp_path: Path
) -> None:
    (tmp_path / "file").touch()
    done = shell("status", env=client(scripted, GC_CREDHELPER_CACHE_DIR=str(tmp_path / "file")))
    assert done.code == 0
    assert len(done.warnings) == 1
    assert "the cache file cannot be listed" in done.warnings[0]


def test_the_cache_directory_is_shown_with_the_variable_that_decided(shell: Shell, tmp_path: Path) -> None:
    found = shell.settings(env={"RUNNER_TEMP": str(tmp_path)})
    assert found["(cache directory)"][0].startswith(str(tmp_path))
    assert found["(cache directory)"][1] == "variable RUNNER_TEMP"
    found = shell.settings("--set", f"cache_dir={tmp_path}", env={"RUNNER_TEMP": "/elsewhere"})
    assert found["(cache directory)"][1] == "flag --set cache_dir"


def test_status_shows_what_is_wrong_with_the_region(shell: Shell) -> None:
    found = shell.settings("--region", "nowhere")
    for name in ("(token endpoint)", "(Platform API)"):
        assert found[name] == ("not known: unknown region nowhere (flag --region)", "-")
    assert CANARY not in shell("status", "--region", CANARY).out


def test_status_says_who_decided_the_platform_api(shell: Shell) -> None:
    found = shell.settings("--region", "eu-west-1", env={"GC_CREDHELPER_API_URL": "https://api.mypurecloud.ie"})
    assert found["(Platform API)"] == ("https://api.mypurecloud.ie", "region mypurecloud.ie (flag --region)")


@pytest.mark.parametrize("command", ["status", "token"])
def test_a_client_id_with_the_secret_behind_it_is_refused_unseen(shell: Shell, command: str) -> None:
    refused(shell(command, env={"GC_CREDHELPER_CLIENT_ID": f"myid:{CANARY}"}), 2, "the client id holds a colon")


def test_nothing_is_waited_for(shell: Shell) -> None:
    started = time.monotonic()
    assert shell("status", "--token-url", "https://192.0.2.1/oauth/token").code == 0
    assert time.monotonic() - started < 20
