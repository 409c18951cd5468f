"""What the tests of fleets share: machines, a store and a login with a relay before each, and who holds the lease."""

import asyncio
import contextlib
import json
import re
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Self

from gc_credhelper.entry import Whose
from gc_credhelper.record import Record
from gc_credhelper.sandbox.options import Options
from gc_credhelper.sandbox.server import SandboxThread
from support import Machine, Run, outputs
from support.hunting import hunt
from vaultkit import ID, SECRET, Realm, answers, free_port, make_realm, running

LIST = "file,vault:gc-cache/ci"
HELD = 60.0  # seconds that the lease of `Stage.hold` lives, the most that is believed
GUARD = 600  # seconds after which a fleet hangs


@dataclass
class Ask:
    """One request that passed a relay; times are monotonic. `peer`: the port it came from."""

    method: str
    path: str
    body: bytes = field(repr=False)
    peer: int
    at: float = field(default_factory=time.monotonic)
    status: int = 0  # until the answer came
    answered: float = 0.0

    @property
    def is_look(self) -> bool:
        """Does it read the cache?"""
        return self.method == "GET" and "/gc-cache/data/" in self.path

    @property
    def record(self) -> Record | None:
        """What it has put into the cache, if it was such a request and granted."""
        if self.method == "GET" or "/gc-cache/data/" not in self.path or self.status != 200:
            return None
        return Record.load(json.loads(self.body)["data"]["record"])


class Relay:
    """Stands on a port before a server on this machine, keeps connections open, and remembers what passed."""

    def __init__(self, addr: str) -> None:
        """`addr`: of the server, such as http://127.0.0.1:8200."""
        self.asks: list[Ask] = []
        self._served: set[asyncio.Task[None]] = set()
        self._behind = int(addr.rpartition(":")[2])
        self._started: Future[int] = Future()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._main()), daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        self.port = self._started.result()
        self.addr = f"http://127.0.0.1:{self.port}"
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join()

    async def _main(self) -> None:
        self._loop, self._stop = asyncio.get_running_loop(), asyncio.Event()
        server = await asyncio.start_server(self._serve, "127.0.0.1", 0, backlog=1024)
        self._started.set_result(server.sockets[0].getsockname()[1])
        await self._stop.wait()
        server.close()
        await asyncio.sleep(0.01)  # connections that were taken in the last moment begin to be served
        for one in [*self._served]:
            one.cancel()
        await asyncio.gather(*self._served, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if task := asyncio.current_task():
            self._served.add(task)
        peer = writer.get_extra_info("peername")[1]
        with contextlib.suppress(OSError, EOFError, asyncio.CancelledError), contextlib.ExitStack() as ends:
            ends.callback(writer.close)
            behind, onward = await asyncio.open_connection("127.0.0.1", self._behind)
            ends.callback(onward.close)
            while True:  # until one of the two leaves
                head, body = await _message(reader)
                method, path, _ = head.decode("latin-1").split(" ", 2)
                ask = Ask(method, path, body, peer)
                self.asks.append(ask)
                onward.write(head + body)
                head, body = await _message(behind)
                ask.answered, ask.status = time.monotonic(), int(head[9:12])
                writer.write(head + body)


async def _message(reader: asyncio.StreamReader) -> tuple[bytes, bytes]:
    """Head and body of a request or an answer, as they came. EOFError when there is no more."""
    head = await reader.readuntil(b"\r\n\r\n")
    if length := re.search(rb"(?i)\ncontent-length: *(\d+)", head):
        return head, await reader.readexactly(int(length[1]))
    parts = []
    if re.search(rb"(?i)\ntransfer-encoding: *chunked", head):
        size = 1
        while size:
            parts.append(await reader.readline())
            size = int(parts[-1], 16)
            parts.append(await reader.readexactly(size + 2))
    return head, b"".join(parts)


@dataclass
class Stage:
    """A store and a login, and machines that share nothing else."""

    directory: Path
    realm: Realm
    vault: Relay
    login: Relay
    env: dict[str, str]
    _made: int = 0
    _children: list["subprocess.Popen[str]"] = field(default_factory=list)

    def machines(self, count: int) -> list[Machine]:
        """New ones: accounts with homes of their own."""
        made = []
        for _ in range(count):
            self._made += 1
            made.append(Machine(self.directory / f"machine-{self._made}"))
            made[-1].home.mkdir(parents=True)
        return made

    def start(self, machines: Sequence[Machine], *argv: str, **env: str) -> list["subprocess.Popen[str]"]:
        """One process on each, all at once. A machine may be named more than once."""
        started = [machine.start("token", "-o", "raw", *argv, env=self.env | env) for machine in machines]
        self._children += started
        return started

    def run(self, machines: Sequence[Machine], *argv: str, **env: str) -> list[Run]:
        """The same, to the end."""
        return ended(self.start(machines, *argv, **env))

    def look(self, **env: str) -> Run:
        """What a new machine shows of the store."""
        (machine,) = self.machines(1)
        return machine.run("status", "--json", "--shared", env=self.env | env)

    def waiting(self, count: int, **env: str) -> list["subprocess.Popen[str]"]:
        """That many new machines, each of which has found the lease held by somebody else and waits."""
        self.write(Record(holder="the test", lease=HELD))
        began = len(self.vault.asks)
        children = self.start(self.machines(count), **env)
        until(lambda: len({ask.peer for ask in self.vault.asks[began:] if ask.is_look}) >= count)
        return children

    def write(self, record: Record) -> None:
        """Put it into the store, whatever lies there."""
        kv, place = self.realm.root.secrets.kv.v2, {"mount_point": "gc-cache"}
        path = f"ci/{Whose(self.env['GC_CREDHELPER_TOKEN_URL'], 'basic', ID).key}"
        listed = self.realm.root.read(f"gc-cache/metadata/{path}")
        version = listed["data"]["current_version"] if listed else 0
        kv.create_or_update_secret(path, {"record": record.dump()}, cas=version, **place)

    def claims(self) -> list[Ask]:
        """The requests that took the lease."""
        return [ask for ask in self.vault.asks if ask.record and ask.record.holder]

    def ends(self) -> list[Ask]:
        """The requests with which a leader ended its lease."""
        return [ask for ask in self.vault.asks if ask.record and not ask.record.holder]

    def leader(self, children: Sequence["subprocess.Popen[str]"]) -> "subprocess.Popen[str]":
        """Which of them sent the last token request."""
        inode = _inode(self.login.asks[-1].peer, self.login.port)
        return next(child for child in children if inode in _sockets(child.pid))

    def close(self) -> None:
        """End what still runs."""
        for child in self._children:
            if child.poll() is None:
                child.kill()
                child.communicate()


@contextlib.contextmanager
def stage(
    directory: Path,
    realm: Realm,
    *,
    clients: Sequence[tuple[str, str]] = ((ID, SECRET),),
    latency: float = 0.3,
    fail: Sequence[str] = (),
) -> Iterator[Stage]:
    """`clients`, `latency`, `fail`: of the login, as the sandbox takes them."""
    options = Options(clients=clients, latency=latency, fail=fail)
    with SandboxThread(options) as sandbox, Relay(realm.addr) as vault, Relay(sandbox.api_url) as login:
        env = variables(f"{login.addr}/oauth/token", replace(realm, addr=vault.addr))
        made = Stage(directory, realm, vault, login, env)
        try:
            yield made
        finally:
            made.close()


@contextlib.contextmanager
def own_server(directory: Path) -> Iterator[tuple[Realm, int]]:
    """A realm on a server that nobody else uses, and the id of its process."""
    addr = f"http://127.0.0.1:{free_port()}"
    argv = ("-dev", "-dev-root-token-id=root-canary", f"-dev-listen-address={addr[7:]}", "-dev-no-store-token")
    with running(directory, "server", *argv, ready=answers(f"{addr}/v1/sys/health")) as pid:
        yield make_realm(addr, "root-canary"), pid


def variables(token_url: str, realm: Realm, **more: str) -> dict[str, str]:
    """Those of a job that has its credentials from the store and shares its token there."""
    own = {
        "GC_CREDHELPER_TOKEN_URL": token_url,
        "GC_CREDHELPER_PROVIDER": "vault:secret/ci/genesys",
        "GC_CREDHELPER_CACHE": LIST,
        "GC_CREDHELPER_CLIENT_ID": ID,
        "GC_CREDHELPER_DEADLINE": "120s",
    }
    return realm.env(**own | more)


BY_ENV: Mapping[str, str] = {
    "GC_CREDHELPER_PROVIDER": "env",
    "GENESYS_CLOUD_CLIENT_ID": ID,
    "GENESYS_CLOUD_CLIENT_SECRET": SECRET,
}
"""Variables of a job that does not need the store for its credentials."""


def ended(children: Sequence["subprocess.Popen[str]"]) -> list[Run]:
    """Wait for all of them; nothing that they say may hold a secret."""
    done = outputs(children, GUARD)
    for run in done:
        hunt(run.err)
    return done


def until(true: Callable[[], object]) -> None:
    """Wait."""
    give_up = time.monotonic() + GUARD
    while not true():
        assert time.monotonic() < give_up, "it never came true"
        time.sleep(0.005)


def _inode(port: int, to: int) -> str:
    """Of the socket with which somebody on this machine is connected from that port (proc(5))."""
    ends = (f":{port:04X}", f":{to:04X}")
    for line in Path("/proc/net/tcp").read_text().splitlines()[1:]:
        _, near, far, *rest = line.split()
        if (near[-5:], far[-5:]) == ends:
            return rest[6]
    raise AssertionError("there is no such connection")


def _sockets(pid: int) -> set[str]:
    """The inodes of a process' sockets."""
    found = set()
    for name in Path(f"/proc/{pid}/fd").iterdir():
        with contextlib.suppress(FileNotFoundError):
            found.update(re.findall(r"^socket:\[(\d+)\]$", str(name.readlink())))
    return found
