"""Proofs: when the token of a key was last known to be alive, by whoever of this machine asked the server.

The one proof of a key lies beside its lock and is of one token, known by its digest, and to a cache hit by the times of
its entry. It also says when the server was asked in vain, so that a fleet of callers does not run into an outage one
after the other.
"""

from . import tokens
from .private import Files, reason
from .private_portable import Unsafe
from .rejections import digest
from .report import Report
from .tokens import AccessToken


class Proofs:
    """Of one key. One that cannot be read is none; one that cannot be written is kept for this process."""

    def __init__(self, directory: Files, key: str, report: Report) -> None:
        self._directory = directory
        self._report = report
        self._name = f"{key}.alive"
        self._own = ""

    def of(self, token: AccessToken, now: float) -> tuple[float, float]:
        """When it was last known to be alive, at the latest when it was issued, and when that was last asked in vain
        (0 for never); epoch seconds.
        """
        name = digest(token.value)
        found = [tokens.load_proof(text, token, now, name) for text in (self._own, self._read())]
        return max(alive_at for alive_at, _ in found), max(vain_at for _, vain_at in found)

    def alive(self, token: AccessToken, at: float) -> None:
        """The server said so. `at`: before it was asked."""
        self._keep(token, at, 0)

    def in_vain(self, token: AccessToken, at: float) -> None:
        """The server could not say."""
        self._keep(token, self.of(token, at)[0], at)

    def _keep(self, token: AccessToken, alive_at: float, vain_at: float) -> None:
        self._own = tokens.dump_proof(token, digest(token.value), alive_at, vain_at)
        try:
            self._directory.write(self._name, self._own.encode())
        except (OSError, Unsafe) as e:
            where = self._directory.path
            self._report.warn(
                f"it is not kept in {where} when a token was checked ({reason(e)}): every process may check it",
                topic=where,
            )

    def _read(self) -> str:
        try:
            return self._directory.read(self._name).decode("latin-1")
        except (OSError, Unsafe):
            return ""
