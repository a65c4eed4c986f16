"""`earmark plan` and `earmark backtest`: what an edit would change, told from what was said, without touching anything."""

import json
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text
from typer.testing import CliRunner

import config
from config.load import examine_texts
from console.cli.plan import app
from domain import learning
from domain.learning import Learned
from domain.nouns import Mention, Stored
from domain.replay import Comparison, Judged
from storage import configurations
from storage import learning as models
from storage.ledger import Ledger, rows
from tests.ledgers import add_channel, judge, person, post, store
from town.server import Town
from workers.backtest import Side, compare, stored

NOW = datetime.now(UTC)
OLD = """
topics: [{name: acme, query: acme}]
teams: [{name: care}, {name: cards}]
default_team: care
settings: {scorer: vader, language: en, allow_hosts: [127.0.0.1]}
channels:
  - {name: x-one, kind: x, query: acme, base_url: "%s"}
desks: [{name: log, kind: stdout}]
rules:
  - {name: card, when: {words: [card declined]}, then: {outcome: ticket, priority: high, team: cards}}
  - {name: angry, when: {sentiment: [negative]}, then: {outcome: ticket}}
"""
SAID = [
    *[f"acme is terrible and awful, {n}" for n in range(6)],
    *[f"acme: my card declined again, {n}" for n in range(4)],
    *[f"acme was great today, {n}" for n in range(5)],
]


def loaded(yaml: str) -> config.Config:
    found = examine_texts([("c.yaml", yaml)])
    assert found.config is not None, found.complaints
    return found.config


@pytest.fixture(scope="module")
def town() -> Iterator[Town]:
    with Town(seed=5) as running:
        yield running


@pytest.fixture(scope="module")
def ledger(database_url: str, town: Town) -> Iterator[Ledger]:
    made = Ledger(database_url, name="test", pool=2)
    current = loaded(OLD % town.urls["x"])
    made.run(lambda c: configurations.accept(c, current.hash, current.document()))
    add_channel(made, "x-one")
    store(made, "x-one", [lately(n, said) for n, said in enumerate(SAID)])
    yield made
    made.close()


def lately(n: int, said: str) -> Mention:
    return replace(post("x", f"m{n}", said, person(n)), published=NOW - timedelta(hours=1, minutes=n))


def folder(tmp_path: Path, yaml: str) -> str:
    (tmp_path / "c.yaml").write_text(yaml)
    return str(tmp_path)


def earmark(ledger: Ledger, *args: str, stdin: str = "") -> tuple[int, Any, str]:
    env = {
        "DATABASE_URL": ledger.engine.url.render_as_string(hide_password=False),
        "REDIS_URL": "redis://127.0.0.1:1/0",
        "EARMARK_SECRET": "a test's secret",
    }
    done = CliRunner().invoke(app, args, env=env, input=stdin, catch_exceptions=False)
    told = json.loads(done.stdout) if done.stdout.startswith("{") else done.stdout
    return done.exit_code, told, done.stderr


def everything(ledger: Ledger, town: Town) -> dict[str, Any]:
    """Every table's rows as a count and a checksum, every sequence, and every table of the town's ledger."""
    with ledger.read() as connection:
        tables = [
            row["t"] for row in rows(connection, "SELECT tablename AS t FROM pg_tables WHERE schemaname = 'public'")
        ]
        found: dict[str, Any] = {
            table: tuple(
                connection.execute(
                    text(f"SELECT count(*), coalesce(sum(hashtextextended(t::text, 0)), 0) FROM {table} t")
                ).one()
            )
            for table in tables
        }
        sequences = connection.execute(text("SELECT sequencename, last_value FROM pg_sequences ORDER BY 1"))
        found |= {f"sequence {name}": value for name, value in sequences}
    town.ledger.flush()
    names = [row["name"] for row in town.ledger.rows("SELECT name FROM sqlite_master WHERE type = 'table'")]
    return found | {f"town {name}": town.ledger.rows(f"SELECT * FROM {name}") for name in names}


EDIT = (
    OLD.replace("[card declined]", "[card declined, great]")
    .replace("then: {outcome: ticket}}", "then: {outcome: review}}")
    .replace("team: cards}}", "team: care}}")
    .replace("query: acme, base_url", "query: acme OR apex, base_url")
    .replace(
        "  - {name: card,",
        "  - {name: first, when: {words: [again]}, then: {outcome: ticket, priority: urgent}}\n  - {name: card,",
    )
)


def test_a_plan_says_what_an_edit_changes_and_touches_nothing(ledger: Ledger, town: Town, tmp_path: Path) -> None:
    before = everything(ledger, town)
    assert len(before) > 40
    code, told, _ = earmark(ledger, "plan", "--config", folder(tmp_path, EDIT % town.urls["x"]), "--json")
    assert code == 0
    assert told["mentions"] == len(SAID)
    assert told["tickets"] == {"old": 10, "new": 9}
    counts = {kind: found["count"] for kind, found in told["changes"].items()}
    assert counts == {"appear": 5, "vanish": 6, "team": 4, "priority": 4}
    assert told["moves"] == [
        {"kind": "priority", "old": "high", "new": "urgent", "tickets": 4},
        {"kind": "team", "old": "cards", "new": "care", "tickets": 4},
    ]
    assert len(told["changes"]["vanish"]["examples"]) == 5
    assert told["changes"]["vanish"]["examples"][0]["text"].startswith("acme is terrible")
    (channel,) = told["sections"]["channels"]["changed"]
    assert channel == {"name": "x-one", "keys": ["query"], "mentions": len(SAID)}
    assert {one["name"] for one in told["sections"]["rules"]["added"]} == {"first"}
    assert everything(ledger, town) == before


def test_an_edit_that_no_verdict_reads_is_not_replayed(ledger: Ledger, town: Town, tmp_path: Path) -> None:
    same = OLD % town.urls["x"]
    code, told, _ = earmark(ledger, "plan", "--config", folder(tmp_path, same), "--json")
    assert (code, told["sections"], "changes" in told) == (0, {}, False)
    code, told, _ = earmark(
        ledger, "plan", "--config", folder(tmp_path, same.replace("name: log", "name: printed")), "--json"
    )
    assert set(told["sections"]) == {"desks"}
    assert "changes" not in told


def test_a_query_or_a_lexicon_is_replayed_too(ledger: Ledger, town: Town, tmp_path: Path) -> None:
    same = OLD % town.urls["x"]
    narrower = same.replace("query: acme}", "query: acme NOT again}")
    _, told, _ = earmark(ledger, "plan", "--config", folder(tmp_path, narrower), "--json")
    assert told["changes"]["vanish"]["count"] == 4
    assert {"old": "ticket", "new": "unmatched", "mentions": 4} in told["outcomes"]
    _, told, _ = earmark(ledger, "plan", "--config", folder(tmp_path, same + "lexicon: {today: -4}\n"), "--json")
    assert told["changes"]["appear"]["count"] == 5
    _, told, _ = earmark(ledger, "plan", "--days", "0.01", "--config", folder(tmp_path, narrower), "--json")
    assert told["mentions"] == 0


def test_a_person_reads_it_too(ledger: Ledger, town: Town, tmp_path: Path) -> None:
    code, told, said = earmark(ledger, "plan", "--config", folder(tmp_path, EDIT % town.urls["x"]), "--examples", "2")
    assert code == 0
    assert "6 tickets that would vanish (4 not shown)" in told
    assert "15 mentions judged by both: 10 tickets before, 9 after." in said


def test_a_bad_configuration_ends_with_2(ledger: Ledger, tmp_path: Path) -> None:
    code, _, said = earmark(ledger, "plan", "--config", folder(tmp_path, "rules: [{name: a}]\n"))
    assert code == 2
    assert "missing" in said


def test_backtest_of_a_file_needs_no_ledger(ledger: Ledger, town: Town, tmp_path: Path) -> None:
    old, new = tmp_path / "old", tmp_path / "new"
    for place, yaml in ((old, OLD), (new, EDIT)):
        place.mkdir()
        (place / "c.yaml").write_text(yaml % town.urls["x"])
    lines = "".join(
        json.dumps({"id": n, "text": said, "platform": "x", "author": f"u{n}"}) + "\n" for n, said in enumerate(SAID)
    )
    code, told, _ = earmark(ledger, "backtest", "-", "--against", str(old), "--config", str(new), "--json", stdin=lines)
    assert code == 0
    assert told["tickets"] == {"old": 10, "new": 9}
    code, _, said = earmark(ledger, "backtest", "-", "--against", str(old), "--config", str(new), stdin=lines + "{}\n")
    assert code == 2
    assert f"standard input:{len(SAID) + 1}: id and text missing" in said
    code, told, _ = earmark(
        ledger, "backtest", "--config", str(new), "--json"
    )  # what is stored, against what is in force
    assert (code, told["mentions"], told["tickets"]) == (0, len(SAID), {"old": 10, "new": 9})


def test_mentions_of_one_author_in_one_conversation_are_one_ticket() -> None:
    comparison = Comparison()
    for n in range(3):
        stored = Stored(n, 1, post("x", f"p{n}", "help me", person(1), context="t"))
        comparison.add(Judged(stored, judge(stored), None))
    other = Stored(9, 1, post("x", "p9", "help me", person(2), context="t"))
    comparison.add(Judged(other, judge(other), judge(other)))
    report = comparison.report()
    assert report["tickets"] == {"old": 2, "new": 1}
    assert report["changes"]["vanish"]["count"] == 1


def test_history_is_judged_quickly_enough(ledger: Ledger, town: Town) -> None:
    """A bound with room: thousands of mentions take seconds, not minutes."""
    side = Side.of(loaded(OLD % town.urls["x"]))
    _, seen = stored(ledger, 7)
    many = list(seen) * 40
    began = time.process_time()
    compare(side, side, many)
    assert time.process_time() - began < 0.005 * len(many)


def test_a_plan_judges_with_what_was_learned_and_with_who_the_author_is(
    ledger: Ledger, town: Town, tmp_path: Path
) -> None:
    """Both sides know the model in force; a rule that asks for customers is told of them."""
    body = {"scale": 1.0, "bias": 0.0, "weights": {"today": 400.0}}
    model = learning.written(Learned(learning._version(body), {"today": 400.0}))
    ledger.run(lambda c: models.keep(c, "test", model, {}))
    ledger.run(
        lambda c: c.execute(
            text(
                "WITH c AS (INSERT INTO customers (name, vip) VALUES ('Ann', true) RETURNING id), i AS (INSERT INTO identities "
                "(kind, platform, native_id) VALUES ('account', 'x', 'u10'), ('account', 'x', 'u11') RETURNING id) "
                "INSERT INTO customer_identities (identity_id, customer_id, evidence, confidence, source) "
                "SELECT i.id, c.id, 'test', 1, 'person' FROM i, c"
            )
        )
    )
    rules = (OLD % town.urls["x"]).split("rules:")[0]
    edits = {"needy": "{need_at_least: 0.9}", "vip": "{customer: [vip]}"}
    found = {}
    for name, when in edits.items():
        (tmp_path / name).mkdir()
        yaml = f"{rules}rules:\n  - {{name: {name}, when: {when}, then: {{outcome: ticket}}}}\n"
        _, told, _ = earmark(ledger, "plan", "--config", folder(tmp_path / name, yaml), "--json")
        found[name] = told["changes"]["appear"]["count"]
    ledger.run(lambda c: models.restore(c, "test", 0))
    assert found == {"needy": 5, "vip": 2}  # "acme was great today": five say it, two of them by an account of Ann's
