"""The alert rules and the dashboard in ops/: Prometheus and Grafana would take them, and every figure they name is served."""

import json
import re
from collections.abc import Iterator
from typing import Any

import httpx2
import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families
from sqlalchemy import text

from storage import gauges
from storage.ledger import Ledger
from tests import web
from tests.promql import parse
from tests.support import ROOT

RULES = yaml.safe_load((ROOT / "ops/alerts.yaml").read_text())
BOARD = json.loads((ROOT / "ops/grafana.json").read_text())
ALERTS = [rule for group in RULES["groups"] for rule in group["rules"]]
LABELS = {name: set(labels) for _, name, _, labels in gauges.GAUGES} | {"earmark_build_info": {"version"}}


@pytest.fixture(scope="module")
def served(database_url: str) -> Iterator[str]:
    """What /metrics says on a ledger with a row of everything."""
    ledger = Ledger(database_url)
    web.ticket(ledger, web.mention(ledger, "m1", "x"), "One", "k1")
    with ledger.begin() as connection:
        for statement in (
            "INSERT INTO channels (name, kind, platform, schedule, last_item_at, observed) VALUES ('talk', 'x', 'x', 'every 60', now(), '{\"remaining\": 7}')",
            "INSERT INTO page_counters (channel_id, seq, returned, new, ms) SELECT id, 1, 9, 9, 250 FROM channels",
            "INSERT INTO rejects (channel_id, page_id, item_hash, reason, payload) SELECT id, 1, 'x', 'no id', '' FROM channels",
            "INSERT INTO workers (id, kind, leader, lock) VALUES ('s', 'scheduler', true, 1), ('w', 'worker', false, 2)",
            "INSERT INTO targets (name, kind, open_until) VALUES ('desk', 'zendesk', now() + interval '1 hour')",
            "INSERT INTO outbox (target, kind, key, notice, run_id) VALUES ('desk', 'ticket.create', 'k', '{}', 1)",
            "INSERT INTO attempts (outbox_id, outcome) SELECT id, 'retry' FROM outbox",
            "INSERT INTO dead_letters (kind, ref_id, reason) VALUES ('outbox', 1, 'refused')",
            "INSERT INTO escalations (rule, series, window_start, kind, run_id) VALUES ('channel-silence', 'channel/talk', now(), 'silence', 1)",
        ):
            connection.execute(text(statement.replace(":", "\\:") if "remaining" in statement else statement))
    ledger.close()
    with web.serve(web.make_app(database_url)) as address:
        yield httpx2.get(f"{address}/metrics").text


def expressions() -> list[tuple[str, str]]:
    panels = [(f"panel {p['title']}", target["expr"]) for p in BOARD["panels"] for target in p["targets"]]
    notes = [(f"annotation {one['name']}", one["expr"]) for one in BOARD["annotations"]["list"]]
    return [(f"alert {rule['alert']}", rule["expr"]) for rule in ALERTS] + panels + notes


@pytest.mark.parametrize(("where", "expression"), expressions())
def test_every_expression_parses_and_names_what_is_served(served: str, where: str, expression: str) -> None:
    samples = {
        sample.name: set(sample.labels)
        for family in text_string_to_metric_families(served)
        for sample in family.samples
    }
    used = parse(expression)
    assert used.metrics
    for metric, labels in used.metrics.items():
        assert metric in samples, f"{where} names {metric}, which /metrics does not serve"
        assert labels <= samples[metric], f"{where} matches {metric} by {labels - samples[metric]}"
        assert used.by <= samples[metric], f"{where} groups {metric} by {used.by - samples[metric]}"
        grows = metric in gauges.COUNTERS
        assert grows == bool(re.search(rf"(rate|increase)\({metric}\b", expression)), f"{where}: {metric}"


def test_every_figure_is_served_with_its_help(served: str) -> None:
    for name in LABELS:
        assert f"# HELP {name} " in served
        assert re.search(rf"^{name}(\{{| )", served, re.M), f"{name} has no sample"
    assert all(name.endswith("_total") for name in gauges.COUNTERS)
    assert {name for name in LABELS if name.endswith("_total")} == gauges.COUNTERS


def test_the_rules_have_the_shape_prometheus_wants() -> None:
    assert set(RULES) == {"groups"}
    assert len({rule["alert"] for rule in ALERTS}) == len(ALERTS)
    for rule in ALERTS:
        assert set(rule) <= {"alert", "expr", "for", "labels", "annotations"}, rule["alert"]
        assert re.fullmatch(r"[a-zA-Z_]\w*", rule["alert"])
        assert re.fullmatch(r"\d+[smh]", rule.get("for", "0s"))
        assert rule["labels"]["severity"] in ("info", "warning", "critical")
        grouped = parse(rule["expr"]).by
        for words in (rule["annotations"]["summary"], rule["annotations"]["description"]):
            assert set(re.findall(r"\$labels\.(\w+)", words)) <= grouped
            assert re.sub(r"\{\{ \$labels\.\w+ \}\}", "", words).count("{{") == 0
        named = re.findall(r"`?earmark ([a-z]+)", rule["annotations"]["description"])
        assert set(named) <= commands(), f"{rule['alert']} names a command there is not: {named}"


def commands() -> set[str]:
    import typer

    from console.cli.main import app

    root: Any = typer.main.get_command(app)
    return set(root.commands)


def test_the_dashboard_has_no_overlap_and_asks_one_source() -> None:
    taken: set[tuple[int, int]] = set()
    for panel in BOARD["panels"]:
        at = panel["gridPos"]
        cells = {(x, y) for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])}
        assert not taken & cells, panel["title"]
        assert at["x"] + at["w"] <= 24
        taken |= cells
        assert panel["datasource"]["uid"] == "${datasource}"
    assert len({panel["id"] for panel in BOARD["panels"]}) == len(BOARD["panels"])


@pytest.mark.parametrize(
    "wrong", ["max(a", "rate(a)", "sum by a (b)", "a{b}", "a > ", "a b", 'a{b="c"', "increase(a[5])", "5m"]
)
def test_the_checker_refuses_what_prometheus_refuses(wrong: str) -> None:
    with pytest.raises(ValueError):
        parse(wrong)
