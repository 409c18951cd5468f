"""`helper`: speak another tool's credential-helper protocol, or write a script for tools that can pass no arguments."""

import argparse
import os
import shlex
import shutil
import sys
from pathlib import Path

from .. import output, protocols
from ..app import App
from ..cli import Parser, open_app
from ..deadline import Deadline
from ..errors import Error, UsageError
from ..formats import FORMATS
from ..plan import Inputs
from ..quiet import Quiet
from ..report import Report
from ..settings import SETTINGS, Layer, nearest
from ..tokens import is_b64token
from .reject import reject

PROTOCOLS = ("git", "bazel")
_IMPATIENT = 8.0  # seconds; Bazel gives up after 10
_SHIM = "# a shim of gc-credhelper"


def run(parser: Parser, argv: list[str], inputs: Inputs, report: Report) -> int:
    """`helper PROTOCOL [OPTIONS] OPERATION`, or `helper shim [OPTIONS] PATH`."""
    parser.usage = "gc-credhelper helper git|bazel [OPTIONS] OPERATION\n       gc-credhelper helper shim [OPTIONS] PATH"
    parser.add_argument("protocol", nargs="?", help="git, bazel or shim")
    parser.add_argument("operation", nargs="?", help="what the other tool asks; with shim, the path to write")
    parser.add_argument("-o", "--output", metavar="FORMAT", help="with shim: a format of token -o; default raw")
    parser.add_argument("--protocol", dest="spoken", choices=PROTOCOLS, help="with shim: a protocol in place of -o")
    parser.add_shared()
    options = parser.parse(argv)
    if options.protocol == "shim":
        return shim(options)
    if options.output or options.spoken:
        raise UsageError("-o and --protocol are for helper shim", hint="see gc-credhelper helper --help")
    if options.protocol == "git":
        return git(options, inputs, report)
    if options.protocol == "bazel":
        return bazel(options, inputs, report)
    raise UsageError("no such protocol", hint=nearest(options.protocol or "", (*PROTOCOLS, "shim")))


def git(options: argparse.Namespace, inputs: Inputs, report: Report) -> int:
    """Of get, store and erase the first and the last; git has us ignore what else there may be."""
    if options.operation not in ("get", "erase"):
        return 0
    request = protocols.read_git(sys.stdin.buffer.readline)
    try:
        with Quiet(report) as quiet:
            app = open_app(options, inputs, quiet)
            quiet.keep_in(app.directory)
            if not protocols.is_ours(request, app.endpoints, app.settings["helper_hosts"] or ()):
                return 0
            if options.operation == "erase":
                if is_b64token(request.refused):
                    reject(app, request.refused)
                return 0
            token = app.source.token(deadline=_deadline(app))
    except Error:
        if options.operation == "get":
            output.emit("quit=1\n")  # or git would ask on the terminal
        raise
    return output.emit(protocols.answer_git(token, request))


def bazel(options: argparse.Namespace, inputs: Inputs, report: Report) -> int:
    """The one operation is get."""
    if options.operation != "get":
        raise UsageError("the operation of this protocol is get", hint="the caller says it: helper bazel get")
    request = protocols.read_bazel(sys.stdin.buffer.read1)  # type: ignore[union-attr]
    with Quiet(report) as quiet:
        app = open_app(options, inputs, quiet)
        quiet.keep_in(app.directory)
        if not protocols.is_ours(request, app.endpoints, app.settings["helper_hosts"] or ()):
            raise UsageError(
                "the URI is not one of this region's",
                hint="list other hosts in the setting helper_hosts of the profile",
            )
        token = app.source.token(deadline=_deadline(app))
    return output.emit(protocols.answer_bazel(token, request))


def _deadline(app: App) -> Deadline:
    seconds = app.settings["deadline"]
    by_default = app.settings.origin("deadline").layer == Layer.DEFAULT
    return Deadline(min(seconds, _IMPATIENT) if by_default else seconds)


def shim(options: argparse.Namespace) -> int:
    """Write the script. UsageError when the path is taken by something else."""
    if not options.operation:
        raise UsageError("no path was given", hint="gc-credhelper helper shim PATH")
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
    text = f"#!/bin/sh\nexec {shlex.join([_program(), *words])}{rest} {_SHIM}\n"
    path = Path(options.operation)
    try:
        if path.exists() and _SHIM not in path.read_text("utf-8", "replace"):
            raise UsageError(f"{path} is there already, and is no shim", hint="delete it, or choose another path")
        part = path.with_name(f".{path.name}.{os.getpid()}.tmp")
        with open(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o755), "w", encoding="utf-8") as file:  # noqa: PTH123
            os.chmod(part, 0o755)  # noqa: PTH101, S103  # whatever the umask: others run it, and it holds no secret
            file.write(text)
        part.replace(path)
    except OSError as e:
        raise UsageError(f"{path} cannot be written: {e.strerror}", hint="check the directory") from None
    return 0


def _program() -> str:
    """The command as it was called, so that a shim outlives an upgrade."""
    called = Path(sys.argv[0])
    found = str(called) if called.name.startswith("gc-credhelper") else shutil.which("gc-credhelper")
    return str(Path(found or "gc-credhelper").absolute())
