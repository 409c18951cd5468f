"""A process that races for versions of a far cache, one key after another. The contract of a far cache starts it.

Reads a JSON object a line: what to build, then each key with the version to name. Prints `ready`, then what it won.
"""

import json
import os
import sys

from ..deadline import Deadline
from ..plugins import CACHES
from ..report import Report
from ..roles import LostRace
from .bench import ENOUGH, build


def main() -> None:
    """Every key once, by compare-and-set."""
    given = json.loads(sys.stdin.readline())
    store, _ = build(CACHES, given["name"], given["reference"], dict(os.environ), Report())
    print("ready", flush=True)  # noqa: T201  # to whoever started us
    won = []
    for key, version in json.loads(sys.stdin.readline()).items():
        try:
            store.compare_and_set(key, version, given["text"], Deadline(ENOUGH))
        except LostRace:
            continue
        won.append(key)
    print(json.dumps(won))  # noqa: T201


if __name__ == "__main__":
    main()
