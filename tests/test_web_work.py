"""What people do in the console: it lands in the ledger once, counted, audited, and owed to the desks."""

import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import httpx2
import psycopg
import pytest
from sqlalchemy import text

from storage import audit, review, users, views
from storage.casework import Change, Refused, change, note
from storage.ledger import Ledger, raw_url
from storage.sums import COUNTED
from tests import web
from tests.web_fixtures import ids, ledger

__all__ = ["ids", "ledger"]  # fixtures


@pytest.fixture(scope="module")
def client(ledger: Ledger, database_url: str, ids: dict[str, int]) -> Iterator[httpx2.Client]:
    with web.serve(web.make_app(database_url)) as address, web.enter(ledger, address, ids["lead"]) as found:
        yield found


@pytest.fixture
def number(ledger: Ledger, request: pytest.FixtureRequest) -> int:
    """A fresh open ticket of its own conversation."""
    key = request.node.nodeid
    return web.ticket(ledger, web.mention(ledger, key, f"My card was declined ({key})."), f"About {key}", key)


def user(ledger: Ledger, role: str) -> users.User:
    with ledger.begin() as connection:
        found = users.by_email(connection, f"{role}@example.org")
    assert found
    return found


def sums_agree(ledger: Ledger) -> None:
    """Entries and outbox rows are exactly those their runs say they wrote."""
    for table, n, total in (("entries", "entries", "entry_sum"), ("outbox", "outbox", "outbox_sum")):
        wrong = web.value(
            ledger,
            f"SELECT count(*) FROM runs r LEFT JOIN (SELECT run_id, count(*) AS n, sum({COUNTED[table].proof}) AS s "
            f"FROM {table} t GROUP BY 1) x ON x.run_id = r.id WHERE r.{n} <> coalesce(x.n, 0) OR r.{total} <> coalesce(x.s, 0)",
        )
        assert wrong == 0, table


def test_a_change_is_written_once_with_entry_audit_and_sums(client: httpx2.Client, ledger: Ledger, number: int) -> None:
    before = web.value(ledger, "SELECT id FROM audit_head")
    form = {"status": "open", "priority": "urgent", "team": "cards", "assignee": "0"}
    assert client.post(f"/tickets/{number}/change", data=form).headers["location"].endswith("said=saved")
    assert client.post(f"/tickets/{number}/change", data=form).headers["location"].endswith("said=same")
    page = client.get(f"/tickets/{number}").text
    assert "status new → open; priority normal → urgent" in page
    assert web.value(ledger, "SELECT id FROM audit_head") == before + 1
    assert web.value(ledger, "SELECT action FROM audit ORDER BY id DESC LIMIT 1") == "ticket.change"
    owed = "SELECT kind || o.state FROM outbox o JOIN tickets t ON t.id = o.ticket_id WHERE t.number = :n"
    assert web.value(ledger, owed, n=number) == "ticket.statusnew"
    sums_agree(ledger)
    with ledger.begin() as connection:
        assert audit.verify(connection).findings == []


def test_a_note_is_kept_and_owed_to_the_desk_and_rings(
    client: httpx2.Client, ledger: Ledger, number: int, database_url: str
) -> None:
    with psycopg.connect(raw_url(database_url), autocommit=True) as listener:
        listener.execute("LISTEN earmark")
        answer = client.post(f"/tickets/{number}/notes", data={"body": "  Called the processor.\nDown until noon.  "})
        assert answer.status_code == 303
        assert "#entry-" in answer.headers["location"]
        assert {n.payload for n in listener.notifies(timeout=5, stop_after=2)} == {"work", "deliver"}
    notice = web.value(
        ledger,
        "SELECT notice::jsonb FROM outbox o JOIN tickets t ON t.id = o.ticket_id WHERE t.number = :n AND kind = 'ticket.comment'",
        n=number,
    )
    assert notice == {"number": number, "public": False, "text": "Lead: Called the processor.\nDown until noon."}
    assert "Down until noon." in client.get(f"/tickets/{number}").text
    sums_agree(ledger)


def test_an_empty_note_is_refused_and_a_long_one_keeps_its_text(client: httpx2.Client, number: int) -> None:
    assert client.post(f"/tickets/{number}/notes", data={"body": " \n "}).status_code == 422
    answer = client.post(f"/tickets/{number}/notes", data={"body": "kept " * 4001})
    assert answer.status_code == 422
    assert "kept kept kept" in answer.text
    assert "20,000 characters" in answer.text


def test_finishing_frees_the_conversation_and_reopening_takes_it_back(ledger: Ledger, number: int) -> None:
    lead = user(ledger, "lead")
    open_links = (
        "SELECT count(*) FROM ticket_conversations c JOIN tickets t ON t.id = c.ticket_id WHERE t.number = :n AND open"
    )
    with ledger.begin() as connection:
        change(connection, lead, number, Change(status="resolved"))
    assert web.value(ledger, open_links, n=number) == 0
    assert web.value(
        ledger, "SELECT resolved_at IS NOT NULL AND first_at IS NOT NULL FROM tickets WHERE number = :n", n=number
    )
    with ledger.begin() as connection:
        change(connection, lead, number, Change(status="open"))
    assert web.value(ledger, open_links, n=number) == 1
    assert web.value(ledger, "SELECT resolved_at IS NULL FROM tickets WHERE number = :n", n=number)


def test_a_ticket_whose_conversation_goes_on_elsewhere_stays_finished(ledger: Ledger, number: int) -> None:
    lead = user(ledger, "lead")
    with ledger.begin() as connection:
        change(connection, lead, number, Change(status="closed"))
    key = web.value(
        ledger,
        "SELECT conversation FROM ticket_conversations c JOIN tickets t ON t.id = c.ticket_id WHERE t.number = :n",
        n=number,
    )
    other = web.ticket(ledger, web.mention(ledger, key + "again", "again"), "Again", key)
    with ledger.begin() as connection, pytest.raises(Refused, match=f"#{other}"):
        change(connection, lead, number, Change(status="open"))


def test_finishing_what_one_has_not_read_is_refused(client: httpx2.Client, ledger: Ledger, number: int) -> None:
    seen = web.value(ledger, "SELECT version FROM tickets WHERE number = :n", n=number)
    with ledger.begin() as connection:
        note(connection, user(ledger, "agent"), number, "Wait, she wrote again.")
    answer = client.post(f"/tickets/{number}/change", data={"status": "resolved", "seen": str(seen)})
    assert answer.status_code == 409
    assert "had not seen" in answer.text
    assert "Wait, she wrote again." in answer.text
    assert web.value(ledger, "SELECT status FROM tickets WHERE number = :n", n=number) == "new"
    assert (
        client.post(f"/tickets/{number}/change", data={"status": "resolved", "seen": str(seen + 1)}).status_code == 303
    )


@pytest.mark.parametrize(
    "form", [{"status": "gone"}, {"priority": "huge"}, {"team": "no such team"}, {"assignee": "987654"}], ids=str
)
def test_values_that_do_not_exist_are_refused(client: httpx2.Client, number: int, form: dict[str, str]) -> None:
    assert client.post(f"/tickets/{number}/change", data=form).status_code == 409


def test_a_viewer_cannot_own_a_ticket(client: httpx2.Client, ids: dict[str, int], number: int) -> None:
    assert client.post(f"/tickets/{number}/change", data={"assignee": str(ids["viewer"])}).status_code == 409
    assert client.post(f"/tickets/{number}/change", data={"assignee": str(ids["agent"])}).status_code == 303
    assert "owner nobody → Agent" in client.get(f"/tickets/{number}").text


def test_the_page_says_why_who_and_what_the_desk_knows(client: httpx2.Client, ledger: Ledger, number: int) -> None:
    page = client.get(f"/tickets/{number}").text
    for words in (
        "Opened because",
        "Somebody waits for an answer.",
        "declined <b>-1.8</b>",
        "ann",
    ):
        assert words in page
    answer = client.get(f"/api/v1/tickets/{number}").json()
    assert answer["reasons"][0]["words"] == [["declined", -1.8]]
    assert [entry["kind"] for entry in answer["history"]] == ["mention"]


def test_review_ignores_once_and_keeps_the_verdict(client: httpx2.Client, ledger: Ledger) -> None:
    id_ = web.mention(ledger, "review-ignore", "Is this anything?", outcome="review")
    assert "Is this anything?" in client.get("/review").text
    form = {"version": "1", "outcome": "ignore"}
    assert client.post(f"/review/{id_}", data=form).headers["location"].startswith("/review?said=ignore")
    assert client.post(f"/review/{id_}", data=form).headers["location"].startswith("/review?said=late")
    assert "Is this anything?" not in client.get("/review").text
    row = "SELECT outcome || corrected FROM verdicts WHERE mention_id = :id"
    assert web.value(ledger, row, id=id_) == "reviewignore"
    assert web.value(ledger, "SELECT count(*) FROM audit WHERE object = :o", o=f"mention:{id_}") == 1


def test_review_queues_a_ticket_as_a_new_version(client: httpx2.Client, ledger: Ledger, database_url: str) -> None:
    id_ = web.mention(ledger, "review-ticket", "Somebody should look", outcome="review")
    with psycopg.connect(raw_url(database_url), autocommit=True) as listener:
        listener.execute("LISTEN earmark")
        client.post(f"/review/{id_}", data={"version": "1", "outcome": "ticket"})
        assert [n.payload for n in listener.notifies(timeout=5, stop_after=1)] == ["digest"]
    queued = (
        "SELECT d.version || '/' || m.version FROM digests d JOIN mentions m ON m.id = d.mention_id WHERE m.id = :id"
    )
    assert web.value(ledger, queued, id=id_) == "2/2"


def test_two_people_decide_one_review_at_once_and_one_wins(ledger: Ledger) -> None:
    id_ = web.mention(ledger, "review-race", "Me, me!", outcome="review")
    lead = user(ledger, "lead")

    def decide(outcome: str) -> bool:
        return ledger.run(lambda connection: review.decide(connection, lead, id_, 1, outcome))

    with ThreadPoolExecutor(4) as pool:
        assert sorted(pool.map(decide, ["ticket", "ignore", "ticket", "ignore"])) == [False, False, False, True]


def test_poll_now_and_pause_are_rows_and_rings(client: httpx2.Client, ledger: Ledger, database_url: str) -> None:
    with ledger.begin() as connection:
        id_ = connection.execute(
            text(
                "INSERT INTO channels (name, kind, platform) VALUES ('a channel/<x>', 'reddit', 'reddit') RETURNING id"
            )
        ).scalar()
    with psycopg.connect(raw_url(database_url), autocommit=True) as listener:
        listener.execute("LISTEN earmark")
        answer = client.post(f"/channels/{id_}/poll")
        assert answer.headers.get("location") == "/channels?said=polling", answer.text
        assert [n.payload for n in listener.notifies(timeout=5, stop_after=1)] == [f"poll:{id_}"]
    assert web.value(ledger, "SELECT wanted_at IS NOT NULL FROM channels WHERE id = :id", id=id_)
    client.post(f"/channels/{id_}/pause")
    assert "Resume" in client.get("/channels").text
    client.post(f"/channels/{id_}/resume")
    assert web.value(ledger, "SELECT paused_at IS NULL FROM channels WHERE id = :id", id=id_)
    actions = "SELECT string_agg(action, ' ' ORDER BY id) FROM audit WHERE object = :o"
    assert web.value(ledger, actions, o=f"channel:{id_}") == "channel.poll channel.pause channel.resume"


def test_filters_search_and_badge_tell_the_same(client: httpx2.Client, ledger: Ledger, ids: dict[str, int]) -> None:
    for n in range(33):
        key = f"filter-{n}"
        web.ticket(
            ledger,
            web.mention(ledger, key, f"zanzibar {n}"),
            f"Filter {n}",
            key,
            author=f"f{n}",
            priority="high" if n % 2 else "low",
            topic="island",
        )
    first = client.get("/api/v1/tickets", params={"topic": "island", "limit": 30}).json()
    second = client.get("/api/v1/tickets", params={"topic": "island", "limit": 30, "cursor": first["next"]}).json()
    assert (len(first["items"]), len(second["items"]), second["next"]) == (30, 3, None)
    numbers = [t["number"] for t in first["items"] + second["items"]]
    assert len(set(numbers)) == 33

    def count(**params: object) -> int:
        return len(client.get("/api/v1/tickets", params={"limit": 200, **params}).json()["items"])

    assert count(q="zanzibar 7") == 1
    assert count(q="zanzibar -7") == 32
    both = count(topic="island", priority=["high", "low"])
    high = count(topic="island", priority="high")
    assert (both, high) == (33, 16)
    found = client.get("/api/v1/tickets", params={"q": f"#{numbers[0]}"}).json()["items"]
    assert numbers[0] in [t["number"] for t in found]
    with ledger.begin() as connection:
        counts = views.view_counts(connection, ids["lead"])
        for view in views.VIEWS:
            total = views.tickets(connection, views.Filter(view=view), ids["lead"]).total
            assert view in views.UNCOUNTED or counts[view] == total, view
        assert views.sidebar(connection)["inbox"] == counts["open"]


def test_search_finds_notes_and_posts_of_a_later_mention(client: httpx2.Client, number: int) -> None:
    client.post(f"/tickets/{number}/notes", data={"body": "ask the quartermaster"})
    found = client.get("/api/v1/tickets", params={"q": "quartermaster"}).json()
    assert [t["number"] for t in found["items"]] == [number]


def test_an_address_shows_another_person_the_same_list(
    client: httpx2.Client, ledger: Ledger, ids: dict[str, int], number: int
) -> None:
    address = "/inbox?view=all&priority=normal&q=declined&sort=newest"
    with web.enter(ledger, str(client.base_url), ids["viewer"]) as other:

        def tickets(page: str) -> list[str]:
            return re.findall(r'href="/tickets/(\d+)"', page)  # what is unread is everybody's own

        mine = tickets(client.get(address).text)
        assert mine
        assert mine == tickets(other.get(address).text)


def test_every_ticket_has_one_link_in_its_row(client: httpx2.Client, number: int) -> None:
    page = client.get("/inbox?view=all&sort=newest").text
    for row in page.split("<tr")[2:]:
        assert row.split("</tr>")[0].count("<a ") == 1


def test_promises_and_tags_are_kept_from_the_page(client: httpx2.Client, ledger: Ledger, number: int) -> None:
    path = f"/tickets/{number}"
    assert client.post(f"{path}/promises", data={"what": "Refund of 12 euros", "hours": "72"}).status_code == 303
    assert "Refund of 12 euros" in client.get(path).text
    id_ = web.value(ledger, "SELECT max(id) FROM promises")
    assert client.post(f"{path}/promises", data={"settle": str(id_), "state": "kept"}).status_code == 303
    assert web.value(ledger, "SELECT state FROM promises WHERE id = :id", id=id_) == "kept"
    assert client.post(f"{path}/promises", data={"settle": str(id_), "state": "broken"}).status_code == 422
    assert client.post(f"{path}/tags", data={"tags": "Refund, vip"}).status_code == 303
    assert client.post(f"{path}/tags", data={"tags": "refund"}).status_code == 303
    assert web.value(ledger, "SELECT tags FROM tickets WHERE number = :n", n=number) == ["refund"]
