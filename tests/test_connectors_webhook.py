"""What is pushed to us: signed, kept before it is acknowledged, read once by the poll of its channel, whoever tries what."""

import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import urlsplit

import httpx2
import pytest

import config
from connectors.errors import MalformedItem
from connectors.inbound import webhook
from domain import signatures
from domain.nouns import Author
from storage import channels, configurations, erase, hooks
from storage.ledger import Ledger, one, rows
from storage.reconcile import reconcile
from tests import web
from tests.reading import context
from tests.support import wait_until
from tests.test_ledger_erase import tables_holding
from town.senders import PRESETS, Sender, signed
from workers import bootstrap
from workers.poll import poll

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
NOW = 1_800_000_000.0


# -- the signature, on paper ---------------------------------------------------------------------------------------------


def lower(headers: dict[str, str]) -> dict[str, str]:
    return {name.lower(): value for name, value in headers.items()}


@pytest.mark.parametrize("preset", PRESETS)
def test_a_good_signature_and_every_way_to_spoil_it(preset: str) -> None:
    body = b'{"id": "evt", "text": "gr\xc3\xbc\xc3\x9fe"}'
    good = lower(signed(preset, SECRET, body, at=int(NOW)))
    found = signatures.verify(preset, SECRET, good, body, NOW)
    assert found.stamped is (preset in ("generic", "slack", "stripe"))
    assert signatures.verify(preset, SECRET, good, body, NOW).proof == found.proof

    def bad(secret: str = SECRET, headers: dict[str, str] = good, text: bytes = body, now: float = NOW) -> str:
        with pytest.raises(signatures.BadSignature) as refused:
            signatures.verify(preset, secret, headers, text, now)
        return str(refused.value)

    assert "no secret" in bad(secret="")
    assert "no secret" in bad(secret="  ")
    bad(secret="whsec_")
    bad(secret="whsec_bm90aGluZw==")
    bad(text=body + b" ")
    bad(text=json.dumps(json.loads(body)).encode())  # the same JSON, other bytes
    bad(headers={})
    for name in good:
        if "signature" in name:
            bad(headers={**good, name: ""})
            bad(headers={**good, name: good[name].upper() + "é"})
            bad(headers={**good, name: "sha256="})
    if found.stamped:
        for late in (301, -301):
            assert "five minutes" in bad(now=NOW + late)
        for name in good:
            if "timestamp" in name:
                bad(headers={**good, name: "1e9"})
                bad(headers={**good, name: str(int(NOW) + 1)})
        signatures.verify(preset, SECRET, good, body, NOW + 299)


def test_an_unset_secret_signs_nothing_even_for_who_knows_it_is_unset() -> None:
    for preset in PRESETS:
        made = lower(signed(preset, "", b"{}", at=int(NOW)))
        with pytest.raises(signatures.BadSignature, match="no secret"):
            signatures.verify(preset, "", made, b"{}", NOW)
    with pytest.raises(signatures.BadSignature):
        signatures.answers("", {"hub.mode": "subscribe", "hub.verify_token": "", "hub.challenge": "1"})


# -- the mention in a delivery ------------------------------------------------------------------------------------------


def reader(**more: Any) -> webhook.Connector:
    return webhook.Connector(webhook.Settings(secret_env="HOOK_SECRET", **more), context())


def item(body: Any) -> dict[str, Any]:
    return {"row": 1, "at": "2026-11-21T10:00:00+00:00", "item": body}


def test_dotted_paths() -> None:
    paths = {"id": "review.id", "text": "review.parts.0|review.body", "author": "by.name", "rating": "review.stars"}
    made = reader(
        fields={**paths, "context": "shop", "published": "when", "url": "link"}, origin="shop", rating_best=10
    )
    read = made.normalise(
        item(
            {
                "review": {"id": 7, "body": "late again", "stars": "3"},
                "by": {"name": "Ann"},
                "shop": 4,
                "when": 1_790_000_000_000,
            }
        )
    )
    assert (read.native_id, read.text, read.context, read.origin, read.kind) == (
        "7",
        "late again",
        "4",
        "shop",
        "Review",
    )
    assert read.attributed_to == Author("ann", "Ann")
    assert read.rating is not None
    assert (read.rating.value, read.rating.best) == (3, 10)
    assert read.published.isoformat() == "2026-09-21T14:13:20+00:00"
    anonymous = made.normalise(item({"review": {"body": "x"}}))
    assert anonymous.native_id == made.normalise(item({"review": {"body": "x"}})).native_id
    assert anonymous.published.isoformat() == "2026-11-21T10:00:00+00:00"
    with pytest.raises(MalformedItem, match="no text"):
        made.normalise(item({"ping": True}))


@pytest.mark.parametrize(
    ("preset", "body", "said", "native_id"),
    [
        ("github", {"action": "opened", "issue": {"node_id": "I_1", "title": "Broken", "body": "help", "user": {"login": "ann"}}}, "Broken\nhelp", "I_1"),
        ("github", {"issue": {"node_id": "I_1", "body": "old"}, "comment": {"node_id": "C_2", "body": "same"}}, "same", "C_2"),
        ("slack", {"event_id": "Ev1", "event": {"type": "message", "text": "hi", "ts": "1790000000.000200", "user": "U1"}}, "hi", "1790000000.000200"),
        ("discourse", {"post": {"id": 9, "cooked": "<p>a &amp; b</p>", "topic_title": "T", "last_posted_at": None}}, "T\na & b", "9"),
    ],
)  # fmt: skip
def test_the_maps_of_presets(preset: Any, body: Any, said: str, native_id: str) -> None:
    read = reader(preset=preset).normalise(item(body))
    assert (read.text, read.native_id) == (said, native_id)


def test_a_batch_is_all_its_items() -> None:
    changes = [{"value": {"comment_id": f"c{n}", "message": f"m{n}"}} for n in range(3)]
    told = [(5, {"at": None, "body": {"entry": [{"changes": changes[:2]}, {"changes": changes[2:]}]}})]
    made = webhook.Connector(
        webhook.Settings(preset="meta", secret_env="S"),
        context(received=lambda after, limit: told if after < 5 else []),
    )
    page = made.fetch_page({})
    assert [made.normalise(one).native_id for one in page.items] == ["c0", "c1", "c2"]
    assert (page.state["row"], page.done) == (5, True)


# -- the whole way ------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def ledger(database_url: str) -> Iterator[Ledger]:
    kinds = [{"name": p, "kind": "webhook", "preset": p, "secret_env": "HOOK_SECRET", "every": "1h"} for p in PRESETS]
    kinds[3]["verify_token_env"] = "HOOK_TOKEN"
    unset = {"name": "unset", "kind": "webhook", "secret_env": "HOOK_UNSET"}
    current = config.load_document({"topics": [{"name": "all"}], "channels": [*kinds, unset]})
    made = Ledger(database_url)
    with made.begin() as connection:
        configurations.accept(connection, current.hash, current.document())
        names = [channel.name for channel in current.channels]
        row = {"kind": "webhook", "platform": "webhook", "schedule": "every 3600", "spec": "x"}
        channels.sync(connection, [{**row, "name": name, "enabled": name != "stripe"} for name in names])
    made.config = current  # type: ignore[attr-defined]
    yield made
    made.close()


@pytest.fixture(scope="module")
def console(database_url: str, ledger: Ledger) -> Iterator[str]:
    with web.serve(web.make_app(database_url)) as address:
        yield address


@pytest.fixture
def sender(console: str, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Sender]:
    monkeypatch.setenv("HOOK_SECRET", SECRET)
    monkeypatch.setenv("HOOK_TOKEN", "town-token")
    return lambda preset: Sender(f"{console}/hooks/{preset}", preset, SECRET)


def waiting(ledger: Ledger, name: str) -> int:
    with ledger.begin() as c:
        sql = "SELECT count(*) FROM hooks h JOIN channels c ON c.id = h.channel_id WHERE c.name = :n AND h.body <> ''"
        return int(one(c, sql, n=name))


def read_all(ledger: Ledger, name: str, stored: Callable[[int], None] = lambda queued: None) -> Any:
    """The real poll step on the channel; `stored` is told after each commit, while it still runs."""
    current = ledger.config  # type: ignore[attr-defined]
    with ledger.begin() as c:
        channel_id = channels.want(c, name)
    watched = bootstrap.watched(current, next(one for one in current.channels if one.name == name))
    return poll(ledger, channel_id or 0, lambda _: watched, bootstrap.context(current), web.SECRET, "test", stored)


def stored(ledger: Ledger, text: str) -> int:
    with ledger.begin() as c:
        return int(one(c, "SELECT count(*) FROM mentions WHERE platform = 'webhook' AND content = :t", t=text))


def test_kept_acknowledged_and_read_once(ledger: Ledger, sender: Callable[[str], Sender]) -> None:
    generic = sender("generic")
    for n in range(3):
        assert generic.send({"id": f"a{n}", "text": f"first {n}"}, ident=f"msg_a{n}").status == 202
    assert waiting(ledger, "generic") == 3
    with ledger.begin() as c:
        assert one(c, "SELECT wanted_at IS NOT NULL FROM channels WHERE name = 'generic'")
    done = read_all(ledger, "generic")
    assert (done.returned, done.error) == (3, "")
    assert read_all(ledger, "generic").returned == 0
    assert waiting(ledger, "generic") == 0, "what is in the ledger is not kept twice"
    assert [stored(ledger, f"first {n}") for n in range(3)] == [1, 1, 1]
    with ledger.read() as c:
        assert reconcile(c).good


def test_what_comes_while_a_poll_ends_is_owed_another(ledger: Ledger, sender: Callable[[str], Sender]) -> None:
    generic = sender("generic")
    generic.send({"id": "c0", "text": "in time"}, ident="msg_c0")

    def push(_: int) -> None:
        assert generic.send({"id": "c1", "text": "a moment late"}, ident="msg_c1").status == 202

    assert read_all(ledger, "generic", push).returned == 1
    assert (stored(ledger, "in time"), stored(ledger, "a moment late")) == (1, 0)
    with ledger.begin() as c:
        assert one(c, "SELECT id FROM channels WHERE name = 'generic'") in channels.owed(c)
    assert [read_all(ledger, "generic").returned for _ in range(2)] == [1, 0]
    with ledger.begin() as c:
        assert one(c, "SELECT id FROM channels WHERE name = 'generic'") not in channels.owed(c)


def test_nothing_of_a_refused_delivery_is_stored(ledger: Ledger, sender: Callable[[str], Sender]) -> None:
    generic, before = sender("generic"), waiting(ledger, "generic")
    payload = {"id": "b", "text": "refused"}
    forged = Sender(generic.url, "generic", "whsec_bm90aGluZw==")
    statuses = [
        generic.send(payload, headers={}).status,
        forged.send(payload).status,
        generic.send(payload, late=-400).status,
        generic.send(payload, late=400).status,
        Sender(generic.url.replace("generic", "unset"), "generic", SECRET).send(payload).status,
    ]
    assert statuses == [401] * 5
    assert generic.send(b"no json", ident="m1").status == 400
    assert generic.send(b'{"a": NaN}', ident="m2").status == 400
    assert generic.send(b"\xff\xfe", ident="m3").status == 400
    assert generic.send(b"[" * 200_000, ident="m4").status == 400
    assert generic.send({"text": "x" * 1_100_000}).status == 413
    assert Sender(generic.url.replace("generic", "nobody"), "generic", SECRET).send(payload).status == 404
    assert (
        Sender(generic.url.replace("generic", "stripe"), "stripe", SECRET).send(payload).status == 404
    )  # switched off
    assert waiting(ledger, "generic") == before
    assert "refused" not in str(tables_holding(ledger, ("refused delivery",)))


def test_replayed_is_refused_and_told_again_is_acknowledged(ledger: Ledger, sender: Callable[[str], Sender]) -> None:
    generic, body = sender("generic"), json.dumps({"id": "c", "text": "told again"}).encode()
    first = signed("generic", SECRET, body, at=int(time.time()) - 3, ident="msg_c")
    assert generic.send(body, headers=first).status == 202
    assert generic.send(body, headers=first).status == 401, "the very same delivery: somebody replays it"
    again = generic.send(body, ident="msg_c")
    assert (again.status, json.loads(again.body)) == (200, {"stored": False}), "the sender was not sure we had heard"
    github = sender("github")  # signs no time: the same body is the same delivery, and no harm
    assert [github.send(body, ident=ident).status for ident in ("1", "2")] == [202, 200]
    assert (waiting(ledger, "generic"), waiting(ledger, "github")) == (1, 1)
    read_all(ledger, "generic")
    assert generic.send(body, headers=first).status == 401, "also after it was read"
    assert stored(ledger, "told again") == 1


def test_a_large_delivery_up_to_a_megabyte(ledger: Ledger, sender: Callable[[str], Sender]) -> None:
    assert sender("generic").send({"id": "big", "text": "y" * 1_000_000}, ident="msg_big").status == 202
    read_all(ledger, "generic")
    with ledger.begin() as c:
        assert one(c, "SELECT flags FROM mentions WHERE native_id = 'big'") == ["truncated"]


def test_handshakes(sender: Callable[[str], Sender], ledger: Ledger) -> None:
    meta = sender("meta")
    assert (meta.subscribe("town-token", "12345").status, meta.subscribe("town-token", "12345").body) == (200, "12345")
    assert meta.subscribe("wrong", "12345").status == 401
    assert sender("generic").subscribe("", "12345").status == 401
    said = sender("slack").send({"type": "url_verification", "challenge": "3eZbrw1a"})
    assert (said.status, said.body) == (200, "3eZbrw1a")
    assert waiting(ledger, "slack") == 0


def test_news_about_nothing_does_not_block_the_channel(ledger: Ledger, sender: Callable[[str], Sender]) -> None:
    github = sender("github")
    read_all(ledger, "github")
    for n in range(4):
        assert github.send({"zen": f"ping {n}"}).status == 202
    done = read_all(ledger, "github")
    assert (done.returned, done.error, done.more) == (4, "", False)
    with ledger.begin() as c:
        kept = rows(c, "SELECT reason FROM rejects r JOIN channels c ON c.id = r.channel_id WHERE c.name = 'github'")
    assert sum("no text" in row["reason"] for row in kept) >= 4


def test_a_slower_commit_is_not_skipped(ledger: Ledger) -> None:
    """Two at once: the second waits, or its higher id would carry the reader past the first."""
    with ledger.begin() as c:
        channel_id = hooks.channel(c, "generic") or 0
        after = int(one(c, "SELECT coalesce(max(id), 0) FROM hooks"))

    def second() -> None:
        ledger.run(lambda c: hooks.keep(c, channel_id, b"race-2", "", '{"n": 2}', stamped=True))

    thread = threading.Thread(target=second)
    with ledger.begin() as c:
        assert hooks.keep(c, channel_id, b"race-1", "", '{"n": 1}', stamped=True)
        thread.start()
        queued = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted AND objid = :c"
        wait_until(lambda: one(c, queued, c=channel_id), 5, "the second is waiting before it takes an id")
    thread.join(10)
    with ledger.begin() as c:
        assert [told["body"]["n"] for _, told in hooks.received(c, channel_id, after, 10)] == [1, 2]


def test_an_erased_person_s_deliveries_are_in_no_table(ledger: Ledger, sender: Callable[[str], Sender]) -> None:
    generic = sender("generic")
    generic.send({"id": "e1", "text": "sentinelword one", "author": "Sentinelhandle"}, ident="msg_e1")
    read_all(ledger, "generic")
    with ledger.begin() as c:
        native = one(c, "SELECT author_id FROM mentions WHERE native_id = 'e1'")
        c.exec_driver_sql(
            "INSERT INTO identities (kind, platform, native_id, handle) VALUES ('account', 'webhook', %s, 'Sentinelhandle')",
            (native,),
        )
    generic.send({"id": "e2", "text": "sentinelword two", "author": "sentinelhandle"}, ident="msg_e2")
    assert tables_holding(ledger, ("sentinel",)).keys() >= {"hooks", "mentions", "payloads"}
    ledger.run(lambda c: erase.erase_account(c, web.SECRET, "webhook", "Sentinelhandle", "test"))
    assert tables_holding(ledger, ("sentinel",)) == {}
    assert generic.send({"id": "e3", "text": "again", "author": "sentinelhandle"}, ident="msg_e3").status == 202
    read_all(ledger, "generic")
    assert stored(ledger, "again") == 0
    with ledger.read() as c:
        assert reconcile(c).good


def test_a_body_that_never_ends_is_cut(console: str) -> None:
    place = urlsplit(console)
    with socket.create_connection((place.hostname or "", place.port or 0), 5) as raw:
        raw.sendall(b"POST /hooks/generic HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n")
        piece = b"10000\r\n" + b"z" * 65_536 + b"\r\n"
        try:
            for _ in range(40):
                raw.sendall(piece)
        except OSError:
            pass  # it hung up on us: what is to be seen
        assert b"413" in raw.recv(100)
    assert httpx2.get(f"{console}/healthz").status_code == 200
