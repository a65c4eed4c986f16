"""The inbox people work in: views, what they keep, whose turn it is, snippets, and what an empty list says."""

import re
from collections.abc import Iterator

import httpx2
import pytest
from sqlalchemy import text

from storage import routing, users, views
from storage.ledger import Ledger
from tests import web
from tests.web_fixtures import ids, ledger

__all__ = ["ids", "ledger"]  # fixtures


@pytest.fixture(scope="module")
def clients(ledger: Ledger, database_url: str, ids: dict[str, int]) -> Iterator[dict[str, httpx2.Client]]:
    with web.serve(web.make_app(database_url)) as address:
        found = {role: web.enter(ledger, address, ids[role]) for role in web.ROLES}
        yield found
        for client in found.values():
            client.close()


def test_an_empty_console_says_what_is_next_and_then_why_it_is_empty(
    clients: dict[str, httpx2.Client], ledger: Ledger
) -> None:
    page = clients["lead"].get("/inbox").text
    assert "Say what to monitor" in page
    assert "No scheduler leads" in page
    with ledger.begin() as connection:
        connection.execute(text("INSERT INTO configurations (hash, document) VALUES ('a', '{}')"))
        connection.execute(
            text(
                "INSERT INTO workers (id, kind, leader, lock) VALUES ('s', 'scheduler', true, 1), ('w', 'worker', false, 2)"
            )
        )
        connection.execute(text("INSERT INTO channels (name, kind, platform) VALUES ('news', 'feed', 'feeds')"))
    page = clients["lead"].get("/inbox").text
    assert "A configuration is in force" in page
    assert "1 channel is switched on and none has read yet" in page
    number = web.ticket(ledger, web.mention(ledger, "e1", "first"), "First", "e1")
    assert "No ticket matches" in clients["lead"].get("/inbox?q=nowhere").text
    assert "Nothing for your teams" in clients["lead"].get("/inbox?view=team").text
    web.value(ledger, "UPDATE tickets SET status = 'closed' WHERE number = :n RETURNING 1", n=number)
    assert "All done" in clients["lead"].get("/inbox").text
    web.value(ledger, "UPDATE channels SET error = 'gone' RETURNING 1")
    assert "1 channel does not read" in clients["lead"].get("/inbox").text
    web.value(ledger, "UPDATE channels SET error = NULL RETURNING 1")


def test_every_badge_is_the_length_of_its_list(
    clients: dict[str, httpx2.Client], ledger: Ledger, ids: dict[str, int]
) -> None:
    numbers = [
        web.ticket(ledger, web.mention(ledger, f"v{n}", "x"), f"V{n}", f"v{n}", author=f"v{n}") for n in range(6)
    ]
    with ledger.begin() as connection:
        agent = users.by_email(connection, "agent@example.org")
        assert agent
        routing.set_agent(connection, agent, "test", teams=["cards"])
        for n, change in enumerate(
            ("assignee_id = :me", "first_due = now() - interval '1 min'", "first_due = now() + interval '30 min'",
             "snoozed_until = now() + interval '1 day'", "status = 'muted'")
        ):  # fmt: skip
            connection.execute(
                text(f"UPDATE tickets SET {change} WHERE number = :n"), {"me": agent.id, "n": numbers[n]}
            )
        counts = views.view_counts(connection, agent.id)
        for view in views.VIEWS:
            total = views.tickets(connection, views.Filter(view=view), agent.id).total
            assert view in views.UNCOUNTED or counts[view] == total, view
            assert total > 0 or view == "vip", view
    for view, n in counts.items():
        page = clients["agent"].get(f"/inbox?view={view}").text
        assert f'data-view="{view}">{n}<' in page
        assert f"<small>{n} ticket" in page


def test_a_view_is_kept_renamed_shared_and_deleted_by_its_owner_alone(clients: dict[str, httpx2.Client]) -> None:
    agent, lead = clients["agent"], clients["lead"]
    address = "view=all&platform=reddit&platform=x&q=card&sort=newest&junk=1"
    kept = agent.post("/inbox/views", data={"name": "  Cards   today ", "address": address})
    assert kept.headers["location"] == "/inbox?view=all&q=card&platform=reddit&platform=x&sort=newest&said=kept"
    page = agent.get("/inbox").text
    found = re.search(r'href="(/inbox\?view=all&amp;q=card[^"]*)"[^>]*>Cards today', page)
    assert found
    at = agent.get(found[1].replace("&amp;", "&")).text
    id_ = re.search(r'action="/inbox/views/(\d+)"', at)
    assert id_
    assert "Cards today" not in lead.get("/inbox").text
    change = f"/inbox/views/{id_[1]}"
    assert agent.post(change, data={"do": "share"}).status_code == 303
    assert "Cards today" in lead.get("/inbox").text
    assert lead.post(change, data={"do": "drop"}).status_code == 404
    agent.post("/inbox/views", data={"name": "Other", "address": ""})
    assert agent.post(change, data={"do": "rename", "name": "Other"}).status_code == 422
    assert agent.post(change, data={"do": "rename", "name": "Cards"}).status_code == 303
    assert agent.post(change, data={"do": "keep"}).status_code == 303
    assert "Cards" not in lead.get("/inbox").text.split('aria-label="Views"')[1].split("</nav>")[0]
    assert agent.post(change, data={"do": "drop"}).headers["location"].endswith("said=dropped")
    assert "Cards" not in agent.get("/inbox").text.split('aria-label="Views"')[1].split("</nav>")[0]
    assert agent.post("/inbox/views", data={"name": " ", "address": ""}).status_code == 422


def test_next_takes_skip_needs_a_reason_and_resolving_takes_the_following(
    clients: dict[str, httpx2.Client], ledger: Ledger, ids: dict[str, int]
) -> None:
    agent = clients["agent"]
    web.value(ledger, "UPDATE tickets SET status = 'closed' RETURNING 1")
    one, two = (
        web.ticket(ledger, web.mention(ledger, f"t{n}", "x"), f"T{n}", f"t{n}", author=f"t{n}", first=60 + n)
        for n in (1, 2)
    )
    taken = agent.post("/inbox/next").headers["location"]
    assert taken == f"/tickets/{one}?said=taken"
    assert agent.post("/inbox/next").headers["location"] == taken
    page = agent.get(taken).text
    assert "You took this as the next ticket." in page
    shown = re.search(r'name="resolve" value="\d+"><input type="hidden" name="shown" value="([^"]*)"', page)
    assert shown
    assert agent.post(f"/tickets/{one}/skip", data={"reason": "  "}).status_code == 422
    assert web.value(ledger, "SELECT assignee_id FROM tickets WHERE number = :n", n=one) == ids["agent"]
    skipped = agent.post(f"/tickets/{one}/skip", data={"reason": "Not my language", "then": "next"})
    assert skipped.headers["location"] == f"/tickets/{two}?said=taken"
    assert (
        web.value(ledger, "SELECT body FROM entries WHERE kind = 'skip' ORDER BY id DESC LIMIT 1") == "Not my language"
    )
    # somebody wrote meanwhile: resolving from the old page is stopped and nothing new is taken
    page = agent.get(f"/tickets/{two}").text
    shown = re.search(r'name="resolve" value="\d+"><input type="hidden" name="shown" value="([^"]*)"', page)
    assert shown
    clients["lead"].post(f"/tickets/{two}/notes", data={"body": "wait"})
    stopped = agent.post("/inbox/next", data={"resolve": two, "shown": shown[1]})
    assert stopped.status_code == 409
    assert web.value(ledger, "SELECT status FROM tickets WHERE number = :n", n=two) == "open"
    three = web.ticket(ledger, web.mention(ledger, "t3", "x"), "T3", "t3", author="t3")
    following = agent.post("/inbox/next", data={"resolve": two}).headers["location"]
    assert following == f"/tickets/{three}?said=taken"
    assert web.value(ledger, "SELECT status FROM tickets WHERE number = :n", n=two) == "resolved"
    assert agent.post("/inbox/next", data={"resolve": three}).headers["location"] == "/inbox?said=nothing"
    assert clients["viewer"].post("/inbox/next").status_code == 403


def test_a_row_shows_snippet_match_reach_and_who_waits_and_reading_ends_unread(
    clients: dict[str, httpx2.Client], ledger: Ledger
) -> None:
    id_ = web.mention(ledger, "s1", "Subject again. My card was <b>declined</b> twice", author="sue")
    number = web.ticket(ledger, id_, "Subject again.", "s1", author="sue")
    web.value(ledger, "UPDATE mentions SET followers = 38400 WHERE id = :id RETURNING 1", id=id_)

    def row(q: str = "") -> str:
        page = clients["agent"].get(f"/inbox?view=all&q={q}").text
        return next(part for part in page.split("<tr ") if f'href="/tickets/{number}"' in part)

    assert "My card was &lt;b&gt;declined&lt;/b&gt; twice" in row()
    assert "&lt;b&gt;<mark>declined</mark>&lt;/b&gt;" in row("decl*")
    assert ">38k<" in row()
    assert 'class="unread"' in row()
    assert re.search(r'c-waits"><time', row())
    clients["agent"].get(f"/tickets/{number}")
    assert 'class="unread"' not in row()
    assert re.search(r'c-waits"><time', row())
    assert clients["agent"].post(f"/tickets/{number}/unread").headers["location"] == "/inbox?said=unread"
    assert 'class="unread"' in row()
    assert "Read as words alone" in clients["agent"].get("/inbox?q=pay and go").text


def test_mornings_are_on_the_clock_of_who_asks(clients: dict[str, httpx2.Client], ledger: Ledger) -> None:
    number = web.ticket(ledger, web.mention(ledger, "z1", "x"), "Z", "z1", author="z")
    for zone, hour in (("Asia/Tokyo", 23), ("No/Where", 8)):
        form = {"ticket": f"{number}", "snooze": "tomorrow"}
        clients["agent"].post("/inbox/bulk", data=form, headers={"cookie": _with_zone(clients["agent"], zone)})
        until = web.value(
            ledger, "SELECT extract(hour FROM snoozed_until)::int FROM tickets WHERE number = :n", n=number
        )
        assert until == hour, zone


def _with_zone(client: httpx2.Client, zone: str) -> str:
    return "; ".join(f"{name}={value}" for name, value in {**client.cookies, "earmark-zone": zone}.items())
