"""`api`: call the Platform API with a valid token, and walk its lists."""

import argparse
import re
from collections.abc import Iterable, Iterator
from http import HTTPStatus
from typing import Any
from urllib.parse import parse_qsl, quote, urlsplit

from .. import fields, output, pages, rows
from ..app import App
from ..calls import Call
from ..cli import Parser, open_app
from ..errors import UsageError
from ..plan import Inputs
from ..progress import Progress
from ..report import Report
from ..settings import nearest
from ..transport import Answer

METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
_JSON = ("Content-Type", "application/json")


def run(parser: Parser, argv: list[str], inputs: Inputs, report: Report) -> int:
    """`api METHOD PATH [OPTIONS]`."""
    parser.usage = "gc-credhelper api METHOD PATH [OPTIONS]"
    parser.add_argument("method", metavar="METHOD", help=", ".join(METHODS))
    parser.add_argument("path", metavar="PATH", help="for example /api/v2/users, with or without a query")
    for flag, kind, text in (
        ("-f", fields.text, "a text, in the query of a GET and else in the body"),
        ("-F", fields.typed, "the same with true, false, null, a whole number or @FILE"),
    ):
        parser.add_argument(flag, dest="fields", action="append", default=[], metavar="KEY=VALUE", type=kind, help=text)
    parser.add_argument("--input", metavar="FILE", help="the body; - for standard input")
    parser.add_argument(
        "-H", dest="headers", action="append", default=[], metavar="NAME: VALUE", help="one more header"
    )
    parser.add_argument("--jq", metavar="FILTER", help="print what jq makes of the answer, or of each row")
    parser.add_argument("-i", "--include", action="store_true", help="print status and headers first")
    parser.add_argument("--paginate", action="store_true", help="every row of a list, one a line")
    parser.add_argument("--slurp", action="store_true", help="with --paginate: one JSON list of all rows")
    parser.add_argument("--limit", type=_count, metavar="N", help="with --paginate: no more than N rows")
    parser.add_argument("--refresh", action="store_true", help="skip the cache and replace the entry")
    parser.add_shared()
    options = parser.parse(argv)
    for name, given in (("--slurp", options.slurp), ("--limit", options.limit is not None)):
        if given and not options.paginate:
            raise UsageError(f"{name} is for --paginate only", hint="leave it out, or ask for --paginate")
    if options.include and options.paginate:
        raise UsageError("--include and --paginate exclude each other", hint="there are as many headers as pages")
    if options.paginate and options.method.upper() == "HEAD":
        raise UsageError("an answer to HEAD has no rows", hint="leave --paginate out, or use GET")
    program = rows.filtered(options.jq)
    app = open_app(options, inputs, report)
    call = _call(options, app)
    if options.paginate:
        code = _walk(app, call, program, options)
        app.learned()
        return code
    answer = app.calls(refresh=options.refresh).send(call)
    app.learned()
    return output.emit_bytes(_head(answer) if options.include else b"") or _print(answer, call, program)


def _count(text: str) -> int:
    if not re.fullmatch(r"[1-9][0-9]{0,8}", text):
        raise argparse.ArgumentTypeError("must be a whole number from 1 on")
    return int(text)


def _call(options: argparse.Namespace, app: App) -> Call:
    """UsageError for what cannot be a request, before anything is sent."""
    method = options.method.upper()
    if method not in METHODS:
        raise UsageError("there is no such method", hint=nearest(method, METHODS))
    path, query = _target(options.path, app)
    pairs: list[tuple[str, Any]] = options.fields
    headers, body = fields.headers(options.headers), None
    if options.input is not None:
        body = fields.read(options.input, "--input")
        query += fields.as_query(pairs)
    elif method in ("GET", "HEAD"):
        query += fields.as_query(pairs)
    elif pairs:
        body = fields.as_body(pairs)
    if body is not None and not any(name.lower() == "content-type" for name, _ in headers):
        headers += (_JSON,)
    return Call(method, path, query, body, headers)


def _target(written: str, app: App) -> tuple[str, tuple[tuple[str, str], ...]]:
    """Path and query. A whole URL is fine when it is the API's: the token goes nowhere else."""
    path = written.removeprefix(f"{app.endpoints.api_url}/") if "://" in written else written
    try:
        parts = urlsplit("/" + path.lstrip("/"))
    except ValueError:
        parts = urlsplit("")
    if not parts.path or "://" in parts.path or " " in parts.path or parts.fragment or not path.isprintable():
        hint = f"a path such as /api/v2/users, or a URL of {app.endpoints.api_url}"
        raise UsageError("the path is none of the Platform API", hint=hint)
    return quote(parts.path, safe="/%:@!$&'()*+,;=~"), tuple(parse_qsl(parts.query, keep_blank_values=True))


def _head(answer: Answer) -> bytes:
    known = {status.value: status.phrase for status in HTTPStatus}
    lines = [f"HTTP/1.1 {answer.status} {known.get(answer.status, '')}".rstrip()]
    lines += [f"{name}: {value}" for name, value in answer.headers.items()]
    return "\n".join([*lines, "", ""]).encode("latin-1", "replace")


def _print(answer: Answer, call: Call, program: rows.Filter | None) -> int:
    """The body as it came, with a line feed at the end of JSON; or what the filter makes of it."""
    if program and answer.body:
        return output.emit("".join(rows.lines(pages.parsed(answer, call), program)))
    is_json = answer.body and "json" in answer.headers.get("Content-Type", "")
    return output.emit_bytes(answer.body + (b"\n" if is_json and not answer.body.endswith(b"\n") else b""))


def _walk(app: App, call: Call, program: rows.Filter | None, options: argparse.Namespace) -> int:
    """Rows as they come, page by page; all at once only for a filter that is to see all of them."""
    send = app.calls(connections=pages.AHEAD, refresh=options.refresh).send
    with Progress(f"{call}") as progress:
        found = _limited(pages.walk(send, call, most=options.limit), options.limit, progress)
        if options.slurp and program:
            return output.emit("".join(rows.lines([row for page in found for row in page], program)))
        texts = _slurped(found) if options.slurp else ("".join(_lines(page, program)) for page in found)
        return next(filter(None, map(output.emit, texts)), 0)


def _limited(found: Iterable[pages.Page], limit: int | None, progress: Progress) -> Iterator[list[Any]]:
    done = 0
    for page in found:
        kept = page.rows if limit is None else page.rows[: limit - done]
        done += len(kept)
        yield kept
        progress.update(done, page.total if limit is None else limit)
        if done == limit:
            return


def _lines(page: list[Any], program: rows.Filter | None) -> Iterator[str]:
    return (line for row in page for line in rows.lines(row, program))


def _slurped(found: Iterable[list[Any]]) -> Iterator[str]:
    """One JSON list, without holding it."""
    before = "["
    for page in found:
        if page:
            yield before + ",".join(map(rows.dumped, page))
            before = ","
    yield "]\n" if before == "," else "[]\n"
