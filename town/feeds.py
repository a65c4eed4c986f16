"""Feeds: one window of newest entries per name, as RSS 2.0, Atom and JSON Feed 1.1.

[rss] https://www.rssboard.org/rss-specification  [atom] RFC 4287, threading RFC 4685
[json] https://www.jsonfeed.org/version/1.1/  [http] RFC 9110 sections 8.8 and 13
"""

from __future__ import annotations

import gzip
import hashlib
import json
import random
import re
import time
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from email.utils import formatdate, parsedate_to_datetime
from html import escape
from itertools import islice
from typing import Any

from town.faults import Fault
from town.http import Request, Response, Stand
from town.ledger import ServedKey
from town.posts import Post, Timeline

KNOWN = {"news": "Northbank in the news", "forum": "Household money forum", "blog": "Payments blog"}
PATH = re.compile(r"/([A-Za-z0-9_-]+)\.(rss|atom|json)")
TYPES = {
    "rss": "application/rss+xml; charset=utf-8",
    "atom": "application/atom+xml; charset=utf-8",
    "json": "application/feed+json; charset=utf-8",
}


@dataclass
class Rendered:
    body: bytes
    etag: str
    modified: str
    items: list[ServedKey]


class Feeds(Stand):
    """Static files to a reader: conditional GET, gzip, Cache-Control, and a window that slides."""

    name = "feeds"
    options = {"feed_window": 100, "feed_max_age": 0}

    def __init__(self, town: Any) -> None:
        super().__init__(town)
        self.posts: dict[str, Post] = {}
        self.lines: dict[str, Timeline] = {name: Timeline() for name in KNOWN}
        self.ready: dict[tuple[str, str, int], Rendered] = {}

    # -- what people do -----------------------------------------------------------------------------------------

    def make(
        self,
        text: str,
        *,
        seq: int,
        created: float,
        visible_from: float,
        title: str = "",
        author: str | None = "someone",
        origin: str = "news",
        parent: str | None = None,
        lang: str | None = None,
        malformed: str = "",
        kind: str = "entry",
        **extra: Any,
    ) -> Post:
        # RFC 4151 tag URIs, unique over all feeds of the town
        native_id = f"tag:feeds.northbank.example,2026:{origin}/{seq}"
        return Post(
            "feeds",
            origin,
            native_id,
            "entry",
            author,
            title or text[:60],
            text,
            created,
            visible_from,
            seq,
            parent,
            parent or native_id,
            lang,
            malformed=malformed,
            extra=extra,
        )

    def take(self, post: Post) -> None:
        self.posts[post.native_id] = post
        self.lines.setdefault(post.origin, Timeline()).add(post, time.time())

    def warm(self, post: Post) -> None:
        """A feed is rendered whole when it changes."""

    def edit(self, native_id: str, text: str, now: float) -> list[Post]:
        post = self.posts[native_id]
        post.text, post.edited = text, now
        self.lines[post.origin].touch()
        return [post]

    def delete(self, native_id: str, shown: bool) -> Post:
        post = self.posts[native_id]
        post.deleted = "gone"
        self.lines[post.origin].remove(post)
        return post

    def channel(self, page_size: int) -> dict[str, Any]:
        self.town.options["feed_window"] = 1000  # what slides out between two polls is a gap, and another test's
        return {"kind": "feed", "url": "https://a.example/news.atom", "base_url": self.town.urls["feeds"]}

    def says(self, rng: random.Random, n: int) -> dict[str, Any]:
        return {**super().says(rng, n), "origin": "news"}

    # -- answering ----------------------------------------------------------------------------------------------

    def handle(self, request: Request) -> Response:
        match = PATH.fullmatch(request.path)
        if not match or match[1] not in self.lines:
            return self.refuse(404)
        if request.method not in ("GET", "HEAD"):
            return self.refuse(405)
        name, kind = match[1], match[2]
        fault = request.fault("illformed")
        spoil = request.fault("malformed")
        rendered = self._ill(name, kind, fault) if fault else self._feed(name, kind, spoil)
        headers = {
            "ETag": rendered.etag,
            "Last-Modified": rendered.modified,
            "Vary": "Accept-Encoding",
            "Cache-Control": f"max-age={int(self.town.options['feed_max_age'])}",
        }
        if _unchanged(request, rendered):
            return Response(304, b"", headers)
        headers["Content-Type"] = "text/plain" if fault and fault.options.get("mode") == "wrongtype" else TYPES[kind]
        body = rendered.body
        if "gzip" in request.headers.get("Accept-Encoding", "").lower():
            headers["Content-Encoding"] = "gzip"
            body = gzip.compress(body, 1)
        return Response(200, body, headers, rendered.items)

    def refuse(self, status: int, fault: Fault | None = None) -> Response:
        page = f"<html><head><title>{status}</title></head><body><h1>{status}</h1></body></html>\n"
        return Response(status, page.encode(), {"Content-Type": "text/html; charset=utf-8"})

    def _feed(self, name: str, kind: str, spoil: Fault | None = None) -> Rendered:
        with self.town.lock:
            line = self.lines[name]
            line.settle(time.time())
            key = (name, kind, line.version)
            if spoil and line.posts:
                posts = list(islice(line.older(None), int(self.town.options["feed_window"])))
                at = random.Random(f"{self.town.seed}:{spoil.seen}").randrange(len(posts))
                posts[at] = replace(posts[at], malformed=spoil.options.get("mode", "missing_id"))
                return self._render(name, kind, posts)
            if key not in self.ready:
                posts = list(islice(line.older(None), int(self.town.options["feed_window"])))
                self.ready = {k: v for k, v in self.ready.items() if k[:2] != (name, kind)}
                self.ready[key] = self._render(name, kind, posts)
            return self.ready[key]

    def _render(self, name: str, kind: str, posts: list[Post]) -> Rendered:
        changed = max((max(p.edited or 0, p.visible_from, p.created) for p in posts), default=1_750_000_000.0)
        base = self.town.urls["feeds"]
        write = {"rss": _rss, "atom": _atom, "json": _json}[kind]
        entries = [WRITERS[kind](post) for post in posts]
        body = write(name, f"{base}/{name}.{kind}", changed, entries).encode()
        etag = '"' + hashlib.sha256(body).hexdigest()[:20] + '"'
        items = [_key(post, entry) for post, entry in zip(posts, entries, strict=True)]
        return Rendered(body, etag, formatdate(min(changed, time.time()), usegmt=True), items)

    def _ill(self, name: str, kind: str, fault: Fault) -> Rendered:
        """What publishers really send (feedparser's own test suite is a museum of these)."""
        good = self._feed(name, kind)
        mode, body, items = fault.options.get("mode", "cut"), good.body, good.items
        if mode == "cut":  # the end is missing, and Content-Length agrees with the cut
            body, items = body[: len(body) * 2 // 3], []
        elif mode == "entity":  # HTML's entities are not XML's
            body = body.replace(b"Northbank", b"Northbank&nbsp;", 1)
        elif mode == "amp":
            body = body.replace(b"Northbank", b"North & bank", 1)
        elif mode == "laughs":  # entities that grow when expanded (CVE-2003-1564)
            head, _, rest = body.partition(b"?>")
            doctype = (
                b'<!DOCTYPE feed [<!ENTITY a "ha"><!ENTITY b "'
                + b"&a;" * 500
                + b'"><!ENTITY c "'
                + b"&b;" * 500
                + b'">]>'
            )
            body = head + b"?>" + doctype + rest.replace(b"Northbank", b"&c;", 1)
        elif mode == "huge":  # endless white space; packed it is a gzip bomb
            body += b" " * (int(fault.options.get("megabytes", 20)) << 20)
        elif mode == "latin1":  # says UTF-8 and is not
            body = body.replace(b"Northbank", "Nörthbank".encode("latin-1"), 1)
        elif mode == "nodates":
            body = re.sub(rb"<(pubDate|published|updated)>.*?</\1>", b"", body)
            body = re.sub(rb'"date_(published|modified)": "[^"]*", ', b"", body)
        elif mode == "noguid":
            body = re.sub(rb"<(guid|id)[^>]*>tag:.*?</\1>", b"", body)
            body = re.sub(rb'"id": "tag:[^"]*", ', b"", body)
        etag = '"' + hashlib.sha256(body).hexdigest()[:20] + '"'
        return Rendered(body, etag, good.modified, items)


def _unchanged(request: Request, rendered: Rendered) -> bool:
    """[http] 13.1.3: If-Modified-Since is ignored when If-None-Match is there; its second is the finest it knows."""
    tags = request.headers.get("If-None-Match")
    if tags is not None:
        return tags.strip() == "*" or rendered.etag in [t.strip().removeprefix("W/") for t in tags.split(",")]
    since = request.headers.get("If-Modified-Since")
    if not since:
        return False
    try:
        return parsedate_to_datetime(rendered.modified) <= parsedate_to_datetime(since)
    except (TypeError, ValueError):
        return False


def _key(post: Post, entry: str) -> ServedKey:
    if post.malformed == "missing_id":
        lost = "malformed:" + hashlib.sha256(entry.encode()).hexdigest()[:16]
        return ("feeds", post.origin, lost, lost, 1)
    return ("feeds", post.origin, post.native_id, post.native_id, int(bool(post.malformed)))


def _iso(at: float) -> str:
    return datetime.fromtimestamp(int(at), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _link(post: Post) -> str:
    return f"https://{post.origin}.northbank.example/{post.native_id.rsplit('/', 1)[-1]}"


def _paragraphs(text: str) -> str:
    return "".join(f"<p>{escape(part, quote=False)}</p>" for part in text.split("\n\n"))


def _rss_item(post: Post) -> str:
    """[rss] every element of item is optional, but one of title or description must be there."""
    bad = post.malformed
    guid = "" if bad == "missing_id" else f'<guid isPermaLink="false">{post.native_id}</guid><link>{_link(post)}</link>'
    author = "" if bad == "null_author" or not post.author else f"<dc:creator>{escape(post.author)}</dc:creator>"
    date = "yesterday" if bad == "wrong_types" else formatdate(post.created, usegmt=True)
    return (
        f"<item><title>{escape(post.title)}</title>{guid}"
        f"<description>{escape(_paragraphs(post.text))}</description>{author}<pubDate>{date}</pubDate></item>"
    )


def _rss(name: str, url: str, changed: float, entries: list[str]) -> str:
    return (
        f'<?xml version="1.0" encoding="UTF-8"?>\n<rss version="2.0" xmlns:dc="http://purl.org/dc/elements/1.1/">'
        f"<channel><title>{escape(KNOWN.get(name, name))}</title><link>https://{name}.northbank.example/</link>"
        f"<description>{escape(KNOWN.get(name, name))}</description><language>en</language>"
        f"<lastBuildDate>{formatdate(changed, usegmt=True)}</lastBuildDate>\n"
        + "\n".join(entries)
        + "\n</channel></rss>\n"
    )


def _atom_entry(post: Post) -> str:
    """RFC 4287 section 4.1.2: id, title and updated are required; RFC 4685 adds thr:in-reply-to."""
    bad = post.malformed
    ident = "" if bad == "missing_id" else f'<id>{post.native_id}</id><link href="{_link(post)}"/>'
    author = "" if bad == "null_author" or not post.author else f"<author><name>{escape(post.author)}</name></author>"
    published = "yesterday" if bad == "wrong_types" else _iso(post.created)
    updated = "yesterday" if bad == "wrong_types" else _iso(post.edited or post.created)
    reply = f'<thr:in-reply-to ref="{escape(post.parent)}"/>' if post.parent else ""
    lang = f' xml:lang="{post.lang}"' if post.lang else ""
    return (
        f"<entry{lang}>{ident}<title>{escape(post.title)}</title><published>{published}</published>"
        f"<updated>{updated}</updated>{author}{reply}"
        f'<content type="html">{escape(_paragraphs(post.text))}</content></entry>'
    )


def _atom(name: str, url: str, changed: float, entries: list[str]) -> str:
    return (
        f'<?xml version="1.0" encoding="UTF-8"?>\n<feed xmlns="http://www.w3.org/2005/Atom"'
        f' xmlns:thr="http://purl.org/syndication/thread/1.0"><id>{escape(url)}</id>'
        f'<title>{escape(KNOWN.get(name, name))}</title><link rel="self" href="{escape(url)}"/>'
        f"<updated>{_iso(changed)}</updated>\n" + "\n".join(entries) + "\n</feed>\n"
    )


def _json_item(post: Post) -> str:
    """[json] id is required; a reader should coerce a number to a string; one of content_html, content_text."""
    bad = post.malformed
    item: dict[str, Any] = {
        "id": post.native_id,
        "url": _link(post),
        "title": post.title,
        "content_text": post.text,
        "date_published": _iso(post.created),
        "date_modified": _iso(post.edited or post.created),
        "authors": [{"name": post.author}] if post.author else [],
        "language": post.lang or "en",
    }
    if bad == "missing_id":
        del item["id"], item["url"]
    elif bad == "wrong_types":
        item |= {"content_text": 42, "date_published": 17}
    elif bad == "null_author":
        item["authors"] = None
    return json.dumps(item)


def _json(name: str, url: str, changed: float, entries: list[str]) -> str:
    head = json.dumps(
        {
            "version": "https://jsonfeed.org/version/1.1",
            "title": KNOWN.get(name, name),
            "feed_url": url,
            "home_page_url": f"https://{name}.northbank.example/",
            "language": "en",
        }
    )
    return f'{head[:-1]}, "items": [{", ".join(entries)}]}}'


WRITERS = {"rss": _rss_item, "atom": _atom_entry, "json": _json_item}


STAND_INS = (Feeds,)
