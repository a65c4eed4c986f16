"""Texts in the reader's language (console/web/spoken.py). The API, webhooks, metrics and CSV are always English; so are stored texts
(receipts, histories), logs and the command line."""

from collections.abc import Mapping
from typing import Any

from starlette.requests import Request
from starlette.types import ASGIApp, Receive, Scope, Send

from console.web.formats import number
from console.web.spoken import ANSWERED, Language, current
from domain.said import Said

COOKIE = "earmark-language"
ENGLISH = ("/api/", "/hooks/", "/metrics", "/healthz", "/readyz")  # what programs read


def gettext(message: str) -> str:
    return current().text(message)


def ngettext(one: str, many: str, n: int) -> str:
    return current().texts(one, many, n)


def pgettext(context: str, message: str) -> str:
    return current().text(message, context)


def npgettext(context: str, one: str, many: str, n: int) -> str:
    raise NotImplementedError("no text has needed both yet")


def _(message: str | Exception, **values: Any) -> str:
    """The sentence in the reader's language; amounts among its values as it writes numbers. A refusal says what it was made with."""
    if isinstance(message, Exception):
        message = message.args[0] if message.args and isinstance(message.args[0], str) else str(message)
    if isinstance(message, Said):
        message, values = message.source, {**message.values, **values}
    said = gettext(message)
    return said % {name: _shown(value) for name, value in values.items()} if values else said


def plural(one: str, many: str, n: int, **values: Any) -> str:
    """`plural("%(n)s step", "%(n)s steps", 3)`."""
    return ngettext(one, many, n) % {name: _shown(value) for name, value in {"n": n, **values}.items()}


def _shown(value: Any) -> Any:
    if isinstance(value, Said):
        return _(value)
    return number(value) if isinstance(value, int) and not isinstance(value, bool) else value


def N_(message: str) -> str:
    """Marks a text that is shown later."""
    return message


def NN_(one: str, many: str) -> tuple[str, str]:
    return one, many


class Reading:
    """Around every request: in which language it is answered."""

    def __init__(self, app: ASGIApp, known: Mapping[str, Language]) -> None:
        self.app, self.known = app, known

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            token = ANSWERED.set(self.known[choose(Request(scope), self.known)])
            try:
                await self.app(scope, receive, send)
            finally:
                ANSWERED.reset(token)
        else:
            await self.app(scope, receive, send)


def choose(request: Request, known: Mapping[str, Language]) -> str:
    """What somebody chose here, else what their browser asks for, else English."""
    if request.url.path.startswith(ENGLISH) or request.url.path.endswith(".csv"):
        return "en"
    chosen = request.cookies.get(COOKIE, "")
    wanted = [chosen] if chosen else _accepted(request.headers.get("accept-language", "")[:200])
    return next((code for code in wanted if code in known), "en")


def _accepted(header: str) -> list[str]:
    """Languages of an Accept-Language header without their regions, the dearest first (RFC 9110, section 12.5.4)."""
    weighed = []
    for part in header.split(","):
        name, _, weight = part.partition(";q=")
        try:
            weighed.append((-float(weight or 1), name.strip().partition("-")[0].lower()))
        except ValueError:
            continue  # no weight a browser writes
    return [name for weight, name in sorted(weighed, key=lambda one: one[0]) if weight < 0]
