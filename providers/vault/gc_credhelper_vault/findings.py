"""What the plug-in tells `doctor`: the login, the place, and whether a cache has a mount and a policy of its own."""

import time
from collections.abc import Callable, Iterator
from typing import Any

from gc_credhelper.deadline import Deadline
from gc_credhelper.errors import CredentialsError
from gc_credhelper.roles import Finding

from .client import Client
from .errors import Refused, meaning
from .kv import Place, find

_WANTED = ("max_versions=1", "cas_required=true", "delete_version_after=24h")
_OWN = "give tokens a mount of their own: docs/how-to/share-tokens-in-vault.md; what its options do would harm secrets"
_DOMAIN = (
    "one path and one policy for each trust domain, because whoever may write a path chooses the token: policy.hcl"
)
_ELSEWHERE = "gc-credhelper-doctor/elsewhere"
_NEEDED = {"create", "read", "update"}
_UNSAID = (403, 404, 405)  # of what a login with the least rights may not ask


def of_provider(client: Client, place: Callable[[], Place], deadline: Deadline) -> Iterator[Finding]:
    """How long the login took, and what lies where."""
    began = time.monotonic()
    method = client.log_in(deadline)
    yield Finding.ok(f"logged in to {client.endpoint.host} with {method}", seconds=time.monotonic() - began)
    began = time.monotonic()
    found = place()
    said = f"the secret {found} is on the mount {found.mount}, KV version {found.version}"
    yield Finding.ok(said, seconds=time.monotonic() - began)


def of_cache(client: Client, written: str, deadline: Deadline) -> Iterator[Finding]:
    """Whatever the login may not be told is left open, and said to be."""
    try:
        place = find(client, written, deadline)
    except CredentialsError as e:
        yield Finding.warn(str(e), e.hint)
        return
    if place.version == 1:
        yield Finding.warn(f"{place.mount} is a KV version 1 mount, and has no compare-and-set", _OWN)
        return
    yield from _mount(client, place, deadline)
    yield from _options(client, place.mount, deadline)
    yield from _rights(client, place, deadline)


def _mount(client: Client, place: Place, deadline: Deadline) -> Iterator[Finding]:
    """Does it hold anything else? A secret at its root is none of ours, which lie below a path."""
    if place.mount in client.holds_secrets:
        yield Finding.warn(f"tokens are kept on {place.mount}, where the client secret is", _OWN)
        return
    listed = _asked(client, "get", f"/v1/{place.mount}/metadata/?list=true", deadline)
    names = (listed or {}).get("keys") or []
    if any(isinstance(name, str) and not name.endswith("/") for name in names):
        yield Finding.warn(f"{place.mount} holds other things than tokens", _OWN)


def _options(client: Client, mount: str, deadline: Deadline) -> Iterator[Finding]:
    """Those of the mount; a job with the least rights may not read them."""
    found = _asked(client, "get", f"/v1/{mount}/config", deadline)
    if found is None:
        yield Finding.ok(
            f"{mount} is a KV version 2 mount; its options are not for this login to read, as it should be"
        )
        return
    right = (
        found.get("max_versions") == 1,
        found.get("cas_required") is True,
        str(found.get("delete_version_after")) not in ("0", "0s", "None"),
    )
    missing = [option for option, is_right in zip(_WANTED, right, strict=True) if not is_right]
    if missing:
        command = f"vault write {mount}/config {' '.join(_WANTED)}"
        yield Finding.warn(f"{mount} lacks {', '.join(missing)}", f"if it holds tokens only: {command}")
    else:
        yield Finding.ok(f"{mount} is a KV version 2 mount with the options for tokens")


def _rights(client: Client, place: Place, deadline: Deadline) -> Iterator[Finding]:
    """What the login may do below its path, beside it, and with the names on the mount."""
    below, beside = f"{place.mount}/data/{place.path}/doctor", f"{place.mount}/data/{_ELSEWHERE}"
    names = f"{place.mount}/metadata/"
    asked = {"paths": [below, beside, names, f"{place.mount}/metadata/{place.path}/doctor"]}
    found = _asked(client, "post", "/v1/sys/capabilities-self", deadline, json=asked)
    if found is None:
        yield Finding.ok("what the login may do is not for it to ask")
        return
    rights = {path: {*found.get(path, [])} - {"deny"} for path in asked["paths"]}
    if "root" in rights[below]:
        yield Finding.warn("the login may do everything in this Vault", _DOMAIN)
        return
    if rights[beside]:
        yield Finding.warn(f"the login may {_words(rights[beside])} on {place.mount} beside {place}", _DOMAIN)
    if "list" in rights[names]:
        yield Finding.warn(f"the login may list {place.mount}", "it needs no more than policy.hcl says")
    if extra := (rights[below] - _NEEDED) | rights[asked["paths"][3]]:
        hint = "take that from its policy: a counter of versions that starts again would break the lease"
        yield Finding.warn(f"the login may {_words(extra)} below {place}, which nobody needs", hint)
    if not rights[beside] and "list" not in rights[names] and not extra:
        yield Finding.ok(f"the login may {_words(rights[below])} below {place}, and nothing beside it")


def _words(rights: set[str]) -> str:
    return ", ".join(sorted(rights)) or "do nothing"


def _asked(client: Client, method: str, url: str, deadline: Deadline, **more: Any) -> dict[str, Any] | None:
    """The data of the answer; None when this login may not ask. TemporaryError, UsageError."""
    try:
        answer = client.ask(lambda hvac: getattr(hvac.adapter, method)(url, **more), deadline)
    except Refused as e:
        if e.status in _UNSAID:
            return None
        raise meaning(e, "mount of the cache") from None
    data = answer.get("data")
    return data if isinstance(data, dict) else {}
