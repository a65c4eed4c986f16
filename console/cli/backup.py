"""`earmark restored`: the one step between a restored backup and the first process that works on it."""

from typing import Annotated

import typer

from console.cli.common import Json, say, show_json
from console.cli.opened import ledger
from console.cli.shape import Changing, sure
from storage import restored as ledgers

app = typer.Typer()


@app.command(cls=Changing)
def restored(
    ahead: Annotated[
        int, typer.Option(help="How far numbers jump: more than were given out since the backup.", min=1, max=10**9)
    ] = 10_000,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    as_json: Json = False,
) -> None:
    """Make a ledger from a backup safe to go on with: look up what it owes before sending, never give out a number twice.

    Run it once after restoring, before scheduler and workers start (docs/operations.md).
    """
    sure("Was this ledger restored from a backup, and does no process work on it yet?", yes)
    with ledger().begin() as connection:
        done = ledgers.mark(connection, ahead, "command")
    if as_json:
        show_json(done)
    else:
        say(f"{done['owed']} effects will be looked up before they are sent; numbers go on {ahead} further")
