"""The cache `file`, the default: one private file per key, shared by the processes of one user on one machine."""

from typing import ClassVar

from .kinds import text
from .plan import named
from .private import PrivateDir, sweep
from .roles import Context
from .settings import Setting

_SUFFIX = ".token"


class FileCache:
    """The reference is a directory; our own subdirectory in it holds the entries."""

    settings: ClassVar[tuple[Setting, ...]] = (
        Setting("file.directory", text, "the directory of the file cache, when it is not cache_dir"),
    )
    locator: ClassVar[str | None] = "file.directory"

    def __init__(self, context: Context) -> None:
        """Opens nothing yet."""
        path = context.settings["file.directory"]
        self.directory = PrivateDir(named(path, context.inputs)) if path else context.directory

    def get(self, key: str) -> str | None:
        """See roles.CacheBackend."""
        try:
            return self.directory.read(key + _SUFFIX).decode("latin-1")
        except FileNotFoundError:
            return None

    def put(self, key: str, text: str) -> None:
        """See roles.CacheBackend."""
        self.directory.write(key + _SUFFIX, text.encode())

    def remove(self, key: str) -> bool:
        """See roles.CacheBackend."""
        return self.directory.remove(key + _SUFFIX)

    def keys(self) -> list[str]:
        """See roles.CacheBackend."""
        sweep(self.directory)
        return sorted(name.removesuffix(_SUFFIX) for name in self.directory.names() if name.endswith(_SUFFIX))
