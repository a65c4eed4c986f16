"""People at desks that keep people: who a ticket's customer is to such a desk, and whom it knows, taken over.

A contact there is an identity here: a customer number of that desk's own numbering (kind `number`, platform the target's name). So it
moves with merges, comes back with their undoing, and goes with an erasure. An exact number or address is a link; what would need two
customers to be one is a proposal.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from sqlalchemy import Connection, text

from domain import identity
from domain.identity import BadIdentity
from storage import customers, interactions, proposals, roll
from storage.ledger import one, rows
from storage.roll import NO, YES, Identity, Line

MOST_ASIDE = 50  # of one page; more of one kind tell nothing new


class Contact_(Protocol):
    """A person as connectors/contract.py has them."""

    remote_id: str
    name: str
    emails: tuple[str, ...]
    phones: tuple[str, ...]
    fields: Mapping[str, str]
    was: tuple[str, ...]
    customer: int | None


@dataclass(slots=True)
class Taken:
    """What became of a page. `aside`: kept with a reason; `erased`: people who asked to be forgotten, of whom nothing is kept."""

    people: int = 0
    created: int = 0
    updated: int = 0
    unchanged: int = 0
    proposed: int = 0
    erased: int = 0
    problems: list[tuple[int, str]] = field(default_factory=list)


def person(connection: Connection, ticket_id: int, target: str) -> dict[str, Any] | None:
    """The ticket's customer in a CRM's words, with the contact that target has of them, if we know one. None: nobody is known.

    The author of a mail goes by an account whose id is the address (connectors/inbound/imap.py).
    """
    found = rows(
        connection,
        """SELECT c.id, c.name, c.tier, c.vip, c.attributes, k.* FROM tickets t JOIN customers c ON c.id = t.customer_id
        CROSS JOIN LATERAL (SELECT (array_agg(i.native_id ORDER BY l.linked_at, i.id) FILTER (WHERE i.mark = ''
                AND (i.kind = 'email' OR i.kind = 'account' AND i.platform = 'email' AND i.native_id LIKE '%_@_%')))[1] AS email,
            (array_agg(i.native_id ORDER BY l.linked_at, i.id) FILTER (WHERE i.kind = 'phone' AND i.mark = ''))[1] AS phone,
            (array_agg(i.native_id ORDER BY l.linked_at, i.id) FILTER (WHERE i.kind = 'number' AND i.platform = :target))[1] AS contact
            FROM customer_identities l JOIN identities i ON i.id = l.identity_id WHERE l.customer_id = c.id) k WHERE t.id = :ticket""",
        ticket=ticket_id,
        target=target,
    )
    return dict(found[0]) if found else None


def known(connection: Connection, customer_id: int, target: str, remote_id: str, evidence: str) -> bool:
    """Remember which contact of the target's a customer is. False: it is somebody else's here; then a merge is proposed."""
    key: Identity = ("number", target, remote_id)
    owner = customers.owners(connection, [key]).get(key)
    if owner == customer_id:
        return True
    if owner is not None:
        _propose(connection, {owner, customer_id}, f"{target} has one contact for both: {remote_id}")
        return False
    found = identity.Identity("number", target, remote_id)
    id_ = proposals.find(connection, found) or proposals.ensure(
        connection,
        {"kind": "number", "platform": target, "origin": "", "native_id": remote_id, "handle": "", "name": "", "source": target[:60],
         "mark": ""},
    )  # fmt: skip
    connection.execute(
        text(
            "INSERT INTO customer_identities (identity_id, customer_id, evidence, confidence, source) "
            "VALUES (:identity, :customer, :evidence, 1.0, 'crm') ON CONFLICT DO NOTHING"
        ),
        {"identity": id_, "customer": customer_id, "evidence": evidence},
    )
    return True


def written(connection: Connection, ticket_id: int, target: str, remote_id: str) -> None:
    """An effect of this ticket went to that contact: its customer is known there from now on."""
    customer = one(connection, "SELECT customer_id FROM tickets WHERE id = :id", id=ticket_id)
    if customer is not None:
        known(connection, customer, target, remote_id, f"contact at {target}")


def bring(
    connection: Connection, secret: bytes, target: str, people: Sequence[Contact_], region: str | None = None
) -> Taken:
    """Take over a page of people: known ones brought up to date, new ones made. The same page twice changes nothing."""
    customers.lock(connection)
    done = Taken(people=len(people))
    for contact in people:
        if contact.customer is not None and (root := _root(connection, contact.customer)):
            known(connection, root, target, contact.remote_id, f"{target} keeps our number of this customer")
    lines = [_line(n, target, contact, region, done) for n, contact in enumerate(people)]
    owners = customers.owners(connection, [key for line in lines for key in line.identities])
    clear = []
    for line, contact in zip(lines, people, strict=True):
        claimed = {owner for key in line.identities if (owner := owners.get(key)) is not None}
        if len(claimed) > 1:
            done.proposed += _propose(
                connection, claimed, f"contact {contact.remote_id} at {target} has what both go by"
            )
            done.problems.append(
                (
                    line.number,
                    f"contact {contact.remote_id} is customers {', '.join(map(str, sorted(claimed)))}: proposed",
                )
            )
        else:
            clear.append(line)
    result = roll.bring(connection, secret, clear, source=target)
    done.created, done.updated, done.unchanged = result.created, result.updated, result.unchanged
    erased = {number for number, why in result.errors if why.startswith("erased")}
    done.erased = len(erased)
    done.problems = [(n, why) for n, why in [*done.problems, *result.errors] if n not in erased]
    told = [(None, why, "") for _, why in done.problems[:MOST_ASIDE]]
    if len(done.problems) > MOST_ASIDE:
        told.append((None, f"and {len(done.problems) - MOST_ASIDE} more of this page", ""))
    _aside(connection, f"crm:{target}", told)
    return done


def _aside(connection: Connection, source: str, told: Sequence[tuple[None, str, str]]) -> None:
    """What stands aside already is not told again: a page may come twice."""
    seen = {row["reason"] for row in rows(connection, "SELECT reason FROM asides WHERE source = :s", s=source)}
    interactions.aside(connection, source, [item for item in told if item[1][:500] not in seen])


def _root(connection: Connection, customer_id: int) -> int | None:
    """The customer, or the one it was merged into at the end of the chain."""
    found: int | None = one(
        connection,
        "WITH RECURSIVE up AS (SELECT id, merged_into FROM customers WHERE id = :id UNION ALL SELECT c.id, c.merged_into FROM customers c "
        "JOIN up ON c.id = up.merged_into) SELECT id FROM up WHERE merged_into IS NULL",
        id=customer_id,
    )
    return found


def _line(number: int, target: str, contact: Contact_, region: str | None, done: Taken) -> Line:
    """A contact as a line of a customer list. An address or number that is none is left out and said; the person is taken."""
    keys: list[Identity] = [("number", target, one_) for one_ in (contact.remote_id, *contact.was)]
    given = [("email", value) for value in contact.emails] + [("phone", value) for value in contact.phones]
    given += [("number", contact.fields["customer_number"])] if contact.fields.get("customer_number") else []
    for kind, raw in given:
        try:
            found = identity.normal(kind, raw, region=region)
        except BadIdentity as bad:
            done.problems.append((number, f"contact {contact.remote_id}, left out: {bad}"))
            continue
        if not identity.mark(found):
            keys.append((found.kind, found.platform, found.native_id))
    said = contact.fields.get("vip", "").lower()
    vip = said in YES if "vip" in contact.fields and said in YES | NO else None
    attributes = {
        name: value for name, value in contact.fields.items() if name not in ("tier", "vip", "customer_number")
    }
    name = " ".join(contact.name.split()) or (contact.emails[0] if contact.emails else "")
    return Line(number, name[:200], contact.fields.get("tier", ""), vip, tuple(dict.fromkeys(keys)), attributes)


def _propose(connection: Connection, ids: set[int], why: str) -> int:
    """That these customers are one person, for somebody to decide."""
    first, *others = sorted(ids)
    evidence = [{"what": "one contact", "detail": why, "weight": 5.0}]
    return proposals.keep(connection, [((first, None), (other, None), 0.9, evidence) for other in others], "crm")


def standing(connection: Connection, target: str) -> dict[str, int]:
    """How many customers are known there, and what stands aside."""
    return {
        "customers": int(
            one(
                connection,
                "SELECT count(DISTINCT c.customer_id) FROM identities i JOIN customer_identities c ON c.identity_id = i.id "
                "WHERE i.kind = 'number' AND i.platform = :target",
                target=target,
            )
        ),
        "aside": int(one(connection, "SELECT count(*) FROM asides WHERE source = :s", s=f"crm:{target}")),
    }
