"""Who is told of a flag and who hears that somebody looks after it; what is held back before a flag; series of intents, people and reach."""

import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx2
import pytest
from sqlalchemy import Connection, text

import config
from config.models import Channel, Target
from connectors.contract import Context
from connectors.outbound import load
from domain.act_links import BadLink, link, read
from domain.live import bin_of
from domain.rules import SpikeRule, Topic
from storage import filed, pages, runs
from storage.ledger import Ledger, one, rows
from tests import web
from town.server import Town
from workers.deliver import deliver
from workers.lookout import Lookout
from workers.watch import tick

NOW = datetime(2026, 5, 4, 12, 0, 30, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
PLAIN = SpikeRule("negative-spike", floor=5)
KEY = b"k" * 32


@pytest.fixture
def ledger(database_url: str) -> Iterator[Ledger]:
    made = Ledger(database_url)
    with made.begin() as c:
        tables = "counts channels gaps page_counters escalations outbox attempts runs pages incidents snapshots tickets entries mentions"
        for table in (*tables.split(), "sightings", "verdicts", "identities", "meta"):
            c.execute(text(f"TRUNCATE {table} CASCADE"))
        c.execute(
            text("INSERT INTO channels (name, kind, platform, since) VALUES ('talk', 'feed', 'feed', :since)"),
            {"since": NOW - timedelta(days=20)},
        )
        for half_hours in range(2, 10 * 48):
            count(c, NOW - timedelta(minutes=30 * half_hours), 1)
    yield made
    made.close()


def count(c: Connection, at: datetime, n: int, measure: str = "negative") -> None:
    c.execute(
        text(
            "INSERT INTO counts (topic, platform, measure, minute, n) VALUES ('bank', 'feed', :m, date_trunc('minute', CAST(:at AS timestamptz)), :n) "
            "ON CONFLICT (topic, platform, measure, minute) DO UPDATE SET n = counts.n + EXCLUDED.n"
        ),
        {"m": measure, "at": at, "n": n},
    )


NUMBERS = iter(range(1, 10**6))


def say(
    c: Connection, at: datetime, words: str, *, author: str = "", intent: str = "complaint", label: str = "negative",
    followers: int = 0, run: int | None = None,
) -> None:  # fmt: skip
    """A mention that was judged and counted, as the digest leaves it."""
    n = next(NUMBERS)
    author = author or f"a{n}"
    if run is None:
        made = runs.start(c, "digest")
        runs.finish(c, made)
        run = made.id
    identity = one(
        c, "INSERT INTO identities (kind, platform, origin, native_id, followers, source) VALUES ('account', 'feed', '', :a, :f, 'author') "
        "ON CONFLICT DO NOTHING RETURNING id", a=author, f=followers,
    ) if followers else None  # fmt: skip
    id_ = one(
        c, "INSERT INTO mentions (platform, native_id, kind, content, published, author_id, content_hash, page_id) "
        "VALUES ('feed', :n, 'Note', :words, :at, :author, 0, 0) RETURNING id", n=f"n{n}", words=words, at=at, author=author,
    )  # fmt: skip
    c.execute(
        text(
            "INSERT INTO sightings (channel_id, mention_id, topics, page_id) SELECT id, :m, '{bank}', 0 FROM channels"
        ),
        {"m": id_},
    )
    c.execute(
        text(
            "INSERT INTO verdicts (mention_id, version, outcome, reason, intent, priority, label, scorer, identity_id, run_id) "
            "VALUES (:m, 1, 'ticket', 'rule', :intent, 'normal', :label, 'vader', :i, :run)"
        ),
        {"m": id_, "intent": intent, "label": label, "i": identity, "run": run},
    )
    count(c, at, 1, "all")
    if label == "negative":
        count(c, at, 1)


def current(*rules: SpikeRule, alerts: tuple[Target, ...] = ()) -> config.Config:
    return config.Config(topics=(Topic("bank"),), escalations=rules or (PLAIN,), alerts=alerts)


def look(ledger: Ledger, who: Lookout, now: datetime, house: config.Config) -> list[dict[str, Any]]:
    """One look; the flags there are, oldest first."""
    with ledger.begin() as c:
        tick(c, who, house, now, "a", KEY)
        return [dict(row) for row in rows(c, "SELECT * FROM escalations ORDER BY id")]


def held(ledger: Ledger) -> list[dict[str, Any]]:
    with ledger.begin() as c:
        return [dict(row) for row in pages.held_back(c)]


# --- acknowledged: both ways, and never in a circle ------------------------------------------------------------------
@pytest.fixture(scope="module")
def town() -> Iterator[Town]:
    with Town() as made:
        yield made


@pytest.fixture
def wired(ledger: Ledger, town: Town) -> tuple[config.Config, Callable[[], None]]:
    """(a house that tells Slack and PagerDuty, a round of deliveries)."""
    chat = {"channel": "C0ALERTS", "token_env": "SLACK", "signing_env": "S", "base_url": town.urls["slack"]}
    duty = {"routing_key_env": "KEY", "signing_env": "W", "base_url": town.urls["pagerduty"]}
    house = current(
        alerts=(Target(name="chat", kind="slack", settings=chat), Target(name="duty", kind="pagerduty", settings=duty))
    )
    secrets = {"SLACK": "xoxb-northbank-town", "KEY": town.stands["pagerduty"].keys["routing"]}
    context = Context(lambda: datetime.now(UTC), secrets.__getitem__, frozenset({"127.0.0.1"}))
    with ledger.begin() as c:
        c.execute(text("DELETE FROM targets"))
        c.execute(text("INSERT INTO targets (name, kind) VALUES ('chat', 'slack'), ('duty', 'pagerduty')"))

    def settle() -> None:
        for target in house.alerts:
            module = load(target.kind)
            desk = module.Desk(module.Settings(**target.settings), context)
            deliver(ledger, target.name, desk, "w", lambda: False, lambda: datetime.now(UTC))

    return house, settle


def raised(ledger: Ledger, house: config.Config, who: Lookout) -> int:
    look(ledger, who, NOW, house)
    with ledger.begin() as c:
        count(c, NOW - MINUTE, 60)
    return int(look(ledger, who, NOW, house)[-1]["id"])


def owed(ledger: Ledger) -> list[tuple[str, str, str]]:
    with ledger.begin() as c:
        return [
            (r["target"], r["kind"], r["state"])
            for r in rows(c, "SELECT target, kind, state FROM outbox ORDER BY target, kind")
        ]


def test_what_is_acknowledged_here_is_said_in_slack_and_pagerduty_once(ledger: Ledger, town: Town, wired: Any) -> None:
    house, settle = wired
    who = Lookout()
    flag = raised(ledger, house, who)
    settle()
    with ledger.begin() as c:
        ts = one(c, "SELECT remote_id FROM outbox WHERE target = 'chat'")
        pages.acknowledge(c, flag, "user:1")
        c.execute(text("UPDATE escalations SET acked_at = :now"), {"now": NOW})
    assert town.stands["pagerduty"].open[f"earmark:{flag}"] == "triggered"
    look(ledger, who, NOW + timedelta(seconds=5), house)
    look(ledger, who, NOW + timedelta(seconds=10), house)
    settle()
    look(ledger, who, NOW + timedelta(seconds=15), house)
    assert owed(ledger) == [(t, k, "done") for t in ("chat", "duty") for k in ("flag.ack", "flag.open")]
    assert town.stands["pagerduty"].open[f"earmark:{flag}"] == "acknowledged"
    assert "user:1" in str(town.stands["slack"].shown(ts)["blocks"])
    with pytest.raises(KeyError):
        town.stands["slack"].press(ts, "U7")
    with ledger.begin() as c:
        told = [(r["kind"], r["target"], r["action"]) for r in pages.of_flag(c, flag)]
    assert told.count(("flag.ack", "chat", "sent")) == told.count(("flag.ack", "duty", "sent")) == 1


def test_what_is_acknowledged_there_comes_here_and_does_not_go_back(
    ledger: Ledger, database_url: str, town: Town, wired: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    house, settle = wired
    who = Lookout()
    flag = raised(ledger, house, who)
    settle()
    stand = town.stands["pagerduty"]
    monkeypatch.setenv("S", town.stands["slack"].keys["signing"])
    monkeypatch.setenv("W", stand.keys["webhook"])
    with ledger.begin() as c:
        ts = one(c, "SELECT remote_id FROM outbox WHERE target = 'chat'")
        c.execute(
            text("INSERT INTO configurations (hash, document) VALUES (:h, CAST(:d AS jsonb))"),
            {"h": f"h{flag}", "d": json.dumps(house.document(), default=str)},
        )
    with web.serve(web.make_app(database_url)) as address, httpx2.Client(base_url=address) as client:

        def push(target: str, sent: tuple[dict[str, str], bytes]) -> int:
            return client.post(f"/hooks/alerts/{target}", headers=sent[0], content=sent[1]).status_code

        assert push("duty", stand.pushed[-1]) == 200  # our own trigger comes back as well, and is nothing
        assert acked(ledger, flag) == ""
        assert push("duty", stand.click(f"earmark:{flag}", "acknowledged", "PU1")) == 200
        assert acked(ledger, flag) == "duty:PU1"
        assert push("chat", town.stands["slack"].press(ts, "U7")) == 200
        assert acked(ledger, flag) == "duty:PU1"  # who was first stays
        with ledger.begin() as c:
            c.execute(text("UPDATE escalations SET acked_at = :now"), {"now": NOW})
        before = len(stand.pushed)
        for seconds in (5, 10):
            look(ledger, who, NOW + timedelta(seconds=seconds), house)
            settle()
        assert owed(ledger) == [
            ("chat", "flag.ack", "done"),
            ("chat", "flag.open", "done"),
            ("duty", "flag.open", "done"),
        ]
        assert len(stand.pushed) == before
        with ledger.begin() as c:
            told = [(r["target"], r["action"], r["reason"]) for r in pages.of_flag(c, flag) if r["kind"] == "flag.ack"]
        assert sorted(told) == [("chat", "sent", ""), ("duty", "held", "acknowledged there")]


def acked(ledger: Ledger, flag: int) -> str:
    with ledger.begin() as c:
        return str(one(c, "SELECT acked_by FROM escalations WHERE id = :i", i=flag))


def test_a_notice_has_a_link_that_does_one_thing_for_a_week(ledger: Ledger, wired: Any) -> None:
    flag = raised(ledger, wired[0], Lookout())
    with ledger.begin() as c:
        body = rows(c, "SELECT notice::jsonb AS body FROM outbox WHERE target = 'chat'")[0]["body"]
    token = body["acts"]["ack"].rpartition("/")[2]
    now = NOW.timestamp()
    assert read(KEY, token, now) == (flag, "ack")
    for bad, at in ((token, now + 8 * 86_400), (token.replace(".ack.", ".noise."), now), (f"1{token}", now), ("", now)):
        with pytest.raises(BadLink):
            read(KEY, bad, at)
    with pytest.raises(BadLink):
        read(b"another key of an other house", token, now)
    assert link(KEY, "", flag, "ack", now) == f"/flags/act/{token}"


# --- held back before a flag, and raised after all --------------------------------------------------------------------
def test_too_few_authors_is_a_row_until_there_are_enough(ledger: Ledger) -> None:
    house, who = current(SpikeRule("negative-spike", floor=5, authors=3)), Lookout()
    look(ledger, who, NOW, house)
    with ledger.begin() as c:
        for n in range(40):
            say(c, NOW - MINUTE, OWN_WORDS[n % 10], author=f"p{n % 2}")
    assert look(ledger, who, NOW, house) == []
    assert look(ledger, who, NOW + MINUTE, house) == []
    [row] = held(ledger)
    assert (row["reason"], row["done_at"]) == ("too few authors: 2, and the rule asks for 3", None)
    with ledger.begin() as c:
        say(c, NOW, "mine is broken as well, and I am a third person", author="p3")
    [flag] = look(ledger, who, NOW + MINUTE, house)
    assert flag["evidence"]["authors"] == 3
    assert held(ledger)[0]["done_at"] is not None


def test_what_is_held_back_is_over_when_talk_is_usual_again(ledger: Ledger) -> None:
    house, who = current(SpikeRule("negative-spike", floor=5, authors=3)), Lookout()
    look(ledger, who, NOW, house)
    with ledger.begin() as c:
        count(c, NOW - MINUTE, 60)
    look(ledger, who, NOW, house)
    look(ledger, Lookout(), NOW + MINUTE, house)  # another process goes on with it: it is a row
    assert [row["done_at"] for row in held(ledger)] == [None]
    assert look(ledger, who, NOW + timedelta(days=3), house) == []
    assert [row["done_at"] is None for row in held(ledger)] == [False]


def test_copies_are_amplification_and_no_case_of_their_own(ledger: Ledger) -> None:
    """Forty people post the same words: said, shown, and no flag; a dozen who speak for themselves raise it."""
    house, who = current(), Lookout()
    look(ledger, who, NOW, house)
    with ledger.begin() as c:
        for n in range(40):
            say(
                c,
                NOW - MINUTE,
                f"Northbank takes your money and never answers, pass this on to everybody you know {'!' * (n % 3)}",
            )
    assert look(ledger, who, NOW, house) == []
    [row] = held(ledger)
    assert row["reason"].startswith("amplification: 39 of 40 are copies")
    with ledger.begin() as c:
        for words in OWN_WORDS:
            say(c, NOW, words)
    [flag] = look(ledger, who, NOW + MINUTE, house)
    assert flag["evidence"]["copies"] == 39
    assert flag["evidence"]["authors"] == 1 + len(OWN_WORDS)


OWN_WORDS = (
    "the card machine refused me in front of the whole shop today",
    "my salary has not arrived and nobody picks up the telephone",
    "logged out for the fifth time since breakfast, what is going on",
    "they charged the rent twice and now I am in the red",
    "three hours on hold with that awful music, then cut off",
    "transfer to my daughter is stuck since yesterday evening",
    "your update deleted all of my standing orders, thank you very much",
    "cash machine swallowed the card at the station and shows an error",
    "cannot see any balance, only a spinning wheel",
    "support told me to wait a week for an answer, ridiculous",
)


# --- finer series -----------------------------------------------------------------------------------------------------
def test_intents_people_and_reach_are_counted_once_from_what_was_filed(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(filed, "PART", 3)  # so that reading goes on after a part
    house, who = current(SpikeRule("must-not-wait", kind="mention", signals=("reach",), followers=1000)), Lookout()
    look(ledger, who, NOW, house)
    with ledger.begin() as c:
        c.execute(text("DELETE FROM counts"))
        for n in range(4):
            say(c, NOW - MINUTE, f"one {n}", author="same", intent="cancel")
        for n in range(5):
            say(c, NOW - MINUTE, f"two {n}", intent="complaint", followers=5000)
        say(c, NOW - MINUTE, "three", label="positive", intent="praise")
        say(c, NOW - MINUTE, "four", label="neutral", intent="service")
    flags = look(ledger, who, NOW, house)
    look(ledger, who, NOW + MINUTE, house)
    assert len(flags) == 5  # each of the five, whatever the part
    with ledger.begin() as c:
        found = {r["measure"]: r["n"] for r in rows(c, "SELECT measure, sum(n)::int AS n FROM counts GROUP BY 1")}
    finer = {k: v for k, v in found.items() if k not in ("all", "negative")}
    assert finer == {
        "negative+cancel": 4,
        "negative+complaint": 5,
        "negative+service": 1,
        "authors": 7,
        "reach": 4 + 5 * 4 + 1,
    }
    with ledger.begin() as c:
        say(c, NOW, "one more of the same person", author="same", intent="cancel")
    look(ledger, who, NOW + 2 * MINUTE, house)
    with ledger.begin() as c:
        assert one(c, "SELECT sum(n) FROM counts WHERE measure = 'authors'") == 7


def test_another_intent_flags_while_the_first_is_held(ledger: Ledger) -> None:
    """A wave of complaints stands; people who leave are another matter, told by themselves, and a flag on the complaints' own intent is not."""
    house, who = (
        current(SpikeRule("negative-spike", floor=5), SpikeRule("by-intent", floor=5, intents=("*",))),
        Lookout(),
    )
    with ledger.begin() as c:
        for half_hours in range(2, 10 * 48):
            for intent in ("complaint", "cancel"):
                count(c, NOW - timedelta(minutes=30 * half_hours + 1), 1, f"negative+{intent}")
    look(ledger, who, NOW, house)
    with ledger.begin() as c:
        for n in range(60):
            say(c, NOW - MINUTE, f"{n} broken {n * 31}", intent="complaint")
    first = look(ledger, who, NOW, house)
    assert [f["series"] for f in first] == ["bank/negative", "bank/negative+complaint"]
    with ledger.begin() as c:
        for n in range(30):
            say(c, NOW + 9 * MINUTE, f"{n} leaving {n * 37}", intent="cancel")
    later = look(ledger, who, NOW + 10 * MINUTE, house)
    assert [f["series"] for f in later[2:]] == ["bank/negative+cancel"]
    with ledger.begin() as c:
        told = {f["series"]: [r["reason"] for r in pages.of_flag(c, f["id"])] for f in later}
    assert told["bank/negative+complaint"] == ["folded under the topic's incident"]
    assert told["bank/negative+cancel"] == ["the rule names no alert"]  # it would be told


def test_the_evidence_says_which_channels_are_read_anew(ledger: Ledger) -> None:
    feeds = (Channel(name="talk", kind="feed"), Channel(name="elsewhere", kind="feed", topics=("other",)))
    house, who = current().model_copy(update={"channels": feeds}), Lookout()
    with ledger.begin() as c:
        c.execute(text("UPDATE channels SET since = :s"), {"s": NOW - timedelta(days=2)})
        c.execute(
            text("INSERT INTO channels (name, kind, since) VALUES ('elsewhere', 'feed', :s)"),
            {"s": NOW - timedelta(days=3)},
        )
    raised(ledger, house, who)
    with ledger.begin() as c:
        [said] = one(c, "SELECT evidence->'baseline_adapts' FROM escalations")
        c.execute(text("DELETE FROM channels WHERE name = 'elsewhere'"))
    assert said.startswith("talk is read only since 2026-05-02 12:00 UTC")


def test_a_changed_query_begins_what_is_usual_anew_and_says_so(ledger: Ledger) -> None:
    """The day before the query was widened ten mentions an hour were much; now they are ordinary and the flag that goes up says why."""
    house, who = current(), Lookout()
    with ledger.begin() as c:
        c.execute(text("DELETE FROM configurations"))
        for days, words in ((9, "one"), (5, "one"), (1, "other")):
            topics = json.dumps({"topics": [{"name": "bank", "label": f"{days}", "any": [words]}]})
            c.execute(
                text("INSERT INTO configurations (hash, document, at) VALUES ('q', CAST(:d AS jsonb), :at)"),
                {"d": topics, "at": NOW - timedelta(days=days)},
            )
        for half_hours in range(2, 48):
            count(c, NOW - timedelta(minutes=30 * half_hours), 9)
    assert look(ledger, who, NOW, house) == []
    assert who.live is not None
    assert who.live.board.pasts[0].first >= bin_of(NOW - timedelta(days=1))
    with ledger.begin() as c:
        count(c, NOW, 200)
    [flag] = look(ledger, who, NOW + MINUTE, house)
    assert flag["evidence"]["baseline_adapts"] == [
        f"the query of bank changed at {NOW - timedelta(days=1):%Y-%m-%d %H:%M} UTC: what is usual begins there"
    ]
    with ledger.begin() as c:
        c.execute(text("DELETE FROM configurations"))


def test_a_week_worse_than_the_four_before_is_told_once(ledger: Ledger) -> None:
    house, who = current(SpikeRule("drift", kind="drift", floor=10)), Lookout()
    with ledger.begin() as c:
        c.execute(text("DELETE FROM counts"))
        for days in range(35):
            count(c, NOW - timedelta(days=days, hours=1), 20, "all" if days < 20 else "all:before")
            count(c, NOW - timedelta(days=days, hours=1), 2, "negative" if days < 20 else "negative:before")
    assert look(ledger, who, NOW, house) == []
    with ledger.begin() as c:
        for days in range(7):
            count(c, NOW - timedelta(days=days, hours=1), 8)
    assert look(ledger, who, NOW + MINUTE, house) == []  # read once an hour
    assert [f["kind"] for f in look(ledger, who, NOW + timedelta(hours=1), house)] == ["drift"]
    assert len(look(ledger, who, NOW + timedelta(hours=1, minutes=1), house)) == 1
