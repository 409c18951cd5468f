"""`doctor` with each failure that it is there to find, and what it must never do: show a secret, or leave a token."""

import json
import os
import re
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import formatdate
from pathlib import Path
from typing import Any

import pytest
import trustme
from inputs.kit import script
from startup.kit import call, make_venv
from support import Machine, Run, client
from support.scripted import ScriptedServer, http, token
from wire.kit import TlsServer

from gc_credhelper.app import App
from gc_credhelper.checks import STEPS, Heard, Visit, examine
from gc_credhelper.checks.canary import Canary
from gc_credhelper.checks.visit import Step
from gc_credhelper.credentials import ClientCredentials, Secret
from gc_credhelper.deadline import Deadline
from gc_credhelper.errors import Error, RateLimited
from gc_credhelper.locks import LocalLock
from gc_credhelper.plan import Inputs, encode
from gc_credhelper.roles import Finding, Level
from gc_credhelper.sandbox.options import Options
from gc_credhelper.sandbox.server import SandboxThread

SECRET = "canary-Wd5rX3-client-secret"
CLIENT = "8c9c7a5e-doctor-client"
OWN = ("start", "canary")  # take a second each, and do not depend on the settings


@dataclass(frozen=True)
class Row:
    step: str
    level: Level
    text: str
    hint: str
    code: int


class Rows(list[Row]):
    """What a run found."""

    def of(self, step: str) -> list[Row]:
        return [row for row in self if row.step == step]

    def one(self, step: str) -> Row:
        (row,) = self.of(step)
        return row

    @property
    def failed(self) -> list[tuple[str, int]]:
        return [(row.step, row.code) for row in self if row.level == Level.FAIL]

    def warned(self, step: str, text: str) -> Row:
        (row,) = (row for row in self.of(step) if row.level == Level.WARN and text in row.text)
        assert row.hint
        return row


Look = Callable[..., Rows]


def environment(server: Any, **more: str) -> dict[str, str]:
    api = {"GC_CREDHELPER_API_URL": server.api_url} if hasattr(server, "api_url") else {}
    return client(server, **api, **more)


@pytest.fixture
def visit(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Visit]:
    """A visit in this process, to the settings that the variables mean."""

    def make(env: Mapping[str, str], **flags: str) -> Visit:
        for name in ("HTTPS_PROXY", "REQUESTS_CA_BUNDLE"):
            if name in env:
                monkeypatch.setenv(name, env[name])
        inputs = Inputs(["doctor"], {encode(name): encode(value) for name, value in machine.environ(env).items()})
        report = Heard(0)
        app = App(inputs, {name: (value, f"--{name}") for name, value in flags.items()}, report)
        return Visit(inputs, report, Deadline(app.settings["deadline"]), app)

    return make


@pytest.fixture
def look(visit: Callable[..., Visit], capfd: pytest.CaptureFixture[str]) -> Look:
    """All steps but those of OWN; nothing that is said may hold a secret, and whatever is wrong has a hint."""

    def run(env: Mapping[str, str], **flags: str) -> Rows:
        found = examine(visit(env, **flags), [step for step in STEPS if step.name not in OWN])
        rows = Rows(
            Row(step, one.level, one.text, one.hint, one.error.exit_code if one.error else 0) for step, one in found
        )
        secrets = [value for name, value in env.items() if "SECRET" in name and len(value) > 8]
        assert not [row for row in rows for secret in secrets if secret.strip('" ') in f"{row}"]
        assert all(row.hint for row in rows if row.level != Level.OK)
        assert [*dict.fromkeys(row.step for row in rows)] == [step.name for step in STEPS if step.name not in OWN]
        assert "canary" not in "".join(capfd.readouterr())
        return rows

    return run


@pytest.fixture
def sandbox() -> Iterator[SandboxThread]:
    with SandboxThread(Options(clients=((CLIENT, SECRET),))) as server:
        yield server


def parsed(done: Run) -> Rows:
    found = map(json.loads, done.out.splitlines())
    return Rows(Row(r["step"], Level(r["level"]), r["text"], r["hint"], r["exit_code"]) for r in found)


def test_a_healthy_machine_has_no_failure_and_nothing_stays_behind(machine: Machine, sandbox: SandboxThread) -> None:
    done = machine.run("doctor", "--json", "-vv", env=environment(sandbox))
    rows = parsed(done)
    assert (done.code, rows.failed) == (0, []), done.err
    assert SECRET not in done.out + done.err
    assert [*dict.fromkeys(row.step for row in rows)] == [step.name for step in STEPS]
    assert all(row.level == Level.OK for row in rows if row.step != "start"), rows
    assert "times as long as an empty Python" in rows.one("start").text
    assert rows.one("API").text == f"{sandbox.api_url} takes the token, as that of the client {CLIENT}"
    assert rows.one("revoke").text == "the token was ended"
    assert sandbox.stats()["token_requests"] == 1
    assert [path.name for path in machine.cache.iterdir()] == ["doctor.lock"]


def test_for_people_it_is_a_line_each_with_a_hint_below_what_is_wrong_and_a_sum(
    machine: Machine, sandbox: SandboxThread
) -> None:
    env = environment(sandbox, GENESYS_CLOUD_CLIENT_SECRET="canary-wrong", GC_CREDHELPER_REGON="x")
    done = machine.run("doctor", env=env)
    lines = done.out.splitlines()
    assert done.code == 5
    assert "canary" not in (done.out + done.err).replace("canary      ", "")
    (at,) = (i for i, line in enumerate(lines) if line.startswith("FAIL"))
    assert re.fullmatch(r"FAIL +\d+ ms  exchange +wrong secret, or wrong region .*", lines[at])
    assert re.fullmatch(r" +hint: check that the client id and secret .*", lines[at + 1])
    assert re.fullmatch(r"\d+ OK, [12] WARN, 1 FAIL, 2 SKIP", lines[-1])
    assert done.error in lines[at]
    assert done.hint in lines[at + 1]


@pytest.mark.parametrize(
    ("kind", "code"),
    [
        *(("rate-limit", 6), ("429", 6), ("500", 6), ("503", 6), ("timeout", 6), ("reset", 6), ("truncated", 6)),
        *(("html", 5), ("redirect", 5), ("no-token", 5)),
    ],
)
def test_a_login_that_fails_is_the_failure_of_the_exchange_and_of_nothing_else(
    look: Look, kind: str, code: int
) -> None:
    with SandboxThread(Options(clients=((CLIENT, SECRET),), fail=(kind,))) as server:
        rows = look(environment(server), deadline="2s")
    assert rows.failed == [("exchange", code)]
    assert [rows.one(step).level for step in ("API", "revoke")] == [Level.SKIP, Level.SKIP]
    assert rows.one("cache").level == Level.OK


def test_a_token_that_the_api_does_not_take_is_exit_code_5(look: Look) -> None:
    with SandboxThread(Options(clients=((CLIENT, SECRET),), fail=("idle-death",))) as server:
        rows = look(environment(server))
    assert rows.failed == [("API", 5)]
    assert "does api_url" in rows.one("API").hint


def test_a_token_of_another_client_is_exit_code_5(look: Look, scripted: ScriptedServer) -> None:
    other = http(200, {"OAuthClient": {"id": "somebody-else"}})
    scripted.answers = [http(405, "", Date=formatdate(usegmt=True)), token(), other, http(204, "")]
    rows = look(environment(scripted, GC_CREDHELPER_API_URL=f"http://127.0.0.1:{scripted.port}"))
    assert rows.failed == [("API", 5)]
    assert rows.one("revoke").level == Level.OK
    assert [request.line.split()[:2] for request in scripted.requests] == [
        ["HEAD", "/oauth/token"],
        ["POST", "/oauth/token"],
        ["GET", "/api/v2/tokens/me?preserveIdleTTL=true"],
        ["DELETE", "/api/v2/tokens/me"],
    ]
    assert "authorization" not in scripted.requests[0].headers


@pytest.mark.parametrize(
    "answer", [http(200, "<html>"), http(200, {"OAuthClient": None}), http(403, {}), http(500, "")]
)
def test_an_api_that_does_not_say_whose_the_token_is_has_failed(
    look: Look, scripted: ScriptedServer, answer: bytes
) -> None:
    scripted.answers = [http(405, ""), token(), answer, http(500, "")]
    rows = look(environment(scripted, GC_CREDHELPER_API_URL=f"http://127.0.0.1:{scripted.port}"))
    assert [step for step, _ in rows.failed] == ["API"]
    assert "nobody holds it" in rows.warned("revoke", "lives on").text


def test_without_an_api_url_only_its_steps_are_left_out(look: Look, scripted: ScriptedServer) -> None:
    rows = look(environment(scripted))
    assert rows.failed == []
    assert (rows.one("API").level, rows.one("API").hint) == (Level.SKIP, "set api_url")


def test_a_lifetime_that_is_shorter_than_min_ttl_is_exit_code_7(look: Look, scripted: ScriptedServer) -> None:
    scripted.answers = [token(lifetime=600)]
    rows = look(environment(scripted), min_ttl="45m")
    assert rows.failed == [("exchange", 7)]


def test_a_client_that_was_asked_to_wait_does_not_ask_again(
    visit: Callable[..., Visit], scripted: ScriptedServer
) -> None:
    one = visit(environment(scripted))
    one.resolved.entry(scripted.client_id).gate.rate_limited(RateLimited("wait", retry_after=60))
    found = dict(examine(one, STEPS[:8]))
    assert "asked this client to wait" in found["exchange"].text
    assert [request.line.partition(" ")[0] for request in scripted.requests] == ["HEAD"]


def test_a_name_that_does_not_resolve_is_the_failure_of_dns(look: Look, scripted: ScriptedServer) -> None:
    rows = look(environment(scripted, GC_CREDHELPER_TOKEN_URL="https://login.nowhere.invalid/oauth/token"))
    assert rows.failed == [("DNS", 6)]
    assert [rows.one(step).level for step in ("TLS", "exchange")] == [Level.SKIP, Level.SKIP]
    assert rows.one("lock").level == Level.OK


def test_a_region_that_nobody_knows_is_exit_code_2_and_is_said_once(look: Look) -> None:
    env = {"GENESYS_CLOUD_CLIENT_ID": CLIENT, "GENESYS_CLOUD_CLIENT_SECRET": SECRET}
    rows = look(env, region="eu-wst-1")
    assert rows.failed == [("settings", 2)]
    assert rows.one("provider").level == Level.OK
    assert [rows.one(step).level for step in ("proxy", "DNS", "TLS")] == [Level.SKIP] * 3


def test_settings_that_cannot_be_read_leave_what_does_not_need_them(machine: Machine) -> None:
    done = machine.run("doctor", "--json", "--provider", "valt:secret/ci/genesys")
    rows = parsed(done)
    assert (done.code, rows.failed) == (3, [("settings", 3)])
    assert "there is no credential provider valt" in done.error
    assert {row.step for row in rows if row.level == Level.OK} >= {"canary"}
    assert rows.one("cache").text == "not tried: there is no configuration"


def test_half_a_pair_is_exit_code_4_and_the_network_is_looked_at_all_the_same(
    look: Look, scripted: ScriptedServer
) -> None:
    rows = look(environment(scripted, GENESYS_CLOUD_CLIENT_SECRET=""))
    assert rows.failed == [("provider", 4)]
    assert [row.level for row in rows.of("TLS")] == [Level.OK, Level.OK]


def test_another_client_than_the_pinned_one_is_exit_code_4(look: Look, scripted: ScriptedServer) -> None:
    assert look(environment(scripted), client_id="another").failed == [("provider", 4)]


def test_a_certificate_that_is_not_trusted_is_exit_code_2_and_nothing_was_sent(look: Look) -> None:
    with TlsServer(trustme.CA()) as server:
        rows = look(environment(server))
        assert not server.requests
    assert rows.failed == [("TLS", 2)]
    assert "REQUESTS_CA_BUNDLE" in rows.one("TLS").hint


class Soon:
    """Issues certificates that end in three days."""

    def __init__(self, ca: trustme.CA) -> None:
        self._ca = ca

    def issue_cert(self, host: str) -> trustme.LeafCert:
        return self._ca.issue_cert(host, not_after=datetime.now(UTC) + timedelta(days=3, hours=1))


def test_a_certificate_says_who_issued_it_and_when_it_ends(look: Look, machine: Machine) -> None:
    ca, bundle = trustme.CA(organization_name="Inspecting Proxy Ltd"), machine.home / "ca.pem"
    ca.cert_pem.write_to_path(str(bundle))
    with TlsServer(Soon(ca)) as server:  # type: ignore[arg-type]
        rows = look(environment(server, REQUESTS_CA_BUNDLE=str(bundle)))
    assert rows.failed == []
    assert rows.of("TLS")[0].text.startswith("127.0.0.1 is trusted, by a certificate of Inspecting Proxy Ltd (TLSv1.")
    assert str(bundle) in rows.of("TLS")[0].text
    rows.warned("TLS", "the certificate ends in 3 days")


def test_a_proxy_is_named_without_its_password(look: Look, scripted: ScriptedServer) -> None:
    scripted.answers = [http(407, "", Proxy_Authenticate="Basic")]
    proxy = f"http://user:canary-of-the-proxy@127.0.0.1:{scripted.port}"
    env = environment(scripted, GC_CREDHELPER_TOKEN_URL="https://login.example.test/oauth/token", HTTPS_PROXY=proxy)
    rows = look(env)
    assert rows.failed == [("TLS", 2)]
    assert rows.one("proxy").text == f"127.0.0.1:{scripted.port} (variable HTTPS_PROXY)"
    assert rows.one("DNS").text == "127.0.0.1 is an address"
    assert "the proxy wants a user and password (407)" in rows.one("TLS").text
    assert not [row for row in rows if "canary" in f"{row}"]


@pytest.mark.parametrize(("off", "way"), [(-7200, "ahead of"), (7200, "behind")])
def test_a_clock_that_is_wrong_is_warned_of(look: Look, scripted: ScriptedServer, off: int, way: str) -> None:
    scripted.answers = [http(405, "", Date=formatdate(time.time() + off, usegmt=True)), token()]
    rows = look(environment(scripted))
    assert rows.failed == []
    assert re.search(rf"is (7[12]\d\d) s {way} the server's", rows.warned("TLS", "the clock").text)


@pytest.mark.parametrize("date", ["", "yesterday", "Mon, 99 Foo 2026"])
def test_a_server_without_a_clock_is_no_failure(look: Look, scripted: ScriptedServer, date: str) -> None:
    scripted.answers = [http(405, "", Date=date), token()]
    assert "was not compared" in look(environment(scripted)).of("TLS")[1].text


def test_a_cache_directory_that_cannot_be_made_is_a_warning(
    look: Look, machine: Machine, scripted: ScriptedServer
) -> None:
    (machine.home / "file").write_text("")
    rows = look(environment(scripted), cache_dir=str(machine.home / "file" / "below"))
    assert rows.failed == []
    for step, text in (("cache", "the cache file is not used"), ("lock", "no lock can be held"), ("permissions", "")):
        rows.warned(step, text)


def test_a_directory_that_others_can_read_is_a_warning_that_says_chmod(
    look: Look, machine: Machine, scripted: ScriptedServer
) -> None:
    machine.cache.mkdir(parents=True)
    machine.cache.chmod(0o755)
    rows = look(environment(scripted))
    assert rows.failed == []
    assert "has mode 0755" in rows.warned("cache", "is not used").text
    assert f"chmod 700 {machine.cache}" in rows.warned("permissions", str(machine.cache)).hint


def test_a_config_file_that_others_can_write_is_a_warning(
    look: Look, machine: Machine, scripted: ScriptedServer
) -> None:
    machine.write_config("").chmod(0o666)
    assert "chmod go-w" in look(environment(scripted)).warned("permissions", "others can write").hint


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (f"{SECRET}\n", "white space around the value of GENESYS_CLOUD_CLIENT_SECRET"),
        (f"\ufeff{SECRET}", "white space around the value of GENESYS_CLOUD_CLIENT_SECRET"),
        (f'"{SECRET}"', "quotation marks around the value of GENESYS_CLOUD_CLIENT_SECRET"),
        (f"{SECRET}\\n", "a backslash and the letter n"),
        ("$(CLIENT_SECRET)", "a reference that nobody has replaced"),
        ("${{secrets.CLIENT_SECRET}}", "a reference that nobody has replaced"),
        ("$CLIENT_SECRET", "a reference that nobody has replaced"),
        ("<your-secret>", "a reference that nobody has replaced"),
    ],
)
def test_more_than_the_value_in_a_variable_is_warned_of_once(
    look: Look, scripted: ScriptedServer, value: str, text: str
) -> None:
    rows = look(environment(scripted, GENESYS_CLOUD_CLIENT_SECRET=value))
    rows.warned("variables", text)
    assert rows.of("provider")[0].level == Level.OK
    assert bool(rows.of("provider")[1:]) == (value[0] == '"')


def test_an_unknown_variable_of_ours_is_warned_of(look: Look, scripted: ScriptedServer) -> None:
    rows = look(environment(scripted, GC_CREDHELPER_REGON="x", GC_CREDHELPER_CLIENT_SECRET="canary-misplaced"))
    assert "GC_CREDHELPER_REGION" in rows.warned("variables", "GC_CREDHELPER_REGON").hint
    rows.warned("variables", "GC_CREDHELPER_CLIENT_SECRET")


class Stranger:
    """A provider that says what it should not."""

    def __init__(self, *found: object) -> None:
        self._found = found

    def client_id(self) -> None:
        return None

    def credentials(self, deadline: Deadline) -> ClientCredentials:
        assert deadline.left()
        return ClientCredentials(CLIENT, Secret(SECRET))

    def findings(self, _: Deadline) -> tuple[object, ...]:
        if isinstance(self._found[0], Exception):
            raise self._found[0]
        return self._found


@pytest.mark.parametrize("found", [RuntimeError(SECRET), Error("is down", hint="mend it"), "no finding", Finding])
def test_a_plug_in_whose_findings_fail_is_a_failure_without_its_text(
    visit: Callable[..., Visit], scripted: ScriptedServer, found: object
) -> None:
    one = visit(environment(scripted))
    one.resolved.__dict__["provider"] = Stranger(found)
    rows = [*examine(one, STEPS[2:4])]
    assert [finding.level for _, finding in rows] == [Level.FAIL, Level.SKIP]
    assert SECRET not in "".join(f"{finding!r}" for _, finding in rows)


def test_a_finding_with_a_secret_in_it_is_not_shown(visit: Callable[..., Visit], scripted: ScriptedServer) -> None:
    one = visit(environment(scripted))
    one.resolved.__dict__["provider"] = Stranger(Finding.warn("odd", f"it is {SECRET}\nor so"))
    one.secrets.append(SECRET)
    ((_, finding),) = examine(one, STEPS[2:3])
    assert finding.error
    assert (finding.level, finding.error.exit_code) == (Level.FAIL, 3)
    assert "or so" not in finding.hint


def hang(*_: object) -> list[Finding]:
    time.sleep(60)
    return []


def fail(*_: object) -> list[Finding]:
    raise KeyError(SECRET)


def test_a_step_that_hangs_ends_with_its_share_and_the_others_run(
    visit: Callable[..., Visit], scripted: ScriptedServer
) -> None:
    one = visit(environment(scripted), deadline="2s")
    hanging, broken = Step("hangs", hang, 0.2, 60), Step("breaks", fail, 0.2, 60)
    began = time.monotonic()
    rows = [*examine(one, [hanging, broken, STEPS[3]])]
    assert time.monotonic() - began < 20
    assert [(step, finding.level) for step, finding in rows] == [
        ("hangs", Level.FAIL),
        ("breaks", Level.FAIL),
        ("provider", Level.SKIP),
    ]
    assert rows[1][1].text == "a bug: KeyError"


def test_the_token_is_ended_however_the_run_ends(visit: Callable[..., Visit], sandbox: SandboxThread) -> None:
    one = visit(environment(sandbox))
    run = examine(one)
    for step, _ in run:
        if step == "exchange":
            break
    assert one.token
    live = one.token.value
    run.close()  # type: ignore[attr-defined]
    assert one.resolved.platform().about(live, Deadline(5)) is None


def test_a_reader_that_went_away_is_exit_code_141(machine: Machine, sandbox: SandboxThread) -> None:
    child = machine.start("doctor", env=environment(sandbox))
    assert child.stdout
    assert child.stderr
    child.stdout.close()
    assert child.stderr.read() == ""
    assert child.wait(60) == 141
    child.stderr.close()


def test_a_lock_that_nobody_holds_keeps_nobody_out(visit: Callable[..., Visit], scripted: ScriptedServer) -> None:
    one = visit(environment(scripted))
    lock = LocalLock(one.resolved.directory, "doctor", one.report)
    assert not lock.excludes()
    with lock.attempt() as mine:
        assert mine
        assert lock.excludes()
    assert LocalLock(None, "doctor", one.report).excludes()


def test_a_hit_is_fast_where_a_pth_file_is_slow(machine: Machine, sandbox: SandboxThread, tmp_path: Path) -> None:
    layout = make_venv(tmp_path / "venv")
    (site,) = layout.root.glob("lib/python*/site-packages")
    (site / "slow.pth").write_text("import time; time.sleep(0.1)\n")
    rows = parsed(call(machine, [layout.command, "doctor", "--json"], environment(sandbox)))
    assert rows.one("start").level == Level.OK
    assert rows.failed == []


class TestCanary:
    """The canary is found where it shows; else its silence would prove nothing."""

    def seen(self, command: list[str], home: Path) -> list[str]:
        with Canary() as bird:
            return [*bird.seen(command, home, {**os.environ, "SHOWN": bird.secret}, Deadline(20))]

    def test_in_log_and_traceback(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        monkeypatch.setattr(Secret, "__repr__", lambda self: self.reveal())
        quiet = script(tmp_path / "quiet", '[ "$1" = exec ] || exit 5')
        assert self.seen([quiet], tmp_path / "empty") == ["the log", "the traceback"]

    @pytest.mark.parametrize("how", ['echo "$SHOWN"', 'echo "$SHOWN" >&2', 'printf %s "$SHOWN" | rev'])
    def test_in_what_a_child_prints(self, tmp_path: Path, how: str) -> None:
        talkative = script(tmp_path / "talkative", f'{how}; [ "$1" = exec ] || exit 5')
        found = ["the child that was refused", "a program that exec runs"]
        assert self.seen([talkative], tmp_path / "empty") == found

    def test_in_a_file(self, tmp_path: Path) -> None:
        (tmp_path / "home").mkdir()
        writing = script(tmp_path / "writing", f'echo "$SHOWN" > {tmp_path}/home/x; [ "$1" = exec ] || exit 5')
        assert self.seen([writing], tmp_path / "home") == ["a file of the cache"]

    def test_a_child_that_does_not_do_as_it_should_proves_nothing(self, tmp_path: Path) -> None:
        with pytest.raises(Error, match="could not be sent through"):
            self.seen([script(tmp_path / "odd", "exit 3")], tmp_path)

    def test_a_secret_that_was_shown_is_a_failure_of_ours(self) -> None:
        with Canary() as bird:
            error = bird.error(["the log"])
        assert error.exit_code == 1
        assert bird.secret not in f"{error}{error.hint}"
