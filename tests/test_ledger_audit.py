"""The audit's chain: nothing is changed through the front door, and whoever forces it is found."""

import random
from collections.abc import Iterator
from threading import Thread

import pytest
from sqlalchemy import Connection, text
from sqlalchemy.exc import DBAPIError

from storage import audit
from storage.ledger import Ledger


@pytest.fixture(scope="module")
def ledger(database_url: str) -> Iterator[Ledger]:
    made = Ledger(database_url, name="test", pool=8)
    for n in range(40):
        made.run(
            lambda c, n=n: audit.append(c, f"user:{n % 3}", "ticket.change", f"ticket:{n}", {"status": "open", "n": n})
        )
    yield made
    made.close()


def verify(ledger: Ledger, *anchors: str) -> audit.Checked:
    with ledger.read() as connection:
        return audit.verify(connection, anchors)


def test_a_whole_chain_verifies_and_names_its_head(ledger: Ledger) -> None:
    checked = verify(ledger)
    assert (checked.rows >= 40, checked.findings) == (True, [])
    with ledger.read() as connection:
        assert audit.head(connection) == (checked.rows, checked.head)
    assert verify(ledger, checked.head.upper()).findings == []
    assert len(verify(ledger, "ab" * 32).findings) == 1


def test_many_writers_make_one_chain(ledger: Ledger) -> None:
    def write(who: int) -> None:
        for n in range(10):
            ledger.run(lambda c, n=n: audit.append(c, f"user:{who}", "note", f"ticket:{n}"))

    before = verify(ledger).rows
    threads = [Thread(target=write, args=(who,)) for who in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    checked = verify(ledger)
    assert (checked.rows, checked.findings) == (before + 40, [])


@pytest.mark.parametrize(
    "change", ["UPDATE audit SET actor = 'nobody'", "DELETE FROM audit WHERE id = 3", "TRUNCATE audit"]
)
def test_the_front_door_is_shut(ledger: Ledger, change: str) -> None:
    with pytest.raises(DBAPIError, match="append-only"):
        ledger.run(lambda c: c.execute(text(change)))


FORCED = {
    "edited": "UPDATE audit SET detail = '{}' WHERE id = :n",
    "back-dated": "UPDATE audit SET at = at - interval '1 second' WHERE id = :n",
    "blamed on another": "UPDATE audit SET actor = 'user:9' WHERE id = :n",
    "removed": "DELETE FROM audit WHERE id = :n",
    "cut off": "DELETE FROM audit WHERE id >= :n",
    "cut off, head and all": "WITH cut AS (DELETE FROM audit WHERE id >= :n) UPDATE audit_head SET id = :n - 1",
    "removed and renumbered": "WITH gone AS (DELETE FROM audit WHERE id = :n) UPDATE audit SET id = -id WHERE id > :n",
    "reordered": "UPDATE audit a SET actor = b.actor, action = b.action, object = b.object, detail = b.detail, at = b.at "
    "FROM audit b WHERE (a.id = :n AND b.id = :n + 1) OR (a.id = :n + 1 AND b.id = :n)",
    "inserted": "INSERT INTO audit SELECT (SELECT max(id) + 1 FROM audit), at, actor, action, object, detail, previous, hash "
    "FROM audit WHERE id = :n",
    "hash changed": "UPDATE audit SET hash = sha256(hash) WHERE id = :n",
    "head changed": "UPDATE audit_head SET hash = sha256(hash) WHERE :n > 0",
}


@pytest.mark.parametrize("what", FORCED)
def test_what_is_forced_is_found(ledger: Ledger, what: str, rng: random.Random) -> None:
    with ledger.engine.connect() as connection:
        transaction = connection.begin()
        connection.execute(text("ALTER TABLE audit DISABLE TRIGGER USER"))
        connection.execute(text(FORCED[what]), {"n": rng.randrange(2, 39)})
        findings = audit.verify(connection).findings
        transaction.rollback()
    assert findings
    assert verify(ledger).findings == []


def test_a_chain_rewritten_whole_is_found_by_an_anchor(ledger: Ledger) -> None:
    anchor = verify(ledger).head
    with ledger.engine.connect() as connection:
        transaction = connection.begin()
        _rewrite(connection)
        assert audit.verify(connection).findings == []
        assert audit.verify(connection, [anchor]).findings
        transaction.rollback()


def _rewrite(connection: Connection) -> None:
    """What somebody with every right would do: change the past and make all hashes fit."""
    connection.execute(text("ALTER TABLE audit DISABLE TRIGGER USER"))
    connection.execute(text("UPDATE audit SET actor = 'user:9' WHERE id = 5"))
    previous = b""
    for row in list(connection.execute(text("SELECT * FROM audit ORDER BY id")).mappings()):
        parts = {**row, "previous": previous}
        del parts["hash"]
        hash_ = audit.link(**parts)
        connection.execute(
            text("UPDATE audit SET previous = :p, hash = :h WHERE id = :id"),
            {"p": previous, "h": hash_, "id": row["id"]},
        )
        previous = hash_
    connection.execute(text("UPDATE audit_head SET hash = :h"), {"h": previous})


@pytest.mark.parametrize(
    "detail", [{"name": "Ada Lovelace"}, {"to": "ada@example.org"}, {"list": ["fine", "not fine"]}, {"x" * 81: 1}]
)
def test_free_text_is_refused(ledger: Ledger, detail: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="no free text"):
        ledger.run(lambda c: audit.append(c, "command", "test", "x:1", detail))
