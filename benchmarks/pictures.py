"""Pictures of every page, in light, in dark and on a phone: `python -m benchmarks.pictures ADDRESS EMAIL PASSWORD [--to docs/screenshots]`.

ADDRESS is a console that shows something: start `earmark demo` and give it a minute; it says address, e-mail and password. The pages are
the GET routes of the console (tests/web_places.py knows them); an address with an id in it is the first the console itself links to.
"""

import argparse
import re
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from PIL import Image
from playwright.sync_api import sync_playwright

from storage import migrate
from storage.provision import create_database
from tests import web, web_places
from tests.web_places import PAGES
from workers import services

FORMS = {"light": ("light", 1440, 900), "dark": ("dark", 1440, 900), "phone": ("light", 390, 844)}
BOARDS = {f"/dashboards?board={name}&range=24h": f"dashboards-{name}" for name in ("talk", "tickets", "journeys")}
# pages that a demo has no link to: shown of the world the pages' tests walk
APART = (
    "/tickets/{number}/merge",
    "/customers/{customer_id}/merge",
    "/invitation/{token}",
    "/survey/{token}",
    "/flags/act/{token}",
)
FROM = {  # where a link to one of them stands
    "/tickets/{number}": "/inbox?view=all&sort=oldest",
    "/mentions/{mention_id}": "/review",
    "/customers/{customer_id}": "/customers",
    "/flags/{flag_id}": "/flags",
    "/status/dead/{letter}": "/status/dead",
}


def addresses(page: Any) -> dict[str, str]:
    """Name of the picture → address, for every page somebody who is logged in can open here."""
    found = dict(BOARDS)
    for path in PAGES:
        if path in ("/login", "/dashboards", *APART):
            continue
        address: str | None = path
        if "{" in path:
            page.goto(FROM.get(path, "/inbox?view=all&sort=oldest"))
            wanted = re.compile("^" + re.sub(r"\\{\w+\\}", r"[\\w:]+", re.escape(path)) + r"(\?.*)?$")
            links = page.eval_on_selector_all("main a", "(all) => all.map((a) => a.getAttribute('href'))")
            address = next((link for link in links if link and wanted.match(link)), None)
        if address:
            found[address] = name_of(path)
        else:
            print(f"  nothing to show for {path}", file=sys.stderr)
    return {name: address for address, name in found.items()}


@contextmanager
def world() -> Iterator[tuple[str, str, dict[str, str]]]:
    """A console over a ledger of its own: its address, a session's cookie, and name of the picture → address."""
    with TemporaryDirectory(prefix="earmark-pictures-") as home:
        found = services.start(Path(home))
        try:
            url = create_database(found.database_url, "pictures")
            migrate.upgrade(url)
            made = web_places.make(url)
            with web.serve(web.make_app(url)) as address:
                yield address, made.session, {name_of(path): PAGES[path](made)[0] for path in APART}
        finally:
            services.stop(Path(home))


def name_of(path: str) -> str:
    return re.sub(r"\W+", "-", re.sub(r"\{\w+\}", "one", path)).strip("-")


def take(page: Any, name: str, address: str, to: Path) -> None:
    for form, (scheme, width, height) in FORMS.items():
        page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
        page.set_viewport_size({"width": width, "height": height})
        page.goto(address)
        raw = to / "raw.png"
        page.screenshot(path=raw)
        with Image.open(raw) as picture:
            picture.convert("RGB").save(to / f"{name}-{form}.webp", quality=70, method=6)
        raw.unlink()


def main() -> int:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("address")
    options.add_argument("email")
    options.add_argument("password")
    options.add_argument("--to", type=Path, default=Path("docs/screenshots"))
    options.add_argument("--only", default="")
    args = options.parse_args()
    args.to.mkdir(parents=True, exist_ok=True)
    with sync_playwright() as started:
        browser = started.chromium.launch(
            executable_path=shutil.which("chromium"), args=["--no-sandbox", "--disable-gpu"]
        )
        page = browser.new_context(base_url=args.address).new_page()
        page.set_default_timeout(120_000)
        take(page, "login", "/login", args.to)
        page.goto("/login")
        page.fill("[name=email]", args.email)
        page.fill("[name=password]", args.password)
        page.click("button.primary")
        page.wait_for_url("**/inbox")
        for name, address in addresses(page).items():
            if args.only in name:
                take(page, name, address, args.to)
                print(f"  {name}: {address}", flush=True)
        with world() as (address, session, apart):
            context = browser.new_context(base_url=address)
            context.add_cookies([{"name": "earmark", "value": session, "url": address}])
            for name, where in apart.items():
                if args.only in name:
                    take(context.new_page(), name, where, args.to)
                    print(f"  {name}: {where}", flush=True)
        browser.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
