"""Recalled: would the launcher serve a command line by itself? The cold twin of `__main__.hit`, which says why not."""

import time

from . import notes, output, plan, tokens
from .plan import Inputs, Plan
from .private import PrivateDir, reason
from .private_portable import Unsafe
from .rejections import Rejections
from .tokens import AccessToken


def obstacle(inputs: Inputs) -> str:
    """Why it would not; empty when it would. Names of files and variables, no values."""
    home = PrivateDir(plan.cache_home(inputs)[0])
    try:
        note = home.read(plan.note_name(inputs))
    except FileNotFoundError:
        return "no call with the same options, directory and telling variables has left a note"
    except (OSError, Unsafe) as e:
        return f"the note cannot be read: {reason(e)}"
    known = plan.recall(inputs, note)
    if known is None:
        return notes.difference(inputs, note)
    return _flaw(known) if known.store else "the nearest cache is not a file"


def _flaw(known: Plan) -> str:
    """Of the cached token that the plan means."""
    try:
        text = PrivateDir(known.store).read(f"{known.key}.token").decode("latin-1")
    except FileNotFoundError:
        return "there is no cached token"
    except (OSError, Unsafe) as e:
        return f"the cached token cannot be read: {reason(e)}"
    found = tokens.load(text, known.key)
    if found is None or known.format not in output.RENDERERS:
        return "the cached token, or the note, is damaged"
    token, mark = found
    now = time.time()
    if mark != Rejections(PrivateDir(known.state), known.key).mark():
        return "a token of this client was rejected since this one was cached"
    if not token.usable(now, known.min_ttl):
        return "the cached token is not good for long enough"
    if now >= token.refresh_at:
        return "the cached token is due for a refresh"
    is_due = known.verify and now - _alive_at(known, token, now) >= known.verify
    return "the cached token is due for a check, as the setting verify asks" if is_due else ""


def _alive_at(known: Plan, token: AccessToken, now: float) -> float:
    """When it was last known to be alive."""
    try:
        proof = PrivateDir(known.state).read(f"{known.key}.alive").decode("latin-1")
    except (OSError, Unsafe):
        proof = ""
    return tokens.load_proof(proof, token, now)[0]
