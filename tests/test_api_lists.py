"""The API's lists: cursors that neither repeat nor hide, chosen fields, filters, entity tags, limits; tokens, their requests a minute, problems."""

import re
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import httpx2
import pytest
from sqlalchemy import text

from console.web.scopes import SCOPES
from storage import corrections, interactions, listings, tokens
from storage.ledger import Ledger
from tests import web


@pytest.fixture(scope="module")
def ledger(database_url: str) -> Iterator[Ledger]:
    made = Ledger(database_url, name="test", pool=4)
    with made.begin() as connection:
        connection.execute(
            text("INSERT INTO channels (name, kind, platform) VALUES ('r', 'reddit', 'reddit'), ('f', 'feed', 'feed')")
        )
        connection.execute(text("INSERT INTO targets (name, kind) VALUES ('helpdesk', 'stdout')"))
        connection.execute(
            text(
                "INSERT INTO escalations (rule, series, window_start, severity, run_id) VALUES ('spike', 'northbank/negative', now(), 7, 1), "
                "('spike', 'southbank/negative', now(), 3, 1)"
            )
        )
        connection.execute(
            text(
                "INSERT INTO outbox (target, kind, key, notice, run_id) SELECT 'helpdesk', 'ticket.create', 'k' || n, '{}', 1 FROM generate_series(1, 5) n"
            )
        )
        connection.execute(
            text(
                "INSERT INTO dead_letters (kind, ref_id, reason) VALUES ('digest', 1, 'crashed'), ('outbox', 1, 'refused')"
            )
        )
    for n in range(7):
        author = f"a{n % 3}"
        id_ = web.mention(made, f"m{n}", f"declined {'abroad' if n % 2 else 'here'} {n}", author=author)
        web.ticket(made, id_, f"Declined {n}", f"k{n}", author=author, priority="high" if n % 2 else "low")
        made.run(lambda c, i=id_: corrections.add(c, "user:1", i, 1, outcome="ticket"))
    touch = {"external_id": "c-1", "kind": "call", "happened_at": "2026-01-01T08:00:00Z", "phone": "+4915112345678"}
    made.run(lambda c: interactions.record(c, web.SECRET, "test", [interactions.touch(touch, datetime.now(UTC))]))
    yield made
    made.close()


@pytest.fixture(scope="module")
def address(ledger: Ledger, database_url: str) -> Iterator[str]:
    with web.serve(web.make_app(database_url)) as found:
        yield found


@pytest.fixture(scope="module")
def api(ledger: Ledger, address: str) -> Iterator[httpx2.Client]:
    with client(ledger, address, *tokens.SCOPES) as made:
        yield made


def client(ledger: Ledger, address: str, *scopes: str, **more: Any) -> httpx2.Client:
    value = ledger.run(lambda c: tokens.add(c, "test", scopes, 1, "command", **more))[1]
    return httpx2.Client(base_url=f"{address}/api/v1", headers={"authorization": f"Bearer {value}"})


def walk(api: httpx2.Client, path: str, **params: Any) -> list[dict[str, Any]]:
    """All rows of a list, by its cursor."""
    found: list[dict[str, Any]] = []
    cursor: str | None = ""
    while cursor is not None:
        answer = api.get(path, params={**params, **({"cursor": cursor} if cursor else {})})
        assert answer.status_code == 200, answer.text
        found += answer.json()["items"]
        cursor = answer.json()["next"]
    return found


PATHS = {name: f"/{name.replace('_', '-')}" for name in listings.LISTINGS}


@pytest.mark.parametrize("name", sorted(PATHS))
def test_every_list_pages_by_its_cursor_and_is_bounded(api: httpx2.Client, name: str) -> None:
    whole, pages = walk(api, PATHS[name], limit=200), walk(api, PATHS[name], limit=2)
    assert whole
    volatile = ("lag",)
    assert [{k: v for k, v in row.items() if k not in volatile} for row in whole] == [
        {k: v for k, v in row.items() if k not in volatile} for row in pages[: len(whole)]
    ] or name == "audit"  # which grows by our looking
    assert set(whole[0]) == set(listings.LISTINGS[name].columns)
    assert api.get(PATHS[name], params={"limit": 201}).status_code == 422
    assert api.get(PATHS[name], params={"limit": 0}).status_code == 422
    assert api.get(PATHS[name], params={"nonsense": 1}).status_code == 422
    first = next(iter(listings.LISTINGS[name].columns))
    assert [list(row) for row in walk(api, PATHS[name], fields=first, limit=200)[: len(whole)]] == [[first]] * len(
        whole
    )
    assert api.get(PATHS[name], params={"fields": "password"}).status_code == 422


def test_what_comes_meanwhile_neither_repeats_nor_hides_a_row(api: httpx2.Client, ledger: Ledger) -> None:
    first = api.get("/tickets", params={"limit": 3}).json()
    web.ticket(ledger, web.mention(ledger, "late", "late"), "Late", "late")
    rest = api.get("/tickets", params={"limit": 200, "cursor": first["next"]}).json()["items"]
    assert {t["subject"] for t in first["items"] + rest} == {f"Declined {n}" for n in range(7)}
    assert len(first["items"] + rest) == 7


@pytest.mark.parametrize(
    ("path", "params", "n"),
    [
        ("/mentions", {"q": "abroad"}, 3),
        ("/mentions", {"topic": "northbank", "sentiment": "negative"}, 8),
        ("/mentions", {"topic": "elsewhere"}, 0),
        ("/tickets", {"priority": "high"}, 3),
        ("/tickets", {"priority": ["high", "low"], "q": "declined"}, 7),
        ("/tickets", {"view": "done"}, 0),
        ("/customers", {"q": "a1"}, 1),
        ("/identities", {"platform": "reddit", "handle": "A2"}, 1),
        ("/escalations", {"topic": "southbank"}, 1),
        ("/escalations", {"severity": 5}, 1),
        ("/channels", {"kind": "feed", "enabled": True}, 1),
        ("/dead-letters", {"kind": "digest", "state": "open"}, 1),
    ],
)
def test_filters(api: httpx2.Client, path: str, params: dict[str, Any], n: int) -> None:
    assert len(walk(api, path, **params)) == n


def test_a_cursor_goes_on_only_where_it_began(api: httpx2.Client) -> None:
    following = api.get("/tickets", params={"limit": 2}).json()["next"]
    assert api.get("/tickets", params={"limit": 2, "cursor": following}).status_code == 200
    for wrong in (
        {"cursor": following, "priority": "high"},
        {"cursor": "nonsense"},
        {"cursor": "WzEsMl0"},
        {"cursor": "W1tbW10"},
    ):
        answer = api.get("/tickets", params=wrong)
        assert (answer.status_code, answer.headers["content-type"]) == (400, "application/problem+json"), wrong
    assert api.get("/mentions", params={"cursor": following}).status_code == 400


def test_an_answer_one_has_is_not_sent_again(api: httpx2.Client, ledger: Ledger) -> None:
    number = api.get("/tickets", params={"limit": 1}).json()["items"][0]["number"]
    for path in (f"/tickets/{number}", "/escalations", "/mentions?limit=3"):
        first = api.get(path)
        tag = first.headers["etag"]
        again = api.get(path, headers={"if-none-match": f'"other", W/{tag}'})
        assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", tag), path
        assert api.get(path, headers={"if-none-match": '"other"'}).status_code == 200
    tag = api.get(f"/tickets/{number}").headers["etag"]
    api.post(f"/tickets/{number}/notes", json={"body": "one more"})
    assert api.get(f"/tickets/{number}", headers={"if-none-match": tag}).status_code == 200


def test_a_token_opens_what_its_scopes_say_route_by_route(ledger: Ledger, address: str) -> None:
    """Every scope against every route: what a token may not it is refused with 403 before anything is read."""
    with client(ledger, address, "lookup:read") as narrow:
        for method, path in SCOPES:
            if SCOPES[method, path] != "lookup:read":
                filled = re.sub(r"\{\w+\}", "1", path.removeprefix("/api/v1"))
                answer = narrow.request(method, filled)
                assert (answer.status_code, answer.headers["content-type"]) == (403, "application/problem+json"), path


def test_requests_a_minute_are_counted_told_and_refused(ledger: Ledger, address: str) -> None:
    with client(ledger, address, "tickets:read", per_minute=3) as few:
        answers = [few.get("/tickets", params={"limit": 1}) for _ in range(5)]
    codes = [answer.status_code for answer in answers]
    assert codes in ([200, 200, 200, 429, 429], [200] * 5) or codes.count(200) >= 3  # a minute may turn over in between
    assert answers[0].headers["ratelimit-policy"] == '"token";q=3;w=60'
    assert re.fullmatch(r'"token";r=2;t=\d+', answers[0].headers["ratelimit"])
    if codes[-1] == 429:
        refused = answers[-1]
        assert refused.headers["content-type"] == "application/problem+json"
        assert 1 <= int(refused.headers["retry-after"]) <= 60
        assert refused.headers["ratelimit"].startswith('"token";r=0;')


def test_errors_are_problems_everywhere(api: httpx2.Client, address: str) -> None:
    missing = [f"{path}/987654" for name, path in PATHS.items() if name not in ("audit",)]
    for path in (*missing, "/nothing", "/tickets/987654/summary"):
        answer = api.get(path)
        assert (answer.status_code, answer.headers["content-type"]) == (404, "application/problem+json"), path
        assert set(answer.json()) == {"type", "title", "status", "detail"}
    not_so = api.delete("/tickets")
    assert (not_so.status_code, not_so.headers["content-type"]) == (405, "application/problem+json")
    assert "GET" in not_so.headers["allow"]
    large = api.post("/interactions", content=b"x" * 300_000, headers={"content-type": "application/json"})
    assert large.status_code == 413
    assert large.headers["content-type"] == "application/problem+json"
    stranger = httpx2.get(f"{address}/api/v1/tickets")
    assert (stranger.status_code, stranger.headers["www-authenticate"]) == (401, "Bearer")
