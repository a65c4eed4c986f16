"""A large made-up ledger, written by PostgreSQL itself in blocks: for trying a scale, never beside real customers.

Everything follows from the seed and a row's number by `hashint8extended`, so that the same call makes the same rows. Mentions stand in
windows of about 200, each of one platform: a window is a page of its channel and a run of the digest step, with figures `earmark reconcile`
agrees with. Of each `each` mentions the first opens a ticket, the next may join it, and the rest are ignored or left to review.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Connection, text

from storage import seed_words as said
from storage.ledger import Ledger, one, rows
from storage.sums import COUNTED

DAYS = 90
BLOCK = 40_000  # mentions a transaction
WINDOW = 200
PEOPLE = 10_000  # customers a transaction
IN_USE = ("mentions", "tickets", "customers", "identities", "page_counters", "runs")


@dataclass(frozen=True, slots=True)
class Plan:
    """What will be made. Ids are drawn before the first row; `each` mentions have one ticket among them."""

    seed: int
    until: datetime
    each: int
    window: int
    windows: int
    people: int  # customers
    strangers: int  # authors who are nobody's customer
    first: dict[str, int]  # table → the id before the first

    @property
    def mentions(self) -> int:
        return self.windows * self.window

    @property
    def tickets(self) -> int:
        return self.mentions // self.each


def in_use(connection: Connection) -> dict[str, int]:
    """Which tables hold rows already, and how many."""
    found = {name: int(one(connection, f"SELECT count(*) FROM {name}")) for name in IN_USE}  # noqa: S608 our own names
    return {name: n for name, n in found.items() if n}


def plan(connection: Connection, mentions: int, tickets: int, seed: int) -> Plan:
    """Round to whole windows, draw the ids, make the channels. Raises ValueError for figures that do not go together."""
    if not 2 <= mentions // max(tickets, 1) <= WINDOW or mentions < WINDOW * 6:
        raise ValueError(f"a ticket needs 2 to {WINDOW} mentions, and there are at least {WINDOW * 6}")
    each = mentions // tickets
    window = each * (WINDOW // each)
    windows = -(-mentions // window)
    whole = windows * window
    people, strangers = max(6, whole // each * 6 // 10), max(6, whole // 5)
    needed = {
        "mentions": whole, "identities": people + strangers + people // 5, "customers": people, "tickets": whole // each,
        "ticket_number": whole // each, "page_counters": windows, "runs": windows + 1, "users": 12,
    }  # fmt: skip
    first = {name: _reserve(connection, name, n) for name, n in needed.items()}
    now = one(connection, "SELECT date_trunc('minute', now())")
    made = Plan(seed, now, each, window, windows, people, strangers, first)
    connection.execute(text(said.CHANNELS), {"platforms": list(said.PLATFORMS)})
    connection.execute(text(said.USERS), {"first": first["users"], "names": list(said.AGENTS)})
    return made


def _reserve(connection: Connection, table: str, n: int) -> int:
    sequence = "ticket_number" if table == "ticket_number" else f"{table}_id_seq"
    before = int(one(connection, "SELECT nextval(CAST(:name AS regclass))", name=sequence))
    one(connection, "SELECT setval(CAST(:name AS regclass), :to)", name=sequence, to=before + n + 1000)
    return before


def fill(ledger: Ledger, made: Plan) -> Iterator[int]:
    """Make the rows, block by block; yields how many mentions and people are there after each. A stop leaves whole blocks."""
    values = _values(made)
    done = 0
    for start in range(0, made.people, PEOPLE):
        ledger.run(lambda c, s=start: _run(c, said.CUSTOMERS, values, a=s, b=min(s + PEOPLE, made.people)))
    for start in range(0, made.people + made.strangers, PEOPLE * 4):
        end = min(start + PEOPLE * 4, made.people + made.strangers)
        ledger.run(lambda c, s=start, e=end: _run(c, said.IDENTITIES, values, a=s, b=e))
    span = max(1, BLOCK // made.window)
    for start in range(0, made.windows, span):
        end = min(start + span, made.windows)
        done += ledger.run(lambda c, s=start, e=end: _block(c, made, values, s, e))
        yield done
    ledger.run(lambda c: _after(c, made, values))


def _values(made: Plan) -> dict[str, object]:
    return {
        "seed": made.seed, "until": made.until, "since": made.until - timedelta(days=DAYS), "days": DAYS, "each": made.each,
        "window": made.window, "whole": made.mentions, "people": made.people, "strangers": made.strangers,
        "platforms": list(said.PLATFORMS), "kinds": len(said.PLATFORMS), "topics": list(said.TOPICS), "teams": list(said.TEAMS),
        "intents": list(said.INTENTS), "labels": list(said.LABELS), "openings": said.flat("openings"), "things": said.flat("things"),
        "troubles": said.flat("troubles"), "wishes": said.flat("wishes"), "praises": said.flat("praises"), "wide": said.WIDE,
        "places": list(said.PLACES), "names": list(said.NAMES), "surnames": list(said.SURNAMES), "notes": list(said.NOTES),
        "answers": list(said.ANSWERS), "tongues": list(said.LANGUAGES), "agents": len(said.AGENTS),
        **{f"{name}_0": id_ for name, id_ in made.first.items()},
    }  # fmt: skip


def _run(connection: Connection, sql: str, values: dict[str, object], **more: object) -> None:
    connection.execute(text("SET LOCAL statement_timeout = 0"))
    connection.execute(text("SET LOCAL synchronous_commit = off"))
    connection.execute(text(sql), {**values, **more})


def _block(connection: Connection, made: Plan, values: dict[str, object], start: int, end: int) -> int:
    """Some windows, whole: mentions, verdicts, tickets, and the pages and runs that say they wrote them."""
    connection.execute(
        text("SELECT set_config('earmark.quiet', 'on', true)")
    )  # what is made up here happened to nobody
    for sql in (said.DRAFT, *said.BLOCK, *_books()):
        _run(connection, sql, values, a=start, b=end)
    connection.execute(text(said.HUSH))
    connection.execute(text("DROP TABLE seed_posts, seed_tickets"))
    return (end - start) * made.window


def _books() -> tuple[str, ...]:
    """Pages and runs by the same sums as reconcile's, of the rows of this block."""
    sums = {
        name: COUNTED[name].proof
        for name in ("mentions", "sightings", "verdicts", "tickets", "ticket_mentions", "entries")
    }
    return tuple(sql.format(**sums) for sql in (said.PAGES, said.RUNS))


def _after(connection: Connection, made: Plan, values: dict[str, object]) -> None:
    """What is summed over all of it: channels' books, flags, what dashboards read."""
    for sql in (*said.AFTER, said.HUSH):
        _run(connection, sql, values)


def analyse(ledger: Ledger) -> None:
    """Statistics and visibility for the planner, as autovacuum would in a while."""
    with ledger.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("SET statement_timeout = 0"))
        names = rows(connection, "SELECT relname FROM pg_stat_user_tables WHERE n_live_tup > 1000 ORDER BY 1")
        for row in names:
            connection.execute(text(f'VACUUM (ANALYZE) "{row["relname"]}"'))
