"""What programs read in lists: for each noun the columns by name, the filters, and the one query that pages them by their key.

A page goes on under the key of its last row: a row that comes meanwhile neither repeats nor hides another. Only the chosen columns are
read. Names come from here, values travel as parameters.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection

from storage.customer_names import CALLED
from storage.ledger import rows
from storage.views import DUE, OPEN
from storage.views_channels import STATE

LARGEST = 200
PAGE = 50


@dataclass(frozen=True, slots=True)
class Column:
    """`type`: integer, number, text, boolean, time, texts (a list), object, objects."""

    sql: str
    type: str = "text"
    about: str = ""


@dataclass(frozen=True, slots=True)
class Where:
    """A filter: the condition its value `:name` stands in. `choices`: the only values there are."""

    sql: str
    type: str = "text"
    about: str = ""
    choices: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Listing:
    """`key`: the bigint a page goes on by, downwards. `one`: what a single row is asked by."""

    name: str
    source: str
    key: str
    columns: Mapping[str, Column]
    where: Mapping[str, Where] = field(default_factory=dict)
    always: str = "true"
    one: str = ""


@dataclass(frozen=True, slots=True)
class Found:
    items: list[dict[str, Any]]
    last: int | None  # the key to go on under; None at the end


def read(
    connection: Connection, listing: Listing, columns: Sequence[str], given: Mapping[str, Any], after: int | None, limit: int,
    also: tuple[str, Mapping[str, Any]] = ("true", {}),
) -> Found:  # fmt: skip
    """One page under `after` of what all `given` filters hold; `also` is a condition of our own with its values."""
    parts = [listing.always, also[0], *(listing.where[name].sql for name in given)]
    if after is not None:
        parts.append(f"{listing.key} < :after_key")
    found = rows(
        connection,
        f"SELECT {_select(listing, columns)}, {listing.key} AS key_ FROM {listing.source} WHERE {' AND '.join(parts)} "  # noqa: S608 names of this page
        f"ORDER BY {listing.key} DESC LIMIT :limit_rows",
        **{name: list(value) if isinstance(value, tuple) else value for name, value in given.items()},
        **also[1],
        **({} if after is None else {"after_key": after}),
        limit_rows=limit + 1,
    )
    last = found[limit - 1]["key_"] if len(found) > limit else None
    return Found([{name: row[name] for name in columns} for row in found[:limit]], last)


def single(connection: Connection, listing: Listing, columns: Sequence[str], id_: int) -> dict[str, Any] | None:
    """The row asked for by `listing.one`, or None."""
    found = rows(
        connection,
        f"SELECT {_select(listing, columns)} FROM {listing.source} WHERE {listing.always} AND {listing.one or listing.key} = :id",  # noqa: S608
        id=id_,
    )
    return dict(found[0]) if found else None


def _select(listing: Listing, columns: Sequence[str]) -> str:
    return ", ".join(f"{listing.columns[name].sql} AS {name}" for name in columns)


def _plain(prefix: str, **types: str) -> dict[str, Column]:
    return {name: Column(f"{prefix}.{name}", type_) for name, type_ in types.items()}


I, N, T, B, AT, TS, O = "integer", "number", "text", "boolean", "time", "texts", "object"  # noqa: E741
_OPENED = {
    "since": Where("t.opened_at >= :since", AT, "Opened from then on."),
    "until": Where("t.opened_at < :until", AT, "Opened before then."),
}

MENTIONS = Listing(
    "mentions",
    """mentions m LEFT JOIN LATERAL (SELECT * FROM verdicts v WHERE v.mention_id = m.id ORDER BY v.version DESC LIMIT 1) v ON true
    LEFT JOIN LATERAL (SELECT t.number, t.id FROM ticket_mentions l JOIN tickets t ON t.id = l.ticket_id
        WHERE l.mention_id = m.id ORDER BY l.ticket_id LIMIT 1) t ON true""",
    "m.id",
    {
        **_plain("m", id=I, platform=T, origin=T, native_id=T, kind=T, url=T, name=T, content=T, published=AT, updated=AT, in_reply_to=T,
                 context=T, first_seen=AT, deleted_at=AT, version=I, followers=I, rating=N, rating_best=N, repost_of=T, flags=TS),
        "author": Column("coalesce(nullif(m.author_handle, ''), nullif(m.author_name, ''), m.author_id)", T, "Handle, name or id."),
        "author_id": Column("m.author_id"),
        **_plain("v", topic=T, intent=T, language=T, team=T, priority=T, compound=N, reason=T),
        "sentiment": Column("v.label", T, "negative, neutral, positive or unscored; null until it is judged."),
        "outcome": Column("coalesce(v.corrected, v.outcome)", T, "ticket, review or ignore; null until it is judged."),
        "ticket": Column("t.number", I, "The ticket it is on."),
    },
    {
        "platform": Where("m.platform = :platform"),
        "topic": Where("v.topic = :topic"),
        "sentiment": Where("v.label = :sentiment", choices=("negative", "neutral", "positive", "unscored")),
        "outcome": Where("coalesce(v.corrected, v.outcome) = :outcome", choices=("ticket", "review", "ignore")),
        "intent": Where("v.intent = :intent"),
        "since": Where("m.published >= :since", AT, "Published from then on."),
        "until": Where("m.published < :until", AT, "Published before then."),
        "ticket": Where("m.id IN (SELECT l.mention_id FROM ticket_mentions l JOIN tickets x ON x.id = l.ticket_id WHERE x.number = :ticket)", I),
        "q": Where("to_tsvector('simple', m.name || ' ' || m.content) @@ websearch_to_tsquery('simple', :q)", T, "Words in the text."),
    },
)  # fmt: skip

TICKETS = Listing(
    "tickets",
    "tickets t LEFT JOIN users u ON u.id = t.assignee_id LEFT JOIN customers c ON c.id = t.customer_id",
    "t.id",
    {
        **_plain("t", number=I, subject=T, status=T, priority=T, team=T, intent=T, topic=T, platform=T, tags=TS, fields=O, customer_id=I,
                 assignee_id=I, opened_at=AT, updated_at=AT, first_at=AT, first_due=AT, resolve_due=AT, resolved_at=AT, snoozed_until=AT,
                 version=I),
        "sentiment": Column("t.label"),
        "assignee": Column("u.name"),
        "customer": Column("c.name"),
        "due": Column(DUE, AT, "The clock that runs: to the first answer, then to the resolution."),
        "mentions": Column("(SELECT count(*) FROM ticket_mentions l WHERE l.ticket_id = t.id)", I),
    },
    {**_OPENED, "customer": Where("t.customer_id = :customer", I, "Of this customer.")},
    one="t.number",
)  # fmt: skip

CUSTOMERS = Listing(
    "customers",
    "customers c",
    "c.id",
    {
        **_plain("c", id=I, name=T, tier=T, vip=B, attributes=O, source=T, created_at=AT),
        "identities": Column("(SELECT count(*) FROM customer_identities l WHERE l.customer_id = c.id)", I),
        "tickets": Column("(SELECT count(*) FROM tickets t WHERE t.customer_id = c.id)", I),
        "open_tickets": Column(f"(SELECT count(*) FROM tickets t WHERE t.customer_id = c.id AND {OPEN})", I),  # noqa: S608 a constant
    },
    {
        "vip": Where("c.vip = :vip", B),
        "tier": Where("c.tier = :tier"),
        "q": Where(CALLED, T, "Part of a name, a handle, an address or a number."),
    },
    "c.merged_into IS NULL",
)  # fmt: skip

IDENTITIES = Listing(
    "identities",
    "identities i LEFT JOIN customer_identities l ON l.identity_id = i.id",
    "i.id",
    {
        **_plain("i", id=I, kind=T, platform=T, origin=T, native_id=T, handle=T, name=T, url=T, followers=I, source=T, first_seen=AT, mark=T),
        **_plain("l", customer_id=I, evidence=T, confidence=N, verified=B, linked_at=AT),
    },
    {
        "kind": Where("i.kind = :kind", choices=("account", "email", "phone", "number", "order")),
        "platform": Where("i.platform = :platform"),
        "customer": Where("l.customer_id = :customer", I),
        "handle": Where("lower(i.handle) = lower(:handle)"),
    },
)  # fmt: skip

INTERACTIONS = Listing(
    "interactions",
    "interactions n LEFT JOIN customer_identities l ON l.identity_id = n.identity_id",
    "n.id",
    {
        **_plain("n", id=I, source=T, external_id=T, kind=T, direction=T, happened_at=AT, received_at=AT, subject=T, body=T, url=T,
                 identity_id=I, data=O),
        "customer_id": Column("coalesce(l.customer_id, n.customer_id)", I),
        "sentiment": Column("n.label"),
    },
    {
        "kind": Where("n.kind = :kind"),
        "source": Where("n.source = :source"),
        "customer": Where("coalesce(l.customer_id, n.customer_id) = :customer", I),
        "since": Where("n.happened_at >= :since", AT),
        "until": Where("n.happened_at < :until", AT),
    },
)  # fmt: skip

ESCALATIONS = Listing(
    "escalations",
    "escalations e",
    "e.id",
    {
        **_plain("e", id=I, rule=T, series=T, kind=T, state=T, severity=I, peak=N, window_start=AT, opened_at=AT, updated_at=AT,
                 closed_at=AT, acked_at=AT, acked_by=T, snoozed_until=AT, judgement=T, evidence=O, incident_id=I, scale=I),
        "topic": Column("split_part(e.series, '/', 1)"),
    },
    {
        "state": Where("e.state = :state", choices=("open", "closed")),
        "topic": Where("split_part(e.series, '/', 1) = :topic"),
        "rule": Where("e.rule = :rule"),
        "severity": Where("e.severity >= :severity", I, "At least as severe."),
        "since": Where("e.opened_at >= :since", AT),
        "until": Where("e.opened_at < :until", AT),
    },
)  # fmt: skip

CHANNELS = Listing(
    "channels",
    "channels c",
    "c.id",
    {
        **_plain("c", id=I, name=T, kind=T, platform=T, schedule=T, enabled=B, next_due=AT, wanted_at=AT, not_before=AT, paused_at=AT,
                 failures=I, error=T, advice=T, error_at=AT, last_poll_at=AT, last_success_at=AT, last_item_at=AT),
        "state": Column(STATE, T, "reading, polling, late, waiting, failing, stopped, paused, off or new"),
        "lag": Column("CAST(extract(epoch FROM now() - c.last_success_at) AS float)", N, "Seconds since it was last read."),
        "open_gaps": Column("(SELECT count(*) FROM gaps g WHERE g.channel_id = c.id AND g.filled_at IS NULL)", I),
    },
    {
        "name": Where("c.name = :name"),
        "kind": Where("c.kind = :kind"),
        "platform": Where("c.platform = :platform"),
        "enabled": Where("c.enabled = :enabled", B),
    },
)  # fmt: skip

DELIVERIES = Listing(
    "deliveries",
    "outbox o LEFT JOIN tickets t ON t.id = o.ticket_id",
    "o.id",
    {
        **_plain("o", id=I, target=T, kind=T, key=T, state=T, attempts=I, due=AT, remote_id=T, error=T, created_at=AT, done_at=AT),
        "ticket": Column("t.number", I),
        "escalation": Column("o.escalation_id", I),
        "tries": Column(
            "coalesce((SELECT json_agg(json_build_object('n', a.n, 'at', a.at, 'ended_at', a.ended_at, 'outcome', a.outcome, 'status', a.status, "
            "'detail', a.detail) ORDER BY a.id) FROM attempts a WHERE a.outbox_id = o.id), '[]')", "objects", "Every call, the first one first."),
    },
    {
        "target": Where("o.target = :target"),
        "state": Where("o.state = :state", choices=("new", "sending", "retry", "unknown", "done", "dead", "blocked")),
        "kind": Where("o.kind = :kind"),
        "ticket": Where("t.number = :ticket", I),
        "since": Where("o.created_at >= :since", AT),
    },
)  # fmt: skip

DEAD_LETTERS = Listing(
    "dead_letters",
    "dead_letters d LEFT JOIN outbox o ON d.kind = 'outbox' AND o.id = d.ref_id",
    "d.id",
    {
        **_plain("d", id=I, kind=T, ref_id=I, reason=T, error=T, state=T, at=AT, closed_at=AT, closed_by=T),
        "target": Column("o.target"),
        "key": Column("o.key"),
    },
    {
        "state": Where("d.state = :state", choices=("open", "retried", "dropped")),
        "kind": Where("d.kind = :kind", choices=("digest", "outbox", "event")),
        "target": Where("o.target = :target"),
    },
)  # fmt: skip

CORRECTIONS = Listing(
    "corrections",
    "corrections k",
    "k.id",
    {
        **_plain("k", id=I, version=I, outcome=T, intent=T, by=T, at=AT),
        "mention": Column("k.mention_id", I),
        "sentiment": Column("k.label"),
    },
    {"mention": Where("k.mention_id = :mention", I), "since": Where("k.at >= :since", AT)},
)  # fmt: skip

AUDIT = Listing(
    "audit",
    "audit a",
    "a.id",
    {
        **_plain("a", id=I, at=AT, actor=T, action=T, object=T),
        "detail": Column("CAST(a.detail AS json)", O),
        "hash": Column("encode(a.hash, 'hex')", T, "Of this row and all before it."),
    },
    {
        "actor": Where("a.actor = :actor"),
        "action": Where("starts_with(a.action, :action)", T, "By its beginning: `user` finds `user.role`."),
        "object": Where("a.object = :object"),
        "since": Where("a.at >= :since", AT),
    },
)  # fmt: skip

LISTINGS = {
    listing.name: listing
    for listing in (MENTIONS, TICKETS, CUSTOMERS, IDENTITIES, INTERACTIONS, ESCALATIONS, CHANNELS, DELIVERIES, DEAD_LETTERS, CORRECTIONS, AUDIT)
}  # fmt: skip
