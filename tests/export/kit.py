"""What the tests of `export` share: a list that is served page by page, and can hold a page back."""

import json
import subprocess
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from api.kit import Api, Asked, Say, refused, variables
from support import Machine, Run

ROWS = [{"id": f"row-{number}", "name": f"Name {number}", "state": "active"} for number in range(23)]
SIZE = 5
PAGES = 5


class Book:
    """A list with page numbers, which pays no heed to the size that it is asked for. A page of `held` is answered when
    it is released, and one of `broken` with an error of ours.
    """

    def __init__(self, rows: Sequence[Any] = ROWS, size: int = SIZE) -> None:
        self.rows = [*rows]
        self.size = size
        self.held: dict[int, threading.Event] = {}
        self.broken: dict[int, Say] = {}
        self.asked: list[int] = []

    def hold(self, page: int) -> threading.Event:
        return self.held.setdefault(page, threading.Event())

    def __call__(self, asked: Asked) -> object:
        number = int(asked.query["pageNumber"])
        self.asked.append(number)
        if number in self.held:
            self.held[number].wait(100)
        if number in self.broken:
            return self.broken[number]
        rows = self.rows[(number - 1) * self.size : number * self.size]
        pages = -(-len(self.rows) // self.size)
        return {"entities": rows, "pageNumber": number, "pageCount": pages, "total": len(self.rows)}


def export(machine: Machine, api: Api, *words: str, resource: str = "users", file: str = "out.jsonl") -> Run:
    return machine.run("export", resource, "--file", file, *words, env=variables(api))


def begin(machine: Machine, api: Api, *words: str, file: str = "out.jsonl") -> "subprocess.Popen[str]":
    return machine.start("export", "users", "--file", file, *words, env=variables(api))


def done_pages(state: Path) -> int:
    """How many pages the journal tells of."""
    return max(0, len(state.read_bytes().splitlines()) - 2) if state.exists() else 0


def until(condition: Callable[[], bool]) -> None:
    for _ in range(6_000):
        if condition():
            return
        time.sleep(0.01)
    raise AssertionError("it did not come to pass within a minute")


def read(path: Path) -> list[Any]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def names(machine: Machine) -> set[str]:
    """The files of the user, without those of ours."""
    return {path.name for path in machine.home.iterdir() if not path.name.startswith(".")}


__all__ = ["PAGES", "ROWS", "SIZE", "Book", "begin", "done_pages", "export", "names", "read", "refused", "until"]
