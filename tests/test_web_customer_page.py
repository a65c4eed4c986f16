"""A customer's page: the timeline narrowed and turned, the mood as picture, table and file."""

import re
from collections.abc import Iterator

import httpx2
import pytest
from sqlalchemy import text

from storage import timeline
from storage.ledger import Ledger
from tests import web


@pytest.fixture(scope="module")
def ledger(database_url: str) -> Iterator[Ledger]:
    """Ann wrote on two platforms, called, and has a ticket."""
    found = Ledger(database_url)
    posts = [
        web.mention(found, f"p{n}", f"post {n} of mine", author="ann", origin="", label=("negative", "positive")[n % 2])
        for n in range(60)
    ]
    web.ticket(found, posts[0], "Her ticket", "k", "ann")
    web.mention(found, "elsewhere", "said on X", author="ann2", origin="", platform="x")
    with found.begin() as connection:
        customer = connection.execute(text("SELECT customer_id FROM tickets")).scalar_one()
        connection.execute(
            text(
                "WITH i AS (INSERT INTO identities (kind, platform, origin, native_id) VALUES ('account', 'x', '', 'ann2') RETURNING id) "
                "INSERT INTO customer_identities (identity_id, customer_id, evidence, confidence, source) SELECT id, :c, 'said so', 1, 'person' FROM i"
            ),
            {"c": customer},
        )
        connection.execute(
            text(
                "INSERT INTO interactions (source, external_id, kind, direction, customer_id, happened_at, subject, body, label, compound) "
                "VALUES ('pbx', 'c1', 'call', 'in', :c, now() - interval '3 weeks', 'Refund', '<b>still</b> waiting', 'negative', -0.6)"
            ),
            {"c": customer},
        )
    yield found
    found.close()


@pytest.fixture(scope="module")
def client(ledger: Ledger, database_url: str) -> Iterator[httpx2.Client]:
    ids = web.people(database_url)
    with web.serve(web.make_app(database_url)) as address, web.enter(ledger, address, ids["agent"]) as found:
        found.timeout = 30
        yield found


def lines(page: httpx2.Response) -> list[str]:
    assert page.status_code == 200
    return re.findall(r'<li data-what="(\w+)" id="\w+-\d+">', page.text)


def test_the_timeline_holds_everything_page_by_page(client: httpx2.Client) -> None:
    first = client.get("/customers/1")
    assert len(lines(first)) == timeline.PAGE
    after = re.search(r'href="(/customers/1\?[^"#]*cursor=[^"#]+)', first.text)
    assert after
    rest = client.get(after[1].replace("&amp;", "&"))
    assert sorted([*lines(first), *lines(rest)]).count("mention") == 61
    assert {"ticket", "interaction"} <= {*lines(first), *lines(rest)}
    assert "That is all." in rest.text


def test_kinds_and_platforms_narrow_it_and_the_next_page_stays_narrow(client: httpx2.Client) -> None:
    assert lines(client.get("/customers/1?what=ticket")) == ["ticket"]
    calls = client.get("/customers/1?what=interaction")
    assert lines(calls) == ["interaction"]
    assert "&lt;b&gt;still&lt;/b&gt; waiting" in calls.text
    assert lines(client.get("/customers/1?platform=x")) == ["mention"]
    narrow = client.get("/customers/1?what=mention&platform=reddit")
    assert lines(narrow) == ["mention"] * timeline.PAGE
    assert "what=mention&amp;platform=reddit&amp;cursor=" in narrow.text
    assert "Nothing of these kinds" in client.get("/customers/1?what=delivery").text
    assert client.get("/customers/1?cursor=nonsense").status_code == 422


def test_the_mood_is_a_picture_a_table_and_a_file_of_the_same_figures(client: httpx2.Client) -> None:
    page = client.get("/customers/1").text
    assert 'aria-labelledby="mood-t mood-d"' in page
    answer = client.get("/customers/1/mood.csv")
    assert answer.headers["content-type"].startswith("text/csv")
    rows = [row.split(",") for row in answer.text.split("\r\n")[1:] if row]
    assert len(rows) == 26
    assert [sum(int(row[at]) for row in rows) for at in (1, 2, 3, 4)] == [
        32,
        0,
        30,
        0,
    ]  # 30 posts, the one on X, the call
    assert next(row for row in rows if row[1] == "1")[5] == "-0.600"
    table = re.findall(r'<td class="num">(\d+)</td>', page.split("Mood over time, table")[1].split("</table>")[0])
    assert sum(map(int, table)) == 62
    assert client.get("/customers/999/mood.csv").status_code == 404
