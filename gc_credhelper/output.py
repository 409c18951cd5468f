"""Token to bytes, one function per format; bytes to standard output.

Every part of an answer is of a checked alphabet, so nothing needs escaping. Hot: a cache hit runs this module.
"""

import sys
import time

if sys.platform != "win32":
    import posix as os  # `os` itself would cost a hit more than all the rest of this module
else:  # pragma: no cover
    import os

from .tokens import AccessToken

API_VERSIONS = ("client.authentication.k8s.io/v1", "client.authentication.k8s.io/v1beta1")


def rfc3339(epoch: int) -> str:
    """Whole seconds in UTC ending in Z, which every known caller parses (RFC 3339 §5.6)."""
    return "%04d-%02d-%02dT%02d:%02d:%02dZ" % time.gmtime(epoch)[:6]


def exec_credential(token: AccessToken, api_version: str) -> str:
    """Kubernetes' ExecCredential (client.authentication.k8s.io)."""
    return (
        f'{{"apiVersion":"{api_version}","kind":"ExecCredential","status":{{"token":"{token.value}",'
        f'"expirationTimestamp":"{rfc3339(token.reported_expiry)}"}}}}\n'
    )


def raw(token: AccessToken, _: str) -> str:
    """The token and a line feed."""
    return token.value + "\n"


def bare(token: AccessToken, _: str) -> str:
    """The token alone, for callers that would take a line feed for a part of it."""
    return token.value


def header(token: AccessToken, _: str) -> str:
    """An HTTP header line (RFC 6750 §2.1)."""
    return f"Authorization: Bearer {token.value}\n"


def json(token: AccessToken, _: str) -> str:
    """The names of RFC 6749 §5.1; `expires_in` counts from now, `expires_at` is RFC 3339, all as reported."""
    expiry = token.reported_expiry
    left = max(0, expiry - int(time.time()))
    return (
        f'{{"access_token":"{token.value}","token_type":"{token.type}","expires_in":{left},'
        f'"expires_at":"{rfc3339(expiry)}","expires_at_epoch":{expiry}}}\n'
    )


def headers(token: AccessToken, _: str) -> str:
    """A flat map of HTTP headers, as tools for the Model Context Protocol take it."""
    return f'{{"Authorization":"Bearer {token.value}"}}\n'


def bazel(token: AccessToken, _: str) -> str:
    """The answer of EngFlow's credential helper specification; Bazel takes no fractions of a second."""
    expires = rfc3339(token.reported_expiry)
    return f'{{"headers":{{"Authorization":["Bearer {token.value}"]}},"expires":"{expires}"}}\n'


FORMATS = {
    "exec-credential": exec_credential,
    "raw": raw,
    "header": header,
    "json": json,
    "headers": headers,
    "bazel": bazel,
    "codex": raw,  # for a caller that gives up soon: see commands/token.py
}
RENDERERS = {**FORMATS, "bare": bare}  # what a note may name


def emit(text: str) -> int:
    """All of it to standard output, see `emit_bytes`."""
    return emit_bytes(text.encode())


def emit_bytes(content: bytes) -> int:
    """All of it to standard output. Returns the exit code: 141 as for a broken pipe, 1 when it cannot be written."""
    view = memoryview(content)
    try:
        while view:
            view = view[_write(view) :]
    except BrokenPipeError:
        return 141
    except OSError as e:
        try:
            os.write(2, f"gc-credhelper: error: standard output cannot be written: {e.strerror}\n".encode())
        except OSError:  # nobody can be told, except by the exit code
            return 1
        return 1
    return 0


def _write(view: memoryview) -> int:
    """How many bytes went out; waits when the caller made its end of the pipe or socket, and so ours, non-blocking."""
    while True:
        try:
            return os.write(1, view)
        except BlockingIOError:
            import select

            select.select([], [1], [])
