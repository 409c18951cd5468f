"""The cache on moto and on dynalite: versions, ages, races, ambiguous writes, and every answer but a success."""

import threading
import time
from collections.abc import Callable
from email.utils import formatdate
from typing import Any

import pytest
from awskit import REGION, client, keys, make_table
from botocore.stub import Stubber
from gc_credhelper.deadline import Deadline
from gc_credhelper.errors import TemporaryError, UsageError
from gc_credhelper.roles import Denied, LostRace, Snapshot
from support.hunting import canary, failing, soon
from support.scripted import Request, ScriptedServer
from support.scripted import http as answer

from gc_credhelper_aws.cache import AwsCache, DynamoCache

KEY = "0a1b2c3d"
TEXT = canary("record-canary-text-4Jm")
Make = Callable[..., DynamoCache]


@pytest.fixture
def make(dynamo: str, table: str, cache: Any) -> Make:
    """Builds the cache on the table of the test, in either DynamoDB."""
    return lambda **settings: cache(keys(dynamo), **{"dynamodb__table": table, **settings})


@pytest.fixture
def shared(make: Make) -> DynamoCache:
    return make()


@pytest.fixture
def items(dynamo: str, table: str) -> Any:
    """The table as an operator sees it."""

    class Items:
        def get(self, key: str = KEY) -> dict[str, Any]:
            found: dict[str, Any] = client("dynamodb", dynamo).get_item(
                TableName=table, Key={"pk": {"S": key}}, ConsistentRead=True
            )["Item"]
            return found

        def put(self, **values: dict[str, str]) -> None:
            client("dynamodb", dynamo).put_item(TableName=table, Item={"pk": {"S": KEY}, **values})

        def delete(self) -> None:
            client("dynamodb", dynamo).delete_item(TableName=table, Key={"pk": {"S": KEY}})

    return Items()


def test_it_says_that_it_is_far() -> None:
    assert DynamoCache.far is True
    assert DynamoCache.locator == "dynamodb.table"


def test_a_key_that_was_never_written_is_version_0(shared: DynamoCache) -> None:
    assert shared.read(KEY, soon()) == Snapshot(0, "", None)


def test_what_was_written_is_read_with_its_version_and_age(shared: DynamoCache) -> None:
    version = shared.compare_and_set(KEY, 0, TEXT, soon())
    assert version > 0
    found = shared.read(KEY, soon())
    assert (found.version, found.text) == (version, TEXT)
    assert found.age is not None
    assert 0 <= found.age < 30


def test_each_write_makes_the_version_grow_by_one(shared: DynamoCache) -> None:
    version = shared.compare_and_set(KEY, 0, "first", soon())
    for number in range(1, 6):
        assert shared.compare_and_set(KEY, version, f"text {number}", soon()) == version + 1
        version += 1
    assert shared.read(KEY, soon()).text == "text 5"


@pytest.mark.parametrize("stale", [0, -1, 1, 99])
def test_a_write_that_names_another_version_loses_and_changes_nothing(shared: DynamoCache, stale: int) -> None:
    version = shared.compare_and_set(KEY, shared.compare_and_set(KEY, 0, "one", soon()), "two", soon())
    with pytest.raises(LostRace):
        shared.compare_and_set(KEY, stale and version + stale, TEXT, soon())
    assert (shared.read(KEY, soon()).version, shared.read(KEY, soon()).text) == (version, "two")


def test_a_write_to_nothing_that_names_a_version_loses(shared: DynamoCache) -> None:
    with pytest.raises(LostRace):
        shared.compare_and_set(KEY, 5, TEXT, soon())


def test_only_one_of_many_writers_of_a_version_wins(make: Make) -> None:
    won: list[tuple[int, int]] = []
    lost: list[int] = []
    writers = [make() for _ in range(8)]
    version, barrier = 0, threading.Barrier(8)

    def race(writer: DynamoCache, number: int) -> None:
        barrier.wait()
        try:
            won.append((version, writer.compare_and_set(KEY, version, f"{number}", soon(60))))
        except LostRace:
            lost.append(version)

    for _ in range(5):
        threads = [threading.Thread(target=race, args=(writer, n)) for n, writer in enumerate(writers)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        version = won[-1][1]
    assert (len(won), len(lost)) == (5, 35)
    assert len({before for before, _ in won}) == 5


def test_an_item_made_anew_has_a_version_that_nobody_holds_any_more(shared: DynamoCache, items: Any) -> None:
    newest = 0
    for _ in range(4):
        first = shared.compare_and_set(KEY, 0, "one", soon())
        assert first > newest
        newest = shared.compare_and_set(KEY, first, "two", soon())
        items.delete()
        with pytest.raises(LostRace):
            shared.compare_and_set(KEY, first + 1, TEXT, soon())


def test_another_machine_that_makes_it_anew_begins_later_by_the_stores_clock(make: Make, items: Any) -> None:
    one, other = make(), make()
    before = one.compare_and_set(KEY, one.compare_and_set(KEY, 0, "one", soon()), "two", soon())
    items.delete()
    time.sleep(1.2)  # the store's clock is heard in whole seconds
    assert other.compare_and_set(KEY, 0, TEXT, soon()) > before


def test_an_item_past_its_time_counts_as_a_version_and_holds_no_text(shared: DynamoCache, items: Any) -> None:
    version = shared.compare_and_set(KEY, 0, TEXT, soon())
    items.put(**{**items.get(), "pk": {"S": KEY}, "exp": {"N": str(int(time.time()) - 5)}})
    found = shared.read(KEY, soon())
    assert (found.version, found.text) == (version, "")
    assert shared.compare_and_set(KEY, version, TEXT, soon()) == version + 1
    assert shared.read(KEY, soon()).text == TEXT


def test_when_dynamodb_may_delete_an_entry_is_a_setting(make: Make, items: Any) -> None:
    make(dynamodb__keep="2h").compare_and_set(KEY, 0, TEXT, soon())
    left = float(items.get()["exp"]["N"]) - time.time()
    assert 7000 < left < 7202
    make().compare_and_set("ffff", 0, TEXT, soon())
    assert 172_000 < float(items.get("ffff")["exp"]["N"]) - time.time() < 172_802


def test_the_time_of_a_write_is_never_later_than_it_was(make: Make, items: Any) -> None:
    for _ in range(3):
        make().compare_and_set(KEY, make().read(KEY, soon()).version, TEXT, soon())
        assert time.time() - 10 < float(items.get()["at"]["N"]) <= time.time()
        time.sleep(0.3)


def test_the_age_grows_by_the_stores_own_clock(shared: DynamoCache, items: Any) -> None:
    shared.compare_and_set(KEY, 0, TEXT, soon())
    items.put(**{**items.get(), "pk": {"S": KEY}, "at": {"N": f"{time.time() - 100:.3f}"}})
    age = shared.read(KEY, soon()).age
    assert age is not None
    assert 98 <= age < 130


@pytest.mark.parametrize("prefix", [None, "team-a/"])
def test_each_key_is_an_item_whose_partition_key_begins_with_the_prefix(
    make: Make, items: Any, prefix: str | None
) -> None:
    make(**({"dynamodb__prefix": prefix} if prefix else {})).compare_and_set(KEY, 0, TEXT, soon())
    assert items.get((prefix or "") + KEY)["rec"] == {"S": TEXT}


def test_two_keys_and_two_prefixes_do_not_meet(make: Make, shared: DynamoCache) -> None:
    shared.compare_and_set(KEY, 0, TEXT, soon())
    assert shared.read("ffff", soon()).version == 0
    assert make(dynamodb__prefix="other/").read(KEY, soon()).version == 0


def test_large_and_unusual_text_comes_back_as_it_was(shared: DynamoCache) -> None:
    text = '{"token": "ü☃\\u0000 12345678901234567890"}\n' + "x" * 130_000
    shared.compare_and_set(KEY, 0, text, soon())
    assert shared.read(KEY, soon()).text == text


def test_a_record_that_is_too_large_is_a_mistake(shared: DynamoCache) -> None:
    failing(UsageError, lambda: shared.compare_and_set(KEY, 0, "x" * 500_000, soon()))


@pytest.mark.parametrize(
    "values",
    [{}, {"ver": {"S": "7"}}, {"ver": {"N": "0"}}, {"ver": {"N": "1.5"}}, {"ver": {"N": "-3"}}],
)
def test_what_somebody_else_wrote_there_is_a_mistake(
    shared: DynamoCache, items: Any, values: dict[str, dict[str, str]]
) -> None:
    items.put(rec={"S": TEXT}, **values)
    assert "something else" in str(failing(UsageError, lambda: shared.read(KEY, soon())))


@pytest.mark.parametrize("at", [{}, {"at": {"S": "x"}}, {"at": {"N": "9999999999"}}, {"at": {"N": "1" * 30}}])
def test_a_time_that_cannot_be_believed_is_no_age(
    shared: DynamoCache, items: Any, at: dict[str, dict[str, str]]
) -> None:
    items.put(ver={"N": "7"}, rec={"S": "x"}, **at)
    assert shared.read(KEY, soon()) == Snapshot(7, "x", None)


def test_a_record_that_is_no_text_is_empty(shared: DynamoCache, items: Any) -> None:
    items.put(ver={"N": "7"}, rec={"N": "1"})
    assert shared.read(KEY, soon()).text == ""


def test_a_table_that_is_not_there_is_a_mistake(make: Make) -> None:
    missing = make(dynamodb__table="gc-nowhere")
    error = failing(UsageError, lambda: missing.read(KEY, soon()))
    assert f"no table gc-nowhere in {REGION}" in str(error)
    assert "table.yaml" in error.hint
    failing(UsageError, lambda: missing.compare_and_set(KEY, 0, TEXT, soon()))


def test_a_table_with_another_key_is_a_mistake(dynamo: str, make: Make) -> None:
    client("dynamodb", dynamo).create_table(
        TableName=(name := "gc-other-" + str(time.monotonic_ns())),
        AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
        KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
        BillingMode="PAY_PER_REQUEST",
    )
    time.sleep(0.1)
    assert "another key than pk" in str(failing(UsageError, lambda: make(dynamodb__table=name).read(KEY, soon())))


def test_a_table_is_named_by_its_arn_too(moto: str, cache: Any) -> None:
    name = make_table(moto)
    arn = f"arn:aws:dynamodb:{REGION}:123456789012:table/{name}"
    assert cache(keys(moto, AWS_REGION="us-east-1"), dynamodb__table=arn).compare_and_set(KEY, 0, TEXT, soon())
    assert cache(keys(moto), dynamodb__table=name).read(KEY, soon()).text == TEXT


@pytest.mark.parametrize("reference", [None, "ab", "a b", "arn:aws:s3:eu-central-1:123456789012:table/x"])
def test_a_reference_that_is_no_table_is_a_mistake(cache: Any, reference: str | None) -> None:
    with pytest.raises(UsageError):
        cache(keys("http://127.0.0.1:1"), **({"dynamodb__table": reference} if reference else {}))


def test_secrets_manager_is_refused_as_a_cache_with_the_reason(plug: Any) -> None:
    error = failing(UsageError, lambda: plug(AwsCache, {}))
    assert "once every ten minutes" in str(error)
    assert "dynamodb" in error.hint


# --- codes of AWS, by botocore's Stubber


@pytest.fixture
def stub(cache: Any) -> tuple[DynamoCache, Stubber]:
    built = cache(keys("http://127.0.0.1:1"), dynamodb__table="gc-tokens")
    return built, Stubber(built._client.client("dynamodb", REGION, soon()))


def dated(**more: Any) -> dict[str, Any]:
    return {"ResponseMetadata": {"HTTPHeaders": {"date": formatdate(1_795_000_000, usegmt=True)}}, **more}


@pytest.mark.parametrize(
    "code", ["AccessDeniedException", "ExpiredTokenException", "UnrecognizedClientException", "KMSDisabledException"]
)
def test_a_job_that_may_not_read_is_denied(stub: tuple[DynamoCache, Stubber], code: str) -> None:
    built, stubber = stub
    stubber.add_client_error("get_item", code)
    with stubber:
        failing(Denied, lambda: built.read(KEY, soon()))


def test_a_job_that_may_only_read_is_denied_the_write(stub: tuple[DynamoCache, Stubber]) -> None:
    built, stubber = stub
    stubber.add_response("get_item", dated())
    stubber.add_client_error("put_item", "AccessDeniedException")
    with stubber:
        assert built.read(KEY, soon()).version == 0
        assert "dynamodb:PutItem" in failing(Denied, lambda: built.compare_and_set(KEY, 0, TEXT, soon())).hint


@pytest.mark.parametrize(
    "code",
    ["ProvisionedThroughputExceededException", "ThrottlingException", "InternalServerError", "RequestLimitExceeded"],
)
def test_a_write_that_is_throttled_is_sent_again_and_a_read_is_not(
    stub: tuple[DynamoCache, Stubber], code: str
) -> None:
    built, stubber = stub
    stubber.add_client_error("get_item", code)
    stubber.add_response("get_item", dated())
    stubber.add_client_error("put_item", code)
    stubber.add_client_error("put_item", code)
    stubber.add_response("put_item", dated())
    with stubber:
        failing(TemporaryError, lambda: built.read(KEY, soon()))
        assert built.compare_and_set(KEY, 7, TEXT, soon()) == 8
        stubber.assert_no_pending_responses()
    for _ in range(3):
        stubber.add_client_error("put_item", code)
    with stubber:
        failing(TemporaryError, lambda: built.compare_and_set(KEY, 8, TEXT, soon()))


# --- answers that come at the wrong time


@pytest.fixture
def asked(scripted: ScriptedServer, cache: Any) -> DynamoCache:
    """The cache on the scripted server."""
    built: DynamoCache = cache(keys(f"http://127.0.0.1:{scripted.port}"), dynamodb__table="gc-tokens")
    return built


DATE = "Sun, 22 Nov 2026 10:00:07 GMT"
NOTHING = answer(200, {}, Date=DATE)
LOST = answer(400, {"__type": "com.amazonaws#ConditionalCheckFailedException"}, Date=DATE)
BROKEN = answer(500, {"__type": "com.amazonaws#InternalServerError"}, Date=DATE)


def entry(at: str = "1795341600", date: str | None = DATE) -> bytes:
    item = {"pk": {"S": KEY}, "ver": {"N": "4"}, "rec": {"S": TEXT}, "at": {"N": at}}
    return answer(200, {"Item": item}, **({"Date": date} if date else {}))


@pytest.mark.parametrize(
    ("at", "date", "age"),
    [
        ("1795341600.5", DATE, 6.5),
        ("1795341607.9", DATE, 0),
        ("1795341660", DATE, 0),
        ("1795341700", DATE, None),
        ("1795341600", None, None),
        ("1795341600", "now", None),
    ],
)
def test_the_age_is_the_date_of_the_answer_less_the_time_of_the_write(
    asked: DynamoCache, scripted: ScriptedServer, at: str, date: str | None, age: float | None
) -> None:
    scripted.answers = [entry(at, date)]
    found = asked.read(KEY, soon())
    assert (found.version, found.text) == (4, TEXT)
    assert found.age == (None if age is None else pytest.approx(age))


def test_a_clock_that_lies_changes_nothing(
    asked: DynamoCache, scripted: ScriptedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    scripted.answers = [entry(), NOTHING]
    monkeypatch.setattr(time, "time", lambda: 1.0)
    assert asked.read(KEY, soon()).age == pytest.approx(7)
    asked.compare_and_set(KEY, 4, TEXT, soon())
    assert 1_795_341_607 <= float(sent(scripted.requests[1])["at"]["N"]) < 1_795_341_667


def test_a_store_that_does_not_say_the_time_is_no_obstacle(asked: DynamoCache, scripted: ScriptedServer) -> None:
    scripted.answers = [answer(200, {})]
    assert asked.compare_and_set(KEY, 0, TEXT, soon()) > 0
    assert not {"at", "exp"} & sent(scripted.requests[-1]).keys()


def sent(request: Request) -> dict[str, Any]:
    import json

    item: dict[str, Any] = json.loads(request.body)["Item"]
    return item


def test_a_read_and_a_write_are_one_request_each(asked: DynamoCache, scripted: ScriptedServer) -> None:
    scripted.answers = [entry(), NOTHING]
    asked.read(KEY, soon())
    asked.compare_and_set(KEY, 4, TEXT, soon())
    names = [request.headers["x-amz-target"].partition(".")[2] for request in scripted.requests]
    assert names == ["GetItem", "PutItem"]
    assert b'"ConsistentRead": true' in scripted.requests[0].body.replace(b'":true', b'": true')


@pytest.mark.parametrize("reply", [b"", b"HTTP/1.1 200 OK\r\nContent-Length: 400\r\n\r\n{"])
def test_a_write_that_is_met_by_silence_is_sent_once_because_it_may_have_been_written(
    asked: DynamoCache, scripted: ScriptedServer, reply: bytes
) -> None:
    scripted.answers = [entry(), reply]
    asked.read(KEY, soon())
    failing(TemporaryError, lambda: asked.compare_and_set(KEY, 4, TEXT, soon()))
    assert len(scripted.requests) == 2


def test_a_write_that_happened_although_its_answer_was_an_error_is_recognised(
    asked: DynamoCache, scripted: ScriptedServer
) -> None:
    def there(*_: object) -> bytes:
        return answer(200, {"Item": sent(scripted.requests[1])}, Date=DATE)

    scripted.answers = [entry(), BROKEN, LOST, there]
    asked.read(KEY, soon())
    assert asked.compare_and_set(KEY, 4, TEXT, soon()) == 5
    assert sent(scripted.requests[1])["nonce"] == sent(scripted.requests[2])["nonce"]


def test_a_write_that_another_won_after_an_error_is_lost(asked: DynamoCache, scripted: ScriptedServer) -> None:
    scripted.answers = [entry(), BROKEN, LOST, entry()]
    asked.read(KEY, soon())
    with pytest.raises(LostRace):
        asked.compare_and_set(KEY, 4, TEXT, soon())


def test_a_lost_race_is_not_looked_into_when_there_was_no_error(asked: DynamoCache, scripted: ScriptedServer) -> None:
    scripted.answers = [entry(), LOST]
    asked.read(KEY, soon())
    with pytest.raises(LostRace):
        asked.compare_and_set(KEY, 4, TEXT, soon())
    assert len(scripted.requests) == 2


@pytest.mark.parametrize("reply", [answer(200, "<html>"), answer(302, "", Location="https://elsewhere.test/")])
def test_a_page_of_html_is_a_mistake_and_no_empty_table(
    asked: DynamoCache, scripted: ScriptedServer, reply: bytes
) -> None:
    scripted.answers = [reply]
    failing(UsageError, lambda: asked.read(KEY, soon()))
    failing(UsageError, lambda: asked.compare_and_set(KEY, 4, TEXT, soon()))


def test_a_store_that_hangs_ends_with_the_deadline(asked: DynamoCache, scripted: ScriptedServer) -> None:
    ended = threading.Event()

    def hang(*_: object) -> None:
        ended.wait(30)

    scripted.answers = [hang]
    began = time.monotonic()
    failing(TemporaryError, lambda: asked.read(KEY, Deadline(0.3)))
    ended.set()
    assert time.monotonic() - began < 10


def test_without_credentials_the_cache_is_denied_and_not_broken(cache: Any) -> None:
    built = cache({"AWS_REGION": REGION}, dynamodb__table="gc-tokens")
    failing(Denied, lambda: built.read(KEY, soon()))
