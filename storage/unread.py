"""What a person has had on their screen: kept apart from whether the customer waits (storage/views.py), which reading does not change."""

from sqlalchemy import Connection, text

from storage.ledger import one


def seen(connection: Connection, user_id: int, number: int) -> None:
    """All that is on the ticket now is about to be shown to them; nothing is written when they had seen it."""
    connection.execute(
        text(
            "INSERT INTO ticket_seen (user_id, ticket_id, at) SELECT :me, e.ticket_id, max(e.at) FROM entries e "
            "JOIN tickets t ON t.id = e.ticket_id WHERE t.number = :number GROUP BY 2 HAVING max(e.at) > coalesce("
            "(SELECT s.at FROM ticket_seen s WHERE s.user_id = :me AND s.ticket_id = e.ticket_id), '-infinity') "
            "ON CONFLICT (user_id, ticket_id) DO UPDATE SET at = EXCLUDED.at WHERE ticket_seen.at < EXCLUDED.at"
        ),
        {"me": user_id, "number": number},
    )


def forget(connection: Connection, user_id: int, number: int) -> bool:
    """As if they had never looked: for `mark unread`, of one person alone. False where there is no such ticket."""
    id_ = one(connection, "SELECT id FROM tickets WHERE number = :number", number=number)
    connection.execute(
        text("DELETE FROM ticket_seen WHERE user_id = :me AND ticket_id = :ticket"), {"me": user_id, "ticket": id_}
    )
    return id_ is not None
