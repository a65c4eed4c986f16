"""Rendering: the Jinja environment (autoescape on, no exceptions), hashed static files, and one function for every page."""

import gzip
import hashlib
import mimetypes
import pathlib
from datetime import UTC, datetime
from functools import cache
from typing import Annotated, Any

from fastapi import Depends, Path
from jinja2 import Environment, FileSystemLoader, StrictUndefined, pass_context
from jinja2.runtime import Context
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from console.web import words
from console.web.house import house
from console.web.roles import may
from console.web.zone import zone
from storage import views

HERE = pathlib.Path(__file__).parent
NAV = (
    ("inbox", "/inbox", "Inbox", "i"),
    ("review", "/review", "Review", "q"),
    ("customers", "/customers", "Customers", "c"),
    ("flags", "/flags", "Flags", "e"),
    ("dashboards", "/dashboards", "Dashboards", "d"),
    ("channels", "/channels", "Channels", "o"),
    ("status", "/status", "Status", "s"),
    ("users", "/admin/users", "Users", "p"),
    ("teams", "/admin/teams", "Teams", "t"),
    ("tokens", "/admin/tokens", "API tokens", "k"),
    ("audit", "/admin/audit", "Audit", "a"),
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
def squeezed(name: str) -> bytes:
    """A static file as gzip, the same bytes each time. Only these: what is secret must not be compressed beside what others wrote."""
    return gzip.compress(static_files()[name][0], 9, mtime=0)


@cache
def static(name: str) -> str:
    """The address of a static file by its plain name."""
    stem, _, suffix = name.rpartition(".")
    return "/static/" + next(
        n for n in static_files() if n.rpartition(".")[0].rpartition(".")[0] == stem and n.endswith(suffix)
    )


def _upright(value: Any) -> Any:
    """Text without the two characters that turn what follows around: `exe.png` is not to read `gnp.exe`."""
    return value.replace("\u202d", "").replace("\u202e", "") if isinstance(value, str) else value


@cache
def environment() -> Environment:
    env = Environment(
        loader=FileSystemLoader(HERE / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=_upright,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    env.globals.update(
        static=static, nav=NAV, SENTIMENTS=words.SENTIMENTS, ENTRY=words.ENTRY, STATES=words.CHANNEL_STATES
    )
    env.filters.update(
        platform=words.platform,
        web_link=words.web_link,
        iso=words.iso,
        exact=_exact,
        at=_at,
        amount=words.amount,
        span=words.span,
        short=words.short,
    )
    return env


@pass_context
def _exact(context: Context, moment: datetime) -> str:
    return words.exact(moment, context["zone"])


@pass_context
def _at(context: Context, moment: datetime) -> str:
    return words.at(moment, context["zone"])


def page_number(request: Request) -> int:
    """`page` of the address; what is no number is page 1."""
    number = request.query_params.get("page", "1")
    return int(number) if number.isdecimal() and len(number) < 8 else 1


def _number(request: Request, name: str) -> int:
    value = request.query_params.get(name, "")
    return int(value) if value.isdecimal() and len(value) < 19 else 0


def _said(request: Request) -> str:
    """One of our own sentences, with a number where it has one."""
    sentence = words.SAID.get(request.query_params.get("said", ""), "")
    return sentence.replace("#", words.amount(_number(request, "n"), "ticket")) if "#" in sentence else sentence


Id = Annotated[int, Path(ge=1, lt=2**63)]  # what the database can hold
PageNumber = Annotated[int, Depends(page_number)]


def page(request: Request, template: str, *, code: int = 200, **values: Any) -> Response:
    """One page as HTML, or 304 to who has just this one. `said` in the address names one of our own sentences; nobody else's text is shown from there."""
    now = datetime.now(UTC)
    session = getattr(request.state, "session", None)
    counts: dict[str, int] = {}
    degraded: list[str] = []
    if session is not None:
        with house(request).ledger.read() as connection:
            counts = views.sidebar(connection)
            degraded = request.app.state.pulse.degraded(connection)
    context = {
        "request": request,
        "session": session,
        "user": session.user if session else None,
        "csrf": session.csrf if session else "",
        "counts": counts,
        "degraded": degraded,
        "path": request.url.path,
        "place": getattr(request.state, "place", 0),
        "now": now,
        "zone": zone(request),
        "ago": lambda moment: words.ago(moment, now),
        "countdown": lambda due, due_for: words.countdown(due, due_for, now),
        "pressure": lambda due: words.pressure(due, now),
        "may": lambda method, path: session is not None and may(session.user.role, method, path),
        "said": _said(request),
        "act": _number(request, "act"),  # what the page offers to take back
        "error": "",
        **values,
    }
    body = environment().get_template(template).render(context).encode()
    if code != 200 or request.method not in ("GET", "HEAD"):
        return HTMLResponse(body, code)
    tag = f'"{hashlib.sha256(body).hexdigest()[:24]}"'
    # browsers may not keep a page (no-store); who keeps one all the same, and says so, is spared the sending
    if tag in request.headers.get("if-none-match", ""):
        return Response(status_code=304, headers={"etag": tag})
    return HTMLResponse(body, headers={"etag": tag})
