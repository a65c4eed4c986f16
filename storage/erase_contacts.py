"""What an erasure takes of a customer beyond posts and tickets: interactions, proposals, merges, rows set aside, kept answers, and
learned models that have one of their handles or addresses among their words (`earmark learn` makes another without)."""

from sqlalchemy import Connection, text

from storage import suppress
from storage.ledger import rows
from storage.person import Person
from storage.sums import take_away


def forget(connection: Connection, secret: bytes, person: Person, reason: str) -> int:
    """Delete, and remember the interactions by their hashes, so that a source that tells of them again is not believed. Returns how many."""
    known = {"identities": person.identities, "customers": person.customers}
    found = rows(
        connection,
        "SELECT id, source, external_id FROM interactions WHERE identity_id = ANY(:identities) OR customer_id = ANY(:customers) ORDER BY id FOR UPDATE",
        **known,
    )
    hashes = {
        suppress.key(secret, "interaction", row["source"], "", row["external_id"]): "interaction" for row in found
    }
    suppress.add(connection, hashes, reason)
    ids = [row["id"] for row in found]
    take_away(
        connection,
        "entries",
        "t.kind IN ('contact', 'system') AND t.detail ? 'interaction' AND CAST(t.detail ->> 'interaction' AS bigint) = ANY(:ids)",
        reason,
        ids=ids,
    )
    marks = person.patterns()
    told = {"anywhere": marks["anywhere"], "names": [*marks["anywhere"], *marks["patterns"]]}
    for statement in (
        "UPDATE automation_runs SET matched = '{}', actions = '[]' WHERE subject = 'interaction' AND subject_id = ANY(:ids)",
        "DELETE FROM interactions WHERE id = ANY(:ids)",
        "DELETE FROM proposals WHERE customer_id = ANY(:customers) OR other_id = ANY(:customers) OR identity_id = ANY(:identities)",
        "DELETE FROM moves WHERE merge_id IN (SELECT id FROM merges WHERE winner_id = ANY(:customers) OR loser_id = ANY(:customers))",
        "DELETE FROM merges WHERE winner_id = ANY(:customers) OR loser_id = ANY(:customers)",
        "UPDATE asides SET payload = '', reason = 'erased' WHERE payload || ' ' || reason ~* ANY(CAST(:anywhere AS text[]))",
        "DELETE FROM models WHERE CAST(body -> 'weights' AS text) ~* ANY(CAST(:names AS text[]))",
        "DELETE FROM idempotency WHERE answer ~* ANY(CAST(:anywhere AS text[]))",
    ):
        connection.execute(text(statement), {"ids": ids, **known, **told})
    return len(ids)
