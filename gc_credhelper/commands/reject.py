"""`reject`: hear that the API answered 401 to a token, which is read on standard input."""

import os

from ..app import App
from ..cli import Parser, open_app
from ..deadline import Deadline
from ..errors import Error, UsageError
from ..plan import Inputs
from ..protocols import read_token, standard_input
from ..report import Report


def run(parser: Parser, argv: list[str], inputs: Inputs, report: Report) -> int:
    """Forget the token if it is still the cached one, and keep it away."""
    parser.add_shared()
    options = parser.parse(argv)
    app = open_app(options, inputs, report)
    deadline = Deadline(app.settings["deadline"])
    value = token_on_stdin("reject", deadline)
    reject(holder(app, value, deadline) or app, value, deadline)
    return 0


def token_on_stdin(command: str, deadline: Deadline) -> str:
    """Its first line. UsageError when that is no token, TemporaryError at the deadline. `command`: for the hint."""
    hint = f"one line: gc-credhelper {command} < FILE"
    if os.isatty(0):
        raise UsageError("standard input is a terminal, which would show the token", hint=hint)
    value = read_token(standard_input(deadline))
    if not value:
        raise UsageError("standard input does not hold a token", hint=hint)
    return value


def reject(app: App, value: str, deadline: Deadline) -> None:
    """In the slot of that App, with a warning when that happened a moment ago."""
    app.source.reject(value, deadline=deadline)


def holder(app: App, value: str, deadline: Deadline) -> App | None:
    """The slot in whose caches the token lies, near ones first and the caller's slot first; None when it is in none."""
    slots = sorted(app.of_each_slot(), key=lambda one: one is not app)
    for lies_in in (_near, _far):
        for one in slots:
            try:
                if lies_in(one, value, deadline):
                    return one
            except Error as e:
                if lies_in is _near and one is app:
                    raise
                app.report.warn(f"the caches of slot {one.slot.number} were not looked at: {e}")
    return None


def _near(app: App, value: str, deadline: Deadline) -> bool:
    found = app.source.entry(deadline).read()
    return found is not None and found.value == value


def _far(app: App, value: str, deadline: Deadline) -> bool:
    return app.far is not None and app.far.look(app.source.entry(deadline).key, deadline)[0].token == value
