"""The part of `earmark backtest` and `earmark plan` that is about alerts: table and pictures. Reads, and changes nothing."""

import csv
import html
import re
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated, Any

import typer

from console.cli.common import fail, show_json, where
from domain import alerting
from domain.alerting import Outcome, Row, Span

FLOOR = 1.0
MEASURES = ("negative", "all", "authors", "reach")
Series = Annotated[str, typer.Option("--series", metavar="NAME", help="Alerts: TOPIC/negative.")]
Threshold = Annotated[float, typer.Option("--threshold", min=0.01, max=0.99, hidden=True)]
Budget = Annotated[str, typer.Option("--budget", metavar="3/day", help="Alerts: its threshold.")]
Judged = Annotated[str, typer.Option("--judged", metavar="CSV", help="Alerts: start,end.")]
Out = Annotated[Path | None, typer.Option("--out", metavar="FOLDER", help="Alerts: pictures.")]


def alerts(
    source: str, series: str, days: float, threshold: float, budget: str, judged: str, out: Path | None, as_json: bool
) -> None:
    """What an alert rule would have raised: when, against what people judged, how often in vain. Sends and stores nothing."""
    a_day = _budget(budget) if budget else None
    topic, _, measure = series.rpartition("/")
    rows = from_file(source) if source else stored(topic, measure, days)
    if len(rows) < 2:
        fail("there is nothing to replay", "two rows at least, or a series with a past")
    events = spans(judged) if judged else judgements(topic, measure) if not source else []
    if a_day is not None:
        found = alerting.within_budget(rows, a_day, FLOOR, events)
    else:
        found = alerting.run(rows, threshold, FLOOR, events)
    if out is not None:
        out.mkdir(parents=True, exist_ok=True)
        (out / "backtest.html").write_text(page(rows, found, events), encoding="utf-8")
        picture(rows, found, events, out / "backtest.png")
    show(found, as_json)


def show(found: Outcome, as_json: bool) -> None:
    fired = [{"at": at.isoformat(), "score": score} for at, score in zip(found.fired, found.scores, strict=True)]
    if as_json:
        show_json({
            "threshold": found.threshold, "fired": fired, "events": found.events, "hit": found.hits, "false": found.false,
            "false_per_week": round(found.false_a_week, 3), "pages_per_day": round(found.a_day, 3), "most_in_a_day": found.most_a_day,
            "lead_minutes": found.lead, "weeks": round(found.weeks, 2),
        })  # fmt: skip
        return
    for one in fired:
        typer.echo(f"{one['at']}  score {one['score']:.3f}")
    typer.echo(
        f"threshold {found.threshold}: {len(fired)} flags in {found.weeks:.1f} weeks ({found.a_day:.2f} a day, at most {found.most_a_day}), "
        f"{found.hits} of {found.events} judged events, {found.false_a_week:.2f} others a week, "
        + (f"{found.lead:.0f} minutes before an event's end" if found.lead is not None else "no lead time")
    )


def _budget(text: str) -> float:
    found = re.fullmatch(r"(\d+(?:\.\d+)?)/(day|week)", text)
    if not found:
        fail(f"{text!r} is no budget", "such as 3/day or 1/week", code=2)
    return float(found[1]) / (7 if found[2] == "week" else 1)


def from_file(source: str) -> list[Row]:
    """Rows of a CSV with the columns timestamp and value."""
    return [(at, float(n)) for at, n in _csv(source, ("timestamp", "value"))]


def spans(source: str) -> list[Span]:
    return [(at, _moment(end)) for at, end in _csv(source, ("start", "end"))]


def _csv(source: str, columns: tuple[str, str]) -> list[tuple[datetime, str]]:
    try:
        with Path(source).open(newline="", encoding="utf-8-sig") as lines:
            reader = csv.DictReader(lines)
            missing = [name for name in columns if name not in (reader.fieldnames or ())]
            if missing:
                fail(f"{source}: the column {missing[0]} is missing", f"a CSV with {', '.join(columns)}", code=2)
            found = []
            for number, row in enumerate(reader, 2):
                try:
                    at, other = _moment(row[columns[0]]), row[columns[1]]
                    if columns[1] == "value":
                        float(other)
                except (TypeError, ValueError) as error:
                    fail(f"{source}:{number}: {error}", code=2)
                found.append((at, other))
            return found
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        fail(f"{source}: {error}", code=2)


def _moment(text: str) -> datetime:
    at = datetime.fromisoformat(text.strip())
    return at if at.tzinfo else at.replace(tzinfo=UTC)


def stored(topic: str, measure: str, days: float) -> list[Row]:
    """The counts of a topic in the ledger, by five minutes, empty ones too."""
    from console.cli.opened import opened

    if not topic or not (measure in MEASURES or measure.startswith("negative+")):
        fail(
            "what is to be replayed?",
            f"a CSV file, or --series TOPIC/MEASURE with {', '.join(MEASURES)} or negative+INTENT",
            code=2,
        )
    with opened(where()) as ledger:
        return _read(ledger, topic, measure, days)


def _read(ledger: Any, topic: str, measure: str, days: float) -> list[Row]:
    from domain.live import begins, bin_of
    from storage import counts

    now = datetime.now(UTC)
    with ledger.read() as connection:
        found = counts.bins(connection, now - timedelta(days=days), now, now)
    said: dict[int, float] = {}
    for one in found:
        if (one.topic, one.measure) == (topic, measure):
            said[one.bin] = said.get(one.bin, 0.0) + one.live + one.before
    return [(begins(b), said.get(b, 0.0)) for b in range(min(said), bin_of(now))] if said else []


def judgements(topic: str, measure: str) -> list[Span]:
    """What people judged useful or late of this series' flags."""
    from console.cli.opened import opened
    from storage import pages

    with opened(where()) as ledger, ledger.read() as connection:
        return [(row["since"], row["until"]) for row in pages.events(connection, f"{topic}/{measure}")]


def page(rows: Sequence[Row], found: Outcome, events: Sequence[Span]) -> str:
    """A page that holds everything it shows: inline SVG, a table, no script."""
    times = [at for at, _ in rows]
    start, length = times[0], max(1.0, (times[-1] - times[0]).total_seconds())
    high = max(1.0, *(n for _, n in rows if n == n and n < 1e12))
    x = lambda at: round(1000 * (at - start).total_seconds() / length, 2)  # noqa: E731
    step = max(1, len(rows) // 2000)
    tops = [
        (rows[i][0], max((n for _, n in rows[i : i + step] if n == n), default=0.0)) for i in range(0, len(rows), step)
    ]
    line = " ".join(f"{x(at)},{round(240 - 220 * max(0.0, min(n, high)) / high, 2)}" for at, n in tops)
    bands = "".join(
        f'<rect class="event" x="{x(a)}" y="0" width="{max(1.0, x(b) - x(a))}" height="240"/>' for a, b in events
    )
    marks = "".join(
        f'<path class="flag" d="M{x(at)} 240V4"><title>{at:%Y-%m-%d %H:%M}, {s:.3f}</title></path>'
        for at, s in zip(found.fired, found.scores, strict=True)
    )
    inside = lambda at: any(a <= at <= b for a, b in events)  # noqa: E731
    table = "".join(
        f"<tr><td>{html.escape(at.isoformat())}</td><td>{s:.3f}</td><td>{'an event' if inside(at) else '–'}</td></tr>"
        for at, s in zip(found.fired, found.scores, strict=True)
    )
    lead = "–" if found.lead is None else f"{found.lead:.0f} min"
    return f"""<!doctype html><html lang="en"><meta charset="utf-8"><title>Back-test</title><style>
body{{font:15px/1.5 system-ui,sans-serif;max-width:64rem;margin:2rem auto;padding:0 1rem;color:#1b1f23}}svg{{width:100%;height:auto;background:#fff}}
.line{{fill:none;stroke:#5f6b76;stroke-width:1}}.flag{{stroke:#b3430e;stroke-width:1.5}}.event{{fill:#0a6ebd;opacity:.15}}td,th{{padding:.2rem .8rem;text-align:left}}</style>
<h1>Back-test at threshold {found.threshold}</h1>
<p>{len(found.fired)} flags in {found.weeks:.1f} weeks, {found.hits} of {found.events} judged events, {found.false_a_week:.2f} others a week, lead {lead}, at most {found.most_a_day} in a day.</p>
<svg viewBox="0 0 1000 250" role="img" aria-labelledby="t d"><title id="t">Mentions, flags and judged events</title>
<desc id="d">Line chart from {times[0]:%Y-%m-%d} to {times[-1]:%Y-%m-%d}; highest {high:g}. Flags are vertical lines, judged events bands.</desc>
{bands}<polyline class="line" points="{line}"/>{marks}</svg>
<table><thead><tr><th>Flag</th><th>Score</th><th>Judged</th></tr></thead><tbody>{table}</tbody></table></html>"""


def picture(rows: Sequence[Row], found: Outcome, events: Sequence[Span], path: Path) -> None:
    """The same as a PNG."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(figsize=(12, 3.5))
    x: Any = [at for at, _ in rows]
    axes.plot(x, [n for _, n in rows], color="#5f6b76", linewidth=0.8)
    for a, b in events:
        axes.axvspan(a, b, color="#0a6ebd", alpha=0.15)  # type: ignore[arg-type]
    for at in found.fired:
        axes.axvline(at, color="#b3430e", linewidth=1.2)  # type: ignore[arg-type]
    axes.set_title(f"Flags at threshold {found.threshold}", loc="left")
    figure.tight_layout()
    figure.savefig(path, dpi=110)
    pyplot.close(figure)


def trial(ledger: Any, old: Any, new: Any, days: float) -> dict[str, Any]:
    """For `earmark plan`: how many flags each changed spike rule would have raised, before and after the edit."""
    before = {rule.name: rule for rule in old.escalations if rule.kind == "spike"}
    found = []
    for rule in new.escalations:
        last = before.get(rule.name)
        if rule.kind != "spike" or rule == last:
            continue
        for topic in new.topics:
            if rule.topics and topic.name not in rule.topics:
                continue
            for measure in sorted({*_measures(rule), *(_measures(last) if last else ())}):
                rows = _read(ledger, topic.name, measure, days)
                after, was = (_fired(rows, one, measure) for one in (rule, last))
                found.append({"rule": rule.name, "series": f"{topic.name}/{measure}", "before": was, "after": after})
    gone = sorted(set(before) - {rule.name for rule in new.escalations})
    return {"alerts": found, "alerts_removed": gone} if found or gone else {}


def _measures(rule: Any) -> list[str]:
    """What a rule looks at; of `*` the sum, since which intents there were is not known here."""
    return [f"negative+{i}" for i in rule.intents if i != "*"] or [rule.measure]


def _fired(rows: Sequence[Row], rule: Any, measure: str) -> int:
    if rule is None or measure not in _measures(rule) or len(rows) < 2:
        return 0
    return len(alerting.run(rows, rule.threshold, float(rule.floor)).fired)
