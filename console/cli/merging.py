"""`earmark customers merge, unmerge, split, propose, proposals, accept, refuse, link, unlink`: who is one person, decided by people."""

from collections.abc import Callable
from dataclasses import asdict
from typing import Annotated, TypeVar

import typer
from sqlalchemy import Connection

from config.policies import unlinkable
from console.cli.called import call
from console.cli.common import Json, fail, show_json, show_table, working
from console.cli.opened import opened
from console.cli.people import ACTOR
from console.cli.shape import Changing
from domain import identity
from storage import attribution, merges, proposals

app = typer.Typer()
T = TypeVar("T")
Stated = Annotated[
    bool, typer.Option("--stated", help="The customer said so themselves; a platform's terms may ask for it.")
]


@app.command("merge", cls=Changing)
def merge(
    winner: Annotated[int, typer.Argument(help="The customer who goes on.")],
    loser: Annotated[int, typer.Argument(help="The customer who becomes part of the first.")],
    take: Annotated[
        list[str] | None, typer.Option(help="A field in which the second's value goes on; several times.")
    ] = None,
    stated: Stated = False,
    as_json: Json = False,
) -> None:
    """Merge two customers. Shows what it touches; `unmerge` takes it back exactly."""
    taken = frozenset(take or ())

    def work(connection: Connection) -> tuple[merges.Radius, int]:
        radius = merges.preview(connection, winner, loser, unlinkable())
        options = {"take": taken, "stated": stated, "unlinkable": unlinkable()}
        return radius, merges.merge(connection, winner, loser, ACTOR, **options)  # type: ignore[arg-type]

    radius, id_ = _run(work)
    if as_json:
        show_json({**radius.document(), "merge": None if call.dry_run else id_, "dry_run": call.dry_run})
        return
    verb = "would move" if call.dry_run else "moved"
    print(
        f"{radius.names[1]!r} ({loser}) into {radius.names[0]!r} ({winner}): {verb} {radius.identities} identities, {radius.tickets} tickets "
        f"({radius.open_tickets} open), {radius.mentions} mentions, {radius.interactions} interactions, {radius.promises} open promises"
    )
    for days, (mine, theirs, both) in radius.contacts.items():
        print(f"contacts in {days} days: {mine} and {theirs} become {both}")
    for target, n in radius.desk_copies.items():
        print(f"{target} holds {n} of the tickets under the old contact")
    for kept, yields in radius.meeting:
        print(f"#{kept} and #{yields} are in one conversation: what comes next goes to #{kept}")
    for item in radius.conflicts:
        print(
            f"{item.field}: {item.winner!r} or {item.loser!r}; {'the second' if item.field in taken else 'the first'} goes on"
        )
    if radius.policy:
        print(radius.policy)
    if id_ and not call.dry_run:
        print(f"merge {id_}; take it back with: earmark customers unmerge {id_}")


@app.command("unmerge", cls=Changing)
def unmerge(merge_id: Annotated[int, typer.Argument(help="The merge's id.")], as_json: Json = False) -> None:
    """Take a merge back: rows return, what came in between goes to whom it belongs."""
    done = _run(lambda c: merges.unmerge(c, merge_id, ACTOR))
    if as_json:
        show_json(asdict(done))
        return
    print(
        f"{done.winner} and {done.loser} are two again: {done.identities} identities, {done.tickets} tickets back, {done.mentions} later posts moved"
    )
    for number in done.new_tickets:
        print(f"new ticket #{number} for what came in between")
    if done.stays:
        print(f"identities {', '.join(map(str, done.stays))} came since and stay with {done.winner}")
    if done.kept:
        print(f"changed since and kept: {', '.join(done.kept)}")


@app.command("split", cls=Changing)
def split(
    customer: Annotated[int, typer.Argument()],
    identities: Annotated[
        list[int], typer.Argument(help="Ids of the identities that are somebody else's; see `show --json`.")
    ],
    as_json: Json = False,
) -> None:
    """Make a customer of their own of identities that were wrongly one's, with all that came by them."""

    def work(connection: Connection) -> tuple[int, attribution.Settled]:
        merges.alone(connection)
        return attribution.split(connection, customer, identities, ACTOR)

    new, settled = _run(work)
    if as_json:
        show_json({"customer": new, **asdict(settled)})
    else:
        print(f"customer {new}: {settled.tickets} tickets and {settled.mentions} single posts went along")


@app.command("propose", cls=Changing)
def propose(as_json: Json = False) -> None:
    """Look for customers who may be one person: likeness, addresses and numbers in texts, the same case told twice."""
    with working("comparing") as done:
        made = _run(lambda c: proposals.look(c, unlinkable(), done))
    if as_json:
        show_json(made)
    else:
        print(", ".join(f"{name.replace('_', ' ')} {n}" for name, n in made.items()))


@app.command("proposals")
def waiting(
    customer: Annotated[int | None, typer.Option(help="Only those about this customer.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=10_000)] = 50,
    as_json: Json = False,
) -> None:
    """What waits for a decision, the most certain first."""
    found = _run(lambda c: proposals.waiting(c, customer, limit))
    if as_json:
        show_json(found)
        return
    show_table("", ("id", "customer", "may be", "sure", "because"), [
        (p["id"], f"{p['customer_id']} {p['customer']}", f"{p['other_id']} {p['other']}" if p["other_id"] else f"{p['platform'] or p['kind']} {p['identity']}",
         f"{p['confidence']:.2f}", "; ".join(f"{e['what']}: {e['detail']}" for e in p["evidence"][:3]))
        for p in found
    ])  # fmt: skip
    if len(found) == limit:
        print(f"the first {limit}; --limit shows more")


@app.command("accept", cls=Changing)
def accept(proposal: Annotated[int, typer.Argument()], stated: Stated = False, as_json: Json = False) -> None:
    """Say yes to a proposal: the account is linked, or the two are merged."""
    done = _run(lambda c: proposals.accept(c, proposal, ACTOR, unlinkable(), stated=stated))
    show_json(done) if as_json else print(", ".join(f"{name} {value}" for name, value in done.items()))


@app.command("refuse", cls=Changing)
def refuse(proposal: Annotated[int, typer.Argument()], as_json: Json = False) -> None:
    """Say no to a proposal; it is not made again."""
    _run(lambda c: proposals.refuse(c, proposal, ACTOR))
    show_json({"proposal": proposal, "state": "refused"}) if as_json else print(f"proposal {proposal} refused")


@app.command("link", cls=Changing)
def link(
    customer: Annotated[int, typer.Argument()],
    value: Annotated[str, typer.Argument(help="The handle, address or number.")],
    kind: Annotated[str, typer.Option(help=", ".join(identity.KINDS))] = "account",
    platform: Annotated[str, typer.Option(help="With an account: the platform.")] = "",
    region: Annotated[str | None, typer.Option(help="Country of phone numbers without +.")] = None,
    stated: Stated = False,
    as_json: Json = False,
) -> None:
    """Give a customer an account, address or number by hand."""

    def work(connection: Connection) -> int:
        found = identity.normal(kind, value, platform, region)
        id_ = proposals.find(connection, found) or proposals.ensure(connection, {**asdict(found), "source": "person"})
        evidence = "the customer said so" if stated else "linked by hand"
        proposals.link(connection, id_, customer, ACTOR, evidence, 1.0, unlinkable(), stated=stated)
        return id_

    id_ = _run(work)
    show_json({"identity": id_, "customer": customer}) if as_json else print(f"identity {id_} is customer {customer}'s")


@app.command("unlink", cls=Changing)
def unlink(
    identity_id: Annotated[int, typer.Argument(help="The identity's id; see `show --json`.")], as_json: Json = False
) -> None:
    """Take an address, number or quiet account from its customer. One that wrote on tickets is split off instead."""
    owner = _run(lambda c: proposals.unlink(c, identity_id, ACTOR))
    show_json({"identity": identity_id, "was": owner}) if as_json else print(
        f"identity {identity_id} is nobody's; it was customer {owner}'s"
    )


def _run(work: Callable[[Connection], T]) -> T:
    with opened() as ledger:
        try:
            return ledger.run(work)
        except (merges.Refused, ValueError) as refused:
            fail(str(refused))
