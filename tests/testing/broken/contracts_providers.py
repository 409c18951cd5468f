"""The contract, asked of each of broken_providers."""

import json
import os
from pathlib import Path

import pytest

from gc_credhelper.testing import CredentialProviderContract, ProviderCase


class Contract(CredentialProviderContract):
    patience, slack = 0.5, 1.5
    name = "good"

    @pytest.fixture
    def case(self, tmp_path: Path) -> ProviderCase:
        path, pipe = tmp_path / "store.json", tmp_path / "pipe"
        os.mkfifo(pipe)

        def put(client_id: str | None, secret: str | None) -> dict[str, str]:
            halves = {"client_id": client_id, "client_secret": secret}
            path.write_text(json.dumps({name: value for name, value in halves.items() if value is not None}))
            return {"GOOD_PATH": str(path), **self.more(secret)}

        return ProviderCase(
            name=self.name,
            put=put,
            unreachable={"GOOD_PATH": str(tmp_path / "gone" / "store.json")},
            silent={"GOOD_PATH": str(pipe)},
            files=[path],
        )

    def more(self, secret: str | None) -> dict[str, str]:
        """A variable that holds the secret as well, for the one that writes down what it should not."""
        return {"GOOD_SECRET": secret} if self.name == "p13" and secret and secret.isprintable() else {}


class TestGood(Contract):
    pass


for _number in range(1, 23):
    globals()[f"TestP{_number}"] = type(f"TestP{_number}", (Contract,), {"name": f"p{_number}"})
