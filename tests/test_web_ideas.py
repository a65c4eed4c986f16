"""Why a ticket is here now and its rule run again; skips tallied per rule and tried under an edit; proposals decided on the customer's page."""

import re
from datetime import UTC, datetime, timedelta

import httpx2
import pytest
from sqlalchemy import text

import config
from config.workbench import levels as usual
from storage import casework, configurations, skips, sla, turns, users
from storage.casework import Change
from storage.ledger import Ledger, one
from tests import web
from tests.web_fixtures import address, client, ids, ledger
from workers.backtest import Side
from workers.skipped import trial

__all__ = ["address", "client", "ids", "ledger"]  # fixtures

RULES = [
    {
        "name": "angry",
        "when": {"words": ["declined"]},
        "then": {"outcome": "ticket"},
        "why": "Somebody waits for an answer.",
    }
]
CALM = [{"name": "angry", "when": {"words": ["stolen"]}, "then": {"outcome": "ticket"}, "why": "A theft."}]


def document(rules: object) -> config.Config:
    return config.load_document(
        {"topics": [{"name": "northbank", "any": ["card"]}], "rules": rules, "settings": {"language": "en"}}
    )


@pytest.fixture(scope="module")
def tickets(ledger: Ledger) -> list[int]:
    """Two that the rule opened, of a card that was declined and one that was stolen."""
    with ledger.begin() as connection:
        configurations.accept(connection, "ideas", document(RULES).document())
    made = []
    for key, said in (("i1", "my card was declined"), ("i2", "my card was stolen and declined")):
        mention = web.mention(ledger, key, said, author=key)
        web.value(ledger, "UPDATE verdicts SET reason = 'rule:angry' WHERE mention_id = :m RETURNING 1", m=mention)
        made.append(web.ticket(ledger, mention, f"About {key}", f"reddit|x|{key}", key))
    return made


def test_each_row_says_why_it_is_here_and_leads_to_its_rule(client: httpx2.Client, tickets: list[int]) -> None:
    plain = client.get("/inbox?view=all").text
    assert 'class="why-now"' not in plain
    assert 'data-key="w"' in plain
    page = client.get("/inbox?view=all&why=1").text
    lines = re.findall(r'<p class="why-now">(.*?)</p>', page, re.S)
    assert len(lines) == len(tickets)
    for line in lines:
        assert "answer in" in line
        assert "rule angry abc" in line  # the version its receipt names
        assert "Somebody waits for an answer." in line
    again = re.search(r'href="(/mentions/\d+\?again=1)"', lines[0])
    assert again
    shown = client.get(again[1]).text
    assert "Run again" in shown
    assert "the same as then" in shown


def test_a_rule_version_that_is_gone_says_so(client: httpx2.Client, ledger: Ledger) -> None:
    mention = web.mention(ledger, "person", "a card", author="p")
    web.value(ledger, "UPDATE verdicts SET reason = 'person' WHERE mention_id = :m RETURNING 1", m=mention)
    assert "A person decided this" in client.get(f"/mentions/{mention}?again=1").text


def test_skips_are_told_per_rule_and_tried_under_an_edit(ledger: Ledger, tickets: list[int]) -> None:
    """Idea 2: with this change so many of the skipped tickets would not have been offered."""
    with ledger.begin() as connection:
        agent = users.by_email(connection, "agent@example.org")
        assert agent
        for number in tickets:
            turns.skip(connection, agent, number, "not ours")
        [row] = [row for row in skips.by_rule(connection) if row["rule"] == "rule:angry"]
    assert (row["reason"], row["times"], row["tickets"]) == ("not ours", 2, 2)
    same = trial(ledger, Side.of(document(RULES)), Side.of(document(RULES)), 7)
    assert (same["skipped"], same["judged"], same["not_offered"]) == (2, 2, 0)
    less = trial(ledger, Side.of(document(RULES)), Side.of(document(CALM)), 7)
    assert less["not_offered"] == 1, "the stolen card would still be a ticket"
    assert less["rules"] == [{"rule": "rule:angry", "skipped": 2, "not_offered": 1}]


def test_a_proposal_is_decided_on_the_customers_page_and_taken_back(client: httpx2.Client, ledger: Ledger) -> None:
    with ledger.begin() as connection:
        a, b = (
            one(connection, "INSERT INTO customers (name, source) VALUES (:n, 'test') RETURNING id", n=n)
            for n in ("Ann Lee", "A. Lee")
        )
        for customer, mail in ((a, "ann@lee.example"), (b, "a.lee@lee.example")):
            identity = one(
                connection, "INSERT INTO identities (kind, native_id) VALUES ('email', :m) RETURNING id", m=mail
            )
            connection.execute(
                text(
                    "INSERT INTO customer_identities (identity_id, customer_id, evidence, confidence, source) VALUES (:i, :c, 'made', 1, 'person')"
                ),
                {"i": identity, "c": customer},
            )
        evidence = '[{"what": "name", "detail": "Ann Lee and A. Lee"}]'
        proposal = one(
            connection, "INSERT INTO proposals (customer_id, other_id, confidence, evidence) VALUES (:a, :b, 0.9, CAST(:e AS jsonb)) RETURNING id",
            a=a, b=b, e=evidence,
        )  # fmt: skip
    page = client.get(f"/customers/{a}").text
    assert "name: Ann Lee and A. Lee" in page
    assert f'action="/proposals/{proposal}"' in page
    for decision, state in (("refuse", "refused"), ("undo", "open"), ("accept", "accepted"), ("undo", "open")):
        done = client.post(f"/proposals/{proposal}", data={"decision": decision, "customer": str(a)})
        assert done.headers["location"] == f"/customers/{a}#proposals"
        assert web.value(ledger, "SELECT state FROM proposals WHERE id = :i", i=proposal) == state
        merged = web.value(ledger, "SELECT merged_into FROM customers WHERE id = :b", b=b)
        assert (merged == a) == (state == "accepted")
    assert client.post(f"/proposals/{proposal}", data={"decision": "undo", "customer": str(a)}).status_code == 409


def test_the_post_that_is_answered_stands_above_with_its_state(client: httpx2.Client, ledger: Ledger) -> None:
    """Requirement 20: the parent, when it was read, and whether it was edited or deleted since."""
    parent = web.mention(ledger, "above", "Which bank is down?", outcome="ignore", author="bob")
    mention = web.mention(ledger, "below", "mine, declined", author="below", reply="above")
    number = web.ticket(ledger, mention, "About below", "reddit|x|below", "below")
    page = client.get(f"/tickets/{number}").text
    above = page.split('<blockquote class="parent">')[1].split("</blockquote>")[0]
    assert "Which bank is down?" in above
    assert "bob" in above
    assert "read " in above
    assert "since" not in above
    for change, word in (("version = 2", "edited since"), ("deleted_at = now(), content = ''", "deleted since")):
        web.value(ledger, f"UPDATE mentions SET {change} WHERE id = :m RETURNING 1", m=parent)
        assert (
            word
            in client.get(f"/tickets/{number}").text.split('<blockquote class="parent">')[1].split("</blockquote>")[0]
        )


def test_the_badge_goes_by_the_clocks_the_breach_job_goes_by(client: httpx2.Client, ledger: Ledger) -> None:
    """Requirement 24: of an open, a pending and a snoozed ticket the row says what the sweep would act on, and nothing where it stands still."""
    levels = usual(config.load_document({}))
    for key, change in (("open", ""), ("pending", "pending"), ("snoozed", "")):
        number = web.ticket(
            ledger,
            web.mention(ledger, f"sla-{key}", "declined", author=f"sla-{key}"),
            f"SLA {key}",
            f"sla|{key}",
            f"sla-{key}",
        )
        with ledger.begin() as connection:
            agent = users.by_email(connection, "agent@example.org")
            assert agent
            if change:
                casework.change(connection, agent, number, Change(status=change))
            if key == "snoozed":
                turns.snooze(connection, agent, number, datetime.now(UTC) + timedelta(hours=4))
            ticket = one(connection, "SELECT id FROM tickets WHERE number = :n", n=number)
            sla.refresh(connection, [ticket], levels)
            running = [clock for clock in sla.shown(connection, ticket, levels) if clock.name == "first"]
            due = one(connection, "SELECT first_due FROM tickets WHERE id = :t", t=ticket)
        assert [clock.due for clock in running] == [due] or (not running and due is None), key
        page = client.get(f"/inbox?view=all&q=%23{number}").text
        row = page.split('<td class="c-due">')[1].split("</td>")[0]
        assert ("answer in" in row) == (due is not None), key
        if key == "snoozed":
            assert due is not None, "a snoozed ticket's clock runs on, and is shown"
            assert '<span class="by">back ' in page
