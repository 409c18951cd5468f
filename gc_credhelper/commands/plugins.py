"""`plugins`: the roles that are installed, and from which distribution."""

from .. import output
from ..cli import Parser
from ..plan import Inputs
from ..plugins import installed
from ..report import Report


def run(parser: Parser, argv: list[str], inputs: Inputs, report: Report) -> int:
    """A line each; nothing is loaded."""
    del inputs
    parser.add_verbose()
    parser.parse(argv)
    rows = installed()
    for row in rows:
        if row.problem:
            report.warn(f"{row.role} {row.name} of {row.distribution}: {row.problem}")
    return output.emit("".join(f"{row.role:<20} {row.name:<12} {row.distribution} {row.version}\n" for row in rows))
