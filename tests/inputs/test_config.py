"""The config file: where it lies, what is wrong with it, and what it may not hold."""

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from gc_credhelper.app import App, environment
from gc_credhelper.errors import Error
from gc_credhelper.plan import Inputs
from gc_credhelper.report import Report
from inputs.kit import CANARY, Shell, refused


@pytest.mark.parametrize(
    ("text", "line", "column"),
    [
        ("[profiles.default", 1, 18),
        ('[profiles.default]\nregion = "eu-west-1\n', 2, 20),
        (f"[profiles.default]\n\nclient_id = {CANARY}\n", 3, 13),
        ("[profiles.default]\nregion =\n", 2, 9),
        (f'[profiles.default]\ncache_dir = "\\q{CANARY}"\n', 2, 16),
    ],
)
def test_toml_that_does_not_parse_is_named_with_line_and_column(
    shell: Shell, text: str, line: int, column: int
) -> None:
    config = shell.write_config(text)
    refused(shell("token"), 2, f"{config} is not TOML", f"line {line}, column {column}")


def test_a_key_that_is_there_twice_is_refused_without_its_values(shell: Shell) -> None:
    shell.write_config(f'[profiles.default]\nregion = "a"\nregion = "{CANARY}"\n')
    refused(shell("token"), 2, "is not TOML", "line 3")


@pytest.mark.parametrize("content", [b"\xff\xfe[\x00p\x00", b"[profiles.default]\nregion = '\xe9'\n"])
def test_what_is_not_utf8_is_refused(shell: Shell, content: bytes) -> None:
    refused(shell_with(shell, content)("token"), 2, "is not UTF-8", "save the file as UTF-8")


def shell_with(shell: Shell, content: str | bytes) -> Shell:
    shell.write_config(content)
    return shell


def test_a_byte_order_mark_is_nothing(shell: Shell) -> None:
    shell.write_config(b"\xef\xbb\xbf[profiles.default]\r\nregion = 'euw1'\r\n")
    assert shell.settings()["region"][0] == "euw1"


@pytest.mark.parametrize(
    "text", ["", "# nothing\n", "[profiles]\n", "[profiles.default]\n", "[profiles.other]\nregion='x'\n"]
)
def test_an_empty_config_changes_nothing(shell: Shell, text: str) -> None:
    before = shell.settings()
    shell.write_config(text)
    assert shell.settings() == before


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("profiles = 1", "profiles in"),
        ("[[profiles]]", "profiles in"),
        ("[profiles]\ndefault = 'x'", "profiles.default in"),
        ("[[profiles.default]]\nregion = 'x'", "profiles.default in"),
    ],
)
def test_profiles_are_tables(shell: Shell, text: str, said: str) -> None:
    refused(shell_with(shell, text)("token"), 2, said, "is not a table", "[profiles.NAME]")


@pytest.mark.parametrize(
    "line",
    [
        f"region = ['{CANARY}']",
        f"region = {{a = '{CANARY}'}}",
        "region = true",
        "region = ''",
        "region = 1979-05-27",
        f"cache = {{a = '{CANARY}'}}",
        "cache = []",
        f"cache = ['file', {{a = '{CANARY}'}}]",
        "cache = 5",
        "deadline = true",
        f"deadline = ['{CANARY}']",
        "deadline = -1",
        "min_ttl = 00:30:00",
        "min_ttl = inf",
        f"token_url = ['{CANARY}']",
        f"client_auth = ['{CANARY}']",
        "provider = false",
        "client_id = ' '",
    ],
)
def test_a_value_of_the_wrong_type_names_setting_and_place(shell: Shell, line: str) -> None:
    config = shell.write_config(f"[profiles.default]\n{line}\n")
    refused(shell("token"), 2, f"{line.split(maxsplit=1)[0]} (profile default in {config}) must be")


@pytest.mark.parametrize(
    "line", ["command.argv = 5", f"command.argv = {{a = '{CANARY}'}}", "command.argv = ['x', 5]", "command.argv = []"]
)
def test_a_command_is_a_text_or_a_list_of_texts(shell: Shell, line: str) -> None:
    shell.write_config(f"[profiles.default]\nprovider = 'command'\n{line}\n")
    refused(shell("token"), 2, "command.argv", "must be a command")


def test_numbers_are_durations_too(shell: Shell) -> None:
    shell.write_config("[profiles.default]\ndeadline = 20\nmin_ttl = 1.5\n")
    found = shell.settings()
    assert (found["deadline"][0], found["min_ttl"][0]) == ("20s", "1.5s")


def test_a_cache_may_be_a_list(shell: Shell) -> None:
    shell.write_config("[profiles.default]\ncache = ['memory', 'file:/somewhere']\n")
    assert shell.settings()["cache"][0] == "memory,file:/somewhere"


@pytest.mark.parametrize(
    ("line", "name", "hint"),
    [
        ("regoin = '{}'", "regoin", "did you mean region?"),
        ("token-url = '{}'", "token-url", "did you mean token_url"),
        ("frobnicate = '{}'", "frobnicate", "known: api_url, cache"),
        ("profile = '{}'", "profile", "needed before a profile is read"),
        ("config = '{}'", "config", "needed before a profile is read"),
        ("valt = {{ addr = '{}' }}", "valt", "did you mean vault?"),
        ("vault = '{}'", "vault", "known: "),
        ("env.prefx = '{}'", "env.prefx", "did you mean env.prefix?"),
        ("file.pth = '{}'", "file.pth", "did you mean file.path?"),
    ],
)
def test_an_unknown_key_is_named_with_its_place_and_the_nearest_one(
    shell: Shell, line: str, name: str, hint: str
) -> None:
    config = shell.write_config(f"[profiles.default]\n{line.format(CANARY)}\n")
    refused(shell("token"), 2, f"there is no setting {name} (profile default in {config})", hint)


@pytest.mark.parametrize(
    "text",
    [
        f"[profiles.default]\nclient_secret = '{CANARY}'\n",
        f"[profiles.default]\nsecret = '{CANARY}'\n",
        f"[profiles.default]\nCLIENT_SECRET = '{CANARY}'\n",
        f"[profiles.default]\npassword = '{CANARY}'\n",
        f"[profiles.default]\naccess_token = '{CANARY}'\n",
        f"[profiles.default]\nenv.client_secret = '{CANARY}'\n",
        f"client_secret = '{CANARY}'\n",
    ],
)
def test_a_secret_in_the_config_file_is_refused_unshown(shell: Shell, text: str) -> None:
    shell.write_config(text)
    refused(shell("token"), 2, "no secret belongs there; name a provider that holds it")


@pytest.mark.parametrize("text", ["region = 'euw1'\n", "[profile.default]\nregion = 'euw1'\n", "[default]\n"])
def test_settings_outside_of_profiles_are_refused(shell: Shell, text: str) -> None:
    refused(shell_with(shell, text)("token"), 2, "there is no key", "settings belong below [profiles.NAME]")


def test_a_table_of_a_plugin_that_is_not_in_use_is_left_alone(shell: Shell) -> None:
    shell.write_config("[profiles.default.vault]\naddr = 'x'\n[profiles.default.command]\nargv = 'true'\n")
    assert shell("status").code == 0


def test_a_profile_may_speak_of_the_role_that_a_flag_displaced(shell: Shell) -> None:
    shell.write_config("[profiles.default]\nprovider = 'file'\nfile.path = 'x.json'\nfile.directory = '/somewhere'\n")
    assert shell("status", "--provider", "env").code == 0
    assert shell("status", "--cache", "memory").code == 0


def test_a_table_of_the_provider_reaches_it(shell: Shell) -> None:
    config = shell.write_config("[profiles.default.env]\nprefix = 'MY'\n")
    found = shell.settings(env={"MY_CLIENT_ID": "an-id"})
    assert found["env.prefix"] == ("MY_", f"profile default in {config}")
    assert found["(client id)"][0] == "an-id"


def test_an_unknown_profile_gets_the_nearest_one(shell: Shell) -> None:
    config = shell.write_config("[profiles.prod]\n[profiles.staging]\n")
    refused(
        shell("token", "--profile", "stagin"), 2, f"there is no profile stagin (flag --profile) in {config}", "staging?"
    )
    refused(shell("token", env={"GC_CREDHELPER_PROFILE": "PROD"}), 2, "(variable GC_CREDHELPER_PROFILE)", "prod?")
    refused(shell("token", "--profile", "x"), 2, "known: prod, staging")
    refused(shell("token", "--profile", CANARY), 2, "of that name")


def test_a_profile_without_a_config_file_is_refused(shell: Shell) -> None:
    refused(shell("token", "--profile", "prod"), 2, "there is no profile prod (flag --profile)", str(shell.config))
    refused(shell("token", "--profile", CANARY), 2, "unset --profile")


def test_a_config_file_that_was_named_must_be_there(shell: Shell, tmp_path: Path) -> None:
    gone = tmp_path / "gone.toml"
    for argv, env, origin in (
        (["--set", f"config={gone}"], {}, "flag --set config"),
        ([], {"GC_CREDHELPER_CONFIG": str(gone)}, "variable GC_CREDHELPER_CONFIG"),
    ):
        refused(shell("token", *argv, env=env), 2, f"{gone} ({origin}) cannot be read", "No such file")


def test_a_config_that_was_named_is_read_and_the_default_one_is_not(shell: Shell, tmp_path: Path) -> None:
    shell.write_config("this is not TOML")
    other = tmp_path / "other.toml"
    other.write_text("[profiles.default]\nregion = 'euw2'\n")
    found = shell.settings(env={"GC_CREDHELPER_CONFIG": str(other)})
    assert found["region"] == ("euw2", f"profile default in {other}")
    assert found["config"] == (str(other), "variable GC_CREDHELPER_CONFIG")


def test_the_config_lies_where_xdg_says(shell: Shell, tmp_path: Path) -> None:
    place = tmp_path / "xdg" / "gc-credhelper"
    place.mkdir(parents=True)
    (place / "config.toml").write_text("[profiles.default]\nregion = 'euw2'\n")
    assert shell.settings(env={"XDG_CONFIG_HOME": str(tmp_path / "xdg")})["region"][0] == "euw2"
    assert shell.settings(env={"XDG_CONFIG_HOME": "not/absolute"})["region"][0] == "mypurecloud.com"


def test_nothing_is_read_from_the_working_directory(shell: Shell) -> None:
    for name in ("config.toml", "gc-credhelper.toml", ".gc-credhelper.toml", ".env"):
        (shell.home / name).write_text("[profiles.default]\nregion = 'euw2'\n")
    assert shell.settings()["region"][1] == "default"


def test_a_directory_in_place_of_the_config_is_refused(shell: Shell) -> None:
    shell.config.mkdir(parents=True)
    refused(shell("token"), 2, f"{shell.config} cannot be read: Is a directory")


def test_a_default_config_that_cannot_be_reached_is_none(shell: Shell, tmp_path: Path) -> None:
    loop = tmp_path / "loop"
    loop.symlink_to(loop)
    assert shell.settings(env={"XDG_CONFIG_HOME": str(loop)})["region"][1] == "default"
    refused(shell("token", env={"GC_CREDHELPER_CONFIG": str(loop)}), 2, "cannot be read")
    refused(shell("token", env={"GC_CREDHELPER_CONFIG": "x" * 5000}), 2, "cannot be read")


@pytest.mark.parametrize("text", ["a = " + "9" * 5000, "a = " + "[" * 5000])
def test_values_beyond_all_measure_are_refused(shell: Shell, text: str) -> None:
    refused(shell_with(shell, text)("token"), 2, "beyond all measure")


KEYS = st.sampled_from(
    ["region", "provider", "cache", "token_url", "api_url", "client_id", "min_ttl", "deadline", "cache_dir", "env"]
)


def toml(value: object) -> str:
    """A value as TOML writes it; strings as basic strings with every odd character escaped."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        return '"' + "".join(f"\\U{ord(character):08x}" for character in value) + '"'
    if isinstance(value, list):
        return "[" + ", ".join(map(toml, value)) + "]"
    return str(value)


TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
VALUES = st.recursive(
    st.booleans() | st.integers(-(10**12), 10**12) | st.floats() | TEXT, lambda v: st.lists(v, max_size=3), max_leaves=4
)


@hypothesis_settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=150, deadline=None)
@given(profile=st.dictionaries(KEYS, VALUES, max_size=4))
def test_any_profile_is_used_or_refused_with_an_error_of_ours(tmp_path: Path, profile: dict[str, object]) -> None:
    config = tmp_path / "config.toml"
    config.write_text("[profiles.default]\n" + "".join(f"{key} = {toml(value)}\n" for key, value in profile.items()))
    inputs = Inputs([], {**environment(), b"GC_CREDHELPER_CONFIG": bytes(config)})
    try:
        app = App(inputs, {}, Report())
        assert app.endpoints.token_url.startswith("http")
    except Error as e:
        assert e.exit_code in (2, 3)  # noqa: PT017  # most profiles are fine, and nothing is raised


@hypothesis_settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=100, deadline=None)
@given(content=st.binary(max_size=60) | st.text("[]profiles.default=\"'\n #{},1a", max_size=60).map(str.encode))
def test_any_file_is_read_or_refused_with_an_error_of_ours(tmp_path: Path, content: bytes) -> None:
    config = tmp_path / "config.toml"
    config.write_bytes(content)
    inputs = Inputs([], {**environment(), b"GC_CREDHELPER_CONFIG": bytes(config)})
    try:
        App(inputs, {}, Report())
    except Error as e:
        assert (e.exit_code, bool(e.hint)) == (2, True)  # noqa: PT017  # many files are fine
