"""`token`: print a valid token. The main job."""

import json

from .. import output
from ..cli import Parser, open_app
from ..deadline import Deadline
from ..errors import UsageError
from ..plan import Inputs
from ..report import Report
from ..settings import nearest


def run(parser: Parser, argv: list[str], inputs: Inputs, report: Report) -> int:
    """Cached or fresh, in the format that was asked for."""
    parser.add_argument("-o", "--output", default="exec-credential", metavar="FORMAT", help=", ".join(output.FORMATS))
    parser.add_argument("--refresh", action="store_true", help="skip the cache and replace the entry")
    parser.add_shared()
    options = parser.parse(argv)
    if options.output not in output.FORMATS:
        raise UsageError("there is no such output format (--output)", hint=nearest(options.output, output.FORMATS))
    api_version = asked_api_version(inputs) if options.output == "exec-credential" else output.API_VERSIONS[0]
    app = open_app(options, inputs, report)
    token = app.source.token(refresh=options.refresh, deadline=Deadline(app.settings["deadline"]))
    app.leave_notes(options.output, api_version, hit=not options.refresh and not options.verbose)
    return output.emit(output.FORMATS[options.output](token, api_version))


def asked_api_version(inputs: Inputs) -> str:
    """What the caller says in KUBERNETES_EXEC_INFO, else v1 (kubernetes.io, client-go credential plugins)."""
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
