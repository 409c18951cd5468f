"""The launcher, however it is installed, linked and called."""

import os
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest
from support import GC, Machine, client, require
from support.scripted import ScriptedServer

from .kit import LAUNCHER, LIB, PYTHON, Layout, assert_hit, call, make_target, make_venv, notes, write_console_script

SHELLS = [shell for shell in ("sh", "dash", "bash", "busybox") if shutil.which(shell)]
COPIED = "make a link to the installed file instead of a copy"


@pytest.fixture
def venv(tmp_path: Path) -> Layout:
    return make_venv(tmp_path / "env")


@pytest.fixture
def env(scripted: ScriptedServer) -> dict[str, str]:
    return client(scripted)


def serves(machine: Machine, command: Path | str, env: Mapping[str, str], cwd: Path | None = None) -> None:
    """First a full run, then a hit, and both print the token."""
    argv = [str(command), "token", "-o", "raw"]
    first = call(machine, argv, env, cwd)
    assert (first.code, first.out, first.err) == (0, "tok-1\n", "")
    assert assert_hit(machine, argv, env, cwd).out == "tok-1\n"


def watch_site_packages(layout: Layout) -> Path:
    """A file that appears when Python's site module treats the site-packages of this environment."""
    witness = layout.root / "witness"
    (layout.root / LIB / "witness.pth").write_text(f"import os; os.makedirs({str(witness)!r}, exist_ok=True)\n")
    return witness


def serves_without_site(machine: Machine, layout: Layout, command: Path, env: Mapping[str, str]) -> None:
    """As `serves`, and the hit is the launcher's own, not that of an ordinary start."""
    witness = watch_site_packages(layout)
    serves(machine, command, env)
    assert call(machine, [command, "--version"], env).code == 0
    assert witness.exists(), "a full run must see the environment's site-packages"
    witness.rmdir()
    assert_hit(machine, [command, "token", "-o", "raw"], env)
    assert not witness.exists()


def test_the_installed_launcher_is_the_one_of_the_checkout() -> None:
    assert Path(GC).read_bytes() == LAUNCHER.read_bytes(), "reinstall: make clean demo"
    assert LAUNCHER.stat().st_mode & 0o777 == 0o755


def test_called_by_its_path(machine: Machine, venv: Layout, env: dict[str, str]) -> None:
    serves(machine, venv.command, env)


@pytest.mark.parametrize("make", [make_venv, lambda root: make_venv(root, editable=True), make_target])
def test_every_layout_serves(machine: Machine, tmp_path: Path, env: dict[str, str], make: object) -> None:
    serves(machine, make(tmp_path / "layout").command, env)  # type: ignore[operator]


def test_called_by_name_from_the_path(machine: Machine, venv: Layout, env: dict[str, str]) -> None:
    serves(machine, "gc-credhelper", env | {"PATH": f"{venv.bin}:/usr/bin:/bin"})


def test_called_by_a_relative_path(machine: Machine, venv: Layout, env: dict[str, str]) -> None:
    for command, cwd in (
        ("./gc-credhelper", venv.bin),
        ("bin/gc-credhelper", venv.root),
        ("../bin/gc-credhelper", venv.bin),
    ):
        serves(machine, command, env, cwd)


@pytest.mark.parametrize("path", [".:/usr/bin:/bin", ":/usr/bin:/bin"], ids=["dot", "empty"])
def test_found_in_the_working_directory(machine: Machine, venv: Layout, env: dict[str, str], path: str) -> None:
    for _ in range(2):
        done = call(machine, ["sh", "-c", "gc-credhelper token -o raw"], env | {"PATH": path}, venv.bin)
        assert (done.code, done.out, done.err) == (0, "tok-1\n", "")


def test_a_folder_with_spaces_and_other_letters(machine: Machine, tmp_path: Path, env: dict[str, str]) -> None:
    layout = make_venv(tmp_path / "a folder, \"so\" 'named' $HOME é *")
    serves(machine, layout.command, env)
    serves(machine, "gc-credhelper", env | {"PATH": f"{layout.bin}:/usr/bin:/bin"})


def test_links_to_the_launcher(machine: Machine, venv: Layout, env: dict[str, str], tmp_path: Path) -> None:
    place = tmp_path / "my bin"
    place.mkdir()
    absolute, relative, chain = place / "absolute", place / "relative", place / "chain"
    absolute.symlink_to(venv.command)
    relative.symlink_to(Path("..", "env", "bin", "gc-credhelper"))
    chain.symlink_to("relative")
    for link in (absolute, relative, chain):
        serves_without_site(machine, venv, link, env)
        serves(machine, f"./{link.name}", env, place)
        serves(machine, link.name, env | {"PATH": f"{place}:/usr/bin:/bin"})


def test_both_scripts_linked_as_uv_tool_and_pipx_do(
    machine: Machine, venv: Layout, env: dict[str, str], tmp_path: Path
) -> None:
    place = tmp_path / "bin"
    place.mkdir()
    for name in ("gc-credhelper", "gc-credhelper-py"):
        (place / name).symlink_to(venv.bin / name)
    serves_without_site(machine, venv, place / "gc-credhelper", env)


def test_a_script_of_another_installation_beside_the_link_misleads_nobody(
    machine: Machine, venv: Layout, env: dict[str, str], tmp_path: Path
) -> None:
    place = tmp_path / "bin"
    place.mkdir()
    (place / "gc-credhelper").symlink_to(venv.command)
    for shebang in ("#!/bin/sh", "#!/usr/bin/env python3", "#!/nowhere/bin/python3", "", "#!", "\0\0"):
        (place / "gc-credhelper-py").write_text(shebang + "\nexit 3\n")
        serves(machine, place / "gc-credhelper", env)


@pytest.mark.parametrize("editable", [False, True])
def test_a_linked_bin_still_finds_its_environment(
    machine: Machine, tmp_path: Path, env: dict[str, str], *, editable: bool
) -> None:
    layout = make_venv(tmp_path / "env", editable=editable)
    linked = tmp_path / "elsewhere" / "linked"
    linked.parent.mkdir()
    linked.symlink_to(layout.bin)
    serves_without_site(machine, layout, linked / "gc-credhelper", env)


def test_a_hit_runs_no_pth_file_and_a_full_run_does(machine: Machine, venv: Layout, env: dict[str, str]) -> None:
    serves_without_site(machine, venv, venv.command, env)


def test_a_linked_environment(machine: Machine, venv: Layout, env: dict[str, str], tmp_path: Path) -> None:
    linked = tmp_path / "current"
    linked.symlink_to(venv.root)
    serves(machine, linked / "bin" / "gc-credhelper", env)


def test_a_moved_environment(machine: Machine, venv: Layout, env: dict[str, str], tmp_path: Path) -> None:
    venv.root.rename(tmp_path / "moved")
    serves(machine, tmp_path / "moved" / "bin" / "gc-credhelper", env)


@pytest.mark.parametrize("shell", SHELLS)
def test_every_shell_runs_it(machine: Machine, venv: Layout, env: dict[str, str], shell: str) -> None:
    words = ["busybox", "sh"] if shell == "busybox" else [shell]
    for _ in range(2):
        done = call(machine, [*words, venv.command, "token", "-o", "raw"], env)
        assert (done.code, done.out, done.err) == (0, "tok-1\n", "")


def test_dash_and_bash_were_both_tried() -> None:
    assert require("dash")
    assert require("bash")


def test_arguments_arrive_as_they_were_given(machine: Machine, venv: Layout, env: dict[str, str]) -> None:
    odd = ["token", "--set", "min_ttl=1s ", "--deadline", "", "-o", "raw", "--set", "file.directory=a  b*\n$(x)"]
    for _ in range(2):
        done = call(machine, [venv.command, *odd], env)
        assert (done.code, done.out) == (0, "tok-1\n")
    assert [*machine.home.glob("a  b[*]\n$(x)/*/*.token")]


@pytest.mark.parametrize("how", ["copy", "hard link"])
def test_a_copy_ends_with_127_and_says_what_to_do(
    machine: Machine, venv: Layout, env: dict[str, str], tmp_path: Path, how: str
) -> None:
    place = tmp_path / "copies"
    place.mkdir()
    if how == "copy":
        shutil.copy(venv.command, place / "gc-credhelper")
    else:
        (place / "gc-credhelper").hardlink_to(venv.command)
    alone = call(machine, [place / "gc-credhelper", "token"], env)
    (place / "python3").symlink_to(PYTHON.resolve())
    beside_a_python = call(machine, [place / "gc-credhelper", "token"], env)
    for done in (alone, beside_a_python):
        assert (done.code, done.out) == (127, "")
        assert str(place / "gc-credhelper") in done.error
        assert done.hint == COPIED
        assert "Traceback" not in done.err


def test_a_hard_link_in_the_same_bin_serves(machine: Machine, venv: Layout, env: dict[str, str]) -> None:
    (venv.bin / "gct").hardlink_to(venv.command)
    serves(machine, venv.bin / "gct", env)


def test_a_missing_python_ends_with_127(machine: Machine, venv: Layout, env: dict[str, str]) -> None:
    (venv.bin / "python3").unlink()
    (venv.bin / "gc-credhelper-py").unlink()
    done = call(machine, [venv.command, "token"], env)
    assert (done.code, done.out, done.hint) == (127, "", COPIED)


def test_without_its_own_python_the_ordinary_script_takes_over(
    machine: Machine, tmp_path: Path, env: dict[str, str]
) -> None:
    layout = make_target(tmp_path / "target")
    # A wrapper that is no plain path to an interpreter, as installers write it for long paths.
    script = layout.bin / "gc-credhelper-py"
    script.write_text(f'#!/bin/sh\nPYTHONPATH="{layout.root}" exec "{PYTHON}" -m gc_credhelper "$@"\n')
    done = call(machine, [layout.command, "token", "-o", "raw"], env)
    assert (done.code, done.out, done.err) == (0, "tok-1\n", "")


def test_a_package_that_is_gone_is_left_to_the_ordinary_script(
    machine: Machine, venv: Layout, env: dict[str, str]
) -> None:
    (venv.root / LIB / "gc_credhelper").unlink()
    (venv.bin / "gc-credhelper-py").write_text("#!/bin/sh\necho taken over: $*\n")
    assert call(machine, [venv.command, "token"], env).out == "taken over: token\n"


PATHS = """
import runpy, sys
sys.argv = [sys.argv[1], "--version"]
try:
    runpy.run_path(sys.argv[0], run_name="__main__")
except SystemExit as e:
    assert not e.code, e.code
print(*sys.path, sep="\\n")
"""


def paths(python: Path, *argv: str | Path) -> list[str]:
    done = subprocess.run([python, "-I", *argv], capture_output=True, text=True, check=True, env={})
    return [line for line in done.stdout.splitlines() if "/" in line]


def test_a_full_run_sees_the_environment_as_any_other_program_does(venv: Layout) -> None:
    python = venv.bin / "python3"
    ordinary = paths(python, "-c", "import sys; print(*sys.path, sep='\\n')")
    assert paths(python, "-S", "-c", PATHS, venv.command) == ordinary
    assert str(venv.root / LIB) in ordinary


def test_a_target_directory_comes_before_site_packages(tmp_path: Path) -> None:
    layout = make_target(tmp_path / "target")
    python = PYTHON.resolve()
    found = paths(python, "-S", "-c", PATHS, layout.command)
    ordinary = paths(python, "-c", "import sys; print(*sys.path, sep='\\n')")
    assert [path for path in found if path in ordinary] == ordinary
    assert found.index(str(layout.root)) < min(
        number for number, path in enumerate(found) if path.endswith(("site-packages", "dist-packages"))
    )


def test_nothing_in_the_working_directory_is_imported(
    machine: Machine, venv: Layout, env: dict[str, str], tmp_path: Path
) -> None:
    trap = tmp_path / "trap"
    (trap / "gc_credhelper").mkdir(parents=True)
    bomb = "raise SystemExit('imported from the working directory')\n"
    for name in ("gc_credhelper/__init__.py", "gc_credhelper/__main__.py", "requests.py", "json.py", "site.py"):
        (trap / name).write_text(bomb)
    serves(machine, venv.command, env, trap)
    for _ in range(2):
        done = call(machine, [PYTHON, "-P", "-m", "gc_credhelper", "token", "-o", "raw"], env, trap)
        assert (done.code, done.out) == (0, "tok-1\n")


HARMFUL = {
    "PYTHONHOME": "/nowhere",
    "PYTHONPATH": "{trap}",
    "PYTHONSTARTUP": "{trap}/site.py",
    "PYTHONWARNINGS": "error",
    "PYTHONOPTIMIZE": "2",
    "PYTHONDONTWRITEBYTECODE": "1",
    "PYTHONINSPECT": "1",
    "PYTHONUTF8": "0",
    "PYTHONHASHSEED": "junk",
    "PYTHONIOENCODING": "junk",
    "PYTHONUNBUFFERED": "1",
    "PYTHONVERBOSE": "1",
    "PYTHONDEBUG": "1",
    "PYTHONDEVMODE": "1",
    "PYTHONMALLOC": "junk",
    "PYTHONMALLOCSTATS": "1",
    "PYTHONTRACEMALLOC": "junk",
    "PYTHONPROFILEIMPORTTIME": "1",
    "PYTHONFAULTHANDLER": "1",
    "PYTHONASYNCIODEBUG": "1",
    "PYTHONCOERCECLOCALE": "warn",
    "PYTHONBREAKPOINT": "nowhere.nothing",
    "PYTHONPLATLIBDIR": "nowhere",
    "PYTHONPYCACHEPREFIX": "/nowhere",
    "PYTHONNOUSERSITE": "1",
    "PYTHONUSERBASE": "{trap}",
    "PYTHONINTMAXSTRDIGITS": "junk",
    "PYTHONSAFEPATH": "1",
    "PYTHONNODEBUGRANGES": "1",
    "PYTHONEXECUTABLE": "/nowhere/python",
    "PYTHONCASEOK": "1",
    "PYTHONDUMPREFS": "1",
    "PYTHONPERFSUPPORT": "junk",
    "PYTHON_FROZEN_MODULES": "junk",
    "PYTHON_CPU_COUNT": "junk",
    "PYTHON_GIL": "junk",
}


@pytest.fixture
def trap(tmp_path: Path) -> Path:
    place = tmp_path / "trap"
    place.mkdir()
    for name in ("site.py", "gc_credhelper.py", "sitecustomize.py", "usercustomize.py", "posix.py", "time.py", "os.py"):
        (place / name).write_text("raise SystemExit('imported from PYTHONPATH')\n")
    return place


def test_no_variable_of_python_does_harm(machine: Machine, env: dict[str, str], trap: Path) -> None:
    assert machine.run("token", "-o", "raw", env=env).out == "tok-1\n"
    for name, value in HARMFUL.items():
        hit = assert_hit(machine, [GC, "token", "-o", "raw"], env | {name: value.format(trap=trap)})
        assert hit.out == "tok-1\n", name


def test_all_variables_of_python_together_do_no_harm_to_a_full_run(
    machine: Machine, env: dict[str, str], trap: Path
) -> None:
    together = {name: value.format(trap=trap) for name, value in HARMFUL.items()}
    for argv in (["token", "-o", "raw"], ["token", "-o", "raw", "--refresh"]):
        done = machine.run(*argv, env=env | together)
        assert (done.code, done.out, done.err) == (0, "tok-1\n", "")


@pytest.mark.parametrize(
    "locale", [{"LC_ALL": "C"}, {"LC_ALL": "POSIX"}, {"LANG": "xx_XX.junk"}, {"LC_ALL": "C.UTF-8"}]
)
def test_the_locale_does_not_matter(machine: Machine, env: dict[str, str], locale: dict[str, str]) -> None:
    place = machine.home / "café"
    place.mkdir()
    for _ in range(2):
        done = machine.run("token", "-o", "raw", env=env | locale | {"GC_CREDHELPER_CACHE_DIR": str(place)})
        assert (done.code, done.out, done.err) == (0, "tok-1\n", "")
    assert [*place.glob("*/*.note")]


def test_an_empty_environment_is_enough_to_be_told_what_is_missing(machine: Machine) -> None:
    version = call(machine, [GC, "--version"], {}, clean=False)
    assert (version.code, version.err) == (0, "")
    done = call(machine, [GC, "token"], {"TMPDIR": str(machine.home)}, clean=False)
    assert (done.code, done.out) == (4, "")
    assert "GENESYS_CLOUD_CLIENT_ID" in done.error
    assert done.hint


def test_bytes_that_are_no_utf_8(machine: Machine, scripted: ScriptedServer) -> None:
    env = {os.fsencode(name): os.fsencode(value) for name, value in machine.environ(client(scripted)).items()}
    env[b"GC_CREDHELPER_CACHE_DIR"] = os.fsencode(machine.home) + b"/caf\xe9"
    env[b"UNRELATED"] = b"\xff\xfe"
    (machine.home / os.fsdecode(b"caf\xe9")).mkdir()
    for _ in range(2):
        done = subprocess.run([GC, "token", "-o", "raw"], env=env, capture_output=True, check=False, cwd=machine.home)
        assert (done.returncode, done.stdout, done.stderr) == (0, b"tok-1\n", b"")
    assert len(scripted.requests) == 1
    assert [*machine.home.glob("*/*/*.note")]
    argv = [os.fsencode(GC), b"token", b"--profile", b"\xff\xfe"]
    wrong = subprocess.run(argv, env=env, capture_output=True, check=False, cwd=machine.home)
    assert (wrong.returncode, wrong.stdout) == (2, b"")
    assert wrong.stderr.count(b"error:") == wrong.stderr.count(b"hint:") == 1


@pytest.mark.parametrize("command", [["-P", "-m", "gc_credhelper"], [str(Path(GC).with_name("gc-credhelper-py"))]])
def test_the_other_two_doors_lead_to_the_same_program(
    machine: Machine, env: dict[str, str], command: list[str]
) -> None:
    argv = [str(PYTHON), *command]
    assert call(machine, [*argv, "--version"], {}).out == call(machine, [GC, "--version"], {}).out
    assert call(machine, [*argv, "token", "-o", "raw"], env).out == "tok-1\n"
    # The note of one is good for all.
    assert len(notes(machine)) == 1
    for words in (argv, [GC]):
        assert assert_hit(machine, [*words, "token", "-o", "raw"], env).out == "tok-1\n"


def test_the_console_script_of_a_layout_that_is_no_environment(
    machine: Machine, tmp_path: Path, env: dict[str, str]
) -> None:
    layout = make_target(tmp_path / "target")
    write_console_script(layout.bin, PYTHON)
    serves(machine, layout.bin / "gc-credhelper-py", env)
