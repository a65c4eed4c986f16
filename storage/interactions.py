"""Touchpoints from any system: kept once per (source, external id), late and out of order, on the timeline of whom they came by.

An exact identifier the ledger knows is a link; everything beyond that is a proposal for a person. The first contact of somebody nobody
knows makes a customer, where the customer spoke. Erased people's interactions are not stored.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, text

from domain.identity import BadIdentity, Identity, mark, normal
from storage import bulk, proposals, suppress
from storage.ledger import one, rows

KINDS = (
    "email", "email_opened", "call", "call_ended", "chat", "bot_chat", "message", "sms", "whatsapp", "store_visit", "purchase", "page_visit",
    "form", "survey", "review", "other",
)  # fmt: skip
MAKES = frozenset(
    {"email", "call", "call_ended", "chat", "bot_chat", "message", "sms", "whatsapp", "store_visit", "purchase"}
)
AHEAD = timedelta(days=1)  # clocks differ; a contact in two days is a mistake
LONGEST = 100_000
ORDER = (
    "number",
    "account",
    "phone",
    "email",
    "order",
)  # which identifier a contact is filed by, when several are given


class BadInteraction(ValueError):
    """This cannot be stored; the message says why."""


@dataclass(frozen=True, slots=True)
class Touch:
    """One interaction in neutral words. `who`: what the other side is known by; `customer`: our own id, where the sender knows it."""

    external_id: str
    kind: str
    happened_at: datetime
    who: tuple[Identity, ...] = ()
    customer: int | None = None
    direction: str = "in"
    name: str = ""
    subject: str = ""
    body: str = ""
    url: str | None = None
    conversation: str = ""
    data: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class Kept:
    """What became of one: new, known (it was here) or suppressed (the person asked to be forgotten)."""

    external_id: str
    outcome: str
    id: int | None = None
    customer: int | None = None
    proposals: int = 0


def touch(raw: Mapping[str, Any], now: datetime, region: str | None = None) -> Touch:
    """An item of the API as a Touch. Raises BadInteraction with what is wrong and where."""
    try:
        happened = datetime.fromisoformat(str(raw["happened_at"]).replace("Z", "+00:00"))
        who = tuple(_who(raw, region))
        customer = int(raw["customer"]) if raw.get("customer") is not None else None
        found = Touch(
            str(raw["external_id"]), str(raw["kind"]), happened, who, customer, str(raw.get("direction") or "in"), str(raw.get("name") or "")[:200],
            str(raw.get("subject") or "")[:500], _body(raw), raw.get("url"), str(raw.get("conversation") or "")[:200], raw.get("data") or {},
        )  # fmt: skip
    except KeyError as missing:
        raise BadInteraction(f"{missing.args[0]} is missing") from None
    except BadIdentity as bad:
        raise BadInteraction(str(bad)) from None
    except (TypeError, ValueError) as error:
        raise BadInteraction(str(error)[:200]) from None
    _check(found, now)
    return found


def _check(found: Touch, now: datetime) -> None:
    if not found.external_id or len(found.external_id) > 200:
        raise BadInteraction("external_id has 1 to 200 characters")
    if found.kind not in KINDS:
        raise BadInteraction(f"there is no kind {found.kind[:40]!r}; there are {', '.join(KINDS)}")
    if found.direction not in ("in", "out", "none"):
        raise BadInteraction("direction is in, out or none")
    if found.happened_at.tzinfo is None:
        raise BadInteraction("happened_at names no time zone")
    if found.happened_at > now + AHEAD:
        raise BadInteraction("happened_at is in the future")
    if not found.who and found.customer is None:
        raise BadInteraction("nothing says who it was: email, phone, handle and platform, number, order or customer")
    if any("\0" in part for part in (found.external_id, found.subject, found.body, found.name)):
        raise BadInteraction("a NUL character")


def _who(raw: Mapping[str, Any], region: str | None) -> list[Identity]:
    found = [
        normal(kind, str(raw[kind]), region=region) for kind in ("number", "phone", "email", "order") if raw.get(kind)
    ]
    if raw.get("handle"):
        found.append(normal("account", str(raw["handle"]), str(raw.get("platform") or "")))
    return sorted(found, key=lambda identity: ORDER.index(identity.kind))


def _body(raw: Mapping[str, Any]) -> str:
    """The text; a transcript [{"from", "text", "at"?}] as lines."""
    lines = raw.get("transcript")
    if isinstance(lines, list):
        said = "\n".join(f"{line.get('from', '')}: {line.get('text', '')}" for line in lines if isinstance(line, dict))
    else:
        said = str(raw.get("body") or "")
    if len(said) > LONGEST:
        raise ValueError(f"the text has {len(said):,} characters; at most {LONGEST:,} are kept")
    return said


def record(
    connection: Connection,
    secret: bytes,
    source: str,
    touches: Sequence[Touch],
    unlinkable: frozenset[str] = frozenset(),
) -> list[Kept]:
    """Store what is new, in the order given. An erasure waits for this transaction, and the other way round."""
    suppress.share(connection)
    return [_one(connection, secret, source, item, unlinkable) for item in touches]


def _one(connection: Connection, secret: bytes, source: str, item: Touch, unlinkable: frozenset[str]) -> Kept:
    hashes = [
        suppress.key(secret, "handle" if i.kind == "account" else i.kind, i.platform, "", i.native_id) for i in item.who
    ]
    hashes.append(suppress.key(secret, "interaction", source, "", item.external_id))
    if suppress.suppressed(connection, hashes):
        return Kept(item.external_id, "suppressed")
    known = one(
        connection, "SELECT id FROM interactions WHERE source = :s AND external_id = :e", s=source, e=item.external_id
    )
    if known:
        return Kept(item.external_id, "known", known)
    holders = [(identity, *_holder(connection, identity, item.name, source)) for identity in item.who]
    customer, named = _customer(connection, item, holders, source)
    id_ = one(
        connection,
        "INSERT INTO interactions (source, external_id, kind, direction, identity_id, customer_id, happened_at, subject, body, url, conversation, data) "
        "VALUES (:source, :external_id, :kind, :direction, :identity, :customer, :happened_at, :subject, :body, :url, :conversation, "
        "CAST(:data AS jsonb)) ON CONFLICT DO NOTHING RETURNING id",
        source=source,
        identity=holders[0][1] if holders else None,
        customer=None if holders else customer,
        data=bulk.dumps({**(item.data or {}), **({"named_customer": named} if named else {})}),
        **{
            k: v
            for k, v in asdict(item).items()
            if k in ("external_id", "kind", "direction", "happened_at", "subject", "body", "url", "conversation")
        },
    )
    if id_ is None:  # another delivery of the same, at once
        return Kept(item.external_id, "known")
    made = _propose(connection, item, holders, customer, unlinkable) if customer else 0
    return Kept(item.external_id, "new", id_, customer, made)


Holder = tuple[Identity, int, int | None]  # identity, its id, its customer


def _holder(connection: Connection, identity: Identity, name: str, source: str) -> tuple[int, int | None]:
    id_ = proposals.find(connection, identity) or proposals.ensure(
        connection,
        {
            **asdict(identity),
            "name": name if identity.kind == "account" else "",
            "source": source[:60],
            "mark": mark(identity),
        },
    )
    owner = one(connection, "SELECT customer_id FROM customer_identities WHERE identity_id = :id", id=id_)
    return id_, owner


def _customer(
    connection: Connection, item: Touch, holders: Sequence[Holder], source: str
) -> tuple[int | None, int | None]:
    """Whose it is, and the id the sender named where that one was merged away since."""
    if item.customer is not None:
        found = rows(connection, "SELECT id, merged_into FROM customers WHERE id = :id", id=item.customer)
        if not found:
            raise BadInteraction(f"there is no customer {item.customer}")
        root = found[0]["merged_into"] or found[0]["id"]
        while above := one(connection, "SELECT merged_into FROM customers WHERE id = :id", id=root):
            root = above
        return root, item.customer if root != item.customer else None
    owner = holders[0][2]
    marked = one(connection, "SELECT mark FROM identities WHERE id = :id", id=holders[0][1])
    if owner is None and not marked and item.kind in MAKES and item.direction != "none":
        name = item.name or holders[0][0].handle or holders[0][0].native_id
        owner = int(
            one(connection, "INSERT INTO customers (name, source) VALUES (:n, :s) RETURNING id", n=name, s=source[:60])
        )
        connection.execute(
            text(
                "INSERT INTO customer_identities (identity_id, customer_id, evidence, confidence, source) "
                "VALUES (:i, :c, :evidence, 1.0, 'contact')"
            ),
            {"i": holders[0][1], "c": owner, "evidence": f"{item.kind.replace('_', ' ')} from it"},
        )
    return owner, None


def _propose(
    connection: Connection, item: Touch, holders: Sequence[Holder], customer: int, unlinkable: frozenset[str]
) -> int:
    """Several identifiers in one contact: the others are proposed, or the customers who hold them."""
    found: list[proposals.Proposed] = []
    for identity, id_, owner in holders[1:]:
        if owner == customer or identity.platform in unlinkable or mark(identity):
            continue
        detail = [{"what": "in one contact", "detail": f"{item.kind} {item.external_id} gives both", "weight": 5.0}]
        found.append(((customer, holders[0][1]), (owner, id_), 0.9, detail))
    return proposals.keep(connection, found, "contact") if found else 0


def aside(connection: Connection, source: str, problems: Sequence[tuple[int | None, str, str]]) -> int:
    """Keep what could not be taken: (line, reason, payload)."""
    stored = bulk.execute(
        connection,
        "INSERT INTO asides (source, line, reason, payload) SELECT :source, line, reason, payload "
        "FROM json_to_recordset(CAST(:rows AS json)) AS r(line int, reason text, payload text) RETURNING id",
        [
            {"line": line, "reason": reason[:500], "payload": payload.replace("\0", "")[:20_000]}
            for line, reason, payload in problems
        ],
        source=source,
    )
    return len(stored)
