"""Rendering: the Jinja environment (autoescape on, no exceptions), hashed static files, and one function for every page."""

import gzip
import hashlib
import mimetypes
import pathlib
from collections.abc import Callable
from datetime import UTC, datetime, tzinfo
from functools import cache
from typing import Annotated, Any

from fastapi import Depends, Path
from jinja2 import Environment, FileSystemLoader, StrictUndefined, pass_context
from jinja2.runtime import Context
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from console import equal
from console.web import formats, spoken, texts, words
from console.web.house import house
from console.web.roles import may
from console.web.texts import N_, _
from console.web.zone import zone
from storage import views

HERE = pathlib.Path(__file__).parent
NAV = (
    ("inbox", "/inbox", N_("Inbox"), "i"),
    ("review", "/review", N_("Review"), "q"),
    ("customers", "/customers", N_("Customers"), "c"),
    ("flags", "/flags", N_("Flags"), "e"),
    ("dashboards", "/dashboards", N_("Dashboards"), "d"),
    ("channels", "/channels", N_("Channels"), "o"),
    ("status", "/status", N_("Status"), "s"),
    ("users", "/admin/users", N_("Users"), "p"),
    ("teams", "/admin/teams", N_("Teams"), "t"),
    ("tokens", "/admin/tokens", N_("API tokens"), "k"),
    ("audit", "/admin/audit", N_("Audit"), "a"),
)


@cache
def static_files() -> dict[str, tuple[bytes, str]]:
    """Hashed name → (content, type), read once: a changed file has a new name and may be cached for ever."""
    files = {}
    for path in sorted((HERE / "static").iterdir()):
        body = path.read_bytes()
        kind = mimetypes.guess_type(path.name)[0] or "application/octet-stream"
        files[f"{path.stem}.{hashlib.sha256(body).hexdigest()[:10]}{path.suffix}"] = (body, kind)
    return files


@cache
def squeezed(body: bytes) -> bytes:
    """A static file as gzip, the same bytes each time. Only these: what is secret must not be compressed beside what others wrote."""
    return gzip.compress(body, 9, mtime=0)


@cache
def static(name: str) -> str:
    """The address of a static file by its plain name."""
    stem, _, suffix = name.rpartition(".")
    return "/static/" + next(
        n for n in static_files() if n.rpartition(".")[0].rpartition(".")[0] == stem and n.endswith(suffix)
    )


def _upright(value: Any) -> Any:
    """Text without the two characters that turn what follows around: `exe.png` is not to read `gnp.exe`."""
    if not isinstance(value, str) or value.isascii():  # nearly all, and known without looking
        return value
    return value.replace("\u202d", "").replace("\u202e", "")


@cache
def environment() -> Environment:
    env = Environment(
        loader=FileSystemLoader(HERE / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=_upright,
        trim_blocks=True,
        lstrip_blocks=True,
        extensions=["jinja2.ext.i18n"],
    )
    env.policies["ext.i18n.trimmed"] = True
    env.install_gettext_callables(  # type: ignore[attr-defined]
        texts.gettext, texts.ngettext, newstyle=True, pgettext=texts.pgettext, npgettext=texts.npgettext
    )
    env.globals.update(
        static=static,
        nav=NAV,
        SENTIMENTS=words.SENTIMENTS,
        ENTRY=words.ENTRY,
        STATES=words.CHANNEL_STATES,
        OUTCOMES=words.OUTCOMES,
    )
    env.filters.update(
        platform=words.platform,
        web_link=words.web_link,
        iso=words.iso,
        amount=words.amount,
        word=words.word,
        refusal=words.sentence,
        subject=words.subject,
        cell=_cell,
        evidence=_evidence,
        span=words.span,
        short=formats.short,
        number=formats.number,
        decimal=formats.decimal,
        digits=formats.digits,
        percent=formats.percent,
        **{name: _there(told) for name, told in CLOCKS.items()},
    )
    return env


CLOCKS = {
    "exact": formats.exact,
    "at": formats.at,
    "minute": formats.minute,
    "day": formats.day,
    "clock": formats.clock,
}


def _there(told: Callable[[datetime, tzinfo], str]) -> Callable[[Context, datetime], str]:
    """A filter that goes by the clock of who reads the page."""

    @pass_context
    def by_the_readers_clock(context: Context, moment: datetime) -> str:
        return told(moment, context["zone"])

    return by_the_readers_clock


@pass_context
def _cell(context: Context, value: Any) -> str:
    """One cell of a figure's table: numbers and times as the reader writes them; its file has them plain (dashboards.py)."""
    if isinstance(value, datetime):
        return formats.minute(value, context["zone"])
    if isinstance(value, int | float):
        return formats.number(value)
    return words.platform(value) if isinstance(value, words.Code) else str(value)


@pass_context
def _evidence(context: Context, value: Any) -> str:
    """A fact a flag was raised with, as JSON holds it: a number, a moment, or a word."""
    if isinstance(value, int | float):
        return formats.digits(value, 4) if abs(value) < 1000 else formats.decimal(value, 0)
    try:
        moment = datetime.fromisoformat(str(value))
    except ValueError:
        return words.word(str(value))
    return formats.at(moment if moment.tzinfo else moment.replace(tzinfo=UTC), context["zone"])


def page_number(request: Request) -> int:
    """`page` of the address; what is no number is page 1."""
    number = request.query_params.get("page", "1")
    return int(number) if number.isdecimal() and len(number) < 8 else 1


def _number(request: Request, name: str) -> int:
    value = request.query_params.get(name, "")
    return int(value) if value.isdecimal() and len(value) < 19 else 0


def _said(request: Request) -> str:
    """One of our own sentences, with a number where it has one."""
    name = request.query_params.get("said", "")
    if name in words.COUNTED:
        return texts.plural(*words.COUNTED[name], _number(request, "n"))
    return _(words.SAID[name]) if name in words.SAID else ""


def _asked(request: Request) -> str:
    """The address a choice of language leads back to; what was sent by a form is not sent again."""
    if request.method not in ("GET", "HEAD"):
        return "/"
    return request.url.path + (f"?{request.url.query}" if request.url.query else "")


Id = Annotated[int, Path(ge=1, lt=2**63)]  # what the database can hold
PageNumber = Annotated[int, Depends(page_number)]


def page(request: Request, template: str, *, code: int = 200, **values: Any) -> Response:
    """One page as HTML, or 304 to who has just this one. `said` in the address names one of our own sentences; nobody else's text is shown from there."""
    now, where = datetime.now(UTC), zone(request)
    session = getattr(request.state, "session", None)
    counts: dict[str, int] = {}
    degraded: list[str] = []
    stopped = None
    if session is not None:
        with house(request).ledger.glance() as connection:
            counts = views.sidebar(connection)
            degraded, stopped = request.app.state.pulse.beat(connection)
    context = {
        "request": request,
        "session": session,
        "user": session.user if session else None,
        "csrf": session.csrf if session else "",
        "counts": counts,
        "degraded": degraded,
        "stopped": stopped,
        "equal": equal.command(request.url.path, request.query_params.multi_items(), now) if session else "",
        "path": request.url.path,
        "place": getattr(request.state, "place", 0),
        "now": now,
        "zone": where,
        "zone_name": formats.zone_name(where),
        "language": spoken.current(),
        "languages": request.app.state.languages,
        "back": _asked(request),
        "ago": lambda moment: words.ago(moment, now),
        "countdown": lambda due, due_for: words.countdown(due, due_for, now),
        "pressure": lambda due: words.pressure(due, now),
        "may": lambda method, path: session is not None and may(session.user.role, method, path),
        "said": _said(request),
        "act": _number(request, "act"),  # what the page offers to take back
        "error": "",
        **values,
    }
    context["error"] = _(context["error"]) if context["error"] else ""
    headers = {"vary": "cookie, accept-language", "content-language": spoken.current().code}
    body = environment().get_template(template).render(context).encode()
    if code != 200 or request.method not in ("GET", "HEAD"):
        return HTMLResponse(body, code, headers)
    tag = f'"{hashlib.sha256(body).hexdigest()[:24]}"'
    # browsers may not keep a page (no-store); who keeps one all the same, and says so, is spared the sending
    if tag in request.headers.get("if-none-match", ""):
        return Response(status_code=304, headers={**headers, "etag": tag})
    return HTMLResponse(body, headers={**headers, "etag": tag})
