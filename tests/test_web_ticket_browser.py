"""The ticket, review and customer pages in a real browser: writing is never lost, two people see each other, one key does one thing."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime

import pytest
from sqlalchemy import text

from console.web import presence
from storage import casework, configurations, interactions, users
from storage.ledger import Ledger
from tests import web
from tests.support import wait_until
from tests.test_customers_summary import Model, model
from tests.test_web_browser import browser, playwright
from tests.web_fixtures import address, ids

__all__ = ["address", "browser", "ids", "model"]  # fixtures

pytestmark = pytest.mark.browser
SLOW = 20_000  # milliseconds, for a busy machine; where a promise has a time, it is measured
Entered = Callable[[str], "playwright.Page"]


@pytest.fixture(scope="module")
def ledger(database_url: str, ids: dict[str, int]) -> Iterator[Ledger]:
    found = Ledger(database_url)
    with found.begin() as connection:
        connection.execute(text("INSERT INTO targets (name, kind) VALUES ('helpdesk', 'zendesk')"))
        macro = {"name": "outage", "label": "Known outage", "status": "hold", "tags": ["outage"]}
        configurations.accept(connection, "b", {"casework": {"hold": "1h"}, "macros": [macro]})
    yield found
    found.close()


@pytest.fixture
def enter(browser: "playwright.Browser", ledger: Ledger, address: str, ids: dict[str, int]) -> Iterator[Entered]:
    """A page of a person's own; at the end nothing may have been said on any console, but of sends that were stopped."""
    said: list[str] = []
    contexts = []

    def open_(role: str) -> "playwright.Page":
        with ledger.begin() as connection:
            session = users.begin_session(connection, ids[role])
        context = browser.new_context(base_url=address)
        context.set_default_timeout(SLOW)
        context.add_cookies([{"name": "earmark", "value": session, "url": address}])
        page = context.new_page()
        page.on("console", lambda message: said.append(message.text))
        page.on("pageerror", lambda error: said.append(str(error)))
        contexts.append(context)
        return page

    yield open_
    for context in contexts:
        context.close()
    assert [line for line in said if "409 (Conflict)" not in line] == []


@pytest.fixture
def number(ledger: Ledger, request: pytest.FixtureRequest) -> int:
    key = request.node.name
    return web.ticket(
        ledger, web.mention(ledger, key, f"declined {key}", author=key), f"About {key}", f"reddit|x|{key}", key
    )


def drafts(ledger: Ledger, number: int) -> int:
    return int(
        web.value(
            ledger, "SELECT count(*) FROM drafts d JOIN tickets t ON t.id = d.ticket_id WHERE t.number = :n", n=number
        )
    )


def test_a_reply_by_keyboard_is_kept_while_written_sent_and_taken_back(
    enter: Entered, ledger: Ledger, number: int
) -> None:
    page = enter("agent")
    page.goto(f"/tickets/{number}")
    page.keyboard.press("r")
    page.keyboard.type("Dear Ann, e n z stay letters here")
    page.wait_for_selector("form.to-customer [data-kept][data-state=kept]")
    page.goto(f"/tickets/{number}")
    assert page.input_value("#reply") == "Dear Ann, e n z stay letters here"
    assert page.inner_text("form.to-customer button.public") == "Send through Zendesk"
    colours = page.evaluate(
        "['.to-customer', '.internal'].map((s) => getComputedStyle(document.querySelector(s)).backgroundColor)"
    )
    assert colours[0] != colours[1]
    page.focus("#reply")
    page.keyboard.press("Control+Enter")
    page.wait_for_url("**said=leaves**")
    assert "Dear Ann" in page.inner_text(".thread li.reply")
    assert page.input_value("#reply") == ""
    assert drafts(ledger, number) == 0
    page.keyboard.press("z")
    page.wait_for_url("**said=withdrawn**")
    assert page.input_value("#reply") == "Dear Ann, e n z stay letters here"
    assert page.locator(".thread li.reply").count() == 0


def test_two_people_see_each_other_and_a_send_that_missed_a_note_is_stopped(
    enter: Entered, ledger: Ledger, number: int
) -> None:
    first, second, inbox = enter("agent"), enter("lead"), enter("viewer")
    inbox.goto("/inbox")
    inbox.wait_for_selector("body[data-live=on]")
    first.goto(f"/tickets/{number}")
    first.wait_for_selector("body[data-live=on]")
    second.goto(f"/tickets/{number}")
    first.wait_for_selector("#here:has-text('Lead is looking at it')")
    second.wait_for_selector("#here:has-text('Agent is looking at it')")
    second.fill("#note", "I have called them")
    first.wait_for_selector("#here:has-text('Lead is replying')", timeout=2000)
    inbox.wait_for_selector(f"tr:has(a[href='/tickets/{number}']) .here:has-text('Lead is replying')", timeout=2000)
    first.fill("#reply", "We will call you.")
    second.click("text=Add note")
    second.wait_for_url("**said=noted**")
    first.wait_for_selector("#thread-news:not([hidden])")
    assert "1 new entry" in first.inner_text("#thread-news")
    first.click("button.public")
    first.wait_for_selector(".missed")
    assert "I have called them" in first.inner_text("li.missed")
    assert "internal note by Lead" in first.inner_text(".careful")
    assert first.input_value("#reply") == "We will call you."
    second.goto("about:blank")
    first.wait_for_selector("#here:empty", state="attached", timeout=5000)
    first.click("button.public")
    first.wait_for_url("**said=leaves**")


def test_silence_ends_a_presence_and_leaves_no_row(
    enter: Entered, ledger: Ledger, number: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a crash leaves: nobody says that they are gone."""
    monkeypatch.setattr(presence, "SILENCE", 1.0)
    page = enter("agent")
    page.goto(f"/tickets/{number}")
    page.wait_for_selector("body[data-live=on]")
    id_ = web.value(ledger, "SELECT id FROM tickets WHERE number = :n", n=number)
    with ledger.begin() as connection:
        from storage import presence as told

        told.tell(connection, id_, 999, "Bea", "p1", "looking")
    page.wait_for_selector("#here:has-text('Bea is looking at it')")
    page.wait_for_selector("#here:empty", state="attached", timeout=5000)
    tables = "SELECT count(*) FROM pg_class WHERE relname LIKE '%presence%' AND relkind = 'r'"
    assert web.value(ledger, tables) == 0


def test_new_entries_are_shown_without_touching_what_is_written(enter: Entered, ledger: Ledger, number: int) -> None:
    page = enter("agent")
    page.goto(f"/tickets/{number}")
    page.wait_for_selector("body[data-live=on]")
    page.fill("#note", "half a thought")
    with ledger.begin() as connection:
        lead = users.by_email(connection, "lead@example.org")
        assert lead
        casework.note(connection, lead, number, "from elsewhere")
    page.wait_for_selector("#thread-news:not([hidden])")
    assert "from elsewhere" not in page.inner_text("#thread")
    page.click("#thread-news button")
    assert "from elsewhere" in page.inner_text("#thread")
    assert page.evaluate("document.activeElement.textContent.includes('from elsewhere')")
    assert page.input_value("#note") == "half a thought"
    page.click("text=Add note")
    page.wait_for_url("**said=noted**")  # what was shown counts as seen


def test_a_ticket_is_handled_by_single_keys(enter: Entered, ledger: Ledger, number: int) -> None:
    page = enter("agent")
    page.goto(f"/tickets/{number}")
    for key, name in (("s", "status"), ("p", "priority"), ("a", "assignee"), ("t", "tags"), ("h", "until")):
        page.keyboard.press(key)
        assert page.evaluate("document.activeElement.name") == name, key
        page.keyboard.press("Escape")
        page.keyboard.press("Escape")
        if page.evaluate("document.activeElement.name ?? ''") == name:  # the first closed the select's own list
            page.evaluate("document.activeElement.blur()")
    page.keyboard.press("w")
    assert page.locator(".why details[open]").count() == 1
    page.keyboard.press("i")
    page.wait_for_selector("text=owner nobody → Agent")
    page.keyboard.press("z")
    page.wait_for_url("**said=undone**")
    page.click("summary:text-is('Macros')")
    assert "status → hold" in page.inner_text(".macro")
    page.click("text=Apply “Known outage”")
    page.wait_for_selector(".status.hold")
    page.keyboard.press("?")
    help_ = page.inner_text("#keys-list")
    for key in ("r", "n", "a", "i", "s", "p", "t", "e", "E", "h", "z", "w", "."):
        assert f"\n{key}\n" in f"\n{help_}\n", key


def test_reviews_take_one_key_each_and_the_focus_goes_on(enter: Entered, ledger: Ledger) -> None:
    posts = [web.mention(ledger, f"rv{n}", f"Is it me {n}?", outcome="review") for n in range(5)]
    page = enter("agent")
    page.goto("/review")
    page.keyboard.press("j")
    for key, said in (("i", "ignore"), ("s", "spam"), ("o", "notours"), ("t", "ticket")):
        page.keyboard.press(key)
        page.wait_for_url(f"**said={said}**")
        page.wait_for_selector("article.review:focus")
    assert page.evaluate("document.activeElement.id") == f"post-{posts[4]}"
    assert "4 decisions so far" in page.inner_text("header.bar")
    page.keyboard.press("z")
    page.wait_for_url("**said=back**")
    assert page.locator("article.review").count() == 2
    decided = web.value(
        ledger, "SELECT string_agg(corrected, ',' ORDER BY mention_id) FROM verdicts WHERE outcome = 'review'"
    )
    assert decided == "ignore,ignore,ignore"
    page.keyboard.press("?")
    assert "it is not about us" in page.inner_text("#keys-list")


def test_without_script_a_reply_is_kept_as_a_draft_and_sent(
    browser: "playwright.Browser", ledger: Ledger, address: str, ids: dict[str, int], number: int
) -> None:
    with ledger.begin() as connection:
        session = users.begin_session(connection, ids["agent"])
    context = browser.new_context(base_url=address, java_script_enabled=False)
    context.set_default_timeout(SLOW)
    context.add_cookies([{"name": "earmark", "value": session, "url": address}])
    page = context.new_page()
    page.goto(f"/tickets/{number}")
    page.fill("#reply", "Slowly typed.")
    page.click("form.to-customer .keep")
    page.wait_for_selector("text=Kept as a draft.")
    assert page.input_value("#reply") == "Slowly typed."
    page.click("button.public")
    page.wait_for_selector("li.reply:has-text('Slowly typed.')")
    context.close()
    wait_until(lambda: drafts(ledger, number) == 0, message="the draft is cleared")


def test_a_configured_model_s_summary_takes_the_place_of_the_extractive_one(
    enter: Entered, ledger: Ledger, number: int, model: str
) -> None:
    """The model is heard where it cites; what it answers late or without a source leaves the sentences that stand."""
    customer = web.value(ledger, "SELECT customer_id FROM tickets WHERE number = :n", n=number)
    said = {"external_id": "sum-1", "kind": "call", "happened_at": "2026-05-01T10:00:00Z", "customer": customer}
    told = interactions.touch({**said, "body": "My refund is still missing."}, datetime.now(UTC))
    ledger.run(lambda c: interactions.record(c, web.SECRET, "pbx", [told]))
    page = enter("agent")
    page.goto(f"/tickets/{number}")
    assert "My refund is still missing." in page.inner_text("#summary")
    assert page.get_attribute("#summary", "data-from") is None  # nobody else is asked
    with ledger.begin() as connection:
        before = configurations.in_force(connection)
        assert before
        summary = {"summary": {"url": model, "model": "m", "seconds": 2.0}, "allow_hosts": ["127.0.0.1"]}
        configurations.accept(connection, "sum", {**before.document, "settings": summary})
    try:
        Model.answers[:] = ["They wait for a refund <b>now</b>. [1]", "Nothing cited."]
        page.goto(f"/tickets/{number}")
        page.wait_for_selector("#summary:has-text('They wait for a refund <b>now</b>.')")
        assert "written by m" in page.inner_text("#summary-by")
        assert page.get_attribute("#summary li a", "href") == f"/customers/{customer}?what=interaction"
        page.goto(f"/tickets/{number}")
        wait_until(lambda: not Model.answers, message="the model was asked")
        page.wait_for_load_state("networkidle")
        assert "My refund is still missing." in page.inner_text("#summary")
    finally:
        ledger.run(lambda c: configurations.accept(c, "b2", before.document))
