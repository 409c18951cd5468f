"""The forms of an answer: JSON, the error of the login (RFC 6749 §5.2) and the error of the Platform API."""

import json
from collections.abc import Mapping
from typing import Any

from aiohttp import web

Json = dict[str, Any]


def json_answer(data: Json, status: int = 200, headers: Mapping[str, str] | None = None) -> web.Response:
    """Answer with JSON under the bare type `application/json`, the only one the vendor's SDK compares with."""
    return web.Response(body=encode(data), status=status, headers=headers, content_type="application/json")


def encode(data: Json) -> bytes:
    """Render JSON for an answer that is kept."""
    return json.dumps(data, ensure_ascii=False).encode()


def oauth_error(status: int, error: str, text: str, headers: Mapping[str, str] | None = None) -> web.Response:
    """Answer as the login does: RFC 6749 §5.2, with the text a second time under the vendor's own `description`."""
    return json_answer({"error": error, "description": text, "error_description": text}, status, headers)


class ApiError(Exception):
    """An answer of the Platform API that is not a success: the SDK's model `ErrorBody`."""

    def __init__(
        self, status: int, code: str, message: str, *, limit: Json | None = None, retry_after: int = 0
    ) -> None:
        super().__init__(message)
        self.status, self.code, self.message = status, code, message
        self.limit, self.retry_after = limit, retry_after

    @classmethod
    def of(cls, error: web.HTTPException) -> "ApiError":
        """Translate what aiohttp says of a request that reaches no handler."""
        code, message = {
            404: ("not.found", "The requested resource was not found."),
            405: ("method.not.allowed", "The method is not allowed for the requested resource."),
            413: ("request.entity.too.large", "The request is over the size limit. Maximum bytes: 512000"),
        }.get(error.status, ("bad.request", error.reason))
        return cls(error.status, code, message)

    def answer(self, context_id: str) -> web.Response:
        """Render it; `context_id` is the answer's correlation id."""
        body: Json = {
            "message": self.message,
            "code": self.code,
            "status": self.status,
            "contextId": context_id,
            "details": [],
            "errors": [],
        }
        if self.limit:
            body["limit"] = self.limit
        return json_answer(body, self.status, {"Retry-After": str(self.retry_after)} if self.retry_after else None)


def bad_request(text: str) -> ApiError:
    """Refuse what was asked for."""
    return ApiError(400, "bad.request", text)


def bad_credentials() -> ApiError:
    """Refuse a token that is unknown, ended or expired."""
    return ApiError(401, "bad.credentials", "Invalid login credentials.")


def too_many_requests(wait: int, allowed: int = 300) -> ApiError:
    """Refuse a token whose minute is used up for that many seconds more."""
    return ApiError(
        429,
        "too.many.requests.retry.after",
        f"Rate limit exceeded the maximum. Retry the request in [{wait}] seconds",
        limit={"key": "client.credentials.token.rate.per.minute", "namespace": "platform.api", "value": allowed},
        retry_after=wait,
    )
