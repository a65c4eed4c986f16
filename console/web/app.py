"""The web process: the one place that chooses. It knows the ledger and nothing of workers or the broker."""

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from importlib.metadata import version
from urllib.parse import urlencode

import psycopg
import structlog
from fastapi import Depends, FastAPI
from fastapi.exceptions import RequestValidationError
from sqlalchemy.exc import InterfaceError, OperationalError, TimeoutError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from console.web import (
    acks,
    admin,
    api,
    api_customers,
    api_lists,
    api_tickets,
    api_work,
    bulk,
    channels,
    customer_mood,
    customers,
    dashboards,
    flags,
    handling,
    heard,
    hooks,
    hooks_contacts,
    hooks_desks,
    inbox,
    language,
    login,
    mention,
    operations,
    ops,
    presence,
    reply,
    review,
    spoken,
    stream,
    survey,
    taking,
    ticket,
)
from console.web.armour import BodyLimit, Headers
from console.web.bearer import problem
from console.web.guard import SAFE, LoginNeeded, guard
from console.web.house import House
from console.web.kept import Kept
from console.web.live import Live
from console.web.pages import page
from console.web.pulse import Pulse
from console.web.roles import methods
from console.web.spoken import Language
from console.web.texts import N_, Reading, _
from storage.ledger import Ledger

log = structlog.get_logger()
TITLES = {
    403: N_("Not allowed"),
    404: N_("Not here"),
    400: N_("Not understood"),
    401: N_("Who are you?"),
    405: N_("Not like this"),
    409: N_("Not as things stand"),
    412: N_("Changed since"),
    413: N_("Too large"),
    422: N_("Not understood"),
    429: N_("Too fast"),
    503: N_("Not now"),
}
NOT_POSSIBLE = N_("Not possible")


def create_app(
    database_url: str,
    secret: bytes,
    *,
    secure_cookies: bool,
    base_url: str,
    metrics_token: str = "",
    redis_ping: Callable[[], bool] | None = None,
    languages: Mapping[str, Language] | None = None,
) -> FastAPI:
    """The console. `secret` keys login throttles and forms; `redis_ping` only feeds /readyz; `languages`: those of console/locale."""
    if len(secret) < 16:
        raise ValueError("the secret has at least 16 bytes")
    ledger = Ledger(database_url, name="earmark-console")

    live = Live(database_url)

    @asynccontextmanager
    async def life(_: FastAPI) -> AsyncIterator[None]:
        live.start()
        yield
        await live.stop()
        ledger.close()

    app = FastAPI(
        title="Earmark",
        version=version("earmark"),
        openapi_url=None,
        docs_url=None,
        redoc_url=None,
        lifespan=life,
        dependencies=[Depends(guard)],
    )
    app.state.house = House(ledger, secret, secure_cookies, base_url, metrics_token, redis_ping)
    app.state.live = live
    app.state.languages = languages or spoken.languages()
    app.state.pulse = Pulse(redis_ping)
    app.state.journeys = Kept(dashboards.KEPT)
    for module in (
        acks,
        language,
        login,
        stream,
        inbox,
        bulk,
        taking,
        ticket,
        reply,
        presence,
        handling,
        mention,
        review,
        customers,
        customer_mood,
        flags,
        channels,
        dashboards,
        heard,
        admin,
        hooks,
        hooks_contacts,
        hooks_desks,
        operations,
        ops,
        api,
        api_customers,
        api_lists,
        api_tickets,
        api_work,
        survey,
    ):
        app.include_router(module.router)
    app.add_exception_handler(LoginNeeded, _login_needed)
    app.add_exception_handler(HTTPException, _refused)
    app.add_exception_handler(RequestValidationError, _not_understood)
    # as SQLAlchemy says it, and as the driver does where it is asked itself (storage/together.py, bulk.py)
    for error in (OperationalError, InterfaceError, TimeoutError, psycopg.OperationalError, psycopg.InterfaceError):
        app.add_exception_handler(error, _no_database)
    app.add_middleware(BodyLimit)
    app.add_middleware(Reading, known=app.state.languages)
    app.add_middleware(Headers, secure=secure_cookies)
    return app


def _api(request: Request) -> bool:
    return request.url.path.startswith(("/api/", "/metrics", "/hooks/"))


def _login_needed(request: Request, _: Exception) -> Response:
    if _api(request):
        return problem(401, "Who are you?", "Log in first, or send a token.", {"www-authenticate": "Bearer"})
    if request.method not in SAFE or request.url.path == "/":
        return RedirectResponse("/login", 303)
    wanted = request.url.path + (f"?{request.url.query}" if request.url.query else "")
    return RedirectResponse(f"/login?{urlencode({'next': wanted})}", 303)


def _refused(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    if error.status_code == 405:  # the framework names the methods of one router; a path may have several
        return _error(
            request, 405, N_("This address takes other methods."), {"allow": ", ".join(methods(request.url.path))}
        )
    return _error(
        request,
        error.status_code,
        error.detail if isinstance(error.detail, str) else str(error.detail),
        dict(error.headers or {}),
    )


def _not_understood(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    where = ", ".join(sorted({".".join(str(part) for part in e["loc"][1:]) or "body" for e in error.errors()}))
    return _error(request, 422, _("The request could not be read: %(where)s.", where=where[:200]))


def _no_database(request: Request, error: Exception) -> Response:
    """Lost, restarting, busy or too slow an answer. The log names the kind of trouble; neither shows a query's values."""
    log.warning("database_trouble", path=request.scope.get("path"), error=type(error).__name__)
    return problem(503, TITLES[503], "The database does not answer.", {"retry-after": "5"})


def _error(request: Request, status: int, detail: str, headers: dict[str, str] | None = None) -> Response:
    if _api(request) or status == 413:
        return problem(status, TITLES.get(status, NOT_POSSIBLE), detail, headers)
    answer = page(request, "error.html", code=status, title=_(TITLES.get(status, NOT_POSSIBLE)), detail=_(detail))
    answer.headers.update(headers or {})
    return answer
