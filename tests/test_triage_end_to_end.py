"""A rule's age, standing and words all the way: from the YAML through ingest, digest and filing to the ticket and its receipt."""

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import text

from config.load import examine_texts
from domain.nouns import Mention
from storage.ledger import Ledger, rows
from storage.reconcile import reconcile
from tests.ledgers import add_channel, person, post, store
from workers import digest
from workers.bootstrap import desktop

YAML = """
topics: [{name: acme, query: acme}]
teams: [{name: care}, {name: cards}]
default_team: care
settings: {scorer: vader, language: en}
rules:
  - {name: late, when: {age_at_least: 48, words: [old news]}, then: {outcome: review}}
  - name: vip
    when: {customer: [vip], tier: [gold]}
    then: {outcome: ticket, priority: urgent, team: cards, tags: [vip, gold], first: 7, resolve: 70}
  - {name: again, when: {open_tickets_at_least: 1}, then: {outcome: ticket, priority: high, tags: [again]}}
  - {name: help, when: {words: [help]}, then: {outcome: ticket, priority: low}}
"""


@pytest.fixture(scope="module")
def ledger(database_url: str) -> Iterator[Ledger]:
    made = Ledger(database_url, name="test", pool=2)
    add_channel(made, "x-one")
    yield made
    with made.read() as connection:
        assert reconcile(connection).good, reconcile(connection).findings
    made.close()


def heard(ledger: Ledger, *mentions: Mention) -> dict[str, Any]:
    """native id → its verdict, receipt and ticket, after the real steps."""
    found = examine_texts([("c.yaml", YAML)])
    assert found.config is not None, found.complaints
    store(ledger, "x-one", mentions)
    digest.drain(ledger, desktop(found.config), "tester", lambda: False)
    sql = """SELECT m.native_id, v.outcome, v.reason, r.body, t.priority, t.team, t.tags,
            round(extract(epoch FROM t.first_due - t.opened_at) / 60)::int AS first,
            round(extract(epoch FROM t.resolve_due - t.opened_at) / 60)::int AS resolve
        FROM mentions m JOIN verdicts v ON v.mention_id = m.id JOIN receipts r ON r.mention_id = m.id AND r.version = v.version
        LEFT JOIN ticket_mentions l ON l.mention_id = m.id LEFT JOIN tickets t ON t.id = l.ticket_id"""
    with ledger.read() as connection:
        return {row["native_id"]: row for row in rows(connection, sql)}


def said(id_: str, words: str, author: int, hours: float = 1) -> Mention:
    return replace(post("x", id_, words, person(author)), published=datetime.now(UTC) - timedelta(hours=hours))


def test_age_standing_and_tags_decide_what_is_filed(ledger: Ledger) -> None:
    ledger.run(
        lambda c: c.execute(
            text(
                "WITH c AS (INSERT INTO customers (name, vip, tier) VALUES ('Ann', true, 'gold') RETURNING id), i AS (INSERT INTO "
                "identities (kind, platform, native_id) VALUES ('account', 'x', 'u1') RETURNING id) INSERT INTO customer_identities "
                "(identity_id, customer_id, evidence, confidence, source) SELECT i.id, c.id, 'test', 1, 'person' FROM i, c"
            )
        )
    )
    first = heard(
        ledger,
        said("vip", "hello there from me", 1),
        said("fresh", "acme old news", 2),
        said("stale", "acme old news", 3, hours=60),
        said("new", "acme please help", 4),
    )
    assert {id_: (row["outcome"], row["reason"]) for id_, row in first.items()} == {
        "vip": ("ticket", "rule:vip"),
        "fresh": ("ignore", "nothing-to-do"),
        "stale": ("review", "rule:late"),
        "new": ("ticket", "rule:help"),
    }
    vip = first["vip"]
    assert (vip["priority"], vip["team"], vip["tags"], vip["first"], vip["resolve"]) == (
        "urgent",
        "cards",
        ["vip", "gold"],
        7,
        70,
    )
    facts = json.loads(vip["body"])["facts"]
    assert facts["standing"]["vip"]
    assert facts["standing"]["tier"] == "gold"
    assert 59 < json.loads(first["stale"]["body"])["facts"]["age"] < 61
    second = heard(ledger, said("more", "and another thing about your branch", 4))["more"]
    assert (second["reason"], second["priority"], second["tags"]) == ("rule:again", "high", ["again"])
    assert json.loads(second["body"])["facts"]["standing"]["open"] == 1
