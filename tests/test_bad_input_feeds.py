"""Bad input by feed: what arrives, and what an operator or an agent then sees. Rows 1 to 27 of the forty."""

import json
import re
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import text

from tests import bad_input
from tests.bad_input import HOST, Stage, item, rss
from tests.raw_server import cut, drip, packed, reply, silence

GOOD = rss(item("good", "acme is broken here"))


@pytest.fixture(scope="module")
def stage(database_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    with bad_input.stage(database_url, tmp_path_factory.mktemp("config")) as made:
        yield made
        made.proof()  # whatever came in, the books balance


def test_row_1_a_feed_that_never_answers_or_drips_costs_its_deadline_and_no_more(stage: Stage) -> None:
    stage.configure(stage.feed("silent"), stage.feed("drips"))
    stage.server.routes |= {"/silent": silence(), "/drips": drip(GOOD)}
    for name, said in (("silent", "no answer"), ("drips", "did not finish its answer in time")):
        began = time.monotonic()
        stage.poll(name, deadline=0.6)
        assert time.monotonic() - began < 3
        assert said in stage.card(name)
        assert "1 failure" in stage.card(name)
        assert stage.channel(name)["not_before"] > datetime.now(UTC)


def test_row_2_a_feed_of_many_megabytes_is_left_at_the_limit(stage: Stage) -> None:
    stage.serve("large", reply(rss(*(item(f"l{n}", body="x" * 10_000) for n in range(1100)))))
    assert "larger than 10000000 bytes" in stage.card("large")
    assert stage.mentions("large") == []


def test_row_3_a_gzip_bomb_is_not_unpacked_and_other_packings_are_not_asked_for(stage: Stage) -> None:
    stage.serve("bomb", packed(GOOD.encode() + b" " * 200_000_000))
    assert "larger than 10000000 bytes" in stage.card("bomb")
    stage.serve("brotli", reply(b"\x0b\x02\x80", 200, content_encoding="br"))
    assert "packed as 'br', which was not asked for" in stage.card("brotli")
    assert {r.headers["accept-encoding"] for r in stage.server.asked} == {"gzip"}


def test_row_4_billion_laughs_stay_a_joke(stage: Stage) -> None:
    levels = "".join(f'<!ENTITY l{n} "{f"&l{n - 1};" * 10}">' for n in range(1, 10))
    laughs = f'<?xml version="1.0"?><!DOCTYPE rss [<!ENTITY l0 "lol">{levels}]>'
    began = time.process_time()
    stage.serve("laughs", reply(rss(item("laughs", "acme is broken &l9;"), head=laughs)))
    assert time.process_time() - began < 2.5  # expat alone gives up after four seconds of laughing
    assert all(len(m["name"]) < 1000 for m in stage.mentions("laughs"))
    assert stage.channel("laughs")["last_poll_at"]


def test_row_5_an_external_entity_is_not_read(stage: Stage, tmp_path: Path) -> None:
    secret = tmp_path / "passwd"
    secret.write_text("root:x:0:0")
    stage.server.routes["/dtd"] = reply('<!ENTITY far "root:x:0:0">')
    head = (
        f'<?xml version="1.0"?><!DOCTYPE rss [<!ENTITY near SYSTEM "file://{secret}">'
        f'<!ENTITY % dtd SYSTEM "{stage.server.url}/dtd"> %dtd;]>'
    )
    stage.serve("entity", reply(rss(item("xxe", "acme is broken &near; &far;"), head=head)))
    assert stage.server.count("/dtd") == 0
    for mention in stage.mentions("entity"):
        assert "root:x" not in stage.ticket(mention["ticket"])
    assert stage.ask("SELECT count(*) FROM payloads WHERE body LIKE '%root:x%'") == 0


@pytest.mark.parametrize("url", ["/etc/passwd", "file:///etc/passwd", "ftp://feeds.example/x", "<rss/>"])
def test_row_6_a_path_is_no_feeds_address(stage: Stage, url: str) -> None:
    stage.write({"name": "local", "kind": "feed", "every": "1h", "url": url})
    found, said = bad_input.scheduler.read(stage.folder, {})
    assert found is None
    assert re.search(r"stage\.yaml:1:\d+: .*begins with http", said), said


@pytest.mark.parametrize("reference", ["&#xD83D;", "&#x110000;", "&#99999999999;", "&#0;"])
def test_row_7_a_reference_to_no_character_costs_no_entry(stage: Stage, reference: str) -> None:
    name = f"reference-{reference.strip('&#;')}"
    stage.serve(name, reply(rss(item(name, f"acme is broken {reference} here"), item(f"{name}-2"))))
    first, second = stage.mentions(name)
    assert first["name"].startswith("acme is broken")
    assert "acme is broken" in stage.ticket(first["ticket"])
    assert second["ticket"]


def test_row_8_nul_and_other_controls_are_taken_out(stage: Stage) -> None:
    body = rss(item("nul", "acme is bro\0ken", "one&#0;two\x1b[31m red\x07")).encode()
    stage.serve("nul", reply(body))
    found = stage.only("nul")
    assert not re.search(r"[\x00-\x08\x0b-\x1f]", found["name"] + found["content"])
    page = stage.page(f"/tickets/{found['ticket']}")
    assert "acme is broken" in page
    assert "\x1b" not in page


def test_row_9_latin_1_under_the_name_of_utf_8_is_read_and_said(stage: Stage) -> None:
    stage.serve(
        "latin", reply(rss(item("latin", "acme café is broken")).encode("latin-1"), 200, content_type="text/xml")
    )
    assert "acme café is broken" in stage.ticket(stage.only("latin")["ticket"])
    assert "ill-formed (CharacterEncodingOverride)" in stage.card("latin")
    assert stage.channel("latin")["error"] is None


def test_row_10_an_unknown_charset_is_read_and_said(stage: Stage) -> None:
    body = rss(item("charset", "acme is broken"), head='<?xml version="1.0" encoding="klingon-1"?>')
    stage.serve("charset", reply(body, 200, content_type="application/xml; charset=klingon-1"))
    assert stage.only("charset")["ticket"]
    assert "ill-formed" in stage.card("charset")


PORTAL = "<!doctype html><html><head><title>Free WiFi</title></head><body><form>Log in</form></body></html>"


@pytest.mark.parametrize(
    ("row", "body", "said"),
    [
        (11, PORTAL, "this is not a feed"),
        (12, "", "the feed is empty"),
        (12, " \n\t ", "the feed is empty"),
        (13, '{"error": "rate limited"}', "this is JSON, but not a feed"),
        (13, '[{"id": 1}]', "this is JSON, but not a feed"),
    ],
)
def test_rows_11_to_13_a_200_that_is_no_feed_is_a_failure_and_moves_nothing(
    stage: Stage, row: int, body: str, said: str
) -> None:
    name = f"no-feed-{row}-{len(body)}"
    good = reply(rss(item(name)), 200, etag='"one"')
    first, failed = stage.serve(name, good, reply(body, 200, etag='"two"', content_type="text/html"))
    assert not first.error
    assert failed.error
    assert said in stage.card(name)
    assert stage.channel(name)["state"]["etag"] == '"one"'
    stage.serve(name, reply("", 304))
    assert stage.server.asked[-1].headers["if-none-match"] == '"one"'
    assert "1 failure" not in stage.card(name)


def test_row_14_the_last_entry_of_a_feed_that_breaks_off_comes_with_the_next_poll(stage: Stage) -> None:
    whole = rss(item("t1", "acme is broken 1"), item("t2", "acme is broken 2"))
    half = cut(whole, whole.index("broken 2"), etag='"cut"')
    stage.serve("half", half)
    assert [m["name"] for m in stage.mentions("half")] == ["acme is broken 1"]
    assert "the feed broke off" in stage.card("half")
    assert "etag" not in stage.channel("half")["state"]
    stage.serve("half", reply(whole))
    assert "if-none-match" not in stage.server.asked[-1].headers
    assert [m["name"] for m in stage.mentions("half")] == ["acme is broken 1", "acme is broken 2"]


def test_row_14_an_entry_without_anything_is_rejected_with_its_reason(stage: Stage) -> None:
    stage.serve("empty-entry", reply(rss(item("e1"), "<item></item>")))
    (reject,) = stage.rejects("empty-entry")
    assert reject["reason"] == "an entry without id, link, title and text"
    assert "1 rejected" in stage.card("empty-entry")
    assert stage.channel("empty-entry")["error"] is None


def test_row_15_a_guid_twice_in_a_page_is_one_mention(stage: Stage) -> None:
    same, other = item("twice", "acme is broken"), item("twice", "acme is broken, edited")
    stage.serve("twice", reply(rss(same, same)))
    assert len(stage.mentions("twice")) == 1
    stage.serve("twice", reply(rss(same, other)))
    assert len(stage.mentions("twice")) == 1
    assert "edited" in stage.ticket(stage.only("twice")["ticket"])


def test_row_16_without_guid_link_or_id_the_content_tells_entries_apart(stage: Stage) -> None:
    bare = [item("", f"acme is broken {n}", link="") for n in range(2)]
    first, again = stage.serve("bare", reply(rss(*bare)), reply(rss(*bare) + " "))
    assert (first.queued, again.queued) == (2, 0)
    assert len(stage.mentions("bare")) == 2
    linked = item("", "acme is broken", link=f"https://{HOST}/a")
    stage.serve("linked", reply(rss(linked)))
    assert stage.only("linked")["native_id"] == f"https://{HOST}/a"


def test_row_17_a_guid_made_up_anew_each_time_has_an_option_of_the_channel(stage: Stage) -> None:
    answers = [reply(rss(item(f"https://{HOST}/a?utm={n}", link=f"https://{HOST}/a"))) for n in range(3)]
    stage.serve("made-up", *answers, identity="link")
    assert len(stage.mentions("made-up")) == 1


@pytest.mark.parametrize(
    ("row", "date"), [(18, ""), (18, "a while ago"), (19, "21.11.2026 10:00 Uhr"), (19, "Sat, 21 Nov 2026 10:00:00")]
)
def test_rows_18_and_19_a_date_that_is_none_is_the_time_of_reading_and_said(stage: Stage, row: int, date: str) -> None:
    name = f"dateless-{row}-{len(date)}"
    stage.serve(name, reply(rss(item(name, pubDate=date))))
    found = stage.only(name)
    assert abs(found["published"] - datetime.now(UTC)) < timedelta(minutes=1)
    assert (found["published_raw"], found["flags"]) == (date, ["undated"])
    told = f"The source gave no date that can be read; shown is when it was read.{f' ({date})' if date else ''}"
    assert told in stage.ticket(found["ticket"])


@pytest.mark.parametrize("date", ["2026-11-21T10:00:00", "21 Nov 2026 10:00"])
def test_row_19_a_date_without_zone_is_utc(stage: Stage, date: str) -> None:
    name = f"zoneless-{len(date)}"
    stage.serve(name, reply(rss(item(name, pubDate=date))))
    found = stage.only(name)
    assert found["published"] == datetime(2026, 11, 21, 10, tzinfo=UTC)
    assert found["flags"] == []


@pytest.mark.parametrize(
    ("date", "year"), [("Mon, 01 Jan 0001 00:00:00 GMT", 2005), ("Fri, 01 Jan 2099 00:00:00 GMT", 0)]
)
def test_row_20_a_date_that_cannot_be_true_is_clamped_and_the_original_kept(stage: Stage, date: str, year: int) -> None:
    name = f"clamped-{year}"
    stage.serve(name, reply(rss(item(name, pubDate=date))))
    found = stage.only(name)
    assert found["published"].year == (year or datetime.now(UTC).year)
    assert found["published_raw"] == date
    assert f"The date cannot be true; shown is the nearest that can. ({date})" in stage.ticket(found["ticket"])


def test_row_21_markup_in_title_body_and_author_is_text(stage: Stage) -> None:
    evil = "&lt;script&gt;alert(1)&lt;/script&gt;&lt;b&gt;acme&lt;/b&gt; is broken &lt;img src=x onerror=alert(1)&gt;"
    author = "ann@example.org (&lt;i onclick=x&gt;Ann)"
    stage.serve("markup", reply(rss(item("markup", evil, evil, author=author))))
    found = stage.only("markup")
    assert found["name"] == "acme is broken"
    page = stage.page(f"/tickets/{found['ticket']}")
    assert "alert(1)" not in page
    assert "onclick" not in page


@pytest.mark.parametrize("link", ["javascript:alert(1)", "data:text/html,x", "JaVaScRiPt:alert(1)", "vbscript:x"])
def test_row_22_a_link_that_is_no_web_address_is_no_link(stage: Stage, link: str) -> None:
    name = f"link-{link[:4]}{len(link)}"
    stage.serve(name, reply(rss(item(link, link=link, title=f"acme is broken {name}"))))
    found = stage.only(name)
    assert found["url"] is None
    assert 'href="' + link.split(":")[0].lower() not in stage.page(f"/tickets/{found['ticket']}").lower()


def test_row_23_a_relative_link_is_completed_by_the_feeds_address(stage: Stage) -> None:
    stage.serve("relative", reply(rss(item("relative", link="/read/7"))))
    found = stage.only("relative")
    assert found["url"] == f"https://{HOST}/read/7"
    assert f'href="https://{HOST}/read/7"' in stage.page(f"/tickets/{found['ticket']}")


def test_row_24_markup_twenty_thousand_deep_is_read_in_time(stage: Stage) -> None:
    deep = "&lt;div&gt;" * 20_000 + "acme is broken" + "&lt;/div&gt;" * 20_000
    began = time.process_time()
    stage.serve("deep", reply(rss(item("deep", "News", deep))))
    assert time.process_time() - began < 4
    assert "acme is broken" in stage.ticket(stage.only("deep")["ticket"])


def test_row_25_redirects_are_followed_to_an_end_and_a_move_for_good_is_reported(stage: Stage) -> None:
    routes = stage.server.routes
    routes["/new"] = reply(rss(item("moved")))
    stage.serve("moved", reply("", 301, location="/new"))
    assert len(stage.mentions("moved")) == 1
    assert f"moved for good to {stage.server.url}/new: change its url" in stage.card("moved")
    stage.serve("circle", reply("", 302, location="/circle"))
    assert "redirects in circles or too often" in stage.card("circle")
    for n in range(7):
        routes[f"/hop{n}"] = reply("", 302, location=f"/hop{n + 1}")
    stage.serve("hop", reply("", 302, location="/hop0"))
    assert "redirects in circles or too often" in stage.card("hop")
    assert stage.server.count("/hop5") == 0
    stage.serve("inwards", reply("", 302, location="http://169.254.169.254/latest/meta-data"))
    assert "169.254.169.254 is not a public address" in stage.card("inwards")
    stage.serve("elsewhere", reply("", 302, location="ftp://feeds.example/"))
    assert "ftp: is not an address we read" in stage.card("elsewhere")


def test_row_26_an_old_body_under_a_new_etag_is_nothing_new(stage: Stage) -> None:
    body = rss(item("same"))
    done = stage.serve("same", *(reply(body, 200, etag=f'"{n}"') for n in range(3)), reply("", 304, etag='"9"'))
    assert [one.queued for one in done] == [1, 0, 0, 0]
    assert len(stage.mentions("same")) == 1
    assert stage.channel("same")["error"] is None


@pytest.mark.parametrize("status", [404, 410])
def test_row_27_a_feed_that_is_gone_for_days_is_paused_and_says_what_to_do(stage: Stage, status: int) -> None:
    name = f"gone-{status}"
    stage.serve(name, reply(rss(item(name))), reply("gone", status), reply("gone", status))
    card = stage.card(name)
    assert f"is gone ({status})" in card
    assert "Check the address" in card
    assert stage.channel(name)["paused_at"] is None
    with stage.ledger.begin() as connection:
        connection.execute(
            text("UPDATE channels SET last_success_at = now() - interval '4 days' WHERE name = :name"), {"name": name}
        )
    stage.poll(name)
    assert stage.channel(name)["paused_at"]
    assert "aused" in stage.card(name)
    assert "then resume" in stage.card(name)
    assert stage.ask("SELECT count(*) FROM audit WHERE action = 'channel.paused' AND object = :s", s=f"channel:{name}")


def test_a_feed_in_json_that_breaks_off_gives_its_whole_items(stage: Stage) -> None:
    items = [
        {"id": f"j{n}", "content_text": f"acme is broken {n}", "date_published": "2026-11-21T10:00:00Z"} for n in (1, 2)
    ]
    body = json.dumps({"version": "https://jsonfeed.org/version/1.1", "title": "x", "items": items})
    stage.serve("json", cut(body, len(body) - 40))
    assert [m["native_id"] for m in stage.mentions("json")] == ["j1"]
    stage.serve("json", reply(body))
    assert len(stage.mentions("json")) == 2
