"""Rows: values of an API's answer as lines of JSON, through a filter of jq when one is given."""

import json
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from .errors import PluginError, TokenError, UsageError

Filter = Callable[[Any], Iterable[Any]]


def dumped(value: Any) -> str:
    """As JSON on one line. TokenError for a number that JSON cannot tell: Python reads NaN, and 1e999 as infinity."""
    try:
        text = json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    except ValueError:
        hint = "api without --paginate prints an answer as it came"
        raise TokenError("the API sent a number that is none, or too large a one", hint=hint) from None
    try:
        text.encode()
    except UnicodeEncodeError:  # half a surrogate pair, which JSON may hold and UTF-8 may not
        return json.dumps(value, separators=(",", ":"))
    return text


def filtered(program: str | None) -> Filter | None:
    """The filter of jq. UsageError when it does not compile, PluginError when jq is not installed."""
    if program is None:
        return None
    try:
        import jq  # type: ignore[import-untyped, import-not-found, unused-ignore]
    except ImportError:
        raise PluginError("--jq needs the package jq", hint="pip install 'gc-credhelper[api]'") from None
    try:
        compiled = jq.compile(program)
    except ValueError:
        raise UsageError("the filter of --jq does not compile", hint="try it with jq itself") from None

    def run(value: Any) -> Iterator[Any]:
        text = json.dumps(value, ensure_ascii=False).encode("utf-8", "replace").decode()  # jq takes no half pair either
        try:
            yield from compiled.input_text(text)
        except ValueError:
            raise UsageError("the filter of --jq does not fit the answer", hint="try it with jq itself") from None

    return run


def lines(value: Any, program: Filter | None) -> Iterator[str]:
    """Of one value: itself, or what the filter makes of it; a text that comes of a filter stands without quotes."""
    if program is None:
        yield dumped(value) + "\n"
        return
    for made in program(value):
        yield (made if isinstance(made, str) else dumped(made)) + "\n"
