"""How long a single post takes on an idle system: served by the town, its page committed, its filing begun, its ticket committed.

Commit times are PostgreSQL's own (`track_commit_timestamp`, on for this part alone). A filing transaction begins after its batch was
claimed, loaded and judged, so the pickup shown is longer than the time to the claim.
"""

import random
import time
from dataclasses import dataclass

from benchmarks.premises import Site

POST = "Northbank charged me twice for order {n}, this is terrible service and nobody helps"


@dataclass(frozen=True, slots=True)
class Moment:
    """One post's milliseconds."""

    served_to_ticket: float
    page_to_filing: float
    page_to_ticket: float


def run(site: Site, posts: int, seed: int = 1) -> list[Moment]:
    """Write a post, wait for its ticket, pause a random moment; the channel is polled each second meanwhile."""
    dice = random.Random(seed)
    site.read()
    written: dict[str, float] = {}
    for n in range(posts):
        time.sleep(dice.uniform(0.2, 1.2))
        id_ = site.town.post("x", POST.format(n=n), author=f"customer{n}")
        written[id_] = time.time()
        site.wait(lambda goal=n + 1: site.number("SELECT count(*) FROM tickets") >= goal, 20, "a ticket")
    served = _served(site)
    rows = site.asking.execute(
        """SELECT m.native_id, extract(epoch FROM pg_xact_commit_timestamp(p.xmin)), extract(epoch FROM r.at),
            extract(epoch FROM pg_xact_commit_timestamp(t.xmin))
        FROM mentions m JOIN page_counters p ON p.id = m.page_id JOIN verdicts v ON v.mention_id = m.id
        JOIN runs r ON r.id = v.run_id JOIN ticket_mentions t ON t.mention_id = m.id"""
    ).fetchall()
    return [
        Moment(
            (float(ticket) - min(at for at in served if at >= written[id_])) * 1000,
            (float(began) - float(page)) * 1000,
            (float(ticket) - float(page)) * 1000,
        )
        for id_, page, began, ticket in rows
    ]


def _served(site: Site) -> list[float]:
    """When answers that held a post had left the town."""
    asked = site.town.ledger.requests("x")
    return sorted(row["at"] + row["ms"] / 1000 for row in asked if row["items"] and row["status"] == 200)


def percentile(values: list[float], share: float) -> float:
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]
