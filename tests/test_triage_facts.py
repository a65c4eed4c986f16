"""What triage is told of an author and a post's age, by the ledger; and rules that can never decide."""

from datetime import UTC, datetime

import pytest
from sqlalchemy import text

from config.reach import covers
from domain.nouns import Author, Mention, Standing, Stored
from domain.rules import Judgement, Rule, Then, When
from domain.triage import bench, judge
from storage import standing
from storage.ledger import Ledger
from tests.test_judge_triage import ENGLISH, scorer

NOW = datetime(2026, 8, 1, tzinfo=UTC)


def by(who: str, id_: int) -> Stored:
    return Stored(id_, 1, Mention("x", str(id_), NOW, content="the app is down", attributed_to=Author(who)))


def test_standings_come_from_the_ledger(database_url: str) -> None:
    ledger = Ledger(database_url)
    with ledger.begin() as connection:
        connection.execute(
            text(
                "WITH c AS (INSERT INTO customers (name, tier, vip) VALUES ('Ann', 'gold', true) RETURNING id), "
                "i AS (INSERT INTO identities (kind, platform, native_id) VALUES ('account', 'x', 'ann') RETURNING id) "
                "INSERT INTO customer_identities (identity_id, customer_id, evidence, confidence, source) SELECT i.id, c.id, 'test', 1, 'person' FROM i, c"
            )
        )
        connection.execute(
            text(
                "INSERT INTO tickets (number, customer_id, run_id, subject, status, opened_at) SELECT n, c.id, 1, 's', "
                "CASE n WHEN 901 THEN 'open' ELSE 'closed' END, now() - make_interval(days => CASE n WHEN 903 THEN 40 ELSE 1 END) "
                "FROM customers c, generate_series(901, 903) n WHERE c.name = 'Ann'"
            )
        )
        loaded = {1: by("ann", 1), 2: by("bob", 2), 3: Stored(3, 1, Mention("x", "3", NOW, content="hm"))}
        found = standing.known(connection, loaded)
    ledger.close()
    assert found[1].standing == Standing(True, True, "gold", 1, 2)
    assert found[2].standing == found[3].standing == Standing()
    rules = (
        Rule(
            "third",
            When(tickets_at_least=2, customer=("vip",), tier=("gold",)),
            Then("ticket", "urgent", tags=("third",), first=5),
        ),
    )
    judgement = Judgement(rules=rules)
    assert bench(judgement).asks_standing
    assert not bench(Judgement()).asks_standing
    verdict = judge(found[1], judgement, scorer(), ENGLISH)
    assert (verdict.outcome, verdict.tags, verdict.first) == ("ticket", ("third",), 5)
    assert verdict.receipt["facts"]["standing"]["tickets"] == 2
    assert judge(found[2], judgement, scorer(), ENGLISH).outcome == "ignore"


@pytest.mark.parametrize(
    ("wide", "narrow", "whole"),
    [
        (When(), When(intent=("risk",)), True),
        (When(intent=("risk", "spam")), When(intent=("risk",), need_at_least=0.3), True),
        (When(intent=("risk",)), When(intent=("risk", "spam")), False),
        (When(need_at_least=0.5), When(need_at_least=0.7), True),
        (When(need_at_least=0.5), When(need_at_least=0.3), False),
        (When(rating_at_most=2), When(rating_at_most=1, platform=("x",)), True),
        (When(rating_at_most=2), When(), False),
    ],
)
def test_a_rule_that_takes_all_of_another(wide: When, narrow: When, whole: bool) -> None:
    assert covers(wide, narrow) is whole
