"""Finer series of negative talk, counted after the fact from what each run of the digest filed: nothing of it is on the way of a mention.

`negative+INTENT` mentions of one intent; `authors` people, each once a day and topic; `reach` mentions weighted by how many follow who
wrote them: 1, and 1 more for each power of ten. As first judged: a later edit is corrected in `negative`, not here.
"""

from collections.abc import Sequence

from sqlalchemy import Connection, text

from domain.urgency import TROUBLE


def count(connection: Connection, runs: Sequence[int]) -> None:
    """Add what these runs filed; the caller sees to it that each run comes once."""
    if runs:
        connection.execute(
            text(_COUNT), {"runs": list(runs), "low": min(runs), "high": max(runs), "trouble": sorted(TROUBLE)}
        )


_COUNT = """
WITH new AS (SELECT v.mention_id, v.intent, v.identity_id FROM verdicts v
    WHERE v.run_id BETWEEN :low AND :high AND v.run_id = ANY(:runs) AND v.version = 1
    AND v.reason NOT IN ('own-account', 'repost', 'deleted')
    AND (v.label = 'negative' OR v.label IN ('neutral', 'unscored') AND v.intent = ANY(:trouble))),
said AS (SELECT DISTINCT m.id, topic, m.platform, m.origin, m.author_id, m.published, n.intent, coalesce(i.followers, 0) AS followers,
        NOT EXISTS (SELECT 1 FROM sightings s JOIN channels c ON c.id = s.channel_id
            WHERE s.mention_id = m.id AND c.since <= m.published) AS backfill
    FROM new n JOIN mentions m ON m.id = n.mention_id JOIN sightings g ON g.mention_id = m.id CROSS JOIN unnest(g.topics) AS topic
    LEFT JOIN identities i ON i.id = n.identity_id),
first AS (SELECT s.*, s.author_id IS NULL OR (
        row_number() OVER (PARTITION BY s.topic, s.platform, s.origin, s.author_id, date_trunc('day', s.published, 'UTC') ORDER BY s.published, s.id) = 1
        AND NOT EXISTS (SELECT 1 FROM mentions o JOIN verdicts ov ON ov.mention_id = o.id AND ov.version = 1
            WHERE o.author_id = s.author_id AND o.platform = s.platform AND o.origin = s.origin AND o.id <> s.id
            AND o.published >= date_trunc('day', s.published, 'UTC') AND o.published < date_trunc('day', s.published, 'UTC') + interval '1 day'
            AND NOT ov.run_id = ANY(:runs) AND ov.run_id < :high AND ov.reason NOT IN ('own-account', 'repost', 'deleted')
            AND (ov.label = 'negative' OR ov.label IN ('neutral', 'unscored') AND ov.intent = ANY(:trouble))
            AND EXISTS (SELECT 1 FROM sightings og WHERE og.mention_id = o.id AND s.topic = ANY(og.topics)))) AS new_voice FROM said s),
added AS (SELECT topic, platform, measure || CASE WHEN backfill THEN chr(58) || 'before' ELSE '' END AS measure,
        date_trunc('minute', published) AS minute, sum(n)::int AS n
    FROM first CROSS JOIN LATERAL (VALUES ('negative+' || intent, CASE WHEN intent <> '' THEN 1 ELSE 0 END),
        ('authors', CASE WHEN new_voice THEN 1 ELSE 0 END),
        ('reach', 1 + floor(log(1 + followers::numeric))::int)) AS finer(measure, n)
    WHERE finer.n > 0 GROUP BY 1, 2, 3, 4)
INSERT INTO counts AS c (topic, platform, measure, minute, n) SELECT topic, platform, measure, minute, n FROM added
ORDER BY topic, platform, measure, minute
ON CONFLICT (topic, platform, measure, minute) DO UPDATE SET n = c.n + EXCLUDED.n"""
