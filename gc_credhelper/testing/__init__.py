"""What a plug-in must keep, as test classes for its author to subclass: each numbered promise is one test.

Needs pytest (`pip install 'gc-credhelper[testing]'`). The author overrides one fixture, `case`, which gives a
ProviderCase, a CacheCase or a FarCase. The promises are listed in docs/reference/contracts.md.
"""

import pytest

for _module in ("bench", "cache", "contract", "far", "fleet", "provider"):
    pytest.register_assert_rewrite(f"{__name__}.{_module}")

from .cache import CacheBackendContract  # noqa: E402  # after their asserts were made to explain themselves
from .cases import CacheCase, FarCase, ProviderCase  # noqa: E402
from .contract import promises  # noqa: E402
from .far import FarCacheContract  # noqa: E402
from .machine import Machine, Run  # noqa: E402
from .provider import CredentialProviderContract  # noqa: E402
from .scripted import ScriptedServer, silent_host  # noqa: E402

__all__ = [
    "CacheBackendContract",
    "CacheCase",
    "CredentialProviderContract",
    "FarCacheContract",
    "FarCase",
    "Machine",
    "ProviderCase",
    "Run",
    "ScriptedServer",
    "promises",
    "silent_host",
]
