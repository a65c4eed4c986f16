"""Everything that ever happened with a customer, newest first: mentions, tickets, interactions, deliveries, merges. Paged by a cursor."""

import base64
import binascii
import json
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection

from storage.together import Question, ask

PAGE, LARGEST = 50, 200
KINDS = ("mention", "ticket", "interaction", "delivery", "merge", "unmerge")
_ANY = "/* any platform */"  # where a platform narrows the posts


class BadCursor(ValueError):
    """The cursor is none of ours."""


@dataclass(frozen=True, slots=True)
class Event:
    """`what`: mention, ticket, interaction, delivery, merge, unmerge. `detail`: what a line needs to show and link."""

    at: datetime
    what: str
    id: int
    text: str
    detail: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Page:
    events: list[Event]
    next: str | None  # where to go on; None: that was all


def read(
    connection: Connection,
    customer_id: int,
    cursor: str = "",
    limit: int = PAGE,
    kinds: Collection[str] = KINDS,
    platform: str = "",
) -> Page:
    return ask(connection, part(customer_id, cursor, limit, kinds, platform))


def part(
    customer_id: int, cursor: str = "", limit: int = PAGE, kinds: Collection[str] = KINDS, platform: str = ""
) -> Question[Page]:
    """A page of the timeline: of all kinds or some, of all platforms or the posts of one. Raises BadCursor."""
    at, what, id_ = _open(cursor) if cursor else ("infinity", "~", 0)
    limit = min(max(1, limit), LARGEST)
    parts = [asked for kind, asked in _PARTS.items() if kind in kinds and (not platform or kind == "mention")]
    if not parts:
        return Question("SELECT WHERE false", {}, lambda _: Page([], None))
    narrowed = {"platform": platform} if platform else {}
    statement = _ALL.format(" UNION ALL ".join(parts).replace(_ANY, "AND m.platform = :platform" if platform else ""))
    values = {"id": customer_id, "at": at, "what": what, "event": id_, "limit": limit + 1, **narrowed}
    return Question(statement, values, lambda found: _page(found, limit))


def _page(found: list[Any], limit: int) -> Page:
    events = [Event(row["at"], row["what"], row["id"], row["text"], row["detail"]) for row in found]
    more = len(events) > limit
    last = events[limit - 1] if more else None
    return Page(events[:limit], _close(last) if last else None)


def _close(event: Event) -> str:
    raw = json.dumps([event.at.isoformat(), event.what, event.id])
    return base64.urlsafe_b64encode(raw.encode()).decode().rstrip("=")


def _open(cursor: str) -> tuple[str, str, int]:
    try:
        at, what, id_ = json.loads(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
        return datetime.fromisoformat(at).isoformat(), str(what), int(id_)
    except (ValueError, TypeError, binascii.Error) as error:
        raise BadCursor("the cursor is none of ours: take the one of the page before") from error


_BEFORE = (
    "({at}, '{what}', {id}) < (CAST(:at AS timestamptz), :what, :event) ORDER BY {at} DESC, {id} DESC LIMIT :limit"
)


def _part(select: str, at: str, what: str, id_: str) -> str:
    return f"({select} AND {_BEFORE.format(at=at, what=what, id=id_)})"


_PARTS = {  # what → its newest rows before a place
    "mention": _part(
        "SELECT m.published, 'mention', m.id, left(m.content, 500), jsonb_build_object('platform', m.platform, 'url', m.url, "
        "'author', coalesce(nullif(m.author_handle, ''), m.author_name), 'label', v.label, 'outcome', coalesce(v.corrected, v.outcome), "
        "'ticket', t.number, 'deleted', m.deleted_at IS NOT NULL) AS detail FROM customer_identities l JOIN identities i ON i.id = l.identity_id "
        "AND i.kind = 'account' JOIN mentions m ON m.author_id = i.native_id AND m.platform = i.platform AND m.origin = i.origin LEFT JOIN LATERAL "
        "(SELECT * FROM verdicts v WHERE v.mention_id = m.id ORDER BY v.version DESC LIMIT 1) v ON true LEFT JOIN ticket_mentions x "
        "ON x.mention_id = m.id LEFT JOIN tickets t ON t.id = x.ticket_id WHERE l.customer_id = :id /* any platform */",
        "m.published",
        "mention",
        "m.id",
    ),
    "ticket": _part(
        "SELECT t.opened_at, 'ticket', t.id, t.subject, jsonb_build_object('number', t.number, 'status', t.status, 'priority', t.priority, "
        "'team', t.team, 'resolved_at', t.resolved_at) FROM tickets t WHERE t.customer_id = :id",
        "t.opened_at",
        "ticket",
        "t.id",
    ),
    "interaction": _part(
        "SELECT n.happened_at, 'interaction', n.id, left(concat_ws(E'\\n', nullif(n.subject, ''), nullif(n.body, '')), 500), jsonb_build_object("
        "'kind', n.kind, 'direction', n.direction, 'source', n.source, 'url', n.url, 'label', n.label) FROM interactions n "
        "WHERE (n.identity_id = ANY(ARRAY(SELECT l.identity_id FROM customer_identities l WHERE l.customer_id = :id)) "
        "OR (n.identity_id IS NULL AND n.customer_id = :id))",
        "n.happened_at",
        "interaction",
        "n.id",
    ),
    "delivery": _part(
        "SELECT coalesce(o.done_at, o.created_at), 'delivery', o.id, o.target || ': ' || o.kind || ', ' || o.state, jsonb_build_object("
        "'target', o.target, 'kind', o.kind, 'state', o.state, 'ticket', t.number, 'remote', o.remote_id) FROM tickets t JOIN outbox o "
        "ON o.ticket_id = t.id WHERE t.customer_id = :id",
        "coalesce(o.done_at, o.created_at)",
        "delivery",
        "o.id",
    ),
    "merge": _part(
        "SELECT g.at, 'merge', g.id, 'merged with ' || CASE WHEN g.winner_id = :id THEN g.loser_id ELSE g.winner_id END, jsonb_build_object("
        "'winner', g.winner_id, 'loser', g.loser_id, 'by', g.by, 'undone_at', g.undone_at) FROM merges g WHERE :id IN (g.winner_id, g.loser_id)",
        "g.at",
        "merge",
        "g.id",
    ),
    "unmerge": _part(
        "SELECT g.undone_at, 'unmerge', g.id, 'parted again from ' || CASE WHEN g.winner_id = :id THEN g.loser_id ELSE g.winner_id END, "
        "jsonb_build_object('winner', g.winner_id, 'loser', g.loser_id, 'by', g.undone_by) FROM merges g "
        "WHERE :id IN (g.winner_id, g.loser_id) AND g.undone_at IS NOT NULL",
        "g.undone_at",
        "unmerge",
        "g.id",
    ),
}
_ALL = "SELECT * FROM ({}) q(at, what, id, text, detail) ORDER BY at DESC, what DESC, id DESC LIMIT :limit"
