"""Requirement 22 on the charts of a flag and of a customer: every mark, and every linked figure of the table, leads to a list of as many."""

import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import httpx2
import pytest
from sqlalchemy import text

from domain.nouns import Sentiment, Stored, Verdict
from storage import finer
from storage.ledger import Ledger
from tests import ledgers, web
from workers import digest

NOW = datetime.now(UTC)
SERIES = ("acme/all", "acme/negative", "acme/x/negative", "acme/negative+service")
MARK = re.compile(r'<a href="([^"]+)" tabindex="-1">(.*?)</a>', re.S)
HELD = re.compile(r"<h1>.*?<small>([\d,]+)</small>")


def judge(stored: Stored) -> Verdict:
    """As the ledger's, but what says `nothing` is praise, so that no two measures hold the same."""
    verdict = ledgers.judge(stored)
    if stored.mention.content != "nothing":
        return verdict
    return replace(verdict, intent="praise", sentiment=Sentiment("positive", 0.5, "test", "1", "none"))


def drain(ledger: Ledger) -> None:
    digest.drain(ledger, replace(ledgers.desktop(), judge=judge), "tester", lambda: False)


@pytest.fixture(scope="module")
def ledger(database_url: str) -> Iterator[Ledger]:
    """Two hours on two platforms through the real ingest and digest: some in the same step, one edited away, one deleted, one hour old news."""
    found = Ledger(database_url)
    ledgers.add_channel(found, "x-one", "reddit-one")
    for platform, many in (("x", 24), ("reddit", 9)):
        posts = [
            replace(
                ledgers.post(
                    platform, f"{platform}{n}", ("help me", "maybe so", "nothing")[n % 3], ledgers.person(n % 5)
                ),
                published=NOW - timedelta(minutes=4 * (n - n % 2) + 1, seconds=7 * n % 60),
            )
            for n in range(many)
        ]
        ledgers.store(found, f"{platform}-one", posts)
        drain(found)
        moved = replace(posts[3], content="help, moved", published=NOW - timedelta(minutes=100), updated=NOW)
        gone = replace(posts[6], content="", kind="Tombstone", updated=NOW)
        ledgers.store(found, f"{platform}-one", [moved, gone])
        drain(found)
    with found.begin() as connection:
        runs = [row[0] for row in connection.execute(text("SELECT DISTINCT run_id FROM verdicts WHERE version = 1"))]
        finer.count(connection, runs)
    yield found
    found.close()


@pytest.fixture(scope="module")
def client(database_url: str, ledger: Ledger) -> Iterator[httpx2.Client]:
    ids = web.people(database_url)
    with web.serve(web.make_app(database_url)) as address, web.enter(ledger, address, ids["viewer"]) as found:
        yield found


def flag(ledger: Ledger, series: str) -> int:
    return int(
        web.value(
            ledger,
            "INSERT INTO escalations (rule, series, window_start, run_id, severity, peak) "
            "VALUES (:series, :series, now() - interval '30 minutes', 1, 3, 5) RETURNING id",
            series=series,
        )
    )


def marks(page: str) -> list[tuple[str, int]]:
    """(address, value) of each mark of the picture."""
    [picture] = re.findall(r'<svg class="chart" role="group".*?</svg>', page, re.S)
    found = MARK.findall(picture)
    assert len(found) == picture.count("<a ")
    return [
        (href.replace("&amp;", "&"), sum(int(n.replace(",", "")) for n in re.findall(r": ([\d,]+)(?: \w+)?</title>", inside)))
        for href, inside in found
    ]  # fmt: skip


def held(client: httpx2.Client, address: str) -> int:
    """How many the list says it holds; and it holds them."""
    page = client.get(address)
    assert page.status_code == 200, address
    found = HELD.search(page.text)
    assert found, address
    assert page.text.split("<tbody>")[1].count("<tr>") == int(found[1])
    return int(found[1])


@pytest.mark.parametrize("series", SERIES)
def test_every_mark_of_a_flag_leads_to_as_many_mentions(client: httpx2.Client, ledger: Ledger, series: str) -> None:
    page = client.get(f"/flags/{flag(ledger, series)}").text
    found = marks(page)
    topic, measure = series.split("/")[0], series.split("/")[-1]
    with ledger.read() as connection:
        counted = connection.execute(
            text("SELECT sum(n) FROM counts WHERE topic = :t AND split_part(measure, chr(58), 1) = :m AND (:all OR platform = 'x')"),
            {"t": topic, "m": measure, "all": series.count("/") == 1},
        ).scalar_one()  # fmt: skip
    assert sum(value for _, value in found) == counted > 8
    assert max(value for _, value in found) > 1, "no step holds more than one"
    for address, value in found:
        assert held(client, address) == value, address
    linked = re.findall(r'<td class="num"><a href="([^"]+)">([\d,]+)</a>', page)
    assert [(href.replace("&amp;", "&"), int(n)) for href, n in linked] == found  # the table leads there by keyboard


def test_where_people_or_reach_are_counted_the_list_says_so(client: httpx2.Client, ledger: Ledger) -> None:
    people = 0
    for address, value in marks(client.get(f"/flags/{flag(ledger, 'acme/authors')}").text):
        page = client.get(address).text
        said = re.search(r"Written by (\d+) (?:person|people); the chart counts each of them once a day", page)
        assert said, address
        assert held(client, address) >= int(said[1]) >= value
        people += value
    assert people >= 10  # five on each of two platforms, once a day
    address, _ = marks(client.get(f"/flags/{flag(ledger, 'acme/reach')}").text)[0]
    assert "The chart weighs each by how many follow" in client.get(address).text


def test_a_flag_that_is_not_there_is_no_list_of_everything(client: httpx2.Client) -> None:
    for given in ("999999", "x", "9" * 40):
        assert client.get(f"/mentions?flag={given}").status_code == 404


@pytest.mark.parametrize("zone", ["", "America/New_York", "Pacific/Chatham"])
def test_every_week_of_a_customer_leads_to_what_they_said(client: httpx2.Client, ledger: Ledger, zone: str) -> None:
    customer = web.value(ledger, "SELECT customer_id FROM customer_identities ORDER BY 1 LIMIT 1")
    for n in range(60):  # half a year, so that the clocks change within it; some of it older than the picture
        web.value(
            ledger,
            "INSERT INTO interactions (source, external_id, kind, direction, customer_id, happened_at, body, label) VALUES "
            "('pbx', :n, 'call', :d, :c, now() - make_interval(hours => :h), 'it rang', :label) ON CONFLICT (source, external_id) "
            "DO UPDATE SET body = EXCLUDED.body RETURNING 1",
            n=f"c{n}", c=customer, h=77 * n, d="out" if n % 7 == 6 else "in", label=("negative", "", "positive")[n % 3],
        )  # fmt: skip
    with ledger.begin() as connection:  # and at both sides of each Monday there
        connection.execute(
            text(
                "INSERT INTO interactions (source, external_id, kind, direction, customer_id, happened_at, body) SELECT 'web', :zone || w || s, 'chat', "
                "'in', :c, (date_trunc('week', now() AT TIME ZONE :zone) - make_interval(weeks => w, mins => s)) AT TIME ZONE :zone, 'typed' "
                "FROM generate_series(0, 24) w, unnest(ARRAY[-30, 30]) s WHERE w > 0 OR s > 0"
            ),
            {"zone": zone or "UTC", "c": customer},
        )
    page = client.get(
        f"/customers/{customer}", headers={"cookie": f"earmark={client.cookies['earmark']}; earmark-zone={zone}"}
    ).text
    found = marks(page)
    assert len(found) > 20
    for address, value in found:
        assert held(client, address) == value > 0, address
    tabled = re.findall(r'<tr><td><a href="(/customers/\d+/said[^"]+)">', page)
    assert [href.replace("&amp;", "&") for href in tabled] == [address for address, _ in found]
    assert client.get("/customers/999999/said").status_code == 404
