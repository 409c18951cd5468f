"""Effective: how a setting's value is shown to people, and which variables mean no setting."""

from .app import App
from .command import NESTED
from .command import shown as command_name
from .config import NO_SECRET, looks_secret
from .kinds import argv
from .plan import decode
from .plugins import Reference, known_names
from .settings import Setting, nearest

OURS = "GC_CREDHELPER_"


def shown(name: str, value: object) -> str:
    """A command's arguments stay hidden: people put into them what they should not."""
    if value is None or (name == "verify" and not value):
        return "-" if value is None else "off"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if name == "command.argv" and isinstance(value, tuple):
        return command_name(value) + (" …" if len(value) > 1 else "")
    if name == "provider" and isinstance(value, tuple) and Reference.parse(value[0]).name == "command":
        named = (Reference.parse(one).reference for one in value)
        return ",".join(f"command:{command_name(argv(one))} …" if one else "command" for one in named)
    if isinstance(value, tuple):
        return ",".join(map(str, value))
    return f"{value:g}s" if isinstance(value, float) else str(value)


def unknown_variables(app: App) -> dict[str, str]:
    """Variables that begin like ours and that nobody asks for, but for those of plug-ins that are not in use; each with
    a hint.
    """
    known = {row.variable for row in app.rows.values()}
    asked = {name for kind, name in app.inputs.record if kind in (b"E", b"S", b"U")}
    ours = {decode(name) for name in app.inputs.environ if name.startswith(OURS.encode()) and name not in asked}
    unknown = ours - known - {NESTED}
    if not unknown:
        return {}
    in_use = {name.rpartition(".")[0] for name in app.rows}
    unknown -= {variable_of(row) for table in in_use if table for row in known_names(table)}
    others = tuple(variable_of(name) + "_" for name in known_names() - in_use)
    strange = sorted(name for name in unknown if not name.startswith(others))
    return {name: NO_SECRET if looks_secret(name) else nearest(name, known) for name in strange}


def variable_of(name: str) -> str:
    """The variable of a setting, or how those of a plug-in begin."""
    return Setting(name, str, "").variable
