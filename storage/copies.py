"""Copies are found by their bands: a few index entries each, however many mentions there are.

Rows are written once and never changed; what belongs together is worked out when somebody asks, so that neither the order of arrival
nor two workers at once can leave two halves of one cluster.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import Connection

from domain.copies import Sketch, alike, sketch
from storage import bulk

WIDEST = (
    100  # mentions looked at per band: the first and the last of them, since a text told ten thousand times is one text
)
MOST = 200  # mentions of a cluster that are gathered


@dataclass(frozen=True, slots=True)
class Cluster:
    """Mentions that say the same, `name` being the smallest. `more`: there are others that were not gathered."""

    mention_ids: tuple[int, ...]
    more: bool = False

    @property
    def name(self) -> int:
        return self.mention_ids[0]


def add(connection: Connection, sketches: Mapping[int, Sketch]) -> None:
    """Keep the bands of mentions by id; those of an earlier version stay, since that was said too."""
    rows = sorted({(band, id_) for id_, made in sketches.items() for band in made.bands})
    if bulk.copied(connection, "copy_bands (band, mention_id)", rows):
        return
    bulk.raw(connection).execute(
        "INSERT INTO copy_bands (band, mention_id) SELECT * FROM unnest(%s::bigint[], %s::bigint[]) ON CONFLICT DO NOTHING",
        ([band for band, _ in rows], [id_ for _, id_ in rows]),
    )


def forget(connection: Connection, mention_ids: Sequence[int]) -> None:
    """A person is erased: nothing of what was said stays."""
    bulk.raw(connection).execute("DELETE FROM copy_bands WHERE mention_id = ANY(%s)", (list(mention_ids),))


def near(connection: Connection, made: Sketch) -> tuple[list[int], bool]:
    """Mentions whose text is a copy of this one, in order, and whether a band held more than were looked at."""
    found = bulk.raw(connection).execute(_SHARING, {"bands": list(made.bands), "half": WIDEST // 2}).fetchall()
    texts = _texts(connection, [id_ for id_, _ in found])
    same = [id_ for id_, other in texts.items() if alike(made.normal, other.normal)]
    return sorted(same), any(many for _, many in found)


def cluster(connection: Connection, mention_id: int) -> Cluster:
    """All that hang together with this mention by being copies of each other, step by step."""
    found: dict[int, None] = {}
    more = False
    waiting = [mention_id]
    forms = _texts(connection, waiting)
    asked: set[str] = set()
    while waiting and len(found) < MOST:
        id_ = waiting.pop(0)
        found[id_] = None
        made = forms.get(id_)
        if made is None or made.normal in asked:  # the same words have the same copies
            continue
        asked.add(made.normal)
        others, many = near(connection, made)
        more = more or many
        fresh = [other for other in others if other not in found and other not in waiting]
        forms.update(_texts(connection, fresh))
        waiting += fresh
    return Cluster(tuple(sorted(found)), more or bool(waiting))


def similar_tickets(connection: Connection, ticket_id: int, limit: int = 20) -> list[tuple[int, int, str]]:
    """Other tickets with a copy of what this one's mentions say: (ticket id, number, subject), oldest first, at most `limit`."""
    driver = bulk.raw(connection)
    own = [
        row[0]
        for row in driver.execute(
            "SELECT mention_id FROM ticket_mentions WHERE ticket_id = %s ORDER BY 1 LIMIT 20", (ticket_id,)
        )
    ]
    others = {id_ for made in _texts(connection, own).values() for id_ in near(connection, made)[0]}
    found = driver.execute(
        "SELECT DISTINCT t.id, t.number, t.subject FROM ticket_mentions m JOIN tickets t ON t.id = m.ticket_id "
        "WHERE m.mention_id = ANY(%s) AND t.id <> %s ORDER BY t.id LIMIT %s",
        (sorted(others), ticket_id, limit),
    )
    return [(int(row[0]), int(row[1]), str(row[2])) for row in found.fetchall()]


@dataclass(frozen=True, slots=True)
class Told:
    """A mention that is to be filed: who says what. `first`: nothing of theirs was judged before this batch."""

    id: int
    platform: str
    author: str
    made: Sketch
    first: bool = False


@dataclass(frozen=True, slots=True)
class Again:
    """The key under which an author's copies share a ticket, and whether this one says more than those before it."""

    key: str
    richer: bool


def again(connection: Connection, told: Sequence[Told]) -> dict[int, Again]:
    """Mention id → its key, for mentions about to be filed: that of the ticket an earlier copy by the same author is on, else its own.
    Keeps their bands. What is alike step by step shares one key, filed together or one after the other.

    The key is an open link of the ticket like a conversation, so that a unique index decides when two copies are filed at once.
    """
    if not told:
        return {}
    known: dict[tuple[str, str], list[tuple[Sketch, str]]] = {}
    asked = sorted({(one.platform, one.author, band) for one in told if not one.first for band in one.made.bands})
    rows = bulk.fetch(connection, _BY_AUTHOR, tuple([row[n] for row in asked] for n in range(3))) if asked else []
    for _, platform, author, name, content, key in rows:
        if made := sketch(f"{name}\n{content}" if name and content else name or content):
            known.setdefault((platform, author), []).append((made, key or _key(made)))
    found = {}
    for one in sorted(told, key=lambda one: one.id):
        before = known.setdefault((one.platform, one.author), [])
        same = [(other, key) for other, key in before if alike(one.made.normal, other.normal)]
        longest = max((len(other.normal) for other, _ in same), default=len(one.made.normal))
        key = same[0][1] if same else _key(one.made)
        found[one.id] = Again(key, len(one.made.normal) > longest)
        before.append((one.made, key))
    add(connection, {one.id: one.made for one in told})
    return found


def _key(made: Sketch) -> str:
    return f"case:copy:{made.exact:x}"


def headlines(connection: Connection, subjects: Mapping[int, str]) -> None:
    """A richer copy becomes the headline of its ticket: ticket id → subject."""
    wanted = sorted(subjects.items())
    bulk.raw(connection).execute(
        "UPDATE tickets t SET subject = r.subject FROM unnest(%s::bigint[], %s::text[]) AS r(id, subject) WHERE t.id = r.id",
        ([id_ for id_, _ in wanted], [subject for _, subject in wanted]),
    )


_BY_AUTHOR = """
SELECT DISTINCT m.id, m.platform, m.author_id, m.name, m.content, (
    SELECT min(c.conversation) FROM ticket_mentions l JOIN ticket_conversations c ON c.ticket_id = l.ticket_id AND c.open
    WHERE l.mention_id = m.id AND c.conversation LIKE 'case:copy:%%') AS key
FROM unnest(%s::text[], %s::text[], %s::bigint[]) AS asked(platform, author, band)
CROSS JOIN LATERAL (SELECT mention_id FROM copy_bands b WHERE b.band = asked.band ORDER BY mention_id DESC LIMIT 50) b
JOIN mentions m ON m.id = b.mention_id AND m.platform = asked.platform AND m.author_id = asked.author
ORDER BY m.id
"""
_SHARING = """
SELECT mention_id, bool_or(n = 2 * %(half)s) FROM unnest(%(bands)s::bigint[]) AS asked(band) CROSS JOIN LATERAL (
    SELECT mention_id, count(*) OVER () AS n FROM (
        (SELECT mention_id FROM copy_bands b WHERE b.band = asked.band ORDER BY mention_id LIMIT %(half)s)
        UNION (SELECT mention_id FROM copy_bands b WHERE b.band = asked.band ORDER BY mention_id DESC LIMIT %(half)s)
    ) ends
) sharing GROUP BY mention_id ORDER BY mention_id
"""


def _texts(connection: Connection, mention_ids: Sequence[int]) -> dict[int, Sketch]:
    """The sketches of mentions as they stand now; what is too short or gone is left out."""
    if not mention_ids:
        return {}
    rows = bulk.raw(connection).execute(
        "SELECT id, name, content FROM mentions WHERE id = ANY(%s) ORDER BY id", (sorted(set(mention_ids)),)
    )
    made = ((id_, sketch(f"{name}\n{content}" if name and content else name or content)) for id_, name, content in rows)
    return {id_: one for id_, one in made if one is not None}
