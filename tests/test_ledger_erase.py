"""An erased person is in no table, does not come back, and the ledger still adds up."""

from collections.abc import Iterator
from datetime import timedelta
from threading import Thread
from typing import Any

import pytest
from sqlalchemy import text

from domain.nouns import Author
from storage import channels, drafts, erase, replies, roll, suppress
from storage.ledger import Ledger, one, rows
from storage.mentions import store_page
from storage.page_in import Found, PageIn, Rejected
from storage.reconcile import reconcile
from storage.users import User
from tests.ledgers import DESKS, NOON, SECRET, bury_one, deliver, drain, lease, person, post, raise_flag, store, world
from tests.support import wait_until

NATIVE, HANDLE, NAME, EMAIL, PHONE = (
    "u-sentinel-77",
    "sentinel_handle",
    "Sentinel Person",
    "sentinel@example.org",
    "+4915112345678",
)
SAID = "sentinelwords about my card"
MARKS = ("sentinel", "4915112345678", "cardnumber")
CSV = f"""name,email,phone,customer_number,tier,x_handle,city
{NAME},{EMAIL},{PHONE},SENTINEL-1,gold,{HANDLE},Sentinelville
Other Person,other@example.org,,OTHER-1,,user1,Elsewhere
"""
THEIR = Author(NATIVE, HANDLE, NAME, "https://x.example/sentinel_handle", 7)


def posts(first: int, last: int, word: str = "help") -> list[Any]:
    return [
        post("x", f"sentinel-post-{n}", f"{word} {SAID} {n}", THEIR, context=f"sentinel-post-{n % 2}")
        for n in range(first, last)
    ]


@pytest.fixture(scope="module")
def ledger(database_url: str) -> Iterator[Ledger]:
    """A whole ledger, and a person on all of its normal paths."""
    made = world(database_url)
    made.run(lambda c: roll.bring(c, SECRET, roll.read(CSV.splitlines())))
    store(
        made,
        "x-one",
        posts(0, 4),
        [Rejected("no date: sentinel", f'{{"author": "{NATIVE}", "text": "cardnumber"}}', "sentinel-bad")],
    )
    store(made, "x-two", [*posts(2, 4), *posts(4, 6, "maybe"), *posts(6, 7, "talk")])
    drain(made)
    deliver(made, "stdout", 40)
    store(made, "x-one", [post("x", "sentinel-post-0", f"help {SAID} edited", THEIR, context="sentinel-post-0")])
    drain(made)
    flagged = one_mention(made)
    mine = {"mention_id": flagged, "text": SAID, "url": "https://x.example/sentinel-post-1", "author": NAME}
    other = {"mention_id": 1, "text": "help me with 0", "url": "https://x.example/p0"}
    made.run(lambda c: c.execute(text("UPDATE escalations SET window_start = window_start - interval '1 day'")))
    raise_flag(made, [mine, other])
    store(made, "x-one", posts(7, 8))
    bury_one(made)
    store(made, "x-one", posts(8, 9))
    made.run(
        lambda c: c.execute(
            text(
                "UPDATE dead_letters SET error = 'cannot judge sentinelwords' WHERE ref_id = (SELECT max(ref_id) FROM dead_letters WHERE kind = 'digest')"
            )
        )
    )
    made.run(
        lambda c: c.execute(
            text(
                "UPDATE attempts SET detail = 'desk said: sentinelwords' WHERE outbox_id IN (SELECT id FROM outbox WHERE notice LIKE '%sentinel%')"
            )
        )
    )
    made.run(
        lambda c: c.execute(
            text(
                "UPDATE outbox SET error = 'desk said: sentinelwords' WHERE notice LIKE '%sentinel%' AND state = 'new'"
            )
        )
    )
    made.run(
        lambda c: c.execute(
            text(
                "INSERT INTO models (hash, body, in_force) VALUES ('a', '{\"weights\": {\"thanks sentinel_handle\": 0.4}}', true), "
                "('b', '{\"weights\": {\"thanks somebody\": 0.4}}', false)"
            )
        )
    )
    made.run(answer_them)
    yield made
    made.close()


def answer_them(c: Any) -> None:
    """A colleague wrote to them by e-mail, and has begun two more texts."""
    found = rows(
        c,
        "SELECT t.id, t.number, i.id AS identity FROM tickets t JOIN customer_identities l USING (customer_id) "
        "JOIN identities i ON i.id = l.identity_id WHERE i.native_id = :mail ORDER BY t.id LIMIT 1",
        mail=EMAIL,
    )[0]
    me = User(7, "bea@example.org", "Bea", "agent")
    way = replies.Way("stdout", "stdout", found["identity"], EMAIL)
    replies.send(c, me, found["number"], f"Dear {NAME}, about {SAID}.", way, timedelta(0), "")
    for kind in drafts.KINDS:
        drafts.save(c, me, found["number"], kind, f"{NAME} said {SAID}")


def one_mention(ledger: Ledger) -> int:
    with ledger.begin() as c:
        return int(one(c, "SELECT id FROM mentions WHERE native_id = 'sentinel-post-1'"))


def tables_holding(ledger: Ledger, marks: tuple[str, ...]) -> dict[str, int]:
    """Tables whose rows contain any of the marks, in any column, bytes included."""
    with ledger.begin() as c:
        names = [row["tablename"] for row in rows(c, "SELECT tablename FROM pg_tables WHERE schemaname = 'public'")]
        pattern = "|".join(marks) + "|" + "|".join(mark.encode().hex() for mark in marks)
        found = {name: one(c, f"SELECT count(*) FROM {name} t WHERE t::text ~* :p", p=pattern) for name in names}
    return {name: n for name, n in found.items() if n}


def test_the_person_is_everywhere_then_nowhere(ledger: Ledger) -> None:
    before = tables_holding(ledger, MARKS)
    everywhere = {
        "mentions",
        "payloads",
        "receipts",
        "versions",
        "outbox",
        "attempts",
        "rejects",
        "dead_letters",
        "drafts",
        "entries",
    }
    everywhere |= {"customers", "identities", "tickets", "ticket_conversations", "escalations"}
    assert everywhere <= set(before), everywhere - set(before)
    with ledger.begin() as c:
        customer = one(c, "SELECT id FROM customers WHERE name = :n AND source = 'import'", n=NAME)
        others = one(c, "SELECT count(*) FROM mentions WHERE author_id IS DISTINCT FROM :a", a=NATIVE)
        owed = one(
            c, "SELECT count(*) FROM outbox WHERE state = 'new' AND notice LIKE '%sentinel%' AND ticket_id IS NOT NULL"
        )
    assert reconcile_is_green(ledger)

    done = ledger.run(lambda c: erase.erase(c, SECRET, customer, "command"))

    assert tables_holding(ledger, MARKS) == {}
    with ledger.begin() as c:
        assert rows(c, "SELECT hash FROM models") == [{"hash": "b"}]  # what was learned without their name stays
    assert reconcile_is_green(ledger)
    assert (done.mentions, done.rejects, done.cancelled) == (9, 1, owed)
    assert done.remote, "the desk's copies are named"
    with ledger.begin() as c:
        assert one(c, "SELECT count(*) FROM mentions") == others
        letters = rows(
            c,
            "SELECT o.state, o.error FROM dead_letters d JOIN outbox o ON o.id = d.ref_id WHERE d.kind = 'outbox' AND d.reason = 'erased'",
        )
        assert {(row["state"], row["error"]) for row in letters} == {("dead", "erased")}
        assert len(letters) == owed > 0
        kept = one(
            c, "SELECT evidence FROM escalations WHERE evidence::text LIKE '%help me with 0%' ORDER BY id DESC LIMIT 1"
        )
        assert [sample["mention_id"] for sample in kept["samples"]] == [1]
        assert one(c, "SELECT count(*) FROM audit WHERE action = 'customer.erase'") == 1


def test_they_do_not_come_back(ledger: Ledger) -> None:
    with ledger.begin() as c:
        hits = one(c, "SELECT sum(hits) FROM suppressions")
    renamed = Author(NATIVE, "another_name", "Sentinel Again")
    anonymous = post("x", "sentinel-post-3", f"help {SAID} again", None)
    counts = store(ledger, "x-one", [*posts(0, 3), post("x", "sentinel-new", f"help {SAID} new", renamed), anonymous])
    assert (counts.suppressed, counts.new, counts.returned) == (5, 0, 5)
    brought = ledger.run(lambda c: roll.bring(c, SECRET, roll.read(CSV.splitlines())))
    assert brought.errors == [(2, "erased: this person asked to be forgotten")]
    assert brought.unchanged == 1
    assert tables_holding(ledger, MARKS) == {}
    with ledger.begin() as c:
        assert one(c, "SELECT sum(hits) FROM suppressions") == hits + 5
    assert reconcile_is_green(ledger)


def test_without_the_secret_a_hash_says_nothing() -> None:
    mine = suppress.key(SECRET, "author", "x", "", NATIVE)
    assert mine != suppress.key(b"another", "author", "x", "", NATIVE)
    assert mine != suppress.key(SECRET, "author", "reddit", "", NATIVE)
    assert suppress.key(SECRET, "handle", "x", "", "@Bob") == suppress.key(SECRET, "handle", "x", "", "bob")
    assert suppress.key(SECRET, "author", "a", "b", "c") != suppress.key(SECRET, "author", "a", "", "bc")


def test_nobody_is_erased_by_a_wrong_number(ledger: Ledger) -> None:
    with pytest.raises(erase.Unknown):
        ledger.run(lambda c: erase.erase(c, SECRET, 10**12, "command"))


def test_a_post_deleted_upstream_loses_its_words_everywhere(ledger: Ledger) -> None:
    store(ledger, "x-one", [post("x", "gone-1", "help goneword in my post", person(3), context="gone-1")])
    drain(ledger)
    deliver(ledger, DESKS[0])
    with ledger.begin() as c:
        id_ = one(c, "SELECT id FROM mentions WHERE native_id = 'gone-1'")
    ledger.run(lambda c: c.execute(text("UPDATE escalations SET window_start = window_start - interval '2 days'")))
    raise_flag(ledger, [{"mention_id": id_, "text": "help goneword in my", "url": "https://x.example/gone-1"}])
    assert {"mentions", "payloads", "receipts", "outbox", "tickets", "escalations"} <= set(
        tables_holding(ledger, ("goneword",))
    )
    counts = store(ledger, "x-two", [post("x", "gone-1", "", None, kind="Tombstone")])
    assert counts.deleted == 1
    assert tables_holding(ledger, ("goneword",)) == {}
    drain(ledger)
    assert reconcile_is_green(ledger)
    with ledger.begin() as c:
        row = rows(c, "SELECT kind, author_id, deleted_at, published FROM mentions WHERE id = :id", id=id_)[0]
        assert (row["kind"], row["author_id"], row["published"]) == ("Tombstone", None, NOON)
        assert row["deleted_at"] is not None


def test_somebody_who_never_opened_a_ticket_can_be_forgotten_too(ledger: Ledger) -> None:
    quiet = Author("u-quiet", "quiet_one", "Quietname")
    store(
        ledger,
        "reddit-one",
        [post("reddit", "quiet-1", "talk quietword", quiet), post("reddit", "quiet-2", "maybe quietword", quiet)],
    )
    drain(ledger)
    with pytest.raises(erase.Unknown):
        ledger.run(lambda c: erase.erase_account(c, SECRET, "x", "quiet_one", "command"))
    done = ledger.run(lambda c: erase.erase_account(c, SECRET, "reddit", "@Quiet_One", "command"))
    assert (done.mentions, done.customers, done.identities) == (2, [], 1)
    assert tables_holding(ledger, ("quiet",)) == {}
    assert store(ledger, "reddit-one", [post("reddit", "quiet-3", "talk quietword", quiet)]).suppressed == 1
    assert reconcile_is_green(ledger)


def test_a_page_on_its_way_in_is_waited_for(ledger: Ledger) -> None:
    """A page that was checked before the erasure and commits after it would bring the person back; so it goes first."""
    racer = Author("u-racer", "racer_one", "Racername")
    store(ledger, "x-one", [post("x", "race-1", "help racerword", racer)])
    drain(ledger)
    leased = lease(ledger, "x-one")
    page = PageIn(
        leased.id, leased.lease, {}, [Found(post("x", "race-2", "help racerword", racer), ("acme",), "racerword")], []
    )
    erased = Thread(target=lambda: ledger.run(lambda c: erase.erase_account(c, SECRET, "x", "racer_one", "command")))
    with ledger.begin() as c:
        assert store_page(c, SECRET, page).new == 1
        erased.start()
        waiting = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
        wait_until(lambda: one(c, waiting), 10, "the erasure did not wait for the page")
    erased.join(20)
    assert tables_holding(ledger, ("racer",)) == {}
    ledger.run(lambda c: channels.release(c, leased, satisfied=True))
    assert reconcile_is_green(ledger)


def reconcile_is_green(ledger: Ledger) -> bool:
    with ledger.read() as connection:
        report = reconcile(connection)
    assert not report.findings, "\n".join(map(str, report.findings))
    return report.good
