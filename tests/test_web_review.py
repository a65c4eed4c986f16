"""The review list: four decisions, their way back, and what they teach."""

import httpx2
import pytest
from sqlalchemy import text

from console.web.review import teaching
from storage.corrections import Lessons
from storage.ledger import Ledger
from tests import web
from tests.web_fixtures import address, client, ids, ledger

__all__ = ["address", "client", "ids", "ledger"]  # fixtures


def decided(ledger: Ledger, mention: int) -> tuple[object, ...]:
    with ledger.begin() as connection:
        row = connection.execute(
            text(
                "SELECT v.corrected, m.version, (SELECT count(*) FROM digests d WHERE d.mention_id = m.id), "
                "(SELECT concat_ws('/', c.outcome, c.intent) FROM corrections c WHERE c.mention_id = m.id ORDER BY id DESC LIMIT 1) "
                "FROM mentions m JOIN verdicts v ON v.mention_id = m.id AND v.version = 1 WHERE m.id = :id"
            ),
            {"id": mention},
        ).one()
    return tuple(row)


@pytest.mark.parametrize(("outcome", "kept"), [
    ("ticket", ("ticket", 2, 1, "ticket")), ("ignore", ("ignore", 1, 0, "ignore")),
    ("spam", ("ignore", 1, 0, "ignore/spam")), ("not ours", ("ignore", 1, 0, "ignore/other")),
])  # fmt: skip
def test_each_decision_is_kept_and_taken_back(
    client: httpx2.Client, ledger: Ledger, outcome: str, kept: tuple[object, ...]
) -> None:
    mention = web.mention(ledger, f"r-{outcome}", f"Is it me? {outcome}", outcome="review")
    answer = client.post(f"/review/{mention}", data={"version": "1", "outcome": outcome, "next": "7"})
    assert f"undo={mention}.1" in answer.headers["location"]
    assert answer.headers["location"].endswith("#post-7")
    assert decided(ledger, mention) == kept
    back = client.post(f"/review/{mention}/undo", data={"version": "1"})
    assert back.headers["location"] == f"/review?said=back&page=1#post-{mention}"
    assert decided(ledger, mention) == (None, 1, 0, None)
    assert f'id="post-{mention}"' in client.get("/review").text
    client.post(f"/review/{mention}", data={"version": "1", "outcome": "ignore"})


def test_what_has_begun_or_is_somebody_elses_is_not_taken_back(
    client: httpx2.Client, ledger: Ledger, address: str, ids: dict[str, int]
) -> None:
    mention = web.mention(ledger, "r-begun", "Begun?", outcome="review")
    client.post(f"/review/{mention}", data={"version": "1", "outcome": "ticket"})
    with web.enter(ledger, address, ids["lead"]) as other:
        other.timeout = 30
        assert other.post(f"/review/{mention}/undo", data={"version": "1"}).status_code == 409
    web.value(
        ledger,
        "UPDATE digests SET attempts = 1, lease = gen_random_uuid() WHERE mention_id = :m RETURNING 1",
        m=mention,
    )
    answer = client.post(f"/review/{mention}/undo", data={"version": "1"})
    assert answer.status_code == 409
    assert "its ticket is opened already" in answer.text
    assert decided(ledger, mention) == ("ticket", 2, 1, "ticket")
    web.value(ledger, "DELETE FROM digests WHERE mention_id = :m RETURNING 1", m=mention)


def test_what_decisions_teach_is_said_with_figures() -> None:
    from datetime import UTC, datetime

    then = datetime(2026, 1, 1, tzinfo=UTC)
    assert "make a first model" in teaching(Lessons(0, 0, 0, 0, None))
    assert "at least 17 more" in teaching(Lessons(3, 3, 2, 1, None))
    assert "at least 4 more" in teaching(Lessons(30, 30, 1, 29, None))
    assert "no model was made of them yet" in teaching(Lessons(30, 30, 10, 20, None))
    assert "12 of them since the model in force was made" in teaching(Lessons(30, 12, 10, 20, then))
    assert "has heard them all" in teaching(Lessons(30, 0, 10, 20, then))
