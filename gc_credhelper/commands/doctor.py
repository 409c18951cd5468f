"""`doctor`: run each step of a cold run, and say what it found and what to do."""

import json
from collections.abc import Callable

from .. import output
from ..checks import Heard, Visit, examine
from ..cli import Parser, open_app
from ..deadline import Deadline
from ..errors import Error
from ..plan import Inputs
from ..report import Report
from ..roles import Finding, Level
from ..settings import SETTINGS

_LEVEL, _SECONDS, _STEP = 6, 8, 13  # widths of the columns


def run(parser: Parser, argv: list[str], inputs: Inputs, report: Report) -> int:
    """A line for each finding, or with --json an object, as it goes. The first failure is ours, too."""
    parser.add_argument("--json", action="store_true", help="print one JSON object a line")
    parser.add_shared()
    options = parser.parse(argv)
    heard = Heard(report.verbosity)
    visit = Visit(inputs, heard, Deadline(_default_deadline()))
    try:
        visit.app = open_app(options, inputs, heard)
        visit.deadline = Deadline(visit.app.settings["deadline"])
    except Error as e:
        visit.fault = e
    show: Callable[[str, Finding], str] = as_json if options.json else as_text
    counts = dict.fromkeys(Level, 0)
    first: Error | None = None
    for step, finding in examine(visit):
        counts[finding.level] += 1
        first = first or finding.error
        if code := output.emit(show(step, finding)):
            return code
    if not options.json:
        code = output.emit("\n" + ", ".join(f"{count} {level}" for level, count in counts.items() if count) + "\n")
    if first:
        raise first
    return code


def _default_deadline() -> float:
    (row,) = (row for row in SETTINGS if row.name == "deadline")
    seconds: float = row.kind(row.default)
    return seconds


def as_text(step: str, finding: Finding) -> str:
    """Level, milliseconds, step, what was found; and on a second line what to do."""
    seconds = f"{(finding.seconds or 0) * 1000:.0f} ms"
    line = f"{finding.level:<{_LEVEL}}{seconds:>{_SECONDS - 2}}  {step:<{_STEP}}{finding.text}\n"
    return line + (f"{'':{_LEVEL + _SECONDS}}{'':{_STEP}}hint: {finding.hint}\n" if finding.hint else "")


def as_json(step: str, finding: Finding) -> str:
    """The same for programs."""
    fields = {"step": step, "level": finding.level, "seconds": round(finding.seconds or 0, 4), "text": finding.text}
    code = finding.error.exit_code if finding.error else 0
    return json.dumps(fields | {"hint": finding.hint, "exit_code": code}) + "\n"
