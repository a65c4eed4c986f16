"""What the town wrote down: every post, request, served item, ticket and delivery, in one SQLite file.

Posts and everything a desk accepted are committed before the answer leaves. Requests and served items are written
behind, in batches, so that serving stays cheap; `flush` and a clean stop bring them up to date.
"""

from __future__ import annotations

import json
import sqlite3
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from town.posts import Post

SCHEMA = """
CREATE TABLE IF NOT EXISTS posts (platform TEXT, origin TEXT, native_id TEXT, kind TEXT, author TEXT, title TEXT,
  text TEXT, created REAL, visible_from REAL, seq INTEGER, edited REAL, deleted TEXT, data TEXT,
  PRIMARY KEY (platform, native_id)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS requests (id INTEGER PRIMARY KEY, platform TEXT, method TEXT, path TEXT, query TEXT,
  status INTEGER, at REAL, ms REAL, fault TEXT, items INTEGER, agent TEXT);
CREATE TABLE IF NOT EXISTS served (platform TEXT, origin TEXT, native_id TEXT, root TEXT, malformed INTEGER,
  count INTEGER, PRIMARY KEY (platform, native_id, malformed)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS tickets (id INTEGER PRIMARY KEY, desk TEXT, external_id TEXT, at REAL, data TEXT);
CREATE INDEX IF NOT EXISTS tickets_external ON tickets (desk, external_id);
CREATE TABLE IF NOT EXISTS comments (id INTEGER PRIMARY KEY, desk TEXT, ticket INTEGER, first INTEGER, at REAL,
  body TEXT, data TEXT, audit TEXT);
CREATE INDEX IF NOT EXISTS comments_ticket ON comments (desk, ticket);
CREATE TABLE IF NOT EXISTS users (id INTEGER PRIMARY KEY, desk TEXT, email TEXT, external_id TEXT, data TEXT);
CREATE TABLE IF NOT EXISTS idempotency (desk TEXT, key TEXT, body TEXT, at REAL, answer TEXT, PRIMARY KEY (desk, key));
CREATE TABLE IF NOT EXISTS deliveries (id INTEGER PRIMARY KEY, webhook_id TEXT, at REAL, status INTEGER, body TEXT);
CREATE TABLE IF NOT EXISTS mails (id INTEGER PRIMARY KEY, at REAL, tls INTEGER, login TEXT, sender TEXT, recipients TEXT,
  message_id TEXT, message TEXT);
CREATE TABLE IF NOT EXISTS notices (id INTEGER PRIMARY KEY, at REAL, path TEXT, body TEXT);
CREATE TABLE IF NOT EXISTS objects (id INTEGER PRIMARY KEY, desk TEXT, type TEXT, at REAL, archived INTEGER, data TEXT, indexed TEXT);
CREATE INDEX IF NOT EXISTS objects_type ON objects (desk, type, at);
CREATE TABLE IF NOT EXISTS associations (desk TEXT, one INTEGER, other_type TEXT, other INTEGER, kind INTEGER,
  PRIMARY KEY (desk, one, other_type, other, kind)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS properties (desk TEXT, type TEXT, name TEXT, data TEXT, PRIMARY KEY (desk, type, name)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS meta (key TEXT PRIMARY KEY, value TEXT);
"""

ServedKey = tuple[str, str, str, str, int]  # platform, origin, native_id, root, malformed


class Ledger:
    """The town's own record, the one Earmark's is compared with."""

    def __init__(self, path: str | Path | None, *, record_served: bool = True) -> None:
        self.record_served = record_served
        self._lock = threading.RLock()
        self._db = sqlite3.connect(str(path or ":memory:"), check_same_thread=False, isolation_level=None)
        self._db.row_factory = sqlite3.Row
        self._db.execute("PRAGMA journal_mode=WAL")
        self._db.execute("PRAGMA synchronous=NORMAL")
        self._db.executescript(SCHEMA)
        self._requests: list[tuple[Any, ...]] = []
        self._served: dict[ServedKey, int] = {}
        self._behind = threading.Lock()
        self._leaving = 0
        self._left = threading.Condition()
        self._stop = threading.Event()
        self._writer = threading.Thread(target=self._write_behind, name="ledger", daemon=True)
        self._writer.start()

    # -- writing ------------------------------------------------------------------------------------------------

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """One writer at a time; what raises is rolled back."""
        with self._lock:
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield self._db
            except BaseException:
                self._db.execute("ROLLBACK")
                raise
            self._db.execute("COMMIT")

    def save_posts(self, posts: Iterable[Post], meta: dict[str, Any] | None = None) -> None:
        rows = [_post_row(p) for p in posts]
        with self.transaction() as db:
            db.executemany("INSERT OR REPLACE INTO posts VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?)", rows)
            for key, value in (meta or {}).items():
                db.execute("INSERT OR REPLACE INTO meta VALUES (?,?)", (key, json.dumps(value)))

    def set_meta(self, **values: Any) -> None:
        self.save_posts([], meta=values)

    def note_request(self, row: tuple[Any, ...], items: Iterable[ServedKey]) -> None:
        """Written within a tenth of a second; the caller does not wait for the disk."""
        with self._behind:
            self._requests.append(row)
            if self.record_served:
                served = self._served
                for key in items:
                    served[key] = served.get(key, 0) + 1

    @contextmanager
    def leaving(self) -> Iterator[None]:
        """An answer is on its way out: a reader of the ledger waits a moment for its row."""
        with self._left:
            self._leaving += 1
        try:
            yield
        finally:
            with self._left:
                self._leaving -= 1
                self._left.notify_all()

    def _write_behind(self) -> None:
        while not self._stop.wait(0.1):
            self.flush()

    def flush(self) -> None:
        with self._lock:
            with self._behind:
                requests, self._requests = self._requests, []
                served, self._served = self._served, {}
            if not requests and not served:
                return
            with self.transaction() as db:
                db.executemany(
                    "INSERT INTO requests (platform,method,path,query,status,at,ms,fault,items,agent)"
                    " VALUES (?,?,?,?,?,?,?,?,?,?)",
                    requests,
                )
                db.executemany(
                    "INSERT INTO served VALUES (?,?,?,?,?,?) ON CONFLICT DO UPDATE SET count = count + excluded.count",
                    [(*key, count) for key, count in served.items()],
                )

    def close(self) -> None:
        self._stop.set()
        self._writer.join(5)
        self.flush()
        with self._lock:
            self._db.close()

    # -- reading ------------------------------------------------------------------------------------------------

    def rows(self, sql: str, *args: Any) -> list[dict[str, Any]]:
        """Any question, with the write-behind brought up to date first."""
        with self._left:
            self._left.wait_for(lambda: self._leaving == 0, timeout=0.3)
        self.flush()
        return self.ask(sql, *args)

    def ask(self, sql: str, *args: Any) -> list[dict[str, Any]]:
        """A question about what is written at once (posts, desks, meta), without waiting for the rest."""
        with self._lock:
            return [dict(row) for row in self._db.execute(sql, args)]

    def meta(self, key: str, default: Any = None) -> Any:
        found = self.ask("SELECT value FROM meta WHERE key = ?", key)
        return json.loads(found[0]["value"]) if found else default

    def load_posts(self) -> Iterator[Post]:
        for row in self.ask("SELECT * FROM posts ORDER BY seq"):
            data = json.loads(row.pop("data"))
            yield Post(**row, **data)

    def served(self, platform: str | None = None) -> list[dict[str, Any]]:
        """One row per id and state: root is the id that survives edits."""
        return self.rows("SELECT * FROM served WHERE ? IN ('', platform) ORDER BY platform, native_id", platform or "")

    def posts(self, platform: str | None = None) -> list[dict[str, Any]]:
        """Everything ever written, as it stands now: what a reader that missed nothing would hold."""
        return self.ask(
            "SELECT platform, origin, native_id, kind, author, title, text, created, visible_from, edited,"
            " deleted FROM posts WHERE ? IN ('', platform) ORDER BY seq",
            platform or "",
        )

    def requests(self, platform: str | None = None) -> list[dict[str, Any]]:
        return self.rows("SELECT * FROM requests WHERE ? IN ('', platform) ORDER BY id", platform or "")

    def tickets(self, desk: str = "zendesk") -> list[dict[str, Any]]:
        rows = self.rows("SELECT id, external_id, at, data FROM tickets WHERE desk = ? ORDER BY id", desk)
        return [{**row, "data": json.loads(row["data"])} for row in rows]

    def comments(self, desk: str = "zendesk") -> list[dict[str, Any]]:
        return self.rows(
            "SELECT c.id, c.ticket, c.first, c.at, c.body, t.external_id FROM comments c"
            " JOIN tickets t ON t.id = c.ticket AND t.desk = c.desk WHERE c.desk = ? ORDER BY c.id",
            desk,
        )

    def objects(self, desk: str, kind: str) -> list[dict[str, Any]]:
        """A CRM's records of one type that are not archived: id, properties, and the ids of what each is associated with, by type."""
        found = self.rows(
            "SELECT id, data FROM objects WHERE desk = ? AND type = ? AND NOT archived ORDER BY id", desk, kind
        )
        near: dict[int, dict[str, list[int]]] = {}
        for row in self.ask(
            "SELECT DISTINCT one, other_type, other FROM associations WHERE desk = ? ORDER BY other", desk
        ):
            near.setdefault(row["one"], {}).setdefault(row["other_type"], []).append(row["other"])
        return [
            {"id": row["id"], "properties": json.loads(row["data"]), "near": near.get(row["id"], {})} for row in found
        ]

    def deliveries(self) -> list[dict[str, Any]]:
        return self.rows("SELECT * FROM deliveries ORDER BY id")

    def mails(self) -> list[dict[str, Any]]:
        """What the mail server took, one row per final dot: a mail sent twice is here twice, under one Message-ID."""
        return [
            {**row, "recipients": json.loads(row["recipients"])} for row in self.rows("SELECT * FROM mails ORDER BY id")
        ]

    def notices(self) -> list[dict[str, Any]]:
        """What came to the receiver of plain JSON."""
        return [{**row, "body": json.loads(row["body"])} for row in self.rows("SELECT * FROM notices ORDER BY id")]

    def summary(self) -> dict[str, Any]:
        """The figures Earmark's own are compared with."""
        served = self.rows(
            'SELECT platform, count(*) AS "distinct", sum(only_bad) AS malformed, sum(times) AS times FROM'
            " (SELECT platform, root, min(malformed) AS only_bad, sum(count) AS times FROM served"
            "  GROUP BY platform, root) GROUP BY platform"
        )
        posts = self.rows("SELECT platform, count(*) AS total, sum(deleted <> '') AS deleted FROM posts GROUP BY 1")
        requests = self.rows("SELECT platform, count(*) AS total, sum(fault <> '') AS faulted FROM requests GROUP BY 1")
        tickets = self.rows(
            "SELECT count(*) AS tickets, count(DISTINCT coalesce(external_id, 'no external id ' || id))"
            " AS \"distinct\" FROM tickets WHERE desk = 'zendesk'"
        )[0]
        comments = self.rows(
            "SELECT count(*) AS comments, count(DISTINCT ticket || ':' || body) AS distinct_comments"
            " FROM comments WHERE desk = 'zendesk' AND NOT first"
        )[0]
        hooks = self.rows(
            "SELECT count(*) FILTER (WHERE status < 300) AS deliveries,"
            ' count(DISTINCT webhook_id) FILTER (WHERE status < 300) AS "distinct",'
            " count(*) FILTER (WHERE status >= 300) AS refused FROM deliveries"
        )[0]
        return {
            "served": _by_platform(served),
            "posts": _by_platform(posts),
            "requests": _by_platform(requests),
            "desks": {"zendesk": tickets | comments, "webhook": hooks},
        }


def _by_platform(rows: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    return {row.pop("platform"): row for row in rows}


def _post_row(p: Post) -> tuple[Any, ...]:
    data = {"parent": p.parent, "thread": p.thread, "lang": p.lang, "malformed": p.malformed, "extra": p.extra}
    return (
        p.platform,
        p.origin,
        p.native_id,
        p.kind,
        p.author,
        p.title,
        p.text,
        p.created,
        p.visible_from,
        p.seq,
        p.edited,
        p.deleted,
        json.dumps(data),
    )
