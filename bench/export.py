"""How fast, in how much memory and how safely a list is read: the users of an organisation, as JSON lines.

`.venv/bin/python bench/export.py` takes about ten minutes and exits with 1 when a figure is missed; `--only NAME` takes
one of the figures. `make clients` installs Genesys' SDK, one of the loops that ours are compared with.
"""

import argparse
import os
import signal
import statistics
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from organisation import BIN, OURS, Organisation, Run, ids, organisation

ROOT = Path(__file__).parent.parent
SDK = ROOT / ".build" / "clients" / "genesys-python" / "bin" / "python"
LOOPS = str(Path(__file__).with_name("loops.py"))
PYTHON = str(BIN / "python")
LATENCY = 0.05  # seconds before each answer, of login and API

FASTER, LARGER, ALLOWED = 5.0, 1.2, 300  # the figures

Verdict = tuple[bool, str]


@dataclass(frozen=True)
class Reader:
    """Reads all users into a file. `argv`: given the size of a page and the file."""

    name: str
    argv: Callable[[int, str], list[str]]
    prints: bool = False

    def read(self, where: Organisation, size: int, *words: str, **variables: str) -> Run:
        """SystemExit unless every user came once."""
        run = where.run([*self.argv(size, str(where.rows)), *words], self.out(where), **variables)
        self.check(where)
        return run

    def out(self, where: Organisation) -> str:
        """Where standard output goes."""
        return str(where.rows) if self.prints else os.devnull

    def check(self, where: Organisation) -> None:
        """SystemExit unless every user came once."""
        found = ids(where.rows)
        if len(found) != where.users or len(set(found)) != where.users:
            raise SystemExit(f"{self.name}: {len(found)} rows, {len(set(found))} distinct, of {where.users} users")


def loop(kind: str, python: Path | str) -> Callable[[int, str], list[str]]:
    return lambda size, path: [str(python), LOOPS, kind, str(size), path]


def api(size: int, _: str) -> list[str]:
    return [OURS, "api", "GET", f"/api/v2/users?pageSize={size}", "--paginate"]


def export(_: int, path: str) -> list[str]:
    """It always asks for pages of 100."""
    return [OURS, "export", "users", "--file", path]


API = Reader("gc-credhelper api --paginate", api, prints=True)
EXPORT = Reader("gc-credhelper export", export)
OUR_READERS = [API, EXPORT]
JUDGED = [
    Reader("Genesys' SDK", loop("sdk", SDK)),
    Reader("requests.get", loop("requests", PYTHON)),
]
OTHERS = [Reader("requests.Session", loop("session", PYTHON))]


def speed(users: int, size: int, rounds: int) -> Iterator[Verdict]:
    """Two times of each: the whole process, and the walk alone. The second is the first without what the same takes in
    an organisation of one user, whose page counts again with its latency: so interpreter, imports and token are out.
    Of that it is the median of all rounds, because a start varies by as much as our walk takes.
    """
    readers = [*OUR_READERS, *JUDGED, *OTHERS]
    whole: dict[str, list[float]] = {reader.name: [] for reader in readers}
    start: dict[str, list[float]] = {reader.name: [] for reader in readers}
    setting = ("--latency", str(LATENCY), "--api-limit", "0")
    with organisation(users, *setting) as all_of_them, organisation(1, *setting) as one:
        for number in range(-1, rounds):
            for reader in readers:
                seconds = reader.read(one, size).seconds
                if number >= 0:  # the first does not count: it writes .pyc files
                    start[reader.name].append(seconds)
                    whole[reader.name].append(reader.read(all_of_them, size).seconds)
    without = {name: statistics.median(times) - LATENCY for name, times in start.items()}
    walk = {name: [seconds - without[name] for seconds in times] for name, times in whole.items()}
    print(f"\n{users} users in pages of {size}, {LATENCY * 1000:.0f} ms of latency; each run begins without a token")
    print(f"medians of {rounds} interleaved rounds, load {os.getloadavg()[0]:.1f}; ratio: to the first of the round\n")
    print(f"{'':32}{'whole s':>8}  ratio  quartiles   {'walk s':>8}  ratio  quartiles")
    for reader in readers:
        cells = (cell(times[reader.name], times[API.name]) for times in (whole, walk))
        print(f"{reader.name:32}{'   '.join(cells)}")
    print()
    for what, times in (("import time included", whole), ("import time excluded", walk)):
        for ours in OUR_READERS:
            ratios = [ratio(times[other.name], times[ours.name])[1] for other in JUDGED]
            text = ", ".join(f"{r:.1f} times as fast as {other.name}" for r, other in zip(ratios, JUDGED, strict=True))
            yield min(ratios) >= FASTER, f"pages of {size}, {what}: {ours.name} is {text}"


def ratio(mine: Sequence[float], base: Sequence[float]) -> list[float]:
    """Quartiles of the ratios within a round."""
    ratios = [one / other for one, other in zip(mine, base, strict=True)]
    return statistics.quantiles(ratios, n=4, method="inclusive")


def cell(mine: Sequence[float], base: Sequence[float]) -> str:
    low, middle, high = ratio(mine, base)
    return f"{statistics.median(mine):8.2f} {middle:6.2f}  {low:4.1f} to {high:4.1f}"


def memory(few: int, many: int) -> Iterator[Verdict]:
    """Peaks of resident memory in organisations of two sizes."""
    for reader in OUR_READERS:
        peaks = []
        for users in (few, many):
            with organisation(users, "--api-limit", "0") as where:
                argv, out = reader.argv(100, str(where.rows)), reader.out(where)
                peaks.append(statistics.median(where.peak(argv, out) for _ in range(3)))
                reader.check(where)
        text = f"{reader.name} takes {peaks[0]:.1f} MiB for {few} users and {peaks[1]:.1f} MiB for {many}"
        yield peaks[1] <= LARGER * peaks[0], f"{text}: {peaks[1] / peaks[0]:.2f} times as much"


def rate(users: int) -> Iterator[Verdict]:
    """More pages than a token may ask for in a minute, with one token and with two."""
    for reader in OUR_READERS:
        for slots in (1, 2):
            with organisation(users, "--api-limit", str(ALLOWED)) as where:
                run = reader.read(where, 100, "-v", GC_CREDHELPER_SLOTS=str(slots))
                counted = where.stats()
            most, refused, waited = counted["max_per_window"], counted["rate_limited"], "are used up" in run.complaint
            text = f"{reader.name}, slots={slots}: {counted['api_requests']} requests in {run.seconds:.0f} s"
            fine = most <= ALLOWED and not refused and counted["tokens_issued"] == slots and waited == (slots == 1)
            yield fine, f"{text}, at most {most} a minute and token, {refused} refused"


FAULTS = {"api-429": 2, "api-500": 3, "api-reset": 3, "api-401": 1, "api-503": 1, "api-truncated": 2}
APART = 6  # requests that pass before each of them


def faults(users: int) -> Iterator[Verdict]:
    """Every kind of failure in the middle of a walk."""
    words = [word for kind, count in FAULTS.items() for word in ("--fail", f"{kind}:{count}@{APART}")]
    for reader in OUR_READERS:
        with organisation(users, *words) as where:
            reader.read(where, 100)
            met = where.stats()["faults"]
        text = f"{reader.name} lost and doubled none of {users} rows through {met} faults ({', '.join(FAULTS)})"
        yield met == sum(FAULTS.values()), text


def kills(users: int, times: int) -> Iterator[Verdict]:
    """`kill -9` again and again, each time further on in the file, and then to the end."""
    with organisation(users, "--latency", str(LATENCY), "--api-limit", "0") as where:
        EXPORT.read(where, 100)
        whole = where.rows.read_bytes()
        asked = where.stats()["api_requests"]
        where.rows.unlink()
        for number in range(times):
            run = where.start(EXPORT.argv(100, str(where.rows)))
            while not where.rows.exists() and size(where.part) <= len(whole) * number // times:
                time.sleep(0.001)
            os.kill(run.pid, signal.SIGKILL)
            run.ended()
        alive = where.rows.exists()
        EXPORT.read(where, 100)
        again = where.stats()["api_requests"] - asked
        same = where.rows.read_bytes() == whole
    text = f"{EXPORT.name}: after {times} times kill -9 the file of {users} rows is {'' if same else 'not '}the same"
    yield same and not alive and again < 2 * asked, f"{text}, after {again} requests in place of {asked}"


def size(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0


FIGURES: dict[str, Callable[[int], Iterator[Verdict]]] = {
    "speed": lambda rounds: speed(10_000, 100, rounds),
    "default-pages": lambda rounds: speed(10_000, 25, max(2, rounds // 2)),
    "memory": lambda _: memory(1_000, 100_000),
    "faults": lambda _: faults(10_000),
    "kills": lambda _: kills(10_000, 5),
    "rate": lambda _: rate(40_000),
}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5, help="interleaved rounds (default: 5)")
    parser.add_argument("--only", action="append", choices=FIGURES, help="repeatable; default: all of them")
    options = parser.parse_args()
    if not SDK.exists():
        raise SystemExit("Genesys' SDK is missing: run make clients, or tools/clients.py genesys-python")
    print(f"Python {sys.version.split()[0]}, {os.cpu_count()} processors")
    verdicts = []
    for name in options.only or FIGURES:
        for fine, text in FIGURES[name](options.rounds):
            print(f"{'PASS' if fine else 'FAIL'}: {text}", flush=True)
            verdicts.append(fine)
    return 0 if all(verdicts) else 1


if __name__ == "__main__":
    sys.exit(main())
