"""Commands that list and show tickets and take the next one."""

from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

import typer
from sqlalchemy import Connection

import config
from config.base import seconds
from config.workbench import levels as configured_levels
from console.cli.acting import As, Number, agent, done, read_filter, run, who
from console.cli.common import Json, ago, fail, show_json, show_table
from console.cli.shape import Changing
from storage import (
    configurations,
    promises,
    review,
    saved_views,
    sla,
    turns,
    views,
    views_ticket,
)
from storage.skips import by_rule
from storage.together import ask
from storage.views import SORTS, VIEWS

app = typer.Typer(no_args_is_help=True, help="Work on tickets.")


@app.command("list")
def list_(
    query: Annotated[str, typer.Argument(help="A filter as in the inbox's address: 'status=open&team=care'.")] = "",
    view: Annotated[str, typer.Option(help=", ".join(VIEWS))] = "",
    q: Annotated[str, typer.Option("-q", help="Words to look for.")] = "",
    sort: Annotated[str, typer.Option(help=", ".join(SORTS))] = "",
    page: Annotated[int, typer.Option(min=1)] = 1,
    as_: As = "",
    as_json: Json = False,
) -> None:
    """Tickets by the inbox's filters, thirty to a page."""
    wanted = read_filter(query, view=view, q=q, sort=sort, page=page if page > 1 else 0)
    found = run(lambda c: views.tickets(c, wanted, who(c, as_).id))
    if as_json:
        show_json(
            {
                "tickets": [asdict(t) for t in found.tickets],
                "total": found.total,
                "page": found.page,
                "pages": found.pages,
            }
        )
        return
    now = datetime.now(UTC)
    show_table("", ("#", "subject", "status", "priority", "team", "owner", "due"), [
        (t.number, t.subject[:50], t.status, t.priority, t.team, t.assignee, ago(t.due, now)) for t in found.tickets
    ])  # fmt: skip
    print(f"{found.total} tickets; page {found.page} of {found.pages}")


@app.command()
def show(number: Number, as_json: Json = False) -> None:
    """One ticket: its history, clocks, promises and deliveries."""

    def work(connection: Connection) -> dict[str, Any]:
        found = views_ticket.ticket(connection, number)
        if found is None:
            raise LookupError(number)
        current = configurations.in_force(connection)
        return {
            "ticket": asdict(found),
            "history": [asdict(entry) for entry in views_ticket.whole_history(connection, found.id)],
            "clocks": [asdict(clock) for clock in sla.shown(connection, found.id, levels(current))],
            "promises": [asdict(p) for p in ask(connection, promises.of_ticket(found.id))],
            "related": ask(connection, views_ticket.related(found.id)),
            "deliveries": [asdict(d) for d in ask(connection, views_ticket.deliveries(found.id))],
        }

    found = run(work)
    if as_json:
        show_json(found)
        return
    ticket, now = found["ticket"], datetime.now(UTC)
    print(f"#{ticket['number']}  {ticket['subject']}\n{ticket['status']}, {ticket['priority']}, team {ticket['team'] or 'none'}, "
          f"owner {ticket['assignee'] or 'nobody'}, tags {', '.join(ticket['tags']) or 'none'}")  # fmt: skip
    show_table("", ("clock", "elapsed", "of", "due", "late since"), [
        (c["name"], f"{c['elapsed'] / 60:.0f} min", f"{c['target'] / 60:.0f} min", ago(c["due"], now), ago(c["breached"], now))
        for c in found["clocks"] if c["started"]
    ])  # fmt: skip
    show_table("", ("promise", "due", "is"), [(p["what"], ago(p["due"], now), p["state"]) for p in found["promises"]])
    show_table("", ("at", "entry", "by", "said"), [
        (f"{e['at']:%m-%d %H:%M}", e["kind"], e["user"] or "", (e["body"] or (e["post"] or {}).get("content", ""))[:100])
        for e in found["history"]
    ])  # fmt: skip


def levels(found: Any) -> Any:
    """Service levels of the configuration in force; the usual ones before there is one."""
    return configured_levels(config.load_document(found.document if found else {}))


@app.command("review")
def review_(page: Annotated[int, typer.Option(min=1)] = 1, as_json: Json = False) -> None:
    """What waits for a person to say whether it is a ticket, a page at a time."""
    found = run(lambda c: review.waiting(c, page))
    if as_json:
        show_json(asdict(found))
        return
    shown = [(w.post.id, w.post.platform, w.post.author, w.post.content[:100]) for w in found.items]
    show_table("", ("mention", "platform", "author", "said"), shown)
    print(f"{found.total} wait; page {found.page} of {found.pages}")


@app.command("next", cls=Changing)
def next_(as_: As = "", as_json: Json = False) -> None:
    """Take the ticket that should be worked on now. Asking again gives the same one until you act on it or skip it."""

    def work(connection: Connection) -> int | None:
        current = configurations.in_force(connection)
        lease = (current.document.get("casework") or {}).get("claim", "15m") if current else "15m"
        return turns.take_next(connection, agent(connection, as_), timedelta(seconds=seconds(lease)))

    number = run(work)
    if as_json:
        show_json({"number": number})
    else:
        print(f"#{number}" if number else "nothing waits for you")


@app.command(cls=Changing)
def skip(
    number: Number,
    why: Annotated[str, typer.Option(help="The reason; it is asked of everybody.")],
    as_: As = "",
    as_json: Json = False,
) -> None:
    """Put a ticket back with a reason; it is not offered to you again for half a day."""
    run(lambda c: turns.skip(c, agent(c, as_), number, why))
    done(as_json, f"#{number} skipped", number=number, skipped=True)


@app.command()
def skips(days: Annotated[int, typer.Option(min=1, max=3650)] = 7, as_json: Json = False) -> None:
    """Why tickets are skipped, by the rule that opened them, the commonest first (at most fifty)."""
    found = run(lambda c: by_rule(c, days))
    if as_json:
        show_json(found)
    else:
        show_table("", ("opened by", "reason", "times", "tickets", "people"), [list(row.values()) for row in found])


@app.command("views", cls=Changing)
def views_(
    save: Annotated[str, typer.Option(help="Keep QUERY under this name.")] = "",
    query: Annotated[str, typer.Argument(help="A filter as in the inbox's address.")] = "",
    shared: Annotated[bool, typer.Option("--shared", help="For everybody.")] = False,
    drop: Annotated[int, typer.Option(help="Forget the view of this id.")] = 0,
    as_: As = "",
    as_json: Json = False,
) -> None:
    """Saved views; with --save keep one, with --drop forget one."""
    if save:
        read_filter(query)
        id_ = run(lambda c: saved_views.save(c, who(c, as_), save, query, shared))
        done(as_json, f"view {id_}: {save}", id=id_, name=save)
        return
    if drop:
        if not run(lambda c: saved_views.drop(c, who(c, as_), drop)):
            fail(f"you have no view {drop}", "earmark tickets views")
        done(as_json, f"view {drop} forgotten", id=drop)
        return
    found = run(lambda c: ask(c, saved_views.everything(who(c, as_))))
    if as_json:
        show_json(found)
    else:
        show_table(
            "",
            ("id", "name", "filter", "shared", "owner"),
            [(v["id"], v["name"], v["query"], v["shared"], v["owner"]) for v in found],
        )
