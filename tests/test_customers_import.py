"""Lists of customers in and out by command: mapping, encodings, doubled rows, errors aside, and a round trip."""

import json
from pathlib import Path

import pytest

from storage.ledger import Ledger, one, rows
from tests.support import run_earmark

ENV = {"EARMARK_SECRET": "a secret of the test, 0123456789", "NO_COLOR": "1"}


def earmark(database_url: str, *args: str) -> tuple[int, str, str]:
    done = run_earmark(args, env={**ENV, "DATABASE_URL": database_url})
    return done.returncode, done.stdout, done.stderr


def test_a_list_of_somebody_elses_columns_comes_in_once(database_url: str, tmp_path: Path) -> None:
    source = tmp_path / "kunden.csv"
    source.write_text(
        "Kundennr,Vorname Nachname,Mail,Telefon,declared_handle,order,intern\n"
        "K-1,Jürgen Müller,j.mueller@example.org,030 1234567,reddit:jmueller x:@JM,A-17 B-18,x\n"
        "K-1,Jürgen Müller,j.mueller@example.org,030 1234567,reddit:jmueller x:@JM,A-17 B-18,x\n"
        "K-2,Eve,not an address,,,,\n"
        "K-3,Info,info@example.org,,,,\n"
        "K-4,MÃ¼ller,,,,,\n"
        "K-5,Odd,,,nobody,,\n",
        encoding="utf-8",
    )
    mapping = [
        arg
        for pair in ("Kundennr=customer_number", "Vorname Nachname=name", "Mail=email", "Telefon=phone", "intern=")
        for arg in ("--map", pair)
    ]
    errors = tmp_path / "errors.tsv"
    dry = earmark(database_url, "customers", "import", str(source), "--region", "DE", *mapping, "--dry-run", "--json")
    assert (dry[0], json.loads(dry[1])["created"]) == (1, 2), dry
    code, out, _ = earmark(
        database_url, "customers", "import", str(source), "--region", "DE", *mapping, "--errors", str(errors), "--json"
    )
    told = json.loads(out)
    assert (code, told["lines"], told["created"], told["unchanged"]) == (1, 6, 2, 1)
    reasons = {item["line"]: item["reason"] for item in told["errors"]}
    assert set(reasons) == {4, 6, 7}
    assert "encoding" in reasons[6]
    assert "x:ada" in reasons[7]
    assert [line.split("\t")[0] for line in errors.read_text().splitlines()] == ["4", "6", "7"]
    ledger = Ledger(database_url)
    with ledger.begin() as c:
        found = {(r["kind"], r["platform"], r["native_id"]): r["mark"] for r in rows(c, "SELECT * FROM identities")}
        assert one(c, "SELECT count(*) FROM asides WHERE source = 'import:kunden.csv'") == 3
        assert one(c, "SELECT count(*) FROM customers WHERE attributes <> '{}'") == 0
    ledger.close()
    assert ("phone", "", "+49301234567") in found
    assert {
        ("account", "reddit", "@jmueller"),
        ("account", "x", "@jm"),
        ("order", "", "A-17"),
        ("order", "", "B-18"),
    } <= set(found)
    assert found["email", "", "info@example.org"] == "junk"


def test_what_goes_out_comes_in_again(database_url: str, tmp_path: Path) -> None:
    source, kept = tmp_path / "in.jsonl", tmp_path / "out.csv"
    lines = [
        {
            "customer_number": f"R-{n}",
            "name": f"Person {n}",
            "email": f"r{n}@example.org",
            "vip": n % 2 == 0,
            "city": "=Ulm",
        }
        for n in range(5)
    ]
    source.write_text("".join(json.dumps(line) + "\n" for line in lines) + "[1]\n{\n")
    code, out, _ = earmark(database_url, "customers", "import", str(source), "--json")
    assert (code, json.loads(out)["created"], len(json.loads(out)["errors"])) == (1, 5, 2)
    code, out, _ = earmark(database_url, "customers", "export")
    listed = [json.loads(line) for line in out.splitlines()]
    assert code == 0
    assert {"R-0", "R-4"} <= {row["customer_number"] for row in listed}
    assert all("reddit:" not in row["declared_handle"] for row in listed), "its terms keep handles in"
    assert earmark(database_url, "customers", "export", "--csv", "-o", str(kept))[0] == 0
    assert "'=Ulm" in kept.read_text()
    code, out, err = earmark(
        database_url,
        "customers",
        "import",
        str(kept),
        "--map",
        "id=",
        "--map",
        "source=",
        "--map",
        "created_at=",
        "--map",
        "tickets=",
        "--map",
        "open_tickets=",
        "--map",
        "city=",
        "--json",
    )
    assert (code, json.loads(out)["created"], json.loads(out)["errors"]) == (0, 0, []), err


@pytest.mark.parametrize(
    ("raw", "args", "said"),
    [
        ("email,name\na@example.org,Jürgen\n".encode("cp1252"), [], ":2: this is not utf-8-sig"),
        (b"a;b\n1;2\n", [], "no known column"),
        (b"email\na@example.org\n", ["--map", "Mail=email"], "no column mail"),
        (b"email\na@example.org\n", ["--encoding", "klingon"], "unknown encoding"),
    ],
)
def test_a_file_that_is_no_list_is_refused(
    database_url: str, tmp_path: Path, raw: bytes, args: list[str], said: str
) -> None:
    source = tmp_path / "bad.csv"
    source.write_bytes(raw)
    code, _, err = earmark(database_url, "customers", "import", str(source), *args)
    assert (code, said in err) == (2, True), err
