"""Installs the programs that the tests need from the system, where one is missing and we may: as root, or with a sudo
that asks nothing. Where we may not it says so; the tests then skip, and fail in CI.
"""

import os
import shutil
import subprocess
import sys

PROGRAMS = {"dbus-daemon": "dbus", "gnome-keyring-daemon": "gnome-keyring"}
QUIET = {"DEBIAN_FRONTEND": "noninteractive"}


def run(*argv: str) -> bool:
    """Did it succeed?"""
    done = subprocess.run(  # noqa: S603  # no shell, and no word comes from outside
        argv, env=os.environ | QUIET, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, check=False
    )
    return done.returncode == 0


def main() -> str:
    """What is still missing at the end, and why."""
    missing = {program: package for program, package in PROGRAMS.items() if not shutil.which(program)}
    if not missing:
        return ""
    names = ", ".join(missing)
    if not shutil.which("apt-get"):
        return f"{names}: not installed, and there is no apt-get here"
    root: tuple[str, ...] = ()
    if os.geteuid() != 0:
        root = ("sudo", "-n")
        if not shutil.which("sudo") or not run(*root, "true"):
            return f"{names}: not installed; as root run: apt-get install {' '.join(missing.values())}"
    install = (*root, "apt-get", "install", "-y", "-qq", "--no-install-recommends", *missing.values())
    if run(*install) or (run(*root, "apt-get", "update", "-qq") and run(*install)):
        return ""
    return f"{names}: apt-get could not install {' '.join(missing.values())}"


if __name__ == "__main__" and (problem := main()):
    print(f"warning: {problem}", file=sys.stderr)
