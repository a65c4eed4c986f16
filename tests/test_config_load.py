"""The door: what operators write is what is read, and everything that is wrong is said at once, with its place."""

import ast
import json
import re
import time
from pathlib import Path

import pytest

import config
from config.codes import CODES
from config.complaints import Complaint, masked
from config.load import examine, examine_texts

GOOD = """
topics:
  - name: northbank
    any: [northbank, no, on, 010, 12:30, "null"]
teams: [{name: care}]
default_team: care
channels:
  - name: news
    kind: feed
    every: 1h30m
    url: https://example.com/news.rss
rules:
  - name: angry
    when: {sentiment: [negative], compound_at_most: -0.5, followers_at_least: 10}
    then: {outcome: ticket, priority: high, team: care}
"""


def complaints(text: str, **values: str) -> list[Complaint]:
    return list(examine_texts([("t.yaml", text)], values).complaints)


def said(text: str, **values: str) -> str:
    return "\n".join(str(one) for one in complaints(text, **values))


def one(text: str) -> Complaint:
    found = complaints(text)
    assert len(found) == 1, "\n".join(map(str, found))
    return found[0]


def test_good_text_is_read_as_written() -> None:
    found = examine_texts([("t.yaml", GOOD)])
    assert found.complaints == ()
    assert found.config is not None
    assert found.config.topics[0].any == ("northbank", "no", "on", "010", "12:30", "null")
    assert found.config.channels[0].seconds == 5400
    assert found.config.rules[0].when.compound_at_most == -0.5
    assert found.config.rules[0].when.followers_at_least == 10


def test_keys_and_sections_without_a_value_leave_the_default() -> None:
    found = examine_texts(
        [("t.yaml", "channels:\nsettings:\n  language:\n  console_url: ~\ntopics: [{name: a, label: 'null'}]\n")]
    )
    assert found.complaints == ()
    assert found.config is not None
    assert (found.config.channels, found.config.settings.language) == ((), "auto")
    assert found.config.topics[0].label == "null"


def test_a_document_from_the_ledger_is_the_same_configuration() -> None:
    before = examine_texts([("t.yaml", GOOD)]).config
    assert before is not None
    after = config.load_document(json.loads(json.dumps(before.document())))
    assert after == before
    assert after.hash == before.hash
    assert after.judgement() == before.judgement()


def test_judgement_version_follows_rules_and_not_channels() -> None:
    before = examine_texts([("t.yaml", GOOD)]).config
    polled = examine_texts([("t.yaml", GOOD.replace("1h30m", "2h"))]).config
    ruled = examine_texts([("t.yaml", GOOD.replace("-0.5", "-0.6"))]).config
    assert before
    assert polled
    assert ruled
    assert before.judgement().version == polled.judgement().version != ruled.judgement().version
    assert before.hash != polled.hash


def test_every_complaint_at_once_with_its_place_and_the_nearest_name() -> None:
    text = """topics:
  - name: northbank
    anyy: [x]
  - name: NorthBank
channels:
  - name: a
    kind: feeed
  - name: b
    kind: feed
    url: https://example.com/x
    every: 0s
    topics: [nrthbank]
  - name: b
    kind: feed
    url: https://example.com/y
    topics: northbank
    enabled: maybe
rules:
  - name: r
    when: {sentiment: [negativ], intent: [complant]}
    then: {outcome: tickt, priorty: high, team: care}
ruels: []
escalations:
  - {name: e, threshold: 2, alerts: [hook]}
"""
    found = {(c.line, c.column): c for c in complaints(text)}
    wanted = {
        (3, 5): "any",
        (4, 11): "",
        (7, 11): "feed",
        (11, 12): "",
        (12, 14): "northbank",
        (13, 11): "",
        (16, 13): "",
        (17, 14): "",
        (20, 24): "negative",
        (20, 43): "complaint",
        (21, 21): "ticket",
        (21, 28): "priority",
        (21, 49): "",
        (22, 1): "rules",
        (24, 26): "",
        (24, 38): "",
    }
    assert {place: complaint.suggestion for place, complaint in found.items()} == wanted
    assert all(complaint.code in CODES for complaint in found.values())
    assert found[7, 11].line_text == "    kind: feeed"
    assert str(found[7, 11]).splitlines() == [
        f"t.yaml:7:11: error[E206]: {found[7, 11].message}",
        "    7 |     kind: feeed",
        '      |           ^^^^^ did you mean "feed"?',
    ]
    assert "takes a list: write [northbank]" in found[16, 13].message
    assert "shortest interval is 1s" in found[11, 12].message


@pytest.mark.parametrize(
    ("text", "message", "place"),
    [
        ("topics: []\ntopics: []\n", "already set in line 1", (2, 1)),
        ("topics:\n\t- name: a\n", "tab", (2, 1)),
        ("settings:\n  language: !!python/object/apply:os.system [id]\n", "tags such as", (2, 13)),
        ("settings: {language: !!python/name:os.system x}\n", "tags such as", (1, 22)),
        ("settings: &a [*a]\n", "alias", (1, 15)),
        ("a: b: c\n", "quotes", (1, 5)),
        ("--- {}\n--- {}\n", "second document", (2, 1)),
        ("settings: {<<: {language: en}}\n", "merge keys", (1, 12)),
        ("- topics\n", "a file holds sections", (1, 1)),
        ("topics: {name: a}\n", "takes a list", (1, 9)),
        ("topics: [northbank]\n", "takes keys and values", (1, 10)),
        ("topics: [{name: two words}]\n", "a name has up to", (1, 17)),
        ('topics: [{name: "a\\0b"}]\n', "control character", (1, 17)),
        ("settings: {retention: {payload_days: 0}}\n", "payload_days", (1, 38)),
        ("settings: {language: klingon}\n", "language", (1, 22)),
        ("service_levels: [{priority: high, first: 60, resolve: 30}]\n", "before the first answer", (1, 55)),
        ("lexicon: {outage: .inf}\n", "number", (1, 19)),
        ("lexicon: {' ': -1}\n", "empty word", (1, 11)),
        ("lexicon: {outage: -5}\n", "greater than or equal to -4", (1, 19)),
        ("alerts: [{name: a, kind: stdout, when: {teams: []}}]\n", "chooses tickets for a desk", (1, 34)),
        ("topics: [{name: a, foo: }]\n", 'unknown key "foo"', (1, 20)),
        ("settings: {retention: {payload_day: }}\n", 'unknown key "payload_day"', (1, 24)),
        ("channels: [{name: a, kind: x, query: q, lates: }]\n", 'unknown key "lates"', (1, 41)),
        ("topics:\n  - name: a\n    any:\n      - #tag\n", "need quotes", (4, 8)),
        ("topics:\n  - name: a\n    any: [#tag]\n", "begins a comment", (3, 11)),
        ("topics:\n  - name: a\n    any: [@me]\n", "begins with @ needs quotes", (3, 11)),
        ('topics:\n  - name: "a\n  - name: b\n', "a quote that is never closed", (2, 11)),
        ("topics:\n  - name: a\n   any: [x]\n", "the indentation", (3, 4)),
        ("topics: [{name: a, any: x}]\n", "takes a list: write [x]", (1, 25)),
        ("own_accounts: [{platform: x}]\n", "handle or its native_id", (1, 16)),
        ("intents: [{name: a, words: [b], weight: nan}]\n", "weight", (1, 41)),
        ("settings: {console_url: '${NOPE}'}\n", "nothing fills ${NOPE}", (1, 25)),
    ],
)
def test_each_slip_has_its_sentence(text: str, message: str, place: tuple[int, int]) -> None:
    found = complaints(text)
    assert found, "nothing was said"
    assert message in found[0].message, "\n".join(map(str, found))
    assert (found[0].line, found[0].column) == place


def test_billion_laughs_and_deep_nesting_are_refused_at_once() -> None:
    bomb = "a: &a [x,x,x,x,x,x,x,x,x,x]\n" + "".join(
        f"{new}: &{new} [{','.join([f'*{old}'] * 10)}]\n" for old, new in zip("abcdefgh", "bcdefghi", strict=True)
    )
    start = time.process_time()
    assert "aliases are followed" in said(bomb)
    assert "nested deeper" in said("topics: " + "[" * 5000)
    assert "aliases" in said("topics: [&a x" + ", *a" * 300 + "]")
    assert time.process_time() - start < 2


def test_a_file_too_large_or_not_utf8_is_refused() -> None:
    assert "larger than" in said("# " + "x" * 2_000_001)
    assert "not UTF-8" in "".join(
        str(c) for c in examine_texts([("t.yaml", b"topics:\n  - name: caf\xe9\n")]).complaints
    )
    assert examine_texts([("t.yaml", b"\xef\xbb\xbf" + GOOD.encode())]).complaints == ()


def test_cron_and_time_zones_are_judged_before_the_scheduler_meets_them() -> None:
    def cron(line: str, zone: str = "UTC") -> str:
        return said(f"channels: [{{name: a, kind: feed, url: https://e.com/x, cron: '{line}', timezone: '{zone}'}}]")

    assert cron("0 6 * * mon-fri") == ""
    assert cron("*/5 * * * *", "Europe/Berlin") == ""
    assert cron("30 2 29 2 *") == ""
    assert "by name" in cron("0 6 * * 1")
    assert "five fields" in cron("0 6 * *")
    assert "not a cron line" in cron("0 25 * * *")
    assert "never comes" in cron("0 6 30 2 *")
    assert 'did you mean "Europe/Berlin"' in cron("0 6 * * *", "Europe/Berln")
    assert "unknown time zone" in cron("0 6 * * *", "../../etc/passwd")
    assert "does not exist" in cron("30 2 * * *", "Europe/Berlin")
    assert "not both" in said("channels: [{name: a, kind: feed, url: https://e.com/x, cron: '0 6 * * *', every: 5m}]")


def test_private_hosts_need_to_be_allowed_by_name() -> None:
    def base(url: str, allow: str = "") -> str:
        return said(
            f"channels: [{{name: a, kind: reddit, subreddits: [x], base_url: '{url}'}}]\nsettings: {{allow_hosts: [{allow}]}}"
        )

    for host in ("127.0.0.1", "localhost", "127.1", "2130706433", "0x7f.1", "[::1]", "[::ffff:127.0.0.1]", "10.0.0.1"):
        assert "private or loopback" in base(f"http://{host}:8000"), host
    for host in ("169.254.169.254", "192.168.1.1", "db", "x.internal", "100.64.0.1", "0.0.0.0"):
        assert "private or loopback" in base(f"http://{host}"), host
    assert base("http://127.0.0.1:8000", "127.0.0.1") == ""
    assert "private or loopback" in base("http://127.0.0.2:8000", "127.0.0.1")
    assert base("https://www.reddit.com") == ""
    assert "begins with https" in base("file:///etc/passwd")
    found = base("https://user:hunter2@reddit.com")
    assert "no user or password" in found
    assert "hunter2" not in found


def test_files_join_lists_in_name_order_and_a_scalar_may_stand_once(tmp_path: Path) -> None:
    (tmp_path / "b.yaml").write_text("topics: [{name: two}]\nsettings: {language: en}\n")
    (tmp_path / "a.yaml").write_text("topics: [{name: one}]\nsettings: {on_error: skip}\n")
    (tmp_path / "notes.txt").write_text("not read")
    found = config.load(tmp_path)
    assert [topic.name for topic in found.topics] == ["one", "two"]
    assert (found.settings.language, found.settings.on_error) == ("en", "skip")
    (tmp_path / "c.yaml").write_text("teams: [{name: t}]\ndefault_team: t\nsettings: {language: de}\n")
    (tmp_path / "d.yaml").write_text("default_team: t\ntopics: [{name: one}]\n")
    with pytest.raises(config.Complaints) as caught:
        config.load(tmp_path)
    text = str(caught.value)
    assert f'{tmp_path}/c.yaml:3:12: error[E105]: "language" is already set in {tmp_path}/b.yaml:2' in text
    assert f'{tmp_path}/d.yaml:1:1: error[E105]: "default_team" is already set in {tmp_path}/c.yaml:2' in text
    assert f'{tmp_path}/d.yaml:2:17: error[E302]: the name "one" is already used in {tmp_path}/a.yaml:1' in text


def test_a_file_that_cannot_be_read_takes_no_names_of_others_down(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text("topics: [\n")
    (tmp_path / "b.yaml").write_text("channels: [{name: n, kind: feed, url: https://e.com/x, topics: [one]}]\n")
    found = examine(tmp_path)
    assert len(found.complaints) == 1
    assert found.complaints[0].file.endswith("a.yaml")
    assert "cannot be read" in str(examine(tmp_path / "nowhere").complaints[0])
    (tmp_path / "empty").mkdir()
    assert "no *.yaml" in str(examine(tmp_path / "empty").complaints[0])


def test_placeholders_are_filled_after_parsing() -> None:
    text = "settings: {console_url: '${URL}/x', allow_hosts: ['${HOST}']}"
    found = examine_texts([("t.yaml", text)], {"URL": "http://e.com: {a: b}", "HOST": "h"}).config
    assert found is not None
    assert found.settings.console_url == "http://e.com: {a: b}/x"
    assert 'did you mean "HOST"' in said("settings: {allow_hosts: ['${HOTS}']}", HOST="h")


@pytest.mark.parametrize(
    "line",
    [
        "token: hunter2",
        "    client_secret: 'hunter2'",
        '- {name: a, "api_key": hunter2}',
        "pasword: hunter2",
        "client-secret: hunter2",
        "# token: hunter2",
        "base_url: https://me:hunter2@example.com",
        "secret_env: whsec_hunter2",
        "{headers: {Authorization: Bearer hunter2}}",
    ],
)
def test_a_shown_line_holds_no_secret(line: str) -> None:
    assert "hunter2" not in masked(line)
    assert masked("client_secret_env: NAME") == "client_secret_env: NAME"


def test_complaints_are_told_as_sarif_too(tmp_path: Path) -> None:
    """Requirement 26; the shape is https://docs.oasis-open.org/sarif/sarif/v2.1.0/, read by code hosts."""
    from typer.testing import CliRunner

    from console.cli.main import app

    (tmp_path / "bad.yaml").write_text("chanels: []\n")
    said = CliRunner().invoke(app, ["check", "--config", str(tmp_path), "--format", "sarif"])
    assert said.exit_code == 2
    told = json.loads(said.stdout)
    assert told["version"] == "2.1.0"
    [run] = told["runs"]
    [result] = run["results"]
    assert result["level"] == "error"
    assert result["ruleId"] == "E201"
    assert {rule["id"]: rule["shortDescription"]["text"] for rule in run["tool"]["driver"]["rules"]} == CODES
    assert "channels" in result["message"]["text"]
    place = result["locations"][0]["physicalLocation"]
    assert place["artifactLocation"]["uri"].endswith("bad.yaml")
    assert place["region"] == {"startLine": 1, "startColumn": 1}
    assert CliRunner().invoke(app, ["check", "--config", str(tmp_path), "--format", "xml"]).exit_code == 2


def test_one_number_in_text_json_and_sarif(tmp_path: Path) -> None:
    """Requirement 26: a number of its own for each kind of slip, the same wherever it is told."""
    from typer.testing import CliRunner

    from console.cli.main import app

    (tmp_path / "bad.yaml").write_text(
        "chanels: []\ntopics: [{name: one, query: 'a or ('}, {name: one}, {nme: x}]\n"
        'alerts: [{name: a, kind: slack, url: https://x}]\nsettings: {api_token: hunter2, language: "\\x01"}\n'
    )
    (tmp_path / "old.yml").write_text("")

    def told(form: str) -> str:
        said = CliRunner().invoke(app, ["check", "--config", str(tmp_path), "--format", form])
        assert said.exit_code == 2
        return said.stdout

    complaints = json.loads(told("json"))["complaints"]
    codes = [one["code"] for one in complaints]
    assert {"E107", "E201", "E202", "E302", "E401", "E501", "E104"} <= {*codes} <= {*CODES}
    assert re.findall(r": (?:error|warning)\[(E\d+)\]: ", told("text")) == codes
    assert [one["ruleId"] for one in json.loads(told("sarif"))["runs"][0]["results"]] == codes
    assert next(one for one in complaints if one["code"] == "E107")["severity"] == "warning"


def test_each_number_stands_for_something_and_nothing_is_said_without_one() -> None:
    """Read from the source: every complaint that is made names a number of the table, and every number is used."""
    used: set[str] = set()
    for path in sorted((Path(config.__file__).parent).glob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if not isinstance(node, ast.Call):
                continue
            name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            texts = {one.value for one in ast.walk(node) if isinstance(one, ast.Constant) and str(one.value) in CODES}
            if name == "complain":
                code = node.args[0 if path.name == "source.py" else 1]
                assert texts or isinstance(code, ast.Attribute), f"{path.name}:{node.lineno} has no number"
            used |= texts
    assert {*CODES} - used == {"E102"}, "the number of what YAML itself refuses is Refused's default"
    page = (Path(config.__file__).parent.parent / "docs" / "configuration.md").read_text()
    assert all(f"| `{code}` | {meaning} |" in page for code, meaning in CODES.items())
