"""cargo's token-from-stdout, with the configuration of our page, against a registry on loopback."""

import json
import os
import pwd
from collections.abc import Iterator
from pathlib import Path

import clients
import pytest
from inputs.kit import script
from support import Machine, Run, client
from support.scripted import ScriptedServer, http, token

from callers.gateway import Gateway, run
from callers.shown import block

TOKEN = "tok-canary-Fv7"
PAGE = "bazel-and-header-helpers.md"
CRATE = {"name": "demo", "vers": "1.2.3", "deps": [], "cksum": "0" * 64, "features": {}, "yanked": False}
PROJECT = """\
[package]
name = "work"
version = "0.1.0"
edition = "2021"
[dependencies]
demo = { version = "1", registry = "genesys" }
"""
# rustup's cargo looks for its toolchains below HOME, which a test replaces.
RUSTUP = os.environ.get("RUSTUP_HOME") or str(Path(pwd.getpwuid(os.getuid()).pw_dir) / ".rustup")


@pytest.fixture
def registry() -> Iterator[Gateway]:
    def answers(path: str) -> object:
        paths = {"/index/config.json": json.dumps({"dl": "http://127.0.0.1:1/dl", "auth-required": True})}
        return (paths | {"/index/de/mo/demo": json.dumps(CRATE)}).get(path)

    with Gateway(answers, {TOKEN}, challenge="Cargo") as server:
        yield server


class Account:
    """An account with a crate that needs one of the registry."""

    def __init__(self, machine: Machine, server: ScriptedServer, registry: Gateway) -> None:
        self.machine, self.server, self.registry = machine, server, registry
        server.answers = [token(TOKEN)]
        machine.write_config("[profiles.ci]\nmin_ttl = '5m'\n")
        self.work = machine.home / "work"
        (self.work / "src").mkdir(parents=True)
        (self.work / "src" / "lib.rs").touch()
        (self.work / "Cargo.toml").write_text(PROJECT)

    def __call__(self, config: str) -> Run:
        home = self.machine.home / "cargo"
        home.mkdir(exist_ok=True)
        (home / "config.toml").write_text(config.replace("https://cargo.example.com", self.registry.url))
        env = client(self.server, CARGO_HOME=str(home), RUSTUP_HOME=RUSTUP, CARGO_NET_RETRY="0")
        return run(clients.need("cargo"), "generate-lockfile", env=self.machine.environ(env), cwd=self.work)


@pytest.fixture
def cargo(machine: Machine, scripted: ScriptedServer, registry: Gateway) -> Account:
    return Account(machine, scripted, registry)


def worked(cargo: Account, done: Run) -> None:
    assert done.code == 0, done.err
    assert 'name = "demo"' in (cargo.work / "Cargo.lock").read_text()
    assert TOKEN not in done.out + done.err
    assert cargo.registry.headers == cargo.registry.good
    assert len(cargo.server.requests) == 1


def test_cargo_takes_the_token_as_it_is(cargo: Account) -> None:
    worked(cargo, cargo(block(PAGE, "ini", "cargo:")))


def test_cargo_takes_the_header_from_the_script_of_the_page(cargo: Account) -> None:
    cargo.registry.good = {f"Bearer {TOKEN}"}
    path = script(cargo.machine.home / "genesys", block(PAGE, "bash", "Bearer").removeprefix("#!/bin/sh\n"))
    index = block(PAGE, "ini", "cargo:").partition("credential-provider")[0]
    worked(cargo, cargo(f'{index}credential-provider = ["cargo:token-from-stdout", "{path}"]\n'))


def test_cargo_shows_why_there_is_no_token(cargo: Account) -> None:
    cargo.server.answers = [http(401, {"error": "invalid_client"})]
    done = cargo(block(PAGE, "ini", "cargo:"))
    assert done.code == 101
    assert done.error
    assert done.hint
    assert cargo.server.client_secret not in done.out + done.err
    assert cargo.registry.headers == set()
    assert len(cargo.server.requests) == 1
