"""No page breaks a rule of WCAG 2.2 AA that axe can see, in light and dark, on a phone and a desk; nothing is said on the console."""

import os
import shutil
from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest

from tests import web, web_places

playwright = pytest.importorskip("playwright.sync_api")
CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
TAGS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]
OPTIONS = {
    "runOnly": {"type": "tag", "values": TAGS},
    "rules": {"target-size": {"enabled": True}},  # off by default, and the only rule of 2.2 there is
    "resultTypes": ["violations"],
}
AXE = pytest.importorskip("axe_playwright_python.base").AXE_SCRIPT
COLOURS = f"axe.getRules({TAGS}).filter((rule) => rule.tags.includes('cat.color')).map((rule) => rule.ruleId)"
FORMS = [("light", 1280), ("light", 320), ("dark", 320), ("dark", 1280)]
# where everything stands and whether it can be seen: what no rule but those of colour goes by
STANDS = """JSON.stringify([...document.querySelectorAll('*')].map((one) => {
  const box = one.getBoundingClientRect();
  return [one.tagName, box.x, box.y, box.width, box.height, one.checkVisibility({visibilityProperty: true, opacityProperty: true})];
}))"""
pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def world(database_url: str) -> Iterator[web_places.World]:
    found = web_places.make(database_url)
    yield found
    found.ledger.close()


@pytest.fixture(scope="module")
def context(world: web_places.World, database_url: str) -> Iterator["playwright.BrowserContext"]:
    """A browser that is an administrator's, under the console's own policy."""
    if CHROMIUM is None:
        if os.environ.get("CI") == "true":
            pytest.fail("CI must have Chromium: apt-get install chromium")
        pytest.skip("NO BROWSER TEST WAS RUN: Chromium is not installed (apt-get install chromium)")
    with web.serve(web.make_app(database_url)) as address, playwright.sync_playwright() as started:
        browser = started.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"])
        found = browser.new_context(base_url=address)
        found.add_cookies([{"name": "earmark", "value": world.session, "url": address}])
        yield found
        browser.close()


def test_every_page_is_known(database_url: str) -> None:
    served = web_places.routes(web.make_app(database_url))
    assert served == set(web_places.PAGES) | set(web_places.MACHINES)


@pytest.fixture(scope="module")
def page(context: "playwright.BrowserContext") -> Iterator["playwright.Page"]:
    """At the end nothing may have been said on the browser's console, but that an address asked for on purpose is not there."""
    page = context.new_page()
    said: list[str] = []
    page.on("console", lambda message: said.append(f"{page.url}: {message.text}"))
    page.on("pageerror", lambda error: said.append(f"{page.url}: {error}"))
    yield page
    assert [line for line in said if not line.endswith(("404 (Not Found)", "410 (Gone)"))] == []


def look(page: "playwright.Page", what: str) -> list[str]:
    """What axe finds on the page as it stands, in each form; and whether it scrolls sideways.

    Where the dark moves and hides nothing, the rules of colour alone are asked again there: half of the time of all of them.
    """
    found = []
    page.evaluate(AXE)
    colours = {**OPTIONS, "runOnly": {"type": "rule", "values": page.evaluate(COLOURS)}}
    by_day: dict[int, str] = {}
    for scheme, width in FORMS:
        page.emulate_media(color_scheme=scheme, reduced_motion="reduce")  # no colour is caught half-way
        page.set_viewport_size({"width": width, "height": 900})
        stands = page.evaluate(STANDS)
        options = colours if by_day.setdefault(width, stands) == stands and scheme == "dark" else OPTIONS
        for violation in page.evaluate("(options) => axe.run(options)", options)["violations"]:
            nodes = [f"{n['target']} {n['html'][:150]} {n['failureSummary'][:300]}" for n in violation["nodes"][:3]]
            found.append(f"{what} {scheme} {width}: {violation['id']} ({len(violation['nodes'])}): {nodes}")
        wide = page.evaluate("document.documentElement.scrollWidth - window.innerWidth")
        if wide > 0:
            found.append(f"{what} {scheme} {width}: scrolls sideways by {wide}")
    return found


@pytest.mark.parametrize("route", web_places.PAGES)
def test_axe_finds_nothing_on_any_page(world: web_places.World, page: "playwright.Page", route: str) -> None:
    found: list[str] = []
    for address in web_places.PAGES[route](world):
        answer = page.goto(address)
        assert answer
        assert answer.status == web_places.STATUS.get(address, 200), address
        assert urlsplit(page.url).path == urlsplit(address).path, "it leads somewhere else"
        page.evaluate("document.querySelectorAll('details:not(.pick)').forEach((d) => { d.open = true })")
        found += look(page, address)
    assert found == [], "\n".join(found)


def test_axe_finds_nothing_in_what_opens(world: web_places.World, page: "playwright.Page") -> None:
    """The filters' lists, the sheet of keys and the bar for many tickets at once."""
    found: list[str] = []
    for address, click in (
        ("/inbox", ".pick:nth-of-type(1) summary"),
        ("/inbox", "#rows [name=ticket] >> nth=0"),
        ("/dashboards", ".pick summary >> nth=0"),
    ):
        page.goto(address)
        page.click(click)
        found += look(page, f"{address} {click}")
    page.goto("/inbox")
    page.keyboard.press("?")
    page.wait_for_selector("#keys[open]")
    found += look(page, "keys")
    assert found == [], "\n".join(found)
