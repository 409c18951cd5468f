"""Visit: what one `doctor` has learned so far, and how a step of it is run: within its time, whatever it does."""

import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from typing import TypeVar

from ..app import App
from ..credentials import ClientCredentials
from ..deadline import Deadline
from ..errors import Error, PluginError
from ..plan import Inputs
from ..private import reason
from ..regions import Endpoints
from ..report import Report, one_line
from ..roles import Finding, Level
from ..tokens import AccessToken

T = TypeVar("T")

KEY = "doctor"  # of test entries, test records and the test lock; a real key is 40 hex digits
_HEARD = "gc-credhelper token says the same; docs/how-to/troubleshooting.md has what to do about each warning"


class Heard(Report):
    """Keeps the warnings of a step, which become findings of it."""

    def __init__(self, verbosity: int) -> None:
        super().__init__(verbosity)
        self._lines: list[str] = []

    def _write(self, kind: str, text: str) -> None:
        if kind == "warning":
            self._lines.append(text)
        else:
            super()._write(kind, text)

    def taken(self) -> list[str]:
        """What was said since the last time."""
        lines, self._lines = self._lines, []
        return lines


@dataclass(slots=True)
class Visit:
    """`fault`: why there is no `app`. The other parts are None until a step has found them."""

    inputs: Inputs
    report: Heard
    deadline: Deadline
    app: App | None = None
    fault: Error | None = None
    where: Endpoints | None = None
    entered: bool = False
    named: bool = False
    reached: bool = False
    credentials: ClientCredentials | None = None
    token: AccessToken | None = None
    secrets: list[str] = field(default_factory=list, repr=False)

    @property
    def resolved(self) -> App:
        """The App; only steps that need it ask."""
        assert self.app, "this step needs the settings"
        return self.app

    def hides(self, finding: Finding) -> Finding:
        """The finding, on one line each. One of a plug-in that holds a secret becomes the plug-in's failure."""
        shown = replace(finding, text=one_line(finding.text), hint=one_line(finding.hint))
        if not any(secret in f"{shown.text} {shown.hint}" for secret in self.secrets):
            return shown
        error = PluginError(
            "what was found is not shown: a secret is in it", hint="ask the plug-in's author to mend it"
        )
        return replace(Finding.failed(error), seconds=finding.seconds)


@dataclass(frozen=True, slots=True)
class Step:
    """`part` and `most`: its share of the time that is left, and seconds. `needs`: the parts of the visit without which
    it cannot be tried. `survived`: `token` works without it, so its failures are no more than warnings.
    """

    name: str
    work: Callable[[Visit, Deadline], Iterable[Finding]]
    part: float
    most: float
    needs: tuple[str, ...] = ()
    survived: bool = False

    def findings(self, visit: Visit) -> Iterator[Finding]:
        """One or more; never an exception."""
        lacking = [_NEEDS[need] for need in self.needs if not getattr(visit, need)]
        if lacking or not visit.deadline.left():
            why, hint = (
                (f"there is {lacking[0]}", "mend what failed first") if lacking else ("no time is left", _LONGER)
            )
            yield Finding(Level.SKIP, f"not tried: {why}", hint)
            return
        began = time.monotonic()
        limit = visit.deadline.share(self.part, most=self.most)
        found = [*self._tried(visit, limit), *(Finding.warn(line, _HEARD) for line in visit.report.taken())]
        took = time.monotonic() - began
        for finding in found:
            yield visit.hides(finding if finding.seconds is not None else replace(finding, seconds=took))

    def _tried(self, visit: Visit, limit: Deadline) -> list[Finding]:
        try:
            return limit.run(lambda: [*self.work(visit, limit)], f"the step {self.name}")
        except Error as e:
            error = e
        except OSError as e:
            error = Error(f"the step {self.name} failed: {reason(e)}", hint="look at the disk, and who may write")
        except Exception as e:  # noqa: BLE001  # the other steps shall run; its text may hold the secret
            return [Finding.failed(Error(f"a bug: {type(e).__name__}", hint="run it again with -vv and report it"))]
        return [survived(error) if self.survived else Finding.failed(error)]


_NEEDS = {
    "app": "no configuration",
    "entered": "no way into the store",
    "where": "no token endpoint",
    "named": "no address of the token endpoint",
    "reached": "no way to the token endpoint",
    "credentials": "no client id and secret",
    "token": "no token",
}
_LONGER = "raise --deadline"


def survived(error: Error) -> Finding:
    """A failure that `token` would warn of."""
    return Finding.warn(str(error), error.hint)


def foreign(ask: Callable[[], T], what: str) -> T:
    """The result of a plug-in's step, which may raise anything; of a foreign text nothing is shown."""
    try:
        return ask()
    except Error:
        raise
    except Exception as e:  # noqa: BLE001
        name = type(e).__name__
    raise PluginError(f"{what} failed ({name})", hint="ask its author to mend it")
