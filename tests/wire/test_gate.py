"""The throttle gate: what the server said to one process binds the others, no longer and no more than it should."""

import json
import time
from pathlib import Path

import pytest
from support import Machine, client
from support.scripted import ScriptedServer, http, token

from gc_credhelper import tokens
from gc_credhelper.credentials import Secret
from gc_credhelper.errors import InvalidClient, RateLimited, TemporaryError
from gc_credhelper.gate import MOST_RATE, MOST_REFUSED, Gate
from gc_credhelper.private import PrivateDir
from gc_credhelper.tokens import AccessToken

from .kit import GUARD, INVALID, RATE_LIMIT, fails, files_below

KEY = "0123456789abcdef"
SECRET = Secret("canary-4fT-gate")


@pytest.fixture
def directory(tmp_path: Path) -> PrivateDir:
    return PrivateDir("+" + str(tmp_path / "state"))


def gate_file(machine: Machine) -> Path:
    (path,) = machine.cache.glob("*.gate")
    return path


def test_after_a_rate_limit_nobody_asks_until_its_time_is_over(machine: Machine, scripted: ScriptedServer) -> None:
    scripted.answers = [http(429, "", Retry_After="200"), token()]
    fails(machine, scripted, 6)
    for _ in range(3):
        started = time.monotonic()
        done = fails(machine, scripted, 6)
        assert time.monotonic() - started < GUARD
        assert "wait before it asks for another token" in done.error
        assert "s are left" in done.error
    assert len(scripted.requests) == 1


def test_a_rate_limit_without_a_time_closes_the_gate_as_well(machine: Machine, scripted: ScriptedServer) -> None:
    scripted.answers = [http(400, RATE_LIMIT)]
    fails(machine, scripted, 6, GC_CREDHELPER_DEADLINE="500ms")
    asked = len(scripted.requests)
    fails(machine, scripted, 6, GC_CREDHELPER_DEADLINE="500ms")
    assert len(scripted.requests) == asked


def test_a_caller_with_the_time_waits_at_the_gate_and_then_asks_once(
    machine: Machine, scripted: ScriptedServer
) -> None:
    scripted.answers = [http(429, "", Retry_After="3"), token()]
    fails(machine, scripted, 6, GC_CREDHELPER_DEADLINE="1s")
    closed = json.loads(gate_file(machine).read_bytes())["at"]
    assert machine.run("token", env=client(scripted)).code == 0
    assert time.time() - closed >= 3
    assert len(scripted.requests) == 2
    assert not [*machine.cache.glob("*.gate")]


def test_others_hear_of_a_rate_limit_while_the_first_still_tries(machine: Machine, scripted: ScriptedServer) -> None:
    scripted.answers = [http(400, RATE_LIMIT)]
    env = client(scripted, GC_CREDHELPER_CACHE="none", GC_CREDHELPER_DEADLINE="5s")
    first = machine.start("token", env=env)
    until = time.monotonic() + GUARD
    while not [*machine.cache.glob("*.gate")] and time.monotonic() < until:
        time.sleep(0.02)
    mine = "another-secret-of-the-same-client"
    env |= {"GENESYS_CLOUD_CLIENT_SECRET": mine, "GC_CREDHELPER_DEADLINE": "2s"}
    done = machine.run("token", env=env)
    assert (done.code, done.out) == (6, "")
    first.communicate(timeout=GUARD)
    assert first.returncode == 6
    assert len({request.headers["authorization"] for request in scripted.requests}) == 1


def test_a_rate_limit_binds_one_client_only(machine: Machine, scripted: ScriptedServer) -> None:
    scripted.answers = [http(429, "", Retry_After="200"), token()]
    fails(machine, scripted, 6)
    assert machine.run("token", env=client(scripted) | {"GENESYS_CLOUD_CLIENT_ID": "other"}).code == 0


def test_a_refused_secret_is_not_sent_again(machine: Machine, scripted: ScriptedServer) -> None:
    scripted.answers = [http(401, INVALID)]
    first = fails(machine, scripted, 5)
    for _ in range(3):
        again = fails(machine, scripted, 5)
        assert again.error.startswith(first.error.partition(" (")[0])
        assert "the server is not asked again yet" in again.error
        assert again.hint == first.hint
    assert len(scripted.requests) == 1


def test_a_mended_secret_is_sent_at_once_and_opens_the_gate(machine: Machine, scripted: ScriptedServer) -> None:
    scripted.answers = [http(401, INVALID), token()]
    fails(machine, scripted, 5)
    env = client(scripted) | {"GENESYS_CLOUD_CLIENT_SECRET": "mended"}
    assert machine.run("token", env=env).code == 0
    assert len(scripted.requests) == 2
    assert not [*machine.cache.glob("*.gate")]


def test_one_job_with_a_wrong_secret_does_not_fail_the_others(machine: Machine, scripted: ScriptedServer) -> None:
    scripted.answers = [http(401, INVALID), token()]
    good = client(scripted)
    wrong = good | {"GENESYS_CLOUD_CLIENT_SECRET": "wrong"}
    assert machine.run("token", env=wrong).code == 5
    assert machine.run("token", env=good).code == 0
    assert machine.run("token", env=wrong).code == 0  # the token is there, and is the same client's


def test_another_region_is_asked_at_once(machine: Machine, scripted: ScriptedServer) -> None:
    scripted.answers = [http(401, INVALID)]
    fails(machine, scripted, 5)
    with ScriptedServer() as other:
        assert machine.run("token", env=client(other)).code == 0


def test_a_hit_is_served_behind_a_closed_gate(machine: Machine, scripted: ScriptedServer) -> None:
    scripted.answers = [token("one"), http(429, "", Retry_After="200")]
    assert machine.run("token", env=client(scripted)).code == 0
    fails(machine, scripted, 6, "--refresh")
    assert gate_file(machine).exists()
    for _ in range(2):
        done = machine.run("token", "-o", "raw", env=client(scripted))
        assert (done.code, done.out, done.err) == (0, "one\n", "")
    assert len(scripted.requests) == 2


def test_an_ageing_token_is_served_behind_a_closed_gate(machine: Machine, scripted: ScriptedServer) -> None:
    scripted.answers = [token("one"), http(429, "", Retry_After="200")]
    assert machine.run("token", env=client(scripted)).code == 0
    fails(machine, scripted, 6, "--refresh")
    (path,) = machine.cache.glob("*.token")
    kept = tokens.load(path.read_text(), path.stem)
    assert kept
    fresh, mark = kept
    ageing = AccessToken(fresh.value, fresh.issued_at, fresh.expires_at, refresh_at=fresh.issued_at + 0.001)
    path.write_text(tokens.dump(ageing, path.stem, mark))
    done = machine.run("token", "-o", "raw", env=client(scripted))
    assert (done.code, done.out) == (0, "one\n")
    assert len(scripted.requests) == 2


def test_the_gate_holds_no_secret(machine: Machine, scripted: ScriptedServer) -> None:
    scripted.answers = [http(401, INVALID)]
    fails(machine, scripted, 5)
    record = json.loads(gate_file(machine).read_bytes())
    assert record.keys() == {"version", "at", "kind", "seconds", "salt", "bits", "status"}
    assert len(record["bits"]) == 8  # 32 bits in hex: far too few to find the secret by
    assert len(record["salt"]) == 32
    assert gate_file(machine).stat().st_mode & 0o777 == 0o600
    assert all(scripted.client_secret.encode() not in content for content in files_below(machine.home).values())


def test_two_records_of_one_secret_have_nothing_in_common(directory: PrivateDir) -> None:
    def refuse() -> dict[str, object]:
        Gate(directory, KEY).refused(SECRET, InvalidClient("no", hint="mend it"))
        record: dict[str, object] = json.loads(directory.read(f"{KEY}.gate"))
        return record

    first, second = refuse(), refuse()
    assert first["salt"] != second["salt"]
    assert first["bits"] != second["bits"]


HUGE = 10**400
HOSTILE: list[object] = [
    {"at": 1e18},
    {"at": -1e18, "seconds": 1e18},
    {"at": -HUGE},
    {"at": HUGE},
    {"seconds": HUGE},
    {"seconds": -HUGE},
    {"seconds": -1},
    {"seconds": float("inf")},
    {"seconds": float("nan")},
    {"at": float("nan")},
    {"at": float("-inf"), "seconds": float("inf")},
    {"at": "now", "seconds": "long"},
    {"at": None, "seconds": []},
    {"at": True, "seconds": True},
    {"bits": "é", "salt": "é"},
    {"salt": "\ud800"},
    {"salt": None, "bits": None},
    {"salt": 5, "bits": {}, "status": []},
    {"message": "a\nb\x1b[31m", "hint": None},
    {"kind": "unheard of"},
    {"kind": ["refused"]},
    {"version": 2},
    [],
    None,
    "rate-limit",
]


@pytest.mark.parametrize("kind", ["rate-limit", "refused"])
@pytest.mark.parametrize("change", HOSTILE, ids=lambda change: repr(change)[:40])
def test_whatever_a_record_says_the_gate_opens_in_time(directory: PrivateDir, kind: str, change: object) -> None:
    gate = Gate(directory, KEY)
    gate.refused(SECRET, InvalidClient("no", hint="mend it"))
    record: object = {**json.loads(directory.read(f"{KEY}.gate")), "kind": kind}
    record = {**record, **change} if isinstance(record, dict) and isinstance(change, dict) else change
    directory.write(f"{KEY}.gate", json.dumps(record).encode())
    assert 0 <= gate.wait() <= MOST_RATE
    try:
        gate.check(SECRET, "a test")
    except InvalidClient as e:
        assert kind == "refused"  # that it is refused is as well
        assert "server is not asked again" in str(e)  # noqa: PT017


@pytest.mark.parametrize("junk", [b"", b"\0", b"{", b"[" * 60_000, b"\xff\xfe", b"9" * 5_000, b"x" * 2**20])
def test_a_gate_of_junk_is_open(directory: PrivateDir, junk: bytes) -> None:
    directory.write(f"{KEY}.gate", junk)
    gate = Gate(directory, KEY)
    assert gate.wait() == 0
    gate.check(SECRET, "a test")


@pytest.mark.parametrize("seconds", [1e9, 1e300, HUGE])
def test_a_rate_limit_binds_for_five_minutes_at_the_most(directory: PrivateDir, seconds: float) -> None:
    gate = Gate(directory, KEY)
    gate.rate_limited(RateLimited("slow", retry_after=seconds))
    assert MOST_RATE - GUARD < gate.wait() <= MOST_RATE == 300
    record = json.loads(directory.read(f"{KEY}.gate"))
    directory.write(f"{KEY}.gate", json.dumps({**record, "at": time.time() - 301, "seconds": seconds}).encode())
    assert gate.wait() == 0


def test_a_refusal_binds_for_a_minute_at_the_most(directory: PrivateDir) -> None:
    gate = Gate(directory, KEY)
    gate.refused(SECRET, InvalidClient("no", hint="mend it"))
    with pytest.raises(InvalidClient, match="not asked again"):
        gate.check(SECRET, "a test")
    record = json.loads(directory.read(f"{KEY}.gate"))
    directory.write(f"{KEY}.gate", json.dumps({**record, "at": time.time() - 61, "seconds": 1e9}).encode())
    gate.check(SECRET, "a test")
    assert MOST_REFUSED == 60


def test_a_refusal_does_not_bind_another_secret_and_a_rate_limit_is_no_refusal(directory: PrivateDir) -> None:
    gate = Gate(directory, KEY)
    gate.refused(SECRET, InvalidClient("no"))
    gate.check(Secret("another"), "a test")
    assert gate.wait() == 0
    gate.rate_limited(RateLimited("slow"))
    gate.check(SECRET, "a test")
    assert gate.wait() > 0


def test_a_gate_that_cannot_be_written_stays_open(tmp_path: Path) -> None:
    (tmp_path / "state").write_text("a file where the directory should be")
    gate = Gate(PrivateDir("+" + str(tmp_path / "state")), KEY)
    gate.rate_limited(RateLimited("slow", retry_after=100))
    gate.refused(SECRET, InvalidClient("no"))
    assert gate.wait() == 0
    gate.check(SECRET, "a test")
    gate.open()


def test_a_refusal_that_is_repeated_names_what_chose_the_server_for_this_caller(
    machine: Machine, scripted: ScriptedServer
) -> None:
    scripted.answers = [http(401, INVALID)]
    fails(machine, scripted, 5)
    env = client(scripted)
    url = env.pop("GC_CREDHELPER_TOKEN_URL")
    done = machine.run("token", "--token-url", url, env=env)
    assert done.code == 5
    assert "not asked again" in done.error
    assert "flag --token-url" in done.error
    assert "GC_CREDHELPER_TOKEN_URL" not in done.error


def test_a_refusal_with_a_text_of_its_own_is_not_repeated(directory: PrivateDir) -> None:
    gate = Gate(directory, KEY)
    gate.refused(SECRET, InvalidClient("no"))
    name = f"{KEY}.gate"
    record = json.loads(directory.read(name))
    directory.write(name, json.dumps({**record, "status": "forged"}).encode())
    gate.check(SECRET, "a test")


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        (http(503, "", Retry_After="60"), 6),  # longer than the deadline: no attempt of its own
        (http(200, "<html>"), 5),
        (http(403, {"error": "access_denied"}), 5),
        (http(302, "", Location="http://127.0.0.1:1/"), 5),
    ],
)
def test_a_failing_helper_that_is_called_again_at_once_answers_from_the_gate(
    machine: Machine, scripted: ScriptedServer, answer: bytes, code: int
) -> None:
    scripted.answers = [answer, token()]
    fails(machine, scripted, code, "--deadline", "20s")
    asked = len(scripted.requests)
    done = fails(machine, scripted, code, "--deadline", "20s")
    assert "a token request for this caller failed" in done.error
    assert len(scripted.requests) == asked
    other = machine.run("token", "--deadline", "21s", env=client(scripted))
    assert other.code == 0, "another command line is another caller"


def test_a_store_that_is_down_is_not_asked_again_at_once(machine: Machine, scripted: ScriptedServer) -> None:
    asked = machine.home / "asked"
    store = f"command:sh -c 'echo >> {asked}; exec sleep 300'"
    for _ in range(2):
        fails(machine, scripted, 6, "--provider", store, "--set", "client_id=c", "--deadline", "1s")
    assert asked.read_text() == "\n"


def test_a_secret_that_is_put_into_its_store_counts_at_once(machine: Machine, scripted: ScriptedServer) -> None:
    pair = machine.home / "pair.json"
    named = ("--provider", f"file:{pair}", "--set", "client_id=c")
    fails(machine, scripted, 4, *named)
    pair.write_text('{"client_id": "c", "client_secret": "s"}')
    assert machine.run("token", *named, env=client(scripted)).code == 0


def test_a_failure_that_may_pass_does_not_free_a_refused_secret(directory: PrivateDir) -> None:
    gate = Gate(directory, KEY)
    gate.refused(SECRET, InvalidClient.said("401", "a test", 401))
    gate.failed(7, TemporaryError("later"))
    with pytest.raises(InvalidClient):
        gate.check(SECRET, "a test")
