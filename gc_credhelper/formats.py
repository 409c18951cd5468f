"""Formats of `token -o` that need more than the token: its region, the job's files, or a program of the CI system.

Each is a function of what it hands over, and returns what goes to standard output. Those of a CI system hand the token
to the later steps of the same job, in the way that masks it where there is one.
"""

import json
import os
import secrets
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from .errors import UsageError
from .handed import REGION, TOKEN, Where, variables
from .output import rfc3339
from .plan import Inputs
from .private import write_alone
from .report import Report
from .tokens import AccessToken, is_b64token

_AGENT_TIME = 10  # seconds that an agent's program gets
_REDACTED = 6  # characters from which on Buildkite redacts a value
_REPORT = 5120  # bytes of a dotenv report, unless an administrator of GitLab allows more


@dataclass(frozen=True, slots=True)
class Handed:
    """A token, where it is used, and what the caller said about how it wants it."""

    token: AccessToken
    where: Where
    inputs: Inputs
    report: Report
    step_output: bool = False
    artifact: str | None = None

    def __post_init__(self) -> None:
        """UsageError for a token that these formats would mangle: nothing is escaped below, and nothing needs to be."""
        if not is_b64token(self.token.value):
            raise UsageError("the token has characters that this format cannot carry", hint="-o json")

    def pairs(self) -> dict[str, str]:
        """The variables of the official tools."""
        if self.where.is_divided:
            self.report.note("no spelling of this region serves both gc and Terraform; this is Terraform's")
        return variables(self.token.value, self.where)

    def named(self, variable: str, what: str) -> str:
        """The path in a variable of the CI system; UsageError outside of it."""
        if path := self.inputs.env(variable):
            return path
        raise UsageError(f"{variable} is not set, so this is no step of {what}", hint="-o raw, or exec -- PROGRAM")


def env(handed: Handed) -> str:
    """For POSIX shells: eval "$(…)"."""
    return _lines("export {}='{}'", handed)


def dotenv(handed: Handed) -> str:
    """Without quotes, which some readers keep."""
    return _lines("{}={}", handed)


def powershell(handed: Handed) -> str:
    """For PowerShell: … | Out-String | Invoke-Expression."""
    return _lines("$env:{} = '{}'", handed)


def fish(handed: Handed) -> str:
    """For fish: … | source."""
    return _lines("set -gx {} '{}'", handed)


def _lines(line: str, handed: Handed) -> str:
    return "".join(line.format(name, value) + "\n" for name, value in handed.pairs().items())


def curl(handed: Handed) -> str:
    """A config for `curl -K -`, so that the token is in nobody's argv."""
    return f'header = "Authorization: Bearer {handed.token.value}"\n'


def terraform_external(handed: Handed) -> str:
    """What the data source `external` reads: one flat object of texts."""
    handed.report.note("Terraform keeps what the data source external reads in its state, in clear")
    found = {"access_token": handed.token.value, "expires_at": rfc3339(handed.token.reported_expiry)}
    found |= {"region": handed.where.spelled("terraform") or "", "api_url": handed.where.api_url or ""}
    return json.dumps(found) + "\n"


def postman(handed: Handed) -> str:
    """An environment of Postman and newman."""
    handed.report.note("the token lies in clear in whatever file this environment is saved to")
    values = {"gc_access_token": handed.token.value, "gc_api_url": handed.where.api_url or ""}
    rows = [
        {"key": key, "value": value, "type": "secret" if key.endswith("token") else "default", "enabled": True}
        for key, value in values.items()
    ]
    return json.dumps({"name": "gc", "values": rows}) + "\n"


def archy(handed: Handed) -> str:
    """The options file of Archy, which reads no environment: YAML, in which a token without quotes may be a number."""
    if not handed.where.row:
        raise UsageError("Archy knows the regions of Genesys Cloud only", hint="name a region")
    lines = [f'authToken: "{handed.token.value}"', "authTokenIsClientCredentials: true"]
    return "\n".join([*lines, f"location: {handed.where.row.domain}", ""])


def github(handed: Handed) -> str:
    """Masks the token, then hands it to the later steps of the job, or to what reads the outputs of this step."""
    variable = "GITHUB_OUTPUT" if handed.step_output else "GITHUB_ENV"
    path = handed.named(variable, "GitHub Actions")
    pairs = handed.pairs()
    _mask(handed.token.value)
    if handed.step_output:
        pairs = {{TOKEN: "token", REGION: "region"}[name]: value for name, value in pairs.items()}
    end = f"gc-{secrets.token_hex(16)}"
    _append(path, "".join(f"{name}<<{end}\n{value}\n{end}\n" for name, value in pairs.items()), variable)
    return ""


def _mask(value: str) -> None:
    """On stderr, which the runner reads as well, since stdout may be captured into a variable."""
    try:
        with open(2, "wb", closefd=False) as stderr:
            stderr.write(f"::add-mask::{value}\n".encode())
    except OSError as e:
        raise UsageError(f"the token cannot be masked: {e.strerror}", hint="leave standard error open") from None


def azure(handed: Handed) -> str:
    """Logging commands of Azure Pipelines; a step that needs the token maps it into its environment."""
    handed.named("TF_BUILD", "Azure Pipelines")
    lines = [
        f"##vso[task.setvariable variable={name}{';issecret=true' if name == TOKEN else ''}]{value}"
        for name, value in handed.pairs().items()
    ]
    return "\n".join([*lines, ""])


def circleci(handed: Handed) -> str:
    """Lines of BASH_ENV, which each later step of the job reads; CircleCI masks nothing that is made at run time."""
    path = handed.named("BASH_ENV", "CircleCI")
    _append(path, env(handed), "BASH_ENV", make=True)
    return ""


def buildkite(handed: Handed) -> str:
    """Has the agent redact the token, then set it for the later phases of the job."""
    handed.named("BUILDKITE_JOB_ID", "Buildkite")
    if len(handed.token.value) < _REDACTED:
        raise UsageError(f"Buildkite redacts nothing shorter than {_REDACTED} characters", hint="exec -- PROGRAM")
    _agent(["redactor", "add"], handed.token.value)
    _agent(["env", "set", "--input-format", "json", "-"], json.dumps(handed.pairs()))
    return ""


def gitlab(handed: Handed) -> str:
    """A file beside the checkout that only this user reads, for `. "$(…)"`; or, when asked for, a dotenv report."""
    project = handed.named("CI_PROJECT_DIR", "GitLab CI")
    if handed.artifact:
        if len(text := dotenv(handed)) > _REPORT:
            raise UsageError(f"GitLab refuses a dotenv report of more than {_REPORT} bytes", hint="leave it out")
        handed.report.warn("GitLab masks nothing of a dotenv report, and whoever may see the job can download it")
        write_alone(handed.artifact, text)
        return ""
    directory = Path(project + ".tmp")  # where GitLab puts variables of the kind file
    job = handed.inputs.env("CI_JOB_ID") or ""
    path = directory / f"gc-credhelper-{job if job.isalnum() else 'job'}.env"
    try:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as e:
        raise UsageError(f"{directory} cannot be made: {e.strerror}", hint="-o env --file PATH") from None
    write_alone(str(path), env(handed))
    return f"{path}\n"


def jenkins(handed: Handed) -> str:
    """Lines for withEnv, as `sh(returnStdout: true)` reads them."""
    return dotenv(handed)


def _append(path: str, text: str, variable: str, *, make: bool = False) -> None:
    """To a file of the CI system, which lives as long as the job. `make`: it begins with whoever writes first."""
    flags = os.O_RDWR | os.O_APPEND | (os.O_CREAT if make else 0)
    try:
        with open(os.open(path, flags, 0o600), "r+b", buffering=0) as file:  # noqa: PTH123  # a descriptor
            size = file.seek(0, os.SEEK_END)
            file.seek(max(0, size - 1))
            begun = file.read(1) not in (b"", b"\n")  # by someone who left the line open
            file.write(b"\n" * begun + text.encode())
    except OSError as e:
        raise UsageError(f"the file of {variable} cannot be written: {e.strerror}", hint="is it mounted?") from None


def _agent(words: list[str], stdin: str) -> None:
    """Run the agent's program; what it prints stays its own, because it may repeat what it was given."""
    try:
        done = subprocess.run(  # noqa: S603  # a fixed command
            ["buildkite-agent", *words],  # noqa: S607  # found as the job's own steps find it
            input=stdin.encode(),
            capture_output=True,
            timeout=_AGENT_TIME,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as e:
        raise UsageError(f"buildkite-agent did not run ({type(e).__name__})", hint="is it on the PATH?") from None
    if done.returncode:
        said = f"buildkite-agent {' '.join(words[:2])} failed with status {done.returncode}"
        raise UsageError(said, hint="it needs an agent that has this command")


@dataclass(frozen=True, slots=True)
class Format:
    """`render`: what goes to standard output. `for_file`: a file of it is of use, so that --file may take it."""

    render: Callable[[Handed], str]
    for_file: bool = True


FORMATS = {
    "env": Format(env),
    "dotenv": Format(dotenv),
    "powershell": Format(powershell),
    "fish": Format(fish),
    "curl": Format(curl),
    "terraform-external": Format(terraform_external),
    "postman": Format(postman),
    "archy": Format(archy),
    "github": Format(github, for_file=False),
    "azure": Format(azure, for_file=False),
    "circleci": Format(circleci, for_file=False),
    "buildkite": Format(buildkite, for_file=False),
    "gitlab": Format(gitlab, for_file=False),
    "jenkins": Format(jenkins),
}
