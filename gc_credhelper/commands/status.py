"""`status`: the effective settings with their Origin, and the cached tokens with their age. No network, no secret."""

import json
import time
from collections.abc import Iterable

from .. import output, tokens
from ..app import App
from ..cli import Parser, open_app
from ..command import NESTED
from ..entry import Whose
from ..errors import Error
from ..plan import Inputs
from ..plugins import known_names
from ..private_portable import Unsafe
from ..rejections import Rejections
from ..report import Report
from ..settings import nearest

OURS = "GC_CREDHELPER_"
Row = dict[str, str | int | None]


def run(parser: Parser, argv: list[str], inputs: Inputs, report: Report) -> int:
    """Two tables for a person, or with --json one object."""
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_shared()
    options = parser.parse(argv)
    app = open_app(options, inputs, report)
    known = {row.variable for row in app.rows.values()}
    for name in unknown_variables(inputs, known):
        report.warn(f"there is no setting for the variable {name}: {nearest(name, known)}")
    rows, entries = settings(app), cached(app)
    if options.json:
        return output.emit(json.dumps({"settings": rows, "entries": entries}) + "\n")
    text = table(rows, ("name", "value", "origin"))
    text += "\n" + (table(entries, tuple(entries[0])) if entries else "no cached token\n")
    return output.emit(text)


def settings(app: App) -> list[Row]:
    """Name, value and Origin of each, then what follows from them."""
    rows: list[Row] = []
    for name, value in app.settings.items():
        rows.append({"name": name, "value": shown(name, value), "origin": str(app.settings.origin(name))})
    where, by = app.directory.path, app.settings.origin("cache_dir")
    rows.append({"name": "(cache directory)", "value": where, "origin": f"{by}"})
    rows.append({"name": "(token endpoint)", "value": app.endpoints.token_url, "origin": app.endpoints.decided_by})
    rows.append({"name": "(Platform API)", "value": app.endpoints.api_url, "origin": app.endpoints.decided_by})
    try:
        client_id = app.settings["client_id"] or app.provider.client_id() or "known once the provider was read"
    except Error as e:
        client_id = f"not known: {e}"
    rows.append(
        {"name": "(client id)", "value": client_id, "origin": f"provider {shown('provider', app.settings['provider'])}"}
    )
    return rows


def shown(name: str, value: object) -> str:
    """A command's arguments stay hidden: people put into them what they should not."""
    if value is None:
        return "-"
    if name == "command.argv" and isinstance(value, tuple):
        return str(value[0]) + (" …" if len(value) > 1 else "")
    if name == "provider" and str(value).startswith("command:"):
        return f"{str(value).split()[0]} …"
    if isinstance(value, tuple):
        return ",".join(map(str, value))
    return f"{value:g}" if isinstance(value, float) else str(value)


def cached(app: App) -> list[Row]:
    """Every entry that the caches can list; ages and lives in seconds."""
    rows: list[Row] = []
    now = time.time()
    for name, cache in app.caches:
        try:
            rows.extend(entry(app, name, key, cache.get(key) or "", now) for key in cache.keys())
        except (OSError, Unsafe) as e:
            app.report.warn(f"the cache {name} cannot be listed: {getattr(e, 'strerror', None) or e}")
    return rows


def entry(app: App, cache: str, key: str, text: str, now: float) -> Row:
    """One row. The token itself is only looked at."""
    found = tokens.load(text, key)
    whose = Whose.told(text.partition("\n")[2].removesuffix("\n"))
    row: Row = {"cache": cache, "key": key[:12], "client_id": None, "token_url": None, "slot": None}
    if whose:
        row |= {"client_id": whose.client_id, "token_url": whose.token_url, "slot": whose.slot}
    if not found:
        return row | {"age": None, "remaining": None, "state": "damaged"}
    token = found[0]
    state = "fresh" if now < token.refresh_at else "due for a refresh"
    if not token.usable(now):
        state = "expired" if now >= token.expires_at else "too old to be handed out"
    if Rejections(app.directory, key).holds(token.value):
        state = "rejected"
    return row | {"age": int(now - token.issued_at), "remaining": max(0, int(token.expires_at - now)), "state": state}


def unknown_variables(inputs: Inputs, known: set[str]) -> list[str]:
    """Variables that begin like ours and set nothing, but for those of plug-ins that are not in use."""
    ours = [name for name in (raw.decode("utf-8", "replace") for raw in inputs.environ) if name.startswith(OURS)]
    unknown = [name for name in ours if name not in known and name != NESTED]
    if not unknown:
        return []
    others = tuple(OURS + name.upper().replace("-", "_") + "_" for name in known_names())
    return sorted(name for name in unknown if not name.startswith(others))


def table(rows: Iterable[Row], columns: tuple[str, ...]) -> str:
    """Columns padded to their widest cell."""
    lines = [columns, *(tuple("-" if row[column] is None else str(row[column]) for column in columns) for row in rows)]
    widths = [max(len(line[i]) for line in lines) for i in range(len(columns))]
    return "".join(
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() + "\n" for line in lines
    )
