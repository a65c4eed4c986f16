"""For machines: is the process alive, is it ready, what are the figures."""

import hmac
from collections.abc import Iterable
from functools import cache
from importlib.metadata import version
from typing import Any

from fastapi import APIRouter, HTTPException
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector
from sqlalchemy.exc import SQLAlchemyError
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response

from console.web.house import House, house, loopback
from console.web.pages import squeezed, static_files
from storage import gauges, migrate, views_health

router = APIRouter(include_in_schema=False)


@router.get("/healthz")
async def healthz() -> Response:
    """The process answers. Nothing else is asked, or a database that restarts would take every console with it."""
    return PlainTextResponse("ok\n")


@router.get("/readyz")
def readyz(request: Request) -> Response:
    """503 when pages cannot be served: no database, or not this code's schema. A missing broker, leader or worker is
    *degraded*: the console shows what is stored, and work waits safely."""
    here = house(request)
    try:
        with here.ledger.begin() as connection:
            at = views_health.revision(connection)
            parts = views_health.alive(connection) if at == wanted_revision() else {}
    except SQLAlchemyError as error:
        return JSONResponse({"ready": False, "database": type(error).__name__}, 503)
    if at != wanted_revision():
        return JSONResponse({"ready": False, "database": "ok", "schema": at, "wanted": wanted_revision()}, 503)
    degraded = [name for name, bad in (("leader", not parts["leader"]), ("workers", not parts["workers"])) if bad]
    if here.redis_ping is not None and not _answers(here):
        degraded.append("redis")
    return JSONResponse({"ready": True, "database": "ok", "schema": at, "degraded": degraded, **parts})


@router.get("/metrics")
def metrics(request: Request) -> Response:
    """Prometheus text, for this machine itself or whoever holds the token."""
    here = house(request)
    sent = request.headers.get("authorization", "").removeprefix("Bearer ")
    by_token = bool(here.metrics_token) and hmac.compare_digest(sent.encode(), here.metrics_token.encode())
    if not by_token and not loopback(request):
        raise HTTPException(403, "Metrics are for this machine, or with the token.")
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Ledger(here))
    return PlainTextResponse(generate_latest(registry), media_type="text/plain; version=0.0.4; charset=utf-8")


class _Ledger(Collector):
    """Each scrape asks the database: right for any number of processes, and nothing to add up after a restart."""

    def __init__(self, here: House) -> None:
        self.here = here

    def collect(self) -> Iterable[Metric]:
        build = GaugeMetricFamily("earmark_build_info", "The version that answers", labels=["version"])
        build.add_metric([version("earmark")], 1)
        families: dict[str, Any] = {"earmark_build_info": build}
        for _, name, help, labels in gauges.GAUGES:  # with its description also while there is nothing to count
            kind = CounterMetricFamily if name in gauges.COUNTERS else GaugeMetricFamily
            families.setdefault(name, kind(name, help, labels=sorted(labels)))
        with self.here.ledger.begin() as connection:
            for name, _, of, value in gauges.gauges(connection):
                families[name].add_metric([of[label] for label in sorted(of)], value)
        return families.values()


@router.get("/static/{name}")
def static(request: Request, name: str) -> Response:
    """A file under its hashed name, for ever: a change makes a new name."""
    scripts = {one.script_name: one.script for one in request.app.state.languages.values() if one.script}
    if name not in static_files() and name not in scripts:
        raise HTTPException(404, "There is no such file.")
    body, kind = static_files().get(name) or (scripts[name], "text/javascript")
    headers = {"cache-control": "public, max-age=31536000, immutable", "vary": "accept-encoding"}
    if "gzip" in request.headers.get("accept-encoding", ""):
        body, headers["content-encoding"] = squeezed(body), "gzip"
    return Response(body, media_type=kind, headers=headers)


@router.get("/favicon.ico")
def favicon() -> Response:
    body, kind = next(file for name, file in static_files().items() if name.startswith("earmark."))
    return Response(body, media_type=kind, headers={"cache-control": "public, max-age=86400"})


@cache
def wanted_revision() -> str | None:
    return migrate.wanted()


def _answers(here: House) -> bool:
    try:
        return here.redis_ping is not None and here.redis_ping()
    except Exception:  # whatever the client raises, it means the same here: the broker does not answer
        return False
