"""Rows: values of an API's answer as lines of JSON, through a filter of jq when one is given."""

import json
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from .errors import PluginError, UsageError

Filter = Callable[[Any], Iterable[Any]]


def dumped(value: Any) -> str:
    """As JSON on one line."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
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
        try:
            yield from compiled.input_value(value)
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
