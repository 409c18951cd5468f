"""The how-to pages for Vault, run as they stand: the operator's commands, the CI files, and every failure they show.

What stands under `ONCE` is run first, in one namespace for all pages. What is left is run page by page, in order; the
page of failures is taken block by block.
"""

import json
import re
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import hvac
import pytest
from cijobs import pod_token
from docs.pages import HOW_TO, Block, name, store_blocks
from gc_credhelper.sandbox.options import Options
from gc_credhelper.sandbox.server import SandboxThread
from howtokit import Stage, Story, shown_and_used
from issuers import Issuer, reviewer, service_account
from situations import CLIENT, OF_GITHUB, OF_GITLAB, SITUATIONS, job
from support import Machine
from support.hunting import canary
from vaultkit import POLICY, SECRET, answers, binary, free_port, make_namespace, running

BLOCKS = store_blocks("vault")
ONCE = "Once, by an operator"
COMMON, FAILURES = HOW_TO / "share-tokens-in-vault.md", HOW_TO / "vault-failures.md"


@pytest.fixture(scope="module")
def stage(server: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    desk, tls = tmp_path_factory.mktemp("desk"), tmp_path_factory.mktemp("tls")
    (desk / "bin").mkdir()
    (desk / "bin" / "vault").symlink_to(binary())
    (desk / "policy.hcl").write_text(POLICY.read_text())
    (desk / "client-secret.txt").write_text(SECRET + "\n")
    secure = f"127.0.0.1:{free_port()}"
    argv = ("server", "-dev", "-dev-tls", f"-dev-tls-cert-dir={tls}", f"-dev-listen-address={secure}",
            "-dev-root-token-id=root-canary", "-dev-no-store-token")  # fmt: skip
    ca_file = tls / "vault-ca.pem"
    up = answers(f"https://{secure}/v1/sys/health", verify=str(ca_file))
    with ExitStack() as stack:
        hub, lab, cluster = (stack.enter_context(Issuer(claims)) for claims in (OF_GITHUB, OF_GITLAB, {}))

        def review(token: str, audience: str) -> dict[str, object] | None:
            found = cluster.claims_of(token, audience)
            return found and service_account(*reversed(found["sub"].split(":")[2:]))

        api, ca = stack.enter_context(reviewer(review))
        (desk / "ca.crt").write_text(ca)
        (desk / "reviewer.jwt").write_text(pod_token(cluster, "vault-reviewer", "kube-system", api))
        stack.enter_context(running(tls, *argv, ready=lambda: ca_file.exists() and up()))
        made = make_namespace(server, "root-canary")
        found = Stage(made, desk, hub, lab, cluster, api, f"https://{secure}", ca_file)
        for block in sorted((one for one in BLOCKS if one.heading == ONCE), key=lambda one: one.page != COMMON):
            found.operate(block)
        yield found


@pytest.fixture
def story(stage: Stage, machine: Machine) -> Iterator[Story]:
    client = {"client_id": CLIENT, "client_secret": SECRET}
    (machine.home / "client.json").write_text(json.dumps(client))
    with ExitStack() as stack:
        genesys = stack.enter_context(SandboxThread(Options(clients=((CLIENT, SECRET),))))
        made = Story(stage, machine, genesys, stack)
        made.env = job(made)
        yield made


LATER = [block for block in BLOCKS if block.heading != ONCE]
WHOLE = sorted({block.page for block in LATER} - {FAILURES})
SINGLE = [block for block in LATER if block.page == FAILURES]


def follow(story: Story, block: Block) -> None:
    story.follow(block, SITUATIONS[block.heading](story) if block.heading in SITUATIONS else {})


@pytest.mark.parametrize("page", WHOLE, ids=name)
def test_a_page_is_followed_from_an_empty_vault_to_a_token_and_its_failures(page: Path, story: Story) -> None:
    for block in LATER:
        if block.page == page:
            follow(story, block)


@pytest.mark.parametrize("block", SINGLE, ids=lambda block: block.heading)
def test_a_failure_looks_as_the_page_shows(block: Block, story: Story) -> None:
    story.env["GC_CREDHELPER_PROVIDER"] = "vault:secret/ci/genesys"
    follow(story, block)


def test_whoever_starts_a_build_may_make_a_wrapped_secret_id_and_nothing_else(stage: Stage) -> None:
    for block in BLOCKS:
        if "genesys-starter" in block.text:
            stage.operate(block)
    realm, path = stage.realm, "auth/approle/role/genesys/secret-id"
    starter = hvac.Client(realm.addr, realm.token(policies=("genesys-starter",)), namespace=realm.namespace)
    assert canary(starter.write_data(path, data={}, wrap_ttl="5m")["wrap_info"]["token"])
    with pytest.raises(hvac.exceptions.VaultError):
        starter.write_data(path, data={})
    with pytest.raises(hvac.exceptions.Forbidden):
        starter.read("secret/data/ci/genesys")


def test_a_secret_id_that_leaked_is_ended(stage: Stage) -> None:
    approle = stage.realm.root.auth.approle
    ids = approle.read_role_id("genesys")["data"]["role_id"], approle.generate_secret_id("genesys")["data"]["secret_id"]
    (stage.desk / "vault-secret-id").write_text(canary(ids[1]))
    canary(approle.login(*ids, use_token=False)["auth"]["client_token"])
    for block in BLOCKS:
        if block.heading == "When a secret id leaked":
            stage.operate(block)
    with pytest.raises(hvac.exceptions.InvalidRequest):
        approle.login(*ids, use_token=False)


def test_what_stands_under_the_heading_of_the_operator_is_his_and_every_situation_occurs() -> None:
    assert {block.info for block in BLOCKS if block.heading == ONCE} == {"sh vault"}
    assert SITUATIONS.keys() <= {block.heading for block in LATER if block.info == "console vault"}


def test_each_value_that_is_replaced_is_one_that_a_page_shows(stage: Stage) -> None:
    shown = "".join(block.text for block in BLOCKS)
    assert all(value in shown for value in shown_and_used(stage, "", None))


def test_the_pages_hand_no_secret_to_a_command_line() -> None:
    for line in "".join(block.text for block in BLOCKS).splitlines():
        assert "curl " not in line or ("| curl " in line and " -H @- " in line)
        assert not re.search(r"secret=(?!-)|secret_id=(?!-)", line)
