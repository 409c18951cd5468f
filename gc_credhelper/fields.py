"""Fields: what -f, -F, -H and --input of `api` say, as the query or the body of a request."""

import json
import re
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from .errors import UsageError

LARGEST = 512_000  # bytes of a request that the Platform API takes (its limit request.bytes.max)
_PART = re.compile(r"\[([^\[\]]*)\]")
_LITERALS = {"true": True, "false": False, "null": None}
_OURS = ("authorization", "host", "content-length", "transfer-encoding", "connection")


def text(written: str) -> tuple[str, str]:
    """KEY=VALUE as a pair. UsageError, also for what is no text."""
    key, equals, value = written.partition("=")
    if not equals or not key:
        raise UsageError("-f and -F take KEY=VALUE", hint="for example -f name=Ada")
    if any("\ud800" <= character <= "\udfff" for character in written):  # as which Python shows bytes that are no text
        raise UsageError("a field of -f or -F is not UTF-8", hint="check the encoding of the terminal or the script")
    return key, value


def typed(written: str) -> tuple[str, Any]:
    """The same with `true`, `false`, `null` and whole numbers as such, and `@FILE` as what the file holds."""
    key, value = text(written)
    if value in _LITERALS:
        return key, _LITERALS[value]
    if re.fullmatch(r"-?(0|[1-9][0-9]{0,17})", value):
        return key, int(value)
    if value.startswith("@"):
        return key, read(value[1:], "-F").decode("utf-8", "replace")
    return key, value


def as_query(pairs: Iterable[tuple[str, Any]]) -> tuple[tuple[str, str], ...]:
    """For the URL: a text as it is, anything else as in JSON."""
    return tuple((key, value if isinstance(value, str) else json.dumps(value)) for key, value in pairs)


def as_body(pairs: Iterable[tuple[str, Any]]) -> bytes:
    """One JSON object. `a[b]=1` sets b in the object a, and `a[]=1` adds to the list a. UsageError."""
    body: dict[str, Any] = {}
    for key, value in pairs:
        name = key.partition("[")[0]
        parts = _PART.findall(key)
        if not name or name + "".join(f"[{part}]" for part in parts) != key:
            raise UsageError("a key of -f or -F is not KEY, KEY[NAME] or KEY[]", hint="for example paging[pageSize]")
        _put(body, [name, *parts], value)
    return json.dumps(body, ensure_ascii=False).encode()


def _put(inside: Any, path: Sequence[str], value: Any) -> None:
    """Into an object under its name, or at the end of a list, for which the name is empty."""
    name, *rest = path
    is_list = not name
    if isinstance(inside, list) != is_list:
        raise UsageError("two keys of -f and -F make the same thing a list and an object", hint="name one of them")
    if not rest:
        if is_list:
            inside.append(value)
        else:
            inside[name] = value
        return
    made: Any = [] if not rest[0] else {}
    if is_list:
        # a[][x]=1 a[][y]=2: the same object until a name comes again
        last = inside[-1] if inside else None
        begun = isinstance(last, dict) and (len(rest) > 1 or rest[0] not in last)
        if not begun:
            inside.append(made)
        _put(inside[-1], rest, value)
        return
    found = inside.setdefault(name, made)
    if not isinstance(found, dict | list):
        raise UsageError("two keys of -f and -F make the same thing a value and an object", hint="name one of them")
    _put(found, rest, value)


def headers(raw: Iterable[str]) -> tuple[tuple[str, str], ...]:
    """Of `NAME: VALUE`. UsageError, also for a header that is ours to set."""
    found = []
    for written in raw:
        name, colon, value = written.partition(":")
        if not colon or not re.fullmatch(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+", name):
            raise UsageError("-H takes NAME: VALUE", hint="for example -H 'Accept-Language: de'")
        if name.lower() in _OURS:
            raise UsageError(f"the header {name} is not yours to set", hint="the token is added by gc-credhelper")
        if not value.isprintable() or not value.isascii():
            raise UsageError(f"the value of the header {name} is not plain text", hint="printable ASCII only")
        found.append((name, value.strip()))
    return tuple(found)


def read(path: str, option: str) -> bytes:
    """A file, or standard input for `-`. UsageError when it cannot be read or is more than the API takes."""
    if path == "-" and sys.stdin is None:
        raise UsageError(f"{option} reads standard input, which is closed", hint="name a file, or pipe something in")
    try:
        if path == "-":
            content = sys.stdin.buffer.read(LARGEST + 1)
        else:
            with Path(path).open("rb") as file:
                content = file.read(LARGEST + 1)
    except (OSError, ValueError) as e:
        why = e.strerror if isinstance(e, OSError) and e.strerror else type(e).__name__
        raise UsageError(
            f"the file of {option} cannot be read: {why}", hint="is it there, and may you read it?"
        ) from None
    if len(content) > LARGEST:
        raise UsageError(f"{option} brings more than {LARGEST} bytes", hint="the Platform API takes no more")
    return content
