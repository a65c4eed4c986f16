"""By keyboard alone: no trap, nothing that has the focus is covered, and the focus goes where the work goes on."""

from collections.abc import Iterator

import pytest

from storage import users
from tests import web, web_places
from tests.test_web_browser import browser, playwright

pytestmark = pytest.mark.browser
__all__ = ["browser"]  # fixtures
MOST = 400  # stops on a page; more is a trap

# what has the focus: which stop of the page it is, and whether something else lies over its middle
HERE = """() => {
  const at = document.activeElement;
  if (!at || at === document.body) return null;
  window.stops ??= new Map();
  if (!window.stops.has(at)) window.stops.set(at, window.stops.size);
  const boxes = [...at.getClientRects()].filter((box) => box.width && box.height);
  const name = `${at.tagName} ${at.name ?? ""} ${at.id} ${(at.textContent ?? "").trim().slice(0, 40)} ${at.getAttribute("href") ?? ""}`;
  const seen = boxes.some((box) => {
    const from = Math.max(box.top, 0), to = Math.min(box.bottom, innerHeight); // a long one need not fit
    const x = (Math.max(box.left, 0) + Math.min(box.right, innerWidth)) / 2, y = (from + to) / 2;
    if (to - from < Math.min(box.height, 12)) return false;
    const top = document.elementFromPoint(x, y);
    return top && (at.contains(top) || top.contains(at) && !["fixed", "sticky"].includes(getComputedStyle(top).position)
      || [...(at.labels ?? [])].some((label) => label.contains(top)));
  });
  return { stop: window.stops.get(at), name: `${name} ${boxes.map((box) => [box.x, box.y, box.width, box.height].map(Math.round))} of ${innerHeight}`, seen };
}"""


@pytest.fixture(scope="module")
def world(database_url: str) -> Iterator[web_places.World]:
    found = web_places.make(database_url)
    for n in range(24):
        id_ = web.mention(found.ledger, f"kb{n}", f"declined {n}", author=f"kb{n}")
        web.ticket(found.ledger, id_, f"Keyboard {n}", f"kb{n}", author=f"kb{n}", first=60 + n)
    yield found
    found.ledger.close()


@pytest.fixture(scope="module")
def address(world: web_places.World, database_url: str) -> Iterator[str]:
    with web.serve(web.make_app(database_url)) as found:
        yield found


@pytest.fixture
def page(browser: "playwright.Browser", address: str, world: web_places.World) -> Iterator["playwright.Page"]:
    context = browser.new_context(base_url=address, viewport={"width": 1280, "height": 640})
    context.set_default_timeout(20_000)
    context.add_cookies([{"name": "earmark", "value": world.session, "url": address}])
    page = context.new_page()
    wrong: list[str] = []
    page.on("pageerror", lambda error: wrong.append(str(error)))
    yield page
    context.close()
    assert wrong == []


def walk(page: "playwright.Page", key: str = "Tab") -> tuple[list[str], list[str]]:
    """Press the key until the focus leaves the page or comes round; the stops, and those of them that were covered."""
    stops: list[str] = []
    covered: list[str] = []
    page.evaluate("() => { window.stops = new Map(); }")
    for _ in range(MOST):
        page.keyboard.press(key)
        found = page.evaluate(HERE)
        if found is None or (found["stop"] == 0 and len(stops) > 1):
            return stops, covered
        if stops and stops[-1] == f"{found['stop']}":  # a date's parts are one element
            continue
        stops.append(f"{found['stop']}")
        if not found["seen"]:
            covered.append(found["name"])
    raise AssertionError(f"the focus does not leave the page: {found}")


def places(world: web_places.World) -> dict[str, str]:
    return {
        "inbox": "/inbox?view=all",
        "ticket": f"/tickets/{world.number}",
        "customer": f"/customers/{world.customer}",
        "dashboards": "/dashboards",
    }


@pytest.mark.parametrize("name", ["inbox", "phone", "ticket", "customer", "dashboards"])
def test_tab_reaches_the_end_and_nothing_covers_the_focus(
    page: "playwright.Page", world: web_places.World, name: str
) -> None:
    """With every panel open, and in the inbox with rows ticked, so that the bar of changes stands over the list."""
    if name == "phone":
        page.set_viewport_size({"width": 360, "height": 640})
    page.goto(places(world)["inbox" if name == "phone" else name])
    for _round in range(2):
        if name in ("inbox", "phone"):
            page.check("#rows tbody tr:first-child input[name=ticket]")
        stops, covered = walk(page)
        assert len(stops) > 8, stops
        assert covered == [], "\n".join(covered)
        page.evaluate("() => document.activeElement?.blur()")
        page.evaluate(
            "() => { for (const one of document.querySelectorAll('main details:not(.pick)')) one.open = true; }"
        )
    back, covered = walk(page, "Shift+Tab")
    assert len(back) >= len(stops)
    assert covered == [], "\n".join(covered)


def focus(page: "playwright.Page") -> str:
    return str(page.evaluate("document.activeElement.textContent.trim() || document.activeElement.id"))


def test_a_panel_closes_by_escape_and_gives_the_focus_back(page: "playwright.Page", world: web_places.World) -> None:
    """Every panel of the pages: opened by its summary, left by Tab at its end, closed from inside."""
    for path in places(world).values():
        page.goto(path)
        panels = page.locator("main details")
        for n in range(panels.count()):
            panel, opener = panels.nth(n), panels.nth(n).locator("> summary")
            if not opener.is_visible():  # in another one
                continue
            panel.evaluate("(one) => { one.open = false; }")
            opener.focus()
            page.keyboard.press("Enter")
            assert panel.evaluate("(one) => one.open"), (path, n)
            page.keyboard.press("Tab")
            if not panel.evaluate("(one) => one.contains(document.activeElement)"):  # nothing in it to do
                opener.focus()
            page.keyboard.press("Escape")
            assert not panel.evaluate("(one) => one.open"), (path, n)
            assert opener.evaluate("(one) => one === document.activeElement"), (path, n, focus(page))


def test_the_dialog_holds_the_focus_and_gives_it_back(page: "playwright.Page") -> None:
    page.goto("/inbox?view=all")
    page.keyboard.press("j")
    was = focus(page)
    page.keyboard.press("?")
    for _ in range(6):
        page.keyboard.press("Tab")
        assert page.evaluate("document.activeElement === document.body || !!document.activeElement.closest('#keys')")
    page.keyboard.press("Escape")
    assert not page.evaluate("document.getElementById('keys').open")
    assert focus(page) == was


def test_after_a_change_the_focus_is_on_the_next_row(page: "playwright.Page", world: web_places.World) -> None:
    page.goto("/inbox")
    names = page.locator("#rows td.c-what a").all_inner_texts()
    page.keyboard.press("j")
    page.keyboard.press("j")
    for done in (1, 2):
        page.keyboard.press("e")
        page.wait_for_url("**said=**")
        page.wait_for_function("(name) => document.activeElement.textContent === name", arg=names[done + 1])
        assert names[done] not in page.locator("#rows td.c-what a").all_inner_texts()
        page.goto("/inbox")
        page.get_by_role("link", name=names[done + 1], exact=True).focus()
    # of several, and with the last one ticked: the nearest that is left
    page.goto("/inbox")
    left = page.locator("#rows td.c-what a").all_inner_texts()
    for box in page.locator("#rows tbody input[name=ticket]").all()[-2:]:
        box.check()
    page.keyboard.press("e")
    page.wait_for_url("**said=**")
    page.wait_for_function("(name) => document.activeElement.textContent === name", arg=left[-3])


def test_a_claim_that_ends_is_said_without_taking_the_focus(page: "playwright.Page", world: web_places.World) -> None:
    key = "claimed"
    number = web.ticket(world.ledger, web.mention(world.ledger, key, "declined", author=key), "Claimed", key, key)
    with world.ledger.begin() as connection:
        me = users.session(connection, world.session)
    assert me
    web.value(
        world.ledger,
        "UPDATE tickets SET assignee_id = :me, claimed_by = :me, hand_back_at = now() + interval '10 minutes' WHERE number = :n RETURNING 1",
        me=me.user.id,
        n=number,
    )
    page.clock.install()  # the browser's: minutes pass when the test says so
    page.goto(f"/tickets/{number}")
    page.fill("#note", "half a thought")
    assert page.inner_text("#claim-ends") == ""
    page.clock.run_for("09:00")
    page.wait_for_selector("#claim-ends:has-text('nearly over')")
    assert page.get_attribute("#claim-ends", "role") == "status"
    assert focus(page) == "note"
    assert page.input_value("#note") == "half a thought"
    page.get_by_role("button", name="Keep it").click()
    page.wait_for_url("**said=stays")
    assert page.locator("#claim-ends").count() == 0
