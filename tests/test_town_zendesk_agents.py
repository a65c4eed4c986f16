"""The Zendesk stand-in's other side: the export, agents' edits, signed webhooks; with plain requests, no code of ours."""

import base64
import hashlib
import hmac
import http.server
import json
import random
import threading
import time

import pytest

from tests.test_town_zendesk import TICKET, call
from town.accounts import ACCOUNTS
from town.server import Town
from town.zendesk_reads import Refused


@pytest.fixture
def town():
    with Town(seed=7, options={"zendesk_export_lag": 1.0}) as town:
        yield town


@pytest.fixture
def listener():
    """A subscriber that answers what it is told to answer."""

    class Ear(http.server.BaseHTTPRequestHandler):
        def do_POST(self):
            body = self.rfile.read(int(self.headers["Content-Length"]))
            heard.append((dict(self.headers), body))
            self.send_response(answers.pop(0) if answers else 202)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_):
            pass

    heard, answers = [], []
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Ear)
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    yield f"http://127.0.0.1:{server.server_address[1]}/", heard, answers
    server.shutdown()
    server.server_close()


def test_the_export_goes_by_generated_timestamp_and_ends_where_the_last_minute_begins(town):
    started = int(time.time()) - 100
    for i in range(3):
        call(town, "POST", "/tickets", {"ticket": TICKET["ticket"] | {"external_id": f"em-{i}"}})
    fresh = call(town, "GET", f"/incremental/tickets/cursor?start_time={started}").json()
    assert (fresh["tickets"], fresh["end_of_stream"], fresh["after_cursor"]) == ([], True, None)
    time.sleep(2.1)
    first = call(town, "GET", f"/incremental/tickets/cursor.json?start_time={started}&per_page=2").json()
    assert ([t["id"] for t in first["tickets"]], first["end_of_stream"]) == ([1, 2], False)
    rest = call(town, "GET", f"/incremental/tickets/cursor?cursor={first['after_cursor']}").json()
    assert ([t["id"] for t in rest["tickets"]], rest["end_of_stream"]) == ([3], True)
    end = call(town, "GET", f"/incremental/tickets/cursor?cursor={rest['after_cursor']}").json()
    assert (end["tickets"], end["after_cursor"]) == ([], rest["after_cursor"])
    town.stands["zendesk"].stir(1)
    town.stands["zendesk"].remove(2)
    time.sleep(2.1)
    again = call(town, "GET", f"/incremental/tickets/cursor?cursor={rest['after_cursor']}").json()["tickets"]
    assert [(t["id"], t["status"]) for t in again] == [(1, "new"), (2, "deleted")]
    assert call(town, "GET", "/tickets/2").status_code == 404


def test_the_export_refuses_a_start_of_now_and_a_strange_cursor(town):
    late = call(town, "GET", f"/incremental/tickets/cursor?start_time={int(time.time()) + 5}")
    assert (late.status_code, late.json()["error"]) == (422, "StartTimeTooRecent")
    assert call(town, "GET", "/incremental/tickets/cursor?cursor=nonsense").status_code == 400
    assert call(town, "GET", "/incremental/tickets/cursor").status_code == 400


def test_an_agent_s_edit_is_an_audit_of_theirs_and_metadata_stays_with_ours(town):
    number = call(town, "POST", "/tickets", TICKET).json()["ticket"]["id"]
    desk = town.stands["zendesk"]
    zoe = desk.hire("Zoe", "zoe@northbank.example")
    desk.edit(number, zoe, status="pending", comment={"body": "On it", "public": False}, assignee_id=zoe)
    ours = {"ticket": {"status": "open", "metadata": {"earmark": "em-e1-z"}, "assignee_email": "ZOE@northbank.example"}}
    assert call(town, "PUT", f"/tickets/{number}", ours).json()["audit"]["metadata"]["custom"] == {"earmark": "em-e1-z"}
    audits = call(town, "GET", f"/tickets/{number}/audits").json()["audits"]
    assert [(a["author_id"], a["via"]["channel"]) for a in audits] == [(1, "api"), (zoe, "web"), (1, "api")]
    fields = [[(e["field_name"], e["value"]) for e in a["events"] if e["type"] == "Change"] for a in audits]
    assert fields == [[], [("status", "pending"), ("assignee_id", zoe)], [("status", "open")]]
    assert [c["author_id"] for c in call(town, "GET", f"/tickets/{number}/comments").json()["comments"]] == [1, zoe]
    users = call(town, "GET", f"/users/show_many?ids=1,{zoe},77").json()["users"]
    assert [u["role"] for u in users] == ["admin", "agent"]


def test_only_agents_own_tickets_and_closed_is_final_for_agents_too(town):
    number = call(town, "POST", "/tickets", TICKET).json()["ticket"]["id"]
    nobody = call(town, "PUT", f"/tickets/{number}", {"ticket": {"assignee_email": "nobody@example.org"}})
    assert (nobody.status_code, nobody.json()["error"]) == (422, "RecordInvalid")
    desk = town.stands["zendesk"]
    zoe = desk.hire("Zoe", "zoe@northbank.example")
    desk.edit(number, zoe, status="closed")
    with pytest.raises(Refused):
        desk.edit(number, zoe, status="open")


def test_webhooks_are_signed_shuffled_doubled_and_tried_again(town, listener):
    url, heard, answers = listener
    desk, rng = town.stands["zendesk"], random.Random(3)
    desk.to = url
    number = call(town, "POST", "/tickets", TICKET).json()["ticket"]["id"]
    zoe = desk.hire("Zoe", "zoe@northbank.example")
    desk.edit(number, zoe, status="pending", priority="low", comment={"body": "hm"})
    town.faults.add("zendesk", "duplicate", method="POST", path="/webhooks", nth=2)
    answers[:] = [503]
    desk.passes(rng)
    assert (len(heard), desk.rests()) == (5, False)  # four events, one of them twice, and the refused one still owed
    desk.passes(rng)
    assert (len(heard), desk.rests()) == (6, True)
    kinds = sorted(json.loads(body)["type"].rpartition(".")[2] for _, body in heard)
    assert set(kinds) == {"comment_added", "priority_changed", "status_changed"}
    secret = ACCOUNTS["zendesk"]["hook"].encode()
    for headers, body in heard:
        stamp = headers["X-Zendesk-Webhook-Signature-Timestamp"]
        wanted = base64.b64encode(hmac.new(secret, stamp.encode() + body, hashlib.sha256).digest()).decode()
        assert headers["X-Zendesk-Webhook-Signature"] == wanted
        assert json.loads(body)["subject"] == f"zen:ticket:{number}"
