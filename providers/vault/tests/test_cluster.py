"""A real cluster of two nodes: what a standby answers, and what is left when the leader is gone."""

import os
import signal
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import hvac
import pytest
import requests
from gc_credhelper.errors import TemporaryError
from gc_credhelper.roles import Denied, LostRace
from support.hunting import canary, failing, soon
from vaultkit import Realm, answers, free_port, make_realm, running

CONFIG = """
storage "raft" {{
  path = "{path}"
  node_id = "{name}"
  performance_multiplier = 1
  {join}
}}
listener "tcp" {{
  address = "127.0.0.1:{port}"
  cluster_address = "127.0.0.1:{cluster}"
  tls_disable = true
}}
api_addr = "http://127.0.0.1:{port}"
cluster_addr = "https://127.0.0.1:{cluster}"
"""


@dataclass
class Cluster:
    """The leader's address and id, the standby's address, and the root token."""

    leader: str
    pid: int
    standby: str
    token: str


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[Cluster]:
    ports = [free_port() for _ in range(4)]
    leader, standby = (f"http://127.0.0.1:{port}" for port in ports[:2])
    join = f'retry_join {{ leader_api_addr = "{leader}" }}'
    for number, more in enumerate(["", join]):
        (tmp_path / f"data{number}").mkdir()
        names = {"path": tmp_path / f"data{number}", "name": f"n{number}", "join": more}
        config = CONFIG.format(port=ports[number], cluster=ports[number + 2], **names)
        (tmp_path / f"{number}.hcl").write_text(config)
    with running(
        tmp_path / "leader", "server", f"-config={tmp_path / '0.hcl'}", ready=answers(f"{leader}/v1/sys/health", 501)
    ) as pid:
        share = {"secret_shares": 1, "secret_threshold": 1}
        made = requests.put(f"{leader}/v1/sys/init", json=share, timeout=20).json()
        key, token = {"key": canary(made["keys"][0])}, canary(made["root_token"])
        _until(lambda: requests.put(f"{leader}/v1/sys/unseal", json=key, timeout=20).ok)
        _until(answers(f"{leader}/v1/sys/health"))
        argv = ("server", f"-config={tmp_path / '1.hcl'}")

        def joined() -> bool:
            requests.put(f"{standby}/v1/sys/unseal", json=key, timeout=20)
            return answers(f"{standby}/v1/sys/health", 429)()

        with running(tmp_path / "standby", *argv, ready=lambda: _quietly(joined)):
            yield Cluster(leader, pid, standby, token)


def _quietly(ask: Any) -> bool:
    try:
        return bool(ask())
    except requests.RequestException:
        return False


def _until(done: Any) -> None:
    give_up = time.monotonic() + 60
    while not _quietly(done):
        assert time.monotonic() < give_up
        time.sleep(0.05)


def _at_the_standby(cluster: Cluster) -> Realm:
    made = make_realm(cluster.leader, cluster.token)
    made.addr = cluster.standby
    standby = hvac.Client(cluster.standby, cluster.token, namespace=made.namespace)

    def there() -> bool:
        try:
            return bool(standby.read("gc-cache/config"))
        except hvac.exceptions.VaultError:
            return False

    _until(there)
    return made


def test_through_a_standby_every_own_write_is_read_back_and_no_stale_write_wins(cluster: Cluster, cache: Any) -> None:
    shared = cache(_at_the_standby(cluster).env())
    _until(lambda: _ready(shared))
    version = shared.read("abc", soon()).version
    for number in range(60):
        version = shared.compare_and_set("abc", version, f"text {number}", soon())
        found = shared.read("abc", soon())
        assert (found.version, found.text) == (version, f"text {number}")
        with pytest.raises(LostRace):
            shared.compare_and_set("abc", version - 1, "stale", soon())
    assert shared._client._index


def test_through_a_standby_no_write_is_called_lost_by_what_the_standby_has_not_seen(
    cluster: Cluster, cache: Any
) -> None:
    shared = cache(_at_the_standby(cluster).env())
    _until(lambda: _ready(shared))
    version = shared.read("abc", soon()).version
    for number in range(100):
        assert shared.compare_and_set("abc", version, f"text {number}", soon()) == version + 1
        version += 1


def _ready(shared: Any) -> bool:
    """A mount is upgraded by its leader after it was made, and a standby learns of it and of the token later."""
    try:
        shared.compare_and_set("abc", 0, "first", soon())
    except LostRace:
        return True
    except (Denied, TemporaryError):
        return False
    return True


def test_without_a_leader_reads_may_work_and_writes_are_temporary(cluster: Cluster, cache: Any) -> None:
    shared = cache(_at_the_standby(cluster).env(), timeout="2s")
    _until(lambda: _ready(shared))
    os.kill(cluster.pid, signal.SIGKILL)
    for _ in range(3):
        failing(TemporaryError, lambda: shared.compare_and_set("abc", 1, "x", soon()))
