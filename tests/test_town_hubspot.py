"""The HubSpot stand-in against documented answers, with plain requests."""

import time
from concurrent.futures import ThreadPoolExecutor

import pytest
import requests

from town.accounts import ACCOUNTS
from town.server import Town

TICKET = {"subject": "troubleshoot report", "hs_pipeline": "0", "hs_pipeline_stage": "1", "hs_ticket_priority": "HIGH"}


@pytest.fixture
def town():
    with Town(seed=7) as town:
        yield town


def call(town, method, path, json=None, token="token"):
    headers = {"Authorization": f"Bearer {ACCOUNTS['hubspot'][token]}"}
    return requests.request(method, town.urls["hubspot"] + path, json=json, headers=headers, timeout=5)


def unique(town, kind, name):
    made = {
        "name": name,
        "label": name,
        "type": "string",
        "fieldType": "text",
        "groupName": "x",
        "hasUniqueValue": True,
    }
    return call(town, "POST", f"/crm/v3/properties/{kind}", made)


def test_a_record_is_made_shown_and_changed_as_the_guides_say(town):
    made = call(town, "POST", "/crm/v3/objects/contacts", {"properties": {"email": "Ann@X.org", "firstname": "Ann"}})
    assert made.status_code == 201
    ann = made.json()
    assert (ann["properties"]["email"], ann["archived"], ann["createdAt"] == ann["updatedAt"]) == (
        "ann@x.org",
        False,
        True,
    )
    shown = call(town, "GET", "/crm/objects/2026-03/contacts/ann@x.org?idProperty=email&properties=phone").json()
    assert shown["id"] == ann["id"]
    assert set(shown["properties"]) == {"phone", "hs_object_id"}
    again = call(town, "POST", "/crm/v3/objects/contacts", {"properties": {"email": "ann@x.org"}})
    assert (again.status_code, again.json()["category"]) == (409, "CONFLICT")
    assert again.json()["message"] == f"Contact already exists. Existing ID: {ann['id']}"
    note = {"properties": {"hs_note_body": "called", "hs_timestamp": "2026-11-01T10:00:00Z"},
            "associations": [{"to": {"id": ann["id"]}, "types": [{"associationCategory": "HUBSPOT_DEFINED", "associationTypeId": 202}]}]}  # fmt: skip
    told = call(town, "POST", "/crm/v3/objects/notes", note)
    assert told.status_code == 201
    near = call(town, "GET", f"/crm/v4/objects/contacts/{ann['id']}/associations/notes").json()["results"]
    assert [(one["toObjectId"], one["associationTypes"][0]["typeId"]) for one in near] == [
        (int(told.json()["id"]), 201)
    ]
    assert call(town, "DELETE", f"/crm/v3/objects/notes/{told.json()['id']}").status_code == 204
    assert call(town, "GET", f"/crm/v3/objects/notes/{told.json()['id']}").status_code == 404


@pytest.mark.parametrize(
    ("kind", "properties", "said"),
    [
        ("contacts", {"shoe_size": "42"}, "PROPERTY_DOESNT_EXIST"),
        ("contacts", {"email": "no address"}, "INVALID_EMAIL"),
        ("contacts", {"hs_object_id": "7"}, "READ_ONLY_VALUE"),
        ("tickets", TICKET | {"hs_ticket_priority": "high"}, "INVALID_OPTION"),
        ("tickets", TICKET | {"hs_pipeline_stage": "99"}, "INVALID_OPTION"),
        ("tickets", {"subject": "x"}, "required properties"),
        ("notes", {"hs_note_body": "x"}, "required properties"),
        ("notes", {"hs_note_body": "x" * 65_537, "hs_timestamp": "1"}, "INVALID_STRING_LENGTH"),
    ],
)
def test_what_the_portal_refuses(town, kind, properties, said):
    answer = call(town, "POST", f"/crm/v3/objects/{kind}", {"properties": properties})
    assert answer.status_code == 400
    assert said in answer.json()["message"]
    assert town.ledger.objects("hubspot", kind) == []


def test_associations_must_exist_and_fit(town):
    ticket = {
        "properties": TICKET,
        "associations": [
            {"to": {"id": "9"}, "types": [{"associationCategory": "HUBSPOT_DEFINED", "associationTypeId": 16}]}
        ],
    }
    assert call(town, "POST", "/crm/v3/objects/tickets", ticket).status_code == 400
    ann = town.stands["hubspot"].person(email="ann@x.org")
    ticket["associations"][0]["to"]["id"] = str(ann)
    ticket["associations"][0]["types"][0]["associationTypeId"] = 15  # the other way round
    assert call(town, "POST", "/crm/v3/objects/tickets", ticket).status_code == 400
    ticket["associations"][0]["types"][0]["associationTypeId"] = 16
    made = call(town, "POST", "/crm/v3/objects/tickets", ticket)
    assert made.status_code == 201
    assert town.ledger.objects("hubspot", "tickets")[0]["near"] == {"contacts": [ann]}


def test_upsert_wants_a_unique_property_and_makes_one_record(town):
    one = {"inputs": [{"id": "em-1", "idProperty": "earmark_key", "properties": TICKET}]}
    refused = call(town, "POST", "/crm/v3/objects/tickets/batch/upsert", one)
    assert refused.status_code == 400
    assert "non-unique" in refused.json()["message"]
    assert unique(town, "tickets", "earmark_key").status_code == 201
    assert unique(town, "tickets", "earmark_key").status_code == 409
    first = call(town, "POST", "/crm/v3/objects/tickets/batch/upsert", one).json()["results"][0]
    second = call(town, "POST", "/crm/objects/2026-09/tickets/batch/upsert", one).json()["results"][0]
    assert (first["id"], first["new"], second["new"]) == (second["id"], True, False)
    bad = {"inputs": [*one["inputs"], {"id": "em-2", "idProperty": "earmark_key", "properties": {"nope": "1"}}]}
    mixed = call(town, "POST", "/crm/v3/objects/tickets/batch/upsert", bad)
    assert (mixed.status_code, mixed.json()["numErrors"], len(mixed.json()["results"])) == (207, 1, 1)
    with ThreadPoolExecutor(4) as pool:
        made = list(pool.map(lambda n: call(town, "POST", "/crm/v3/objects/tickets",
                                            {"properties": TICKET | {"earmark_key": "em-9"}}).status_code, range(4)))  # fmt: skip
    assert sorted(made) == [201, 409, 409, 409]


def test_search_is_late_bounded_and_goes_on_by_after(town):
    town.options["hubspot_search_lag"] = 0.4
    portal = town.stands["hubspot"]
    people = [portal.person(email=f"p{n}@x.org", firstname="P") for n in range(7)]
    ask = {"filterGroups": [{"filters": [{"propertyName": "lastmodifieddate", "operator": "GTE", "value": "0"}]}],
           "sorts": [{"propertyName": "lastmodifieddate", "direction": "ASCENDING"}], "properties": ["email"], "limit": 3}  # fmt: skip
    assert call(town, "POST", "/crm/v3/objects/contacts/search", ask).json()["total"] == 0
    assert call(town, "GET", f"/crm/v3/objects/contacts/{people[0]}").status_code == 200
    time.sleep(0.5)
    portal.change("contacts", people[0], {"firstname": "Q"})
    got, after = [], "0"
    while after:
        page = call(town, "POST", "/crm/v3/objects/contacts/search", ask | {"after": after})
        assert "X-HubSpot-RateLimit-Max" not in page.headers
        got += [int(one["id"]) for one in page.json()["results"]]
        after = page.json().get("paging", {}).get("next", {}).get("after")
    assert got == people  # the change is not in the index yet
    assert call(town, "POST", "/crm/v3/objects/contacts/search", ask | {"after": "10000"}).status_code == 400
    assert call(town, "POST", "/crm/v3/objects/contacts/search", ask | {"limit": 201}).status_code == 400


def test_both_limits_and_both_refusals_of_a_token(town):
    town.rates["hubspot"], town.rates["hubspot_daily"] = (2, 10), (3, 86_400)
    path = "/crm/v3/objects/contacts"
    assert [call(town, "GET", path).status_code for _ in range(2)] == [200, 200]
    short = call(town, "GET", path)
    assert (short.status_code, short.json()["policyName"]) == (429, "TEN_SECONDLY_ROLLING")
    day = call(town, "GET", path)
    assert (day.json()["policyName"], "Retry-After" in day.headers) == ("DAILY", False)
    assert requests.get(town.urls["hubspot"] + path, timeout=5).json()["category"] == "INVALID_AUTHENTICATION"
    town.rates["hubspot"] = town.rates["hubspot_daily"] = (1000, 10)
    assert unique(town, "tickets", "a_b").status_code == 201
    made = {"name": "c_d", "label": "c", "type": "string", "fieldType": "text", "groupName": "x"}
    assert call(town, "POST", "/crm/v3/properties/contacts", made, "narrow").status_code == 403


def test_merged_contacts_get_a_new_id_the_old_ones_lead_to(town):
    portal = town.stands["hubspot"]
    a, b = portal.person(email="a@x.org", phone="1"), portal.person(email="b@x.org", city="Ulm")
    new = portal.merge(a, b)
    shown = call(town, "GET", f"/crm/v3/objects/contacts/{b}?properties=email,city,hs_merged_object_ids").json()
    assert shown["id"] == str(new)
    assert shown["properties"]["email"] == "a@x.org"
    assert shown["properties"]["city"] == "Ulm"
    assert shown["properties"]["hs_merged_object_ids"] == f"{a};{b}"
