"""What the three contracts share: the one hook of the author, the bench, machines and the token server."""

import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, ClassVar

import pytest

from .. import plugins
from ..settings import Setting
from .bench import Bench, own_environ
from .machine import Machine
from .scripted import ScriptedServer

_NUMBERED = re.compile(r"test_([pcf]\d+)_\w+")


def promises(contract: type) -> dict[str, str]:
    """Number to promise, in order."""
    tests = {numbered[1]: name for name in dir(contract) if (numbered := _NUMBERED.fullmatch(name))}
    in_order = sorted(tests, key=lambda number: int(number[1:]))
    return {number.upper(): " ".join(getattr(contract, tests[number]).__doc__.split()) for number in in_order}


class Contract:
    """Seconds: `patience` is the deadline that a store gets which does not answer, `slack` what a slow machine may take
    beyond it.
    """

    group: ClassVar[str]
    patience: ClassVar[float] = 2.0
    slack: ClassVar[float] = 10.0

    @pytest.fixture
    def case(self) -> Any:
        """The one hook: the plug-in, and how a test reaches a store for it."""
        raise NotImplementedError("override the fixture `case`; it gives a ProviderCase, a CacheCase or a FarCase")

    @pytest.fixture
    def machine(self, tmp_path: Path) -> Machine:
        """A user's account without any configuration."""
        home = tmp_path / "contract-home"
        home.mkdir()
        return Machine(home)

    @pytest.fixture
    def machines(self, tmp_path: Path) -> Callable[[int], list[Machine]]:
        """So many accounts, which stand for machines: nothing of one is seen by another."""

        def make(count: int) -> list[Machine]:
            made = []
            for number in range(count):
                home = tmp_path / f"contract-machine-{number}"
                home.mkdir()
                made.append(Machine(home))
            return made

        return make

    @pytest.fixture
    def bench(self, case: Any, machine: Machine) -> Iterator[Bench]:
        """Builds the plug-in of the case."""
        with own_environ():
            yield Bench(self.group, case.name, case.reference, machine.environ)

    @pytest.fixture
    def tokens(self) -> Iterator[ScriptedServer]:
        """A token endpoint over real HTTP."""
        with ScriptedServer() as server:
            yield server

    @classmethod
    def written(cls, case: Any) -> str:
        """The plug-in as a setting names it."""
        return case.name if case.reference is None else f"{case.name}:{case.reference}"

    @staticmethod
    def given(variables: Mapping[str, str] | None, what: str) -> Mapping[str, str]:
        """The variables; a skip when the author says that there is no such thing."""
        if variables is None:
            pytest.skip(f"the case names no {what}")
        return variables

    @classmethod
    def check_rows(cls, case: Any) -> None:
        """The rows of the class, and its locator."""
        loaded = plugins.load(cls.group, case.name)
        names = [row.name for row in loaded.settings]
        assert len({*names}) == len(names)
        for row in loaded.settings:
            assert isinstance(row, Setting)
            assert re.fullmatch(r"[a-z][a-z0-9-]*\.[a-z][a-z0-9_]*", row.name), f"{row.name} is not written like a row"
            assert row.name.partition(".")[0] in plugins.known_names(), f"no plug-in has the name in {row.name}"
            assert row.help, f"{row.name} has no help"
        assert loaded.locator is None or loaded.locator in names
        assert case.reference is None or loaded.locator
