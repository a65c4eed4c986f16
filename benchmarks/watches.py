"""The watch step at ten thousand series with the ledger in it: ticks, restarts, and the finer series of what was filed.

usage: python -m benchmarks.watches [--topics 1000] [--ticks 6] [--mentions 200000] [--filed 5000] [--kinds]

Each topic is read on nine platforms and watched as a whole and on each of them: ten series a topic. One (topic, platform) in a hundred is
busy, the others say something sixty times in fourteen days; each minute of talk is three rows of `counts`, as the digest and the finer series leave
it. `--kinds` also asks share and silence of each topic. Every minute a tenth of the series say something. Time is CPU: of this process, and of its connection's process at PostgreSQL.
"""

import argparse
import os
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from statistics import median

import psutil
from sqlalchemy import Connection, text

import config
from domain.rules import SpikeRule, Topic
from storage import finer
from storage.ledger import Ledger, one
from storage.migrate import upgrade
from storage.provision import create_database
from workers import services
from workers.lookout import Lookout
from workers.watch import tick

NOW = datetime(2026, 8, 1, 12, 0, 30, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
PLATFORMS = ("reddit", "x", "mastodon", "feed", "appstore", "discourse", "hackernews", "imap", "webhook")
MEASURES = ("all", "negative", "authors")


class Clock:
    """CPU seconds since it was made: (here, at PostgreSQL, by the wall)."""

    def __init__(self, connection: Connection) -> None:
        self.theirs = psutil.Process(one(connection, "SELECT pg_backend_pid()"))
        self.ours = psutil.Process(os.getpid())
        self.begun = self._now()

    def _now(self) -> tuple[float, float, float]:
        return sum(self.ours.cpu_times()[:2]), sum(self.theirs.cpu_times()[:2]), time.perf_counter()

    def read(self) -> tuple[float, float, float]:
        a, b, c = (now - then for now, then in zip(self._now(), self.begun, strict=True))
        return a, b, c


def history(connection: Connection, topics: int) -> int:
    """Fourteen days of counts."""
    connection.execute(text("SET LOCAL statement_timeout = 0"))
    connection.execute(
        text("""INSERT INTO counts (topic, platform, measure, minute, n)
        SELECT 'topic' || lpad(t::text, 4, '0'), p, m, CAST(:now AS timestamptz) - b * interval '5 minutes', 1 + (t + b) % 4
        FROM generate_series(1, :topics) t CROSS JOIN unnest(CAST(:platforms AS text[])) WITH ORDINALITY AS q(p, nth)
        CROSS JOIN LATERAL (SELECT DISTINCT 1 + (hashint8(t * 97 + nth * 13 + k * 7919)::bigint & 2147483647) % 4031 AS b
            FROM generate_series(1, CASE WHEN (t * 9 + nth) % 100 = 0 THEN 8000 ELSE 60 END) k) x
        CROSS JOIN unnest(CAST(:measures AS text[])) m"""),
        {
            "now": NOW.replace(second=0),
            "topics": topics,
            "platforms": list(PLATFORMS),
            "measures": list(MEASURES),
        },
    )
    connection.execute(
        text("INSERT INTO channels (name, kind, platform, since) VALUES ('talk', 'feed', 'feed', :since)"),
        {"since": NOW - timedelta(days=30)},
    )
    return int(one(connection, "SELECT count(*) FROM counts"))


def minute(connection: Connection, now: datetime, topics: int) -> None:
    """What one minute adds: a tenth of all series say something."""
    connection.execute(
        text("""INSERT INTO counts AS c (topic, platform, measure, minute, n)
        SELECT 'topic' || lpad(t::text, 4, '0'), p, m, date_trunc('minute', CAST(:now AS timestamptz)), 1 FROM generate_series(1, :topics) t
        CROSS JOIN unnest(CAST(:platforms AS text[])) WITH ORDINALITY AS q(p, nth) CROSS JOIN unnest(CAST(:measures AS text[])) m
        WHERE (t + nth + CAST(:n AS int)) % 10 = 0 ON CONFLICT (topic, platform, measure, minute) DO UPDATE SET n = c.n + 1"""),
        {"now": now, "topics": topics, "platforms": list(PLATFORMS), "measures": list(MEASURES), "n": now.minute},
    )


def filed(connection: Connection, first: int, n: int, run: int, each: int = 200) -> list[int]:
    """Mentions with verdicts of runs of `each`, all negative, by twenty thousand people; returns the runs."""
    connection.execute(text("SET LOCAL statement_timeout = 0"))
    about = {"first": first, "last": first + n - 1, "now": NOW, "run": run, "each": each}
    for statement in (
        """INSERT INTO mentions (id, platform, native_id, kind, content, published, author_id, content_hash, page_id) OVERRIDING SYSTEM VALUE
        SELECT g, 'x', g::text, 'Note', 'the app is down', CAST(:now AS timestamptz) - (:last - g) * interval '6 seconds', (hashint8(g) & 2147483647) % 20000, 0, 0
        FROM generate_series(CAST(:first AS bigint), :last) g""",
        """INSERT INTO sightings (channel_id, mention_id, topics, page_id)
        SELECT (SELECT min(id) FROM channels), g, ARRAY['topic' || lpad((1 + g % 1000)::text, 4, '0')], 0 FROM generate_series(CAST(:first AS bigint), :last) g""",
        """INSERT INTO verdicts (mention_id, version, outcome, reason, intent, priority, label, scorer, run_id)
        SELECT g, 1, 'ticket', 'rule', 'complaint', 'normal', 'negative', 'vader', :run + (g - :first) / :each FROM generate_series(CAST(:first AS bigint), :last) g""",
    ):
        connection.execute(text(statement), about)
    return list(range(run, run + -(-n // each)))


def said(name: str, spent: list[tuple[float, float, float]]) -> str:
    middle = [median(column) for column in zip(*spent, strict=True)]
    most = max(sum(one[:2]) for one in spent)
    return f"{name}: here {middle[0]:.2f} s, at PostgreSQL {middle[1]:.2f} s of CPU (most together {most:.2f}), {middle[2]:.2f} s by the wall"


def watching(ledger: Ledger, house: config.Config, ticks: int, topics: int) -> None:
    who, spent = Lookout(), []
    for n in range(ticks + 1):
        now = NOW + n * MINUTE
        ledger.run(lambda c, now=now: minute(c, now, topics))  # type: ignore[misc]
        with ledger.begin() as connection:
            clock = Clock(connection)
            tick(connection, who, house, now, "a")
            spent.append(clock.read())
    print(said(f"the very first start of {len(who.rows)} series", spent[:1]))
    print(said("a tick", spent[1:]))
    again = Lookout()
    with ledger.begin() as connection:
        clock = Clock(connection)
        tick(connection, again, house, NOW + (ticks + 30) * MINUTE, "a")
        print(said("a restart with half an hour since", [clock.read()]))
    with ledger.begin() as connection:
        print("flags:", one(connection, "SELECT count(*) FROM escalations"))


def counting(ledger: Ledger, old: int, new: int) -> None:
    with ledger.begin() as connection:
        filed(connection, 1, old, 1)
    with ledger.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("VACUUM ANALYZE"))
    spent, first, run = [], old + 1, old // 200 + 10
    for _ in range(5):
        with ledger.begin() as connection:
            made = filed(connection, first, new, run)
        with ledger.begin() as connection:
            clock = Clock(connection)
            finer.count(connection, made)
            spent.append(clock.read())
        first, run = first + new, made[-1] + 1
    print(said(f"finer series of {new} mentions filed after {old}", spent))


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--topics", type=int, default=1_000)
    options.add_argument("--ticks", type=int, default=6)
    options.add_argument("--mentions", type=int, default=200_000)
    options.add_argument("--filed", type=int, default=5_000)
    options.add_argument("--kinds", action="store_true", help="share and silence as well")
    args = options.parse_args()
    rule = SpikeRule("negative-spike", floor=5, threshold=0.5, platforms=True)
    others = (SpikeRule("share", kind="share", floor=20), SpikeRule("silence", kind="silence")) if args.kinds else ()
    topics = tuple(Topic(f"topic{n:04d}") for n in range(1, args.topics + 1))
    house = config.Config(topics=topics, escalations=(rule, *others))
    with tempfile.TemporaryDirectory(prefix="earmark-watches-") as folder:
        try:
            url = create_database(services.start(Path(folder)).database_url, "watches")
            upgrade(url)
            ledger = Ledger(url)
            print("rows of counts:", ledger.run(lambda c: history(c, args.topics)))
            with ledger.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
                connection.execute(text("VACUUM ANALYZE counts"))
            watching(ledger, house, args.ticks, args.topics)
            counting(ledger, args.mentions, args.filed)
            ledger.close()
        finally:
            services.stop(Path(folder))


if __name__ == "__main__":
    main()
