"""The rows: what each value looks like, and what the roles share."""

import re
from pathlib import Path
from typing import Any

import pytest
from gc_credhelper.settings import Layer, Origin, Setting
from hypothesis import given
from hypothesis import strategies as some

from gc_credhelper_keyring.cache import KeyringCache
from gc_credhelper_keyring.provider import KeyringProvider
from gc_credhelper_keyring.settings import backend, collection, name

ROWS: tuple[Setting, ...] = (*KeyringProvider.settings, *KeyringCache.settings)
README = Path(__file__).parent.parent / "README.md"


@pytest.mark.parametrize(
    ("kind", "raw"),
    [
        (name, ""),
        (name, "two\nlines"),
        (name, "x" * 201),
        (backend, "WinVaultKeyring"),
        (backend, "os.system('x')"),
        (backend, "a..b"),
        (backend, ".a"),
        (backend, "a.1b"),
        (collection, "../login"),
        (collection, "a/b"),
        (collection, ""),
    ],
)
def test_a_bad_value_is_refused(kind: Any, raw: object) -> None:
    with pytest.raises(ValueError, match="must"):
        kind(raw)


@given(some.text())
def test_a_name_that_is_taken_is_one_line_that_can_be_shown(raw: str) -> None:
    try:
        taken = name(raw)
    except ValueError:
        return
    assert taken.isprintable()
    assert name(taken) == taken != ""


@given(some.text())
def test_a_collection_that_is_taken_is_one_part_of_a_path(raw: str) -> None:
    try:
        taken = collection(raw)
    except ValueError:
        return
    assert re.fullmatch(r"[A-Za-z0-9_]+", taken)


def test_every_row_bears_the_plug_ins_name_and_a_help() -> None:
    for row in ROWS:
        assert re.fullmatch(r"keyring\.[a-z]+", row.name)
        assert row.help


def test_the_roles_share_their_rows_but_for_the_locators() -> None:
    provider, cache = ({row.name: row for row in role.settings} for role in (KeyringProvider, KeyringCache))
    assert cache.keys() - provider.keys() == {"keyring.cache"}
    assert provider.keys() - cache.keys() == {"keyring.service", "keyring.client"}
    assert all(provider[each] is cache[each] for each in provider.keys() & cache.keys())


def test_every_default_is_a_good_value() -> None:
    for row in ROWS:
        if row.default is not None:
            row.read(row.default, Origin(Layer.DEFAULT))


def test_the_readme_lists_every_setting() -> None:
    listed = set(re.findall(r"^\| `(keyring\.\w+)` \|", README.read_text(), re.MULTILINE))
    assert listed == {row.name for row in ROWS}
