"""Machines that share a cache, which is a plug-in in a folder of its own: a file that all of them read and write."""

import json
import subprocess
import sys
from pathlib import Path

from gc_credhelper.testing.machine import Machine, Run

from . import client

FAR = '''
import json
import os
import time

from gc_credhelper.roles import LostRace, Snapshot


class Far:
    """A store for machines that is a file."""

    far, settings, locator = True, (), None

    def __init__(self, context):
        self.path = os.environ["FAR"]

    def load(self):
        try:
            with open(self.path) as file:
                return json.load(file)
        except FileNotFoundError:
            return {}

    def read(self, key, deadline):
        version, text, at = self.load().get(key, (0, "", None))
        return Snapshot(version, text, at and time.time() - at)

    def compare_and_set(self, key, version, text, deadline):
        kept = self.load()
        if kept.get(key, (0,))[0] != version:
            raise LostRace
        kept[key] = (version + 1, text, time.time())
        with open(self.path, "w") as file:
            json.dump(kept, file)
        return version + 1
'''


class Fleet:
    """Machines that share a cache. `env`: more variables for all of them."""

    def __init__(self, folder: Path, server: object, **env: str) -> None:
        self.folder, self.server = folder, server
        info = folder / "far-1.dist-info"
        info.mkdir(parents=True)
        (folder / "far_module.py").write_text(FAR)
        (info / "METADATA").write_text("Metadata-Version: 2.1\nName: far\nVersion: 1\n")
        (info / "entry_points.txt").write_text("[gc_credhelper.cache_backends]\nfar = far_module:Far\n")
        self.env = {"PYTHONPATH": str(folder), "FAR": str(folder / "far.json"), "GC_CREDHELPER_CACHE": "file,far"}
        self.env |= {"GC_CREDHELPER_SLOTS": "2", **env}

    def machine(self, name: str) -> Machine:
        """The one of that name."""
        home = self.folder / name
        home.mkdir(exist_ok=True)
        return Machine(home)

    def __call__(self, name: str, *argv: str, stdin: str = "") -> Run:
        """Run a command on the machine of that name."""
        done = subprocess.run(
            [sys.executable, "-m", "gc_credhelper", *argv],
            env=self.machine(name).environ(client(self.server, **self.env)),
            input=stdin,
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
        return Run(done.returncode, done.stdout, done.stderr)

    def token(self, name: str, *argv: str) -> str:
        """The token that it gets, without a word on stderr."""
        done = self(name, "token", "-o", "raw", *argv)
        assert (done.code, done.err) == (0, "")
        return done.out.strip()

    def later(self, seconds: float) -> None:
        """Let the shared cache be older."""
        path = self.folder / "far.json"
        kept = json.loads(path.read_text())
        path.write_text(json.dumps({key: (version, text, at - seconds) for key, (version, text, at) in kept.items()}))
