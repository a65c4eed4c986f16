"""`earmark correct` and `earmark learn`: say what a verdict should have been, and let the desk's corrections count."""

import json
import time
from dataclasses import asdict
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any

import typer

from console.cli.common import Json, fail, show_json, show_table, working
from console.cli.opened import ledger
from console.cli.shape import Changing, ChangingGroup
from domain.nouns import INTENTS

if TYPE_CHECKING:
    from domain.learning import Lesson
    from storage.ledger import Ledger

app = typer.Typer(no_args_is_help=True)
learn = typer.Typer(help="A model from people's corrections: learn, list, restore.")
app.add_typer(learn, name="learn")

ACTOR = "command"
BATCH = 1000


class Outcome(StrEnum):
    ticket = "ticket"
    review = "review"
    ignore = "ignore"


class Label(StrEnum):
    negative = "negative"
    neutral = "neutral"
    positive = "positive"


@app.command(cls=Changing)
def correct(
    mention: Annotated[int, typer.Argument(help="The mention's id in the ledger.")],
    outcome: Annotated[Outcome | None, typer.Option(help="What should have come of it.")] = None,
    intent: Annotated[str | None, typer.Option(help="What its author wanted.")] = None,
    sentiment: Annotated[Label | None, typer.Option(help="How it felt.")] = None,
    as_json: Json = False,
) -> None:
    """Say what the verdict on a mention should have been. `earmark learn` learns from it; "ticket" opens one."""
    from storage import learning

    if outcome is None and intent is None and sentiment is None:
        fail("nothing to correct", "give --outcome, --intent or --sentiment", code=2)
    if intent is not None and intent not in INTENTS:
        fail(f"unknown intent {intent!r}", f"one of {', '.join(INTENTS)}", code=2)
    said = {"outcome": outcome and outcome.value, "intent": intent, "label": sentiment and sentiment.value}
    try:
        opens = ledger().run(lambda c: learning.correct(c, ACTOR, mention, **said))
    except learning.NoMention as error:
        fail(str(error), "`earmark status` shows what waits")
    if as_json:
        show_json({"mention": mention, **said, "opens_ticket": opens})
    else:
        typer.echo(f"noted{'; a ticket will be opened' if opens else ''}")


@learn.callback(invoke_without_command=True, cls=ChangingGroup)
def fit(context: typer.Context, as_json: Json = False) -> None:
    """Learn from all corrections; the model is put in force when cross-validation finds it better than the default."""
    if context.invoked_subcommand is not None:
        return
    from domain import learning
    from storage import learning as models

    started = time.monotonic()
    home = ledger()
    model, report = learning.learn(_lessons(home))
    told: dict[str, Any] = {**asdict(report), "seconds": round(time.monotonic() - started, 2), "model": None}
    if model is not None:
        body = learning.written(model)
        told["model"] = home.run(lambda c: models.keep(c, ACTOR, body, json.loads(json.dumps(asdict(report)))))
        told["version"] = model.version
    if as_json:
        show_json(told)
        return
    typer.echo(f"{report.lessons} corrections, {report.tickets} of them tickets, {told['seconds']} s")
    typer.echo(f"macro-F1 by cross-validation: {report.before:.1f} before, {report.after:.1f} after")
    typer.echo(f"log loss, which decides: {report.loss_before:.3f} before, {report.loss_after:.3f} after")
    typer.echo(f"{report.why}: {'in force as model ' + str(told['model']) if model else 'nothing changes'}")


@learn.command("list")
def list_(as_json: Json = False) -> None:
    """All versions, the newest first."""
    from storage import learning

    with ledger().read() as connection:
        found = learning.kept(connection)
    if as_json:
        show_json([asdict(one) for one in found])
        return
    lines = (
        (
            one.id,
            one.hash,
            "yes" if one.in_force else "",
            one.report.get("lessons"),
            f"{one.report.get('before', 0):.1f} → {one.report.get('after', 0):.1f}",
            one.by,
            f"{one.at:%Y-%m-%d %H:%M}",
        )
        for one in found
    )
    show_table("", ("model", "version", "in force", "corrections", "macro-F1", "by", "at"), lines)


@learn.command(cls=Changing)
def restore(
    model: Annotated[int, typer.Argument(help="The model's number; 0 goes back to the default judgement.")],
    as_json: Json = False,
) -> None:
    """Put an earlier model in force again."""
    from storage import learning

    try:
        found = ledger().run(lambda c: learning.restore(c, ACTOR, model))
    except (LookupError, ValueError) as error:
        fail(f"{error}; what was in force stays", "`earmark learn list` shows the versions")
    if as_json:
        show_json({"model": model, "version": found})
    else:
        typer.echo(f"model {model} is in force" if model else "the default judgement is in force")


def _lessons(home: "Ledger") -> "list[Lesson]":
    """Every correction of an outcome, with its text read as the configuration in force reads it."""
    import config
    from config.bench import bench
    from storage import configurations, corrections, digests

    with home.read() as connection:
        current = configurations.in_force(connection)
        if current is None:
            fail("no configuration is in force", "start `earmark up` first")
        judge = bench(config.load_document(current.document))
        said = [one for one in corrections.last(connection) if one.outcome in ("ticket", "ignore")]
        lessons = []
        with working("learning", len(said)) as done:
            for at in range(0, len(said), BATCH):
                part = said[at : at + BATCH]
                stored = digests.load(connection, [one.mention_id for one in part])
                found = ((stored.get(one.mention_id), one.outcome == "ticket") for one in part)
                lessons += [judge.lesson(item, ticket) for item, ticket in found if item and not item.mention.deleted]
                done(at + len(part))
    return lessons
