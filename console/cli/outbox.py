"""`earmark outbox list, now, stop, resume`: what is owed to others, and the switch that stops everything customers would read."""

from dataclasses import asdict
from datetime import UTC, datetime
from typing import Annotated

import typer

from console.cli.common import Json, ago, fail, show_json, show_table
from console.cli.opened import opened
from console.cli.shape import Changing
from storage import owed, posting

app = typer.Typer(no_args_is_help=True, help="What is owed to desks, alerts and customers: list, now, stop, resume.")
ACTOR, NAME = "command", "Command line"


@app.command("list")
def list_(
    state: Annotated[str, typer.Option(help=", ".join(owed.WORDS))] = "",
    target: Annotated[str, typer.Option(help="Of this desk or route alone.")] = "",
    before: Annotated[int | None, typer.Option(help="Go on under this number.")] = None,
    as_json: Json = False,
) -> None:
    """What is owed and why it waits, newest first, fifty to a page; without --state all that has not arrived."""
    if state and state not in owed.WORDS:
        fail(f"{state}: no such state", f"there is {', '.join(owed.WORDS)}", code=2)
    with opened() as ledger, ledger.read() as connection:
        found = owed.listed(connection, state, target, before)
        stopped = posting.standing(connection)
    if as_json:
        listed = [asdict(row) for row in found.rows]
        show_json({"stopped": asdict(stopped) if stopped else None, "owed": listed, "before": found.before})
        return
    now = datetime.now(UTC)
    if stopped:
        why = f": {stopped.why}" if stopped.why else ""
        print(f"all posting is stopped by {stopped.by}, {ago(stopped.at, now)}{why}")
    show_table("", ("no.", "state", "target", "what", "ticket", "due", "tries", "last said"), [
        (o.id, o.word, o.target, o.kind, f"#{o.ticket}" if o.ticket else "", ago(o.due, now), o.attempts or "", o.error)
        for o in found.rows
    ])  # fmt: skip
    if found.before:
        print(f"older ones: --before {found.before}")


@app.command(cls=Changing)
def now(number: Annotated[int, typer.Argument(help="Of the list.")], as_json: Json = False) -> None:
    """Try one at once instead of at its time."""
    with opened() as ledger:
        done = ledger.run(lambda c: owed.now(c, number, ACTOR))
    if not done:
        fail(f"{number} does not wait for its time", "earmark outbox list --state scheduled")
    show_json({"number": number, "now": True}) if as_json else print(f"{number} goes out now")


@app.command(cls=Changing)
def stop(why: Annotated[str, typer.Option(help="What everybody reads beside it.")] = "", as_json: Json = False) -> None:
    """Stop all posting: no answer to a customer and no survey leaves. Tickets, notes and alerts go on."""
    with opened() as ledger:
        changed = ledger.run(lambda c: posting.stop(c, ACTOR, NAME, why))
    told = "stopped" if changed else "stopped already"
    show_json({"stopped": True, "changed": changed}) if as_json else print(f"all posting is {told}")


@app.command(cls=Changing)
def resume(as_json: Json = False) -> None:
    """Let posting go on: what waited leaves now."""
    with opened() as ledger:
        changed = ledger.run(lambda c: posting.resume(c, ACTOR))
    told = "goes on" if changed else "was not stopped"
    show_json({"stopped": False, "changed": changed}) if as_json else print(f"posting {told}")
