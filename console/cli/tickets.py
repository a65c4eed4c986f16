"""Commands about tickets: list, show, next, and what changes them. Without --as the command line itself is named as who did it."""

from collections.abc import Callable
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, NoReturn, TypeVar

import typer
from sqlalchemy import Connection

import config
from config.base import seconds
from config.workbench import levels as configured_levels
from console.cli.called import call
from console.cli.common import Json, ago, fail, show_json, show_table
from console.cli.opened import opened
from console.cli.shape import Changing
from storage import (
    casework,
    configurations,
    gathering,
    inbox_address,
    macros,
    promises,
    review,
    saved_views,
    sla,
    turns,
    users,
    views,
    views_ticket,
)
from storage.casework import Change, Hand, Person, Refused
from storage.skips import by_rule
from storage.together import ask
from storage.users import User
from storage.views import SORTS, VIEWS, Filter

T = TypeVar("T")
app = typer.Typer(no_args_is_help=True, help="Work on tickets.")
As = Annotated[str, typer.Option("--as", metavar="EMAIL", help="Who acts; left out: the command line.")]
Number = Annotated[int, typer.Argument(help="The ticket's number.")]
COMMAND = Hand("Command line", "command")


def run(work: Callable[[Connection], T]) -> T:
    """One transaction; a refusal or a ticket that is not there ends with 1 and says why."""
    try:
        with opened() as ledger:
            return ledger.run(work)
    except Refused as refused:
        fail(str(refused))
    except LookupError as error:
        _unknown(error)


def _unknown(error: LookupError) -> NoReturn:
    fail(f"there is no ticket {error}", "earmark tickets list")


def who(connection: Connection, email: str) -> Person:
    """The user of an address, or the command line."""
    if not email:
        return COMMAND
    found = users.by_email(connection, email)
    if found is None:
        fail(f"there is no user {email}", "earmark users list", code=2)
    return found


def agent(connection: Connection, email: str) -> User:
    found = who(connection, email)
    if not isinstance(found, User):
        fail("say for whom: --as EMAIL", code=2)
    return found


def read_filter(query: str, **more: Any) -> Filter:
    """The inbox's address after the question mark as a filter, by the inbox's own parser: page and command list the same."""
    wanted, complaints = inbox_address.read([*inbox_address.pairs(query), *((n, str(v)) for n, v in more.items() if v)])
    if complaints:
        fail(complaints[0], code=2)
    return wanted


def moment(text: str) -> datetime:
    """`4h`, `2d` from now, or an ISO time (UTC without an offset)."""
    try:
        return datetime.now(UTC) + timedelta(seconds=seconds(text))
    except ValueError:
        pass
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        fail(f"{text}: no time", "write 4h, 2d, 2026-03-01 or 2026-03-01T09:00+01:00", code=2)
    return found if found.tzinfo else found.replace(tzinfo=UTC)


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
    _done(as_json, f"#{number} skipped", number=number, skipped=True)


@app.command()
def skips(days: Annotated[int, typer.Option(min=1, max=3650)] = 7, as_json: Json = False) -> None:
    """Why tickets are skipped, by the rule that opened them, the commonest first (at most fifty)."""
    found = run(lambda c: by_rule(c, days))
    if as_json:
        show_json(found)
    else:
        show_table("", ("opened by", "reason", "times", "tickets", "people"), [list(row.values()) for row in found])


@app.command("set", cls=Changing)
def set_(
    number: Number,
    status: Annotated[str, typer.Option()] = "",
    priority: Annotated[str, typer.Option()] = "",
    team: Annotated[str, typer.Option()] = "",
    owner: Annotated[str, typer.Option(help="An address, or nobody.")] = "",
    field: Annotated[list[str] | None, typer.Option(help="NAME=VALUE, a field of your own; empty clears it.")] = None,
    as_: As = "",
    as_json: Json = False,
) -> None:
    """Change status, priority, team, owner or fields."""
    values = _pairs(field or [])

    def work(connection: Connection) -> bool:
        user = who(connection, as_)
        assignee = None if not owner else 0 if owner == "nobody" else agent(connection, owner).id
        filled = casework.fill(connection, user, number, values) if values else False
        wanted = Change(status or None, priority or None, team or None, assignee)
        return casework.change(connection, user, number, wanted) or filled

    changed = run(work)
    _done(as_json, f"#{number} {'changed' if changed else 'is so already'}", number=number, changed=changed)


def _pairs(given: list[str]) -> dict[str, str]:
    if any("=" not in pair for pair in given):
        fail("a field is NAME=VALUE", code=2)
    return {name: value for name, _, value in (pair.partition("=") for pair in given)}


@app.command(cls=Changing)
def note(
    number: Number,
    text: Annotated[str, typer.Argument()],
    answer: Annotated[
        bool, typer.Option("--answer", help="It is what the customer was answered, elsewhere; the clocks stop.")
    ] = False,
    as_: As = "",
    as_json: Json = False,
) -> None:
    """Write an internal note, or with --answer what the customer was told."""
    act = casework.answered if answer else casework.note
    entry = run(lambda c: act(c, who(c, as_), number, text))
    _done(as_json, f"#{number} noted", number=number, entry=entry)


@app.command(cls=Changing)
def tag(
    number: Number,
    add: Annotated[list[str] | None, typer.Argument(help="Tags to add.")] = None,
    remove: Annotated[list[str] | None, typer.Option("--remove", help="A tag to take away.")] = None,
    as_: As = "",
    as_json: Json = False,
) -> None:
    """Add tags, or take them away."""
    changed = run(lambda c: casework.tag(c, who(c, as_), number, add or [], remove or []))
    _done(as_json, f"#{number} {'tagged' if changed else 'is so already'}", number=number, changed=changed)


@app.command(cls=Changing)
def watch(
    number: Number,
    email: Annotated[str, typer.Argument(help="Who follows it.")],
    stop: Annotated[bool, typer.Option("--stop", help="No longer.")] = False,
    as_: As = "",
    as_json: Json = False,
) -> None:
    """Let somebody follow a ticket."""
    changed = run(lambda c: casework.watch(c, who(c, as_), number, agent(c, email).id, not stop))
    _done(as_json, f"#{number}: {email} {'no longer watches' if stop else 'watches'}", number=number, changed=changed)


@app.command(cls=Changing)
def link(
    number: Number,
    other: Annotated[int, typer.Argument()],
    kind: Annotated[str, typer.Option(help=", ".join((*gathering.LINKS, "child")))] = "related",
    undo: Annotated[bool, typer.Option("--undo", help="Take it back.")] = False,
    as_: As = "",
    as_json: Json = False,
) -> None:
    """Say how two tickets belong together; `child` makes NUMBER a child of OTHER."""

    def work(connection: Connection) -> bool:
        user = who(connection, as_)
        if kind == "child":
            return bool(gathering.adopt(connection, user, other, [number], not undo))
        return gathering.link(connection, user, number, other, kind, not undo)

    changed = run(work)
    _done(
        as_json,
        f"#{number} and #{other} {'changed' if changed else 'are so already'}",
        number=number,
        other=other,
        changed=changed,
    )


@app.command(cls=Changing)
def merge(
    number: Number,
    into: Annotated[int, typer.Argument(help="The ticket that goes on; with --undo left out.")] = 0,
    undo: Annotated[bool, typer.Option("--undo", help="Take the merge back.")] = False,
    as_: As = "",
    as_json: Json = False,
) -> None:
    """Let a ticket go on in another, or take that back."""
    if undo:
        back = run(lambda c: gathering.unmerge(c, who(c, as_), number))
        _done(as_json, f"#{number} is its own again, with {back} posts that came since", number=number, posts=back)
    elif not into:
        fail("name the ticket it goes on in", code=2)
    else:
        run(lambda c: gathering.merge(c, who(c, as_), number, into))
        _done(as_json, f"#{number} goes on in #{into}", number=number, into=into)


@app.command(cls=Changing)
def split(
    number: Number,
    posts: Annotated[list[int] | None, typer.Argument(help="Ids of posts, as `show --json` gives them.")] = None,
    subject: Annotated[str, typer.Option()] = "",
    undo: Annotated[bool, typer.Option("--undo", help="Give the posts of this split-off ticket back.")] = False,
    as_: As = "",
    as_json: Json = False,
) -> None:
    """Make some posts of a ticket a ticket of their own, or take that back."""
    if undo:
        origin = run(lambda c: gathering.unsplit(c, who(c, as_), number))
        _done(as_json, f"the posts are on #{origin} again", number=number, into=origin)
    else:
        made = run(lambda c: gathering.split(c, who(c, as_), number, posts or [], subject))
        _done(as_json, f"#{made}", number=number, made=made)


@app.command(cls=Changing)
def snooze(
    number: Number,
    until: Annotated[str, typer.Argument(help="4h, 2d or a time; `now` wakes it.")],
    as_: As = "",
    as_json: Json = False,
) -> None:
    """Out of the lists until then, or until the customer writes. Its clocks run on."""
    at = None if until == "now" else moment(until)
    run(lambda c: turns.snooze(c, who(c, as_), number, at))
    _done(
        as_json,
        f"#{number} {'woken' if at is None else f'snoozed until {at:%Y-%m-%d %H:%M} UTC'}",
        number=number,
        until=at,
    )


@app.command(cls=Changing)
def handoff(
    number: Number,
    why: Annotated[str, typer.Option(help="What they need to know.")],
    team: Annotated[str, typer.Option()] = "",
    owner: Annotated[str, typer.Option(help="An address.")] = "",
    as_: As = "",
    as_json: Json = False,
) -> None:
    """Give a ticket to another team or person, with a note."""

    def work(connection: Connection) -> int:
        assignee = agent(connection, owner).id if owner else None
        return casework.hand_off(connection, who(connection, as_), number, why, team=team or None, assignee=assignee)

    entry = run(work)
    _done(as_json, f"#{number} handed over", number=number, entry=entry)


@app.command(cls=Changing)
def macro(
    number: Annotated[int | None, typer.Argument(help="The ticket; left out: the macros there are.")] = None,
    name: Annotated[str, typer.Argument()] = "",
    as_: As = "",
    as_json: Json = False,
) -> None:
    """Apply a macro to a ticket."""
    if number is None or not name:
        found = run(macros.known)
        lines = [{"name": m["name"], "label": m.get("label", ""), "does": macros.effects(m)} for m in found]
        show_json(lines) if as_json else show_table(
            "", ("macro", "does"), [(m["name"], "; ".join(m["does"])) for m in lines]
        )
        return

    def work(connection: Connection) -> list[str]:
        wanted = macros.named(connection, name)
        pause = seconds(wanted["snooze"]) if wanted.get("snooze") else 0
        return macros.apply(connection, who(connection, as_), number, name, pause)

    did = run(work)
    _done(as_json, f"#{number}: {'; '.join(did)}", number=number, macro=name, does=did, dry_run=call.dry_run)


@app.command(cls=Changing)
def bulk(
    query: Annotated[str, typer.Argument(help="A filter as in the inbox's address.")],
    status: Annotated[str, typer.Option()] = "",
    priority: Annotated[str, typer.Option()] = "",
    team: Annotated[str, typer.Option()] = "",
    owner: Annotated[str, typer.Option(help="An address, or nobody.")] = "",
    tags: Annotated[list[str] | None, typer.Option("--tag")] = None,
    untag: Annotated[list[str] | None, typer.Option("--untag")] = None,
    as_: As = "",
    as_json: Json = False,
) -> None:
    """The same change to all tickets of a filter (at most 1,000), with counts. 1 when some were refused."""
    wanted = read_filter(query)

    def work(connection: Connection) -> dict[str, Any]:
        user = who(connection, as_)
        numbers = views.numbers(connection, wanted, user.id, turns.MOST + 1)
        assignee = None if not owner else 0 if owner == "nobody" else agent(connection, owner).id
        change = Change(status or None, priority or None, team or None, assignee)
        done = turns.bulk(connection, user, numbers, change, tags or (), untag or ())
        return {**done.counts(), "reasons": {str(k): v for k, v in done.refused.items()}}

    done = run(work)
    if as_json:
        show_json(done)
    else:
        print(", ".join(f"{name} {value}" for name, value in done.items() if name != "reasons"))
        for number, reason in list(done.get("reasons", {}).items())[:20]:
            print(f"#{number}: {reason}")
    if done.get("refused"):
        raise typer.Exit(1)


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
    _done(as_json, f"promise {id_}: {what} by {due:%Y-%m-%d %H:%M} UTC", promise=id_, due=due)


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
    _done(as_json, f"promise {promise}: {state}", promise=promise, state=state)


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
        _done(as_json, f"view {id_}: {save}", id=id_, name=save)
        return
    if drop:
        if not run(lambda c: saved_views.drop(c, who(c, as_), drop)):
            fail(f"you have no view {drop}", "earmark tickets views")
        _done(as_json, f"view {drop} forgotten", id=drop)
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


def _done(as_json: bool, words: str, **values: Any) -> None:
    show_json(values) if as_json else print(words)
