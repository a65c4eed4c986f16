"""Around every answer: the headers a browser obeys. Around every request: a limit on its size."""

import asyncio
from contextlib import suppress

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

BODY_LIMIT = 256 * 1024  # the largest thing a person sends here is a note
HOOK_LIMIT = 1024 * 1024  # and a machine a delivery: console/web/hooks.py

CSP = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; form-action 'self'; "
    "base-uri 'none'; frame-ancestors 'none'"
)
HEADERS = {
    "content-security-policy": CSP,
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "same-origin",  # "no-referrer" makes browsers send "Origin: null" with our own forms
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), geolocation=(), microphone=(), payment=()",
}


class Headers:
    """Sets the headers on every answer, errors included; what may be cached says so itself."""

    def __init__(self, app: ASGIApp, *, secure: bool) -> None:
        self.app, self.secure = app, secure

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        started = False
        state = scope.setdefault("state", {})

        async def armoured(message: Message) -> None:
            nonlocal started
            if message["type"] == "http.response.start":
                started = True
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers[name] = value
                headers.setdefault("cache-control", "no-store")
                for name, value in state.get("rate", {}).items():  # of an API token: console/web/bearer.py
                    headers[name] = value
                if self.secure:
                    headers["strict-transport-security"] = "max-age=31536000"
            await send(message)

        try:
            await self.app(scope, receive, armoured)
        except Exception:
            if scope["type"] == "http" and not started:
                await answer(armoured, 500, b"Something went wrong here; it is in the log.\n")
            raise  # the server logs it


class TooLarge(Exception):
    """The body went over the limit while it was read."""


class BodyLimit:
    """Refuses a body over the limit, by its announced length or as it arrives."""

    def __init__(self, app: ASGIApp, limit: int = BODY_LIMIT) -> None:
        self.app, self.limit = app, limit

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return await self.app(scope, receive, send)
        length = dict(scope["headers"]).get(b"content-length", b"0")
        limit = HOOK_LIMIT if scope["path"].startswith("/hooks/") else self.limit
        if not length.isdigit() or int(length) > limit:
            await drain(receive)
            return await self._refuse(scope, send)
        received, started, over = 0, False, False

        async def counted() -> Message:
            nonlocal received, over
            message = await receive()
            received += len(message.get("body", b""))
            over = received > limit
            if over:
                raise TooLarge
            return message

        async def noted(message: Message) -> None:
            """What the app makes of the torn body is not sent: the reader learns the reason instead."""
            nonlocal started
            if not over:
                started = started or message["type"] == "http.response.start"
                await send(message)

        with suppress(TooLarge):  # answered below
            await self.app(scope, counted, noted)
        if over and not started:
            await drain(receive)
            await self._refuse(scope, send)

    async def _refuse(self, scope: Scope, send: Send) -> None:
        if scope["path"].startswith("/api/"):
            return await answer(send, 413, PROBLEM, b"application/problem+json")
        await answer(send, 413, TOO_LARGE)


TOO_LARGE = b"The request is larger than this console accepts.\n"
PROBLEM = b'{"type":"about:blank","title":"Too large","status":413,"detail":"A body has at most 256 kB."}'


DRAIN, PATIENCE = 16_000_000, 2.0  # bytes, seconds


async def drain(receive: Receive) -> None:
    """Let a sender finish, within bounds, and forget what it sends: one cut off in the middle never reads why."""
    left = DRAIN
    with suppress(TimeoutError):
        async with asyncio.timeout(PATIENCE):
            while left > 0:
                message = await receive()
                left -= len(message.get("body", b""))
                if message["type"] != "http.request" or not message.get("more_body"):
                    return


async def answer(send: Send, status: int, text: bytes, kind: bytes = b"text/plain; charset=utf-8") -> None:
    """A short plain answer, after which the connection ends."""
    headers = [
        (b"content-type", kind),
        (b"content-length", str(len(text)).encode()),
        (b"connection", b"close"),
    ]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": text})
