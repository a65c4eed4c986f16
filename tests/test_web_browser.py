"""The console in a real browser: it logs in, opens pages, works by keyboard, and the policy is never violated."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from storage import casework, users
from storage.ledger import Ledger
from tests import web

playwright = pytest.importorskip("playwright.sync_api")
CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
pytestmark = pytest.mark.browser
PAGES = ("/inbox", "/review", "/customers", "/customers/1", "/flags", "/flags/1", "/channels", "/status")


@pytest.fixture(scope="module")
def browser() -> Iterator["playwright.Browser"]:
    if CHROMIUM is None:
        if os.environ.get("CI") == "true":
            pytest.fail("CI must have Chromium: apt-get install chromium")
        pytest.skip("NO BROWSER TEST WAS RUN: Chromium is not installed (apt-get install chromium)")
    with playwright.sync_playwright() as started:
        found = started.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        yield found
        found.close()


@pytest.fixture(scope="module")
def address(database_url: str) -> Iterator[str]:
    web.people(database_url)
    ledger = Ledger(database_url)
    for n in range(3):
        id_ = web.mention(ledger, f"b{n}", f"<script>document.title='owned'</script> post {n}", author=f"a{n}")
        web.ticket(ledger, id_, f"Ticket {n}", f"k{n}", author=f"a{n}")
    web.mention(ledger, "r", "Is it just me?", outcome="review")
    web.value(
        ledger,
        "INSERT INTO counts VALUES ('northbank', 'reddit', 'negative', date_trunc('minute', now()), 9) RETURNING n",
    )
    web.value(
        ledger,
        "INSERT INTO escalations (rule, series, window_start, run_id) VALUES ('spike', 'northbank/negative', now(), 1) RETURNING id",
    )
    web.value(ledger, "INSERT INTO channels (name, kind, platform) VALUES ('news', 'feed', 'feeds') RETURNING id")
    ledger.close()
    with web.serve(web.make_app(database_url)) as found:
        yield found


@contextmanager
def quiet_page(browser: "playwright.Browser", **about: Any) -> Iterator["playwright.Page"]:
    """A page; at the end nothing may have been said on the browser's console, where the policy speaks too."""
    context = browser.new_context(**about)
    page = context.new_page()
    said: list[str] = []
    page.on("console", lambda message: said.append(message.text))
    page.on("pageerror", lambda error: said.append(str(error)))
    yield page
    context.close()
    assert said == []


@pytest.fixture(scope="module")
def entered(browser: "playwright.Browser", address: str) -> Any:
    """What the browser keeps of somebody who filled in the form: a password costs what it is meant to cost, once."""
    with quiet_page(browser, base_url=address) as page:
        page.goto("/login")
        page.fill("[name=email]", "admin@example.org")
        page.fill("[name=password]", web.PASSWORD)
        page.click("button.primary")
        page.wait_for_url("**/inbox")
        return page.context.storage_state()


@pytest.fixture
def page(browser: "playwright.Browser", address: str, entered: Any) -> Iterator["playwright.Page"]:
    """A logged-in page at the inbox."""
    with quiet_page(browser, base_url=address, storage_state=entered) as page:
        page.goto("/inbox")
        yield page


def test_every_page_keeps_the_policy_in_both_schemes(page: "playwright.Page") -> None:
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)
        for path in (*PAGES, "/tickets/1"):
            answer = page.goto(path)
            assert answer
            assert answer.status == 200, path
            assert page.title().endswith("· Earmark"), path


@pytest.mark.parametrize("width", [320, 768, 1280])
def test_no_page_scrolls_sideways(page: "playwright.Page", width: int) -> None:
    page.set_viewport_size({"width": width, "height": 800})
    for path in (*PAGES, "/tickets/1"):
        page.goto(path)
        assert page.evaluate("document.documentElement.scrollWidth - window.innerWidth") <= 0, path


def test_a_ticket_by_keyboard_alone(page: "playwright.Page") -> None:
    page.keyboard.press("j")
    page.keyboard.press("j")
    second = page.evaluate("document.activeElement.textContent")
    assert second.startswith("Ticket")
    page.keyboard.press("o")
    page.wait_for_url("**/tickets/*")
    assert page.inner_text("h1") == second
    page.keyboard.press("n")
    page.keyboard.type("jot? e/u stay letters in a field")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    page.wait_for_url("**said=noted*")
    assert "jot? e/u stay letters in a field" in page.inner_text(".thread")
    page.keyboard.press("u")
    page.wait_for_url("**/inbox")


def test_the_help_lists_the_keys_and_one_switch_ends_them(page: "playwright.Page") -> None:
    page.keyboard.press("?")
    assert page.is_visible("#keys")
    assert "next row" in page.inner_text("#keys-list")
    page.check("#keys-off")
    page.keyboard.press("Escape")
    page.keyboard.press("g")
    page.keyboard.press("c")
    page.keyboard.press("j")
    assert page.url.endswith("/inbox")
    assert page.evaluate("document.activeElement.closest('#rows')") is None


def test_a_filter_is_sent_when_it_closes_and_stands_in_the_address(page: "playwright.Page") -> None:
    page.click("summary:text-is('Platform')")
    page.check("[name=platform][value=reddit]")
    page.keyboard.press("Escape")
    page.wait_for_url("**/inbox?platform=reddit")
    assert ": Reddit" in page.inner_text(".pick.on summary")


def test_without_script_a_ticket_is_read_noted_and_resolved(browser: "playwright.Browser", address: str) -> None:
    context = browser.new_context(base_url=address, java_script_enabled=False)
    page = context.new_page()
    page.goto("/tickets/2")
    page.fill("[name=email]", "agent@example.org")
    page.fill("[name=password]", web.PASSWORD)
    page.click("button.primary")
    page.wait_for_url("**/tickets/2")
    page.fill("#note", "Written without script.")
    page.click("text=Add note")
    page.wait_for_selector("text=Written without script.")
    page.select_option("[name=priority]", "urgent")
    page.click("text=Save")
    page.wait_for_selector("text=priority normal → urgent")
    page.click("button:text-is('Resolve')")
    page.wait_for_selector("text=status new → resolved")
    context.close()


def test_every_target_is_large_enough_and_every_field_has_a_name(page: "playwright.Page") -> None:
    for path in (*PAGES, "/tickets/1"):
        page.goto(path)
        small = page.evaluate(
            """[...document.querySelectorAll('button, select, input:not([type=hidden]), summary, nav a')]
            .filter((e) => e.offsetParent && !e.closest('dialog, fieldset'))
            .map((e) => [e.outerHTML.slice(0, 60), e.getBoundingClientRect()])
            .filter(([, box]) => box.height < 24 || box.width < 24).map(([html, box]) => html + ' ' + box.height)"""
        )
        assert small == [], path
        unnamed = page.evaluate(
            """[...document.querySelectorAll('select, textarea, input:not([type=hidden])')]
            .filter((e) => !e.labels?.length && !e.getAttribute('aria-label')).map((e) => e.outerHTML)"""
        )
        assert unnamed == [], path


def test_a_ticket_of_another_process_arrives_without_reloading(page: "playwright.Page", database_url: str) -> None:
    page.goto("/inbox")
    page.wait_for_selector("body[data-live=on]")
    page.evaluate("window.marked = 'the same page'")
    page.keyboard.press("j")
    page.keyboard.press("j")
    focused = page.evaluate("document.activeElement.textContent")
    badge = int(page.inner_text("[data-badge=inbox]"))
    ledger = Ledger(database_url)
    number = web.ticket(
        ledger, web.mention(ledger, "live", "declined just now"), "Arrived", "reddit|x|live", author="l"
    )
    page.wait_for_selector("#news:not([hidden])")
    assert "1 new ticket" in page.inner_text("#news")
    assert page.locator(f"a[href='/tickets/{number}']").count() == 0  # rows do not jump by themselves
    assert int(page.inner_text("[data-badge=inbox]")) == badge + 1
    assert page.evaluate("document.activeElement.textContent") == focused
    page.locator("#news button").click()
    page.wait_for_selector(f"a[href='/tickets/{number}']")
    assert page.evaluate("window.marked") == "the same page"
    assert page.is_hidden("#news")
    web.value(ledger, "UPDATE tickets SET priority = 'urgent' WHERE number = :n RETURNING 1", n=number)
    user = users.by_email
    with ledger.begin() as connection:
        admin = user(connection, "admin@example.org")
        assert admin
        casework.note(connection, admin, number, "somebody looked")
    row = page.locator(f"tr:has(a[href='/tickets/{number}'])")
    row.locator(".prio.urgent").wait_for()  # the cell changed where it stands
    assert page.evaluate("window.marked") == "the same page"
    ledger.close()


def test_tabs_share_one_stream_and_another_takes_over(page: "playwright.Page") -> None:
    second = page.context.new_page()
    streams: list[str] = []
    for one in (page, second):
        one.on("request", lambda request: streams.append(request.url) if "/live?" in request.url else None)
    page.goto("/inbox")
    page.wait_for_selector("body[data-live=on]")
    second.goto("/inbox")
    second.wait_for_selector("#rows")
    assert len(streams) == 1
    page.goto("about:blank")
    second.wait_for_selector("body[data-live=on]")
    assert len(streams) == 2
    second.close()
