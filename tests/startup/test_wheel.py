"""The built wheel, which is what users install. Needs a package index."""

import os
import shutil
import stat
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from support import Machine, client
from support.scripted import ScriptedServer

from .kit import LAUNCHER, LIB, OURS, ROOT, assert_hit, call


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("wheel")
    argv = [sys.executable, "-m", "build", "--wheel", "--outdir", str(place), str(ROOT)]
    done = subprocess.run(argv, capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
    (found,) = place.glob("*.whl")
    return found


@pytest.mark.xdist_group("wheel")
def test_the_wheel_holds_the_launcher_and_an_entry_point_of_another_name(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        (launcher,) = (info for info in archive.infolist() if info.filename.endswith("/scripts/gc-credhelper"))
        assert launcher.filename.partition("/")[0].endswith(".data")
        assert stat.S_IMODE(launcher.external_attr >> 16) == 0o755
        assert archive.read(launcher) == LAUNCHER.read_bytes()
        (entry_points,) = (name for name in archive.namelist() if name.endswith("/entry_points.txt"))
        text = archive.read(entry_points).decode()
    assert "gc-credhelper-py = gc_credhelper.__main__:main" in text
    assert "gc-credhelper =" not in text


@pytest.mark.xdist_group("wheel")
def test_the_wheel_holds_every_module_and_nothing_else_of_the_checkout(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = {name for name in archive.namelist() if ".dist-info/" not in name and ".data/" not in name}
    here = {
        str(path.relative_to(ROOT))
        for path in (ROOT / "gc_credhelper").rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    assert names == here
    assert {f"{name.replace('.', '/')}.py" for name in OURS if "." in name} <= names


@pytest.mark.timeout(300)
@pytest.mark.xdist_group("wheel")
def test_a_fresh_environment_installs_it_and_prints_a_token(
    wheel: Path, machine: Machine, scripted: ScriptedServer, tmp_path: Path
) -> None:
    place = tmp_path / "fresh"
    subprocess.run([sys.executable, "-m", "venv", place], check=True, timeout=120)
    pip: list[str | Path] = [
        place / "bin" / "python",
        "-m",
        "pip",
        "install",
        "--quiet",
        "--disable-pip-version-check",
        wheel,
    ]
    done = subprocess.run(pip, capture_output=True, text=True, check=False, timeout=240)
    assert done.returncode == 0, done.stderr
    launcher = place / "bin" / "gc-credhelper"
    assert launcher.read_bytes() == LAUNCHER.read_bytes()
    assert os.access(launcher, os.X_OK)
    env = client(scripted)
    first = call(machine, [launcher, "token"], env)
    assert (first.code, first.err) == (0, "")
    assert assert_hit(machine, [launcher, "token"], env).out == first.out
    by_script = call(machine, [place / "bin" / "gc-credhelper-py", "token"], env)
    assert (by_script.code, by_script.out) == (0, first.out)
    assert len(scripted.requests) == 1
    # The environment as the installer left it, without a second copy to fall back to.
    shutil.rmtree(place / LIB / "gc_credhelper")
    assert call(machine, [launcher, "token"], env).code != 0
