"""The command line: the table of commands, their shared options, and where an error becomes an exit code."""

import argparse
import importlib
import re
import sys
import traceback
from collections.abc import Sequence
from typing import NoReturn

from . import __version__
from .app import App, environment
from .errors import Error, UsageError
from .plan import Inputs
from .report import Report
from .settings import SETTINGS, nearest

COMMANDS = {
    "token": "print a valid token",
    "status": "show the settings with their origin, and the cached tokens",
    "forget": "delete a cached token, or all of them",
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
"""


class Parser(argparse.ArgumentParser):
    """Errors become UsageError, and never repeat a value: it may be a secret that was put where none belongs."""

    def __init__(self, command: str) -> None:
        super().__init__(prog=f"gc-credhelper {command}", description=COMMANDS[command], allow_abbrev=False)

    def add_shared(self) -> None:
        """The options of every command that uses a token."""
        for row in SETTINGS:
            if row.flag:
                self.add_argument(row.option, metavar="VALUE", help=row.help)
        self.add_argument("--set", action="append", default=[], metavar="NAME=VALUE", help="any other setting")
        self.add_verbose()

    def add_verbose(self) -> None:
        """-v."""
        self.add_argument("-v", "--verbose", action="count", default=0, help="say what happens; -vv adds tracebacks")

    def error(self, message: str) -> NoReturn:
        """Keep what argparse says of options, drop what it quotes of values."""
        message = re.sub(
            r"invalid (\w+ ?)?(value|choice): '.*?'( \((.*)\))?$", r"is not one of them\3", message, flags=re.DOTALL
        )
        raise UsageError(message, hint=f"see {self.prog} --help")

    def parse(self, argv: Sequence[str]) -> argparse.Namespace:
        """UsageError for an unknown option, with the nearest known one."""
        found, unknown = self.parse_known_args(argv)
        if unknown:
            options = [word.partition("=")[0] for word in unknown if word.startswith("-")]
            known = [option for action in self._actions for option in action.option_strings]
            if not options:
                raise UsageError(
                    "there is a word too many (not shown: it may be a secret)", hint=f"see {self.prog} --help"
                )
            hint = nearest(options[0], known)
            if "secret" in options[0] or options[0].lstrip("-") == "token":
                hint = "no secret is ever an option, where others could see it; name a --provider that holds it"
            raise UsageError(f"unknown option {options[0]}", hint=hint)
        return found


def open_app(options: argparse.Namespace, inputs: Inputs, report: Report) -> App:
    """The App that the shared options mean."""
    flags: dict[str, tuple[object, str]] = {}
    for assignment in options.set:
        name, equals, value = assignment.partition("=")
        if not equals or not re.fullmatch(r"[\w.-]+", name):
            raise UsageError("--set takes NAME=VALUE", hint="for example --set client_id=…")
        if value:
            flags[name.replace("-", "_")] = (value, f"--set {name}")
    for row in SETTINGS:
        if row.flag and getattr(options, row.name):
            flags[row.name] = (getattr(options, row.name), row.option)
    return App(inputs, flags, report)


def main(argv: list[str]) -> int:
    """The exit code; everything that goes wrong becomes one `error:` and one `hint:` line."""
    verbosity = sum(len(word) - 1 for word in argv if re.fullmatch(r"-v+", word)) + argv.count("--verbose")
    try:
        return run(argv, Report(verbosity))
    except KeyboardInterrupt:
        return 130
    except BaseException as e:
        if isinstance(e, SystemExit):
            raise
        if verbosity > 1:
            show_traceback(e)
        if isinstance(e, Error):
            say("error", str(e))
            if e.hint:
                say("hint", e.hint)
            return e.exit_code
        # Its text may quote anything, a secret too; its kind and place are ours to show.
        say("error", f"a bug: {type(e).__name__}{place_of(e)}")
        say("hint", "run it again with -vv and report what it prints")
        return 1


def run(argv: list[str], report: Report) -> int:
    """Find the command and run it."""
    if not argv:
        raise UsageError("no command was given", hint="gc-credhelper --help lists the commands")
    if argv[0] in ("-h", "--help", "help"):
        sys.stdout.write(USAGE)
        return 0
    if argv[0] in ("-V", "--version"):
        sys.stdout.write(f"gc-credhelper {__version__}\n")
        return 0
    name = argv[0]
    if name not in COMMANDS:
        raise UsageError("there is no such command", hint=nearest(name, COMMANDS))
    command = importlib.import_module(f".commands.{name}", __package__)
    parser = Parser(name)
    code: int = command.run(parser, argv[1:], Inputs(argv, environment()), report)
    return code


def say(kind: str, text: str) -> None:
    """One line on stderr, whatever the text holds."""
    line = " ".join(text.split())
    print(f"gc-credhelper: {kind}: {line}", file=sys.stderr)


def place_of(error: BaseException) -> str:
    """Where it was raised, without any value."""
    frames = traceback.extract_tb(error.__traceback__)
    return f" in {frames[-1].name}, line {frames[-1].lineno}" if frames else ""


def show_traceback(error: BaseException) -> None:
    """Kinds and places of the error and of what it came from; no values, no source lines, no foreign texts."""
    seen: BaseException | None = error
    while seen is not None:
        print(f"gc-credhelper: traceback: {type(seen).__name__}", file=sys.stderr)
        for frame in traceback.extract_tb(seen.__traceback__):
            print(f"gc-credhelper: traceback:   {frame.filename}:{frame.lineno} {frame.name}", file=sys.stderr)
        seen = seen.__cause__ or seen.__context__
