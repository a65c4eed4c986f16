"""`earmark backtest` of an alert rule: the page stands alone, the picture is one, a budget is kept, and nothing in the ledger moves."""

import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
from sqlalchemy import text
from typer.testing import CliRunner

import config
from console.cli.backtest import trial
from console.cli.main import app
from domain.rules import SpikeRule, Topic
from storage.ledger import Ledger, rows

NOW = datetime.now(UTC).replace(second=0, microsecond=0)
STEP = timedelta(minutes=5)
START = NOW - timedelta(days=8)
CRISIS = START + timedelta(days=6)


def series() -> list[tuple[datetime, int]]:
    said = np.random.default_rng(4).poisson(4, 8 * 288)
    return [
        (START + n * STEP, int(v) + (80 if CRISIS <= START + n * STEP < CRISIS + 6 * STEP else 0))
        for n, v in enumerate(said)
    ]


@pytest.fixture
def csv(tmp_path: Path) -> Path:
    path = tmp_path / "talk.csv"
    path.write_text("timestamp,value\n" + "".join(f"{at.isoformat()},{n}\n" for at, n in series()))
    (tmp_path / "judged.csv").write_text(
        f"start,end\n{CRISIS.isoformat()},{(CRISIS + timedelta(hours=1)).isoformat()}\n"
    )
    return path


def earmark(*args: str, env: dict[str, str] | None = None) -> tuple[int, str, str]:
    done = CliRunner().invoke(app, args, env=env or {}, catch_exceptions=False)
    return done.exit_code, done.stdout, done.stderr


def test_the_page_stands_alone_with_its_table_and_the_picture_is_a_png(csv: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    code, said, _ = earmark("backtest", str(csv), "--judged", str(tmp_path / "judged.csv"), "--out", str(out), "--json")
    told = json.loads(said)
    assert (code, told["hit"], told["events"]) == (0, 1, 1)
    assert told["lead_minutes"] > 30
    page = (out / "backtest.html").read_text()
    assert not re.search(r"<(script|link|img|iframe)|https?://|src=|@import|url\(", page)
    assert page.count("<tr><td>") == len(told["fired"])
    assert "an event" in page
    assert (out / "backtest.png").read_bytes().startswith(b"\x89PNG\r\n\x1a\n")


@pytest.mark.parametrize(("budget", "a_day"), [("3/day", 3.0), ("1/week", 1 / 7)])
def test_a_budget_is_kept_by_the_most_sensitive_threshold(csv: Path, budget: str, a_day: float) -> None:
    told = json.loads(earmark("backtest", str(csv), "--budget", budget, "--json")[1])
    assert told["pages_per_day"] <= a_day
    lower = earmark("backtest", str(csv), "--threshold", f"{max(0.3, told['threshold'] - 0.02):.2f}", "--json")
    assert told["threshold"] == 0.3 or json.loads(lower[1])["pages_per_day"] > a_day


@pytest.mark.parametrize(
    ("text_", "said"),
    [("when,value\n", "timestamp"), ("timestamp\n2026-01-01\n", "value"), ("timestamp,value\nx,1\n", ":2")],
)
def test_a_file_that_is_none_is_said(tmp_path: Path, text_: str, said: str) -> None:
    path = tmp_path / "bad.csv"
    path.write_text(text_)
    code, _, error = earmark("backtest", str(path))
    assert code == 2
    assert said in error


@pytest.fixture
def ledger(database_url: str) -> Iterator[Ledger]:
    made = Ledger(database_url)
    yield made
    made.close()


def everything(ledger: Ledger) -> dict[str, object]:
    with ledger.read() as c:
        tables = [r["t"] for r in rows(c, "SELECT tablename AS t FROM pg_tables WHERE schemaname = 'public'")]
        found: dict[str, object] = {
            t: tuple(
                c.execute(text(f"SELECT count(*), coalesce(sum(hashtextextended(x::text, 0)), 0) FROM {t} x")).one()
            )
            for t in tables
        }
        return found | {r[0]: r[1] for r in c.execute(text("SELECT sequencename, last_value FROM pg_sequences"))}


def test_stored_history_is_replayed_and_nothing_moves(ledger: Ledger) -> None:
    with ledger.begin() as c:
        c.execute(
            text(
                "INSERT INTO counts (topic, platform, measure, minute, n) VALUES ('bank', 'x', 'negative+cancel', :at, :n)"
            ),
            [{"at": at, "n": n} for at, n in series()],
        )
    env = {
        "DATABASE_URL": ledger.engine.url.render_as_string(hide_password=False),
        "REDIS_URL": "redis://127.0.0.1:1/0",
        "EARMARK_SECRET": "a test's secret",
    }
    before = everything(ledger)
    code, said, _ = earmark("backtest", "--series", "bank/negative+cancel", "--days", "9", "--json", env=env)
    assert code == 0
    fired = [datetime.fromisoformat(one["at"]) for one in json.loads(said)["fired"]]
    assert any(CRISIS - STEP <= at <= CRISIS + 2 * STEP for at in fired)
    assert everything(ledger) == before
    assert earmark("backtest", "--series", "bank/loud", env=env)[0] == 2


def test_a_plan_says_what_edited_rules_would_have_raised(ledger: Ledger) -> None:
    with ledger.begin() as c:
        c.execute(text("DELETE FROM counts"))
        c.execute(
            text("INSERT INTO counts (topic, platform, measure, minute, n) VALUES ('bank', 'x', 'negative', :at, :n)"),
            [{"at": at, "n": n} for at, n in series()],
        )
    old = config.Config(topics=(Topic("bank"),), escalations=(SpikeRule("spike"), SpikeRule("gone"), SpikeRule("same")))
    deaf = SpikeRule("spike", floor=10**6)
    new = old.model_copy(update={"escalations": (deaf, SpikeRule("same"), SpikeRule("leaving", intents=("cancel",)))})
    before = everything(ledger)
    told = trial(ledger, old, new, 9)
    assert everything(ledger) == before
    [edited, added] = told["alerts"]
    assert (edited["rule"], edited["series"], edited["after"]) == ("spike", "bank/negative", 0)
    assert edited["before"] >= 1
    assert added == {"rule": "leaving", "series": "bank/negative+cancel", "before": 0, "after": 0}
    assert told["alerts_removed"] == ["gone"]
