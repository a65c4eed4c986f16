"""The front door: who comes in, how often one may knock, and how a session ends."""

import re
import statistics
import time
from collections.abc import Iterator

import httpx2
import pytest
from sqlalchemy import text

from console.web.guard import safe_next
from storage import users
from storage.ledger import Ledger
from tests import web


@pytest.fixture(scope="module")
def ledger(database_url: str) -> Iterator[Ledger]:
    web.people(database_url)
    found = Ledger(database_url)
    yield found
    found.close()


@pytest.fixture(scope="module")
def address(ledger: Ledger, database_url: str) -> Iterator[str]:
    with web.serve(web.make_app(database_url)) as found:
        yield found


@pytest.fixture
def client(address: str, ledger: Ledger) -> Iterator[httpx2.Client]:
    with ledger.begin() as connection:
        connection.execute(text("DELETE FROM login_attempts"))
    with httpx2.Client(base_url=address) as found:
        yield found


def test_the_right_pair_comes_in_and_goes_on_to_where_it_wanted(client: httpx2.Client) -> None:
    refused = client.get("/inbox?priority=high")
    assert refused.status_code == 303
    assert refused.headers["location"] == "/login?next=%2Finbox%3Fpriority%3Dhigh"
    answer = web.log_in(client, "Agent@Example.org ", next="/inbox?priority=high")
    assert (answer.status_code, answer.headers["location"]) == (303, "/inbox?priority=high")
    cookie = answer.headers.get_list("set-cookie")[0]
    assert "HttpOnly" in cookie
    assert "samesite=lax" in cookie.lower()
    assert client.get("/inbox").status_code == 200


def test_wrong_password_and_unknown_address_get_the_same_answer(client: httpx2.Client) -> None:
    wrong = web.log_in(client, "agent@example.org", "not the password")
    unknown = web.log_in(client, "nobody@example.org", "not the password")
    assert wrong.status_code == unknown.status_code == 401

    def body(answer: httpx2.Response) -> str:
        return re.sub(r'value="[^"]*"', "", answer.text)

    assert body(wrong) == body(unknown)
    assert "earmark=" not in str(wrong.headers.get_list("set-cookie"))


def test_an_unknown_address_costs_the_time_of_a_wrong_password(ledger: Ledger) -> None:
    """By turns and in CPU time: what else the machine does is in neither."""
    cost: dict[str, list[float]] = {"agent@example.org": [], "nobody@example.org": []}
    for email in list(cost) * 5:
        with ledger.begin() as connection:
            start = time.process_time()
            assert users.verify(connection, email, "not the password") is None
            cost[email].append(time.process_time() - start)
    known, unknown = map(statistics.median, cost.values())
    assert unknown > known / 2, (known, unknown)


def test_an_account_is_throttled_also_for_the_right_password(client: httpx2.Client) -> None:
    for _ in range(users.PER_ACCOUNT):
        assert web.log_in(client, "lead@example.org", "guess").status_code == 401
    late = web.log_in(client, "lead@example.org")
    assert late.status_code == 429
    assert 0 < int(late.headers["retry-after"]) <= users.THROTTLE.total_seconds()
    assert web.log_in(client, "agent@example.org").status_code == 303


def test_an_address_is_throttled_over_many_accounts(ledger: Ledger) -> None:
    with ledger.begin() as connection:
        connection.execute(text("DELETE FROM login_attempts"))
        waits = [
            users.too_many(connection, web.SECRET, f"a{n}@example.org", "203.0.113.9")
            for n in range(users.PER_ADDRESS + 1)
        ]
    assert not any(waits[:-1])
    assert waits[-1] > 0


def test_a_success_gives_back_its_own_attempt_and_no_more(ledger: Ledger) -> None:
    with ledger.begin() as connection:
        connection.execute(text("DELETE FROM login_attempts"))
        for _ in range(3):
            users.too_many(connection, web.SECRET, "a@example.org", "203.0.113.9")
        users.forgive(connection, web.SECRET, "a@example.org", "203.0.113.9")
        assert connection.execute(text("SELECT count(*) FROM login_attempts")).scalar() == 2


def test_login_makes_a_new_session_and_ends_the_old_one(client: httpx2.Client) -> None:
    web.log_in(client, "agent@example.org")
    first = client.cookies["earmark"]
    web.log_in(client, "agent@example.org")
    assert client.cookies["earmark"] != first
    with httpx2.Client(base_url=client.base_url, cookies={"earmark": first}) as old:
        assert old.get("/inbox").status_code == 303


def test_logout_ends_the_session_on_the_server(client: httpx2.Client) -> None:
    web.log_in(client, "agent@example.org")
    value = client.cookies["earmark"]
    assert client.post("/logout", data={"csrf": web.csrf_of(client)}).status_code == 303
    with httpx2.Client(base_url=client.base_url, cookies={"earmark": value}) as old:
        assert old.get("/inbox").status_code == 303


@pytest.mark.parametrize(
    "aged",
    ["expires_at = now() - interval '1 second'", "seen_at = now() - interval '4 hours 1 minute'"],
    ids=["old", "idle"],
)
def test_a_session_ends_by_age_and_by_idleness(client: httpx2.Client, ledger: Ledger, aged: str) -> None:
    web.log_in(client, "agent@example.org")
    assert client.get("/inbox").status_code == 200
    with ledger.begin() as connection:
        connection.execute(text(f"UPDATE sessions SET {aged}"))
    assert client.get("/inbox").status_code == 303


def test_a_changed_password_and_a_disabled_user_end_every_session(ledger: Ledger) -> None:
    with ledger.begin() as connection:
        user = users.add(connection, "gone@example.org", web.PASSWORD, "agent")
        cookies = [users.begin_session(connection, user) for _ in range(2)]
        users.set_password(connection, user, "another long password")
        assert [users.session(connection, value) for value in cookies] == [None, None]
        value = users.begin_session(connection, user)
        users.disable(connection, user)
        assert users.session(connection, value) is None
        assert users.verify(connection, "gone@example.org", "another long password") is None


def test_the_table_does_not_hold_what_the_cookie_holds(client: httpx2.Client, ledger: Ledger) -> None:
    web.log_in(client, "agent@example.org")
    value = client.cookies["earmark"]
    assert len(value) >= 43  # 256 bits
    dump = web.value(ledger, "SELECT string_agg(s::text, '|') FROM sessions s") + web.value(
        ledger, "SELECT string_agg(u::text, '|') FROM users u"
    )
    assert value not in dump
    assert web.PASSWORD not in dump
    assert "$argon2id$" in dump


def test_a_login_form_of_another_browser_is_refused(client: httpx2.Client) -> None:
    client.get("/login")
    answer = client.post("/login", data={"email": "agent@example.org", "password": web.PASSWORD, "proof": "0" * 64})
    assert answer.status_code == 403


def test_secure_cookies_are_bound_to_the_host(database_url: str, ledger: Ledger) -> None:
    with web.serve(web.make_app(database_url, secure_cookies=True, base_url="https://console.invalid")) as address:
        answer = httpx2.get(f"{address}/login")
        cookie = answer.headers["set-cookie"]
        assert cookie.startswith("__Host-earmark-login=")
        assert "Secure" in cookie
        assert "Path=/" in cookie
        assert "Domain" not in cookie
        assert answer.headers["strict-transport-security"]


@pytest.mark.parametrize("password", ["short", "x" * 257, "password1", "Passwort"])
def test_poor_passwords_are_refused(password: str) -> None:
    with pytest.raises(users.BadPassword):
        users.hash_password(password)


@pytest.mark.parametrize(
    "wanted",
    [
        "https://evil.example",
        "//evil.example",
        "/\\evil.example",
        "javascript:alert(1)",
        "inbox",
        "",
        "/in\nbox",
        "/a\\..\\b",
    ],
)
def test_login_leads_nowhere_else(wanted: str) -> None:
    assert safe_next(wanted) == "/inbox"


def test_login_leads_back_to_a_path_of_ours() -> None:
    assert safe_next("/tickets/3?said=saved") == "/tickets/3?said=saved"
