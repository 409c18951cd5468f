"""`exec`: run a program with the token in its environment, and without the client secret."""

import os
import re
import signal
import subprocess
import sys
from typing import TYPE_CHECKING, NoReturn

from .. import output
from ..cli import Parser, open_app
from ..deadline import Deadline
from ..errors import Error, UsageError
from ..handed import CONSUMERS, Where, variables, without_secrets
from ..plan import Inputs
from ..report import Report
from ..settings import nearest, spoken

if TYPE_CHECKING:
    from ..platform import Platform

_GOODBYE = 10.0  # seconds that ending a token of its own may take
_USED = ("PATH", "LD_PRELOAD", "LD_LIBRARY_PATH", "IFS", "BASH_ENV", "ENV", "NODE_OPTIONS", "PYTHONPATH", "HOME")


def run(parser: Parser, argv: list[str], inputs: Inputs, report: Report) -> int:
    """The program takes our place, so that its signals and its exit status are its own."""
    words, command = _split(argv)
    parser.add_argument(
        "--env", action="append", default=[], metavar="NAME=FORMAT", help="one more variable, in a format of token -o"
    )
    parser.add_argument("--for", choices=CONSUMERS, dest="consumer", help="spell the region as that tool takes it")
    parser.add_argument("--ephemeral", action="store_true", help="a token of its own, stored nowhere, ended afterwards")
    parser.add_argument("--refresh", action="store_true", help="skip the cache and replace the entry")
    parser.add_shared()
    options = parser.parse(words)
    formats = [_wanted(one) for one in options.env]
    app = open_app(options, inputs, report)
    where = Where.of(app.endpoints)
    if where.is_divided and not options.consumer:
        report.warn(
            "no spelling of this region serves both gc and Terraform; this is Terraform's, --for gc is the other"
        )
    deadline = Deadline(app.settings["deadline"])
    platform = app.platform() if options.ephemeral else None
    token = app.source.own(deadline) if platform else app.source.token(refresh=options.refresh, deadline=deadline)
    environ = without_secrets(os.environ, app.settings.get("env.prefix"))
    environ |= variables(token.value, where, options.consumer)
    environ |= {name: output.FORMATS[form](token, output.API_VERSIONS[0]).rstrip("\n") for name, form in formats}
    if platform:
        return _run_and_end(platform, command, environ, token.value, report)
    return _become(command, environ)


def _split(argv: list[str]) -> tuple[list[str], list[str]]:
    """Our words and the program's, which begin after `--`."""
    cut = argv.index("--") if "--" in argv else len(argv)
    if not {"-h", "--help"} & {*argv[:cut]} and not argv[cut + 1 :]:
        raise UsageError("no program was given", hint="gc-credhelper exec -- PROGRAM ARGUMENTS…")
    return argv[:cut], argv[cut + 1 :]


def _wanted(written: str) -> tuple[str, str]:
    name, equals, form = written.partition("=")
    form = form or "raw"
    if not equals or not re.fullmatch(r"[A-Za-z_]\w*", name, re.ASCII) or name in _USED:
        raise UsageError(
            "--env takes NAME=FORMAT, where NAME is a variable that nothing else uses", hint="MY_TOKEN=raw"
        )
    if form not in output.FORMATS:
        raise UsageError(
            f"there is no output format {spoken(form, output.FORMATS)} (--env)", hint=nearest(form, output.FORMATS)
        )
    return name, form


def _become(command: list[str], environ: dict[str, str]) -> NoReturn:
    if sys.platform == "win32":  # pragma: no cover  # there a new program cannot take the place of a process
        sys.exit(_child(command, environ).wait())
    for name in ("SIGPIPE", "SIGXFSZ"):  # Python has them ignored, and the program would inherit that
        signal.signal(getattr(signal, name), signal.SIG_DFL)
    try:
        os.execvpe(command[0], command, environ)  # noqa: S606  # no shell is wanted
    except OSError as e:
        raise _cannot_start(e) from None


def _child(command: list[str], environ: dict[str, str]) -> "subprocess.Popen[bytes]":
    try:
        return subprocess.Popen(command, env=environ)  # noqa: S603  # the caller's own program
    except OSError as e:
        raise _cannot_start(e) from None


def _cannot_start(error: OSError) -> UsageError:
    return UsageError(f"the program after -- cannot be started: {error.strerror}", hint="check its name and PATH")


def _run_and_end(platform: "Platform", command: list[str], environ: dict[str, str], token: str, report: Report) -> int:
    """Wait for the program, pass on what would end it, and end the token however that went."""
    child: subprocess.Popen[bytes] | None = None

    def pass_on(number: int, _: object) -> None:
        if child:
            child.send_signal(number)

    passed = [signal.Signals[name] for name in ("SIGTERM", "SIGHUP", "SIGUSR1", "SIGUSR2") if hasattr(signal, name)]
    before = {number: signal.signal(number, pass_on) for number in passed}
    for name in ("SIGINT", "SIGQUIT"):  # a terminal sends these to the program as well
        if hasattr(signal, name):
            before[signal.Signals[name]] = signal.signal(signal.Signals[name], lambda *_: None)
    try:
        child = _child(command, environ)
        status = child.wait()
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        try:
            platform.end(token, Deadline(_GOODBYE))
        except Error as e:
            report.warn(f"the token could not be ended at the server, where it lives on: {e}")
    return status if status >= 0 else 128 - status
