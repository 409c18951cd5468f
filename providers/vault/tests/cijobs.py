"""What GitHub, GitLab, Jenkins and a cluster make of a file that a page shows: shells, each with its variables."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from issuers import Issuer
from support.hunting import canary

_BASH = ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c"]


@dataclass(frozen=True)
class Shell:
    """A command, and the variables that it has beside those of the machine."""

    argv: list[str]
    env: dict[str, str]


def github(text: str, issuer: Issuer, temp: Path) -> list[Shell]:
    """The steps of a workflow's one job. `temp`: the job's own directory."""
    flow = yaml.safe_load(text)
    assert flow["defaults"] == {"run": {"shell": "bash"}}
    (job,) = flow["jobs"].values()
    env = {"CI": "true", "GITHUB_ACTIONS": "true", "RUNNER_TEMP": str(temp), **job["env"]}
    if flow["permissions"].get("id-token") == "write":
        env |= asking(issuer, environment=job["environment"])
    return [Shell([*_BASH, step["run"]], env) for step in job["steps"]]


def asking(issuer: Issuer, **claims: str) -> dict[str, str]:
    """The variables with which a job on GitHub asks for a token; it will say these claims, too."""
    said = "".join(f"/{name}={value}" for name, value in claims.items())
    url = f"{issuer.url}/runner{said}?api-version=2.0"
    return {"ACTIONS_ID_TOKEN_REQUEST_URL": url, "ACTIONS_ID_TOKEN_REQUEST_TOKEN": issuer.bearer}


def gitlab(text: str, issuer: Issuer) -> list[Shell]:
    """The scripts of a pipeline's one job, in one shell."""
    (job,) = yaml.safe_load(text).values()
    tokens = {name: issuer.sign(aud=row["aud"]) for name, row in job["id_tokens"].items()}
    lines = "\n".join([*job["before_script"], *job["script"]])
    return [Shell([*_BASH, lines], {"CI": "true", "GITLAB_CI": "true", **job["variables"], **tokens})]


def jenkins(text: str, credentials: Path, temp: Path) -> list[Shell]:
    """The `sh` steps of a declarative pipeline. `credentials`: a directory with a file for each."""
    env = dict(re.findall(r"^ {4}(\w+) = '(.+)'$", text, re.MULTILINE))
    env["WORKSPACE_TMP"] = str(temp)
    shells, lent = [], dict[str, str]()
    for line in map(str.strip, text.splitlines()):
        if found := re.match(r"string\(credentialsId: '(.+)', variable: '(.+)'\)", line):
            lent[found[2]] = canary((credentials / found[1]).read_text().strip())
        elif found := re.fullmatch(r"sh '(.+)'", line):
            shells.append(Shell(["sh", "-xec", found[1]], env | lent))
        elif line == "}":
            lent = {}
    return shells


def kubernetes(text: str, issuer: Issuer) -> list[Shell]:
    """The one container of a Job; the token of its projected volume is written."""
    job = yaml.safe_load(text)
    pod = job["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    mounts = {row["name"]: Path(row["mountPath"]) for row in container["volumeMounts"]}
    for volume in pod["volumes"]:
        (source,) = volume["projected"]["sources"]
        wanted = source["serviceAccountToken"]
        mounts[volume["name"]].mkdir(parents=True, exist_ok=True)
        file = mounts[volume["name"]] / wanted["path"]
        file.write_text(pod_token(issuer, pod["serviceAccountName"], job["metadata"]["namespace"], wanted["audience"]))
    return [Shell(container["command"] + container["args"], {row["name"]: row["value"] for row in container["env"]})]


def pod_token(issuer: Issuer, name: str, namespace: str, audience: str) -> str:
    """The token of a service account."""
    account: Mapping[str, Any] = {"namespace": namespace, "serviceaccount": {"name": name, "uid": "1"}}
    subject = f"system:serviceaccount:{namespace}:{name}"
    return issuer.sign(**{"sub": subject, "aud": [audience], "kubernetes.io": account})
