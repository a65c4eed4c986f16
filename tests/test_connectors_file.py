"""Files: each row once while a file grows, is replaced or cut; a bad row costs itself; nothing outside the folder is read."""

import csv
import json
import os
import random
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from connectors.errors import ConfigError, Permanent
from connectors.inbound import file
from domain.rules import Topic
from tests.reading import Reader, context
from workers.poll import read

OLD = time.time() - 60


def connector(folder: Path, path: str, **more: Any) -> file.Connector:
    return file.Connector(file.Settings(path=path, **more), context(imports=str(folder)))


def reader(folder: Path, path: str, **more: Any) -> Reader:
    return Reader(lambda: connector(folder, path, **more))


def write(place: Path, text: str | bytes, mode: str = "w", at_rest: bool = True) -> None:
    data = text.encode() if isinstance(text, str) else text
    with place.open(mode + "b") as out:
        out.write(data)
    if at_rest:
        os.utime(place, (OLD, OLD))


def reasons(r: Reader, made: file.Connector) -> list[str]:
    _, rejected = read(made, r.pages[-1], (Topic("all"),))
    return [one.reason for one in rejected]


def test_csv_is_read_in_pages_with_every_kind_of_row(tmp_path: Path) -> None:
    write(
        tmp_path / "a.csv",
        "\ufeffid,text,author,published,rating\r\n"
        '1,"two\r\nlines, with ""quotes""",Ann,2026-01-02T03:04:05Z,2\r\n'
        "2,plain,bob,1790000000,\r\n\r\n"
        "3,no end",
    )
    r = reader(tmp_path, "a.csv", page_size=1)
    assert r.poll()
    assert r.ids == {"1", "2"}
    assert (r.mentions["1"].content, r.mentions["1"].kind) == ('two\nlines, with "quotes"', "Review")
    assert r.mentions["1"].rating is not None
    assert r.mentions["1"].attributed_to is not None
    assert r.mentions["1"].attributed_to.native_id == "ann"
    assert r.mentions["1"].published.isoformat() == "2026-01-02T03:04:05+00:00"
    assert (r.mentions["2"].origin, r.mentions["2"].kind) == ("a.csv", "Note")
    assert [json.loads(one)["line"] for one in r.rejects] == [6]  # too few columns
    assert r.poll()
    assert r.pages[-1].items == []


def test_a_growing_file_is_followed_and_half_a_line_waits(tmp_path: Path) -> None:
    place = tmp_path / "log.jsonl"
    write(place, '{"id": 1, "text": "one"}\n{"id": 2, "te', at_rest=False)
    r = reader(tmp_path, "log.jsonl")
    assert r.poll()
    assert r.ids == {"1"}
    write(place, 'xt": "two"}\n', "a", at_rest=False)
    assert r.poll()
    assert (r.ids, r.rejects) == ({"1", "2"}, set())
    assert len(r.pages[-1].items) == 1, "what was read is not read again"
    write(place, '{"id": 3, "text": "three"}', "a")  # no line end, but at rest
    assert r.poll()
    assert r.ids == {"1", "2", "3"}


def test_half_a_quoted_row_waits_too(tmp_path: Path) -> None:
    place = tmp_path / "a.csv"
    write(place, 'id,text\n1,"first line\n', at_rest=False)
    r = reader(tmp_path, "a.csv")
    assert r.poll()
    assert (r.ids, r.rejects) == (set(), set())
    write(place, 'second line"\n2,x\n', "a", at_rest=False)
    assert r.poll()
    assert (r.ids, r.mentions["1"].content) == ({"1", "2"}, "first line\nsecond line")


@pytest.mark.parametrize("how", ["cut", "replaced", "rewritten", "rewritten longer with the same beginning"])
def test_another_file_under_the_name_is_read_from_its_first_line(tmp_path: Path, how: str) -> None:
    """The position of the old one would skip rows of the new: neither size nor inode alone tells."""
    place = tmp_path / "a.csv"
    old = "id,text\n" + "".join(f"{n},row number {n}\n" for n in range(200))
    write(place, old)
    r = reader(tmp_path, "a.csv")
    assert r.poll()
    assert len(r.ids) == 200
    new = "id,text\n" + "".join(f"n{n},new row {n}\n" for n in range(5 if how == "cut" else 500))
    if how == "replaced":
        write(tmp_path / "b.csv", new)
        os.replace(tmp_path / "b.csv", place)
    elif how.endswith("beginning"):
        write(place, old[:1500] + "\n" + new.partition("\n")[2])
    else:
        write(place, new)
    assert r.poll()
    assert {one for one in r.ids if one.startswith("n")} == {f"n{n}" for n in range(5 if how == "cut" else 500)}
    assert any("another one" in said for said in r.warnings)


def test_bad_rows_are_rejected_with_their_line_and_payload(tmp_path: Path) -> None:
    write(
        tmp_path / "a.csv",
        b'id,text\n1,good\n2,bad \xff byte\n3,too,many\n4,"broken"quote\n5,"never closed\n6,fine\n7,\n'
        + b"8,"
        + b"x" * 1_000_100
        + b"\n9,last\n",
    )
    made = connector(tmp_path, "a.csv")
    r = Reader(lambda: made)
    assert r.poll()
    assert r.ids == {"1", "6", "9"}
    said = reasons(r, made)
    assert [one.partition(":")[0] for one in said] == ["line 3", "line 4", "line 5", "line 6", "line 8", "line 9"]
    for part, reason in zip(("utf-8", "3 columns", "CSV", "CSV", "no text", "longer than"), said, strict=True):
        assert part in reason
    assert any("bad ÿ byte" in json.loads(one).get("text", "") for one in r.rejects)
    write(tmp_path / "b.jsonl", '{"id": 1, "text": "a"}\nnot json\n[1]\n{"id": 2}\n' + "[" * 100_000 + "\n")
    lines = connector(tmp_path, "b.jsonl")
    r = Reader(lambda: lines)
    assert r.poll()
    assert r.ids == {"1"}
    assert [one.split(":")[0] for one in reasons(r, lines)] == ["line 2", "line 3", "line 4", "line 5"]


def test_a_page_of_nothing_but_bad_rows_does_not_block_the_file(tmp_path: Path) -> None:
    write(tmp_path / "a.jsonl", "no\n" * 20 + '{"id": 1, "text": "after"}\n')
    made = connector(tmp_path, "a.jsonl", page_size=5)
    page = made.fetch_page({})
    assert read(made, page, ())[0] == []
    assert page.state["line"] == 5
    assert reader(tmp_path, "a.jsonl", page_size=5).poll()


def test_columns_encodings_and_rows_without_id(tmp_path: Path) -> None:
    write(
        tmp_path / "a.csv",
        "Nr;Review Text;Sterne;a.b\n;zufrieden für immer;9;x\n;zufrieden für immer;9;x\n".encode("cp1252"),
    )
    columns = {"id": "Nr", "text": "Review Text|Text", "rating": "Sterne", "context": "a.b"}
    r = reader(tmp_path, "a.csv", delimiter=";", encoding="cp1252", fields=columns, rating_best=10, origin="shop")
    assert r.poll()
    (only,) = r.mentions.values()
    assert (only.content, only.origin, only.context) == ("zufrieden für immer", "shop", "x")
    assert only.native_id.startswith("sha256:")
    write(tmp_path / "w.csv", "id,text\n1,x\n".encode("utf-16"))
    with pytest.raises(ConfigError, match="UTF-16"):
        reader(tmp_path, "w.csv", encoding="iso-8859-1").poll()


def test_nothing_outside_the_folder_is_read(tmp_path: Path) -> None:
    folder = tmp_path / "imports"
    folder.mkdir()
    secret = tmp_path / "secret.csv"
    write(secret, "id,text\n1,secret\n")
    (folder / "link.csv").symlink_to(secret)
    (folder / "up").symlink_to(tmp_path)
    os.mkfifo(folder / "pipe.csv")
    for path in ("link.csv", "up/secret.csv", "pipe.csv", "."):
        with pytest.raises(ConfigError):
            reader(folder, path).poll()
    for path in ("../secret.csv", "/etc/passwd", "a/../../secret.csv", "a\x00b"):
        with pytest.raises(ValidationError):
            file.Settings(path=path)
    with pytest.raises(Permanent):
        reader(folder, "nothing.csv").poll()
    write(folder / "real.csv", "id,text\n1,x\n")
    (folder / "alias.csv").symlink_to(folder / "real.csv")
    assert reader(folder, "alias.csv").poll()


@pytest.mark.parametrize("seed", range(6))
def test_after_quiet_every_row_is_there_once(tmp_path: Path, seed: int) -> None:
    """Random days of a file: rows with line ends, halves, bad ones, other page sizes, replacements, pages that were lost."""
    rng, place, size = random.Random(f"file{seed}"), tmp_path / "a.csv", [5]
    r = Reader(lambda: connector(tmp_path, "a.csv", page_size=size[0]))
    wanted: dict[str, str] = {}
    bad: set[str] = set()
    held, count = "id,text\n", 0
    for _ in range(30):
        if rng.random() < 0.1:  # everything written anew, under the same name or as another file
            again = [row for row in csv.reader(held.splitlines(keepends=True)) if row[:1] != ["id"]]
            held = "id,text\n" + "".join(_row(*row) for row in rng.sample(again, len(again)))
            if rng.random() < 0.5:
                place.unlink(missing_ok=True)
        for _ in range(rng.randrange(6)):
            count += 1
            if rng.random() < 0.15:
                held += f"bad{count}\n"
                bad.add(f"bad{count}")
            else:
                wanted[str(count)] = rng.choice(("plain", "two\nlines", 'a "quote"', "comma, and\r\nmore")) + str(count)
                held += _row(str(count), wanted[str(count)])
        cut = len(held) - rng.choice((0, 0, 1, 3, 9))
        write(place, held[: max(cut, 8)], at_rest=False)
        size[0] = rng.choice((1, 5, 50))
        _poll(r, rng)
    write(place, held)
    for _ in range(2):
        assert r.poll(500)
    assert {native_id: mention.content for native_id, mention in r.mentions.items()} == {
        native_id: text.replace("\r\n", "\n") for native_id, text in wanted.items()
    }
    assert {json.loads(one)["text"].strip() for one in r.rejects} == bad


def _row(native_id: str, text: str = "") -> str:
    if not text:
        return f"{native_id}\n"
    return f'{native_id},"{text.replace(chr(34), chr(34) * 2)}"\n'


def _poll(r: Reader, rng: random.Random) -> None:
    made = r.make()
    for _ in range(rng.choice((1, 3, 9))):
        page = made.fetch_page(r.state)
        if rng.random() < 0.2:
            return  # killed before the page's transaction: nothing of it is kept
        r.take(made, page)
        if page.done:
            return


def test_the_folder_comes_from_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import config
    from workers import bootstrap

    given: Callable[[], Any] = lambda: bootstrap.context(config.load_document({}))  # noqa: E731
    monkeypatch.delenv("EARMARK_IMPORTS", raising=False)
    assert given().imports == "imports"
    monkeypatch.setenv("EARMARK_IMPORTS", str(tmp_path))
    assert given().imports == str(tmp_path)
