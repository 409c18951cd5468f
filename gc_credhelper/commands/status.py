"""`status`: the effective settings with their Origin, and the cached tokens with their age. No secret, and no network
unless --shared asks for what lies in the cache that machines share.
"""

import functools
import json
import time
from collections.abc import Iterable

from .. import output, tokens
from ..app import App
from ..cli import Parser, open_app
from ..deadline import Deadline
from ..effective import shown, unknown_variables
from ..entry import Whose
from ..errors import Error, UsageError
from ..plan import Inputs, cache_home
from ..private import reason
from ..proofs import Proofs
from ..quiet import kept_warnings
from ..rejections import Rejections
from ..report import Report, one_line
from ..roles import CacheBackend
from ..settings import Layer, Origin
from ..tokens import AccessToken

_WIDEST = 64
_SHARE = 0.5  # of the time that is left, for each cache
Row = dict[str, str | int | None]


def run(parser: Parser, words: list[str], inputs: Inputs, report: Report) -> int:
    """Two tables for a person, or with --json one object."""
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--shared", action="store_true", help="ask the cache that machines share as well, slot by slot")
    parser.add_shared()
    options = parser.parse(words)
    app = open_app(options, inputs, report)
    rows, entries = settings(app), cached(app) + (shared(app) if options.shared else [])
    for name, hint in unknown_variables(app).items():
        report.warn(f"there is no setting for the variable {name}: {hint}")
    at, lines = kept_warnings(app.directory)
    for line in lines:
        report.warn(f"a helper warned {span(max(0, int(time.time() - at)))} ago: {line}")
    if options.json:
        return output.emit(json.dumps({"settings": rows, "entries": entries}) + "\n")
    for row in entries:
        row |= {"age": span(row["age"]), "remaining": span(row["remaining"])}
    text = table(rows, ("name", "value", "origin"))
    text += "\n" + (table(entries, tuple(entries[0])) if entries else "no cached token\n")
    return output.emit(text)


def settings(app: App) -> list[Row]:
    """Name, value and Origin of each, then what follows from them."""
    rows: list[Row] = []
    for name, value in app.settings.items():
        rows.append({"name": name, "value": shown(name, value), "origin": str(app.settings.origin(name))})
    named, variable = app.settings["cache_dir"], cache_home(app.inputs)[1]
    by = app.settings.origin("cache_dir") if named or not variable else Origin(Layer.PLATFORM, variable)
    rows.append({"name": "(cache directory)", "value": app.directory.path, "origin": str(by)})
    derived = urls(app)
    if derived[0]["origin"] == "-":  # nobody knows this region, so it may be a misplaced secret
        rows = [row | {"value": "(unknown)"} if row["name"] == "region" else row for row in rows]
    slot = f"{app.slot.number} of {app.slot.count}"
    return [*rows, *derived, {"name": "(slot)", "value": slot, "origin": app.slot.decided_by}, client(app)]


def urls(app: App) -> list[Row]:
    """What the region and the two URLs come to, or what is wrong with them."""
    names = ("(token endpoint)", "(Platform API)")
    try:
        found = app.endpoints
    except UsageError as e:
        return [{"name": name, "value": f"not known: {e}", "origin": "-"} for name in names]
    decided = "token_url" if found.decided_by.startswith("token_url") else "region"
    by_setting = app.settings["api_url"] is not None and not app.settings.nearer(decided, "api_url")
    origin = f"api_url ({app.settings.origin('api_url')})" if by_setting else found.decided_by
    values = (found.token_url, found.decided_by), (found.api_url or "not known: set api_url", origin)
    return [{"name": name, "value": value, "origin": by} for name, (value, by) in zip(names, values, strict=True)]


def client(app: App) -> Row:
    """The client id as far as it is known without asking a store, and who says so."""
    row: Row = {"name": "(client id)"}
    if app.settings["client_id"]:
        return row | {"value": app.pinned, "origin": f"client_id ({app.settings.origin('client_id')})"}
    try:
        deadline = Deadline(app.settings["deadline"])
        known = deadline.run(lambda: app.provider.client_id(), "the credential provider")  # noqa: PLW0108  # builds it, too
        client_id = known or "known once the provider was read"
    except Error as e:
        client_id = f"not known: {e}"
    except Exception as e:  # noqa: BLE001  # a plug-in may raise anything, and its text may hold the secret
        client_id = f"not known: the provider failed ({type(e).__name__})"
    return row | {"value": str(client_id), "origin": f"provider {shown('provider', app.settings['provider'])}"}


def cached(app: App) -> list[Row]:
    """Every entry that the caches can list; ages and lives in seconds."""
    rows: list[Row] = []
    now = time.time()
    deadline = Deadline(app.settings["deadline"])
    for name, cache in app.caches:
        try:
            found = deadline.share(_SHARE).run(functools.partial(_texts, cache), "it")
            rows.extend(entry(app, name, key, text, now) for key, text in found)
        except Exception as e:  # noqa: BLE001  # a plug-in may raise anything
            app.report.warn(f"the cache {name} cannot be listed: {reason(e)}")
    return rows


def _texts(cache: CacheBackend) -> list[tuple[str, str]]:
    return [(key, cache.get(key) or "") for key in cache.keys()]


def entry(app: App, cache: str, key: str, text: str, now: float) -> Row:
    """One row. The token itself is only looked at."""
    found = tokens.load(text, key)
    whose = Whose.told(text.partition("\n")[2].removesuffix("\n"))
    row: Row = {"cache": cache, "state": "damaged", "age": None, "remaining": None, "slot": None}
    row |= {"client_id": None, "token_url": None, "key": key[:12]}
    if whose:
        row |= {"client_id": whose.client_id, "token_url": whose.token_url, "slot": whose.slot}
    if not found:
        return row
    token = found[0]
    row["state"] = state(app, key, token, now)
    return row | {"age": int(now - token.issued_at), "remaining": max(0, int(token.expires_at - now))}


def state(app: App, key: str, token: AccessToken, now: float) -> str:
    """What would become of it."""
    if Rejections(app.directory, key).holds(token.value):
        return "rejected"
    if not token.usable(now):
        return "expired" if now >= token.expires_at else "too old to be handed out"
    within = app.settings["verify"]
    if within and now - Proofs(app.directory, key, app.report).of(token, now)[0] >= within:
        return "due for a check"
    return "fresh" if now < token.refresh_at else "due for a refresh"


def shared(app: App) -> list[Row]:
    """What lies in the cache that machines share, for every slot; no store can be asked what else it holds."""
    rows: list[Row] = []
    deadline = Deadline(app.settings["deadline"])
    for one in app.of_each_slot() if app.far else ():
        try:
            rows.append(record(one, deadline))
        except Error as e:
            app.report.warn(f"slot {one.slot.number} of the shared cache cannot be looked at: {e}")
    return rows


def record(app: App, deadline: Deadline) -> Row:
    """One row. UsageError and whatever the store or, for the client id, the provider says."""
    assert app.far, "only a cache that machines share has records"
    entry = app.source.entry(deadline)
    found, age = app.far.look(entry.key, deadline)
    row: Row = {"cache": app.far.name, "state": "empty", "age": None, "remaining": None, "slot": entry.whose.slot}
    row |= {"client_id": entry.whose.client_id, "token_url": entry.whose.token_url, "key": entry.key[:12]}
    now = time.time()
    if found.token and age is not None:
        elapsed = found.token_age + age
        row |= {"state": "expired", "age": int(elapsed), "remaining": max(0, int(found.ttl - elapsed))}
        if token := found.access_token(age, now):
            row["state"] = state(app, entry.key, token, now)
    if found.holder and age is not None and age < found.lease:
        row["state"] = f"{row['state']}, being replaced"
    elif found.refusal.believed > (age or 0):
        row["state"] = f"{row['state']}, {found.refusal.kind}"
    return row


def span(seconds: str | int | None) -> str | None:
    """A length of time with its two greatest units, as `1h 5m`."""
    if not isinstance(seconds, int):
        return seconds
    days, hours, minutes = seconds // 86_400, seconds // 3600 % 24, seconds // 60 % 60
    units = [f"{days}d", f"{hours}h", f"{minutes}m", f"{seconds % 60}s"]
    first = next((i for i, unit in enumerate(units) if unit[0] != "0"), 3)
    return " ".join(units[first : first + 2])


def table(rows: Iterable[Row], columns: tuple[str, ...]) -> str:
    """Columns padded to their widest cell, within reason."""
    lines = [
        columns,
        *(tuple(one_line("-" if row[column] is None else str(row[column])) for column in columns) for row in rows),
    ]
    widths = [min(_WIDEST, max(len(line[i]) for line in lines)) for i in range(len(columns))]
    return "".join(
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() + "\n" for line in lines
    )
