"""AccessToken: the stored form, and the windows that follow from the lifetime."""

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gc_credhelper import tokens
from gc_credhelper.tokens import AccessToken, advisory, dump, load, mandatory

KEY = "0123456789abcdef" * 2 + "01234567"
ALPHABET = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._~+/"
NOW = 1_800_000_000.0

values = st.builds(str.__add__, st.text(ALPHABET, min_size=1, max_size=300), st.sampled_from(["", "=", "=="]))
seconds = st.integers(0, 2_000_000_000_000).map(lambda ms: ms / 1000)
lifetimes = st.one_of(st.integers(1, 300), st.integers(300, 172_800), st.floats(1, tokens.MAX_LIFETIME))
jitters = st.floats(0.9, 1.1)
marks = st.integers(0, 2**63)


def issued(at: float, lifetime: float, jitter: float = 1.0, value: str = "canary-Hd5-token") -> AccessToken:
    """As the exchange makes it."""
    return AccessToken(value, at, at + lifetime, refresh_at=at + lifetime - advisory(lifetime) * jitter)


STORED = dump(issued(NOW, 3600), KEY, 17, "client 0 http://127.0.0.1/oauth/token")


@given(value=values, at=seconds, window=st.tuples(lifetimes, jitters), mark=marks, about=st.text())
def test_what_was_stored_is_loaded(value: str, at: float, window: tuple[float, float], mark: int, about: str) -> None:
    token = issued(at, *window, value)
    text = dump(token, KEY, mark, about)
    assert text.isascii()
    found = load(text, KEY)
    assert found
    assert (found[0].value, found[0].type, found[1]) == (value, "Bearer", mark)
    for name in ("issued_at", "refresh_at", "expires_at"):
        assert math.isclose(getattr(found[0], name), getattr(token, name), rel_tol=0, abs_tol=0.001)
    assert load(text, KEY[:-1] + "8") is None


@given(position=st.integers(0, len(STORED) - 1), byte=st.integers(0, 255))
def test_every_damaged_byte_is_a_miss(position: int, byte: int) -> None:
    raw = bytearray(STORED.encode())
    if raw[position] == byte:
        byte ^= 1
    raw[position] = byte
    assert load(raw.decode("latin-1"), KEY) is None


def test_every_flipped_bit_and_every_truncation_is_a_miss() -> None:
    raw = STORED.encode()
    assert load(STORED, KEY)
    for position in range(len(raw)):
        assert load(STORED[:position], KEY) is None
        assert load(STORED[:position] + STORED[position + 1 :], KEY) is None
        for bit in range(8):
            damaged = bytearray(raw)
            damaged[position] ^= 1 << bit
            assert load(damaged.decode("latin-1"), KEY) is None


@given(text=st.one_of(st.text(), st.binary().map(lambda raw: raw.decode("latin-1"))))
def test_anything_else_is_a_miss(text: str) -> None:
    assert load(text, KEY) is None
    assert load(f"{tokens.MAGIC} {text}", KEY) is None


def forged(**change: Any) -> str:
    """An entry with a right checksum and one odd part."""
    parts: dict[str, Any] = {
        "key": KEY, "mark": 0, "type": "Bearer", "issued": 1000, "refresh": 2000, "expires": 3000, "value": "tok"
    }  # fmt: skip
    content = " ".join(map(str, {**parts, **change}.values())) + "\nabout\n"
    return f"{tokens.MAGIC} {tokens._checksum(content) if content.isascii() else 0} {content}"


@pytest.mark.parametrize(
    "change",
    [
        {"key": KEY.upper()},
        {"mark": "-1"},
        {"mark": "1_0"},
        {"mark": ""},
        {"issued": "+1000"},
        {"issued": "1e3"},
        {"issued": "1000.0"},
        {"issued": "\N{ARABIC-INDIC DIGIT ONE}\N{ARABIC-INDIC DIGIT ZERO}"},
        {"issued": "\N{SUPERSCRIPT TWO}"},
        {"issued": 2000},
        {"refresh": 3000},
        {"expires": "9" * 5000},
        {"expires": 1000 + tokens.MAX_LIFETIME * 1000 + 1},
        {"type": "bearer"},
        {"type": "MAC"},
        {"value": ""},
        {"value": "=="},
        {"value": "a=b"},
        {"value": "tok "},
        {"value": 'tok"'},
        {"value": "tök"},
        {"value": "tok\x1b"},
    ],
    ids=str,
)
def test_an_entry_that_we_would_not_write_is_a_miss(change: dict[str, Any]) -> None:
    assert load(forged(), KEY)
    assert load(forged(**change), KEY) is None


@pytest.mark.parametrize("magic", ["gcct0", "gcct2", "gcct10", "", "GCCT1"])
def test_an_entry_of_another_version_is_a_miss(magic: str) -> None:
    assert load(magic + STORED.removeprefix(tokens.MAGIC), KEY) is None


@pytest.mark.parametrize(
    ("lifetime", "early", "late"),
    [(300, 75, 30), (600, 150, 60), (3000, 750, 300), (3600, 900, 300), (86_400, 900, 300), (172_800, 900, 300)],
)
def test_the_windows_follow_the_lifetime(lifetime: float, early: float, late: float) -> None:
    assert (advisory(lifetime), mandatory(lifetime)) == (early, late)


@given(lifetime=lifetimes, jitter=jitters)
def test_the_advisory_window_opens_before_the_mandatory_one(lifetime: float, jitter: float) -> None:
    token = issued(NOW, lifetime, jitter)
    assert 0 < mandatory(lifetime) < advisory(lifetime) < lifetime
    assert token.issued_at < token.refresh_at < token.expires_at - mandatory(lifetime)


@given(at=st.floats(NOW, NOW + 10), lifetime=lifetimes, share=st.floats(-0.1, 1.1), min_ttl=st.floats(0, 200_000))
def test_a_usable_token_never_has_an_expiry_that_is_past(
    at: float, lifetime: float, share: float, min_ttl: float
) -> None:
    token = issued(at, lifetime)
    for now in (at + share * lifetime, token.reported_expiry, token.expires_at - mandatory(lifetime) - 0.01):
        if token.usable(now, min_ttl):
            assert now < token.reported_expiry <= token.expires_at - min(60, mandatory(lifetime))
            assert token.expires_at - now > mandatory(lifetime)


@given(lifetime=st.integers(300, 172_800), min_ttl=st.integers(0, 200_000), age=st.floats(0, 200_000))
def test_min_ttl_is_kept_by_whatever_is_usable(lifetime: int, min_ttl: int, age: float) -> None:
    token = issued(NOW, lifetime)
    left = token.expires_at - (NOW + age)
    if token.usable(NOW + age, min_ttl):
        assert left >= min_ttl or (age < 60 and min_ttl <= lifetime)
    else:
        assert left < max(min_ttl, mandatory(lifetime) + 1)


@pytest.mark.parametrize(("ahead", "usable"), [(59, True), (60, True), (61, False), (86_400, False)])
def test_a_token_from_the_future_is_not_used(ahead: float, usable: bool) -> None:  # noqa: FBT001
    assert issued(NOW + ahead, 172_800).usable(NOW) is usable


@pytest.mark.parametrize("lifetime", [1, 2, 5, 30, 300, 172_800])
def test_a_new_token_of_any_lifetime_is_reported_to_end_after_it_began(lifetime: float) -> None:
    assert NOW - 1 < issued(NOW, lifetime).reported_expiry < NOW + lifetime
