"""`earmark match`: which records may be one person's. JSON lines in, proposed links out; stores nothing, needs no database."""

import json
from typing import Annotated, Any

import typer

from console.cli.common import fail, lines_of, reading, say, show_json, working

app = typer.Typer()


@app.command()
def match(
    source: Annotated[str, typer.Argument(help="A file of JSON lines; - reads standard input.")] = "-",
    least: Annotated[
        float, typer.Option("--min", min=0.5, max=1.0, help="Leave out links less certain than this.")
    ] = 0.5,
    region: Annotated[str | None, typer.Option(help="Country of phone numbers without +, such as DE.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="JSON lines, as always.")] = True,
) -> None:
    """Propose links: JSON lines {"id", "name"?, "platform"?, "handle"?, "email"?, "phone"?, "place"?, "order"?} in, {"a", "b", "confidence", "evidence"} out."""
    from domain import match as linkage
    from domain.match_read import Trace, read

    traces: list[Trace] = []
    seen: dict[str, int] = {}
    for number, line in lines_of(source):
        if not line.strip():
            continue
        with reading(source, number):
            trace = read(_object(line), region)
        if trace.id in seen:
            fail(f"line {number}: id {trace.id!r} was given in line {seen[trace.id]} already", code=2)
        seen[trace.id] = number
        traces.append(trace)
    cost = linkage.Cost()
    with working("comparing") as done:
        links = linkage.propose(traces, cost, done)
    for link in links:
        if link.confidence >= least:
            show_json(link.document())
    if cost.too_wide:
        say(
            f"note: {cost.too_wide} groups of more than {linkage.WIDEST} records with one name or number were not compared inside"
        )


def _object(line: str) -> dict[str, Any]:
    try:
        found = json.loads(line)
    except (json.JSONDecodeError, RecursionError) as error:
        raise ValueError(f"this is not JSON ({error})") from None
    if not isinstance(found, dict):
        raise ValueError("each line is a JSON object")
    return found
