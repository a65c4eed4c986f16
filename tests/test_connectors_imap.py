"""A mailbox against its stand-in: every mail once, whatever becomes of its numbers, its size, its charset and the line."""

import socket
import subprocess
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from connectors.errors import AuthError, ConfigError, CursorInvalid, MalformedItem, Permanent, RateLimited, Transient
from connectors.inbound import _imap_mail, imap
from domain.explain import explain
from domain.nouns import Stored
from domain.rules import Judgement
from domain.triage import judge
from tests import reading
from tests.reading import Reader, context
from town.accounts import ACCOUNTS
from town.server import Town


@pytest.fixture
def town(monkeypatch: pytest.MonkeyPatch) -> Iterator[Town]:
    monkeypatch.setitem(reading.SECRETS, "IMAP_PASSWORD", ACCOUNTS["imap"]["password"])
    with Town(seed=7) as running:
        yield running


def chosen(town: Town, **more: Any) -> imap.Settings:
    given = {"host": "127.0.0.1", "port": urlsplit(town.urls["imap"]).port, "tls": False, "page_size": 5}
    return imap.Settings(**{**given, "username": ACCOUNTS["imap"]["username"], **more})


def reader(town: Town, **more: Any) -> Reader:
    made = chosen(town, **more)
    return Reader(lambda: imap.Connector(made, context()))


def fill(town: Town, count: int, **more: Any) -> list[str]:
    return [town.post("imap", f"northbank mail {n}", **more) for n in range(count)]


def connector(**more: Any) -> imap.Connector:
    return imap.Connector(imap.Settings(host="mail.example", username="help@northbank.example", **more), context())


def mail(text: str, **more: Any) -> Any:
    return connector().normalise(
        {"uid": 1, "at": None, "size": 9, **_imap_mail.taken_apart(text.encode("latin-1"), **more)}
    )


def test_every_mail_once_and_the_last_one_not_again(town: Town) -> None:
    """`n:*` names the last mail for ever: ignoring that, each poll would read it anew."""
    ids = fill(town, 12)
    r = reader(town)
    assert r.poll()
    assert (r.ids, r.state["uid"], len(r.pages)) == (set(ids), 12, 3)
    assert r.poll()
    assert r.pages[-1].items == []
    more = fill(town, 1)
    assert r.poll()
    assert [item["uid"] for item in r.pages[-1].items] == [13]
    assert r.ids == {*ids, *more}


def test_uids_of_another_uidvalidity_are_other_mails(town: Town) -> None:
    """A position kept over the change would skip the mails that stand below it now."""
    ids = fill(town, 8)
    r = reader(town)
    assert r.poll()
    for native_id in ids[:5]:
        town.delete("imap", native_id)
    new = fill(town, 2)
    town.platforms["imap"].renumber()
    with pytest.raises(CursorInvalid) as invalid:
        imap.Connector(chosen(town), context()).fetch_page(r.state)
    assert invalid.value.state["uid"] == 0
    assert r.poll()
    assert r.ids == {*ids, *new}
    assert (r.state["uid"], r.state["uidvalidity"]) == (5, town.platforms["imap"].validity)


def test_nothing_is_marked_as_read(town: Town) -> None:
    fill(town, 3)
    assert reader(town).poll()
    assert town.platforms["imap"].seen == set()
    said = [(row["method"], row["query"]) for row in town.ledger.requests("imap")]
    assert "EXAMINE" in {name for name, _ in said}, "a folder opened for reading only"
    assert "SELECT" not in {name for name, _ in said}
    assert not [query for _, query in said if "BODY[" in query], "and mails fetched by PEEK, should a server not mind"


def test_a_mail_beyond_the_limit_is_rejected_with_its_headers(town: Town) -> None:
    small = town.post("imap", "small")
    town.post("imap", "large", title="Big one", padding=50_000)
    after = town.post("imap", "after")
    r = reader(town, max_size=20_000)
    assert r.poll()
    assert r.ids == {small, after}
    (rejected,) = r.rejects
    assert "Big one" in rejected
    assert len(rejected) < 5000
    item = next(item for item in r.pages[0].items if item["uid"] == 2)
    with pytest.raises(MalformedItem, match="larger than max_size"):
        connector().normalise(item)


def test_a_size_that_was_a_lie_does_not_fill_memory(town: Town, monkeypatch: pytest.MonkeyPatch) -> None:
    from town import imap as stand

    town.post("imap", "large", padding=50_000)
    fetched = stand.Session.fetched

    def lying(self: Any, uid: int, post: Any, items: str) -> tuple[bytes, bool]:
        return (b"UID %d RFC822.SIZE 10" % uid, False) if "SIZE" in items else fetched(self, uid, post, items)

    monkeypatch.setattr(stand.Session, "fetched", lying)
    r = reader(town, max_size=20_000)
    assert r.poll()
    assert (r.ids, len(r.rejects)) == (set(), 1)
    assert r.pages[0].items[0]["size"] == 20_001


def test_threads_authors_and_dates(town: Town) -> None:
    root = town.post("imap", "My card", title="Card declined", author="ann", created=time.time() - 3600)
    reply = town.post("imap", "Any news?", title="Re: Card declined", author="ann", parent=root)
    third = town.post("imap", "Hello?", author="ann", parent=reply)
    r = reader(town)
    assert r.poll()
    first, second, last = (r.mentions[native_id] for native_id in (root, reply, third))
    assert (first.platform, first.name, first.content) == ("email", "Card declined", "My card")
    assert (first.context, first.in_reply_to) == (root, None)
    assert (second.context, second.in_reply_to) == (root, root)
    assert (last.context, last.in_reply_to) == (root, reply)
    assert first.attributed_to is not None
    assert (first.attributed_to.native_id, first.attributed_to.name) == ("ann@example.org", "Ann")
    assert abs(first.published - (datetime.now(UTC) - timedelta(hours=1))) < timedelta(minutes=1)


def test_html_charsets_attachments_and_no_message_id(town: Town) -> None:
    html = town.post("imap", "", title="h", html="<p>Card <b>declined</b> &amp; gone</p><script>x</script>")
    latin = town.post("imap", "Überweisung schlägt fehl", title="Grüße", charset="iso-8859-1")
    named = town.post("imap", "see file", attachment="rechnung ü.pdf")
    town.post("imap", "nameless", title="No id", headers={"Message-ID": None})
    r = reader(town)
    assert r.poll()
    assert r.mentions[html].content == "Card declined & gone"
    assert (r.mentions[latin].name, r.mentions[latin].content) == ("Grüße", "Überweisung schlägt fehl")
    assert r.mentions[named].content == "see file\n[attached: rechnung ü.pdf]"
    assert "binary" not in str(r.pages[0].items)
    (nameless,) = [native_id for native_id in r.ids if native_id.startswith("sha256:")]
    before = set(r.ids)
    town.platforms["imap"].renumber()
    assert r.poll()
    assert r.ids == before, "the hash is the same at every reading"
    assert r.mentions[nameless].name == "No id"


@pytest.mark.parametrize(
    ("charset", "body", "text", "guessed"),
    [
        ("utf-8", "gr\u00c3\u00bc\u00c3\u009fe", "grüße", False),
        ("utf-8", "gr\u00fc\u00dfe", "grüße", True),  # says UTF-8, is Latin-1
        ("us-ascii", "gr\u00c3\u00bc\u00c3\u009fe", "grüße", True),
        ("no-such-charset", "plain", "plain", True),
        ("punycode", "plain", "plain", True),
        ("hex", "7878", "7878", True),
        ("", "plain", "plain", False),
    ],
)
def test_a_wrong_charset_costs_nothing_but_a_flag(charset: str, body: str, text: str, guessed: bool) -> None:
    said = f"; charset={charset}" if charset else ""
    read = mail(f"Message-ID: <a@b>\r\nContent-Type: text/plain{said}\r\nContent-Transfer-Encoding: 8bit\r\n\r\n{body}")
    assert (read.content, "charset-guessed" in read.flags) == (text, guessed)


def test_headers_as_they_come() -> None:
    read = mail(
        "Message-ID:\r\n <a@b>\r\nSubject: =?utf-8?q?Gr=C3=BC=C3=9Fe?= =?iso-8859-1?q?_=FC?=\r\n"
        'From: "Ann, M\u00fcller" <Ann@Example.ORG>\r\nDate: Tue, 32 Foo 2026\r\nReferences: <r@b>\r\n <s@b>\r\n\r\nhi'
    )
    assert (read.native_id, read.name, read.context, read.in_reply_to) == ("a@b", "Grüße ü", "r@b", "s@b")
    assert read.attributed_to is not None
    assert (read.attributed_to.native_id, read.attributed_to.name) == ("ann@example.org", "Ann, Müller")
    assert (read.published_raw, read.flags) == ("Tue, 32 Foo 2026", ("undated",))
    assert mail("Subject: x\r\nFrom: nobody\r\n\r\n").attributed_to is None
    assert mail("From: a@b.example\r\nSubject: =?x-odd?b?!!!?=\r\n\r\nhi").content == "hi"
    inside = "Content-Type: message/rfc822\r\n\r\nSubject: inner\r\n\r\nsomebody else's words\r\n"
    outer = f"Message-ID: <o@b>\r\nContent-Type: multipart/mixed; boundary=q\r\n\r\n--q\r\n\r\nmine\r\n--q\r\n{inside}--q--\r\n"
    assert mail(outer).content == "mine\n[attached: message/rfc822]"


def test_machines_and_ourselves_are_ignored_with_that_reason(town: Town) -> None:
    away = town.post("imap", "I hate to say I am away, terrible!", headers={"Auto-Submitted": "auto-replied"})
    bounce = town.post("imap", "Undelivered, terrible failure", author="mailer-daemon")
    own = town.post("imap", "terrible news", headers={"From": "Help <HELP@northbank.example>"})
    alias = town.post("imap", "terrible news", headers={"From": "info@northbank.example"})
    person = town.post("imap", "terrible news", headers={"Auto-Submitted": "no"})
    r = reader(town, own=["Info@northbank.example"])
    assert r.poll()

    class Mute:
        name, version, lexicon_hash, languages = "mute", "1", "", frozenset[str]()

        def score(self, text: str, language: str = "und") -> Any:
            from domain.nouns import Sentiment

            return Sentiment("negative", -0.5, "mute", "1", "")

    def reason(native_id: str) -> str:
        stored, given = Stored(1, 1, r.mentions[native_id], ("northbank",)), Judgement()
        verdict = judge(stored, given, Mute(), lambda text: ("en", 1.0))
        if verdict.reason in ("automatic", "bounce"):
            assert explain(stored, given, Mute(), lambda text: ("en", 1.0), verdict)["text"].startswith("If ")
        return f"{verdict.outcome} {verdict.reason}"

    assert [reason(one) for one in (away, bounce, own, alias)] == [
        "ignore automatic",
        "ignore bounce",
        "ignore own-account",
        "ignore own-account",
    ]
    assert reason(person) not in ("ignore automatic", "ignore bounce", "ignore own-account")


@pytest.mark.parametrize("path", ["UID SEARCH", "UID FETCH"])
def test_a_broken_line_moves_nothing(town: Town, path: str) -> None:
    kinds = ("429", "status", "truncate", "reset_mid", "reset", "bad_json", "html", "empty")
    r = reader(town)
    ids: list[str] = []
    for round_, kind in enumerate(kinds):
        ids += fill(town, 8)
        fault = town.faults.add("imap", kind, path=path, nth=[3 if path == "UID FETCH" else 2])
        with pytest.raises(RateLimited if kind == "429" else Transient):
            r.poll()
        assert r.state["uid"] == round_ * 8 + 5, kind
        town.faults.clear(fault.id)
        assert r.poll()
        assert r.ids == set(ids)


def test_a_server_that_never_ends_is_left(town: Town) -> None:
    fill(town, 1)
    town.faults.add("imap", "hang", path="UID FETCH", times=1)
    started = time.monotonic()
    with pytest.raises(Transient):
        imap.Connector(chosen(town), context(deadline=0.5)).fetch_page({})
    assert time.monotonic() - started < 3


def test_who_may_read(town: Town, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(Permanent, match="no folder"):
        reader(town, folder="Junk mail").poll()
    town.faults.add("imap", "429", path="LOGIN", times=1)  # too many connections: no reason to stop for good
    with pytest.raises(RateLimited):
        reader(town).poll()
    monkeypatch.setitem(reading.SECRETS, "IMAP_PASSWORD", "canary-wrong")
    with pytest.raises(AuthError) as refused:
        reader(town).poll()
    assert "canary" not in repr(refused.value) + str(refused.value.__cause__) + str(refused.value.advice)
    monkeypatch.setitem(reading.SECRETS, "IMAP_PASSWORD", "two\r\na LOGOUT")
    with pytest.raises(ConfigError):
        reader(town).poll()


def test_the_address_is_checked_and_plain_text_is_for_named_hosts_only(town: Town) -> None:
    with pytest.raises(ConfigError, match="TLS"):
        imap.Connector(chosen(town), context(allow_hosts=frozenset())).fetch_page({})
    with pytest.raises(ConfigError, match="public address"):
        imap.Connector(chosen(town, tls=True), context(allow_hosts=frozenset())).fetch_page({})
    with pytest.raises(Transient, match="no connection"):
        imap.Connector(chosen(town, tls=True), context(deadline=2)).fetch_page({})  # the other end speaks no TLS
    with pytest.raises(ValidationError):
        chosen(town, folder="a\r\nb")


def test_a_certificate_nobody_vouches_for_is_refused(tmp_path: Path) -> None:
    import ssl
    import threading

    key, cert = tmp_path / "key.pem", tmp_path / "cert.pem"
    made = [
        "openssl",
        "req",
        "-x509",
        "-newkey",
        "ec",
        "-pkeyopt",
        "ec_paramgen_curve:prime256v1",
        "-nodes",
        "-days",
        "2",
    ]
    subprocess.run(
        [*made, "-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", key, "-out", cert],
        check=True,
        capture_output=True,
    )
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(cert, key)
    heard: list[bytes] = []

    def serve(listener: socket.socket) -> None:
        raw, _ = listener.accept()
        try:
            with server.wrap_socket(raw, server_side=True) as wrapped:
                heard.append(wrapped.recv(100))
        except OSError:
            raw.close()

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=serve, args=(listener,), daemon=True)
        thread.start()
        wanted = imap.Settings(host="127.0.0.1", port=listener.getsockname()[1], username="me@example.org")
        with pytest.raises(Transient, match="certificate"):
            imap.Connector(wanted, context()).fetch_page({})
        thread.join(5)
    assert heard in ([], [b""])


@settings(max_examples=150, deadline=None)
@given(st.binary(max_size=300), st.sampled_from([b"", b"Content-Type: multipart/mixed; boundary=a\r\n\r\n--a\r\n"]))
def test_any_bytes_make_a_mail_or_a_reason(source: bytes, before: bytes) -> None:
    raw = {"uid": 1, "size": len(source), "at": "x", **_imap_mail.taken_apart(before + source)}
    try:
        read = connector().normalise(raw)
    except MalformedItem:
        return
    assert read.native_id
    (read.text + read.native_id + read.context).encode()
    assert "\x00" not in read.text + read.native_id


def test_a_mail_nested_beyond_reason_is_rejected() -> None:
    deep = "".join(f"Content-Type: multipart/mixed; boundary=b{n}\r\n\r\n--b{n}\r\n" for n in range(3000))
    raw = _imap_mail.taken_apart(("Message-ID: <deep@b>\r\n" + deep).encode())
    with pytest.raises(MalformedItem, match="cannot be told apart"):
        connector().normalise({"uid": 1, **raw})
