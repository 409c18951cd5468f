"""`forget`: delete one cached token, or all."""

from .. import notes
from ..app import App
from ..cli import Parser, open_app
from ..deadline import Deadline
from ..plan import Inputs
from ..private_portable import Unsafe
from ..report import Report

_LEFT = (".gate", ".rejected")


def run(parser: Parser, argv: list[str], inputs: Inputs, report: Report) -> int:
    """The token that the same options would have printed, or with --all whatever the caches of the settings hold."""
    parser.add_argument("--all", action="store_true", help="every token in the caches that the settings name")
    parser.add_shared()
    options = parser.parse(argv)
    app = open_app(options, inputs, report)
    if options.all:
        return forget_all(app)
    entry = app.source.entry(Deadline(app.settings["deadline"]))
    report.note("the cached token was deleted" if entry.remove() else "there was no cached token")
    return 0


def forget_all(app: App) -> int:
    """Tokens, notes, gates and rejections. Lock files stay: a lock on a deleted file excludes nobody."""
    count = 0
    for name, cache in app.caches:
        try:
            count += sum([cache.remove(key) for key in cache.keys()])
        except (OSError, Unsafe) as e:
            app.report.warn(f"the cache {name} was not emptied: {getattr(e, 'strerror', None) or e}")
    for directory in (app.directory, app.home):
        try:
            notes.forget(directory)
            for name in directory.names():
                if name.endswith(_LEFT):
                    directory.remove(name)
        except (OSError, Unsafe):
            continue
    app.report.note(f"{count} cached tokens were deleted")
    return 0
