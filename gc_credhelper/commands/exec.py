"""`exec`: run a program with the token in its environment, and without the client secret."""

import argparse
import errno
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import NoReturn

from .. import output
from ..app import App
from ..cli import Parser, open_app
from ..deadline import Deadline
from ..errors import Error, UsageError
from ..handed import CONSUMERS, Where, consumer_of, variables, without_secrets
from ..plan import Inputs
from ..report import Report
from ..settings import Setting, nearest, spoken
from ..tokens import AccessToken

_GOODBYE = 10.0  # seconds that ending a token of its own may take
_NOT_SAID = ("min_ttl", "deadline", "consumer")  # to a call that the program makes, perhaps much later
# What a nearer flag has displaced must not stand beside it in the layer of the variables (regions.endpoints).
_DISPLACED = {
    "GC_CREDHELPER_REGION": ("GC_CREDHELPER_TOKEN_URL", "GC_CREDHELPER_API_URL"),
    "GC_CREDHELPER_TOKEN_URL": ("GC_CREDHELPER_API_URL",),
}
_IGNORED_BY_PYTHON = ("SIGPIPE", "SIGXFSZ")
_PASSED_ON = ("SIGTERM", "SIGINT", "SIGHUP", "SIGQUIT", "SIGUSR1", "SIGUSR2")


def run(parser: Parser, argv: list[str], inputs: Inputs, report: Report) -> int:
    """The program takes our place, so that its signals and its exit status are its own."""
    words, command = _split(argv)
    parser.usage = "gc-credhelper exec [OPTIONS] -- PROGRAM [ARGUMENTS]"
    parser.add_argument(
        "--env", action="append", default=[], metavar="NAME=FORMAT", help="one more variable, in a format of token -o"
    )
    parser.add_argument("--for", choices=CONSUMERS, dest="consumer", help="spell the region as that tool takes it")
    parser.add_argument("--ephemeral", action="store_true", help="a token of its own, stored nowhere, ended afterwards")
    parser.add_argument("--refresh", action="store_true", help="skip the cache and replace the entry")
    parser.add_shared()
    options = parser.parse(words)
    formats = [_wanted(one) for one in options.env]
    if options.ephemeral and options.refresh:
        raise UsageError("--refresh and --ephemeral exclude each other", hint="an ephemeral token is always a new one")
    app = open_app(options, inputs, report)
    where = Where.of(app.endpoints)
    consumer = options.consumer or consumer_of(command[0])
    if where.is_divided and not consumer:
        report.warn(
            "no spelling of this region serves both gc and Terraform; this is Terraform's, --for gc is the other"
        )

    def environ(token: AccessToken) -> dict[str, str]:
        kept = without_secrets(_found(os.environ), app.settings)
        said = _said(options)
        for name in {far for near in said for far in _DISPLACED.get(near, ())} - said.keys():
            kept.pop(name, None)
        made = {name: output.FORMATS[form](token, output.API_VERSIONS[0]).rstrip("\n") for name, form in formats}
        return kept | said | variables(token.value, where, consumer) | made

    deadline = Deadline(app.settings["deadline"])
    if options.ephemeral:
        return _ephemeral(app, command, environ, deadline)
    token = app.source.token(refresh=options.refresh, deadline=deadline)
    app.learned()
    return _become(command, environ(token))


def _split(argv: list[str]) -> tuple[list[str], list[str]]:
    """Our words and the program's, which begin after `--`."""
    cut = argv.index("--") if "--" in argv else len(argv)
    if not {"-h", "--help"} & {*argv[:cut]} and not argv[cut + 1 :]:
        raise UsageError("no program was given", hint="gc-credhelper exec -- PROGRAM ARGUMENTS…")
    return argv[:cut], argv[cut + 1 :]


def _wanted(written: str) -> tuple[str, str]:
    name, equals, form = written.partition("=")
    form = form or "raw"
    if not equals or not re.fullmatch(r"[A-Za-z_]\w*", name, re.ASCII):
        raise UsageError("--env takes NAME=FORMAT, where NAME is a variable", hint="MY_TOKEN=raw")
    if form not in output.FORMATS:
        raise UsageError(
            f"there is no output format {spoken(form, output.FORMATS)} (--env)", hint=nearest(form, output.FORMATS)
        )
    return name, form


def _found(environ: Mapping[str, str]) -> dict[str, str]:
    """The environment as we found it: without a locale Python sets LC_CTYPE (PEP 538)."""
    try:
        at_start = b"\0" + Path("/proc/self/environ").read_bytes()
    except OSError:
        return dict(environ)
    return {name: value for name, value in environ.items() if name != "LC_CTYPE" or b"\0LC_CTYPE=" in at_start}


def _said(options: argparse.Namespace) -> dict[str, str]:
    """What the command line set, as variables: a call that the program makes means the same token."""
    said = [(name, value) for name, value in vars(options).items() if isinstance(value, str)]
    said += [(name.replace("-", "_"), value) for name, _, value in (one.partition("=") for one in options.set)]
    return {Setting(name, str, "").variable: value for name, value in said if value and name not in _NOT_SAID}


def _become(command: list[str], environ: dict[str, str]) -> NoReturn:
    if sys.platform == "win32":  # pragma: no cover  # there a new program cannot take the place of a process
        sys.exit(_finished(command, environ))
    for name in _IGNORED_BY_PYTHON:  # and the program would inherit that
        signal.signal(getattr(signal, name), signal.SIG_DFL)
    try:
        os.execvpe(command[0], command, environ)  # noqa: S606  # no shell is wanted
    except OSError as e:
        raise _cannot_start(e) from None


def _ephemeral(
    app: App, command: list[str], environ: Callable[[AccessToken], dict[str, str]], deadline: Deadline
) -> int:
    """Wait for the program, and end its token however that went."""
    platform = app.platform()
    token = app.source.own(deadline)
    try:
        app.source.check(token)
        return _finished(command, environ(token))
    finally:
        try:
            platform.end(token.value, Deadline(_GOODBYE))
        except Error as e:
            app.report.warn(f"the token could not be ended at the server, where it lives on: {e}")


def _finished(command: list[str], environ: dict[str, str]) -> int:
    """The status of the program, which hears every signal that another process sends to us.

    They stay blocked afterwards: what is left to do is short, and a second signal must not keep us from it.
    """
    if sys.platform == "win32":  # pragma: no cover
        try:
            return subprocess.run(command, env=environ, check=False).returncode  # noqa: S603
        except OSError as e:
            raise _cannot_start(e) from None
    passed = {signal.Signals[name] for name in _PASSED_ON}
    passed = {number for number in passed if signal.getsignal(number) != signal.SIG_IGN}  # as under nohup
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)  # one that is ignored would take the status with it
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {*passed, signal.SIGCHLD})
    default = [getattr(signal, name) for name in _IGNORED_BY_PYTHON]
    try:
        pid = os.posix_spawnp(command[0], command, environ, setsigmask=before, setsigdef=default)
    except OSError as e:
        raise _cannot_start(e) from None
    while True:
        number, of_terminal = _next({*passed, signal.SIGCHLD})
        if number != signal.SIGCHLD:
            if not of_terminal:  # which sends it to the program as well, and two of them mean more than one
                os.kill(pid, number)
        elif (done := os.waitpid(pid, os.WNOHANG))[0]:
            status = os.waitstatus_to_exitcode(done[1])
            return status if status >= 0 else 128 - status


def _next(waited: Collection[signal.Signals]) -> tuple[int, bool]:
    """The next signal, and whether it came from a terminal."""
    if hasattr(signal, "sigwaitinfo"):
        came = signal.sigwaitinfo(waited)
        return came.si_signo, came.si_code > 0
    number = signal.sigwait(waited)  # pragma: no cover  # macOS
    return number, number in (signal.SIGINT, signal.SIGQUIT)  # pragma: no cover


def _cannot_start(error: OSError) -> UsageError:
    hint = "check its name and PATH"
    if error.errno == errno.ENOEXEC:
        hint = "does its first line begin with #!? Else: exec -- sh PROGRAM"
    return UsageError(f"the program after -- cannot be started: {error.strerror}", hint=hint)
