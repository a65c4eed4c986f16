"""`earmark demo`: the whole system on the model town. An outage at a fictional bank, told in about a minute."""

import json
import os
import secrets
import shutil
import string
import sys
import threading
import time
import urllib.request
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.live import Live
from rich.text import Text
from sqlalchemy.exc import SQLAlchemyError

import config
from config.secrets import SecretError
from console.cli import common
from console.cli.common import Json, console, fail, say, show_json
from console.cli.serve import Fleet
from domain.nouns import Mention
from domain.query import matching
from storage import channels, demo, migrate, reconcile, users
from storage.ledger import Ledger
from workers import process, services
from workers.bootstrap import place

LOGIN = "lead@northbank.example"
FILES = Path(__file__).resolve().parents[2] / "config" / "demo"
QUIET_SECONDS = 60.0
EPOCH = datetime(2000, 1, 1, tzinfo=UTC)


def run(
    fresh: Annotated[bool, typer.Option("--fresh", help="Start over: forget what an earlier demo stored.")] = False,
    seconds: Annotated[float, typer.Option("--for", help="Stop by itself after this many seconds.", min=0)] = 0,
    port: Annotated[int, typer.Option(help="Port of the console; 0 takes a free one.")] = 8080,
    seed: Annotated[int, typer.Option(help="Which story the town tells.")] = 7,
    speed: Annotated[float, typer.Option(help="How fast it tells it.", min=0.1)] = 1.0,
    workers: Annotated[int, typer.Option(help="Worker processes.", min=1)] = 2,
    as_json: Json = False,
) -> None:
    """Run everything on the model town: nothing to configure, nothing leaves this computer."""
    folder = common.DATA / "demo"
    if fresh:
        _forget(folder)
    folder.mkdir(parents=True, exist_ok=True)
    os.environ["EARMARK_DATA"] = str(folder)
    common.DATA = folder
    stop = threading.Event()
    process.on_signals(stop.set)
    try:
        installed = place(folder)
        migrate.upgrade(installed.database_url)
    except (services.ServiceError, SecretError) as error:
        fail(str(error))
    except SQLAlchemyError as error:
        fail(f"the database does not answer ({type(error).__name__})", "without DATABASE_URL the demo brings its own")
    ledger = Ledger(installed.database_url, name="earmark-demo", pool=2)
    password = _login(ledger, folder)
    fleet = Fleet(installed.embedded, log=folder / "processes.log", data=folder)
    with fleet:
        town = _town(fleet, folder, seed, speed)
        fleet.env |= _secrets(town)
        files = _configure(folder, town)
        ledger.run(lambda c: channels.pause_all(c, False))
        fleet.add("scheduler", ["scheduler", "--config", str(files)])
        for n in range(workers):
            fleet.add(f"worker-{n + 1}", ["worker"])
        address = _console(fleet, folder, port)
        say(f"\n  Earmark listens to Northbank, a bank that does not exist.\n\n  console   {address}")
        say(f"  login     {LOGIN}\n  password  {password}\n  logs      {folder / 'processes.log'}\n")
        _watch(fleet, ledger, town, stop, seconds)
        if not seconds:
            say("stopping; the next `earmark demo` goes on from here")
            return
        result = _settle(fleet, ledger, town, files)
    show_json(result) if as_json else _show(result)
    raise typer.Exit(0 if result["reconciled"] else 1)


def _forget(folder: Path) -> None:
    if os.environ.get("DATABASE_URL"):
        fail(
            "--fresh would have to empty the database that DATABASE_URL names, and that may not be ours to empty",
            "unset DATABASE_URL, or give an empty database",
            code=2,
        )
    services.remove(folder)
    shutil.rmtree(folder, ignore_errors=True)


def _login(ledger: Ledger, folder: Path) -> str:
    """The demo's user, made once; its password is kept beside the demo's data."""
    path = folder / "login"
    password = path.read_text() if path.exists() else "-".join(secrets.token_hex(2) for _ in range(4))
    with ledger.begin() as connection:
        user = users.by_email(connection, LOGIN)
        if user is None:
            users.add(connection, LOGIN, password, "admin", "Robin Lead")
        elif not path.exists():
            users.set_password(connection, user.id, password)
    path.touch(0o600)
    path.write_text(password)
    return password


def _town(fleet: Fleet, folder: Path, seed: int, speed: float) -> dict[str, str]:
    ports = folder / "town.json"
    ready = folder / "town.ready"
    ready.unlink(missing_ok=True)
    args = ["--ledger", str(folder / "town.sqlite"), "--seed", str(seed), "--story", "outage", "--speed", str(speed)]
    fleet.add("town", [*args, "--ports-file", str(ports)], [sys.executable, "-m", "town"])
    until = time.monotonic() + 30
    while time.monotonic() < until:
        try:
            town: dict[str, str] = json.loads(ports.read_text())
            _ask(town, "/story")
            return town
        except (OSError, ValueError):
            time.sleep(0.1)
    fail("the model town did not start", f"see {folder / 'processes.log'}")


def _ask(town: Mapping[str, str], path: str, body: Any = None) -> Any:
    request = urllib.request.Request(town["control"].rstrip("/") + path, method="POST" if body is not None else "GET")  # noqa: S310 our own town on loopback
    if body is not None:
        request.data = json.dumps(body).encode()
        request.add_header("Content-Type", "application/json")
    with urllib.request.urlopen(request, timeout=20) as answer:  # noqa: S310 our own town on loopback
        return json.load(answer)


def _secrets(town: Mapping[str, str]) -> dict[str, str]:
    keys = _ask(town, "/accounts")
    return {
        "TOWN_REDDIT_CLIENT_ID": keys["reddit"]["client_id"],
        "TOWN_REDDIT_CLIENT_SECRET": keys["reddit"]["client_secret"],
        "TOWN_X_BEARER_TOKEN": keys["x"]["bearer"],
        "TOWN_ZENDESK_TOKEN": keys["zendesk"]["token"],
        "TOWN_WEBHOOK_SECRET": keys["webhook"]["secret"],
    }


def _configure(folder: Path, town: Mapping[str, str]) -> Path:
    """The demo's configuration with the town's addresses in it, as files an operator may look at and edit."""
    files = folder / "config"
    files.mkdir(exist_ok=True)
    values = {name.upper(): address for name, address in town.items()} | {"LOG": str(folder / "desk.log")}
    for source in sorted(FILES.glob("*.yaml")):
        text = string.Template(source.read_text()).safe_substitute(values)
        target = files / source.name
        if not target.exists() or target.read_text() != text:
            target.write_text(text)
    return files


def _console(fleet: Fleet, folder: Path, port: int) -> str:
    announced = folder / "console.address"
    announced.unlink(missing_ok=True)
    fleet.add("console", ["console", "--port", str(port), "--announce", str(announced)])
    until = time.monotonic() + 20
    while time.monotonic() < until:
        if announced.exists() and (address := announced.read_text()):
            return address
        if fleet.children["console"].poll() is not None:
            if port == 0:
                break
            say(f"port {port} is taken; the console takes a free one")
            return _console(fleet, folder, 0)
        time.sleep(0.1)
    fail("the console did not start", f"see {folder / 'processes.log'}")


def _watch(fleet: Fleet, ledger: Ledger, town: Mapping[str, str], stop: threading.Event, seconds: float) -> None:
    """Show what happens until the time is over or somebody presses Ctrl-C."""
    until = time.monotonic() + seconds if seconds else None
    terminal = sys.stderr.isatty()
    said = ""
    with Live(console=console(stderr=True), refresh_per_second=4, transient=False) if terminal else _Still() as live:
        while not stop.is_set() and (until is None or time.monotonic() < until):
            line, phase = _line(ledger, town)
            if terminal:
                live.update(Text(line))
            elif phase != said:
                say(line)
                said = phase
            fleet.mend()
            stop.wait(1.0)


class _Still:
    """Where there is no terminal nothing moves."""

    def __enter__(self) -> "_Still":
        return self

    def __exit__(self, *_: object) -> None:
        return None

    def update(self, _: Text) -> None:
        return None


def _line(ledger: Ledger, town: Mapping[str, str]) -> tuple[str, str]:
    story = _ask(town, "/story")
    with ledger.begin() as connection:
        found = demo.progress(connection)
    phase = story.get("phase") or story["state"]
    told = f"{story['elapsed']:.0f}/{story['length']:.0f} s" if story["state"] != "done" else "told"
    return (
        f"story {told} ({phase}) · posts {story['next']} · mentions {found['mentions']} · judged {found['verdicts']} · "
        f"tickets {found['tickets']} · customers {found['customers']} · flags {found['flags']} · "
        f"delivered {found['delivered']} of {found['owed']}",
        str(phase),
    )


def _settle(fleet: Fleet, ledger: Ledger, town: Mapping[str, str], files: Path) -> dict[str, Any]:
    """Stop the talk, let everything that was heard be judged and delivered, and compare the two ledgers."""
    _ask(town, "/story/pause", {"paused": True})
    until = time.monotonic() + QUIET_SECONDS
    time.sleep(2 * 5)  # two more polls of every channel, so that the last posts are read
    ledger.run(lambda c: channels.pause_all(c, True))
    while time.monotonic() < until:
        with ledger.begin() as connection:
            if demo.quiet(connection):
                break
        fleet.mend()
        time.sleep(0.5)
    served = _ask(town, "/ledger/served")["served"]
    posts = _ask(town, "/ledger/posts")["posts"]
    summary = _ask(town, "/ledger/summary")
    with ledger.begin() as connection:
        ours = demo.holdings(connection)
        report = reconcile.reconcile(connection)
    topics = config.load(files).topics
    platforms = {name: _platform(name, served, posts, ours, topics) for name in sorted({r["platform"] for r in served})}
    desks = {name: dict(row) for name, row in ours["deliveries"].items()}
    zendesk, hooks = summary["desks"]["zendesk"], summary["desks"]["webhook"]
    agree = {
        "ids": not any(p["lost"] or p["invented"] or p["unread"] for p in platforms.values()),
        "tickets": zendesk["tickets"]
        == zendesk["distinct"]
        == desks.get("helpdesk", {}).get("created", 0)
        == ours["tickets"],
        "comments": zendesk["comments"] == zendesk["distinct_comments"] == desks.get("helpdesk", {}).get("comments", 0),
        "alerts": hooks["distinct"] == desks.get("hook", {}).get("done", 0),
        "proof": not report.findings,
    }
    return {
        "platforms": platforms,
        "mentions": ours["mentions"],
        "tickets": ours["tickets"],
        "customers": ours["customers"],
        "flags": ours["flags"],
        "deliveries": desks,
        "agree": agree,
        "findings": [str(finding) for finding in report.findings][:20],
        "reconciled": all(agree.values()),
    }


def _platform(
    name: str,
    served: list[dict[str, Any]],
    posts: list[dict[str, Any]],
    ours: Mapping[str, Any],
    topics: Any,
) -> dict[str, Any]:
    """One platform's two sides by distinct ids: what the town sent whole, and where each of them is."""
    sent = {row["root"] for row in served if row["platform"] == name and not row["malformed"]}
    bad = {row["root"] for row in served if row["platform"] == name and row["malformed"]} - sent
    stored = set(ours["stored"].get(name, ()))
    keyed = {
        id_ for id_ in stored - sent if id_.startswith("sha256:")
    }  # came without an id; the town counts it as malformed
    rejected, suppressed = ours["rejected"].get(name, 0), ours["suppressed"].get(name, 0)
    texts = {
        post["native_id"]: f"{post['title'] or ''}\n{post['text']}"
        for post in posts
        if post["platform"] == name and not post["deleted"]
    }
    missing = sent - stored
    matching_ids = {id_ for id_ in missing if matching(topics, Mention(name, id_, EPOCH, content=texts.get(id_, "")))}
    return {
        "served": len(sent) + len(bad),
        "stored": len(stored),
        "rejected": rejected,
        "not_matching": len(missing - matching_ids),
        "suppressed": suppressed,
        "lost": [] if suppressed else sorted(matching_ids),
        "invented": sorted(stored - sent - bad - keyed),
        "unread": len(bad - stored) - len(keyed - bad) - rejected,
    }


def _show(result: Mapping[str, Any]) -> None:
    common.show_table(
        "",
        ("platform", "served", "stored", "rejected", "not matching", "suppressed"),
        [
            (name, p["served"], p["stored"], p["rejected"], p["not_matching"], p["suppressed"])
            for name, p in result["platforms"].items()
        ],
    )
    say(
        f"{result['mentions']} mentions, {result['tickets']} tickets, {result['customers']} customers, {result['flags']} flags"
    )
    say("the town's ledger and Earmark's agree" if result["reconciled"] else f"they do NOT agree: {result['agree']}")
