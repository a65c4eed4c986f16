"""The IMAP stand-in, driven by the standard library's client."""

import contextlib
import email
import imaplib
import socket
import time
from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest

from town.accounts import ACCOUNTS
from town.server import Town

OWN = ACCOUNTS["imap"]
OPEN: list[imaplib.IMAP4] = []


@pytest.fixture
def town() -> Iterator[Town]:
    with Town(seed=7) as town:
        yield town
    while OPEN:
        with contextlib.suppress(OSError):
            OPEN.pop().shutdown()


def connect(town: Town, login: bool = True, readonly: bool = True) -> imaplib.IMAP4:
    client = imaplib.IMAP4("127.0.0.1", urlsplit(town.urls["imap"]).port or 0, timeout=5)
    OPEN.append(client)
    if login:
        assert client.login(OWN["username"], OWN["password"])[0] == "OK"
        assert client.select("INBOX", readonly=readonly)[0] == "OK"
    return client


def uids(client: imaplib.IMAP4, *criteria: str) -> list[int]:
    return [int(uid) for uid in client.uid("SEARCH", *criteria)[1][0].split()]


def body(client: imaplib.IMAP4, uid: int, items: str = "(UID BODY.PEEK[])") -> bytes:
    (answer, *_) = client.uid("FETCH", str(uid), items)[1]
    assert isinstance(answer, tuple)
    return bytes(answer[1])


def test_login_and_the_order_of_things(town: Town) -> None:
    client = connect(town, login=False)
    assert "IMAP4REV1" in client.capabilities
    with pytest.raises(imaplib.IMAP4.error, match="AUTHENTICATIONFAILED"):
        client.login(OWN["username"], "wrong")
    assert client.login(OWN["username"], OWN["password"])[0] == "OK"
    with pytest.raises(imaplib.IMAP4.error):
        client.uid("SEARCH", "ALL")  # nothing is selected: imaplib itself refuses
    assert client.select("Nowhere")[0] == "NO"
    assert client.select("INBOX")[0] == "OK"
    with pytest.raises(imaplib.IMAP4.error):
        client.uid("SEARCH", "BOGUS")
    assert client.logout()[0] == "BYE"


def test_mails_arrive_in_the_order_of_their_uids(town: Town) -> None:
    first = town.post("imap", "My card was declined", title="Card", author="ann", created=time.time() - 9999)
    town.post("imap", "late", visible_in=0.3)
    town.post("imap", "third", created=time.time() - 99_999)
    client = connect(town)
    assert (client.response("UIDVALIDITY")[1][0], client.response("UIDNEXT")[1][0]) == (
        str(town.platforms["imap"].validity).encode(),
        b"3",
    )
    assert len(uids(client, "ALL")) == 2
    time.sleep(0.35)
    assert uids(client, "ALL") == [1, 2, 3]
    mail = email.message_from_bytes(body(client, 2))
    assert mail["Message-ID"] == f"<{first}>"
    assert mail["From"] == "Ann <ann@example.org>"
    assert b"My card was declined" in body(client, 2)
    assert {row["native_id"] for row in town.ledger.served("imap")} == {first}
    client.logout()


def test_an_open_range_always_holds_the_last_mail(town: Town) -> None:
    """RFC 3501, 6.4.8."""
    for n in range(3):
        town.post("imap", f"mail {n}")
    client = connect(town)
    assert uids(client, "UID", "2:*") == [2, 3]
    assert uids(client, "UID", "4:*") == [3]
    assert uids(client, "UID", "900:*") == [3]
    assert uids(client, "SINCE", "01-Jan-2020") == [1, 2, 3]
    assert uids(client, "SINCE", "01-Jan-2099") == []


def test_peek_leaves_a_mail_unread_and_body_does_not(town: Town) -> None:
    town.post("imap", "one")
    client = connect(town, readonly=False)
    body(client, 1)
    assert b"FLAGS ()" in client.uid("FETCH", "1", "(FLAGS)")[1][0]
    body(client, 1, "(UID BODY[])")
    assert b"Seen" in client.uid("FETCH", "1", "(FLAGS)")[1][0]


def test_sizes_headers_and_parts_of_a_mail(town: Town) -> None:
    town.post("imap", "one", padding=50_000)
    client = connect(town)
    told = client.uid("FETCH", "1", "(UID RFC822.SIZE INTERNALDATE)")[1][0]
    assert int(told.partition(b"RFC822.SIZE ")[2].split()[0]) == len(body(client, 1)) > 50_000
    assert imaplib.Internaldate2tuple(told)
    assert body(client, 1, "(UID BODY.PEEK[HEADER]<0.20>)") == body(client, 1)[:20]


def test_a_mailbox_that_was_restored_has_other_uids(town: Town) -> None:
    gone = town.post("imap", "one")
    town.post("imap", "two")
    client = connect(town)
    before = town.platforms["imap"].validity
    town.delete("imap", gone)
    assert uids(client, "ALL") == [2]
    town.platforms["imap"].renumber()
    client = connect(town)
    assert uids(client, "ALL") == [1]
    assert int(client.response("UIDVALIDITY")[1][0]) > before


@pytest.mark.parametrize("kind", ["truncate", "reset_mid"])
def test_the_line_drops_in_the_middle_of_a_literal(town: Town, kind: str) -> None:
    town.post("imap", "one", padding=10_000)
    town.faults.add("imap", kind, times=1)
    client = connect(town)
    with pytest.raises((imaplib.IMAP4.abort, OSError)):
        body(client, 1)
    assert len(body(connect(town), 1)) > 10_000
    assert town.ledger.served("imap")[0]["count"] == 1


@pytest.mark.parametrize(("kind", "code"), [("429", b"LIMIT"), ("status", b"UNAVAILABLE")])
def test_a_no_says_what_it_means(town: Town, kind: str, code: bytes) -> None:
    town.post("imap", "one")
    town.faults.add("imap", kind, path="UID FETCH", times=1)
    client = connect(town)
    kind, told = client.uid("FETCH", "1", "(UID)")
    assert (kind, code in told[0]) == ("NO", True)
    assert client.uid("FETCH", "1", "(UID)")[0] == "OK"


def test_a_literal_may_carry_an_argument(town: Town) -> None:
    town.post("imap", "one")
    place = ("127.0.0.1", urlsplit(town.urls["imap"]).port or 0)
    with socket.create_connection(place, 5) as raw, contextlib.ExitStack() as stack:
        said = stack.enter_context(raw.makefile("rb"))
        assert said.readline().startswith(b"* OK")
        raw.sendall(b"a LOGIN {22}\r\n")
        assert said.readline().startswith(b"+ ")
        password = OWN["password"].encode()
        raw.sendall(b"help@northbank.example {%d}\r\n" % len(password))
        assert said.readline().startswith(b"+ ")
        raw.sendall(password + b"\r\n")
        assert said.readline().startswith(b"a OK")
        raw.sendall(b"b NONSENSE\r\n")
        assert said.readline().startswith(b"b BAD")
