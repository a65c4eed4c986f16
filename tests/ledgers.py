"""A small, whole ledger made by the real steps: pages stored, a digest drained, effects delivered, a flag raised."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import Connection, text

from domain.nouns import Author, Mention, Sentiment, Stored, Verdict
from domain.rules import ServiceLevel
from storage import channels, deliveries, escalations, mentions, outbox, runs
from storage.ledger import Ledger
from storage.page_in import Found, PageCounts, PageIn, Rejected
from workers import digest, file

SECRET = b"a test's secret"
NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
DESKS = ("stdout", "desk")
LINKABLE = frozenset({"x"})


def judge(stored: Stored) -> Verdict:
    """By the first word: `help` opens a ticket, `maybe` waits for review, anything else is ignored."""
    word = stored.mention.content.split(" ")[0]
    outcome = {"help": "ticket", "maybe": "review"}.get(word, "ignore")
    sentiment = Sentiment("negative" if outcome == "ticket" else "neutral", -0.5, "test", "1", "none")
    receipt = {"tokens": stored.mention.content.split(), "rule": word}
    return Verdict(
        outcome, f"rule:{word or 'deleted'}", "service", "normal", "care", "en", sentiment, ("because",), receipt
    )  # type: ignore[arg-type]


def desktop() -> file.Desktop:
    levels = {name: ServiceLevel(name, 60, 600) for name in ("low", "normal", "high", "urgent")}  # type: ignore[arg-type]
    return file.Desktop(judge, ("acme", "other"), levels, tuple(map(file.Desk, DESKS)), LINKABLE, "http://console")


def post(platform: str, id_: str, said: str, author: Author | None, context: str = "", **more: Any) -> Mention:
    return Mention(
        platform,
        id_,
        NOON,
        content=said,
        context=context or id_,
        attributed_to=author,
        url=f"https://{platform}.example/{id_}",
        **more,
    )


def person(n: int, **more: Any) -> Author:
    return Author(f"u{n}", f"user{n}", f"User {n}", f"https://example.org/u{n}", **more)


def add_channel(ledger: Ledger, *names: str, platform: str = "x") -> None:
    rows = [
        {"name": n, "kind": platform, "platform": n.split("-")[0], "schedule": "every 60", "spec": n, "enabled": True}
        for n in names
    ]
    ledger.run(lambda c: channels.sync(c, rows))


def lease(ledger: Ledger, name: str) -> channels.Leased:
    channel = ledger.run(lambda c: channels.want(c, name))
    assert channel is not None
    leased = ledger.run(lambda c: channels.lease(c, channel, "tester"))
    assert leased is not None
    return leased


def store(
    ledger: Ledger, channel: str, found: Sequence[Mention], rejected: Sequence[Rejected] = (), gaps: Sequence[Any] = ()
) -> PageCounts:
    """One page through the real ingest. A mention that says `other` matches no topic."""
    leased = lease(ledger, channel)
    items = [Found(m, () if "unrelated" in m.content else ("acme",), f'{{"text": "{m.content}"}}') for m in found]
    page = PageIn(leased.id, leased.lease, {"seen": len(items)}, items, list(rejected), list(gaps))
    counts = ledger.run(lambda c: mentions.store_page(c, SECRET, page))
    ledger.run(lambda c: channels.release(c, leased, satisfied=True))
    return counts


def drain(ledger: Ledger) -> digest.Digested:
    return digest.drain(ledger, desktop(), "tester", lambda: False)


def deliver(ledger: Ledger, target: str, limit: int | None = None) -> int:
    """Settle what is owed to a target, as its desk had answered 201."""
    settled = 0
    while limit is None or settled < limit:
        claimed = ledger.run(lambda c: deliveries.claim(c, target, "tester", 60))
        if not claimed:
            break
        for owed in claimed:
            ledger.run(lambda c, owed=owed: _settle(c, owed))
            settled += 1
    return settled


def _settle(connection: Connection, owed: deliveries.Owed) -> None:
    deliveries.rendered(connection, owed, owed.notice, 60)
    done = {"state": "done", "outcome": "done", "delay": timedelta(), "reason": "", "error": None, "status": 201}
    deliveries.finish(connection, owed, **done, remote_id=f"r{owed.id}")
    if owed.kind == "ticket.create" and owed.ticket_id:
        deliveries.link(connection, owed.ticket_id, owed.target, f"r{owed.id}", None)


def bury_one(ledger: Ledger) -> int:
    """One waiting mention becomes a dead letter."""
    from storage import digests

    claimed = ledger.run(lambda c: digests.claim(c, "tester"))
    mention = claimed.mentions[-1][0]

    def work(connection: Connection) -> None:
        run = runs.start(connection, "digest", "tester")
        digests.bury(connection, run, claimed.lease, mention, "it raised", "ValueError: 'bad'")
        runs.finish(connection, run)

    ledger.run(work)
    ledger.run(lambda c: digests.give_back(c, claimed.lease))
    return mention


def raise_flag(ledger: Ledger, samples: Sequence[dict[str, Any]]) -> int:
    def work(connection: Connection) -> int:
        run = runs.start(connection, "watch", "tester")
        flag = escalations.open_flag(connection, run, "spike", "acme", NOON, 2, 0.9, {"samples": list(samples)})
        assert flag is not None
        effect = outbox.Effect(
            "alert", "flag.open", f"em-f{flag}-1-alert", {"id": flag, "samples": list(samples)}, escalation_id=flag
        )
        outbox.owe_many(connection, run, [effect])
        runs.finish(connection, run)
        return flag

    return ledger.run(work)


def targets(ledger: Ledger) -> None:
    statement = text("INSERT INTO targets (name, kind) VALUES (:name, 'stdout') ON CONFLICT DO NOTHING")
    ledger.run(lambda c: c.execute(statement, [{"name": name} for name in (*DESKS, "alert")]))


def world(database_url: str) -> Ledger:
    """Three channels, some pages of each kind, tickets with two desks, every table of the promises filled."""
    ledger = Ledger(database_url, name="test", pool=2)
    add_channel(ledger, "x-one", "x-two", "reddit-one")
    targets(ledger)
    help_ = [post("x", f"p{n}", f"help me with {n}", person(n % 4), context=f"t{n % 5}") for n in range(12)]
    talk = [post("x", f"q{n}", f"talk about {n}", person(n)) for n in range(4)]
    review = [post("reddit", f"r{n}", f"maybe {n}", person(n)) for n in range(5)]
    anonymous = [post("reddit", f"a{n}", f"help {n}", None) for n in range(2)]
    bad = [Rejected("no id", f'{{"n": {n}}}') for n in range(3)]
    store(ledger, "x-one", [*help_, *talk, post("x", "z", "unrelated", person(9))], bad[:2])
    store(ledger, "x-two", help_[:6], bad[2:], [(NOON, NOON + timedelta(hours=1), "page cap")])
    store(ledger, "reddit-one", [*review, *anonymous], (), [(None, NOON, "too old")])
    drain(ledger)
    edited = [
        post("x", "p0", "help me please with 0", person(0), context="t0"),
        post("x", "q1", "help now 1", person(1)),
    ]
    store(ledger, "x-one", [*help_, *edited])
    store(ledger, "x-two", [post("x", "p5", "", None, kind="Tombstone"), *talk])
    drain(ledger)
    for target in DESKS:
        deliver(ledger, target, 6)
    raise_flag(ledger, [{"mention_id": 1, "text": "help me with 0", "url": "https://x.example/p0"}])
    deliver(ledger, "alert")
    store(ledger, "x-one", [post("x", f"w{n}", f"help waiting {n}", person(n)) for n in range(4)])
    bury_one(ledger)
    return ledger
