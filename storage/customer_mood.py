"""How a customer's words felt, week by week: posts of their accounts and what they wrote or said elsewhere."""

from dataclasses import dataclass
from datetime import datetime

from storage.together import Question

WEEKS = 26
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


def weeks(customer_id: int, most: int = WEEKS, zone: str = "UTC") -> Question[list[Week]]:
    """The last so many weeks on the clocks of a zone, oldest first, each with what was said in it; deleted posts are not counted."""
    counted = ", ".join(f"count(s.label) FILTER (WHERE s.label = '{label}') AS {label}" for label in LABELS)
    return Question(
        f"""WITH said AS (
            SELECT m.published AS at, coalesce(v.label, 'unscored') AS label, v.compound FROM customer_identities l
            JOIN identities i ON i.id = l.identity_id AND i.kind = 'account'
            JOIN mentions m ON m.author_id = i.native_id AND m.platform = i.platform AND m.origin = i.origin AND m.deleted_at IS NULL
            LEFT JOIN LATERAL (SELECT label, compound FROM verdicts v WHERE v.mention_id = m.id ORDER BY version DESC LIMIT 1) v ON true
            WHERE l.customer_id = :id AND m.published >= date_trunc('week', now(), :zone) - make_interval(weeks => :most)
            UNION ALL
            SELECT n.happened_at, coalesce(nullif(n.label, ''), 'unscored'), n.compound FROM interactions n
            WHERE n.direction = 'in' AND (n.identity_id = ANY(ARRAY(SELECT l.identity_id FROM customer_identities l WHERE l.customer_id = :id))
                OR n.identity_id IS NULL AND n.customer_id = :id)
                AND n.happened_at >= date_trunc('week', now(), :zone) - make_interval(weeks => :most)
        )
        SELECT w.at, {counted}, avg(s.compound) AS compound
        FROM (SELECT l AT TIME ZONE :zone AS at, (l + interval '1 week') AT TIME ZONE :zone AS until FROM generate_series(
            date_trunc('week', now() AT TIME ZONE :zone) - make_interval(weeks => :most - 1),
            date_trunc('week', now() AT TIME ZONE :zone), interval '1 week') g(l)) w
        LEFT JOIN said s ON s.at >= w.at AND s.at < w.until GROUP BY 1 ORDER BY 1""",  # noqa: S608 our own text
        {"id": customer_id, "most": most, "zone": zone},
        lambda found: [Week(**row) for row in found],
    )
