"""Interval: a stretch of time as the analytics API takes it, and the days of which it consists."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from .errors import UsageError

EXAMPLE = "2026-01-01/2026-02-01 or 2026-01-01T08:00:00Z/2026-01-01T12:00:00Z"


@dataclass(frozen=True, slots=True)
class Interval:
    """From `start` up to, and without, `end`: both in UTC and of whole milliseconds, as the API counts."""

    start: datetime
    end: datetime

    @classmethod
    def parse(cls, text: str) -> "Interval":
        """START/END, each a day or an instant of ISO 8601, in UTC unless it says otherwise. UsageError."""
        try:
            start, end = (_utc(datetime.fromisoformat(part)) for part in text.split("/"))
        except (ValueError, OverflowError):
            raise UsageError("--interval takes START/END in ISO 8601", hint=f"for example {EXAMPLE}") from None
        if start >= end:
            raise UsageError("the END of --interval is not after its START", hint=f"for example {EXAMPLE}")
        return cls(start, end)

    def days(self) -> Iterator["Interval"]:
        """The parts that lie between midnights in UTC, which together are all of it."""
        start = self.start
        while start < self.end:
            end = self.end
            if start.date() < end.date():
                end = datetime.combine(start.date() + timedelta(days=1), datetime.min.time(), UTC)
            yield Interval(start, end)
            start = end

    def __str__(self) -> str:
        return "/".join(
            f"{moment.replace(tzinfo=None).isoformat('T', 'milliseconds')}Z" for moment in (self.start, self.end)
        )


def moment(value: object) -> datetime | None:
    """An instant that the API wrote, in UTC; None for anything else."""
    try:
        return _utc(datetime.fromisoformat(value)) if isinstance(value, str) else None
    except (ValueError, OverflowError):
        return None


def _utc(read: datetime) -> datetime:
    aware = read.replace(tzinfo=UTC) if read.tzinfo is None else read.astimezone(UTC)
    return aware.replace(microsecond=aware.microsecond // 1000 * 1000)
