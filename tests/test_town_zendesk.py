"""The Zendesk stand-in against documented answers, with plain requests: no client library takes a loopback address."""

import time
from concurrent.futures import ThreadPoolExecutor

import pytest
import requests

from town.accounts import ACCOUNTS
from town.server import Town

TICKET = {
    "ticket": {
        "subject": "My printer is on fire!",
        "comment": {"body": "The smoke is very colorful."},
        "priority": "urgent",
        "external_id": "em-42",
    }
}


@pytest.fixture
def town():
    with Town(seed=7) as town:
        yield town


def call(town, method, path, json=None, **headers):
    own = ACCOUNTS["zendesk"]
    return requests.request(
        method,
        f"{town.urls['zendesk']}/api/v2{path}",
        json=json,
        headers=headers,
        timeout=5,
        auth=(f"{own['email']}/token", own["token"]),
    )


def test_create_answers_as_the_reference_shows(town):
    made = call(town, "POST", "/tickets.json", TICKET)
    ticket = made.json()["ticket"]
    assert made.status_code == 201
    assert made.headers["Location"] == f"{town.urls['zendesk']}/api/v2/tickets/{ticket['id']}.json"
    wanted = {
        "subject": "My printer is on fire!",
        "description": "The smoke is very colorful.",
        "status": "new",
        "priority": "urgent",
        "external_id": "em-42",
    }
    assert {k: ticket[k] for k in wanted} == wanted
    assert made.json()["audit"]["events"][0]["type"] == "Comment"
    assert call(town, "GET", f"/tickets/{ticket['id']}").json() == {"ticket": ticket}
    comments = call(town, "GET", f"/tickets/{ticket['id']}/comments").json()
    assert [c["body"] for c in comments["comments"]] == ["The smoke is very colorful."]


def test_bearer_is_as_good_and_strangers_are_refused(town):
    url = town.urls["zendesk"] + "/api/v2/users/me.json"
    bearer = {"Authorization": f"Bearer {ACCOUNTS['zendesk']['oauth']}"}
    assert requests.get(url, headers=bearer, timeout=5).status_code == 200
    refused = requests.get(url, auth=("agent@northbank.example", "wrong"), timeout=5)
    assert (refused.status_code, refused.json()) == (401, {"error": "Couldn't authenticate you"})


def test_idempotency_key(town):
    first = call(town, "POST", "/tickets", TICKET, **{"Idempotency-Key": "k1"})
    again = call(town, "POST", "/tickets", TICKET, **{"Idempotency-Key": "k1"})
    assert (first.headers["x-idempotency-lookup"], again.headers["x-idempotency-lookup"]) == ("miss", "hit")
    assert first.json() == again.json()
    other = call(town, "POST", "/tickets", {"ticket": TICKET["ticket"] | {"subject": "x"}}, **{"Idempotency-Key": "k1"})
    assert (other.status_code, other.json()) == (
        400,
        {"error": "IdempotentRequestError", "description": "Request parameters don't match the given idempotency key"},
    )
    assert len(town.ledger.tickets()) == 1
    town.options["zendesk_key_ttl"] = 0.0
    assert call(town, "POST", "/tickets", TICKET, **{"Idempotency-Key": "k1"}).headers["x-idempotency-lookup"] == "miss"
    assert town.ledger.summary()["desks"]["zendesk"] == {
        "tickets": 2,
        "distinct": 1,
        "comments": 0,
        "distinct_comments": 0,
    }


def test_look_up_by_external_id_is_current_and_search_is_behind(town):
    number = call(town, "POST", "/tickets", TICKET).json()["ticket"]["id"]
    assert [t["id"] for t in call(town, "GET", "/tickets?external_id=em-42").json()["tickets"]] == [number]
    assert call(town, "GET", "/tickets?external_id=em-43").json()["tickets"] == []
    search = "/search?query=type:ticket external_id:em-42"
    assert call(town, "GET", search).json()["count"] == 0
    town.options["zendesk_search_lag"] = 0.0
    found = call(town, "GET", search).json()["results"]
    assert [(r["id"], r["result_type"]) for r in found] == [(number, "ticket")]


def test_update_comments_tags_and_audits(town):
    number = call(town, "POST", "/tickets", {"ticket": TICKET["ticket"] | {"tags": ["A", "b"]}}).json()["ticket"]["id"]
    done = call(
        town,
        "PUT",
        f"/tickets/{number}",
        {"ticket": {"comment": {"body": "still down", "public": False}, "status": "open", "additional_tags": ["c"]}},
    )
    assert done.json()["ticket"]["tags"] == ["a", "b", "c"]
    assert done.json()["ticket"]["status"] == "open"
    audits = call(town, "GET", f"/tickets/{number}/audits").json()["audits"]
    assert audits[-1] == done.json()["audit"]
    changes = {
        e["field_name"]: (e["previous_value"], e["value"]) for e in audits[-1]["events"] if e["type"] == "Change"
    }
    assert changes["status"] == ("new", "open")
    comments = call(town, "GET", f"/tickets/{number}/comments").json()["comments"]
    assert [(c["body"], c["public"]) for c in comments] == [
        ("The smoke is very colorful.", True),
        ("still down", False),
    ]
    assert call(town, "PUT", f"/tickets/{number}", {"ticket": {"tags": ["z"]}}).json()["ticket"]["tags"] == ["z"]
    assert town.ledger.summary()["desks"]["zendesk"]["comments"] == 1


def test_safe_update_and_the_finality_of_closed(town):
    ticket = call(town, "POST", "/tickets", TICKET).json()["ticket"]
    path = f"/tickets/{ticket['id']}"
    stale = {"ticket": {"status": "open", "safe_update": True, "updated_stamp": "2020-01-01T00:00:00Z"}}
    refused = call(town, "PUT", path, stale)
    assert (refused.status_code, refused.json()["error"]) == (409, "UpdateConflict")
    stale["ticket"]["updated_stamp"] = ticket["updated_at"]
    assert call(town, "PUT", path, stale).status_code == 200
    call(town, "PUT", path, {"ticket": {"status": "closed"}})
    final = call(town, "PUT", path, {"ticket": {"comment": {"body": "hello?"}}})
    assert (final.status_code, final.json()) == (
        422,
        {
            "error": "RecordInvalid",
            "description": "Record validation errors",
            "details": {"status": [{"description": "Status: closed prevents ticket update"}]},
        },
    )


@pytest.mark.parametrize(
    ("change", "status", "field"),
    [
        ({"comment": {"body": "  "}}, 422, "base"),
        ({"comment": None}, 422, "base"),
        ({"priority": "critical"}, 422, "priority"),
        ({"status": "closed"}, 422, "status"),
        ({"type": "wish"}, 422, "type"),
        ({"tags": "a b"}, 422, "tags"),
        ({"requester": {"email": "new@example.org"}}, 422, "requester"),
        ({"requester": {"name": "A", "email": "no address"}}, 422, "requester"),
        ({"requester_id": 123456}, 422, "requester"),
        ({"external_id": "x" * 256}, 422, "external_id"),
    ],
)
def test_create_refuses(town, change, status, field):
    answer = call(town, "POST", "/tickets", {"ticket": TICKET["ticket"] | change})
    assert (answer.status_code, list(answer.json()["details"])) == (status, [field])
    assert town.ledger.tickets() == []


def test_other_refusals(town):
    assert call(town, "POST", "/tickets", {"nothing": 1}).status_code == 400
    assert call(town, "POST", "/tickets", TICKET, **{"Idempotency-Key": "k" * 256}).status_code == 400
    assert call(town, "GET", "/tickets/999").json() == {"error": "RecordNotFound", "description": "Not found"}
    assert call(town, "GET", "/nothing").status_code == 404
    number = call(town, "POST", "/tickets", TICKET).json()["ticket"]["id"]
    described = call(town, "PUT", f"/tickets/{number}", {"ticket": {"description": "new"}})
    assert (described.status_code, list(described.json()["details"])) == (422, ["description"])


def test_requesters_and_users(town):
    person = {"user": {"name": "Ann", "email": "Ann@example.org", "external_id": "U1"}}
    made = call(town, "POST", "/users/create_or_update", person)
    again = call(town, "POST", "/users/create_or_update.json", {"user": {"external_id": "u1", "name": "Ann B"}})
    assert (made.status_code, again.status_code) == (201, 200)
    assert made.json()["user"]["id"] == again.json()["user"]["id"]
    inline = {"ticket": TICKET["ticket"] | {"requester": {"email": "ann@example.org"}}}
    assert call(town, "POST", "/tickets", inline).json()["ticket"]["requester_id"] == made.json()["user"]["id"]


def test_rate_headers_and_429(town):
    town.rates["zendesk"] = (1, 60)
    assert call(town, "GET", "/users/me").headers["X-Rate-Limit-Remaining"] == "0"
    refused = call(town, "GET", "/users/me")
    town.rates |= {"zendesk": (100, 60), "zendesk_ticket": (1, 600)}
    number = call(town, "POST", "/tickets", TICKET).json()["ticket"]["id"]
    change = {"ticket": {"comment": {"body": "more"}}}
    assert [call(town, "PUT", f"/tickets/{number}", change).status_code for _ in range(2)] == [200, 429]
    assert refused.status_code == 429
    assert 1 <= int(refused.headers["Retry-After"]) <= 60


@pytest.mark.parametrize("kind", ["hang", "reset_after", "error_after"])
def test_the_answer_is_lost_and_the_ticket_is_not(town, kind):
    town.faults.add("zendesk", kind, method="POST", path="/tickets", nth=1)
    own = ACCOUNTS["zendesk"]
    try:
        status = requests.post(
            town.urls["zendesk"] + "/api/v2/tickets",
            json=TICKET,
            timeout=0.5,
            auth=(f"{own['email']}/token", own["token"]),
        ).status_code
    except requests.RequestException:
        status = 0
    assert status == (500 if kind == "error_after" else 0)
    assert [t["external_id"] for t in town.ledger.tickets()] == ["em-42"]


def test_paging_both_ways(town):
    for i in range(5):
        call(town, "POST", "/tickets", {"ticket": TICKET["ticket"] | {"external_id": f"em-{i}"}})
    first = call(town, "GET", "/tickets?page[size]=3").json()
    assert first["meta"]["has_more"]
    rest = requests.get(
        first["links"]["next"], timeout=5, headers={"Authorization": f"Bearer {ACCOUNTS['zendesk']['oauth']}"}
    ).json()
    assert [t["id"] for t in first["tickets"] + rest["tickets"]] == [1, 2, 3, 4, 5]
    assert call(town, "GET", "/tickets?page=101").status_code == 400


def test_ids_go_on_over_a_restart(tmp_path):
    path = tmp_path / "town.sqlite"
    with Town(path) as town:
        call(town, "POST", "/tickets", TICKET, **{"Idempotency-Key": "k1"})
    with Town(path) as town:
        assert call(town, "POST", "/tickets", TICKET, **{"Idempotency-Key": "k1"}).json()["ticket"]["id"] == 1
        call(town, "POST", "/tickets", TICKET)
        assert [t["id"] for t in town.ledger.tickets()] == [1, 2]
        assert town.ledger.tickets()[0]["at"] < time.time()


def test_twenty_at_once_with_one_key_make_one_ticket(town):
    with ThreadPoolExecutor(20) as pool:
        answers = list(
            pool.map(lambda _: call(town, "POST", "/tickets", TICKET, **{"Idempotency-Key": "k1"}), range(20))
        )
    assert {a.status_code for a in answers} == {201}
    assert sorted(a.headers["x-idempotency-lookup"] for a in answers) == ["hit"] * 19 + ["miss"]
    assert len(town.ledger.tickets()) == 1


def test_a_long_comment_is_cut_in_silence(town):
    ticket = call(town, "POST", "/tickets", {"ticket": TICKET["ticket"] | {"comment": {"body": "é" * 40_000}}})
    assert ticket.status_code == 201
    assert len(town.ledger.comments()[0]["body"].encode()) == 64 * 1024


def test_custom_fields_change_one_by_one_and_the_audit_goes_by_their_ids(town):
    fields = [{"id": 7, "value": "a"}, {"id": 9, "value": "b"}]
    made = call(
        town, "POST", "/tickets", {"ticket": TICKET["ticket"] | {"custom_fields": fields, "tags": ["x"]}}
    ).json()
    number = made["ticket"]["id"]
    assert {e["field_name"]: e["value"] for e in made["audit"]["events"] if e["type"] == "Create"}.items() >= {
        "7": "a",
        "tags": ["x"],
    }.items()
    done = call(town, "PUT", f"/tickets/{number}", {"ticket": {"custom_fields": [{"id": 9, "value": None}]}}).json()
    assert done["ticket"]["custom_fields"] == [{"id": 7, "value": "a"}]
    [changed] = [e for e in done["audit"]["events"] if e["type"] == "Change"]
    assert (changed["field_name"], changed["previous_value"], changed["value"]) == ("9", "b", None)
    assert call(town, "PUT", f"/tickets/{number}", {"ticket": {"custom_fields": "x"}}).status_code == 422
