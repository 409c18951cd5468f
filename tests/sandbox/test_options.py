import subprocess
import sys
import uuid

import pytest

from gc_credhelper.sandbox.faults import ANSWERS, API_ERRORS, HALVES
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
    with pytest.raises(
        ValueError, match=r"unknown fault 'fire'; the kinds are rate-limit, 429, .*, idle-death, api-429, "
    ):
        Options(fail=["fire"])


@pytest.mark.parametrize("text", ["500:", "500:0", "500:-1", "500:x", "500:1.5", "500:²"])
def test_a_count_that_is_no_positive_number_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="must be a whole number from 1 on"):
        Options(fail=[text])


@pytest.mark.parametrize("text", ["api-500@", "api-500@0", "api-500:2@-1", "api-500@x", "api-500@2:3"])
def test_a_number_of_passing_requests_that_is_no_positive_number_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"the number after @ of fault .* must be a whole number from 1 on"):
        Options(fail=[text])


def test_a_fault_is_read_with_its_count_and_what_passes_before() -> None:
    assert Options(fail=["500", "500:2", "500@3", "500:2@3"]).faults() == [
        Fault(Kind.SERVER_ERROR),
        Fault(Kind.SERVER_ERROR, 2),
        Fault(Kind.SERVER_ERROR, None, 3),
        Fault(Kind.SERVER_ERROR, 2, 3),
    ]


@pytest.mark.parametrize("wrong", [{"lifetime": 0}, {"latency": -0.1}, {"users": -1}, {"api_limit": -1}])
def test_a_value_that_makes_no_sense_is_refused(wrong: dict[str, int]) -> None:
    with pytest.raises(ValueError, match=r"negative|at least"):
        Options(**wrong)  # type: ignore[arg-type]


def fates(queue: FaultQueue, requests: int) -> list[Kind | None]:
    """Say what each of so many requests meets."""
    return [head if (head := queue.head) and queue.meets() else None for _ in range(requests)]


def test_faults_are_used_up_in_their_order() -> None:
    queue = FaultQueue(Options(fail=["500:2", "503:1"]).faults())
    assert fates(queue, 4) == [Kind.SERVER_ERROR, Kind.SERVER_ERROR, Kind.UNAVAILABLE, None]
    assert queue.used == 3


def test_a_fault_without_a_count_lasts_for_ever() -> None:
    assert fates(FaultQueue([Fault(Kind.HTML)]), 50) == [Kind.HTML] * 50


def test_every_so_many_requests_one_fails() -> None:
    assert fates(FaultQueue([Fault(Kind.HTML, skip=2)]), 9) == [None, None, Kind.HTML] * 3


def test_every_kind_is_an_answer_or_an_end() -> None:
    ends = {Kind.TIMEOUT, Kind.RESET, Kind.API_RESET, Kind.IDLE_DEATH}
    assert set(Kind) == {*ANSWERS, *API_ERRORS, *HALVES, *ends}


@pytest.mark.parametrize("module", ["gc_credhelper.sandbox", "gc_credhelper.sandbox.options"])
def test_options_are_checked_without_importing_aiohttp(module: str) -> None:
    code = f"import sys, {module}; sys.exit('aiohttp' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], timeout=30, check=False).returncode == 0
