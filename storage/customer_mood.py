"""How a customer's words felt, week by week: posts of their accounts and what they wrote or said elsewhere; and what was said, as a list."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection

from storage.ledger import one, rows
from storage.together import Question

WEEKS = 26
PAGE = 50
LABELS = ("negative", "neutral", "positive", "unscored")


@dataclass(frozen=True, slots=True)
class Week:
    """From its Monday. `compound`: the mean of what was scored, -1 to 1; None where nothing was."""

    at: datetime
    negative: int
    neutral: int
    positive: int
    unscored: int
    compound: float | None


# what a customer said from a moment on: the picture and its lists go by the same words
_POSTS = """SELECT m.published AS at, coalesce(v.label, 'unscored') AS label, v.compound{more} FROM customer_identities l
    JOIN identities i ON i.id = l.identity_id AND i.kind = 'account'
    JOIN mentions m ON m.author_id = i.native_id AND m.platform = i.platform AND m.origin = i.origin AND m.deleted_at IS NULL
    LEFT JOIN LATERAL (SELECT label, compound FROM verdicts v WHERE v.mention_id = m.id ORDER BY version DESC LIMIT 1) v ON true
    WHERE l.customer_id = :id AND m.published >= """
_CONTACTS = """SELECT n.happened_at, coalesce(nullif(n.label, ''), 'unscored'), n.compound{more} FROM interactions n
    WHERE n.direction = 'in' AND (n.identity_id = ANY(ARRAY(SELECT l.identity_id FROM customer_identities l WHERE l.customer_id = :id))
        OR n.identity_id IS NULL AND n.customer_id = :id) AND n.happened_at >= """


_POST = ", m.id AS mention, m.platform AS place, concat_ws(' ', nullif(m.name, ''), m.content) AS text"
_CONTACT = ", NULL, n.kind, concat_ws(' ', nullif(n.subject, ''), n.body)"


def _since(moment: str, texts: bool = False) -> str:
    posts, contacts = (_POST, _CONTACT) if texts else ("", "")
    return f"{_POSTS.format(more=posts)}{moment} UNION ALL {_CONTACTS.format(more=contacts)}{moment}"


@dataclass(frozen=True, slots=True)
class Said:
    """A post (`mention` is its id, `place` its platform), or a contact elsewhere (`place` is its kind)."""

    at: datetime
    label: str
    mention: int | None
    place: str
    text: str


@dataclass(frozen=True, slots=True)
class SaidPage:
    said: list[Said]
    total: int
    page: int
    pages: int


def said(connection: Connection, customer_id: int, since: datetime, until: datetime, page: int) -> SaidPage:
    """What is counted of a time, the newest first."""
    whole = f"FROM ({_since('CAST(:since AS timestamptz)', texts=True)}) s WHERE s.at < CAST(:until AS timestamptz)"
    values = {"id": customer_id, "since": since, "until": until}
    total = int(one(connection, f"SELECT count(*) {whole}", **values))
    pages = max(1, -(-total // PAGE))
    page = min(max(1, page), pages)
    found = rows(
        connection,
        f"SELECT at, label, mention, place, left(text, 300) AS text {whole} ORDER BY at DESC, mention DESC LIMIT :limit OFFSET :offset",
        **values,
        limit=PAGE,
        offset=(page - 1) * PAGE,
    )
    return SaidPage([Said(**row) for row in found], total, page, pages)


def weeks(customer_id: int, most: int = WEEKS, zone: str = "UTC") -> Question[list[Week]]:
    """The last so many weeks on the clocks of a zone, oldest first, each with what was said in it; deleted posts are not counted."""
    counts = ", ".join(f"count(s.label) FILTER (WHERE s.label = '{label}') AS {label}" for label in LABELS)
    return Question(
        f"""WITH said AS ({_since("date_trunc('week', now(), :zone) - make_interval(weeks => :most)")})
        SELECT w.at, {counts}, avg(s.compound) AS compound
        FROM (SELECT l AT TIME ZONE :zone AS at, (l + interval '1 week') AT TIME ZONE :zone AS until FROM generate_series(
            date_trunc('week', now() AT TIME ZONE :zone) - make_interval(weeks => :most - 1),
            date_trunc('week', now() AT TIME ZONE :zone), interval '1 week') g(l)) w
        LEFT JOIN said s ON s.at >= w.at AND s.at < w.until GROUP BY 1 ORDER BY 1""",  # noqa: S608 our own text
        {"id": customer_id, "most": most, "zone": zone},
        lambda found: [Week(**row) for row in found],
    )
