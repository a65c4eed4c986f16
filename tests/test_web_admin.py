"""Administration in the console: inviting, roles, switching off, and the audit that tells of it."""

import re
from collections.abc import Iterator

import httpx2
import pytest
from sqlalchemy import text

from storage import users
from storage.ledger import Ledger
from tests import web


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


@pytest.fixture
def admin(ledger: Ledger, address: str, ids: dict[str, int]) -> Iterator[httpx2.Client]:
    with web.enter(ledger, address, ids["admin"]) as client:
        yield client


@pytest.fixture
def stranger(address: str) -> Iterator[httpx2.Client]:
    with httpx2.Client(base_url=address, follow_redirects=False) as client:
        yield client


def invited(admin: httpx2.Client, email: str, role: str = "agent") -> str:
    """The path of a fresh invitation."""
    page = admin.post("/admin/users", data={"email": email, "role": role, "name": "New Person"})
    assert page.status_code == 200, page.text
    found = re.search(r"(/invitation/[\w-]+)<", page.text)
    assert found
    assert found[1] not in admin.get("/admin/users").text  # shown once
    return found[1]


def accept(client: httpx2.Client, path: str, password: str, again: str = "") -> httpx2.Response:
    return client.post(path, data={"password": password, "again": again or password})


def test_an_invited_person_sets_a_password_and_comes_in(admin: httpx2.Client, stranger: httpx2.Client) -> None:
    path = invited(admin, "New@Example.org", "lead")
    assert web.log_in(stranger, "new@example.org", "").status_code in (401, 422)  # no password opens an invited account
    assert "Welcome, New Person" in stranger.get(path).text
    assert accept(stranger, path, "short").status_code == 422
    assert accept(stranger, path, "a long enough one", "another one").status_code == 422
    answer = accept(stranger, path, "a long enough one")
    assert (answer.status_code, answer.headers["location"]) == (303, "/login?said=welcome")
    assert accept(stranger, path, "another long one").status_code == 410  # once
    assert web.log_in(stranger, "new@example.org", "a long enough one").status_code == 303
    assert stranger.get("/status").status_code == 200


def test_an_invitation_ends_and_a_newer_one_replaces_it(
    admin: httpx2.Client, stranger: httpx2.Client, ledger: Ledger
) -> None:
    first = invited(admin, "twice@example.org")
    id_ = web.value(ledger, "SELECT id FROM users WHERE email = 'twice@example.org'")
    again = admin.post(f"/admin/users/{id_}", data={"do": "invite"})
    second = re.search(r"(/invitation/[\w-]+)<", again.text)
    assert second
    assert stranger.get(first).status_code == 410
    assert stranger.get(second[1]).status_code == 200
    web.value(ledger, "UPDATE invitations SET expires_at = now() WHERE user_id = :id RETURNING 1", id=id_)
    assert stranger.get(second[1]).status_code == 410
    assert accept(stranger, second[1], "a long enough one").status_code == 410
    assert stranger.get("/invitation/").status_code in (403, 404)


def test_the_token_is_in_no_table(admin: httpx2.Client, ledger: Ledger) -> None:
    token = invited(admin, "hash@example.org").rpartition("/")[2]
    assert (
        web.value(
            ledger, "SELECT count(*) FROM invitations WHERE encode(hash, 'escape') LIKE '%' || :t || '%'", t=token
        )
        == 0
    )
    assert web.value(ledger, "SELECT count(*) FROM audit WHERE detail LIKE '%' || :t || '%'", t=token) == 0


def test_the_last_administrator_stays(admin: httpx2.Client, ids: dict[str, int], ledger: Ledger) -> None:
    for form in ({"do": "off"}, {"do": "role", "role": "viewer"}):
        answer = admin.post(f"/admin/users/{ids['admin']}", data=form)
        assert (answer.status_code, "last administrator" in answer.text) == (409, True)
    admin.post(f"/admin/users/{ids['lead']}", data={"do": "role", "role": "admin"})
    assert admin.post(f"/admin/users/{ids['lead']}", data={"do": "role", "role": "lead"}).status_code == 303


def test_somebody_switched_off_is_out_at_once_and_back_when_switched_on(
    admin: httpx2.Client, address: str, ledger: Ledger, ids: dict[str, int], stranger: httpx2.Client
) -> None:
    with web.enter(ledger, address, ids["agent"]) as agent:
        assert agent.get("/inbox").status_code == 200
        assert admin.post(f"/admin/users/{ids['agent']}", data={"do": "off"}).status_code == 303
        assert agent.get("/inbox").status_code == 303
        assert web.log_in(stranger, "agent@example.org").status_code == 401
        assert admin.post(f"/admin/users/{ids['agent']}", data={"do": "on"}).status_code == 303
        assert web.log_in(stranger, "agent@example.org").status_code == 303


def test_logging_somebody_out_ends_their_sessions(
    admin: httpx2.Client, address: str, ledger: Ledger, ids: dict[str, int]
) -> None:
    with web.enter(ledger, address, ids["viewer"]) as viewer:
        assert viewer.get("/inbox").status_code == 200
        admin.post(f"/admin/users/{ids['viewer']}", data={"do": "logout"})
        assert viewer.get("/inbox").status_code == 303


def test_the_audit_tells_who_did_it_and_pages(admin: httpx2.Client, ledger: Ledger, ids: dict[str, int]) -> None:
    admin.post(f"/admin/users/{ids['auditor']}", data={"do": "role", "role": "viewer"})
    admin.post(f"/admin/users/{ids['auditor']}", data={"do": "role", "role": "auditor"})
    page = admin.get("/admin/audit", params={"action": "user.role", "object": f"user:{ids['auditor']}"}).text
    assert "Admin" in page
    assert page.count("user.role</td>") == 2
    with ledger.begin() as connection:
        from storage import audit

        for n in range(120):
            audit.append(connection, "command", "test.page", f"x:{n}", {})
    first = admin.get("/admin/audit", params={"action": "test.page"}).text
    older = re.search(r'href="(/admin/audit\?[^"]+)"', first)
    assert older
    second = admin.get(older[1].replace("&amp;", "&")).text
    seen = re.findall(r">(x:\d+)<", first) + re.findall(r">(x:\d+)<", second)
    assert len(seen) == len(set(seen)) == 100


@pytest.mark.parametrize("role", users.ROLES)
def test_unknown_fields_and_users_are_refused(admin: httpx2.Client, role: str) -> None:
    assert admin.post("/admin/users", data={"email": "x@example.org", "role": role, "admin": "1"}).status_code == 422
    assert admin.post("/admin/users/987654321", data={"do": "role", "role": role}).status_code == 409


def test_a_token_is_shown_once_opens_what_it_may_and_ends_when_revoked(
    admin: httpx2.Client, address: str, ledger: Ledger
) -> None:
    form = {"name": "crm-import", "scope": ["tickets:read", "lookup:read"], "days": "30", "per_minute": "100"}
    page = admin.post("/admin/tokens", data=form)
    found = re.search(r"em_[\w-]{20,}", page.text)
    assert found
    assert found[0] not in admin.get("/admin/tokens").text
    with httpx2.Client(base_url=address, headers={"authorization": f"Bearer {found[0]}"}) as program:
        assert program.get("/api/v1/tickets").status_code == 200
        assert program.get("/api/v1/customers").status_code == 403
        id_ = web.value(ledger, "SELECT id FROM api_tokens WHERE name = 'crm-import'")
        assert admin.post(f"/admin/tokens/{id_}/revoke").headers["location"].endswith("said=revoked")
        assert program.get("/api/v1/tickets").status_code == 401
    assert admin.post(f"/admin/tokens/{id_}/revoke").headers["location"].endswith("said=same")
    refused = admin.post("/admin/tokens", data={"name": "keep me", "days": "30"})
    assert refused.status_code == 422
    assert 'value="keep me"' in refused.text


def test_teams_say_who_is_in_them_and_what_somebody_sees(
    admin: httpx2.Client, ledger: Ledger, ids: dict[str, int]
) -> None:
    document = '{"teams": [{"name": "cards", "label": "Card desk"}, {"name": "loans"}]}'
    web.value(
        ledger,
        "INSERT INTO configurations (hash, document) VALUES ('teams', CAST(:d AS jsonb)) RETURNING 1",
        d=document,
    )
    web.ticket(ledger, web.mention(ledger, "team1", "x"), "T", "team1", author="team1")
    agent = f"/admin/teams/{ids['agent']}"
    form = {
        "team": ["cards"],
        "skills": "refunds, Chargebacks",
        "languages": "de",
        "capacity": "5",
        "available": "true",
    }
    assert admin.post(agent, data=form).headers["location"] == "/admin/teams?said=saved"
    page = admin.get("/admin/teams").text
    assert re.search(r"Card desk</a>.*?<td>Agent</td><td class=\"num\">1</td><td class=\"num\">1</td>", page, re.DOTALL)
    assert "of 5" in page
    assert web.value(ledger, "SELECT skills FROM agents WHERE user_id = :id", id=ids["agent"]) == [
        "chargebacks",
        "refunds",
    ]
    assert admin.post(agent, data={**form, "team": ["nosuch"]}).status_code == 422
    assert admin.post(agent, data={**form, "sees_teams": "cards", "sees_topics": "northbank"}).status_code == 303
    assert "sees cards, northbank only" in admin.get("/admin/teams").text
    assert admin.post(agent, data=form).status_code == 303
    assert "only</span>" not in admin.get("/admin/teams").text
    assert admin.post("/admin/teams/987654", data=form).status_code == 404


def test_the_page_verifies_the_chain_and_finds_an_edited_row(
    admin: httpx2.Client, address: str, ledger: Ledger, ids: dict[str, int]
) -> None:
    with web.enter(ledger, address, ids["auditor"]) as auditor:
        assert "The chain holds" in auditor.post("/admin/audit/verify").text
        ledger.run(lambda c: c.execute(text("ALTER TABLE audit DISABLE TRIGGER USER")))
        web.value(ledger, "UPDATE audit SET actor = 'user:99' WHERE id = 2 RETURNING 1")
        ledger.run(lambda c: c.execute(text("ALTER TABLE audit ENABLE TRIGGER USER")))
        assert "audit 2: edited" in auditor.post("/admin/audit/verify").text


def test_each_of_the_five_roles_has_the_doors_of_its_own_and_no_other(
    ledger: Ledger, address: str, ids: dict[str, int]
) -> None:
    wanted = {
        "viewer": {"/inbox", "/review", "/customers", "/flags", "/dashboards", "/channels"},
        "agent": {"/inbox", "/review", "/customers", "/flags", "/dashboards", "/channels"},
        "lead": {"/inbox", "/review", "/customers", "/flags", "/dashboards", "/channels", "/status"},
        "auditor": {"/inbox", "/review", "/customers", "/flags", "/dashboards", "/channels", "/status", "/admin/audit"},
    }
    wanted["admin"] = wanted["auditor"] | {"/admin/users", "/admin/teams", "/admin/tokens"}
    for role, doors in wanted.items():
        with web.enter(ledger, address, ids[role]) as client:
            nav = client.get("/inbox").text.split('aria-label="Main"')[1].split("</nav>")[0]
            assert set(re.findall(r'href="([^"]+)"', nav)) == doors, role
            for door in wanted["admin"]:
                assert client.get(door).status_code == (200 if door in doors else 403), (role, door)
