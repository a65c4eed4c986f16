"""Feeds: against the stand-in, and against every kind of body a publisher may send."""

import contextlib
import gzip
import http.server
import json
import random
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from pydantic import ValidationError

from connectors.errors import MalformedItem, Permanent, RateLimited, Transient
from connectors.inbound import _feed_read, feed
from domain.nouns import Mention
from tests.reading import Reader, context
from town.server import Town


@pytest.fixture
def town() -> Iterator[Town]:
    with Town(seed=2) as running:
        yield running


def reader(town: Town, name: str, **settings: Any) -> Reader:
    given = {"url": f"https://feeds.northbank.example/{name}", "base_url": town.urls["feeds"]}
    chosen = feed.Settings(**{**given, **settings})
    return Reader(lambda: feed.Connector(chosen, context()))


@contextmanager
def served(
    body: bytes, content_type: str = "application/xml", **headers: str
) -> Iterator[tuple[Reader, dict[str, Any]]]:
    """A feed of one body. `told["body"]` and `told["status"]` may be changed; `told["asked"]` holds the requests' headers."""
    told: dict[str, Any] = {"body": body, "status": 200, "asked": [], "headers": headers}

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            told["asked"].append(dict(self.headers))
            self.send_response(told["status"])
            self.send_header("Content-Type", content_type)
            for name, value in told["headers"].items():
                self.send_header(name.replace("_", "-"), value)
            self.send_header("Content-Length", str(len(told["body"])))
            self.end_headers()
            self.wfile.write(told["body"])

        def log_message(self, *args: object) -> None:
            pass

    httpd = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=httpd.serve_forever, args=(0.02,), daemon=True).start()
    base = f"http://127.0.0.1:{httpd.server_port}"
    settings = feed.Settings(url="https://site.example/blog/feed.xml", base_url=base)
    try:
        yield Reader(lambda: feed.Connector(settings, context(max_bytes=2_000_000))), told
    finally:
        httpd.shutdown()
        httpd.server_close()


def rss(*items: str, head: str = "") -> bytes:
    body = "".join(f"<item>{item}</item>" for item in items)
    text = f'<?xml version="1.0" encoding="utf-8"?><rss version="2.0"><channel><title>T</title>{head}{body}</channel></rss>'
    return text.encode("utf-8", "surrogatepass")


def one(body: bytes, content_type: str = "application/xml") -> Mention:
    with served(body, content_type) as (r, _):
        r.poll()
        assert len(r.mentions) == 1, (r.mentions, r.rejects)
        return next(iter(r.mentions.values()))


@pytest.mark.parametrize("kind", ["rss", "atom", "json"])
def test_each_format_reads_the_same(town: Town, kind: str) -> None:
    first = town.post(
        "feeds",
        "The card & app were <down>",
        title="Outage at Northbank",
        author="Ann Lee",
        origin="news",
        created=1_790_000_000,
    )
    r = reader(town, f"news.{kind}")
    assert r.poll()
    mention = r.mentions[first]
    assert (mention.platform, mention.kind, mention.name) == ("feed", "Article", "Outage at Northbank")
    assert mention.content == "The card & app were <down>"
    assert mention.published == datetime.fromtimestamp(1_790_000_000, UTC)
    assert mention.attributed_to is not None
    assert mention.attributed_to.name == "Ann Lee"
    assert (mention.url or "").startswith("https://news.northbank.example/")
    assert mention.origin == "feeds.northbank.example"
    assert mention.language == "en" or kind == "atom"


def test_conditional_requests_edits_and_news(town: Town) -> None:
    ids = [town.post("feeds", f"entry {n}", origin="news", created=time.time() - 60) for n in range(5)]
    r = reader(town, "news.atom")
    assert r.poll()
    assert r.poll()
    assert r.pages[-1].items == []
    town.edit("feeds", ids[2], "entry, edited")
    new = town.post("feeds", "entry 6", origin="news")
    assert r.poll()
    assert r.ids == {*ids, new}
    assert r.mentions[ids[2]].content == "entry, edited"
    assert r.mentions[ids[2]].updated is not None


def test_replies_hang_on_what_they_answer(town: Town) -> None:
    root = town.post("feeds", "question", origin="forum")
    reply = town.post("feeds", "answer", origin="forum", parent=root)
    r = reader(town, "forum.atom")
    assert r.poll()
    assert (r.mentions[reply].in_reply_to, r.mentions[reply].context) == (root, root)
    assert r.mentions[root].conversation == r.mentions[reply].conversation


def test_a_window_that_slid_past_us_is_a_gap() -> None:
    with Town(seed=2, options={"feed_window": 10}) as town:
        for n in range(8):
            town.post("feeds", f"old {n}", origin="news")
        r = reader(town, "news.rss")
        assert r.poll()
        town.post("feeds", "one more", origin="news")
        assert r.poll()
        assert r.gaps == []
        for n in range(30):
            town.post("feeds", f"new {n}", origin="news")
        assert r.poll()
        assert len(r.gaps) == 1
        assert r.gaps[0].since is not None


@pytest.mark.parametrize("kind", ["rss", "atom", "json"])
@pytest.mark.parametrize("fault", ["truncate", "reset_mid"])
def test_a_feed_cut_on_the_way_gives_its_whole_entries_and_is_read_again(town: Town, kind: str, fault: str) -> None:
    ids = [town.post("feeds", f"entry {n} " + "x" * 400, origin="news") for n in range(20)]
    town.faults.add("feeds", fault, times=1)
    r = reader(town, f"news.{kind}")
    try:
        r.poll()
    except Transient:
        assert fault == "reset_mid"
    else:
        assert not r.pages[0].complete
        assert r.ids <= set(ids)
        assert all(mention.content.endswith("x" * 400) for mention in r.mentions.values())
    assert r.state == {}
    assert r.poll()
    assert r.ids == set(ids)
    assert r.rejects == set()


@pytest.mark.parametrize("mode", ["cut", "entity", "amp", "latin1", "nodates", "noguid", "wrongtype"])
@pytest.mark.parametrize("kind", ["rss", "atom", "json"])
def test_ill_formed_feeds_are_read_as_far_as_they_go(town: Town, kind: str, mode: str) -> None:
    ids = [town.post("feeds", f"Northbank {n} " + "x" * 200, title=f"Northbank {n}", origin="news") for n in range(9)]
    town.faults.add("feeds", "illformed", mode=mode, times=1)
    r = reader(town, f"news.{kind}")
    r.poll()
    if mode == "cut":
        assert not r.pages[0].complete
        assert r.state == {}
        assert r.mentions
    else:
        assert len(r.mentions) == 9
    if mode == "nodates":
        assert all("undated" in mention.flags for mention in r.mentions.values())
    r.poll()
    assert r.ids >= set(ids) or mode == "noguid"


@pytest.mark.parametrize("kind", ["bad_json", "html", "empty", "status", "reset"])
def test_what_is_no_feed_is_a_failure_and_moves_nothing(town: Town, kind: str) -> None:
    town.post("feeds", "entry", origin="news")
    r = reader(town, "news.atom")
    assert r.poll()
    state = r.state
    town.faults.add("feeds", kind, times=1)
    with pytest.raises(Transient):
        r.poll()
    assert r.state == state


def test_limits_cache_times_and_moves() -> None:
    with served(rss("<guid>a-guid-that-is-long</guid>"), Cache_Control="public, max-age=600", ETag='"1"') as (r, told):
        assert r.poll()
        page = r.pages[0]
        assert page.not_before is not None
        assert 590 < (page.not_before - datetime.now(UTC)).total_seconds() <= 600
        told["headers"] = {"Expires": "Thu, 01 Jan 2099 00:00:00 GMT"}
        assert r.poll()
        assert told["asked"][1]["If-None-Match" if "If-None-Match" in told["asked"][1] else "if-none-match"] == '"1"'
        later = r.pages[1].not_before
        assert later is not None
        assert later <= datetime.now(UTC) + timedelta(days=1)
        told |= {"status": 429, "headers": {"Retry-After": "120"}}
        with pytest.raises(RateLimited):
            r.poll()
        told |= {"status": 503}
        with pytest.raises(RateLimited):
            r.poll()
        told |= {"status": 410}
        with pytest.raises(Permanent):
            r.poll()


def test_a_password_is_sent_and_never_said() -> None:
    with served(rss("<title>t</title>")) as (r, told):
        settings = r.make().settings.model_copy(update={"username": "me", "password_env": "FEED_PASSWORD"})
        feed.Connector(settings, context()).fetch_page({})
        assert (
            told["asked"][0].get("authorization", told["asked"][0].get("Authorization")) == "Basic bWU6b3BlbiBzZXNhbWU="
        )
    assert "open sesame" not in repr(settings)


def test_identity_guid_link_or_content() -> None:
    body = rss(
        "<guid isPermaLink='false'>7</guid><title>seven</title>",
        "<link>https://site.example/a</link><title>linked</title>",
        "<description>nothing but words</description>",
        "<title>only a title</title>",
        "",
    )
    with served(body) as (r, _):
        assert r.poll()
        assert r.poll()
        assert len(r.mentions) == 4
        assert len(r.rejects) == 1
        assert r.mentions["7"].origin.startswith("site.example/")
        assert r.mentions["https://site.example/a"].origin == "site.example"
        assert r.gaps == []


def test_one_guid_for_different_articles_keeps_them_all() -> None:
    items = [
        f"<guid>https://site.example/</guid><link>https://site.example/{n}</link><title>{n}</title>" for n in range(3)
    ]
    with served(rss(*items)) as (r, told):
        assert r.poll()
        assert len(r.mentions) == 3
        told["body"] = rss(
            "<guid>https://site.example/</guid><link>https://site.example/3</link><title>3</title>", items[0]
        )
        assert r.poll()
        told["body"] = rss(items[0])
        assert r.poll()
        assert len(r.mentions) == 4


def test_guids_made_up_for_each_answer_are_no_gap_and_can_be_set_aside() -> None:
    def body(n: int) -> bytes:
        return rss(f"<guid>https://site.example/a?x={n}</guid><link>https://site.example/a</link><title>a</title>")

    with served(body(1)) as (r, told):
        settings = r.make().settings.model_copy(update={"identity": "link"})
        r.make = lambda: feed.Connector(settings, context())
        assert r.poll()
        told["body"] = body(2)
        assert r.poll()
        assert r.gaps == []
        assert r.ids == {"https://site.example/a"}


@pytest.mark.parametrize(
    ("item", "name", "content"),
    [
        ("<title>&lt;script>alert(1)&lt;/script>Hi &lt;b>you&lt;/b></title>", "Hi you", ""),
        ("<title>1 &lt; 2 and Vec&lt;T></title>", "1 < 2 and Vec<T>", ""),
        ("<title>AT&amp;amp;T &amp;#8217;s</title>", "AT&T ’s", ""),
        ("<title>t</title><description>&lt;p>one&lt;/p>&lt;p>two&lt;/p></description>", "t", "one\ntwo"),
        ("<title>t</title><description><![CDATA[<img alt='a cat'> &eacute;<br>x]]></description>", "t", "a cat é\nx"),
        ("<title>e\u0301 \U0001f468\u200d\U0001f469\u200d\U0001f467 \u05d0</title>", "é \U0001f468\u200d\U0001f469\u200d\U0001f467 א", ""),
    ],
)  # fmt: skip
def test_text_is_plain_and_clean(item: str, name: str, content: str) -> None:
    mention = one(rss(item))
    assert (mention.name, mention.content) == (name, content)


@pytest.mark.parametrize(
    "reference", ["&#xD83D;", "&#x110000;", "&#0;", "&#99999999999999999999;", "&#x1F600;", "&bogus;"]
)
def test_references_to_no_character_kill_nothing(reference: str) -> None:
    mention = one(rss(f"<title>a{reference}b</title><guid>a-long-enough-guid</guid>"))
    assert mention.name.startswith("a")
    assert mention.name.endswith("b")


@pytest.mark.parametrize(
    ("date", "year", "flag"),
    [
        ("<pubDate>Sat, 21 Feb 2026 10:00:00 +0200</pubDate>", 2026, None),
        ("<pubDate>20260221T080000Z</pubDate>", 2026, None),
        ("<pubDate>2026-02-21T1000+0200</pubDate>", 2026, None),
        ("<pubDate>2026-W08-6T03:00:00-0500</pubDate>", 2026, None),
        ("<pubDate>Sat, 21 Feb 2026 10:00:00</pubDate>", None, "undated"),
        ("<pubDate>20260221T080000</pubDate>", 2026, None),
        ("<pubDate>yesterday</pubDate>", None, "undated"),
        ("", None, "undated"),
        ("<pubDate>Mon, 01 Jan 0001 00:00:00 GMT</pubDate>", 2005, "date-clamped"),
        ("<pubDate>Thu, 01 Jan 2099 00:00:00 GMT</pubDate>", None, "date-clamped"),
        ("<pubDate>Thu, 01 Jan 1970 00:00:00 GMT</pubDate>", 2005, "date-clamped"),
    ],
)
def test_dates_are_true_or_flagged_and_the_original_kept(date: str, year: int | None, flag: str | None) -> None:
    mention = one(rss(f"<title>t</title>{date}"))
    assert mention.published.year == (year or datetime.now(UTC).year)
    assert (flag in mention.flags) if flag else mention.flags == ()
    if flag and date:
        assert mention.published_raw
        assert mention.published_raw in date
    if not flag:
        assert mention.published == datetime(2026, 2, 21, 8, tzinfo=UTC)


@pytest.mark.parametrize(
    ("link", "url"),
    [
        ("/rel/path", "https://site.example/rel/path"),
        ("javascript:alert(1)", None),
        ("data:text/html,x", None),
        ("https://ok.example/a?b=1&amp;c=2", "https://ok.example/a?b=1&c=2"),
        ("https://www.google.com/url?rct=j&amp;url=https://real.example/x&amp;ct=ga", "https://real.example/x"),
        ("http://[bad", None),
    ],
)
def test_links_are_absolute_and_safe(link: str, url: str | None) -> None:
    assert one(rss(f"<title>t</title><link>{link}</link>")).url == url


def test_authors_of_entries_and_of_feeds() -> None:
    head = '<?xml version="1.0"?><feed xmlns="http://www.w3.org/2005/Atom"><title>T</title><author><name>Feed</name></author>'
    own = "<entry><id>urn:uuid:1</id><title>t</title><author><name>Ann</name><uri>/ann</uri><email>a@b.example</email></author></entry>"
    inherited = "<entry><id>urn:uuid:2</id><title>t</title></entry>"
    ann = one((head + own + "</feed>").encode()).attributed_to
    assert ann is not None
    assert (ann.name, ann.url, ann.native_id) == ("Ann", "https://site.example/ann", "https://site.example/ann")
    owner = one((head + inherited + "</feed>").encode()).attributed_to
    assert owner is not None
    assert owner.name == "Feed"
    assert one(rss("<title>t</title>", head="<managingEditor>e@x.example</managingEditor>")).attributed_to is None


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "iso-8859-1", "windows-1252", "unknown-8"])
def test_encodings_declared_rightly_and_wrongly(encoding: str) -> None:
    real = "latin-1" if encoding == "unknown-8" else encoding
    text = f'<?xml version="1.0" encoding="{encoding}"?><rss version="2.0"><channel><item><title>Café Zürich</title></item></channel></rss>'
    assert one(text.encode(real)).name == "Café Zürich"
    wrong = text.replace(encoding, "utf-8").encode("latin-1")
    assert one(wrong).name == "Café Zürich"


def test_hostile_documents_stay_small_and_local() -> None:
    laughs = '<!DOCTYPE r [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;">' + "".join(
        f'<!ENTITY {chr(n)} "{f"&{chr(n - 1)};" * 10}">' for n in range(ord("c"), ord("k"))
    )
    outside = '<!DOCTYPE r [<!ENTITY x SYSTEM "file:///etc/passwd">]>'
    for prolog, entity in ((laughs + "]>", "&j;"), (outside, "&x;")):
        body = f'<?xml version="1.0"?>{prolog}<rss version="2.0"><channel><item><title>a{entity}</title></item></channel></rss>'
        started = time.process_time()
        mention = one(body.encode())
        assert "root:" not in mention.text
        assert len(mention.text) < 70_000
        assert time.process_time() - started < 5
    deep = rss("<title>t</title><description>" + "&lt;div>" * 20_000 + "deep" + "</description>")
    assert one(deep).content == "deep"


def test_a_bomb_and_a_feed_too_large_stop() -> None:
    with (
        served(gzip.compress(b" " * 30_000_000), Content_Encoding="gzip") as (r, _),
        pytest.raises(Transient, match="larger"),
    ):
        r.poll()
    with served(rss("<title>" + "x" * 3_000_000 + "</title>")) as (r, _), pytest.raises(Transient, match="larger"):
        r.poll()


def test_a_long_text_is_cut_and_flagged() -> None:
    mention = one(rss("<title>t</title><description>" + "word " * 30_000 + "</description>"))
    assert len(mention.content.encode()) <= 65_536
    assert "truncated" in mention.flags


@pytest.mark.parametrize(
    "body",
    [b"", b"   ", b"<html><body>Please log in</body></html>", b'{"error": 1}', b"[]", b"\x00" * 500, b"{", b"%PDF-1.4"],
)
def test_bodies_that_are_no_feed(body: bytes) -> None:
    with served(body) as (r, _), pytest.raises(Transient):
        r.poll()


def test_an_empty_feed_is_a_feed() -> None:
    for body in (rss(), b'{"version": "https://jsonfeed.org/version/1.1", "title": "t", "items": []}'):
        with served(body) as (r, _):
            assert r.poll()
            assert r.mentions == {}


def test_json_feeds_with_odd_items() -> None:
    items: list[Any] = [
        {"id": 17, "content_text": "number for an id", "date_published": "2026-02-21T10:00:00+02:00"},
        {"id": "urn:x:a-long-one", "content_html": "<p>Hi <b>you</b></p>", "author": {"name": "old style"}, "tags": None},
        {"url": "/rel", "title": None, "summary": "short", "authors": [None, {"name": "B", "url": "javascript:1"}]},
        {"id": "urn:x:undated-one", "content_text": 42, "date_published": 17}, "a string", None, {},
    ]  # fmt: skip
    body = json.dumps({"version": "https://jsonfeed.org/version/1", "title": "t", "language": "de", "items": items})
    with served(body.encode(), "application/json") as (r, _):
        assert r.poll()
        assert len(r.mentions) == 4
        assert len(r.rejects) == 3
        assert r.mentions["17"].published == datetime(2026, 2, 21, 8, tzinfo=UTC)
        second, third = r.mentions["urn:x:a-long-one"], r.mentions["https://site.example/rel"]
        assert (second.content, second.language) == ("Hi you", "de")
        assert second.attributed_to is not None
        assert third.content == "short"
        assert third.attributed_to is not None
        assert third.attributed_to.url is None


def test_normalise_refuses_only_what_holds_nothing() -> None:
    connector = feed.Connector(feed.Settings(url="https://a.example/f"), context())
    for nothing in (None, [], {}, {"entry": None}, {"entry": {}}, {"entry": {"title": " "}, "kind": "json"}):
        with pytest.raises(MalformedItem):
            connector.normalise(nothing)
    strange = {
        "entry": {
            "id": ["x"],
            "title": {"a": 1},
            "links": 7,
            "content": [None, 3],
            "summary": 5,
            "published_parsed": [9],
        }
    }
    assert connector.normalise(strange).content == "5"


@pytest.mark.parametrize("seed", range(4))
def test_damaged_bytes_never_crash(seed: int) -> None:
    """Anything but a feed or a Transient would stop the channel for good."""
    rng = random.Random(seed)
    item = "<guid>urn:x:{0}</guid><title>Caf\xe9 &amp; {0}</title><pubDate>Sat, 21 Feb 2026 10:00:00 GMT</pubDate>"
    atom = '<feed xmlns="http://www.w3.org/2005/Atom"><entry xml:lang="de"><id>urn:x:1</id><content type="xhtml"><div>x</div></content></entry></feed>'
    jsonfeed = json.dumps(
        {"version": "https://jsonfeed.org/version/1.1", "items": [{"id": "a", "content_html": "<b>x"}] * 4}
    )
    seeds = [rss(*(item.format(n) for n in range(6))), atom.encode(), jsonfeed.encode()]
    connector = feed.Connector(feed.Settings(url="https://a.example/f"), context())
    scraps = [
        b"<",
        b">",
        b"&",
        b"&#x110000;",
        b"\x00",
        b"\xff\xfe",
        b"]]>",
        b"<!--",
        b"<![CDATA[",
        b'"',
        b"</item>",
        b"\xed\xa0\x80",
        b"{",
        b"]",
    ]
    for _ in range(150):
        body = bytearray(rng.choice(seeds))
        for _ in range(rng.randrange(1, 6)):
            at = rng.randrange(len(body))
            body[at : at + rng.choice((0, 0, 1, 20))] = rng.choice(scraps)
        try:
            parsed = _feed_read.read(bytes(body), {}, rng.random() < 0.3)
        except Transient:
            continue
        for entry in parsed.entries:
            raw = {"kind": parsed.kind, "head": parsed.head, "base": "https://a.example/f", "entry": entry}
            json.dumps(raw)
            with contextlib.suppress(MalformedItem):
                connector.normalise(raw).text.encode()


def test_settings() -> None:
    for wrong in ("file:///etc/passwd", "/etc/passwd", "ftp://a.example/f", "https://me:pw@a.example/f", "http://"):
        with pytest.raises(ValidationError):
            feed.Settings(url=wrong)
    assert all(field.description for field in feed.Settings.model_fields.values())
