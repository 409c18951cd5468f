"""The cache `vault`: a KV version 2 secret for each key, written by compare-and-set, on a mount for nothing else.

The version of the secret is the version of the entry. It needs to create, read and update below its path, and no more
(policy.hcl). The age of an entry is by the store's own clocks.
"""

from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any, TypeVar

from gc_credhelper.deadline import Deadline
from gc_credhelper.errors import CredentialsError, Error, UsageError
from gc_credhelper.roles import Context, Denied, Finding, LostRace, Snapshot

from .client import client_for
from .errors import Forbidden, Refused, meaning
from .kv import Place, find, given, metadata_of
from .settings import CACHE, CONNECTION, LOGIN

if TYPE_CHECKING:
    import hvac

T = TypeVar("T")

_FIELD = "record"
LOST = "check-and-set parameter did not match the current version"
_BAD_REQUEST, _FORBIDDEN, _NOT_FOUND = 400, 403, 404
_NOTHING_SAID = "[]"
_LARGEST_SKEW = 60.0  # seconds; an entry from further in the future is by a clock that cannot be believed


class VaultCache:
    """The reference is mount/path."""

    far = True
    settings = (CACHE, *CONNECTION, *LOGIN)
    locator = CACHE.name

    def __init__(self, context: Context) -> None:
        """UsageError when there is no path, no address, or its TLS settings contradict each other."""
        if not context.settings[CACHE.name]:
            raise UsageError("the cache vault needs a path", hint="--cache file,vault:mount/path")
        self._written: str = context.settings[CACHE.name]
        self._place: Place = given(self._written, 2)
        self._is_found = False  # has the store said where the mount ends?
        self._client = client_for(context)

    def read(self, key: str, deadline: Deadline) -> Snapshot:
        """What lies under the key. A version that was deleted, or is past its time, still counts as one."""
        try:
            return self._at_the_mount(lambda: self._read(key, deadline), deadline)
        except Refused as e:
            raise self._meaning(e) from None

    def compare_and_set(self, key: str, version: int, text: str, deadline: Deadline) -> int:
        """Write if `version` is still the newest (0: there is none), and return the new one. LostRace otherwise.

        Sent once: after a TemporaryError it may have been written or not. Denied when we may only read.
        """
        if not version and not self._is_found:
            self._find(deadline)  # on a version 1 mount a token would be written, and by nobody found

        def write(hvac: "hvac.Client") -> Any:
            return hvac.secrets.kv.v2.create_or_update_secret(
                f"{self._place.path}/{key}", {_FIELD: text}, cas=version, mount_point=self._place.mount
            )

        try:
            answer = self._at_the_mount(lambda: self._client.ask(write, deadline), deadline)
        except Refused as e:
            if e.status == _BAD_REQUEST and LOST in e.said.splitlines():
                raise LostRace from None
            if e.status == _FORBIDDEN:
                raise Denied(
                    f"Vault does not let this login write below {self._place} (403)",
                    hint="give its policy create and update there (policy.hcl), or leave it as a cache that only reads",
                ) from None
            raise self._meaning(e) from None
        data = answer.get("data")
        written = data.get("version") if isinstance(data, dict) else None
        if not isinstance(written, int):
            raise self._no_versions()
        return written

    def findings(self, deadline: Deadline) -> Iterator[Finding]:
        """See `roles.Examined`."""
        from .findings import of_cache

        return of_cache(self._client, self._written, deadline)

    def _read(self, key: str, deadline: Deadline) -> Snapshot:
        def work(hvac: "hvac.Client") -> tuple[Any, Mapping[str, str]]:
            answer = hvac.secrets.kv.v2.read_secret_version(
                f"{self._place.path}/{key}", mount_point=self._place.mount, raise_on_deleted_version=True
            )
            return answer, hvac.adapter.headers

        try:
            answer, headers = self._client.ask(work, deadline)
        except Refused as e:
            if e.status == _NOT_FOUND and (metadata := metadata_of(e.body)):
                return Snapshot(metadata["version"], "", _age(metadata, e.headers))
            if e.status == _NOT_FOUND and e.said == _NOTHING_SAID:
                return Snapshot(0, "", None)
            raise
        if not (metadata := metadata_of(answer)):
            raise self._no_versions()
        fields = answer["data"].get("data")
        text = fields.get(_FIELD) if isinstance(fields, dict) else None
        return Snapshot(metadata["version"], text if isinstance(text, str) else "", _age(metadata, headers))

    def _at_the_mount(self, work: Callable[[], T], deadline: Deadline) -> T:
        """The result of `work`. When it finds no mount or is denied, the mount may end elsewhere than we took it to."""
        try:
            return work()
        except Refused as e:
            if self._is_found or e.status not in (_FORBIDDEN, _NOT_FOUND) or not self._find(deadline):
                raise
        return work()

    def _find(self, deadline: Deadline) -> bool:
        """Does the mount end elsewhere? UsageError when it cannot hold versions."""
        try:
            place = find(self._client, self._written, deadline)
        except CredentialsError:  # it does not say; so be it
            self._is_found = True
            return False
        if place.version == 1:
            raise self._no_versions()
        moved, self._place, self._is_found = place != self._place, place, True
        return moved

    def _meaning(self, refused: Refused) -> Error:
        error = meaning(refused, f"token below {self._place}")
        return Denied(str(error), hint=error.hint) if isinstance(error, Forbidden) else error

    def _no_versions(self) -> UsageError:
        hint = "make a mount of its own for the cache: vault secrets enable -path=gc-cache -version=2 kv"
        return UsageError(f"{self._place.mount} is not a KV version 2 mount", hint=hint)


def _age(metadata: Mapping[str, Any], headers: Mapping[str, str]) -> float | None:
    """Seconds since the write; up to one more, because the header `Date` has no parts of a second."""
    try:
        now, created = parsedate_to_datetime(headers["date"]), datetime.fromisoformat(metadata["created_time"])
        age = (now - created).total_seconds()
    except (KeyError, TypeError, ValueError):
        return None
    return max(0.0, age) if age >= -_LARGEST_SKEW else None
