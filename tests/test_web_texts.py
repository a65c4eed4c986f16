"""Every text a page shows is in the catalogue, the catalogue is what the sources say, and another language is whole and in use."""

import ast
import csv
import io
import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from math import ceil
from urllib.parse import parse_qsl, urlsplit
from zoneinfo import ZoneInfo

import httpx2
import pytest
from babel.messages.catalog import Catalog
from babel.messages.pofile import read_po, write_po
from sqlalchemy import text

from console.web import catalogue, formats, spoken, texts, vocabulary, words
from domain import lifecycle, nouns, surveys
from domain.said import Said
from storage import casework, metrics, owed, talk, tokens, users, views
from storage.ledger import Ledger
from tests import pseudo, web, web_places

GERMAN = spoken.FOLDER / "de.po"


def held(catalog: Catalog) -> bytes:
    out = io.BytesIO()
    write_po(out, catalog, width=catalogue.WIDTH, omit_header=True, sort_output=True)
    return out.getvalue()


def test_the_catalogue_is_what_the_sources_say() -> None:
    assert catalogue.TEMPLATE.read_bytes() == held(catalogue.gather()), "run: python -m console.web.catalogue"


def marks(said: str) -> list[str]:
    return sorted(re.findall(r"%\(\w+\)s|%%|</?\w+[^>]*>", said))


@pytest.mark.parametrize("path", sorted(spoken.FOLDER.glob("*.po")), ids=lambda path: path.stem)
def test_a_language_is_whole_and_keeps_what_is_filled_in(path: "spoken.pathlib.Path") -> None:
    with path.open("rb") as file:
        found = read_po(file, locale=path.stem)
    with catalogue.TEMPLATE.open("rb") as file:
        wanted = read_po(file)
    assert {(m.context, str(m.id)) for m in found if m.id} == {(m.context, str(m.id)) for m in wanted if m.id}
    for message in found:
        if not message.id:
            continue
        assert not message.fuzzy, message.id
        sources = message.id if message.pluralizable else (message.id,)
        said = message.string if message.pluralizable else (message.string,)
        assert all(said), message.id
        assert len(said) == (found.num_plurals if message.pluralizable else 1), message.id
        assert {tuple(marks(one)) for one in said} <= {tuple(marks(one)) for one in sources}, message.id


def test_the_words_of_states_are_those_there_are() -> None:
    assert set(vocabulary.STATUSES) == set(lifecycle.STATUSES)
    assert set(vocabulary.PRIORITIES) == set(casework.PRIORITIES)
    assert set(vocabulary.INTENTS) == set(nouns.INTENTS)
    assert set(vocabulary.ROLES) == set(users.ROLES)
    assert tuple(label for label, _ in views.VIEWS.values()) == vocabulary.VIEWS
    assert tuple(label for label, _ in views.SORTS.values()) == vocabulary.SORTS
    assert tuple(label for label, _ in views.MARKS.values()) == vocabulary.MARKS
    said = {word for label, _, meaning in owed.WORDS.values() for word in (label, meaning)}
    assert said <= set(vocabulary.OWED)
    assert {*surveys.QUESTIONS.values(), *(end for ends in surveys.ENDS.values() for end in ends)} == set(
        vocabulary.SURVEYS
    )
    assert set(vocabulary.METRICS) <= {said for metric in metrics.METRICS for said in (metric.label, metric.formula)}


def test_no_function_gives_the_translator_away() -> None:
    """`_` is a function here; who assigns it in passing has none to call."""
    for path in sorted((catalogue.ROOT / "console" / "web").glob("*.py")):
        tree = ast.parse(path.read_text())
        for function in ast.walk(tree):
            if not isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef | ast.ListComp | ast.DictComp):
                continue
            named = [node for node in ast.walk(function) if isinstance(node, ast.Name) and node.id == "_"]
            assigned = any(isinstance(node.ctx, ast.Store) for node in named)
            called = any(isinstance(node.ctx, ast.Load) for node in named)
            assert not (assigned and called), f"{path.name}:{function.lineno}"


@pytest.fixture(scope="module")
def world(database_url: str) -> Iterator[web_places.World]:
    found = web_places.make(database_url)
    yield found
    found.ledger.close()


@pytest.fixture(scope="module")
def address(world: web_places.World, database_url: str) -> Iterator[str]:
    known = {**spoken.languages(), "xx": pseudo.language()}
    with web.serve(web.make_app(database_url, languages=known)) as found:
        yield found


def reader(
    address: str, world: web_places.World, language: str = "", zone: str = "", accept: str = ""
) -> httpx2.Client:
    cookies = {"earmark": world.session, "earmark-language": language, "earmark-zone": zone}
    headers = {"accept-language": accept} if accept else {}
    return httpx2.Client(base_url=address, cookies={k: v for k, v in cookies.items() if v}, headers=headers, timeout=60)


def stored(ledger: Ledger) -> set[str]:
    """Every string the database holds: what of a page is data."""
    found: set[str] = set()
    with ledger.begin() as connection:
        tables = connection.execute(text("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")).scalars()
        for table in tables.all():
            for row in connection.execute(text(f'SELECT to_jsonb(t) FROM "{table}" t LIMIT 3000')).scalars():
                found.update(pseudo.leaves(row))
    return found


def is_data(said: str, known: str, names: set[str]) -> bool:
    """Stored somewhere, a name of a platform, an address or an identifier. A word of the vocabulary is none of these: it is translated."""
    if said in OURS:
        return False
    said = re.sub(r"^\d+ ", "", said)  # a ticket's number before its subject
    return said in known or said in names or re.fullmatch(r"[a-z]+[.:][\w.:]+|https?://\S+|\{.*\}", said) is not None


OURS = {word for words_ in vars(vocabulary).values() if isinstance(words_, tuple) for word in words_} - {
    "spike"
}  # the world's rule is called so


@pytest.mark.timeout(180)
def test_no_page_shows_a_text_that_is_in_no_catalogue(world: web_places.World, address: str) -> None:
    data = stored(world.ledger)
    known = "\0".join(map(pseudo.tidy, data))
    names = {"Earmark", "OpenID", *words.PLATFORMS.values(), *(words.platform(one) for one in data if len(one) < 40)}
    asked = {value for place in web_places.addresses(world) for _, value in parse_qsl(urlsplit(place).query)}
    naked: list[str] = []
    with reader(address, world, "xx") as client:
        for place in web_places.addresses(world):
            page = client.get(place)
            assert page.status_code == web_places.STATUS.get(place, 200)
            for said in pseudo.Naked(page.text).found:
                parts = [pseudo.tidy(part) for part in re.split(r" · |: |, | → |; |\s·\s", said)]
                bad = [part for part in parts if pseudo.worded(part) and not is_data(part, known, names | asked)]
                if bad and not (said not in OURS and said in known):
                    naked.append(f"{place}: {said!r}")
    assert naked == [], "\n".join(naked)


def test_no_template_holds_a_text_of_its_own() -> None:
    """Also where no page of the world above leads: what is left of a template without its expressions and translations has no words."""
    naked = []
    for path in sorted((catalogue.ROOT / "console" / "web" / "templates").glob("*.html")):
        source = re.sub(r"\{#.*?#\}", "", path.read_text(), flags=re.DOTALL)
        source = re.sub(
            r"\{%-? trans.*?endtrans -?%\}|\{\{.*?\}\}", f"{pseudo.OPEN}x{pseudo.CLOSE}", source, flags=re.DOTALL
        )
        source = re.sub(r"\{%.*?%\}", "", source, flags=re.DOTALL)
        found = [
            said for said in pseudo.Naked(source).found if not re.match(r"[/&]|Earmark", said)
        ]  # addresses in macros
        naked += [f"{path.name}: {said}" for said in found]
    assert naked == []


def test_the_pseudo_language_would_find_one() -> None:
    naked = pseudo.Naked(
        '<p>⟦Save⟧ Discard</p><a title="Go ⟦x⟧">⟦Write <b>this</b>⟧ 12</a><code>earmark up</code><p lang="en">Said.</p>'
    )
    assert naked.found == ["Discard", "Go"]


def test_what_somebody_chose_comes_before_what_the_browser_asks_for(world: web_places.World, address: str) -> None:
    for language, accept, lang in (
        ("", "", "en"), ("", "de-CH,de;q=0.9,en;q=0.8", "de"), ("", "fr, de;q=0.3, en;q=0.5", "en"), ("de", "en", "de"),
        ("en", "de", "en"), ("", "de;q=0", "en"), ("", ";;q=,de;q=x", "en"), ("tlh", "de", "en"),
    ):  # fmt: skip
        with reader(address, world, language, accept=accept) as client:
            page = client.get("/inbox?view=all")
        assert f'<html lang="{lang}">' in page.text, (language, accept)
        assert page.headers["content-language"] == lang
        assert page.headers["vary"] == "cookie, accept-language"


def test_a_choice_is_a_cookie_and_leads_back(world: web_places.World, address: str) -> None:
    with reader(address, world) as client:
        assert re.search(
            r'<form class="languages".*?<button[^>]*value="de" lang="de">Deutsch</button>', client.get("/flags").text
        )
        first = client.get("/flags").headers["etag"]
        chosen = client.post("/language", data={"language": "de", "back": "/flags?state=open"})
        assert (chosen.status_code, chosen.headers["location"]) == (303, "/flags?state=open")
        assert "earmark-language=de" in chosen.headers["set-cookie"]
        assert "httponly" in chosen.headers["set-cookie"].lower()
        page = client.get("/flags", headers={"if-none-match": first})
        assert page.status_code == 200, "the page in another language is another page"
        assert "Eskalationen" in page.text
        assert (
            client.post("/language", data={"language": "de", "back": "//elsewhere.example"}).headers["location"]
            == "/inbox"
        )
        assert client.post("/language", data={"language": "tlh"}).status_code == 422
    with httpx2.Client(base_url=address, headers={"accept-language": "de"}) as stranger:
        assert "Anmelden" in stranger.get("/login").text
        script = re.search(r'src="(/static/texts-de\.\w+\.js)"', stranger.get("/login").text)
        assert script
        answer = stranger.get(script[1])
        assert "immutable" in answer.headers["cache-control"]
        assert '"next row":"nächste Zeile"' in answer.text
        assert '"%(n)s new ticket":{' in answer.text
    with httpx2.Client(base_url=address) as stranger:
        assert "/static/texts-" not in stranger.get("/login").text  # English is in the scripts themselves


def test_what_programs_read_stays_english(world: web_places.World, address: str) -> None:
    with reader(address, world, "de") as client:
        assert client.get("/api/v1/tickets/987654").json()["detail"] == "There is no such ticket."
        rows = client.get("/dashboards/tickets.csv").text.splitlines()
        assert rows[0] == "from (UTC),opened,too late"
        assert re.fullmatch(r"\d{4}-\d\d-\d\d \d\d:\d\d,\d+,\d+", rows[1])
        assert "Es gibt" not in client.get("/metrics").text


def test_refusals_and_pages_speak_german(world: web_places.World, address: str) -> None:
    with reader(address, world, "de") as client:
        assert "Dieses Ticket gibt es nicht." in client.get("/tickets/987654").text
        csrf = re.search(r'name="csrf" value="([\w-]+)"', client.get("/inbox").text)
        assert csrf
        done = client.post(f"/tickets/{world.number}/tags", data={"csrf": csrf[1], "tags": "x" * 300})
        assert "Ein Schlagwort hat 1 bis 60 Zeichen." in done.text
        assert client.post("/inbox/bulk", data={"csrf": csrf[1]}).text.count("Kein Ticket ist markiert.") == 1
        page = client.get(f"/tickets/{world.number}").text
    assert '<option value="urgent" selected>dringend</option>' in page  # what is sent stays English
    assert 'lang="en">Somebody waits' in re.sub(r"<li>", "", page)  # a receipt is as it was stored, and says so


def test_a_sentence_remembers_what_it_was_made_of() -> None:
    said = Said("At most %(most)s tags on #%(number)s.", most=12345, number=str(67890))
    assert said == "At most 12,345 tags on #67890."
    assert texts._(
        Said("A draft has at most %(most)s characters; this one has %(n)s.", most=20000, n=20001)
    ).startswith("A draft")
    token = spoken.ANSWERED.set(spoken.languages()["de"])
    try:
        refused = casework.Refused(
            Said("A draft has at most %(most)s characters; this one has %(n)s.", most=20000, n=20001)
        )
        assert texts._(refused) == "Ein Entwurf hat höchstens 20.000 Zeichen; dieser hat 20.001."
        assert texts._("50% of nobody's business") == "50% of nobody's business"
        nested = Said("#%(number)s is %(status)s: reopen it first.", number="7", status=Said("closed"))
        assert texts._(nested) == "Nr. 7 ist geschlossen: Öffnen Sie das Ticket zuerst wieder."
    finally:
        spoken.ANSWERED.reset(token)


def test_numbers_and_dates_are_written_as_the_language_does() -> None:
    at = datetime(2026, 11, 22, 13, 5, 9, tzinfo=UTC)
    german, english = spoken.languages()["de"], spoken.languages()["en"]
    for language, wanted in (
        (english, ("1,234,567", "-0.5", "+12%", "12.3%", "38k", "1.2M", "Sun, 22 Nov 2026, 13:05:09 UTC", "22 Nov, 13:05 UTC", "Mon")),
        (german, ("1.234.567", "-0,5", "+12\xa0%", "12,3\xa0%", "38k", "1,2M", "So., 22. Nov. 2026, 13:05:09 UTC", "22. Nov., 13:05 UTC", "Mo")),
    ):  # fmt: skip
        token = spoken.ANSWERED.set(language)
        try:
            said = (
                formats.number(1234567), formats.decimal(-0.5), formats.percent(0.12, sign=True), formats.percent(0.123, 1),
                formats.short(38123), formats.short(1_240_000), formats.exact(at), formats.at(at), formats.weekdays()[0],
            )  # fmt: skip
        finally:
            spoken.ANSWERED.reset(token)
        assert said == wanted
    assert tokens.SCOPES  # named as they are: programs read them


def first_marks(page: str) -> list[str]:
    return re.findall(r'<text class="chart-x"[^>]*>([^<]+)</text>', page)


def test_a_flag_is_drawn_by_the_clock_of_who_reads_it(world: web_places.World, address: str) -> None:
    place = f"/flags/{world.flag}"
    with reader(address, world, zone="UTC") as here, reader(address, world, zone="Pacific/Auckland") as there:
        near, far = here.get(place).text, there.get(place).text
        assert here.get(f"{place}/series.csv").text == there.get(f"{place}/series.csv").text
    rows = [
        re.findall(r"<tr><td>(\d+ \w+ \d{4}, \d\d:\d\d)</td><td class=\"num\">(?:<a [^>]+>)?([\d,]+)", page)
        for page in (near, far)
    ]
    assert len(rows[0]) == len(rows[1]) > 100
    for (at, n), (then, m) in zip(*rows, strict=True):
        moved = datetime.strptime(then, "%d %b %Y, %H:%M") - datetime.strptime(at, "%d %b %Y, %H:%M")  # noqa: DTZ007
        assert n == m
        assert moved in (timedelta(hours=12), timedelta(hours=13))
    assert "by the clock of Pacific/Auckland" in far
    marks_near, marks_far = first_marks(near), first_marks(far)
    assert marks_near != marks_far
    assert {mark[-2:] for mark in marks_far} <= {"00", "15", "30", "45", "10", "20", "40", "50"}
    highest = [re.search(r"Highest: (\d+) at (\d\d):(\d\d)\.", page) for page in (near, far)]
    assert highest[0]
    assert highest[1]
    assert (int(highest[1][2]) - int(highest[0][2])) % 24 in (12, 13)


def test_a_dashboards_days_are_those_of_who_reads_it(world: web_places.World, address: str) -> None:
    where = ZoneInfo("Pacific/Auckland")
    hour = datetime.now(where).replace(minute=0, second=0, microsecond=0) - timedelta(days=3)
    late = hour.replace(hour=23).astimezone(
        UTC
    )  # the last hour of a day there: at noon of it in UTC, or an hour before
    with world.ledger.begin() as connection:
        connection.execute(
            text(
                "INSERT INTO talk (hour, topic, platform, label, intent, n) VALUES (:at, 'clocks', 'x', 'negative', 'complaint', 7)"
            ),
            {"at": late},
        )
    asked = "/dashboards/volume.csv?range=30d&topic=clocks"
    for zone, day in (("UTC", late.date()), ("Pacific/Auckland", hour.date())):
        with reader(address, world, zone=zone) as client:
            rows = list(csv.DictReader(io.StringIO(client.get(asked).text)))
            page = client.get("/dashboards?range=30d&topic=clocks").text
        steps = [datetime.strptime(row["from (UTC)"], "%Y-%m-%d %H:%M").replace(tzinfo=UTC) for row in rows]
        there = [step.astimezone(ZoneInfo(zone)) for step in steps]
        assert {(at.hour, at.minute) for at in there} == {(0, 0)}, (
            "a day begins at midnight there, through changes of time too"
        )
        assert len({at.date() for at in there}) == len(there)
        counted = {at.date(): int(row["negative"]) for at, row in zip(there, rows, strict=True)}
        assert {date: n for date, n in counted.items() if n} == {day: 7}
        assert f"by the clock of {zone}" in page
        said = re.search(r"Busiest: (\w{3}) (\d\d):00 with 7", page)
        assert said
        assert (said[1], said[2]) == (f"{late.astimezone(ZoneInfo(zone)):%a}", f"{late.astimezone(ZoneInfo(zone)):%H}")
        link = re.search(r"since=([^&]+)&amp;until=([^&\"]+)", page)
        assert link


@pytest.mark.parametrize("zone", ["America/New_York", "Europe/Berlin", "Australia/Lord_Howe", "UTC"])
def test_a_day_is_a_day_when_the_clocks_change(ledger_of_world: Ledger, zone: str) -> None:
    there = ZoneInfo(zone)
    for month in (3, 4, 10, 11):
        since = datetime(2026, month, 1, tzinfo=there)
        until = datetime(2026, month, 30, tzinfo=there)
        with ledger_of_world.begin() as connection:
            found = talk.moments(connection, talk.Range(since.astimezone(UTC), until.astimezone(UTC), 24, zone=zone))
            hours = talk.moments(connection, talk.Range(since.astimezone(UTC), until.astimezone(UTC), 1, zone=zone))
        days = [datetime(2026, month, day, tzinfo=there) for day in range(1, 30)]
        assert [at.astimezone(there).isoformat() for at in found] == [day.isoformat() for day in days]
        assert len(hours) == ceil((until.astimezone(UTC) - since.astimezone(UTC)) / timedelta(hours=1))


@pytest.fixture
def ledger_of_world(world: web_places.World) -> Ledger:
    return world.ledger


def test_every_amount_is_of_something_that_has_a_name() -> None:
    """`amount(n, noun)` asks a table: a noun that is not in it is a page that fails the day there is one of them to count."""
    folder = spoken.FOLDER.parent / "web"
    said = {
        (noun, path.name)
        for path in (*folder.glob("*.py"), *folder.glob("templates/*.html"))
        for found in re.findall(r"amount\((?:[^()]|\([^()]*\))*?[\"']([a-z ]+)[\"']\s*,?\s*\)", path.read_text())
        for noun in [found]
    }
    assert len(said) > 20
    assert not {(noun, name) for noun, name in said if noun not in words.NOUNS}
