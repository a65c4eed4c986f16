"""The outbox and the step, in one process, against the desks that need no server of others."""

import json
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import text

from connectors.outbound import kinds, load
from storage import dead_effects, deliveries, outbox, runs, targets
from storage.ledger import Ledger, one, rows
from storage.outbox import Effect
from tests import delivering
from tests.delivering import attempts, desk, go, name, owe_tickets, row, states, target_row

PAGES = sorted((Path(__file__).parent.parent / "docs").glob("guarantees*.md"))
GUARANTEES = " ".join(" ".join(page.read_text() for page in PAGES).split())


@pytest.fixture(scope="module")
def ledger(database_url: str):
    ledger = Ledger(database_url)
    yield ledger
    ledger.close()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "sent.jsonl"


def sent(path: Path) -> list[dict]:
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def test_every_kind_loads_and_says_what_it_guarantees():
    assert {"stdout", "zendesk", "webhook"} <= set(kinds())
    for kind in kinds():
        module = load(kind)
        assert module.GUARANTEE
        assert module.LABEL
        assert module.GUARANTEE in GUARANTEES, f"docs/guarantees do not say what {kind} promises"
        assert module.Settings.model_config["extra"] == "forbid"
        assert all(f.description for f in module.Settings.model_fields.values()), kind


def test_owed_once_per_key_and_counted_by_the_client(ledger):
    target = name(ledger, "stdout")
    effect = Effect(target, "ticket.create", f"em-1-{target}-create", {"number": 1}, ticket_id=7, entry_id=11)
    with ledger.begin() as c:
        run = runs.start(c, "digest")
        first = outbox.owe_many(c, run, [effect, effect])
        again = outbox.owe_many(c, run, [effect])
        runs.finish(c, run)
        kept = rows(c, "SELECT id, ticket_id, entry_id FROM outbox WHERE run_id = :r", r=run.id)
    assert len(first) == 1
    assert again == []
    assert (run.outbox, run.outbox_sum) == (1, sum(r["id"] + r["ticket_id"] + r["entry_id"] for r in kept))


def test_tickets_go_before_their_comments_and_comments_in_order(ledger, path):
    target = name(ledger, "stdout")
    owe_tickets(ledger, target, 3, comments=3)
    done = go(ledger, target, desk("stdout", {"path": str(path)}))
    assert done.settled == 12
    assert states(ledger, target) == {"done": 12}
    by_ticket: dict[int, list[str]] = {}
    for line in sent(path):
        by_ticket.setdefault(line["body"]["number"], []).append(line["kind"] + line["body"]["text"][:9])
    for kinds_ in by_ticket.values():
        assert kinds_[0].startswith("ticket.create")
        assert kinds_[1:] == [f"ticket.commentcomment {k}" for k in range(3)]
    with ledger.begin() as c:
        assert target not in outbox.due_targets(c)


def test_a_comment_waits_for_its_ticket_and_a_dead_ticket_holds_it(ledger, path):
    target = name(ledger, "stdout")
    owe_tickets(ledger, target, 1, comments=1)
    with ledger.begin() as c:
        c.execute(text("UPDATE outbox SET state = 'dead' WHERE kind = 'ticket.create' AND target = :t"), {"t": target})
        c.execute(text("INSERT INTO dead_letters (kind, ref_id, reason) SELECT 'outbox', id, 'refused' FROM outbox"
                       " WHERE state = 'dead' AND target = :t"), {"t": target})  # fmt: skip
    assert go(ledger, target, desk("stdout", {"path": str(path)})).outcomes == {}
    with ledger.begin() as c:
        assert target not in outbox.due_targets(c)
        assert [r["state"] for r in outbox.backlog(c) if r["target"] == target] == ["held"]
        dead = one(c, "SELECT id FROM outbox WHERE state = 'dead' AND target = :t", t=target)
        assert dead_effects.retry(c, dead)
    assert go(ledger, target, desk("stdout", {"path": str(path)})).settled == 2
    assert [line["kind"] for line in sent(path)] == ["ticket.create", "ticket.comment"]


def test_dropping_a_dead_ticket_drops_what_it_held(ledger):
    target = name(ledger, "stdout")
    owe_tickets(ledger, target, 1, comments=2)
    with ledger.begin() as c:
        id_ = one(
            c, "UPDATE outbox SET state = 'dead' WHERE kind = 'ticket.create' AND target = :t RETURNING id", t=target
        )
        c.execute(text("INSERT INTO dead_letters (kind, ref_id, reason) VALUES ('outbox', :i, 'refused')"), {"i": id_})
        assert dead_effects.drop(c, id_) == 3
    assert states(ledger, target) == {"dead": 3}


def test_an_attempt_is_noted_before_the_call_and_the_request_kept(ledger, path):
    target = name(ledger, "stdout")
    owe_tickets(ledger, target, 1)
    with ledger.begin() as c:
        (owed,) = deliveries.claim(c, target, "w", 60)
    assert owed.request is None
    assert not owed.doubt
    assert [a["outcome"] for a in attempts(ledger, target)] == ["started"]
    with ledger.begin() as c:
        assert deliveries.rendered(c, owed, "one", 60)
        assert deliveries.rendered(c, owed, "two", 60)
    assert row(ledger, target)["request"] == "one"


def test_a_call_left_behind_is_unknown_and_its_late_answer_changes_nothing(ledger, path):
    target = name(ledger, "stdout")
    owe_tickets(ledger, target, 1)
    with ledger.begin() as c:
        (owed,) = deliveries.claim(c, target, "w", 60)
        deliveries.rendered(c, owed, "{}", 60)
    with ledger.begin() as c:
        assert deliveries.claim(c, target, "v", 60) == []  # leased
        rows(c, "UPDATE outbox SET lease_until = now() WHERE target = :t RETURNING 1", t=target)  # a minute, in a hurry
    assert target in ledger.run(outbox.due_targets)
    with ledger.begin() as c:
        assert deliveries.claim(c, target, "v", 60, 1, timedelta(minutes=1)) == []  # unknown, within its quiet delay
    assert states(ledger, target) == {"unknown": 1}
    with ledger.begin() as c:
        assert deliveries.claim(c, target, "v", 60, 1) == []
        rows(c, "UPDATE outbox SET due = now() WHERE target = :t RETURNING 1", t=target)  # another
        (again,) = deliveries.claim(c, target, "v", 60, 1)
    assert again.doubt
    assert again.request == "{}"
    with ledger.begin() as c:
        assert not deliveries.renew(c, owed, 60)
        assert not deliveries.finish(c, owed, state="done", outcome="done")
    assert states(ledger, target) == {"sending": 1}
    with ledger.begin() as c:
        assert deliveries.finish(c, again, state="done", outcome="found")
    assert [a["outcome"] for a in attempts(ledger, target)] == ["unknown", "found"]


def test_left_behind_before_a_request_was_kept_means_no_call_was_made(ledger):
    target = name(ledger, "stdout")
    owe_tickets(ledger, target, 1)
    with ledger.begin() as c:
        deliveries.claim(c, target, "w", -1)
    with ledger.begin() as c:
        (again,) = deliveries.claim(c, target, "w", 60, 1, timedelta(hours=1))
    assert not again.doubt
    assert again.crashes == 1


def test_doubt_outlives_an_erased_request_and_a_crash(ledger):
    target = name(ledger, "stdout")
    owe_tickets(ledger, target, 1)
    with ledger.begin() as c:
        (owed,) = deliveries.claim(c, target, "w", 60)
        deliveries.rendered(c, owed, "{}", 60)
        deliveries.finish(c, owed, state="unknown", outcome="unknown")
        c.execute(text("UPDATE outbox SET request = NULL WHERE target = :t"), {"t": target})  # as an erasure does
    with ledger.begin() as c:
        assert deliveries.claim(c, target, "w", -1)[0].doubt
    with ledger.begin() as c:
        (again,) = deliveries.claim(c, target, "w", 60)
    assert again.doubt


def test_what_was_erased_cannot_be_revived(ledger):
    target = name(ledger, "stdout")
    owe_tickets(ledger, target, 1)
    with ledger.begin() as c:
        id_ = one(c, "UPDATE outbox SET state = 'dead', notice = '{}' WHERE target = :t RETURNING id", t=target)
        letter = "INSERT INTO dead_letters (kind, ref_id, reason, state) VALUES ('outbox', :i, 'erased', 'dropped')"
        c.execute(text(letter), {"i": id_})
        assert not dead_effects.retry(c, id_)
    assert states(ledger, target) == {"dead": 1}


def test_not_more_calls_at_once_than_allowed_and_one_while_half_open(ledger):
    target = name(ledger, "stdout")
    owe_tickets(ledger, target, 5)
    with ledger.begin() as c:
        assert len(deliveries.claim(c, target, "a", 60, 10)) == deliveries.CONCURRENCY
        assert deliveries.claim(c, target, "b", 60, 10) == []
        c.execute(text("UPDATE outbox SET state = 'new', lease = NULL WHERE target = :t"), {"t": target})
        c.execute(text("UPDATE targets SET failures = 7 WHERE name = :t"), {"t": target})
        assert len(deliveries.claim(c, target, "a", 60, 10)) == 1


def test_a_blocked_target_keeps_its_rows_until_it_is_resumed(ledger, path, tmp_path):
    target = name(ledger, "stdout")
    owe_tickets(ledger, target, 3)
    nowhere = desk("stdout", {"path": str(tmp_path)})  # a folder: cannot be written
    assert go(ledger, target, nowhere).outcomes == {"blocked": 1}
    assert "Cannot write" in target_row(ledger, target)["blocked"]
    assert go(ledger, target, nowhere).outcomes == {}
    with ledger.begin() as c:
        assert target not in outbox.due_targets(c)
        assert [(r["state"], r["n"]) for r in outbox.backlog(c) if r["target"] == target] == [("blocked", 3)]
        assert targets.resume(c, target) == 1
        noted = rows(c, "SELECT action FROM audit WHERE object = :o ORDER BY id", o=f"target:{target}")
    assert [n["action"] for n in noted] == ["target.blocked", "target.resumed"]
    assert go(ledger, target, desk("stdout", {"path": str(path)})).settled == 3


def test_a_switched_off_target_waits(ledger, path):
    target = name(ledger, "stdout")
    owe_tickets(ledger, target, 1)
    with ledger.begin() as c:
        c.execute(text("UPDATE targets SET enabled = false WHERE name = :t"), {"t": target})
    assert go(ledger, target, desk("stdout", {"path": str(path)})).outcomes == {}
    assert states(ledger, target) == {"new": 1}


def test_a_stop_is_heeded_between_rows(ledger, path):
    target = name(ledger, "stdout")
    owe_tickets(ledger, target, 3)
    made, asked = desk("stdout", {"path": str(path)}), iter([False, True])
    done = delivering.deliver(ledger, target, made, "w", lambda: next(asked), delivering.now)
    assert done.settled == 1
    assert states(ledger, target) == {"done": 1, "new": 2}


def test_a_round_ends_in_time_and_says_that_there_is_more(ledger, path):
    target = name(ledger, "stdout")
    owe_tickets(ledger, target, 3)
    done = go(ledger, target, desk("stdout", {"path": str(path)}), deadline_s=-1)
    assert done.more
    assert done.settled == 0


def test_an_effect_that_keeps_killing_its_process_is_a_dead_letter(ledger, path):
    target = name(ledger, "stdout")
    owe_tickets(ledger, target, 2)
    with ledger.begin() as c:
        victim = one(c, "SELECT min(id) FROM outbox WHERE target = :t", t=target)
        later = text("UPDATE outbox SET due = now() + interval '1 h' WHERE target = :t AND id <> :i")
        c.execute(later, {"t": target, "i": victim})
    for _ in range(3):  # claimed, and the process was gone before a request was kept
        with ledger.begin() as c:
            assert [o.id for o in deliveries.claim(c, target, "w", -1)] == [victim]
    with ledger.begin() as c:
        assert outbox.next_due(c) < delivering.now()
        c.execute(text("UPDATE outbox SET due = now() WHERE target = :t AND id <> :i"), {"t": target, "i": victim})
    assert go(ledger, target, desk("stdout", {"path": str(path)})).settled == 1
    assert states(ledger, target) == {"dead": 1, "done": 1}
    with ledger.begin() as c:
        assert one(c, "SELECT reason FROM dead_letters WHERE ref_id = :i", i=victim) == "crashed"
        assert dead_effects.retry(c, victim)
    assert go(ledger, target, desk("stdout", {"path": str(path)})).settled == 1  # its past is forgiven
