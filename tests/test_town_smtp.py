"""The mail server, driven with Python's own smtplib and a plain socket."""

import contextlib
import smtplib
import socket
import ssl
from email.message import EmailMessage
from urllib.parse import urlsplit

import pytest

from tests.mailing import certificate
from town.accounts import ACCOUNTS
from town.server import Town

TO = "care@northbank.example"


@pytest.fixture
def town():
    with Town() as town:
        yield town


@contextlib.contextmanager
def client(town):
    with smtplib.SMTP("127.0.0.1", urlsplit(town.urls["smtp"]).port, timeout=5) as smtp:
        yield smtp


def message(**headers):
    made = EmailMessage()
    for name, value in {
        "From": "a@example.org",
        "To": TO,
        "Date": "Sun, 22 Nov 2026 02:00:00 +0000",
        "Message-ID": "<1@example.org>",
        "Subject": "hello",
        **headers,
    }.items():
        if value:
            made[name] = value
    made.set_content("text\n.dot\n..two\nüñ")
    return made


def test_a_mail_is_kept_as_it_was_sent(town):
    with client(town) as smtp:
        smtp.send_message(message())
        smtp.send_message(message())
    first, second = town.ledger.mails()
    assert first["message_id"] == second["message_id"] == "<1@example.org>"
    assert (first["sender"], first["recipients"], first["tls"], first["login"]) == ("a@example.org", [TO], 0, "")
    assert "\r\n.dot\r\n..two\r\n" in first["message"]


def test_commands_out_of_order_and_bad_words_are_refused(town):
    with client(town) as smtp:
        assert smtp.docmd("MAIL", "FROM:<a@b.example>")[0] == 503  # no EHLO
        smtp.ehlo("me.example")
        assert smtp.docmd("RCPT", f"TO:<{TO}>")[0] == 503
        assert smtp.docmd("MAIL", "FROM: a@b.example")[0] == 501
        assert smtp.docmd("MAIL", "FROM:<a@b.example>")[0] == 250
        assert smtp.docmd("DATA")[0] == 503
        assert smtp.docmd("RCPT", "TO:<someone@else.example>")[0] == 550  # relaying
        assert smtp.docmd("RCPT", "TO:<nobody@northbank.example>")[0] == 550
        assert smtp.docmd("FETCH", "x")[0] == 500
        assert smtp.docmd("RSET")[0] == 250
        assert smtp.docmd("RCPT", f"TO:<{TO}>")[0] == 503


def test_passwords_open_the_relay(town):
    own = ACCOUNTS["smtp"]
    with client(town) as smtp:
        with pytest.raises(smtplib.SMTPAuthenticationError) as refused:
            smtp.login(own["username"], "wrong")
        assert refused.value.smtp_code == 535
        smtp.login(own["username"], own["password"])
        smtp.send_message(message(), to_addrs=["x@else.example"])
    assert town.ledger.mails()[0]["login"] == own["username"]


@pytest.mark.parametrize("wrong", [{"Date": ""}, {"From": ""}])
def test_a_message_without_its_headers_is_refused(town, wrong):
    with client(town) as smtp, pytest.raises(smtplib.SMTPDataError):
        smtp.send_message(message(**wrong), from_addr="a@example.org", to_addrs=[TO])
    assert town.ledger.mails() == []


def test_a_bare_line_feed_or_a_second_subject_is_refused(town):
    head = b"From: a@example.org\r\nDate: Sun, 22 Nov 2026 02:00:00 +0000\r\n"
    for body in (b"\r\na\nb", b"Subject: 1\r\nSubject: 2\r\n\r\nx", "Subject: ü\r\n\r\nx".encode()):
        with socket.create_connection(("127.0.0.1", urlsplit(town.urls["smtp"]).port), 5) as raw:
            reader = raw.makefile("rb")
            reader.readline()
            raw.sendall(f"HELO me\r\nMAIL FROM:<a@example.org>\r\nRCPT TO:<{TO}>\r\nDATA\r\n".encode())
            assert [reader.readline()[:3] for _ in range(4)] == [b"250", b"250", b"250", b"354"]
            raw.sendall(head + body + b"\r\n.\r\n")
            assert reader.readline().startswith(b"550 5.6.0")
    assert town.ledger.mails() == []


def test_the_answer_lost_after_the_final_dot_leaves_the_mail(town):
    town.faults.add("smtp", "reset_after", method="DOT", nth=[1])
    with contextlib.suppress(smtplib.SMTPServerDisconnected, ConnectionError), client(town) as smtp:
        smtp.send_message(message())
    with client(town) as smtp:
        smtp.send_message(message())
    assert [mail["message_id"] for mail in town.ledger.mails()] == ["<1@example.org>"] * 2


@pytest.mark.parametrize(
    ("step", "status"), [("CONNECT", 421), ("MAIL", 450), ("RCPT", 550), ("DOT", 421), ("DOT", 554)]
)
def test_refusals_at_each_step_keep_nothing(town, step, status):
    town.faults.add("smtp", "status", method=step, status=status)
    with (
        contextlib.suppress(smtplib.SMTPServerDisconnected),
        pytest.raises(smtplib.SMTPException),
        client(town) as smtp,
    ):
        smtp.send_message(message())
    assert town.ledger.mails() == []
    assert any(r["method"] == step and r["status"] == status for r in town.ledger.requests("smtp"))


def test_encryption_is_insisted_on(tmp_path):
    pem, authority = certificate(tmp_path)
    trusted = ssl.create_default_context(cafile=authority)
    with Town(options={"smtp_certificate": pem}) as town:
        with client(town) as smtp:
            smtp.ehlo()
            assert not smtp.has_extn("auth")
            assert smtp.docmd("MAIL", "FROM:<a@b.example>")[0] == 530
            smtp.starttls(context=trusted)
            smtp.send_message(message())
        assert town.ledger.mails()[0]["tls"] == 1
    with Town(options={"smtp_certificate": pem, "smtp_implicit": 1}) as town:
        port = urlsplit(town.urls["smtp"]).port
        with smtplib.SMTP_SSL("127.0.0.1", port, timeout=5, context=trusted) as smtp:
            smtp.send_message(message())
        assert town.ledger.mails()[0]["tls"] == 1


def test_the_receiver_of_plain_json(town):
    import requests

    assert requests.post(town.urls["notify"] + "/x", json={"title": "a"}, timeout=5).json() == {"ok": True}
    assert requests.post(town.urls["notify"], data=b"[1]", timeout=5).status_code == 400
    assert [n["body"] for n in town.ledger.notices()] == [{"title": "a"}]
