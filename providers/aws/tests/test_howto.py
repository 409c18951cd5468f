"""The how-to pages for AWS, run as they stand on moto: the operator's commands, the CI files, and every failure.

What stands under `ONCE` is run first, for all pages. What is left is run page by page, in order, as one machine.
"""

import contextlib
import json
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import yaml
from awskit import HERE, KEY, KEY_ID, REGION, SECRET, client, moto_server
from docs.pages import HOW_TO, Block, check, console, name, script, store_blocks
from gc_credhelper.sandbox.options import Options
from gc_credhelper.sandbox.server import SandboxThread
from support import Machine
from support.hunting import canary, hunt, soon
from support.scripted import ScriptedServer
from support.scripted import http as answer

CLIENT = "7cb1c5b3-0000-4000-8000-made0up0id00"
OIDC = canary("canary.oidc-token-of-a-job-3Wp")
ONCE = "Once, by an operator"
COMMON = HOW_TO / "aws-share-tokens.md"
PAGES = sorted(HOW_TO.glob("aws-*.md"), key=lambda page: page != COMMON)
BLOCKS = store_blocks("aws")
BASH = ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c"]


@dataclass
class Stage:
    """An account that an operator set up with all of the pages, and his folder of files."""

    address: str
    desk: Path

    def operate(self, block: Block) -> None:
        env = {
            "PATH": f"{Path(sys.executable).parent}:/usr/bin:/bin",
            "HOME": str(self.desk),
            "AWS_ENDPOINT_URL": self.address,
        }
        env |= {"AWS_ACCESS_KEY_ID": KEY_ID, "AWS_SECRET_ACCESS_KEY": KEY, "AWS_DEFAULT_REGION": REGION}
        command = ["bash", "-euo", "pipefail", "-c", block.text]
        done = subprocess.run(command, env=env, cwd=self.desk, capture_output=True, text=True, check=False, timeout=100)
        assert done.returncode == 0, f"{name(block.page)}: {done.stderr}"
        hunt(done.stdout + done.stderr)

    def save(self, block: Block) -> None:
        """A policy, under the name that the text above it says."""
        document = json.loads(block.text)
        assert document["Version"] == "2012-10-17"
        for file in re.findall(r"`([a-z0-9-]+\.json)`", block.above.rstrip().rpartition("\n")[2]):
            (self.desk / file).write_text(block.text)


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    desk = tmp_path_factory.mktemp("desk")
    (desk / "client.json").write_text(json.dumps({"client_id": CLIENT, "client_secret": SECRET}))
    (desk / "table.yaml").write_text((HERE / "table.yaml").read_text())
    with moto_server(tmp_path_factory.mktemp("moto")) as address:
        found = Stage(address, desk)
        for block in sorted(BLOCKS, key=lambda block: block.page != COMMON):
            if block.info == "json aws":
                found.save(block)
            elif block.info == "sh aws":
                found.operate(block)
        yield found


@dataclass
class Story:
    """One machine that follows a page. `env`: the variables of its job."""

    stage: Stage
    machine: Machine
    genesys: SandboxThread
    aws: ScriptedServer  # what stands for AWS where moto does not answer as AWS does
    env: dict[str, str] = field(default_factory=dict)

    def work(self, block: Block) -> None:
        """Run the job of a CI file; one token request serves it."""
        flow = yaml.safe_load(block.text)
        if "jobs" in flow:
            (job,) = flow["jobs"].values()
            lines = [step["run"] for step in job["steps"]]
            assert flow["permissions"]["id-token"] == "write"
            env = {"GITHUB_ACTIONS": "true", **job["env"], **self.runner()}
        else:
            (job,) = flow.values()
            lines = ["\n".join([*job["before_script"], *job["script"]])]
            (variable,) = job["id_tokens"]
            env = {"GITLAB_CI": "true", **job["variables"], variable: OIDC}
        (self.machine.home / "temp").mkdir()
        self.env |= {"RUNNER_TEMP": str(self.machine.home / "temp"), **env}
        for line in lines:
            text = line.replace("https://api.mypurecloud.ie", self.genesys.api_url)
            text = text.replace("pip install gc-credhelper-aws", "gc-credhelper plugins > /dev/null")
            done = subprocess.run(
                [*BASH, text],
                env=self.machine.environ(self.env),
                cwd=self.machine.home,
                capture_output=True,
                text=True,
                check=False,
                timeout=60,
            )
            assert done.returncode == 0, hunt(done.stdout + done.stderr)
        assert self.genesys.stats()["token_requests"] == 1
        assert self.genesys.stats()["api_requests"] == 1

    def runner(self) -> dict[str, str]:
        """The variables with which a job on GitHub asks for a token."""
        self.aws.answers = [answer(200, {"value": OIDC})]
        url = f"http://127.0.0.1:{self.aws.port}/runner?api-version=2.0"
        return {"ACTIONS_ID_TOKEN_REQUEST_URL": url, "ACTIONS_ID_TOKEN_REQUEST_TOKEN": canary("canary-bearer-8Lm")}

    def talk(self, block: Block) -> None:
        """Compare what the commands print with what the page shows, and their status with the exit code named above."""
        situation = SITUATIONS[block.heading](self) if block.heading in SITUATIONS else {}
        commands = console(block)
        kept = self.machine.home / "variables"
        done = subprocess.run(
            ["bash", "-c", f"{script(commands)}env -0 > {kept}\n"],
            env=self.machine.environ({**self.env, **situation}),
            cwd=self.machine.home,
            stdout=subprocess.PIPE,
            text=True,
            check=False,
            timeout=100,
        )
        statuses = check(commands, hunt(done.stdout))
        named = [int(code) for code in re.findall(r"[Ee]xit code (\d)", block.above)]
        wanted = {named[-1] if step.fails else 0 for step in commands}
        assert {*statuses} == wanted, f"{name(block.page)}, {block.heading}"
        found = dict(row.split("=", 1) for row in kept.read_text().split("\0") if row)
        self.env |= {n: v for n, v in found.items() if n.startswith(("GC_CREDHELPER_", "AWS_R")) and n not in situation}

    def says(self, *codes: str) -> dict[str, str]:
        """AWS refuses with these codes, in JSON or as STS does; empty: it has nothing to say against it."""
        self.aws.requests.clear()
        self.aws.answers = [
            answer(400, {"__type": code, "message": OIDC, "Message": OIDC}) if code else answer(200, {})
            for code in codes
        ]
        return {"AWS_ENDPOINT_URL": f"http://127.0.0.1:{self.aws.port}"}

    def sts_says(self, code: str) -> dict[str, str]:
        xml = f"<ErrorResponse><Error><Code>{code}</Code><Message>{OIDC}</Message></Error></ErrorResponse>"
        runner = self.runner() if "GITHUB_ACTIONS" in self.env else {}
        self.aws.answers += [answer(400, xml, Content_Type="text/xml")]
        self.aws.requests.clear()
        if not runner:
            self.aws.answers = self.aws.answers[-1:]
        return {**runner, "AWS_ENDPOINT_URL_STS": f"http://127.0.0.1:{self.aws.port}"}


def far_only(story: Story, *codes: str) -> dict[str, str]:
    """Only DynamoDB answers like that."""
    return {"AWS_ENDPOINT_URL_DYNAMODB": story.says(*codes)["AWS_ENDPOINT_URL"]}


NOBODY = {"AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": ""}
SITUATIONS: dict[str, Callable[[Story], dict[str, str]]] = {
    "The role may not read it": lambda story: story.says("AccessDeniedException"),
    "The credentials are past their time": lambda story: story.says("ExpiredTokenException"),
    "The role may not write to the table": lambda story: far_only(story, "", "AccessDeniedException"),
    "DynamoDB is down": lambda _: {"AWS_ENDPOINT_URL_DYNAMODB": "http://127.0.0.1:1"},
    "The job may not ask for a token": lambda _: {"ACTIONS_ID_TOKEN_REQUEST_URL": ""},
    "The role does not trust the job": lambda story: story.sts_says("AccessDenied"),
    "The account does not know GitHub": lambda story: story.sts_says("InvalidIdentityToken"),
    "The job asks for no token": lambda _: {"AWS_ID_TOKEN": ""},
    "The token is past its time": lambda story: story.sts_says("ExpiredTokenException"),
    "There are no credentials": lambda _: NOBODY,
    "The metadata service does not answer": lambda _: {
        **NOBODY,
        "AWS_EC2_METADATA_DISABLED": "",
        "AWS_EC2_METADATA_SERVICE_ENDPOINT": "http://127.0.0.1:1/",
    },
}


@contextlib.contextmanager
def story(stage: Stage, home: Path) -> Iterator[Story]:
    """A new machine."""
    home.mkdir()
    (home / "client.json").write_text((stage.desk / "client.json").read_text())
    with SandboxThread(Options(clients=((CLIENT, SECRET),))) as genesys, ScriptedServer() as aws:
        env = {"AWS_ENDPOINT_URL": stage.address, "AWS_EC2_METADATA_DISABLED": "true"}
        yield Story(stage, Machine(home), genesys, aws, env | {"GC_CREDHELPER_TOKEN_URL": genesys.token_url})


def test_the_operators_commands_make_all_that_the_pages_then_use(stage: Stage, tmp_path: Path) -> None:
    """One test, so that one process does the operator's work, which takes the most time."""
    check_stack(stage)
    for page in PAGES:
        with story(stage, tmp_path / page.stem) as machine:
            if not [block for block in BLOCKS if block.page == page and block.info == "yaml aws"]:
                machine.env |= {"AWS_ACCESS_KEY_ID": KEY_ID, "AWS_SECRET_ACCESS_KEY": KEY}
            for block in BLOCKS:
                if block.page == page and block.info == "yaml aws":
                    machine.work(block)
                elif block.page == page and block.info == "console aws":
                    machine.talk(block)


def check_stack(stage: Stage) -> None:
    """What the template and the commands made, as AWS describes it."""
    dynamo = client("dynamodb", stage.address)
    made = dynamo.describe_table(TableName="gc-tokens")["Table"]
    assert made["KeySchema"] == [{"AttributeName": "pk", "KeyType": "HASH"}]
    assert made["BillingModeSummary"]["BillingMode"] == "PAY_PER_REQUEST"
    iam, arn = client("iam", stage.address), "arn:aws:iam::123456789012:policy/gc-tokens-jobs"
    version = iam.get_policy(PolicyArn=arn)["Policy"]["DefaultVersionId"]
    policy = iam.get_policy_version(PolicyArn=arn, VersionId=version)["PolicyVersion"]["Document"]
    (shown,) = (json.loads(block.text) for block in BLOCKS if "LeadingKeys" in block.text)
    assert policy["Statement"][0]["Action"] == shown["Statement"][0]["Action"]
    assert policy["Statement"][0]["Condition"] == shown["Statement"][0]["Condition"]
    for role in ("genesys-github", "genesys-gitlab", "genesys-machine"):
        attached = iam.list_attached_role_policies(RoleName=role)["AttachedPolicies"]
        assert [row["PolicyArn"] for row in attached] == [arn]


def test_the_template_lets_dynamodb_delete_what_the_cache_says_is_past_its_time(
    scripted: ScriptedServer, cache: Any
) -> None:
    class Loader(yaml.SafeLoader):
        """Takes the short forms of CloudFormation's functions."""

    Loader.add_multi_constructor("!", lambda _, suffix, node: (suffix, node.value))
    template = yaml.load((HERE / "table.yaml").read_text(), Loader)
    expiry = template["Resources"]["Tokens"]["Properties"]["TimeToLiveSpecification"]  # moto takes no notice of it
    scripted.answers = [answer(200, {}, Date="Sun, 22 Nov 2026 10:00:07 GMT")]
    env = {"AWS_ACCESS_KEY_ID": KEY_ID, "AWS_SECRET_ACCESS_KEY": KEY, "AWS_REGION": REGION}
    built = cache(env | {"AWS_ENDPOINT_URL": f"http://127.0.0.1:{scripted.port}"}, dynamodb__table="gc-tokens")
    built.compare_and_set("0a1b", 0, "text", soon())
    item = json.loads(scripted.requests[-1].body)["Item"]
    assert expiry["Enabled"] is True
    assert item[expiry["AttributeName"]]["N"].isdigit()


def test_every_situation_occurs_and_no_block_is_left_over() -> None:
    assert SITUATIONS.keys() <= {block.heading for block in BLOCKS}
    assert {block.info for block in BLOCKS} == {"sh aws", "console aws", "yaml aws", "json aws"}
    assert {block.info for block in BLOCKS if block.heading == ONCE} == {"sh aws", "json aws", "console aws"}


def test_the_pages_hand_no_secret_to_a_command_line() -> None:
    for line in "".join(block.text for block in BLOCKS).splitlines():
        assert "curl " not in line or "| curl " in line
        assert not re.search(r"--(secret-string|value) (?!file://)", line)
