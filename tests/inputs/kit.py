"""What these tests share: the command in this process, and what every refusal must look like."""

import json
from collections.abc import Mapping
from pathlib import Path

import pytest
from support import Run

from gc_credhelper import cli

CANARY = "canary-K7xQ2v-never-shown"


class Shell:
    """Runs the command in this process, which is faster than a process each."""

    def __init__(self, home: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> None:
        self.home = home
        self.config = home / ".config" / "gc-credhelper" / "config.toml"
        self._monkeypatch = monkeypatch
        self._capfd = capfd

    def __call__(self, *argv: str, env: Mapping[str, str] | None = None) -> Run:
        with self._monkeypatch.context() as patch:
            for name, value in (env or {}).items():
                patch.setenv(name, value)
            patch.chdir(self.home)
            self._capfd.readouterr()
            try:
                code = cli.main(list(argv))
            except SystemExit as e:  # argparse's way to end --help
                code = int(e.code or 0)
            out, err = self._capfd.readouterr()
        return Run(code, out, err)

    def write_config(self, text: str | bytes) -> Path:
        self.config.parent.mkdir(parents=True, exist_ok=True)
        self.config.write_bytes(text.encode() if isinstance(text, str) else text)
        return self.config

    def settings(self, *argv: str, env: Mapping[str, str] | None = None) -> dict[str, tuple[str, str]]:
        """What `status --json` says: value and Origin by name."""
        done = self("status", "--json", *argv, env=env)
        assert done.code == 0, done.err
        return {row["name"]: (row["value"], row["origin"]) for row in json.loads(done.out)["settings"]}


def refused(done: Run, code: int, *said: str) -> Run:
    """Exit code, one error line, one hint line, nothing on stdout, no canary; and what error and hint must name."""
    assert (done.code, done.out) == (code, ""), done.err
    assert done.error
    assert done.hint
    unexpected = [line for line in done.err.splitlines() if not line.startswith("gc-credhelper: ")]
    assert not unexpected
    assert CANARY not in done.err
    for words in said:
        assert words in f"{done.error}\n{done.hint}", done.err
    return done


def script(path: Path, text: str) -> str:
    """An executable shell script."""
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o700)
    return str(path)
