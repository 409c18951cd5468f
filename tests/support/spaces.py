"""A command in a mount namespace of its own, where directories are read-only, full or missing, or under a limit."""

import os
import shlex
import subprocess
from collections.abc import Mapping

from gc_credhelper.testing.machine import GC, PASSED_ON, Machine, Run

from . import REQUIRE_REAL, require


def namespaced(machine: Machine, setup: str, env: Mapping[str, str], *argv: str) -> Run:
    """Run a command, by default `token`, after the shell lines of `setup`, which may mount: nobody else sees it.

    None of it for coverage, whose own files are not what is tested.
    """
    flags = ["-m"] if os.geteuid() == 0 else ["-rm"]
    unshare = require("unshare")
    import pytest

    if subprocess.run([unshare, *flags, "true"], capture_output=True, check=False).returncode:
        if REQUIRE_REAL:
            pytest.fail("no mount namespace can be made, and CI must not skip")
        pytest.skip("no mount namespace can be made here")
    return limited(machine, [unshare, *flags, "sh", "-ec", f'{setup}\nexec "$@"', "sh"], env, *argv)


def limited(machine: Machine, before: list[str], env: Mapping[str, str], *argv: str) -> Run:
    """Run it by another program, which limits it."""
    clean = {name: value for name, value in machine.environ(env).items() if not name.startswith(PASSED_ON)}
    words = [*before, GC, *(argv or ("token", "-o", "raw"))]
    done = subprocess.run(words, env=clean, capture_output=True, text=True, check=False, timeout=60)
    return Run(done.returncode, done.stdout, done.stderr)


def read_only(machine: Machine) -> str:
    """What makes its cache directory one that root cannot write to either."""
    place = shlex.quote(str(machine.cache.parent))
    return f"mount --bind {place} {place}; mount -o remount,ro,bind {place}"
