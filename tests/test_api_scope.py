"""Object scope: every route walked by somebody of another team. They get 404 for each id of the others, and no list says or counts a foreign row."""

import json
import re
from collections.abc import Iterator
from typing import Any

import httpx2
import pytest
from fastapi import FastAPI
from sqlalchemy import text

from console.web.roles import PUBLIC, ROLES
from storage import casework, database_roles, merges, scopes, tokens
from storage.ledger import Ledger, one, rows
from storage.scopes import Scope
from storage.tables import metadata
from tests import web

FOREIGN = "zanzibar"  # stands in everything of the others, and in nothing of ours
OURS = "lisbon"


def brand(ledger: Ledger, word: str, team: str, topic: str) -> dict[str, int]:
    """A ticket, a post in review, a customer, a flag, a merge, a proposal … of one team and topic; name of the path's part → id."""
    post = web.mention(ledger, f"{word}-1", f"the {word} branch is closed", author=f"{word}-author")
    number = web.ticket(ledger, post, f"{word} ticket", f"{word}-c", author=f"{word}-author", team=team, topic=topic)
    review = web.mention(ledger, f"{word}-2", f"is {word} open", outcome="review", author=f"{word}-author")
    ignored = web.mention(ledger, f"{word}-3", f"nice {word}", outcome="ignore", author=f"{word}-author")

    def make(c: Any) -> dict[str, int]:
        c.execute(
            text("UPDATE verdicts SET team = :team, topic = :topic WHERE mention_id = ANY(:ids)"),
            {"team": team, "topic": topic, "ids": [post, review, ignored]},
        )
        customer = one(c, "SELECT customer_id FROM tickets WHERE number = :n", n=number)
        c.execute(text("UPDATE customers SET name = :n WHERE id = :id"), {"n": f"Mr {word}", "id": customer})
        other = one(c, "INSERT INTO customers (name) VALUES (:n) RETURNING id", n=f"Double {word}")
        merge = merges.merge(c, customer, other, "command")
        third = one(c, "INSERT INTO customers (name) VALUES (:n) RETURNING id", n=f"Third {word}")
        proposal = one(
            c,
            "INSERT INTO proposals (customer_id, other_id, confidence, evidence) VALUES (:a, :b, 0.9, CAST(:e AS jsonb)) RETURNING id",
            a=customer, b=third, e=json.dumps([{"what": "name", "detail": word, "weight": 1}]),
        )  # fmt: skip
        flag = one(
            c,
            "INSERT INTO escalations (rule, series, window_start, severity, evidence, run_id) VALUES ('spike', :s, now(), 7, CAST(:e AS jsonb), 1) RETURNING id",
            s=f"{topic}/negative", e=json.dumps({"text": word, "samples": [{"mention_id": post}]}),
        )  # fmt: skip
        c.execute(
            text(
                "INSERT INTO talk (hour, topic, platform, label, intent, n) VALUES (date_trunc('hour', now()), :t, 'reddit', 'negative', 'complaint', 7)"
            ),
            {"t": topic},
        )
        identity = one(c, "SELECT identity_id FROM customer_identities WHERE customer_id = :c LIMIT 1", c=customer)
        interaction = one(
            c,
            "INSERT INTO interactions (source, external_id, kind, identity_id, happened_at, subject) VALUES ('t', :w, 'call', :i, now(), :w) RETURNING id",
            w=word, i=identity,
        )  # fmt: skip
        person = casework.Hand("Ada", "command")
        casework.note(c, person, number, f"a note on {word}")
        outbox = one(
            c,
            "SELECT id FROM outbox WHERE ticket_id = (SELECT id FROM tickets WHERE number = :n) ORDER BY id LIMIT 1",
            n=number,
        )
        dead = one(
            c,
            "INSERT INTO dead_letters (kind, ref_id, reason, error) VALUES ('digest', :m, 'crashed', :w) RETURNING id",
            m=post,
            w=word,
        )
        correction = one(
            c,
            "INSERT INTO corrections (mention_id, version, outcome, by) VALUES (:m, 1, 'ticket', 'user:1') RETURNING id",
            m=post,
        )
        return {
            "number": number, "mention_id": review, "customer_id": customer, "other_id": third, "flag_id": flag, "merge_id": merge,
            "proposal_id": proposal, "post": post, "identity": identity, "interaction": interaction, "delivery": outbox or 0, "dead": dead,
            "correction": correction, "third": third,
        }  # fmt: skip

    return ledger.run(make)


@pytest.fixture(scope="module")
def app(database_url: str) -> FastAPI:
    return web.make_app(database_url)


@pytest.fixture(scope="module")
def ledger(database_url: str) -> Iterator[Ledger]:
    made = Ledger(database_url, name="test", pool=4)
    made.run(
        lambda c: c.execute(
            text(
                "INSERT INTO configurations (hash, document) VALUES ('t', "
                'CAST(\'{"teams": [{"name": "cards"}, {"name": "loans"}]}\' AS jsonb))'
            )
        )
    )
    yield made
    made.close()


@pytest.fixture(scope="module")
def theirs(ledger: Ledger) -> dict[str, int]:
    return brand(ledger, FOREIGN, "loans", "southbank")


@pytest.fixture(scope="module")
def ours(ledger: Ledger) -> dict[str, int]:
    return brand(ledger, OURS, "cards", "northbank")


@pytest.fixture(scope="module")
def ids(ledger: Ledger, database_url: str) -> dict[str, int]:
    found = web.people(database_url)
    for role in ("viewer", "agent", "lead"):
        ledger.run(lambda c, r=role: scopes.limit(c, f"user:{found[r]}", Scope(("cards",), ("northbank",)), "command"))
    return found


@pytest.fixture(scope="module")
def address(app: FastAPI) -> Iterator[str]:
    with web.serve(app) as found:
        yield found


@pytest.fixture(scope="module")
def lead(ledger: Ledger, address: str, ids: dict[str, int]) -> Iterator[httpx2.Client]:
    with web.enter(ledger, address, ids["lead"]) as client:
        client.headers["origin"] = address
        yield client


BY_LIST = {"mentions": "post", "identities": "identity", "interactions": "interaction", "deliveries": "delivery", "dead-letters": "dead",
           "corrections": "correction"}  # fmt: skip
SKIPPED = {"/logout", "/live"}  # the one ends the session, the other its own test below
FORMS: dict[str, dict[str, Any]] = {
    "change": {"status": "open"}, "notes": {"body": "x"}, "tags": {"tags": "x"}, "act": {"act": "ack"}, "correct": {"outcome": "ignore"},
}  # fmt: skip


def filled(path: str, at: dict[str, int]) -> str:
    for name, value in at.items():
        path = path.replace("{" + name + "}", str(value))
    for list_, name in BY_LIST.items():
        path = path.replace(f"/{list_}/{{id}}", f"/{list_}/{at[name]}")
    path = path.replace("{letter}", f"letter:{at['dead']}").replace("{outbox_id}", str(at["delivery"]))
    return (
        path.replace("{figure}", "volume")
        .replace("{name}", "tickets")
        .replace("{kind}", "note")
        .replace("{entry_id}", "1")
    )


NAMED = [
    (m, p)
    for (m, p), roles in sorted(ROLES.items())
    if PUBLIC not in roles and "lead" in roles and "{" in p and p not in SKIPPED
]
LISTS = [
    p
    for (m, p), roles in sorted(ROLES.items())
    if m == "GET" and PUBLIC not in roles and "lead" in roles and p not in SKIPPED
]
OWN = ("{number}", "{mention_id}", "{customer_id}", "{flag_id}", "{merge_id}", "{proposal_id}", "{id}")


@pytest.mark.parametrize(("method", "path"), NAMED, ids=lambda part: part)
def test_what_is_the_others_is_not_there(
    lead: httpx2.Client, ledger: Ledger, theirs: dict[str, int], ours: dict[str, int], method: str, path: str
) -> None:
    if not any(part in path for part in OWN) or "/channels/{id}" in path:
        return  # a figure, a report, a view of one's own: walked below as lists
    before = fingerprint(ledger)
    form = FORMS.get(path.rsplit("/", 1)[-1], {})
    sent = {"json": form} if path.startswith("/api/") else {"data": form}
    answer = lead.request(method, filled(path, theirs), **(sent if method != "GET" else {}))
    if path == "/customers/{customer_id}/merge" and method == "GET":
        assert answer.status_code in (404, 422)
    else:
        assert answer.status_code == 404 or (method != "GET" and answer.status_code == 422), (
            answer.status_code,
            answer.text[:300],
        )
    assert FOREIGN not in answer.text
    assert fingerprint(ledger) == before
    if method == "GET" and "merge" not in path:  # and ours is: the walk is not blind
        mine = lead.get(filled(path, ours))
        assert mine.status_code == 200 or "deliveries" in path, (mine.status_code, mine.text[:300])


@pytest.mark.parametrize("path", [p for p in LISTS if not any(part in p for part in OWN)])
def test_no_list_says_a_foreign_row(
    lead: httpx2.Client, theirs: dict[str, int], ours: dict[str, int], path: str
) -> None:
    answer = lead.get(filled(path, theirs), params={"q": ""} if path == "/customers" else None)
    assert answer.status_code < 500, answer.text[:500]
    assert FOREIGN not in answer.text, re.findall(rf".{{60}}{FOREIGN}.{{60}}", answer.text)[:3]
    assert "southbank" not in answer.text
    for path_, query in (("/inbox", {"q": FOREIGN, "view": "all"}), ("/customers", {"q": FOREIGN}), ("/api/v1/tickets", {"q": FOREIGN}),
                         ("/api/v1/mentions", {"q": FOREIGN}), ("/api/v1/customers", {"q": FOREIGN})):  # fmt: skip
        if path_ == path:
            found = lead.get(path, params=query).text
            assert f"{FOREIGN} ticket" not in found
            assert f"Mr {FOREIGN}" not in found


def test_lists_do_not_count_foreign_rows(
    lead: httpx2.Client, ledger: Ledger, address: str, ids: dict[str, int], theirs: dict[str, int], ours: dict[str, int]
) -> None:
    assert lead.get("/inbox/news").json()["sidebar"]["inbox"] == 1
    assert lead.get("/inbox/news").json()["views"]["open"] == 1
    assert len(lead.get("/api/v1/tickets").json()["items"]) == 1
    with web.enter(ledger, address, ids["admin"]) as admin:  # who is not limited sees both
        assert admin.get("/inbox/news").json()["views"]["open"] == 2
        assert len(admin.get("/api/v1/tickets").json()["items"]) == 2
        assert FOREIGN in admin.get(f"/tickets/{theirs['number']}").text


def test_bodies_that_name_what_is_foreign_change_nothing(
    lead: httpx2.Client, ledger: Ledger, theirs: dict[str, int], ours: dict[str, int]
) -> None:
    before = fingerprint(ledger)
    bulk = lead.post("/inbox/bulk", data={"ticket": f"{theirs['number']}:1", "priority": "urgent"})
    assert bulk.status_code == 409
    everything = lead.post(
        "/inbox/bulk", data={"all": "true", "address": "view=all&q=" + FOREIGN, "priority": "urgent"}
    )
    assert everything.status_code == 409
    merged = lead.post(f"/api/v1/customers/{ours['customer_id']}/merge", json={"loser": theirs["customer_id"]})
    assert merged.status_code == 404
    merged = lead.post(f"/customers/{ours['customer_id']}/merge", data={"loser": str(theirs["customer_id"])})
    assert merged.status_code == 404
    split = lead.post(f"/api/v1/customers/{ours['customer_id']}/split", json={"identities": [theirs["identity"]]})
    assert split.status_code == 404
    assert lead.post("/api/v1/corrections", json={"mention": theirs["post"], "outcome": "ignore"}).status_code == 404
    assert lead.post("/api/v1/tickets", json={"subject": "x", "team": "loans", "topic": "southbank"}).status_code == 422
    assert (
        lead.post(
            "/api/v1/tickets",
            json={"subject": "x", "team": "cards", "topic": "northbank", "customer": theirs["customer_id"]},
        ).status_code
        == 404
    )
    assert lead.patch(f"/api/v1/tickets/{ours['number']}", json={"team": "loans"}).status_code == 422
    assert fingerprint(ledger) == before
    done = lead.post("/inbox/bulk", data={"all": "true", "address": "view=all", "priority": "urgent"})
    assert done.status_code == 303
    with ledger.begin() as connection:
        found = {row["team"]: row["priority"] for row in rows(connection, "SELECT team, priority FROM tickets")}
    assert (found["cards"], found["loans"]) == ("urgent", "normal")


def test_a_token_is_limited_like_a_user(
    ledger: Ledger, address: str, theirs: dict[str, int], ours: dict[str, int]
) -> None:
    allowed = [scope for scope in tokens.SCOPES if scope not in tokens.UNLIMITED]
    _, value, _ = ledger.run(lambda c: tokens.add(c, "t", allowed, 1, "command", scope=Scope(("cards",))))
    with httpx2.Client(base_url=f"{address}/api/v1", headers={"authorization": f"Bearer {value}"}) as client:
        assert [t["number"] for t in client.get("/tickets").json()["items"]] == [ours["number"]]
        assert client.get(f"/tickets/{theirs['number']}").status_code == 404
        assert client.get("/lookup", params={"handle": f"{FOREIGN}-author", "platform": "reddit"}).json() == []
        assert client.get("/lookup", params={"handle": f"{OURS}-author", "platform": "reddit"}).json() != []
        assert client.post(f"/tickets/{theirs['number']}/notes", json={"body": "x"}).status_code == 404
    with pytest.raises(ValueError, match="cannot be limited"):
        ledger.run(lambda c: tokens.add(c, "t", ["audit:read"], 1, "command", scope=Scope(("cards",))))
    admin = ledger.run(lambda c: one(c, "SELECT id FROM users WHERE role = 'admin'"))
    with pytest.raises(ValueError, match="sees everything"):
        ledger.run(lambda c: scopes.limit(c, f"user:{admin}", Scope(("cards",)), "command"))


def test_the_stream_tells_only_of_what_one_sees(
    lead: httpx2.Client, ledger: Ledger, theirs: dict[str, int], ours: dict[str, int]
) -> None:
    hand = casework.Hand("Ada", "command")
    with lead.stream("GET", "/live") as answer:
        lines = answer.iter_lines()
        next(lines)
        ledger.run(lambda c: casework.note(c, hand, theirs["number"], "one"))
        ledger.run(lambda c: casework.note(c, hand, ours["number"], "two"))
        with ledger.begin() as connection:
            numbers = {row["number"]: row["id"] for row in rows(connection, "SELECT number, id FROM tickets")}
        told: list[int] = []
        for line in lines:
            if line.startswith("data:"):
                told += json.loads(line[5:]).get("changed", [])
                if numbers[ours["number"]] in told:
                    break
    assert numbers[theirs["number"]] not in told


def test_every_table_is_shown_by_a_rule_or_closed(ledger: Ledger) -> None:
    """A new table is closed to limited readers until somebody decides; none with a ticket's or customer's rows is open."""
    for name, table in metadata.tables.items():
        if name in database_roles.OPEN:
            assert (
                not {"ticket_id", "mention_id", "customer_id", "content"} & set(table.c.keys()) or name == "digests"
            ), name  # a queue of numbers
    assert set(database_roles.POLICIES) | set(database_roles.OPEN) | set(database_roles.COLUMNS) <= set(metadata.tables)
    with ledger.begin() as connection:
        scopes.confine(connection, Scope(("cards",)))
        connection.execute(text("SET LOCAL ROLE earmark_scoped"))
        for name in ("users", "sessions", "api_tokens", "payloads", "audit", "hooks"):
            point = connection.begin_nested()
            with pytest.raises(Exception, match="permission denied"):
                connection.execute(text(f"SELECT * FROM public.{name}"))
            point.rollback()
        with pytest.raises(Exception, match="permission denied"):
            connection.execute(text("UPDATE tickets SET subject = 'x'"))


def test_reads_of_personal_data_are_written_down(
    lead: httpx2.Client, ledger: Ledger, ids: dict[str, int], ours: dict[str, int]
) -> None:
    def read() -> list[str]:
        with ledger.begin() as connection:
            sql = "SELECT object FROM audit WHERE action = 'personal.read' AND actor = :a ORDER BY id"
            return [row["object"] for row in rows(connection, sql, a=f"user:{ids['lead']}")]

    before = len(read())
    lead.get(f"/customers/{ours['customer_id']}")
    lead.get(f"/api/v1/customers/{ours['customer_id']}")
    lead.get("/api/v1/lookup", params={"handle": f"{OURS}-author", "platform": "reddit"})
    lead.get("/api/v1/identities")
    assert read()[before:] == [
        f"customer:{ours['customer_id']}",
        f"customer:{ours['customer_id']}",
        "lookup",
        "identities",
    ]


def fingerprint(ledger: Ledger) -> list[Any]:
    """What a refused write must leave as it was."""
    with ledger.begin() as connection:
        return [
            tuple(row.values())
            for table in (
                "tickets",
                "entries",
                "merges",
                "proposals",
                "verdicts",
                "escalations",
                "corrections",
                "customer_identities",
                "outbox",
                "dead_letters",
            )
            for row in rows(
                connection,
                f"SELECT count(*) AS n, md5(string_agg(CAST(x AS text), ',' ORDER BY CAST(x AS text))) AS h FROM {table} x",
            )
        ]


def test_journeys_that_are_kept_are_those_one_sees(
    ledger: Ledger, address: str, ids: dict[str, int], lead: httpx2.Client, theirs: dict[str, int], ours: dict[str, int]
) -> None:
    """Who sees everything looks first; who sees a part is not shown that sum again."""

    def journeys(client: httpx2.Client) -> int:
        page = client.get("/dashboards?board=journeys&range=7d").raise_for_status().text
        return int(re.search(r"of the journeys with a ticket \(facts: (\d+)\)", page)[1])  # type: ignore[index]

    with web.enter(ledger, address, ids["admin"]) as everything:
        assert journeys(everything) > journeys(lead) > 0
