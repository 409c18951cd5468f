"""Formats, byte for byte."""

import json
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gc_credhelper import output
from gc_credhelper.tokens import AccessToken

TOKEN = AccessToken("abc-._~+/123==", 1_763_880_000.25, 1_763_966_400.25)  # a day
V1, V1BETA1 = output.API_VERSIONS


def test_exec_credential() -> None:
    assert output.exec_credential(TOKEN, V1) == (
        '{"apiVersion":"client.authentication.k8s.io/v1","kind":"ExecCredential",'
        '"status":{"token":"abc-._~+/123==","expirationTimestamp":"2025-11-24T06:39:00Z"}}\n'
    )
    assert json.loads(output.exec_credential(TOKEN, V1BETA1))["apiVersion"] == "client.authentication.k8s.io/v1beta1"


def test_raw() -> None:
    assert output.raw(TOKEN, V1) == "abc-._~+/123==\n"


def test_header() -> None:
    assert output.header(TOKEN, V1) == "Authorization: Bearer abc-._~+/123==\n"


def test_json() -> None:
    now = time.time()
    fresh = AccessToken("abc", now, now + 3600)
    answer = json.loads(output.json(fresh, V1))
    assert [*answer] == ["access_token", "token_type", "expires_in", "expires_at", "expires_at_epoch"]
    assert answer["access_token"] == "abc"
    assert answer["token_type"] == "Bearer"
    assert 3530 <= answer["expires_in"] <= 3540
    assert answer["expires_at"] == time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(int(now + 3600 - 60)))
    assert answer["expires_at_epoch"] == int(now + 3600 - 60)
    assert output.json(TOKEN, V1) == (
        '{"access_token":"abc-._~+/123==","token_type":"Bearer","expires_in":0,'
        f'"expires_at":"2025-11-24T06:39:00Z","expires_at_epoch":{TOKEN.reported_expiry}}}\n'
    )


def test_these_are_all() -> None:
    assert [*output.FORMATS] == ["exec-credential", "raw", "header", "json", "headers", "bazel", "codex"]


@pytest.mark.parametrize(
    ("epoch", "text"),
    [
        (0, "1970-01-01T00:00:00Z"),
        (951_782_399, "2000-02-28T23:59:59Z"),
        (951_782_400, "2000-02-29T00:00:00Z"),
        (4_102_444_800, "2100-01-01T00:00:00Z"),
    ],
)
def test_times_are_rfc_3339_in_utc(epoch: int, text: str) -> None:
    assert output.rfc3339(epoch) == text


b64tokens = st.text(
    "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._~+/", min_size=1, max_size=200
)  # RFC 6750 §2.1


@settings(deadline=None)
@given(b64tokens, st.integers(0, 2**33), st.integers(300, 172_800))
def test_what_is_json_parses_whatever_the_token(value: str, issued: int, lifetime: int) -> None:
    token = AccessToken(value, issued, issued + lifetime)
    for api_version in output.API_VERSIONS:
        answer = json.loads(output.exec_credential(token, api_version))
        assert answer["status"]["token"] == value
    assert json.loads(output.json(token, V1))["access_token"] == value
