"""A claim that ends is said before, in words; keeping it is a sign of work; the time shown is the one it is really taken by."""

import re
from datetime import UTC, datetime, timedelta

import httpx2
import pytest

from console.web.ticket import ends_soon
from storage import routing
from storage.ledger import Ledger
from storage.turns import Claim
from tests import web
from tests.web_fixtures import address, client, ids, ledger

__all__ = ["address", "client", "ids", "ledger"]  # fixtures

NEARLY, OVER = "The time for this ticket is nearly over.", datetime(2026, 5, 1, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("minutes", "before"),
    [(15, 120), (30, 180), (60, 360), (2, 60), (1, 30)],  # a tenth where that is more; never from the start
)
def test_the_warning_comes_in_time_and_not_at_once(minutes: int, before: int) -> None:
    had, other = timedelta(minutes=minutes), timedelta(days=1)
    for claim, times in ((Claim(OVER, True), (had, other)), (Claim(OVER, False), (other, had))):
        assert ends_soon(claim, *times) == OVER - timedelta(seconds=before)
    assert ends_soon(None, had, other) is None


def left(ledger: Ledger, number: int, seconds: int) -> None:
    web.value(
        ledger,
        "UPDATE tickets SET hand_back_at = now() + make_interval(secs => :s) WHERE number = :n RETURNING 1",
        s=seconds,
        n=number,
    )


def status(page: str) -> str:
    found = re.search(r'<p class="careful" role="status" id="claim-ends"[^>]*>(.*?)</p>', page)
    assert found
    return found[1]


def test_it_is_said_without_script_and_kept_by_one_button(client: httpx2.Client, ledger: Ledger) -> None:
    for name in ("keep", "lose"):
        web.ticket(ledger, web.mention(ledger, name, "declined", author=name), name, name, name)
    kept = int(client.post("/inbox/next").headers["location"].split("/")[2].split("?")[0])
    assert status(client.get(f"/tickets/{kept}").text) == ""
    # asking again prolongs nothing: what the page says is when it is taken
    left(ledger, kept, 100)
    client.post("/inbox/next")
    page = client.get(f"/tickets/{kept}").text
    assert NEARLY in status(page)
    assert re.search(r"goes back to the others <time[^>]*>in 1 min<", page)
    assert client.post(f"/tickets/{kept}/keep").headers["location"].endswith("said=stays")
    page = client.get(f"/tickets/{kept}").text
    assert "claim-ends" not in page
    assert "Agent keeps it" in page
    assert ledger.run(routing.hand_back) == []
    again = client.post(f"/tickets/{kept}/keep")
    assert again.headers["location"].endswith("said=same")
    assert web.value(ledger, "SELECT count(*) FROM entries WHERE detail ->> 'event' = 'kept'") == 1
    assert client.post("/tickets/987654/keep").status_code == 404


def test_what_a_route_gave_is_warned_of_too(client: httpx2.Client, ledger: Ledger, ids: dict[str, int]) -> None:
    number = web.ticket(ledger, web.mention(ledger, "given", "declined", author="g"), "Given", "given", "g")
    web.value(ledger, "UPDATE tickets SET assignee_id = :me WHERE number = :n RETURNING 1", me=ids["agent"], n=number)
    left(ledger, number, 1200)
    page = client.get(f"/tickets/{number}").text
    assert "This was given to you." in page
    assert status(page) == ""
    left(ledger, number, 170)  # of half an hour: a tenth
    assert NEARLY in status(client.get(f"/tickets/{number}").text)
    left(ledger, number, -1)
    assert "claim-ends" not in client.get(f"/tickets/{number}").text
