"""Liveness: which cached tokens are checked, and what becomes of them; without a server."""

import threading
from collections.abc import Callable, Iterator

import pytest
from support.versioned import Store

from gc_credhelper import tokens
from gc_credhelper.deadline import Deadline
from gc_credhelper.entry import Entry
from gc_credhelper.errors import Error, RateLimited, TemporaryError, TokenError, UsageError
from gc_credhelper.proofs import Proofs
from gc_credhelper.rejections import digest
from gc_credhelper.report import Report
from gc_credhelper.shared import Shared
from gc_credhelper.tokens import AccessToken

from .kit import HOUR, Bench

WITHIN = 600.0


@pytest.fixture
def bench(bench: Bench) -> Bench:
    """One that checks, and an entry that is due."""
    bench.verify = WITHIN
    bench.entry().write(bench.token("old", age=WITHIN + 1))
    return bench


def test_nothing_is_checked_when_it_is_off(bench: Bench) -> None:
    bench.verify = 0
    assert bench.source().token().value == "old"
    assert bench.checked == []
    assert not bench.files(".alive")


def test_a_token_that_was_issued_lately_is_not_checked(bench: Bench) -> None:
    bench.entry().write(bench.token("young", age=WITHIN - 30))
    assert bench.source().token().value == "young"
    assert bench.checked == []


def test_a_token_is_checked_once_a_window_whoever_asks(bench: Bench) -> None:
    for ahead, checks in ((0, 1), (WITHIN - 10, 1), (WITHIN + 1, 2), (2 * WITHIN - 10, 2)):
        bench.clock.ahead = ahead
        assert [bench.source().token().value for _ in range(3)] == ["old"] * 3
        assert len(bench.checked) == checks
    assert bench.issued == 0
    assert not bench.said.warnings


@pytest.mark.parametrize("says", [None, "another-client", ""])
def test_a_dead_token_and_one_of_another_client_are_rejected_and_replaced(bench: Bench, says: str | None) -> None:
    bench.says = says
    assert [bench.source().token().value for _ in range(2)] == ["new-1"] * 2
    assert bench.checked == ["old"]
    assert bench.entry().rejections.holds("old")
    assert not bench.said.warnings


def test_an_id_is_the_same_in_either_case(bench: Bench) -> None:
    bench.says = bench.whose.client_id.upper()
    assert bench.source().token().value == "old"


FAILURES = [TemporaryError("down"), RateLimited("429"), TokenError("a page"), UsageError("no TLS")]


@pytest.mark.parametrize("error", FAILURES, ids=lambda error: type(error).__name__)
def test_a_good_token_is_never_lost_to_a_check(bench: Bench, error: Error) -> None:
    bench.says = error
    source = bench.source()
    assert source.token().value == "old"
    assert bench.said.warnings == [f"the cached token was handed out unchecked: {error}"]


def test_for_a_moment_nobody_repeats_a_check_in_vain_and_everybody_is_told(bench: Bench) -> None:
    bench.says = TemporaryError("down")
    for ahead, checks in ((0, 1), (10, 1), (16, 2), (20, 2)):
        bench.clock.ahead = ahead
        bench.said.warnings.clear()
        bench.said._said.clear()  # another process
        assert bench.source().token().value == "old"
        assert len(bench.checked) == checks
        assert len(bench.said.warnings) == 1
    bench.clock.ahead = 40
    bench.says = bench.whose.client_id
    bench.said.warnings.clear()
    assert [bench.source().token().value for _ in range(2)] == ["old"] * 2
    assert (len(bench.checked), bench.said.warnings) == (3, [])


def test_the_moment_counts_from_the_end_of_a_check_in_vain(bench: Bench) -> None:
    def hangs(token: str, _: Deadline) -> str:
        bench.checked.append(token)
        bench.clock.ahead += 10
        raise TemporaryError("it hung")

    bench.client_of = hangs  # type: ignore[method-assign]
    for _ in range(2):
        assert bench.source().token().value == "old"
    bench.clock.ahead += 14
    assert bench.source().token().value == "old"
    assert len(bench.checked) == 1


def test_a_check_in_vain_does_not_undo_what_was_known(bench: Bench) -> None:
    proofs, token = bench.entry().proofs, bench.entry().read()
    assert token
    now = bench.clock()
    proofs.alive(token, now - 5)
    proofs.in_vain(token, now)
    assert proofs.of(token, now) == pytest.approx((now - 5, now), abs=0.001)


def test_when_every_new_token_is_dead_too_the_cause_is_elsewhere(bench: Bench) -> None:
    bench.verify = 1
    bench.says = None
    source = bench.source()
    assert source.token().value == "new-1"
    bench.clock.ahead = 5
    assert source.token().value == "new-1"
    assert len(bench.said.warnings) == 1
    assert "look at the API URL" in bench.said.warnings[0]
    assert bench.issued == 1


def test_a_dead_token_that_cannot_be_replaced_is_not_handed_out(bench: Bench) -> None:
    bench.says = None
    bench.fails = TemporaryError("the login is down")
    with pytest.raises(TemporaryError, match="the login is down"):
        bench.source().token()


def test_an_ageing_token_is_checked_before_it_is_served_in_place_of_a_new_one(bench: Bench) -> None:
    bench.entry().write(bench.token("ageing", age=HOUR - 600))
    bench.fails = TemporaryError("the login is down")
    assert bench.source().token().value == "ageing"
    assert bench.checked == ["ageing"]


def test_a_refresh_checks_nothing(bench: Bench) -> None:
    assert bench.source().token(refresh=True).value == "new-1"
    assert bench.checked == []


def test_without_a_cache_nothing_is_checked(bench: Bench) -> None:
    source = bench.source()
    source._entry = Entry(bench.whose, [], bench.directory, bench.said)
    assert source.token().value == "new-1"
    assert bench.checked == []


def test_a_token_that_came_from_another_machine_is_checked_too(bench: Bench) -> None:
    bench.entry().remove()
    offered = [bench.token("from afar", age=WITHIN + 1), bench.token("new")]
    entry = bench.entry()
    entry.far = _Far()  # type: ignore[assignment]
    source = bench.source(fetch=lambda *_: offered.pop(0))
    source._entry = entry
    bench.says = None
    assert source.token().value == "new"
    assert bench.checked == ["from afar"]
    assert entry.rejections.holds("from afar")


@pytest.fixture
def hanging() -> Iterator[Shared]:
    """A cache that machines share and that never answers."""
    over, store = threading.Event(), Store()

    def breaks(_: str) -> None:
        over.wait(60)

    store.breaks = breaks
    yield Shared("far", store, Report(), strict=False)
    over.set()


def test_a_far_cache_that_hangs_leaves_time_to_replace_a_dead_token(bench: Bench, hanging: Shared) -> None:
    def fetch(_: Entry, deadline: Deadline) -> AccessToken:
        assert deadline.left()
        return bench.exchange()

    bench.says = None
    source = bench.source(fetch=fetch, seconds=10)
    source.entry().far = hanging
    assert source.token().value == "new-1"


class _Far:
    def sighted(self, *_: object) -> tuple[bool, bool]:
        return True, False

    def try_remove(self, *_: object) -> None:
        return None


def test_the_proof_of_one_token_is_none_for_another(bench: Bench) -> None:
    bench.source().token()
    bench.entry().write(bench.token("other", age=WITHIN + 2))
    bench.source().token()
    assert bench.checked == ["old", "other"]


def test_a_token_whose_times_are_known_less_well_is_the_same(bench: Bench) -> None:
    # One that comes from a far cache is dated anew at each read.
    bench.source().token()
    bench.entry().write(bench.token("old", age=WITHIN + 3))
    assert bench.source().token().value == "old"
    assert bench.checked == ["old"]


def test_a_hit_knows_a_token_by_the_times_of_its_entry(bench: Bench) -> None:
    bench.source().token()
    (proof,) = bench.files(".alive")
    now = bench.clock()
    old, other = bench.entry().read(), bench.token("other", age=WITHIN + 5)
    assert old
    assert now - tokens.load_proof(proof.read_text(), old, now)[0] < 30
    assert tokens.load_proof(proof.read_text(), other, now) == (other.issued_at, 0)
    assert "old" not in proof.read_text()
    assert digest("old") in proof.read_text()


def damaged(text: str) -> list[str]:
    words = text.split(" ")
    return [
        "",
        "x",
        text.replace("gcca1", "gcca0"),
        " ".join(words[:-1]),
        f"{text} 1",
        *(" ".join([*words[:i], "9" * 5000, *words[i + 1 :]]) for i in (1, 4, 5)),
        *(" ".join([*words[:i], "9" * 400, *words[i + 1 :]]) for i in (4, 5)),
        " ".join([*words[:4], f"{int(words[4]) + 120_000}", words[5]]),
        " ".join([*words[:4], "nan", words[5]]),
        "\N{LATIN SMALL LETTER Y WITH DIAERESIS}" * 100,
    ]


@pytest.mark.parametrize("number", range(12))
def test_a_damaged_proof_and_one_from_the_future_prove_nothing(bench: Bench, number: int) -> None:
    bench.source().token()
    (proof,) = bench.files(".alive")
    proof.write_bytes(damaged(proof.read_text())[number].encode("latin-1"))
    token = bench.entry().read()
    assert token
    assert tokens.load_proof(proof.read_bytes().decode("latin-1"), token, bench.clock())[1] == 0
    assert bench.source().token().value == "old"
    assert len(bench.checked) == 2
    assert not bench.said.warnings


def test_a_proof_that_cannot_be_kept_is_a_warning_and_holds_in_this_process(bench: Bench) -> None:
    (bench.path / f"{bench.whose.key}.alive").mkdir()
    source = bench.source()
    assert [source.token().value for _ in range(3)] == ["old"] * 3
    assert bench.checked == ["old"]
    assert len(bench.said.warnings) == 1
    assert "every process may check it" in bench.said.warnings[0]


def test_a_memory_cache_alone_touches_no_file(bench: Bench) -> None:
    for path in [*bench.path.iterdir()]:
        path.unlink()
    memory = ("memory", bench.memory_cache())
    bench.entry(memory).write(bench.token("kept", age=WITHIN + 1))
    source = bench.source(memory)
    assert [source.token().value for _ in range(2)] == ["kept"] * 2
    assert bench.checked == ["kept"]
    assert not [*bench.path.iterdir()]


def asked_while(bench: Bench, work: Callable[[], None]) -> AccessToken:
    """What a caller is given in whose check that work happens."""
    entered, leave = threading.Event(), threading.Event()

    def client_of(token: str, _: Deadline) -> str:
        bench.checked.append(token)
        entered.set()
        assert leave.wait(60)
        return bench.whose.client_id

    bench.client_of = client_of  # type: ignore[method-assign]
    got: list[AccessToken] = []
    source = bench.source()
    thread = threading.Thread(target=lambda: got.append(source.token()))
    thread.start()
    assert entered.wait(60)
    try:
        work()
    finally:
        leave.set()
        thread.join(60)
    return got[0]


def test_whoever_waits_for_a_check_leaves_with_its_proof_and_asks_nobody(bench: Bench) -> None:
    waiting = threading.Event()
    note = bench.said.note

    def heard(text: str) -> None:
        note(text)
        if text.startswith("waiting for"):
            waiting.set()

    bench.said.note = heard  # type: ignore[method-assign]
    got: list[AccessToken] = []
    other = threading.Thread(target=lambda: got.append(bench.source().token()))

    def wait() -> None:
        other.start()
        assert waiting.wait(60)

    assert asked_while(bench, wait).value == "old"
    other.join(60)
    assert [token.value for token in got] == ["old"]
    assert bench.checked == ["old"]
    assert not bench.said.warnings


def test_nobody_fails_because_another_check_takes_too_long(bench: Bench) -> None:
    got: list[AccessToken] = []
    asked_while(bench, lambda: got.append(bench.source(seconds=0.2).token()))
    assert [token.value for token in got] == ["old"]
    assert len(bench.said.warnings) == 1
    assert "was handed out unchecked" in bench.said.warnings[0]
    assert bench.checked == ["old"]


def test_a_caller_without_a_window_waits_for_nobody(bench: Bench) -> None:
    other = bench.source()
    other._liveness._within = 0
    got: list[AccessToken] = []
    asked_while(bench, lambda: got.append(other.token()))
    assert [token.value for token in got] == ["old"]
    assert not bench.said.warnings


def test_a_proof_of_a_directory_that_is_not_there_is_none(bench: Bench) -> None:
    token = bench.token("any", age=5)
    assert Proofs(bench.directory, "nothing", bench.said).of(token, bench.clock()) == (token.issued_at, 0)
