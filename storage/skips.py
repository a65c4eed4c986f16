"""Why people put tickets back, told per rule that had opened them: what an edit of the rules can be tried on."""

from typing import Any

from sqlalchemy import Connection

from storage.ledger import rows

MOST = 1000  # tickets a trial judges again, the latest skipped

# the rule that opened a ticket `e.ticket_id`, from its first post that asked for one; empty for those a person or a flag opened
_RULE = """LEFT JOIN LATERAL (
    SELECT v.reason AS rule FROM ticket_mentions l JOIN verdicts v ON v.mention_id = l.mention_id AND v.outcome = 'ticket'
    WHERE l.ticket_id = e.ticket_id ORDER BY l.mention_id, v.version LIMIT 1) w ON true"""


def by_rule(connection: Connection, days: int = 7, limit: int = 50) -> list[dict[str, Any]]:
    """Rule and reason, the commonest first."""
    found = rows(
        connection,
        f"""SELECT coalesce(w.rule, '') AS rule, e.body AS reason, count(*) AS times, count(DISTINCT e.ticket_id) AS tickets,
            count(DISTINCT e.user_id) AS people FROM entries e {_RULE}
        WHERE e.kind = 'skip' AND e.at > now() - make_interval(days => :days) GROUP BY 1, 2 ORDER BY 3 DESC, 1, 2 LIMIT :limit""",  # noqa: S608
        days=days,
        limit=limit,
    )
    return [dict(row) for row in found]


def skipped(connection: Connection, days: float) -> list[dict[str, Any]]:
    """Tickets that were skipped, the latest first, at most MOST: ticket, rule, the last reason, and the mentions they are made of."""
    found = rows(
        connection,
        f"""SELECT e.ticket_id AS ticket, coalesce(w.rule, '') AS rule, e.body AS reason,
            ARRAY(SELECT mention_id FROM ticket_mentions l WHERE l.ticket_id = e.ticket_id ORDER BY 1 LIMIT 100) AS mentions
        FROM (SELECT DISTINCT ON (ticket_id) id, ticket_id, body FROM entries WHERE kind = 'skip'
            AND at > now() - make_interval(secs => :seconds) ORDER BY ticket_id, id DESC) e {_RULE} ORDER BY e.id DESC LIMIT :most""",  # noqa: S608
        seconds=days * 86_400,
        most=MOST,
    )
    return [dict(row) for row in found]
