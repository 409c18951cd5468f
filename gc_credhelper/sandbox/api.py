"""The Platform API below `/api/v2`: who may call it, the token, the organisation, and where the lists are."""

import uuid
from functools import partial

from aiohttp import web

from gc_credhelper.sandbox import data
from gc_credhelper.sandbox.answers import ApiError, bad_credentials, bad_request, json_answer, too_many_requests
from gc_credhelper.sandbox.conversations import Conversations
from gc_credhelper.sandbox.faults import misbehave
from gc_credhelper.sandbox.lists import Handler, Rows, linked, numbered, scanned, scim
from gc_credhelper.sandbox.options import Kind
from gc_credhelper.sandbox.search import Search
from gc_credhelper.sandbox.state import WINDOW, State, Token

PREFIX = "/api/v2"


class Api:
    """The handlers; each answer carries a correlation id and the state of the token's rate limit."""

    def __init__(self, state: State, users: int) -> None:
        self._state = state
        self._users = users

    def app(self) -> web.Application:
        """Build the application to mount at PREFIX."""
        users = Rows(self._users, data.make_user)
        teams = Rows(1, lambda _number: data.make_team(self._users))
        search, conversations = Search(users), Conversations(self._users)
        jobs = "/analytics/conversations/details/jobs"
        app = web.Application(middlewares=[self._gateway])
        app.add_routes(
            [
                web.get("/tokens/me", self._token),
                web.delete("/tokens/me", self._revoke),
                web.get("/organizations/me", self._organization),
                web.get("/users/me", self._user),
                web.get("/users", numbered(users)),
                web.get("/users/search", search.further),
                web.post("/users/search", search.first),
                web.get("/routing/skills", numbered(Rows(data.SKILLS, data.make_skill))),
                web.get("/routing/queues", numbered(Rows(data.QUEUES, data.make_queue))),
                web.get("/teams", linked(lambda _request: teams)),
                web.get("/teams/{team}/members", linked(self._members)),
                web.get("/taskmanagement/workbins/{workbin}/versions", linked(_versions, with_after=True)),
                web.get("/externalcontacts/scan/contacts", scanned(Rows(self._users, data.make_contact))),
                web.get("/scim/v2/users", scim(Rows(self._users, data.make_scim_user))),
                web.post("/analytics/conversations/details/query", conversations.query),
                web.post(jobs, conversations.start_job),
                web.get(jobs + "/{job}", conversations.job),
                web.get(jobs + "/{job}/results", conversations.results),
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
            fault = self._state.api_faults.head
            if fault and self._state.api_faults.meets():
                answer = await self._fail(request, fault)
            else:
                answer = await handler(request)
        except ApiError as error:
            answer = error.answer(correlation_id)
        except web.HTTPException as error:
            answer = ApiError.of(error).answer(correlation_id)
        answer.headers["ININ-Correlation-Id"] = correlation_id
        if self._state.api_limit:
            answer.headers.update(self._limit_headers(token))
        return answer

    def _admit(self, request: web.Request, token: Token | None) -> None:
        if not _bearer(request):
            text = "No authentication bearer token specified in authorization header."
            raise ApiError(401, "authentication.required", text)
        if token is None:
            raise bad_credentials()
        if not self._state.admit(token):
            raise too_many_requests(token.reset_in(self._state.clock()), self._state.api_limit)

    async def _fail(self, request: web.Request, fault: Kind) -> web.StreamResponse:
        if fault is Kind.API_UNAUTHORIZED:
            self._state.revoke(_bearer(request))  # at once, because others come in while the body is read
        # Closing a socket with unread input would turn every kind of end into a reset.
        await request.read()
        return await misbehave(fault, request)

    def _limit_headers(self, token: Token | None) -> dict[str, str]:
        allowed, now = self._state.api_limit, self._state.clock()
        return {
            "inin-ratelimit-count": str(min(token.asked, allowed) if token else 0),
            "inin-ratelimit-allowed": str(allowed),
            "inin-ratelimit-reset": str(token.reset_in(now) if token else int(WINDOW)),
        }

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
        raise bad_request(text)

    def _members(self, request: web.Request) -> Rows:
        if request.match_info["team"] != data.make_id("team"):
            raise ApiError(404, "not.found", "There is no such team.")
        return Rows(self._users, data.make_member)


def _bearer(request: web.Request) -> str:
    scheme, _, value = request.headers.get("Authorization", "").partition(" ")
    return value.strip() if scheme.lower() == "bearer" else ""


def _versions(request: web.Request) -> Rows:
    workbin = request.match_info["workbin"]
    return Rows(data.WORKBIN_VERSIONS, partial(data.make_workbin_version, workbin))
