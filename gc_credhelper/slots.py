"""Slots: which of the tokens of a fleet a caller uses, and which client of a pool they belong to.

Genesys Cloud limits calls per token, so that one token starves a large fleet, and one token per job storms the login.
A caller's slot is the same in all steps of a job, so that they share a token, and different in its siblings.
"""

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

from .errors import UsageError
from .plan import Inputs
from .settings import Settings

T = TypeVar("T")

# A job's number among its siblings: the variable, the number of the first, and the variable that counts them.
_INDEXES = (
    ("CI_NODE_INDEX", 1, "CI_NODE_TOTAL"),  # GitLab
    ("CIRCLE_NODE_INDEX", 0, "CIRCLE_NODE_TOTAL"),
    ("BUILDKITE_PARALLEL_JOB", 0, "BUILDKITE_PARALLEL_JOB_COUNT"),
    ("SYSTEM_JOBPOSITIONINPHASE", 1, "SYSTEM_TOTALJOBSINPHASE"),  # Azure Pipelines
    ("BITBUCKET_PARALLEL_STEP", 0, "BITBUCKET_PARALLEL_STEP_COUNT"),
    ("SEMAPHORE_JOB_INDEX", 1, "SEMAPHORE_JOB_COUNT"),
    ("AWS_BATCH_JOB_ARRAY_INDEX", 0, ""),
    ("JOB_COMPLETION_INDEX", 0, ""),  # Kubernetes
)
# What together tells a job from all others, and is the same in all of its steps.
_JOBS = (
    ("CI_JOB_ID",),  # GitLab
    ("GITHUB_RUN_ID", "GITHUB_JOB", "RUNNER_NAME"),  # the jobs of a matrix differ in their runners alone
    ("CIRCLE_WORKFLOW_JOB_ID",),
    ("BUILDKITE_JOB_ID",),
    ("SYSTEM_JOBID",),  # Azure Pipelines
    ("BITBUCKET_STEP_UUID",),
    ("SEMAPHORE_JOB_ID",),
    ("AWS_BATCH_JOB_ID",),
    ("CODEBUILD_BUILD_ID",),
    ("BUILD_TAG", "NODE_NAME", "EXECUTOR_NUMBER"),  # Jenkins
)


@dataclass(frozen=True, slots=True)
class Slot:
    """`number`: from 0 to `count` - 1. `decided_by`: for people."""

    number: int
    count: int
    decided_by: str

    def dealt(self, items: Sequence[T]) -> T:
        """Which of them falls to this slot."""
        return items[self.number % len(items)]


def find(settings: Settings, inputs: Inputs, clients: int) -> Slot:
    """The caller's slot. `clients`: how many a pool has. UsageError when some of them would never be used."""
    count = settings["slots"] or clients
    if count < clients:
        raise UsageError(
            f"slots ({settings.origin('slots')}) is {count}, but provider names a pool of {clients} clients",
            hint="set slots to the number of clients or more, or leave it unset",
        )
    if settings["slot"] is not None:
        return Slot(settings["slot"] % count, count, str(settings.origin("slot")))
    if count == 1:
        return Slot(0, 1, "default")
    for variable, first, total in _INDEXES:
        index = inputs.env(variable) or ""
        if re.fullmatch(r"\d{1,9}", index, re.ASCII) and not (total and inputs.env(total) == "1"):
            return Slot((int(index) - first) % count, count, f"variable {variable}")
    for variables in _JOBS:
        if inputs.env(variables[0]):
            job = "\0".join(inputs.env(variable) or "" for variable in variables)
            return Slot(_hashed(job, count), count, f"variable {' and '.join(variables)}")
    return Slot(_hashed(inputs.host(), count), count, "the host name")


def _hashed(text: str, count: int) -> int:
    return int.from_bytes(hashlib.sha256(text.encode("utf-8", "surrogateescape")).digest()[:8]) % count
