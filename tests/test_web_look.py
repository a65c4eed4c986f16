"""Look before you post: a post that is deleted, edited or answered at its platform between writing and sending stops the answer."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

import httpx2
import pytest
from sqlalchemy import text

import config
from connectors import inbound
from connectors.contract import Context, Subject
from domain.rules import Account
from storage import configurations, outbox, posting, reconcile
from storage.ledger import Ledger, one, rows
from tests import web
from tests.delivering import desk, go
from tests.web_fixtures import address, client, ids
from town.accounts import ACCOUNTS
from town.server import Town
from workers import looking
from workers.actors import Answering
from workers.bootstrap import House
from workers.looking import Looker
from workers.poll import Watched

__all__ = ["address", "client", "ids"]  # fixtures

OURS = (Account("mastodon", "northbank@" + ACCOUNTS["mastodon"]["instance"]), Account("reddit", "northbank"),
        Account("x", "northbank"), Account("hackernews", "northbank"))  # fmt: skip
SECRETS = {
    "REDDIT_CLIENT_ID": ACCOUNTS["reddit"]["client_id"],
    "REDDIT_CLIENT_SECRET": ACCOUNTS["reddit"]["client_secret"],
    "X_BEARER_TOKEN": ACCOUNTS["x"]["bearer"],
}
CHANNELS: dict[str, dict[str, Any]] = {
    "mastodon": {"instance": ACCOUNTS["mastodon"]["instance"], "tags": ["northbank"]},
    "reddit": {"subreddits": ["northbank"]},
    "x": {"query": "northbank"},
    "hackernews": {"queries": ["northbank"]},
}
POSTS: dict[str, dict[str, Any]] = {
    "mastodon": {},
    "reddit": {"title": "Declined", "origin": "northbank"},
    "x": {},
    "hackernews": {"kind": "comment"},
}


@pytest.fixture(scope="module")
def town() -> Iterator[Town]:
    with Town(seed=5) as found:
        yield found


@pytest.fixture(scope="module")
def ledger(database_url: str, ids: dict[str, int], town: Town) -> Iterator[Ledger]:
    found = Ledger(database_url)
    with found.begin() as connection:
        connection.execute(text("INSERT INTO targets (name, kind) VALUES ('helpdesk', 'stdout'), ('post', 'smtp')"))
        settings = {
            "name": "post",
            "kind": "smtp",
            "host": "127.0.0.1",
            "sender": "care@example.org",
            "to": ["care@example.org"],
        }
        configurations.accept(connection, "r", {"casework": {"reply_by": "post", "hold": None}, "desks": [settings]})
        for name in CHANNELS:
            connection.execute(
                text("INSERT INTO channels (name, kind, platform, schedule, spec) VALUES (:n, :n, :n, 'every 60', '')"),
                {"n": name},
            )
    yield found
    found.close()


def watched(town: Town, name: str) -> Watched | None:
    if name not in CHANNELS:
        return None
    module = inbound.load(name)
    settings = module.Settings(**CHANNELS[name], base_url=town.urls[name])
    return Watched(name, (), 1, lambda context: module.Connector(settings, context))


def looker(ledger: Ledger, town: Town) -> Looker:
    context = Context(lambda: datetime.now(UTC), SECRETS.__getitem__, frozenset({"127.0.0.1"}))
    return Looker(ledger, lambda name: watched(town, name), context, OURS)


def said(ledger: Ledger, town: Town, platform: str, words: str, **more: Any) -> tuple[int, str]:
    """Somebody posts in the town; the post as its connector reads it is a mention with a ticket whose customer has an address."""
    native = town.post(platform, words, author="ann", **{**POSTS[platform], **more})
    connector = watched(town, platform).connect(looker(ledger, town).context)  # type: ignore[union-attr]
    raw = connector.look(Subject(native, native)).post  # type: ignore[attr-defined]
    mention = connector.normalise(raw)
    key = mention.native_id
    mention_id = web.mention(ledger, key, mention.text, author="ann", platform=platform)
    with ledger.begin() as connection:
        connection.execute(
            text("UPDATE mentions SET context = :c, name = :name, content = :content WHERE id = :id"),
            {"id": mention_id, "c": mention.context, "name": mention.name, "content": mention.content},
        )
        connection.execute(
            text("INSERT INTO payloads (mention_id, version, body) VALUES (:m, 1, :b) ON CONFLICT DO NOTHING"),
            {"m": mention_id, "b": json.dumps(raw)},
        )
        connection.execute(
            text(
                "INSERT INTO sightings (mention_id, channel_id, page_id) SELECT :m, id, 1 FROM channels WHERE name = :n ON CONFLICT DO NOTHING"
            ),
            {"m": mention_id, "n": platform},
        )
    number = web.ticket(ledger, mention_id, f"About {key[-12:]}", f"{platform}||{key}", f"ann-{key}", targets=[])
    with ledger.begin() as connection:
        identity = one(
            connection,
            "INSERT INTO identities (kind, platform, origin, native_id) VALUES ('email', '', '', :m) RETURNING id",
            m=f"{number}.ann@northbank.example",
        )
        connection.execute(
            text(
                "INSERT INTO customer_identities (identity_id, customer_id, evidence, confidence, source) "
                "SELECT :i, customer_id, 'import', 1, 'import' FROM tickets WHERE number = :n"
            ),
            {"i": identity, "n": number},
        )
    return number, native


def answer(client: httpx2.Client, number: int, words: str, query: str = "") -> httpx2.Response:
    page = client.get(f"/tickets/{number}").text
    stamp = page.split('name="shown" value="')[1].split('"')[0]
    way = page.split('name="way" value="')[1].split('"')[0]
    return client.post(f"/tickets/{number}/replies{query}", data={"body": words, "way": way, "shown": stamp})


def settle(ledger: Ledger, town: Town) -> dict[str, int]:
    return go(ledger, "post", desk("smtp", mailing(town)), looker=looker(ledger, town)).outcomes


def mailing(town: Town) -> dict[str, Any]:
    port = urlsplit(town.urls["smtp"]).port
    return {"host": "127.0.0.1", "port": port, "tls": False, "sender": "care@example.org", "to": ["care@example.org"]}


def state(ledger: Ledger, number: int) -> dict[str, Any]:
    with ledger.begin() as connection:
        return dict(rows(
            connection,
            "SELECT (SELECT count(*) FROM outbox o WHERE o.ticket_id = t.id) AS owed, "
            "(SELECT string_agg(o.state, ',') FROM outbox o WHERE o.ticket_id = t.id) AS states, t.first_at IS NOT NULL AS answered, "
            "(SELECT d.body FROM drafts d WHERE d.ticket_id = t.id AND d.kind = 'reply') AS draft, "
            "(SELECT e.detail #>> '{look,said}' FROM entries e WHERE e.ticket_id = t.id AND e.kind = 'reply' ORDER BY e.id DESC LIMIT 1) AS look "
            "FROM tickets t WHERE t.number = :n", n=number)[0])  # fmt: skip


@pytest.mark.parametrize("platform", sorted(CHANNELS))
def test_a_post_deleted_since_stops_the_answer_and_keeps_its_words(
    client: httpx2.Client, ledger: Ledger, town: Town, platform: str
) -> None:
    number, native = said(ledger, town, platform, "my card was declined #northbank northbank")
    assert "said=sent" in answer(client, number, "We are sorry.").headers["location"]
    town.delete(platform, native, shown=True)
    assert settle(ledger, town) == {"stopped": 1}
    assert state(ledger, number) == {
        "owed": 0,
        "states": None,
        "answered": False,
        "draft": "We are sorry.",
        "look": None,
    }
    page = client.get(f"/tickets/{number}").text
    assert "stopped before it left. The post was deleted since." in page
    assert "We are sorry.</textarea>" in page
    assert "Send anyway" in page
    answer(client, number, "We are sorry.", "?anyway=1")
    assert settle(ledger, town) == {"done": 1}
    assert state(ledger, number)["states"] == "done"
    assert _sums(ledger) == []


@pytest.mark.parametrize("platform", sorted(CHANNELS))
def test_an_answer_of_ours_under_the_post_stops_it(
    client: httpx2.Client, ledger: Ledger, town: Town, platform: str
) -> None:
    number, native = said(ledger, town, platform, "my transfer hangs #northbank northbank")
    reply = {"reddit": {"kind": "t1", "origin": "northbank"}, "hackernews": {"kind": "comment"}}.get(platform, {})
    town.post(platform, "same here, northbank", author="bob", parent=native, **reply)
    answer(client, number, "We look into it.")
    assert settle(ledger, town) == {"done": 1}, "what others write below stops nothing"
    assert state(ledger, number)["look"] == "same"
    assert "looked at once more" in client.get(f"/tickets/{number}").text
    number, native = said(ledger, town, platform, "my transfer is lost #northbank northbank")
    town.post(platform, "We are on it, northbank", author="northbank", parent=native, **reply)
    answer(client, number, "We look into it.")
    assert settle(ledger, town) == {"stopped": 1}
    assert "an account of ours, has answered it already" in client.get(f"/tickets/{number}").text


@pytest.mark.parametrize("platform", ["mastodon", "reddit", "x"])
def test_an_edited_post_stops_it(client: httpx2.Client, ledger: Ledger, town: Town, platform: str) -> None:
    number, native = said(ledger, town, platform, "the app is broken #northbank northbank")
    answer(client, number, "Which version?")
    town.edit(platform, native, "the app is broken #northbank northbank, EDIT: it works again")
    assert settle(ledger, town) == {"stopped": 1}
    assert "The post was edited since." in client.get(f"/tickets/{number}").text


def test_a_platform_that_does_not_answer_stops_nothing_and_the_ticket_says_so(
    client: httpx2.Client, ledger: Ledger, town: Town
) -> None:
    number, _ = said(ledger, town, "mastodon", "nothing works #northbank")
    answer(client, number, "We know.")
    fault = town.faults.add("mastodon", "status", status=503)
    assert settle(ledger, town) == {"done": 1}
    town.faults.clear(fault.id)
    assert "503" in state(ledger, number)["look"]
    assert "not looked at once more" in client.get(f"/tickets/{number}").text


def test_a_look_that_takes_too_long_as_a_whole_ends_and_stops_nothing(
    client: httpx2.Client, ledger: Ledger, town: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However many requests it is made of: else the answer's lease would run out meanwhile, again and again, as if its process died."""
    monkeypatch.setattr(looking, "LOOK_SECONDS", 0.0)
    number, _ = said(ledger, town, "mastodon", "nothing works today #northbank")
    answer(client, number, "We know it.")
    assert settle(ledger, town) == {"done": 1}
    assert "the time for the whole request is over" in state(ledger, number)["look"]


def test_while_posting_is_stopped_no_answer_leaves_and_every_page_says_so(
    client: httpx2.Client, ledger: Ledger, town: Town, address: str, ids: dict[str, int]
) -> None:
    number, _ = said(ledger, town, "mastodon", "a crisis #northbank")
    answer(client, number, "We are sorry.")
    assert client.post("/status/posting", data={"do": "stop"}).status_code == 403
    with web.enter(ledger, address, ids["lead"]) as lead:
        assert (
            "said=posting-stopped"
            in lead.post("/status/posting", data={"do": "stop", "why": "wait for legal"}).headers["location"]
        )
        assert settle(ledger, town) == {}
        with ledger.begin() as connection:  # nobody rings for what is stopped
            assert "post" not in outbox.due_targets(connection)
            assert outbox.next_due(connection) is None
        for path in ("/inbox", "/review", "/customers", "/channels", f"/tickets/{number}"):
            page = client.get(path).text
            assert "Posting is stopped" in page, path
            assert "wait for legal" in page
        assert "Stopped" in lead.get("/status/outbox").text
        lead.post("/status/posting", data={"do": "resume"})
    assert "Posting is stopped" not in client.get("/inbox").text
    assert settle(ledger, town) == {"done": 1}
    with ledger.begin() as connection:
        done = rows(connection, "SELECT action FROM audit WHERE action LIKE 'posting.%' ORDER BY id")
    assert [row["action"] for row in done] == ["posting.stop", "posting.resume"]


def test_a_stop_between_claim_and_call_is_honoured(client: httpx2.Client, ledger: Ledger, town: Town) -> None:
    """The look takes a while: who stops posting meanwhile is heard before anything is sent."""
    number, _ = said(ledger, town, "mastodon", "another crisis #northbank")
    answer(client, number, "We are sorry.")

    class Slow(Looker):
        def stops(self, owed: Any) -> bool:
            self.ledger.run(lambda c: posting.stop(c, "user:1", "Lead", ""))
            return False

    slow = looker(ledger, town)
    slow = Slow(slow.ledger, slow.watched, slow.context, slow.ours)
    assert go(ledger, "post", desk("smtp", mailing(town)), looker=slow).outcomes == {"stopped": 1}
    assert state(ledger, number)["states"] == "retry"
    ledger.run(lambda c: posting.resume(c, "user:1"))
    assert settle(ledger, town) == {"done": 1}


def _sums(ledger: Ledger) -> list[str]:
    """What the ledger's own proof says about entries and what is owed."""
    with ledger.read() as connection:
        found = reconcile.reconcile(connection).findings
    return [str(one_) for one_ in found if one_.table in ("entries", "outbox") and "creation" not in one_.problem]


def test_a_channel_may_hold_its_answers_longer(client: httpx2.Client, ledger: Ledger, town: Town) -> None:
    with ledger.begin() as connection:
        current = configurations.in_force(connection)
        assert current
        document = {**current.document, "channels": [{"name": "mastodon", "kind": "mastodon", "hold": "1h"}]}
        configurations.accept(connection, "held", document)
    number, _ = said(ledger, town, "mastodon", "slowly, please #northbank")
    assert "said=leaves" in answer(client, number, "We take our time.").headers["location"]
    waits = web.value(
        ledger, "SELECT min(o.due) > now() + interval '55 minutes' FROM outbox o JOIN tickets t ON t.id = o.ticket_id WHERE t.number = :n", n=number
    )  # fmt: skip
    assert waits
    number, _ = said(ledger, town, "x", "quickly, please northbank")
    assert "said=sent" in answer(client, number, "At once.").headers["location"]


def test_a_worker_looks_by_the_channels_and_accounts_in_force(
    client: httpx2.Client, ledger: Ledger, town: Town
) -> None:
    """The same by the actor that answers the bell, with nothing but the configuration in force."""
    document = config.load_document({
        "topics": [{"name": "northbank", "any": ["northbank"]}],
        "channels": [{"name": "mastodon", "kind": "mastodon", **CHANNELS["mastodon"], "base_url": town.urls["mastodon"]}],
        "own_accounts": [{"platform": "mastodon", "handle": OURS[0].handle}],
        "desks": [{"name": "post", "kind": "smtp", **mailing(town)}],
        "casework": {"reply_by": "post", "hold": "0s"},
        "settings": {"allow_hosts": ["127.0.0.1"], "language": "en"},
    })  # fmt: skip
    ledger.run(lambda c: configurations.accept(c, "worker", document.document()))
    worker = Answering(House(ledger, b"secret"), None, "test-worker")  # type: ignore[arg-type]  # nothing is left to ring for
    number, native = said(ledger, town, "mastodon", "the branch is closed #northbank")
    assert "said=sent" in answer(client, number, "We are sorry.").headers["location"]
    town.post("mastodon", "It opens at ten.", author="northbank", parent=native)
    worker.deliver("post")
    assert state(ledger, number)["states"] is None
    assert state(ledger, number)["draft"] == "We are sorry."
    answer(client, number, "It opens at ten.", "?anyway=1")
    worker.deliver("post")
    assert state(ledger, number)["states"] == "done"
