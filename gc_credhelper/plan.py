"""Plan: what a command line resolved to. Inputs: all that was asked on the way. And the note that keeps both.

A note is made by one run and trusted by the next only while every input that it recorded is unchanged, which is what
ccache calls direct mode. NUL-separated bytes: magic, version, effective uid, working directory, argc, argv…, then
triples of kind, name and value. E: a variable that is set; U: one that is unset or empty; S: a secret variable that is
set (its value is not kept); F: a file, with its stat; A: a file that is absent; H: the host name; P: a field of the
plan; then a sum over all of it, so that a damaged note is none.

Hot: a cache hit runs this module.
"""

import sys
import time

from . import __version__

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

if sys.platform != "win32":
    import posix as os  # `os` itself would cost a hit more than all the rest of this module
else:  # pragma: no cover
    import os

MAGIC = b"gcch-note2"
# Variables that one job sets and another does not: each combination has a note of its own. None of them is secret.
TELLING = (
    *(b"GC_CREDHELPER_" + name for name in (b"PROFILE", b"PROVIDER", b"CACHE", b"CONFIG", b"REGION", b"TOKEN_URL")),
    *(
        b"GC_CREDHELPER_" + name
        for name in (b"CLIENT_ID", b"CLIENT_AUTH", b"MIN_TTL", b"DEADLINE", b"API_URL", b"SLOT", b"VERIFY")
    ),
    *(b"GENESYS_CLOUD_" + name for name in (b"CLIENT_ID", b"REGION", b"ENVIRONMENT")),
    *(b"GENESYSCLOUD_OAUTHCLIENT_ID", b"GENESYSCLOUD_REGION", b"PURECLOUD_CLIENT_ID", b"PURECLOUD_ENVIRONMENT"),
    b"KUBERNETES_EXEC_INFO",
)
_ENCODING = sys.getfilesystemencoding()
_PRIME = 2**127 - 1


def encode(text: str) -> bytes:
    """A path, argument or variable as the system has it."""
    return text.encode(_ENCODING, "surrogateescape")


def decode(raw: bytes) -> str:
    """The reverse of `encode`."""
    return raw.decode(_ENCODING, "surrogateescape")


class Inputs:
    """argv, environment and files of this run; writes down whatever anyone asks it for."""

    def __init__(self, argv: "list[str]", environ: "dict[bytes, bytes]") -> None:
        """`argv`: without the program's name."""
        self.argv = argv
        self.environ = environ
        self.began = time.time()
        self.record: dict[tuple[bytes, bytes], bytes] = {}
        self.volatile = False  # set by whoever depends on something that must not be written down
        try:
            self.cwd = os.getcwd()
        except OSError:  # the directory was deleted under us; nothing is remembered then
            self.cwd = ""

    def under(self, words: "list[str]") -> "Inputs":
        """The same, as if these words were the command line."""
        other = Inputs(words, self.environ)
        other.began, other.record, other.cwd, other.volatile = self.began, self.record, self.cwd, self.volatile
        return other

    def env(self, name: str, *, secret: bool = False) -> "str | None":
        """The value of a variable; an empty one counts as unset. `secret`: only whether it is set is recorded."""
        key = encode(name)
        raw = self.environ.get(key)
        if not raw:
            self.record[b"U", key] = b""
            return None
        self.record[b"S" if secret else b"E", key] = b"" if secret else raw
        return decode(raw)

    def file(self, path: str) -> bool:
        """Is there such a file? Its stat is recorded before anyone reads it, so that a later change shows."""
        line = stat_line(encode(path))
        self.record[b"A" if line is None else b"F", encode(path)] = line or b""
        return line is not None

    def host(self) -> str:
        """The name of this machine."""
        name = host_name(self.environ)
        self.record[b"H", b""] = name
        return decode(name)


class Plan:
    """What `token` will do, as far as a cache hit needs it. `min_ttl` and `verify` are in seconds.

    `state` and `store`: where lock and entry lie, see `place`; `store` is empty when the nearest cache is not a file.
    """

    __slots__ = ("api_version", "client_id", "format", "key", "min_ttl", "state", "store", "verify")

    def __init__(
        self,
        *,
        key: str,
        client_id: str,
        format: str,
        api_version: str,
        min_ttl: float,
        verify: float,
        state: str,
        store: str,
    ) -> None:
        self.key = key
        self.client_id = client_id
        self.format = format
        self.api_version = api_version
        self.min_ttl = min_ttl
        self.verify = verify
        self.state = state
        self.store = store


def stat_line(path: bytes) -> "bytes | None":
    """What tells a changed file from an unchanged one; None when there is none. A link counts as what it points to."""
    try:
        st = os.stat(path)
    except (OSError, ValueError):  # one that cannot be looked at was not read either
        return None
    return b"%d %d %d %d %d %o" % (st.st_mtime_ns, st.st_ctime_ns, st.st_size, st.st_ino, st.st_dev, st.st_mode)


def host_name(environ: "dict[bytes, bytes]") -> bytes:
    """The name of this machine, as the system has it."""
    return encode(os.uname().nodename) if sys.platform != "win32" else environ.get(b"COMPUTERNAME", b"")


def place(path: str, *, ours: bool) -> str:
    """A directory of ours as one word: `+` when it is ours as it stands, `-` when our subdirectory in it is meant."""
    return ("+" if ours else "-") + path


def cache_home(inputs: Inputs) -> "tuple[str, str]":
    """The place (see `place`) of the cache directory as the environment alone says it, and the variable that says so.

    In CI it is the job's own directory, so that a token outlives its job only in a cache that someone named.
    """
    return next(_cache_homes(inputs))


def _cache_homes(inputs: Inputs) -> "Iterator[tuple[str, str]]":
    path = inputs.env("GC_CREDHELPER_CACHE_DIR")
    if path and path.strip():
        yield named(path, inputs), "GC_CREDHELPER_CACHE_DIR"
    for name in ("RUNNER_TEMP", "AGENT_TEMPDIRECTORY", "WORKSPACE_TMP"):
        path = inputs.env(name)
        if path and (path.startswith("/") or sys.platform == "win32"):
            yield place(path, ours=False), name
    path = inputs.env("XDG_CACHE_HOME")
    if path and path.startswith("/"):
        yield place(path + "/gc-credhelper", ours=True), "XDG_CACHE_HOME"
    path = inputs.env("LOCALAPPDATA") if sys.platform == "win32" else None
    if path:
        yield place(path + "\\gc-credhelper\\Cache", ours=True), "LOCALAPPDATA"
    path = inputs.env("HOME")
    if path and path != "/" and is_ours(path):
        caches = "/Library/Caches" if sys.platform == "darwin" else "/.cache"
        yield place(path + caches + "/gc-credhelper", ours=True), "HOME"
    path = inputs.env("XDG_RUNTIME_DIR")
    if path and path.startswith("/"):
        yield place(path + "/gc-credhelper", ours=True), "XDG_RUNTIME_DIR"
    path = inputs.env("TMPDIR")
    if path and path.startswith("/"):
        yield place(path, ours=False), "TMPDIR"
    yield place("/tmp", ours=False), ""  # noqa: S108  # in it a subdirectory that is ours, which is checked


def named(path: str, inputs: Inputs) -> str:
    """The place of a directory that a user named: `~` is HOME, and a relative path counts from where we started."""
    path = path.strip()
    if path == "~" or path.startswith("~/"):
        path = (inputs.env("HOME") or "/") + path[1:]
    elif not path.startswith("/") and sys.platform != "win32":
        path = f"{inputs.cwd}/{path}"
    return place(path, ours=False)


def is_ours(home: str) -> bool:
    """May we make directories in it? Not in another user's, who could not use them (sudo may keep HOME)."""
    try:
        return (sys.platform == "win32" or os.stat(home).st_uid == os.geteuid()) and os.access(home, os.W_OK)
    except OSError:
        return False


def note_name(inputs: Inputs) -> str:
    """One note per command line, directory and telling variables, so that jobs do not evict each other's.

    Only a name: whether the note holds is decided by what it recorded, so a weak and fast hash will do. It can be
    reversed, so nothing goes in that could be a secret.
    """
    get = inputs.environ.get
    data = [b"1", encode(inputs.cwd), *map(encode, inputs.argv), *(get(name) or b"" for name in TELLING)]
    return checksum(b"\0".join(data)).decode() + ".note"


def checksum(data: bytes) -> bytes:
    """Against accidents, not against an attacker, who could not write here. Any change within 15 bytes shows."""
    return b"%032x" % (int.from_bytes(data, "big") % _PRIME)


def header(inputs: Inputs) -> "list[bytes]":
    """The parts of a note that must match to the letter."""
    uid = b"%d" % os.geteuid() if sys.platform != "win32" else b"-"
    return [MAGIC, __version__.encode(), uid, encode(inputs.cwd), b"%d" % len(inputs.argv), *map(encode, inputs.argv)]


def recall(inputs: Inputs, note: bytes) -> "Plan | None":
    """The plan of an identical earlier run, if nothing that it read has changed since."""
    body, _, total = note.rpartition(b"\0")
    parts = body.split(b"\0")
    start = header(inputs)
    n = len(start)
    if not inputs.cwd or parts[:n] != start or (len(parts) - n) % 3 or total != checksum(body):
        return None
    environ = inputs.environ
    fields: dict[str, str] = {}
    for i in range(n, len(parts), 3):
        kind, name, value = parts[i : i + 3]
        if kind == b"P":
            fields[decode(name)] = decode(value)
        elif not unchanged(environ, kind, name, value):
            return None
    try:
        return Plan(**fields | {name: float(fields[name]) for name in ("min_ttl", "verify")})  # type: ignore[arg-type]
    except (KeyError, TypeError, ValueError):
        return None


def unchanged(environ: "dict[bytes, bytes]", kind: bytes, name: bytes, value: bytes) -> bool:
    """Is an input still what a note has recorded?"""
    if kind == b"E":
        return environ.get(name) == value
    if kind in (b"U", b"S"):
        return bool(environ.get(name)) == (kind == b"S")
    if kind in (b"F", b"A"):
        return (stat_line(name) or b"") == value
    return kind == b"H" and host_name(environ) == value
