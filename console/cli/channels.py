"""Commands about reading: the health of channels, a look at a first page, poll, pause, resume; and the state of the whole."""

from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from connectors.errors import ConnectorError
from console.cli.common import Folder, Json, ago, configured, fail, say, show_json, show_table
from console.cli.opened import ledger, opened
from console.cli.shape import Changing
from domain.nouns import Stored
from storage import audit, channels, configurations, digests, outbox, state, views_channels
from storage import workers as registry

app = typer.Typer()
Name = Annotated[str, typer.Argument(help="The channel's name.")]


def health(as_json: bool) -> None:
    """Show every channel: last success, last item, lag, error with advice, gaps, budget, next poll. Exit code 1 when one that is
    on needs a person or fails."""
    with opened() as house, house.read() as connection:
        found = views_channels.channels(connection)
    if as_json:
        show_json([asdict(row) for row in found])
    else:
        _show_health(found, datetime.now(UTC))
    if any(row.state in ("failing", "stopped") for row in found):
        raise typer.Exit(1)


def _show_health(found: list[views_channels.Channel], now: datetime) -> None:
    columns = (
        "channel",
        "kind",
        "state",
        "last success",
        "last item",
        "next",
        "24 h: read",
        "new",
        "rejected",
        "requests",
    )
    show_table(
        "",
        columns,
        [
            (
                row.name, row.kind, STATES.get(row.state, row.state), ago(row.last_success_at, now) or "never",
                ago(row.last_item_at, now) or "never", _next(row, now), row.returned, row.new, row.rejected, _budget(row),
            )
            for row in found
        ],
    )  # fmt: skip
    for row in found:
        if row.state == "off":
            continue
        if row.error:
            say(f"{row.name}: {row.error}" + (f" ({row.failures} times in a row)" if row.failures > 1 else ""))
            if row.advice:
                say(f"{row.name}: help: {row.advice}")
        if row.warning:
            say(f"{row.name}: note: {row.warning}")
        for gap in row.gaps:
            if gap.filled_at is None:
                since = f"{gap.since:%Y-%m-%d %H:%M}" if gap.since else "the beginning"
                until = f"{gap.until:%Y-%m-%d %H:%M}" if gap.until else "now"
                say(f"{row.name}: gap: {since} to {until}: {gap.reason}")


STATES = {"reading": "well", "new": "not read yet", "stopped": "needs you"}


def _next(row: views_channels.Channel, now: datetime) -> str:
    if row.state in ("off", "paused", "stopped"):
        return ""
    owed = row.wanted_at and not (row.not_before and row.not_before > now)
    due = [moment for moment in (row.next_due if not row.wanted_at else None, row.not_before) if moment]
    return "now" if owed else ago(max(due), now) if due else ""


def _budget(row: views_channels.Channel) -> str:
    return str(row.requests) if row.remaining is None else f"{row.requests} ({row.remaining:.0f} left)"


@app.command(name="try")
def try_(
    name: Name,
    folder: Folder = Path("config"),
    limit: Annotated[int, typer.Option(min=1, help="Show at most this many.")] = 20,
    as_json: Json = False,
) -> None:
    """Fetch one page of a channel and show the verdicts. Stores nothing."""
    from config.bench import bench
    from workers.bootstrap import context, watched
    from workers.poll import read

    current = configured(folder)
    channel = next((one for one in current.channels if one.name == name), None)
    if channel is None:
        fail(f"there is no channel {name!r}", "`earmark channels` lists them", code=2)
    made = watched(current, channel)
    try:
        connector = made.connect(context(current))
        page = connector.fetch_page({})
        found, rejected = read(connector, page, made.topics)
    except ConnectorError as error:
        fail(str(error), error.advice)
    judge = bench(current).judge
    shown = []
    for item in found[:limit]:
        row: dict[str, Any] = {
            "native_id": item.mention.native_id,
            "published": item.mention.published.isoformat(),
            "author": item.mention.attributed_to.handle if item.mention.attributed_to else "",
            "text": item.mention.text,
            "topics": list(item.topics),
        }
        if item.topics:
            verdict = judge(Stored(0, 1, item.mention, item.topics))
            row |= {"outcome": verdict.outcome, "intent": verdict.intent, "label": verdict.sentiment.label}
            row["reasons"] = list(verdict.reasons)
        else:
            row |= {"outcome": "not matching", "intent": "", "label": "", "reasons": []}
        shown.append(row)
    left = [{"reason": item.reason, "native_id": item.native_id} for item in rejected]
    if as_json:
        show_json({"returned": len(page.items), "mentions": shown, "rejected": left, "more": not page.done})
        return
    columns = ("outcome", "intent", "label", "author", "text")
    show_table("", columns, [[*(row[key] for key in columns[:4]), row["text"][:100]] for row in shown])
    for item in left:
        say(f"rejected {item['native_id'] or 'an item without id'}: {item['reason']}")
    say(f"{len(page.items)} items read, {len(shown)} shown, {len(left)} rejected; nothing was stored")


@app.command(cls=Changing)
def poll(name: Name, as_json: Json = False) -> None:
    """Ask for a poll of one channel now; the scheduler rings within a second."""
    made = ledger()
    with made.begin() as connection:
        found = channels.want(connection, name)
        if found is not None:
            made.notify(connection, f"poll:{found}")
    if found is None:
        fail(f"there is no channel {name!r} that is on", "`earmark channels` lists them", code=2)
    show_json({"channel": name, "wanted": True}) if as_json else say(f"{name} will be polled now")


@app.command(cls=Changing)
def pause(name: Name, as_json: Json = False) -> None:
    """Stop reading a channel until `earmark resume`; what it misses meanwhile is read then, as far back as the platform goes."""
    _pause(name, True, as_json)


@app.command(cls=Changing)
def resume(name: Name, as_json: Json = False) -> None:
    """Go on reading a channel, also after its credential was refused; or go on delivering to a blocked desk."""
    _pause(name, False, as_json)


def _pause(name: str, paused: bool, as_json: bool) -> None:
    from storage import targets

    with ledger().begin() as connection:
        done = channels.pause(connection, name, paused)
        freed = targets.resume(connection, name) if not paused and not done else 0
        known = done or any(target["name"] == name for target in state.targets(connection))
        if done:
            action = "paused" if paused else "resumed"
            audit.append(connection, "command", f"channel.{action}", f"channel:{name}", {})
    if not known or (paused and not done):
        fail(f"there is no channel {name!r}", "`earmark channels` lists them", code=2)
    if as_json:
        show_json({"name": name, "paused": paused, "freed": freed})
    else:
        say(f"{name} is {'paused' if paused else 'going on'}")


@app.command()
def status(as_json: Json = False) -> None:
    """Show what runs, what waits and what is stuck. Exit code 1 when something needs a person."""
    with ledger().read() as connection:
        waiting, oldest = digests.backlog(connection)
        found = {
            "workers": [dict(row) for row in registry.listed(connection)],
            "configuration": _configuration(connection),
            **state.counts(connection),
            "pending": {"count": waiting, "oldest": oldest},
            "outbox": outbox.backlog(connection),
            "targets": state.targets(connection),
        }
    if as_json:
        show_json(found)
    else:
        _show_status(found)
    leader = any(row["leader"] for row in found["workers"])
    blocked = any(row["blocked"] for row in found["targets"])
    if found["dead"] or blocked or not leader or found["configuration"]["refused"]:
        raise typer.Exit(1)


def _configuration(connection: Any) -> dict[str, Any]:
    current, refused = configurations.in_force(connection), configurations.refused(connection)
    return {
        "in_force": current.hash[:12] if current else None,
        "since": current.at if current else None,
        "refused": refused["complaints"] if refused else None,
    }


def _show_status(found: dict[str, Any]) -> None:
    now = datetime.now(UTC)
    show_table(
        "Processes",
        ("kind", "host", "pid", "leader", "seen"),
        [
            (w["kind"], w["host"], w["pid"], "yes" if w["leader"] else "", ago(w["seen_at"], now))
            for w in found["workers"]
        ],
    )
    pending = found["pending"]
    lines = [
        ("configuration", found["configuration"]["in_force"] or "none yet"),
        ("mentions", found["mentions"]),
        (
            "waiting for a verdict",
            f"{pending['count']}" + (f", oldest {ago(pending['oldest'], now)}" if pending["oldest"] else ""),
        ),
        ("tickets open", found["tickets_open"]),
        ("in review", found["in_review"]),
        ("flags open", found["flags_open"]),
        ("dead letters", found["dead"]),
        ("rejected items", found["rejected"]),
        ("channels failing", found["channels_failing"]),
    ]
    show_table("", ("", ""), lines)
    if found["outbox"]:
        columns = list(found["outbox"][0])
        show_table("Outbox", columns, [[row[c] for c in columns] for row in found["outbox"]])
    if found["configuration"]["refused"]:
        say("an edit of the configuration was refused:\n" + found["configuration"]["refused"])
