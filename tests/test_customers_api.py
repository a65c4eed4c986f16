"""The API of customers: tokens with scopes, a request once per key, problems as RFC 9457 has them, look-up, interactions, webhooks."""

import base64
import hmac
import json
import os
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Any
from urllib.parse import urlencode

import httpx2
import pytest
from sqlalchemy import text

from storage import configurations, roll, tokens
from storage.ledger import Ledger, one
from tests import web

NOW = datetime.now(UTC)
SOURCES = [
    {"name": "wa", "preset": "whatsapp", "secret_env": "TEST_WA", "verify_token_env": "TEST_VERIFY"},
    {"name": "sms", "preset": "twilio_sms", "secret_env": "TEST_TWILIO"},
    {"name": "voice", "preset": "twilio_voice", "secret_env": "TEST_TWILIO"},
    {"name": "page", "preset": "messenger", "secret_env": "TEST_WA"},
    {"name": "crm", "preset": "generic", "secret_env": "TEST_WA"},
]


@pytest.fixture(scope="module")
def ledger(database_url: str) -> Iterator[Ledger]:
    os.environ |= {"TEST_WA": "app secret", "TEST_TWILIO": "12345", "TEST_VERIFY": "ours"}
    made = Ledger(database_url, name="test", pool=4)
    made.run(lambda c: configurations.accept(c, "h", {"contacts": SOURCES}))
    head = "customer_number,name,email,phone,tier,x_handle,lifetime_value\n"
    lines = [
        head,
        "C-1,Ada Lovelace,ada@example.org,+4915112345678,gold,ada_l,1200\n",
        "C-2,Grace,grace@example.org,,,,\n",
    ]
    made.run(lambda c: roll.bring(c, web.SECRET, roll.read(lines)))
    yield made
    made.close()


@pytest.fixture(scope="module")
def address(ledger: Ledger, database_url: str) -> Iterator[str]:
    with web.serve(web.make_app(database_url, base_url="https://console.example")) as found:
        yield found


def token(ledger: Ledger, *scopes: str, days: int = 1) -> str:
    return ledger.run(lambda c: tokens.add(c, "test", scopes, days, "command"))[1]


@pytest.fixture(scope="module")
def api(ledger: Ledger, address: str) -> Iterator[httpx2.Client]:
    value = token(ledger, *tokens.SCOPES)
    with httpx2.Client(base_url=address, headers={"authorization": f"Bearer {value}"}) as client:
        yield client


def call(n: int, **more: Any) -> dict[str, Any]:
    return {
        "external_id": f"call-{n}",
        "kind": "call",
        "happened_at": (NOW - timedelta(hours=n)).isoformat(),
        "phone": "+4915112345678",
        **more,
    }


def test_a_token_opens_what_its_scopes_say_and_nothing_else(ledger: Ledger, address: str) -> None:
    reads = token(ledger, "customers:read")
    with httpx2.Client(base_url=address) as client:

        def get(value: str, path: str = "/api/v1/customers") -> httpx2.Response:
            return client.get(path, headers={"authorization": f"Bearer {value}"})

        assert get(reads).status_code == 200
        refused = get(reads, "/api/v1/lookup?email=ada@example.org")
        assert refused.status_code == 403
        assert refused.headers["content-type"] == "application/problem+json"
        assert refused.json() == {
            "type": "about:blank",
            "title": "Not allowed",
            "status": 403,
            "detail": "The token has no scope lookup:read.",
        }
        assert "insufficient_scope" in refused.headers["www-authenticate"]
        assert get("em_wrong").status_code == 401
        assert get(reads, "/customers").status_code == 303  # pages take no token
        with ledger.begin() as c:
            assert one(c, "SELECT count(*) FROM api_tokens t WHERE t::text LIKE '%' || :v || '%'", v=reads[3:]) == 0
            c.execute(
                text(
                    "UPDATE api_tokens SET expires_at = now() - interval '1 s' WHERE id = (SELECT max(id) FROM api_tokens)"
                )
            )
        assert get(reads).status_code == 401
        other = token(ledger, "customers:read")
        assert get(other).status_code == 200
        ledger.run(lambda c: tokens.revoke(c, tokens.everything(c)[0]["id"], "command"))
        assert get(other).status_code == 401


def test_look_up_by_each_identifier(api: httpx2.Client) -> None:
    for query in (
        {"phone": "+49 151 12345678"},
        {"phone": "0151 12345678", "region": "DE"},
        {"email": "ADA@example.org"},
        {"handle": "@Ada_L", "platform": "x"},
        {"handle": "ada_l"},
        {"number": "C-1"},
    ):
        [found] = api.get("/api/v1/lookup", params=query).json()
        assert found["customer"]["name"] == "Ada Lovelace", query
        assert (found["health"]["tier"], found["health"]["lifetime_value"]) == ("gold", 1200)
    assert api.get("/api/v1/lookup", params={"email": "nobody@example.org"}).json() == []
    for wrong in ({}, {"phone": "12"}, {"email": "a@"}, {"email": "a@b.org", "phone": "+4915112345678"}):
        answer = api.get("/api/v1/lookup", params=wrong)
        assert (answer.status_code, answer.headers["content-type"]) == (400, "application/problem+json"), wrong


def test_interactions_are_kept_once_in_any_order_and_shown(api: httpx2.Client, ledger: Ledger) -> None:
    late = {"interactions": [call(1, subject="second"), call(5, subject="first"), call(1, subject="again")]}
    answer = api.post("/api/v1/interactions", json=late)
    assert (answer.status_code, [i["outcome"] for i in answer.json()["interactions"]]) == (201, ["new", "new", "known"])
    assert [i["outcome"] for i in api.post("/api/v1/interactions", json=late).json()["interactions"]] == ["known"] * 3
    [found] = api.get("/api/v1/lookup", params={"number": "C-1"}).json()
    assert [i["subject"] for i in found["interactions"]] == ["second", "first"]
    page = api.get(f"/api/v1/customers/{found['customer']['id']}/timeline", params={"limit": 1}).json()
    assert (page["events"][0]["text"], page["events"][0]["detail"]["kind"]) == ("second", "call")
    rest = api.get(f"/api/v1/customers/{found['customer']['id']}/timeline", params={"cursor": page["next"]}).json()
    assert ([e["text"] for e in rest["events"]], rest["next"]) == (["first"], None)
    assert api.get("/api/v1/customers/1/timeline", params={"cursor": "nonsense"}).status_code == 400


@pytest.mark.parametrize(
    ("item", "said"),
    [
        ({"kind": "smoke"}, "no kind"),
        ({"phone": "12"}, "phone"),
        ({"phone": "", "email": "not an address"}, "email"),
        ({"happened_at": "2026-01-01T00:00:00"}, "time zone"),
        ({"happened_at": (NOW + timedelta(days=9)).isoformat()}, "future"),
        ({"phone": ""}, "who it was"),
        ({"body": "x" * 100_001}, "100,001"),
        ({"customer": 10**12}, "no customer"),
        ({"subject": "a\0b"}, "NUL"),
    ],
)
def test_a_bad_interaction_is_named_and_nothing_is_stored(
    api: httpx2.Client, ledger: Ledger, item: dict[str, Any], said: str
) -> None:
    before = web.value(ledger, "SELECT count(*) FROM interactions")
    answer = api.post("/api/v1/interactions", json={"interactions": [call(70), {**call(71), **item}]})
    assert (answer.status_code, answer.headers["content-type"]) == (422, "application/problem+json")
    assert said in answer.json()["detail"]
    assert web.value(ledger, "SELECT count(*) FROM interactions") == before


def test_a_key_makes_a_request_happen_once(api: httpx2.Client, ledger: Ledger) -> None:
    first = api.post("/api/v1/interactions", json=call(20), headers={"idempotency-key": "k-1"})
    again = api.post("/api/v1/interactions", json=call(20), headers={"idempotency-key": "k-1"})
    assert (first.status_code, again.status_code, again.json()) == (201, 201, first.json())
    assert again.headers["idempotency-replayed"] == "true"
    other = api.post("/api/v1/interactions", json=call(21), headers={"idempotency-key": "k-1"})
    assert other.status_code == 422
    assert web.value(ledger, "SELECT count(*) FROM interactions WHERE external_id = 'call-21'") == 0


def test_two_identifiers_of_two_customers_are_a_proposal_that_merges(api: httpx2.Client, ledger: Ledger) -> None:
    told = {**call(30), "kind": "email", "phone": "", "email": "grace@example.org", "number": "C-1"}
    assert api.post("/api/v1/interactions", json=told).json()["interactions"][0]["proposals"] == 1
    [proposal] = api.get("/api/v1/proposals").json()["proposals"]
    assert proposal["evidence"][0]["what"] == "in one contact"
    a, b = proposal["customer_id"], proposal["other_id"]
    assert api.get(f"/api/v1/customers/{a}/merge/{b}").json()["names"] == ["Ada Lovelace", "Grace"]
    done = api.post(f"/api/v1/proposals/{proposal['id']}", json={"accept": True}).json()
    assert api.get("/api/v1/lookup", params={"email": "grace@example.org"}).json()[0]["customer"]["id"] == a
    assert api.post(f"/api/v1/proposals/{proposal['id']}", json={"accept": True}).status_code == 409
    assert api.post(f"/api/v1/customers/{b}/merge", json={"loser": a}).status_code == 409
    assert api.post(f"/api/v1/merges/{done['merge']}/undo", json={}).json()["identities"] == 2
    assert api.get("/api/v1/lookup", params={"email": "grace@example.org"}).json()[0]["customer"]["id"] == b


# https://developers.facebook.com/docs/whatsapp/cloud-api/webhooks/payload-examples, with a number that can be
WHATSAPP = {
    "object": "whatsapp_business_account",
    "entry": [{"id": "WHATSAPP_BUSINESS_ACCOUNT_ID", "changes": [{"value": {
        "messaging_product": "whatsapp",
        "metadata": {"display_phone_number": "15550783881", "phone_number_id": "106540352242922"},
        "contacts": [{"profile": {"name": "Sheena Nelson"}, "wa_id": "16505551234"}],
        "messages": [{"from": "16505551234", "id": "wamid.HBgLMTY1MDM4Nzk0MzkVAgASGBQzQTRBNjU5OUFFRTAzODEwMTQ0RgA=",
            "timestamp": "1749416383", "type": "text", "text": {"body": "Does it come in another color?"}}],
    }, "field": "messages"}]}],
}  # fmt: skip
MESSENGER = {"object": "page", "entry": [{"id": "PAGE", "time": 1458692752478, "messaging": [
    {"sender": {"id": "PSID-1"}, "recipient": {"id": "PAGE"}, "timestamp": 1458692752478, "message": {"mid": "m_1", "text": "hello, world!"}},
    {"sender": {"id": "PAGE"}, "recipient": {"id": "PSID-1"}, "timestamp": 1458692752479, "message": {"mid": "m_2", "is_echo": True, "text": "hi"}},
]}]}  # fmt: skip


def meta(address: str, name: str, payload: Any, key: str = "app secret") -> httpx2.Response:
    body = json.dumps(payload).encode()
    signed = "sha256=" + hmac.new(key.encode(), body, sha256).hexdigest()
    return httpx2.post(f"{address}/hooks/interactions/{name}", content=body, headers={"x-hub-signature-256": signed})


def twilio(address: str, name: str, form: dict[str, str], key: str = "12345") -> httpx2.Response:
    told = f"https://console.example/hooks/interactions/{name}" + "".join(k + form[k] for k in sorted(form))
    signed = base64.b64encode(hmac.digest(key.encode(), told.encode(), "sha1")).decode()
    headers = {"x-twilio-signature": signed, "content-type": "application/x-www-form-urlencoded"}
    return httpx2.post(f"{address}/hooks/interactions/{name}", content=urlencode(form), headers=headers)


def test_what_messaging_services_push_is_kept_once(address: str, ledger: Ledger) -> None:
    counts = {"new": 1, "known": 0, "suppressed": 0, "aside": 0}
    assert meta(address, "wa", WHATSAPP).json() == counts
    assert meta(address, "wa", WHATSAPP).json() == {**counts, "new": 0, "known": 1}
    assert meta(address, "page", MESSENGER).json() == counts  # the echo is our own
    sms = {"MessageSid": "SM1", "From": "+14017122661", "To": "+15558675310", "Body": "Ahoy! 👋", "NumMedia": "0"}
    assert twilio(address, "sms", sms).json() == counts
    voice = {
        "CallSid": "CA1",
        "From": "+14017122661",
        "To": "+15558675310",
        "CallStatus": "ringing",
        "Direction": "inbound",
    }
    assert twilio(address, "voice", voice).json() == counts
    ended = {**voice, "CallStatus": "completed", "CallDuration": "15", "Timestamp": "Tue, 31 Aug 2010 20:36:28 +0000"}
    assert twilio(address, "voice", ended).json() == counts
    row = ledger.run(lambda c: c.execute(text(
        "SELECT n.kind, n.body, n.happened_at, c.name, i.native_id FROM interactions n JOIN identities i ON i.id = n.identity_id "
        "JOIN customer_identities l ON l.identity_id = i.id JOIN customers c ON c.id = l.customer_id WHERE n.source = 'hook:wa'")).one())  # fmt: skip
    assert tuple(row) == (
        "whatsapp",
        "Does it come in another color?",
        datetime.fromtimestamp(1749416383, UTC),
        "Sheena Nelson",
        "+16505551234",
    )
    assert (
        web.value(
            ledger,
            "SELECT count(DISTINCT l.customer_id) FROM interactions n JOIN customer_identities l USING (identity_id) WHERE n.source IN ('hook:sms', 'hook:voice')",
        )
        == 1
    )


def test_what_is_forged_or_no_such_payload_is_refused(address: str, ledger: Ledger) -> None:
    before = web.value(ledger, "SELECT count(*) FROM interactions")
    assert meta(address, "wa", WHATSAPP, "another").status_code == 401
    assert twilio(address, "sms", {"MessageSid": "SM9"}, "wrong").status_code == 401
    assert httpx2.post(f"{address}/hooks/interactions/wa", content=b"{}").status_code == 401
    assert meta(address, "nobody", {}).status_code == 404
    assert meta(address, "wa", {"entry": [{"odd": 1}]}).status_code == 400
    assert twilio(address, "sms", {"MessageSid": "SM2", "To": "+1"}).status_code == 400
    bad = json.loads(json.dumps(WHATSAPP).replace("16505551234", "12"))
    assert meta(address, "wa", bad).status_code == 400
    assert web.value(ledger, "SELECT count(*) FROM interactions") == before
    assert web.value(ledger, "SELECT count(*) FROM asides WHERE source LIKE 'hook:%'") == 3
    answer = httpx2.get(
        f"{address}/hooks/interactions/wa",
        params={"hub.mode": "subscribe", "hub.verify_token": "ours", "hub.challenge": "1158201444"},
    )
    assert (answer.status_code, answer.text) == (200, "1158201444")


def test_the_pages_show_and_merge(address: str, ledger: Ledger, database_url: str) -> None:
    ids = web.people(database_url)
    with web.enter(ledger, address, ids["agent"]) as client:
        assert "Nothing is proposed" in client.get("/proposals").text or "May be" in client.get("/proposals").text
        a, b = (
            web.value(ledger, "SELECT id FROM customers WHERE name = :n", n=name) for name in ("Ada Lovelace", "Grace")
        )
        shown = client.get(f"/customers/{a}/merge", params={"other": str(b)}).text
        assert "Grace becomes part of Ada Lovelace" in shown
        merged = client.post(f"/customers/{a}/merge", data={"loser": str(b)}, headers={"origin": address})
        assert (merged.status_code, merged.headers["location"]) == (303, f"/customers/{a}")
        assert "Take back" in client.get(f"/customers/{a}").text
        merge = web.value(ledger, "SELECT max(id) FROM merges")
        assert (
            client.post(f"/merges/{merge}/undo", headers={"origin": address}).headers["location"] == f"/customers/{a}"
        )
        assert client.post(f"/merges/{merge}/undo", headers={"origin": address}).status_code == 409
