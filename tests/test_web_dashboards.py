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

from console.web.figures import BOARDS
from storage import casework, talk, users, worked
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
def switched(ledger: Ledger) -> None:
    """A customer who went to and fro. Before the first look: journeys are kept for minutes."""
    customer = web.value(ledger, "INSERT INTO customers (name) VALUES ('Swap') RETURNING id")
    for n, kind in enumerate(("call", "chat", "chat", "call", "chat")):
        web.value(
            ledger,
            "INSERT INTO interactions (source, external_id, kind, customer_id, happened_at) "
            "VALUES ('s', :n, :kind, :c, now() - make_interval(hours => 20 - :h)) RETURNING 1",
            n=f"s{n}", kind=kind, c=customer, h=n,
        )  # fmt: skip


@pytest.fixture(scope="module")
def client(
    database_url: str, ledger: Ledger, ids: dict[str, int], said: list[object], switched: None
) -> Iterator[httpx2.Client]:
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
    assert 29 <= len(rows) <= 32  # every step, the empty ones too: of seven whole days and today
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


@pytest.fixture(scope="module")
def opened(client: httpx2.Client, ledger: Ledger) -> None:
    """Three tickets of now."""
    for n in range(3):
        web.ticket(ledger, web.mention(ledger, f"t{n}", "declined", author=f"t{n}"), f"T{n}", f"t{n}", author=f"t{n}")


@pytest.mark.usefixtures("opened")
def test_a_mark_leads_to_as_many_tickets_as_it_counts(client: httpx2.Client) -> None:
    page = client.get("/dashboards?board=tickets&range=24h").text
    marks = re.findall(
        r'<a href="(/inbox\?[^"]+)" tabindex="-1"><rect class="c-tickets"[^>]*><title>[^<]*: (\d+) tickets', page
    )
    assert marks
    for href, count in marks:
        shown = client.get(href.replace("&amp;", "&")).text
        assert re.search(rf"<small>{count} tickets?</small>", shown), href


MARK = re.compile(r'<a href="([^"]+)" tabindex="-1">(.*?)</a>', re.S)
VALUE = re.compile(r"<title>[^<]*?: ([\d,]+)(?: of [\d,]+)?(?: \w+)?(?: \(few\))?</title>")


@pytest.mark.usefixtures("opened")
@pytest.mark.parametrize("range_", ["24h", "7d", "30d"])
@pytest.mark.parametrize("board", list(BOARDS))
def test_every_mark_leads_to_a_list_of_as_many(client: httpx2.Client, ledger: Ledger, board: str, range_: str) -> None:
    """Requirement 22: each mark of each chart is followed, and the list behind it holds what the mark says."""
    while ledger.run(talk.tally):
        pass
    page = client.get(f"/dashboards?board={board}&range={range_}").raise_for_status().text
    followed = 0
    for svg in re.findall(r'<svg class="chart".*?</svg>', page, re.S):
        linked = MARK.findall(svg)
        for href, marks in linked:
            value = sum(int(n.replace(",", "")) for n in VALUE.findall(marks))
            shown = client.get(href.replace("&amp;", "&")).text
            found = re.search(r"<small>([\d,]+)(?: tickets?)?</small>", shown)
            assert found, href
            assert int(found[1].replace(",", "")) == value > 0, (href, marks)
            assert len(re.findall(r"<tr[ >]", shown)) - 1 == min(value, 50 if "/inbox" not in href else 30), href
            followed += 1
        marked = [name for name in re.findall(r'<rect class="((?:c|neg|heat)-[\w]+)"', svg) if name != "heat-0"]
        inside = sum(len(re.findall(r"<rect ", marks)) for _, marks in linked)
        nameless = svg.count("others: ") + svg.count(": 0 of ")
        assert inside >= len(marked) - nameless, "a mark that leads nowhere"
    assert followed


@pytest.mark.parametrize("board", list(BOARDS))
def test_every_figure_has_a_name_a_description_a_table_and_a_file(client: httpx2.Client, board: str) -> None:
    address = f"/dashboards?board={board}&range=7d"
    page = client.get(address).text
    figures = page.split('<figure class="figure')[1:]
    assert [re.search(r"/dashboards/([\w-]+)\.csv", figure)[1] for figure in figures] == list(BOARDS[board])  # type: ignore[index]
    for name, figure in zip(BOARDS[board], figures, strict=True):
        assert "<svg" not in figure or re.search(r'aria-labelledby="\S+-t \S+-d"', figure)
        assert "<table" in figure
        head, *rows = csv.reader(io.StringIO(client.get(f"/dashboards/{name}.csv?range=7d").text))
        heads = re.findall(r'<th scope="col"[^>]*>([^<]*)</th>', figure)
        assert len(heads) == len(head), name
        for shown, plain in zip(heads, head, strict=True):  # a moment as people write it, and as programs do
            assert shown == plain or (re.search(r"^\d+ \w+ \d{4}, ", shown) and shown[-5:] == plain[-5:]), name
        assert figure.count('<th scope="row">') == len(rows), name
    assert page.partition("<main")[2] == client.get(address).text.partition("<main")[2] != ""  # identical bytes
    assert "style=" not in page


def test_figures_of_work_are_those_of_the_metrics(client: httpx2.Client, ledger: Ledger) -> None:
    """The dashboards read what tickets remember, `earmark report` their entries: two sides, the same numbers."""
    agent = ledger.run(lambda c: users.by_email(c, "agent@example.org"))
    assert agent
    numbers = []
    for n in range(5):
        id_ = web.mention(ledger, f"w{n}", "declined", author=f"w{n}")
        numbers.append(web.ticket(ledger, id_, f"W{n}", f"w{n}", author=f"w{n}", topic="worktopic"))
        back = "UPDATE tickets SET opened_at = now() - make_interval(mins => :m) WHERE number = :n RETURNING 1"
        web.value(ledger, back, m=10 + 7 * n, n=numbers[-1])
    for n, steps in enumerate(
        (("resolved",), ("pending", "resolved"), ("resolved", "open", "resolved"), ("resolved", "open"), ())
    ):
        for status in steps:
            ledger.run(lambda c, n=n, s=status: casework.change(c, agent, numbers[n], casework.Change(status=s)))  # type: ignore[misc]
    now = datetime.now(UTC)
    until = now.replace(minute=0, second=0, microsecond=0) + timedelta(hours=1)
    wanted = talk.Range(until - timedelta(hours=24), until, 1, ("worktopic",))
    with ledger.read() as connection:
        found, before = worked.read(connection, wanted)
        views = dict(
            connection.execute(
                text(
                    "SELECT count(*) AS opened, percentile_cont(0.5) WITHIN GROUP (ORDER BY extract(epoch FROM answered_at - opened_at)) AS first, "
                    "percentile_cont(0.9) WITHIN GROUP (ORDER BY extract(epoch FROM done_at - opened_at)) "
                    "FILTER (WHERE status IN ('resolved', 'closed')) AS whole, "
                    "avg(CASE WHEN reopened > 0 THEN 1.0 ELSE 0.0 END) FILTER (WHERE done_at IS NOT NULL) AS reopened "
                    "FROM metric_tickets WHERE topic = 'worktopic'"
                )
            )
            .mappings()
            .one()
        )
    done = found.whole
    assert found.by["topic"] == {"worktopic": done}
    assert before == worked.Worked(worked.NONE, {"topic": {}, "team": {}})
    assert (done.opened, done.reopened) == (views["opened"], float(views["reopened"])) == (5, 0.5)
    assert done.first_median == pytest.approx(float(views["first"]), abs=0.01)
    assert done.resolve_p90 == pytest.approx(float(views["whole"]), abs=0.01)
    page = client.get("/dashboards?board=tickets&range=24h").text
    assert "worktopic</a></h3>" in page


def test_moods_stand_side_by_side_over_time(client: httpx2.Client, said: list[tuple[datetime, str, str]]) -> None:
    """The strips' table holds what was scored, per platform and step, as `3 of 7`."""
    told = {platform: [0, 0] for platform in ("X", "Reddit")}
    for row in read(client, "platforms-over-time", range="7d"):
        for cell in (value for name, value in row.items() if name != "platform" and " of " in value):
            if row["platform"] in told:
                negative, scored = cell.split(" of ")
                told[row["platform"]] = [
                    told[row["platform"]][0] + int(negative),
                    told[row["platform"]][1] + int(scored),
                ]
    for name, platform in (("X", "x"), ("Reddit", "reddit")):
        volume = read(client, "volume", range="7d", platform=platform)
        negative = sum(int(row["negative"]) for row in volume)
        assert told[name] == [negative, negative + sum(int(row["neutral"]) + int(row["positive"]) for row in volume)]


def test_a_hole_is_hatched_in_its_steps_and_named(client: httpx2.Client, ledger: Ledger) -> None:
    channel = web.value(ledger, "INSERT INTO channels (name, kind, platform) VALUES ('deaf', 'x', 'x') RETURNING id")
    web.value(
        ledger,
        "INSERT INTO gaps (channel_id, page_id, since, until, reason) VALUES (:c, 1, now() - interval '20 hours', now() - interval '15 hours', 'a 503') "
        "RETURNING id",
        c=channel,
    )
    page = client.get("/dashboards?range=7d").text
    assert 'class="chart-gap"' in page
    assert "not read: deaf (a 503)" in page
    holes = [row["gap"] for row in read(client, "volume", range="7d")]
    assert 1 <= sum("deaf" in hole for hole in holes) <= 3  # five hours touch one to three steps of six
    assert "deaf" not in client.get("/dashboards?range=7d&platform=reddit").text
    assert not any("deaf" in row["gap"] for row in read(client, "volume", range="7d", platform="reddit"))
    web.value(ledger, "UPDATE gaps SET filled_at = now() RETURNING 1")
    assert 'class="chart-gap"' not in client.get("/dashboards?range=7d").text  # what was read later is whole


def test_what_happened_in_earmark_itself_is_numbered_and_said(client: httpx2.Client, ledger: Ledger) -> None:
    """Idea 4: a drop that an edit or what could not be judged has caused cannot read as good news."""
    for n in range(2):
        web.value(ledger, "INSERT INTO configurations (hash, document) VALUES (:h, '{}') RETURNING 1", h=f"note{n}")
    web.value(ledger, "INSERT INTO dead_letters (kind, ref_id, reason) VALUES ('digest', 1, 'made') RETURNING 1")
    channel = web.value(ledger, "INSERT INTO channels (name, kind, platform) VALUES ('odd', 'x', 'x') RETURNING id")
    web.value(
        ledger,
        "INSERT INTO rejects (channel_id, page_id, item_hash, reason, payload) VALUES (:c, 1, '\\x01', 'made', '') RETURNING 1",
        c=channel,
    )
    figure = client.get("/dashboards?range=24h").text.split('<figure class="figure')[1]
    remarks = re.findall(r"<li>([^<]+)</li>", figure.split('<ol class="remarks">')[1])
    assert len([said for said in remarks if "the configuration was edited" in said]) == 1, "the first is no edit"
    assert any("1 mention could not be judged" in said for said in remarks)
    assert any("1 item could not be read" in said for said in remarks)
    assert re.search(r'<text class="chart-number"[^>]*>[\d,]+</text>', figure)
    web.value(ledger, "UPDATE dead_letters SET state = 'retried' RETURNING 1")
    assert "could not be judged" not in client.get("/dashboards?range=24h").text


def test_a_word_that_grows_leads_to_its_tickets(client: httpx2.Client, ledger: Ledger) -> None:
    for n in range(30):
        said = "the gateway declined it" if n < 8 else "the card again"
        number = web.ticket(ledger, web.mention(ledger, f"g{n}", said, author=f"g{n}"), f"Ticket {n}", f"g{n}", author=f"g{n}", topic="growing")  # fmt: skip
        if n >= 12:
            web.value(ledger, "UPDATE tickets SET opened_at = now() - interval '30 hours' WHERE number = :n RETURNING 1", n=number)  # fmt: skip
    rows = read(client, "words", range="24h", topic="growing")
    assert (rows[0]["word"], rows[0]["tickets"], rows[0]["before"]) == ("declined", "8", "0") or rows[0][
        "word"
    ] == "gateway"
    page = client.get("/dashboards?range=24h&topic=growing").text
    href = re.search(r'<a href="([^"]+q=%22gateway%22[^"]*)"', page)
    assert href
    assert "<small>8 tickets</small>" in client.get(href[1].replace("&amp;", "&")).text


def test_switches_are_counted_between_channels(client: httpx2.Client, ledger: Ledger) -> None:
    rows = read(client, "switches", range="24h")
    assert {(row["from"], row["to"]): row["switches"] for row in rows} == {("call", "chat"): "2", ("chat", "call"): "1"}
    page = client.get("/dashboards?board=journeys&range=24h").text
    assert "Switches between channels" in page
    assert "Repeat contact within 7 days" in page


def test_a_cell_is_no_formula(ledger: Ledger, client: httpx2.Client) -> None:
    web.value(
        ledger, "INSERT INTO talk VALUES (date_trunc('hour', now()), '=cmd()', 'x', 'negative', 'risk', 3) RETURNING 1"
    )
    assert any(row["topic"] == "'=cmd()" for row in read(client, "voice"))
    web.value(ledger, "DELETE FROM talk WHERE topic = '=cmd()' RETURNING 1")


def test_an_empty_range_says_so(client: httpx2.Client) -> None:
    page = client.get("/dashboards?topic=nothing-of-that-name")
    assert page.status_code == 200
    assert "Nothing was said" in page.text
    assert client.get("/dashboards/nothing.csv").status_code == 404
