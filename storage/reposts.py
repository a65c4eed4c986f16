"""What was passed on: a repost joins the ticket of the post it repeats, as an entry that says so.

It is amplification, not a second case: it opens nothing, wakes nothing and no desk is told. Its verdict stays "ignore, a repost", so that
the ticket is the author's alone and goes when the author is erased, and the entry goes with whoever passed it on.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Connection

from storage import bulk, entries
from storage.keys import native
from storage.runs import Run
from storage.together import Question

KIND = "repost"
NAMED = 5  # people a page names


@dataclass(frozen=True, slots=True)
class Repost:
    """A mention that repeats the one whose id on its platform is `of`."""

    id: int
    version: int
    platform: str
    origin: str
    of: str


@dataclass(frozen=True, slots=True)
class PassedOn:
    """How often what a ticket is about was passed on, and by whom lately: (mention id, author)."""

    times: int
    lately: tuple[tuple[int, str], ...]


def join(connection: Connection, run: Run, found: Sequence[Repost], opened: Sequence[int]) -> int:
    """Entries for these reposts on the tickets of what they repeat, and for those judged before the mentions in `opened` were filed."""
    asked = [{"id": r.id, "version": r.version, "p": r.platform, "o": r.origin, "n": native(r.of)} for r in found]
    wanted = {(ticket, id_): version for ticket, id_, version in bulk.execute(connection, _FORTH, asked)}
    if opened:
        wanted |= {(ticket, id_): version for ticket, id_, version in bulk.fetch(connection, _BACK, (sorted(opened),))}
    lines = [
        {"ticket_id": ticket, "kind": KIND, "mention_id": id_, "version": version}
        for (ticket, id_), version in sorted(wanted.items())
    ]
    return len(entries.write(connection, run, lines))


def passed_on(ticket_id: int) -> Question[PassedOn]:
    """How often what a ticket is about was passed on."""
    return Question(
        _PASSED_ON,
        {"id": ticket_id, "kind": KIND, "most": NAMED},
        lambda found: PassedOn(found[0]["n"], tuple((id_, author) for id_, author in found[0]["lately"])),
    )


_UNSAID = (
    "NOT EXISTS (SELECT 1 FROM entries e WHERE e.ticket_id = l.ticket_id AND e.kind = 'repost' AND e.mention_id = r.id)"
)
_FORTH = f"""SELECT l.ticket_id, r.id, r.version
FROM json_to_recordset(CAST(:rows AS json)) AS r(id bigint, version int, p text, o text, n text)
JOIN mentions m ON m.native_id = r.n AND m.platform = r.p AND m.origin = r.o
JOIN ticket_mentions l ON l.mention_id = m.id WHERE {_UNSAID}"""  # noqa: S608 our own words
_BACK = f"""SELECT l.ticket_id, r.id, r.version FROM ticket_mentions l JOIN mentions m ON m.id = l.mention_id
JOIN mentions r ON r.repost_of = m.native_id AND r.platform = m.platform AND r.origin = m.origin
JOIN verdicts v ON v.mention_id = r.id AND v.version = r.version AND v.reason = 'repost'
WHERE l.mention_id = ANY(%s) AND {_UNSAID}"""  # noqa: S608 our own words
_PASSED_ON = """SELECT (SELECT count(*) FROM entries WHERE ticket_id = :id AND kind = :kind) AS n,
coalesce((SELECT json_agg(json_build_array(q.id, q.author)) FROM (
    SELECT m.id, coalesce(nullif(m.author_name, ''), nullif(m.author_handle, ''), 'somebody') AS author
    FROM entries e JOIN mentions m ON m.id = e.mention_id WHERE e.ticket_id = :id AND e.kind = :kind ORDER BY e.id DESC LIMIT :most) q), '[]') AS lately"""
