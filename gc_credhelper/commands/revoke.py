"""`revoke`: end the cached token at the server, and forget it everywhere. It never asks for a token to end it."""

from ..app import App
from ..cli import Parser, open_app
from ..deadline import Deadline
from ..entry import Entry
from ..errors import Error, TemporaryError, UsageError
from ..plan import Inputs
from ..report import Report
from .reject import holder, token_on_stdin

_PART = 0.6  # of the time that is left, for the server: what it ended has to be forgotten as well


def run(parser: Parser, argv: list[str], inputs: Inputs, report: Report) -> int:
    """The token of this caller's slot, of every slot, or the one on standard input."""
    parser.add_argument("--shared", action="store_true", help="even one that other machines take from a shared cache")
    parser.add_argument("--all-slots", action="store_true", help="the tokens of all slots")
    parser.add_argument("--stdin", action="store_true", help="the token on standard input, one line")
    parser.add_shared()
    options = parser.parse(argv)
    if options.stdin and options.all_slots:
        raise UsageError("--stdin and --all-slots exclude each other", hint="leave one of them out")
    app = open_app(options, inputs, report)
    if app.far and not options.shared:
        raise UsageError(
            f"nothing was revoked: other machines may use the same token, by the cache {app.far.name}",
            hint="--shared ends it for all of them",
        )
    deadline = Deadline(app.settings["deadline"])
    if options.stdin:
        value = token_on_stdin("revoke --stdin", deadline)
        _revoke(holder(app, value, deadline) or app, deadline, value)
        return 0
    failed = None
    for one in app.of_each_slot() if options.all_slots else [app]:
        try:
            _revoke(one, deadline)
        except Error as e:
            failed = failed or e
    if failed:
        raise failed
    return 0


def _revoke(app: App, deadline: Deadline, value: str | None = None) -> None:
    """End what is cached in the slot of that App, or just this one. Nothing is forgotten that could not be ended."""
    platform = app.platform()
    entry = app.source.entry(deadline)
    if not entry.shared:
        if value:
            platform.end(value, deadline)
        return
    with entry.held(deadline):
        values = {value} if value else _cached(app, entry, deadline)
        for one in values:
            was_alive = platform.end(one, deadline.share(_PART))
            app.report.note("the token was ended" if was_alive else "the token was dead already")
            _forget(app, entry, one, deadline)
        if not values:
            app.report.note("no token is cached, so none was ended")


def _cached(app: App, entry: Entry, deadline: Deadline) -> set[str]:
    """Those that callers of this slot may still be given: of the near caches, and of the one that machines share."""
    near = entry.read()
    found = {near.value} if near else set()
    if app.far and (far := app.far.look(entry.key, deadline)[0].token):
        found.add(far)
    return found


def _forget(app: App, entry: Entry, value: str, deadline: Deadline) -> None:
    """In every cache, and keep it away. TemporaryError when somebody may still be given it."""
    entry.reject(value, deadline, ended=True)
    if app.far:
        app.far.remove(entry.key, deadline, value)
    left = entry.read()
    if left and left.value == value:
        raise TemporaryError(
            "the token was ended, but it still lies in a cache of this machine, where callers will find it",
            hint="gc-credhelper status shows where; mend it or delete it by hand",
        )
