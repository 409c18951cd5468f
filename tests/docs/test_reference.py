"""Everything that exists is documented, and everything documented exists."""

import ast
import json
import re
from pathlib import Path

import pytest
from support import Machine, client
from support.scripted import ScriptedServer, http, token
from support.tokenme import of

import gc_credhelper
from gc_credhelper import cli, errors, facts, formats, output, tokens
from gc_credhelper.library import token_source
from gc_credhelper.plugins import BUILT_IN, CACHES, PROVIDERS, known_names, load
from gc_credhelper.regions import REGIONS
from gc_credhelper.settings import SETTINGS, Setting

from .pages import PAGES, REFERENCE, ROOT, blocks, column, name, sections, tables

PACKAGE = ROOT / "gc_credhelper"
CODE = {path: ast.parse(path.read_text(encoding="utf-8")) for path in PACKAGE.rglob("*.py")}
VARIABLE = re.compile(r"[A-Z][A-Z0-9]*(_[A-Z0-9]+)+")
DASH = "\N{EN DASH}"
LONE_VARIABLES = {"HOME", "TMPDIR", "APPDATA", "LOCALAPPDATA"}
NOT_VARIABLES = {
    "CLIENT_ID",  # a name inside a file
    "CLIENT_SECRET",
    "CERTIFICATE_REQUIRED",  # a reason of OpenSSL
    "O_CLOEXEC",  # a flag of open(2)
}


def rows() -> list[Setting]:
    """Every setting: the core's, then those of the built-in plug-ins."""
    found = list(SETTINGS)
    for group in (PROVIDERS, CACHES):
        for plug_in in BUILT_IN[group]:
            found += load(group, plug_in).settings
    return found


def test_the_table_of_settings_is_the_one_of_the_code() -> None:
    shown = tables(REFERENCE / "settings.md")[0]
    wanted = [
        [
            f"`{row.name}`",
            f"`{row.option}`" if row.flag else DASH,
            f"`{row.variable}`",
            f"`{row.default}`" if row.default is not None else DASH,
        ]
        for row in rows()
    ]
    assert sorted(row[:4] for row in shown[1:]) == sorted(wanted)
    assert all(row[4] for row in shown)


def test_the_platforms_variables_are_listed_nearest_first() -> None:
    shown = {row[0].strip("`"): re.findall(r"`(\w+)`", row[1]) for row in tables(REFERENCE / "settings.md")[1][1:]}
    assert shown == {row.name: list(row.platform) for row in rows() if row.platform}


def test_the_table_of_regions_is_the_one_of_the_code() -> None:
    shown = tables(REFERENCE / "regions.md")[0][1:]
    assert len(shown) == len(REGIONS) == 18
    for cells, region in zip(shown, REGIONS, strict=True):
        aws, domain, *others = (cell.strip("`") for cell in cells)
        assert (aws, domain) == (region.aws, region.domain)
        assert len(others) == 2
        assert set(others) < region.spellings


@pytest.mark.parametrize("page", [ROOT / "README.md", REFERENCE / "exit-codes.md"], ids=name)
def test_every_exit_code_is_listed(page: Path) -> None:
    table = next(table for table in tables(page) if "code" in table[0][0])
    tree = [error for error in vars(errors).values() if isinstance(error, type) and issubclass(error, errors.Error)]
    assert column(table) == sorted({"0", *(str(error.exit_code) for error in tree)})
    if page.parent == REFERENCE:
        shown = {(int(row[0]), word) for row in table[1:] for word in re.findall(r"`(\w+)`", row[1])}
        assert shown == {(error.exit_code, error.__name__) for error in tree}


def test_every_exit_code_has_a_section_that_says_what_to_do() -> None:
    headings = [*sections(ROOT / "docs/how-to/troubleshooting.md")]
    assert [heading[0] for heading in headings if heading[0].isdigit()] == list("1234567")


def test_every_output_format_is_listed_and_has_a_section() -> None:
    page = REFERENCE / "output-formats.md"
    assert column(tables(page)[0]) == [*output.FORMATS, *formats.FORMATS] == [*sections(page)]
    assert all(f"`{version}`" in page.read_text(encoding="utf-8") for version in output.API_VERSIONS)


@pytest.mark.parametrize("page", [ROOT / "README.md", REFERENCE / "commands.md"], ids=name)
def test_every_command_is_listed(page: Path) -> None:
    if page.parent == REFERENCE:
        shown = [heading for heading in sections(page) if heading != "Shared options"]
    else:
        shown = column(next(table for table in tables(page) if table[0][0] == "command"))
    assert shown == [*cli.COMMANDS]


@pytest.mark.parametrize("command", cli.COMMANDS)
def test_every_option_of_a_command_is_documented_and_exists(machine: Machine, command: str) -> None:
    parts = sections(REFERENCE / "commands.md")
    done = machine.run(command, "--help")
    assert done.code == 0
    exist = set(re.findall(r"(?<![\w-])--[a-z][a-z-]*", done.out)) - {"--help"}
    shared = set(re.findall(r"`(--[a-z-]+)", parts["Shared options"])) - {"--help"}
    shown = set(re.findall(r"`(?:-o FORMAT`, `)?(--[a-z-]+)", parts[command])) - {"--help"}
    wanted = exist - shared if f"`{command}`" in parts["Shared options"] else exist
    assert shown == wanted
    if f"`{command}`" in parts["Shared options"]:
        assert shared <= exist


def test_every_stage_that_explain_tells_of_is_listed() -> None:
    shown = next(table for table in tables(REFERENCE / "commands.md") if table[0] == ["stage", "tells"])
    listed = {stage for row in shown[1:] for stage in re.findall(r"`(\w+)`", row[0])}
    assert listed == {stage for stage, _ in facts.TEXTS}


def test_no_page_uses_an_option_that_does_not_exist(machine: Machine) -> None:
    for page in PAGES:
        for block in blocks(page):
            for line in re.findall(r"gc-credhelper (\w+)([^|;)\n]*)", block.text):
                command, rest = line
                if command in cli.COMMANDS:
                    own = rest.partition(" -- ")[0]
                    for option in re.findall(r"(?<!\S)--[a-z][a-z-]+", own):
                        assert option in options_of(machine, command), f"{name(page)}: {command} {option}"


_known_options: dict[str, str] = {}


def options_of(machine: Machine, command: str) -> str:
    if command not in _known_options:
        _known_options[command] = machine.run(command, "--help").out
    return _known_options[command]


def variables_of_the_code() -> set[str]:
    """Every text in the code that is written like a variable, and those of the settings."""
    found = {row.variable for row in rows()}
    for path, tree in CODE.items():
        if "sandbox" not in path.parts:
            texts = [n.value for n in ast.walk(tree) if isinstance(n, ast.Constant) and isinstance(n.value, str)]
            found |= {text for text in texts if VARIABLE.fullmatch(text) or text in LONE_VARIABLES}
    return found - NOT_VARIABLES


def test_every_variable_that_is_read_is_documented() -> None:
    shown = set(re.findall(r"\b[A-Z][A-Z0-9_]+\b", (REFERENCE / "environment.md").read_text(encoding="utf-8")))
    assert variables_of_the_code() - shown == set()


def test_every_variable_of_ours_that_a_page_names_exists() -> None:
    known = variables_of_the_code()
    known |= {Setting(row, str, "").variable for table in known_names() for row in known_names(table)}
    for page in PAGES:
        if page.name == "CHANGELOG.md":
            continue
        text = page.read_text(encoding="utf-8").replace("`GC_CREDHELPER_CLIENT_SECRET` is no setting", "")
        for found in re.findall(r"\bGC_CREDHELPER_[A-Z_]*[A-Z]\b", text):
            assert found in known or found == "GC_CREDHELPER_INI_PATH", f"{name(page)} names {found}"


def test_status_warns_of_a_variable_for_the_secret_as_the_reference_says(machine: Machine) -> None:
    done = machine.run("status", env={"GC_CREDHELPER_CLIENT_SECRET": "canary-9f2"})
    assert any("GC_CREDHELPER_CLIENT_SECRET" in warning for warning in done.warnings)
    assert "canary-9f2" not in done.out + done.err


def test_every_public_name_is_documented() -> None:
    text = (REFERENCE / "library.md").read_text(encoding="utf-8")
    for public in (*gc_credhelper.__all__, "gc_credhelper.httpx_auth.GenesysAuth"):
        assert re.search(rf"`{public}\b", text), public


def test_the_attributes_and_methods_that_the_library_page_lists_exist() -> None:
    source, token_ = (tables(REFERENCE / "library.md")[i] for i in (0, 1))
    for method in column(source):
        assert callable(getattr(gc_credhelper.TokenSource, method.partition("(")[0]))
    public = {n for n in dir(gc_credhelper.AccessToken) if not n.startswith("_")} - {"usable"}
    assert set(column(token_)) == public


def test_the_files_of_the_cache_are_those_that_a_machine_with_a_past_has(
    machine: Machine, scripted: ScriptedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    refusal = http(401, {"error": "invalid_client", "error_description": "authentication failed"})
    scripted.answers = [token("one"), of(), refusal]
    machine.run("token", env=client(scripted))
    machine.run("verify", env=client(scripted, GC_CREDHELPER_API_URL=f"http://127.0.0.1:{scripted.port}"))
    for variable, value in machine.environ(client(scripted)).items():
        monkeypatch.setenv(variable, value)
    assert token_source().reject("another-token")
    assert machine.run("token", "--refresh", env=client(scripted)).code == 5
    there = {path.suffix for path in machine.cache.iterdir()}
    shown = {"." + cell.rpartition(".")[2] for cell in column(tables(REFERENCE / "cache-files.md")[0])}
    assert shown == there | {".tmp"}


def test_the_parts_of_a_stored_token_are_those_that_the_page_lists(machine: Machine, scripted: ScriptedServer) -> None:
    machine.run("token", env=client(scripted))
    (entry,) = machine.cache.glob("*.token")
    line = next(block.text for block in blocks(REFERENCE / "cache-files.md") if "refresh_at" in block.text)
    shown = re.sub(r"<[^>]*>", "X", line).split()
    stored = entry.read_text().partition("\n")[0].split(" ")
    assert len(stored) == len(shown)
    assert [stored[i] for i, part in enumerate(shown) if part != "X"] == [part for part in shown if part != "X"]


def test_the_parts_of_a_proof_are_those_that_the_page_lists() -> None:
    line = next(block.text for block in blocks(REFERENCE / "cache-files.md") if "alive_at" in block.text)
    stored = tokens.dump_proof(tokens.AccessToken("value", 1, 2), "digest", 3, 4).split(" ")
    assert stored == ["gcca1", "digest", "1000", "2000", "3000", "4000\n"]
    assert line.split() == ["gcca1", "<digest>", "<issued_at>", "<expires_at>", "<alive_at>", "<vain_at>"]


def test_the_kinds_of_inputs_in_a_note_are_those_of_the_code() -> None:
    from gc_credhelper import plan

    shown = column(tables(REFERENCE / "cache-files.md")[1])
    assert set(shown) == set(re.findall(r"\b([A-Z]): ", plan.__doc__ or ""))
    assert set(shown) == {found.decode() for found in _kinds()}


def _kinds() -> set[bytes]:
    nodes = [node for path in ("plan.py", "notes.py") for node in ast.walk(CODE[PACKAGE / path])]
    values = [node.value for node in nodes if isinstance(node, ast.Constant) and isinstance(node.value, bytes)]
    return {value for value in values if re.fullmatch(rb"[A-Z]", value)}


def test_the_built_in_plug_ins_and_their_groups_are_listed() -> None:
    table = tables(REFERENCE / "plugins.md")[0]
    shown = {row[1].strip("`"): re.findall(r"`([\w-]+)`", row[2]) for row in table[1:]}
    assert shown == {PROVIDERS: [*BUILT_IN[PROVIDERS]], CACHES: [*BUILT_IN[CACHES], "none"]}


def test_the_ready_line_of_the_sandbox_has_the_names_that_the_page_shows(machine: Machine) -> None:
    from gc_credhelper.sandbox.server import SandboxThread

    (shown,) = (json.loads(b.text) for b in blocks(REFERENCE / "commands.md") if b.info == "json")
    with SandboxThread() as sandbox:
        assert shown.keys() == sandbox.ready.keys()


def test_the_paths_and_the_counters_of_the_sandbox_are_listed() -> None:
    from gc_credhelper.sandbox.api import Api
    from gc_credhelper.sandbox.options import Options
    from gc_credhelper.sandbox.state import State

    state = State(Options())
    shown = [table for table in tables(REFERENCE / "commands.md") if table[0][0].startswith(("path below", "counter"))]
    assert [column(table) for table in shown] == [
        [*dict.fromkeys(resource.canonical for resource in Api(state, users=1).app().router.resources())],
        [*state.stats()],
    ]


def test_the_targets_of_make_are_listed() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    assert column(tables(ROOT / "CONTRIBUTING.md")[0]) == [
        f"make {target}" for target in re.findall(r"^([a-z]+):.*## ", makefile, re.MULTILINE)
    ]
