"""A series scored as it comes (`earmark detect`), and the receipt of a verdict (`earmark explain`)."""

from collections.abc import Iterator
from datetime import UTC, datetime
from math import isfinite
from typing import Annotated

import typer

from console.cli.common import fail, lines_of, reading, show_json
from domain import spikes

app = typer.Typer()


@app.command()
def detect(
    source: Annotated[str, typer.Argument(help="A CSV file with timestamp,value; - reads standard input.")] = "-",
    as_json: Annotated[bool, typer.Option("--json", help="JSON lines instead of CSV.")] = False,
) -> None:
    """Score a series: CSV timestamp,value in, one row out per row in: timestamp,value,score,flag. No look-ahead."""
    header = True
    kept: list[tuple[str, str]] = []

    def rows() -> Iterator[tuple[datetime, float]]:
        nonlocal header
        for number, line in lines_of(source):
            if not line.strip():
                continue
            with reading(source, number):
                stamp, _, value = (part.strip().strip('"') for part in line.strip().partition(","))
                if header and not _number(value):
                    header = False
                    if (stamp.lower(), value.lower()) != ("timestamp", "value"):
                        raise ValueError(f"the columns are to be timestamp,value, not {line.strip()[:60]}")
                    continue
                header = False
                moment = datetime.fromisoformat(stamp)
                if not _number(value):
                    raise ValueError(f"{value!r} is not a number")
                kept.append((stamp, value))
                found = moment if moment.tzinfo else moment.replace(tzinfo=UTC), float(value)
            yield found

    if not as_json:
        typer.echo("timestamp,value,score,flag")
    for score_, flag in spikes.detect(rows()):
        stamp, value = kept.pop()
        if as_json:
            n = float(value)
            show_json(
                {"timestamp": stamp, "value": n if isfinite(n) else None, "score": round(score_, 6), "flag": flag}
            )
        else:
            typer.echo(f"{stamp},{value},{score_:.6f},{int(flag)}")


def _number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


@app.command()
def explain(
    mention: Annotated[int, typer.Argument(help="The mention's id in the ledger.")],
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Show the receipt of a verdict: rule, words, thresholds, versions, and what would have changed it."""
    import config
    from config.bench import bench
    from console.cli.opened import ledger
    from storage import judged

    with ledger().read() as connection:
        found = judged.judged(connection, [mention]).get(mention)
        document = judged.document(connection, found.configuration) if found else None
        learned = judged.model(connection, found.learned) if found else None
    if found is None:
        fail(f"mention {mention} has no verdict", "`earmark status` shows what waits")
    if document is None:
        fail("no configuration was ever accepted", "`earmark up` puts config/ in force")
    receipt = dict(found.receipt)
    receipt["counterfactual"] = bench(config.load_document(document), learned).explain(found.stored)
    if as_json:
        show_json({"mention": mention, "outcome": found.outcome, "reason": found.reason, **receipt})
        return
    typer.echo(f"{found.outcome} ({found.reason})")
    for sentence in receipt.get("reasons", []):
        typer.echo(f"  {sentence}")
    typer.echo(f"  {receipt['counterfactual']['text']}")
