"""What a page weighs and costs: its bytes, those of its style and script, and nothing at all for who has it already."""

import gzip
import re
from collections.abc import Iterator

import httpx2
import pytest

from console.web.pages import static_files
from tests import web, web_places

PAGE, ASSETS = 150_000, 30_000  # bytes uncached; bytes of CSS and script as gzip (INBOX requirement 30)


@pytest.fixture(scope="module")
def world(database_url: str) -> Iterator[web_places.World]:
    found = web_places.make(database_url)
    yield found
    found.ledger.close()


@pytest.fixture(scope="module")
def client(world: web_places.World, database_url: str) -> Iterator[httpx2.Client]:
    with (
        web.serve(web.make_app(database_url)) as address,
        httpx2.Client(base_url=address, cookies={"earmark": world.session}, timeout=60) as found,
    ):
        yield found


def test_no_page_weighs_more_than_it_may(client: httpx2.Client, world: web_places.World) -> None:
    for address in web_places.addresses(world):
        page = client.get(address)
        linked = set(re.findall(r'(?:src|href)="(/static/[^"]+)"', page.text))
        assert linked or address == world.ack  # which is a bare form, for a phone at night
        whole = page.num_bytes_downloaded + sum(client.get(path).num_bytes_downloaded for path in linked)
        assert whole < PAGE, (address, whole)


def test_style_and_script_together_are_small(client: httpx2.Client) -> None:
    names = [name for name in static_files() if name.endswith((".css", ".js"))]
    assert sum(len(gzip.compress(static_files()[name][0])) for name in names) <= ASSETS
    for name in names:
        answer = client.get(f"/static/{name}")
        assert answer.headers["content-encoding"] == "gzip"
        assert answer.content == static_files()[name][0]
        plain = client.get(f"/static/{name}", headers={"accept-encoding": "identity"})
        assert "content-encoding" not in plain.headers
        assert plain.content == answer.content


def test_who_has_the_page_is_not_sent_it_again(client: httpx2.Client) -> None:
    first = client.get("/inbox?view=done")
    again = client.get("/inbox?view=done", headers={"if-none-match": first.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    assert first.headers["cache-control"] == again.headers["cache-control"] == "no-store"
    other = client.get("/inbox?view=all", headers={"if-none-match": first.headers["etag"]})
    assert other.status_code == 200
    assert client.get("/tickets/987654", headers={"if-none-match": "*"}).status_code == 404
