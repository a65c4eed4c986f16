"""How long the console's pages take against the bare SQL of the same rows: `python -m benchmarks.pages [--quick] [--database URL]`.

Fills a ledger of its own by `earmark seed` (5 million mentions and 500,000 tickets; --quick: 200,000 and 100,000) unless --database names
one that is filled, serves the console, and asks for each kind of page again and again, each time another ticket, customer, word or range.
The statements a page ran are then run alone over the driver, in turn with it. Bare is what the page's own rows need: the statements every
page runs (session, navigation) and what it writes (the audit) count for the page only. A page holds when its 95th percentile is at most that of its SQL plus 40 ms, or three
times it. Ends with 1 when one does not, or weighs more than 150 KB with its style and script.
"""

import argparse
import random
import re
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx2
import psutil
import psycopg
from sqlalchemy import event

from benchmarks.pickup import percentile
from storage import migrate, seed, users
from storage.ledger import Ledger, one, raw_url, rows
from storage.provision import create_database
from tests import web
from workers import services

MORE, TIMES, WEIGHT = 0.040, 3.0, 150_000  # seconds beyond the bare SQL, or as many times it; bytes
WORDS = (
    "declined",
    "refund",
    "tarjeta",
    "Überweisung",
    "“charged twice”",
    "app crashing",
    "declined AND Ulm",
    "card NOT app",
    "transf*",
)


@dataclass(slots=True)
class Timed:
    """Seconds of one kind of page and of its SQL alone."""

    name: str
    page: list[float] = field(default_factory=list)
    bare: list[float] = field(default_factory=list)
    statements: int = 0
    weight: int = 0
    slack: float = 1.0

    @property
    def limit(self) -> float:
        return self.slack * max(percentile(self.bare, 0.95) + MORE, percentile(self.bare, 0.95) * TIMES)

    @property
    def holds(self) -> bool:
        return percentile(self.page, 0.95) <= self.limit and self.weight < WEIGHT


class Watch:
    """The statements the console runs, with their values, as the driver gets them: one by one or several at once."""

    def __init__(self, ledger: Ledger) -> None:
        self.seen: list[tuple[str, Any]] = []
        ledger.engine.dispose()  # those there are would not be watched
        event.listen(ledger.engine, "connect", self._watch)

    def _watch(self, driver: psycopg.Connection[Any], _: Any) -> None:
        seen = self.seen

        class Watched(psycopg.Cursor[Any]):
            def execute(self, query: Any, params: Any = None, **options: Any) -> Any:
                told = str(query).lstrip()
                if (
                    told.upper().startswith(("SELECT", "WITH"))
                    and "audit_head" not in told
                    and "pg_advisory" not in told
                ):
                    seen.append((str(query), params))
                return super().execute(query, params, **options)

        driver.cursor_factory = Watched

    def take(self) -> list[tuple[str, Any]]:
        taken = list(self.seen)
        self.seen.clear()
        return taken


def kinds(ledger: Ledger, dice: random.Random) -> dict[str, Callable[[], str]]:
    """Kind of page → another address of it each time."""
    with ledger.read() as connection:
        least, most = rows(connection, "SELECT min(number), max(number) FROM tickets")[0].values()
        first, last = rows(connection, "SELECT min(id), max(id) FROM customers")[0].values()
        busiest = one(
            connection, "SELECT customer_id FROM tickets WHERE customer_id IS NOT NULL GROUP BY 1 ORDER BY count(*) DESC, 1 LIMIT 1"
        )  # fmt: skip
        flags = [row["id"] for row in rows(connection, "SELECT id FROM escalations ORDER BY id DESC LIMIT 50")]
    teams, moods = ("cards", "fraud", "care", "network"), ("negative", "neutral")
    return {
        "inbox, open": lambda: f"/inbox?page={dice.randint(1, 3)}",
        "inbox, all, newest": lambda: f"/inbox?view=all&sort=newest&page={dice.randint(1, 3)}",
        "inbox, filtered": lambda: (
            f"/inbox?view=all&sort=newest&team={dice.choice(teams)}&sentiment={dice.choice(moods)}&platform=x"
        ),
        "search, open": lambda: f"/inbox?q={dice.choice(WORDS)}",
        "search, all": lambda: f"/inbox?view=all&sort=newest&q={dice.choice(WORDS)}",
        "ticket": lambda: f"/tickets/{dice.randint(least, most)}",
        "customer": lambda: f"/customers/{dice.randint(first, last)}",
        "customer, busiest": lambda: f"/customers/{busiest}",
        "customers": lambda: f"/customers?page={dice.randint(1, 5)}",
        "customers, by name": lambda: f"/customers?q={dice.choice(('Ann', 'Weber', 'Zoë Rossi', 'eber', 'oë'))}",
        "review": lambda: "/review",
        "dashboard, 7 days": lambda: "/dashboards?range=7d",
        "dashboard, 30 days, topic": lambda: f"/dashboards?range=30d&topic={dice.choice(('northbank', 'volta'))}",
        "dashboard, 90 days": lambda: "/dashboards?range=90d",
        "dashboard, tickets": lambda: f"/dashboards?board=tickets&range={dice.choice(('7d', '30d', '90d'))}",
        "dashboard, journeys": lambda: f"/dashboards?board=journeys&range={dice.choice(('7d', '30d', '90d'))}",
        "mentions of a mark": lambda: f"/mentions?{_since(dice.choice((1, 6, 24)))}&mood={dice.choice(moods)}",
        "mentions of 90 days": lambda: f"/mentions?{_since(90 * 24)}&topic=northbank&page={dice.randint(1, 9)}",
        "journeys of a mark": lambda: f"/journeys?{_since(30 * 24)}&before=chat&after=call",
        "flag": lambda: f"/flags/{dice.choice(flags or [0])}",
    }


def _since(hours: int) -> str:
    """From so many hours ago, as a mark's address says it."""
    return f"since={datetime.now(UTC) - timedelta(hours=hours):%Y-%m-%dT%HZ}"


def measure(url: str, turns: int, dice: random.Random, only: str = "", slack: float = 1.0) -> list[Timed]:
    """Each kind `turns` times, page and bare SQL in turn, after two that are not counted."""
    app = web.make_app(url)
    ledger: Ledger = app.state.house.ledger
    watch, found = Watch(ledger), []
    with ledger.begin() as connection:
        id_ = users.add(
            connection, f"bench{time.time_ns()}@example.org", "correct horse battery staple", "admin", "Bench"
        )
    with (
        web.serve(app) as address,
        web.enter(ledger, address, id_) as client,
        psycopg.connect(raw_url(url), autocommit=True, options="-c jit=off -c timezone=UTC") as bare,
    ):
        client.timeout = httpx2.Timeout(60)
        watch.take()
        client.get("/customers?q=nobody-of-that-name")
        common = {statement for statement, _ in watch.take() if "FROM customers c" not in statement}
        for name, address_of in kinds(ledger, dice).items():
            if only not in name:
                continue
            timed = Timed(name, slack=slack)
            for turn in range(turns + 2):
                path = address_of()
                watch.take()
                began = time.perf_counter()
                answer = client.get(path)
                took = time.perf_counter() - began
                own = [(sql, values) for sql, values in watch.take() if sql not in common]
                assert answer.status_code in (200, 404), (path, answer.status_code, answer.text[:300])
                alone = _run(bare, own)
                if turn > 1 and answer.status_code == 200:
                    timed.page.append(took)
                    timed.bare.append(alone)
                    timed.statements = len(own)
                    timed.weight = max(timed.weight, _weight(client, answer))
            found.append(timed)
            print(_said(timed), flush=True)
    return found


def _run(connection: psycopg.Connection[Any], statements: Sequence[tuple[str, Any]]) -> float:
    began = time.perf_counter()
    with connection.transaction():
        for sql, values in statements:
            connection.execute(sql, values, prepare=True).fetchall()
    return time.perf_counter() - began


def _weight(client: httpx2.Client, answer: httpx2.Response) -> int:
    linked = set(re.findall(r'(?:src|href)="(/static/[^"]+)"', answer.text))
    return answer.num_bytes_downloaded + sum(client.get(path).num_bytes_downloaded for path in linked)


def _said(timed: Timed) -> str:
    p50, p95, sql = (percentile(v, p) * 1000 for v, p in ((timed.page, 0.5), (timed.page, 0.95), (timed.bare, 0.95)))
    return (
        f"  {timed.name:26s} page p50 {p50:6.0f} p95 {p95:6.0f} ms   its {timed.statements:2d} statements p95 {sql:6.0f} ms   "
        f"limit {timed.limit * 1000:6.0f}   {timed.weight / 1000:4.0f} KB   {'holds' if timed.holds else 'DOES NOT HOLD'}"
    )


@contextmanager
def filled(url: str, mentions: int, tickets: int) -> Iterator[str]:
    """The ledger of `url`, or a new one on servers of its own, seeded."""
    if url:
        yield url
        return
    home = Path(tempfile.mkdtemp(prefix="earmark-bench-"))
    home.chmod(0o711)
    try:
        made = create_database(services.start(home).database_url, "pages")
        migrate.upgrade(made)
        ledger = Ledger(made)
        plan, began = ledger.run(lambda c: seed.plan(c, mentions, tickets, 1)), time.monotonic()
        for done in seed.fill(ledger, plan):
            print(f"\r  {done:,} of {plan.mentions:,} mentions", end="", file=sys.stderr, flush=True)
        seed.analyse(ledger)
        ledger.close()
        print(f"\nseeded in {time.monotonic() - began:.0f} s", flush=True)
        yield made
    finally:
        services.remove(home)


def run(mentions: int, tickets: int, turns: int, url: str = "", only: str = "", slack: float = 1.0) -> bool:
    with filled(url, mentions, tickets) as found:
        ledger = Ledger(found)
        with ledger.read() as connection:
            held = {
                name: one(connection, f"SELECT count(*) FROM {name}") for name in ("mentions", "tickets", "customers")
            }
            size = one(connection, "SELECT pg_size_pretty(pg_database_size(current_database()))")
        ledger.close()
        print(f"pages over {', '.join(f'{n:,} {name}' for name, n in held.items())} ({size}), {turns} times each")
        timed = measure(found, turns, random.Random(1), only, slack)
    print(f"  load of the machine meanwhile: {psutil.getloadavg()[0]:.1f}")
    return all(one_.holds for one_ in timed)


def main() -> int:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--quick", action="store_true", help="200,000 mentions, 100,000 tickets")
    options.add_argument("--mentions", type=int)
    options.add_argument("--tickets", type=int)
    options.add_argument("--turns", type=int, default=40)
    options.add_argument("--database", default="", help="the URL of a ledger that is filled already")
    options.add_argument("--only", default="", help="kinds of page with this in their name")
    options.add_argument("--slack", type=float, default=1.0, help="times the limit, for a machine that is shared")
    args = options.parse_args()
    mentions, tickets = (200_000, 100_000) if args.quick else (5_000_000, 500_000)
    good = run(args.mentions or mentions, args.tickets or tickets, args.turns, args.database, args.only, args.slack)
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
