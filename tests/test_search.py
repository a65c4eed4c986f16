"""Searching tickets: the language of docs/queries.md asked of the database holds what the pure matcher holds."""

import re
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy import text

from domain.nouns import Mention
from domain.query import matching
from domain.query_tree import NEVER
from domain.rules import Topic
from domain.seek import pieces, rest, sought
from storage import casework, erase, filing, gathering, runs, unread, users, views
from storage.ledger import Ledger
from storage.views import Filter
from tests import web

DOCS = Path("docs/queries.md").read_text(encoding="utf-8")
EXAMPLES = re.findall(r"^\| `(.+?)` \| (.+?) \| (yes|no) \|$", DOCS, re.MULTILINE)
MORE = [
    ("café", "Im CAFÉ gesperrt"),
    ("überweisung", "Keine ÜBERWEISUNG mehr"),
    ("カード", "新しいカードが届かない"),
    ("at&t", "my AT&T bill"),
    ("at&t", "look at t shirts"),
    ("c++", "a c++ error"),
    ("c++", "vitamin c helps"),
    ("acme.com", "see https://acme.com/help"),
    ("acme", "see https://acme.com/help"),
    ("northbank", "mail help@northbank.example"),
    ("*bank", "northbank is down"),
    ("no*bank app", "northbank has an app"),
    ("NOT acme", "apex then"),
    ("acme OR NOT apex", "neither"),
    ('"card was"', "the card, was it you?"),
    ("(card OR app) NEAR/1 (down OR declined)", "app went down"),
    ("-declined card", "my card was declined"),
]


@pytest.fixture(scope="module")
def ledger(database_url: str) -> Iterator[Ledger]:
    web.people(database_url)
    found = Ledger(database_url)
    yield found
    found.close()


def numbers(ledger: Ledger, q: str, view: str = "all", me: int = 0, **more: object) -> set[int]:
    with ledger.begin() as connection:
        found = views.tickets(connection, Filter(view=view, q=q, **more), me)  # type: ignore[arg-type]
        assert found.total == len(found.tickets)
        return {row.number for row in found.tickets}


def test_the_database_holds_what_the_matcher_holds(ledger: Ledger) -> None:
    assert len(EXAMPLES) >= 15
    cases = [(query, said) for query, said, _ in EXAMPLES] + MORE
    wrong = []
    for n, (query, said) in enumerate(cases):
        number = web.ticket(ledger, web.mention(ledger, f"q{n}", said, author=f"q{n}"), "", f"q{n}", author=f"q{n}")
        post = Mention(platform="reddit", native_id=f"q{n}", content=said, published=datetime.now(UTC))
        wanted = bool(matching((Topic("t", query=query),), post))
        with ledger.begin() as connection:
            where, values = views.where(Filter(view="all", q=query), 0)
            held = connection.execute(
                text(f"SELECT count(*) FROM tickets t WHERE t.number = :n AND {where}"), {"n": number, **values}
            ).scalar()
        if bool(held) != wanted:
            wrong.append((query, said, wanted))
    assert wrong == []


def test_fields_ask_about_the_post(ledger: Ledger) -> None:
    one = web.ticket(ledger, web.mention(ledger, "f1", "zebra one", author="zoe"), "zebra", "f1", author="zoe")
    two = web.ticket(
        ledger, web.mention(ledger, "f2", "zebra two", author="yan", url="https://shop.example.com/2"), "zebra", "f2", author="yan"
    )  # fmt: skip
    assert numbers(ledger, "zebra") == {one, two}
    assert numbers(ledger, "zebra author:zoe") == {one}
    assert numbers(ledger, "zebra -author:zoe") == {two}
    assert numbers(ledger, "zebra site:example.com") == {two}
    assert numbers(ledger, "zebra lang:en platform:reddit") == {one, two}
    assert numbers(ledger, "zebra lang:de") == set()
    assert numbers(ledger, f"#{one}") == {one}


def test_notes_are_found_and_what_goes_is_found_no_more(ledger: Ledger) -> None:
    id_ = web.mention(ledger, "n1", "quokka text", author="nan")
    number = web.ticket(ledger, id_, "A quokka", "n1", author="nan")
    with ledger.begin() as connection:
        agent = users.by_email(connection, "agent@example.org")
        assert agent
        casework.note(connection, agent, number, "called about the wombat")
    assert numbers(ledger, "wombat") == {number}
    assert numbers(ledger, "quokka") == {number}
    with ledger.begin() as connection:
        connection.execute(text("UPDATE mentions SET content = 'numbat text' WHERE id = :id"), {"id": id_})
    assert numbers(ledger, "numbat") == {number}
    customer = web.value(ledger, "SELECT customer_id FROM tickets WHERE number = :n", n=number)
    with ledger.begin() as connection:
        erase.erase(connection, b"0" * 32, customer, "test")
    for word in ("wombat", "quokka", "numbat"):
        assert (
            web.value(ledger, "SELECT count(*) FROM ticket_words WHERE words @@ to_tsquery('simple', :w)", w=word) == 0
        )


def test_a_subject_a_person_gave_is_found(ledger: Ledger) -> None:
    ids = [web.mention(ledger, f"sp{n}", f"okapi {n}", author="sp") for n in range(2)]
    number = web.ticket(ledger, ids[0], "okapi", "sp", author="sp")
    with ledger.begin() as connection:
        lead = users.by_email(connection, "lead@example.org")
        assert lead
        id_ = connection.execute(text("SELECT id FROM tickets WHERE number = :n"), {"n": number}).scalar_one()
        run = runs.start(connection, "digest", "test")
        filing.link(connection, run, [(id_, ids[1])])
        runs.finish(connection, run)
        apart = gathering.split(connection, lead, number, [ids[1]], "The tapir affair")
    assert numbers(ledger, "tapir") == {apart}
    assert numbers(ledger, "okapi") == {number, apart}


def test_a_search_reads_only_what_the_index_names(ledger: Ledger) -> None:
    with ledger.begin() as connection:
        connection.execute(text("SET LOCAL enable_seqscan = off"))
        where, values = views.where(Filter(view="all", q='"card was" (declined OR refus*)'), 0)
        plan = "\n".join(
            row[0] for row in connection.execute(text(f"EXPLAIN SELECT 1 FROM tickets t WHERE {where}"), values)
        )
    assert "ticket_words_words" in plan


def test_what_is_no_query_is_read_as_words() -> None:
    assert sought("pay and go").note.startswith("Read as words alone")
    assert sought('"never closed').node == sought("never closed").node
    assert sought("(((").node == NEVER
    assert sought("a NEAR/900 b").node == NEVER
    assert "NEAR/20" in sought("a NEAR/900 b").note


def test_a_snippet_is_one_line_around_the_match() -> None:
    said = "word " * 60 + "my card was DECLINED\n\nagain " + "tail " * 60
    found = pieces(said, sought("declined").node)
    assert ("DECLINED", True) in found
    line = "".join(piece for piece, _ in found)
    assert len(line) < 120
    assert "\n" not in line
    assert line.startswith("…")
    assert line.endswith("…")
    assert pieces("x" * 500)[0][0] == "x" * 110
    assert rest("My card was de…", "My card was declined, again") == "clined, again"
    assert rest("My card.", "My card. Again") == "Again"
    assert rest("Elsewhere", "My card") == "My card"


def test_reading_ends_unread_and_never_waiting(ledger: Ledger) -> None:
    with ledger.begin() as connection:
        agent, lead = (users.by_email(connection, f"{role}@example.org") for role in ("agent", "lead"))
    assert agent
    assert lead
    number = web.ticket(ledger, web.mention(ledger, "w1", "ibis asks", author="ivy"), "ibis", "w1", author="ivy")

    def marks(user: users.User) -> tuple[bool, bool]:
        with ledger.begin() as connection:
            row = views.tickets(connection, Filter(view="all", q="ibis"), user.id).tickets[0]
        listed = [number in numbers(ledger, "ibis", me=user.id, mark=(name,)) for name in ("unread", "waiting")]
        assert listed == [row.unread, row.waiting is not None]
        return row.unread, row.waiting is not None

    assert marks(agent) == (True, True)
    with ledger.begin() as connection:
        unread.seen(connection, agent.id, number)
        casework.note(connection, lead, number, "a note of ours")
        casework.tag(connection, lead, number, ["ours"])
    assert marks(agent) == (False, True)
    assert marks(lead) == (True, True)
    with ledger.begin() as connection:
        assert unread.forget(connection, agent.id, number)
        casework.answered(connection, lead, number, "We are on it.")
    assert marks(agent) == (True, False)
