"""The command line: the table of commands, their shared options, and where an error becomes an exit code."""

import argparse
import contextlib
import importlib
import re
import signal
import threading
import traceback
from collections.abc import Iterator, Sequence
from typing import Any, NoReturn

from . import __version__, output
from .app import App, environment
from .command import end_all, refuse_nested
from .config import looks_secret
from .errors import Error, UsageError
from .plan import Inputs
from .report import Report, say
from .settings import SETTINGS, Setting, nearest, spoken

COMMANDS = {
    "token": "print a valid token",
    "exec": "run a program with a valid token in its environment",
    "api": "call the Platform API with a valid token, and walk its lists",
    "export": "write users, queues, skills or conversations to a file, resumable",
    "verify": "say whether the token is alive, and whose it is",
    "reject": "hear that the API refused a token, and keep it away",
    "revoke": "end the cached token at the server, and forget it",
    "explain": "tell why this token: one call of token, without the token",
    "helper": "speak the credential-helper protocol of another tool",
    "doctor": "run every step of a cold run, and say what to mend",
    "status": "show the settings with their origin, and the cached tokens",
    "forget": "delete a cached token, or all of them",
    "store": "put a client id and secret where a provider finds them",
    "plugins": "list credential providers and cache backends",
    "sandbox": "serve a Genesys-like login and API on this machine",
}
USAGE = f"""\
usage: gc-credhelper COMMAND [OPTIONS]

Gives any tool a valid Genesys Cloud token, with one token exchange for a whole fleet of jobs.

commands:
{"".join(f"  {name:<10} {text}{chr(10)}" for name, text in COMMANDS.items())}
  gc-credhelper COMMAND --help    its options
  gc-credhelper --version

exit codes:
  0 done   2 usage or configuration   3 plug-in   4 credentials   5 token refused
  6 temporary, try again   7 --min-ttl cannot be met   1 a bug of ours
"""
_OTHERS = """\
Every setting has a flag or --set NAME=VALUE, a variable and a key of a profile; the nearer one wins, in this order.
The variables are shown in brackets; these have no flag of their own:
"""


class Parser(argparse.ArgumentParser):
    """Errors become UsageError, and never repeat a value: it may be a secret that was put where none belongs."""

    def __init__(self, command: str) -> None:
        super().__init__(
            prog=f"gc-credhelper {command}",
            usage=f"gc-credhelper {command} [OPTIONS]",
            description=COMMANDS[command][0].upper() + COMMANDS[command][1:] + ".",
            formatter_class=argparse.RawDescriptionHelpFormatter,
            allow_abbrev=False,
        )

    def add_shared(self) -> None:
        """The options of every command that uses a token."""
        group = self.add_argument_group("settings")
        for row in SETTINGS:
            if row.flag:
                group.add_argument(row.option, metavar="VALUE", help=_described(row))
        group.add_argument("--set", action="append", default=[], metavar="NAME=VALUE", help="any other setting")
        self.add_verbose()
        self.epilog = _OTHERS + "".join(f"  {row.name:<12} {_described(row)}\n" for row in SETTINGS if not row.flag)

    def add_verbose(self) -> None:
        """-v."""
        self.add_argument("-v", "--verbose", action="count", default=0, help="say what happens; -vv adds tracebacks")

    def print_help(self, file: Any = None) -> NoReturn:
        """The answer of --help; argparse would not see that it cannot be written."""
        del file
        raise SystemExit(output.emit(self.format_help()))

    def error(self, message: str) -> NoReturn:
        """Keep what argparse says of options, drop what it quotes of values."""
        said = re.split(r":? *['\"]", message)[0]  # what it quotes comes from the command line
        said = said.replace("ignored explicit argument", "takes no value").replace("argument ", "", 1)
        raise UsageError(said, hint=f"see {self.prog} --help")

    def parse(self, argv: Sequence[str]) -> argparse.Namespace:
        """UsageError for an unknown option, with the nearest known one."""
        found, unknown = self.parse_known_args(argv)
        if unknown:
            options = [word.partition("=")[0] for word in unknown if word.startswith("-") and word.strip("-")]
            if not options:
                raise UsageError(
                    "there is a word too many (not shown: it may be a secret)", hint=f"see {self.prog} --help"
                )
            raise self._unknown(options[0])
        return found

    def _unknown(self, option: str) -> UsageError:
        known = {name.lstrip("-"): name for action in self._actions for name in action.option_strings}
        dashes, name = ("--", option[2:]) if option.startswith("--") else ("-", option[1:2])
        shown = spoken(name, known)
        hint = nearest(option, known.values())
        if looks_secret(name):
            hint = "no secret is ever an option, where others could see it; name a --provider that holds it"
        elif any(row.name == name.replace("-", "_") for row in SETTINGS):
            hint = f"that setting has no flag of its own: --set {name.replace('-', '_')}=VALUE"
        return UsageError(f"there is no option {dashes + shown if shown == name else shown}", hint=hint)


def _described(row: Setting) -> str:
    return f"{row.help} [{', '.join((row.variable, *row.platform))}]"


def open_app(options: argparse.Namespace, inputs: Inputs, report: Report) -> App:
    """The App that the shared options mean."""
    flags: dict[str, tuple[object, str]] = {}
    for assignment in options.set:
        name, equals, value = assignment.partition("=")
        if not equals or not re.fullmatch(r"[\w.-]+", name):
            raise UsageError("--set takes NAME=VALUE", hint="for example --set client_auth=body")
        table, dot, key = name.rpartition(".")
        if value:
            flags[table + dot + key.replace("-", "_")] = (value, f"--set {name}")
    for row in SETTINGS:
        if row.flag and getattr(options, row.name):
            flags[row.name] = (getattr(options, row.name), row.option)
    app = App(inputs, flags, report)
    if app.provider_name == "command":
        refuse_nested(inputs)
    return app


class Ended(BaseException):
    """A signal asks us to end, which goes through every `finally`: there are commands to end and files to remove."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number = number


@contextlib.contextmanager
def _signals() -> Iterator[None]:
    """Let signals that would end us raise Ended; one that our caller has us ignore stays ignored."""

    def end(number: int, _: object) -> NoReturn:
        raise Ended(number)

    names = [name for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name)]
    numbers = [signal.Signals[name] for name in names if threading.current_thread() is threading.main_thread()]
    numbers = [number for number in numbers if signal.getsignal(number) == signal.SIG_DFL]
    for number in numbers:
        signal.signal(number, end)
    try:
        yield
    finally:
        for number in numbers:
            signal.signal(number, signal.SIG_DFL)


def main(argv: list[str]) -> int:
    """The exit code; everything that goes wrong becomes one `error:` and one `hint:` line."""
    own = argv[: argv.index("--")] if "--" in argv else argv
    verbosity = sum(len(word) - 1 for word in own if re.fullmatch(r"-v+", word)) + own.count("--verbose")
    try:
        with _signals():
            return run(argv, Report(verbosity))
    except Ended as e:
        end_all()
        return 128 + e.number
    except KeyboardInterrupt:
        end_all()
        return 130
    except BaseException as e:
        if isinstance(e, SystemExit):
            raise
        if verbosity > 1:
            show_traceback(e)
        if isinstance(e, Error):
            say("error", str(e))
            say("hint", e.hint or "gc-credhelper status shows the settings and where each comes from")
            return e.exit_code
        # Its text may quote anything, a secret too; its kind and place are ours to show.
        say("error", f"a bug: {type(e).__name__}{place_of(e)}")
        say("hint", "run it again with -vv and report what it prints")
        return 1


def run(argv: list[str], report: Report) -> int:
    """Find the command and run it."""
    if not argv:
        raise UsageError("no command was given", hint="gc-credhelper --help lists the commands")
    if argv[0] == "help" and argv[1:]:
        argv = [argv[1], "--help"]
    if argv[0] in ("-h", "--help", "help"):
        return output.emit(USAGE)
    if argv[0] in ("-V", "--version"):
        return output.emit(f"gc-credhelper {__version__}\n")
    name = argv[0]
    if name not in COMMANDS:
        hint = nearest(name, COMMANDS)
        if name.startswith("-"):
            hint = "the command comes first: gc-credhelper COMMAND [OPTIONS]"
        raise UsageError(f"there is no command {spoken(name, COMMANDS)}", hint=hint)
    command = importlib.import_module(f".commands.{name}", __package__)
    parser = Parser(name)
    code: int = command.run(parser, argv[1:], Inputs(argv, environment()), report)
    return code


def place_of(error: BaseException) -> str:
    """Where it was raised, without any value."""
    frames = traceback.extract_tb(error.__traceback__)
    return f" in {frames[-1].name}, line {frames[-1].lineno}" if frames else ""


def show_traceback(error: BaseException) -> None:
    """Kinds and places of the error and of what it came from; no values, no source lines, no foreign texts."""
    seen: BaseException | None = error
    while seen is not None:
        say("traceback", type(seen).__name__)
        for frame in traceback.extract_tb(seen.__traceback__):
            say("traceback", f"{frame.filename}:{frame.lineno} {frame.name}")
        seen = seen.__cause__ or seen.__context__
