"""Verdicts are filed: identities, customers, tickets, entries, receipts. One statement per table, rows in key order.

Locks are taken in the same order by every worker: digests, identities, customer links, tickets, new conversation links (docs/architecture.md).
What two workers want at once is settled by a unique index: the loser of an insert waits, then reads what the winner wrote.
"""

from collections.abc import Iterable, Mapping, Sequence, Set
from operator import itemgetter
from typing import Any, NamedTuple

from sqlalchemy import Connection, text
from sqlalchemy.exc import IntegrityError

from storage import bulk
from storage.ledger import Moved, rows
from storage.runs import Run, ids

ERASURE = 0x6561726D65


def take(connection: Connection, lease: str, mention_ids: Sequence[int]) -> dict[int, int]:
    """Take out of the queue what this lease still holds: mention id → version. What is missing was edited, erased or taken over.

    The deleted row is the fence: whoever wants the same mention waits for the end of this transaction.
    """
    bulk.fetch(connection, "SELECT pg_advisory_xact_lock_shared(%s)", (ERASURE,))
    return dict(bulk.fetch(connection, _TAKE, (bulk.numbers(sorted(mention_ids)), lease)))


# Of a list it cannot count the planner expects little and walks the key's index, in its order: as whoever edits several locks them.
_TAKE = """DELETE FROM digests WHERE mention_id = ANY(ARRAY(SELECT unnest(CAST(%s AS bigint[])))) AND lease = CAST(%s AS uuid)
RETURNING mention_id, version"""


Author = Mapping[str, Any]  # platform, origin, native_id, handle, name, url, followers
Key = tuple[str, str, str]
_AUTHOR = "platform, origin, native_id, handle, name, url, followers"
_author = itemgetter(*_AUTHOR.split(", "))


def identities(connection: Connection, authors: Sequence[Author], fresh: set[int] | None = None) -> dict[Key, int]:
    """(platform, origin, native_id) → identity id; made when new, never rewritten when known. `fresh` takes the ids of those that are
    new to everybody: nobody has filed anything of theirs."""
    wanted = {(a["platform"], a["origin"], a["native_id"]): a for a in authors}
    found = _find_identities(connection, wanted)
    missing = {key: author for key, author in sorted(wanted.items(), key=itemgetter(0)) if key not in found}
    made = _make_identities(connection, missing)
    if fresh is not None:
        fresh.update(made.values())
    found.update(made)
    found.update(_find_identities(connection, [key for key in missing if key not in made]))
    return found


def _make_identities(connection: Connection, missing: Mapping[Key, Author]) -> dict[Key, int]:
    """Those of them that nobody else made a moment ago; in key order."""
    if not missing:
        return {}
    drawn = ids(connection, "identities", len(missing))
    rows_ = [(id_, "account", *_author(author), "author") for id_, author in zip(drawn, missing.values(), strict=True)]
    if bulk.copied(connection, f"identities (id, kind, {_AUTHOR}, source)", rows_):
        return dict(zip(missing, drawn, strict=True))
    made = bulk.execute(connection, _SOME_IDENTITIES, list(missing.values()))
    return {(r.platform, r.origin, r.native_id): r.id for r in made}


_SOME_IDENTITIES = f"""
INSERT INTO identities (kind, {_AUTHOR}, source) SELECT 'account', {_AUTHOR}, 'author'
FROM json_to_recordset(CAST(:rows AS json)) AS r(platform text, origin text, native_id text, handle text, name text, url text,
    followers bigint)
ORDER BY platform COLLATE "C", origin COLLATE "C", native_id COLLATE "C" ON CONFLICT DO NOTHING RETURNING id, platform, origin, native_id
"""  # noqa: S608 our own column names


def _find_identities(connection: Connection, keys: Iterable[Key]) -> dict[Key, int]:
    places: dict[tuple[str, str], list[str]] = {}
    for platform, origin, native_id in keys:
        places.setdefault((platform, origin), []).append(native_id)
    found = {}
    for (platform, origin), natives in places.items():
        known = bulk.fetch(connection, _IDENTITIES, (platform, origin, bulk.array(natives)))
        found.update({(platform, origin, native_id): id_ for native_id, id_ in known})
    return found


_IDENTITIES = """
SELECT native_id, id FROM identities WHERE kind = 'account' AND platform = %s AND origin = %s AND native_id = ANY(%s)
"""


def customers_of(connection: Connection, identity_ids: Sequence[int], *, hold: bool = False) -> dict[int, int]:
    """identity id → customer id, for those that belong to somebody. `hold`: nobody else files for them until this is committed, so
    that two near-copies by one author, judged at the same moment, see each other."""
    asked = "SELECT identity_id, customer_id FROM customer_identities WHERE identity_id = ANY(%s)"
    if hold:
        asked += " ORDER BY identity_id FOR NO KEY UPDATE"
    return dict(bulk.fetch(connection, asked, (bulk.numbers(identity_ids),)))


def make_customers(
    connection: Connection,
    named: Mapping[int, str],
    matched: Mapping[int, tuple[int, str]],
    strangers: Set[int] = frozenset(),
) -> dict[int, int]:
    """Give each identity its customer: the matched one with its evidence, or a new one named as given.

    `named`: identity id → display name of those without a customer. `matched`: identity id → (customer id, evidence). `strangers`:
    identities this transaction made, which nobody else can link.
    """
    fresh = [identity for identity in sorted(named) if identity not in matched]
    drawn = dict(zip(fresh, ids(connection, "customers", len(fresh)), strict=True))
    links = [
        (identity, *matched[identity], "import")
        if identity in matched
        else (identity, drawn[identity], "wrote from this account", "author")
        for identity in sorted(named)
    ]
    sure = [(*link, 1.0) for link in links if link[0] in strangers]
    bulk.copy(connection, f"customer_identities ({_LINK}, confidence)", sure)
    won = bulk.execute(
        connection,
        f"""INSERT INTO customer_identities ({_LINK}, confidence)
        SELECT {_LINK}, 1.0 FROM json_to_recordset(CAST(:rows AS json))
            AS r(identity_id bigint, customer_id bigint, evidence text, source text)
        ORDER BY identity_id ON CONFLICT DO NOTHING RETURNING identity_id, customer_id""",  # noqa: S608 our own column names
        [dict(zip(_LINK.split(", "), link, strict=True)) for link in links if link[0] not in strangers],
    )
    result = {link[0]: link[1] for link in sure} | {r.identity_id: r.customer_id for r in won}
    lost = [identity for identity in named if identity not in result]
    made = [
        (drawn[identity], named[identity], "author") for identity in fresh if result.get(identity) == drawn[identity]
    ]
    bulk.copy(connection, "customers (id, name, source)", made)
    if lost:
        result.update(customers_of(connection, lost))
    return result


_LINK = "identity_id, customer_id, evidence, source"
Conversation = tuple[str, int | None]  # conversation key, customer id


def open_tickets(
    connection: Connection,
    wanted: Sequence[Conversation],
    cases: Mapping[Conversation, str] | None = None,
    window: float = 0,
    reopen: float = 0,
    newcomers: Set[int] = frozenset(),
    beside: Iterable[int] = (),
) -> tuple[dict[Conversation, int], set[int], set[int]]:
    """(conversation, customer) → ticket id, the ids drawn for tickets that are to be made now, and those that are to be reopened.

    The unique index on open links decides who makes the ticket; one that is there is locked against closing. A conversation without
    an open ticket goes on in one that was resolved less than `reopen` seconds ago, or joins the customer's open ticket about the same
    thing (`cases`: conversation → key) that was active within `window` seconds; that key is an open link like any other. `newcomers`:
    customers this transaction made, who have no ticket yet. `beside`: tickets that get an entry whatever this finds, locked with the rest.
    """
    keys = sorted(set(wanted), key=lambda key: (key[0], key[1] or 0))
    asked = [key for key in keys if key[1] not in newcomers]
    copies = {(cases[key], key[1]) for key in asked if key in cases} if cases and window else set()
    resolved = _resolved(connection, asked, reopen) if asked and reopen else {}
    result = _find_open(connection, [*asked, *copies], [*resolved.values(), *beside]) if asked else {}
    known = {key: result.pop(key) for key in copies if key in result}
    missing = [key for key in asked if key not in result]
    reopened: set[int] = set()
    if any(key in resolved for key in missing):
        back = _reopen(connection, missing, reopen, resolved)
        result.update(back)
        reopened = set(back.values())
        missing = [key for key in missing if key not in result]
    joins = {key: known[cases[key], key[1]] for key in missing if cases and (cases.get(key, ""), key[1]) in known}
    if joins and cases:
        asleep = _give_up_cases(connection, {(cases[key], key[1]): ticket for key, ticket in joins.items()}, window)
        joins = {key: ticket for key, ticket in joins.items() if ticket not in asleep}
    missing = [key for key in keys if key not in result]
    result, new = _make_links(connection, result, missing, cases if window else None, joins, newcomers)
    return result, new, reopened


def _make_links(
    connection: Connection,
    result: dict[Conversation, int],
    missing: Sequence[Conversation],
    cases: Mapping[Conversation, str] | None,
    joins: Mapping[Conversation, int],
    newcomers: Set[int],
) -> tuple[dict[Conversation, int], set[int]]:
    """Links for conversations nobody holds: to the ticket they join, or to one to be made per case or conversation."""
    fresh = [key for key in missing if key not in joins]
    shared = {key: (cases or {}).get(key, "") for key in fresh}
    groups = list(dict.fromkeys((shared[key], key[1]) if shared[key] else key for key in fresh))
    drawn = dict(zip(groups, ids(connection, "tickets", len(groups)), strict=True))
    owner = {key: joins.get(key) or drawn[(shared[key], key[1]) if shared[key] else key] for key in missing}
    links = {**owner, **{(case, key[1]): owner[key] for key, case in shared.items() if case}}
    order = sorted(links, key=lambda key: (key[0], key[1] or 0))
    sure = [key for key in order if key[1] in newcomers]
    bulk.copy(connection, "ticket_conversations (ticket_id, customer_id, conversation)", [
        (links[key], key[1], key[0]) for key in sure
    ])  # fmt: skip
    made = bulk.execute(
        connection,
        """INSERT INTO ticket_conversations (ticket_id, customer_id, conversation)
        SELECT ticket_id, customer_id, conversation FROM json_to_recordset(CAST(:rows AS json))
            AS r(ticket_id bigint, customer_id bigint, conversation text, n int)
        ORDER BY n ON CONFLICT DO NOTHING RETURNING ticket_id, customer_id, conversation""",
        [
            {"ticket_id": links[key], "customer_id": key[1], "conversation": key[0], "n": n}
            for n, key in enumerate(order)
            if key[1] not in newcomers
        ],
    )
    won = {key: links[key] for key in sure} | {(r.conversation, r.customer_id): r.ticket_id for r in made}
    lost = [key for key in order if key not in won]
    if lost and (joins or any(shared.values())):
        raise Moved  # somebody was first with the case or one of its conversations: read again, then it is theirs
    result.update({key: ticket for key, ticket in won.items() if key in owner})
    if lost:
        result.update(_find_open(connection, lost, wait=False))
        if any(key not in result for key in lost):
            raise Moved
    return result, {ticket for key, ticket in won.items() if key in shared}


def _find_open(
    connection: Connection, keys: Sequence[Conversation], others: Iterable[int] = (), *, wait: bool = True
) -> dict[Conversation, int]:
    """Conversations (and cases) → the open ticket that holds each. These tickets, and `others`, are locked by id, and with them their
    links, which nobody changes without the ticket. Not waiting, a ticket somebody holds ends the transaction, to be run anew.
    """
    places = bulk.unique(key[0] for key in keys), bulk.unique(key[1] for key in keys if key[1] is not None)
    driver = bulk.raw(connection)
    lock = _LOCK_OPEN if wait else _LOCK_OPEN + " NOWAIT"
    locked = {id_ for (id_,) in driver.execute(lock, (*places, bulk.unique(others)))}
    found = driver.execute(_OPEN, places).fetchall()  # as they are now: we may have waited
    if any(ticket not in locked for _, _, ticket in found):
        return _find_open(connection, keys, others, wait=False)
    return {(conversation, customer): ticket for conversation, customer, ticket in found}


_OPEN = """
SELECT conversation, customer_id, ticket_id FROM ticket_conversations
WHERE open AND conversation = ANY(%s) AND (customer_id IS NULL OR customer_id = ANY(%s))
"""
_LOCK_OPEN = f"""
SELECT id FROM tickets WHERE id = ANY(ARRAY({_OPEN.replace("conversation, customer_id, ticket_id", "ticket_id", 1)}) || CAST(%s AS bigint[]))
ORDER BY id FOR NO KEY UPDATE
"""  # noqa: S608 our own text


def _resolved(connection: Connection, keys: Sequence[Conversation], seconds: float) -> dict[Conversation, int]:
    """Conversations whose ticket was resolved a short while ago, with that ticket."""
    found = bulk.execute(
        connection,
        """SELECT DISTINCT ON (c.conversation, c.customer_id) c.conversation, c.customer_id, c.ticket_id
        FROM json_to_recordset(CAST(:rows AS json)) AS r(conversation text, customer_id bigint)
        JOIN ticket_conversations c ON NOT c.open AND NOT c.yields AND c.conversation = r.conversation
            AND c.customer_id IS NOT DISTINCT FROM r.customer_id
        JOIN tickets t ON t.id = c.ticket_id AND t.status = 'resolved' AND t.merged_into IS NULL
            AND t.resolved_at > now() - make_interval(secs => :seconds)
        ORDER BY c.conversation, c.customer_id, t.resolved_at DESC""",
        [{"conversation": key[0], "customer_id": key[1]} for key in keys],
        seconds=seconds,
    )
    return {(r.conversation, r.customer_id): r.ticket_id for r in found}


def _reopen(
    connection: Connection, keys: Sequence[Conversation], seconds: float, locked: Mapping[Conversation, int]
) -> dict[Conversation, int]:
    """Resolved tickets, which are locked, take their conversations back: conversation → its ticket."""
    found = _resolved(connection, keys, seconds)
    if not set(found.values()) <= set(locked.values()):
        raise Moved  # one more was resolved while we waited
    if not found:
        return {}
    links = bulk.raw(connection).execute(_TAKEN_BACK, (bulk.unique(found.values()),)).fetchall()
    owner = dict(found)
    back = [
        {
            "ticket_id": ticket,
            "conversation": key,
            "taken": taken or owner.setdefault((key, customer), ticket) != ticket,
        }
        for ticket, key, customer, taken in links
    ]
    try:
        with connection.begin_nested():
            bulk.execute(
                connection,
                "UPDATE ticket_conversations c SET open = NOT taken, yields = taken FROM json_to_recordset(CAST(:rows AS json)) "
                "AS r(ticket_id bigint, conversation text, taken boolean) WHERE c.ticket_id = r.ticket_id AND c.conversation = r.conversation",
                back,
            )
    except IntegrityError:
        raise Moved from None  # somebody opened one of them at this moment
    return found


# A conversation another ticket holds by now goes on there.
_TAKEN_BACK = """
SELECT ticket_id, conversation, customer_id, EXISTS (SELECT 1 FROM ticket_conversations x WHERE x.open
    AND x.conversation = c.conversation AND x.customer_id IS NOT DISTINCT FROM c.customer_id) AS taken
FROM ticket_conversations c WHERE ticket_id = ANY(%s) AND NOT open AND NOT yields AND conversation NOT LIKE 'case:%%'
ORDER BY conversation, ticket_id
"""


def _give_up_cases(connection: Connection, held: Mapping[Conversation, int], window: float) -> set[int]:
    """Of tickets held by these cases, those that have been quiet for longer than the window: they give the case up."""
    quiet = "SELECT id FROM tickets WHERE id = ANY(%s) AND updated_at <= now() - make_interval(secs => %s)"
    asleep = {id_ for (id_,) in bulk.fetch(connection, quiet, (bulk.unique(held.values()), window))}
    bulk.execute(
        connection,
        "UPDATE ticket_conversations c SET open = false FROM json_to_recordset(CAST(:rows AS json)) "
        "AS r(ticket_id bigint, conversation text) WHERE c.ticket_id = r.ticket_id AND c.conversation = r.conversation",
        [{"ticket_id": ticket, "conversation": key[0]} for key, ticket in sorted(held.items()) if ticket in asleep],
    )
    return asleep


def tickets(connection: Connection, run: Run, made: Sequence[Mapping[str, Any]]) -> dict[int, int]:
    """Write new tickets (rows of id, customer_id, subject, priority, team, intent, topic, platform, label, targets, tags, minutes
    to first answer and resolution). Returns ticket id → number."""
    numbers = dict(zip((row["id"] for row in made), ids(connection, "ticket_number", len(made)), strict=True))
    bulk.execute(
        connection,
        """INSERT INTO tickets (id, number, customer_id, subject, priority, team, intent, topic, platform, label, targets,
            tags, first_due, resolve_due, run_id) OVERRIDING SYSTEM VALUE
        SELECT id, number, customer_id, subject, priority, team, intent, topic, platform, label, targets,
            coalesce(tags, '{}'), now() + make_interval(mins => first), now() + make_interval(mins => resolve), :run
        FROM json_to_recordset(CAST(:rows AS json)) AS r(id bigint, number bigint, customer_id bigint, subject text,
            priority text, team text, intent text, topic text, platform text, label text, targets text[], tags text[], first int,
            resolve int) ORDER BY id""",
        [{**row, "number": numbers[row["id"]]} for row in made],
        run=run.id,
    )
    for row in made:
        run.wrote_ticket(row["id"])
    return numbers


def appended(
    connection: Connection, ticket_ids: Sequence[int], reopened: Iterable[int] = (), grave: Iterable[int] = ()
) -> dict[int, Any]:
    """Tickets that get one more entry: touched, woken from pending. Returns id → (number, targets, was, status).

    `reopened`: resolved ones the customer wrote on again. `grave`: ones that got something a muted ticket is woken by.
    """
    found = connection.execute(
        text(
            "UPDATE tickets t SET updated_at = now(), version = version + 1, status = CASE WHEN t.status IN ('pending', 'hold') "
            "OR t.status = 'resolved' AND t.id = ANY(:reopened) OR t.status = 'muted' AND t.id = ANY(:grave) THEN 'open' ELSE t.status END, "
            "resolved_at = CASE WHEN t.status = 'resolved' AND t.id = ANY(:reopened) THEN NULL ELSE t.resolved_at END "
            "FROM (SELECT id, status FROM tickets WHERE id = ANY(:ids) ORDER BY id FOR UPDATE) o WHERE o.id = t.id "
            "RETURNING t.id, t.number, t.targets, o.status AS was, t.status"
        ),
        {"ids": bulk.unique(ticket_ids), "reopened": bulk.unique(reopened), "grave": bulk.unique(grave)},
    )
    return {row.id: row for row in found}


def linked(connection: Connection, mention_ids: Sequence[int]) -> dict[int, int]:
    """mention id → ticket id of mentions an earlier version of which was filed."""
    found = rows(
        connection,
        "SELECT mention_id, ticket_id FROM ticket_mentions WHERE mention_id = ANY(:ids)",
        ids=list(mention_ids),
    )
    return {row["mention_id"]: row["ticket_id"] for row in found}


def link(connection: Connection, run: Run, links: Sequence[tuple[int, int]]) -> None:
    """(ticket id, mention id) pairs."""
    if not links:
        return
    rows_ = sorted((mention, ticket, run.id) for ticket, mention in links)
    bulk.copy(connection, "ticket_mentions (mention_id, ticket_id, run_id)", rows_)
    for ticket, mention in links:
        run.wrote_link(ticket, mention)


def enter(connection: Connection, run: Run, wanted: Sequence[Mapping[str, Any]]) -> list[int]:
    """Write entries (ticket_id, kind, and mention_id, version, user_id, body where they apply). Returns their ids, in order."""
    if not wanted:
        return []
    drawn = ids(connection, "entries", len(wanted))
    bulk.copy(
        connection,
        "entries (id, ticket_id, kind, mention_id, version, user_id, body, run_id)",
        [
            (id_, row["ticket_id"], row["kind"], row.get("mention_id"), row.get("version"), row.get("user_id"),
             row.get("body") or "", run.id)
            for row, id_ in zip(wanted, drawn, strict=True)
        ],
    )  # fmt: skip
    for row, id_ in zip(wanted, drawn, strict=True):
        run.wrote_entry(id_, row["ticket_id"], row.get("mention_id"), row.get("version"))
    return drawn


class Decision(NamedTuple):
    """A verdict as its tables hold it: `verdict` in the order of VERDICT, `receipt` and `counted` as JSON."""

    mention_id: int
    version: int
    outcome: str
    identity_id: int | None
    verdict: tuple[Any, ...]
    receipt: str
    counted: str | None


VERDICT = "reason, intent, priority, team, topic, language, label, compound, scorer"
_VERDICTS = f"verdicts (mention_id, version, outcome, identity_id, run_id, {VERDICT})"


def decide(connection: Connection, run: Run, made: Sequence[Decision]) -> None:
    """Verdicts and their receipts."""
    verdicts = [(one.mention_id, one.version, one.outcome, one.identity_id, run.id, *one.verdict) for one in made]
    bulk.copy(connection, _VERDICTS, verdicts)
    receipts = [(one.mention_id, one.version, one.receipt, one.counted) for one in made]
    bulk.copy(connection, "receipts (mention_id, version, body, counted)", receipts)
    for one in made:
        run.wrote_verdict(one.mention_id, one.version, one.outcome, one.identity_id)


def counted_before(connection: Connection, mention_ids: Sequence[int]) -> dict[int, str]:
    """mention id → what its latest receipt says it added to the counts."""
    found = rows(
        connection,
        "SELECT DISTINCT ON (mention_id) mention_id, counted FROM receipts WHERE mention_id = ANY(:ids) "
        "ORDER BY mention_id, version DESC",
        ids=list(mention_ids),
    )
    return {row["mention_id"]: row["counted"] for row in found if row["counted"]}


def count(connection: Connection, deltas: Mapping[tuple[str, str, str, str], int]) -> None:
    """Add to the per-minute counts: (topic, platform, measure, minute ISO) → difference. Last, since minutes are shared."""
    bulk.execute(
        connection,
        """INSERT INTO counts AS c (topic, platform, measure, minute, n)
        SELECT topic, platform, measure, minute, n FROM json_to_recordset(CAST(:rows AS json))
            AS r(topic text, platform text, measure text, minute timestamptz, n int)
        ORDER BY topic, platform, measure, minute
        ON CONFLICT (topic, platform, measure, minute) DO UPDATE SET n = c.n + EXCLUDED.n""",
        [
            {"topic": key[0], "platform": key[1], "measure": key[2], "minute": key[3], "n": n}
            for key, n in sorted(deltas.items())
            if n
        ],
    )
