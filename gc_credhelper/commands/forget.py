"""`forget`: delete the cached tokens of every slot, or all."""

import functools
from collections.abc import Callable

from .. import notes
from ..app import App
from ..cli import Parser, open_app
from ..deadline import Deadline
from ..errors import Error, TemporaryError
from ..plan import Inputs
from ..private import reason
from ..private_portable import Unsafe
from ..report import Report
from ..roles import CacheBackend

_HINT = "gc-credhelper status shows where; mend it or delete it by hand, then try again"
_SHARE = 0.5  # of the time that is left, for each cache
_LEFT = (".alive", ".gate", ".rejected", ".warnings")


def run(parser: Parser, argv: list[str], inputs: Inputs, report: Report) -> int:
    """What the same options would have printed in any slot, or with --all whatever the caches of the settings hold."""
    parser.add_argument("--all", action="store_true", help="every token in the caches that the settings name")
    parser.add_shared()
    options = parser.parse(argv)
    app = open_app(options, inputs, report)
    deadline = Deadline(app.settings["deadline"])
    count = forget_all(app, deadline) if options.all else 0
    if app.far or not options.all:
        count += forget_slots(app, deadline)
    report.note(f"cached tokens that were deleted: {count}")
    return 0


def forget_slots(app: App, deadline: Deadline) -> int:
    """The token of every slot, in every cache; how many there were. An error of one slot is raised after the last."""
    count, failed = 0, None
    for one in app.of_each_slot():
        for step in (near, far):
            try:
                count += step(one, one.source.entry(deadline).key, deadline)
            except Error as e:
                failed = failed or e
    if failed:
        raise failed
    return count


def near(app: App, key: str, deadline: Deadline) -> int:
    """How many caches of this machine held one."""
    return in_each(app, lambda cache: int(bool(cache.remove(key))), deadline)


def far(app: App, key: str, deadline: Deadline) -> int:
    """Did the cache that machines share hold one?"""
    return int(app.far.remove(key, deadline)) if app.far else 0


def forget_all(app: App, deadline: Deadline) -> int:
    """Tokens, notes, gates and rejections. Lock files stay: a lock on a deleted file excludes nobody."""
    failed = []
    for directory in (app.directory, app.home):
        try:
            notes.forget(directory)
            for name in directory.names():
                if name.endswith(_LEFT):
                    directory.remove(name)
        except (OSError, Unsafe) as e:
            failed.append(f"{directory.path} ({reason(e)})")
    count = in_each(app, lambda cache: sum([bool(cache.remove(key)) for key in cache.keys()]), deadline)
    if failed:
        raise TemporaryError(f"notes and gates may still lie in {failed[0]}", hint=_HINT)
    return count


def in_each(app: App, step: Callable[[CacheBackend], int], deadline: Deadline) -> int:
    """The sum over all caches; TemporaryError after the last one when a token may still lie in one of them. One that
    hangs leaves time for the others.
    """
    count, failed = 0, []
    for name, cache in app.caches:
        try:
            count += deadline.share(_SHARE).run(functools.partial(step, cache), "it")
        except Exception as e:  # noqa: BLE001  # a plug-in may raise anything
            failed.append(f"{name} ({reason(e)})")
    if failed:
        raise TemporaryError(
            f"a token may still lie in the cache {', '.join(failed)}",
            hint=_HINT,
        )
    return count
