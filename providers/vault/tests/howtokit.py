"""Who follows the how-to pages: an operator with his desk, and a machine of a CI system on which jobs run."""

import re
import subprocess
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

from cijobs import Shell, github, gitlab, jenkins, kubernetes
from docs.pages import Block, check, console, name, script
from gc_credhelper.sandbox.server import SandboxThread
from issuers import Issuer
from support import Machine
from support.hunting import hunt
from vaultkit import Realm


@dataclass
class Stage:
    """A namespace that an operator set up with all of the pages, and those around it."""

    realm: Realm
    desk: Path
    github: Issuer
    gitlab: Issuer
    cluster: Issuer
    api: str
    secure: str
    ca: Path

    def used(self, text: str, genesys: str = "", home: Path | None = None) -> str:
        """The text with what is here in place of what the pages show. `genesys`: the API; `home`: of the machine."""
        for shown, here in shown_and_used(self, genesys, home).items():
            text = text.replace(shown, here)
        return text

    def operate(self, block: Block) -> None:
        """Run the block as an operator would, in a folder that holds the files it names."""
        env = {"PATH": f"{self.desk}/bin:/usr/bin:/bin", "HOME": str(self.desk), "VAULT_TOKEN": "root-canary"}
        env |= {"VAULT_ADDR": self.realm.addr, "VAULT_NAMESPACE": self.realm.namespace}
        command = ["bash", "-euo", "pipefail", "-c", self.used(block.text)]
        done = subprocess.run(command, env=env, cwd=self.desk, capture_output=True, text=True, check=False, timeout=60)
        assert done.returncode == 0, f"{name(block.page)}: {done.stderr}"
        hunt(done.stdout + done.stderr)


def shown_and_used(stage: Stage, genesys: str, home: Path | None) -> dict[str, str]:
    """What the pages show, and what is in its place here; the longer first."""
    return {
        "https://vault.example.com:8200": stage.realm.addr,
        "https://token.actions.githubusercontent.com": stage.github.url,
        "https://gitlab.example.com": stage.gitlab.url,
        "https://kubernetes.example.com:6443": stage.api,
        "https://api.mypurecloud.ie": genesys,
        "pip install gc-credhelper-vault": "gc-credhelper plugins > /dev/null",
        "/var/run/secrets/vault": f"{home}/run/secrets/vault",
    }


@dataclass
class Story:
    """One machine of one CI system that follows a page. `env`: the variables of its job."""

    stage: Stage
    machine: Machine
    genesys: SandboxThread
    stack: ExitStack
    env: dict[str, str] = field(default_factory=dict)
    file: str = ""

    def follow(self, block: Block, situation: Mapping[str, str]) -> None:
        """Do what the block is for. `situation`: variables of this block alone."""
        text = self.stage.used(block.text, self.genesys.api_url, self.machine.home)
        if block.info == "sh vault":
            self.stage.operate(block)
        elif block.info == "console vault":
            self.talk(Block(block.page, block.info, text, block.above), situation)
        else:
            self.work(block, text)

    def work(self, block: Block, text: str) -> None:
        """Run the job of a CI file; one token request serves it, however often it is run."""
        if not text.startswith(("#", "//")):  # a line for the file above
            text = self.file.replace("environment {\n", "environment {\n" + text)
        self.file = text
        shells = self.shells(block.page.name)
        self.env = self.reach() | shells[0].env
        said = ""
        for shell in shells:
            env = self.machine.environ(self.reach() | shell.env)
            done = subprocess.run(
                shell.argv, env=env, cwd=self.machine.home, capture_output=True, text=True, check=False, timeout=60
            )
            said += hunt(done.stdout + done.stderr)
            assert done.returncode == 0, said
        assert self.genesys.stats()["token_requests"] == 1
        assert self.genesys.stats()["api_requests"] >= 1
        token = self.machine.run("token", "-o", "raw", env=self.env).out.strip()
        assert self.genesys.stats()["token_requests"] == 1
        assert token
        assert token not in said.replace(f"::add-mask::{token}", "")
        assert [*self.machine.home.rglob("*.token")] or "forget --cache file" in text

    def shells(self, page: str) -> list[Shell]:
        """What the CI system of that page makes of the file."""
        temp = self.machine.home / "job-temp"
        temp.mkdir(exist_ok=True)
        if page == "vault-github-actions.md":
            return github(self.file, self.stage.github, temp)
        if page == "vault-gitlab.md":
            return gitlab(self.file, self.stage.gitlab)
        if page == "vault-jenkins.md":
            return jenkins(self.file, self.stage.desk, temp)
        return kubernetes(self.file, self.stage.cluster)

    def reach(self) -> dict[str, str]:
        """What no page shows: the namespace, and the sandbox in place of Genesys Cloud."""
        return {"VAULT_NAMESPACE": self.stage.realm.namespace, "GC_CREDHELPER_TOKEN_URL": self.genesys.token_url}

    def talk(self, block: Block, situation: Mapping[str, str]) -> None:
        """Compare what the commands print with what the page shows, and their status with the exit code named above."""
        commands = console(block)
        kept = self.machine.home / "variables"
        done = subprocess.run(
            ["bash", "-c", f"{script(commands)}env -0 > {kept}\n"],
            env=self.machine.environ({**self.env, **situation}),
            cwd=self.machine.home,
            stdout=subprocess.PIPE,
            text=True,
            check=False,
            timeout=100,
        )
        statuses = check(commands, hunt(done.stdout).replace("127.0.0.1", "vault.example.com"))
        named = re.findall(r"[Ee]xit code (\d)", block.above)
        wanted = {(0, int(named[-1]))[step.fails] if named else 0 for step in commands}
        assert {*statuses} == wanted, f"{name(block.page)}, {block.heading}"
        found = dict(row.split("=", 1) for row in kept.read_text().split("\0") if row)
        self.env |= {n: v for n, v in found.items() if n.startswith("GC_CREDHELPER_") and n not in situation}
