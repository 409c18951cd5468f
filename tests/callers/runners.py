"""CI systems, as far as they read what a step writes: files, logging commands, an agent's program. And their masks."""

import json
import re
from pathlib import Path

from .kit import program

MASK = "***"


def github_file(text: str) -> dict[str, str]:
    """GITHUB_ENV and GITHUB_OUTPUT as the runner reads them: NAME=VALUE, or NAME<<END, lines, END."""
    found: dict[str, str] = {}
    lines = text.split("\n")
    assert lines.pop() == "", "the last line is not closed"
    while lines:
        line = lines.pop(0)
        if not line:
            continue
        equals, heredoc = line.find("="), line.find("<<")
        if equals >= 0 and (heredoc < 0 or equals < heredoc):
            name, _, value = line.partition("=")
        else:
            name, _, end = line.partition("<<")
            assert name, "a name is missing"
            assert end, "a delimiter is missing"
            assert end in lines, "a delimiter is not there"
            cut = lines.index(end)
            value = "\n".join(lines[:cut])
            del lines[: cut + 1]
        found[name] = value
    return found


def github_masks(output: str) -> list[str]:
    """What a step asks to mask, on either stream. Only a whole line is a command, and its data is unescaped."""
    found = re.findall(r"^\s*::add-mask::(.*)$", output, re.MULTILINE)
    return [one.replace("%0D", "\r").replace("%0A", "\n").replace("%25", "%") for one in found]


def github_log(output: str, masks: list[str]) -> str:
    """What a reader sees: commands are taken out, masked values are not shown."""
    shown = "\n".join(line for line in output.split("\n") if not line.lstrip().startswith("::add-mask::"))
    return masked(shown, masks)


def masked(text: str, values: list[str]) -> str:
    """The text without the values."""
    for value in values:
        text = text.replace(value, MASK)
    return text


def azure_variables(output: str) -> dict[str, tuple[str, bool]]:
    """The variables that logging commands set, and whether each is secret.

    A command begins anywhere in a line with `##vso[`; `]`, `;` and line ends are escaped in its properties, and `%` and
    line ends in its data.
    """
    found = {}
    for line in output.split("\n"):
        if "##vso[" not in line:
            continue
        head, _, data = line.partition("##vso[")[2].partition("]")
        area, _, rest = head.partition(" ")
        assert area == "task.setvariable", area
        properties = dict(part.split("=", 1) for part in rest.split(";") if part)
        for escape, meant in (("%0D", "\r"), ("%0A", "\n"), ("%AZP25", "%")):
            data = data.replace(escape, meant)
        assert "\n" not in data, "the agent refuses secrets of more than one line"
        found[properties["variable"]] = data, properties.get("issecret") == "true"
    return found


def azure_log(output: str, masks: list[str]) -> str:
    """What a reader sees."""
    return masked("\n".join(line for line in output.split("\n") if "##vso[" not in line), masks)


def gitlab_report(text: str) -> dict[str, str]:
    """A dotenv report: no empty line, no comment, no quotes, and `$` would be expanded later."""
    found = {}
    for line in text.removesuffix("\n").split("\n"):
        match = re.fullmatch(r"([A-Za-z0-9_]{1,255})=(.*)", line)
        assert match, "GitLab refuses this line"
        assert "$" not in match[2]
        assert not match[2].startswith(("'", '"')), "quotes would become a part of the value"
        found[match[1]] = match[2]
    assert len(text.encode()) <= 5120
    assert len(found) <= 20
    return found


class Buildkite:
    """An agent: its program writes down what it is asked, and its log shows nothing that is redacted."""

    AUTO = re.compile("_(PASSWORD|SECRET|TOKEN|PRIVATE_KEY|ACCESS_KEY|SECRET_KEY|CONNECTION_STRING|SSH_KEY|API_KEY)$")

    def __init__(self, directory: Path, secrets: dict[str, str] | None = None) -> None:
        self._directory = directory
        directory.mkdir(parents=True)
        (directory / "secrets").mkdir()
        for name, value in (secrets or {}).items():
            (directory / "secrets" / name).write_text(value)
        # `env set` reads a JSON object a line, as the agent does; `secret get` redacts what it prints.
        program(
            directory / "bin",
            "buildkite-agent",
            f"""#!/bin/sh
set -eu
cd "{directory}"
printf '%s\\n' "$*" >> arguments
case "$1 $2" in
    "redactor add") {{ cat; echo; }} >> redacted ;;
    "env set") test "$*" = "env set --input-format json -"; {{ cat; echo; }} >> environment; echo Added: ;;
    "secret get") tee -a redacted < "secrets/$3"; echo >> redacted ;;
    *) exit 64 ;;
esac
""",
        )

    def environ(self, path: str) -> dict[str, str]:
        """What a job's hooks and commands have."""
        return {"PATH": f"{self._directory / 'bin'}:{path}", "BUILDKITE_JOB_ID": "0190-job", "BUILDKITE": "true"}

    def _read(self, name: str) -> str:
        path = self._directory / name
        return path.read_text() if path.exists() else ""

    @property
    def arguments(self) -> str:
        """Of every call, a line each."""
        return self._read("arguments")

    @property
    def redacted(self) -> list[str]:
        """Values of six characters or more, as the agent does it."""
        return [line for line in self._read("redacted").splitlines() if len(line) >= 6]

    @property
    def variables(self) -> dict[str, str]:
        """What later phases of the job have."""
        found: dict[str, str] = {}
        for line in filter(None, self._read("environment").splitlines()):
            found |= json.loads(line)
        return found

    def log(self, output: str, environ: dict[str, str]) -> str:
        """What a reader sees."""
        named = [value for name, value in environ.items() if self.AUTO.search(name) and len(value) >= 6]
        return masked(output, [*self.redacted, *named])


def everywhere(directory: Path) -> dict[str, str]:
    """The variables of every CI system at once."""
    files = {"GITHUB_ENV": "github", "BASH_ENV": "bash_env", "CI_PROJECT_DIR": "project"}
    found = {name: str(directory / file) for name, file in files.items()}
    return found | {"TF_BUILD": "True", "BUILDKITE_JOB_ID": "0190-job", "CI_JOB_ID": "77"}
