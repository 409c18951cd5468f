"""The types of the public names, as two checkers see them: what is right passes, and what is wrong does not."""

import ast
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import clients
import pytest
from support import Machine

import gc_credhelper
from gc_credhelper import UsageError, configure_sdk
from gc_credhelper.sandbox.server import SandboxThread

from .kit import variables

PROGRAM = Path(__file__).with_name("public.py")
START = "import gc_credhelper\nfrom gc_credhelper import httpx_auth\n\nsource = gc_credhelper.token_source()\n"
WRONG = [
    "gc_credhelper.GenesysAuth('ci')",
    "httpx_auth.GenesysAuth(42)",
    "httpx_auth.GenesysAuth().no_such_method()",
    "gc_credhelper.token_source(42)",
    "source.token(min_ttl='10m')",
    "source.token(60)",
    "source.reject(source.token())",
    "source.own_token()",
    "number: int = source.api_url",
    "source.token().value.expires_at",
    "gc_credhelper.Secret('made-up') + '/'",
    "gc_credhelper.ClientCredentials('an-id', 'made-up-secret')",
    "gc_credhelper.configure_sdk(api_client=42)",
    "gc_credhelper.configure_sdk('ci')",
    "gc_credhelper.UsageError('why', hint=None)",
    "gc_credhelper.token_sourze()",
    "from gc_credhelper import GenesysOath",
]

Check = Callable[[Path], list[tuple[int, str]]]


def by_mypy(file: Path) -> list[tuple[int, str]]:
    """The line and the text of each error."""
    argv = [
        sys.executable,
        "-m",
        "mypy",
        "--strict",
        "--output=json",
        f"--cache-dir={file.parent / 'cache'}",
        str(file),
    ]
    done = subprocess.run(argv, cwd=file.parent, capture_output=True, text=True, check=False, timeout=100)
    assert done.returncode in (0, 1), done.stdout + done.stderr
    found = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
    return [(one["line"], one["message"]) for one in found if one["severity"] == "error"]


def by_pyright(file: Path) -> list[tuple[int, str]]:
    """The same; lines count from 0 there."""
    argv = [clients.need("pyright"), "--outputjson", f"--pythonpath={sys.executable}", str(file)]
    done = subprocess.run(argv, cwd=file.parent, capture_output=True, text=True, check=False, timeout=100)
    assert done.returncode in (0, 1), done.stdout + done.stderr
    found = json.loads(done.stdout)["generalDiagnostics"]
    return [(one["range"]["start"]["line"] + 1, one["message"]) for one in found if one["severity"] == "error"]


CHECKERS = pytest.mark.parametrize("check", [by_mypy, by_pyright])


@CHECKERS
def test_a_program_that_uses_every_public_name_is_right(check: Check, tmp_path: Path) -> None:
    file = tmp_path / "program.py"
    file.write_text(PROGRAM.read_text())
    assert check(file) == []


@CHECKERS
def test_each_wrong_use_is_an_error(check: Check, tmp_path: Path) -> None:
    file = tmp_path / "program.py"
    file.write_text("# pyright: strict, reportUnusedExpression=false\n" + START + "\n".join(WRONG) + "\n")
    first = START.count("\n") + 2
    lines = {line for line, _ in check(file)}
    assert [use for number, use in enumerate(WRONG, first) if number not in lines] == []
    assert min(lines) == first


def test_the_program_uses_every_public_name() -> None:
    tree = ast.parse(PROGRAM.read_text())
    used = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
    assert used >= {*gc_credhelper.__all__}
    assert "httpx_auth" in used


def test_the_program_runs(machine: Machine, sandbox: SandboxThread) -> None:
    done = subprocess.run(
        [sys.executable, "-W", "error", str(PROGRAM)],
        env=machine.environ(variables(sandbox)),
        capture_output=True,
        text=True,
        check=False,
        timeout=100,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, f"{gc_credhelper.__version__}\n", "")


def test_importing_the_package_loads_no_http_library() -> None:
    program = "import gc_credhelper, sys; print(sorted({'requests', 'httpx', 'anyio'} & {*sys.modules}))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=100)
    assert done.stdout == "[]\n"


def test_the_sdk_that_is_not_there_is_an_error_that_says_how_to_install_it() -> None:
    with pytest.raises(UsageError, match="PureCloudPlatformClientV2 is not in this environment") as caught:
        configure_sdk()
    assert caught.value.hint == "pip install --upgrade PureCloudPlatformClientV2"


def test_an_sdk_that_takes_no_http_client_is_too_old(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "PureCloudPlatformClientV2").mkdir()
    (tmp_path / "PureCloudPlatformClientV2" / "__init__.py").touch()
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(UsageError, match="PureCloudPlatformClientV2 is too old"):
        configure_sdk()
    del sys.modules["PureCloudPlatformClientV2"]
