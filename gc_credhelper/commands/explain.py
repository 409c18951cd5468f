"""`explain`: why this token. One call of `token`, told stage by stage, without the token."""

import json
import re
import time
from datetime import UTC, datetime
from typing import Any

from .. import output
from ..app import App
from ..cli import Parser
from ..effective import shown
from ..errors import Error
from ..plan import Inputs
from ..recalled import obstacle
from ..rejections import digest
from ..report import Report, one_line
from ..tokens import AccessToken, mandatory
from ..trace import Event, Trace
from .token import Call, add_options

_SECONDS, _STAGE = 9, 10  # widths of the columns
_DIGITS = 12  # of the digest: enough to match two lines by, and no part of the token

Row = dict[str, Any]


def run(parser: Parser, argv: list[str], inputs: Inputs, report: Report) -> int:
    """A line for each stage, then the token's times; or with --json one object. A failure is told as far as the call
    went, and is ours, too.
    """
    del report
    add_options(parser)
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    options = parser.parse(argv)
    options.verbose = 0
    inputs = inputs.under(["token", *(word for word in argv if not re.fullmatch("--json|--verbose|-v+", word))])
    trace = Trace()
    answer: Row | None = None
    fault: Error | None = None
    try:
        call = Call(options, inputs, trace)
        _settings(call.app, trace)
        why = _obstacle(call, inputs)
        trace.fact("launcher", "leaves" if why else "serves", why=why)
        answer = _answer(call.token(), call.app)
        why = _obstacle(call, inputs)
        trace.fact("launcher", "will-leave" if why else "will-serve", why=why)
    except Error as e:
        fault = e
    seconds = trace.end()
    show = as_json if options.json else as_text
    code = output.emit(show(trace.events, answer, fault, seconds))
    if fault:
        raise fault
    return code


def _settings(app: App, trace: Trace) -> None:
    where, slot = app.endpoints, app.slot
    for name in ("provider", "cache"):
        value, origin = shown(name, app.settings[name]), str(app.settings.origin(name))
        trace.fact("settings", name, value=value, origin=origin)
    trace.fact("settings", "endpoint", token_url=where.token_url, decided_by=where.decided_by)
    if slot.count > 1:
        trace.fact("settings", "slot", slot=slot.number, slots=slot.count, decided_by=slot.decided_by)


def _obstacle(call: Call, inputs: Inputs) -> str:
    return (call.is_for_full_program and f"{call.is_for_full_program} is nothing for it") or obstacle(inputs)


def _answer(token: AccessToken, app: App) -> Row:
    """Times in epoch seconds."""
    entry = app.source.entry()
    return {
        "digest": digest(token.value)[:_DIGITS],
        "client_id": entry.whose.client_id,
        "slot": entry.whose.slot,
        "key": entry.key,
        "lifetime": token.lifetime,
        "issued_at": token.issued_at,
        "refresh_at": token.refresh_at,
        "handed_out_until": token.expires_at - mandatory(token.lifetime),
        "reported_expiry": token.reported_expiry,
        "expires_at": token.expires_at,
    }


def as_json(events: list[Event], answer: Row | None, fault: Error | None, seconds: float) -> str:
    """`events`, `token` and `error`, either of which may be null, and `seconds` of all."""
    told = [
        {"stage": event.fact.stage, "outcome": event.fact.outcome, "at": event.at, "seconds": event.seconds}
        | {**event.fact.details, "text": event.fact.text}
        for event in events
    ]
    error = fault and {"exit_code": fault.exit_code, "text": str(fault), "hint": fault.hint}
    return json.dumps(_rounded({"events": told, "token": answer, "error": error, "seconds": seconds})) + "\n"


def _rounded(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _rounded(one) for name, one in value.items()}
    if isinstance(value, list):
        return [_rounded(one) for one in value]
    return round(value, 4) if isinstance(value, float) else value


def as_text(events: list[Event], answer: Row | None, fault: Error | None, seconds: float) -> str:
    """Milliseconds, stage, what it came to; then the token's times by the clock and from now."""
    del fault  # said on stderr, as of any command
    lines = [_line(event.seconds, event.fact.stage, event.fact.text) for event in events]
    lines.append(_line(seconds, "", "in all"))
    if answer:
        lines.append("")
        lines += [f"{name:<{_SECONDS + _STAGE}}{_shown(name, value)}" for name, value in answer.items()]
    return "".join(line.rstrip() + "\n" for line in lines)


def _line(seconds: float, stage: str, text: str) -> str:
    milliseconds = f"{seconds * 1000:.0f} ms"
    return f"{milliseconds:>{_SECONDS - 2}}  {stage:<{_STAGE}}{one_line(text)}"


def _shown(name: str, value: Any) -> str:
    if name == "lifetime":
        return f"{value:.0f} s"
    if not isinstance(value, float | int) or name == "slot":
        return str(value)
    left = value - time.time()
    when = f"{left:.0f} s from now" if left > 0 else f"{-left:.0f} s ago"
    return f"{datetime.fromtimestamp(value, UTC):%Y-%m-%dT%H:%M:%SZ}, {when}"
