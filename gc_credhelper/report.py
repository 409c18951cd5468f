"""Report: what is said beside the answer. Prose on stderr for the command, log records for the library."""

import sys

from .facts import Detail, Fact

LOGGER = "gc_credhelper"


class Report:
    """Warnings are said once a topic; notes only when asked for with -v."""

    def __init__(self, verbosity: int = 0) -> None:
        self.verbosity = verbosity
        self._said: set[str] = set()
        self._last: dict[tuple[Detail, ...], str] = {}

    def warn(self, text: str, *, topic: str = "") -> None:
        """Something the user should mend. The same `topic` (by default the text) is said once."""
        if (topic or text) not in self._said:
            self._said.add(topic or text)
            self._write("warning", text)

    def note(self, text: str) -> None:
        """What happened, for -v."""
        if self.verbosity:
            self._write("note", text)

    def fact(self, stage: str, outcome: str, **details: Detail) -> None:
        """What a stage of a call came to, by a row of `facts.TEXTS`. With -v some are notes, with -vv all are."""
        fact = Fact(stage, outcome, details)
        if fact.is_note:
            self.note(fact.text)
        elif self.verbosity > 1 and self._is_news(fact):
            self.note(f"{stage}: {fact.text}")

    def _is_news(self, fact: Fact) -> bool:
        """Not when the last of that stage, and of the same thing in it, was the same: who waits looks many times."""
        what = (fact.stage, fact.details.get("name"), fact.details.get("number"))
        last, self._last[what] = self._last.get(what), fact.outcome
        return last != fact.outcome

    def _write(self, kind: str, text: str) -> None:
        say(kind, text)


def say(kind: str, text: str) -> None:
    """A line on stderr; nothing where that is closed or full, for the answer matters more."""
    if sys.stderr is None:
        return
    try:
        print(f"gc-credhelper: {kind}: {one_line(text)}", file=sys.stderr, flush=True)
    except (OSError, ValueError):
        sys.stderr = None


def one_line(text: str) -> str:
    """The text on one line and without control characters, which a path or a variable may hold."""
    return "".join(character if character.isprintable() else "?" for character in " ".join(text.split()))


class LogReport(Report):
    """The same for library use: records of the logger `gc_credhelper`."""

    def note(self, text: str) -> None:
        """What happened, at level DEBUG."""
        import logging

        logging.getLogger(LOGGER).debug("%s", text)

    def _write(self, kind: str, text: str) -> None:
        del kind
        import logging

        logging.getLogger(LOGGER).warning("%s", text)
