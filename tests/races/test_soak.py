"""The counts of the figures, run by `make soak`; each test prints one line that can be pasted."""

import random
import statistics
import sys
import time
from collections.abc import Callable

import pytest
from support import Machine, Run, client
from support.entries import EXPIRED, put
from support.scripted import ScriptedServer

pytestmark = pytest.mark.soak

ROUNDS = 50
ENDPOINT = 0.5  # seconds that it takes
FIGURE = 1.0  # seconds on top of them
SLACK = 10


def test_a_hundred_processes_on_an_empty_cache_ask_once(
    slowly: Callable[..., ScriptedServer], together: Callable[..., list[Run]]
) -> None:
    server = slowly(1)
    start = time.monotonic()
    runs = together(100, timeout=600)
    took = time.monotonic() - start
    good = sum(run.code == 0 and run.out == "new-0\n" and not run.err for run in runs)
    sys.stdout.write(
        f"\nempty cache, endpoint 1 s: 100 processes, {len(server.requests)} token request(s), "
        f"{good} equal answers, {took:.1f} s\n"
    )
    assert (len(server.requests), good) == (1, 100)


def test_after_a_kill_the_next_call_succeeds_at_once(machine: Machine, slowly: Callable[..., ScriptedServer]) -> None:
    server = slowly(ENDPOINT)
    env = client(server)
    start = time.monotonic()
    assert machine.run("token", env=env).code == 0
    usual = time.monotonic() - start
    took = []
    unfinished = 0
    for _ in range(ROUNDS):
        put(machine.cache, server, age=EXPIRED)
        child = machine.start("token", env=env)
        time.sleep(random.uniform(0, usual))
        child.kill()
        unfinished += not child.communicate()[0]
        before = len(server.requests)
        start = time.monotonic()
        done = machine.run("token", "-o", "raw", env=env)
        took.append(time.monotonic() - start - ENDPOINT * (len(server.requests) - before))
        assert (done.code, done.err) == (0, "")
    met = "met" if max(took) < FIGURE else "missed"
    sys.stdout.write(
        f"\nkill -9 at a random moment, {ROUNDS} times ({unfinished} before the answer): every next call succeeded, "
        f"in {min(took):.2f} to {max(took):.2f} s (median {statistics.median(took):.2f} s) "
        f"plus the endpoint's own time; the figure of {FIGURE:.0f} s is {met}\n"
    )
    assert max(took) < FIGURE * SLACK
