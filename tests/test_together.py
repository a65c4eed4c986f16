"""Several questions on one way to the database: the same answers, in the same snapshot and rights, and an error spoils nothing for the next."""

from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
from sqlalchemy import text
from sqlalchemy.exc import OperationalError

from storage.ledger import Ledger, again, one
from storage.together import Question, ask, together


@pytest.fixture(scope="module")
def ledger(database_url: str) -> Iterator[Ledger]:
    made = Ledger(database_url, pool=1)
    yield made
    made.close()


def asked(sql: str, **values: Any) -> Question[list[Any]]:
    return Question(sql, values, lambda found: [tuple(row.values()) for row in found])


QUESTIONS = {
    "text": asked("SELECT :said || '%' AS a, '10:30' AS b, 'x' LIKE '%' AS c", said="ü:me %s %(n)s"),
    "twice": asked("SELECT CAST(:n AS int) + CAST(:n AS int) AS n", n=21),
    "many": asked(
        "SELECT n, CAST(NULL AS timestamptz) AS at, jsonb_build_object('n', n) AS doc FROM unnest(CAST(:ids AS int[])) n",
        ids=[3, 1, 2],
    ),
    "none": asked("SELECT 1 AS n WHERE false"),
    "when": asked("SELECT now() AS at, pg_current_snapshot() AS snapshot"),
}


def test_the_answers_are_those_of_asking_one_by_one(ledger: Ledger) -> None:
    with ledger.read() as connection:
        for _ in range(6):  # from the fourth time on they are prepared
            told = together(connection, **QUESTIONS)
            assert told == {name: ask(connection, question) for name, question in QUESTIONS.items()}
    assert told["text"] == [("ü:me %s %(n)s%", "10:30", True)]
    assert told["twice"] == [(42,)]
    assert [row[0] for row in told["many"]] == [3, 1, 2]


def test_what_fails_is_said_and_the_connection_goes_on(ledger: Ledger) -> None:
    with pytest.raises(psycopg.errors.DivisionByZero), ledger.read() as connection:
        together(
            connection, good=QUESTIONS["twice"], bad=asked("SELECT 1 / CAST(:n AS int)", n=0), late=QUESTIONS["none"]
        )
    with ledger.read() as connection:  # the pool's only one
        assert together(connection, good=QUESTIONS["twice"])["good"] == [(42,)]


def test_a_lost_connection_is_one_to_begin_anew_for(ledger: Ledger) -> None:
    def work() -> None:
        with ledger.read() as connection:
            mine = one(connection, "SELECT pg_backend_pid()")
            with psycopg.connect(ledger.url.replace("+psycopg", "")) as other:
                other.execute("SELECT pg_terminate_backend(%s)", (mine,))
            together(connection, **QUESTIONS)

    with pytest.raises((psycopg.OperationalError, OperationalError)) as lost:
        work()
    assert again(lost.value)
    with ledger.read() as connection:
        assert together(connection, good=QUESTIONS["twice"])["good"] == [(42,)]


def test_a_glance_leaves_no_transaction_open_and_a_write_in_it_stands(ledger: Ledger) -> None:
    with ledger.glance() as connection:
        connection.execute(text("INSERT INTO meta (key, value) VALUES ('glanced', '1')"))
        state = one(connection, "SELECT state FROM pg_stat_activity WHERE pid = pg_backend_pid()")
        assert state == "active"
    with ledger.read() as connection:
        assert one(connection, "SELECT value FROM meta WHERE key = 'glanced'") == "1"
        assert one(connection, "SHOW transaction_isolation") == "repeatable read"
        assert one(connection, "SHOW transaction_read_only") == "on"
