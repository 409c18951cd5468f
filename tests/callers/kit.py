"""What the tests of callers share: places that a token is of, stand-ins for programs, and who can see what."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import requests
from support import Machine, client

from gc_credhelper.regions import find
from gc_credhelper.sandbox.server import SandboxThread

SECRET = "canary-Kp4-the-client-secret"


@dataclass(frozen=True)
class Somewhere:
    """The client of a real region, of which only the cache is ever asked."""

    token_url: str
    client_id: str = "7cb1c5b3-client-of-a-region"
    client_secret: str = SECRET

    @classmethod
    def in_region(cls, name: str) -> "Somewhere":
        row = find(name)
        assert row, name
        return cls(row.token_url)


def with_api(sandbox: SandboxThread, **more: str) -> dict[str, str]:
    """The variables that reach a sandbox and its API."""
    return client(sandbox, GC_CREDHELPER_API_URL=sandbox.ready["api_url"], **more)


def is_alive(sandbox: SandboxThread, token: str) -> bool:
    """Does the API take it?"""
    with requests.Session() as session:
        session.trust_env = False
        answer = session.get(
            f"{sandbox.ready['api_url']}/api/v2/tokens/me", headers={"Authorization": f"Bearer {token}"}, timeout=30
        )
    assert answer.status_code in (200, 401)
    return answer.status_code == 200


def wait_for(condition: Callable[[], bool], seconds: float = 60) -> None:
    """Until it holds."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not come to that"
        time.sleep(0.01)


def command_lines() -> str:
    """The arguments of every process that this user may look at."""
    found = []
    for pid in filter(str.isdecimal, (path.name for path in Path("/proc").iterdir())):
        try:
            found.append(Path("/proc", pid, "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace"))
        except OSError:
            continue
    return "\n".join(found)


def program(directory: Path, name: str, text: str) -> Path:
    """An executable script."""
    directory.mkdir(exist_ok=True)
    path = directory / name
    path.write_text(text)
    path.chmod(0o755)
    return path


def variables_of(machine: Machine, *argv: str, env: dict[str, str]) -> dict[str, str]:
    """The environment that `exec` with these options gives to its program."""
    done = machine.run("exec", *argv, "--", "env", "-0", env=env)
    assert done.code == 0, done.err
    return dict(line.split("=", 1) for line in done.out.split("\0") if line)
