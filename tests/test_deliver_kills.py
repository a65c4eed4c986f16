"""Real processes killed at the worst moments: between the desk's 201 and our note of it, and at random.

What the town's own ledger holds is the judge: one ticket and one comment per effect, whatever died when.
"""

import json
import random
import signal
import sys
import time
from collections import Counter
from pathlib import Path

import pytest

from storage.ledger import Ledger
from tests.delivering import attempts, desk, go, name, owe_tickets, row, states, zendesk_settings
from tests.support import spawn, wait_until
from town.server import Town

LEASE = 3.0


@pytest.fixture(scope="module")
def ledger(database_url: str):
    ledger = Ledger(database_url)
    yield ledger
    ledger.close()


@pytest.fixture
def town():
    with Town(seed=11) as town:
        yield town


def relay(database_url: str, target: str, kind: str, settings: dict, **env: str):
    command = [sys.executable, "-m", "tests.delivering", database_url, target, kind, json.dumps(settings), str(LEASE)]
    return spawn(command, {"EARMARK_FAILPOINTS": "1", **env}, name="relay")


@pytest.mark.parametrize("point", ["deliver-after-201", "deliver-before-call"])
def test_killed_around_the_call_the_ticket_is_one(ledger, town, database_url, tmp_path: Path, point):
    target, log = name(ledger, "zendesk"), tmp_path / "failpoints"
    settings = zendesk_settings(town.urls["zendesk"])
    owe_tickets(ledger, target, 1, comments=1)
    fail = {"EARMARK_FAIL": f"{point}:kill", "EARMARK_FAIL_LOG": str(log)}
    with relay(database_url, target, "zendesk", settings, **fail) as process:
        assert process.wait() == -signal.SIGKILL, process.read_log()
    print("failpoints hit:", log.read_text())
    assert log.read_text().split() == [point]
    assert states(ledger, target) == {"sending": 1, "new": 1}
    assert len(town.ledger.tickets()) == (1 if point == "deliver-after-201" else 0)
    with relay(database_url, target, "zendesk", settings, **fail):
        wait_until(lambda: states(ledger, target) == {"done": 2}, message=lambda: str(states(ledger, target)))
    assert len(town.ledger.tickets()) == 1
    assert town.ledger.summary()["desks"]["zendesk"]["comments"] == 1
    how = "found" if point == "deliver-after-201" else "done"
    assert [a["outcome"] for a in attempts(ledger, target) if "create" in a["key"]] == ["unknown", how]


def test_killed_between_a_comment_s_answer_and_our_note_it_is_one(ledger, town, database_url, tmp_path: Path):
    target, log = name(ledger, "zendesk"), tmp_path / "failpoints"
    settings = zendesk_settings(town.urls["zendesk"])
    owe_tickets(ledger, target, 1, comments=1)
    fail = {"EARMARK_FAIL": "deliver-after-201:kill:2", "EARMARK_FAIL_LOG": str(log)}
    with relay(database_url, target, "zendesk", settings, **fail) as process:
        assert process.wait() == -signal.SIGKILL
    assert log.read_text().split() == ["deliver-after-201"]
    assert town.ledger.summary()["desks"]["zendesk"]["comments"] == 1
    with relay(database_url, target, "zendesk", settings, **fail):
        wait_until(lambda: states(ledger, target) == {"done": 2})
    assert town.ledger.summary()["desks"]["zendesk"] == {
        "tickets": 1, "distinct": 1, "comments": 1, "distinct_comments": 1
    }  # fmt: skip


def test_told_to_stop_an_in_flight_delivery_stays_leased_then_unknown_then_found(ledger, town, database_url):
    target = name(ledger, "zendesk")
    settings = zendesk_settings(town.urls["zendesk"])
    owe_tickets(ledger, target, 1)
    town.faults.add("zendesk", "hang", method="POST", nth=[1], seconds=30)
    with relay(database_url, target, "zendesk", settings) as process:
        wait_until(lambda: town.ledger.tickets())
        asked = time.monotonic()
        process.terminate(timeout=10)
        print(f"ended {time.monotonic() - asked:.2f} s after SIGTERM")
    held = row(ledger, target)
    assert (held["state"], held["lease"] is not None) == ("sending", True)
    made = desk("zendesk", settings)
    assert go(ledger, target, made).outcomes == {}
    found = wait_until(lambda: go(ledger, target, made).outcomes, LEASE + 5)
    assert found == {"found": 1}
    assert len(town.ledger.tickets()) == 1


def test_a_relay_that_slept_past_its_lease_right_before_its_call_doubles_no_ticket(
    ledger, town, database_url, tmp_path
):
    """The one window no lease can close: awake again, it calls. Zendesk's key makes that call a replay, the fence its end."""
    target, log = name(ledger, "zendesk"), tmp_path / "failpoints"
    settings = zendesk_settings(town.urls["zendesk"])
    owe_tickets(ledger, target, 1)
    sleep = {"EARMARK_FAIL": f"deliver-before-call:sleep={LEASE + 3}", "EARMARK_FAIL_LOG": str(log)}
    with relay(database_url, target, "zendesk", settings, **sleep) as sleeper:
        wait_until(log.exists)
        sleeper.signal(signal.SIGSTOP)  # however long the other takes, this one sleeps longer
        with relay(database_url, target, "zendesk", settings):
            wait_until(lambda: states(ledger, target) == {"done": 1})
        sleeper.signal(signal.SIGCONT)
        sleeper.wait_for_log("outcome=lost")
    posts = [r for r in town.ledger.requests("zendesk") if r["method"] == "POST"]
    assert len(posts) == 2
    assert len(town.ledger.tickets()) == 1


@pytest.mark.timeout(150)
def test_30_percent_accepted_then_silent_two_relays_and_kills(ledger, town, database_url, tmp_path, rng: random.Random):
    """RELIABILITY: naive retry made 187 tickets of 120 in this setting."""
    target, tickets, comments = name(ledger, "zendesk"), 40, 1
    settings = zendesk_settings(town.urls["zendesk"])
    numbers = owe_tickets(ledger, target, tickets, comments)
    town.faults.seed = rng.randrange(1 << 30)
    for method in ("POST", "PUT"):
        town.faults.add("zendesk", "hang", method=method, probability=0.08, seconds=4)
        town.faults.add("zendesk", "reset_after", method=method, probability=0.24)  # of the rest: 30 % together
    logs = [tmp_path / "failpoints-0", tmp_path / "failpoints-1"]
    kills = until = 0.0
    until = time.monotonic() + 120
    while states(ledger, target) != {"done": tickets * (1 + comments)} and time.monotonic() < until:
        fails = [
            {"EARMARK_FAIL": f"deliver-after-201:kill:{rng.randint(1, 4)}", "EARMARK_FAIL_LOG": str(log)}
            for log in logs
        ]
        with (
            relay(database_url, target, "zendesk", settings, **fails[0]) as one,
            relay(database_url, target, "zendesk", settings, **fails[1]) as two,
        ):
            # early rounds are short and end in a kill; later ones are left to finish
            life = rng.uniform(1.5, 4) if kills < 8 else 30
            ends = time.monotonic() + life
            while time.monotonic() < ends and (one.running or two.running):
                if states(ledger, target) == {"done": tickets * (1 + comments)}:
                    break
                time.sleep(0.1)
            for process in (one, two):
                kills += 1
                process.kill()
    outcomes = Counter(a["outcome"] for a in attempts(ledger, target))
    faulted = Counter(r["fault"] for r in town.ledger.requests("zendesk"))
    hit = [log.read_text().split() if log.exists() else [] for log in logs]
    print(f"failpoints hit: {hit}; kills: {kills:.0f}; attempts: {dict(outcomes)}; faults played: {dict(faulted)}")
    assert all(hit), "a failpoint was never hit: this test proved nothing"
    assert faulted["hang"] + faulted["reset_after"] >= 10
    assert states(ledger, target) == {"done": tickets * (1 + comments)}
    desk_holds = town.ledger.summary()["desks"]["zendesk"]
    assert desk_holds == {
        "tickets": tickets, "distinct": tickets, "comments": tickets * comments, "distinct_comments": tickets * comments
    }  # fmt: skip
    assert {t["external_id"] for t in town.ledger.tickets()} == {f"em-{n}-{target}" for n in numbers}


def test_a_webhook_killed_after_the_answer_repeats_its_id(ledger, town, database_url, tmp_path: Path):
    target, log = name(ledger, "webhook"), tmp_path / "failpoints"
    settings = {"url": town.urls["webhook"], "secret_env": "HOOK_SECRET"}
    owe_tickets(ledger, target, 5)
    fail = {"EARMARK_FAIL": "deliver-after-201:kill:3", "EARMARK_FAIL_LOG": str(log)}
    with relay(database_url, target, "webhook", settings, **fail) as process:
        assert process.wait() == -signal.SIGKILL
    assert log.read_text().split() == ["deliver-after-201"]
    with relay(database_url, target, "webhook", settings, **fail):
        wait_until(lambda: states(ledger, target) == {"done": 5})
    held = town.ledger.summary()["desks"]["webhook"]
    assert held["distinct"] == 5
    assert held["deliveries"] == 6  # at least once: the one the kill fell on came twice, under one id
