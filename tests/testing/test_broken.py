"""For each promise there is a plug-in that breaks it, and the test of that promise, and no other, finds it."""

from pathlib import Path

import pytest
from support import Machine

from gc_credhelper.plugins import CACHES, PROVIDERS
from gc_credhelper.testing import (
    CacheBackendContract,
    CredentialProviderContract,
    FarCacheContract,
    promises,
)

from .stranger import BROKEN, EXAMPLE, environment, outcomes, pytest_run

KINDS = {
    "providers": (CredentialProviderContract, PROVIDERS, "Good"),
    "caches": (CacheBackendContract, CACHES, "GoodCache"),
    "fars": (FarCacheContract, CACHES, "Good"),
}
# Those take seconds, or start commands: each is asked only of its own.
LONG = {
    "providers": {"p10", "p11", "p17", "p18", "p19"},
    "caches": {"c12", "c14", "c15", "c16", "c17"},
    "fars": {"f9", "f12", "f14", "f15", *(f"f{number}" for number in range(18, 24))},
}
# What cannot be broken alone.
ALSO = {"p7": {"p21"}, "c9": {"c5"}, "f22": {"f5"}}


@pytest.mark.timeout(300)
@pytest.mark.parametrize("kind", KINDS)
def test_each_broken_plug_in_fails_its_own_promise_alone(kind: str, machine: Machine, tmp_path: Path) -> None:
    contract, group, good = KINDS[kind]
    numbers = [number.lower() for number in promises(contract)]
    module = f"broken_{kind}"
    points = [(group, "good", f"{module}:{good}"), *((group, one, f"{module}:{one.upper()}") for one in numbers)]
    points.append((CACHES, "sqlite", "gc_credhelper_sqlite:SqliteCache"))
    python = environment(tmp_path / "environment", points, BROKEN, EXAMPLE)
    quick = " or ".join(f"_{number}_" for number in numbers if number not in LONG[kind])
    own = " or ".join(f"(Test{number.upper()} and _{number}_)" for number in LONG[kind])
    done = pytest_run(python, machine, BROKEN / f"contracts_{kind}.py", "-k", f"{quick} or {own}", cwd=tmp_path)
    found = outcomes(tmp_path / "report.xml")
    assert "error" not in done.stdout.splitlines()[-1], done.stdout[-4000:]
    asked = {*numbers} - LONG[kind]
    assert found.pop("TestGood") == {"passed": asked}
    failed = {name.removeprefix("Test").lower(): one.get("failed", set()) for name, one in found.items()}
    assert failed == {number: {number} | ALSO.get(number, set()) for number in numbers}
    for name, one in found.items():
        assert one.get("passed", set()) | one["failed"] == asked | {name.removeprefix("Test").lower()}
