"""Feeds as they are found, against bare feedparser on the same bytes: nothing it yields may be lost, and words, times, authors and links
are the same. JSON Feed, which it does not read, against the document itself.
"""

import gzip
import html
import itertools
import json
import random
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urljoin

import feedparser
import pytest

from connectors.contract import Page
from connectors.errors import MalformedItem
from connectors.inbound import feed
from domain.nouns import Mention
from domain.text import clean, plain
from tests.raw_server import RawServer, raw_server, reply
from tests.reading import context

PLACE = "https://site.example/blog/feed.xml"
WORDS = {
    "utf-8": "Größe ≠ naïve — 東京 🚆", "utf-8-sig": "mit BOM: é", "utf-16": "zweiseitig: ž 漢字", "utf-16-le": "ohne BOM: é",
    "iso-8859-1": "café déjà", "windows-1252": "“quotes” – €5", "iso-8859-2": "Žluťoučký kůň", "koi8-r": "Привет мир",
    "windows-1251": "Новости банка", "shift_jis": "銀行のお知らせ", "euc-jp": "銀行のお知らせ", "gb2312": "银行通知",
    "gbk": "銀行通知", "big5": "銀行通知", "euc-kr": "은행 공지", "iso-8859-7": "Καλημέρα", "iso-8859-8": "שלום", "windows-1256": "مرحبا",
}  # fmt: skip
DATES = {
    "Sat, 21 Nov 2026 10:11:12 GMT": 10, "Sat, 21 Nov 2026 10:11:12 +0200": 8, "21 Nov 2026 10:11:12 EST": 15,
    "2026-11-21T10:11:12Z": 10, "2026-11-21T10:11:12.345+01:00": 9, "2026-11-21 10:11:12": 10, "2026-11-21": 0,
    "Sat, 21 Nov 26 10:11:12 PST": 18, "Sat, 21 November 2026 10:11:12 +0000": 10,
}  # fmt: skip
BODIES = [
    "plain words &amp; more", "&lt;p&gt;escaped &lt;b&gt;html&lt;/b&gt; &amp;amp; entity&lt;/p&gt;", "<![CDATA[<p>in <i>CDATA</i> &amp; &#8217;</p>]]>",
    "<![CDATA[a < b & c > d]]>", "twice &amp;amp;amp; escaped", "&#x1F686; &#8212; &nbsp;", "<![CDATA[<script>x()</script>seen]]>", "",
]  # fmt: skip


def rss2(items: str, head: str = "", encoding: str = "utf-8") -> str:
    names = " ".join(
        f'xmlns:{short}="{long}"'
        for short, long in {
            "content": "http://purl.org/rss/1.0/modules/content/", "dc": "http://purl.org/dc/elements/1.1/",
            "itunes": "http://www.itunes.com/dtds/podcast-1.0.dtd", "media": "http://search.yahoo.com/mrss/",
            "atom": "http://www.w3.org/2005/Atom", "slash": "http://purl.org/rss/1.0/modules/slash/", "thr": "http://purl.org/syndication/thread/1.0",
        }.items()
    )  # fmt: skip
    return (
        f'<?xml version="1.0" encoding="{encoding}"?><rss version="2.0" {names}><channel><title>Site</title>'
        f"<link>https://site.example/</link><description>d</description>{head}{items}</channel></rss>"
    )


def rdf(items: str, encoding: str = "utf-8") -> str:
    return (
        f'<?xml version="1.0" encoding="{encoding}"?><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#" '
        'xmlns="http://purl.org/rss/1.0/" xmlns:dc="http://purl.org/dc/elements/1.1/"><channel rdf:about="https://site.example/">'
        f"<title>Site</title><link>https://site.example/</link><description>d</description></channel>{items}</rdf:RDF>"
    )


def atom(entries: str, head: str = "", space: str = "http://www.w3.org/2005/Atom", encoding: str = "utf-8") -> str:
    return (
        f'<?xml version="1.0" encoding="{encoding}"?><feed xmlns="{space}" xmlns:thr="http://purl.org/syndication/thread/1.0" xml:lang="en">'
        f"<title>Site</title><id>urn:site</id><updated>2026-11-21T10:00:00Z</updated>{head}{entries}</feed>"
    )


def corpus() -> Iterator[tuple[str, bytes, str]]:
    """Name, bytes and content type of each feed."""
    xml = "application/rss+xml"
    for encoding, words in WORDS.items():
        declared = {"utf-8-sig": "utf-8", "utf-16-le": "utf-16"}.get(encoding, encoding)
        items = "".join(
            f"<item><guid>g-{n}-long-enough-for-all</guid><title>{words} {n}</title></item>" for n in range(3)
        )
        body = rss2(items, encoding=declared).encode(encoding, "xmlcharrefreplace")
        yield f"encoding {encoding}", body, xml
        yield (
            f"encoding {encoding} in the header alone",
            body.replace(f' encoding="{declared}"'.encode(encoding), b""),
            f"{xml}; charset={declared}",
        )
        if encoding not in ("utf-16", "utf-16-le"):
            yield (
                f"encoding {encoding} said to be utf-8",
                body.replace(declared.encode(), b"utf-8"),
                f"{xml}; charset=utf-8",
            )
            yield f"encoding {encoding} said to be ascii", body, "text/xml"
    for n, (date, element) in enumerate(itertools.product(DATES, ("pubDate", "dc:date", "atom:updated"))):
        yield (
            f"date {date} in {element}",
            rss2(f"<item><guid>d{n}</guid><title>t</title><{element}>{date}</{element}></item>").encode(),
            xml,
        )
    for n, (body_, element) in enumerate(
        itertools.product(BODIES, ("description", "content:encoded", "title", "itunes:summary", "media:description"))
    ):
        item = f"<item><link>https://site.example/{n}</link><title>a title</title><{element}>{body_}</{element}></item>"
        yield f"body {body_[:20]!r} in {element}", rss2(item).encode(), xml
    for kind in ("text", "html", "xhtml", "text/html", "application/xhtml+xml"):
        inner = (
            '<div xmlns="http://www.w3.org/1999/xhtml"><p>one <em>two</em></p><p>three</p></div>'
            if "xhtml" in kind
            else "one &lt;b&gt;two&lt;/b&gt;"
        )
        for space in ("http://www.w3.org/2005/Atom", "http://purl.org/atom/ns#"):
            entry = f'<entry><id>urn:{kind}</id><title type="{kind}">{inner}</title><content type="{kind}">{inner}</content><updated>2026-11-21T10:00:00Z</updated></entry>'
            yield f"atom {kind} {space[-10:]}", atom(entry, space=space).encode(), "application/atom+xml"
    people = ["<author>ann@example.org (Ann A.)</author>", "<dc:creator>Ann A.</dc:creator>", "<itunes:author>Ann A.</itunes:author>",
              "<author>Ann A.</author>", "<managingEditor>e@example.org</managingEditor>", "<dc:creator/><author/>"]  # fmt: skip
    for n, who in enumerate(people):
        yield f"author {who}", rss2(f"<item><guid>a{n}</guid><title>t</title>{who}</item>").encode(), xml
    links = [
        "/rel/path",
        "../up",
        "?q=1",
        "//other.example/x",
        "https://site.example/ü",
        "HTTPS://SITE.example/A",
        " https://site.example/s ",
    ]
    for link in links:
        yield f"link {link}", rss2(f"<item><title>t</title><link>{html.escape(link)}</link></item>").encode(), xml
    entry = '<entry xml:base="https://base.example/x/"><id>urn:b</id><title>t</title><link href="rel"/><link rel="enclosure" href="a.mp3"/></entry>'
    yield "xml:base", atom(entry).encode(), "application/atom+xml"
    same = "".join(
        f"<item><guid>same</guid><title>t{n}</title><link>https://site.example/{n}</link></item>" for n in range(4)
    )
    yield "one guid for all", rss2(same).encode(), xml
    yield "no ids", rss2("".join(f"<item><title>only a title {n}</title></item>" for n in range(4))).encode(), xml
    yield (
        "no titles",
        rss2("".join(f"<item><description>only words {n}</description></item>" for n in range(4))).encode(),
        xml,
    )
    yield (
        "permalink false",
        rss2('<item><guid isPermaLink="false">https://site.example/not</guid><title>t</title></item>').encode(),
        xml,
    )
    yield (
        "rdf",
        rdf(
            "".join(
                f'<item rdf:about="https://site.example/{n}"><title>t{n}</title><link>https://site.example/{n}</link><dc:date>2026-11-21T10:11:12Z</dc:date><dc:creator>Bo</dc:creator></item>'
                for n in range(3)
            )
        ).encode(),
        "application/rdf+xml",
    )
    for version in ("0.91", "0.92", "0.93"):
        body = f'<?xml version="1.0"?><!DOCTYPE rss PUBLIC "-//Netscape Communications//DTD RSS 0.91//EN" "http://my.netscape.com/publish/formats/rss-0.91.dtd"><rss version="{version}"><channel><title>x</title><item><title>caf&eacute; &mdash; {version}</title><link>https://site.example/{version}</link></item></channel></rss>'
        yield f"rss {version}", body.encode(), xml
    good = rss2(
        "".join(
            f"<item><guid>item-{n}</guid><title>t{n} &amp; more</title><description>d{n}</description></item>"
            for n in range(6)
        )
    )
    spoilt = {
        "leading blank": "\n\n  " + good, "no declaration": good.partition("?>")[2], "junk after": good + "<!-- cached --><script>1</script>",
        "bare ampersand": good.replace("&amp;", "&"), "unclosed": good.replace("</description>", "", 1), "control": good.replace("t2", "t\x0b2"),
        "unknown entity": good.replace("&amp;", "&nosuch;"), "html entity": good.replace("&amp;", "&eacute;"), "upper case": good.replace("item>", "ITEM>"),
        "no namespace declared": good.replace("<guid>item-3", "<foo:bar>1</foo:bar><guid>item-3"), "cut": good[: len(good) * 2 // 3],
        "nul": good.replace("t4", "t\x004"), "two documents": good + good, "comment": good.replace("<item>", "<!-- <item> --><item>"),
        "windows quotes": good.replace("t1", "&#147;t1&#148;"), "style": '<?xml-stylesheet href="x.xsl"?>' + good,
    }  # fmt: skip
    for name, text in spoilt.items():
        yield f"spoilt: {name}", text.encode(), xml
        yield f"spoilt: {name}, as html", text.encode(), "text/html; charset=iso-8859-1"


CORPUS = list(corpus())


@pytest.fixture(scope="module")
def server() -> Iterator[RawServer]:
    with raw_server() as made:
        yield made


def read(server: RawServer, body: bytes, kind: str, **headers: str) -> tuple[Page, list[tuple[Any, Mention | None]]]:
    """A page, and what each of its items became."""
    server.routes = {"/blog/feed.xml": reply(body, content_type=kind, **headers)}
    made = feed.Connector(feed.Settings(url=PLACE, base_url=server.url), context())
    page = made.fetch_page({})
    return page, [(raw, _read(made, json.loads(json.dumps(raw)))) for raw in page.items]


def _read(made: feed.Connector, raw: Any) -> Mention | None:
    try:
        return made.normalise(raw)
    except MalformedItem:
        return None


def flat(words: object) -> str:
    """Feedparser's words as plain text, without white space."""
    return close(clean(plain(str(words or "")))[0])


def close(words: str) -> str:
    return re.sub(r"\s+", "", words)


@pytest.mark.parametrize(("name", "body", "kind"), CORPUS, ids=[name for name, _, _ in CORPUS])
def test_nothing_feedparser_yields_is_lost(server: RawServer, name: str, body: bytes, kind: str) -> None:
    bare = feedparser.parse(body, response_headers={"content-type": kind, "content-location": PLACE})
    _, found = read(server, body, kind)
    held = [mention for _, mention in found if mention]
    if not name.startswith(("spoilt: cut", "spoilt: two")):
        assert len(found) == len(bare.entries), "an entry is missing"
    lost = [
        e
        for e, (_, mention) in zip(bare.entries, found, strict=False)
        if not mention and any(e.get(k) for k in ("title", "summary", "link", "id"))
    ]
    assert lost == []
    assert len({m.native_id for m in held}) == len(held) or "two documents" in name, "two entries became one"
    for entry, (_, mention) in zip(bare.entries, found, strict=False):
        if not mention:
            continue
        assert close(mention.name) == flat(entry.get("title")), name
        said = [piece.get("value") for piece in entry.get("content", [])] + [entry.get("summary")]
        assert not any(said) or close(mention.content) in {flat(one) for one in said if one} | {""} - (
            {""} if flat(said[0]) else set()
        ), name
        times = [
            entry.get(f"{word}_parsed") for word in ("published", "created", "updated") if entry.get(f"{word}_parsed")
        ]
        if times:
            assert mention.published == datetime(*times[0][:6], tzinfo=UTC)
        if entry.get("author"):
            assert mention.attributed_to
            assert close(mention.attributed_to.name or mention.attributed_to.handle) in flat(entry["author"])
        if entry.get("link", "").startswith("http"):
            assert mention.url, name
        assert "\x00" not in mention.text
        assert not re.search(r"<(p|b|i|em|script|div)\b", mention.text), mention.text


@pytest.mark.parametrize("encoding", WORDS)
def test_declared_encodings_are_read_to_the_letter(server: RawServer, encoding: str) -> None:
    body, kind = next((body, kind) for name, body, kind in CORPUS if name == f"encoding {encoding}")
    _, found = read(server, body, kind)
    assert [m and m.name for _, m in found] == [f"{WORDS[encoding]} {n}" for n in range(3)]
    _, packed = read(server, gzip.compress(body), kind, content_encoding="gzip")
    assert [m and m.name for _, m in packed] == [f"{WORDS[encoding]} {n}" for n in range(3)]


@pytest.mark.parametrize(("date", "hour"), DATES.items())
def test_dates_are_in_utc(server: RawServer, date: str, hour: int) -> None:
    _, found = read(
        server, rss2(f"<item><guid>d</guid><title>t</title><pubDate>{date}</pubDate></item>").encode(), "text/xml"
    )
    mention = found[0][1]
    assert mention
    assert (mention.published.hour, mention.flags) == (hour, ())


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-32"])
@pytest.mark.parametrize("version", ["https://jsonfeed.org/version/1", "https://jsonfeed.org/version/1.1"])
def test_json_feeds(server: RawServer, encoding: str, version: str, rng: random.Random) -> None:
    people = (
        {"author": {"name": "Ann"}}
        if version.endswith("/1")
        else {"authors": [{"name": "Ann", "url": "https://a.example"}]}
    )
    items = [
        {"id": n if n % 2 else f"https://site.example/{n}", "url": f"/p/{n}", "title": f"Größe {n}", "date_published": "2026-11-21T10:11:12+01:00", **people,
         **rng.choice([{"content_text": f"words & <more> {n}"}, {"content_html": f"<p>words &amp; &lt;more&gt; {n}</p>"}])}
        for n in range(8)
    ]  # fmt: skip
    body = json.dumps({"version": version, "title": "S", "items": items}, ensure_ascii=False).encode(encoding)
    _, found = read(server, body, "application/feed+json")
    held = [mention for _, mention in found]
    assert [m and (m.name, m.content) for m in held] == [(f"Größe {n}", f"words & <more> {n}") for n in range(8)]
    assert {m.attributed_to.handle for m in held if m and m.attributed_to} == {"Ann"}
    assert {m.published for m in held if m} == {datetime(2026, 11, 21, 9, 11, 12, tzinfo=UTC)}
    assert [m and m.url for m in held] == [urljoin(PLACE, f"/p/{n}") for n in range(8)]
