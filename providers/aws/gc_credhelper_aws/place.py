"""Where a thing lies in AWS: its name or ARN as somebody wrote it, and the region that follows from that."""

from dataclasses import dataclass

from gc_credhelper.errors import UsageError
from gc_credhelper.roles import Context

from .settings import ARN, region

_REGIONS = ("AWS_REGION", "AWS_DEFAULT_REGION")  # boto3 reads only the second


@dataclass(frozen=True, slots=True)
class Place:
    """`written`: the name or ARN. `region`: None when only a profile of AWS' config file may say it."""

    written: str
    region: str | None

    @property
    def is_arn(self) -> bool:
        """Was it written as an ARN?"""
        return self.written.startswith("arn:")

    def __str__(self) -> str:
        return self.written


def place(context: Context, written: str) -> Place:
    """Setting, ARN, AWS_REGION, AWS_DEFAULT_REGION. UsageError when the setting contradicts the ARN."""
    named: str | None = context.settings["aws.region"]
    arn = ARN.fullmatch(written)
    if arn and named and arn["region"] != named:
        raise UsageError(
            f"aws.region is {named}, but {written} lies in {arn['region']}",
            hint="unset aws.region: an ARN says its region itself",
        )
    if found := named or (arn and arn["region"]):
        return Place(written, found)
    for name in _REGIONS:
        if raw := context.inputs.env(name):
            try:
                return Place(written, region(raw))
            except ValueError as e:
                raise UsageError(f"the variable {name} {e}", hint=f"mend or unset {name}") from None
    return Place(written, None)
