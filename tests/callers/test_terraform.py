"""Terraform, as the page calls it, with the provider that is built in."""

import json
import re
import zipfile
from pathlib import Path

import clients
import pytest
from support import Machine, Run, entries

from callers.shown import Caller, block
from gc_credhelper import tokens
from gc_credhelper.sandbox.server import SandboxThread

PAGE = "terraform.md"
SEEN = block(PAGE, "hcl", "a token for")
INIT = "terraform init -input=false\n"


@pytest.fixture
def caller(machine: Machine, sandbox: SandboxThread) -> Caller:
    caller = Caller(machine, sandbox)
    caller.watch("terraform", clients.need("terraform"))
    (caller.home / "none.tfrc").touch()
    return caller


def run(caller: Caller, configuration: str, commands: str) -> Run:
    """The commands of the page, in a directory with that configuration."""
    (caller.work / "main.tf").write_text(configuration)
    # Else it asks the network for its newest version, and reads a developer's settings.
    quiet = {"CHECKPOINT_DISABLE": "1", "TF_CLI_CONFIG_FILE": str(caller.home / "none.tfrc")}
    return caller.shell(commands if INIT in commands else INIT + commands, env=quiet)


def test_terraform_sees_the_token_and_the_region_and_no_secret(caller: Caller) -> None:
    done = run(caller, SEEN, block(PAGE, "bash", INIT))
    assert done.code == 0, done.err
    assert f"a token for localhost:{caller.sandbox.api_url.rpartition(':')[2]}" in done.out
    assert (caller.work / "terraform.tfstate").exists()
    caller.assert_kept_secret(caller.token, done)


def test_a_saved_plan_holds_no_token(caller: Caller) -> None:
    plan = "gc-credhelper exec --for terraform -- terraform plan -input=false -out=saved\n"
    done = run(caller, SEEN, plan + "terraform show -json saved > saved.json")
    assert done.code == 0, done.err
    with zipfile.ZipFile(caller.work / "saved") as saved:
        assert "tfplan" in saved.namelist()
        saved.extractall(caller.work / "unpacked")
    caller.assert_kept_secret(caller.token, done)


def test_a_token_that_cannot_outlive_the_apply_is_noticed_before_it_starts(caller: Caller) -> None:
    shown = block(PAGE, "bash", "--min-ttl 10m")
    assert "a token for" in run(caller, SEEN, shown).out
    assert run(caller, SEEN, shown.replace("10m", "40d")).code == 7
    assert sum("apply" in line for line in caller.calls if line.startswith("terraform ")) == 1


def test_two_tokens_reach_one_run_through_an_ephemeral_variable(caller: Caller, tmp_path: Path) -> None:
    store = tmp_path / "client.json"
    store.write_text(json.dumps({"client_id": caller.sandbox.client_id, "client_secret": caller.sandbox.client_secret}))
    # As if they were two organisations: each has a cache, and so a token, of its own.
    profiles = [
        f'[profiles.{name}]\nprovider = "file:{store}"\ncache = "file:{tmp_path / name}"\n'
        for name in ("test", "production")
    ]
    caller.machine.write_config("".join(profiles))
    done = run(caller, block(PAGE, "hcl", "token_of_test"), block(PAGE, "bash", "--profile test"))
    assert done.code == 0, done.err
    assert "Apply complete!" in done.out
    key = entries.whose(caller.sandbox).key
    found = [tokens.load(path.read_text(), key) for path in tmp_path.rglob("*.token")]
    assert len({entry[0].value for entry in found if entry}) == 2
    for entry in found:
        assert entry
        caller.assert_kept_secret(entry[0].value, done)


def test_the_answer_for_the_data_source_external_is_one_flat_object_of_texts(caller: Caller) -> None:
    words = re.search(r"program = (\[.*\])", block(PAGE, "hcl", 'data "external"'))
    assert words
    done = caller.run(*json.loads(words[1]), stdin="{}")
    assert (done.code, done.err) == (0, "")
    found = json.loads(done.out)
    assert found["access_token"] == caller.token
    assert all(isinstance(value, str) for value in found.values())
