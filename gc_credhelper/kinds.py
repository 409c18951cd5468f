"""Kinds: how the value of a setting is read. Each takes what a user wrote; ValueError says what is wrong, unseen."""

import re
import shlex
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit, urlunsplit

from .credentials import check_client_id
from .errors import CredentialsError

Kind = Callable[[object], Any]

_DAY = 86_400  # seconds


def text(raw: object) -> str:
    """A string; white space around it is not part of it."""
    if not isinstance(raw, str | int | float) or isinstance(raw, bool) or not str(raw).strip():
        raise ValueError("must be a text that is not empty")
    return str(raw).strip()


def duration(raw: object) -> float:
    """Seconds: `90s`, `45m`, `2h`, `1d`, or bare seconds."""
    found = re.fullmatch(r"(\d{1,9}(?:\.\d{1,3})?)\s*(ms|s|m|h|d|)", str(raw).strip(), re.ASCII)
    if not found or isinstance(raw, bool):
        raise ValueError("must be a duration such as 90s, 45m or 2h")
    return float(found[1]) * {"ms": 0.001, "s": 1, "": 1, "m": 60, "h": 3600, "d": _DAY}[found[2]]


def duration_or_off(raw: object) -> float:
    """Seconds, none for `off`."""
    return 0.0 if str(raw).strip().casefold() == "off" else duration(raw)


def deadline(raw: object) -> float:
    """Seconds, more than none and a day at the most."""
    seconds = duration(raw)
    if not 0 < seconds <= _DAY:
        raise ValueError("must be more than 0s and not more than 1d")
    return seconds


def url(raw: object) -> str:
    """An https URL without user, query or fragment; http only on loopback, since a secret is sent to it."""
    value = text(raw)
    try:
        parts = urlsplit(value)
        port = parts.port
    except ValueError:
        raise ValueError("must be a URL") from None
    if parts.scheme not in ("http", "https") or not parts.hostname or port == 0 or re.search(r"[^!-\[\]-~]", value):
        raise ValueError("must be a URL such as https://login.mypurecloud.ie/oauth/token")
    if parts.username is not None or parts.password is not None or parts.query or parts.fragment:
        raise ValueError("must be a URL without a user, a query and a fragment")
    if parts.scheme == "http" and not is_loopback(parts.hostname):
        raise ValueError("must begin with https:// unless it is on this machine")
    return urlunsplit(parts._replace(netloc=parts.netloc.lower()))


def region_name(raw: object) -> str:
    """A text; of a URL the part before query and fragment, since a browser may have put a token there."""
    name = re.split(r"[?#]", text(raw))[0]
    if "@" in name:
        raise ValueError("must be a region, not an address with a user")
    return text(name)


def is_loopback(host: str) -> bool:
    """Does the name of the host say that it is this machine? See RFC 6761 §6.3 and RFC 1122 §3.2.1.3."""
    return host in ("localhost", "::1") or bool(re.fullmatch(r"127(\.\d{1,3}){3}", host)) or host.endswith(".localhost")


def public_id(raw: object) -> str:
    """A client id, without the secret that people write behind a colon."""
    try:
        return check_client_id(text(raw))
    except CredentialsError as e:
        raise ValueError(f"must be a client id, but {e}") from None


def public_ids(raw: object) -> tuple[str, ...]:
    """A client id, or a list of one for each client of a pool."""
    parts = raw if isinstance(raw, list) else text(raw).split(",")
    if not parts or not all(isinstance(one, str) and one.strip() for one in parts):
        raise ValueError("must be a client id, or a list of one for each client of a pool")
    return tuple(public_id(one) for one in parts)


def pool(raw: object) -> tuple[str, ...]:
    """A reference, or several of one provider. In a text a comma begins the next when a name and a colon follow it; a
    command may hold such a thing itself.
    """
    if not isinstance(raw, str):
        parts = items(raw)
    else:
        name = "command" if raw.strip().startswith("command:") else "[a-z][a-z0-9-]+"
        parts = tuple(text(part) for part in re.split(rf",\s*(?={name}:)", raw))
    names = {part.partition(":")[0].strip() for part in parts}
    name = names.pop()
    alike = name != "command" and any(re.search(rf",\s*{re.escape(name)}\s*(:|$)", part) for part in parts)
    if names or "," in name or alike:
        raise ValueError("must name one provider: a list is a pool of its references, and there is no chain")
    return parts


def whole(least: int, most: int) -> Kind:
    """A whole number between the two."""

    def number(raw: object) -> int:
        value = str(raw).strip()
        if isinstance(raw, bool) or not re.fullmatch(r"\d{1,6}", value, re.ASCII) or not least <= int(value) <= most:
            raise ValueError(f"must be a whole number from {least} to {most}")
        return int(value)

    return number


def items(raw: object) -> tuple[str, ...]:
    """A list, or a text with commas."""
    parts = raw.split(",") if isinstance(raw, str) else raw
    if not isinstance(parts, list) or not parts or not all(isinstance(part, str) and part.strip() for part in parts):
        raise ValueError("must be a list of names")
    return tuple(part.strip() for part in parts)


def hosts(raw: object) -> tuple[str, ...]:
    """Host names in small letters, each with or without a port."""
    found = tuple(one.lower() for one in items(raw))
    if not all(
        re.fullmatch(r"([a-z0-9_-]+\.)*[a-z0-9_-]+(:\d{1,5})?|\[[0-9a-f:.]+\](:\d{1,5})?", one) for one in found
    ):
        raise ValueError("must be host names, each HOST or HOST:PORT, without https://")
    return found


def argv(raw: object) -> tuple[str, ...]:
    """A command: a list, or a text that is split as a shell would; no shell runs it."""
    try:
        parts = shlex.split(raw) if isinstance(raw, str) else raw
    except ValueError:
        raise ValueError("must be a command; a quotation mark is not closed") from None
    if not isinstance(parts, list) or not all(isinstance(part, str) for part in parts) or not any(parts[:1]):
        raise ValueError("must be a command: a text, or a list of texts")
    return tuple(parts)


def yes_or_no(raw: object) -> bool:
    """A switch."""
    value = str(raw).strip().casefold()
    if value not in ("yes", "no", "true", "false", "1", "0", "on", "off"):
        raise ValueError("must be yes or no")
    return value in ("yes", "true", "1", "on")


def choice(*names: str) -> Kind:
    """One of the names."""

    def one_of(raw: object) -> str:
        if raw not in names:
            raise ValueError(f"must be one of {', '.join(names)}")
        return str(raw)

    return one_of
