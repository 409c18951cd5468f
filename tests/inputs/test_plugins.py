"""Plug-ins through the stranger's door: distributions with entry points, good ones and broken ones."""

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from support import Machine, Run, client
from support.scripted import ScriptedServer

from gc_credhelper import plugins
from inputs.kit import CANARY, Shell, refused

PROVIDERS = "gc_credhelper.credential_providers"
CACHES = "gc_credhelper.cache_backends"
START = f"""
from gc_credhelper import ClientCredentials, Secret
from gc_credhelper.kinds import text
from gc_credhelper.settings import Setting
CANARY = "{CANARY}"
"""
PROVIDER = (
    START
    + """
class Provider:
    settings = (
        Setting("fake.addr", text, "where it is", platform=("FAKE_ADDR",)),
        Setting("fake.path", text, "where in it"),
    )
    locator = "fake.path"
    def __init__(self, context):
        self.context = context
    def client_id(self):
        return {client_id}
    def credentials(self, deadline):
        {credentials}
"""
)
CACHE = (
    START
    + """
class Cache:
    settings = ()
    locator = None
    def __init__(self, context):
        {init}
    def get(self, key):
        {get}
    def put(self, key, text):
        {put}
    def remove(self, key):
        {remove}
    def keys(self):
        {keys}
"""
)
Install = Callable[..., Path]


def provider(client_id: str = "None", credentials: str = 'return ClientCredentials("an-id", Secret(CANARY))') -> str:
    return PROVIDER.format(client_id=client_id, credentials=credentials)


def cache(**methods: str) -> str:
    fails = "raise ValueError(CANARY)"
    every = dict.fromkeys(("get", "put", "remove", "keys"), fails) | {"init": "pass"}
    return CACHE.format(**{**every, **methods})


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Install]:
    """Puts distributions into a directory on sys.path."""
    place = tmp_path / "packages"
    place.mkdir()
    monkeypatch.syspath_prepend(str(place))
    before = {*sys.modules}

    def add(
        code: str, *, group: str = PROVIDERS, name: str = "fake", dist: str = "fake-dist", points: str = ""
    ) -> Path:
        module = dist.replace("-", "_")
        (place / f"{module}.py").write_text(code)
        info = place / f"{module}-1.5.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {dist}\nVersion: 1.5\n")
        attribute = "Provider" if group == PROVIDERS else "Cache"
        (info / "entry_points.txt").write_text(points or f"[{group}]\n{name} = {module}:{attribute}\n")
        return place

    yield add
    for name in {*sys.modules} - before:
        if str(place) in str(getattr(sys.modules[name], "__file__", "")):
            del sys.modules[name]


def at(server: ScriptedServer) -> dict[str, str]:
    return {"GC_CREDHELPER_TOKEN_URL": server.token_url, "GC_CREDHELPER_PROVIDER": "fake"}


def as_module(machine: Machine, place: Path, *argv: str, env: dict[str, str]) -> Run:
    """The program as another process; its launcher would ignore PYTHONPATH."""
    done = subprocess.run(
        [sys.executable, "-m", "gc_credhelper", *argv],
        env=machine.environ(env) | {"PYTHONPATH": str(place)},
        capture_output=True,
        text=True,
        check=False,
        cwd=machine.home,
        timeout=60,
    )
    return Run(done.returncode, done.stdout, done.stderr)


def test_a_provider_is_loaded_by_its_name(shell: Shell, scripted: ScriptedServer, install: Install) -> None:
    install(provider())
    done = shell("token", env=at(scripted))
    assert (done.code, done.err) == (0, "")


def test_a_provider_works_in_a_process_of_its_own(machine: Machine, scripted: ScriptedServer, install: Install) -> None:
    place = install(provider())
    first = as_module(machine, place, "token", env=at(scripted))
    assert (first.code, first.err) == (0, "")
    assert as_module(machine, place, "token", env=at(scripted)).out == first.out
    assert len(scripted.requests) == 1


def test_only_the_plugin_that_is_named_is_loaded(shell: Shell, scripted: ScriptedServer, install: Install) -> None:
    install("raise SystemExit(9)")
    assert shell("token", env=client(scripted)).code == 0
    assert shell("plugins").code == 0


@pytest.fixture
def bare(monkeypatch: pytest.MonkeyPatch) -> None:
    """No plug-in is installed; in a checkout all of them are."""
    monkeypatch.setattr(plugins, "_entries", lambda _: [])


@pytest.mark.usefixtures("bare")
@pytest.mark.parametrize(
    ("group", "option", "name", "hint"),
    [
        (PROVIDERS, "--provider", "aws-ssm:/path", "pip install gc-credhelper-aws"),
        (PROVIDERS, "--provider", "keyring", "pip install gc-credhelper-keyring"),
        (PROVIDERS, "--provider", "aws", "pip install gc-credhelper-aws"),
        (CACHES, "--cache", "dynamodb", "pip install gc-credhelper-aws"),
        (CACHES, "--cache", "file,dynamodb:table", "pip install gc-credhelper-aws"),
    ],
)
def test_the_hint_for_a_known_plugin_is_the_exact_command(
    shell: Shell, group: str, option: str, name: str, hint: str
) -> None:
    role = "credential provider" if group == PROVIDERS else "cache backend"
    done = refused(shell("token", option, name), 3, f"there is no {role} ")
    assert done.hint == hint


@pytest.mark.parametrize(
    ("option", "name", "said"),
    [
        ("--provider", "comand", "did you mean command?"),
        ("--provider", "vualt", "did you mean vault?"),
        ("--provider", "memory", "memory is a cache backend"),
        ("--provider", "ENV", "did you mean env?"),
        ("--provider", "onepassword", "there is no credential provider onepassword"),
        ("--cache", "memry", "did you mean memory?"),
        ("--cache", "env", "env is a credential provider"),
        ("--cache", "redis", "there is no cache backend redis"),
    ],
)
def test_an_unknown_plugin_gets_the_nearest_one(shell: Shell, option: str, name: str, said: str) -> None:
    refused(shell("token", option, name), 3, said)


def test_none_beside_another_cache_is_refused(shell: Shell) -> None:
    refused(shell("token", "--cache", "file,none"), 2, "cache none stands beside another cache")


def test_a_reference_for_a_plugin_that_takes_none_is_refused(shell: Shell, scripted: ScriptedServer) -> None:
    refused(shell("token", "--cache", f"memory:{CANARY}", env=client(scripted)), 2, "takes no reference")


def test_two_plugins_of_one_name_are_refused(shell: Shell, scripted: ScriptedServer, install: Install) -> None:
    install(provider(), dist="one-dist")
    install(provider(), dist="two-dist")
    refused(shell("token", env=at(scripted)), 3, "two plug-ins call themselves fake: one-dist and two-dist")
    rows = [line for line in shell("plugins").out.splitlines() if " fake " in line]
    assert len(rows) == 2


def test_a_built_in_name_cannot_be_taken(shell: Shell, scripted: ScriptedServer, install: Install) -> None:
    install("raise AssertionError", name="env")
    assert shell("token", env=client(scripted)).code == 0
    done = shell("plugins")
    assert done.code == 0
    assert done.warnings == ["credential provider env of fake-dist: shadowed by the built-in one"]


@pytest.mark.parametrize(
    ("code", "said"),
    [
        (f"raise ValueError('{CANARY}')", "cannot be loaded (ValueError)"),
        ("import no_such_module_at_all", "cannot be loaded (ModuleNotFoundError)"),
        ("this is no python", "cannot be loaded (SyntaxError)"),
        (f"raise SystemExit('{CANARY}')", "cannot be loaded (SystemExit)"),
        ("x = 1", "cannot be loaded (AttributeError)"),
        ("Provider = 1", "has no settings"),
        ("class Provider:\n    settings = ()", "has no locator"),
        ("class Provider:\n    settings = ()\n    locator = None", "has no client_id"),
        (provider().replace("def credentials", "def credential"), "has no credentials"),
        (provider() + "Provider.credentials = 5", "has no methods client_id, credentials"),
        (provider() + "Provider.settings = [1]", "not a tuple of Setting"),
        (provider() + "Provider.settings = None", "not a tuple of Setting"),
        (provider() + f"Provider.settings = ('{CANARY}',)", "not a tuple of Setting"),
        (provider() + "Provider.locator = 'fake.gone'", "a locator that is not among its settings"),
        (
            provider() + "Provider.settings = (Setting('region', text, '', 'mypurecloud.de'),)",
            "not a tuple of Setting, each named <plug-in>.<name>",
        ),
    ],
)
def test_a_broken_plugin_is_refused_with_its_distribution(
    shell: Shell, scripted: ScriptedServer, install: Install, code: str, said: str
) -> None:
    install(code)
    refused(shell("token", "-v", env=at(scripted)), 3, "the credential provider fake of fake-dist", said)


@pytest.mark.parametrize(
    "points", [f"[{PROVIDERS}]\nfake\n", f"[{PROVIDERS}]\nfake = \n", f"[{PROVIDERS}]\nfake = a b:c d\n"]
)
def test_broken_entry_points_are_no_bug_of_ours(
    shell: Shell, scripted: ScriptedServer, install: Install, points: str
) -> None:
    install(provider(), points=points)
    refused(shell("token", env=at(scripted)), 3)
    assert shell("token", env=client(scripted)).code == 0


@pytest.mark.parametrize(
    "kind", ["ValueError", "OSError", "RuntimeError", "KeyError", "UnicodeError", "RecursionError"]
)
@pytest.mark.parametrize("where", ["init", "client_id", "credentials"])
def test_whatever_a_provider_raises_its_text_is_not_shown(
    shell: Shell, scripted: ScriptedServer, install: Install, kind: str, where: str
) -> None:
    raises = f"raise {kind}(CANARY)"
    code = provider(credentials=raises if where == "credentials" else "pass")
    if where == "init":
        code = code.replace("self.context = context", raises)
    if where == "client_id":
        code = code.replace("return None", raises)
    install(code)
    refused(shell("token", "-vv", env=at(scripted)), 3, f"the credential provider failed ({kind})")


@pytest.mark.parametrize(
    "answer", ["None", "CANARY", "('an-id', CANARY)", "{'client_id': 'x', 'client_secret': CANARY}", "object()"]
)
def test_a_provider_that_returns_no_credentials_is_refused(
    shell: Shell, scripted: ScriptedServer, install: Install, answer: str
) -> None:
    install(provider(credentials=f"return {answer}"))
    refused(shell("token", env=at(scripted)), 3, "did not return ClientCredentials")


@pytest.mark.parametrize("answer", ["5", "b'an-id'", "['an-id']", "object()"])
def test_a_provider_whose_client_id_is_no_text_is_refused(
    shell: Shell, scripted: ScriptedServer, install: Install, answer: str
) -> None:
    install(provider(client_id=answer))
    refused(shell("token", env=at(scripted)), 3, "client_id")


def test_credentials_that_no_client_can_have_are_refused(
    shell: Shell, scripted: ScriptedServer, install: Install
) -> None:
    install(provider(credentials="return ClientCredentials('an-id', Secret(CANARY + ' x'))"))
    refused(shell("token", env=at(scripted)), 4, "the client secret is malformed")


def test_an_error_of_the_tree_keeps_its_exit_code(shell: Shell, scripted: ScriptedServer, install: Install) -> None:
    for kind, code in (("CredentialsError", 4), ("TemporaryError", 6), ("UsageError", 2)):
        install(
            f"from gc_credhelper.errors import {kind}\n" + provider(credentials=f"raise {kind}('the store said no')"),
            name=f"fake{code}",
            dist=f"dist-{code}",
        )
        refused(shell("token", "--provider", f"fake{code}", env=at(scripted)), code, "the store said no")


@pytest.mark.parametrize("broken", ["fake,file", "file,fake", "fake"])
def test_a_cache_that_raises_in_every_method_loses_no_token(
    shell: Shell, scripted: ScriptedServer, install: Install, broken: str
) -> None:
    install(cache(), group=CACHES)
    done = shell("token", "-o", "raw", "--cache", broken, env=client(scripted))
    assert (done.code, done.out) == (0, "tok-1\n")
    assert done.warnings == ["the cache fake is not used (fake): ValueError"]
    assert CANARY not in done.err


def test_a_cache_that_cannot_be_built_loses_no_token(shell: Shell, scripted: ScriptedServer, install: Install) -> None:
    install(cache(init="raise ValueError(CANARY)"), group=CACHES)
    done = shell("token", "-o", "raw", "--cache", "file,fake", env=client(scripted))
    assert (done.code, done.out) == (0, "tok-1\n"), done.err
    assert len(done.warnings) == 1
    assert CANARY not in done.err


def test_a_cache_that_hangs_is_left_behind_once(shell: Shell, scripted: ScriptedServer, install: Install) -> None:
    install(cache(get="import time; time.sleep(300)", put="import time; time.sleep(300)"), group=CACHES)
    done = shell("token", "-o", "raw", "--cache", "fake", env=client(scripted))
    assert (done.code, done.out) == (0, "tok-1\n")
    assert done.warnings == ["the cache fake is not used (fake): the cache fake took longer than 5.0 s"]


def test_a_cache_that_hangs_leaves_time_for_the_exchange(
    shell: Shell, scripted: ScriptedServer, install: Install
) -> None:
    install(cache(get="import time; time.sleep(300)", put="import time; time.sleep(300)"), group=CACHES)
    done = shell("token", "-o", "raw", "--cache", "fake", "--deadline", "10s", env=client(scripted))
    assert (done.code, done.out) == (0, "tok-1\n")
    assert done.warnings == ["the cache fake is not used (fake): the cache fake took longer than 4.0 s"]
    hasty = shell("token", "-o", "codex", "--cache", "fake", env=client(scripted))
    assert "took longer than 1.6 s" in hasty.warnings[0]


@pytest.mark.parametrize("answer", ["5", "b'x'", "'junk'", "''", "[1]", "'x' * 10**6"])
def test_a_cache_that_answers_junk_is_a_miss(
    shell: Shell, scripted: ScriptedServer, install: Install, answer: str
) -> None:
    install(cache(get=f"return {answer}", put="pass"), group=CACHES)
    done = shell("token", "-o", "raw", "--cache", "fake", env=client(scripted))
    assert (done.code, done.out) == (0, "tok-1\n"), done.err


def test_status_and_forget_outlive_a_cache_that_raises(
    shell: Shell, scripted: ScriptedServer, install: Install
) -> None:
    install(cache(), group=CACHES)
    shell("token", env=client(scripted))
    done = shell("status", "--json", "--cache", "fake,file", env=client(scripted))
    assert done.code == 0
    assert done.warnings == ["the cache fake cannot be listed: ValueError"]
    assert len(json.loads(done.out)["entries"]) == 1
    for argv in ([], ["--all"]):
        done = shell("forget", "--cache", "fake,file", *argv, env=client(scripted))
        refused(done, 6, "a token may still lie in the cache fake (ValueError)")
        assert not [*shell.home.rglob("*.token")]


def test_status_and_forget_leave_a_cache_that_hangs_behind(
    shell: Shell, scripted: ScriptedServer, install: Install
) -> None:
    hangs = "import time; time.sleep(300)"
    install(cache(keys=hangs, remove=hangs), group=CACHES)
    shell("token", env=client(scripted))
    slow = ("--cache", "fake,file", "--deadline", "4s")
    done = shell("status", "--json", *slow, env=client(scripted))
    assert done.code == 0
    assert done.warnings == ["the cache fake cannot be listed: it took longer than 2.0 s"]
    assert len(json.loads(done.out)["entries"]) == 1
    for argv in ([], ["--all"]):
        refused(
            shell("forget", *slow, *argv, env=client(scripted)), 6, "a token may still lie in the cache fake (it took"
        )
        assert not [*shell.home.rglob("*.token")]


@pytest.mark.parametrize("answer", ["[5]", "None", "'abc'", "[CANARY]"])
def test_status_outlives_a_cache_that_lists_junk(
    shell: Shell, scripted: ScriptedServer, install: Install, answer: str
) -> None:
    install(cache(keys=f"return {answer}", get=f"return {answer}"), group=CACHES)
    assert shell("status", "--cache", "fake", env=client(scripted)).code == 0


def test_its_settings_come_through_all_layers(shell: Shell, install: Install) -> None:
    install(provider())
    config = shell.write_config('[profiles.x]\nprovider = "fake:ref"\n[profiles.x.fake]\naddr = "from-profile"\n')
    env = {"GC_CREDHELPER_PROFILE": "x", "FAKE_ADDR": "from-platform", "GC_CREDHELPER_FAKE_ADDR": "from-variable"}

    def addr(*argv: str) -> tuple[str, str]:
        return shell.settings(*argv, env=env)["fake.addr"]

    assert addr("--set", "fake.addr=from-flag") == ("from-flag", "flag --set fake.addr")
    assert addr() == ("from-variable", "variable GC_CREDHELPER_FAKE_ADDR")
    env["GC_CREDHELPER_FAKE_ADDR"] = ""
    assert addr() == ("from-profile", f"profile x in {config}")
    config.write_text('[profiles.x]\nprovider = "fake:ref"\n')
    assert addr() == ("from-platform", "variable FAKE_ADDR")
    del env["FAKE_ADDR"]
    assert addr() == ("-", "default")


def test_an_unknown_row_of_its_table_is_refused(shell: Shell, install: Install) -> None:
    install(provider())
    shell.write_config(f'[profiles.default]\nprovider = "fake"\nfake.adr = "{CANARY}"\n')
    refused(shell("token"), 2, "there is no setting fake.adr", "did you mean fake.addr")
    refused(shell("token", "--set", f"fake.adr={CANARY}", "--provider", "fake"), 2, "did you mean fake.addr")


def test_its_table_stays_valid_when_it_is_not_in_use(shell: Shell, install: Install) -> None:
    install(provider())
    shell.write_config("[profiles.default.fake]\naddr = 'x'\n")
    assert shell("status").code == 0


def test_a_recorded_plan_notices_what_decides_which_secret_is_meant(
    machine: Machine, scripted: ScriptedServer, install: Install
) -> None:
    place = install(
        provider(credentials='return ClientCredentials(self.context.settings["fake.addr"], Secret(CANARY))')
    )
    env = at(scripted) | {"FAKE_ADDR": "first"}
    for _ in range(2):
        assert as_module(machine, place, "token", env=env).code == 0
    assert len(scripted.requests) == 1
    assert as_module(machine, place, "token", env=env | {"FAKE_ADDR": "second"}).code == 0
    assert len(scripted.requests) == 2


def test_plugins_lists_roles_and_distributions(shell: Shell, install: Install) -> None:
    from gc_credhelper import __version__

    install(provider())
    install(cache(), group=CACHES, name="far", dist="far-dist")
    done = shell("plugins")
    assert (done.code, done.err) == (0, "")
    rows = {tuple(line.split()) for line in done.out.splitlines()}
    ours = ("gc-credhelper", __version__)
    for name in ("env", "file", "command"):
        assert ("credential", "provider", name, *ours) in rows
    for name in ("file", "memory", "none"):
        assert ("cache", "backend", name, *ours) in rows
    assert ("credential", "provider", "fake", "fake-dist", "1.5") in rows
    assert ("cache", "backend", "far", "far-dist", "1.5") in rows
    others = {row for row in rows if row[3] not in ("gc-credhelper", "fake-dist", "far-dist")}
    assert len(rows - others) == 8  # the providers of this repository may be installed as well
