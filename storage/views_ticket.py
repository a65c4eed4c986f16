"""One ticket as its page shows it: what was said, what was done, why it was opened, who it is about, what desks know of it."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import Connection

from storage.ledger import one, rows
from storage.together import Question, ask, together
from storage.views import DUE


@dataclass(frozen=True, slots=True)
class Ticket:
    id: int
    number: int
    subject: str
    status: str
    priority: str
    team: str
    assignee_id: int | None
    assignee: str | None
    customer_id: int | None
    customer: str | None
    platform: str
    topic: str
    intent: str
    sentiment: str
    opened_at: datetime
    updated_at: datetime
    due: datetime | None
    due_for: str
    first_due: datetime | None
    resolve_due: datetime | None
    first_at: datetime | None
    resolved_at: datetime | None
    version: int
    tags: list[str] = field(default_factory=list)
    fields: dict[str, Any] = field(default_factory=dict)
    watchers: list[int] = field(default_factory=list)
    snoozed_until: datetime | None = None
    parent: int | None = None
    merged_into: int | None = None
    split_from: int | None = None


@dataclass(frozen=True, slots=True)
class Post:
    """A mention as people read it. `flags`: what could not be taken as it came; `published_raw`: a date that was not believed."""

    id: int
    platform: str
    origin: str
    kind: str
    url: str | None
    name: str
    content: str
    author: str
    author_url: str | None
    followers: int | None
    rating: float | None
    rating_best: float | None
    published: datetime
    updated: datetime | None
    first_seen: datetime
    deleted_at: datetime | None
    version: int
    sentiment: str | None
    compound: float | None
    language: str | None
    ticket: int | None = None
    outcome: str | None = None
    reason: str | None = None
    flags: list[str] = field(default_factory=list)
    published_raw: str | None = None


POST = """m.id, m.platform, m.origin, m.kind, m.url, m.name, m.content, m.author_url, m.followers, m.rating, m.rating_best,
    coalesce(nullif(m.author_handle, ''), nullif(m.author_name, ''), '') AS author, m.published, m.updated, m.first_seen,
    m.deleted_at, m.version, m.flags, m.published_raw, v.label AS sentiment, v.compound, v.language"""
LATEST = (
    "LEFT JOIN LATERAL (SELECT * FROM verdicts v WHERE v.mention_id = m.id ORDER BY v.version DESC LIMIT 1) v ON true"
)


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of a ticket's history; `post` is set where it is about a mention, `before` where an edit replaced a text."""

    id: int
    kind: str
    body: str
    at: datetime
    user: str | None
    version: int | None
    post: Post | None = None
    parent: Post | None = None
    before: str | None = None
    user_id: int | None = None
    detail: dict[str, Any] = field(default_factory=dict)
    rule: dict[str, Any] | None = None  # name, version, matched values: by which no person did it


@dataclass(frozen=True, slots=True)
class Reason:
    """Why one mention was filed: sentences, and the values behind them."""

    mention_id: int
    version: int
    outcome: str
    code: str
    decided_at: datetime
    sentences: list[str] = field(default_factory=list)
    rule: str = ""
    words: list[tuple[str, float]] = field(default_factory=list)
    compound: float | None = None
    scorer: str = ""
    versions: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Delivery:
    """One effect owed to a desk or alert route, and each try."""

    id: int
    target: str
    kind: str
    state: str
    attempts: int
    remote_id: str | None
    url: str | None
    error: str | None
    created_at: datetime
    done_at: datetime | None
    tries: list[dict[str, Any]] = field(default_factory=list)


def ticket(connection: Connection, number: int) -> Ticket | None:
    found = rows(
        connection,
        f"""SELECT t.id, t.number, t.subject, t.status, t.priority, t.team, t.assignee_id, u.name AS assignee, t.customer_id,
            c.name AS customer, t.platform, t.topic, t.intent, t.label AS sentiment, t.opened_at, t.updated_at,
            {DUE} AS due, CASE WHEN t.first_at IS NULL THEN 'answer' ELSE 'resolve' END AS due_for, t.first_due,
            t.resolve_due, t.first_at, t.resolved_at, t.version, t.tags, t.fields, t.watchers, t.snoozed_until,
            p.number AS parent, m.number AS merged_into, CASE WHEN t.merged_into IS NULL THEN (SELECT o.number FROM entries e
                JOIN tickets o ON o.id = CAST(e.detail ->> 'split_from' AS bigint) WHERE e.ticket_id = t.id AND e.kind = 'split'
                AND e.detail ? 'split_from' ORDER BY e.id DESC LIMIT 1) END AS split_from
        FROM tickets t LEFT JOIN tickets p ON p.id = t.parent_id LEFT JOIN tickets m ON m.id = t.merged_into LEFT JOIN users u ON u.id = t.assignee_id LEFT JOIN customers c ON c.id = t.customer_id
        WHERE t.number = :number""",  # noqa: S608 a constant
        number=number,
    )
    return Ticket(**found[0]) if found else None


def known(connection: Connection, ids: Sequence[int]) -> list[int]:
    """Those of these tickets the reader may see."""
    return [row["id"] for row in rows(connection, "SELECT id FROM tickets WHERE id = ANY(:ids)", ids=list(ids))]


def related(ticket_id: int, limit: int = 100) -> Question[list[dict[str, Any]]]:
    """Tickets this one belongs together with, and how: links, children, what was merged into it. `kind` is what a link is said by,
    `turned` that it is said from the other side."""
    return Question(
        """SELECT t.number, t.subject, t.status, r.how, r.kind, r.turned FROM (
            SELECT b AS id, kind, false AS turned, CASE kind WHEN 'related' THEN 'related' WHEN 'duplicates' THEN 'says the same' ELSE 'waits for this' END AS how
                FROM ticket_links WHERE a = :id
            UNION ALL SELECT a, kind, true, CASE kind WHEN 'related' THEN 'related' WHEN 'duplicates' THEN 'says the same' ELSE 'must be settled before' END
                FROM ticket_links WHERE b = :id
            UNION ALL SELECT id, 'child', false, 'child' FROM tickets WHERE parent_id = :id
            UNION ALL SELECT id, '', false, 'merged into this' FROM tickets WHERE merged_into = :id
        ) r JOIN tickets t ON t.id = r.id ORDER BY t.number LIMIT :limit""",
        {"id": ticket_id, "limit": limit},
        lambda found: [dict(row) for row in found],
    )


HISTORY = 200  # entries a page shows


def history_pages(ticket_id: int) -> Question[int]:
    """How many pages `history` has."""
    return Question(
        "SELECT count(*) AS n FROM entries WHERE ticket_id = :id AND kind <> 'repost'",
        {"id": ticket_id},
        lambda found: max(1, -(-int(found[0]["n"]) // HISTORY)),
    )


def whole_history(connection: Connection, ticket_id: int) -> list[Entry]:
    """All of it, oldest first: for commands."""
    pages = range(ask(connection, history_pages(ticket_id)), 0, -1)
    return [entry for page in pages for entry in history(connection, ticket_id, page)]


def lines(ticket_id: int, page: int = 1) -> Question[list[Any]]:
    """The rows of `history`, without what they are about."""
    return Question(
        """SELECT e.id, e.kind, e.body, e.at, e.version, e.mention_id, e.user_id, e.detail, u.name AS user,
            coalesce(e.detail -> 'rule', (SELECT jsonb_build_object('name', a.automation, 'version', a.version,
                'matched', jsonb_build_object('event', a.kind) || a.matched) FROM automation_runs a
                WHERE jsonb_typeof(e.detail -> 'run') = 'number' AND a.id = CAST(e.detail ->> 'run' AS bigint))) AS rule
        FROM entries e LEFT JOIN users u ON u.id = e.user_id WHERE e.ticket_id = :id AND e.kind <> 'repost'
        ORDER BY e.at DESC, e.id DESC LIMIT :limit OFFSET :offset""",
        {"id": ticket_id, "limit": HISTORY, "offset": (max(1, page) - 1) * HISTORY},
        list,
    )


def told(found: Sequence[Any]) -> list[int]:
    """The mentions lines are about."""
    return sorted({row["mention_id"] for row in found if row["mention_id"]})


def history(connection: Connection, ticket_id: int, page: int = 1) -> list[Entry]:
    """Entries in the order things happened, the newest HISTORY on page 1: a post counts from its publication. Reposts are counted
    apart (storage/reposts.py)."""
    found = ask(connection, lines(ticket_id, page))
    return entries(found, **together(connection, **about(told(found))))


def about(ids: list[int]) -> dict[str, Question[Any]]:
    """What `entries` wants to know of mentions."""
    return {"posts": said(ids), "parents": _parents(ids), "before": _before(ids)}


def entries(
    found: Sequence[Any], posts: dict[int, Post], parents: dict[int, Post], before: dict[tuple[int, int], str]
) -> list[Entry]:
    """Lines with the posts they are about, in order of time."""
    made = []
    for row in found:
        post = posts.get(row["mention_id"])
        made.append(
            Entry(
                id=row["id"],
                kind=row["kind"],
                body=row["body"],
                at=post.published if post and row["kind"] == "mention" else row["at"],
                user=row["user"],
                user_id=row["user_id"],
                detail=row["detail"] or {},
                rule=row["rule"],
                version=row["version"],
                post=post,
                parent=parents.get(row["mention_id"]) if row["kind"] == "mention" else None,
                before=before.get((row["mention_id"], (row["version"] or 0) - 1)) if row["kind"] == "edit" else None,
            )
        )
    return sorted(made, key=lambda entry: (entry.at, entry.id))


def posts(connection: Connection, ticket_id: int) -> int:
    """How many posts stand on a ticket."""
    return int(one(connection, "SELECT count(*) FROM ticket_mentions WHERE ticket_id = :id", id=ticket_id))


def said(ids: list[int]) -> Question[dict[int, Post]]:
    """Mentions as people read them, by id."""
    return Question(
        f"SELECT {POST} FROM mentions m {LATEST} WHERE m.id = ANY(:ids)",  # noqa: S608 constants
        {"ids": ids},
        lambda found: {row["id"]: Post(**row) for row in found},
    )


def _before(ids: list[int]) -> Question[dict[tuple[int, int], str]]:
    """(mention, version) → what an edit replaced."""
    return Question(
        "SELECT mention_id, version, concat_ws(E'\n', nullif(name, ''), nullif(content, '')) AS text FROM versions "
        "WHERE mention_id = ANY(:ids)",
        {"ids": ids},
        lambda found: {(row["mention_id"], row["version"]): row["text"] for row in found},
    )


def _parents(ids: list[int]) -> Question[dict[int, Post]]:
    """The post each of these answers, where we hold it and it is not itself in the list."""
    return Question(
        f"""SELECT child.id AS child, {POST} FROM mentions child
        JOIN mentions m ON m.platform = child.platform AND m.origin = child.origin AND m.native_id = child.in_reply_to
        {LATEST} WHERE child.id = ANY(:ids) AND NOT m.id = ANY(:ids)""",  # noqa: S608 constants
        {"ids": ids},
        lambda found: {row["child"]: Post(**{name: row[name] for name in row if name != "child"}) for row in found},
    )


def reasons(mention_ids: list[int]) -> Question[list[Reason]]:
    """The receipts of these mentions, newest version of each first decided."""
    return Question(
        """SELECT v.mention_id, v.version, v.outcome, v.reason, v.decided_at, v.compound, v.scorer, r.body
        FROM verdicts v LEFT JOIN receipts r ON r.mention_id = v.mention_id AND r.version = v.version
        WHERE v.mention_id = ANY(:ids) ORDER BY v.decided_at, v.mention_id, v.version""",
        {"ids": mention_ids},
        lambda found: [_reason(row) for row in found],
    )


def _reason(row: Any) -> Reason:
    receipt = json.loads(row["body"]) if row["body"] else {}
    sentiment = receipt.get("sentiment") or {}
    rule = receipt.get("rule") or ""
    return Reason(
        mention_id=row["mention_id"],
        version=row["version"],
        outcome=row["outcome"],
        code=row["reason"],
        decided_at=row["decided_at"],
        sentences=[str(sentence) for sentence in receipt.get("reasons") or ()],
        rule=str(rule.get("name", "") if isinstance(rule, dict) else rule),
        words=[(str(word), float(share)) for word, share in sentiment.get("words") or ()],
        compound=row["compound"],
        scorer=row["scorer"],
        versions={str(k): str(v) for k, v in (receipt.get("versions") or {}).items()},
    )


def deliveries(ticket_id: int) -> Question[list[Delivery]]:
    """What desks are owed for this ticket, with every attempt."""
    return Question(
        """SELECT o.id, o.target, o.kind, o.state, o.attempts, coalesce(o.remote_id, l.remote_id) AS remote_id, l.url,
            o.error, o.created_at, o.done_at,
            coalesce((SELECT json_agg(json_build_object('n', a.n, 'at', a.at, 'outcome', a.outcome, 'status', a.status,
                'detail', a.detail) ORDER BY a.n) FROM attempts a WHERE a.outbox_id = o.id), '[]') AS tries
        FROM outbox o LEFT JOIN desk_links l ON l.ticket_id = o.ticket_id AND l.target = o.target
        WHERE o.ticket_id = :id ORDER BY o.created_at, o.id""",
        {"id": ticket_id},
        lambda found: [Delivery(**row) for row in found],
    )
