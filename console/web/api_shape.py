"""What every route of the API shares: entity tags, work done once with its refusals as problems, cursors, and how OpenAPI tells of it."""

import base64
import binascii
import json
import re
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import asdict
from hashlib import sha256
from typing import Any

from fastapi import HTTPException
from fastapi.routing import APIRoute
from pydantic import BaseModel, ConfigDict, ValidationError
from sqlalchemy import Connection
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from console.web import bearer
from domain.identity import BadIdentity
from storage import bulk
from storage.casework import Refused, Unseen
from storage.idempotency import Answer
from storage.interactions import BadInteraction
from storage.merges import Refused as MergeRefused

VERSION = "x-version"  # a route's word to this page: the version If-Match is held against; it does not leave


class Problem(BaseModel):
    """An error, as RFC 9457 has it."""

    type: str = "about:blank"
    title: str
    status: int
    detail: str


PROBLEMS = {
    400: "The request makes no sense: a cursor of another list, two of what can be one.",
    401: "No token, or one that is unknown, revoked or expired.",
    403: "The token has not the scope, or the role may not.",
    404: "There is no such thing, or it is not yours to see.",
    409: "It cannot be done as things stand; the detail says why.",
    412: "It went on since you read it (If-Match).",
    413: "The body is larger than 256 kB.",
    422: "A value is missing, unknown or out of bounds; the detail names it.",
    429: "Too many requests in this minute; Retry-After says how long to wait.",
    503: "The database does not answer; try again.",
}


class Precondition(Exception):
    """What If-Match names is not what is there."""


class Body(BaseModel):
    """What comes in: a field nobody knows is refused, not dropped."""

    model_config = ConfigDict(extra="forbid")


def problems(*codes: int) -> dict[int | str, dict[str, Any]]:
    """The `responses` of a route: the errors every route has, and its own."""
    return {
        code: {"model": Problem, "description": PROBLEMS[code], "content": {"application/problem+json": {}}}
        for code in sorted({401, 403, 422, 429, 503, *codes})
    }


class Route(APIRoute):
    """Answers to GET carry an entity tag; a reader that has this very answer gets 304 and no body."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handle = super().get_route_handler()

        async def tagged(request: Request) -> Response:
            answer = await handle(request)
            version = answer.headers.get(VERSION)
            if version is not None:
                del answer.headers[VERSION]
            if request.method != "GET" or answer.status_code != 200:
                return answer
            tag = f'"{version + "-" if version else ""}{sha256(bytes(answer.body)).hexdigest()[:20]}"'
            answer.headers["etag"] = tag
            answer.headers["cache-control"] = (
                "no-store"  # nothing in between keeps it; who asked may, and asks by its tag
            )
            offered = [one.strip().removeprefix("W/") for one in request.headers.get("if-none-match", "").split(",")]
            if tag in offered or "*" in offered:
                kept = {name: answer.headers[name] for name in ("etag", "cache-control")}
                return Response(status_code=304, headers=kept)
            return answer

        return tagged


def matches(request: Request, version: int) -> None:
    """Hold If-Match against a version: `"7"`, or the entity tag of an answer, which begins with it. Raises Precondition."""
    given = request.headers.get("if-match", "").strip()
    if not given or given == "*":
        return
    if str(version) not in re.findall(r'"(\d+)(?:-[0-9a-f]+)?"', given):
        raise Precondition(f"It is at version {version} now; read it again and decide.")


async def do(request: Request, work: Callable[[Connection], Answer]) -> JSONResponse:
    """The work, once per Idempotency-Key, its refusals as problems: 409 for what cannot be now, 422 for what can never be."""
    body = await request.body()
    try:
        return await run_in_threadpool(bearer.once, request, body, work)
    except (Precondition, Unseen) as stale:
        raise HTTPException(412, str(stale)) from None
    except (MergeRefused, Refused) as refused:
        raise HTTPException(409, sentence(refused)) from None
    except LookupError:
        raise HTTPException(404, "There is no such thing.") from None
    except BadIdentity as none:
        raise HTTPException(400, sentence(none)) from None
    except (BadInteraction, ValueError) as wrong:
        if isinstance(wrong, ValidationError):
            raise
        raise HTTPException(422, sentence(wrong)) from None


def sentence(error: Exception) -> str:
    said = str(error).rstrip(".")
    return f"{said[:1].upper()}{said[1:]}."


def plain(value: Any) -> dict[str, Any]:
    return asdict(value)


def shown(value: Any, headers: Mapping[str, str] | None = None) -> Response:
    """JSON as we store it, too: times as ISO 8601."""
    return Response(bulk.dumps(value), media_type="application/json", headers=dict(headers or {}))


def cursor(key: int, filters: Mapping[str, Any]) -> str:
    """Where a list goes on, bound to the filters it was read with."""
    raw = json.dumps([key, _print(filters)], separators=(",", ":"))
    return base64.urlsafe_b64encode(raw.encode()).decode().rstrip("=")


def place(given: str, filters: Mapping[str, Any]) -> int | None:
    """The key behind a cursor; None for the beginning. Raises HTTPException 400 for one that is not ours or of another list."""
    if not given:
        return None
    try:
        key, print_ = json.loads(base64.b64decode(given + "=" * (-len(given) % 4), b"-_", validate=True))
        if (
            not isinstance(key, int)
            or isinstance(key, bool)
            or not -(2**63) <= key < 2**63
            or not isinstance(print_, str)
        ):
            raise ValueError
    except (ValueError, TypeError, RecursionError, binascii.Error):
        raise HTTPException(400, "The cursor is none of ours: take `next` of the page before.") from None
    if print_ != _print(filters):
        raise HTTPException(400, "The cursor belongs to other filters: begin anew without it.")
    return key


def _print(filters: Mapping[str, Any]) -> str:
    return sha256(json.dumps(dict(filters), sort_keys=True, default=str).encode()).hexdigest()[:12]
