"""`helper`: speak another tool's credential-helper protocol, or write a script for tools that can pass no arguments."""

import argparse
import os
import shlex
import shutil
import stat
import sys
import tempfile
from pathlib import Path

from .. import output, protocols
from ..app import App
from ..cli import Parser, open_app
from ..deadline import Deadline
from ..errors import UsageError
from ..formats import FORMATS
from ..plan import Inputs
from ..protocols import Request, standard_input
from ..quiet import Quiet
from ..report import Report
from ..settings import SETTINGS, Layer, nearest
from ..tokens import AccessToken
from .reject import holder, reject

PROTOCOLS = ("git", "bazel")
_IMPATIENT = 8.0  # seconds; Bazel gives up after 10
_SHIM = "# a shim of gc-credhelper"


def run(parser: Parser, argv: list[str], inputs: Inputs, report: Report) -> int:
    """`helper PROTOCOL [OPTIONS] OPERATION`, or `helper shim [OPTIONS] PATH`."""
    parser.usage = "gc-credhelper helper git|bazel [OPTIONS] OPERATION\n       gc-credhelper helper shim [OPTIONS] PATH"
    # Both are required: argparse of Python 3.11 takes an optional word for missing when an option stands before it.
    parser.add_argument("protocol", help="git, bazel or shim")
    parser.add_argument("operation", metavar="operation | path", help="what is asked, or the script to write")
    parser.add_argument("-o", "--output", metavar="FORMAT", help="with shim: a format of token -o; default raw")
    parser.add_argument("--protocol", dest="spoken", choices=PROTOCOLS, help="with shim: a protocol in place of -o")
    parser.add_shared()
    try:
        options = parser.parse(argv)
    except UsageError:
        if argv[:1] == ["git"] and argv[-1] == "get":
            _quit(protocols.is_genesys(protocols.read_git(standard_input(Deadline(_IMPATIENT)))))
        raise
    if options.protocol == "shim":
        return shim(options)
    if options.output or options.spoken:
        raise UsageError("-o and --protocol are for helper shim", hint="see gc-credhelper helper --help")
    if options.protocol not in PROTOCOLS:
        raise UsageError("there is no such protocol", hint=nearest(options.protocol, (*PROTOCOLS, "shim")))
    return (git if options.protocol == "git" else bazel)(options, inputs, report)


def git(options: argparse.Namespace, inputs: Inputs, report: Report) -> int:
    """Of get, store and erase the first and the last; git has us ignore what else there may be."""
    if options.operation not in ("get", "erase"):
        return 0
    deadline = Deadline(_IMPATIENT)
    request = protocols.read_git(standard_input(deadline))
    ours = protocols.is_genesys(request)  # as far as can be said before the settings are read
    try:
        with Quiet(report) as quiet:
            app = _opened(options, inputs, quiet)
            ours = _is_ours(app, request)
            if not ours:
                return 0
            deadline = _deadline(app, deadline)
            if options.operation == "erase":
                if request.refused and (there := holder(app, request.refused, deadline)):
                    reject(there, request.refused, deadline)
                return 0
            token = _token(app, deadline)
    except Exception:
        _quit(ours and options.operation == "get")
        raise
    return output.emit(protocols.answer_git(token, request))


def _quit(ours: bool) -> None:  # noqa: FBT001
    """Or git would ask on the terminal. For hosts of others it goes on to its next helper."""
    if ours:
        output.emit("quit=1\n")


def bazel(options: argparse.Namespace, inputs: Inputs, report: Report) -> int:
    """The one operation is get."""
    if options.operation != "get":
        raise UsageError("the operation of this protocol is get", hint="the caller says it: helper bazel get")
    deadline = Deadline(_IMPATIENT)
    request = protocols.read_bazel(standard_input(deadline))
    if not request.host:
        raise UsageError(
            "standard input holds no object with the URI of a host", hint='{"uri": "https://api.mypurecloud.ie"}'
        )
    with Quiet(report) as quiet:
        app = _opened(options, inputs, quiet)
        if not _is_ours(app, request):
            raise UsageError(
                "the URI is not one of this region's",
                hint="list other hosts in the setting helper_hosts of the profile",
            )
        token = _token(app, _deadline(app, deadline))
    return output.emit(protocols.answer_bazel(token, request))


def _opened(options: argparse.Namespace, inputs: Inputs, quiet: Quiet) -> App:
    app = open_app(options, inputs, quiet)
    app.repeated()
    app.hasty(_IMPATIENT)
    quiet.keep_in(app.directory)
    return app


def _is_ours(app: App, request: Request) -> bool:
    return protocols.is_ours(request, app.endpoints, app.settings["helper_hosts"] or ())


def _deadline(app: App, by_default: Deadline) -> Deadline:
    if app.settings.origin("deadline").layer == Layer.DEFAULT:
        return by_default
    return Deadline(app.settings["deadline"])


def _token(app: App, deadline: Deadline) -> AccessToken:
    token = app.source.token(deadline=deadline)
    app.leave_notes("raw", output.API_VERSIONS[0], hit=False)
    return token


def shim(options: argparse.Namespace) -> int:
    """Write the script. UsageError when the path is taken by something else."""
    form = options.output or "raw"
    if form not in {*output.FORMATS, *FORMATS}:
        raise UsageError("there is no such output format (--output)", hint=nearest(form, {*output.FORMATS, *FORMATS}))
    if options.output and options.spoken:
        raise UsageError("a shim speaks a protocol, or prints a format", hint="leave out -o or --protocol")
    words = ["helper", options.spoken] if options.spoken else ["token", "-o", form]
    for row in SETTINGS:
        if row.flag and getattr(options, row.name):
            words += [row.option, str(getattr(options, row.name))]
    for assignment in options.set:
        words += ["--set", assignment]
    rest = ' "$@"' if options.spoken else ""
    _write(Path(options.operation), f"#!/bin/sh\nexec {shlex.join([*_program(), *words])}{rest} {_SHIM}\n")
    return 0


def _program() -> list[str]:
    """The command as people call it, so that a shim outlives an upgrade: a link in PATH before what it leads to."""
    called, found = Path(sys.argv[0]), shutil.which("gc-credhelper")
    if called.name != "gc-credhelper" or not called.is_file():
        return [str(Path(found).absolute())] if found else [sys.executable, "-m", "gc_credhelper"]
    is_same = found and called.samefile(found)
    return [str(Path(found if found and is_same else called).absolute())]


def _write(path: Path, text: str) -> None:
    """All of it at once. Of mode 0755 whatever the umask: others run it, and it holds no secret."""
    try:
        if not _is_free(path):
            raise UsageError(f"{path} is there already, and is no shim", hint="delete it, or choose another path")
        fd, part = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".tmp", dir=path.parent)
        try:
            with open(fd, "w", encoding="utf-8", errors="surrogateescape") as file:  # noqa: PTH123
                file.write(text)
                file.flush()
                os.fsync(fd)
            Path(part).chmod(0o755)
            Path(part).replace(path)
        except BaseException:
            Path(part).unlink(missing_ok=True)
            raise
    except (OSError, ValueError) as e:
        why = e.strerror if isinstance(e, OSError) else "no such path can be"
        raise UsageError(f"{path} cannot be written: {why}", hint="check the directory") from None


def _is_free(path: Path) -> bool:
    """Is nothing there, or an earlier shim?"""
    try:
        status = path.lstat()
    except FileNotFoundError:
        return True
    if not stat.S_ISREG(status.st_mode) or status.st_size > protocols.LIMIT:
        return False
    lines = path.read_bytes().splitlines()
    return lines[:1] == [b"#!/bin/sh"] and lines[-1].endswith(_SHIM.encode())
