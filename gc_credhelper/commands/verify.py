"""`verify`: is the token alive, and whose is it? It only tells: what is dead stays where it is."""

import json
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from .. import output
from ..app import App
from ..cli import Parser, open_app
from ..deadline import Deadline
from ..echo import Echo
from ..errors import TokenError, UsageError
from ..handed import Where
from ..liveness import is_same
from ..plan import Inputs
from ..platform import About
from ..report import Report, one_line
from ..tokens import AccessToken
from .reject import holder, token_on_stdin

_LONGEST = 200  # characters of a name
_REPLACE = (
    "gc-credhelper token --refresh replaces it for everyone, and so does reject, which reads it on standard input"
)
_WRONG_API = "does api_url belong to the region of the token endpoint?"


@dataclass(frozen=True, slots=True)
class _Subject:
    """The token that is looked at. `token`: its times, where they are known; `came_from`: for people."""

    value: str = field(repr=False)
    token: AccessToken | None
    came_from: str
    hint: str  # what to do when it is dead


def run(parser: Parser, argv: list[str], inputs: Inputs, report: Report) -> int:
    """A few lines for a person, or with --json one object. TokenError when it is dead, or of somebody else."""
    parser.add_argument("--require-org", metavar="ID|NAME", help="fail when the token is another organisation's")
    parser.add_argument("--stdin", action="store_true", help="look at the token on standard input, one line")
    parser.add_argument("--refresh", action="store_true", help="skip the cache and replace the entry")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_shared()
    options = parser.parse(argv)
    if options.stdin and options.refresh:
        raise UsageError("--stdin and --refresh exclude each other", hint="leave one of them out")
    if options.require_org is not None and not options.require_org.strip():
        raise UsageError("--require-org names no organisation", hint="is the variable set that you gave it?")
    options.set.append("verify=off")  # which would replace a dead token before we can tell
    app = open_app(options, inputs, report)
    deadline = Deadline(app.settings["deadline"])
    platform = app.platform()
    if options.stdin:
        value = token_on_stdin("verify --stdin", deadline)
        app = holder(app, value, deadline) or app  # another slot's, whose client may be another one of the pool
        subject = _given(app, value, deadline)
    else:
        subject = _own(app, deadline, refresh=options.refresh)
    asked = time.time()
    about = _checked(app, subject, platform.about(subject.value, deadline), deadline)
    if subject.token:
        app.source.entry(deadline).proofs.alive(subject.token, asked)
    if options.require_org is not None:
        _require(one_line(options.require_org), about, subject)
    found = _found(app, about, subject)
    return output.emit((json.dumps(found) if options.json else _text(found)) + "\n")


def _own(app: App, deadline: Deadline, *, refresh: bool) -> _Subject:
    """The token that `token` would print."""
    began = time.time()
    token = app.source.token(refresh=refresh, deadline=deadline)
    app.learned()
    if token.issued_at < began:
        return _Subject(token.value, token, "cache", _REPLACE)
    return _Subject(token.value, token, "token request", _WRONG_API)


def _given(app: App, value: str, deadline: Deadline) -> _Subject:
    """The one on standard input, which may be the cached one."""
    cached = app.source.entry(deadline).read()
    return _Subject(value, cached if cached and cached.value == value else None, "standard input", _REPLACE)


def _checked(app: App, subject: _Subject, about: About | None, deadline: Deadline) -> About:
    """TokenError when it is dead, and one of another OAuth client counts as that."""
    if about is None:
        raise TokenError("the Platform API does not take the token: it is dead, or never was", hint=subject.hint)
    client_id = app.source.entry(deadline).whose.client_id
    if not is_same(about.client_id, client_id):
        raise TokenError(
            f"the token is of the OAuth client {_shown(about.client_id, subject)}, not of {client_id}",
            hint=f"that counts as dead; {subject.hint}",
        )
    return about


def _require(wanted: str, about: About, subject: _Subject) -> None:
    """Ids in either case, names to the letter."""
    if wanted != one_line(about.organization_name) and not is_same(wanted, about.organization_id):
        found = _named(_part(about.organization_id, about.organization_name, subject))
        raise TokenError(
            f"the token is of the organisation {found}, not of {wanted} (--require-org)",
            hint="check the OAuth client and the region; a name counts to the letter, and an id is safer",
        )


def _part(id: str, name: str, subject: _Subject) -> dict[str, str]:
    return {"id": _shown(id, subject), "name": _shown(name, subject)}


def _shown(text: str, subject: _Subject) -> str:
    """What the server sent, on one line, unless a part of the token is in it."""
    line = one_line(text)[:_LONGEST]
    return line if Echo(subject.value).misses(line) else "(not shown: a part of the token is in it)"


def _found(app: App, about: About, subject: _Subject) -> dict[str, Any]:
    """The object of --json. Times are UTC; a token on standard input that is not cached has none that we know."""
    row = Where.of(app.endpoints).row
    token = subject.token
    return {
        "client": _part(about.client_id, about.client_name, subject),
        "organization": _part(about.organization_id, about.organization_name, subject),
        "region": row.aws if row else None,
        "api_url": app.endpoints.api_url,
        "issued_at": _time(token.issued_at) if token else None,
        "expires_at": _time(token.reported_expiry) if token else None,
        "came_from": subject.came_from,
    }


def _time(at: float) -> str:
    return datetime.fromtimestamp(int(at), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _text(found: dict[str, Any]) -> str:
    """The same for a person."""
    rows = {
        "client": _named(found["client"]),
        "organisation": _named(found["organization"]),
        "Platform API": found["api_url"] + (f" ({found['region']})" if found["region"] else ""),
        "expires at": found["expires_at"] or "not known",
        "came from": found["came_from"],
    }
    return "\n".join(f"{name:<12}  {value}" for name, value in rows.items())


def _named(part: dict[str, str]) -> str:
    return f"{part['name'] or 'without a name'} ({part['id']})" if part["id"] else part["name"] or "not told"
