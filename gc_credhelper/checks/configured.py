"""What a cold run begins with: the settings, the variables that hold ids and secrets, and the provider."""

import contextlib
import re
from collections.abc import Callable, Iterator

from ..app import App
from ..credentials import ClientCredentials
from ..deadline import Deadline
from ..effective import shown, unknown_variables
from ..env import FAMILIES
from ..errors import CredentialsError, Error, PluginError
from ..plan import decode
from ..report import Report
from ..roles import Finding
from ..settings import Layer
from .visit import Visit, foreign

_ALWAYS = ("provider", "cache")
_INVISIBLE = "\ufeff\u200b"
_MEND = "mend the variable where it is set; other tools take it as it is"
# What a CI system leaves of a reference to a variable that does not exist, or that this job may not read.
_UNREPLACED = re.compile(r"\$\{\{.*\}\}|\$\{\w+\}|\$\(\w+\)|\$[A-Z][A-Z_]+|%\w+%|<[^<>]+>")


def settings(visit: Visit, _: Deadline) -> Iterator[Finding]:
    """Those that matter most, and all that are not the defaults, each with its Origin; then the two URLs."""
    if visit.fault:
        raise visit.fault
    app = visit.resolved
    visit.where = where = app.endpoints  # first: a region that nobody knows may be a misplaced secret
    _built(lambda: app.caches)
    _built(lambda: app.far)
    for name, value in app.settings.items():
        if name in _ALWAYS or app.settings.origin(name).layer != Layer.DEFAULT:
            yield Finding.ok(f"{name} {shown(name, value)} ({app.settings.origin(name)})")
    yield Finding.ok(f"tokens come from {where.token_url}, by {where.decided_by}")


def variables(visit: Visit, _: Deadline) -> Iterator[Finding]:
    """Of ours that mean nothing, and of those with ids and secrets that hold more than the value."""
    app = visit.resolved
    _built(lambda: app.provider)  # asks for its variables
    found = [
        Finding.warn(f"there is no setting for the variable {name}", hint)
        for name, hint in unknown_variables(app).items()
    ]
    names = _of_values(app)
    for name in names:
        found += _flaws(name, decode(app.inputs.environ[name.encode()]), visit.report)
    yield from found
    if not found:
        yield Finding.ok(f"{len(names)} with ids and secrets were looked at")


def _built(part: Callable[[], object]) -> None:
    """Built here, so that its warnings are said here; what fails is the matter of a later step."""
    with contextlib.suppress(Exception):
        part()


def _of_values(app: App) -> list[str]:
    """The variables with ids and secrets that are set, whoever reads them."""
    names = {name for family in FAMILIES for name in family} | {"GC_CREDHELPER_CLIENT_ID"}
    if prefix := app.settings.get("env.prefix"):
        names |= {f"{prefix}CLIENT_ID", f"{prefix}CLIENT_SECRET"}
    asked = {decode(name) for kind, name in app.inputs.record if kind == b"S"}
    return sorted(name for name in names | asked if app.inputs.environ.get(name.encode()))


def _flaws(name: str, raw: str, report: Report) -> Iterator[Finding]:
    """No part of the value is shown."""
    value = raw.strip().strip(_INVISIBLE).strip()
    if value != raw:
        report.warn(f"white space around the value of {name} was removed")  # the provider's own words, to be said once
    if _quoted(value):
        yield Finding.warn(f"there are quotation marks around the value of {name}", _MEND)
    if value.endswith("\\n"):
        yield Finding.warn(f"the value of {name} ends with a backslash and the letter n", _MEND)
    if _UNREPLACED.fullmatch(value):
        hint = "does the variable that it refers to exist, and may this job read it?"
        yield Finding.warn(f"the value of {name} looks like a reference that nobody has replaced", hint)


def _quoted(value: str) -> bool:
    return len(value) > 1 and value[0] == value[-1] and value[0] in "\"'`"


def store(visit: Visit, limit: Deadline) -> Iterator[Finding]:
    """What the provider itself has to say: its login, its place."""
    app = visit.resolved
    provider = foreign(lambda: app.provider, "the credential provider")
    if hasattr(provider, "findings"):
        yield from foreign(lambda: findings_of(provider, limit), "the credential provider")
    else:
        yield Finding.ok(f"the provider {app.provider_name} has nothing to try before it is read")
    visit.entered = True


def findings_of(plug_in: object, limit: Deadline) -> list[Finding]:
    """Checked, since a plug-in is not ours. PluginError."""
    found = [*plug_in.findings(limit)]  # type: ignore[attr-defined]
    if not all(isinstance(finding, Finding) for finding in found):
        raise PluginError("the plug-in's findings are none", hint="ask its author to mend it")
    return found


def provider(visit: Visit, limit: Deadline) -> Iterator[Finding]:
    """Both halves, read as for an exchange."""
    app = visit.resolved
    credentials = foreign(lambda: app.provider.credentials(limit), "the credential provider")
    if not isinstance(credentials, ClientCredentials):
        raise PluginError("the credential provider did not return ClientCredentials", hint="ask its author to mend it")
    secret = credentials.client_secret.reveal()
    visit.secrets.append(secret)
    if app.pinned and app.pinned != credentials.client_id:
        raise _other(credentials.client_id, app.pinned)
    visit.credentials = credentials
    slot = f", slot {app.slot.number} of {app.slot.count}" if app.slot.count > 1 else ""
    yield Finding.ok(f"{app.provider_name} gave both halves of the client {credentials.client_id}{slot}")
    if _quoted(secret):
        yield Finding.warn("there are quotation marks around the client secret", "store it without them")


def _other(found: str, pinned: str) -> Error:
    hint = "mend or unset the setting client_id"
    return CredentialsError(f"the provider holds the client {found}, but client_id says {pinned}", hint=hint)
