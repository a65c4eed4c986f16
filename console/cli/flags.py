"""`earmark flags …`: what was raised, who was told, and what people made of it."""

from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

import typer

from config.models import seconds
from console.cli.common import Json, fail, show_json, show_table, where
from console.cli.opened import opened
from console.cli.shape import Changing
from domain.alerting import suggested
from storage import pages, views_flags

app = typer.Typer(no_args_is_help=True, help="Escalation flags: list, show, acknowledge, snooze, judge, report.")
ACTOR = "command"
Number = Annotated[int, typer.Argument(help="The flag's number.", min=1, max=2**53)]


@app.command("list")
def list_(
    state: Annotated[str, typer.Option(help="open or closed; all without it.")] = "",
    page: Annotated[
        int, typer.Option(min=1, help="A page holds a bounded number; the last line says of how many.")
    ] = 1,
    as_json: Json = False,
) -> None:
    """Flags, open ones first."""
    if state not in ("", "open", "closed"):
        fail(f"there is no state {state!r}", "open or closed", code=2)
    with opened(where()) as ledger, ledger.read() as connection:
        found = views_flags.flags(connection, state, page)
    if as_json:
        show_json(
            {"total": found.total, "page": found.page, "pages": found.pages, "flags": [_plain(f) for f in found.flags]}
        )
        return
    rows = [(f.id, f.state, f.severity, f.rule, f.series, f"{f.opened_at:%Y-%m-%d %H:%M}") for f in found.flags]
    show_table("", ("flag", "state", "severity", "rule", "series", "opened (UTC)"), rows)
    typer.echo(f"page {found.page} of {found.pages}, {found.total} flags")


@app.command()
def held(as_json: Json = False) -> None:
    """What would have been a flag and was not raised, and why: the latest 50."""
    with opened(where()) as ledger, ledger.read() as connection:
        found = [dict(row) for row in pages.held_back(connection)]
    total = found[0]["total"] if found else 0
    if as_json:
        show_json({"total": total, "held": [{k: v for k, v in one.items() if k != "total"} for one in found]})
        return
    rows = [
        (f"{f['at']:%Y-%m-%d %H:%M}", f["rule"], f["series"], f["reason"], "" if f["done_at"] else "still so")
        for f in found
    ]
    show_table("", ("since (UTC)", "rule", "series", "why", ""), rows)
    typer.echo(f"{len(found)} of {total} held back")


@app.command()
def show(flag: Number, as_json: Json = False) -> None:
    """One flag: its evidence, and every decision to tell somebody or not."""
    with opened(where()) as ledger, ledger.read() as connection:
        found = views_flags.flag(connection, flag)
        told = [dict(row) for row in pages.of_flag(connection, flag)]
    if found is None:
        fail(f"there is no flag {flag}", "`earmark flags list` shows them")
    if as_json:
        show_json({**_plain(found), "evidence": found.evidence, "pages": told})
        return
    typer.echo(f"flag {found.id}: {found.rule} on {found.series}, severity {found.severity}, {found.state}")
    for name, value in found.evidence.items():
        if name not in ("samples", "notices") and value not in (None, "", []):
            typer.echo(f"  {name}: {value}")
    for one in told:
        typer.echo(f"  {one['at']:%H:%M} {one['kind']} {one['action']} {one['target']} {one['reason']}".rstrip())


@app.command(cls=Changing)
def ack(flag: Number, as_json: Json = False) -> None:
    """Acknowledge: somebody looks after it, the next level is not told."""
    with opened(where()) as ledger:
        who = ledger.run(lambda c: pages.acknowledge(c, flag, ACTOR))
    if who is None:
        fail(f"there is no flag {flag}", "`earmark flags list` shows them")
    _said({"flag": flag, "acknowledged_by": who}, f"flag {flag} is acknowledged by {who}", as_json)


@app.command(cls=Changing)
def snooze(
    flag: Number,
    for_: Annotated[str, typer.Option("--for", help="A time such as 2h or 1d.")] = "2h",
    as_json: Json = False,
) -> None:
    """Say nothing more of a flag for a while."""
    try:
        until = datetime.now(UTC) + timedelta(seconds=seconds(for_))
    except (ValueError, OverflowError) as error:
        fail(str(error), code=2)
    with opened(where()) as ledger:
        done = ledger.run(lambda c: pages.snooze(c, flag, until, ACTOR))
    if not done:
        fail(f"there is no flag {flag}", "`earmark flags list` shows them")
    _said(
        {"flag": flag, "until": until.isoformat()}, f"flag {flag} is silent until {until:%Y-%m-%d %H:%M} UTC", as_json
    )


@app.command(cls=Changing)
def judge(
    flag: Number, judgement: Annotated[str, typer.Argument(help="useful, noise or late")], as_json: Json = False
) -> None:
    """Say what a flag was worth: useful, noise, or late."""
    if judgement not in ("useful", "noise", "late"):
        fail(f"{judgement!r} is no judgement", "useful, noise or late", code=2)
    with opened(where()) as ledger:
        done = ledger.run(lambda c: pages.judge(c, flag, judgement, ACTOR))  # type: ignore[arg-type]
    if not done:
        fail(f"there is no flag {flag}", "`earmark flags list` shows them")
    _said({"flag": flag, "judgement": judgement}, f"flag {flag} was {judgement}", as_json)


@app.command()
def report(as_json: Json = False) -> None:
    """Per rule: precision, noise, times, and the threshold that its judged flags suggest."""
    with opened(where()) as ledger, ledger.read() as connection:
        found = [card(dict(row)) for row in pages.report(connection)]
    if as_json:
        show_json({"rules": found})
        return
    names = ("rule", "flags", "useful", "noise", "late", "precision", "lead_minutes", "ack_minutes", "threshold")
    show_table("", names, [tuple("–" if one[n] is None else one[n] for n in names) for one in found])
    typer.echo(
        "precision: useful or late among the judged. lead: from the window's start to the flag. threshold: from 3 judged of each kind."
    )


def card(row: dict[str, Any]) -> dict[str, Any]:
    """A rule's line of the report card."""
    judged = row["useful"] + row["noise"] + row["late"]
    good, bad = row.pop("good") or [], row.pop("bad") or []
    rounded = {n: None if row[n] is None else round(float(row[n]), 1) for n in ("ack_minutes", "lead_minutes")}
    precision = round((row["useful"] + row["late"]) / judged, 3) if judged else None
    return {**row, **rounded, "precision": precision, "threshold": suggested(good, bad)}


def _plain(flag: views_flags.Flag) -> dict[str, Any]:
    names = ("id", "rule", "series", "kind", "state", "severity", "peak", "window_start", "opened_at", "closed_at")
    return {name: getattr(flag, name) for name in names}


def _said(data: dict[str, Any], line: str, as_json: bool) -> None:
    show_json(data) if as_json else typer.echo(line)
