"""`earmark score` and `earmark triage`: lines in order, a bad one answered in its place, any text survived."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parent.parent
QUICK = "settings: {scorer: vader, language: en}\n"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("config")
    (made / "s.yaml").write_text(QUICK)
    return made


def run(command: str, folder: Path, data: bytes | str) -> tuple[int, list[dict[str, Any]], str]:
    given = data.encode() if isinstance(data, str) else data
    done = subprocess.run(
        [sys.executable, "-m", "console.cli.main", command, "--config", str(folder)],
        input=given, capture_output=True, cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT)}, timeout=120,
    )  # fmt: skip
    return done.returncode, [json.loads(line) for line in done.stdout.splitlines()], done.stderr.decode()


ODD = {
    "empty": "",
    "nul": "a \x00 b terrible",
    "lone surrogate": "\ud83d great \udc00",
    "right to left": "שירות נורא \u202e olleh \u202c",
    "joiners": "👩\u200d👩\u200d👧 love it \u200b\u200c",
    "emoji only": "😡😡😡",
    "mixed": "Warte seit 3 weeks на refund 我的退款",
    "markup": "<b>terrible</b> &amp; <script>alert(1)</script>",
    "marks": "a" + "\u0301" * 5000,
    "long": "terrible service " * 7000,
    "one word": "x" * 100_000,
    "brackets": "(" * 50_000,
    "quotes": "\"'“”" * 4000,
}


@pytest.mark.parametrize("command", ["score", "triage"])
def test_any_text_is_answered_in_its_place(command: str, folder: Path) -> None:
    lines = [json.dumps({"id": name, "text": text}) for name, text in ODD.items()]
    code, told, said = run(command, folder, "\n".join(lines) + "\n")
    assert (code, said) == (0, "")
    assert [one["id"] for one in told] == list(ODD)
    assert all("sentiment" in one for one in told)
    cut = {one["id"] for one in told if one.get("truncated")}
    assert cut == {"long", "one word"}  # more than 64 KB
    if command == "score":
        assert all(one["text"] == ODD[one["id"]] for one in told)


BAD = [
    (b"not json", "not JSON"),
    (b'{"id": 1}', "text missing"),
    (b'{"text": "a"}', "id missing"),
    (b'{"id": 1, "text": 5}', "not a string"),
    (b'{"id": {}, "text": "a"}', "id is an object"),
    (b"[1, 2]", "JSON object"),
    (b'{"id": 1, "text": "a", "rating": NaN}', "NaN"),
    (b'{"id": 1, "text": "a", "rating": "many"}', "not a number"),
    (b'{"id": 1, "text": "a", "rating": {"value": 3, "best": 1}}', "best"),
    (b'{"id": 1, "text": "a", "language": 7}', "language"),
    (b'{"id": 1, "text": "\xff"}', "UTF-8"),
    (b'{"id": 1, "text": "a"', "not JSON"),
    (b'{"id": 1, "text": "a", "x": ' + b"[" * 100_000, "deep|not JSON"),
    (b'{"id": 1, "text": "a", "x": 1e999}', "JSON"),
]


@pytest.mark.parametrize("command", ["score", "triage"])
def test_a_bad_line_gets_an_error_with_its_number_and_the_rest_goes_on(command: str, folder: Path) -> None:
    good = b'{"id": "good", "text": "love it"}'
    bad = [line for line, _ in BAD if command == "score" or b"1e999" not in line]
    data = b"\n".join(part for line in bad for part in (line, good, b""))
    code, told, said = run(command, folder, data)
    assert (code, said) == (1, "")
    assert len(told) == 2 * len(bad)
    for number, (line, message) in enumerate(pair for pair in BAD if pair[0] in bad):
        refused, answered = told[2 * number], told[2 * number + 1]
        assert refused["line"] == 3 * number + 1, line[:60]
        assert any(part in refused["error"] for part in message.split("|")), refused
        assert answered["sentiment"]["label"] == "positive"
    assert told[2 * [line for line, _ in BAD].index(b'{"id": 1}')]["id"] == 1


def test_a_line_without_end_is_refused_and_does_not_fill_the_memory(folder: Path) -> None:
    data = b'{"id": 1, "text": "' + b"a" * 9_000_000 + b'"}\n{"id": 2, "text": "love it"}\n'
    code, told, _ = run("score", folder, data)
    assert code == 1
    assert told[0]["line"] == 1
    assert "longer than" in told[0]["error"]
    assert told[1]["id"] == 2


def test_lines_may_end_as_they_like(folder: Path) -> None:
    data = b'\xef\xbb\xbf{"id": 1, "text": "love it"}\r\n\r\n  \n{"id": 2, "text": "hate it"}'
    code, told, _ = run("score", folder, data)
    assert code == 0
    assert [one["sentiment"]["label"] for one in told] == ["positive", "negative"]


def test_what_is_answered_comes_before_the_next_question(folder: Path) -> None:
    """A filter between two programs does not keep an answer back until its buffer is full."""
    with subprocess.Popen(
        [sys.executable, "-m", "console.cli.main", "score", "--config", str(folder)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT)},
    ) as filter_:  # fmt: skip
        assert filter_.stdin is not None
        assert filter_.stdout is not None
        for number in range(3):
            filter_.stdin.write(b'{"id": %d, "text": "great"}\n' % number)
            filter_.stdin.flush()
            assert json.loads(filter_.stdout.readline())["id"] == number
        filter_.stdin.close()
        assert filter_.wait(30) == 0


def test_the_filter_starts_without_the_ledgers_libraries(folder: Path) -> None:
    code = (
        "import sys; sys.argv = ['earmark', 'score', '--config', sys.argv[1], sys.argv[2]]\n"
        "from console.cli import main\n"
        "try: main.main()\nexcept SystemExit: pass\n"
        "heavy = {'sqlalchemy', 'alembic', 'dramatiq', 'redis', 'psycopg', 'httpx2', 'rich.table', 'praw', 'tweepy', 'holidays'}\n"
        "print(sorted(heavy & {*sys.modules}), file=sys.stderr)\n"
    )
    line = folder / "line.jsonl"
    line.write_text('{"id": 1, "text": "great"}\n')
    done = subprocess.run(
        [sys.executable, "-c", code, str(folder), str(line)], capture_output=True, cwd=ROOT, text=True, timeout=60
    )
    assert json.loads(done.stdout)["id"] == 1
    assert done.stderr.strip() == "[]"


def test_a_wrong_configuration_ends_with_2(tmp_path: Path) -> None:
    (tmp_path / "t.yaml").write_text("topics: [{name: a, query: a or b}]\n")
    code, told, said = run("score", tmp_path, '{"id": 1, "text": "a"}\n')
    assert code == 2
    assert [[*one] for one in told] == [["error"]]
    assert "t.yaml:1:29" in told[0]["error"]
    assert "t.yaml:1:29" in said
