"""Canaries: a value planted in every secret, and a name and words planted in what people post, looked for in everything we say.

Real processes run on the model town while it refuses, breaks off and sends malformed items; then logs, figures, pages, dead
letters and the commands that explain are searched. Secrets: nowhere. Personal text: in no log and no figure.
"""

import base64
import gc
import json
import logging
import re
import urllib.parse
from pathlib import Path

import httpx2
import pytest
import structlog
from sqlalchemy import text
from typer.testing import CliRunner

from connectors.errors import AuthError
from console.cli.main import app
from storage import users
from storage.ledger import Ledger
from tests.support import Spawned, run_earmark, spawn_earmark, wait_until
from tests.town_world import SECRETS, World
from workers import logs

pytest_plugins = ["tests.town_fixtures"]

NAME, WORDS = "zephyrine_quillfeather", "moltenaubergine"  # of a person, and of what she wrote
POISON = "krakenfruit"  # a text that the judge stumbles over is made of this
CANARIES = {
    "EARMARK_SECRET": "canary-instance-0123456789abcdef",
    "EARMARK_METRICS_TOKEN": "canary-metrics-0123456789abcdef",
    "T_BAD_ID": "canary-client-id-77",
    "T_BAD_SECRET": "canary-client-secret-77",
    "T_BAD_BEARER": "canary-bearer-77",
    "T_BAD_ZENDESK": "canary-zendesk-77",
    "T_BAD_HOOK": "whsec_Y2FuYXJ5LWhvb2stY2FuYXJ5LWhvb2stY2FuYXJ5LWhvb2s=",
    "DATABASE_PASSWORD": "",  # taken from the addresses in use
    "REDIS_PASSWORD": "",
}


def forms(value: str) -> set[str]:
    """A secret as it may come to light: as it is, escaped, in base64."""
    return {value, urllib.parse.quote(value, safe=""), base64.b64encode(value.encode()).decode().rstrip("=")}


@pytest.fixture
def town_secrets(world: World) -> dict[str, str]:
    """All secrets in use: the canaries, the accounts that work, and the passwords inside the addresses."""
    found = {**SECRETS, **{name: value for name, value in CANARIES.items() if value}}
    for name in ("DATABASE_URL", "REDIS_URL"):
        found[f"password of {name}"] = urllib.parse.urlsplit(world.env[name]).password or ""
    assert all(len(value) > 6 for value in found.values())
    return found


def build(world: World) -> None:
    """Channels and desks that work beside those whose credentials the town refuses."""
    bad_reddit = {**world.reddit("refused"), "client_id_env": "T_BAD_ID", "client_secret_env": "T_BAD_SECRET"}
    bad_x = {**world.x("expired"), "bearer_token_env": "T_BAD_BEARER"}
    bad_desk = {**world.zendesk("locked"), "token_env": "T_BAD_ZENDESK"}
    hook = {"kind": "webhook", "url": world.town.urls["webhook"], "secret_env": "T_BAD_HOOK"}
    world.configure(
        world.reddit("talk"), world.x("posts"), world.feed("news"), bad_reddit, bad_x,
        desks=[world.zendesk(), bad_desk], alerts=[{"name": "hook", **hook}],
    )  # fmt: skip


def provoke(world: World) -> None:
    """Posts of a person, some of them malformed, and every way the town can fail an answer."""
    town = world.town
    for n in range(6):
        said = f"northbank is broken, {WORDS} {n}"
        town.post("reddit", said, author=NAME, title=f"{WORDS} northbank")
        town.post("x", said, author=NAME)
        town.post("feeds", said, title=f"{WORDS} northbank", author=NAME, origin="news")
    town.post("reddit", f"northbank {WORDS}", author=NAME, malformed="wrong_types")
    town.post("x", f"northbank {WORDS}", author=NAME, malformed="missing_id")
    town.post("reddit", f"northbank is broken {POISON} {WORDS}", author=NAME)
    for platform in ("reddit", "x", "feeds"):
        for kind in ("status", "truncate", "bad_json", "html", "reset"):
            town.faults.add(platform, kind, every=5, times=1)
    town.faults.add("zendesk", "error_after", method="POST", nth=[2], status=500)
    town.faults.add("zendesk", "status", method="POST", nth=[4], status=422)
    town.faults.add("reddit", "401", path="northbank", nth=[9])


def search(said: str, secrets: dict[str, str]) -> list[str]:
    """Names of the secrets that came to light."""
    return sorted(name for name, value in secrets.items() if any(form in said for form in forms(value)))


def personal(said: str) -> list[str]:
    return [word for word in (NAME, WORDS, POISON) if word in said.lower()]


def test_no_secret_anywhere_and_no_personal_text_in_logs(
    world: World, town_secrets: dict[str, str], tmp_path: Path
) -> None:
    world.env |= {name: value for name, value in CANARIES.items() if value}
    build(world)
    provoke(world)
    announced = tmp_path / "address"
    with spawn_earmark(["console", "--port", "0", "--announce", str(announced)], world.env, name="console") as console:
        running = world.start()
        names = ("talk", "posts", "news", "refused", "expired")
        world.known(*names)
        for _ in range(3):
            world.poll(*names)
            wait_until(lambda: not world.pending().get("digests") and not busy(world), 40, lambda: str(world.pending()))
        _break_a_step(world)
        address = wait_until(lambda: announced.exists() and announced.read_text())
        pages = _pages(world, address)
        commands = _commands(world)
        processes = [*running, console]
        written = {process.log.stem: process.read_log() for process in processes}
    kinds = {row["error_kind"] for row in world.rows("SELECT error_kind FROM channels WHERE error IS NOT NULL")}
    assert "auth" in kinds, "the town refused the canary credentials"
    assert world.ask("SELECT blocked FROM targets WHERE name = 'locked'"), "and the desk's"
    assert world.ask("SELECT count(*) FROM mentions WHERE content LIKE '%' || :w || '%'", w=WORDS) > 5
    assert world.ask("SELECT count(*) FROM rejects") >= 1
    assert "step failed" in "".join(written.values()), "a traceback was provoked"
    for name, said in {**written, **pages, **commands}.items():
        assert search(said, town_secrets) == [], f"{name} tells a secret"
    assert WORDS in "".join(pages.values()), "the pages were real"
    assert any("reject:" in said for said in commands.values()), "the dead letters were real"
    for name, said in [*written.items(), ("/metrics", pages["/metrics"])]:
        assert personal(said) == [], f"{name} quotes a customer: {lines_with(said)}"
    for said in written.values():
        assert said.strip()
        assert "Traceback" not in said
    stored = world.rows("SELECT detail, object FROM audit")
    assert personal(json.dumps(stored)) == []


def busy(world: World) -> bool:
    sql = "SELECT count(*) FROM channels WHERE lease IS NOT NULL OR (wanted_at IS NOT NULL AND not_before IS NULL AND error IS NULL)"
    return bool(world.ask(sql))


def _break_a_step(world: World) -> None:
    """A bug of ours: a constraint nobody expects, met inside a transaction whose parameters are people's words."""
    with world.ledger.begin() as connection:
        connection.execute(
            text(f"ALTER TABLE mentions ADD CONSTRAINT canary CHECK (content NOT LIKE '%{POISON} again%') NOT VALID")
        )
    world.town.post("reddit", f"northbank {POISON} again {WORDS}", author=NAME)
    world.poll("talk")
    wait_until(
        lambda: any("step failed" in process_log for process_log in _logs(world)), 40, "the step meets the constraint"
    )
    with world.ledger.begin() as connection:
        connection.execute(text("ALTER TABLE mentions DROP CONSTRAINT canary"))


def _logs(world: World) -> list[str]:
    return [one.read_log() for one in gc.get_objects() if isinstance(one, Spawned) and one.log.exists()]


def _pages(world: World, address: str) -> dict[str, str]:
    """What an admin sees, page after page, and what a scraper gets."""
    with world.ledger.begin() as connection:
        admin = users.add(connection, "admin@example.org", "a passphrase of the test", "admin", "Admin")
        value = users.begin_session(connection, admin)
    found = {}
    with httpx2.Client(base_url=address, cookies={"earmark": value}, follow_redirects=True) as client:
        for path in ("/inbox", "/review", "/flags", "/channels", "/status", "/api/v1/channels", "/metrics", "/readyz"):
            answer = client.get(path)
            assert answer.status_code == 200, path
            found[path] = answer.text
        for number in re.findall(r'href="(/tickets/\d+)"', found["/inbox"])[:3]:
            found[number] = client.get(number).text
    return found


def _commands(world: World) -> dict[str, str]:
    config = ["--config", str(world.folder)]
    letters = [row["id"] for row in world.rows("SELECT id FROM dead_letters ORDER BY id LIMIT 2")]
    rejects = [row["id"] for row in world.rows("SELECT id FROM rejects ORDER BY id LIMIT 2")]
    found = {}
    for args in (
        ["check", *config], ["status", "--json"], ["doctor", *config], ["channels"], ["dead", "list", "--state", "any"],
        ["try", "expired", *config], *(["dead", "show", f"letter:{n}"] for n in letters),
        *(["dead", "show", f"reject:{n}"] for n in rejects),
    ):  # fmt: skip
        done = CliRunner().invoke(app, args, env=world.env)
        assert done.exit_code in (0, 1), (args, done.output)
        found[f"earmark {' '.join(args[:3])}"] = done.output
    away = run_earmark(
        ["status"], {**world.env, "DATABASE_URL": world.env["DATABASE_URL"].replace("@127.0.0.1:", "@127.0.0.1:1")}
    )
    assert away.returncode == 1
    found["earmark status without a database"] = away.stdout + away.stderr
    return found


def lines_with(said: str) -> str:
    return "\n".join(line for line in said.splitlines() if personal(line))[:2000]


def test_what_is_raised_is_logged_by_kind_and_place(capfd: pytest.CaptureFixture[str]) -> None:
    """Driver errors quote the row, parsers the text; neither gets into a line, nor does a secret in an address."""
    before = structlog.get_config()
    handlers = logging.getLogger().handlers[:]
    try:
        logs.start("test")
        structlog.configure(cache_logger_on_first_use=False)
        log = structlog.get_logger()
        try:
            try:
                int(WORDS)
            except ValueError as error:
                raise AuthError(f"about {NAME}") from error
        except AuthError:
            log.exception("step failed", address="https://me:canary-password@db/x", header="Bearer canary-token")
            logging.getLogger("somebody.elses").error("failed on %s", WORDS, exc_info=True)
    finally:
        structlog.configure(**before)
        logging.getLogger().handlers[:] = handlers
    said = capfd.readouterr().err
    lines = [json.loads(line) for line in said.splitlines()]
    assert len(lines) == 2
    assert not personal(said)
    assert "canary-" not in said
    assert "AuthError in test_what" in lines[0]["exception"]
    assert "ValueError" in lines[0]["exception"]
    assert lines[1]["event"] == "failed on %s"


def test_a_statement_that_fails_does_not_carry_its_texts(database_url: str) -> None:
    ledger = Ledger(database_url)
    with pytest.raises(Exception) as caught, ledger.begin() as connection:
        connection.execute(
            text("INSERT INTO users (email, role) VALUES (:words, :name)"), {"words": WORDS, "name": None}
        )
    ledger.close()
    assert not personal(logs.trace(caught.value))
    assert "NotNullViolation 23502" in logs.trace(caught.value)
    assert "parameters" not in str(caught.value) or "hidden" in str(caught.value)
