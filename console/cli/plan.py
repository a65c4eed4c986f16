"""`earmark plan` and `earmark backtest`: what an edit would change, on what was really said. They store nothing."""

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

import config
from console.cli import backtest as alerts
from console.cli.common import Folder, Json, configured, say, show_json, show_table, working
from console.cli.opened import opened
from domain.replay import EXAMPLES
from storage import configurations, replay
from storage.ledger import Ledger

if TYPE_CHECKING:
    from workers.backtest import Side

app = typer.Typer()
Days = Annotated[float, typer.Option("--days", metavar="N", min=0.01, max=3660, help="How far back to go.")]
Examples = Annotated[int, typer.Option("--examples", metavar="N", min=0, max=100, help="To show of each change.")]
TITLES = {
    "appear": "tickets that would appear",
    "vanish": "tickets that would vanish",
    "team": "tickets for another team",
    "priority": "tickets of another priority",
}
Report = dict[str, Any]
# What else an edit is tried on: each is handed the ledger, both configurations and the days, and adds its part to the report
# (alerts do so, from the series of counts).
Trial = Callable[[Ledger, config.Config, config.Config, float], Report]
TRIALS: dict[str, Trial] = {"alerts": alerts.trial}


@app.command()
def plan(
    folder: Folder = Path("config"), days: Days = 7.0, examples: Examples = EXAMPLES, as_json: Json = False
) -> None:
    """Say what the files would change: sections, channels, and the tickets of the last days judged by both configurations."""
    new = configured(folder)
    with opened() as ledger:
        old = _in_force(ledger)
        report = _planned(ledger, old, new, days, examples)
    _show(report, as_json)


@app.command()
def backtest(
    source: Annotated[
        str,
        typer.Argument(help="JSON lines of mentions, or - ; a CSV: an alert rule on it. Else the stored."),
    ] = "",
    folder: Folder = Path("config"),
    against: Annotated[
        Path | None, typer.Option("--against", metavar="FOLDER", help="Instead of what is in force.")
    ] = None,
    days: Days = 30.0,
    examples: Examples = EXAMPLES,
    series: alerts.Series = "",
    threshold: alerts.Threshold = 0.5,
    budget: alerts.Budget = "",
    judged: alerts.Judged = "",
    out: alerts.Out = None,
    as_json: Json = False,
) -> None:
    """Tickets the files would change on history; with --series or a CSV: alerts."""
    if series or source.lower().endswith(".csv"):
        alerts.alerts(source, series, days, threshold, budget, judged, out, as_json)
        return
    new = configured(folder)
    if source and against is not None:
        _show(_replayed(_side(None, configured(against)), _side(None, new), *_lines(source), examples), as_json)
        return
    with opened() as ledger:
        old = configured(against) if against is not None else _in_force(ledger)
        if source:
            report = _replayed(_side(ledger, old), _side(ledger, new), *_lines(source), examples)
        else:
            report = {
                **_over(ledger, old, new, days, examples),
                "days": days,
                **_skips(ledger, old, new, days),
                **_tried(ledger, old, new, days),
            }
    _show(report, as_json)


def _in_force(ledger: Ledger) -> config.Config:
    with ledger.read() as connection:
        found = configurations.in_force(connection)
    return config.load_document(found.document if found else {})


def _planned(ledger: Ledger, old: config.Config, new: config.Config, days: float, examples: int) -> Report:
    from workers import backtest as history

    with ledger.read() as connection:
        lately = replay.seen_lately(connection, days)
    report: Report = {"days": days, "sections": history.sections(old, new, lately)}
    if not history.judges_alike(old, new):
        report |= _over(ledger, old, new, days, examples) | _skips(ledger, old, new, days)
    return {**report, **_tried(ledger, old, new, days)}


def _skips(ledger: Ledger, old: config.Config, new: config.Config, days: float) -> Report:
    """What people skipped, judged anew: there only when they skipped something."""
    from workers.skipped import trial

    found = trial(ledger, _side(ledger, old), _side(ledger, new), days)
    return {"skips": found} if found["skipped"] else {}


def _tried(ledger: Ledger, old: config.Config, new: config.Config, days: float) -> Report:
    return {name: trial(ledger, old, new, days) for name, trial in TRIALS.items()}


def _side(ledger: Ledger | None, current: config.Config) -> "Side":
    """A configuration with the learned model in force, where there is a ledger to hold one."""
    from workers.backtest import Side, taught

    return Side.of(current, taught(ledger) if ledger is not None else None)


def _over(ledger: Ledger, old: config.Config, new: config.Config, days: float, examples: int) -> Report:
    """Both configurations over what is stored."""
    from workers.backtest import stored

    sides = _side(ledger, old), _side(ledger, new)
    return _replayed(*sides, *stored(ledger, days, *sides), examples)


def _replayed(old: "Side", new: "Side", total: int | None, seen: Iterable[Any], examples: int) -> Report:
    from workers.backtest import compare

    with working("judging history", total) as done:
        return compare(old, new, seen, done).report(examples)


def _lines(source: str) -> tuple[int | None, Iterable[Any]]:
    """The mentions of a file, as if every channel had seen them. A bad line ends it, since its share of the truth is missing."""
    from console.cli.filters import mentions_of

    return None, ((stored, ()) for stored in mentions_of(source))


def _show(report: Report, as_json: bool) -> None:
    if as_json:
        show_json(report)
        return
    sections = report.get("sections", {})
    lines = [
        (section, kind, one["name"], ", ".join(one.get("keys", ())), one.get("mentions", ""))
        for section, found in sections.items()
        for kind, several in found.items()
        for one in several
    ]
    if lines:
        show_table("The edit", ("section", "", "name", "keys", "mentions lately"), lines)
    elif "sections" in report:
        say("The files say what is in force.")
    if "changes" not in report:
        if sections:
            say("No verdict can differ: nothing that judging reads was edited.")
        return
    old, new = report["tickets"]["old"], report["tickets"]["new"]
    say(f"{report['mentions']:,} mentions judged by both: {old:,} tickets before, {new:,} after.")
    for kind, title in TITLES.items():
        found = report["changes"][kind]
        if found["count"]:
            rows = [(one["mention"], one["old"] or "–", one["new"] or "–", one["text"]) for one in found["examples"]]
            more = found["count"] - len(rows)
            show_table(
                f"{found['count']:,} {title}{f' ({more:,} not shown)' if more else ''}",
                ("mention", "before", "after", "text"),
                rows,
            )
    if skips := report.get("skips"):
        say(f"{skips['not_offered']} of {skips['judged']} skipped tickets would not have been offered.")
        rows = [(one["rule"], one["skipped"], one["not_offered"]) for one in skips["rules"]]
        show_table("Skipped tickets", ("opened by", "skipped", "not offered now"), rows)
    if not any(found["count"] for found in report["changes"].values()):
        say("No ticket would differ.")
