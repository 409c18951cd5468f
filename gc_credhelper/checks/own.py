"""What does not depend on the settings: how fast a hit is on this machine, and whether a secret is ever shown."""

import contextlib
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

from .. import output
from ..app import App
from ..deadline import Deadline
from ..errors import Error
from ..plan import Inputs, encode
from ..report import Report
from ..roles import Finding, Level
from ..tokens import AccessToken
from .canary import Canary
from .visit import Visit

_FOREIGN = ("GC_CREDHELPER_", "GENESYS", "PURECLOUD", "XDG_", "KUBERNETES_EXEC_INFO")
_PAIRS, _FEWEST = 11, 3
_SPARE = 0.3  # seconds that a pair may take on a slow machine
_NOWHERE = "http://127.0.0.1:9/oauth/token"
_HIT = "docs/explanation/how-a-hit-is-fast.md says what makes it slow; is the command the launcher that pip installed?"


def command() -> list[str]:
    """How we are called: the launcher beside this Python, or on PATH."""
    beside = Path(sys.executable).with_name("gc-credhelper")
    for found in (Path(sys.argv[0]), beside, Path(shutil.which("gc-credhelper") or "")):
        if found.name == "gc-credhelper" and os.access(found, os.X_OK):
            return [str(found.absolute())]
    return [sys.executable, "-P", "-m", "gc_credhelper"]


@contextlib.contextmanager
def account(token_url: str, secret: str) -> Iterator[tuple[Path, dict[str, str]]]:
    """A directory, and the environment of a user who has nothing but it and a made-up client."""
    with tempfile.TemporaryDirectory(prefix="gc-credhelper-") as home:
        kept = {name: value for name, value in os.environ.items() if not name.startswith(_FOREIGN)}
        own = {
            "HOME": home,
            "GC_CREDHELPER_CACHE_DIR": home,
            "GC_CREDHELPER_TOKEN_URL": token_url,
            "GENESYS_CLOUD_CLIENT_ID": "doctor",
            "GENESYS_CLOUD_CLIENT_SECRET": secret,
        }
        yield Path(home), kept | own


def start(_: Visit, limit: Deadline) -> Iterator[Finding]:
    """A hit on a made-up token against an empty Python, in turns: the median of the ratios."""
    with account(_NOWHERE, "made-up") as (_home, environ):
        argv = [*command(), "token"]
        _leave_token(environ)
        pairs = [*_pairs(argv, environ, limit)]
    if len(pairs) < _FEWEST:
        yield Finding(Level.SKIP, "not tried: too little time is left", "raise --deadline")
        return
    ratio = round(statistics.median(hit / bare for hit, bare in pairs), 2)
    hit = statistics.median(hit for hit, _ in pairs) * 1000
    said = f"a cached token takes {hit:.0f} ms, {ratio:.2f} times as long as an empty Python"
    yield Finding.warn(said, _HIT) if ratio > 1 else Finding.ok(said)


def _leave_token(environ: Mapping[str, str]) -> None:
    """With its note, as a run of the command would leave them."""
    inputs = Inputs(["token"], {encode(name): encode(value) for name, value in environ.items()})
    app = App(inputs, {}, Report())
    now = time.time()
    app.source.entry().write(AccessToken("made-up-by-doctor", now, now + 3600))
    app.leave_note("exec-credential", output.API_VERSIONS[0])


def _pairs(argv: list[str], environ: dict[str, str], limit: Deadline) -> Iterator[tuple[float, float]]:
    for number in range(_PAIRS + 1):
        if limit.left() < _SPARE:
            return
        pair = _seconds(argv, environ, limit), _seconds([sys.executable, "-c", "pass"], environ, limit)
        if number:  # the first fills the system's caches
            yield pair


def _seconds(argv: list[str], environ: dict[str, str], limit: Deadline) -> float:
    began = time.perf_counter()
    null = subprocess.DEVNULL
    try:
        subprocess.run(argv, env=environ, stdin=null, stdout=null, stderr=null, timeout=limit.left(), check=True)  # noqa: S603
    except subprocess.SubprocessError:
        raise Error(f"{Path(argv[0]).name} {argv[1]} did not end well", hint="does it run by hand?") from None
    return time.perf_counter() - began


def canary(_: Visit, limit: Deadline) -> Iterator[Finding]:
    """See canary.py."""
    with Canary() as bird, account(bird.url("refuse"), bird.secret) as (home, environ):
        shown = [*bird.seen(command(), home, environ, limit)]
    if shown:
        yield Finding.failed(bird.error(shown))
    else:
        yield Finding.ok(
            "a made-up secret went through log, error, traceback, files and two children, and did not show"
        )
