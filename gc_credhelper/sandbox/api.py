"""The Platform API below `/api/v2`: the token, the organisation, lists, and the conversation details query."""

import json
import math
import uuid
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import UTC, datetime
from urllib.parse import urlencode

from aiohttp import web

from gc_credhelper.sandbox import data
from gc_credhelper.sandbox.answers import ApiError, Json, json_answer
from gc_credhelper.sandbox.state import REQUESTS_PER_WINDOW, WINDOW, State, Token

PREFIX = "/api/v2"
LIST_PAGE, LIST_CAP = 25, 500
QUERY_PAGE, QUERY_CAP = 25, 100
"""Default and largest page size of lists, and of the conversation details query."""

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Api:
    """The handlers; each answer carries a correlation id and the state of the token's rate limit."""

    def __init__(self, state: State, users: int) -> None:
        self._state = state
        self._users = [data.make_user(number) for number in range(users)]
        self._skills = [data.make_skill(number) for number in range(data.SKILLS)]
        self._queues = [data.make_queue(number) for number in range(data.QUEUES)]

    def app(self) -> web.Application:
        """Build the application to mount at PREFIX."""
        app = web.Application(middlewares=[self._gateway])
        app.add_routes(
            [
                web.get("/tokens/me", self._token),
                web.delete("/tokens/me", self._revoke),
                web.get("/organizations/me", self._organization),
                web.get("/users/me", self._user),
                web.get("/users", _lister(self._users)),
                web.get("/routing/skills", _lister(self._skills)),
                web.get("/routing/queues", _lister(self._queues)),
                web.post("/analytics/conversations/details/query", self._conversations),
            ]
        )
        return app

    @web.middleware
    async def _gateway(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        self._state.api_requests += 1
        correlation_id = str(uuid.uuid4())
        token = self._state.find(_bearer(request))
        try:
            self._admit(request, token)
            answer = await handler(request)
        except ApiError as error:
            answer = error.answer(correlation_id)
        except web.HTTPException as error:
            answer = ApiError.of(error).answer(correlation_id)
        answer.headers["ININ-Correlation-Id"] = correlation_id
        answer.headers["inin-ratelimit-count"] = str(token.count if token else 0)
        answer.headers["inin-ratelimit-allowed"] = str(REQUESTS_PER_WINDOW)
        answer.headers["inin-ratelimit-reset"] = str(token.reset_in(self._state.clock()) if token else int(WINDOW))
        return answer

    def _admit(self, request: web.Request, token: Token | None) -> None:
        if not _bearer(request):
            text = "No authentication bearer token specified in authorization header."
            raise ApiError(401, "authentication.required", text)
        if token is None:
            raise ApiError(401, "bad.credentials", "Invalid login credentials.")
        now = self._state.clock()
        if not token.spend(now):
            wait = token.reset_in(now)
            raise ApiError(
                429,
                "too.many.requests.retry.after",
                f"Rate limit exceeded the maximum. Retry the request in [{wait}] seconds",
                limit={
                    "key": "client.credentials.token.rate.per.minute",
                    "namespace": "platform.api",
                    "value": REQUESTS_PER_WINDOW,
                },
                retry_after=wait,
            )

    async def _token(self, request: web.Request) -> web.Response:
        """Describe the token (`TokenInfo`); serves HEAD too, and has no user, because the grant has none."""
        token = self._state.find(_bearer(request))
        client_id = token.client_id if token else ""
        organization = {"id": data.ORGANIZATION["id"], "name": data.ORGANIZATION["name"]}
        client = {
            "id": client_id,
            "name": "Sandbox client",
            "authorizedGrantType": "CLIENT-CREDENTIALS",
            "scope": [],
            "roleDivisions": [],
            "state": "active",
            "organization": organization,
        }
        info = {"organization": organization, "homeOrganization": organization, "authorizedScope": []}
        return json_answer({**info, "OAuthClient": client})

    async def _revoke(self, request: web.Request) -> web.Response:
        self._state.revoke(_bearer(request))
        # The vendor says "Operation was successful" without a status; 204 would be as plausible.
        return web.Response()

    async def _organization(self, _request: web.Request) -> web.Response:
        return json_answer(data.ORGANIZATION)

    async def _user(self, _request: web.Request) -> web.Response:
        text = "This request requires a user context. Client credentials cannot be used for requests to this resource."
        raise ApiError(400, "bad.request", text)

    async def _conversations(self, request: web.Request) -> web.Response:
        """Answer a `ConversationQuery`: `interval`, `order` and `paging` count, filters do not."""
        query = await _json_object(request)
        numbers = data.conversation_numbers(*_interval(query.get("interval")))
        if str(query.get("order", "asc")).lower() == "desc":
            numbers = numbers[::-1]
        paging = query.get("paging") or {}
        if not isinstance(paging, dict):
            raise _bad_request("paging must be an object")
        size, page = _paging(paging, QUERY_PAGE, QUERY_CAP)
        shown = numbers[(page - 1) * size : page * size]
        conversations = [data.make_conversation(number, self._users) for number in shown]
        return json_answer({"conversations": conversations, "totalHits": len(numbers)})


def _bearer(request: web.Request) -> str:
    scheme, _, value = request.headers.get("Authorization", "").partition(" ")
    return value.strip() if scheme.lower() == "bearer" else ""


def _bad_request(text: str) -> ApiError:
    return ApiError(400, "bad.request", text)


def _lister(entities: Sequence[Json]) -> Handler:
    async def answer(request: web.Request) -> web.Response:
        size, page = _paging(request.query, LIST_PAGE, LIST_CAP)
        last = max(1, math.ceil(len(entities) / size))

        def uri(number: int) -> str:
            return f"{request.path}?{urlencode({'pageSize': size, 'pageNumber': number})}"

        listing: Json = {
            "entities": entities[(page - 1) * size : page * size],
            "pageSize": size,
            "pageNumber": page,
            "total": len(entities),
            "pageCount": math.ceil(len(entities) / size),
            "firstUri": uri(1),
            "selfUri": uri(page),
            "lastUri": uri(last),
        }
        if page > 1:
            listing["previousUri"] = uri(min(page - 1, last))
        if page < last:
            listing["nextUri"] = uri(page + 1)
        return json_answer(listing)

    return answer


def _paging(values: Mapping[str, object], default: int, cap: int) -> tuple[int, int]:
    try:
        size, page = int(str(values.get("pageSize", default))), int(str(values.get("pageNumber", 1)))
    except ValueError:
        raise _bad_request("pageSize and pageNumber must be whole numbers") from None
    if not 1 <= size <= cap:
        raise _bad_request(f"pageSize must be from 1 to {cap}")
    if page < 1:
        raise _bad_request("pageNumber starts at 1")
    return size, page


async def _json_object(request: web.Request) -> Json:
    if request.content_type != "application/json":
        raise ApiError(415, "unsupported.media.type", "Unsupported Media Type: use application/json")
    try:
        body = json.loads(await request.read())
    except ValueError:
        body = None
    if not isinstance(body, dict):
        raise _bad_request("The request could not be understood: the body must be a JSON object")
    return body


def _interval(value: object) -> tuple[datetime, datetime]:
    """Read `start/end`, both ISO-8601 instants, UTC unless they say otherwise; a duration is no interval here."""
    try:
        start, end = (datetime.fromisoformat(part) for part in str(value).split("/"))
    except ValueError:
        text = "interval must be YYYY-MM-DDThh:mm:ss/YYYY-MM-DDThh:mm:ss"
        raise _bad_request(text) from None
    start, end = (moment if moment.tzinfo else moment.replace(tzinfo=UTC) for moment in (start, end))
    if start >= end:
        raise _bad_request("interval must end after it starts")
    return start, end
