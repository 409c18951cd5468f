"""The cache `dynamodb`: an item for each key, written under a condition on its version.

    pk      prefix and key      ver     the version of the entry, which the next write must name
    rec     the text            at      the store's time of the write, as the writer knew it, never later than it was
    exp     when DynamoDB may delete the item          nonce   which write it was

Versions begin at the store's time in milliseconds with 16 random bits behind it: an item that was deleted and made
anew never has a version that somebody may still hold, since nobody writes 65,536 times in a millisecond. The cache
needs to get and put items, and no more; dynamodb:LeadingKeys can hold it to its prefix.
"""

import math
import re
import secrets
import time
import uuid
from email.utils import parsedate_to_datetime
from typing import Any

from gc_credhelper.deadline import Deadline, Pauses
from gc_credhelper.errors import CredentialsError, Error, TemporaryError, UsageError
from gc_credhelper.roles import Context, Denied, LostRace, Snapshot

from .client import client_for
from .errors import Refused, meaning
from .place import place
from .settings import CACHE, CONNECTION, TABLE, TOKENS

_LOST = "ConditionalCheckFailedException"
_LARGEST_SKEW = 60.0  # seconds; an entry from further in the future is by a clock that cannot be believed
_TRIES = 3
_RANDOM = 16  # bits of a first version


class DynamoCache:
    """The reference is the name or the ARN of a table."""

    far = True
    settings = (TABLE, *TOKENS, *CONNECTION)
    locator = TABLE.name

    def __init__(self, context: Context) -> None:
        """UsageError when there is no table, or the settings contradict each other."""
        if not context.settings[TABLE.name]:
            raise UsageError("the cache dynamodb needs a table", hint="--cache file,dynamodb:TABLE")
        self._place = place(context, context.settings[TABLE.name])
        self._what = f"table {self._place}"
        self._prefix: str = context.settings["dynamodb.prefix"] or ""
        self._keep: float = context.settings["dynamodb.keep"]
        self._client = client_for(context)
        self._heard: tuple[float, float] | None = None  # the store's time, and ours at that moment
        self._newest: dict[str, int] = {}  # versions that this process has seen

    def read(self, key: str, deadline: Deadline) -> Snapshot:
        """What lies under the key, by a consistent read. An item past its time still counts as a version."""
        item, now = self._get(key, deadline)
        if item is None:
            return Snapshot(0, "", None)
        version, at, until = (_number(item, name) for name in ("ver", "at", "exp"))
        if version is None or version < 1 or version != int(version):
            hint = "give it a table of its own, or another dynamodb.prefix"
            raise UsageError(f"the {self._what} holds something else under our key", hint=hint)
        self._newest[key] = max(int(version), self._newest.get(key, 0))
        age = None if now is None or at is None or at > now + _LARGEST_SKEW else max(0.0, now - at)
        is_past = now is not None and until is not None and now >= until
        return Snapshot(int(version), "" if is_past else _text(item, "rec"), age)

    def compare_and_set(self, key: str, version: int, text: str, deadline: Deadline) -> int:
        """Write if `version` is still the newest (0: there is none), and return the new one. LostRace otherwise.

        An error that may pass is tried again, and our own earlier try recognised; silence is not: after a
        TemporaryError it may have been written or not. Denied when we may only read.
        """
        if self._heard is None:
            self._get(key, deadline)
        nonce, written = uuid.uuid4().hex, version + 1 if version else self._first(key)
        pauses, may_be_there = Pauses(0.05, 0.5), False
        for left in reversed(range(_TRIES)):
            try:
                self._ask("put_item", deadline, Item=self._item(key, written, text, nonce), **_condition(version))
            except Refused as e:
                if e.code == _LOST:
                    if may_be_there and self._is_ours(key, nonce, deadline):
                        return written
                    raise LostRace from None
                error = self._meaning(e)
                if not isinstance(error, TemporaryError) or not left or not deadline.left():
                    raise error from None
                may_be_there = True
                pauses.sleep(deadline)
            else:
                self._newest[key] = written
                return written
        raise AssertionError

    def _first(self, key: str) -> int:
        """A version for a new item. The store's time is whole seconds old, so what was seen meanwhile counts too."""
        return max(int(1000 * (self._now() or 1)) << _RANDOM | secrets.randbits(_RANDOM), self._newest.get(key, 0) + 1)

    def _now(self) -> float | None:
        """The store's time, never later than it is."""
        if not self._heard:
            return None
        then, moment = self._heard
        return then + (time.monotonic() - moment)

    def _is_ours(self, key: str, nonce: str, deadline: Deadline) -> bool:
        item, _ = self._get(key, deadline)
        return item is not None and _text(item, "nonce") == nonce

    def _item(self, key: str, version: int, text: str, nonce: str) -> dict[str, dict[str, str]]:
        item = {"pk": {"S": self._prefix + key}, "ver": {"N": str(version)}, "rec": {"S": text}, "nonce": {"S": nonce}}
        if (now := self._now()) is not None:
            item |= {"at": {"N": f"{now:.3f}"}, "exp": {"N": str(math.ceil(now + self._keep))}}
        return item

    def _get(self, key: str, deadline: Deadline) -> tuple[dict[str, Any] | None, float | None]:
        """The item, and the store's time."""
        try:
            answer = self._ask("get_item", deadline, Key={"pk": {"S": self._prefix + key}}, ConsistentRead=True)
        except Refused as e:
            raise self._meaning(e) from None
        item = answer.get("Item")
        return item or None, _date(answer["ResponseMetadata"].get("HTTPHeaders", {}).get("date", ""))

    def _ask(self, operation: str, deadline: Deadline, **parameters: Any) -> dict[str, Any]:
        date = ""
        try:
            answer = self._client.ask(
                "dynamodb", self._place.region, operation, deadline, TableName=str(self._place), **parameters
            )
            date = answer["ResponseMetadata"].get("HTTPHeaders", {}).get("date", "")
        except Refused as e:
            date = e.date
            raise
        except CredentialsError as e:  # a cache that cannot be entered, not credentials that are asked for
            raise Denied(str(e), hint=e.hint) from None
        finally:
            # Whole seconds, rounded down, and heard later than said: never later than it is.
            if (then := _date(date)) is not None:
                self._heard = then, time.monotonic()
        return answer

    def _meaning(self, refused: Refused) -> Error:
        error = meaning(refused, self._what, self._place.region or "the profile's region")
        return Denied(str(error), hint=error.hint) if isinstance(error, CredentialsError) else error


class AwsCache:
    """Secrets Manager keeps no tokens."""

    far = True
    settings = (CACHE,)
    locator = CACHE.name

    def __init__(self, context: Context) -> None:
        """UsageError."""
        del context
        raise UsageError(
            "AWS Secrets Manager is no cache: AWS advises against writing a secret more than once every ten minutes, "
            "and it cannot compare before it writes",
            hint="keep tokens in a table of DynamoDB: --cache file,dynamodb:TABLE",
        )

    def read(self, key: str, deadline: Deadline) -> Snapshot:
        """Is not called."""
        raise NotImplementedError

    def compare_and_set(self, key: str, version: int, text: str, deadline: Deadline) -> int:
        """Is not called."""
        raise NotImplementedError


def _condition(version: int) -> dict[str, Any]:
    if not version:
        return {"ConditionExpression": "attribute_not_exists(pk)"}
    return {"ConditionExpression": "ver = :v", "ExpressionAttributeValues": {":v": {"N": str(version)}}}


def _number(item: dict[str, Any], name: str) -> float | int | None:
    """A number of the item, which whoever may write the table chose."""
    raw = item.get(name, {}).get("N")
    if not isinstance(raw, str) or not re.fullmatch(r"\d{1,20}(\.\d{1,9})?", raw, re.ASCII):
        return None
    return float(raw) if "." in raw else int(raw)


def _text(item: dict[str, Any], name: str) -> str:
    raw = item.get(name, {}).get("S")
    return raw if isinstance(raw, str) else ""


def _date(header: str) -> float | None:
    try:
        return parsedate_to_datetime(header).timestamp()
    except (TypeError, ValueError):
        return None
