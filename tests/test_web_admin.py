"""Administration in the console: inviting, roles, switching off, and the audit that tells of it."""

import re
from collections.abc import Iterator

import httpx2
import pytest

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
