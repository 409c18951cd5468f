"""The recipes for CI systems: the shell of each page is run as that system runs it, against the sandbox."""

import re
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml
from docs.pages import HOW_TO, blocks
from support import Machine, require

from gc_credhelper.sandbox.options import Options
from gc_credhelper.sandbox.server import SandboxThread

from . import runners
from .kit import is_alive, program

PAGES = HOW_TO / "ci"
REGION = {"GENESYS_CLOUD_REGION": "eu-west-1"}
API = "https://api.mypurecloud.ie"  # for which the sandbox stands
SECRET = "canary-Zr8-the-client-secret"
TOKEN = "GENESYSCLOUD_ACCESS_TOKEN"
BASH = ("bash", "--noprofile", "--norc")


def listing(page: str, number: int = 0, info: str = "yaml") -> str:
    """A block of a page."""
    return [block.text for block in blocks(PAGES / f"{page}.md") if block.info == info][number]


class Job:
    """A machine of a CI system: a checkout, the job's own directory, and tools that use the token they find."""

    def __init__(self, machine: Machine, sandbox: SandboxThread) -> None:
        self.machine = machine
        self.sandbox = sandbox
        self.checkout = machine.home / "builds" / "project"
        self.temp = machine.home / "temp"
        for path in (self.checkout, self.temp):
            path.mkdir(parents=True)
        self.log = ""
        self.tokens: list[str] = []
        self._seen = machine.home / "seen"
        program(machine.home / "bin", "pip", '#!/bin/sh\ntest "$*" = "install gc-credhelper"\n')
        program(
            machine.home / "bin",
            "terraform",
            f"""#!/bin/sh
set -e
echo "terraform $1"
test "$1" = apply || exit 0
env -0 > "{self._seen}"
printf 'header = "Authorization: Bearer %s"' "${TOKEN}" |
    curl -fsS -o /dev/null -K - "{sandbox.ready["api_url"]}/api/v2/tokens/me"
""",
        )

    @property
    def store(self) -> dict[str, str]:
        """What an administrator keeps in the CI system."""
        return {"GENESYS_CLOUD_CLIENT_ID": self.sandbox.client_id, "GENESYS_CLOUD_CLIENT_SECRET": SECRET}

    def environ(self, own: Mapping[str, str]) -> dict[str, str]:
        """What every step has. Two variables of ours lead to the sandbox in place of the region."""
        api_url = self.sandbox.ready["api_url"]
        led = {"GC_CREDHELPER_TOKEN_URL": self.sandbox.token_url, "GC_CREDHELPER_API_URL": api_url}
        found = self.machine.environ({"CI": "true", **led, **own})
        return found | {"PATH": f"{self.machine.home / 'bin'}:{own.get('PATH', found['PATH'])}"}

    def run(self, argv: list[str], script: str, environ: Mapping[str, str], *, fails: bool = False) -> tuple[str, str]:
        """A script of a step, from a file, as every CI system does it: what it wrote to its two streams."""
        file = self.temp / "step.sh"
        file.write_text(script.replace(API, self.sandbox.ready["api_url"]))
        done = subprocess.run(
            [*argv, str(file)],
            env={**environ},
            cwd=self.checkout,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
        assert (done.returncode != 0) == fails, f"{script}\n{done.stderr}"
        return done.stdout, done.stderr

    def seen_by_terraform(self) -> dict[str, str]:
        """Its environment. Its token is remembered, to be looked for where it must not be."""
        found = dict(line.split("=", 1) for line in self._seen.read_text().split("\0") if line)
        self._seen.unlink()
        self.tokens.append(found[TOKEN])
        return found

    def check(self) -> None:
        """One exchange, nothing readable in the log, nothing in the checkout, and no secret where none was needed."""
        assert self.sandbox.stats()["token_requests"] == 1
        assert self.tokens
        for token in self.tokens:
            assert is_alive(self.sandbox, token)
            assert token not in self.log, "the token is readable in the log"
        assert SECRET not in self.log
        assert not [*self.checkout.iterdir()]


@pytest.fixture
def job(machine: Machine) -> Iterator[Job]:
    for name in ("bash", "dash", "curl"):
        require(name)
    with SandboxThread(Options(clients=[("ci-client", SECRET)])) as sandbox:
        yield Job(machine, sandbox)


# GitHub Actions


def github(job: Job, steps: list[dict[str, Any]], own: Mapping[str, str]) -> None:
    """A job's steps: `run` is one file for `bash -e`, and files and masks are read after each."""
    contexts = {f"vars.{name}": value for name, value in job.store.items() if not name.endswith("SECRET")}
    contexts |= {f"secrets.{name}": value for name, value in job.store.items() if name.endswith("SECRET")}
    masks = [SECRET]
    lasting: dict[str, str] = {}

    def filled(env: Mapping[str, Any]) -> dict[str, str]:
        return {n: re.sub(r"\$\{\{ *([\w.]+) *\}\}", lambda m: contexts.get(m[1], ""), str(v)) for n, v in env.items()}

    for number, step in enumerate(steps):
        if "run" not in step:
            assert re.fullmatch(r"actions/[\w-]+@v\d+", step["uses"])
            continue
        assert "${{" not in step["run"], "an expression in a script is shell that someone else writes"
        files = {name: job.temp / f"{name}_{number}" for name in ("GITHUB_ENV", "GITHUB_OUTPUT")}
        for path in files.values():
            path.touch()
        given = {"RUNNER_TEMP": str(job.temp), **{name: str(path) for name, path in files.items()}}
        environ = job.environ({**given, **filled(own), **lasting, **filled(step.get("env", {}))})
        out, err = job.run(["bash", "-e"], step["run"], environ)
        masks += runners.github_masks(out + "\n" + err)
        job.log += runners.github_log(out, masks) + runners.github_log(err, masks)
        lasting |= runners.github_file(files["GITHUB_ENV"].read_text())
        outputs = runners.github_file(files["GITHUB_OUTPUT"].read_text())
        contexts |= {f"steps.{step.get('id')}.outputs.{name}": value for name, value in outputs.items()}


def test_github_actions_gets_a_token_once_for_all_steps(job: Job) -> None:
    workflow = yaml.safe_load(listing("github-actions"))
    deploy = workflow["jobs"]["deploy"]
    assert workflow[True] == {"push": {"branches": ["main"]}}  # `on`, as YAML 1.1 reads it
    assert deploy["env"].items() >= REGION.items()
    github(job, deploy["steps"], deploy["env"])
    seen = job.seen_by_terraform()
    assert "GENESYS_CLOUD_CLIENT_SECRET" not in seen
    assert seen["GENESYSCLOUD_REGION"].startswith("localhost:")
    assert [*job.temp.glob("gc-credhelper-*")], "the cache is in the job's own directory"
    assert "organization" in job.log
    job.check()


def test_github_actions_hands_an_output_to_one_step(job: Job) -> None:
    deploy = yaml.safe_load(listing("github-actions"))["jobs"]["deploy"]
    kept = [step for step in deploy["steps"] if step.get("name") == "Install the helper"]
    last = [{"run": f"printenv {TOKEN} || echo nobody"}]
    github(job, kept + yaml.safe_load(listing("github-actions", 1)) + last, deploy["env"])
    assert "GENESYS_CLOUD_CLIENT_SECRET" not in job.seen_by_terraform()
    assert job.log.rstrip().endswith("nobody")
    job.check()


# GitLab CI


def gitlab(job: Job, deploy: dict[str, Any], shell: str, own: Mapping[str, str]) -> None:
    """before_script and script are one shell, after_script is another, whose failure does not count."""
    given = {
        "CI_PROJECT_DIR": str(job.checkout),
        "CI_JOB_ID": "4711",
        **job.store,
        **deploy.get("variables", {}),
        **own,
    }
    options = "set -eo pipefail\n" if shell == "bash" else "set -e\n"
    for parts in (("before_script", "script"), ("after_script",)):
        lines = [line for part in parts for line in deploy.get(part, [])]
        out, err = job.run([shell], options + "\n".join(lines) + "\n", job.environ(given))
        job.log += out + err


@pytest.mark.parametrize("shell", ["bash", "dash"])
def test_gitlab_hands_the_token_to_the_lines_of_a_job_and_leaves_nothing(job: Job, shell: str) -> None:
    deploy = yaml.safe_load(listing("gitlab-ci"))["deploy"]
    assert deploy["variables"] == REGION
    gitlab(job, deploy, shell, {})
    assert "GENESYS_CLOUD_CLIENT_SECRET" not in job.seen_by_terraform()
    job.check()
    assert not [*job.checkout.with_name("project.tmp").iterdir()]
    assert not [*job.machine.cache.glob("*.token")]


def test_gitlab_needs_no_file_for_one_program(job: Job) -> None:
    gitlab(job, yaml.safe_load(listing("gitlab-ci", 1))["deploy"], "bash", {})
    assert "GENESYS_CLOUD_CLIENT_SECRET" not in job.seen_by_terraform()
    job.check()


def test_gitlabs_report_is_one_that_gitlab_reads_and_warns_in_the_log(job: Job) -> None:
    deploy = yaml.safe_load(listing("gitlab-ci", 2))["deploy"]
    gitlab(job, deploy, "bash", REGION)
    report = job.checkout / deploy["artifacts"]["reports"]["dotenv"]
    found = runners.gitlab_report(report.read_text())
    assert is_alive(job.sandbox, found[TOKEN])
    assert "can download" in job.log
    assert found[TOKEN] not in job.log


def test_a_failing_helper_fails_the_job_of_gitlab(job: Job) -> None:
    deploy = yaml.safe_load(listing("gitlab-ci"))["deploy"]
    lines = "\n".join([*deploy["before_script"], "echo went on"])
    for shell in ("bash", "dash"):
        out, err = job.run(
            [shell], f"set -e\n{lines}\n", job.environ({"CI_PROJECT_DIR": str(job.checkout)}), fails=True
        )
        assert "went on" not in out
        assert "gc-credhelper: error:" in err


# Jenkins


def jenkins_environment(text: str) -> dict[str, str]:
    (inside,) = re.findall(r"environment \{\n(.*?)\}", text, re.DOTALL)
    return dict(re.findall(r"(\w+) = '([^']*)'", inside))


def test_jenkins_runs_one_program_with_the_token(job: Job) -> None:
    text = listing("jenkins", info="groovy")
    assert jenkins_environment(text) == REGION
    assert '"' not in text, "Groovy would put values into a text in double quotation marks"
    (script,) = re.findall(r"sh '''\n(.*?)'''", text, re.DOTALL)
    assert re.findall(r"\w+Variable: '(\w+)'", text) == [*job.store]
    environ = job.environ({"WORKSPACE_TMP": str(job.temp), **job.store, **REGION})
    out, err = job.run(["sh", "-xe"], script, environ)
    job.log = runners.masked(out + err, [SECRET])
    assert "+ gc-credhelper exec" in job.log
    assert "GENESYS_CLOUD_CLIENT_SECRET" not in job.seen_by_terraform()
    assert [*job.temp.glob("gc-credhelper-*")]
    job.check()


def test_jenkins_hands_lines_to_with_env(job: Job) -> None:
    text = listing("jenkins", 1, "groovy")
    assert jenkins_environment(text) == REGION
    first, second = re.findall(r"(?:script: |sh )'([^']*)'", text)
    assert ".trim().tokenize('\\n')" in text
    own = {"WORKSPACE_TMP": str(job.temp), **REGION}
    out, err = job.run(["sh", "-xe"], first, job.environ({**own, **job.store}))
    lines = out.strip().split("\n")
    # token = lines[0] behind its first equals sign, the password to mask
    token = lines[0][lines[0].index("=") + 1 :]
    job.log = err  # standard output was returned
    out, err = job.run(["sh", "-xe"], second, job.environ({**own, **dict(line.split("=", 1) for line in lines)}))
    job.log += runners.masked(out + err, [token])
    assert job.seen_by_terraform()[TOKEN] == token
    job.check()


# Azure Pipelines


def _macros(text: str, known: Mapping[str, str]) -> str:
    return re.sub(r"\$\((\w+)\)", lambda found: known[found[1]], text)


def test_azure_pipelines_maps_a_secret_variable(job: Job) -> None:
    pipeline = yaml.safe_load(listing("azure-pipelines"))
    assert [row["name"] for row in pipeline["variables"] if "name" in row] == [*REGION]
    plain = {row["name"]: row["value"] for row in pipeline["variables"] if "name" in row}
    plain |= {"GENESYS_CLOUD_CLIENT_ID": job.store["GENESYS_CLOUD_CLIENT_ID"]}
    secret = {"GENESYS_CLOUD_CLIENT_SECRET": SECRET}
    for step in pipeline["steps"]:
        if "script" not in step:
            assert step["task"] == "UsePythonVersion@0"
            continue
        assert "$(" not in step["script"], "a macro in a script puts the value into it"
        mapped = {name: _macros(value, plain | secret) for name, value in step.get("env", {}).items()}
        given = {"TF_BUILD": "True", "AGENT_TEMPDIRECTORY": str(job.temp), **plain, **mapped}
        out, err = job.run([*BASH], step["script"], job.environ(given))
        for name, (value, is_secret) in runners.azure_variables(out).items():
            (secret if is_secret else plain)[name] = value
        job.log += runners.azure_log(out + err, [*secret.values()])
    seen = job.seen_by_terraform()
    assert seen[TOKEN] == secret[TOKEN]
    assert seen["GENESYSCLOUD_REGION"] == plain["GENESYSCLOUD_REGION"]
    assert "GENESYS_CLOUD_CLIENT_SECRET" not in seen
    assert [*job.temp.glob("gc-credhelper-*")]
    assert "organization" in job.log
    job.check()


# CircleCI


def circleci(job: Job, steps: list[Any], own: Mapping[str, str]) -> None:
    """Each step is a bash, which reads the file of BASH_ENV by itself. Nothing that is made at run time is masked."""
    given = {"CIRCLECI": "true", "BASH_ENV": str(job.temp / "bash_env"), **job.store, **own}
    for step in steps:
        if isinstance(step, dict):
            out, err = job.run(["bash", "-eo", "pipefail"], step["run"]["command"], job.environ(given))
            job.log += runners.masked(out + err, [SECRET])


def test_circleci_runs_one_program_with_the_token(job: Job) -> None:
    config = yaml.safe_load(listing("circleci"))
    deploy = config["jobs"]["deploy"]
    assert deploy["environment"] == REGION
    assert config["workflows"]["deploy"]["jobs"] == [{"deploy": {"context": "genesys-cloud"}}]
    circleci(job, deploy["steps"], REGION)
    assert "GENESYS_CLOUD_CLIENT_SECRET" not in job.seen_by_terraform()
    assert not (job.temp / "bash_env").exists()
    assert "organization" in job.log
    job.check()


def test_circleci_hands_the_token_to_later_steps(job: Job) -> None:
    circleci(job, yaml.safe_load(listing("circleci", 1)), REGION)
    job.seen_by_terraform()
    job.check()


# Buildkite


def test_buildkite_runs_one_program_with_the_token(job: Job, tmp_path: Path) -> None:
    agent = runners.Buildkite(tmp_path / "agent", job.store)
    pipeline = yaml.safe_load(listing("buildkite"))
    assert pipeline["env"] == REGION
    (step,) = pipeline["steps"]
    assert not re.search(r"(?<!\$)\$(?!\$)", step["command"]), "a single dollar sign is read at the upload"
    own = {**agent.environ(job.machine.environ()["PATH"]), **REGION}
    out, err = job.run(["bash", "-e"], step["command"].replace("$$", "$"), job.environ(own))
    job.log = agent.log(out + err, own)
    assert SECRET in agent.redacted
    assert "GENESYS_CLOUD_CLIENT_SECRET" not in job.seen_by_terraform()
    assert "organization" in job.log
    job.check()


def test_buildkites_hook_hands_the_token_to_the_command(job: Job, tmp_path: Path) -> None:
    agent = runners.Buildkite(tmp_path / "agent", job.store)
    own = {**agent.environ(job.machine.environ()["PATH"]), **REGION}
    hook = listing("buildkite", info="bash")
    # The agent sources a hook, and what it exports stays.
    out, err = job.run(["bash"], hook + "\nset +x; env -0\n", job.environ(own))
    exported = dict(line.split("=", 1) for line in out.split("\0") if line)
    assert "GENESYS_CLOUD_CLIENT_SECRET" not in exported
    job.log = agent.log(err, own)
    token = agent.variables[TOKEN]
    assert token in agent.redacted
    assert token not in agent.arguments
    out, err = job.run(["bash", "-e"], f"terraform apply; echo ${TOKEN}", {**exported, **agent.variables})
    job.log += agent.log(out + err, agent.variables)
    assert runners.MASK in job.log
    assert job.seen_by_terraform()[TOKEN] == token
    job.check()


def test_every_system_has_a_page_and_every_block_of_it_was_read() -> None:
    pages = {path.stem: [block.info for block in blocks(path)] for path in PAGES.glob("*.md")}
    assert pages == {
        "azure-pipelines": ["yaml"],
        "buildkite": ["yaml", "bash"],
        "circleci": ["yaml", "yaml"],
        "github-actions": ["yaml", "yaml"],
        "gitlab-ci": ["yaml", "yaml", "yaml"],
        "jenkins": ["groovy", "groovy"],
    }


def test_a_log_that_shows_the_token_would_be_noticed(job: Job) -> None:
    own = {"BASH_ENV": str(job.temp / "bash_env"), **job.store}
    job.run(["bash", "-e"], "gc-credhelper token -o circleci", job.environ(own))
    out, _ = job.run(["bash", "-e"], f"terraform apply; echo ${TOKEN}", job.environ(own))
    job.seen_by_terraform()
    job.log = out
    with pytest.raises(AssertionError, match="readable in the log"):
        job.check()
