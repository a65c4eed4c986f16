"""Customers are found by a part of what they are called; the table of their names follows every change of them."""

import random
from collections.abc import Iterator

import pytest
from sqlalchemy import Connection, text

from storage import customers, views_people
from storage.ledger import Ledger, one, rows
from storage.scopes import Scope, ScopedLedger

DERIVED = """SELECT 'customer' AS source, id AS source_id, id AS customer_id, lower(name) AS said FROM customers WHERE name <> ''
UNION ALL SELECT 'identity', i.id, l.customer_id, lower(concat_ws(E'\\n', nullif(i.handle, ''), nullif(i.name, ''), i.native_id))
FROM customer_identities l JOIN identities i ON i.id = l.identity_id ORDER BY 1, 2"""
CALLED = ("Zoë Müller", "王伟", "Иван Петров", "100%_sure", "O'Neil", "Weber", "Anna-Lena Weberling", "")


@pytest.fixture(scope="module")
def ledger(database_url: str) -> Iterator[Ledger]:
    made = Ledger(database_url, pool=2)
    yield made
    made.close()


def make(c: Connection, name: str) -> int:
    return int(one(c, "INSERT INTO customers (name, source) VALUES (:name, 'import') RETURNING id", name=name))


def link(c: Connection, customer: int, handle: str, native: str) -> int:
    """In one statement, as filing does."""
    return int(
        one(
            c,
            "WITH made AS (INSERT INTO identities (kind, platform, native_id, handle, source) VALUES ('account', 'x', :native, :handle, 'import') "
            "RETURNING id) INSERT INTO customer_identities (identity_id, customer_id, evidence, confidence, source) "
            "SELECT id, :customer, 'imported', 1.0, 'import' FROM made RETURNING identity_id",
            native=native,
            handle=handle,
            customer=customer,
        )
    )


def found(c: Connection, q: str) -> set[str]:
    page = views_people.customers(c, q)
    assert page.total == len(page.customers)
    assert {row.id for row in page.customers} == {row["id"] for row in customers.search(c, q)}
    return {row.name for row in page.customers}


def test_any_part_finds_in_any_script_and_signs_are_only_themselves(ledger: Ledger) -> None:
    with ledger.engine.connect() as c, c.begin() as work:
        for name in CALLED:
            make(c, name)
        link(c, make(c, "Kim"), "web_user", "4711")
        assert found(c, "weber") == {"Weber", "Anna-Lena Weberling"}
        assert found(c, "MÜL") == {"Zoë Müller"}
        assert found(c, "王伟") == found(c, "王") == {"王伟"}
        assert found(c, "петр") == {"Иван Петров"}
        assert found(c, "%") == found(c, "0%_s") == {"100%_sure"}
        assert found(c, "b_u") == found(c, "4711") == {"Kim"}
        assert found(c, "nobody") == set()
        assert found(c, "r\nw") == set()
        work.rollback()


def test_whatever_happens_to_customers_their_names_follow(ledger: Ledger) -> None:
    dice = random.Random(7)
    with ledger.engine.connect() as c, c.begin() as work:
        people = [make(c, dice.choice(CALLED)) for _ in range(6)]
        accounts = [link(c, dice.choice(people), f"user{n}", f"n{n}") for n in range(12)]
        changes = {
            "UPDATE customers SET name = :said WHERE id = :customer": 4,
            "UPDATE customers SET vip = true WHERE id = :customer": 1,
            "UPDATE identities SET handle = :said WHERE id = :account": 3,
            "UPDATE identities SET mark = 'shared' WHERE id = :account": 1,
            "UPDATE customer_identities SET customer_id = :customer WHERE identity_id = :account": 4,
            "UPDATE customer_identities SET customer_id = :customer WHERE customer_id = :other": 2,
            "DELETE FROM customer_identities WHERE identity_id = :account": 2,
            "DELETE FROM customers WHERE id = :customer AND NOT EXISTS (SELECT 1 FROM customer_identities WHERE customer_id = :customer)": 2,
        }
        for turn in range(60):
            statement = dice.choices(list(changes), list(changes.values()))[0]
            values = {
                "said": dice.choice(CALLED),
                "account": dice.choice(accounts),
                "customer": dice.choice(people),
                "other": dice.choice(people),
            }
            c.execute(text(statement), {name: value for name, value in values.items() if f":{name}" in statement})
            if turn % 5 == 0:
                accounts.append(link(c, dice.choice(people), "late", f"late{turn}"))
            kept = rows(
                c, "SELECT source, source_id, customer_id, said FROM customer_names WHERE said <> '' ORDER BY 1, 2"
            )
            assert kept == rows(c, DERIVED), (turn, statement)
        work.rollback()


def test_those_with_the_latest_ticket_come_first_by_each_way_of_looking(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    dice = random.Random(3)
    with ledger.engine.connect() as c, c.begin() as work:
        people = [make(c, f"Ada {n}") for n in range(70)]
        for n in range(120):
            c.execute(
                text(
                    "INSERT INTO tickets (run_id, number, customer_id, subject, opened_at) VALUES (1, :n, :customer, 's', now() - make_interval(hours => :ago))"
                ),
                {"n": 900_000 + n, "customer": dice.choice(people[:50]), "ago": dice.randrange(40)},
            )
        pages = {}
        for few in (
            2000,
            10,
        ):  # looked up one by one; walked from the newest, and sorted at once where that does not reach
            monkeypatch.setattr(views_people, "FEW", few)
            pages[few] = [[row.id for row in views_people.customers(c, "ada", page).customers] for page in (1, 2, 3, 9)]
        whole = [id_ for page in pages[10][:3] for id_ in page]
        assert pages[10] == pages[2000]
        assert pages[10][3] == pages[10][2]  # beyond the last page is the last
        assert sorted(whole) == people
        last = {
            row["customer_id"]: row["last"]
            for row in rows(c, "SELECT customer_id, max(opened_at) AS last FROM tickets GROUP BY 1")
        }
        expected = sorted(people, key=lambda id_: (-last[id_].timestamp() if id_ in last else 0.0, -id_))
        assert whole == expected
        work.rollback()


def test_somebody_limited_to_a_team_finds_no_others(ledger: Ledger) -> None:
    with ledger.begin() as c:
        for n, (name, team) in enumerate((("Lisbon Lee", "ours"), ("Lisbon Lou", "theirs"))):
            made = make(c, name)
            link(c, made, f"lisbon_{team}", f"lisbon{n}")
            c.execute(
                text(
                    "INSERT INTO tickets (run_id, number, customer_id, subject, team) VALUES (1, :n, :customer, 's', :team)"
                ),
                {"n": 910_000 + n, "customer": made, "team": team},
            )
    with ScopedLedger(ledger, Scope(teams=("ours",))).read() as c:
        assert found(c, "lisbon") == found(c, "lisbon_") == {"Lisbon Lee"}
        assert found(c, "lou") == found(c, "theirs") == set()
    with ledger.read() as c:
        assert found(c, "lisbon") == {"Lisbon Lee", "Lisbon Lou"}
