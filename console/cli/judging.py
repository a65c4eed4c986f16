"""Filters that judge: JSON lines in, JSON lines out, in order; they store nothing and need no database."""

import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Annotated, Any

import typer

from console.cli.common import Folder, configured, fail, lines_of, reading, show_json
from domain import spikes
from domain.nouns import Author, Mention, Rating, Sentiment, Stored, Verdict
from domain.query import matching

app = typer.Typer()
Source = Annotated[str, typer.Argument(help="A file of JSON lines; - reads standard input.")]
EPOCH = datetime(2000, 1, 1, tzinfo=UTC)


def _stored(data: Any, topics: Callable[[Mention], tuple[str, ...]]) -> Stored:
    """A line as a mention. Raises ValueError when `id` or `text` is missing or of the wrong kind."""
    if not isinstance(data, dict):
        raise ValueError("each line is a JSON object")
    missing = [key for key in ("id", "text") if key not in data]
    if missing:
        raise ValueError(f"{' and '.join(missing)} missing")
    if not isinstance(data["text"], str):
        raise ValueError("text is not a string")
    author = data.get("author")
    who = None
    if isinstance(author, str):
        who = Author(author, handle=author)
    elif isinstance(author, dict):
        who = Author(
            str(author.get("native_id") or author.get("handle") or ""),
            str(author.get("handle") or ""),
            str(author.get("name") or ""),
            followers=author.get("followers"),
        )
    mention = Mention(
        platform=str(data.get("platform") or ""),
        native_id=str(data["id"]),
        published=EPOCH,
        name=str(data.get("title") or ""),
        content=data["text"],
        language=data.get("language"),
        rating=_rating(data.get("rating")),
        context=str(data.get("context") or data["id"]),
        attributed_to=who,
        repost_of=data.get("repost_of"),
    )
    return Stored(0, 1, mention, topics(mention))


def _rating(value: Any) -> Rating | None:
    if value is None:
        return None
    if isinstance(value, dict):
        return Rating(float(value["value"]), float(value.get("best", 5)), float(value.get("worst", 1)))
    return Rating(float(value))


@cache
def _bench(folder: Path) -> tuple[Callable[[Stored], Verdict], Callable[[Mention], tuple[str, ...]]]:
    from config.bench import bench

    current = configured(folder)

    def topics(mention: Mention) -> tuple[str, ...]:
        return matching(current.topics, mention) or tuple(topic.name for topic in current.topics[:1])

    return bench(current).judge, topics


def _each(source: str, folder: Path, show: Callable[[dict[str, Any], Verdict], dict[str, Any]]) -> None:
    judge, topics = _bench(folder)
    for number, line in lines_of(source):
        if not line.strip():
            continue
        with reading(source, number):
            try:
                data = json.loads(line)
            except json.JSONDecodeError as error:
                raise ValueError(f"column {error.colno}: this is not JSON ({error.msg})") from None
            verdict = judge(_stored(data, topics))
        show_json(show(data, verdict))


def sentiment_json(sentiment: Sentiment) -> dict[str, Any]:
    found: dict[str, Any] = {
        "label": sentiment.label,
        "compound": sentiment.compound,
        "scorer": sentiment.scorer,
        "version": sentiment.version,
        "words": [[word, share] for word, share in sentiment.words],
    }
    if sentiment.reason:
        found["reason"] = sentiment.reason
    return found


@app.command()
def score(
    source: Source = "-", folder: Folder = Path("config"), as_json: Annotated[bool, typer.Option("--json")] = True
) -> None:
    """Score sentiment: JSON lines {"id", "text", "language"?, "rating"?} in, the same with language and sentiment out."""
    _each(
        source,
        folder,
        lambda data, verdict: {**data, "language": verdict.language, "sentiment": sentiment_json(verdict.sentiment)},
    )


@app.command()
def triage(
    source: Source = "-", folder: Folder = Path("config"), as_json: Annotated[bool, typer.Option("--json")] = True
) -> None:
    """Decide: JSON lines of mentions (id, text, and what else is known) in, verdicts with reasons out. Stores nothing."""
    _each(
        source,
        folder,
        lambda data, verdict: {
            "id": data["id"],
            "outcome": verdict.outcome,
            "intent": verdict.intent,
            "priority": verdict.priority,
            "team": verdict.team,
            "sentiment": sentiment_json(verdict.sentiment),
            "reasons": list(verdict.reasons),
        },
    )


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
                stamp, _, value = line.strip().partition(",")
                if header and not _number(value):
                    header = False
                    continue
                header = False
                moment = datetime.fromisoformat(stamp.strip().strip('"'))
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
            show_json({"timestamp": stamp, "value": float(value), "score": round(score_, 6), "flag": flag})
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
    from console.cli.common import ledger
    from storage import configurations, digests, state

    with ledger().read() as connection:
        found = state.receipt(connection, mention)
        stored = digests.load(connection, [mention]).get(mention)
        current = configurations.in_force(connection)
    if found is None or stored is None or current is None:
        fail(f"mention {mention} has no verdict", "`earmark status` shows what waits")
    receipt = json.loads(found["body"])
    receipt["counterfactual"] = bench(config.load_document(current.document)).explain(stored)
    if as_json:
        show_json({"mention": mention, "outcome": found["outcome"], "reason": found["reason"], **receipt})
        return
    typer.echo(f"{found['outcome']} ({found['reason']})")
    for sentence in receipt.get("reasons", []):
        typer.echo(f"  {sentence}")
    typer.echo(f"  {receipt['counterfactual']['text']}")
