"""The figures of a fleet, each on a stage: what must hold at any count is asserted, what was measured is printed."""

import os
import signal
import statistics
import sys
import time
from collections import Counter
from collections.abc import Sequence

from fleetkit import BY_ENV, Stage, ended, until
from gc_credhelper.lease import LEASE
from gc_credhelper.record import Record
from support import Run

OLD = "old-canary-Rw8"
HOUR = 3600.0  # its advisory window begins 900 s before the end, its mandatory window 300 s before it
AGEING = HOUR - 600
_ON_ITS_OWN = "the cache vault is not used"
_UNPUBLISHED = "the far cache did not take"


def say(text: str) -> None:
    """A line that can be pasted."""
    sys.stdout.write(f"\n{text}\n")


def empty_store(stage: Stage, *, machines: int, processes: int = 1, most: int | None = None) -> int:
    """One token request, and one token for all. `most`: requests to the store; how many there were."""
    began = time.monotonic()
    done = stage.run(stage.machines(machines) * processes)
    took = time.monotonic() - began
    assert {(run.code, run.err) for run in done} == {(0, "")}
    assert len({run.out for run in done}) == 1
    (claim,), (end,) = stage.claims(), stage.ends()
    asks = len(stage.vault.asks)
    say(
        f"empty store, {machines} machines of {processes}: {len(stage.login.asks)} token request(s), {asks} requests "
        f"to the store, {took:.1f} s, of which the lease was held {end.answered - claim.at:.2f} s"
    )
    assert len(stage.login.asks) == 1
    assert most is None or asks <= most, Counter(
        (ask.method, ask.path.split("/")[2], ask.status) for ask in stage.vault.asks
    )
    return asks


def ended_leader(stage: Stage, number: signal.Signals, *, machines: int) -> float:
    """All wait, one of them leads and is ended: two token requests. Seconds from its end to the next lease.

    The login must not answer the first request.
    """
    children = stage.waiting(machines)
    stage.write(Record())
    until(lambda: stage.login.asks)
    leader = stage.leader(children)
    killed = time.monotonic()
    leader.send_signal(number)
    leader.wait()
    gone = time.monotonic()
    children.remove(leader)
    done = ended(children)
    served = time.monotonic()
    assert {(run.code, run.err) for run in done} == {(0, "")}
    assert len({run.out for run in done}) == 1
    (ours,) = ended([leader])
    assert (ours.out, ours.err) == ("", "")
    assert len(stage.login.asks) == 2
    first, second = stage.claims()
    if number == signal.SIGKILL:
        since, said = killed, f"{second.answered - first.answered:.2f} s after the lease was taken"
        assert second.at - first.at > LEASE * 0.8  # the time that the leader had for its exchange
    else:
        since = stage.ends()[0].answered
        said = f"the leader was gone after {(gone - killed) * 1000:.0f} ms"
    took: float = second.answered - since
    say(
        f"leader ended by {number.name}, {machines} machines: {len(stage.login.asks)} token requests, take-over after "
        f"{took * 1000:.0f} ms ({said}), all others have the token {served - killed:.2f} s after the signal"
    )
    return took


def renewed_by_one(stage: Stage, *, machines: int) -> None:
    """One renews an old token, and the others are served while it does. The login must be slow."""
    stage.write(Record(token=OLD, ttl=HOUR, soft=900, token_age=AGEING))
    done = stage.run(stage.machines(machines))
    assert {(run.code, run.err) for run in done} == {(0, "")}
    old = sum(run.out == f"{OLD}\n" for run in done)
    looks = Counter(ask.peer for ask in stage.vault.asks if ask.is_look)
    say(f"an old token, {machines} machines: {len(stage.login.asks)} token request(s), {old} served with the old token")
    assert len(stage.login.asks) == 1
    assert 0 < old < machines
    assert [*looks.values()] == [1] * machines  # whoever waits looks again


def old_and_fresh(stage: Stage, *, pairs: int) -> float:
    """In turns: a machine that finds a fresh token, and one that finds an old token which another machine renews.
    Median of the differences in seconds.
    """
    fresh = Record(token=OLD, ttl=HOUR, soft=900)
    old = Record(token=OLD, ttl=HOUR, soft=900, token_age=AGEING, holder="the test", lease=LEASE)
    took: dict[int, list[float]] = {0: [], 1: []}
    for number in range(pairs * 2):
        which = (number + number // 2) % 2  # either goes first as often
        stage.write((fresh, old)[which])
        machine = stage.machines(1)
        began = time.monotonic()
        (run,) = stage.run(machine)
        took[which].append(time.monotonic() - began)
        assert (run.code, run.out, run.err) == (0, f"{OLD}\n", "")
    assert not stage.login.asks
    more: float = statistics.median(later - sooner for sooner, later in zip(*took.values(), strict=True))
    say(
        f"an old token that somebody renews, {pairs} machines: median {statistics.median(took[1]) * 1000:.0f} ms, "
        f"a fresh one {statistics.median(took[0]) * 1000:.0f} ms; median of the differences {more * 1000:.0f} ms"
    )
    return more


def no_store(stage: Stage, what: str, *, machines: int, processes: int, **env: str) -> None:
    """The store is down from the start."""
    began = time.monotonic()
    done = stage.run(stage.machines(machines) * processes, **BY_ENV, **env)
    say(
        f"the store {what} from the start, {machines} machines of {processes}: {len(stage.login.asks)} token requests, "
        f"{_warnings(done)} warnings, {time.monotonic() - began:.1f} s"
    )
    _each_by_itself(stage, done, machines)
    assert all(_ON_ITS_OWN in warning for run in done for warning in run.warnings)


def store_ends(stage: Stage, pid: int, number: signal.Signals, *, machines: int, **env: str) -> None:
    """All wait, one leads, and the store ends while it asks for the token."""
    children = stage.waiting(machines, **BY_ENV, **env)
    stage.write(Record())
    until(lambda: stage.login.asks)
    began = time.monotonic()
    os.kill(pid, number)
    done = ended(children)
    say(
        f"the store ends by {number.name} in the middle, {machines} machines: {len(stage.login.asks)} token requests, "
        f"{_warnings(done)} warnings, all have a token after {time.monotonic() - began:.1f} s"
    )
    _each_by_itself(stage, done, machines)
    kinds = Counter(_UNPUBLISHED in warning for run in done for warning in run.warnings)
    assert kinds == {True: 1, False: machines - 1}
    assert all(_ON_ITS_OWN in one or _UNPUBLISHED in one for run in done for one in run.warnings)


def stop(pid: int) -> None:
    """Connections are taken from then on, and nothing is answered."""
    os.kill(pid, signal.SIGSTOP)


def _each_by_itself(stage: Stage, done: Sequence[Run], machines: int) -> None:
    """Every machine has a token of its own, from one exchange, with one warning."""
    assert {run.code for run in done} == {0}
    assert len({run.out for run in done}) == len(stage.login.asks) == machines
    assert _warnings(done) == machines
    assert all(run.err.count("\n") == len(run.warnings) <= 1 for run in done)


def _warnings(done: Sequence[Run]) -> int:
    return sum(len(run.warnings) for run in done)
