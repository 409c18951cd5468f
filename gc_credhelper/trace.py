"""Trace: a report that keeps the facts of one call, with the time that each took, and says nothing."""

import time
from dataclasses import dataclass

from .facts import Detail, Fact
from .report import Report, one_line


@dataclass(slots=True)
class Event:
    """`at`: seconds after the call began. `seconds`: that it took to come to that, or that a wait lasted."""

    fact: Fact
    at: float
    seconds: float


class Trace(Report):
    """`events`, in the order in which they came."""

    def __init__(self) -> None:
        super().__init__()
        self.events: list[Event] = []
        self._began = self._since = time.monotonic()

    def fact(self, stage: str, outcome: str, **details: Detail) -> None:
        """Kept, unless it says the same as the last one of its stage."""
        fact = Fact(stage, outcome, details)
        if self._is_news(fact):
            self._keep(fact)

    def note(self, text: str) -> None:
        """One that is no fact, such as a plug-in's."""
        self._write("note", text)

    def _write(self, kind: str, text: str) -> None:
        self._keep(Fact(kind, "said", {"text": one_line(text)}))

    def _keep(self, fact: Fact) -> None:
        now = self._until()
        self.events.append(Event(fact, now - self._began, max(0.0, now - self._since)))
        pause = fact.details.get("pause") if fact.outcome == "failed" else None
        self._since = now + (pause if isinstance(pause, float) else 0.0)

    def _until(self) -> float:
        """Now, which is when a wait has ended that was the last to be said."""
        now = time.monotonic()
        if self.events and self.events[-1].fact.outcome == "waiting":
            self.events[-1].seconds = now - self._began - self.events[-1].at
            self._since = now
        return now

    def end(self) -> float:
        """Seconds since the call began."""
        return self._until() - self._began
