"""What the tests share: the installed command in a clean environment, and a token server that is scripted."""

import os
import shutil

from gc_credhelper.testing.machine import GC, PASSED_ON, Machine, Run, outputs

__all__ = ["GC", "PASSED_ON", "REQUIRE_REAL", "Machine", "Run", "client", "outputs", "require"]

# Read once: the variable is ours to the tests, and a stranger to the product.
REQUIRE_REAL = bool(os.environ.get("GC_CREDHELPER_REQUIRE_REAL"))


def client(server: object, **more: str) -> dict[str, str]:
    """The variables that reach a sandbox or a scripted server with its client."""
    return {
        "GC_CREDHELPER_TOKEN_URL": server.token_url,  # type: ignore[attr-defined]
        "GENESYS_CLOUD_CLIENT_ID": server.client_id,  # type: ignore[attr-defined]
        "GENESYS_CLOUD_CLIENT_SECRET": server.client_secret,  # type: ignore[attr-defined]
        **more,
    }


def require(program: str) -> str:
    """The path of a program that a test needs; where CI says so its absence is a failure, else a loud skip."""
    import pytest

    found = shutil.which(program)
    if not found and REQUIRE_REAL:
        pytest.fail(f"{program} is missing, and CI must not skip")
    if not found:
        pytest.skip(f"{program} is not installed")
    return found
