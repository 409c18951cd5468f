"""Each setting in each layer, the order of the layers, and what a value may be."""

from urllib.parse import urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gc_credhelper import kinds, settings
from gc_credhelper.settings import SETTINGS, Setting
from inputs.kit import CANARY, Shell, refused

VALUES = {  # as written, and as `status` shows it
    "provider": ("file:creds.json", "file:creds.json"),
    "cache": ("memory", "memory"),
    "cache_dir": ("/nowhere/cache", "/nowhere/cache"),
    "region": ("eu-west-1", "eu-west-1"),
    "token_url": ("https://login.example.org/oauth/token", "https://login.example.org/oauth/token"),
    "api_url": ("https://api.example.org", "https://api.example.org"),
    "client_id": ("an-id", "an-id"),
    "client_auth": ("body", "body"),
    "min_ttl": ("45m", "2700s"),
    "verify": ("10m", "600s"),
    "deadline": ("10s", "10s"),
    "slots": ("4", "4"),
    "slot": ("2", "2"),
    "strict": ("yes", "yes"),
    "helper_hosts": ("api.example.org:8443", "api.example.org:8443"),
    "client_cert": ("cert.pem", "cert.pem"),
    "client_key": ("key.pem", "key.pem"),
}
PLATFORM = ("GENESYS_CLOUD_REGION", "GENESYSCLOUD_REGION", "GENESYS_CLOUD_ENVIRONMENT", "PURECLOUD_ENVIRONMENT")
ROWS = {row.name: row for row in SETTINGS}


def flag(name: str, value: str) -> list[str]:
    row = ROWS[name]
    return [row.option, value] if row.flag else ["--set", f"{name}={value}"]


def test_the_table_of_these_tests_is_complete() -> None:
    assert VALUES.keys() == {row.name for row in SETTINGS if not row.bootstrap}


@pytest.mark.parametrize("name", VALUES)
def test_a_setting_comes_from_its_flag(shell: Shell, name: str) -> None:
    written, shown = VALUES[name]
    assert shell.settings(*flag(name, written))[name] == (shown, f"flag {ROWS[name].option}")


@pytest.mark.parametrize("name", VALUES)
def test_every_setting_can_be_given_with_set(shell: Shell, name: str) -> None:
    written, shown = VALUES[name]
    for spelling in (name, name.replace("_", "-")):
        assert shell.settings("--set", f"{spelling}={written}")[name] == (shown, f"flag --set {spelling}")


@pytest.mark.parametrize("name", VALUES)
def test_a_setting_comes_from_its_variable(shell: Shell, name: str) -> None:
    written, shown = VALUES[name]
    variable = "GC_CREDHELPER_" + name.upper()
    assert shell.settings(env={variable: written})[name] == (shown, f"variable {variable}")


@pytest.mark.parametrize("name", VALUES)
def test_a_setting_comes_from_the_profile(shell: Shell, name: str) -> None:
    written, shown = VALUES[name]
    config = shell.write_config(f'[profiles.ci]\n{name} = "{written}"\n')
    assert shell.settings("--profile", "ci")[name] == (shown, f"profile ci in {config}")


@pytest.mark.parametrize("variable", PLATFORM)
def test_the_region_comes_from_the_variables_of_other_tools(shell: Shell, variable: str) -> None:
    found = shell.settings(env={variable: "mypurecloud.ie"})
    assert found["region"] == ("mypurecloud.ie", f"variable {variable}")
    assert found["(token endpoint)"][0] == "https://login.mypurecloud.ie/oauth/token"


def test_the_nearer_of_two_platform_variables_wins(shell: Shell) -> None:
    env = dict(zip(PLATFORM, ("mypurecloud.ie", "mypurecloud.de", "mypurecloud.jp", "usw2.pure.cloud"), strict=True))
    while env:
        variable, value = next(iter(env.items()))
        assert shell.settings(env=env)["region"] == (value, f"variable {variable}")
        del env[variable]


def test_defaults_are_those_of_the_reference(shell: Shell) -> None:
    found = shell.settings()
    assert {origin for name, (_, origin) in found.items() if name in ROWS} == {"default"}
    assert found["provider"][0] == "env"
    assert found["cache"][0] == "file"
    assert found["profile"][0] == "default"
    assert found["config"][0] == str(shell.config)
    assert found["region"][0] == "mypurecloud.com"
    assert found["client_auth"][0] == "basic"
    assert found["deadline"][0] == "30s"


@pytest.mark.parametrize("name", [name for name in VALUES if name != "region"])
def test_flag_beats_variable_beats_profile_beats_default(shell: Shell, name: str) -> None:
    written, _ = VALUES[name]
    config = shell.write_config(f'[profiles.default]\n{name} = "{written}"\n')
    variable = "GC_CREDHELPER_" + name.upper()

    def origin(*argv: str, **env: str) -> str:
        return shell.settings(*argv, env=env)[name][1]

    assert origin(*flag(name, written), **{variable: written}) == f"flag {ROWS[name].option}"
    assert origin(**{variable: written}) == f"variable {variable}"
    assert origin(**{variable: ""}) == f"profile default in {config}"
    shell.config.unlink()
    assert origin(**{variable: ""}) == "default"


def test_the_profile_beats_the_variables_of_other_tools(shell: Shell) -> None:
    shell.write_config('[profiles.default]\nregion = "mypurecloud.de"\n')
    assert shell.settings(env={"GENESYS_CLOUD_REGION": "mypurecloud.ie"})["region"][0] == "mypurecloud.de"


@pytest.mark.parametrize("variable", [*(row.variable for row in SETTINGS), *PLATFORM])
def test_an_empty_variable_is_an_unset_one(shell: Shell, variable: str) -> None:
    assert shell.settings(env={variable: ""}) == shell.settings()


@pytest.mark.parametrize("argv", [["--region", ""], ["--set", "client_id="], ["--profile="]])
def test_an_empty_flag_is_an_unset_one(shell: Shell, argv: list[str]) -> None:
    assert shell.settings(*argv) == shell.settings()


def test_status_for_people_shows_value_and_origin_too(shell: Shell) -> None:
    done = shell("status", "--region", "euw1", env={"GC_CREDHELPER_DEADLINE": "1m"})
    lines = {line.split()[0]: line.split()[1:] for line in done.out.splitlines() if line}
    assert lines["region"] == ["euw1", "flag", "--region"]
    assert lines["deadline"] == ["60s", "variable", "GC_CREDHELPER_DEADLINE"]
    assert lines["cache"] == ["file", "default"]


URLS = {"token_url": "https://gw.example.org/token", "api_url": "https://gw.example.org/api"}


@pytest.mark.parametrize(
    ("far", "near"),
    [("profile", "variable"), ("profile", "flag"), ("variable", "flag")],
)
def test_a_nearer_region_displaces_farther_urls(shell: Shell, far: str, near: str) -> None:
    env: dict[str, str] = {}
    argv: list[str] = []
    if far == "profile":
        shell.write_config("[profiles.default]\n" + "".join(f'{name} = "{url}"\n' for name, url in URLS.items()))
    else:
        env |= {f"GC_CREDHELPER_{name.upper()}": url for name, url in URLS.items()}
    if near == "variable":
        env["GC_CREDHELPER_REGION"] = "eu-west-1"
    else:
        argv = ["--region", "eu-west-1"]
    found = shell.settings(*argv, env=env)
    assert found["(token endpoint)"][0] == "https://login.mypurecloud.ie/oauth/token"
    assert found["(Platform API)"][0] == "https://api.mypurecloud.ie"


def test_a_farther_region_does_not_displace_urls(shell: Shell) -> None:
    found = shell.settings("--token-url", URLS["token_url"], env={"GENESYS_CLOUD_REGION": "eu-west-1"})
    assert found["(token endpoint)"] == (URLS["token_url"], f"token_url {URLS['token_url']} (flag --token-url)")
    assert found["(Platform API)"][0] == "not known: set api_url"


def test_a_token_url_of_the_same_layer_as_the_region_wins(shell: Shell) -> None:
    found = shell.settings("--token-url", URLS["token_url"], "--region", "eu-west-1")
    assert found["(token endpoint)"][0] == URLS["token_url"]


def test_a_token_url_of_the_table_implies_its_api_url(shell: Shell) -> None:
    found = shell.settings("--token-url", "https://Login.MyPureCloud.de/oauth/token")
    assert found["(token endpoint)"][0] == "https://login.mypurecloud.de/oauth/token"
    assert found["(Platform API)"][0] == "https://api.mypurecloud.de"


def test_an_api_url_stands_beside_a_region(shell: Shell) -> None:
    found = shell.settings("--api-url", URLS["api_url"], env={"GENESYS_CLOUD_REGION": "eu-west-1"})
    assert found["(token endpoint)"][0] == "https://login.mypurecloud.ie/oauth/token"
    assert found["(Platform API)"] == (URLS["api_url"], "api_url (flag --api-url)")


def test_a_nearer_token_url_displaces_a_farther_api_url(shell: Shell) -> None:
    found = shell.settings("--token-url", URLS["token_url"], env={"GC_CREDHELPER_API_URL": URLS["api_url"]})
    assert found["(Platform API)"][0] == "not known: set api_url"


@pytest.mark.parametrize("name", ["token_url", "api_url"])
@pytest.mark.parametrize(
    "url",
    [
        "http://login.mypurecloud.ie/oauth/token",
        "http://127.0.0.1.example.org/",
        "http://localhost.example.org/",
        "http://192.168.0.1/oauth/token",
        f"https://user:{CANARY}@login.mypurecloud.ie/oauth/token",
        f"https://{CANARY}@login.mypurecloud.ie/oauth/token",
        f"http://user:{CANARY}@127.0.0.1/oauth/token",
        f"https://login.mypurecloud.ie/oauth/token?secret={CANARY}",
        f"https://login.mypurecloud.ie/oauth/token#{CANARY}",
        f"ftp://login.mypurecloud.ie/{CANARY}",
        f"login.mypurecloud.ie/{CANARY}",
        f"https:///{CANARY}",
        f"https://login.mypurecloud.ie:0/{CANARY}",
        f"https://login.mypurecloud.ie:99999/{CANARY}",
        f"https://login.mypurecloud.ie:{CANARY}/",
        f"https://[::1/{CANARY}",
        f"https://login.mypurecloud.ie/a b{CANARY}",
        f"https://login.mypurecloud.ie\\{CANARY}",
        f"https://login.mypureclоud.ie/{CANARY}",  # noqa: RUF001  # with a Cyrillic letter
        f"javascript:{CANARY}",
        CANARY,
    ],
)
def test_a_url_to_which_no_secret_may_go_is_refused_unshown(shell: Shell, name: str, url: str) -> None:
    variable = f"GC_CREDHELPER_{name.upper()}"
    done = refused(shell("token", env={variable: url}), 2, f"{name} (variable {variable})")
    assert url not in done.err


@pytest.mark.parametrize(
    "url",
    [
        "http://localhost:8080/t",
        "http://127.0.0.1/t",
        "http://127.8.9.1:81/t",
        "http://[::1]:8080/t",
        "http://a.localhost/t",
    ],
)
def test_http_is_for_this_machine_only(shell: Shell, url: str) -> None:
    assert shell.settings("--token-url", url)["(token endpoint)"][0] == url


@pytest.mark.parametrize(
    ("written", "seconds"),
    [
        ("90s", 90),
        ("45m", 2700),
        ("2h", 7200),
        ("1d", 86_400),
        ("250ms", 0.25),
        ("77", 77),
        (" 5 m ", 300),
        ("1.5h", 5400),
    ],
)
def test_durations_are_read(written: str, seconds: float) -> None:
    assert kinds.duration(written) == seconds


@pytest.mark.parametrize("name", ["min_ttl", "deadline"])
@pytest.mark.parametrize(
    "written", [CANARY, "-1", "1e3", "inf", "nan", "5 minutes", "٣s", "1h30m", "9" * 50, "0x10", "5s5"]
)
def test_what_is_no_duration_is_refused_unshown(shell: Shell, name: str, written: str) -> None:
    option = ROWS[name].option
    refused(shell("token", f"{option}={written}"), 2, f"{name} (flag {option}) must be a duration", "45m")


@pytest.mark.parametrize("written", ["0", "0s", "2d", "999999999h"])
def test_a_deadline_is_more_than_nothing_and_at_most_a_day(shell: Shell, written: str) -> None:
    refused(shell("token", "--deadline", written), 2, "deadline (flag --deadline)")


def test_client_auth_is_one_of_two(shell: Shell) -> None:
    refused(shell("token", "--set", f"client_auth={CANARY}"), 2, "must be one of basic, body")


KINDS = {row.kind for row in SETTINGS} | {kinds.argv, kinds.items}
TOML_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.dates() | st.times(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)


@given(raw=TOML_VALUES)
def test_whatever_is_written_it_is_read_or_refused(raw: object) -> None:
    for kind in KINDS:
        try:
            kind(raw)
        except ValueError as e:
            assert str(e).startswith("must ")  # noqa: PT017  # most values are read, and nothing is raised


@given(raw=st.text(alphabet="0123456789smhd. -+eE_", max_size=12))
def test_a_duration_is_a_number_of_seconds_or_refused(raw: str) -> None:
    try:
        seconds = kinds.duration(raw)
    except ValueError:
        return
    assert 0 <= seconds < 1e14


@given(raw=st.text(max_size=40) | st.from_regex(r"https?://[^ ]{0,30}", fullmatch=True))
def test_a_url_that_is_read_is_safe_to_send_a_secret_to(raw: str) -> None:
    try:
        url = kinds.url(raw)
    except ValueError:
        return
    assert url.startswith("https://") or kinds.is_loopback(urlsplit(url).hostname or "")
    assert "@" not in url.split("/")[2]
    assert url.isascii()


@given(name=st.text(max_size=60))
def test_a_generated_secret_is_never_spoken_as_a_name(name: str) -> None:
    spoken = settings.spoken(name, ("prod", "staging"))
    assert spoken == "of that name" or settings.closest(name, ("prod", "staging")) or name.replace("-", "").islower()


@pytest.mark.parametrize("name", [CANARY, "A" * 43, "x" * 43, "9f86d081884c7d65", "hunter2", "Zx_9"])
def test_what_looks_like_a_secret_is_not_spoken(name: str) -> None:
    assert settings.spoken(name, ROWS) == "of that name"


@pytest.mark.parametrize(("name", "known"), [("onepassword", ()), ("PROD", ("prod",)), ("prod1", ("prod",))])
def test_what_looks_like_a_name_is_spoken(name: str, known: tuple[str, ...]) -> None:
    assert settings.spoken(name, known) == name


def test_a_row_of_a_plugin_has_one_variable() -> None:
    assert Setting("aws-ssm.path", kinds.text, "").variable == "GC_CREDHELPER_AWS_SSM_PATH"
