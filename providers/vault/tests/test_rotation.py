"""A storm of jobs on a real OpenBao while the secret is rotated in it: none of them is lost."""

from pathlib import Path

import pytest
from fleetkit import variables
from support.rotation import NEW, OLD, RotatingLogin, storm
from vaultkit import ID, Realm

COUNTS = [16, pytest.param(64, marks=[pytest.mark.soak, pytest.mark.timeout(900)])]


@pytest.mark.parametrize("jobs", COUNTS)
def test_jobs_that_share_a_token_lose_none_and_ask_twice(tmp_path: Path, realm: Realm, jobs: int) -> None:
    realm.put(client_id=ID, client_secret=OLD)
    with RotatingLogin() as login:
        env = variables(login.token_url, realm)
        done = storm(login, tmp_path, env, lambda: realm.put(client_id=ID, client_secret=NEW), jobs, at_once=1)
    assert {(run.code, run.out, run.err) for run in done} == {(0, "tok-0\n", "")}
    assert (login.refused, login.issued) == ([OLD], ["tok-0"])


@pytest.mark.parametrize("jobs", COUNTS)
def test_jobs_with_a_token_each_lose_none(tmp_path: Path, realm: Realm, jobs: int) -> None:
    realm.put(client_id=ID, client_secret=OLD)
    with RotatingLogin() as login:
        env = variables(login.token_url, realm, GC_CREDHELPER_CACHE="file", GC_CREDHELPER_DEADLINE="280s")
        done = storm(login, tmp_path, env, lambda: realm.put(client_id=ID, client_secret=NEW), jobs, at_once=jobs // 2)
    assert {(run.code, run.err) for run in done} == {(0, "")}
    assert len({run.out for run in done}) == jobs
    assert len(login.refused) >= jobs // 2
