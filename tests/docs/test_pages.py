"""The pages among themselves: links, TOML, the index, and the plug-in that they show."""

import re
import subprocess
import sys
import tomllib
import venv
from pathlib import Path

import pytest
from support import Machine, client
from support.scripted import ScriptedServer

from gc_credhelper.app import App
from gc_credhelper.plan import Inputs, encode
from gc_credhelper.plugins import ROLE_NAMES
from gc_credhelper.report import Report

from .pages import FRONT, PAGES, REFERENCE, ROOT, Block, blocks, name, prose, sections

TOML = [block for page in PAGES for block in blocks(page) if block.info == "toml"]
PROFILES = [block for block in TOML if "profiles" in tomllib.loads(block.text)]
EXAMPLE = REFERENCE / "plugins.md"


def links(page: Path) -> list[str]:
    return re.findall(r"\[[^\]]*\]\(([^)\s]+)\)", prose(page))


def anchors(page: Path) -> set[str]:
    headings = re.findall(r"^#+ (.+)$", prose(page), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_the_links_of_a_page_resolve(page: Path) -> None:
    for link in links(page):
        path, _, anchor = link.partition("#")
        if "://" in path:
            continue
        target = (page.parent / path).resolve() if path else page
        assert target.is_file(), f"{name(page)} links to {link}"
        assert target.is_relative_to(ROOT)
        assert not anchor or anchor in anchors(target), f"{name(page)} links to {link}"


def test_every_page_is_reached_from_the_index_or_the_readme() -> None:
    reached = {
        (page.parent / link.partition("#")[0]).resolve()
        for page in (ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "docs/README.md")
        for link in links(page)
        if "://" not in link
    }
    assert {name(page) for page in PAGES if page not in reached} == {"README.md"}
    assert all(page in PAGES for page in reached | set(FRONT))


def test_every_decision_has_context_decision_and_consequences_and_its_number() -> None:
    decisions = sorted((ROOT / "docs/adr").glob("*.md"))
    for number, page in enumerate(decisions, 1):
        assert page.name.startswith(f"{number:04d}-")
        assert page.read_text(encoding="utf-8").startswith(f"# {number}. ")
        assert [*sections(page)] == ["Context", "Decision", "Consequences"]


@pytest.mark.parametrize("block", PROFILES, ids=lambda block: name(block.page))
def test_a_profile_that_is_shown_names_only_settings_that_exist(block: Block, tmp_path: Path) -> None:
    config = tmp_path / "config.toml"
    config.write_text(block.text)
    environ = {b"GC_CREDHELPER_CONFIG": encode(str(config)), b"HOME": encode(str(tmp_path))}
    profiles = tomllib.loads(block.text)["profiles"]
    assert profiles
    for profile in profiles:
        app = App(Inputs([], environ), {"profile": (profile, "test")}, Report())
        assert app.endpoints.token_url.startswith("https://")


def test_every_toml_block_is_a_config_file_or_metadata() -> None:
    for block in TOML:
        found = tomllib.loads(block.text)
        assert "profiles" in found or block.text.startswith("# pyproject.toml\n"), name(block.page)


def test_the_example_of_a_plug_in_works_when_it_is_installed(
    machine: Machine, scripted: ScriptedServer, tmp_path: Path
) -> None:
    python = install_example(tmp_path / "venv")
    ini = machine.home / "clients.ini"
    ini.write_text(f"[prod]\nclient_id={scripted.client_id}\nclient_secret={scripted.client_secret}\n")
    env = machine.environ({"GC_CREDHELPER_TOKEN_URL": scripted.token_url})

    def run(*argv: str) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            [python, "-P", "-m", "gc_credhelper", *argv],
            env=env,
            cwd=machine.home,
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )

    assert "ini " in run("plugins").stdout
    done = run("token", "--provider", "ini:clients.ini#prod", "-o", "raw")
    assert (done.returncode, done.stdout, done.stderr) == (0, "tok-1\n", "")
    done = run("token", "--provider", "ini", "--set", "ini.path=clients.ini#prod", "-o", "raw")
    assert (done.returncode, len(scripted.requests)) == (0, 1)
    done = run("token", "--provider", "ini:clients.ini#test")
    assert (done.returncode, done.stdout) == (4, "")
    assert "[test]" in done.stderr
    assert scripted.client_secret not in done.stderr


def install_example(where: Path) -> Path:
    """An environment that sees this one, with the files of the page as an installer would leave them."""
    venv.create(where, with_pip=False, symlinks=True)
    (site,) = where.glob("lib/python*/site-packages")
    seen = [path for path in sys.path if path.endswith("site-packages")]
    (site / "tests.pth").write_text("\n".join([*seen, str(ROOT)]) + "\n")
    written = {block.text.partition("\n")[0]: block.text for block in blocks(EXAMPLE) if block.text.startswith("# ")}
    (site / "gc_credhelper_ini.py").write_text(written["# gc_credhelper_ini.py"])
    project = tomllib.loads(written["# pyproject.toml"])["project"]
    info = site / f"{project['name'].replace('-', '_')}-{project['version']}.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {project['name']}\nVersion: {project['version']}\n")
    groups = project["entry-points"]
    assert groups.keys() <= ROLE_NAMES.keys()
    lines = [f"[{group}]\n" + "".join(f"{n} = {v}\n" for n, v in rows.items()) for group, rows in groups.items()]
    (info / "entry_points.txt").write_text("\n".join(lines))
    return where / "bin" / "python"


def test_the_readmes_example_for_python_passes_a_strict_type_checker(tmp_path: Path) -> None:
    (example,) = (block.text for block in blocks(ROOT / "README.md") if block.info == "python")
    file = tmp_path / "example.py"
    file.write_text(example + "wrong: int = source.token().value\n")
    done = subprocess.run(
        [sys.executable, "-m", "mypy", "--strict", f"--cache-dir={tmp_path / 'cache'}", str(file)],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
        timeout=100,
    )
    assert [line.partition(": ")[2] for line in done.stdout.splitlines() if ": error: " in line] == [
        'error: Incompatible types in assignment (expression has type "str", variable has type "int")  [assignment]'
    ], done.stdout


def test_the_two_variables_of_the_readme_are_enough_in_ci(machine: Machine, scripted: ScriptedServer) -> None:
    shown = next(block.text for block in blocks(ROOT / "README.md") if block.info == "text")
    variables = re.findall(r"^(\w+)=", shown, re.MULTILINE)
    assert len(variables) == 2
    given = client(scripted)
    env = {n: v for n, v in given.items() if n in variables} | {"GC_CREDHELPER_TOKEN_URL": scripted.token_url}
    assert machine.run("token", env=env).code == 0


def test_a_sentence_or_clause_has_a_line_of_its_own() -> None:
    for page in PAGES:
        for line in prose(page).splitlines():
            if not line.startswith(("|", "#", "#!")):
                text = re.sub(r"`[^`]*`|\[[^\]]*\]\([^)]*\)", "x", line)
                assert not re.search(r"[a-z)]\. [A-Z][a-z]+ [a-z]+ [a-z]+ .{60}", text), f"{name(page)}: {line}"
