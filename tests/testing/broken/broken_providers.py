"""A provider that keeps its promises, and for each promise one that breaks it."""

import contextlib
import json
import os
import socket
import sys
import time
from pathlib import Path
from typing import Any

from gc_credhelper import ClientCredentials, CredentialsError, Secret, TemporaryError, UsageError
from gc_credhelper.deadline import Deadline
from gc_credhelper.roles import Context
from gc_credhelper.settings import Setting, text

HINT = "write it again"


class Good:
    """Reads a JSON file. When its folder is gone the disk is not mounted; a pipe in its place may never answer."""

    settings: tuple[Setting, ...] = (Setting("good.path", text, "a JSON file", platform=("GOOD_PATH",)),)
    locator = "good.path"

    def __init__(self, context: Context) -> None:
        self.context = context
        self.path = context.settings["good.path"]

    def client_id(self) -> str | None:
        return None

    def credentials(self, deadline: Deadline) -> ClientCredentials:
        found = self.load(deadline)
        return self.pair(found.get("client_id"), found.get("client_secret"))

    def load(self, deadline: Deadline) -> dict[str, str]:
        self.context.inputs.file(self.path)
        if not Path(self.path).parent.exists():
            raise TemporaryError("the disk is not mounted", hint="mount it")
        if not Path(self.path).is_file():
            deadline.run(Path(self.path).read_text, "the pipe")
        found: dict[str, str] = json.loads(Path(self.path).read_text())
        return found

    def pair(self, client_id: str | None, secret: str | None) -> ClientCredentials:
        if client_id is None and secret is None:
            raise CredentialsError("there is no secret", hint=HINT)
        if not (client_id or "").strip() or not (secret or "").strip():
            raise CredentialsError("one half is missing", hint=HINT)
        return ClientCredentials(self.trimmed(client_id or ""), Secret(self.trimmed(secret or "")))

    def trimmed(self, value: str) -> str:
        if value != value.strip():
            self.context.report.warn("white space was removed")
        return value.strip()

    def store(self, credentials: ClientCredentials, deadline: Deadline, *, replace: bool) -> str:
        if self.load(deadline) and not replace:
            raise CredentialsError("there is a secret already", hint="say that it may be replaced")
        self.save(credentials.client_id, credentials.client_secret.reveal())
        return f"the file {self.path}"

    def save(self, client_id: str, secret: str) -> None:
        Path(self.path).write_text(json.dumps({"client_id": client_id, "client_secret": secret}))


def ask() -> None:
    """A store, too early."""
    with contextlib.suppress(OSError):
        socket.create_connection(("127.0.0.1", 1), timeout=1).close()


class P1(Good):
    settings = (Setting("nobodys.path", text, "a JSON file", platform=("GOOD_PATH",)),)
    locator = "nobodys.path"

    def __init__(self, context: Context) -> None:
        self.context = context
        self.path = context.settings["nobodys.path"]


class P2(Good):
    def __init__(self, context: Context) -> None:
        super().__init__(context)
        ask()


class P3(Good):
    def client_id(self) -> str | None:
        ask()
        return None


class P4(Good):
    def trimmed(self, value: str) -> str:
        return super().trimmed(value)[:1000]


class P5(Good):
    def trimmed(self, value: str) -> str:
        return value


class P6(Good):
    def pair(self, client_id: str | None, secret: str | None) -> ClientCredentials:
        return super().pair(client_id and client_id.partition(":")[0], secret)


class P7(Good):
    held: ClientCredentials | None = None

    def credentials(self, deadline: Deadline) -> ClientCredentials:
        self.held = self.held or super().credentials(deadline)
        return self.held


class P8(Good):
    def pair(self, client_id: str | None, secret: str | None) -> ClientCredentials:
        if client_id is None and secret is None:
            raise UsageError("there is no secret", hint=HINT)
        return super().pair(client_id, secret)


class P9(Good):
    def pair(self, client_id: str | None, secret: str | None) -> ClientCredentials:
        if (client_id is None) != (secret is None):
            raise TemporaryError("one half is missing", hint=HINT)
        return super().pair(client_id, secret)


class P10(Good):
    def load(self, deadline: Deadline) -> dict[str, str]:
        try:
            return super().load(deadline)
        except TemporaryError as e:
            if "disk" in str(e):
                raise CredentialsError("there is no such file", hint=HINT) from None
            raise


class P11(Good):
    def load(self, deadline: Deadline) -> dict[str, str]:
        return super().load(Deadline(deadline.left() + 3))


class P12(Good):
    def pair(self, client_id: str | None, secret: str | None) -> ClientCredentials:
        if client_id is None and secret is not None:
            raise CredentialsError(f"there is no client id beside {secret}", hint=HINT)
        return super().pair(client_id, secret)


class P13(Good):
    def load(self, deadline: Deadline) -> dict[str, str]:
        found = super().load(deadline)
        self.context.inputs.env("GOOD_SECRET")
        return found


class P14(Good):
    def pair(self, client_id: str | None, secret: str | None) -> ClientCredentials:
        self.last = secret
        return super().pair(client_id, secret)


class P15(Good):
    settings = ()
    locator: Any = None

    def __init__(self, context: Context) -> None:
        self.context = context
        self.path = os.environ["GOOD_PATH"]


class P16(Good):
    busy = False

    def load(self, deadline: Deadline) -> dict[str, str]:
        if self.busy:
            raise ValueError
        self.busy = True
        time.sleep(0.02)
        self.busy = False
        return super().load(deadline)


class P17(Good):
    def load(self, deadline: Deadline) -> dict[str, str]:
        sys.stdout.write("asking the store\n")
        return super().load(deadline)


class P18(Good):
    def __init__(self, context: Context) -> None:
        super().__init__(context)
        context.inputs.volatile = True


class P19(Good):
    def load(self, deadline: Deadline) -> dict[str, str]:
        try:
            return super().load(deadline)
        except TemporaryError as e:
            sys.stderr.write(f"gc-credhelper: error: {e}\n")
            raise


class P20(Good):
    def save(self, client_id: str, secret: str) -> None:
        super().save(client_id, secret.replace("\\", ""))


class P21(Good):
    def store(self, credentials: ClientCredentials, deadline: Deadline, *, replace: bool) -> str:
        there = self.load(deadline)
        self.save(credentials.client_id, credentials.client_secret.reveal())
        if there and not replace:
            raise CredentialsError("there was a secret already", hint=HINT)
        return "the file"


class P22(Good):
    def store(self, credentials: ClientCredentials, deadline: Deadline, *, replace: bool) -> str:
        return super().store(credentials, deadline, replace=replace) + f": {credentials.client_secret.reveal()}"
