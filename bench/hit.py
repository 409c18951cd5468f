"""A cache hit of the installed command against `python -c pass` of the same environment.

`.venv/bin/python bench/hit.py` exits with 1 when a hit takes longer than that. With gc-credhelper-vault installed that
holds for credentials and tokens in a Vault as well, where nobody listens: a hit does not ask it.
"""

import argparse
import importlib.util
import os
import sys
from pathlib import Path

import side

SHARED = ("--provider", "vault:secret/ci/genesys", "--cache", "file,vault:gc-cache/ci")
NOBODY = ("--set", "vault.addr=http://127.0.0.1:9", "--set", "client_id=bench")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=30, help="interleaved pairs (default: 30)")
    options = parser.parse_args()
    bin = Path(sys.executable).parent  # not resolved: the interpreter of a venv is a link out of it
    python, ours = str(bin / "python"), str(bin / "gc-credhelper")
    hits = {
        "gc-credhelper token": [ours, "token"],
        "gc-credhelper token -o raw": [ours, "token", "-o", "raw"],
        "python -P -m gc_credhelper token": [python, "-P", "-m", "gc_credhelper", "token"],
        "gc-credhelper-py token": [str(bin / "gc-credhelper-py"), "token"],
        "gc-credhelper token -v (no note)": [ours, "token", "-v"],
    }
    judged = ["gc-credhelper token"]
    if importlib.util.find_spec("gc_credhelper_vault"):
        judged.append("the same, all of it in Vault")
        hits[judged[-1]] = [ours, "token", *SHARED, *NOBODY]
    others = {
        "python -c pass, again": [python, "-c", "pass"],
        "python -I -S -c pass": [python, "-I", "-S", "-c", "pass"],
    }
    with side.account() as user:
        baseline, *timings = side.time_hits(
            user, [python, "-c", "pass"], [*hits.values()], [*others.values()], options.rounds
        )
    print(f"Python {sys.version.split()[0]}, {os.cpu_count()} processors, load {os.getloadavg()[0]:.1f}")
    print(f"baseline: python -c pass, {baseline.milliseconds:.1f} ms; medians of {options.rounds} interleaved pairs\n")
    rows = dict(zip([*hits, *others], timings, strict=True))
    print(f"{'':34}     ms  ratio  quartiles")
    for name, timing in rows.items():
        print(f"{name:34} {timing.milliseconds:6.1f}  {timing.ratio:5.2f}  {timing.low:.2f} to {timing.high:.2f}")
    noise = abs(rows["python -c pass, again"].ratio - 1)
    verdict = all(rows[name].ratio <= 1 for name in judged)
    print(f"\nnoise: the baseline against itself is off by {noise:.2f}")
    print(f"{'PASS' if verdict else 'FAIL'}: a hit is {'at most' if verdict else 'more than'} 1.00 times the baseline")
    return 0 if verdict else 1


if __name__ == "__main__":
    sys.exit(main())
