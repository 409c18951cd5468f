"""The operator's commands of the README, and the file that it ships, on a real server."""

import re
import subprocess
from pathlib import Path
from typing import Any

from support.hunting import canary, soon
from vaultkit import ID, POLICY, SECRET, Realm, binary


def test_the_commands_of_the_readme_set_up_a_cache(realm: Realm, cache: Any, tmp_path: Path) -> None:
    blocks = re.findall(r"```\n(vault .+?)```", (POLICY.parent / "README.md").read_text(), re.DOTALL)
    commands = [line.split() for block in blocks for line in block.strip().splitlines()]
    assert len(commands) == 2
    realm.root.sys.disable_secrets_engine("gc-cache")
    env = {"HOME": str(tmp_path), "BAO_ADDR": realm.addr, "BAO_TOKEN": "root-canary", "BAO_NAMESPACE": realm.namespace}
    for _, *command in commands:
        subprocess.run([binary(), *command], env=env, check=True, capture_output=True, cwd=tmp_path)
    config = realm.root.read("gc-cache/config")["data"]
    assert (config["max_versions"], config["cas_required"], config["delete_version_after"]) == (1, True, "24h0m0s")
    assert cache(realm.env()).compare_and_set("abc", 0, canary("record-canary-policy"), soon()) == 1


def test_the_cli_of_the_server_takes_the_policy_file_as_it_is(realm: Realm, read: Any, tmp_path: Path) -> None:
    env = {"HOME": str(tmp_path), "BAO_ADDR": realm.addr, "BAO_TOKEN": "root-canary", "BAO_NAMESPACE": realm.namespace}
    command = [binary(), "policy", "write", "shipped", str(POLICY)]
    subprocess.run(command, env=env, check=True, capture_output=True, cwd=tmp_path)
    assert read(realm.env(realm.token(policies=("shipped",)))) == (ID, SECRET)
