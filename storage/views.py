"""The inbox as it is read: tickets by filter, their counts per view, and what the filters offer."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from sqlalchemy import Connection

from domain.query_tree import NEVER, Node
from domain.seek import pieces, rest, sought
from storage import search
from storage.ledger import one, rows
from storage.together import Question, ask, together

PAGE = 30
OPEN = "t.status NOT IN ('resolved', 'closed', 'muted') AND (t.snoozed_until IS NULL OR t.snoozed_until <= now())"
DUE = "(CASE WHEN t.first_at IS NULL THEN t.first_due ELSE t.resolve_due END)"

# the customer wrote after our last word to them: neither opening a ticket nor assigning, tagging or noting it is one
SAID_LAST = """(SELECT min(e.at) FROM entries e WHERE e.ticket_id = t.id AND e.kind IN ('mention', 'contact') AND e.at > coalesce((
    SELECT max(r.at) FROM entries r WHERE r.ticket_id = t.id AND (r.kind = 'reply'
        OR r.detail -> 'status' ->> 1 IN ('pending', 'resolved', 'closed', 'muted'))), '-infinity'))"""
# a post or a contact this user has not had on their screen
UNREAD = """EXISTS (SELECT 1 FROM entries e WHERE e.ticket_id = t.id AND e.kind IN ('mention', 'contact') AND e.at > coalesce((
    SELECT s.at FROM ticket_seen s WHERE s.user_id = :me AND s.ticket_id = t.id), '-infinity'))"""
MARKS = {  # what a ticket may be beside its fields -> (label, condition)
    "waiting": ("Customer waits", f"(t.status NOT IN ('resolved', 'closed', 'muted') AND {SAID_LAST} IS NOT NULL)"),
    "unread": ("Unread", UNREAD),
    "unmerged": ("Not merged into another", "t.merged_into IS NULL"),
}

VIEWS = {  # name -> (label, condition)
    "open": ("Open", OPEN),
    "mine": ("Mine", f"{OPEN} AND t.assignee_id = :me"),
    "team": ("My teams", f"{OPEN} AND t.team IN (SELECT unnest(a.teams) FROM agents a WHERE a.user_id = :me)"),  # noqa: S608
    "unassigned": ("Unassigned", f"{OPEN} AND t.assignee_id IS NULL"),
    "breaching": ("Breaching", f"{OPEN} AND {DUE} < now() + interval '1 hour'"),
    "late": ("Late", f"{OPEN} AND {DUE} < now()"),
    "vip": ("VIP", f"{OPEN} AND EXISTS (SELECT 1 FROM customers c WHERE c.id = t.customer_id AND c.vip)"),  # noqa: S608
    "snoozed": ("Snoozed", "t.status NOT IN ('resolved', 'closed') AND t.snoozed_until > now()"),
    "muted": ("Muted", "t.status = 'muted'"),
    "done": ("Done", "t.status IN ('resolved', 'closed')"),
    "all": ("All", "true"),
}
SORTS = {
    "due": ("Due first", f"{DUE} ASC NULLS LAST, t.id"),
    "newest": ("Newest", "t.opened_at DESC, t.id DESC"),
    "oldest": ("Oldest", "t.opened_at, t.id"),
    "updated": ("Last change", "t.updated_at DESC, t.id DESC"),
    "priority": (
        "Priority",
        f"array_position(ARRAY['urgent','high','normal','low'], t.priority), {DUE} ASC NULLS LAST, t.id",
    ),
}
COLUMNS = {
    "status": "t.status",
    "priority": "t.priority",
    "team": "t.team",
    "platform": "t.platform",
    "topic": "t.topic",
    "sentiment": "t.label",
    "intent": "t.intent",
}
SEARCH = "t.id IN (SELECT w.ticket_id FROM ticket_words w WHERE {})"


@dataclass(frozen=True, slots=True)
class Filter:
    """What the address of the inbox says. Several values of one field mean any of them."""

    view: str = "open"
    q: str = ""
    status: tuple[str, ...] = ()
    priority: tuple[str, ...] = ()
    team: tuple[str, ...] = ()
    platform: tuple[str, ...] = ()
    topic: tuple[str, ...] = ()
    sentiment: tuple[str, ...] = ()
    intent: tuple[str, ...] = ()
    assignee: tuple[str, ...] = ()  # user ids, "me" or "none"
    mark: tuple[str, ...] = ()  # of MARKS; several mean all of them
    since: datetime | None = None  # opened from
    until: datetime | None = None  # opened before
    sort: str = "due"
    page: int = 1


@dataclass(frozen=True, slots=True)
class TicketRow:
    """One line of the inbox. `due` is the clock that runs now: the first answer's until it is given, then the resolution's."""

    id: int
    number: int
    subject: str
    status: str
    priority: str
    team: str
    assignee: str | None
    customer_id: int | None
    customer: str | None
    platform: str
    topic: str
    sentiment: str
    intent: str
    mentions: int
    opened_at: datetime
    updated_at: datetime
    due: datetime | None
    due_for: str
    resolved_at: datetime | None
    version: int
    tags: list[str]
    snoozed_until: datetime | None
    reach: int | None = None  # the widest of its authors' followers
    waiting: datetime | None = None  # since when the customer waits for our word
    unread: bool = False
    said: str = ""  # of its newest post; with a search, of a text that matches
    pieces: list[tuple[str, bool]] = field(default_factory=list)  # its snippet, and which of it matched


ROW = f"""t.id, t.number, t.subject, t.status, t.priority, t.team, u.name AS assignee, t.customer_id, t.platform, t.topic,
    t.label AS sentiment, t.intent, t.opened_at, t.updated_at, t.resolved_at, t.version, t.tags, t.snoozed_until,
    {DUE} AS due, CASE WHEN t.first_at IS NULL THEN 'answer' ELSE 'resolve' END AS due_for,
    (SELECT count(*) FROM ticket_mentions tm WHERE tm.ticket_id = t.id) AS mentions"""  # noqa: S608 of t, with u its owner


@dataclass(frozen=True, slots=True)
class TicketPage:
    tickets: list[TicketRow]
    total: int
    page: int
    pages: int
    note: str = ""  # what of the search was not taken as written


# beside ROW, for the rows of one page only
MORE = f"""CASE WHEN t.status NOT IN ('resolved', 'closed', 'muted') THEN {SAID_LAST} END AS waiting, {UNREAD} AS unread,
    (SELECT max(m.followers) FROM ticket_mentions tm JOIN mentions m ON m.id = tm.mention_id WHERE tm.ticket_id = t.id) AS reach,
    coalesce((SELECT left(m.name || E'\\n' || m.content, 2000) FROM ticket_mentions tm JOIN mentions m ON m.id = tm.mention_id
        WHERE tm.ticket_id = t.id ORDER BY tm.mention_id DESC LIMIT 1), '') AS said"""  # noqa: S608 our own text


def where(filter: Filter, me: int) -> tuple[str, dict[str, Any]]:
    """Conditions out of a fixed set; what the reader typed travels as values only."""
    parts, values = [VIEWS[filter.view][1]], {"me": me}
    for name, column in COLUMNS.items():
        if chosen := getattr(filter, name):
            parts.append(f"{column} = ANY(:{name})")
            values[name] = list(chosen)
    for name, moment, sign in (("since", filter.since, ">="), ("until", filter.until, "<")):
        if moment is not None:
            parts.append(f"t.opened_at {sign} :{name}")
            values[name] = moment
    if filter.assignee:
        ids = [int(a) for a in filter.assignee if a.isdecimal() and len(a) < 19] + (
            [me] if "me" in filter.assignee else []
        )
        values["assignees"] = ids
        none = " OR t.assignee_id IS NULL" if "none" in filter.assignee else ""
        parts.append(f"(t.assignee_id = ANY(CAST(:assignees AS bigint[])){none})")
    parts += [MARKS[name][1] for name in filter.mark if name in MARKS]
    if filter.q:
        said, sought_values = search.condition(sought(filter.q).node)
        values |= sought_values
        number = filter.q.lstrip("#")
        if number.isdecimal() and len(number) < 19:
            values["number"] = int(number)
            parts.append(f"(t.number = :number OR {SEARCH.format(said)})")
        else:
            parts.append(SEARCH.format(said))
    return " AND ".join(parts), values


def tickets(connection: Connection, filter: Filter, me: int = 0) -> TicketPage:
    """One page of the inbox and how many tickets the same filter has in all."""
    return as_page(connection, filter, me, **together(connection, total=total(filter, me), found=listed(filter, me)))


def total(filter: Filter, me: int) -> Question[int]:
    condition, values = where(filter, me)
    return Question(f"SELECT count(*) AS n FROM tickets t WHERE {condition}", values, lambda found: int(found[0]["n"]))  # noqa: S608


def plain(filter: Filter) -> bool:
    """Whether a filter is nothing but a view `view_counts` counts."""
    return filter.view not in UNCOUNTED and replace(filter, sort="due", page=1) == Filter(filter.view)


def listed(filter: Filter, me: int) -> Question[list[TicketRow]]:
    """The tickets of the filter's page; a page beyond the last has none."""
    condition, values = where(filter, me)
    offset = (max(1, filter.page) - 1) * PAGE
    return Question(
        f"""SELECT {ROW}, {MORE}, c.name AS customer FROM (SELECT * FROM tickets t WHERE {condition} ORDER BY {SORTS[filter.sort][1]} LIMIT :limit OFFSET :offset) t
        LEFT JOIN users u ON u.id = t.assignee_id LEFT JOIN customers c ON c.id = t.customer_id
        ORDER BY {SORTS[filter.sort][1]}""",  # noqa: S608 every part comes from the tables above
        {**values, "limit": PAGE, "offset": offset},
        lambda found: [TicketRow(**row) for row in found],
    )


def as_page(connection: Connection, filter: Filter, me: int, total: int, found: list[TicketRow]) -> TicketPage:
    """What was asked as a page, with its snippets; beyond the last page it is the last."""
    pages = max(1, -(-total // PAGE))
    page = min(max(1, filter.page), pages)
    if filter.page > page:
        found = ask(connection, listed(replace(filter, page=page), me))
    wanted = sought(filter.q)
    return TicketPage(_snippets(connection, found, wanted.node), total, page, pages, wanted.note)


def _snippets(connection: Connection, found: list[TicketRow], node: Node) -> list[TicketRow]:
    """Each with a line of its newest post, or of a text that matches the search."""
    texts = search.texts(connection, node, [row.id for row in found]) if node != NEVER and found else {}
    out = []
    for row in found:
        said = rest(row.subject, texts.get(row.id, row.said))
        out.append(replace(row, said=said[:500], pieces=pieces(said, node)))
    return out


def among(connection: Connection, filter: Filter, me: int, ids: Sequence[int]) -> list[int]:
    """Which of these tickets the filter holds now."""
    condition, values = where(filter, me)
    found = rows(
        connection,
        f"SELECT t.id FROM tickets t WHERE t.id = ANY(:among) AND {condition} ORDER BY t.id",  # noqa: S608 as above
        **values,
        among=list(ids),
    )
    return [row["id"] for row in found]


def existing(connection: Connection, ids: Sequence[int]) -> set[int]:
    """Which of these tickets there are, as far as this reader sees."""
    return {row["id"] for row in rows(connection, "SELECT id FROM tickets WHERE id = ANY(:ids)", ids=list(ids))}


def numbers(connection: Connection, filter: Filter, me: int, limit: int) -> list[int]:
    """The numbers of the tickets a filter holds, in its order, at most `limit`; in a transaction that writes, too (storage/scopes.py)."""
    condition, values = where(filter, me)
    found = rows(
        connection,
        f"SELECT t.number FROM tickets t WHERE {condition} AND earmark_sees_team(t.team) AND earmark_sees_topic(t.topic) ORDER BY {SORTS[filter.sort][1]} LIMIT :limit",  # noqa: S608 as above
        **values,
        limit=limit,
    )
    return [row["number"] for row in found]


UNCOUNTED = ("done", "all")  # what is finished grows for ever; its number helps nobody


def view_counts(connection: Connection, me: int) -> dict[str, int]:
    return ask(connection, counts(me))


def counts(me: int) -> Question[dict[str, int]]:
    """How many tickets each view of unfinished ones holds, by the views' own conditions."""
    parts = ", ".join(
        f"count(*) FILTER (WHERE {condition}) AS {name}"
        for name, (_, condition) in VIEWS.items()
        if name not in UNCOUNTED
    )
    return Question(
        f"SELECT {parts} FROM tickets t WHERE t.status NOT IN ('resolved', 'closed')",  # noqa: S608 constants
        {"me": me},
        lambda found: dict(found[0]),
    )


def sidebar(connection: Connection) -> dict[str, int]:
    """What waits behind each door."""
    return dict(
        rows(
            connection,
            f"""SELECT (SELECT count(*) FROM tickets t WHERE {OPEN}) AS inbox,
                (SELECT count(*) FROM verdicts v WHERE v.outcome = 'review' AND v.corrected IS NULL) AS review,
                (SELECT count(*) FROM escalations WHERE state = 'open') AS flags,
                (SELECT count(*) FROM channels WHERE enabled AND error IS NOT NULL) AS channels,
                (SELECT count(*) FROM dead_letters WHERE state = 'open') AS status""",  # noqa: S608
        )[0]
    )


def _choices(found: list[Any]) -> dict[str, list[tuple[str, str]]]:
    fields: dict[str, list[tuple[str, str]]] = {"platform": [], "topic": [], "intent": []}
    for row in found:
        fields[row["field"]].append((row["value"], row["value"]))
    return fields


# what the inbox can be filtered by, from what tickets have: (value, label) per field
CHOICES = Question(
    "SELECT field, value FROM facets WHERE field IN ('platform', 'topic', 'intent') ORDER BY 1, 2", {}, _choices
)


def _teams(found: list[Any]) -> list[tuple[str, str]]:
    labels: dict[str, str] = {}
    for row in found:
        labels.setdefault(row["name"], row["label"])
    return list(labels.items())


TEAMS = Question(  # of the configuration in force, then any a ticket ever had
    """SELECT team ->> 'name' AS name, coalesce(nullif(team ->> 'label', ''), team ->> 'name') AS label FROM (
        SELECT jsonb_path_query(document, '$.teams[*]') AS team FROM (
            SELECT document FROM configurations WHERE complaints IS NULL ORDER BY id DESC LIMIT 1) c) x
    UNION ALL SELECT value, value FROM facets WHERE field = 'team'""",
    {},
    _teams,
)


def teams(connection: Connection) -> list[tuple[str, str]]:
    return ask(connection, TEAMS)


def last_resolved(connection: Connection) -> datetime | None:
    """When the last ticket was finished; said on an empty inbox."""
    moment: datetime | None = one(connection, "SELECT max(resolved_at) FROM tickets")
    return moment


def silent_channels(connection: Connection) -> int:
    """Channels that do not read: an empty inbox may be theirs."""
    return int(
        one(connection, "SELECT count(*) FROM channels WHERE enabled AND (error IS NOT NULL OR paused_at IS NOT NULL)")
    )
