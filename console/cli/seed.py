"""`earmark seed`: a large made-up ledger, to try what a scale does to pages and queries."""

import time
from typing import Annotated

import typer

from console.cli.called import call
from console.cli.common import Json, fail, say, show_json, working
from console.cli.opened import opened
from console.cli.shape import Changing
from storage import seed as make

app = typer.Typer()


@app.command(cls=Changing)
def seed(
    mentions: Annotated[int, typer.Option(min=1, help="How many posts, about.")] = 1_000_000,
    tickets: Annotated[int, typer.Option(min=1, help="How many tickets, about.")] = 100_000,
    seed: Annotated[int, typer.Option(min=0, max=2**31, help="Same number, same rows.")] = 1,
    force: Annotated[bool, typer.Option("--force", help="Even beside other rows.")] = False,
    as_json: Json = False,
) -> None:
    """Fill an empty ledger with made-up posts, people and tickets of the last 90 days.

    For trying a scale; never beside real customers. Raw payloads are left out, and nothing is owed to a desk.
    """
    with opened() as ledger:
        used = ledger.run(make.in_use)
        if used and not force:
            held = ", ".join(f"{n:,} {name.replace('_', ' ')}" for name, n in used.items())
            fail(f"this ledger is in use: {held}", "name another database by DATABASE_URL, or say --force")
        try:
            plan = ledger.run(lambda c: make.plan(c, mentions, tickets, seed))
        except ValueError as error:
            fail(f"--mentions {mentions} --tickets {tickets}: {error}", code=2)
        began = time.monotonic()
        if not call.dry_run:  # made and taken back, millions of rows would say no more than the plan does
            with working("making mentions", plan.mentions) as shown:
                for done in make.fill(ledger, plan):
                    shown(done)
            with working("gathering statistics"):
                make.analyse(ledger)
    made = {
        "mentions": plan.mentions, "tickets": plan.tickets, "customers": plan.people, "seed": seed,
        "seconds": round(time.monotonic() - began, 1),
    }  # fmt: skip
    if as_json:
        return show_json(made)
    say(
        f"made {plan.mentions:,} mentions, {plan.tickets:,} tickets and {plan.people:,} customers in {made['seconds']:g} s"
    )
    say("next: earmark reconcile; earmark console")
