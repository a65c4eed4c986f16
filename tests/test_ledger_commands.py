"""The commands as people type them, on a whole ledger: exit codes, JSON, and what they leave behind."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer
from sqlalchemy import text
from typer.testing import CliRunner, Result

from console.cli import people, proof
from storage import retention, runs
from storage.deliveries import claim, finish
from storage.ledger import Ledger, one, rows
from storage.outbox import Effect, owe_many
from storage.reconcile import reconcile
from tests.ledgers import drain, world
from tests.support import run_earmark

app = typer.Typer()
app.add_typer(people.app)
app.add_typer(proof.app)


@pytest.fixture(scope="module")
def ledger(database_url: str) -> Iterator[Ledger]:
    made = world(database_url)
    yield made
    made.close()


@pytest.fixture
def earmark(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setenv("DATABASE_URL", ledger.engine.url.render_as_string(hide_password=False))
    monkeypatch.setenv("REDIS_URL", "redis://127.0.0.1:1/0")
    monkeypatch.setenv("EARMARK_SECRET", "a test's secret")

    def run(*args: str, code: int = 0, stdin: str = "") -> Any:
        result: Result = CliRunner().invoke(app, [*args, "--json"], input=stdin, catch_exceptions=False)
        assert result.exit_code == code, result.output
        lines = [json.loads(line) for line in result.stdout.splitlines() if line.startswith(("{", "["))]
        return lines[0] if len(lines) == 1 else lines

    return run


def test_reconcile_says_good_and_bad_by_its_exit_code(earmark: Any, ledger: Ledger) -> None:
    good = earmark("reconcile")
    assert good["good"] is True
    assert len(good["gaps"]) == 2
    gone = "DELETE FROM sightings WHERE (mention_id, channel_id) = (SELECT mention_id, channel_id FROM sightings LIMIT 1) RETURNING *"
    row = ledger.run(lambda c: rows(c, gone))[0]
    bad = earmark("reconcile", code=1)
    assert "sightings" in {finding["table"] for finding in bad["findings"]}
    back = "INSERT INTO sightings (mention_id, channel_id, topics, page_id) VALUES (:mention_id, :channel_id, :topics, :page_id)"
    ledger.run(lambda c: c.execute(text(back), dict(row, first_seen=None)))
    assert earmark("reconcile")["good"] is True


def test_the_installed_command_ends_with_1_when_a_row_was_moved(earmark: Any, ledger: Ledger) -> None:
    assert run_earmark(["reconcile"]).returncode == 0
    move = "UPDATE ticket_mentions SET ticket_id = ticket_id + :n WHERE mention_id = (SELECT min(mention_id) FROM ticket_mentions)"
    ledger.run(lambda c: c.execute(text(move), {"n": 1}))
    done = run_earmark(["reconcile"])
    ledger.run(lambda c: c.execute(text(move), {"n": -1}))
    assert (done.returncode, "ticket_mentions" in done.stderr) == (1, True)


def test_export_has_every_mention_with_the_promised_fields(earmark: Any, ledger: Ledger, tmp_path: Path) -> None:
    out = tmp_path / "mentions.jsonl"
    earmark("export", "mentions", "-o", str(out))
    earmark("customers", "export", "-o", str(tmp_path / "customers.jsonl"))
    earmark("customers", "list")
    with ledger.begin() as connection:  # who took personal data out, and who read it, is written down
        done = rows(connection, "SELECT action FROM audit WHERE actor = 'command' ORDER BY id DESC LIMIT 3")
    assert [row["action"] for row in done] == ["personal.read", "customers.export", "mentions.export"]
    lines = [json.loads(line) for line in out.read_text().splitlines()]
    with ledger.begin() as c:
        assert len(lines) == one(c, "SELECT count(*) FROM mentions")
        assert sum(line["ticket"] is not None for line in lines) == one(c, "SELECT count(*) FROM ticket_mentions")
    wanted = "platform origin native_id url author text published in_reply_to context rating language sentiment outcome ticket"
    assert all(list(line) == wanted.split() for line in lines)
    first = next(line for line in lines if line["native_id"] == "p1")
    assert first["author"] == {"native_id": "u1", "handle": "user1", "name": "User 1"}
    assert (first["text"], first["outcome"], first["sentiment"]["label"]) == ("help me with 1", "ticket", "negative")


def test_customers_in_and_out(earmark: Any, tmp_path: Path) -> None:
    file = tmp_path / "list.csv"
    file.write_text("name,email\nAda,ada@example.org\nBad,nowhere\n")
    dry = earmark("customers", "import", str(file), "--dry-run", code=1)
    assert (dry["created"], dry["errors"][0]["line"]) == (1, 3)
    assert earmark("customers", "list", "ada@example.org") == []
    assert earmark("customers", "import", "-", stdin="name,email\nAda,ada@example.org\n")["created"] == 1
    ada = earmark("customers", "list", "ada@example.org")
    id_ = str(ada[0]["id"] if isinstance(ada, list) else ada["id"])
    assert earmark("customers", "show", id_)["name"] == "Ada"
    earmark("customers", "erase", id_, code=2)
    assert earmark("customers", "erase", id_, "--yes")["customers"] == [int(id_)]
    earmark("customers", "erase", id_, "--yes", code=1)
    earmark("customers", "show", id_, code=1)
    assert earmark("customers", "import", "-", stdin="email\nada@example.org\n", code=1)["created"] == 0
    earmark("customers", "import", "-", stdin="nothing\nknown\n", code=2)
    earmark("customers", "import", str(tmp_path / "missing.csv"), code=2)


def test_users_come_and_go(earmark: Any) -> None:
    made = earmark("users", "add", "Lead@example.org", "--role", "lead")
    assert len(made["password"]) >= 15
    earmark("users", "add", "lead@example.org", code=1)
    earmark("users", "add", "other@example.org", "--role", "king", code=2)
    earmark("users", "add", "other@example.org", "--password-stdin", stdin="short\n", code=2)
    assert [user["email"] for user in earmark("users", "list")] == ["lead@example.org"]
    assert earmark("users", "disable", "lead@example.org")["disabled"] is True
    assert earmark("users", "list") == []
    earmark("users", "disable", "nobody@example.org", code=1)


def test_audit_verifies_and_gives_its_head(earmark: Any) -> None:
    earmark("customers", "import", "-", stdin="email\naudit@example.org\n")
    head = earmark("audit", "head")["head"]
    checked = earmark("audit", "verify", "--anchor", head)
    assert (checked["good"], checked["head"]) == (True, head)
    assert earmark("audit", "verify", "--anchor", "00" * 32, code=1)["good"] is False


def test_a_dead_mention_is_listed_shown_and_judged_again(earmark: Any, ledger: Ledger) -> None:
    listed = earmark("dead", "list")
    letter = next(row for row in listed if row["kind"] == "digest")
    shown = earmark("dead", "show", letter["name"])
    assert shown["mention"]["id"] == shown["ref_id"]
    assert earmark("dead", "retry", letter["name"])["result"] == "queued"
    earmark("dead", "retry", letter["name"], code=1)
    drain(ledger)
    with ledger.begin() as c:
        assert one(c, "SELECT count(*) FROM verdicts WHERE mention_id = :m", m=shown["ref_id"]) == 1
    assert _green(ledger)
    earmark("dead", "show", "letter:999999", code=1)
    earmark("dead", "retry", "nonsense", code=2)


def test_a_dead_effect_is_due_again_or_dropped(earmark: Any, ledger: Ledger) -> None:
    def owe(connection: Any) -> None:
        run = runs.start(connection, "watch", "tester")
        flag = one(connection, "SELECT id FROM escalations LIMIT 1")
        owe_many(
            connection,
            run,
            [Effect("alert", "flag.update", f"em-f{flag}-{n}-alert", {"id": flag}, escalation_id=flag) for n in (2, 3)],
        )
        runs.finish(connection, run)

    ledger.run(owe)
    for _ in range(2):
        [owed] = ledger.run(lambda c: claim(c, "alert", "tester", 60))
        ledger.run(lambda c, owed=owed: finish(c, owed, state="dead", outcome="refused", reason="422", error="no"))
    first, second = [row["name"] for row in earmark("dead", "list") if row["kind"] == "outbox"]
    assert earmark("dead", "show", first)["attempts"][0]["outcome"] == "refused"
    assert _green(ledger)
    assert earmark("dead", "retry", first)["result"] == "queued"
    assert earmark("dead", "drop", second)["result"] == "dropped"
    earmark("dead", "drop", second, code=1)
    assert len(ledger.run(lambda c: claim(c, "alert", "tester", 60))) == 1
    assert _green(ledger)


def test_a_reject_is_dropped_by_name(earmark: Any, ledger: Ledger) -> None:
    name = next(row["name"] for row in earmark("dead", "list") if row["kind"] == "reject")
    assert json.loads(earmark("dead", "show", name)["payload"])["n"] in (0, 1, 2)
    earmark("dead", "drop", name)
    assert name in [row["name"] for row in earmark("dead", "list", "--state", "dropped")]
    assert _green(ledger)


def test_retention_leaves_the_ledger_green(earmark: Any, ledger: Ledger) -> None:
    for table, column in (
        ("payloads", "stored_at"),
        ("outbox", "done_at"),
        ("verdicts", "decided_at"),
        ("versions", "replaced_at"),
    ):
        ledger.run(lambda c, t=table, n=column: c.execute(text(f"UPDATE {t} SET {n} = {n} - interval '100 days'")))
    purged = ledger.run(lambda c: retention.purge(c, payload_days=90, receipt_days=90, attempt_days=90))
    assert min(purged["payloads"], purged["receipts"], purged["attempts"], purged["versions"]) > 0
    again = ledger.run(lambda c: retention.purge(c, payload_days=90, receipt_days=90, attempt_days=90))
    assert not any(again.values())
    assert _green(ledger)
    assert earmark("reconcile")["good"]


def _green(ledger: Ledger) -> bool:
    with ledger.read() as connection:
        report = reconcile(connection)
    assert not report.findings, "\n".join(map(str, report.findings))
    return report.good
