"""`token`: print a valid token. The main job."""

import argparse
import json

from .. import output
from ..app import App
from ..cli import Parser, open_app
from ..errors import UsageError
from ..formats import FORMATS, Format, Handed
from ..handed import Where
from ..plan import Inputs
from ..private import write_alone
from ..report import Report
from ..settings import nearest
from ..tokens import AccessToken

_FOR_CALLERS = ("exec-credential", "headers", "bazel", "codex")  # some of whom repeat a failing helper at once
_IMPATIENT = {"bazel": 8.0, "headers": 8.0, "codex": 4.0}  # seconds; the callers give up after 10, codex after 5


def run(parser: Parser, argv: list[str], inputs: Inputs, report: Report) -> int:
    """Cached or fresh, in the format that was asked for."""
    add_options(parser)
    call = Call(parser.parse(argv), inputs, report)
    if call.options.output in _FOR_CALLERS:
        call.app.repeated()
    token = call.token()
    if call.form in output.RENDERERS:
        answer = output.RENDERERS[call.form](token, call.api_version)
    else:
        answer = _rendered(FORMATS[call.form], token, call.app, call.options)
    if call.options.file is not None:
        write_alone(call.options.file, answer)
        return 0
    return output.emit(answer)


def add_options(parser: Parser) -> None:
    """Those of `token`."""
    parser.add_argument(
        "-o", "--output", default="exec-credential", metavar="FORMAT", help=", ".join([*output.FORMATS, *FORMATS])
    )
    parser.add_argument("--refresh", action="store_true", help="skip the cache and replace the entry")
    parser.add_argument("--file", metavar="PATH", help="write the answer into a file of mode 0600, and print nothing")
    parser.add_argument("--no-newline", action="store_true", help="with -o raw: nothing but the token")
    parser.add_argument("--api-version", metavar="VERSION", help="with -o exec-credential: v1 or v1beta1")
    parser.add_argument("--step-output", action="store_true", help="with -o github: an output of the step")
    parser.add_argument(
        "--downloadable-artifact", metavar="PATH", help="with -o gitlab: a dotenv report, which others can download"
    )
    parser.add_shared()


class Call:
    """What one command line means."""

    def __init__(self, options: argparse.Namespace, inputs: Inputs, report: Report) -> None:
        """UsageError, PluginError."""
        names = [*output.FORMATS, *FORMATS]
        if options.output not in names:
            raise UsageError("there is no such output format (--output)", hint=nearest(options.output, names))
        _check(options)
        self.options = options
        self.api_version = output.API_VERSIONS[0]
        if options.output == "exec-credential":
            self.api_version = asked_api_version(inputs, options.api_version)
        self.app = open_app(options, inputs, report)
        if options.output in _IMPATIENT:
            self.app.hasty(_IMPATIENT[options.output])
        self.form = "bare" if options.no_newline else options.output

    def token(self) -> AccessToken:
        """In time for the caller; the next identical call is left to the launcher."""
        token = self.app.source.token(refresh=self.options.refresh)
        self.app.leave_notes(self.form, self.api_version, hit=not self.is_for_full_program)
        return token

    @property
    def is_for_full_program(self) -> str:
        """Which option the launcher does not know what to do about; empty when there is none."""
        options = self.options
        given = {
            "--file": options.file is not None,
            "--refresh": options.refresh,
            "--verbose": options.verbose,
            f"--output {options.output}": self.form not in output.RENDERERS,
        }
        return next((name for name, is_given in given.items() if is_given), "")


def _rendered(form: Format, token: AccessToken, app: App, options: argparse.Namespace) -> str:
    handed = Handed(
        token, Where.of(app.endpoints), app.inputs, app.report, options.step_output, options.downloadable_artifact
    )
    return form.render(handed)


def _check(options: argparse.Namespace) -> None:
    """UsageError for an option that says nothing about the format that was asked for."""
    for name, form, given in (
        ("--no-newline", "raw", options.no_newline),
        ("--api-version", "exec-credential", options.api_version),
        ("--step-output", "github", options.step_output),
        ("--downloadable-artifact", "gitlab", options.downloadable_artifact),
    ):
        if given and options.output != form:
            raise UsageError(f"{name} is for -o {form} only", hint=f"leave it out, or ask for -o {form}")
    for name, path in (("--file", options.file), ("--downloadable-artifact", options.downloadable_artifact)):
        if path == "":
            raise UsageError(f"{name} names no file", hint="is the variable set that you gave it?")
    if options.file and options.output in FORMATS and not FORMATS[options.output].for_file:
        raise UsageError(f"-o {options.output} is of no use in a file", hint="leave --file out")
    if options.file == "-":
        raise UsageError("--file takes a path", hint="leave it out for standard output")
    if options.output == "archy" and not options.file:
        raise UsageError(
            "Archy reads a file", hint="-o archy --file options.yaml; then archy … --optionsFile options.yaml"
        )


def asked_api_version(inputs: Inputs, given: str | None) -> str:
    """What --api-version says, else KUBERNETES_EXEC_INFO, else v1 (kubernetes.io, client-go credential plugins)."""
    if given:
        for version in output.API_VERSIONS:
            if given in (version, version.rpartition("/")[2]):
                return version
        raise UsageError("there is no such version of ExecCredential (--api-version)", hint="v1 or v1beta1")
    info = inputs.env("KUBERNETES_EXEC_INFO")
    if info is None:
        return output.API_VERSIONS[0]
    try:
        asked = json.loads(info)["apiVersion"]
    except (ValueError, TypeError, KeyError, RecursionError):
        asked = None
    if asked not in output.API_VERSIONS:
        raise UsageError(
            "the variable KUBERNETES_EXEC_INFO asks for no apiVersion that is known",
            hint=f"set apiVersion in the kubeconfig to one of {', '.join(output.API_VERSIONS)}",
        )
    return str(asked)
