"""The command about desks that speak back: ask one now, or read its history again."""

import logging
import sys
from datetime import UTC, datetime
from typing import Annotated

import structlog
import typer

from connectors.errors import ConnectorError
from console.cli.common import Folder, Json, configured, fail, say, show_json, where, working
from console.cli.opened import ledger
from storage import desks

app = typer.Typer()


@app.command("sync")
def sync_(
    target: Annotated[str, typer.Argument(help="The desk's name.")],
    since: Annotated[
        datetime | None,
        typer.Option(formats=["%Y-%m-%d", "%Y-%m-%dT%H:%M:%S"], help="Read its history again from here."),
    ] = None,
    folder: Folder = "config",  # type: ignore[assignment]
    as_json: Json = False,
) -> None:
    """Ask a desk that is listened to what changed there, of tickets and of contacts, and take it over.

    With --since, everything that changed there since then (UTC) is read again, in its order; what is here already changes nothing.
    Stopped half-way, the same command goes on where it was. Exit code 1 when the desk did not answer.
    """
    from connectors import outbound
    from workers.bootstrap import context, speaking_rows
    from workers.sync import resync, sync

    quiet = structlog.make_filtering_bound_logger(logging.ERROR)  # what it did is its result
    structlog.configure(wrapper_class=quiet, logger_factory=structlog.PrintLoggerFactory(sys.stderr))
    current = configured(folder)
    listened = {row.target for row in speaking_rows(current)}
    if target not in listened:
        known = ", ".join(sorted(listened)) or "none is"
        fail(
            f"{target} is no desk that is listened to",
            f"two_way: true makes one, or one that has contacts; listened to: {known}",
            code=2,
        )
    found = next(desk for desk in current.desks if desk.name == target)
    module = outbound.load(found.kind)
    desk, here, place = module.Desk(module.Settings(**found.settings), context(current)), ledger(), where()
    with here.begin() as connection:
        if desks.standing(connection, target) is None:
            fail(f"the ledger does not know {target} yet", "start `earmark scheduler` or `earmark up` once")
    try:
        with working(f"Reading {target}") as progress:
            if since is not None:
                start = int(since.replace(tzinfo=UTC).timestamp())
                done = resync(here, target, desk, start, "command", progress, place.secret)
            else:
                round_ = sync(here, target, desk, "command", pull=True, progress=progress, secret=place.secret)
                people = {name: n for name, n in round_.people.items() if n}
                done = {"read": dict(round_.outcomes), "people": people, "error": round_.error}
    except (ConnectorError, LookupError) as error:
        fail(f"{target}: {error}", getattr(error, "advice", ""))
    with here.begin() as connection:
        done["standing"] = desks.standing(connection, target)
    if as_json:
        show_json(done)
    else:
        read = ", ".join(f"{n} {outcome}" for outcome, n in sorted(done["read"].items())) or "nothing new"
        if "tickets" in done["standing"]["pulls"]:
            say(f"{target}: {read}; {done['standing']['waiting']} of {done['standing']['links']} tickets wait")
        if "contacts" in done["standing"]["pulls"]:
            told = ", ".join(f"{n} {outcome}" for outcome, n in sorted(done["people"].items())) or "nothing new"
            say(f"{target}: contacts: {told}; {done['standing']['people']} known here")
    if done["error"]:
        fail(f"{target}: {done['error']}")
