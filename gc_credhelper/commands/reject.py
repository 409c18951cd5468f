"""`reject`: hear that the API answered 401 to a token, which is read on standard input."""

import sys

from ..app import App
from ..cli import Parser, open_app
from ..deadline import Deadline
from ..errors import UsageError
from ..plan import Inputs
from ..report import Report
from ..tokens import is_b64token

_LIMIT = 65_536  # bytes


def run(parser: Parser, argv: list[str], inputs: Inputs, report: Report) -> int:
    """Forget the token if it is still the cached one, and keep it away."""
    parser.add_shared()
    options = parser.parse(argv)
    app = open_app(options, inputs, report)
    raw = sys.stdin.buffer.readline(_LIMIT) if sys.stdin else b""
    value = raw.decode("ascii", "replace").strip()
    if not is_b64token(value):
        raise UsageError("standard input does not hold a token", hint="gc-credhelper reject < FILE, one line")
    reject(app, value)
    return 0


def reject(app: App, value: str) -> None:
    """In the slot that holds it; a token that lies in none is rejected in the caller's."""
    deadline = Deadline(app.settings["deadline"])
    chosen = app
    for one in app.of_each_slot():
        if one is not app and (there := one.source.entry(deadline).read()) and there.value == value:
            chosen = one
    chosen.source.reject(value, deadline=deadline)
