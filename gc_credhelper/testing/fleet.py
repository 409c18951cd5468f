"""The promises of the lease that the core runs on a far cache, F18 and on: machines, which are commands with homes of
their own, against a token endpoint.
"""

import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Mapping
from typing import Any, ClassVar

import pytest

from ..entry import Whose
from ..lease import LEASE
from ..plugins import CACHES
from ..record import Record
from ..roles import Snapshot
from .bench import Bench, soon, until
from .cases import FarCase
from .contract import Contract
from .machine import Machine, Run, outputs
from .scripted import Answer, ScriptedServer, token

KEY = "0f" * 20
Machines = Callable[[int], list[Machine]]


class FleetPromises(Contract):
    """The second half of FarCacheContract. `fleet`: how many machines start at once."""

    group: ClassVar[str] = CACHES
    fleet: ClassVar[int] = 8

    @pytest.fixture
    def store(self, case: FarCase, bench: Bench) -> Any:
        """The store of the case."""
        return bench.build(case.env)

    @staticmethod
    def read(store: Any, key: str = KEY) -> Snapshot:
        """What lies there."""
        found = store.read(key, soon())
        assert type(found) is Snapshot
        return found

    @staticmethod
    def write(store: Any, version: int, text: str, key: str = KEY) -> int:
        """The new version."""
        written: int = store.compare_and_set(key, version, text, soon())
        return written

    def variables(
        self, case: FarCase, tokens: ScriptedServer, change: Mapping[str, str] | None = None
    ) -> dict[str, str]:
        """Those of a command."""
        own = {
            "GC_CREDHELPER_TOKEN_URL": tokens.token_url,
            "GC_CREDHELPER_CACHE": f"file,{self.written(case)}",
            "GC_CREDHELPER_DEADLINE": "90s",
            "GENESYS_CLOUD_CLIENT_ID": tokens.client_id,
            "GENESYS_CLOUD_CLIENT_SECRET": tokens.client_secret,
        }
        return {**case.env, **(change or {}), **own}

    @staticmethod
    def start(machines: list[Machine], env: Mapping[str, str]) -> "list[subprocess.Popen[str]]":
        """`token` on each machine."""
        return [machine.start("token", "-o", "raw", env=env) for machine in machines]

    @classmethod
    def run(cls, machines: list[Machine], env: Mapping[str, str]) -> list[Run]:
        """`token` on all machines at once."""
        return outputs(cls.start(machines, env))

    def test_f18_many_machines_cause_one_token_request(
        self, case: FarCase, machines: Machines, tokens: ScriptedServer
    ) -> None:
        """Machines that start at once on an empty cache all get the same token, from one token request."""
        tokens.answers = [slowly(f"tok-{number}") for number in range(self.fleet)]
        done = self.run(machines(self.fleet), self.variables(case, tokens))
        assert {(run.code, run.out, run.err) for run in done} == {(0, "tok-0\n", "")}
        assert len(tokens.requests) == 1

    def test_f19_a_leader_that_is_killed_is_replaced(
        self, case: FarCase, machines: Machines, tokens: ScriptedServer
    ) -> None:
        """When the machine that asks for the token is killed, the others get one, from exactly one more request, once
        its lease has run out.
        """
        first, *others = machines(min(self.fleet, 4))
        env = self.variables(case, tokens)
        with held(tokens):
            (leader,) = self.start([first], env)
            until(lambda: tokens.requests)
            waiting = self.start(others, env)
            os.kill(leader.pid, signal.SIGKILL)
            leader.communicate(timeout=60)
            done = outputs(waiting)
        assert {(run.code, run.out) for run in done} == {(0, "tok-1\n")}
        assert len(tokens.requests) == 2

    def test_f20_a_leader_that_is_terminated_gives_the_lease_back(
        self, case: FarCase, bench: Bench, machines: Machines, tokens: ScriptedServer
    ) -> None:
        """When the machine that asks for the token is terminated, its lease ends at once, and nobody waits for it."""
        (first,) = machines(1)
        with held(tokens):
            (leader,) = self.start([first], self.variables(case, tokens))
            until(lambda: tokens.requests)
            store = bench.build(case.env)
            key = Whose(tokens.token_url, "basic", tokens.client_id).key
            claimed = Record.load(self.read(store, key).text)
            leader.send_signal(signal.SIGTERM)
            leader.communicate(timeout=60)
        left = Record.load(self.read(store, key).text)
        assert (bool(claimed.holder), left.holder, left.token) == (True, "", "")

    def test_f21_nobody_waits_while_the_old_token_is_valid(
        self, case: FarCase, bench: Bench, machines: Machines, tokens: ScriptedServer
    ) -> None:
        """While one machine renews a token that is still valid, the others are served that token at once."""
        key = Whose(tokens.token_url, "basic", tokens.client_id).key
        ageing = Record("old-token", ttl=3600, token_age=3000, soft=900, holder="another-machine", lease=LEASE * 3)
        self.write(bench.build(case.env), 0, ageing.dump(), key)
        done = self.run(machines(2), self.variables(case, tokens))
        assert {(run.code, run.out, run.err) for run in done} == {(0, "old-token\n", "")}
        assert tokens.requests == []

    def test_f22_forget_empties_it_for_all(self, case: FarCase, machines: Machines, tokens: ScriptedServer) -> None:
        """After `gc-credhelper forget` on one machine, the next one gets a new token."""
        tokens.answers = [token("tok-0"), token("tok-1")]
        first, second = machines(2)
        env = self.variables(case, tokens)
        before = self.run([first], env)
        assert first.run("forget", env=env).code == 0
        after = self.run([second], env)
        assert [run.out for run in before + after] == ["tok-0\n", "tok-1\n"]

    def test_f23_a_store_that_is_down_costs_one_warning(
        self, case: FarCase, machines: Machines, tokens: ScriptedServer
    ) -> None:
        """Where the store cannot be reached, every machine gets a token from a request of its own, with one warning
        that names the cache.
        """
        env = self.variables(case, tokens, self.given(case.unreachable, "way to be unreachable"))
        done = self.run(machines(3), env)
        assert {(run.code, run.out) for run in done} == {(0, "tok-1\n")}
        for run in done:
            assert run.err.count("\n") == 1
            assert [case.name in warning for warning in run.warnings] == [True]
        assert len(tokens.requests) == len(done)


def slowly(value: str, seconds: float = 0.3) -> Answer:
    """A token, after a while."""

    def answer(*_: object) -> bytes:
        time.sleep(seconds)
        return token(value)

    return answer


class held:  # noqa: N801  # read as a word
    """The endpoint keeps the first request for the time of the block, and answers the others with `tok-1`."""

    def __init__(self, server: ScriptedServer) -> None:
        self._over = threading.Event()
        server.answers = [self._keep, slowly("tok-1")]

    def _keep(self, *_: object) -> None:
        self._over.wait(120)

    def __enter__(self) -> None:
        return

    def __exit__(self, *_: object) -> None:
        self._over.set()
