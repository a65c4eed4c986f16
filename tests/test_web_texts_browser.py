"""A morning in German in a real browser: the door, the inbox, the keys, numbers and times; and what scripts say, in brackets."""

import re
from collections.abc import Iterator

import pytest

from console.web import spoken
from storage.ledger import Ledger
from tests import pseudo, web
from tests.test_web_browser import browser, playwright

pytestmark = pytest.mark.browser
__all__ = ["browser"]  # a fixture


@pytest.fixture(scope="module")
def address(database_url: str) -> Iterator[str]:
    web.people(database_url)
    ledger = Ledger(database_url)
    id_ = web.mention(ledger, "g1", "Die Karte wurde schon wieder abgelehnt.", author="anke")
    web.ticket(ledger, id_, "Karte abgelehnt", "g1", author="anke")
    web.value(ledger, "UPDATE mentions SET followers = 12345 RETURNING 1")
    web.value(ledger, "UPDATE tickets SET opened_at = now() - interval '3 days' RETURNING 1")
    ledger.close()
    known = {**spoken.languages(), "xx": pseudo.language()}
    with web.serve(web.make_app(database_url, languages=known)) as found:
        yield found


@pytest.fixture
def page(browser: "playwright.Browser", address: str) -> Iterator["playwright.Page"]:
    context = browser.new_context(base_url=address, locale="de-DE", timezone_id="Europe/Berlin")
    found = context.new_page()
    said: list[str] = []
    found.on("console", lambda message: said.append(message.text))
    found.on("pageerror", lambda error: said.append(str(error)))
    yield found
    context.close()
    assert said == []


def test_a_morning_in_german(page: "playwright.Page") -> None:
    page.goto("/login")
    assert page.get_attribute("html", "lang") == "de"
    page.fill("[name=email]", "agent@example.org")
    page.fill("[name=password]", web.PASSWORD)
    page.click("button:text-is('Anmelden')")
    page.wait_for_url("**/inbox")
    page.goto("/inbox?view=all")  # by now the browser has named its zone
    assert page.inner_text("h1").split("\n")[0].startswith("Alle")
    row = page.locator("#rows tbody tr")
    assert row.locator(".c-age").inner_text() == "3 T"
    assert re.fullmatch(
        r"\w\w\., \d+\. \w+\.? \d{4}, \d\d:\d\d:\d\d CES?T", row.locator(".c-age time").get_attribute("title") or ""
    )
    assert row.locator(".c-reach span").get_attribute("title") == "12.345 Follower"
    assert row.locator(".c-due").inner_text().startswith("Antwort in ")
    page.evaluate(
        "document.querySelectorAll('time[data-ago=\"\"], time[data-due]').forEach((time) => { time.textContent = '' })"
    )
    row.locator("[name=ticket]").check()
    assert page.inner_text(".ticked") == "1 markiert"
    page.locator("body").press("?")
    keys = page.inner_text("#keys-list")
    assert "nächste Zeile" in keys
    assert "gehe zu: Posteingang" in keys
    page.keyboard.press("Escape")
    row.locator(".c-what a").click()
    page.wait_for_url("**/tickets/*")
    assert page.is_visible("text=Eröffnet, weil")
    page.select_option("[name=status]", "pending")  # what is sent is the word of the API
    page.click("form.props button:text-is('Speichern') >> nth=0")
    page.wait_for_url("**said=saved")
    assert page.inner_text(".said").strip() == "Gespeichert."
    assert page.inner_text(".facts .status") == "wartend"
    page.fill("#note", "Rückruf um zehn")
    page.wait_for_selector("form.internal [data-kept][data-state=kept]")
    assert re.search(r"Entwurf gesichert um \d\d:\d\d$", page.inner_text("form.internal [data-kept]"))
    page.click("form.languages button:text-is('English')")
    page.wait_for_selector("html[lang=en]")
    assert page.is_visible("text=Opened because")


def test_what_scripts_say_is_in_the_catalogue(page: "playwright.Page", address: str) -> None:
    page.context.add_cookies([{"name": "earmark-language", "value": "xx", "url": address}])
    page.goto("/login")
    page.fill("[name=email]", "lead@example.org")
    page.fill("[name=password]", web.PASSWORD)
    page.click("form.stack button")
    page.wait_for_url("**/inbox")
    page.goto("/inbox?view=all")
    page.locator("#rows [name=ticket]").check()
    page.locator("body").press("?")
    for said in [
        *page.locator("#keys-list dd").all_inner_texts(),
        *page.locator("time").all_inner_texts(),
        page.inner_text(".ticked"),
    ]:
        assert not pseudo.bare(said), said
