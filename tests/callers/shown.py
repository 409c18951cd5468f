"""How-to pages that need a client: their blocks are run as a reader would, with programs that are watched."""

import os
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

from docs.pages import HOW_TO, blocks
from support import GC, Machine, Run, client, entries

from gc_credhelper.sandbox.server import SandboxThread


def block(page: str, info: str, containing: str = "") -> str:
    """The one block of that kind that contains the text."""
    found = [one.text for one in blocks(HOW_TO / page) if one.info == info and containing in one.text]
    assert len(found) == 1, f"{page} has {len(found)} blocks of {info} with {containing!r}"
    return found[0]


class Caller:
    """A user's account where programs are called, each through a script that writes down its arguments first."""

    def __init__(self, machine: Machine, sandbox: SandboxThread) -> None:
        self.machine = machine
        self.sandbox = sandbox
        self.home = machine.home
        self.work = machine.home / "work"
        self.work.mkdir()
        self._bin = machine.home / "bin"
        self._bin.mkdir()
        self._calls = machine.home / "calls"
        self.watch("gc-credhelper", GC)

    def watch(self, name: str, path: str, then: str = "") -> None:
        """Put the program on PATH under that name. `then`: what the shell does with its output."""
        script = f"#!/bin/sh\nprintf '%s\\n' \"{name} $*\" >> '{self._calls}'\n"
        script += f"'{path}' \"$@\" {then}\n" if then else f"exec '{path}' \"$@\"\n"
        self.stand_in(name, script)

    def stand_in(self, name: str, script: str) -> None:
        """Put a script on PATH."""
        (self._bin / name).write_text(script)
        (self._bin / name).chmod(0o755)

    @property
    def calls(self) -> list[str]:
        """Each program that was called, with its arguments."""
        return self._calls.read_text().splitlines() if self._calls.exists() else []

    def helper_calls(self, command: str) -> int:
        """How often that command of ours was called."""
        return sum(line.startswith(f"gc-credhelper {command}") for line in self.calls)

    def environ(self, extra: Mapping[str, str] | None = None) -> dict[str, str]:
        """What a step of a pipeline would have: the sandbox's client, and our programs first on PATH."""
        given = client(self.sandbox, GC_CREDHELPER_API_URL=self.sandbox.api_url)
        environ = self.machine.environ(given | dict(extra or {}))
        return environ | {"PATH": f"{self._bin}:{environ['PATH']}"}

    def run(self, *argv: str, env: Mapping[str, str] | None = None, stdin: str | None = None) -> Run:
        """A program in the working directory, to its end."""
        environ = self.environ(env)
        done = subprocess.run(
            [shutil.which(argv[0], path=environ["PATH"]) or argv[0], *argv[1:]],
            env=environ,
            cwd=self.work,
            input=stdin,
            stdin=subprocess.DEVNULL if stdin is None else None,
            capture_output=True,
            text=True,
            check=False,
            timeout=100,
        )
        return Run(done.returncode, done.stdout, done.stderr)

    def shell(self, text: str, env: Mapping[str, str] | None = None) -> Run:
        """The commands of a page, which ends at the first that fails."""
        return self.run("bash", "-ec", text, env=env)

    @property
    def token(self) -> str:
        """The cached one."""
        return entries.get(self.machine.cache, self.sandbox).value

    def assert_kept_secret(self, token: str, *runs: Run) -> None:
        """Neither the token nor the secret is in anything that was said, in any argument, or in any file but ours."""
        said = [text for run in runs for text in (run.out, run.err)] + self.calls
        files = [Path(folder, name) for folder, _, names in os.walk(self.home) for name in names]
        said += [path.read_text(errors="replace") for path in files if not path.is_relative_to(self.machine.cache)]
        for text in said:
            assert token not in text
            assert self.sandbox.client_secret not in text
