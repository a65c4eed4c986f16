"""What no person did says on the ticket's page by which rule, in which version, of which values, and when; each rule by an entry of its own."""

import re
from typing import Any

import httpx2
import pytest

from config.load import load_document
from storage import casework, routing, turns, users
from storage.casework import Change
from storage.ledger import Ledger
from tests import web
from tests.web_fixtures import address, client, ids, ledger
from workers.work import Bench, bench, work

__all__ = ["address", "client", "ids", "ledger"]  # fixtures

DOCUMENT: dict[str, Any] = {
    "topics": [{"name": "northbank", "any": ["card"]}],
    "teams": [{"name": "care"}],
    "routing": [{"name": "complaints", "when": {"topic": ["northbank"], "intent": ["complaint", "question"]}, "team": "care"}],
    "service_levels": [{"priority": "normal", "first": 1, "resolve": 600}],
    "automations": [
        {"name": "hot", "enabled": True, "on": ["ticket.created"], "when": {"topic": "northbank", "sentiment": "negative"},
         "then": [{"do": "priority", "priority": "high"}, {"do": "tag", "tags": ["hot"]}]},
        {"name": "seen", "enabled": True, "on": ["ticket.created"], "when": {"platform": "reddit"}, "then": [{"do": "tag", "tags": ["seen"]}]},
        {"name": "told", "enabled": True, "on": ["ticket.created"], "then": [{"do": "log", "text": "Somebody wrote."}]},
    ],
}  # fmt: skip
SAID = re.compile(
    r'By the rule (?P<name>[^,:<]+)(?:, version (?P<version>\w+))?(?P<values>.*?), <time datetime="(?P<at>[^"]+)">(?P<exact>[^<]+)<'
)


@pytest.fixture(scope="module")
def made() -> Bench:
    return bench(load_document(DOCUMENT))


def opened(ledger: Ledger, made: Bench, key: str) -> int:
    number = web.ticket(ledger, web.mention(ledger, key, "my card was declined", author=key), key, key, key)
    work(ledger, made, "tester")
    return number


def entries(page: str) -> list[tuple[str, dict[str, str]]]:
    """Each entry of the thread that a rule wrote: its words, and what is said of the rule."""
    found = []
    for part in re.split(r'(?=id="entry-\d+")', page)[1:]:
        said = SAID.search(part)
        if said:
            words = re.search(r'<span lang="en">(.*?)</span>', part)
            values = re.sub(r"<[^>]+>", "", said["values"]).lstrip(": ")
            found.append((words[1] if words else "", {**said.groupdict(), "values": values}))
    return found


def test_each_automatic_change_names_its_rule_version_values_and_time(
    client: httpx2.Client, ledger: Ledger, made: Bench
) -> None:
    number = opened(ledger, made, "auto")
    told = entries(client.get(f"/tickets/{number}").text)
    versions = {one.name: one.version for one in (*made.automations, *made.routes)}
    by_words = {words: rule for words, rule in told}
    expected = {
        "team cards → care": ("complaints", "topic = northbank, intent = complaint"),
        "priority normal → high (hot)": ("hot", "event = ticket.created, topic = northbank, sentiment = negative"),
        "tags: hot": ("hot", "event = ticket.created, topic = northbank, sentiment = negative"),
        "tags: hot, seen": ("seen", "event = ticket.created, platform = reddit"),
        "Somebody wrote.": ("told", "event = ticket.created"),
    }
    for words, (name, values) in expected.items():
        rule = next(rule for said, rule in by_words.items() if said.startswith(words))
        assert (rule["name"], rule["version"]) == (name, versions[name]), words
        assert sorted(rule["values"].split(", ")) == sorted(values.split(", ")), words
        assert rule["exact"]
    # two rules answered one event at one moment: two entries, each under its own name
    tags = [rule for words, rule in told if words.startswith("tags:")]
    assert [rule["name"] for rule in tags] == ["hot", "seen"]
    assert tags[0]["at"] == tags[1]["at"]
    # what a person does is not a rule's
    with ledger.begin() as connection:
        lead = users.by_email(connection, "lead@example.org")
        assert lead
        casework.change(connection, lead, number, Change(priority="low"))
    assert len(entries(client.get(f"/tickets/{number}").text)) == len(told)


def test_clocks_claims_and_snoozes_name_theirs(client: httpx2.Client, ledger: Ledger, made: Bench) -> None:
    number = opened(ledger, made, "clock")
    web.value(
        ledger,
        "UPDATE tickets SET opened_at = now() - interval '5 days', assignee_id = 1, claimed_by = 1, "
        "hand_back_at = now() - interval '1 minute', snoozed_until = now() - interval '1 minute' WHERE number = :n RETURNING 1",
        n=number,
    )
    ledger.run(routing.hand_back)
    ledger.run(turns.wake)
    work(ledger, made, "tester")
    told = dict(entries(client.get(f"/tickets/{number}").text))
    level = made.levels("high", "care")
    overdue = told["The first answer is overdue."]
    assert (overdue["name"], overdue["version"]) == ("service_levels.first", level.version)
    assert f"target = {round(level.first)}" in overdue["values"]
    assert {"priority = high", "team = care"} <= set(overdue["values"].split(", "))
    [back] = [rule for words, rule in told.items() if "it is nobody" in words]
    assert back["name"] == "casework.claim"
    assert back["values"].startswith("until = ")
    assert told["The snooze is over."]["name"] == "snooze"


def test_a_version_changes_with_its_line_and_only_then(made: Bench) -> None:
    longer = {**DOCUMENT, "service_levels": [{"priority": "normal", "first": 2, "resolve": 600}],
              "routing": [{**DOCUMENT["routing"][0], "priority": "high"}]}  # fmt: skip
    changed, same = bench(load_document(longer)), bench(load_document(DOCUMENT))
    assert (
        changed.levels("normal", "").version != made.levels("normal", "").version == same.levels("normal", "").version
    )
    assert changed.levels("high", "").version == made.levels("high", "").version
    assert changed.routes[0].version != made.routes[0].version == same.routes[0].version
    assert [one.version for one in changed.automations] == [one.version for one in made.automations]
