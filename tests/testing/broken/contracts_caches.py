"""The contract, asked of each of broken_caches."""

from pathlib import Path

import pytest

from gc_credhelper.testing import CacheBackendContract, CacheCase


class Contract(CacheBackendContract):
    patience, slack = 0.5, 1.5
    name = "good"

    @pytest.fixture
    def case(self, tmp_path: Path) -> CacheCase:
        folder, no_folder = tmp_path / "store", tmp_path / "no-folder"
        folder.mkdir()
        no_folder.touch()

        def damage() -> None:
            for path in folder.rglob("*.txt"):
                path.write_bytes(b"gcct1 \xff\xfe")

        return CacheCase(
            name=self.name,
            env={"GOOD_FOLDER": str(folder)},
            unreachable={"GOOD_FOLDER": str(no_folder)},
            silent=None,
            damage=damage,
            directory=folder,
        )


class TestGood(Contract):
    pass


for _number in range(1, 18):
    globals()[f"TestC{_number}"] = type(f"TestC{_number}", (Contract,), {"name": f"c{_number}"})
