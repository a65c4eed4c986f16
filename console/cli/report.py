"""`earmark report`: journey metrics as a table, JSON, CSV, Parquet and pictures. Formulas stand beside the figures (docs/metrics.md)."""

import csv
import io
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated, Any

import typer

from console.cli.common import Json, fail, say, show_json, show_table
from console.cli.opened import opened
from storage import metrics

app = typer.Typer()
FORMATS = ("table", "csv", "parquet")


def _day(text: str, what: str) -> datetime:
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        fail(f"--{what} {text}: no day", "write 2026-03-01", code=2)
    return found if found.tzinfo else found.replace(tzinfo=UTC)


@app.command()
def report(
    facts: Annotated[
        str, typer.Argument(help=f"Left out: all figures. Or the facts behind them: {', '.join(metrics.SERIES)}.")
    ] = "",
    since: Annotated[str, typer.Option(help="First day (UTC); left out: 30 days ago.")] = "",
    until: Annotated[str, typer.Option(help="The day after the last (UTC); left out: now.")] = "",
    as_: Annotated[str, typer.Option("--as", help=", ".join(FORMATS))] = "table",
    output: Annotated[Path | None, typer.Option("-o", help="Write here; parquet needs it.")] = None,
    pictures: Annotated[Path | None, typer.Option(help="A folder: writes backlog, arrivals and times as SVG.")] = None,
    as_json: Json = False,
) -> None:
    """Figures of a span with their formulas, or the facts behind them."""
    if facts and facts not in metrics.SERIES:
        fail(f"there are no facts of that name: {facts}", f"there is {', '.join(metrics.SERIES)}", code=2)
    if as_ not in FORMATS or (as_ == "parquet" and output is None):
        fail("--as parquet needs -o FILE" if as_ == "parquet" else f"--as {as_}: there is {', '.join(FORMATS)}", code=2)
    end = _day(until, "until") if until else datetime.now(UTC)
    start = _day(since, "since") if since else end - timedelta(days=30)
    if start >= end:
        fail("--since must be before --until", code=2)
    with opened() as ledger, ledger.read() as connection:
        found, cut = (
            metrics.series(connection, facts, start, end) if facts else (metrics.figures(connection, start, end), False)
        )
        preferred = [] if facts else metrics.preferences(connection)
        drawn = _drawings(connection, start, end) if pictures else {}
    if cut:
        say(f"note: only the first {len(found):,} facts; choose a shorter span")
    written = []
    if pictures:
        written = _draw(pictures, drawn)
    if as_json:
        span = {"since": start, "until": end, "cut": cut}
        show_json(
            {**span, "facts": found}
            if facts
            else {**span, "figures": found, "channels": preferred, "pictures": written}
        )
        return
    try:
        _write(found, as_, output)
    except OSError as error:
        fail(f"{output}: {error.strerror}", code=2)
    if as_ == "table" and output is None:
        _show(found, facts, preferred)
    for name in written:
        say(f"wrote {name}")


def _write(found: Sequence[dict[str, Any]], form: str, output: Path | None) -> None:
    """CSV to a file or standard output; Parquet to a file. A table is not written."""
    if form == "parquet" and output is not None:
        import pyarrow as pa  # on first use: other commands start without it
        import pyarrow.parquet as pq

        rows = [{k: float(v) if type(v).__name__ == "Decimal" else v for k, v in row.items()} for row in found]
        pq.write_table(pa.Table.from_pylist(rows), output)
        return
    if form == "csv" or output is not None:
        text = io.StringIO()
        if found:
            writer = csv.DictWriter(text, found[0].keys(), lineterminator="\n")
            writer.writeheader()
            writer.writerows(
                {k: v.isoformat() if isinstance(v, datetime) else v for k, v in row.items()} for row in found
            )
        if output is not None:
            output.write_text(text.getvalue(), encoding="utf-8")
        else:
            print(text.getvalue(), end="")


def _show(found: Sequence[dict[str, Any]], facts: str, preferred: Sequence[dict[str, Any]]) -> None:
    if facts:
        show_table(
            "", list(found[0]) if found else ["nothing in this span"], [list(row.values()) for row in found[:200]]
        )
        if len(found) > 200:
            print(f"200 of {len(found):,}; --as csv has all")
        return
    show_table("", ("metric", "value", "p90", "facts", "formula"), [
        (f["label"], _said(f["value"], f["unit"]), _said(f["p90"], f["unit"]) if f["p90"] is not None else "", f["facts"], f["formula"])
        for f in found
    ])  # fmt: skip
    if preferred:
        show_table("Preferred channel", ("channel", "customers"), [list(row.values()) for row in preferred])


def _said(value: float | None, unit: str) -> str:
    if value is None:
        return "–"
    if unit == "seconds":
        return f"{value / 60:.0f} min" if value < 7200 else f"{value / 3600:.1f} h"
    return (
        f"{value:.1f} %"
        if unit == "percent"
        else f"{value:.0f} {unit}"
        if unit in ("tickets", "contacts")
        else f"{value:.2f} {unit}"
    )


def _drawings(connection: Any, since: datetime, until: datetime) -> dict[str, list[dict[str, Any]]]:
    return {
        name: metrics.series(connection, name, since, until)[0]
        for name in ("backlog", "arrivals", "first_response", "resolution")
    }


def _draw(folder: Path, drawn: dict[str, list[dict[str, Any]]]) -> list[str]:
    """A picture each: backlog by day, contacts per hour, and how first response and resolution are distributed."""
    import os

    os.environ.setdefault("MPLBACKEND", "svg")
    import matplotlib.pyplot as plt

    plt.rcParams["svg.hashsalt"] = "earmark"  # the same data gives the same bytes
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    for name, rows in drawn.items():
        figure, axes = plt.subplots(figsize=(8, 3.2), layout="constrained")
        if name == "backlog":
            axes.step([r["day"] for r in rows], [r["open"] for r in rows], where="post")
            axes.set_ylabel("tickets not done")
        elif name == "arrivals":
            hours: dict[datetime, int] = {}
            for r in rows:
                hour = r["slot"].replace(minute=0)
                hours[hour] = hours.get(hour, 0) + r["contacts"]
            axes.bar(list(hours), list(hours.values()), width=1 / 24)
            axes.set_ylabel("contacts per hour")
        else:
            axes.hist([float(r["seconds"]) / 3600 for r in rows], bins=30)
            axes.set_ylabel("tickets")
            axes.set_xlabel("hours")
        axes.set_title(metrics.SERIES[name][0], loc="left")
        axes.grid(axis="y", linewidth=0.4)
        path = folder / f"{name}.svg"
        figure.savefig(path, metadata={"Date": None})
        plt.close(figure)
        written.append(str(path))
    return written
