"""`sandbox`: a Genesys-like login and API on this machine, alone or around a command."""

import errno
import os
import shutil
import tempfile
from pathlib import Path

from .. import output
from ..cli import Parser
from ..errors import PluginError, UsageError
from ..kinds import duration
from ..plan import Inputs
from ..report import Report
from ..sandbox.options import Fault, Kind, Options
from ..settings import nearest

FOREIGN = ("GC_CREDHELPER_", "GENESYS", "PURECLOUD", "VAULT_", "AWS_", "KUBERNETES_EXEC_INFO")


def run(parser: Parser, argv: list[str], inputs: Inputs, report: Report) -> int:
    """Serve until interrupted, or as long as the command after `--` runs."""
    del inputs, report
    own, command = (argv[: argv.index("--")], argv[argv.index("--") + 1 :]) if "--" in argv else (argv, None)
    parser.usage = "gc-credhelper sandbox [OPTIONS] [-- COMMAND …]"
    parser.add_argument("--port", type=port, default=0, metavar="N", help="default: a free one")
    parser.add_argument(
        "--client", action="append", default=[], metavar="ID:SECRET", help="repeatable; default: one made up"
    )
    parser.add_argument("--lifetime", type=int, default=86_400, metavar="S", help="of the tokens, in seconds")
    parser.add_argument("--latency", type=duration, default=0.0, metavar="S", help="before each answer, in seconds")
    parser.add_argument("--users", type=int, default=50, metavar="N", help="of the organisation")
    parser.add_argument(
        "--fail",
        action="append",
        default=[],
        metavar="KIND[:COUNT][@SKIP]",
        help=f"let requests fail, COUNT of them, each after SKIP that pass; repeatable; {', '.join(Kind)}",
    )
    parser.add_argument("--api-limit", type=int, default=300, metavar="N", help="requests a minute per token; 0: none")
    parser.add_verbose()
    options = parser.parse(own)
    if command is not None and not command:
        raise UsageError("there is no command after --", hint="gc-credhelper sandbox -- COMMAND …")
    if command and not shutil.which(command[0]):
        raise UsageError("the command after -- was not found, or cannot be executed", hint="is it on PATH?")
    for text in options.fail:
        _check_fault(text)
    try:
        from ..sandbox import command as around
        from ..sandbox import server
    except ImportError as e:
        if (e.name or "").startswith("gc_credhelper"):
            raise
        raise PluginError("the sandbox needs aiohttp", hint="pip install 'gc-credhelper[sandbox]'") from None
    try:
        chosen = Options(
            port=options.port,
            clients=[_client(text) for text in options.client],
            lifetime=options.lifetime,
            latency=options.latency,
            users=options.users,
            fail=options.fail,
            api_limit=options.api_limit,
        )
    except ValueError as e:
        raise UsageError(str(e), hint="see gc-credhelper sandbox --help") from None
    try:
        if command is None:
            return server.run(chosen, _say)
        with tempfile.TemporaryDirectory(prefix="gc-credhelper-sandbox-") as directory:
            return around.run_with_command(chosen, command, lambda ready: environment(ready, directory))
    except OSError as e:
        what = f"port {options.port}" if e.errno in (errno.EADDRINUSE, errno.EACCES, errno.EADDRNOTAVAIL) else "a port"
        raise UsageError(f"{what} cannot be had: {e.strerror}", hint="choose another --port, or none") from None


def environment(ready: dict[str, str], directory: str) -> dict[str, str]:
    """The environment of the command: this sandbox, and nothing that could reach a real organisation."""
    config = Path(directory, "config.toml")
    config.touch(0o600)
    kept = {name: value for name, value in os.environ.items() if not name.startswith(FOREIGN)}
    return kept | {
        "GC_CREDHELPER_TOKEN_URL": ready["token_url"],
        "GC_CREDHELPER_API_URL": ready["api_url"],
        "GC_CREDHELPER_PROVIDER": "env",
        "GC_CREDHELPER_CACHE": "file",
        "GC_CREDHELPER_CACHE_DIR": directory,
        "GC_CREDHELPER_CONFIG": str(config),
        "GENESYS_CLOUD_CLIENT_ID": ready["client_id"],
        "GENESYS_CLOUD_CLIENT_SECRET": ready["client_secret"],
    }


def _client(text: str) -> tuple[str, str]:
    client_id, colon, secret = text.partition(":")
    if not colon or not client_id or not secret:
        raise UsageError("--client takes ID:SECRET", hint="leave it out, and a client is made up")
    return client_id, secret


def _check_fault(text: str) -> None:
    try:
        Fault.parse(text)
    except ValueError:
        name = text.partition("@")[0].partition(":")[0]
        hint = "COUNT and SKIP are whole numbers from 1 on" if name in list(Kind) else nearest(name, Kind)
        raise UsageError("--fail takes KIND, KIND:COUNT, KIND@SKIP or KIND:COUNT@SKIP", hint=hint) from None


def port(text: str) -> int:
    """A TCP port; 0 for a free one."""
    number = int(text)
    if not 0 <= number <= 65_535:  # noqa: PLR2004  # 16 bits
        raise ValueError
    return number


def _say(ready: dict[str, str]) -> None:
    from ..sandbox.server import ready_line

    output.emit(ready_line(ready) + "\n")
