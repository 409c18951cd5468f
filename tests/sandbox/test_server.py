import asyncio
import base64
import http.client as http_client
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import aiohttp
import pytest
import requests

from gc_credhelper.sandbox.command import run_with_command
from gc_credhelper.sandbox.options import Options, Ready
from gc_credhelper.sandbox.server import SandboxThread, ready_line, run

from .kit import GRANT, TIMEOUT, ask, call, new_token

Start = Callable[..., SandboxThread]
SERVE = """
import sys
from gc_credhelper.sandbox.options import Options
from gc_credhelper.sandbox.server import ready_line, run
sys.exit(run(Options(fail=["timeout"]), lambda ready: print(ready_line(ready), flush=True)))
"""
BESIDE = """
import os, sys
from gc_credhelper.sandbox.command import run_with_command
from gc_credhelper.sandbox.options import Options
sys.exit(run_with_command(Options(), sys.argv[1:], lambda ready: os.environ))
"""
COUNT_INTERRUPTS = """
import signal, sys, time
seen = []
signal.signal(signal.SIGINT, lambda *_: seen.append(1))
signal.signal(signal.SIGTERM, lambda *_: seen.append(10))
print("listening", flush=True)
while not seen:
    time.sleep(0.01)
time.sleep(0.4)
print("seen", sum(seen), flush=True)
sys.exit(sum(seen))
"""


def environ(ready: Ready) -> Mapping[str, str]:
    return {**os.environ, **{key.upper(): value for key, value in ready.items()}}


def python(code: str, *arguments: str, **options: object) -> "subprocess.Popen[str]":
    return subprocess.Popen(  # type: ignore[call-overload,no-any-return]
        [sys.executable, "-c", code, *arguments], stdout=subprocess.PIPE, text=True, **options
    )


def test_the_ready_line_is_one_line_of_json(sandbox: SandboxThread) -> None:
    line = ready_line(sandbox.ready)
    assert "\n" not in line
    assert json.loads(line) == {
        "token_url": f"{sandbox.api_url}/oauth/token",
        "api_url": sandbox.api_url,
        "client_id": sandbox.client_id,
        "client_secret": sandbox.client_secret,
    }
    assert sandbox.api_url.startswith("http://127.0.0.1:")


@pytest.mark.parametrize("signum", [signal.SIGINT, signal.SIGTERM])
def test_serving_ends_well_on_a_signal_even_with_a_hanging_client(signum: signal.Signals) -> None:
    with python(SERVE, stderr=subprocess.PIPE) as server:
        assert server.stdout is not None
        address = json.loads(server.stdout.readline())["token_url"].split("/")[2].split(":")
        with socket.create_connection((address[0], int(address[1])), timeout=TIMEOUT) as client:
            client.sendall(b"POST /oauth/token HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n")
            client.settimeout(0.3)
            with pytest.raises(TimeoutError):
                client.recv(1)
            before = time.monotonic()
            server.send_signal(signum)
            assert server.communicate(timeout=TIMEOUT) == ("", "")
        assert time.monotonic() - before < 1
    assert server.returncode == 0


def test_a_port_in_use_is_an_os_error() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        options = Options(port=taken.getsockname()[1])
        with pytest.raises(OSError, match="address already in use"), SandboxThread(options):
            pass
        with pytest.raises(OSError, match="address already in use"):
            run(options, lambda _: pytest.fail("it was not ready"))
        with pytest.raises(OSError, match="address already in use"):
            run_with_command(options, ["true"], environ)


def test_a_chosen_port_is_taken_and_freed(start: Start, http: requests.Session) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    for _ in range(2):
        sandbox = start(port=port)
        assert sandbox.api_url == f"http://127.0.0.1:{port}"
        assert ask(http, sandbox).status_code == 200
        sandbox.stop()
        sandbox.stop()
    with pytest.raises(requests.exceptions.ConnectionError):
        ask(http, sandbox)


def test_two_hundred_clients_are_held_at_once(start: Start) -> None:
    sandbox = start(latency=0.5)

    pair = base64.b64encode(f"{sandbox.client_id}:{sandbox.client_secret}".encode()).decode()

    async def one(session: aiohttp.ClientSession) -> int:
        async with session.post(sandbox.token_url, data=GRANT) as answer:
            token = (await answer.json())["access_token"]
        async with session.get(sandbox.api_url + "/api/v2/users", headers={"Authorization": f"Bearer {token}"}) as page:
            return page.status

    async def crowd() -> list[int]:
        async with aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0, force_close=True),
            timeout=aiohttp.ClientTimeout(total=30),
            headers={"Authorization": f"Basic {pair}"},
        ) as session:
            return await asyncio.gather(*(one(session) for _ in range(200)))

    assert asyncio.run(crowd()) == [200] * 200
    stats = sandbox.stats()
    assert (stats["token_requests"], stats["tokens_issued"], stats["api_requests"]) == (200, 200, 200)
    assert stats["max_in_flight"] == 200


def test_two_hundred_connections_are_kept_alive(start: Start) -> None:
    sandbox = start(api_limit=0)
    host, port = sandbox.api_url.removeprefix("http://").split(":")
    with requests.Session() as http:
        http.trust_env = False
        headers = {"Authorization": f"Bearer {new_token(http, sandbox)}"}
    connections = [http_client.HTTPConnection(host, int(port), timeout=30) for _ in range(200)]
    for connection in connections:
        connection.connect()
    sockets = [connection.sock for connection in connections]
    for path, status in (("nothing", 404), ("tokens/me", 200)):
        for connection in connections:
            connection.request("GET", f"/api/v2/{path}", headers=headers)
        for connection in connections:
            with connection.getresponse() as answer:
                assert answer.status == status
                answer.read()
    assert [connection.sock for connection in connections] == sockets
    for connection in connections:
        connection.close()


def test_a_backlog_of_connections_waits_to_be_accepted(sandbox: SandboxThread) -> None:
    host, port = sandbox.api_url.removeprefix("http://").split(":")
    clients = [socket.create_connection((host, int(port)), timeout=2) for _ in range(512)]
    for client in clients:
        client.close()
    with socket.create_connection((host, int(port)), timeout=30) as last:  # its answer comes when all others were taken
        last.sendall(b"GET /_sandbox/stats HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
        while last.recv(4096):
            continue


def test_a_command_gets_its_environment_and_gives_its_status(tmp_path: Path) -> None:
    code = f"""
import os, pathlib, sys, urllib.request
with urllib.request.urlopen(os.environ["API_URL"] + "/_sandbox/stats", timeout=5) as answer:
    pathlib.Path({str(tmp_path / "stats")!r}).write_bytes(answer.read())
sys.exit(7)
"""
    assert run_with_command(Options(), [sys.executable, "-c", code], environ) == 7
    assert json.loads((tmp_path / "stats").read_text())["token_requests"] == 0


def test_a_command_ended_by_a_signal_gives_128_and_its_number() -> None:
    assert run_with_command(Options(), ["sh", "-c", "kill -9 $$"], environ) == 137


def test_a_command_that_cannot_start_gives_the_status_of_a_shell(tmp_path: Path) -> None:
    plain = tmp_path / "plain"
    plain.write_text("text")
    assert run_with_command(Options(), ["gc-credhelper-no-such-command"], environ) == 127
    assert run_with_command(Options(), [str(plain)], environ) == 126
    assert run_with_command(Options(), [str(tmp_path)], environ) == 126


def test_handlers_of_signals_are_put_back() -> None:
    before = [signal.getsignal(signum) for signum in (signal.SIGINT, signal.SIGTERM)]
    run_with_command(Options(), ["true"], environ)
    run_with_command(Options(), ["gc-credhelper-no-such-command"], environ)
    assert [signal.getsignal(signum) for signum in (signal.SIGINT, signal.SIGTERM)] == before


@pytest.mark.parametrize(("signum", "weight"), [(signal.SIGINT, 1), (signal.SIGTERM, 10)])
def test_a_signal_to_us_is_passed_on_to_the_command(signum: signal.Signals, weight: int) -> None:
    with python(BESIDE, sys.executable, "-c", COUNT_INTERRUPTS, start_new_session=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "listening\n"
        process.send_signal(signum)
        assert process.communicate(timeout=TIMEOUT)[0] == f"seen {weight}\n"
    assert process.returncode == weight


def test_an_interrupt_at_the_terminal_reaches_the_command_once() -> None:
    code = "import pty, sys, os; sys.exit(os.waitstatus_to_exitcode(pty.spawn(sys.argv[1:])))"
    inner = [sys.executable, "-c", BESIDE, sys.executable, "-c", COUNT_INTERRUPTS]
    with python(code, *inner, stdin=subprocess.PIPE, start_new_session=True) as terminal:
        assert terminal.stdout is not None
        assert terminal.stdin is not None
        assert terminal.stdout.readline() == "listening\n"
        terminal.stdin.write("\x03")
        terminal.stdin.flush()
        assert "seen 1\n" in terminal.stdout.read()
        assert terminal.wait(TIMEOUT) == 1


def test_the_sandbox_ends_with_its_command() -> None:
    seen: Ready = {}

    def remember(ready: Ready) -> Mapping[str, str]:
        seen.update(ready)
        return environ(ready)

    threads = threading.active_count()
    assert run_with_command(Options(), ["true"], remember) == 0
    assert threading.active_count() == threads
    with pytest.raises(requests.exceptions.ConnectionError):
        requests.get(seen["api_url"], timeout=TIMEOUT)


def test_nothing_is_printed(sandbox: SandboxThread, http: requests.Session, capfd: pytest.CaptureFixture[str]) -> None:
    token = new_token(http, sandbox)
    call(http, sandbox, token, "/api/v2/nothing")
    ask(http, sandbox, auth=("nobody", "x"))
    sandbox.stop()
    assert capfd.readouterr() == ("", "")
