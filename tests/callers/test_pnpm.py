"""pnpm's tokenHelper: version 10, which sends what it gets, and version 12, which puts `Bearer` before it."""

import os
from collections.abc import Iterator
from pathlib import Path

import clients
import pytest
from inputs.kit import script
from support import Machine, Run, client
from support.scripted import ScriptedServer, http, token

from callers.gateway import Gateway, run
from callers.shown import block

TOKEN = "tok-canary-Gs2"
PAGE = "bazel-and-header-helpers.md"
DIST = {"tarball": "http://127.0.0.1:1/demo.tgz", "integrity": f"sha512-{'A' * 86}=="}
PACKAGE = {
    "name": "demo",
    "dist-tags": {"latest": "1.2.3"},
    "versions": {"1.2.3": {"name": "demo", "version": "1.2.3", "dist": DIST}},
    "time": {"1.2.3": "2020-01-01T00:00:00.000Z"},
}


@pytest.fixture
def registry() -> Iterator[Gateway]:
    with Gateway({"/demo": PACKAGE}.get, {f"Bearer {TOKEN}"}) as server:
        yield server


class Account:
    """An account whose pnpm asks our helper for a token of the registry."""

    def __init__(self, machine: Machine, server: ScriptedServer, registry: Gateway) -> None:
        self.machine, self.server, self.registry = machine, server, registry
        server.answers = [token(TOKEN)]
        machine.write_config("[profiles.ci]\nmin_ttl = '5m'\n")
        self.helper = machine.home / "genesys-npm"

    def __call__(self, name: str) -> Run:
        line = block(PAGE, "ini", "tokenHelper").replace("//registry.example.com/", f"//{self.registry.host}/")
        line = line.replace("/opt/helpers/genesys-npm", str(self.helper))
        (self.machine.home / ".npmrc").write_text(f"registry={self.registry.url}/\nfetch-retries=0\n{line}")
        work = self.machine.home / "work"
        work.mkdir(exist_ok=True)
        (work / "package.json").write_text("{}")
        env = self.machine.environ(client(self.server, CI="1"))
        env["PATH"] += f":{os.environ['PATH']}"  # node may lie anywhere
        return run(clients.need(name), "add", "--lockfile-only", "demo", env=env, cwd=work)


@pytest.fixture
def pnpm(machine: Machine, scripted: ScriptedServer, registry: Gateway) -> Account:
    return Account(machine, scripted, registry)


def worked(pnpm: Account, name: str) -> None:
    done = pnpm(name)
    assert done.code == 0, done.out + done.err
    assert "demo@1.2.3" in (pnpm.machine.home / "work" / "pnpm-lock.yaml").read_text()
    assert TOKEN not in done.out + done.err
    assert pnpm.registry.headers == {f"Bearer {TOKEN}"}
    assert len(pnpm.server.requests) == 1


def write_script(path: Path) -> None:
    """As the page shows it."""
    script(path, block(PAGE, "bash", "Bearer").removeprefix("#!/bin/sh\n"))


def test_pnpm_12_takes_the_token_from_a_shim(pnpm: Account) -> None:
    assert pnpm.machine.run("helper", "shim", str(pnpm.helper)).code == 0
    worked(pnpm, "pnpm")


def test_pnpm_10_takes_the_header_from_the_script_of_the_page(pnpm: Account) -> None:
    write_script(pnpm.helper)
    worked(pnpm, "pnpm-10")


def test_pnpm_10_stops_when_no_token_can_be_had(pnpm: Account) -> None:
    pnpm.server.answers = [http(401, {"error": "invalid_client"})]
    write_script(pnpm.helper)
    done = pnpm("pnpm-10")
    assert done.code == 1
    assert pnpm.registry.seen == []
    assert pnpm.server.client_secret not in done.out + done.err


def test_pnpm_12_goes_on_without_a_token(pnpm: Account) -> None:
    pnpm.server.answers = [http(401, {"error": "invalid_client"})]
    assert pnpm.machine.run("helper", "shim", str(pnpm.helper)).code == 0
    done = pnpm("pnpm")
    assert done.code == 1
    assert pnpm.registry.headers == set()
    assert pnpm.registry.seen
