"""Notes, the writing half: leave the plan of this run for the next one, and forget the oldest."""

import contextlib

from . import plan
from .plan import Inputs, Plan
from .private import PrivateDir, sweep
from .private_portable import Unsafe
from .report import Report

MOST = 64
_SUFFIX = ".note"
_KINDS = dict.fromkeys((b"E", b"U", b"S"), "the variable ") | dict.fromkeys((b"F", b"A"), "the file ")
_KINDS[b"H"] = "the name of this machine"
_SETTLED = 2  # seconds; the coarsest times that a file system keeps


def leave(directory: PrivateDir, inputs: Inputs, known: Plan, report: Report) -> None:
    """Not when a file changed just now; a directory that cannot be written is not our worry here."""
    parts = plan.header(inputs)
    for (kind, subject), value in inputs.record.items():
        if kind == b"F" and not _settled(value, inputs.began):
            report.fact("plan", "unsettled", path=plan.decode(subject))
            return
        parts += [kind, subject, value]
    for field in Plan.__slots__:
        parts += [b"P", field.encode(), plan.encode(str(getattr(known, field)))]
    if inputs.volatile or not inputs.cwd or any(b"\0" in part for part in parts):
        return
    body = b"\0".join(parts)
    with contextlib.suppress(OSError, Unsafe):
        directory.write(plan.note_name(inputs), body + b"\0" + plan.checksum(body))
        notes = {name: changed for name, changed in directory.names().items() if name.endswith(_SUFFIX)}
        for name in sorted(notes, key=notes.__getitem__)[: max(0, len(notes) - MOST)]:
            directory.remove(name)
        if len(notes) >= MOST:
            sweep(directory)


def forget(directory: PrivateDir) -> None:
    """Delete every note; OSError, Unsafe."""
    for name in directory.names():
        if name.endswith(_SUFFIX):
            directory.remove(name)


def recalled_client_id(directory: PrivateDir, inputs: Inputs) -> str | None:
    """The client id that an earlier run learned from the provider, if nothing has changed since."""
    if inputs.volatile:
        return None
    try:
        known = plan.recall(inputs, directory.read(plan.note_name(inputs)))
    except (OSError, Unsafe):
        return None
    return known.client_id if known else None


def difference(inputs: Inputs, note: bytes) -> str:
    """What keeps `plan.recall` from trusting the note: the first recorded input that is different now, by its name and
    never by its value. Empty when nothing does.
    """
    body, _, total = note.rpartition(b"\0")
    if total != plan.checksum(body):
        return "the note is damaged"
    parts = body.split(b"\0")
    start = plan.header(inputs)
    for what, was, now in zip(("format", "version", "user", "directory"), parts, start, strict=False):
        if was != now:
            return f"the note was left by another {what}"
    rest = parts[len(start) :]
    for kind, name, value in zip(rest[::3], rest[1::3], rest[2::3], strict=False):
        if kind != b"P" and not plan.unchanged(inputs.environ, kind, name, value):
            what = _KINDS.get(kind, "an input of a kind that is not known, ")
            return f"{what}{plan.decode(name)} is not what it was"
    return "" if plan.recall(inputs, note) else "the note is not sound"


def _settled(stat_line: bytes, began: float) -> bool:
    """Would a change since this run began show in the times?"""
    modified, changed = (int(part) / 1e9 for part in stat_line.split(b" ")[:2])
    return max(modified, changed) <= began - _SETTLED
