"""Bad input by configuration: what an operator types, and the message that says what to type. Rows 37 to 40 of the forty.

Each goes through files and the scheduler's own reading; what is refused leaves the last good one in force, and the status page says so.
"""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from storage import configurations
from tests import bad_input
from tests.bad_input import Stage, item, readable, rss
from tests.raw_server import reply
from tests.support import run_earmark
from workers import scheduler

CANARY = "canary-7f3a9c-value"


@pytest.fixture(scope="module")
def stage(database_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    with bad_input.stage(database_url, tmp_path_factory.mktemp("config")) as made:
        made.configure(made.feed("good"))
        yield made


def refused(stage: Stage, text: str) -> str:
    """What the scheduler says of this text, and the status page after it; what was in force stays."""
    before = stage.ledger.run(configurations.in_force)
    (stage.folder / "stage.yaml").write_text(text)
    boss = scheduler.Scheduler(stage.ledger, None, stage.folder, None)  # type: ignore[arg-type]  # neither rings nor runs
    boss.apply()
    said = stage.ledger.run(configurations.refused)
    assert said is not None, "it was accepted"
    assert stage.ledger.run(configurations.in_force) == before
    page = readable(stage.page("/status"))
    assert "The latest configuration was refused; the one before stays in force." in page
    assert " ".join(said["complaints"].split())[:60] in page
    return str(said["complaints"])


FEED = "kind: feed, every: 1h, url: 'https://feeds.example/x'"
SLIPS = [
    # row, text, the beginning of its complaint, the rest that must be said
    (37, "chanels: []\n", "stage.yaml:1:1:", 'unknown section "chanels"|did you mean "channels"?'),
    (37, f"channels:\n  - {{name: a, {FEED}, evry: 5m}}\n", "stage.yaml:2:", 'unknown key "evry"|did you mean "every"?'),
    (37, "channels:\n  - {name: a, kind: redit, every: 5m}\n", "stage.yaml:2:", 'redit|did you mean "reddit"?'),
    (37, "channels: {}\n", "stage.yaml:1:", "takes a list"),
    (37, f"channels:\n  - {{name: a, {FEED}, max_pages: many}}\n", "stage.yaml:2:", "max_pages"),
    (38, "topics: []\ntopics: []\n", "stage.yaml:2:1:", "already set in line 1"),
    (38, f"channels:\n  - {{name: a, {FEED}}}\n  - {{name: a, {FEED}}}\n", "stage.yaml:3:", "a"),
    (38, "topics:\n\t- name: a\n", "stage.yaml:2:1:", "tab"),
    (38, "settings: {language: !!python/object/apply:os.system [id]}\n", "stage.yaml:1:", "tags such as"),
    (38, "topics: [&a x" + ", *a" * 300 + "]\n", "stage.yaml:1:", "more than 200 aliases"),
    (38, "channels:\n  - {name: no, kind: feed, every: 1h, url: no}\n", "stage.yaml:2:", "begins with http"),
    (39, f"channels:\n  - {{name: a, {FEED.replace('every: 1h', 'cron: 61 * * * *')}}}\n", "stage.yaml:2:", "cron|61"),
    (39, f"channels:\n  - {{name: a, {FEED.replace('1h', '0s')}}}\n", "stage.yaml:2:", "every"),
    (39, f"channels:\n  - {{name: a, {FEED.replace('1h', '10ms')}}}\n", "stage.yaml:2:", "every"),
    (39, f"channels:\n  - {{name: a, {FEED.replace('every: 1h', 'cron: 0 6 * * *')}, timezone: Europe/Berln}}\n",
     "stage.yaml:2:", 'Europe/Berln|did you mean "Europe/Berlin"?'),
    (39, f"channels:\n  - {{name: a, {FEED.replace('every: 1h', 'cron: 0 0 30 2 *')}}}\n", "stage.yaml:2:", "never"),
    (39, f"channels:\n  - {{name: a, {FEED.replace('every: 1h', 'cron: 30 2 * * *')}, timezone: Europe/Berlin}}\n",
     "stage.yaml:2:", "02:30 does not exist on|when the clocks go forward"),
    (40, "channels:\n  - {name: a, kind: x, every: 1h, query: q, bearer_token_env: T_NOWHERE}\n", "stage.yaml:2:", "set T_NOWHERE"),
    (40, f"channels:\n  - {{name: a, kind: x, every: 1h, query: q, bearer_token: {CANARY}}}\n", "stage.yaml:2:", "bearer_token_env"),
    (40, "desks:\n  - {name: h, kind: zendesk, base_url: 'helpdesk.example', email: a@b.co, token_env: T}\n",
     "stage.yaml:2:", "an address begins with https://"),
    (40, "desks:\n  - {name: h, kind: zendesk, base_url: 'http://169.254.169.254', email: a@b.co, token_env: T}\n",
     "stage.yaml:2:", "is a private or loopback host"),
]  # fmt: skip


@pytest.mark.parametrize(("row", "text", "place", "said"), SLIPS, ids=[f"{n}-row-{s[0]}" for n, s in enumerate(SLIPS)])
def test_rows_37_to_40_a_slip_is_refused_with_its_place_and_what_to_write(
    stage: Stage, row: int, text: str, place: str, said: str
) -> None:
    told = refused(stage, text)
    assert place in told
    for part in said.split("|"):
        assert part in told, told
    assert CANARY not in told
    assert CANARY not in stage.page("/status")


def test_rows_37_to_40_check_says_all_of_them_at_once_and_ends_with_2(tmp_path: Path) -> None:
    for n, (_, text, _, _) in enumerate(SLIPS):
        (tmp_path / f"s{n:02}.yaml").write_text(text)
    done = run_earmark(["check", "--config", str(tmp_path)])
    assert done.returncode == 2
    assert {f"s{n:02}.yaml" for n in range(len(SLIPS)) if f"s{n:02}.yaml:" not in done.stdout} <= {
        "s17.yaml"
    }  # secrets are asked for last
    assert CANARY not in done.stdout + done.stderr


def test_row_38_no_is_the_word_no(stage: Stage) -> None:
    text = "topics:\n  - {name: norway, any: [no, on, 12:30, 010]}\n"
    (stage.folder / "stage.yaml").write_text(text)
    found, said = scheduler.read(stage.folder, {})
    assert found, said
    assert found.document()["topics"][0]["any"] == ["no", "on", "12:30", "010"]


def test_row_40_on_error_skip_runs_the_other_channels(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    lacking = {"name": "lacking", "kind": "x", "every": "1h", "query": "acme", "bearer_token_env": "T_NOWHERE"}
    skip = {"language": "en", "allow_hosts": ["127.0.0.1"], "on_error": "skip"}
    stage.server.routes["/works"] = reply(rss(item("w")))
    stage.configure(lacking, stage.feed("works"), settings=skip)
    stage.poll("works")
    assert len(stage.mentions("works")) == 1
    assert stage.channel("lacking")["enabled"] is False
    checked = run_earmark(["check", "--config", str(stage.folder), "--json"])
    told = json.loads(checked.stdout)
    assert (checked.returncode, told["ok"]) == (0, True)
    assert any("T_NOWHERE" in one["message"] and "left out" in one["message"] for one in told["complaints"])
    stage.configure(stage.feed("good"))


def test_a_secret_may_come_from_a_file_and_its_loss_is_told_by_name(
    stage: Stage, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    path = tmp_path / "bearer"
    path.write_text(CANARY + "\n")
    monkeypatch.setenv("T_FILED_FILE", str(path))
    answer = reply('{"data": [{"id": "1990000000000000077", "text": "acme is broken"}], "meta": {}}')
    stage.server.routes["/2/tweets/search/recent"] = answer
    filed = {"name": "filed", "kind": "x", "every": "1h", "query": "acme", "bearer_token_env": "T_FILED"}
    stage.read({**filed, "base_url": stage.server.url})
    assert stage.server.asked[-1].headers["authorization"] == f"Bearer {CANARY}"
    path.unlink()
    stage.poll("filed")
    card = stage.card("filed")
    assert "T_FILED_FILE cannot be read" in card
    assert CANARY not in card
    path.write_text(CANARY)
    stage.configure(stage.feed("good"))
