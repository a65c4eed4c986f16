"""What we ship: every file loads, needs no credential, and says what each key does; the reference page is current."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

import config
from config import handbook, secrets
from config.load import examine, examine_texts
from config.models import Channel, Target
from config.schema import schema
from config.shapes import kinds, module
from console.cli import settings as commands
from domain.care import DEFAULT_RULES

ROOT = Path(__file__).parent.parent
VALUES = {
    "REDDIT": "http://127.0.0.1:1",
    "X": "http://127.0.0.1:2",
    "FEEDS": "http://127.0.0.1:3",
    "ZENDESK": "http://127.0.0.1:4",
    "WEBHOOK": "http://127.0.0.1:5/hooks/earmark",
    "LOG": "var/demo/desk.jsonl",
}
SECRETS = (
    "TOWN_REDDIT_CLIENT_ID",
    "TOWN_REDDIT_CLIENT_SECRET",
    "TOWN_X_BEARER_TOKEN",
    "TOWN_ZENDESK_TOKEN",
    "TOWN_WEBHOOK_SECRET",
)


def test_the_shipped_configuration_is_good_and_needs_no_credential() -> None:
    found = examine(ROOT / "config")
    assert [str(one) for one in found.complaints] == []
    assert found.config is not None
    assert secrets.missing(found.config, found.places, {}) == []
    assert {one.kind for one in found.config.channels if one.enabled} == {"feed", "hackernews"}
    assert {one.kind for one in found.config.channels} >= {"feed", "reddit", "x"}
    assert found.config.rules == DEFAULT_RULES, "config/rules.yaml spells out the rules that hold when none are set"


def test_the_demo_is_good_once_its_addresses_are_filled_in() -> None:
    found = examine(ROOT / "config" / "demo", VALUES)
    assert [str(one) for one in found.complaints] == []
    assert found.config is not None
    assert secrets.missing(found.config, found.places, dict.fromkeys(SECRETS, "x")) == []
    assert {
        one.message.split(": ")[1].split(" ")[1].strip(",") for one in secrets.missing(found.config, found.places, {})
    } == set(SECRETS)
    unfilled = "\n".join(one.message for one in examine(ROOT / "config" / "demo").complaints)
    assert [name for name in VALUES if f"nothing fills ${{{name}}}" not in unfilled] == []


@pytest.mark.parametrize("path", sorted(path.name for path in (ROOT / "config").glob("*.yaml")))
def test_switching_on_what_is_shipped_off_is_still_good(path: str) -> None:
    texts = [(file.name, file.read_text()) for file in sorted((ROOT / "config").glob("*.yaml"))]
    on = [(name, text.replace("enabled: false", "enabled: true") if name == path else text) for name, text in texts]
    assert [str(one) for one in examine_texts(on).complaints] == []


def test_every_key_of_every_shipped_file_has_a_comment_or_stands_under_one() -> None:
    for path in [*(ROOT / "config").glob("*.yaml"), *(ROOT / "config" / "demo").glob("*.yaml")]:
        first = path.read_text().splitlines()[0]
        assert first.startswith("# yaml-language-server: $schema="), path
        assert (path.parent / first.partition("$schema=")[2]).resolve() == ROOT / "config" / "earmark.schema.json"


def test_schema_and_reference_page_are_current() -> None:
    again = "earmark schema > config/earmark.schema.json; earmark schema --markdown > docs/configuration.md"
    assert json.loads((ROOT / "config" / "earmark.schema.json").read_text()) == schema(), again
    assert (ROOT / "docs" / "configuration.md").read_text() == handbook.markdown(), again


def test_every_key_is_explained() -> None:
    bare = re.findall(r"^\| (`\w+`) \|.*\|\s*\|$", handbook.markdown(), re.M)
    assert bare == []


@pytest.mark.parametrize("section", ["channels", "desks", "alerts"])
def test_no_connector_uses_a_key_that_is_ours(section: str) -> None:
    ours = set((Channel if section == "channels" else Target).model_fields)
    for kind in kinds(section):
        assert not ours & set(module(section, kind).Settings.model_fields), kind


@pytest.mark.parametrize("kind", kinds("channels"))
def test_a_new_channels_snippet_is_read_and_misses_nothing_but_its_values(kind: str) -> None:
    text = handbook.snippet(kind)
    uncommented = re.sub(r"^    # (\w+: )", r"    \1", text, flags=re.M)
    for one in (text, uncommented):
        said = [str(found) for found in examine_texts([("new.yaml", one)]).complaints]
        assert not [line for line in said if "unknown" in line or "is missing" in line or "not YAML" in line], said


def run(*arguments: str, **environ: str) -> subprocess.CompletedProcess[str]:
    program = "from console.cli import settings as s; s.app.add_typer(s.channels, name='channels'); s.app()"
    return subprocess.run(
        [sys.executable, "-c", program, *arguments],
        capture_output=True,
        text=True,
        timeout=60,
        cwd=ROOT,
        check=False,
        env={**os.environ, **environ},
    )


def test_check_says_everything_and_ends_with_2(tmp_path: Path) -> None:
    assert run("check").returncode == 0
    (tmp_path / "a.yaml").write_text(
        "desks:\n  - {name: d, kind: webhook, url: https://e.com, secret_env: NOT_SET_ANYWHERE}\nruels: []\n"
    )
    bad = run("check", "--config", str(tmp_path))
    assert bad.returncode == 2
    assert 'did you mean "rules"?' in bad.stdout
    assert "1 error in 1 file" in bad.stdout
    (tmp_path / "a.yaml").write_text(
        "desks:\n  - {name: d, kind: webhook, url: https://e.com, secret_env: NOT_SET_ANYWHERE}\n"
    )
    lacking = json.loads(run("check", "--json", "--config", str(tmp_path)).stdout)
    assert lacking["ok"] is False
    assert [(one["line"], "NOT_SET_ANYWHERE" in one["message"]) for one in lacking["complaints"]] == [(2, True)]
    assert run("check", "--config", str(tmp_path), NOT_SET_ANYWHERE="x").returncode == 0
    assert run("check", "--config", str(tmp_path / "nowhere")).returncode == 2


def test_channels_new_knows_its_platforms() -> None:
    runner = CliRunner()
    commands.app.registered_groups or commands.app.add_typer(commands.channels, name="channels")
    assert "kind: reddit" in runner.invoke(commands.app, ["channels", "new", "reddit"]).output
    unknown = runner.invoke(commands.app, ["channels", "new", "redit"])
    assert unknown.exit_code == 2
    assert 'did you mean "reddit"?' in unknown.output


def test_reading_configuration_loads_no_vendor_library() -> None:
    program = (
        "import sys, config; config.load('config'); "
        "print(*sorted({'praw', 'prawcore', 'tweepy', 'requests', 'feedparser', 'vaderSentiment'} & set(sys.modules)))"
    )
    found = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd=ROOT, timeout=60
    )
    assert found.stdout.split() == []


def test_a_document_is_stable() -> None:
    first, second = config.load(ROOT / "config"), config.load(ROOT / "config")
    assert first.hash == second.hash
    assert config.load_document(json.loads(json.dumps(first.document()))) == first
