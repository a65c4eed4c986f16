"""Known customers: a CSV in, idempotent, with reasons; authors found again as policy allows."""

from collections.abc import Iterator

import pytest

from storage import customers, roll
from storage.customers import Match, Who
from storage.ledger import Ledger, one, rows
from tests.ledgers import SECRET

HEAD = "phone,Email,name,x_handle,reddit_handle,customer_number,tier,vip,city\n"
FILE = HEAD + (
    "+49 151 12345678,Ada@Example.ORG,Ada,@ada_l,ada_on_reddit,C-1,gold,yes,Köln\n"
    ",grace@example.org,Grace,,,,,no,\n"
    ",,Number only,,,C-3,silver,,\n"
)


@pytest.fixture
def ledger(database_url: str) -> Iterator[Ledger]:
    made = Ledger(database_url, name="test", pool=2)
    yield made
    made.close()


def bring(ledger: Ledger, source: str, region: str | None = None) -> roll.Brought:
    return ledger.run(lambda c: roll.bring(c, SECRET, roll.read(source.splitlines(keepends=True), region)))


def test_a_file_comes_in_once(ledger: Ledger) -> None:
    first = bring(ledger, FILE)
    assert (first.lines, first.created, first.identities, first.errors) == (3, 3, 7, [])
    again = bring(ledger, FILE)
    assert (again.created, again.updated, again.unchanged, again.identities) == (0, 0, 3, 0)
    with ledger.begin() as c:
        [ada] = customers.search(c, "ada@example.org")
        shown = customers.show(c, ada["id"])
    assert shown is not None
    assert (shown["vip"], shown["tier"], shown["attributes"]) == (True, "gold", {"city": "Köln"})
    assert {(i["kind"], i["platform"], i["native_id"]) for i in shown["identities"]} == {
        ("email", "", "ada@example.org"),
        ("phone", "", "+4915112345678"),
        ("number", "", "C-1"),
        ("account", "x", "@ada_l"),
        ("account", "reddit", "@ada_on_reddit"),
    }


def test_a_later_file_updates_and_adds(ledger: Ledger) -> None:
    bring(ledger, FILE)
    done = bring(ledger, "customer_number,email,tier,x_handle\nC-1,,platinum,\nC-3,three@example.org,,three\n")
    assert (done.created, done.updated, done.unchanged, done.identities) == (0, 2, 0, 2)
    with ledger.begin() as c:
        [ada] = customers.search(c, "ada@example.org")
        assert (ada["tier"], ada["name"], ada["vip"]) == ("platinum", "Ada", True)


def test_each_bad_line_has_its_reason(ledger: Ledger) -> None:
    bring(ledger, FILE)
    source = "name,email,phone,customer_number,x_handle,vip\n" + "\n".join(
        [
            "A,not-an-address,,,,",
            "B,b@example.org,12,,,",
            "C,,,,handle_only,",
            "D,d@example.org,,,,perhaps",
            "E,e@example.org,,,,,,too,many",
            "F,ada@example.org,,C-3,,",
            "G,g@example.org,,,ada_l,",
            "",
            "H,h@example.org,0151 12345679,,,",
            '"I, with\na line",i@example.org,,,,',
        ]
    )
    done = bring(ledger, source)
    assert [line for line, _ in done.errors] == [2, 3, 4, 5, 6, 7, 8, 10]
    reasons = dict(done.errors)
    for line, said in {
        2: "not-an-address",
        4: "could not be known again",
        5: "yes or no",
        6: "fields",
        7: "merge",
        8: "@ada_l",
        10: "region",
    }.items():
        assert said in reasons[line], reasons[line]
    assert done.created == 1
    assert bring(ledger, "email,phone\nh@example.org,0151 12345679\n", "DE").created == 1


def test_one_person_twice_in_a_file_is_one_customer(ledger: Ledger) -> None:
    done = bring(ledger, "email,customer_number,x_handle\ntwice@example.org,,\ntwice@example.org,T-1,tw\n,T-1,\n")
    assert (done.created, done.updated, done.unchanged) == (1, 1, 1)


def test_a_file_without_known_columns_is_refused() -> None:
    with pytest.raises(roll.BadRow, match="known"):
        list(roll.read(["a;b;c\n", "1;2;3\n"]))
    with pytest.raises(roll.BadRow, match="twice"):
        list(roll.read(["email,Email\n"]))
    with pytest.raises(roll.BadRow, match="line 2 is no CSV"):
        list(roll.read(["email\n", "x" * 200_000]))


def test_authors_are_found_as_policy_allows(ledger: Ledger) -> None:
    bring(ledger, FILE)
    bring(ledger, "customer_number,reddit_handle\nR-1,only_reddit\n")
    asked = [
        Who("x", "", "1", "Ada_L"),
        Who("mail", "", "GRACE@example.org", "", True),
        Who("reddit", "", "t2_1", "ada_on_reddit", link=False),
        Who("x", "", "2", "nobody"),
        Who("mastodon", "social.example", "3", "ada_l"),
    ]
    with ledger.begin() as c:
        found = customers.match(c, asked)
        ada = one(
            c,
            "SELECT customer_id FROM customer_identities JOIN identities i ON i.id = identity_id WHERE native_id = '@ada_l'",
        )
        grace = rows(
            c,
            "SELECT customer_id FROM customer_identities JOIN identities i ON i.id = identity_id WHERE native_id = 'grace@example.org'",
        )
        assert customers.match(c, []) == {}
        allowed = customers.match(c, [Who("reddit", "", "t2_1", "ada_on_reddit", link=True)])
    assert found == {
        ("x", "", "1"): Match(ada, "declared handle"),
        ("mail", "", "GRACE@example.org"): Match(grace[0]["customer_id"], "exact e-mail address"),
    }
    assert allowed[("reddit", "", "t2_1")].customer_id == ada
