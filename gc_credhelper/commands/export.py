"""`export`: write a list of the Platform API to a file, and go on where an earlier run of the same stopped."""

import argparse
import json
import zlib
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path
from typing import Any

from .. import pages, tabular
from ..calls import Call
from ..cli import Parser, open_app
from ..errors import Error, TokenError, UsageError
from ..interval import EXAMPLE, Interval
from ..plan import Inputs
from ..progress import Progress
from ..report import Report
from ..resources import RESOURCES, STATES, Listing, Resource, lists
from ..resumable import Resumable
from ..rows import dumped
from ..settings import nearest
from ..transport import Answer

FORMATS = {"jsonl": (".jsonl", ".ndjson"), "csv": (".csv",)}


def run(parser: Parser, argv: list[str], inputs: Inputs, report: Report) -> int:
    """`export RESOURCE --file PATH [OPTIONS]`."""
    parser.usage = "gc-credhelper export RESOURCE --file PATH [OPTIONS]"
    parser.add_argument("resource", metavar="RESOURCE", help=", ".join(RESOURCES))
    parser.add_argument("--file", metavar="PATH", help="where to, of mode 0600; it is replaced when all is there")
    parser.add_argument("--format", choices=FORMATS, help="default: by the end of the file's name")
    parser.add_argument("--interval", metavar="START/END", help=f"of conversations, in UTC: {EXAMPLE}")
    parser.add_argument("--state", choices=STATES, help="of users; default: active")
    parser.add_argument("--restart", action="store_true", help="do not go on with what an earlier run has written")
    parser.add_shared()
    options = parser.parse(argv)
    resource = _resource(options)
    interval = Interval.parse(options.interval) if options.interval else None
    filters = (("state", options.state),) if options.state else ()
    format = _format(options.file, options.format)
    app = open_app(options, inputs, report)
    send = app.calls(connections=pages.AHEAD).send
    about = {
        "resource": options.resource,
        "filters": dict(filters),
        "interval": str(interval) if interval else "",
        "format": format,
        "columns": list(resource.columns) if format == "csv" else [],
        "page size": resource.size,
        "api_url": app.endpoints.api_url,
        "client ids": app.client_ids,
    }
    render = partial(tabular.lines, columns=resource.columns) if format == "csv" else _as_lines
    with (
        Resumable(options.file, about, report, restart=options.restart) as file,
        Progress(f"export {options.resource}") as progress,
    ):
        export = _Export(resource, send, file, render=render, progress=progress, report=report)
        try:
            export.all(lists(resource, filters, interval))
        except Error as e:
            if file.at.rows:
                e.hint = f"{e.hint}; the same command goes on behind row {file.at.rows}".removeprefix("; ")
            raise
        file.finish()
    return 0


def _resource(options: argparse.Namespace) -> Resource:
    """The one that is asked for. UsageError, also for options that are not for it."""
    name = options.resource
    if name not in RESOURCES:
        raise UsageError("there is no such resource", hint=nearest(name, RESOURCES))
    resource = RESOURCES[name]
    if resource.by_interval != bool(options.interval):
        text = f"export {name} {'needs an' if resource.by_interval else 'takes no'} --interval"
        raise UsageError(text, hint=f"for conversations it is START/END, for example {EXAMPLE}")
    if options.state and name != "users":
        raise UsageError(f"export {name} takes no --state", hint="it is for users")
    return resource


def _format(path: str, chosen: str | None) -> str:
    """The one that is asked for, or that the name of the file ends in. UsageError."""
    if path in (None, "", "-"):
        raise UsageError(
            "an export needs a --file, with which it can go on later", hint="for example --file users.jsonl"
        )
    suffix = Path(path).suffix.lower()
    found = chosen or next((name for name, suffixes in FORMATS.items() if suffix in suffixes), None)
    if found is None:
        hint = "let the name end in .jsonl, .ndjson or .csv, or say --format jsonl or --format csv"
        raise UsageError("the name of --file does not tell its format", hint=hint)
    return found


def _as_lines(rows: list[Any], *, head: bool) -> bytes:
    del head
    return "".join(dumped(row) + "\n" for row in rows).encode()


class _Export:
    """Walks lists page by page into a file."""

    def __init__(
        self,
        resource: Resource,
        send: Callable[[Call], Answer],
        file: Resumable,
        *,
        render: Callable[..., bytes],
        progress: Progress,
        report: Report,
    ) -> None:
        self._resource = resource
        self._send = send
        self._file = file
        self._render = render
        self._progress = progress
        self._report = report

    def all(self, listings: Iterable[Listing]) -> None:
        """From where the file stands to the end of the last one."""
        for number, listing in enumerate(listings):
            if number >= self._file.at.list:
                self._one(number, listing)

    def _one(self, number: int, listing: Listing) -> None:
        file = self._file
        written = file.at.page if file.at.list == number else 0
        page, total = max(0, written - 1), None
        # The last page that was written comes once more: had the list changed meanwhile, it would be another.
        for found in pages.walk(self._send, listing.call(page + 1)):
            page += 1
            ids = self._ids(found.rows)
            if page == written:
                if ids == file.at.ids:
                    continue
                self._report.note("the list has changed since: it is fetched from its beginning again")
                file.back()
                self._one(number, listing)
                return
            kept = [row for row in found.rows if listing.keeps(row)]
            content = self._render(kept, head=not file.at.bytes)
            file.write(content, rows=len(kept), list=number, page=page, ids=ids)
            self._progress.update(file.at.rows, None if self._resource.by_interval else found.total)
            if None not in (total, found.total) and total != found.total:
                self._report.warn("the list changed while it was walked: rows may be missing, or there twice")
            total = found.total

    def _ids(self, rows: list[Any]) -> int:
        """CRC-32 of all of them. TokenError when a row has none: then it is no row of this list."""
        ids = [row.get(self._resource.id) if isinstance(row, dict) else None for row in rows]
        if not all(isinstance(one, str) for one in ids):
            text = f"{self._resource.path} sent a row without {self._resource.id}"
            raise TokenError(text, hint="is it the Platform API? Check api_url")
        return zlib.crc32(json.dumps(ids).encode())
