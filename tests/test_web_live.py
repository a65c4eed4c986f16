"""The stream: nothing committed is missed, whatever the order of commits; a cut reader goes on; who is logged out hears no more."""

import json
import threading
import time
from collections.abc import Iterator
from typing import Any

import httpx2
import pytest
from sqlalchemy import text

from console.web import stream
from storage import users
from storage.ledger import Ledger
from tests import web
from tests.support import wait_until


@pytest.fixture(scope="module")
def ids(database_url: str) -> dict[str, int]:
    return web.people(database_url)


@pytest.fixture(scope="module")
def ledger(database_url: str) -> Iterator[Ledger]:
    found = Ledger(database_url)
    yield found
    found.close()


@pytest.fixture(scope="module")
def address(database_url: str, ids: dict[str, int]) -> Iterator[str]:
    with web.serve(web.make_app(database_url)) as found:
        yield found


class Ear:
    """A stream read in a thread: its messages in order, and the place it would go on from."""

    def __init__(self, client: httpx2.Client, last: str = "") -> None:
        self.messages: list[dict[str, Any]] = []
        self.last, self.status, self.ended = last, 0, False
        self.client = client
        self.response: httpx2.Response | None = None
        self.thread = threading.Thread(target=self._read, args=(last,), daemon=True)
        self.thread.start()
        wait_until(lambda: self.status != 0, message="the stream opens")

    def _read(self, last: str) -> None:
        headers = {"last-event-id": last} if last else {}
        try:
            with self.client.stream("GET", "/live", headers=headers, timeout=60) as response:
                self.response = response
                event = ""
                for line in response.iter_lines():
                    self.status = response.status_code
                    if line.startswith("event: "):
                        event = line[7:]
                    elif line.startswith("id: "):
                        self.last = line[4:]
                    elif line.startswith("data: "):
                        self.messages.append({"event": event, **json.loads(line[6:])})
        except httpx2.HTTPError:
            pass
        self.client.close()
        self.ended = True

    def cut(self) -> None:
        """The connection goes away, as a laptop that closes."""
        assert self.response is not None
        self.response.extensions["network_stream"].get_extra_info("socket").shutdown(2)
        wait_until(lambda: self.ended, message="the stream is cut")

    @property
    def created(self) -> list[int]:
        return [id_ for message in self.messages for id_ in message.get("created", [])]


def listener(ledger: Ledger, address: str, user: int, last: str = "") -> Ear:
    return Ear(web.enter(ledger, address, user), last)


def make(ledger: Ledger, name: str) -> int:
    number = web.ticket(ledger, web.mention(ledger, name, f"declined {name}"), name, f"reddit|x|{name}", author=name)
    return int(web.value(ledger, "SELECT id FROM tickets WHERE number = :n", n=number))


def test_a_ticket_is_announced_within_a_second(ledger: Ledger, address: str, ids: dict[str, int]) -> None:
    ear = listener(ledger, address, ids["viewer"])
    id_ = make(ledger, "l-1")
    started = time.monotonic()
    wait_until(lambda: id_ in ear.created, message="the ticket is announced")
    assert time.monotonic() - started < 1.0
    assert ear.created.count(id_) == 1
    ear.cut()


def test_commits_out_of_order_and_a_cut_lose_nothing(ledger: Ledger, address: str, ids: dict[str, int]) -> None:
    ear = listener(ledger, address, ids["viewer"])
    slow = ledger.engine.connect()
    began = slow.begin()
    slow.execute(_EVENT, {"id": 1_000_001})  # takes its place in the log first …
    quick = make(ledger, "l-2")
    wait_until(lambda: quick in ear.created, message="the quick one is announced")
    assert 1_000_001 not in ear.created
    ear.cut()
    between = make(ledger, "l-3")
    began.commit()  # … and commits last, while nobody listens
    slow.close()
    again = listener(ledger, address, ids["viewer"], ear.last)
    wait_until(lambda: {1_000_001, between} <= set(again.created), message="what was missed is told")
    late = make(ledger, "l-4")
    wait_until(lambda: late in again.created, message="it goes on")
    again.cut()


def test_an_open_transaction_of_somebody_else_holds_nothing_up(
    ledger: Ledger, address: str, ids: dict[str, int]
) -> None:
    ear = listener(ledger, address, ids["viewer"])
    other = ledger.engine.connect()
    began = other.begin()
    other.execute(_EVENT, {"id": 1_000_002})
    made = [make(ledger, f"l-open-{n}") for n in range(3)]
    wait_until(lambda: set(made) <= set(ear.created), message="all three are announced")
    assert all(ear.created.count(id_) == 1 for id_ in made)  # read again each time, told once
    began.commit()
    other.close()
    wait_until(lambda: 1_000_002 in ear.created, message="the late one too")
    ear.cut()


def test_what_commits_between_a_page_and_its_stream_is_told(ledger: Ledger, address: str, ids: dict[str, int]) -> None:
    with web.enter(ledger, address, ids["viewer"]) as client:
        page = client.get("/inbox").text
    place = page.split('data-place="')[1].split('"')[0]
    id_ = make(ledger, "l-between")
    ear = listener(ledger, address, ids["viewer"], place)
    wait_until(lambda: id_ in ear.created, message="the ticket is announced")
    ear.cut()


def test_a_listener_that_lost_its_connection_goes_on_where_it_was(
    ledger: Ledger, address: str, ids: dict[str, int]
) -> None:
    ear = listener(ledger, address, ids["viewer"])
    before = make(ledger, "l-lost-0")
    wait_until(lambda: before in ear.created, message="it listens")
    gone = web.value(
        ledger,
        "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity "
        "WHERE application_name = 'earmark-live' AND datname = current_database()",
    )
    assert gone == 1
    missed = make(ledger, "l-lost-1")  # while nobody listens
    wait_until(lambda: missed in ear.created, message="what came meanwhile is told")
    assert ear.created.count(missed) == 1
    ear.cut()


def test_too_much_to_list_says_read_anew(ledger: Ledger, address: str, ids: dict[str, int]) -> None:
    ear = listener(ledger, address, ids["viewer"])
    id_ = make(ledger, "l-5")
    wait_until(lambda: id_ in ear.created, message="a place to go on from")
    ear.cut()
    with ledger.begin() as connection:
        connection.execute(_EVENTS, {"n": 2500})
    again = listener(ledger, address, ids["viewer"], ear.last)
    wait_until(lambda: any(m["event"] == "reset" for m in again.messages), message="a reset is told")
    again.cut()


def test_who_is_logged_out_hears_no_more(
    ledger: Ledger, address: str, ids: dict[str, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stream, "PING", 0.2)
    ear = listener(ledger, address, ids["agent"])
    with ledger.begin() as connection:
        users.end_all(connection, ids["agent"])
    wait_until(lambda: ear.ended, message="the stream ends")


def test_nobody_listens_without_a_login(address: str) -> None:
    assert httpx2.get(address + "/live").status_code == 303


def test_the_badge_and_the_list_are_one_figure(ledger: Ledger, address: str, ids: dict[str, int]) -> None:
    made = [make(ledger, f"l-badge-{n}") for n in range(3)]
    with web.enter(ledger, address, ids["viewer"]) as client:
        told = client.get("/inbox/news", params=[("new", str(id_)) for id_ in made] + [("platform", "reddit")]).json()
        assert told["new"] == sorted(made)
        assert told["views"]["open"] == told["sidebar"]["inbox"]
        assert client.get("/inbox/news", params=[("new", str(made[0])), ("platform", "x")]).json()["new"] == []
        assert client.get("/inbox/news", params=[("new", str(n)) for n in range(501)]).status_code == 422


_EVENT = text(
    "INSERT INTO events (kind, subject, subject_id, xid) "
    "VALUES ('ticket.created', 'ticket', :id, CAST(CAST(pg_current_xact_id() AS text) AS bigint))"
)
_EVENTS = text(
    "INSERT INTO events (kind, subject, subject_id, xid) SELECT 'ticket.note', 'ticket', g, "
    "CAST(CAST(pg_current_xact_id() AS text) AS bigint) FROM generate_series(1, :n) g"
)
