"""The cache on a real server, under the shipped policy: versions, ages, races, and every answer but a success."""

import threading
import time
from typing import Any

import pytest
from gc_credhelper.deadline import Deadline
from gc_credhelper.errors import TemporaryError, UsageError
from gc_credhelper.roles import Denied, LostRace, Snapshot
from support.hunting import canary, failing, soon
from support.scripted import ScriptedServer
from support.scripted import http as answer
from vaultkit import Realm

from gc_credhelper_vault.cache import VaultCache

KEY = "0a1b2c3d"
TEXT = canary("record-canary-text-7Y")


@pytest.fixture
def shared(realm: Realm, cache: Any) -> VaultCache:
    built: VaultCache = cache(realm.env())
    return built


def test_it_says_that_it_is_far() -> None:
    assert VaultCache.far is True
    assert VaultCache.locator == "vault.cache"


def test_a_key_that_was_never_written_is_version_0(shared: VaultCache) -> None:
    assert shared.read(KEY, soon()) == Snapshot(0, "", None)


def test_what_was_written_is_read_with_its_version_and_age(shared: VaultCache) -> None:
    assert shared.compare_and_set(KEY, 0, TEXT, soon()) == 1
    found = shared.read(KEY, soon())
    assert (found.version, found.text) == (1, TEXT)
    assert found.age is not None
    assert 0 <= found.age < 30


def test_the_age_grows_by_the_stores_own_clocks(shared: VaultCache, monkeypatch: pytest.MonkeyPatch) -> None:
    shared.compare_and_set(KEY, 0, TEXT, soon())
    monkeypatch.setattr(time, "time", lambda: 1.0)
    time.sleep(2.1)
    age = shared.read(KEY, soon()).age
    assert age is not None
    assert age > 1


def test_each_write_makes_the_version_grow_and_names_the_one_before(shared: VaultCache) -> None:
    version = 0
    for number in range(1, 13):
        version = shared.compare_and_set(KEY, version, f"text {number}", soon())
        assert version == number
    assert shared.read(KEY, soon()).text == "text 12"


@pytest.mark.parametrize("stale", [0, 1, 3, 99])
def test_a_write_that_names_another_version_loses_and_changes_nothing(shared: VaultCache, stale: int) -> None:
    shared.compare_and_set(KEY, shared.compare_and_set(KEY, 0, "one", soon()), "two", soon())
    with pytest.raises(LostRace):
        shared.compare_and_set(KEY, stale, TEXT, soon())
    assert (shared.read(KEY, soon()).version, shared.read(KEY, soon()).text) == (2, "two")


def test_a_write_to_nothing_that_names_a_version_loses(shared: VaultCache) -> None:
    with pytest.raises(LostRace):
        shared.compare_and_set(KEY, 5, TEXT, soon())


def test_only_one_of_many_writers_of_a_version_wins(realm: Realm, cache: Any) -> None:
    env, won, lost = realm.env(), [], []
    writers = [cache(env) for _ in range(16)]
    barrier = threading.Barrier(16)

    def race(number: int) -> None:
        barrier.wait()
        for version in range(8):
            try:
                won.append((version, writers[number].compare_and_set(KEY, version, f"{number}", soon(60))))
            except LostRace:
                lost.append(version)

    threads = [threading.Thread(target=race, args=(number,)) for number in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(won) + len(lost) == 128
    versions = [version for version, _ in won]
    assert len(versions) == len(set(versions))
    assert all(new == old + 1 for old, new in won)
    assert 0 in versions


def test_a_deleted_version_still_counts(realm: Realm, shared: VaultCache) -> None:
    shared.compare_and_set(KEY, 0, TEXT, soon())
    realm.root.secrets.kv.v2.delete_latest_version_of_secret(f"ci/{KEY}", mount_point="gc-cache")
    found = shared.read(KEY, soon())
    assert (found.version, found.text) == (1, "")
    assert found.age is not None
    with pytest.raises(LostRace):
        shared.compare_and_set(KEY, 0, TEXT, soon())
    assert shared.compare_and_set(KEY, 1, TEXT, soon()) == 2


def test_a_version_that_is_past_its_time_still_counts(realm: Realm, shared: VaultCache) -> None:
    config = {"max_versions": 1, "cas_required": True, "delete_version_after": "1s"}
    realm.root.write_data("gc-cache/config", data=config)
    shared.compare_and_set(KEY, 0, TEXT, soon())
    give_up = time.monotonic() + 30
    while shared.read(KEY, soon()).text and time.monotonic() < give_up:
        time.sleep(0.1)
    assert shared.read(KEY, soon()).text == ""
    assert shared.compare_and_set(KEY, 1, TEXT, soon()) == 2


def test_a_destroyed_version_still_counts(realm: Realm, shared: VaultCache) -> None:
    shared.compare_and_set(KEY, 0, TEXT, soon())
    realm.root.secrets.kv.v2.destroy_secret_versions(f"ci/{KEY}", [1], mount_point="gc-cache")
    assert shared.read(KEY, soon()).version == 1


def test_when_an_operator_deletes_the_metadata_it_starts_again(realm: Realm, shared: VaultCache) -> None:
    shared.compare_and_set(KEY, shared.compare_and_set(KEY, 0, "one", soon()), "two", soon())
    realm.root.secrets.kv.v2.delete_metadata_and_all_versions(f"ci/{KEY}", mount_point="gc-cache")
    assert shared.read(KEY, soon()).version == 0
    assert shared.compare_and_set(KEY, 0, TEXT, soon()) == 1


def test_metadata_without_data_is_version_0(realm: Realm, shared: VaultCache) -> None:
    realm.root.secrets.kv.v2.update_metadata(f"ci/{KEY}", max_versions=1, mount_point="gc-cache")
    assert shared.read(KEY, soon()).version == 0
    assert shared.compare_and_set(KEY, 0, TEXT, soon()) == 1


def test_the_versions_that_are_kept_do_not_grow(realm: Realm, shared: VaultCache) -> None:
    version = 0
    for _ in range(5):
        version = shared.compare_and_set(KEY, version, TEXT, soon())
    kept = realm.root.secrets.kv.v2.read_secret_metadata(f"ci/{KEY}", mount_point="gc-cache")["data"]["versions"]
    assert [*kept] == ["5"]


def test_large_and_unusual_text_comes_back_as_it_was(shared: VaultCache) -> None:
    text = '{"token": "ü☃\\u0000 12345678901234567890"}\n' + "x" * 200_000
    shared.compare_and_set(KEY, 0, text, soon())
    assert shared.read(KEY, soon()).text == text


def test_a_record_that_is_too_large_is_a_mistake(shared: VaultCache) -> None:
    error = failing(UsageError, lambda: shared.compare_and_set(KEY, 0, "x" * (33 << 20), soon(60)))
    assert "larger than Vault takes" in str(error)


@pytest.mark.parametrize("data", [{"record": 7}, {"other": "x"}, {"record": None}, {}])
def test_what_somebody_else_wrote_there_is_empty_text(realm: Realm, shared: VaultCache, data: dict[str, Any]) -> None:
    realm.root.secrets.kv.v2.create_or_update_secret(f"ci/{KEY}", data, cas=0, mount_point="gc-cache")
    assert (shared.read(KEY, soon()).version, shared.read(KEY, soon()).text) == (1, "")


def test_two_keys_and_two_paths_do_not_meet(realm: Realm, cache: Any, shared: VaultCache) -> None:
    shared.compare_and_set(KEY, 0, TEXT, soon())
    assert shared.read("ffff", soon()).version == 0
    other = realm.token(policies=(realm.allow("other", "gc-cache/data/other/*"),))
    assert cache(realm.env(other), cache="gc-cache/other").read(KEY, soon()).version == 0


# --- who may


def test_a_job_that_may_only_read_is_denied_the_write_and_served_the_read(
    realm: Realm, cache: Any, shared: VaultCache
) -> None:
    shared.compare_and_set(KEY, 0, TEXT, soon())
    reader = cache(realm.env(realm.token(policies=(realm.allow("reader", "gc-cache/data/*"),))))
    assert reader.read(KEY, soon()).text == TEXT
    assert "does not let this login write" in str(failing(Denied, lambda: reader.compare_and_set(KEY, 1, "x", soon())))
    assert "does not let this login write" in str(failing(Denied, lambda: reader.compare_and_set("f", 0, "x", soon())))


def test_update_alone_cannot_create(realm: Realm, cache: Any) -> None:
    policy = realm.allow("update", "gc-cache/data/*", capabilities='"read", "update"')
    writer = cache(realm.env(realm.token(policies=(policy,))))
    failing(Denied, lambda: writer.compare_and_set(KEY, 0, TEXT, soon()))


def test_a_job_without_any_right_is_denied(realm: Realm, cache: Any) -> None:
    stranger = cache(realm.env(realm.token(policies=("default",))))
    failing(Denied, lambda: stranger.read(KEY, soon()))
    failing(Denied, lambda: stranger.compare_and_set(KEY, 0, TEXT, soon()))


def test_a_token_the_server_does_not_know_is_denied(realm: Realm, cache: Any) -> None:
    env = realm.env(canary("s.unknown-canary"))
    failing(Denied, lambda: cache(env).read(KEY, soon()))


# --- which mount


@pytest.mark.parametrize("written", ["teams/a/gc/ci", "teams/a/gc//ci"])
def test_a_mount_of_any_depth_is_found(realm: Realm, cache: Any, written: str) -> None:
    realm.mount("teams/a/gc")
    policy = realm.allow("deep", "teams/a/gc/data/*", capabilities='"create", "read", "update"')
    deep = cache(realm.env(realm.token(policies=(policy,))), cache=written)
    assert deep.read(KEY, soon()).version == 0
    assert deep.compare_and_set(KEY, 0, TEXT, soon()) == 1
    assert deep.read(KEY, soon()).text == TEXT
    assert realm.root.secrets.kv.v2.read_secret_version(
        f"ci/{KEY}", mount_point="teams/a/gc", raise_on_deleted_version=True
    )


def test_a_version_1_mount_is_refused_before_a_token_is_written_there(realm: Realm, cache: Any) -> None:
    realm.root.sys.enable_secrets_engine("kv", "old", options={"version": "1"})
    policy = realm.allow("old", "old/*", capabilities='"create", "read", "update"')
    old = cache(realm.env(realm.token(policies=(policy,))), cache="old/ci")
    error = failing(UsageError, lambda: old.compare_and_set(KEY, 0, TEXT, soon()))
    assert "old is not a KV version 2 mount" in str(error)
    with pytest.raises(Exception, match="None"):
        realm.root.secrets.kv.v1.read_secret(f"data/ci/{KEY}", mount_point="old")
    realm.root.secrets.kv.v1.create_or_update_secret(f"data/ci/{KEY}", {"record": "x"}, mount_point="old")
    assert "version 2" in str(failing(UsageError, lambda: old.read(KEY, soon())))


def test_a_mount_that_is_not_there_is_a_mistake(realm: Realm, cache: Any) -> None:
    token = realm.token(policies=(realm.allow("nope", "nope/*", capabilities='"create", "read", "update"'),))
    assert "no mount" in str(failing(UsageError, lambda: cache(realm.env(token), cache="nope/ci").read(KEY, soon())))


def test_a_namespace_that_is_not_there_is_a_mistake(realm: Realm, cache: Any) -> None:
    env = realm.env("root-canary", VAULT_NAMESPACE="nowhere")
    assert "namespace" in str(failing(UsageError, lambda: cache(env).read(KEY, soon())))


@pytest.mark.parametrize("reference", [None, "gc-cache", "/", "gc-cache/../secret", "a//b//c"])
def test_a_reference_that_is_no_mount_and_path_is_a_mistake(cache: Any, reference: str | None) -> None:
    with pytest.raises(UsageError):
        cache({"VAULT_ADDR": "http://127.0.0.1:1"}, **({"cache": reference} if reference else {"cache": " "}))


# --- answers that a real server gives in a cluster only


def entry(created: str = "2026-11-22T10:00:00.123456789Z", version: int = 4, **headers: str) -> bytes:
    metadata = {"version": version, "created_time": created, "deletion_time": "", "destroyed": False}
    return answer(200, {"data": {"data": {"record": TEXT}, "metadata": metadata}}, **headers)


WRITTEN = answer(200, {"data": {"version": 5}}, X_Vault_Index="v1:canary-index")
NOT_YET = answer(429, {"errors": []})


@pytest.fixture
def asked(scripted: ScriptedServer, cache: Any) -> VaultCache:
    """The cache on the scripted server."""
    env = {"VAULT_ADDR": f"http://127.0.0.1:{scripted.port}", "VAULT_TOKEN": canary("s.scripted-canary")}
    built: VaultCache = cache(env)
    return built


@pytest.mark.parametrize(
    ("created", "date", "age"),
    [
        ("2026-11-22T10:00:00.5Z", "Sun, 22 Nov 2026 10:00:07 GMT", 6.5),
        ("2026-11-22T10:00:00.123456789Z", "Sun, 22 Nov 2026 10:00:07 GMT", 6.876544),
        ("2026-11-22T11:00:00+01:00", "Sun, 22 Nov 2026 10:00:07 GMT", 7),
        ("2026-11-22T10:00:07.9Z", "Sun, 22 Nov 2026 10:00:07 GMT", 0),
        ("2026-11-22T12:00:00Z", "Sun, 22 Nov 2026 10:00:07 GMT", None),
        ("yesterday", "Sun, 22 Nov 2026 10:00:07 GMT", None),
        ("2026-11-22T10:00:00Z", "now", None),
        ("2026-11-22T10:00:00", "Sun, 22 Nov 2026 10:00:07 GMT", None),
    ],
)
def test_the_age_is_the_date_of_the_answer_less_the_time_of_the_write(
    asked: VaultCache, scripted: ScriptedServer, created: str, date: str, age: float | None
) -> None:
    scripted.answers = [entry(created, Date=date)]
    found = asked.read(KEY, soon())
    assert (found.version, found.text) == (4, TEXT)
    assert found.age == (None if age is None else pytest.approx(age))


def test_without_a_date_there_is_no_age(asked: VaultCache, scripted: ScriptedServer) -> None:
    scripted.answers = [entry()]
    assert asked.read(KEY, soon()).age is None


def test_the_index_of_a_write_is_sent_back_and_a_node_that_lags_is_asked_again(
    asked: VaultCache, scripted: ScriptedServer
) -> None:
    scripted.answers = [
        WRITTEN,
        NOT_YET,
        answer(412, {"errors": ["required index state not present"]}),
        entry(version=5),
    ]
    assert asked.compare_and_set(KEY, 4, TEXT, soon()) == 5
    assert asked.read(KEY, soon()).version == 5
    assert [request.headers.get("x-vault-index") for request in scripted.requests] == [None, *["v1:canary-index"] * 3]


def test_a_write_after_a_write_carries_its_index_too_and_is_sent_again_to_a_node_that_lags(
    asked: VaultCache, scripted: ScriptedServer
) -> None:
    scripted.answers = [WRITTEN, NOT_YET, NOT_YET, WRITTEN]
    assert asked.compare_and_set(KEY, 4, TEXT, soon()) == 5
    assert asked.compare_and_set(KEY, 4, TEXT, soon()) == 5
    assert [request.headers.get("x-vault-index") for request in scripted.requests] == [None, *["v1:canary-index"] * 3]


def test_a_write_is_never_decided_by_a_node_that_lags_for_long(asked: VaultCache, scripted: ScriptedServer) -> None:
    scripted.answers = [WRITTEN, NOT_YET]
    asked.compare_and_set(KEY, 4, TEXT, soon())
    error = failing(TemporaryError, lambda: asked.compare_and_set(KEY, 5, TEXT, soon()))
    assert "behind the others" in str(error)
    assert all("x-vault-index" in request.headers for request in scripted.requests[1:])


def test_a_node_that_lags_for_long_is_believed_when_it_is_read(asked: VaultCache, scripted: ScriptedServer) -> None:
    def lagging(request: Any, _: object) -> bytes:
        return NOT_YET if "x-vault-index" in request.headers else entry()

    scripted.answers = [WRITTEN, lagging]
    asked.compare_and_set(KEY, 4, TEXT, soon())
    assert asked.read(KEY, soon()).version == 4


def test_a_429_with_words_is_a_rate_limit_even_after_a_write(asked: VaultCache, scripted: ScriptedServer) -> None:
    scripted.answers = [WRITTEN, answer(429, {"errors": ["request path: rate limit quota exceeded"]})]
    asked.compare_and_set(KEY, 4, TEXT, soon())
    failing(TemporaryError, lambda: asked.read(KEY, soon()))
    assert len(scripted.requests) == 2


@pytest.mark.parametrize(
    "reply",
    [
        answer(307, "", Location="http://dead-leader.test/"),
        answer(400, {"errors": ["Waiting for the primary to upgrade from non-versioned to versioned data."]}),
        answer(429, {"errors": []}),
        answer(500, {"errors": ["internal error"]}),
        answer(502, "<html>"),
        answer(503, {"errors": ["Vault is sealed"]}),
        b"HTTP/1.1 200 OK\r\nContent-Length: 400\r\n\r\n{",
        b"",
    ],
)
def test_a_failure_that_may_pass_is_sent_once_because_it_may_have_been_written(
    asked: VaultCache, scripted: ScriptedServer, reply: bytes
) -> None:
    scripted.answers = [reply]
    failing(TemporaryError, lambda: asked.compare_and_set(KEY, 4, TEXT, soon()))
    assert len(scripted.requests) == 1
    failing(TemporaryError, lambda: asked.read(KEY, soon()))
    assert len(scripted.requests) == 2


@pytest.mark.parametrize(
    "said",
    [
        "check-and-set parameter did not match the current version of this",
        "check-and-set parameter required for this call",
        "anything else",
    ],
)
def test_only_the_exact_sentence_is_a_lost_race(asked: VaultCache, scripted: ScriptedServer, said: str) -> None:
    scripted.answers = [answer(400, {"errors": [said]})]
    failing(UsageError, lambda: asked.compare_and_set(KEY, 4, TEXT, soon()))


@pytest.mark.parametrize("reply", [answer(200, {}), answer(200, {"data": {"version": "5"}}), answer(204, "")])
def test_a_write_without_a_new_version_is_a_mistake(asked: VaultCache, scripted: ScriptedServer, reply: bytes) -> None:
    scripted.answers = [reply]
    failing(UsageError, lambda: asked.compare_and_set(KEY, 4, TEXT, soon()))


def test_a_page_of_html_is_a_mistake_and_no_record(asked: VaultCache, scripted: ScriptedServer) -> None:
    scripted.answers = [answer(200, "<html>", Content_Type="text/html")]
    failing(UsageError, lambda: asked.read(KEY, soon()))


def test_a_store_that_hangs_ends_with_the_deadline(asked: VaultCache, scripted: ScriptedServer) -> None:
    ended = threading.Event()

    def hang(*_: object) -> None:
        ended.wait(30)

    scripted.answers = [hang]
    began = time.monotonic()
    failing(TemporaryError, lambda: asked.read(KEY, Deadline(0.3)))
    ended.set()
    assert time.monotonic() - began < 10


def test_a_read_and_a_write_are_one_request_each(asked: VaultCache, scripted: ScriptedServer) -> None:
    scripted.answers = [entry(), WRITTEN]
    asked.read(KEY, soon())
    asked.compare_and_set(KEY, 4, TEXT, soon())
    lines = [request.line for request in scripted.requests]
    assert lines == [f"GET /v1/gc-cache/data/ci/{KEY} HTTP/1.1", f"POST /v1/gc-cache/data/ci/{KEY} HTTP/1.1"]
