"""Every command of the application, discovered: its help fits a screen, its --json parses, and it ends with 0, 1 and 2.

A new command without an entry in WALK fails here. Those that run until they are told to stop are real processes.
"""

import contextlib
import gc
import itertools
import json
import os
import signal
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import typer
import typer.testing
from sqlalchemy import text
from typer.testing import CliRunner

import config
from console.cli import serve
from console.cli.main import app
from storage.ledger import Ledger, one, rows
from storage.provision import create_database, drop_database
from tests.ledgers import world
from tests.support import EARMARK, spawn_earmark, wait_until
from town.server import Town
from workers.scheduler import put_in_force

SCREEN = 24
NOWHERE = {"DATABASE_URL": "postgresql://nobody:secret@127.0.0.1:1/none"}  # nothing listens there
LONG = {"scheduler", "worker", "console", "up"}
runner = CliRunner()


@dataclass(frozen=True)
class Stage:
    """What the commands are walked on: a full ledger, a quiet one where all is well, a configuration, and their environments."""

    full: dict[str, str]
    quiet: dict[str, str]
    folder: Path
    files: Path
    ledger: Ledger

    def ask(self, sql: str) -> str:
        with self.ledger.begin() as connection:
            return str(one(connection, sql))


Args = Callable[[Stage], list[str]]


@dataclass(frozen=True)
class Walk:
    """How a command is brought to each end. `failing` None: it has nothing to fail at, and `why` says so.

    `on`: which ledger the good end needs. `input` goes to standard input.
    """

    good: Args | None = lambda s: []
    wrong: Args = lambda s: ["--no-such-option"]
    failing: Args | None = lambda s: []  # with a database that does not answer
    on: str = "full"
    input: str = ""
    bad_input: str | None = None
    why: str = ""
    away: bool = True  # the failing end is that of a database that is away


POST = '{"id": "1", "text": "my card was declined again"}\n'
SERIES = "timestamp,value\n2026-01-01T00:00:00Z,3\n2026-01-01T00:01:00Z,4\n"
NO_CHANNEL: Args = lambda s: ["nothing-of-that-name"]  # noqa: E731
fresh = itertools.count(1)


def letter(s: Stage) -> list[str]:
    """A dead letter of a mention, made for this call."""
    id_ = s.ask(
        "INSERT INTO dead_letters (kind, ref_id, version, reason) SELECT 'digest', id, version, 'made' FROM mentions m "
        "WHERE NOT EXISTS (SELECT 1 FROM digests d WHERE d.mention_id = m.id) ORDER BY id LIMIT 1 RETURNING id"
    )
    return [f"letter:{id_}"]


def a_user(s: Stage) -> list[str]:
    email = f"user{next(fresh)}@example.org"
    runner.invoke(app, ["users", "add", email], env=s.full)
    return [email]


def a_flag(s: Stage) -> list[str]:
    """A flag, made for this call."""
    return [
        s.ask(
            "INSERT INTO escalations (rule, series, window_start, run_id) "
            f"VALUES ('r', 'walked/negative/{next(fresh)}', now(), (SELECT max(id) FROM runs)) RETURNING id"
        )
    ]


def a_ticket(s: Stage) -> list[str]:
    return [s.ask("SELECT min(number) FROM tickets WHERE status NOT IN ('resolved', 'closed')")]


NO_TICKET: Args = lambda s: ["999999999"]  # noqa: E731


def two(s: Stage) -> list[str]:
    """Two new customers."""
    return [s.ask("INSERT INTO customers (name, source) VALUES ('Walker', 'test') RETURNING id") for _ in range(2)]


def merged(s: Stage) -> list[str]:
    pair = two(s)
    runner.invoke(app, ["customers", "merge", *pair], env=s.full)
    return [s.ask("SELECT max(id) FROM merges")]


def held(s: Stage, *names: str) -> list[str]:
    """A customer with an address for each name: the customer, and the id of the last."""
    customer = two(s)[0]
    for name in names:
        id_ = s.ask(
            f"INSERT INTO identities (kind, native_id) VALUES ('email', '{name}{next(fresh)}@example.org') RETURNING id"
        )
        s.ask(
            "INSERT INTO customer_identities (identity_id, customer_id, evidence, confidence, source) "
            f"VALUES ({id_}, {customer}, 'made', 1, 'person') RETURNING 1"
        )
    return [customer, id_]


def proposed(s: Stage) -> list[str]:
    a, b = two(s)
    return [s.ask(f"INSERT INTO proposals (customer_id, other_id, confidence) VALUES ({a}, {b}, 0.9) RETURNING id")]


def a_told_event(s: Stage) -> list[str]:
    return [
        s.ask(
            "INSERT INTO outbox (target, kind, key, notice, state, run_id) VALUES ('walk', 'event', 'walk-' || now(), '{}', 'done', 1) RETURNING id"
        )
    ]


def a_scheduled_effect(s: Stage) -> list[str]:
    return [
        s.ask(
            "INSERT INTO outbox (target, kind, key, notice, run_id, due) VALUES ('walk', 'event', 'later-' || clock_timestamp(), '{}', 1, "
            "now() + interval '1 day') RETURNING id"
        )
    ]


def a_promise(s: Stage) -> list[str]:
    runner.invoke(app, ["tickets", "promise", *a_ticket(s), "a call", "--by", "2d"], env=s.full)
    return [s.ask("SELECT max(id) FROM promises WHERE state = 'open'")]


def a_token(s: Stage) -> list[str]:
    runner.invoke(app, ["tokens", "add", "walk", "--scope", "lookup:read"], env=s.full)
    return [s.ask("SELECT max(id) FROM api_tokens")]


WALK: dict[str, Walk] = {
    "reconcile": Walk(on="quiet"),
    "audit head": Walk(),
    "audit verify": Walk(wrong=lambda s: ["--anchor"]),
    "channels": Walk(on="quiet"),
    "channels new": Walk(lambda s: ["reddit"], lambda s: ["redit"], failing=None, why="it reads nothing that could be away"),
    "sync": Walk(
        None, lambda s: ["nobody", "--config", str(s.folder)], failing=None,
        why="it needs a desk that answers: tests/test_sync_zendesk.py calls it",
    ),
    "check": Walk(
        lambda s: ["--config", str(s.folder)], lambda s: ["--config", str(s.files)], failing=None,
        why="a mistake in the configuration is 2",
    ),
    "schema": Walk(failing=None, why="it reads nothing that could be away"),
    "status": Walk(on="quiet"),
    "doctor": Walk(lambda s: ["--config", str(s.folder)], on="quiet"),
    "poll": Walk(lambda s: ["news"], NO_CHANNEL, lambda s: ["news"], on="quiet"),
    "pause": Walk(lambda s: ["news"], NO_CHANNEL, lambda s: ["news"], on="quiet"),
    "resume": Walk(lambda s: ["news"], NO_CHANNEL, lambda s: ["news"], on="quiet"),
    "try": Walk(
        lambda s: ["news", "--config", str(s.folder)], lambda s: ["nothing", "--config", str(s.folder)],
        lambda s: ["gone", "--config", str(s.folder)], away=False,
    ),
    "score": Walk(lambda s: ["--config", str(s.folder)], lambda s: ["--config", str(s.files)], input=POST, failing=None,
                  why="a bad line is answered in its place: tests/test_filters.py"),
    "triage": Walk(lambda s: ["--config", str(s.folder)], lambda s: ["--config", str(s.files)], input=POST, failing=None,
                   why="a bad line is answered in its place: tests/test_filters.py"),
    "plan": Walk(lambda s: ["--config", str(s.folder)], lambda s: ["--config", str(s.files)]),
    "backtest": Walk(lambda s: ["--config", str(s.folder)], lambda s: ["--config", str(s.files)]),
    "detect": Walk(input=SERIES, bad_input=SERIES + "2026-01-01T00:02:00Z,many\n", wrong=lambda s: [], failing=None,
                   why="a filter: bad input is 2"),
    "flags list": Walk(wrong=lambda s: ["--state", "half"]),
    "flags held": Walk(),
    "flags show": Walk(a_flag, lambda s: ["x"], lambda s: ["999999999"], away=False),
    "flags ack": Walk(a_flag, lambda s: ["x"], lambda s: ["999999999"], away=False),
    "flags snooze": Walk(a_flag, lambda s: [*a_flag(s), "--for", "long"], lambda s: ["999999999"], away=False),
    "flags judge": Walk(lambda s: [*a_flag(s), "useful"], lambda s: [*a_flag(s), "nice"], lambda s: ["999999999", "noise"], away=False),
    "flags report": Walk(),
    "correct": Walk(
        lambda s: [s.ask("SELECT min(mention_id) FROM receipts"), "--intent", "service"],
        lambda s: ["1", "--outcome", "perhaps"], lambda s: ["1", "--outcome", "ticket"],
    ),
    "learn": Walk(),
    "learn list": Walk(),
    "learn restore": Walk(lambda s: ["0"], lambda s: ["x"], lambda s: ["0"]),
    "explain": Walk(lambda s: [s.ask("SELECT min(mention_id) FROM receipts")], lambda s: ["x"], lambda s: ["1"]),
    "customers import": Walk(
        lambda s: [str(s.files / "customers.csv")], lambda s: ["nowhere.csv"], lambda s: [str(s.files / "bad.csv")], away=False
    ),
    "customers export": Walk(wrong=lambda s: ["-o", "/nowhere/at/all"]),
    "customers merge": Walk(
        lambda s: [*two(s), "--stated"], lambda s: ["x", "1"], lambda s: ["999999998", "999999999"], away=False
    ),
    "customers unmerge": Walk(merged, lambda s: ["x"], lambda s: ["999999999"], away=False),
    "customers split": Walk(lambda s: held(s, "s-a", "s-b"), lambda s: ["x", "1"], lambda s: ["999999999", "1"], away=False),
    "customers propose": Walk(),
    "customers proposals": Walk(wrong=lambda s: ["--limit", "0"]),
    "customers accept": Walk(proposed, lambda s: ["x"], lambda s: ["999999999"], away=False),
    "customers refuse": Walk(proposed, lambda s: ["x"], lambda s: ["999999999"], away=False),
    "customers link": Walk(
        lambda s: [two(s)[0], f"link{next(fresh)}@example.org", "--kind", "email"], lambda s: ["x", "y"],
        lambda s: ["999999999", "a@example.org", "--kind", "email"], away=False,
    ),
    "customers unlink": Walk(lambda s: held(s, "u-a", "u-b")[1:], lambda s: ["x"], lambda s: ["999999999"], away=False),
    "tokens add": Walk(lambda s: ["crm", "--scope", "lookup:read"], lambda s: ["crm", "--scope", "everything"],
                       lambda s: ["crm", "--scope", "lookup:read"]),
    "tokens list": Walk(),
    "tokens revoke": Walk(a_token, lambda s: ["x"], lambda s: ["999999999"], away=False),
    "match": Walk(input='{"id": "a", "name": "Ann Lee", "email": "a@b.org"}\n{"id": "b", "name": "Ann Lee", "email": "a@b.org"}\n',
                  bad_input='{"name": "nobody"}', failing=None, why="a filter: bad input is 2", wrong=lambda s: []),
    "customers list": Walk(wrong=lambda s: ["--limit", "0"]),
    "customers show": Walk(
        lambda s: [s.ask("SELECT min(id) FROM customers")], lambda s: ["x"], lambda s: ["999999999"], away=False
    ),
    "customers erase": Walk(
        lambda s: [s.ask("SELECT max(id) FROM customers"), "--yes"], lambda s: ["1"], lambda s: ["999999999", "--yes"],
        away=False,
    ),
    "users add": Walk(
        lambda s: [f"user{next(fresh)}@example.org"], lambda s: ["user@example.org", "--role", "king"],
        lambda s: a_user(s), away=False,
    ),
    "users list": Walk(),
    "users disable": Walk(a_user, lambda s: [], lambda s: ["nobody@example.org"], away=False),
    "users limit": Walk(lambda s: [*a_user(s), "--team", "cards"], lambda s: [], lambda s: ["nobody@example.org"], away=False),
    "hooks list": Walk(wrong=lambda s: ["--limit", "0"]),
    "hooks replay": Walk(a_told_event, lambda s: ["x"], lambda s: ["999999999"], away=False),
    "database roles": Walk(),
    "dead list": Walk(wrong=lambda s: ["--state", "undead"]),
    "dead show": Walk(letter, lambda s: ["x:1"], lambda s: ["letter:999999"], away=False),
    "dead retry": Walk(letter, lambda s: ["x:1"], lambda s: ["letter:999999"], away=False),
    "dead drop": Walk(letter, lambda s: ["x:1"], lambda s: ["letter:999999"], away=False),
    "export mentions": Walk(wrong=lambda s: ["-o", "/nowhere/at/all"]),
    "restored": Walk(lambda s: ["--yes"], lambda s: ["--ahead", "0"], lambda s: ["--yes"], on="quiet"),
    "report": Walk(lambda s: ["--pictures", str(s.files / "pictures")], lambda s: ["--since", "never"]),
    "seed": Walk(
        lambda s: ["--mentions", "1200", "--tickets", "100", "--force"], lambda s: ["--mentions", "10", "--force"],
    ),
    "tickets list": Walk(wrong=lambda s: ["--view", "none"]),
    "tickets show": Walk(a_ticket, lambda s: ["x"], NO_TICKET, away=False),
    "tickets next": Walk(lambda s: ["--as", *a_user(s)], lambda s: [], lambda s: ["--as", "a@example.org"]),
    "tickets skip": Walk(
        lambda s: [*a_ticket(s), "--why", "no time", "--as", *a_user(s)], lambda s: ["1"],
        lambda s: [*NO_TICKET(s), "--why", "no time", "--as", *a_user(s)], away=False,
    ),
    "tickets review": Walk(wrong=lambda s: ["--page", "0"]),
    "audit list": Walk(wrong=lambda s: ["--before", "x"]),
    "tickets skips": Walk(wrong=lambda s: ["--days", "0"]),
    "tickets set": Walk(
        lambda s: [*a_ticket(s), "--priority", "high"], lambda s: [*a_ticket(s), "--field", "x"],
        lambda s: [*a_ticket(s), "--status", "undone"], away=False,
    ),
    "tickets note": Walk(lambda s: [*a_ticket(s), "looked at"], lambda s: ["x", "y"], lambda s: [*NO_TICKET(s), "x"], away=False),
    "tickets tag": Walk(lambda s: [*a_ticket(s), "walked"], lambda s: ["x"], lambda s: [*NO_TICKET(s), "x"], away=False),
    "tickets watch": Walk(
        lambda s: [*a_ticket(s), *a_user(s)], lambda s: [*a_ticket(s), "nobody@example.org"],
        lambda s: [*NO_TICKET(s), *a_user(s)], away=False,
    ),
    "tickets link": Walk(
        lambda s: [*a_ticket(s), s.ask("SELECT max(number) FROM tickets")], lambda s: ["1"],
        lambda s: [*a_ticket(s), *NO_TICKET(s)], away=False,
    ),
    "tickets merge": Walk(None, lambda s: a_ticket(s), lambda s: [*a_ticket(s), *NO_TICKET(s)], away=False, why="test_tickets_work.py merges"),
    "tickets split": Walk(None, lambda s: ["x"], lambda s: [*a_ticket(s), "999999999"], away=False, why="test_tickets_work.py splits"),
    "tickets snooze": Walk(
        lambda s: [*a_ticket(s), "4h"], lambda s: [*a_ticket(s), "later"], lambda s: [*NO_TICKET(s), "4h"], away=False
    ),
    "tickets handoff": Walk(
        lambda s: [*a_ticket(s), "--owner", *a_user(s), "--why", "knows cards"], lambda s: ["1"],
        lambda s: [*a_ticket(s), "--why", "knows cards"], away=False,
    ),
    "tickets macro": Walk(wrong=lambda s: ["x"], failing=lambda s: [*a_ticket(s), "none"], away=False),
    "tickets bulk": Walk(
        lambda s: ["status=new", "--tag", "bulk"], lambda s: ["color=red"], lambda s: ["view=all", "--status", "undone"], away=False
    ),
    "tickets promise": Walk(
        lambda s: [*a_ticket(s), "a call", "--by", "2d"], lambda s: [*a_ticket(s), "a call", "--by", "soon"],
        lambda s: [*NO_TICKET(s), "a call", "--by", "2d"], away=False,
    ),
    "tickets promises": Walk(wrong=lambda s: ["--limit", "0"]),
    "tickets settle": Walk(
        lambda s: [*a_promise(s), "kept"], lambda s: ["x", "kept"],
        lambda s: ["999999999", "kept"], away=False,
    ),
    "tickets views": Walk(lambda s: ["--save", "mine", "view=late"], lambda s: ["--save", "x", "color=red"], lambda s: ["--drop", "999999"], away=False),
    "outbox list": Walk(wrong=lambda s: ["--state", "lost"]),
    "outbox now": Walk(a_scheduled_effect, lambda s: ["x"], lambda s: ["999999999"], away=False),
    "outbox stop": Walk(lambda s: ["--why", "a crisis"]),
    "outbox resume": Walk(),
    "agents list": Walk(),
    "agents set": Walk(lambda s: [*a_user(s), "--skill", "cards"], lambda s: ["nobody@example.org"], a_user),
    "automations runs": Walk(wrong=lambda s: ["--limit", "0"]),
    "automations would": Walk(lambda s: ["--days", "3"], lambda s: ["--days", "0"]),
    "tasks list": Walk(),
    "tasks done": Walk(None, lambda s: ["x"], lambda s: ["999999999"], away=False, why="tasks are made by automations"),
    "scheduler": Walk(lambda s: ["--config", str(s.folder)]),
    "worker": Walk(wrong=lambda s: ["--poll-threads", "-1"]),
    "console": Walk(lambda s: ["--port", "0"], wrong=lambda s: ["--port", "web"]),
    "up": Walk(
        lambda s: ["--config", str(s.folder), "--workers", "1", "--port", "0"], lambda s: ["--config", str(s.files)],
        lambda s: ["--config", str(s.folder)],
    ),
    "services start": Walk(None, failing=None, why="walked by test_services_as_people_do"),
    "services status": Walk(None, failing=None, why="walked by test_services_as_people_do"),
    "services stop": Walk(None, failing=None, why="walked by test_services_as_people_do"),
    "demo": Walk(None, wrong=lambda s: ["--workers", "0"], why="its good end takes a minute: `make demo`"),
}  # fmt: skip


def found() -> dict[str, Any]:
    """path → command of everything that can be called."""

    def walk(command: Any, path: list[str]) -> Iterator[tuple[str, Any]]:
        inner = getattr(command, "commands", None)
        if path and (inner is None or command.invoke_without_command):
            yield " ".join(path), command
        for name, sub in (inner or {}).items():
            yield from walk(sub, [*path, name])

    return dict(walk(typer.main.get_command(app), []))


FOUND = found()


@pytest.fixture(scope="module", autouse=True)
def _built_once() -> Iterator[None]:
    """The tree of commands is the same for every call; the runner would build it anew for each, a third of the time of most."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(typer.testing, "_get_command", cache(typer.main.get_command))
        yield


@pytest.fixture(scope="module")
def stage(services: Any, _template: str, redis_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    """Two ledgers, a town to try a channel on, and files that are good or not."""
    home = tmp_path_factory.mktemp("walk")
    folder, files = home / "config", home / "files"
    folder.mkdir()
    files.mkdir()
    (files / "customers.csv").write_text("name,email\nAnn,ann@example.org\n")
    (files / "bad.csv").write_text("name,email\nBob,not an address\n")
    (files / "bad.yaml").write_text("chanels: []\n")
    urls = {
        name: create_database(services.database_url, f"walk_{name}_{os.getpid()}", _template)
        for name in ("full", "quiet")
    }
    common = {
        "REDIS_URL": redis_url,
        "EARMARK_SECRET": "a secret of the walk, 0123456789",
        "EARMARK_DATA": str(home / "var"),
    }
    common |= {"EARMARK_CONFIG": "", "COLUMNS": "80", "NO_COLOR": "1"}
    del common["EARMARK_CONFIG"]
    with Town(seed=3) as town, contextlib.ExitStack() as closing:
        town.post("feeds", "northbank is broken", title="northbank", origin="news")
        feed = {"kind": "feed", "every": "1h", "url": "https://news.example/news.rss"}
        document = {
            "topics": [{"name": "northbank", "any": ["northbank"]}],
            "channels": [
                {"name": "news", **feed, "base_url": town.urls["feeds"]},
                {"name": "gone", **feed, "base_url": "http://127.0.0.1:1"},
            ],
            "settings": {"allow_hosts": ["127.0.0.1"], "language": "en"},
        }
        (folder / "walk.yaml").write_text(json.dumps(document))
        ledger = world(urls["full"])
        quiet = Ledger(urls["quiet"])
        closing.callback(ledger.close)
        for one_ in (ledger, quiet):
            one_.run(lambda c: put_in_force(c, config.load(folder)))
        with quiet.begin() as connection:
            connection.execute(text("UPDATE channels SET last_success_at = now() WHERE enabled"))
            connection.execute(
                text(
                    "INSERT INTO workers (id, kind, leader, digest_threads, lock, seen_at) VALUES "
                    "('s', 'scheduler', true, 0, 1, now() + interval '1 h'), ('w', 'worker', false, 1, 2, now() + interval '1 h')"
                )
            )
        quiet.close()
        envs = {name: {**common, "DATABASE_URL": url} for name, url in urls.items()}
        runner.invoke(app, ["users", "add", "first@example.org"], env=envs["quiet"])
        yield Stage(envs["full"], envs["quiet"], folder, files, ledger)
    for url in urls.values():
        drop_database(services.database_url, url.rsplit("/", 1)[1])


def call(path: str, args: list[str], env: dict[str, str], input: str = "") -> Any:
    return runner.invoke(app, [*path.split(), *args], env=env, input=input)


def test_every_command_has_its_walk_and_every_walk_a_command() -> None:
    assert set(WALK) == set(FOUND)


@pytest.mark.parametrize("path", sorted(FOUND))
def test_help_fits_a_screen_and_names_what_it_takes(path: str) -> None:
    said = runner.invoke(app, [*path.split(), "--help"], env={"COLUMNS": "80", "NO_COLOR": "1", "TERM": "dumb"})
    assert said.exit_code == 0
    assert len(said.output.splitlines()) <= SCREEN
    assert "\x1b" not in said.output
    assert not set("╭╮╰╯│─") & set(said.output), "frames are for terminals (requirement 29)"
    takes = {option for parameter in FOUND[path].params for option in parameter.opts}
    assert "--json" in takes
    assert FOUND[path].help, "a command says what it does"


CHANGING = sorted(path for path in FOUND if any("--dry-run" in p.opts for p in FOUND[path].params))
LOOKING = {  # what changes nothing that is stored; a new command is in neither and fails below
    *(path for path in FOUND if path.split()[-1] in ("list", "show", "report", "runs", "would", "verify", "head")),
    "backtest", "channels", "channels new", "check", "customers export", "customers proposals", "detect", "doctor", "explain",
    "export mentions", "flags held", "tickets review", "match", "plan", "reconcile", "schema", "score", "status", "tickets promises", "tickets skips",
    "triage", "try",
}  # fmt: skip
RUNNING = {  # processes, and what speaks to others in many transactions: there is nothing to take back
    *LONG, "demo", "services start", "services stop", "services status", "sync",
}  # fmt: skip


def kept(env: dict[str, str]) -> dict[str, tuple[int, int]]:
    """Every table's number of rows and a sum over all that is in them."""
    ledger = Ledger(env["DATABASE_URL"])
    with ledger.begin() as connection:
        names = rows(
            connection,
            "SELECT relname FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace ORDER BY 1",
        )
        whole = " UNION ALL ".join(
            f"SELECT '{row['relname']}' AS name, count(*) AS n, coalesce(sum(hashtext(t::text)), 0) AS sum FROM {row['relname']} t"
            for row in names
        )
        found = {row["name"]: (row["n"], int(row["sum"])) for row in rows(connection, whole.replace(":", "\\:"))}
    ledger.close()
    return found


def shape_of(value: Any) -> Any:
    """Keys and kinds, without the values."""
    if isinstance(value, dict):
        return {name: shape_of(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [shape_of(value[0])] if value else []
    return type(value).__name__


NO_NUMBER = {"customers merge": "merge"}  # what was not made has no number


def rehearsed(path: str, args: list[str], env: dict[str, str], input: str) -> Any:
    """What a dry run says: requirement 28, nothing is changed and nobody is asked."""
    before = kept(env)
    dry = call(path, [*args, "--dry-run", "--no-input", "--json"], env, input)
    assert dry.exit_code == 0, (dry.output[-2000:], dry.exception)
    assert "nothing was changed" in dry.stderr
    after = kept(env)
    assert {name for name in after if after[name] != before[name]} == set()
    return shape_of(json.loads(dry.stdout))


def ends_as_json(stdout: str) -> bool:
    """Requirement 27: whatever the end, standard output is JSON and nothing else, and its last line tells of it."""
    told = [json.loads(line) for line in stdout.splitlines()]
    return bool(told) and any(name in told[-1] for name in ("error", "refused", "complaints", "errors", "findings"))


@pytest.mark.parametrize("path", sorted(path for path, walk in WALK.items() if walk.good and path not in LONG))
def test_it_ends_well_and_its_json_parses(stage: Stage, path: str) -> None:
    walk = WALK[path]
    assert walk.good is not None
    env = getattr(stage, walk.on)
    args = walk.good(stage)
    dry = rehearsed(path, args, env, walk.input) if path in CHANGING else None
    said = call(path, [*args, "--json"], env, walk.input)
    if dry is not None:  # it says the same in the same shape
        assert said.exit_code == 0, (said.output[-2000:], said.exception)
        done = shape_of(json.loads(said.stdout))
        for shape in (dry, done):
            if path in NO_NUMBER:
                del shape[NO_NUMBER[path]]
        assert dry == done
    if path == "doctor" and said.exit_code:  # this machine's disk may be full: that is a finding all the same
        assert {one_["check"] for one_ in json.loads(said.stdout)["findings"]} == {"disk"}
    else:
        assert said.exit_code == 0, (said.output[-2000:], said.exception)
    lines = said.stdout.splitlines()
    assert lines
    assert all(json.loads(line) is not ... for line in lines)
    if path != "doctor":
        plain = call(path, walk.good(stage), env, walk.input)
        assert plain.exit_code == 0, (plain.output[-2000:], plain.exception)


@pytest.mark.parametrize("path", sorted(WALK))
def test_a_wrong_call_ends_with_2(stage: Stage, path: str) -> None:
    walk = WALK[path]
    said = call(path, ["--json", *walk.wrong(stage)], stage.full, walk.bad_input or walk.input)
    assert said.exit_code == 2, (said.output[-2000:], said.exception)
    assert said.stderr or path == "check"  # whose result the complaints are
    assert ends_as_json(said.stdout), said.stdout


@pytest.mark.parametrize("path", sorted(path for path, walk in WALK.items() if walk.failing))
def test_a_failure_ends_with_1_and_says_what_to_do(stage: Stage, path: str) -> None:
    walk = WALK[path]
    assert walk.failing is not None
    said = call(path, ["--json", *walk.failing(stage)], {**stage.full, **(NOWHERE if walk.away else {})}, walk.input)
    assert said.exit_code == 1, (said.output[-2000:], said.exception)
    assert said.exception is None or isinstance(said.exception, SystemExit)
    assert ends_as_json(said.stdout), said.stdout
    assert "secret" not in said.output


def test_every_command_that_changes_something_takes_a_dry_run() -> None:
    assert set(CHANGING) == set(FOUND) - LOOKING - RUNNING
    for path in CHANGING:
        assert any("--no-input" in p.opts for p in FOUND[path].params), path


def test_without_a_yes_nothing_is_asked_where_nobody_can_answer(stage: Stage) -> None:
    somebody = stage.ask("SELECT max(id) FROM customers")
    for path, args, env in (("restored", [], stage.quiet), ("customers erase", [somebody], stage.full)):
        for more in ([], ["--no-input"], ["--json"]):
            said = call(path, [*args, *more], env)
            assert said.exit_code == 2, said.output
            assert "add --yes" in said.stderr


def test_a_command_leaves_no_connection_behind(stage: Stage) -> None:
    """However it ends: with what was asked for, or with a refusal within its transaction."""
    held = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'earmark-command'"
    gc.collect()
    gc.disable()  # it would end by chance what is forgotten
    try:
        assert call("learn list", [], stage.full).exit_code == 0
        assert call("explain", ["999999999"], stage.full).exit_code == 1
        wait_until(lambda: stage.ask(held) == "0", 5)
    finally:
        gc.enable()


def test_every_exception_from_the_rule_says_why() -> None:
    assert all(walk.why for walk in WALK.values() if walk.good is None or walk.failing is None)


def test_what_runs_until_it_is_stopped_says_when_it_is_ready_and_ends_with_0(stage: Stage) -> None:
    with contextlib.ExitStack() as running:
        started = {}
        for path in sorted(LONG):
            good = WALK[path].good
            assert good is not None
            started[path] = running.enter_context(spawn_earmark([path, *good(stage), "--json"], stage.full, name=path))
        for path, process in started.items():
            log = process.wait_for_log('"ready": "')
            line = next(line for line in log.splitlines() if '"ready": "' in line)
            assert json.loads(line)["ready"] == path
        for process in started.values():
            process.signal(signal.SIGTERM)
        codes = {path: process.wait(25) for path, process in started.items()}
    assert codes == dict.fromkeys(LONG, 0)


def test_services_as_people_do(service_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(serve, "DATA", service_folder)

    def services(*args: str) -> tuple[int, Any]:
        said = runner.invoke(app, ["services", *args, "--json"])
        assert said.exception is None or isinstance(said.exception, SystemExit)
        return said.exit_code, json.loads(said.stdout) if said.stdout else None

    code, down = services("status")
    assert code == 1
    assert not any(one_["running"] for one_ in down)
    code, up = services("start")
    assert code == 0
    assert all(one_["running"] for one_ in up)
    assert services("status")[0] == 0
    code, stopped = services("stop")
    assert code == 0
    assert sorted(stopped["stopped"]) == ["postgres", "valkey"]
    kept = (service_folder / "services.json").read_text()
    (service_folder / "services.json").write_text("{")
    for command in ("start", "status", "stop"):
        assert services(command)[0] == 1
    (service_folder / "services.json").write_text(kept)


@pytest.mark.parametrize(("env", "colour"), [({}, True), ({"NO_COLOR": "1"}, False), ({"TERM": "dumb"}, False)])
def test_colour_is_for_terminals_that_want_it(stage: Stage, env: dict[str, str], colour: bool) -> None:
    """On a real terminal: a pseudo-terminal as standard output and error."""
    master, slave = os.openpty()
    merged = {**os.environ, **stage.quiet, "TERM": "xterm-256color", **env}
    if "NO_COLOR" not in env:
        merged.pop("NO_COLOR", None)
    command = [str(EARMARK), "doctor", "--config", str(stage.folder)]
    process = subprocess.Popen(command, stdout=slave, stderr=slave, env=merged)
    os.close(slave)
    said = b""
    with contextlib.suppress(OSError):  # the other end closes
        while chunk := os.read(master, 4096):
            said += chunk
    os.close(master)
    process.wait(20)
    assert b"database" in said
    assert (b"\x1b[3" in said) == colour, said[-500:]
