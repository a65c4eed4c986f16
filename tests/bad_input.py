"""What the tests of bad input share: a stage on which a channel is configured, polled and digested for real, and looked at.

The configuration goes through files and the scheduler's own reading, a poll through the poll step, a verdict through the digest
step; a test then looks at the console's pages and the ledger, as an operator does.
"""

import html
import json
import re
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import httpx2

from storage import channels
from storage.ledger import Ledger, one, rows
from storage.reconcile import reconcile
from tests import web
from tests.raw_server import RawServer, Speak, raw_server
from workers import digest, scheduler
from workers.bootstrap import House
from workers.poll import Polled, poll

SECRET = b"a secret of the tests, 0123456789abcdef"
HOST = "feeds.example"
RULES = [
    {"name": "broken", "when": {"words": ["broken"]}, "then": {"outcome": "ticket"}, "why": "Something is broken."},
    {"name": "odd", "when": {"words": ["odd"]}, "then": {"outcome": "review"}, "why": "Somebody should look."},
]


class Stage:
    """One installation in this process. `item` and `rss` write feeds that match the topic and make a ticket."""

    def __init__(self, database_url: str, folder: Path, server: RawServer, client: httpx2.Client) -> None:
        self.database_url, self.folder, self.server, self.console = database_url, folder, server, client
        self.ledger = Ledger(database_url, name="test", pool=2)
        self.house = House(self.ledger, SECRET)

    # -- acting -------------------------------------------------------------------------------------------------------

    def write(self, *wanted: dict[str, Any], **more: Any) -> None:
        """The configuration's files; JSON is YAML."""
        document = {
            "topics": [{"name": "acme", "any": ["acme"]}],
            "channels": list(wanted),
            "rules": RULES,
            "settings": {"language": "en", "allow_hosts": ["127.0.0.1"]},
            **more,
        }
        (self.folder / "stage.yaml").write_text(json.dumps(document))

    def configure(self, *wanted: dict[str, Any], **more: Any) -> None:
        """Put a configuration in force as the scheduler does; the test fails when it is refused."""
        self.write(*wanted, **more)
        found, said = scheduler.read(self.folder, {})
        assert found is not None, said
        self.ledger.run(lambda c: scheduler.put_in_force(c, found))
        self.house = House(self.ledger, SECRET)

    def feed(self, name: str, path: str = "", **more: Any) -> dict[str, Any]:
        url = f"https://{HOST}{path or '/' + name}"
        return {"name": name, "kind": "feed", "every": "1h", "url": url, "base_url": self.server.url, **more}

    def poll(self, name: str, **limits: Any) -> Polled:
        """Ask for a poll as `earmark poll` does, and do it. `limits` are laid over the context (deadline, max_bytes)."""
        id_ = self.ledger.run(lambda c: channels.want(c, name))
        assert id_ is not None, f"no channel {name}"
        context = replace(self.house.context(), **limits)
        done = poll(self.ledger, id_, self.house.watched, context, SECRET, "tester")
        assert done is not None, "the poll was not taken"
        return done

    def read(self, channel: dict[str, Any], **limits: Any) -> Polled:
        """Configure the one channel, poll it, judge what came."""
        self.configure(channel)
        done = self.poll(channel["name"], **limits)
        self.digest()
        return done

    def serve(self, name: str, *answers: Speak, **more: Any) -> list[Polled]:
        """A feed channel whose address gives these answers, one per poll."""
        self.configure(channel := self.feed(name, **more))
        done = []
        for answer in answers:
            self.server.routes[f"/{channel['name']}"] = answer
            done.append(self.poll(name))
            self.digest()
        return done

    def digest(self) -> None:
        digest.drain(self.ledger, self.house.desktop(), "tester", lambda: False)

    # -- looking ------------------------------------------------------------------------------------------------------

    def ask(self, sql: str, **values: Any) -> Any:
        with self.ledger.begin() as connection:
            return one(connection, sql, **values)

    def mentions(self, channel: str) -> list[dict[str, Any]]:
        """What a channel found, in the order it was stored, each with its verdict and its ticket's number."""
        with self.ledger.begin() as connection:
            found = rows(
                connection,
                """SELECT m.*, v.outcome, v.label, t.number AS ticket, t.customer_id AS customer FROM mentions m
                JOIN sightings s ON s.mention_id = m.id JOIN channels c ON c.id = s.channel_id
                LEFT JOIN verdicts v ON v.mention_id = m.id AND v.version = m.version
                LEFT JOIN ticket_mentions tm ON tm.mention_id = m.id LEFT JOIN tickets t ON t.id = tm.ticket_id
                WHERE c.name = :name ORDER BY m.id""",
                name=channel,
            )
        return [dict(row) for row in found]

    def only(self, channel: str) -> dict[str, Any]:
        (found,) = self.mentions(channel)
        return found

    def channel(self, name: str) -> dict[str, Any]:
        with self.ledger.begin() as connection:
            (row,) = rows(connection, "SELECT * FROM channels WHERE name = :name", name=name)
        return dict(row)

    def rejects(self, name: str) -> list[dict[str, Any]]:
        sql = "SELECT r.* FROM rejects r JOIN channels c ON c.id = r.channel_id WHERE c.name = :name ORDER BY r.id"
        with self.ledger.begin() as connection:
            return [dict(row) for row in rows(connection, sql, name=name)]

    def page(self, path: str) -> str:
        """A page's source; it must be there."""
        answer = self.console.get(path)
        assert answer.status_code == 200, (path, answer.status_code)
        return answer.text

    def card(self, name: str) -> str:
        """What the channels page says of one channel, as people read it."""
        found = re.search(
            rf"<article[^>]*>(?:(?!</article>).)*?>{re.escape(html.escape(name))}</h2>.*?</article>",
            self.page("/channels"),
            re.S,
        )
        assert found, f"no channel {name} on the page"
        return readable(found[0])

    def ticket(self, number: int) -> str:
        return readable(self.page(f"/tickets/{number}"))

    def proof(self) -> None:
        """Nothing lost, nothing doubled."""
        with self.ledger.read() as connection:
            report = reconcile(connection)
        assert report.findings == [], "\n".join(map(str, report.findings))


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.text: list[str] = []

    def handle_data(self, data: str) -> None:
        self.text.append(data)


def readable(source: str) -> str:
    """The text of a page, blanks and line ends as one space."""
    reader = _Reader()
    reader.feed(source)
    return " ".join(" ".join(reader.text).split())


@contextmanager
def stage(database_url: str, folder: Path) -> Iterator[Stage]:
    with ExitStack() as held:
        ids = web.people(database_url)
        address = held.enter_context(web.serve(web.make_app(database_url)))
        ledger = Ledger(database_url, name="test", pool=1)
        client = held.enter_context(web.enter(ledger, address, ids["admin"]))
        ledger.close()
        made = Stage(database_url, folder, held.enter_context(raw_server()), client)
        held.callback(made.ledger.close)
        yield made


# -- feeds ------------------------------------------------------------------------------------------------------------

DATE = "Sat, 21 Nov 2026 10:00:00 GMT"


def item(guid: str = "", title: str = "acme is broken", body: str = "", **fields: str) -> str:
    """One entry. `fields` are elements as they are to stand in the feed; a date is put in unless one is given."""
    parts = {
        "title": title,
        "description": body,
        "pubDate": DATE,
        "link": f"https://{HOST}/read/{guid or 'x'}",
    } | fields
    if guid:
        parts["guid"] = guid
    inner = "".join(f"<{name}>{value}</{name}>" for name, value in parts.items() if value)
    return f"<item>{inner}</item>"


def rss(*items: str, head: str = '<?xml version="1.0" encoding="utf-8"?>') -> str:
    return f'{head}<rss version="2.0"><channel><title>News</title>{"".join(items)}</channel></rss>'
