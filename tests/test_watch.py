"""The watch step on a real ledger: a flag opens, updates and closes; gaps, backfill and late items raise no second one."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import Connection, text

import config
from config.models import Target
from domain.live import bin_of
from domain.paging import PageRoute, Paging, Quiet
from domain.rules import SpikeRule, Topic
from storage import pages, runs
from storage.ledger import Ledger, one, rows
from storage.reconcile import reconcile
from workers.lookout import Lookout, name
from workers.watch import tick

RULE = SpikeRule("negative-spike", floor=10, threshold=0.5)
NOW = datetime(2026, 5, 4, 12, 0, 30, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


@pytest.fixture
def ledger(database_url: str) -> Iterator[Ledger]:
    made = Ledger(database_url)
    LOOKOUTS.clear()
    with made.begin() as connection:
        for table in (
            "counts",
            "channels",
            "gaps",
            "page_counters",
            "escalations",
            "outbox",
            "runs",
            "pages",
            "incidents",
            "snapshots",
            "tickets",
            "entries",
        ):
            connection.execute(text(f"TRUNCATE {table}"))
        connection.execute(
            text("INSERT INTO channels (name, kind, platform, since) VALUES ('talk', 'feed', 'feed', :since)"),
            {"since": NOW - timedelta(days=10)},
        )
    yield made
    made.close()


def say(connection: Connection, at: datetime, n: int, measure: str = "negative") -> None:
    connection.execute(
        text(
            "INSERT INTO counts (topic, platform, measure, minute, n) VALUES ('bank', 'feed', :measure, :minute, :n) "
            "ON CONFLICT (topic, platform, measure, minute) DO UPDATE SET n = counts.n + EXCLUDED.n"
        ),
        {"measure": measure, "minute": at.replace(second=0, microsecond=0), "n": n},
    )


def quiet(connection: Connection, days: int = 9) -> None:
    """One negative mention each half hour."""
    for half_hours in range(2, days * 48):
        say(connection, NOW - timedelta(minutes=30 * half_hours), 1)


CONFIG = config.Config(topics=(Topic("bank"),), escalations=(RULE,), alerts=(Target(name="hook", kind="stdout"),))
LOOKOUTS: dict[str, Lookout] = {}


def look(ledger: Ledger, now: datetime, current: config.Config = CONFIG, who: str = "a") -> list[str]:
    """One look at every series; what was owed by it."""
    with ledger.begin() as connection:
        before = one(connection, "SELECT count(*) FROM outbox")
        tick(connection, LOOKOUTS.setdefault(who, Lookout()), current, now, who)
        found = rows(connection, "SELECT kind FROM outbox ORDER BY created_at, id OFFSET :n", n=before)
        return [row["kind"] for row in found]


def flags(ledger: Ledger) -> list[tuple[str, int]]:
    with ledger.begin() as connection:
        return [
            (row["state"], int(row["peak"]))
            for row in rows(connection, "SELECT state, peak FROM escalations ORDER BY id")
        ]


def test_a_flag_opens_grows_and_closes(ledger: Ledger) -> None:
    with ledger.begin() as connection:
        quiet(connection)
    assert look(ledger, NOW) == []
    with ledger.begin() as connection:
        say(connection, NOW - MINUTE, 60)
    assert look(ledger, NOW) == ["flag.open"]
    assert look(ledger, NOW + timedelta(seconds=10)) == []  # told once
    with ledger.begin() as connection:
        say(connection, NOW, 20)  # 80 in the window: not half as much again
    assert look(ledger, NOW + MINUTE) == []
    with ledger.begin() as connection:
        say(connection, NOW + MINUTE, 30)  # 110: it is
    assert look(ledger, NOW + 2 * MINUTE) == ["flag.update"]
    assert look(ledger, NOW + 10 * MINUTE) == []
    assert look(ledger, NOW + timedelta(hours=2)) == ["flag.close"]
    assert look(ledger, NOW + timedelta(hours=2, minutes=1)) == []
    assert flags(ledger) == [("closed", 110)]
    with ledger.begin() as connection:
        assert reconcile(connection).findings == []


def test_the_evidence_carries_the_numbers(ledger: Ledger) -> None:
    with ledger.begin() as connection:
        quiet(connection)
        say(connection, NOW - MINUTE, 60)
    look(ledger, NOW)
    with ledger.begin() as connection:
        evidence = rows(connection, "SELECT evidence FROM escalations")[0]["evidence"]
    assert evidence["count"] == 60
    assert evidence["threshold"] >= RULE.floor
    assert evidence["detector"]
    assert evidence["window"]["to"] == NOW.replace(second=0).isoformat()


def test_backfill_raises_nothing(ledger: Ledger) -> None:
    """A channel that was added a moment ago brings an old storm with it."""
    with ledger.begin() as connection:
        connection.execute(text("UPDATE channels SET since = :now"), {"now": NOW - timedelta(seconds=20)})
        quiet(connection)
        say(connection, NOW - MINUTE, 90, "negative:before")
        say(connection, NOW - 3 * MINUTE, 90, "negative:before")
    assert look(ledger, NOW) == []
    assert look(ledger, NOW + 5 * MINUTE) == []
    with ledger.begin() as connection:
        say(connection, NOW, 90)  # the same, heard live
    assert look(ledger, NOW + MINUTE) == ["flag.open"]


def test_a_gap_is_not_calm(ledger: Ledger) -> None:
    """Hours without a channel do not make ordinary talk look loud afterwards."""
    with ledger.begin() as connection:
        for minutes in range(60, 9 * 1440, 2):  # a lively topic: 5 in ten minutes all day
            say(connection, NOW - timedelta(minutes=minutes), 1)
        since, until = NOW - timedelta(days=8), NOW - timedelta(hours=3)
        connection.execute(
            text("DELETE FROM counts WHERE minute >= :since AND minute < :until"), {"since": since, "until": until}
        )
        channel = one(connection, "SELECT id FROM channels")
        connection.execute(
            text("INSERT INTO gaps (channel_id, page_id, since, until, reason) VALUES (:c, 0, :since, :until, 'down')"),
            {"c": channel, "since": since, "until": until},
        )
        for minutes in range(1, 10):
            say(connection, NOW - timedelta(minutes=minutes), 1)
    assert look(ledger, NOW) == []


def test_late_items_raise_no_second_flag(ledger: Ledger) -> None:
    with ledger.begin() as connection:
        quiet(connection)
        say(connection, NOW - MINUTE, 60)
    look(ledger, NOW)
    look(ledger, NOW + timedelta(hours=2))
    assert flags(ledger) == [("closed", 60)]
    with ledger.begin() as connection:
        say(connection, NOW - 2 * MINUTE, 40)  # found only now; it belongs to the storm that is over
    assert look(ledger, NOW + timedelta(hours=2, minutes=5)) == []
    assert flags(ledger) == [("closed", 60)]


def test_two_watchers_raise_one_flag(ledger: Ledger) -> None:
    with ledger.begin() as connection:
        quiet(connection)
        say(connection, NOW - MINUTE, 60)
    with ledger.begin() as first:
        tick(first, Lookout(), CONFIG, NOW, "a")
        with ledger.begin() as second:  # began before the first committed: it leaves the look to the first
            tick(second, Lookout(), CONFIG, NOW, "b")
    assert look(ledger, NOW, who="c") == []
    assert len(flags(ledger)) == 1


def test_a_restart_tells_nothing_again(ledger: Ledger) -> None:
    with ledger.begin() as connection:
        quiet(connection)
        say(connection, NOW - MINUTE, 60)
    assert look(ledger, NOW) == ["flag.open"]
    assert look(ledger, NOW + 3 * MINUTE, who="restarted") == []
    assert look(ledger, NOW + timedelta(hours=2), who="again") == ["flag.close"]


def test_a_gap_that_fills_is_judged_without_paging(ledger: Ledger) -> None:
    with ledger.begin() as connection:
        quiet(connection)
        channel = one(connection, "SELECT id FROM channels")
        connection.execute(
            text("INSERT INTO gaps (channel_id, page_id, since, until, reason) VALUES (:c, 0, :s, :u, 'down')"),
            {"c": channel, "s": NOW - timedelta(hours=5), "u": NOW - timedelta(hours=3)},
        )
    assert look(ledger, NOW) == []
    with ledger.begin() as connection:
        say(connection, NOW - timedelta(hours=4), 80)
        connection.execute(text("UPDATE gaps SET filled_at = now()"))
    assert look(ledger, NOW + MINUTE) == []
    with ledger.begin() as connection:
        found = rows(connection, "SELECT state, window_start, evidence FROM escalations")
        held = rows(connection, "SELECT action, reason FROM pages")
    assert [(f["state"], f["evidence"]["late"]) for f in found] == [("closed", True)]
    assert abs(found[0]["window_start"] - (NOW - timedelta(hours=4))) < timedelta(minutes=6)
    assert [(h["action"], h["reason"]) for h in held] == [("held", "the past was read late")]


def test_every_suppression_is_a_row_and_the_next_level_is_told(ledger: Ledger) -> None:
    routes = (PageRoute(alerts=("hook",), then=("boss",), after=15),)
    boss = Target(name="boss", kind="stdout")
    current = CONFIG.model_copy(update={"paging": Paging(routes=routes), "alerts": (*CONFIG.alerts, boss)})
    night = CONFIG.model_copy(update={"paging": Paging(quiet=Quiet("00:00-23:59", severity=11))})
    with ledger.begin() as connection:
        quiet(connection)
        say(connection, NOW - MINUTE, 60)
    assert look(ledger, NOW, night) == []
    with ledger.begin() as connection:
        assert [r["reason"] for r in rows(connection, "SELECT reason FROM pages")] == ["quiet hours 00:00-23:59 UTC"]
        connection.execute(text("TRUNCATE escalations, pages, incidents, snapshots"))
    assert look(ledger, NOW, current, "b") == ["flag.open"]
    assert look(ledger, NOW + 14 * MINUTE, current, "b") == []
    assert look(ledger, NOW + 16 * MINUTE, current, "b") == ["flag.open"]
    with ledger.begin() as connection:
        assert [r["target"] for r in rows(connection, "SELECT target FROM pages ORDER BY id")] == ["hook", "boss"]


def test_who_acknowledged_is_not_climbed_over(ledger: Ledger) -> None:
    routes = (PageRoute(alerts=("hook",), then=("hook",), after=15),)
    current = CONFIG.model_copy(update={"paging": Paging(routes=routes)})
    with ledger.begin() as connection:
        quiet(connection)
        say(connection, NOW - MINUTE, 60)
    assert look(ledger, NOW, current) == ["flag.open"]
    with ledger.begin() as connection:
        flag = one(connection, "SELECT id FROM escalations")
        assert pages.acknowledge(connection, flag, "user:1") == "user:1"
        assert pages.acknowledge(connection, flag, "user:2") == "user:1"
    assert look(ledger, NOW + 16 * MINUTE, current) == []
    with ledger.begin() as connection:
        assert one(connection, "SELECT reason FROM pages ORDER BY id DESC LIMIT 1") == "acknowledged"


def test_platforms_of_a_topic_fold_under_one_incident(ledger: Ledger) -> None:
    rule = SpikeRule("negative-spike", platforms=True)
    current = CONFIG.model_copy(update={"escalations": (rule,)})
    with ledger.begin() as connection:
        quiet(connection)
        say(connection, NOW - MINUTE, 60)
    assert look(ledger, NOW, current) == ["flag.open"]
    with ledger.begin() as connection:
        assert one(connection, "SELECT count(DISTINCT incident_id) FROM escalations") == 1
        assert one(connection, "SELECT count(*) FROM escalations") == 2


def test_a_restart_goes_on_from_its_snapshot_and_the_minutes_since(ledger: Ledger) -> None:
    with ledger.begin() as connection:
        quiet(connection)
    assert look(ledger, NOW) == []
    with ledger.begin() as connection:  # what is usual is known from the snapshot alone
        connection.execute(text("DELETE FROM counts WHERE minute < :t"), {"t": NOW - timedelta(hours=2)})
        say(connection, NOW + 20 * MINUTE, 60)
    assert look(ledger, NOW + 22 * MINUTE, who="restarted") == ["flag.open"]
    live = LOOKOUTS["restarted"].live
    assert live is not None
    assert live.board.known[0] > 2000


def test_a_snapshot_of_another_configuration_is_not_used(ledger: Ledger) -> None:
    assert look(ledger, NOW) == []
    elsewhere = CONFIG.model_copy(
        update={"settings": CONFIG.settings.model_copy(update={"console_url": "http://other"})}
    )
    other = CONFIG.model_copy(update={"escalations": (replace(RULE, floor=11),)})
    with ledger.begin() as connection:
        quiet(connection)
    assert look(ledger, NOW + MINUTE, elsewhere, who="edited elsewhere") == []
    live = LOOKOUTS["edited elsewhere"].live
    assert live is not None
    assert live.board.known[0] < 2000  # as it was written down
    assert look(ledger, NOW + MINUTE, other, who="restarted") == []
    live = LOOKOUTS["restarted"].live
    assert live is not None
    assert live.board.known[0] > 2000


def test_late_news_of_days_ago_is_known_within_the_hour(ledger: Ledger) -> None:
    with ledger.begin() as connection:
        quiet(connection)
    look(ledger, NOW)
    long_ago = NOW - timedelta(days=4)
    with ledger.begin() as connection:
        say(connection, long_ago, 41)
    for minute in range(1, 61):
        assert look(ledger, NOW + minute * MINUTE) == []
    live = LOOKOUTS["a"].live
    assert live is not None
    assert live.board.pasts[0].get(bin_of(long_ago)) >= 41


def test_a_platform_that_is_new_joins_and_a_gap_that_only_ends_begins_nothing_anew(ledger: Ledger) -> None:
    wide = CONFIG.model_copy(update={"escalations": (replace(RULE, platforms=True),)})
    with ledger.begin() as connection:
        channel = one(connection, "SELECT id FROM channels")
        connection.execute(
            text("INSERT INTO gaps (channel_id, page_id, since, until, reason) VALUES (:c, 0, :s, NULL, 'down')"),
            {"c": channel, "s": NOW - timedelta(minutes=30)},
        )
    look(ledger, NOW, wide)
    live = LOOKOUTS["a"].live
    with ledger.begin() as connection:
        quiet(connection)
        connection.execute(text("UPDATE gaps SET until = :u"), {"u": NOW})
    look(ledger, NOW + MINUTE, wide)
    look(ledger, NOW + 6 * MINUTE, wide)
    assert LOOKOUTS["a"].live is live
    assert [name(key) for _, key in LOOKOUTS["a"].rows] == ["bank/negative", "bank/feed/negative"]


def test_an_incident_has_a_parent_ticket_that_lists_what_it_explains_and_outlives_it(ledger: Ledger) -> None:
    with ledger.begin() as connection:
        quiet(connection)
        say(connection, NOW - MINUTE, 60)
        for number, topic, hours in ((901, "bank", 0), (902, "shop", 0), (903, "bank", 30)):
            run = runs.start(connection, "command")
            id_ = runs.ids(connection, "tickets", 1)[0]
            connection.execute(
                text(
                    "INSERT INTO tickets (id, number, topic, label, opened_at, run_id) OVERRIDING SYSTEM VALUE "
                    "VALUES (:id, :n, :topic, 'negative', :at, :run)"
                ),
                {"id": id_, "n": number, "topic": topic, "at": NOW - timedelta(hours=hours), "run": run.id},
            )
            run.wrote_ticket(id_)
            runs.finish(connection, run)
    look(ledger, NOW)
    with ledger.begin() as connection:
        parent = rows(connection, "SELECT t.* FROM tickets t JOIN incidents i ON i.ticket_id = t.id")[0]
        children = rows(connection, "SELECT number FROM tickets WHERE parent_id = :p ORDER BY 1", p=parent["id"])
    assert (parent["topic"], parent["tags"]) == ("bank", ["incident"])
    assert [row["number"] for row in children] == [901]
    look(ledger, NOW + timedelta(hours=2))
    with ledger.begin() as connection:
        assert one(connection, "SELECT closed_at IS NOT NULL FROM incidents")
        assert one(connection, "SELECT status FROM tickets WHERE id = :p", p=parent["id"]) == "new"
        assert one(connection, "SELECT count(*) FROM tickets") == 4
    with ledger.read() as connection:
        assert [str(f) for f in reconcile(connection).findings] == []


def test_a_digest_tells_all_that_waited_once(ledger: Ledger) -> None:
    later = CONFIG.model_copy(update={"paging": Paging(digest_below=11, digest_at="13:00")})
    with ledger.begin() as connection:
        quiet(connection)
        say(connection, NOW - MINUTE, 60)
    assert look(ledger, NOW, later) == []
    assert look(ledger, NOW + timedelta(minutes=61), later).count("flag.open") == 1
    assert look(ledger, NOW + timedelta(minutes=62), later).count("flag.open") == 0
    with ledger.begin() as connection:
        owed = rows(connection, "SELECT key, notice FROM outbox WHERE kind = 'flag.open'")
        assert [
            (r["action"], r["done_at"] is None)
            for r in rows(connection, "SELECT action, done_at FROM pages WHERE kind = 'flag.open'")
        ] == [("digest", False)]
    assert "1 flags" in owed[0]["notice"]
    with ledger.read() as connection:
        assert [str(f) for f in reconcile(connection).findings if f.table == "outbox"] == []
