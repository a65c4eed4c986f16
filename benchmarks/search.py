"""What the indexes of words and of customers' names cost who files tickets, and what a search costs: `python -m benchmarks.search`.

Batches of 200 tickets of new customers are filed by the digest step's own statements, the triggers of one index switched on and off in turn;
searches are held beside a bare question for the same rows.
"""

import json
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, text

from domain.seek import sought
from storage import filing, runs, search, views
from storage.ledger import Ledger
from storage.migrate import upgrade
from storage.provision import create_database
from workers import services

SAID = (
    "My card was declined at the till again and nobody answers the phone about it since this morning, order {n}. "
    "I need it to travel tomorrow and will call the ombudsman"
)
BATCH, ROUNDS = 200, 12
TRIGGERS = {
    "words": (("ticket_mentions", "links_words"), ("tickets", "tickets_words"), ("entries", "entries_words")),
    "names": (("customers", "customers_named"), ("customer_identities", "links_named")),
}
QUERIES = ("ombudsman", '"order 77"', "card NEAR/3 declined", "order -travel")


def main() -> None:
    with tempfile.TemporaryDirectory(prefix="earmark-search-") as folder:
        Path(folder).chmod(0o711)  # the server runs as somebody else where we are root
        place = services.start(Path(folder))
        try:
            url = create_database(place.database_url, "search")
            upgrade(url)
            ledger = Ledger(url)
            filed = {name: _filing(ledger, n * 1000, name) for n, name in enumerate(TRIGGERS)}
            with ledger.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
                connection.execute(text("VACUUM ANALYZE"))
            print(json.dumps({**filed, "searches": _searching(ledger)}, indent=2))
            ledger.close()
        finally:
            services.remove(Path(folder))


def _filing(ledger: Ledger, first: int, index: str) -> dict[str, float]:
    taken: dict[bool, list[float]] = {True: [], False: []}
    for n in range(first, first + 2 * ROUNDS + 3):  # the last leaves them switched on
        on = n % 2 == 0
        with ledger.begin() as connection:
            for table, name in TRIGGERS[index]:
                connection.execute(text(f"ALTER TABLE {table} {'ENABLE' if on else 'DISABLE'} TRIGGER {name}"))
        ids = ledger.run(lambda c, n=n: _posts(c, n))  # type: ignore[misc]
        begun = time.perf_counter()
        ledger.run(lambda c, ids=ids: _file(c, ids))  # type: ignore[misc]
        if n > first + 1:  # the first two fill caches
            taken[on].append(time.perf_counter() - begun)
    with_, without = (statistics.median(taken[on]) for on in (True, False))
    return {
        "tickets_per_batch": BATCH,
        "with_ms": round(with_ * 1000, 1),
        "without_ms": round(without * 1000, 1),
        "ratio": round(with_ / without, 3),
        "per_ticket_us": round((with_ - without) * 1e6 / BATCH, 1),
    }


def _posts(connection: Connection, n: int) -> list[int]:
    made = connection.execute(
        text(
            "INSERT INTO mentions (platform, origin, native_id, kind, url, name, content, published, context, author_id, author_handle, "
            "content_hash, page_id) SELECT 'reddit', 'o', :b || g, 'Note', 'u', '', replace(:said, '{n}', CAST(:n * 1000 + g AS text)), now(), "
            ":b || g, :b || g, 'a', 1, 1 FROM generate_series(1, :size) g RETURNING id"
        ),
        {"b": f"b{n}-", "said": SAID, "n": n, "size": BATCH},
    )
    return [row[0] for row in made]


def _file(connection: Connection, ids: list[int]) -> None:
    run = runs.start(connection, "digest", "benchmark")
    who = {id_: ("reddit", "", f"a{id_}") for id_ in ids}
    author = {"platform": "reddit", "origin": "", "handle": "a", "name": "", "url": None, "followers": None}
    known = filing.identities(connection, [{**author, "native_id": f"a{id_}"} for id_ in ids])
    customers = filing.make_customers(connection, dict.fromkeys(known.values(), "a"), {})
    keys = {id_: (f"k{id_}", customers[known[who[id_]]]) for id_ in ids}
    opened, *_ = filing.open_tickets(connection, list(keys.values()))
    ticket = {
        "subject": SAID[:80], "priority": "normal", "team": "cards", "intent": "complaint", "topic": "t", "platform": "reddit",
        "label": "negative", "targets": ["helpdesk"], "first": 60, "resolve": 600,
    }  # fmt: skip
    filing.tickets(connection, run, [{**ticket, "id": opened[key], "customer_id": key[1]} for key in keys.values()])
    filing.link(connection, run, [(opened[key], id_) for id_, key in keys.items()])
    filing.enter(
        connection,
        run,
        [{"ticket_id": opened[key], "kind": "mention", "mention_id": id_, "version": 1} for id_, key in keys.items()],
    )
    runs.finish(connection, run)


def _searching(ledger: Ledger) -> dict[str, dict[str, float]]:
    found = {}
    for query in QUERIES:
        condition, values = search.condition(sought(query).node)
        bare = text(f"SELECT DISTINCT w.ticket_id FROM ticket_words w WHERE {condition}")
        with ledger.read() as connection:
            whole = _median(lambda c=connection, q=query: views.tickets(c, views.Filter(view="all", q=q)))  # type: ignore[misc]
            asked = _median(lambda c=connection, b=bare, v=values: c.execute(b, v).all())  # type: ignore[misc]
            total = views.tickets(connection, views.Filter(view="all", q=query)).total
        found[query] = {"tickets": total, "page_ms": round(whole * 1000, 1), "bare_ms": round(asked * 1000, 1)}
    return found


def _median(ask: Any) -> float:
    taken = []
    for _ in range(9):
        begun = time.perf_counter()
        ask()
        taken.append(time.perf_counter() - begun)
    return statistics.median(taken)


if __name__ == "__main__":
    main()
