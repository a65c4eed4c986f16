"""Flags of a share and of a silence, what their evidence holds, severity, snoozing, and the report card of a rule."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import text

from config.models import Target
from console.cli.flags import card
from domain.nouns import Mention, Sentiment, Stored, Verdict
from domain.rules import SpikeRule
from domain.severity import severity
from storage import pages
from storage.ledger import Ledger, one, rows
from tests.test_watch_told import (
    MINUTE,
    NOW,
    OWN_WORDS,
    PLAIN,
    count,
    current,
    ledger,  # noqa: F401 a topic with ten quiet days
    look,
    say,
)
from workers.file import counted
from workers.lookout import Lookout
from workers.watch import tick

HOUR = timedelta(hours=1)


def test_severity_grows_with_each_of_its_reasons_and_stays_in_its_bounds() -> None:
    plain: dict[str, Any] = {"score": 0.6, "scale": 10, "reach": 100, "authors": 5}
    for more in ({"score": 0.8}, {"scale": 1440}, {"reach": 200_000}, {"authors": 300}):
        assert severity(**{**plain, **more}) > severity(**plain)
    assert severity(0.0, 10, 0, 0) == 1
    assert severity(1.0, 1440, 10**9, 10**6) == 10


def test_a_share_that_turned_is_one_flag_and_closes(ledger: Ledger) -> None:  # noqa: F811
    house, who = current(SpikeRule("sour", kind="share", floor=10, share=0.5)), Lookout()
    with ledger.begin() as c:
        for hours in range(1, 9 * 24):  # five an hour, two of them negative (the fixture's)
            count(c, NOW - hours * HOUR, 5, "all")
    assert look(ledger, who, NOW, house) == []
    with ledger.begin() as c:
        count(c, NOW - 20 * MINUTE, 30, "all")
        count(c, NOW - 20 * MINUTE, 28)
    found = look(ledger, who, NOW + MINUTE, house)
    assert [(f["kind"], f["series"], f["state"]) for f in found] == [("share", "bank/share", "open")]
    assert "are negative; usual are" in found[0]["evidence"]["text"]
    assert len(look(ledger, who, NOW + 2 * MINUTE, house)) == 1
    assert look(ledger, who, NOW + 4 * HOUR, house)[0]["state"] == "closed"


@pytest.mark.parametrize("down", [False, True])
def test_a_talker_that_stopped_is_told_unless_nobody_could_listen(ledger: Ledger, down: bool) -> None:  # noqa: F811
    house, who = current(SpikeRule("still", kind="silence", silence=3)), Lookout()
    with ledger.begin() as c:
        for halves in range(1, 9 * 48):
            count(c, NOW - halves * HOUR / 2, 1, "all")
        if down:
            c.execute(
                text(
                    "INSERT INTO gaps (channel_id, page_id, since, until, reason) SELECT id, 0, :s, NULL, 'down' FROM channels"
                ),
                {"s": NOW},
            )
    assert look(ledger, who, NOW, house) == []
    found = look(ledger, who, NOW + 8 * HOUR, house)
    assert [f["kind"] for f in found] == ([] if down else ["silence"])
    if found:
        assert "Check the channels" in found[0]["evidence"]["text"]


def test_the_evidence_says_what_and_who_and_what_was_not_read(ledger: Ledger) -> None:  # noqa: F811
    with ledger.begin() as c:
        for n in range(60):
            say(
                c,
                NOW - timedelta(days=2, minutes=7 * n),
                f"lovely branch and the usual queue number {n}",
                label="positive",
            )
        for n in range(40):
            say(
                c,
                NOW - 3 * MINUTE,
                f"login screen frozen: {OWN_WORDS[n % 10]} ({n})",
                author=f"p{n % 20}",
                intent="service",
            )
        c.execute(text("UPDATE mentions SET url = 'https://example.org/' || id"))
        c.execute(
            text(
                "INSERT INTO gaps (channel_id, page_id, since, until, reason) SELECT id, 0, :s, :u, 'refused' FROM channels"
            ),
            {"s": NOW.replace(hour=9, minute=0), "u": NOW.replace(hour=10, minute=15)},
        )
    found = look(ledger, Lookout(), NOW, current(PLAIN))[0]["evidence"]
    assert (found["count"], found["intent"], found["platforms"]) == (40, "service", ["feed"])
    assert found["authors"] <= 20
    assert found["baseline"] < found["threshold"] < 40
    assert {"login", "frozen", "screen"} <= {t["word"] for t in found["terms"]}
    assert not {"the", "and"} & {t["word"] for t in found["terms"]}
    assert len(found["samples"]) == len(found["links"]) == 5
    assert "not evaluable 09:00 to 10:15, talk was down" in [gap["text"] for gap in found["gaps"]]
    with ledger.read() as c:
        first = rows(c, "SELECT min(mention_id) AS id FROM verdicts WHERE label = 'negative'")[0]["id"]
    assert found["first_mention"] == first
    assert found["detector"]
    assert found["rule_version"]


def test_own_posts_are_in_no_series_and_reposts_in_their_own() -> None:
    mood = Sentiment("negative", -0.8, "vader", "1", "1")
    bad = Verdict("ticket", "rule", "complaint", "normal", "", "en", mood, (), {})
    mention = Stored(1, 1, Mention("x", "1", NOW), topics=("bank",))
    assert [m for _, m, _ in counted(mention, bad)] == ["all", "negative"]
    assert [m for _, m, _ in counted(mention, replace(bad, reason="repost"))] == ["reposts"]
    assert counted(mention, replace(bad, reason="own-account")) == []


def test_a_snoozed_flag_tells_nothing_until_then_and_says_so(ledger: Ledger) -> None:  # noqa: F811
    house, who = current(PLAIN, alerts=(Target(name="hook", kind="stdout"),)), Lookout()
    with ledger.begin() as c:
        count(c, NOW - MINUTE, 60)
    flag = look(ledger, who, NOW, house)[0]["id"]
    with ledger.begin() as c:
        assert pages.snooze(c, flag, NOW + HOUR, "user:1")
        count(c, NOW, 90)
    look(ledger, who, NOW + MINUTE, house)
    with ledger.read() as c:
        found = rows(c, "SELECT kind, action, reason FROM pages WHERE escalation_id = :f ORDER BY id", f=flag)
    assert [(f["kind"], f["action"]) for f in found] == [("flag.open", "sent"), ("flag.update", "held")]
    assert "snoozed" in found[1]["reason"]


def test_the_report_card_says_what_a_rule_was_worth(ledger: Ledger) -> None:  # noqa: F811
    made = "INSERT INTO escalations (rule, series, window_start, opened_at, acked_at, peak, severity, state, evidence, run_id) "
    with ledger.begin() as c:
        for n, (score, word) in enumerate(
            [(0.9, "useful"), (0.8, "useful"), (0.85, "late"), (0.5, "noise"), (0.55, "noise"), (0.6, "noise")]
        ):
            at = NOW + n * HOUR
            id_ = c.execute(
                text(
                    made
                    + "VALUES ('r', 's', :at, :opened, :acked, 1, 5, 'closed', jsonb_build_object('score', CAST(:score AS float)), 0) RETURNING id"
                ),
                {"at": at, "opened": at + 10 * MINUTE, "acked": at + 14 * MINUTE, "score": score},
            ).scalar_one()
            assert pages.judge(c, id_, "useful", "user:1")
            assert pages.judge(c, id_, word, "user:1")  # a later word replaces the earlier  # type: ignore[arg-type]
    with ledger.read() as c:
        found = [card(dict(row)) for row in pages.report(c)]
    assert found == [
        {"rule": "r", "flags": 6, "useful": 2, "noise": 3, "late": 1, "ack_minutes": 4.0, "lead_minutes": 10.0, "precision": 0.5,
         "threshold": found[0]["threshold"]}
    ]  # fmt: skip
    assert 0.6 < found[0]["threshold"] <= 0.8


def test_the_first_look_may_take_its_time_and_reads_only_what_rules_look_at(ledger: Ledger) -> None:  # noqa: F811
    """Ten thousand series are worked out for half a minute between two statements: longer than a session may idle else."""
    with ledger.begin() as c:
        for measure in ("all", "reach", "negative+cancel", "negative+risk"):
            count(c, NOW - HOUR, 3, measure)
    who = Lookout()
    with ledger.begin() as c:
        tick(c, who, current(), NOW, "a")
        assert one(c, "SHOW idle_in_transaction_session_timeout") == "15min"
    assert {key[2] for key in who.known} == {"negative"}
    wide = current(
        SpikeRule("far", measure="reach"), SpikeRule("leaving", intents=("cancel",)), SpikeRule("sour", kind="share")
    )
    look(ledger, who, NOW + MINUTE, wide)
    assert {key[2] for key in who.known} == {"all", "negative", "negative+cancel", "reach"}
    look(ledger, who, NOW + 2 * MINUTE, current(SpikeRule("any", intents=("*",))))
    assert {key[2] for key in who.known} == {"negative+cancel", "negative+risk"}
