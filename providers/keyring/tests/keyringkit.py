"""What the tests share: a private D-Bus with a real gnome-keyring on it, and a hunt for secrets."""

import contextlib
import os
import shutil
import signal
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import secretstorage
from gc_credhelper.credentials import ClientCredentials, Secret
from jeepney import HeaderFields, MessageType, new_method_return
from jeepney.bus_messages import message_bus
from jeepney.io.blocking import Proxy, open_dbus_connection
from support import hunting, require
from support.hunting import Built, canary

ID = "8c9c7a5e-keyring-client"
SECRET = canary("canary-Jx2mT8-client-secret")
PROMPTER = "org.gnome.keyring.SystemPrompter"
CONFIG = """
<busconfig>
  <type>session</type>
  <listen>unix:path={directory}/bus</listen>
  <auth>{auth}</auth>
  <servicedir>{directory}</servicedir>
  <policy context="default">
    <allow send_destination="*"/><allow receive_sender="*"/><allow own="*"/>
  </policy>
</busconfig>
"""


def client(client_id: str = ID, secret: str = SECRET) -> ClientCredentials:
    """Credentials whose secret is hunted."""
    return ClientCredentials(client_id, Secret(canary(secret)))


@dataclass
class Desktop:
    """A user's session: a D-Bus and a keyring of its own, in a directory of its own, without a display."""

    home: Path
    address: str = ""
    _bus: "subprocess.Popen[str] | None" = None
    _keyring: "subprocess.Popen[bytes] | None" = None

    def start_bus(self, auth: str = "EXTERNAL", starts: str = "") -> None:
        """`starts`: the program that the bus takes for a keyring, and starts when one is asked for."""
        if starts:
            text = f"[D-BUS Service]\nName=org.freedesktop.secrets\nExec={starts}\n"
            (self.home / "org.freedesktop.secrets.service").write_text(text)
        config = self.home / "bus.conf"
        config.write_text(CONFIG.format(directory=self.home, auth=auth))
        self._bus = subprocess.Popen(
            [require("dbus-daemon"), "--nofork", "--nopidfile", "--print-address", f"--config-file={config}"],
            env={"PATH": os.environ["PATH"], "HOME": str(self.home)},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        assert self._bus.stdout
        self.address = self._bus.stdout.readline().strip()
        assert self.address

    def start_keyring(self, *, unlocked: bool = True, ready: str = "aliases/default") -> None:
        """Unlocking it for the first time makes the collection `login`, which is the default one."""
        self._keyring = subprocess.Popen(
            [
                require("gnome-keyring-daemon"),
                "--foreground",
                "--components=secrets",
                f"--control-directory={self.home}/control",
                *(["--unlock"] if unlocked else []),
            ],
            env=self.env() | {"PATH": os.environ["PATH"], "HOME": str(self.home), "XDG_RUNTIME_DIR": str(self.home)},
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        assert self._keyring.stdin
        with self._keyring.stdin as stdin:
            stdin.write(b"password of the session" if unlocked else b"")
        give_up = time.monotonic() + 30
        while True:
            try:
                with self.collection(ready):
                    return
            except secretstorage.SecretStorageException:
                assert self._keyring.poll() is None
                assert time.monotonic() < give_up
                time.sleep(0.01)

    def revive(self) -> None:
        """Start the keyring again if it has ended."""
        if self._keyring and self._keyring.poll() is not None:
            self.start_keyring()

    def env(self, **more: str) -> dict[str, str]:
        """The variables of a program that runs in the session."""
        return {"DBUS_SESSION_BUS_ADDRESS": self.address, **more}

    @contextmanager
    def collection(self, path: str = "aliases/default") -> Iterator[Any]:
        """The default collection, or another one, past our own code."""
        with contextlib.closing(open_dbus_connection(self.address)) as connection:
            yield secretstorage.Collection(connection, f"/org/freedesktop/secrets/{path}")

    def items(self, service: str = "") -> list[tuple[dict[str, str], str, str]]:
        """Attributes, label and text of every item of the default collection whose service name begins so."""
        with self.collection() as collection:
            found = [(item, item.get_attributes()) for item in collection.get_all_items()]
            ours = [(item, named) for item, named in found if named.get("service", "").startswith(service)]
            return [(named, item.get_label(), item.get_secret().decode()) for item, named in ours]

    def lock(self) -> None:
        """What a person does, or a time-out of the desktop."""
        with self.collection() as collection:
            collection.lock()

    def signal_keyring(self, number: int) -> None:
        """SIGSTOP for a service that hangs."""
        assert self._keyring
        os.kill(self._keyring.pid, number)

    def signal_bus(self, number: int) -> None:
        """The same for the bus."""
        assert self._bus
        os.kill(self._bus.pid, number)

    def end_keyring(self) -> None:
        _end(self._keyring)
        self._keyring = None

    def end(self) -> None:
        self.end_keyring()
        _end(self._bus)
        if self._bus and self._bus.stdout:
            self._bus.stdout.close()


def _end(child: "subprocess.Popen[Any] | None") -> None:
    if child:
        with contextlib.suppress(ProcessLookupError):
            os.kill(child.pid, signal.SIGCONT)
        child.kill()
        child.wait()


@contextmanager
def desktop(*, keyring: bool = True) -> Iterator[Desktop]:
    """A session to its end. Its path is short: that of a socket has 108 characters at the most."""
    one = Desktop(Path(tempfile.mkdtemp(prefix="gck-")))
    try:
        one.start_bus()
        if keyring:
            one.start_keyring()
        yield one
    finally:
        one.end()
        shutil.rmtree(one.home)


class AbsentPerson:
    """The program that would show gnome-keyring's questions on a display: takes every question, and never answers."""

    def __init__(self, address: str) -> None:
        self.asked = 0
        self._connection = open_dbus_connection(address)
        assert Proxy(message_bus, self._connection).RequestName(PROMPTER) == (1,)
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def _serve(self) -> None:
        with contextlib.suppress(OSError, ValueError):
            while True:
                message = self._connection.receive()
                if message.header.message_type is MessageType.method_call:
                    self.asked += message.header.fields[HeaderFields.member] == "BeginPrompting"
                    self._connection.send(new_method_return(message))

    def join(self) -> None:
        """After the bus has ended."""
        self._thread.join(20)
        assert not self._thread.is_alive()
        self._connection.close()


def build(cls: Any, env: Mapping[str, str], directory: Path, **settings: object) -> Built:
    """A plug-in of that class. `settings`: rows without `keyring.`."""
    rows = {f"keyring.{row}": value for row, value in settings.items()}
    return hunting.build(cls, hunting.variables(directory, env), directory, rows)
