"""A token of its own: asked for with the credentials, shown to the Platform API, and ended. Nothing of it is kept."""

from collections.abc import Iterator

from ..deadline import Deadline
from ..errors import Error, LifetimeError, RateLimited, TokenError
from ..liveness import is_same
from ..roles import Finding, Level
from .visit import Visit


def exchange(visit: Visit, limit: Deadline) -> Iterator[Finding]:
    """A real token request. While the server has asked this client to wait it is not made: that would prolong it."""
    app = visit.resolved
    assert visit.credentials, "this step needs credentials"
    gate = app.entry(visit.credentials.client_id).gate
    if wait := gate.wait():
        raise RateLimited(
            f"the server asked this client to wait before it asks for another token; {wait:.0f} s are left",
            hint="try again after that time",
            retry_after=wait,
        )
    token = app.exchanger().exchange(visit.credentials, limit, gate.rate_limited)
    visit.token = token
    visit.secrets.append(token.value)
    yield Finding.ok(f"a token that lives {token.lifetime:.0f} s; it is for this examination alone, and cached nowhere")
    if (wanted := app.settings["min_ttl"]) > token.lifetime:
        yield Finding.failed(
            LifetimeError(
                f"this client's tokens live {token.lifetime:.0f} s, less than min_ttl asks ({wanted:.0f} s)",
                hint="ask for less, or have the token duration of the OAuth client raised in Genesys Cloud",
            )
        )


def api(visit: Visit, limit: Deadline) -> Iterator[Finding]:
    """Does the Platform API know the token, and as that of the client?"""
    app = visit.resolved
    assert visit.token, "this step needs a token"
    assert visit.credentials, "a token comes of credentials"
    if app.endpoints.api_url is None:
        yield Finding(Level.SKIP, "not tried: the Platform API of this token_url is not known", "set api_url")
        return
    client_id = app.platform().client_id(visit.token.value, limit)
    if client_id is None:
        hint = f"does api_url ({app.endpoints.api_url}) belong to the region of the token endpoint?"
        raise TokenError("the Platform API does not take the token", hint=hint)
    if not is_same(client_id, visit.credentials.client_id):
        raise TokenError("the Platform API takes the token for another client's", hint="check api_url and token_url")
    yield Finding.ok(f"{app.endpoints.api_url} takes the token, as that of the client {visit.credentials.client_id}")


def revoke(visit: Visit, limit: Deadline) -> Iterator[Finding]:
    """End it. That fails without harm: nobody holds it."""
    app = visit.resolved
    assert visit.token, "this step needs a token"
    token, visit.token = visit.token, None
    if app.endpoints.api_url is None:
        yield Finding.ok(f"the token lives on for {token.lifetime:.0f} s, and nobody holds it")
        return
    try:
        app.platform().end(token.value, limit)
    except Error as e:
        yield Finding.warn(f"the token lives on for {token.lifetime:.0f} s, and nobody holds it: {e}", e.hint)
        return
    yield Finding.ok("the token was ended")
