"""Holes a checklist asks for: fields nobody knows, tokens in addresses, GET that changes something, figures that open a spreadsheet's door."""

import re
from collections.abc import Iterator

import httpx2
import pytest
from sqlalchemy import text

from console.web.roles import PUBLIC, ROLES
from storage import tokens
from storage.ledger import Ledger, rows
from storage.tables import metadata
from tests import web
from tests.test_web_roles import filled

NOTED = {  # what reading may note: that it was read
    "audit", "audit_head", "sessions", "token_rates", "api_tokens", "ticket_seen", "login_attempts", "presence",
}  # fmt: skip


@pytest.fixture(scope="module")
def ledger(database_url: str) -> Iterator[Ledger]:
    made = Ledger(database_url, name="test", pool=4)
    web.ticket(made, web.mention(made, "s1", "declined"), "=cmd|' /C calc'!A0", "k1", topic="=1+1")
    yield made
    made.close()


@pytest.fixture(scope="module")
def address(ledger: Ledger, database_url: str) -> Iterator[str]:
    with web.serve(web.make_app(database_url)) as found:
        yield found


@pytest.fixture(scope="module")
def bearer(ledger: Ledger) -> str:
    return ledger.run(lambda c: tokens.add(c, "t", tokens.SCOPES, 1, "command"))[1]


@pytest.fixture(scope="module")
def admin(ledger: Ledger, address: str, database_url: str) -> Iterator[httpx2.Client]:
    with web.enter(ledger, address, web.people(database_url)["admin"]) as client:
        yield client


def test_every_write_refuses_a_field_it_does_not_know(address: str, bearer: str) -> None:
    with httpx2.Client(base_url=address, headers={"authorization": f"Bearer {bearer}"}) as client:
        document = client.get("/api/v1/openapi.json").json()
        seen = 0
        for path, methods in document["paths"].items():
            for method, operation in methods.items():
                content = operation.get("requestBody", {}).get("content", {}).get("application/json")
                if content is None:
                    continue
                body = {**content.get("example", {"accept": True}), "is_admin": True}
                answer = client.request(method, re.sub(r"\{\w+\}", "1", path), json=body)
                assert answer.status_code == 422, (method, path, answer.text)
                seen += 1
        assert seen >= 9


def test_a_token_counts_in_the_header_only(address: str, bearer: str) -> None:
    for path in (f"/api/v1/tickets?access_token={bearer}", f"/api/v1/tickets?token={bearer}"):
        assert httpx2.get(address + path).status_code == 401
    assert httpx2.get(f"{address}/api/v1/tickets", cookies={"earmark": bearer}).status_code == 401
    for wrong in ("em_", bearer[:-1], bearer + "x", "em_" + "0" * 43):
        assert (
            httpx2.get(f"{address}/api/v1/tickets", headers={"authorization": f"Bearer {wrong}"}).status_code == 401
        ), wrong


def test_a_token_is_a_hash_in_the_ledger_and_ends(ledger: Ledger, address: str) -> None:
    id_, value, _ = ledger.run(lambda c: tokens.add(c, "short", ["tickets:read"], 1, "command"))
    headers = {"authorization": f"Bearer {value}"}
    assert httpx2.get(f"{address}/api/v1/tickets", headers=headers).status_code == 200
    with ledger.begin() as connection:
        for table in metadata.sorted_tables:
            found = rows(
                connection, f"SELECT count(*) AS n FROM {table.name} x WHERE strpos(CAST(x AS text), :v) > 0", v=value
            )
            assert found[0]["n"] == 0, table.name
        connection.execute(
            text("UPDATE api_tokens SET expires_at = now() - interval '1 second' WHERE id = :id"), {"id": id_}
        )
    assert httpx2.get(f"{address}/api/v1/tickets", headers=headers).status_code == 401


def test_get_changes_nothing(admin: httpx2.Client, ledger: Ledger) -> None:
    """Every GET there is, as somebody who may everything: all tables but the notes that something was read stay as they were."""

    def state() -> dict[str, str]:
        with ledger.begin() as connection:
            return {
                t.name: rows(
                    connection,
                    f"SELECT md5(string_agg(CAST(x AS text), ',' ORDER BY CAST(x AS text))) AS h FROM {t.name} x",
                )[0]["h"]
                for t in metadata.sorted_tables
                if t.name not in NOTED
            }

    admin.get("/inbox")
    before = state()
    for method, path in sorted(ROLES):
        if method == "GET" and PUBLIC not in ROLES[method, path] and path != "/live":
            assert admin.get(re.sub(r"\{\w+\}", "1", path)).status_code < 500, path
            admin.get(filled(path))
    assert state() == before


def test_what_a_spreadsheet_would_run_is_defused_in_every_csv(admin: httpx2.Client) -> None:
    for method, path in sorted(ROLES):
        if method == "GET" and path.endswith(".csv"):
            for figure in ("volume", "topics", "sentiment", "share"):
                answer = admin.get(path.replace("{figure}", figure).replace("{flag_id}", "1"))
                for line in answer.text.splitlines() if answer.status_code == 200 else ():
                    assert not re.match(r'^"?[=+@\t\r]', line), (path, line)
