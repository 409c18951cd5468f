"""`token -o`: each format, read by what reads it in earnest or by the rules of that, gives the token unchanged."""

import io
import json
import os
import re
import stat
import subprocess
import tempfile
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path

import dotenv
import pytest
import yaml
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from support import GC, Machine, client, require
from support.entries import put
from support.scripted import ScriptedServer, token

from gc_credhelper import formats, output
from gc_credhelper.errors import UsageError
from gc_credhelper.formats import Handed
from gc_credhelper.handed import DIVIDED, Where
from gc_credhelper.plan import Inputs, encode
from gc_credhelper.private import write_alone
from gc_credhelper.regions import Endpoints, find
from gc_credhelper.report import Report
from gc_credhelper.tokens import AccessToken, is_b64token

from . import runners
from .kit import Somewhere, program

TOKEN, REGION = "GENESYSCLOUD_ACCESS_TOKEN", "GENESYSCLOUD_REGION"
HITS: list[tuple[str, ...]] = [("-o", form) for form in ("raw", "header", "exec-credential", "bazel", "headers")]
HITS += [("-o", "raw", "--no-newline"), ("--api-version", "v1beta1")]
SHORT_TIME = settings(
    max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
TOKENS = st.from_regex(r"[A-Za-z0-9\-._~+/]{1,60}={0,3}", fullmatch=True)
# Words that one parser or another takes for a number, a switch, a date, nothing, a comment, a home or a document.
AWKWARD = ["1e5", "0x1F", "0o17", "1_000", "true", "no", "null", "~", "~root/x", "---", "-", "-x", "...", ".inf"]
AWKWARD += ["2020-01-01", "12.50", "/etc/passwd", "a==", "+1", "//", "-n", "1/2", "//=", "0"]


def handed(value: str, region: str = "eu-west-1", environ: dict[str, str] | None = None, **more: object) -> Handed:
    row = find(region)
    assert row
    now = time.time()
    return Handed(
        AccessToken(value, now, now + 3600),
        Where.of(Endpoints(row.token_url, row.api_url, "test")),
        Inputs([], {encode(name): encode(text) for name, text in (environ or {}).items()}),
        Report(),
        **more,  # type: ignore[arg-type]
    )


def text_of(form: str, value: str) -> str:
    if form in output.FORMATS:
        return output.FORMATS[form](handed(value).token, output.API_VERSIONS[0])
    return formats.FORMATS[form].render(handed(value))


# Each text format, and how its consumer gets at the token.


def of_powershell(text: str) -> str:
    """A single-quoted string of about_Quoting_Rules: two quotes are one, and the typographic ones count as well."""
    line = text.splitlines()[0]
    found = re.fullmatch(rf"\$env:{TOKEN} = '((?:[^'\u2018\u2019\u201a\u201b]|'')*)'", line)
    assert found, line
    return found[1].replace("''", "'")


def of_node_dotenv(text: str) -> str:
    """The expression of the npm package dotenv, as far as it concerns values on one line."""
    value = r"\s*'(?:\\'|[^'])*'|[^#\r\n]+"
    line = re.compile(rf"^\s*(?:export\s+)?([\w.-]+)(?:\s*=\s*?|:\s+?)({value})?\s*(?:#.*)?$", re.MULTILINE)
    found = {match[1]: (match[2] or "").strip() for match in line.finditer(text)}
    return found[TOKEN]


def of_docker_env_file(text: str) -> str:
    """A line is split at its first equals sign, and nothing is taken away."""
    return dict(line.split("=", 1) for line in text.splitlines() if line and line[0] != "#")[TOKEN]


def of_curl_config(text: str) -> str:
    """curl(1), -K: in double quotes a backslash escapes."""
    found = re.fullmatch(r'header = "Authorization: Bearer ((?:[^"\\]|\\.)*)"\n', text)
    assert found
    return re.sub(r"\\(.)", r"\1", found[1])


def of_header(text: str) -> str:
    line = text.removesuffix("\n")
    assert line.isascii()
    name, _, value = line.partition(": ")
    scheme, _, credential = value.partition(" ")
    assert (name, scheme) == ("Authorization", "Bearer")
    return credential


def of_postman(text: str) -> str:
    rows = {row["key"]: row for row in json.loads(text)["values"]}
    assert rows["gc_access_token"]["type"] == "secret"
    return str(rows["gc_access_token"]["value"])


def of_archy(text: str) -> str:
    read = yaml.safe_load(text)
    assert read.keys() == {"authToken", "authTokenIsClientCredentials", "location"}
    assert read["authTokenIsClientCredentials"] is True
    assert read["location"] == "mypurecloud.ie"
    assert isinstance(read["authToken"], str)
    return read["authToken"]


CONSUMERS: list[tuple[str, Callable[[str], str]]] = [
    ("exec-credential", lambda text: str(json.loads(text)["status"]["token"])),
    ("exec-credential", lambda text: str(yaml.safe_load(text)["status"]["token"])),  # as client-go also reads it
    ("raw", lambda text: text.removesuffix("\n")),
    ("header", of_header),
    ("json", lambda text: str(json.loads(text)["access_token"])),
    ("headers", lambda text: of_header("Authorization: " + json.loads(text)["Authorization"])),
    ("bazel", lambda text: of_header("Authorization: " + json.loads(text)["headers"]["Authorization"][0])),
    ("dotenv", lambda text: str(dotenv.dotenv_values(stream=io.StringIO(text))[TOKEN])),
    ("dotenv", of_node_dotenv),
    ("dotenv", of_docker_env_file),
    ("dotenv", lambda text: runners.gitlab_report(text)[TOKEN]),
    ("jenkins", of_docker_env_file),
    ("powershell", of_powershell),
    ("curl", of_curl_config),
    ("terraform-external", lambda text: str(json.loads(text)["access_token"])),
    ("postman", of_postman),
    ("archy", of_archy),
]


@pytest.mark.parametrize(("form", "read"), CONSUMERS, ids=[form for form, _ in CONSUMERS])
@settings(max_examples=100, deadline=None)
@given(value=TOKENS)
def test_every_token_comes_out_as_it_went_in(form: str, read: Callable[[str], str], value: str) -> None:
    assert is_b64token(value)
    assert read(text_of(form, value)) == value


@pytest.mark.parametrize(("form", "read"), CONSUMERS, ids=[form for form, _ in CONSUMERS])
def test_an_awkward_token_comes_out_as_it_went_in(form: str, read: Callable[[str], str]) -> None:
    for value in AWKWARD:
        assert is_b64token(value)
        assert read(text_of(form, value)) == value


@pytest.mark.parametrize(("shell", "form"), [("bash", "env"), ("dash", "env"), ("sh", "env"), ("fish", "fish")])
@SHORT_TIME
@given(values=st.lists(TOKENS, min_size=1, max_size=40))
@example(values=AWKWARD)
def test_a_shell_that_evaluates_the_format_has_the_token(shell: str, form: str, values: list[str]) -> None:
    path = require(shell)
    shows = f'printf \'%s\\0\' "${TOKEN}" "${REGION}"\n'
    script = "".join(text_of(form, value) + shows for value in values)
    done = subprocess.run([path], input=script, capture_output=True, text=True, check=True, env={"HOME": "/"})
    assert done.stderr == ""
    assert done.stdout.split("\0")[:-1] == [part for value in values for part in (value, "eu-west-1")]


@SHORT_TIME
@given(values=st.lists(TOKENS, min_size=1, max_size=10), before=st.sampled_from(["", "A=b\n", "A=b"]))
@example(values=AWKWARD, before="")
def test_githubs_runner_reads_what_was_written_before_and_the_token(values: list[str], before: str) -> None:
    with tempfile.TemporaryDirectory() as directory, quiet_stderr() as said:
        file = Path(directory, "env")
        file.write_text(before)
        for value in values:
            assert formats.github(handed(value, environ={"GITHUB_ENV": str(file)})) == ""
            found = runners.github_file(file.read_text())
            assert found == ({"A": "b"} if before else {}) | {TOKEN: value, REGION: "eu-west-1"}
        assert runners.github_masks(said()) == values


class quiet_stderr:  # noqa: N801  # a context manager
    """Descriptor 2 goes into a file, whose text the function returns."""

    def __enter__(self) -> Callable[[], str]:
        self._kept = os.dup(2)
        self._file = tempfile.TemporaryFile()  # closed below
        os.dup2(self._file.fileno(), 2)
        return lambda: (self._file.seek(0), self._file.read().decode())[1]

    def __exit__(self, *_: object) -> None:
        os.dup2(self._kept, 2)
        os.close(self._kept)
        self._file.close()


@SHORT_TIME
@given(value=TOKENS)
@example(value="a==")
def test_azures_agent_reads_the_token_as_a_secret_variable(value: str) -> None:
    found = runners.azure_variables(formats.azure(handed(value, environ={"TF_BUILD": "True"})))
    assert found == {TOKEN: (value, True), REGION: ("eu-west-1", False)}


@SHORT_TIME
@given(values=st.lists(TOKENS, min_size=1, max_size=5), before=st.sampled_from([None, "", "A=b\n", "A=b"]))
def test_a_bash_that_reads_its_bash_env_has_the_last_token(values: list[str], before: str | None) -> None:
    with tempfile.TemporaryDirectory() as directory:
        file = Path(directory, "bash_env")
        if before is not None:
            file.write_text(before)
        for value in values:
            assert formats.circleci(handed(value, environ={"BASH_ENV": str(file)})) == ""
        done = subprocess.run(
            [require("bash"), "-eo", "pipefail", "-c", f"echo ${TOKEN} ${{A-}}"],
            env={"BASH_ENV": str(file)},
            capture_output=True,
            text=True,
            check=True,
        )
        assert (done.stdout.split(), done.stderr) == ([values[-1], *(["b"] if before else [])], "")


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(value=TOKENS)
@example(value="-a/b+c~d._==")
def test_curl_sends_the_token_that_its_config_names(scripted: ScriptedServer, value: str) -> None:
    argv = [require("curl"), "--silent", "-K", "-", scripted.token_url]
    subprocess.run(argv, input=text_of("curl", value), text=True, check=True, capture_output=True)
    assert scripted.requests[-1].headers["authorization"] == f"Bearer {value}"


@pytest.mark.parametrize("form", [*formats.FORMATS])
def test_a_value_that_would_be_mangled_is_refused(form: str, tmp_path: Path) -> None:
    environ = {name: str(tmp_path / name) for name in ("GITHUB_ENV", "BASH_ENV", "CI_PROJECT_DIR")}
    environ |= {"TF_BUILD": "True", "BUILDKITE_JOB_ID": "1"}
    (tmp_path / "GITHUB_ENV").touch()
    for value in ("it's me", 'a"b', "a b", "a\nb", "a$b", "a\\b", "a;b", "a%b", "t\u00f6ken", "", "="):
        with pytest.raises(UsageError) as refused:
            formats.FORMATS[form].render(handed(value, environ=environ))
        assert len(value) < 3 or value not in str(refused.value)
    assert [path.name for path in tmp_path.iterdir()] == ["GITHUB_ENV"]
    assert (tmp_path / "GITHUB_ENV").read_text() == ""


# The command.


def test_a_hit_needs_no_full_run(machine: Machine, scripted: ScriptedServer) -> None:
    for argv in HITS:
        first = machine.run("token", *argv, env=client(scripted))
        assert (first.code, first.err) == (0, "")
        notes = {path: path.stat().st_ino for path in machine.cache.glob("*.note")}
        done = machine.run("token", *argv, env=client(scripted))
        assert (done.code, done.out, done.err) == (0, first.out, "")
        # A full run would have left its note anew.
        assert {path: path.stat().st_ino for path in machine.cache.glob("*.note")} == notes
    assert len(notes) == len(HITS)
    assert len(scripted.requests) == 1


def test_raw_without_a_newline_is_the_token_alone(machine: Machine, scripted: ScriptedServer) -> None:
    for _ in range(2):
        assert machine.run("token", "-o", "raw", "--no-newline", env=client(scripted)).out == "tok-1"
    assert machine.run("token", "-o", "raw", env=client(scripted)).out == "tok-1\n"


def test_the_version_of_the_exec_credential_can_be_asked_for(machine: Machine, scripted: ScriptedServer) -> None:
    info = json.dumps({"apiVersion": "client.authentication.k8s.io/v1"})
    env = client(scripted, KUBERNETES_EXEC_INFO=info)
    for asked in ("v1", "v1beta1", "client.authentication.k8s.io/v1beta1"):
        done = machine.run("token", "--api-version", asked, env=env)
        assert json.loads(done.out)["apiVersion"] == f"client.authentication.k8s.io/{asked.rpartition('/')[2]}"
    for asked in ("v1alpha1", "example.org/v1"):
        assert machine.run("token", "--api-version", asked, env=env).code == 2


def test_both_spellings_of_the_expiry_say_the_same_moment(machine: Machine, scripted: ScriptedServer) -> None:
    answer = json.loads(machine.run("token", "-o", "json", env=client(scripted)).out)
    moment = datetime.strptime(answer["expires_at"], "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC)
    assert answer["expires_at_epoch"] == int(moment.timestamp())
    assert abs(answer["expires_at_epoch"] - time.time() - answer["expires_in"]) <= 2
    assert answer.keys() == {"access_token", "token_type", "expires_in", "expires_at", "expires_at_epoch"}
    reported = json.loads(machine.run("token", "-o", "bazel", env=client(scripted)).out)["expires"]
    assert reported == answer["expires_at"]


def test_success_is_silent_and_the_output_is_the_payload(
    machine: Machine, scripted: ScriptedServer, tmp_path: Path
) -> None:
    scripted.answers = [token("canary-tok-7Q")]
    program(tmp_path / "bin", "buildkite-agent", "#!/bin/sh\ncat > /dev/null; echo noise; echo noise >&2\n")
    (tmp_path / "github").touch()
    env = client(scripted, **runners.everywhere(tmp_path), PATH=f"{tmp_path / 'bin'}:{machine.environ()['PATH']}")
    for form in (*output.FORMATS, *formats.FORMATS):
        if form == "archy":  # which wants a file, and a region
            continue
        done = machine.run("token", "-o", form, env=env)
        assert done.code == 0, form
        assert done.err == ("::add-mask::canary-tok-7Q\n" if form == "github" else "")
        if form in ("github", "circleci", "buildkite"):
            assert done.out == ""
        elif form == "gitlab":
            assert done.out == f"{tmp_path}/project.tmp/gc-credhelper-77.env\n"
        else:
            assert "canary-tok-7Q" in done.out, form
    assert len(scripted.requests) == 1


@pytest.mark.parametrize("form", ["terraform-external", "postman"])
def test_where_a_token_comes_to_lie_in_clear_is_said_once_and_only_when_asked(
    machine: Machine, scripted: ScriptedServer, form: str
) -> None:
    machine.run("token", env=client(scripted))
    done = machine.run("token", "-o", form, "-v", env=client(scripted))
    assert done.err.count("in clear") == 1
    assert json.loads(done.out)
    assert "tok-1" not in done.err


def test_what_terraform_reads_is_one_flat_map_of_texts(machine: Machine) -> None:
    place = Somewhere.in_region("me-central-1")
    put(machine.cache, place, "tok-there")
    env = {"GENESYS_CLOUD_CLIENT_ID": place.client_id, "GENESYS_CLOUD_REGION": "mec1.pure.cloud"}
    done = subprocess.run(
        [GC, "token", "-o", "terraform-external"],
        env=machine.environ(env),
        input='{"profile":"ci"}',  # its query, which nobody has to read
        capture_output=True,
        text=True,
        check=True,
        cwd=machine.home,
    )
    answer = json.loads(done.stdout)
    assert all(isinstance(value, str) for value in answer.values())
    assert answer["region"] == "me-central-1"
    assert answer["api_url"] == "https://api.mec1.pure.cloud"


@pytest.mark.parametrize("region", [*DIVIDED, "eu-west-1"])
def test_a_region_with_two_spellings_gets_terraforms_and_a_note(machine: Machine, region: str) -> None:
    place = Somewhere.in_region(region)
    put(machine.cache, place, "tok-there")
    env = {"GENESYS_CLOUD_CLIENT_ID": place.client_id, "GENESYS_CLOUD_REGION": region}
    done = machine.run("token", "-o", "dotenv", env=env)
    assert (done.out, done.err) == (f"{TOKEN}=tok-there\n{REGION}={region}\n", "")
    said = machine.run("token", "-o", "dotenv", "-v", env=env).err
    assert ("no spelling of this region" in said) == (region in DIVIDED)


# Files.


def test_archys_options_are_a_file_that_only_we_read(machine: Machine) -> None:
    place = Somewhere.in_region("eu-central-2")
    put(machine.cache, place, "1e5")  # which YAML takes for a number
    env = {"GENESYS_CLOUD_CLIENT_ID": place.client_id, "GENESYS_CLOUD_REGION": "eu-central-2"}
    done = machine.run("token", "-o", "archy", "--file", "options.yaml", env=env)
    assert (done.code, done.out, done.err) == (0, "", "")
    path = machine.home / "options.yaml"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    wanted = {"authToken": "1e5", "authTokenIsClientCredentials": True, "location": "euc2.pure.cloud"}
    assert yaml.safe_load(path.read_text()) == wanted
    nowhere = machine.run("token", "-o", "archy", env=env)
    assert (nowhere.code, nowhere.out) == (2, "")
    assert "--file" in nowhere.hint


def test_archy_takes_no_token_without_a_region(machine: Machine, scripted: ScriptedServer) -> None:
    done = machine.run("token", "-o", "archy", "--file", "options.yaml", env=client(scripted))
    assert (done.code, done.out) == (2, "")
    assert not (machine.home / "options.yaml").exists()


@pytest.mark.parametrize("form", ["exec-credential", "env"])
def test_an_answer_in_a_file_replaces_it_whole_whatever_its_mode_was(
    machine: Machine, scripted: ScriptedServer, form: str
) -> None:
    shown = machine.run("token", "-o", form, env=client(scripted)).out
    path = machine.home / "there"
    path.write_text("x" * 10_000)
    path.chmod(0o666)
    done = machine.run("token", "-o", form, "--file", "there", env=client(scripted))
    assert (done.code, done.out, done.err) == (0, "", "")
    assert path.read_text() == shown
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [one.name for one in machine.home.iterdir() if one.name.endswith(".tmp")] == []


def test_a_link_is_replaced_and_what_it_pointed_to_stays(
    machine: Machine, scripted: ScriptedServer, tmp_path: Path
) -> None:
    other = tmp_path / "other"
    other.write_text("keep me")
    (machine.home / "link").symlink_to(other)
    assert machine.run("token", "-o", "raw", "--file", "link", env=client(scripted)).code == 0
    assert other.read_text() == "keep me"
    assert (machine.home / "link").read_text() == "tok-1\n"
    assert not (machine.home / "link").is_symlink()


def test_a_file_that_cannot_be_written_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    os.mkfifo("fifo")
    Path("directory").mkdir()
    for path in (".", "/", "fifo", "directory", "directory/", "no/such/directory/file", "x" * 300, "/dev/null"):
        with pytest.raises(UsageError):
            write_alone(path, "tok-1")
    assert sorted(one.name for one in tmp_path.iterdir()) == ["directory", "fifo"]
    assert Path("/dev/null").is_char_device()


@pytest.mark.parametrize("path", ["", "directory"])
def test_a_file_that_cannot_be_written_prints_no_token(machine: Machine, scripted: ScriptedServer, path: str) -> None:
    (machine.home / "directory").mkdir()
    done = machine.run("token", "-o", "raw", "--file", path, env=client(scripted))
    assert (done.code, done.out) == (2, "")
    assert "tok-1" not in done.err


def test_a_file_name_as_long_as_the_system_allows_is_written(tmp_path: Path) -> None:
    write_alone(str(tmp_path / ("x" * 255)), "tok-1")
    assert (tmp_path / ("x" * 255)).read_text() == "tok-1"


@pytest.mark.parametrize(
    "argv",
    [
        ("--no-newline",),
        ("-o", "header", "--no-newline"),
        ("-o", "raw", "--api-version", "v1"),
        ("-o", "raw", "--step-output"),
        ("-o", "raw", "--downloadable-artifact", "x"),
        ("-o", "gitlab", "--downloadable-artifact", ""),
        ("-o", "github", "--file", "x"),
        ("-o", "azure", "--file", "x"),
        ("-o", "no-such-format"),
    ],
)
def test_an_option_that_the_format_does_not_know_is_refused_before_anyone_is_asked(
    machine: Machine, scripted: ScriptedServer, argv: Sequence[str]
) -> None:
    done = machine.run("token", *argv, env=client(scripted))
    assert (done.code, done.out, len(scripted.requests)) == (2, "", 0)
    assert done.hint


# CI systems.


@pytest.mark.parametrize("form", ["github", "azure", "circleci", "buildkite", "gitlab"])
def test_outside_of_its_ci_system_a_format_says_so(machine: Machine, scripted: ScriptedServer, form: str) -> None:
    done = machine.run("token", "-o", form, env=client(scripted))
    assert (done.code, done.out) == (2, "")
    assert "is not set" in done.error
    assert "tok-1" not in done.err


def test_a_file_of_github_that_is_not_mounted_is_an_error_and_is_not_made(
    machine: Machine, scripted: ScriptedServer, tmp_path: Path
) -> None:
    done = machine.run("token", "-o", "github", env=client(scripted, GITHUB_ENV=str(tmp_path / "gone")))
    assert (done.code, done.out) == (2, "")
    assert "GITHUB_ENV" in done.error
    assert not (tmp_path / "gone").exists()


def test_without_a_mask_nothing_is_handed_to_github(machine: Machine, scripted: ScriptedServer, tmp_path: Path) -> None:
    file = tmp_path / "env"
    file.touch()
    env = machine.environ(client(scripted, GITHUB_ENV=str(file)))
    for closed in ("2>&-", "2>/dev/full"):
        done = subprocess.run(
            ["sh", "-c", f'exec "$0" token -o github {closed}', GC], env=env, check=False, cwd=machine.home
        )
        assert done.returncode == 2, closed
        assert file.read_text() == ""


def test_an_output_of_a_step_has_short_names(machine: Machine, scripted: ScriptedServer, tmp_path: Path) -> None:
    for name in ("out", "env"):
        (tmp_path / name).touch()
    env = client(scripted, GITHUB_OUTPUT=str(tmp_path / "out"), GITHUB_ENV=str(tmp_path / "env"))
    assert machine.run("token", "-o", "github", "--step-output", env=env).code == 0
    assert runners.github_file((tmp_path / "out").read_text()) == {"token": "tok-1"}
    assert (tmp_path / "env").read_text() == ""


def test_the_delimiter_is_another_one_each_time(machine: Machine, scripted: ScriptedServer, tmp_path: Path) -> None:
    file = tmp_path / "env"
    file.touch()
    for _ in range(2):
        machine.run("token", "-o", "github", env=client(scripted, GITHUB_ENV=str(file)))
    found = re.findall(rf"{TOKEN}<<(\S+)", file.read_text())
    assert len({*found}) == 2
    assert all(len(one) >= 32 for one in found)


def test_a_file_of_gitlab_lies_beside_the_checkout_for_us_alone(
    machine: Machine, scripted: ScriptedServer, tmp_path: Path
) -> None:
    project = tmp_path / "builds" / "project"
    project.mkdir(parents=True)
    done = machine.run("token", "-o", "gitlab", env=client(scripted, CI_PROJECT_DIR=str(project), CI_JOB_ID="../x"))
    path = Path(done.out.strip())
    assert path.parent == project.with_name("project.tmp")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert not [*project.iterdir()]
    (tmp_path / "file").touch()
    done = machine.run("token", "-o", "gitlab", env=client(scripted, CI_PROJECT_DIR=str(tmp_path / "file" / "project")))
    assert (done.code, done.out) == (2, "")


def test_a_report_that_others_can_download_needs_its_flag_and_a_warning(
    machine: Machine, scripted: ScriptedServer, tmp_path: Path
) -> None:
    scripted.answers = [token("canary-tok-7Q"), token("x" * 6000)]
    argv = ("token", "-o", "gitlab", "--downloadable-artifact", "token.env")
    done = machine.run(*argv, env=client(scripted, CI_PROJECT_DIR=str(tmp_path)))
    assert (done.code, done.out) == (0, "")
    assert len(done.warnings) == 1
    assert "download" in done.warnings[0]
    assert "canary-tok-7Q" not in done.err
    assert runners.gitlab_report((machine.home / "token.env").read_text()) == {TOKEN: "canary-tok-7Q"}
    done = machine.run(*argv, "--refresh", env=client(scripted, CI_PROJECT_DIR=str(tmp_path)))
    assert done.code == 2
    assert runners.gitlab_report((machine.home / "token.env").read_text()) == {TOKEN: "canary-tok-7Q"}


def test_buildkites_agent_hears_the_token_on_its_input_alone(
    machine: Machine, scripted: ScriptedServer, tmp_path: Path
) -> None:
    scripted.answers = [token("canary-tok-7Q")]
    agent = runners.Buildkite(tmp_path / "agent")
    env = client(scripted, **agent.environ(machine.environ()["PATH"]))
    done = machine.run("token", "-o", "buildkite", env=env)
    assert (done.code, done.out, done.err) == (0, "", "")
    assert agent.redacted == ["canary-tok-7Q"]
    assert agent.variables == {TOKEN: "canary-tok-7Q"}
    assert "canary-tok-7Q" not in agent.arguments
    assert agent.arguments.splitlines()[0].endswith("redactor add")


@pytest.mark.parametrize("agent", [None, "#!/bin/sh\ncat; exit 3\n", "#!/bin/sh\nexit 3\n"])
def test_an_agent_that_fails_is_an_error_that_shows_nothing_of_what_it_said(
    machine: Machine, scripted: ScriptedServer, tmp_path: Path, agent: str | None
) -> None:
    scripted.answers = [token("canary-tok-7Q")]
    if agent:
        program(tmp_path / "bin", "buildkite-agent", agent)
    path = f"{tmp_path / 'bin'}:{machine.environ()['PATH']}"
    done = machine.run("token", "-o", "buildkite", env=client(scripted, BUILDKITE_JOB_ID="1", PATH=path))
    assert (done.code, done.out) == (2, "")
    assert "buildkite-agent" in done.error
    assert "canary-tok-7Q" not in done.err


def test_a_token_that_buildkite_would_not_redact_is_not_handed_to_it(
    machine: Machine, scripted: ScriptedServer, tmp_path: Path
) -> None:
    agent = runners.Buildkite(tmp_path / "agent")
    done = machine.run("token", "-o", "buildkite", env=client(scripted, **agent.environ(machine.environ()["PATH"])))
    assert (done.code, done.out, agent.arguments) == (2, "", "")


# Impatient callers.


@pytest.mark.parametrize(("form", "under"), [("bazel", 10), ("headers", 10), ("codex", 5), ("raw", 31)])
def test_the_default_deadline_is_below_the_patience_of_the_formats_caller(
    machine: Machine, form: str, under: float
) -> None:
    seen = re.search(r"longer than (\d+) s", _waiting(machine, "-o", form))
    assert seen
    assert under - 3 < int(seen[1]) < under


def test_a_deadline_that_someone_set_stands(machine: Machine) -> None:
    assert "longer than 1 s" in _waiting(machine, "-o", "bazel", "--deadline", "1s")


def _waiting(machine: Machine, *argv: str) -> str:
    """What a caller says who finds the lock taken; time is made to pass, or the slowest would take half a minute."""
    script = """
import sys, time
from gc_credhelper import cli, deadline
from gc_credhelper.locks import LocalLock
real = time.monotonic
start = real()
deadline.time = type(sys)("time")
deadline.time.monotonic = lambda: start + (real() - start) * 60
deadline.time.sleep = lambda seconds: time.sleep(min(seconds, 0.01))
sys.exit(cli.main(sys.argv[1:]))
"""
    from support.entries import locked

    place = Somewhere.in_region("eu-west-1")
    env = {"GENESYS_CLOUD_CLIENT_ID": place.client_id, "GENESYS_CLOUD_REGION": "eu-west-1"}
    python = Path(GC).with_name("python")
    with locked(machine.cache, place):
        done = subprocess.run(
            [python, "-c", script, "token", *argv],
            env=machine.environ(env),
            cwd=machine.home,
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
    assert done.returncode == 6, done.stderr
    return done.stderr
