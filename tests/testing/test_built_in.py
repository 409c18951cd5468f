"""The built-in plug-ins keep their promises, as a stranger's have to."""

import json
import os
import shlex
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from gc_credhelper.testing import (
    CacheBackendContract,
    CacheCase,
    CredentialProviderContract,
    ProviderCase,
)


@pytest.fixture
def pipe(tmp_path: Path) -> Path:
    """A pipe into which nobody writes."""
    path = tmp_path / "pipe"
    os.mkfifo(path)
    return path


class TestEnv(CredentialProviderContract):
    @pytest.fixture
    def case(self, pipe: Path) -> ProviderCase:
        def put(client_id: str | None, secret: str | None) -> dict[str, str]:
            halves = {"GENESYS_CLOUD_CLIENT_ID": client_id, "GENESYS_CLOUD_CLIENT_SECRET": secret}
            return {name: value for name, value in halves.items() if value is not None}

        silent = {"GENESYS_CLOUD_CLIENT_SECRET": "", "GENESYS_CLOUD_CLIENT_SECRET_FILE": str(pipe)}
        return ProviderCase(name="env", put=put, unreachable=None, silent=silent)


class TestEnvWithPrefix(CredentialProviderContract):
    @pytest.fixture
    def case(self) -> ProviderCase:
        def put(client_id: str | None, secret: str | None) -> dict[str, str]:
            halves = {"OURS_CLIENT_ID": client_id, "OURS_CLIENT_SECRET": secret}
            return {name: value for name, value in halves.items() if value is not None}

        return ProviderCase(name="env", reference="OURS", put=put, unreachable=None, silent=None)


class TestFile(CredentialProviderContract):
    @pytest.fixture
    def case(self, tmp_path: Path, pipe: Path) -> ProviderCase:
        path = tmp_path / "client.json"

        def put(client_id: str | None, secret: str | None) -> dict[str, str]:
            halves = {"client_id": client_id, "client_secret": secret}
            path.write_text(json.dumps({name: value for name, value in halves.items() if value is not None}))
            return {"GC_CREDHELPER_FILE_PATH": str(path)}

        silent = {"GC_CREDHELPER_FILE_PATH": str(pipe)}
        return ProviderCase(name="file", put=put, unreachable=None, silent=silent, files=[path])


class TestFileOfEachHalf(CredentialProviderContract):
    @pytest.fixture
    def case(self, tmp_path: Path) -> ProviderCase:
        directory = tmp_path / "mounted"
        directory.mkdir()
        files = [directory / "client_id", directory / "client_secret"]

        def put(*halves: str | None) -> dict[str, str]:
            for path, value in zip(files, halves, strict=True):
                path.unlink(missing_ok=True)
                if value is not None:
                    path.write_text(value)
            return {}

        return ProviderCase(name="file", reference=str(directory), put=put, unreachable=None, silent=None, files=files)


class TestCommand(CredentialProviderContract):
    @pytest.fixture
    def case(self, tmp_path: Path) -> ProviderCase:
        script, store = tmp_path / "print.py", tmp_path / "store.json"
        script.write_text(f"print(open({str(store)!r}).read())")
        argv = [sys.executable, "-S", "-I", str(script)]

        def put(client_id: str | None, secret: str | None) -> dict[str, str]:
            halves = {"client_id": client_id, "client_secret": secret}
            store.write_text(json.dumps({name: value for name, value in halves.items() if value is not None}))
            return {"GC_CREDHELPER_COMMAND_ARGV": shlex.join(argv)}

        silent = {"GC_CREDHELPER_COMMAND_ARGV": "sleep 60"}
        return ProviderCase(name="command", put=put, unreachable=None, silent=silent, files=[script])


class TestFileCache(CacheBackendContract):
    @pytest.fixture
    def case(self, tmp_path: Path) -> CacheCase:
        directory, other = tmp_path / "cache", tmp_path / "no-directory"
        directory.mkdir()
        other.touch()

        def damage() -> None:
            for path in directory.rglob("*.token"):
                path.write_bytes(path.read_bytes()[:40] + b"\xff\x00")

        return CacheCase(
            name="file",
            env={"GC_CREDHELPER_FILE_DIRECTORY": str(directory)},
            unreachable={"GC_CREDHELPER_FILE_DIRECTORY": str(other)},
            silent=None,
            damage=damage,
            directory=directory,
        )


class TestMemoryCache(CacheBackendContract):
    @pytest.fixture
    def case(self) -> Iterator[CacheCase]:
        from gc_credhelper import memory

        memory._texts.clear()
        yield CacheCase(
            name="memory", env={}, unreachable=None, silent=None, damage=None, directory=None, one_process=True
        )
        memory._texts.clear()
