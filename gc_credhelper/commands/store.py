"""`store`: put a client id and secret where a provider will find them.

They come from a terminal, unseen, or from standard input; never from an option, where others could see them.
"""

import getpass
import json
import sys
import warnings

from .. import output
from ..cli import Parser, open_app
from ..credentials import ClientCredentials, Secret
from ..deadline import Deadline
from ..errors import CredentialsError, UsageError
from ..fetch import guarded
from ..plan import Inputs
from ..protocols import LIMIT, standard_input, until
from ..reading import sealed, trimmed
from ..report import Report

_LIMIT = 4096  # characters of a line
_HOW = 'write {"client_id": "…", "client_secret": "…"}, or the id and the secret on two lines'


def run(parser: Parser, argv: list[str], inputs: Inputs, report: Report) -> int:
    """Ask, try the two at the token endpoint, write, and say where."""
    parser.add_argument("--replace", action="store_true", help="replace what lies there")
    parser.add_argument("--no-check", action="store_true", help="do not try the two at the token endpoint first")
    parser.add_shared()
    options = parser.parse(argv)
    app = open_app(options, inputs, report)
    if len(app.settings["provider"]) > 1:
        raise UsageError("provider names a pool of clients", hint="store them one by one, each with its --provider")
    store = getattr(guarded(lambda: app.provider), "store", None)
    if store is None:
        hint = "name one that can be written to: --provider keyring, vault:mount/path or aws:name"
        raise UsageError(f"the provider {app.provider_name} only reads", hint=hint)
    deadline = Deadline(app.settings["deadline"])
    credentials = asked(report) if sys.stdin and sys.stdin.isatty() else given(report, deadline)
    if app.pinned and app.pinned != credentials.client_id:
        raise CredentialsError(
            f"this is the client {credentials.client_id}, but client_id says {app.pinned}",
            hint="mend or unset the setting client_id",
        )
    deadline = Deadline(app.settings["deadline"])  # a person may have taken longer than that
    if not options.no_check:
        app.exchanger().exchange(credentials, deadline)
        report.note("the token endpoint takes them")
    where = guarded(lambda: deadline.run(lambda: store(credentials, deadline, replace=options.replace), "the store"))
    return output.emit(f"stored the client {credentials.client_id} in {where}\n")


@sealed
def asked(report: Report) -> ClientCredentials:
    """By a person, who does not see the secret. CredentialsError, UsageError when the terminal would show it."""
    sys.stderr.write("Client ID: ")
    sys.stderr.flush()
    client_id = trimmed(sys.stdin.readline(_LIMIT).removesuffix("\n"), "the client ID", report)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", getpass.GetPassWarning)
            secret = getpass.getpass("Client secret (not shown): ", sys.stderr)
    except getpass.GetPassWarning:
        raise UsageError("this terminal would show the secret", hint="pass it on standard input") from None
    except EOFError:
        secret = ""
    return ClientCredentials(client_id, Secret(trimmed(secret, "the client secret", report)))


@sealed
def given(report: Report, deadline: Deadline) -> ClientCredentials:
    """On standard input: a JSON object, or two lines. CredentialsError for anything else, TemporaryError for none."""
    try:
        raw = until(standard_input(deadline), lambda _: False)
        content = raw.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise CredentialsError("standard input cannot be read as UTF-8 text", hint=_HOW) from None
    if len(raw) >= LIMIT:
        raise CredentialsError("standard input holds more than 64 KiB", hint=_HOW)
    halves: list[object] = [line for line in content.splitlines() if line.strip()]
    if content.lstrip().startswith("{"):
        try:
            found = json.loads(content)
        except (ValueError, RecursionError):
            raise CredentialsError("standard input is not JSON", hint=_HOW) from None
        halves = [found[name] for name in ("client_id", "client_secret") if found.get(name)]
    if len(halves) != len(("id", "secret")):
        raise CredentialsError("standard input does not hold a client id and a client secret", hint=_HOW)
    texts = []
    for half, what in zip(halves, ("the client ID", "the client secret"), strict=True):
        if not isinstance(half, str):
            raise CredentialsError(f"{what} is not a text", hint=_HOW)
        texts.append(trimmed(half, what, report))
    return ClientCredentials(texts[0], Secret(texts[1]))
