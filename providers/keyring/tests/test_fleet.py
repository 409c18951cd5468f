"""One exchange for all threads and processes that share a keyring."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from gc_credhelper.library import token_source
from gc_credhelper.sandbox.options import Options
from gc_credhelper.sandbox.server import SandboxThread
from keyringkit import ID, SECRET, Desktop, client
from support import Machine, outputs
from support.hunting import hunt, soon


@pytest.fixture
def slow() -> SandboxThread:
    return SandboxThread(Options(clients=((ID, SECRET),), latency=0.5))


def test_sixteen_processes_cause_one_token_request(
    machine: Machine, slow: SandboxThread, session: Desktop, provider: Any, service: str
) -> None:
    provider(session.env()).plugin.store(client(), soon(), replace=False)
    with slow as sandbox:
        env = session.env(
            GC_CREDHELPER_PROVIDER=f"keyring:{service}",
            GC_CREDHELPER_CACHE=f"keyring:{service}",
            GC_CREDHELPER_TOKEN_URL=sandbox.token_url,
            GC_CREDHELPER_DEADLINE="60s",
            GC_CREDHELPER_KEYRING_TIMEOUT="30s",  # sixteen at once on a small machine
        )
        done = outputs([machine.start("token", "-o", "raw", env=env) for _ in range(16)])
        for run in done:
            hunt(run.err)
        assert {(run.code, run.err) for run in done} == {(0, "")}
        assert len({run.out for run in done}) == 1
        assert sandbox.stats()["token_requests"] == 1


def test_threads_of_one_process_cause_one_token_request(
    slow: SandboxThread, session: Desktop, provider: Any, service: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    provider(session.env()).plugin.store(client(), soon(), replace=False)
    monkeypatch.setenv("DBUS_SESSION_BUS_ADDRESS", session.address)
    with slow as sandbox:
        reference = f"keyring:{service}"
        source = token_source(provider=reference, cache=reference, token_url=sandbox.token_url, keyring__timeout="30s")
        with ThreadPoolExecutor(12) as pool:
            values = {found.result().value for found in [pool.submit(source.token) for _ in range(12)]}
        assert len(values) == 1
        assert sandbox.stats()["token_requests"] == 1
