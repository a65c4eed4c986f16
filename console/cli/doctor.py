"""`earmark doctor`: look at everything an installation stands on, and say what to do next. Starts nothing, changes nothing.

What to make of what was seen is decided in domain/doctor.py.
"""

import os
import shutil
import time
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import redis
import typer
from sqlalchemy.exc import ArgumentError, SQLAlchemyError

from config import secrets
from config.load import examine
from console.cli.common import DATA, Folder, Json, console, show_json, working
from domain import doctor as rules
from domain.doctor import ChannelFacts, DiskFacts, Facts, TargetFacts
from storage import alarms, checkup, configurations, migrate
from storage.ledger import Ledger
from workers import service_place, services
from workers.services import ServiceError

app = typer.Typer()

SECONDS = 3


@app.command()
def doctor(folder: Folder = Path("config"), as_json: Json = False) -> None:
    """Look for trouble and say what to do: database, broker, configuration, processes, channels, desks, backlog, clock, disk.

    Starts nothing and changes nothing. Exit code 1 when there is a finding.
    """
    with working("looking"):
        seen = facts(folder)
    found, hidden = rules.diagnose(seen), rules.unseen(seen)
    if as_json:
        show_json({
            "good": not found, "checks": rules.CHECKS, "not_checked": hidden, "findings": [asdict(one) for one in found]
        })  # fmt: skip
    else:
        _show(found, hidden)
    raise typer.Exit(1 if found else 0)


def _show(found: list[rules.Finding], hidden: tuple[str, ...]) -> None:
    out = console()
    blamed = {one.check for one in found}
    for check in rules.CHECKS:
        if check in hidden:
            out.print(f"?        {check}: could not be looked at")
        elif check not in blamed:
            out.print(f"[green]ok[/]       {check}")
    for one in found:
        colour = "red" if one.severity == "error" else "yellow"
        out.print(f"[{colour}]{one.severity:<8}[/] {one.check}: ", end="")
        out.print(one.text, markup=False)
        out.print(f"         {one.advice}", markup=False)


def facts(folder: Path) -> Facts:
    """Everything there is to see from here. What does not answer within seconds is away."""
    database_url, redis_url, down = _addresses()
    seen = replace(_files(folder), embedded_down=down, disks=_disks(database_url))
    seen = _database(seen, database_url) if database_url else replace(seen, database="it was never started")
    return replace(seen, broker=_broker(redis_url))


def _addresses() -> tuple[str, str, tuple[str, ...]]:
    """The database's and the broker's address, and which embedded ones do not run. Unlike other commands this starts none."""
    database_url, redis_url = os.environ.get("DATABASE_URL", ""), os.environ.get("REDIS_URL", "")
    if database_url and redis_url:
        return database_url, redis_url, ()
    try:
        place = service_place.load(DATA.expanduser().resolve())
        status = services.status(DATA)
    except ServiceError:
        return database_url, redis_url, ("postgres", "valkey")
    needed = [name for name, url in (("postgres", database_url), ("valkey", redis_url)) if not url]
    down = tuple(str(one["name"]) for one in status if not one["running"] and one["name"] in needed)
    if place is None:
        return database_url, redis_url, down
    return database_url or place.database_url, redis_url or place.redis_url, down


def _files(folder: Path) -> Facts:
    examined = examine(folder)
    complaints = [str(one).splitlines()[0] for one in examined.complaints if one.severity == "error"]
    warnings: list[str] = []
    if examined.config is not None:
        for one in secrets.missing(examined.config, examined.places):
            (complaints if one.severity == "error" else warnings).append(str(one).splitlines()[0])
    return Facts(complaints=complaints, warnings=warnings)


def _database(seen: Facts, url: str) -> Facts:
    try:
        ledger = Ledger(url, name="earmark-doctor", pool=1)
    except ArgumentError:
        return replace(seen, database="DATABASE_URL is not an address; write postgresql://user:password@host:5432/name")
    try:
        with ledger.read() as connection:
            before = time.time()
            at = checkup.clock(connection)
            skew = at - (before + time.time()) / 2
            seen = replace(
                seen, skew=skew, schema=checkup.revision(connection) or "", schema_wanted=migrate.wanted() or ""
            )
            return _ledger(seen, connection) if seen.schema == seen.schema_wanted else seen
    except SQLAlchemyError as error:
        return replace(seen, database=_said(error, url))
    finally:
        ledger.close()


def _ledger(seen: Facts, connection: Any) -> Facts:
    refused = configurations.refused(connection)
    return replace(
        seen,
        **checkup.processes(connection, rules.SILENT_WORKER),
        **checkup.work(connection),
        refused=refused["complaints"] if refused else "",
        in_force=configurations.version(connection) > 0,
        channels=[
            ChannelFacts(
                row["name"], row["state"], row["error"], row["advice"], row["lag"],
                alarms.interval(row["schedule"]).total_seconds() if row["schedule"] else 60.0,
            )
            for row in checkup.channels(connection)
        ],
        targets=[TargetFacts(**row) for row in checkup.targets(connection)],
    )  # fmt: skip


def _broker(url: str) -> str:
    if not url:
        return "it was never started"
    try:
        with redis.Redis.from_url(url, socket_timeout=SECONDS, socket_connect_timeout=SECONDS) as client:
            client.ping()
    except redis.RedisError as error:
        return type(error).__name__
    except ValueError:
        return "REDIS_URL is not an address; write redis://:password@host:6379/0"
    return ""


def _disks(database_url: str) -> list[DiskFacts]:
    """The disk of our own data; with an embedded database that is where it lives. Another host's disk is not ours to see."""
    folders = {"the data folder": DATA.expanduser().resolve()}
    try:
        place = service_place.load(folders["the data folder"])
    except ServiceError:
        place = None
    if place is not None and database_url == place.database_url:
        folders["the database"] = place.postgres
    found = []
    for what, path in folders.items():
        there = next((one for one in (path, *path.parents) if one.exists()), Path("/"))
        usage = shutil.disk_usage(there)
        found.append(DiskFacts(what, str(path), usage.free / usage.total, usage.free))
    return found


def _said(error: SQLAlchemyError, url: str) -> str:
    """The first line of what the driver says, which names host and user; never the password."""
    cause = getattr(error, "orig", None) or error
    line = (str(cause).splitlines() or [""])[0].strip()
    password = url.partition("://")[2].partition("@")[0].partition(":")[2]
    return (line.replace(password, "***") if password else line) or type(error).__name__
