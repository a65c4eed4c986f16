"""Commands that change tickets."""

from typing import Annotated, Any

import typer
from sqlalchemy import Connection

from config.base import seconds
from console.cli.acting import As, Number, agent, done, moment, read_filter, run, who
from console.cli.called import call
from console.cli.common import Json, fail, show_json, show_table
from console.cli.shape import Changing
from storage import (
    casework,
    gathering,
    macros,
    turns,
    views,
)
from storage.casework import Change

app = typer.Typer()


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
    done(as_json, f"#{number} {'changed' if changed else 'is so already'}", number=number, changed=changed)


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
    done(as_json, f"#{number} noted", number=number, entry=entry)


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
    done(as_json, f"#{number} {'tagged' if changed else 'is so already'}", number=number, changed=changed)


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
    done(as_json, f"#{number}: {email} {'no longer watches' if stop else 'watches'}", number=number, changed=changed)


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
    done(
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
        done(as_json, f"#{number} is its own again, with {back} posts that came since", number=number, posts=back)
    elif not into:
        fail("name the ticket it goes on in", code=2)
    else:
        run(lambda c: gathering.merge(c, who(c, as_), number, into))
        done(as_json, f"#{number} goes on in #{into}", number=number, into=into)


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
        done(as_json, f"the posts are on #{origin} again", number=number, into=origin)
    else:
        made = run(lambda c: gathering.split(c, who(c, as_), number, posts or [], subject))
        done(as_json, f"#{made}", number=number, made=made)


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
    done(
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
    done(as_json, f"#{number} handed over", number=number, entry=entry)


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
    done(as_json, f"#{number}: {'; '.join(did)}", number=number, macro=name, does=did, dry_run=call.dry_run)


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
