"""Proposals that two customers are one, or that an account is a customer's: made from likeness and from what people write, decided by people.

Nothing here links by itself. A platform whose terms forbid matching its accounts by identifiers from elsewhere takes no part. What was
refused once is not proposed again.
"""

import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from sqlalchemy import Connection, text

from domain import match
from domain.identity import BadIdentity, Identity, normal
from domain.match_read import Trace, read
from domain.said import Said
from storage import audit, bulk, merges
from storage.ledger import one, rows
from storage.together import Question, ask

LEAST = 0.6
TEXTS = 50_000  # newest mentions looked through for addresses and numbers in one run
MANY = 2_000_000  # identities compared in one run
_MAIL = re.compile(r"[\w.%+-]{1,64}@[\w-]+(?:\.[\w-]+)+")
_NUMBER = re.compile(r"(?<![\w-])[A-Za-z]{0,4}[-#]?\d{4,12}(?![\w-])")


def look(
    connection: Connection,
    unlinkable: frozenset[str] = frozenset(),
    progress: Callable[[int], None] = lambda done: None,
) -> dict[str, int]:
    """Look for duplicates among all customers, and for customers named in what accounts write. Returns source → new proposals."""
    connection.execute(text("SET LOCAL statement_timeout = 0"))
    traces, owner = _traces(connection, unlinkable)
    cost = match.Cost()
    alike = [
        (
            owner[link.a],
            owner[link.b],
            link.confidence,
            [dict(zip(("what", "detail", "weight"), item, strict=True)) for item in link.evidence],
        )
        for link in match.propose(traces, cost, progress)
        if link.confidence >= LEAST
    ]
    made = {"match": keep(connection, alike, "match")}
    made["text"] = keep(connection, _named_in_texts(connection, unlinkable), "text")
    made["case"] = keep(connection, _same_case(connection, unlinkable), "case")
    made["blocks_too_wide"] = cost.too_wide
    return made


Holder = tuple[int | None, int]  # customer, identity


def _traces(connection: Connection, unlinkable: frozenset[str]) -> tuple[list[Trace], dict[str, Holder]]:
    found = rows(
        connection,
        "SELECT i.id, i.kind, i.platform, i.native_id, i.handle, coalesce(nullif(i.name, ''), c.name, '') AS name, l.customer_id, "
        "coalesce(c.attributes ->> 'city', c.attributes ->> 'place', c.attributes ->> 'town', '') AS place FROM identities i "
        "LEFT JOIN customer_identities l ON l.identity_id = i.id LEFT JOIN customers c ON c.id = l.customer_id "
        "WHERE i.mark = '' AND NOT i.platform = ANY(:closed) ORDER BY i.id LIMIT :many",
        closed=sorted(unlinkable),
        many=MANY,
    )
    people: dict[Any, dict[str, Any]] = {}
    for row in found:
        field = {"account": "handle", "number": "order"}.get(row["kind"], row["kind"])
        value = row["handle"] or row["native_id"].removeprefix("@") if row["kind"] == "account" else row["native_id"]
        line = people.setdefault(
            (row["customer_id"], row["customer_id"] or row["id"]),
            {"owner": (row["customer_id"], row["id"]), "rows": [{}]},
        )
        target = next((known for known in line["rows"] if field not in known), None)
        if target is None:
            target = {}
            line["rows"].append(target)
        target |= {field: value, "name": row["name"], "place": row["place"]}
        if field == "handle":
            target["platform"] = row["platform"]
    traces, owner = [], {}
    for n, person in enumerate(people.values()):
        for k, known in enumerate(person["rows"]):
            id_ = f"{n}.{k}"
            traces.append(read({"id": id_, **known}))
            owner[id_] = person["owner"]
    return traces, owner


Proposed = tuple[Holder, Holder, float, list[dict[str, Any]]]


def _named_in_texts(connection: Connection, unlinkable: frozenset[str]) -> list[Proposed]:
    """An address or an order number in what somebody wrote, that is known as another customer's."""
    found = rows(
        connection,
        "SELECT m.id, m.name || ' ' || m.content AS said, v.identity_id, l.customer_id FROM mentions m JOIN LATERAL "
        "(SELECT identity_id FROM verdicts v WHERE v.mention_id = m.id AND identity_id IS NOT NULL ORDER BY version DESC LIMIT 1) v ON true "
        "LEFT JOIN customer_identities l ON l.identity_id = v.identity_id WHERE NOT m.platform = ANY(:closed) ORDER BY m.id DESC LIMIT :n",
        closed=sorted(unlinkable),
        n=TEXTS,
    )
    told: dict[tuple[str, str], list[Any]] = {}
    for row in found:
        for kind, value in _values(row["said"]):
            told.setdefault((kind, value), []).append(row)
    known = bulk.execute(
        connection,
        "SELECT i.id, i.kind, i.native_id, l.customer_id FROM json_to_recordset(CAST(:rows AS json)) AS r(k text, n text) "
        "JOIN identities i ON i.kind = r.k AND i.native_id = r.n AND i.platform = '' AND i.origin = '' AND i.mark = '' "
        "JOIN customer_identities l ON l.identity_id = i.id",
        [{"k": kind, "n": value} for kind, value in sorted(told)],
    )
    return [
        (
            (row["customer_id"], row["identity_id"]),
            (hit.customer_id, hit.id),
            0.9 if hit.kind == "email" else 0.85,
            [
                {
                    "what": f"{hit.kind} in the text",
                    "detail": f"mention {row['id']} names {hit.native_id}",
                    "weight": 4.0,
                }
            ],
        )
        for hit in known
        for row in told[hit.kind, hit.native_id]
        if row["customer_id"] != hit.customer_id
    ]


def _values(said: str) -> Iterable[tuple[str, str]]:
    for raw in _MAIL.findall(said)[:5]:
        try:
            yield "email", normal("email", raw).native_id
        except BadIdentity:
            continue
    for raw in _NUMBER.findall(said)[:10]:
        yield "order", normal("order", raw).native_id
        yield "number", raw


def _same_case(connection: Connection, unlinkable: frozenset[str]) -> list[Proposed]:
    """The same story to the letter, told by two accounts on two platforms within a week."""
    found = rows(
        connection,
        "SELECT a.id AS a, b.id AS b, va.identity_id AS ia, vb.identity_id AS ib, la.customer_id AS ca, lb.customer_id AS cb FROM mentions a "
        "JOIN mentions b ON b.content_hash = a.content_hash AND b.id > a.id AND b.platform <> a.platform AND b.content = a.content "
        "AND abs(extract(epoch FROM b.published - a.published)) < 604800 JOIN verdicts va ON va.mention_id = a.id AND va.identity_id IS NOT NULL "
        "JOIN verdicts vb ON vb.mention_id = b.id AND vb.identity_id IS NOT NULL LEFT JOIN customer_identities la ON la.identity_id = va.identity_id "
        "LEFT JOIN customer_identities lb ON lb.identity_id = vb.identity_id WHERE length(a.content) > 80 AND a.repost_of IS NULL "
        "AND b.repost_of IS NULL AND NOT a.platform = ANY(:closed) AND NOT b.platform = ANY(:closed) ORDER BY a.id DESC LIMIT 10000",
        closed=sorted(unlinkable),
    )
    return [
        ((row["ca"], row["ia"]), (row["cb"], row["ib"]), 0.75,
         [{"what": "the same case", "detail": f"mentions {row['a']} and {row['b']} say the same", "weight": 3.0}])
        for row in found
    ]  # fmt: skip


def keep(connection: Connection, found: Iterable[Proposed], source: str) -> int:
    """Store what is new: two customers are a merge, a customer and an account without one are a link, two such accounts are nothing yet."""
    made: dict[tuple[int, int | None, int | None], dict[str, Any]] = {}
    for (a, ia), (b, ib), sure, evidence in found:
        if a is not None and b is not None and a != b:
            key: tuple[int, int | None, int | None] = (min(a, b), None, max(a, b))
        elif (a is None) != (b is None):
            key = (a, ib, None) if a is not None else (int(b or 0), ia, None)
        else:
            continue
        if key not in made or made[key]["sure"] < sure:
            made[key] = {"c": key[0], "i": key[1], "o": key[2], "sure": sure, "evidence": evidence[:10]}
    stored = bulk.execute(
        connection,
        "INSERT INTO proposals (customer_id, identity_id, other_id, confidence, evidence, source) SELECT c, i, o, sure, evidence, :source "
        "FROM json_to_recordset(CAST(:rows AS json)) AS r(c bigint, i bigint, o bigint, sure float, evidence jsonb) ORDER BY c, i, o "
        "ON CONFLICT DO NOTHING RETURNING id",
        [made[key] for key in sorted(made, key=lambda k: (k[0], k[1] or 0, k[2] or 0))],
        source=source,
    )
    return len(stored)


def waiting(
    connection: Connection, customer_id: int | None = None, limit: int = 50, below: float = 2.0, after: int = 0
) -> list[dict[str, Any]]:
    return ask(connection, proposed(customer_id, limit, below, after))


def proposed(
    customer_id: int | None = None, limit: int = 50, below: float = 2.0, after: int = 0
) -> Question[list[dict[str, Any]]]:
    """Open proposals, the most certain first; go on below a confidence and after an id. Merged customers' are not shown."""
    return Question(
        "SELECT p.id, p.customer_id, c.name AS customer, p.other_id, o.name AS other, p.identity_id, i.kind, i.platform, "
        "coalesce(nullif(i.handle, ''), i.native_id) AS identity, p.confidence, p.evidence, p.source, p.at FROM proposals p "
        "JOIN customers c ON c.id = p.customer_id AND c.merged_into IS NULL LEFT JOIN customers o ON o.id = p.other_id "
        "LEFT JOIN identities i ON i.id = p.identity_id WHERE p.state = 'open' AND o.merged_into IS NULL "
        "AND (CAST(:id AS bigint) IS NULL OR :id IN (p.customer_id, p.other_id)) AND (p.confidence < :below OR (p.confidence = :below AND p.id > :after)) "
        "ORDER BY p.confidence DESC, p.id LIMIT :limit",
        {"id": customer_id, "limit": limit, "below": below, "after": after},
        lambda found: [dict(row) for row in found],
    )


def accept(
    connection: Connection,
    proposal_id: int,
    actor: str,
    unlinkable: frozenset[str] = frozenset(),
    *,
    stated: bool = False,
) -> dict[str, Any]:
    """A person says yes: the account is linked, or the two are merged. Raises merges.Refused."""
    row = _open(connection, proposal_id)
    if row["other_id"] is not None:
        merge = merges.merge(
            connection, row["customer_id"], row["other_id"], actor, stated=stated, unlinkable=unlinkable
        )
        _decide(connection, proposal_id, "accepted", actor)
        return {"proposal": proposal_id, "merge": merge}
    link(
        connection,
        row["identity_id"],
        row["customer_id"],
        actor,
        "accepted proposal",
        row["confidence"],
        unlinkable,
        stated=stated,
    )
    _decide(connection, proposal_id, "accepted", actor)
    return {"proposal": proposal_id, "linked": row["identity_id"]}


def refuse(connection: Connection, proposal_id: int, actor: str) -> None:
    """A person says no; it is not proposed again."""
    _open(connection, proposal_id)
    _decide(connection, proposal_id, "refused", actor)
    audit.append(connection, actor, "proposal.refuse", f"proposal:{proposal_id}")


def decided(customer_id: int, limit: int) -> Question[list[dict[str, Any]]]:
    """What people decided about this customer, the latest first."""
    return Question(
        "SELECT p.id, p.state, p.decided_at, coalesce(u.name, p.decided_by) AS by, coalesce(o.name, '') AS other, p.other_id, i.kind, i.platform, "
        "coalesce(nullif(i.handle, ''), i.native_id) AS identity FROM proposals p LEFT JOIN users u ON p.decided_by = 'user:' || u.id "
        "LEFT JOIN customers o ON o.id = CASE WHEN p.other_id = :id THEN p.customer_id ELSE p.other_id END "
        "LEFT JOIN identities i ON i.id = p.identity_id WHERE p.state IN ('accepted', 'refused') AND :id IN (p.customer_id, p.other_id) "
        "ORDER BY p.decided_at DESC, p.id DESC LIMIT :limit",
        {"id": customer_id, "limit": limit},
        lambda found: [dict(row) for row in found],
    )


def take_back(connection: Connection, proposal_id: int, actor: str) -> None:
    """A decision is taken back: what it merged is two again, what it linked is nobody's, and it is proposed anew. Raises merges.Refused."""
    found = rows(connection, "SELECT * FROM proposals WHERE id = :id FOR UPDATE", id=proposal_id)
    if not found or found[0]["state"] not in ("accepted", "refused"):
        raise merges.Refused(Said("nothing was decided about proposal %(id)s", id=str(proposal_id)))
    row = found[0]
    if row["state"] == "accepted" and row["other_id"] is not None:
        merge = one(
            connection,
            "SELECT id FROM merges WHERE winner_id = :a AND loser_id = :b AND undone_at IS NULL ORDER BY id DESC LIMIT 1",
            a=row["customer_id"],
            b=row["other_id"],
        )
        if merge is not None:
            merges.unmerge(connection, merge, actor)
    elif row["state"] == "accepted":
        unlink(connection, row["identity_id"], actor)
    connection.execute(
        text("UPDATE proposals SET state = 'open', decided_by = NULL, decided_at = NULL WHERE id = :id"),
        {"id": proposal_id},
    )
    audit.append(connection, actor, "proposal.reopen", f"proposal:{proposal_id}")


def link(
    connection: Connection, identity_id: int, customer_id: int, actor: str, evidence: str, confidence: float = 1.0,
    unlinkable: frozenset[str] = frozenset(), *, stated: bool = False,
) -> None:  # fmt: skip
    """Give an identity nobody has to a customer. Raises merges.Refused: not there, somebody else's, or the platform's terms."""
    found = rows(
        connection,
        "SELECT i.platform, i.kind, l.customer_id FROM identities i LEFT JOIN customer_identities l ON l.identity_id = i.id WHERE i.id = :id",
        id=identity_id,
    )
    if not found:
        raise merges.Refused(Said("there is no identity %(id)s", id=str(identity_id)))
    if found[0]["customer_id"] is not None:
        raise merges.Refused(
            Said(
                "identity %(id)s belongs to customer %(customer)s: merge the two, or split it off first",
                id=str(identity_id),
                customer=str(found[0]["customer_id"]),
            )
        )
    holder = rows(connection, "SELECT merged_into FROM customers WHERE id = :id FOR UPDATE", id=customer_id)
    if not holder or holder[0]["merged_into"]:
        raise merges.Refused(Said("there is no customer %(id)s, or it was merged into another", id=str(customer_id)))
    platform = found[0]["platform"]
    if platform in unlinkable and not stated:
        raise merges.Refused(
            Said(
                "the terms of %(platform)s forbid matching its accounts with identifiers from elsewhere, unless the customers say so "
                "themselves; confirm that they did",
                platform=platform,
            )
        )
    connection.execute(
        text(
            "INSERT INTO customer_identities (identity_id, customer_id, evidence, confidence, source, verified) "
            "VALUES (:i, :c, :evidence, :sure, 'person', :stated)"
        ),
        {"i": identity_id, "c": customer_id, "evidence": evidence, "sure": confidence, "stated": stated},
    )
    audit.append(
        connection, actor, "identity.link", f"customer:{customer_id}", {"identity": identity_id, "stated": int(stated)}
    )


def ensure(connection: Connection, identity: Mapping[str, Any]) -> int:
    """The id of an identity, made when it is not known yet. Keys: kind, platform, origin, native_id, handle, name, source."""
    found = one(
        connection,
        "INSERT INTO identities (kind, platform, origin, native_id, handle, name, source, mark) VALUES (:kind, :platform, :origin, :native_id, "
        ":handle, :name, :source, :mark) ON CONFLICT (kind, platform, origin, native_id) DO NOTHING RETURNING id",
        **{"origin": "", "handle": "", "name": "", "source": "person", "mark": "", **identity},
    )
    return int(
        found
        or one(
            connection,
            "SELECT id FROM identities WHERE kind = :kind AND platform = :platform AND origin = :origin AND native_id = :native_id",
            **{
                "origin": "",
                **{k: identity[k] for k in ("kind", "platform", "native_id")},
                **{k: v for k, v in identity.items() if k == "origin"},
            },
        )
    )


def _open(connection: Connection, proposal_id: int) -> Any:
    found = rows(connection, "SELECT * FROM proposals WHERE id = :id FOR UPDATE", id=proposal_id)
    if not found:
        raise merges.Refused(Said("there is no proposal %(id)s", id=str(proposal_id)))
    if found[0]["state"] != "open":
        raise merges.Refused(
            Said("proposal %(id)s was %(state)s already", id=str(proposal_id), state=Said(found[0]["state"]))
        )
    return found[0]


def _decide(connection: Connection, proposal_id: int, state: str, actor: str) -> None:
    connection.execute(
        text("UPDATE proposals SET state = :state, decided_by = :actor, decided_at = now() WHERE id = :id"),
        {"state": state, "actor": actor, "id": proposal_id},
    )


def find(connection: Connection, identity: Identity) -> int | None:
    """The id of an identity the ledger knows; a handle also finds the account that writes under it."""
    found: int | None = one(
        connection,
        "SELECT id FROM identities WHERE kind = :kind AND platform = :platform AND (native_id = :native_id "
        "OR (kind = 'account' AND :handle <> '' AND lower(handle) = :handle)) ORDER BY native_id LIKE '@%', id LIMIT 1",
        kind=identity.kind,
        platform=identity.platform,
        native_id=identity.native_id,
        handle=identity.handle,
    )
    return found


def unlink(connection: Connection, identity_id: int, actor: str) -> int:
    """Take an identity from its customer, who is returned. Raises merges.Refused where tickets came by it, or it is the last."""
    found = rows(
        connection,
        "SELECT l.customer_id, (SELECT count(*) FROM customer_identities x WHERE x.customer_id = l.customer_id) AS n, EXISTS (SELECT 1 "
        "FROM verdicts v JOIN ticket_mentions t ON t.mention_id = v.mention_id WHERE v.identity_id = l.identity_id) AS wrote "
        "FROM customer_identities l WHERE l.identity_id = :id",
        id=identity_id,
    )
    if not found:
        raise merges.Refused(Said("identity %(id)s is nobody's", id=str(identity_id)))
    customer = int(found[0]["customer_id"])
    if found[0]["n"] == 1:
        raise merges.Refused(Said("it is the only one by which customer %(id)s is known", id=str(customer)))
    if found[0]["wrote"]:
        raise merges.Refused(f"tickets came by it: earmark customers split {customer} {identity_id}")
    connection.execute(text("DELETE FROM customer_identities WHERE identity_id = :id"), {"id": identity_id})
    audit.append(connection, actor, "identity.unlink", f"customer:{customer}", {"identity": identity_id})
    return customer
