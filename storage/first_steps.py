"""How far a new deployment has come: what an empty inbox says is to be done next."""

from dataclasses import dataclass

from sqlalchemy import Connection

from storage.ledger import rows


@dataclass(frozen=True, slots=True)
class Steps:
    configured: bool  # a configuration was accepted
    complaint: bool  # the newest one was refused
    channels: int  # switched on
    leader: bool  # a scheduler leads
    workers: int
    read: int  # channels that have read something
    mentions: bool
    pending: bool  # mentions wait for their verdict
    tickets: bool
    desks: int


def steps(connection: Connection) -> Steps:
    return Steps(
        **rows(
            connection,
            """SELECT EXISTS (SELECT 1 FROM configurations WHERE complaints IS NULL) AS configured,
                coalesce((SELECT complaints IS NOT NULL FROM configurations ORDER BY id DESC LIMIT 1), false) AS complaint,
                (SELECT count(*) FROM channels WHERE enabled) AS channels,
                EXISTS (SELECT 1 FROM workers WHERE leader AND seen_at > now() - interval '15 seconds') AS leader,
                (SELECT count(*) FROM workers WHERE kind = 'worker' AND seen_at > now() - interval '15 seconds') AS workers,
                (SELECT count(*) FROM channels WHERE enabled AND last_success_at IS NOT NULL) AS read,
                EXISTS (SELECT 1 FROM mentions) AS mentions, EXISTS (SELECT 1 FROM digests) AS pending,
                EXISTS (SELECT 1 FROM tickets) AS tickets, (SELECT count(*) FROM targets WHERE enabled) AS desks""",
        )[0]
    )
