"""Commands about what customers were promised."""

from dataclasses import asdict
from datetime import UTC, datetime
from typing import Annotated

import typer

from console.cli.acting import As, Number, done, moment, run, who
from console.cli.common import Json, ago, fail, show_json, show_table
from console.cli.opened import opened
from console.cli.shape import Changing
from storage import (
    promises,
)
from storage.casework import Refused

app = typer.Typer()


@app.command(cls=Changing)
def promise(
    number: Number,
    what: Annotated[str, typer.Argument(help="What was promised.")],
    by: Annotated[str, typer.Option(help="When: 2d, or a time.")],
    as_: As = "",
    as_json: Json = False,
) -> None:
    """Write down what the customer was promised, and until when."""
    due = moment(by)
    id_ = run(lambda c: promises.make(c, who(c, as_), number, what, due))
    done(as_json, f"promise {id_}: {what} by {due:%Y-%m-%d %H:%M} UTC", promise=id_, due=due)


@app.command("promises")
def promises_(
    late: Annotated[bool, typer.Option("--late", help="Only those whose time has passed.")] = False,
    limit: Annotated[int, typer.Option(min=1, max=1000)] = 50,
    as_json: Json = False,
) -> None:
    """Open promises, the next due first."""
    found = run(lambda c: promises.coming(c, late, limit))
    if as_json:
        show_json([asdict(p) for p in found])
    else:
        now = datetime.now(UTC)
        show_table(
            "",
            ("promise", "ticket", "what", "due", "by"),
            [(p.id, f"#{p.number}", p.what, ago(p.due, now), p.by) for p in found],
        )


@app.command(cls=Changing)
def settle(
    promise: Annotated[int, typer.Argument(help="The promise's id.")],
    state: Annotated[str, typer.Argument(help=", ".join(promises.STATES))],
    as_: As = "",
    as_json: Json = False,
) -> None:
    """Say how a promise ended."""
    try:
        with opened() as ledger:
            ledger.run(lambda c: promises.settle(c, who(c, as_), promise, state))
    except Refused as refused:
        fail(str(refused))
    except LookupError:
        fail(f"there is no promise {promise}", "earmark tickets promises")
    done(as_json, f"promise {promise}: {state}", promise=promise, state=state)
