"""How long the screen-pop takes at a million customers: `python -m benchmarks.lookup [--customers N]`.

Fills a ledger of its own with generate_series (three identities a customer, four posts for every tenth, two calls for every fifth, a ticket for
every tenth), analyses it, and asks GET /api/v1/lookup over HTTP by phone, address, handle and order number.
"""

import argparse
import contextlib
import json
import random
import statistics
import tempfile
import time
from pathlib import Path

import httpx2
import psutil
from sqlalchemy import text

from storage import tokens
from storage.ledger import Ledger
from storage.migrate import upgrade
from storage.provision import create_database, drop_database
from tests import web
from workers import services

_FILL = """
INSERT INTO customers (id, name, tier, source) OVERRIDING SYSTEM VALUE SELECT n, 'Person ' || n, CASE WHEN n % 9 = 0 THEN 'gold' ELSE '' END, 'import'
    FROM generate_series(1, :n) n;
INSERT INTO identities (id, kind, platform, native_id, handle) OVERRIDING SYSTEM VALUE
    SELECT n * 4, 'email', '', 'person' || n || '@example.org', '' FROM generate_series(1, :n) n;
INSERT INTO identities (id, kind, platform, native_id, handle) OVERRIDING SYSTEM VALUE
    SELECT n * 4 + 1, 'phone', '', '+4915' || (100000000 + n), '' FROM generate_series(1, :n) n;
INSERT INTO identities (id, kind, platform, native_id, handle) OVERRIDING SYSTEM VALUE
    SELECT n * 4 + 2, 'account', 'x', 'u' || n, 'person_' || n FROM generate_series(1, :n) n;
INSERT INTO identities (id, kind, platform, native_id, handle) OVERRIDING SYSTEM VALUE
    SELECT n * 4 + 3, 'order', '', 'A-' || n, '' FROM generate_series(1, :n) n WHERE n % 2 = 0;
INSERT INTO customer_identities (identity_id, customer_id, evidence, confidence, source) SELECT id, id / 4, 'made', 1, 'import' FROM identities;
INSERT INTO mentions (id, platform, native_id, kind, content, published, author_id, content_hash, page_id) OVERRIDING SYSTEM VALUE
    SELECT n * 4 + k, 'x', 'p' || n || '-' || k, 'Note', 'my card was declined again ' || k, now() - make_interval(days => k * 9), 'u' || n * 10, 1, 1
    FROM generate_series(1, :n / 10) n, generate_series(0, 3) k;
INSERT INTO verdicts (mention_id, version, outcome, reason, intent, priority, label, compound, scorer, identity_id, run_id)
    SELECT id, 1, 'ticket', 'r', 'complaint', 'normal', 'negative', -0.4, 'vader', 2 + 4 * CAST(substr(author_id, 2) AS bigint), 1 FROM mentions;
INSERT INTO tickets (id, number, customer_id, subject, run_id) OVERRIDING SYSTEM VALUE SELECT n, n, n * 10, 'declined', 1 FROM generate_series(1, :n / 10) n;
INSERT INTO ticket_mentions (mention_id, ticket_id, run_id) SELECT id, id / 4, 1 FROM mentions;
INSERT INTO interactions (source, external_id, kind, identity_id, happened_at, subject) SELECT 'pbx', n || '-' || k, 'call', n * 20 + 1, now() - make_interval(days => k), 'call'
    FROM generate_series(1, :n / 5) n, generate_series(1, 2) k;
"""


def fill(ledger: Ledger, customers: int) -> float:
    started = time.monotonic()
    with ledger.begin() as connection:
        connection.execute(text("SET LOCAL statement_timeout = 0"))
        for table in ("tickets", "interactions"):  # nothing happened to anybody
            connection.execute(text(f"ALTER TABLE {table} DISABLE TRIGGER USER"))
        for statement in _FILL.split(";\n"):
            if statement.strip():
                connection.execute(text(statement), {"n": customers} if ":n" in statement else {})
    with ledger.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("SET statement_timeout = 0"))
        connection.execute(text("VACUUM ANALYZE"))
    return time.monotonic() - started


def ask(address: str, token: str, customers: int, times: int, seed: int) -> dict[str, list[float]]:
    """Milliseconds by what was asked for."""
    rng = random.Random(seed)
    found: dict[str, list[float]] = {"phone": [], "email": [], "handle": [], "order": []}
    with httpx2.Client(base_url=address, headers={"authorization": f"Bearer {token}"}) as client:
        for turn in range(times + 20):
            n = rng.randrange(1, customers // 10) * 10  # those with posts and tickets: the most there is to show
            asked = {
                "phone": f"+4915{100000000 + n}",
                "email": f"person{n}@example.org",
                "handle": f"person_{n}",
                "order": f"A-{n}",
            }
            for name, value in asked.items():
                started = time.perf_counter()
                answer = client.get("/api/v1/lookup", params={name: value})
                spent = (time.perf_counter() - started) * 1000
                assert answer.json()[0]["customer"]["id"] == n, answer.text
                if turn >= 20:
                    found[name].append(spent)
    return found


def _cpu(running: services.Services) -> tuple[float, float]:
    """CPU seconds of this process, and of PostgreSQL's backends that still run."""
    ours = [p for p in psutil.process_iter(["cmdline"]) if str(running.folder) in " ".join(p.info["cmdline"] or [])]
    theirs = 0.0
    for process in [*ours, *(child for p in ours for child in p.children(recursive=True))]:
        with contextlib.suppress(psutil.NoSuchProcess):
            times = process.cpu_times()
            theirs += times.user + times.system
    return time.process_time(), theirs


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--customers", type=int, default=1_000_000)
    parser.add_argument("--times", type=int, default=250)
    parser.add_argument("--seed", type=int, default=2)
    parser.add_argument("--json", action="store_true")
    asked = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="earmark-lookup-"))
    folder.chmod(0o711)
    running = services.start(folder)
    try:
        url = create_database(running.database_url, "lookup")
        upgrade(url)
        ledger = Ledger(url, name="benchmark", pool=2)
        seconds = fill(ledger, asked.customers)
        token = ledger.run(lambda c: tokens.add(c, "benchmark", ["lookup:read"], 1, "command", per_minute=100_000))[1]
        with web.serve(web.make_app(url)) as address:
            before = _cpu(running)
            found = ask(address, token, asked.customers, asked.times, asked.seed)
            cpu = [
                (now - then) * 1000 / (asked.times + 20) / 4 for now, then in zip(_cpu(running), before, strict=True)
            ]
        ledger.close()
        drop_database(running.database_url, "lookup")
    finally:
        services.remove(folder)
    figures = {
        name: {
            "median_ms": round(statistics.median(spent), 1),
            "p95_ms": round(statistics.quantiles(spent, n=20)[-1], 1),
        }
        for name, spent in found.items()
    }
    if asked.json:
        print(json.dumps({"customers": asked.customers, "filled_in": round(seconds), "cpu_ms": cpu, **figures}))
        return
    print(f"{asked.customers} customers, filled in {seconds:.0f} s, {asked.times} of each, seed {asked.seed}")
    print(f"  CPU of one: {cpu[0]:.1f} ms web process with the asking client, {cpu[1]:.1f} ms PostgreSQL")
    for name, one in figures.items():
        print(f"  by {name:7s} median {one['median_ms']:6.1f} ms, p95 {one['p95_ms']:6.1f} ms")


if __name__ == "__main__":
    main()
