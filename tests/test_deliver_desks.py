"""Desks over real HTTP against the town: what they send, how they understand each answer, and one effect each."""

import hashlib
import json
import time
import urllib.request
from base64 import b64encode
from collections import Counter
from datetime import timedelta

import pytest
from sqlalchemy import text

from connectors.errors import Refused
from connectors.outbound.webhook import sign
from connectors.outbound.zendesk import BODY_LIMIT, reference
from domain.nouns import Notice
from storage import dead_effects, targets
from storage.ledger import Ledger, rows
from tests.delivering import (
    attempts,
    desk,
    go,
    hurry,
    name,
    now,
    owe_tickets,
    row,
    states,
    target_row,
    ticket_body,
    zendesk_settings,
)
from tests.support import free_port, wait_until
from town.accounts import ACCOUNTS
from town.server import Town


@pytest.fixture(scope="module")
def ledger(database_url: str):
    ledger = Ledger(database_url)
    yield ledger
    ledger.close()


@pytest.fixture(scope="module")
def town():
    with Town(seed=7) as town:
        yield town


@pytest.fixture(autouse=True)
def _no_faults(town):
    yield
    town.faults.clear()


@pytest.fixture
def target(ledger):
    return name(ledger, "zendesk")


@pytest.fixture
def zendesk(town):
    return desk("zendesk", zendesk_settings(town.urls["zendesk"]))


def tickets(town: Town, target: str) -> list[dict]:
    return [t["data"] for t in town.ledger.tickets() if target in (t["external_id"] or "")]


def comments(town: Town, target: str) -> list[dict]:
    return [c for c in town.ledger.comments() if target in c["body"] and not c["first"]]


def calls(town: Town, method: str = "") -> int:
    return sum(1 for r in town.ledger.requests("zendesk") if r["method"] == method or not method)


def drain(ledger, target, made, rounds: int = 30) -> Counter:
    """Rounds until nothing waits, with time made to pass between them (the quiet delay is real)."""
    total: Counter = Counter()
    for _ in range(rounds):
        total.update(go(ledger, target, made).outcomes)
        if set(states(ledger, target)) <= {"done", "dead"}:
            return total
        time.sleep(made.quiet.total_seconds())
        hurry(ledger, target)
    raise AssertionError(f"still {states(ledger, target)} after {total}")


# --- what is sent --------------------------------------------------------------------------------------------------


def test_a_ticket_with_its_customer_key_and_private_note(ledger, town, target, zendesk):
    (number,) = owe_tickets(ledger, target, 1)
    assert go(ledger, target, zendesk).outcomes == {"done": 1}
    (ticket,) = tickets(town, target)
    assert ticket["external_id"] == f"em-{number}-{target}"
    assert (ticket["priority"], ticket["tags"], ticket["is_public"]) == ("high", ["earmark"], False)
    assert ticket["description"].startswith("I cannot log in since this morning 😡")
    assert ticket["description"].endswith(f"ref em-{number}-{target}-create")
    kept = row(ledger, target)
    assert kept["remote_id"] == str(ticket["id"])
    assert json.loads(kept["request"])["ticket"]["requester"] == {
        "name": f"Ann {number}",
        "email": f"ann{number}@example.org",
    }
    with ledger.begin() as c:
        (link,) = rows(c, "SELECT * FROM desk_links WHERE target = :t", t=target)
    assert link["remote_id"] == str(ticket["id"])
    assert link["url"] == f"{town.urls['zendesk']}/agent/tickets/{ticket['id']}"


@pytest.mark.parametrize("customer", [None, {"id": 5, "name": "", "email": None}, {"id": 6, "name": "ü" * 400}])
def test_an_author_without_name_or_address_still_makes_a_ticket(ledger, town, target, zendesk, customer):
    owe_tickets(ledger, target, 1, customer=customer)
    assert go(ledger, target, zendesk).outcomes == {"done": 1}
    assert len(tickets(town, target)) == 1


def test_oauth_works_too(ledger, town, target):
    settings = {"base_url": town.urls["zendesk"], "oauth_token_env": "ZENDESK_OAUTH"}
    owe_tickets(ledger, target, 1)
    assert go(ledger, target, desk("zendesk", settings)).outcomes == {"done": 1}


def test_too_long_a_text_is_cut_visibly_and_keeps_its_reference(ledger, town, target, zendesk):
    owe_tickets(ledger, target, 1, text="€" * 60_000)
    assert go(ledger, target, zendesk).outcomes == {"done": 1}
    (ticket,) = tickets(town, target)
    body = ticket["description"]
    assert len(body.encode()) <= BODY_LIMIT
    assert "[cut: the whole text is in Earmark]" in body
    assert f"In Earmark: http://127.0.0.1/tickets/{row(ledger, target)['ticket_id']}" in body
    assert body.endswith(reference(row(ledger, target)["key"]))


def test_what_databases_refuse_is_not_sent(ledger, town, target, zendesk):
    owe_tickets(ledger, target, 1, text="nul \x00 and half a pair \ud83d end", subject="\x00")
    assert go(ledger, target, zendesk).outcomes == {"done": 1}
    assert tickets(town, target)[0]["description"].startswith("nul  and half a pair  end")
    assert tickets(town, target)[0]["subject"] == "(no subject)"


def test_comments_follow_their_ticket_in_order(ledger, town, target, zendesk):
    numbers = owe_tickets(ledger, target, 3, comments=3)
    assert go(ledger, target, zendesk).settled == 12
    seen = Counter()
    for comment in comments(town, target):
        number = int(comment["external_id"].split("-")[1])
        assert comment["body"].startswith(f"comment {seen[number]} on {number}")
        seen[number] += 1
    assert seen == dict.fromkeys(numbers, 3)


def test_a_flag_is_nothing_for_zendesk(zendesk):
    with pytest.raises(Refused, match=r"not flag\.open"):
        zendesk.render(Notice("flag.open", "em-f1", {}), None)


def test_an_edit_tells_what_happened_and_what_the_post_says_now(zendesk):
    mention = {"platform": "x", "author": "ann", "text": "It works again", "url": "https://example.org/2"}
    request = zendesk.render(
        Notice("ticket.comment", "em-e9-z", {"text": "The author edited the post.", "mention": mention}), "7"
    )
    assert json.loads(request)["ticket"]["comment"] == {
        "body": "The author edited the post.\n\nIt works again\n\nx · ann · https://example.org/2\n\nref em-e9-z",
        "public": False,
    }


def test_rendering_is_pure(zendesk):
    notice = Notice("ticket.create", "em-1-z-create", ticket_body(1))
    assert zendesk.render(notice, None) == zendesk.render(notice, None)


# --- one effect each -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("fault", ["reset_after", "error_after", "html", "empty", "truncate", "reset_mid", "bad_json"])
def test_accepted_but_the_answer_lost_is_found_not_repeated(ledger, town, target, zendesk, fault):
    owe_tickets(ledger, target, 1, comments=1)
    town.faults.add("zendesk", fault, method="POST", nth=[1])
    town.faults.add("zendesk", fault, method="PUT", nth=[1])
    posts, puts = calls(town, "POST"), calls(town, "PUT")
    total = drain(ledger, target, zendesk)
    assert total == {"unknown": 2, "found": 2}
    assert (calls(town, "POST") - posts, calls(town, "PUT") - puts) == (1, 1)
    assert (len(tickets(town, target)), len(comments(town, target))) == (1, 1)


def test_no_answer_in_time_is_found_not_repeated(ledger, town, target):
    impatient = desk("zendesk", zendesk_settings(town.urls["zendesk"]), deadline=0.4)
    owe_tickets(ledger, target, 1)
    town.faults.add("zendesk", "hang", method="POST", nth=[1], seconds=5)
    assert drain(ledger, target, impatient) == {"unknown": 1, "found": 1}
    assert len(tickets(town, target)) == 1


def test_lost_before_it_arrived_is_sent_again_with_the_same_bytes(ledger, town, target, zendesk):
    owe_tickets(ledger, target, 1, comments=1)
    town.faults.add("zendesk", "reset", method="POST", nth=[1])
    town.faults.add("zendesk", "reset", method="PUT", nth=[1])
    assert drain(ledger, target, zendesk) == {"unknown": 2, "done": 2}
    assert (len(tickets(town, target)), len(comments(town, target))) == (1, 1)


def test_the_look_up_itself_may_fail_and_doubt_stays(ledger, town, target, zendesk):
    owe_tickets(ledger, target, 1, comments=1)
    town.faults.add("zendesk", "error_after", method="POST", nth=[1])
    town.faults.add("zendesk", "error_after", method="PUT", nth=[1])
    town.faults.add("zendesk", "html", method="GET", nth=[1, 3])
    town.faults.add("zendesk", "429", method="GET", nth=[2], seconds=1)
    total = drain(ledger, target, zendesk)
    assert (total["found"], total["unknown"], total["waited"]) == (2, 4, 1)
    assert (len(tickets(town, target)), len(comments(town, target))) == (1, 1)


def test_nobody_there_is_no_doubt(ledger, target):
    nobody = desk("zendesk", zendesk_settings(f"http://127.0.0.1:{free_port()}"))
    owe_tickets(ledger, target, 1)
    assert go(ledger, target, nobody).outcomes == {"retry": 1}
    assert states(ledger, target) == {"retry": 1}


def test_a_key_zendesk_has_seen_with_another_body_leads_to_its_ticket(ledger, town, target, zendesk):
    """Erasure may have blanked a stored request; the ticket is there all the same."""
    owe_tickets(ledger, target, 1)
    assert go(ledger, target, zendesk).outcomes == {"done": 1}
    with ledger.begin() as c:
        changed = "UPDATE outbox SET state = 'retry', request = replace(request, 'log in', 'xxx') WHERE target = :t"
        c.execute(text(changed), {"t": target})
    assert drain(ledger, target, zendesk) == {"unknown": 1, "found": 1}
    assert len(tickets(town, target)) == 1


def test_after_the_key_expired_the_look_up_alone_finds_it(ledger, town, target, zendesk):
    town.options["zendesk_key_ttl"] = 0
    try:
        owe_tickets(ledger, target, 1)
        town.faults.add("zendesk", "error_after", method="POST", nth=[1])
        assert drain(ledger, target, zendesk) == {"unknown": 1, "found": 1}
    finally:
        town.options["zendesk_key_ttl"] = 7200
    assert len(tickets(town, target)) == 1


def close(town: Town, number: int) -> None:
    own = ACCOUNTS["zendesk"]
    token = b64encode(f"{own['email']}/token:{own['token']}".encode()).decode()
    request = urllib.request.Request(
        f"{town.urls['zendesk']}/api/v2/tickets/{number}",
        data=b'{"ticket": {"status": "closed"}}',
        headers={"Authorization": f"Basic {token}", "Content-Type": "application/json"},
        method="PUT",
    )
    urllib.request.urlopen(request).close()


def test_a_closed_ticket_is_followed_up_once_and_the_rest_goes_there(ledger, town, target, zendesk):
    owe_tickets(ledger, target, 1, comments=2)
    with ledger.begin() as c:
        c.execute(
            text("UPDATE outbox SET due = now() + interval '1 h' WHERE target = :t AND kind <> 'ticket.create'"),
            {"t": target},
        )
    assert go(ledger, target, zendesk).outcomes == {"done": 1}
    (first,) = tickets(town, target)
    close(town, first["id"])
    with ledger.begin() as c:
        c.execute(text("UPDATE outbox SET due = now() WHERE target = :t AND state = 'new'"), {"t": target})
    town.faults.add("zendesk", "error_after", method="POST", nth=[1])
    assert drain(ledger, target, zendesk) == {"unknown": 1, "found": 1, "done": 1}
    made = tickets(town, target)
    assert len(made) == 2
    assert made[1]["description"].startswith("comment 0 on")
    (second,) = comments(town, target)
    assert second["ticket"] == made[1]["id"]
    with ledger.begin() as c:
        assert [r["remote_id"] for r in rows(c, "SELECT * FROM desk_links WHERE target = :t", t=target)] == [
            str(made[1]["id"])
        ]


# --- what an answer means ------------------------------------------------------------------------------------------


def test_one_refused_item_is_dead_with_its_reason_and_the_queue_moves_on(ledger, town, target, zendesk):
    owe_tickets(ledger, target, 3)
    town.faults.add("zendesk", "status", method="POST", nth=[2], status=422)
    assert go(ledger, target, zendesk).outcomes == {"done": 2, "refused": 1}
    with ledger.begin() as c:
        dead = rows(c, "SELECT d.* FROM dead_letters d JOIN outbox o ON o.id = d.ref_id WHERE o.target = :t", t=target)
        assert [(d["kind"], d["reason"]) for d in dead] == [("outbox", "refused")]
        assert "is required when solving a ticket" in dead[0]["error"]
        assert dead_effects.retry(c, dead[0]["ref_id"])
    assert go(ledger, target, zendesk).outcomes == {"done": 1}
    assert len(tickets(town, target)) == 3


@pytest.mark.parametrize("status", [401, 403])
def test_refused_credentials_stop_the_target_with_one_call(ledger, town, target, zendesk, status):
    owe_tickets(ledger, target, 5)
    fault = town.faults.add("zendesk", "status", status=status)
    before = calls(town)
    assert go(ledger, target, zendesk).outcomes == {"blocked": 1}
    assert go(ledger, target, zendesk).outcomes == {}
    assert calls(town) - before == 1
    assert target_row(ledger, target)["blocked"]
    town.faults.clear(fault.id)
    with ledger.begin() as c:
        targets.resume(c, target)
    assert go(ledger, target, zendesk).outcomes == {"done": 5}
    assert len(tickets(town, target)) == 5


def test_refused_credentials_in_a_look_up_do_not_end_the_doubt(ledger, town, target, zendesk):
    owe_tickets(ledger, target, 1)
    town.faults.add("zendesk", "error_after", method="POST", nth=[1])
    blocked = town.faults.add("zendesk", "401", method="GET")
    go(ledger, target, zendesk)
    time.sleep(zendesk.quiet.total_seconds())
    hurry(ledger, target)
    assert go(ledger, target, zendesk).outcomes == {"blocked": 1}
    assert states(ledger, target) == {"unknown": 1}
    town.faults.clear(blocked.id)
    with ledger.begin() as c:
        targets.resume(c, target)
    assert drain(ledger, target, zendesk) == {"found": 1}
    assert len(tickets(town, target)) == 1


@pytest.mark.parametrize("reset", ["retry-after", "date", "header"])
def test_asked_to_wait_nobody_calls_before_the_time_and_others_go_on(ledger, town, target, zendesk, reset):
    other = name(ledger, "webhook")
    owe_tickets(ledger, target, 2)
    owe_tickets(ledger, other, 2)
    town.faults.add("zendesk", "429", nth=[1], reset=reset, seconds=2)
    before, asked = calls(town), time.time()
    assert go(ledger, target, zendesk).outcomes == {"waited": 1}
    assert go(ledger, target, zendesk).outcomes == {}
    hook = desk("webhook", {"url": town.urls["webhook"], "secret_env": "HOOK_SECRET"})
    assert go(ledger, other, hook).outcomes == {"done": 2}
    assert calls(town) - before == 1
    kept = target_row(ledger, target)
    assert kept["failures"] == 0
    least = 55 if reset == "header" else 1  # Zendesk documents Retry-After alone: without it a minute keeps us polite
    assert kept["open_until"] - now() > timedelta(seconds=least - 0.5)
    if reset == "header":
        hurry(ledger, target)
    wait_until(lambda: go(ledger, target, zendesk).outcomes, 6)
    assert reset == "header" or time.time() - asked >= (1 if reset == "date" else 2)
    assert len(tickets(town, target)) == 2


def test_a_long_outage_opens_the_breaker_and_heals_itself(ledger, town, target, zendesk):
    owe_tickets(ledger, target, 12, comments=1)
    down = town.faults.add("zendesk", "status", status=500)
    for _ in range(4):
        go(ledger, target, zendesk)
        with ledger.begin() as c:  # let the rows' own back-off pass, not the breaker's
            c.execute(
                text("UPDATE outbox SET due = now() WHERE target = :t AND state IN ('retry', 'unknown')"), {"t": target}
            )
    kept = target_row(ledger, target)
    assert kept["failures"] == 5
    assert kept["open_until"] > now() + timedelta(seconds=3)
    before = calls(town)
    assert go(ledger, target, zendesk).outcomes == {}
    assert calls(town) == before
    with ledger.begin() as c:  # the breaker's time passes: one probe, still down, open for longer
        c.execute(text("UPDATE targets SET open_until = now() WHERE name = :t"), {"t": target})
    assert sum(go(ledger, target, zendesk).outcomes.values()) == 1
    assert target_row(ledger, target)["failures"] == 6
    town.faults.clear(down.id)
    with ledger.begin() as c:
        c.execute(text("UPDATE targets SET open_until = now() WHERE name = :t"), {"t": target})
    wait_until(lambda: go(ledger, target, zendesk) and states(ledger, target) == {"done": 24}, 15)
    assert target_row(ledger, target)["failures"] == 0
    assert (len(tickets(town, target)), len(comments(town, target))) == (12, 12)


def test_a_wrong_address_blocks_and_kills_nothing(ledger, town, target):
    owe_tickets(ledger, target, 2)
    lost = desk("zendesk", zendesk_settings(town.urls["zendesk"] + "/nowhere"))
    assert go(ledger, target, lost).outcomes == {"blocked": 1}
    assert states(ledger, target) == {"blocked": 1, "new": 1}


# --- webhook -------------------------------------------------------------------------------------------------------


def test_the_signature_is_the_specification_s_example():
    """https://github.com/standard-webhooks/standard-webhooks, the vector its reference libraries test with."""
    secret, ident = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "msg_p5jXN8AQM9LWM0D4loKWxJek"
    assert (
        sign(secret, ident, "1614265330", '{"test": 2432232314}') == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
    )


def hooks(town: Town, target: str) -> list[dict]:
    return [d for d in town.ledger.deliveries() if target in d["webhook_id"]]


def test_a_signed_webhook_arrives(ledger, town):
    target = name(ledger, "webhook")
    owe_tickets(ledger, target, 1, comments=1)
    hook = desk("webhook", {"url": town.urls["webhook"], "secret_env": "HOOK_SECRET"})
    assert go(ledger, target, hook).outcomes == {"done": 2}
    first, second = hooks(town, target)
    assert (first["status"], second["status"]) == (204, 204)
    said = json.loads(first["body"])
    assert (said["type"], said["id"]) == ("ticket.create", first["webhook_id"])
    assert said["data"]["subject"].endswith("the app is down")


def test_a_webhook_is_repeated_with_the_same_id_and_bytes(ledger, town):
    target = name(ledger, "webhook")
    owe_tickets(ledger, target, 1)
    town.faults.add("webhook", "reset_after", nth=[1])
    hook = desk("webhook", {"url": town.urls["webhook"], "secret_env": "HOOK_SECRET"})
    assert drain(ledger, target, hook) == {"unknown": 1, "done": 1}
    first, second = hooks(town, target)
    assert first["webhook_id"] == second["webhook_id"]
    assert hashlib.sha256(first["body"].encode()).digest() == hashlib.sha256(second["body"].encode()).digest()


def test_a_wrong_secret_blocks(ledger, town):
    target = name(ledger, "webhook")
    owe_tickets(ledger, target, 2)
    hook = desk("webhook", {"url": town.urls["webhook"], "secret_env": "WRONG"})
    assert go(ledger, target, hook).outcomes == {"blocked": 1}
    assert len(attempts(ledger, target)) == 1
