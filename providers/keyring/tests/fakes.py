"""Backends with the limits that macOS and Windows document. They stand in for systems that the tests do not run on."""

from typing import ClassVar

from keyring.backend import KeyringBackend
from keyring.errors import KeyringError, PasswordDeleteError, PasswordSetError


class Interrupted(Exception):
    """The machine went down at this step."""


class Dictionary(KeyringBackend):
    """Shared by all visits. `steps`: how many changes still happen, None for all of them."""

    priority = 0.1
    items: ClassVar[dict[tuple[str, str], str]] = {}
    steps: ClassVar[int | None] = None

    @classmethod
    def reset(cls, steps: int | None = None) -> None:
        Dictionary.steps = steps

    def change(self) -> None:
        if Dictionary.steps is not None:
            if not Dictionary.steps:
                raise Interrupted
            Dictionary.steps -= 1

    def get_password(self, service: str, username: str) -> str | None:
        return self.items.get((service, username))

    def set_password(self, service: str, username: str, password: str) -> None:
        self.change()
        self.items[service, username] = password

    def delete_password(self, service: str, username: str) -> None:
        if (service, username) not in self.items:
            raise PasswordDeleteError("canary-of-a-foreign-text")
        self.change()
        del self.items[service, username]


class DeletesFirst(Dictionary):
    """As macOS' backend of keyring 25.7 (keyring/backends/macOS/api.py, set_generic_password)."""

    def set_password(self, service: str, username: str, password: str) -> None:
        if (service, username) in self.items:
            self.delete_password(service, username)
        super().set_password(service, username, password)


class WinVaultKeyring(Dictionary):
    """As Windows' backend of keyring 25.7: one credential a target, an older one moved aside, 2,560 bytes of UTF-16."""

    targets: ClassVar[dict[str, tuple[str, str]]] = {}

    def _find(self, service: str, username: str) -> str | None:
        for target in (service, f"{username}@{service}"):
            if self.targets.get(target, ("",))[0] == username:
                return target
        return None

    def get_password(self, service: str, username: str) -> str | None:
        target = self._find(service, username)
        return self.targets[target][1] if target else None

    def set_password(self, service: str, username: str, password: str) -> None:
        if there := self.targets.get(service):
            self.targets[f"{there[0]}@{service}"] = there
        self.change()
        if len(password.encode("utf-16-le")) > 2560:
            raise OSError(1783, "The stub received bad data")
        self.targets[service] = (username, password)

    def delete_password(self, service: str, username: str) -> None:
        found = [t for t in (service, f"{username}@{service}") if self.targets.get(t, ("",))[0] == username]
        if not found:
            raise PasswordDeleteError(service)
        for target in found:
            del self.targets[target]


class Talkative(Dictionary):
    """Says in its errors what it should not."""

    def get_password(self, service: str, username: str) -> str | None:
        raise KeyringError("canary-of-a-foreign-text")

    def set_password(self, service: str, username: str, password: str) -> None:
        raise PasswordSetError(f"canary-of-a-foreign-text {password}")


class Broken(Dictionary):
    """Raises what no backend should."""

    def get_password(self, service: str, username: str) -> str | None:
        raise ZeroDivisionError("canary-of-a-foreign-text")


class _Raises:
    def __get__(self, instance: object, owner: object = None) -> float:
        raise RuntimeError("canary-of-a-foreign-text")


class NotHere(Dictionary):
    """A backend of another system, which says so when its priority is asked."""

    priority = _Raises()


class DropsAll(Dictionary):
    """As keyring's own null backend."""

    def set_password(self, service: str, username: str, password: str) -> None:
        """Forgets it."""
