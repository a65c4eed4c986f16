"""What one transaction meant to write: counts and sums of ids, kept apart from the rows themselves.

`earmark reconcile` holds the rows against these. The figures come from what the client decided, the rows from what the
database holds: two sides, two statements.
"""

from dataclasses import dataclass
from operator import attrgetter

from sqlalchemy import Connection

from storage import bulk


@dataclass(slots=True)
class Run:
    """Sums: verdict_sum of mention ids + versions + identity ids; ticket_sum of ticket ids; link_sum of ticket + mention ids; entry_sum of entry +
    ticket + mention ids + versions; outbox_sum of outbox + ticket + entry + escalation ids (0 for what a row does not have)."""

    id: int
    kind: str
    worker: str = ""
    verdicts: int = 0
    ticketed: int = 0
    in_review: int = 0
    ignored: int = 0
    tickets: int = 0
    links: int = 0
    entries: int = 0
    outbox: int = 0
    dead: int = 0
    verdict_sum: int = 0
    ticket_sum: int = 0
    link_sum: int = 0
    entry_sum: int = 0
    outbox_sum: int = 0
    ms: int = 0

    def wrote_verdict(self, mention_id: int, version: int, outcome: str, identity_id: int | None = None) -> None:
        self.verdicts += 1
        self.verdict_sum += mention_id + version + (identity_id or 0)
        self.ticketed += outcome == "ticket"
        self.in_review += outcome == "review"
        self.ignored += outcome == "ignore"

    def wrote_entry(
        self, entry_id: int, ticket_id: int, mention_id: int | None = None, version: int | None = None
    ) -> None:
        self.entries += 1
        self.entry_sum += entry_id + ticket_id + (mention_id or 0) + (version or 0)

    def wrote_outbox(
        self, outbox_id: int, ticket_id: int | None, entry_id: int | None = None, escalation_id: int | None = None
    ) -> None:
        self.outbox += 1
        self.outbox_sum += outbox_id + (ticket_id or 0) + (entry_id or 0) + (escalation_id or 0)

    def wrote_link(self, ticket_id: int, mention_id: int) -> None:
        self.links += 1
        self.link_sum += ticket_id + mention_id

    def wrote_ticket(self, ticket_id: int) -> None:
        self.tickets += 1
        self.ticket_sum += ticket_id


_FIELDS = tuple(Run.__dataclass_fields__)
_figures = attrgetter(*_FIELDS)


def start(connection: Connection, kind: str, worker: str = "") -> Run:
    """Give this transaction its number; rows it writes carry it as run_id."""
    return Run(id=ids(connection, "runs", 1)[0], kind=kind, worker=worker)


def finish(connection: Connection, run: Run) -> None:
    """Write down what was meant, last."""
    bulk.copy(connection, f"runs ({', '.join(_FIELDS)})", [_figures(run)])


def ids(connection: Connection, table: str, n: int) -> list[int]:
    """Draw `n` ids for rows of one of our tables, so that the client knows them before it writes."""
    if n <= 0:
        return []
    sequence = "ticket_number" if table == "ticket_number" else f"{table}_id_seq"
    drawn = "SELECT nextval(CAST(%s AS regclass)) FROM generate_series(1, %s)"
    return [id_ for (id_,) in bulk.fetch(connection, drawn, (sequence, n))]
