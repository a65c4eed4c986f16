"""Dashboards: figures against a count of our own, gaps of nothing, links that hold as many tickets as the mark, the same bytes twice."""

import csv
import io
import re
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import httpx2
import pytest
from sqlalchemy import text

from storage import talk
from storage.ledger import Ledger
from tests import web

NOW = datetime.now(UTC).replace(minute=30, second=0, microsecond=0)


@pytest.fixture(scope="module")
def ids(database_url: str) -> dict[str, int]:
    return web.people(database_url)


@pytest.fixture(scope="module")
def ledger(database_url: str) -> Iterator[Ledger]:
    found = Ledger(database_url)
    yield found
    found.close()


@pytest.fixture(scope="module")
def said(ledger: Ledger) -> list[tuple[datetime, str, str]]:
    """(published, platform, label) of posts over the last days, with an edit and one of our own."""
    told = []
    for n in range(24):
        at = NOW - timedelta(hours=n * 5)
        platform, label = ("x", "reddit", "feeds")[n % 3], ("negative", "positive", "neutral", "unscored")[n % 4]
        id_ = web.mention(
            ledger, f"d{n}", f"post {n}", outcome="ignore", platform=platform, label=label, author=f"a{n}"
        )
        web.value(ledger, "UPDATE mentions SET published = :at WHERE id = :id RETURNING 1", at=at, id=id_)
        told.append((at, platform, label))
    own = web.mention(ledger, "own", "we are sorry", outcome="ignore", author="us")
    web.value(ledger, "UPDATE verdicts SET reason = 'own-account' WHERE mention_id = :id RETURNING 1", id=own)
    return told


@pytest.fixture(scope="module")
def client(database_url: str, ledger: Ledger, ids: dict[str, int], said: list[object]) -> Iterator[httpx2.Client]:
    while ledger.run(talk.tally):
        pass
    with web.serve(web.make_app(database_url)) as address, web.enter(ledger, address, ids["viewer"]) as found:
        yield found


def read(client: httpx2.Client, figure: str, **query: str) -> list[dict[str, str]]:
    answer = client.get(f"/dashboards/{figure}.csv", params=query)
    assert answer.status_code == 200
    return list(csv.DictReader(io.StringIO(answer.text)))


def test_the_volume_is_what_was_said_by_mood(client: httpx2.Client, said: list[tuple[datetime, str, str]]) -> None:
    rows = read(client, "volume", range="7d")
    told = Counter(label for _, _, label in said)
    assert {mood: sum(int(row[mood]) for row in rows) for mood in told} == dict(told)
    assert len(rows) == 28  # every step, the empty ones too
    narrowed = read(client, "volume", range="7d", platform="x")
    assert sum(int(row["negative"]) for row in narrowed) == sum(
        1 for _, p, label in said if (p, label) == ("x", "negative")
    )


def test_a_run_is_counted_once_and_an_edit_by_its_difference(client: httpx2.Client, ledger: Ledger) -> None:
    before = sum(int(row["negative"]) for row in read(client, "volume"))
    with ledger.begin() as connection:
        connection.execute(text("UPDATE runs SET tallied = tallied"))
    assert ledger.run(talk.tally) == 0
    run = web.value(ledger, "INSERT INTO runs (kind, verdicts) VALUES ('digest', 1) RETURNING id")
    with ledger.begin() as connection:
        connection.execute(
            text(
                "INSERT INTO verdicts (mention_id, version, outcome, reason, intent, priority, topic, label, scorer, run_id) "
                "SELECT mention_id, 2, outcome, reason, intent, priority, topic, 'positive', scorer, :run FROM verdicts "
                "WHERE mention_id = (SELECT id FROM mentions WHERE native_id = 'd0')"
            ),
            {"run": run},
        )
    assert ledger.run(talk.tally) == 1
    assert sum(int(row["negative"]) for row in read(client, "volume")) == before - 1


def test_a_mark_leads_to_as_many_tickets_as_it_counts(client: httpx2.Client, ledger: Ledger) -> None:
    for n in range(3):
        web.ticket(ledger, web.mention(ledger, f"t{n}", "declined", author=f"t{n}"), f"T{n}", f"t{n}", author=f"t{n}")
    page = client.get("/dashboards?range=24h").text
    marks = re.findall(
        r'<a href="(/inbox\?[^"]+)" tabindex="-1"><rect class="c-tickets"[^>]*><title>[^<]*: (\d+) tickets', page
    )
    assert marks
    for href, count in marks:
        shown = client.get(href.replace("&amp;", "&")).text
        assert re.search(rf"<small>{count} tickets?</small>", shown), href


def test_every_figure_has_a_name_a_description_a_table_and_a_file(client: httpx2.Client) -> None:
    page = client.get("/dashboards").text
    figures = page.split('<figure class="figure')[1:]
    assert len(figures) == 6
    for figure in figures:
        assert re.search(r'aria-labelledby="\S+-t \S+-d"', figure)
        assert "<table" in figure
        assert ".csv" in figure
    assert page.partition("<main")[2] == client.get("/dashboards").text.partition("<main")[2] != ""
    assert "style=" not in page


def test_a_cell_is_no_formula(ledger: Ledger, client: httpx2.Client) -> None:
    web.value(ledger, "INSERT INTO talk VALUES (now(), '=cmd()', 'x', 'negative', 'risk', 3) RETURNING 1")
    assert any(row["topic"] == "'=cmd()" for row in read(client, "voice"))
    web.value(ledger, "DELETE FROM talk WHERE topic = '=cmd()' RETURNING 1")


def test_an_empty_range_says_so(client: httpx2.Client) -> None:
    page = client.get("/dashboards?topic=nothing-of-that-name")
    assert page.status_code == 200
    assert "Nothing was said" in page.text
    assert client.get("/dashboards/nothing.csv").status_code == 404
