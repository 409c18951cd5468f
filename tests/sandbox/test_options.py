import subprocess
import sys
import uuid

import pytest

from gc_credhelper.sandbox.faults import ANSWERS
from gc_credhelper.sandbox.options import Fault, Kind, Options
from gc_credhelper.sandbox.state import FaultQueue


def test_a_client_is_made_up_when_none_is_given() -> None:
    ((client_id, secret),) = Options().clients
    assert uuid.UUID(client_id).version == 4
    assert len(secret) >= 32
    assert Options().clients != Options().clients


def test_options_do_not_print_the_secrets() -> None:
    assert "hush" not in repr(Options(clients=[("me", "hush")]))


def test_an_unknown_fault_is_refused_with_the_list_of_kinds() -> None:
    with pytest.raises(ValueError, match=r"unknown fault 'fire'; the kinds are rate-limit, 429, 500, .*, idle-death"):
        Options(fail=["fire"])


@pytest.mark.parametrize("text", ["500:", "500:0", "500:-1", "500:x", "500:1.5", "500:²"])
def test_a_count_that_is_no_positive_number_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="must be a whole number from 1 on"):
        Options(fail=[text])


@pytest.mark.parametrize("wrong", [{"lifetime": 0}, {"latency": -0.1}, {"users": -1}])
def test_a_value_that_makes_no_sense_is_refused(wrong: dict[str, int]) -> None:
    with pytest.raises(ValueError, match=r"negative|at least"):
        Options(**wrong)  # type: ignore[arg-type]


def test_faults_are_used_up_in_their_order() -> None:
    queue = FaultQueue(Options(fail=["500:2", "503:1"]).faults())
    seen = []
    while queue.head:
        seen.append(queue.head)
        queue.use()
    assert seen == [Kind.SERVER_ERROR, Kind.SERVER_ERROR, Kind.UNAVAILABLE]


def test_a_fault_without_a_count_lasts_for_ever() -> None:
    queue = FaultQueue([Fault(Kind.HTML)])
    for _ in range(50):
        queue.use()
    assert queue.head is Kind.HTML


def test_every_kind_is_an_answer_or_an_end() -> None:
    ends = {Kind.TIMEOUT, Kind.RESET, Kind.TRUNCATED, Kind.IDLE_DEATH}
    assert set(Kind) == set(ANSWERS) | ends


@pytest.mark.parametrize("module", ["gc_credhelper.sandbox", "gc_credhelper.sandbox.options"])
def test_options_are_checked_without_importing_aiohttp(module: str) -> None:
    code = f"import sys, {module}; sys.exit('aiohttp' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], timeout=30, check=False).returncode == 0
