"""Every route × every role against the one table; a route the table does not name is closed to everybody."""

from collections.abc import Iterator

import httpx2
import pytest
from fastapi import FastAPI
from sqlalchemy import text

from console.web.roles import PUBLIC, ROLES
from storage import users
from storage.ledger import Ledger
from tests import web

OPEN = {
    "/login",
    "/language",
    "/login/openid",
    "/login/openid/done",
    "/invitation/{token}",
    "/static/{name}",
    "/favicon.ico",
    "/healthz",
    "/readyz",
    "/metrics",
    "/hooks/{channel}",
    "/survey/{token}",
    "/hooks/interactions/{source}",
    "/hooks/alerts/{target}",
    "/hooks/desks/{target}",
    "/flags/act/{token}",
}  # what may be public, written down twice


def served(app: FastAPI) -> list[tuple[str, str]]:
    """(method, path) of everything the app answers to, found in the app itself."""
    found = []
    for route in app.routes:
        for inner in getattr(getattr(route, "original_router", None), "routes", [route]):
            found += [(method, inner.path) for method in sorted(inner.methods)]
    return found


def filled(path: str) -> str:
    for name in (
        "number",
        "mention_id",
        "customer_id",
        "flag_id",
        "channel_id",
        "user_id",
        "act_id",
        "view_id",
        "outbox_id",
        "token_id",
        "other_id",
        "merge_id",
        "proposal_id",
    ):
        path = path.replace("{" + name + "}", "987654")
    return (
        path.replace("{name}", "nothing")
        .replace("{token}", "nothing")
        .replace("{figure}", "volume")
        .replace("{letter}", "letter:987654")
    )


@pytest.fixture(scope="module")
def app(database_url: str) -> FastAPI:
    app = web.make_app(database_url)
    app.add_api_route("/forgotten", lambda: "open", methods=["GET", "POST"])
    return app


@pytest.fixture(scope="module")
def clients(app: FastAPI, database_url: str) -> Iterator[dict[str, httpx2.Client]]:
    ids = web.people(database_url)
    ledger = Ledger(database_url)
    with web.serve(app) as address:
        found = {role: web.enter(ledger, address, ids[role]) for role in web.ROLES}
        found[""] = httpx2.Client(base_url=address)
        yield found
        for client in found.values():
            client.close()
    ledger.close()


def test_the_table_names_exactly_what_is_served(app: FastAPI) -> None:
    assert set(served(app)) - set(ROLES) == {("GET", "/forgotten"), ("POST", "/forgotten")}
    assert set(ROLES) - set(served(app)) == set()
    assert {path for (_, path), roles in ROLES.items() if PUBLIC in roles} == OPEN
    assert {role for roles in ROLES.values() for role in roles} - {PUBLIC} == set(users.ROLES)


@pytest.mark.parametrize(("method", "path"), sorted(ROLES), ids=lambda part: part)
def test_every_role_at_every_door(clients: dict[str, httpx2.Client], method: str, path: str) -> None:
    roles = ROLES[(method, path)]
    if path == "/logout":
        return  # walked in test_web_door.py: it would end this test's sessions
    if path == "/live":
        return streams(clients)  # it does not end by itself
    for role in web.ROLES:
        answer = clients[role].request(method, filled(path))
        if roles & {role, PUBLIC}:
            assert answer.status_code != 403 or path.startswith("/login"), (role, answer.text)
            assert answer.headers.get("location", "") != "/login", role
        else:
            assert answer.status_code == 403, role
    stranger = clients[""].request(method, filled(path))
    if PUBLIC not in roles:
        assert stranger.status_code == 401 if path.startswith("/api/") else stranger.status_code == 303
        assert path.startswith("/api/") or stranger.headers["location"].startswith("/login")


def streams(clients: dict[str, httpx2.Client]) -> None:
    for role, client in clients.items():
        with client.stream("GET", "/live") as answer:
            assert answer.status_code == (200 if role else 303), role


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_route_nobody_put_in_the_table_is_closed(clients: dict[str, httpx2.Client], method: str) -> None:
    for client in clients.values():
        assert client.request(method, "/forgotten").status_code == 403


def test_a_role_taken_away_counts_at_once(clients: dict[str, httpx2.Client], database_url: str) -> None:
    ledger = Ledger(database_url)
    lead = clients["lead"]
    assert lead.get("/status").status_code == 200
    with ledger.begin() as connection:
        connection.execute(text("UPDATE users SET role = 'viewer' WHERE email = 'lead@example.org'"))
    assert lead.get("/status").status_code == 403
    with ledger.begin() as connection:
        connection.execute(text("UPDATE users SET role = 'lead' WHERE email = 'lead@example.org'"))
    ledger.close()


def test_a_viewer_is_shown_no_button_that_would_be_refused(
    clients: dict[str, httpx2.Client], database_url: str
) -> None:
    ledger = Ledger(database_url)
    number = web.ticket(ledger, web.mention(ledger, "roles-1", "declined"), "Declined", "reddit|northbank|roles-1")
    ledger.close()
    assert f"/tickets/{number}/notes" in clients["agent"].get(f"/tickets/{number}").text
    seen = clients["viewer"].get(f"/tickets/{number}").text
    assert f"/tickets/{number}/notes" not in seen
    assert f"/tickets/{number}/change" not in seen
    assert 'href="/status"' not in seen
