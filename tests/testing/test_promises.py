"""Every promise has its number, its row in the docs, and a plug-in that breaks it."""

import re
from dataclasses import fields
from importlib.util import module_from_spec, spec_from_file_location
from types import ModuleType
from typing import Any

import pytest
from docs.pages import REFERENCE, prose, tables

from gc_credhelper import testing
from gc_credhelper.testing import promises

from .stranger import BROKEN
from .test_broken import KINDS

CONTRACTS = [contract for contract, _, _ in KINDS.values()]
PAGE = REFERENCE / "contracts.md"


def load(name: str) -> ModuleType:
    spec = spec_from_file_location(name, BROKEN / f"{name}.py")
    assert spec
    assert spec.loader
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("contract", CONTRACTS)
def test_promises_are_numbered_from_1_without_a_gap_and_every_test_has_one(contract: type) -> None:
    numbers = [*promises(contract)]
    assert numbers == [f"{numbers[0][0]}{n}" for n in range(1, len(numbers) + 1)]
    assert len(numbers) == len([name for name in dir(contract) if name.startswith("test")])


def test_the_tables_of_promises_are_those_of_the_code() -> None:
    shown = {row[0]: row[1] for table in tables(PAGE) if table[0] == ["number", "promise"] for row in table[1:]}
    assert shown == {number: text for contract in CONTRACTS for number, text in promises(contract).items()}


def test_the_fields_of_a_case_are_those_of_the_page() -> None:
    (table,) = (table for table in tables(PAGE) if table[0][0] == "field")
    roles: dict[str, Any] = {
        "provider": testing.ProviderCase,
        "cache backend": testing.CacheCase,
        "far cache": testing.FarCase,
    }
    wide = {"all": {*roles}, "caches": {"cache backend", "far cache"}}
    shown = {(role, row[0].strip("`")) for row in table[1:] for role in wide.get(row[1], {row[1]})}
    assert shown == {(role, one.name) for role, case in roles.items() for one in fields(case)}


def test_the_page_names_each_contract_and_case() -> None:
    for name in testing.__all__:
        if name.endswith(("Contract", "Case")):
            assert f"`{name}`" in prose(PAGE)


@pytest.mark.parametrize("kind", ["providers", "caches"])
def test_every_promise_has_a_broken_plug_in_and_each_of_them_a_promise(kind: str) -> None:
    broken = {name for name in vars(load(f"broken_{kind}")) if re.fullmatch(r"[PCF]\d+", name)}
    assert broken == {*promises(KINDS[kind][0])}


def test_every_promise_of_a_far_cache_has_a_broken_plug_in_and_each_of_them_a_promise() -> None:
    text = (BROKEN / "broken_fars.py").read_text(encoding="utf-8")
    assert {*re.findall(r"^class (F\d+)\(", text, re.MULTILINE)} == {*promises(testing.FarCacheContract)}
