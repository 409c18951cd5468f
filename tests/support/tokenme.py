"""What the Platform API says of a token (`GET /api/v2/tokens/me`), for scripted servers."""

from .scripted import ScriptedServer, http

ORG_ID, ORG_NAME = "4c8a0d6e-00aa-4000-8000-made0up0org0", "Söme Organization"
DEAD = http(401, {"code": "bad.credentials", "message": "Invalid login credentials.", "status": 401})


def of(
    client_id: str = ScriptedServer.client_id,
    org: tuple[str, str] = (ORG_ID, ORG_NAME),
    more: dict[str, object] | None = None,
) -> bytes:
    """A `TokenInfo`: alive, and of that client and organisation. `more`: other fields, or others in their place."""
    organization = {"id": org[0], "name": org[1]}
    client = {"id": client_id, "name": "A client", "organization": organization}
    return http(
        200, {"organization": organization, "homeOrganization": organization, "OAuthClient": client} | (more or {})
    )
