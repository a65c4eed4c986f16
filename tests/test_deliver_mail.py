"""Mails over a real SMTP dialogue with the town: what they hold, how they thread, and what each answer means."""

import email
import email.policy
import json
from datetime import timedelta
from urllib.parse import urlsplit

import pytest
from pydantic import ValidationError

from connectors.contract import Context
from connectors.errors import AuthError, ConfigError, Refused, Transient
from connectors.outbound import smtp
from domain.nouns import Notice
from storage.ledger import Ledger
from tests.delivering import attempts, desk, go, hurry, name, now, owe_tickets, row, states, target_row, ticket_body
from tests.mailing import certificate
from tests.support import free_port
from town.accounts import ACCOUNTS
from town.server import Town

TO = ("care@northbank.example", "night@northbank.example")
FLAG = {
    "id": 7, "rule": "negative-spike", "series": "northbank · all", "severity": 2, "count": 40, "baseline": 3.5,
    "threshold": 0.5, "window": {"from": "2026-11-22T01:00", "to": "2026-11-22T01:10"}, "samples": [{"text": "all is broken"}],
    "url": "http://127.0.0.1/flags/7",
}  # fmt: skip


@pytest.fixture(scope="module")
def ledger(database_url: str):
    ledger = Ledger(database_url)
    yield ledger
    ledger.close()


@pytest.fixture(scope="module")
def shared():
    with Town(seed=7) as town:
        yield town


@pytest.fixture
def town(shared):
    shared.faults.clear()
    with shared.ledger.transaction() as db:
        db.execute("DELETE FROM mails")
    return shared


@pytest.fixture
def target(ledger):
    return name(ledger, "smtp")


def settings(town, **more):
    port = urlsplit(town.urls["smtp"]).port
    return {"host": "127.0.0.1", "port": port, "tls": False, "sender": "earmark@shop.example", "to": TO, **more}


def mails(town):
    return [
        email.message_from_bytes(m["message"].encode("latin-1"), policy=email.policy.default)
        for m in town.ledger.mails()
    ]


def drain(ledger, target, made, rounds=6):
    outcomes = []
    for _ in range(rounds):
        outcomes += [o for o, n in go(ledger, target, made).outcomes.items() for _ in range(n)]
        if set(states(ledger, target)) <= {"done", "dead"}:
            return outcomes
        hurry(ledger, target)
    raise AssertionError(f"still {states(ledger, target)} after {outcomes}")


# --- what is sent --------------------------------------------------------------------------------------------------


def test_a_ticket_and_its_comments_thread(ledger, town, target):
    (number,) = owe_tickets(ledger, target, 1, comments=2)
    assert drain(ledger, target, desk("smtp", settings(town))) == ["done"] * 3
    first, *rest = mails(town)
    assert first["Message-ID"] == f"<em-{number}-{target}-create@shop.example>"
    assert first["References"] is None
    assert [m["References"] for m in rest] == [m["In-Reply-To"] for m in rest] == [first["Message-ID"]] * 2
    assert (first["From"], first["To"], first["Auto-Submitted"]) == (
        "earmark@shop.example",
        ", ".join(TO),
        "auto-generated",
    )
    assert first["Subject"] == f"[{number}] Ticket {number}: the app is down"
    assert first.get_content_type() == "text/plain"
    text = first.get_content()
    assert "> I cannot log in since this morning 😡" in text
    assert f"In Earmark: http://127.0.0.1/tickets/{number}" in text
    assert text.rstrip().endswith(f"ref em-{number}-{target}-create")
    assert town.ledger.mails()[0]["recipients"] == list(TO)


def test_an_answer_goes_to_the_customer_alone_in_their_thread(town):
    made = desk("smtp", settings(town))
    body = {"number": 7, "subject": "My card", "text": "Dear Ann,\n> we are sorry.", "to": "ann@northbank.example",
            "in_reply_to": "<her-mail@example.org>", "by": "Bea", "public": True}  # fmt: skip
    notice = Notice("ticket.reply", "em-e9-post", body)
    for remote in (None, "<em-7-post-create@shop.example>"):  # the team's own mail is no thread of the customer's
        made.deliver(notice, made.render(notice, remote), remote)
    mail = mails(town)[0]
    assert [m["recipients"] for m in town.ledger.mails()] == [["ann@northbank.example"]] * 2
    assert (mail["To"], mail["Subject"], mail["In-Reply-To"]) == (
        "ann@northbank.example",
        "Re: My card",
        "<her-mail@example.org>",
    )
    assert mail["Auto-Submitted"] is None  # a person wrote it
    assert mail.get_content().split() == ["Dear", "Ann,", ">", "we", "are", "sorry."]  # nothing of ours in it
    assert {m["Message-ID"] for m in mails(town)} == {"<em-e9-post@shop.example>"}
    for evil in ("<x@y>\r\nBcc: all@example.org", "no brackets@x", "<a b@c>"):
        made.deliver(
            notice, made.render(Notice("ticket.reply", "em-e10-post", {**body, "in_reply_to": evil}), None), None
        )
        assert mails(town)[-1]["In-Reply-To"] is None


def test_flags_thread_by_their_first_mail(town):
    made = desk("smtp", settings(town))
    for n, kind in enumerate(("flag.open", "flag.update", "flag.close"), 1):
        notice = Notice(kind, f"em-f7-{n}-on-call", FLAG)
        made.deliver(notice, made.render(notice, None), None)
    opened, *rest = mails(town)
    assert opened["Message-ID"] == "<em-f7-1-on-call@shop.example>"
    assert [m["References"] for m in (opened, *rest)] == [None, opened["Message-ID"], opened["Message-ID"]]
    assert opened["Subject"] == "Flag raised: negative-spike on northbank · all"
    assert "> all is broken" in opened.get_content()


@pytest.mark.parametrize(
    "evil",
    [
        "hello\r\nBcc: all@northbank.example",
        "hello\nTo: x@y.example",
        "a\u2028b\x0bSubject: c",
        "\r\n\r\nbody first",
        "=?utf-8?q?=0D=0ABcc:_a@b.example?=",
    ],
)
def test_a_customers_words_begin_no_header(ledger, town, target, evil):
    owe_tickets(
        ledger, target, 1, subject=evil, text=f"{evil}\r\n.\r\nMAIL FROM:<x@y.example>\r\n", customer={"name": evil}
    )
    assert drain(ledger, target, desk("smtp", settings(town))) == ["done"]
    (kept,) = town.ledger.mails()
    (mail,) = mails(town)
    assert kept["recipients"] == list(TO)
    assert sorted(mail.keys()) == sorted(
        [
            "From",
            "To",
            "Subject",
            "Date",
            "Message-ID",
            "Auto-Submitted",
            "Content-Type",
            "Content-Transfer-Encoding",
            "MIME-Version",
        ]
    )
    assert mail["To"] == ", ".join(TO)
    text = mail.get_content()
    assert all(line.startswith("> ") for line in text.splitlines() if "MAIL FROM" in line or line.rstrip() == ".")


def test_a_stored_request_with_a_line_break_in_a_header_is_refused(town):
    made = desk("smtp", settings(town))
    for subject, error in (("x\r\nBcc: y@z.example", ValueError), ("=?utf-8?q?=0D=0ABcc:_a@b.example?=", Refused)):
        request = {"message_id": "<a@b>", "references": None, "subject": subject, "text": "t"}
        with pytest.raises(error):
            made.deliver(Notice("flag.open", "k", {}), json.dumps(request), None)
    assert mails(town) == []


@pytest.mark.parametrize("wrong", [{"sender": "a@b.example\nBcc: c"}, {"to": ["a@b.example, c@d.example"]}, {"to": []}, {"sender": "Ann <a@b.example>"}, {"username": "u"}])  # fmt: skip
def test_settings_take_plain_addresses_only(town, wrong):
    with pytest.raises(ValidationError):
        smtp.Settings(**{**settings(town), **wrong})


def test_long_names_in_any_script_make_a_message_id(town):
    made = desk("smtp", settings(town))
    notice = Notice("ticket.create", "em-1-" + "ü" * 63 + "-create", ticket_body(1, text="€" * 60_000))
    request = made.render(notice, None)
    assert request == made.render(notice, None)
    made.deliver(notice, request, None)
    (mail,) = mails(town)
    assert mail["Message-ID"].strip() == f"<em-1-{'%C3%BC' * 63}-create@shop.example>"
    assert "[cut: the whole text is in Earmark]" in mail.get_content()


# --- at least once, under one id -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "fault", [{"kind": "reset_after"}, {"kind": "hang", "seconds": 5}, {"kind": "drip", "seconds": 60}]
)
def test_the_answer_lost_after_the_final_dot_repeats_under_the_same_id(ledger, town, target, fault):
    impatient = desk("smtp", settings(town), deadline=0.7)
    owe_tickets(ledger, target, 1)
    town.faults.add("smtp", method="DOT", nth=[1], **fault)
    assert drain(ledger, target, impatient) == ["unknown", "done"]
    ids = [m["Message-ID"] for m in mails(town)]
    assert len(ids) == 2
    assert len(set(ids)) == 1


@pytest.mark.parametrize(
    ("step", "status"),
    [("CONNECT", 421), ("EHLO", 421), ("MAIL", 451), ("RCPT", 450), ("DATA", 451), ("DOT", 421), ("DOT", 452)],
)
def test_later_means_later_and_nothing_was_sent(ledger, town, target, step, status):
    owe_tickets(ledger, target, 1)
    town.faults.add("smtp", "status", method=step, nth=[1], status=status)
    assert drain(ledger, target, desk("smtp", settings(town))) == ["retry", "done"]
    assert len(mails(town)) == 1
    assert attempts(ledger, target)[0]["status"] in (status, None)


@pytest.mark.parametrize("step", ["CONNECT", "EHLO", "MAIL", "RCPT", "DATA"])
@pytest.mark.parametrize("kind", ["reset", "hang", "drip"])
def test_a_line_that_breaks_before_the_mail_leaves_no_doubt(town, step, kind):
    made = desk("smtp", settings(town), deadline=0.4)
    town.faults.add("smtp", kind, method=step, seconds=60)
    notice = Notice("flag.open", "em-f1-1-x", FLAG)
    with pytest.raises(Transient) as broke:
        made.deliver(notice, made.render(notice, None), None)
    assert not broke.value.sent
    assert mails(town) == []


def test_nobody_there_is_no_doubt(town):
    made = desk("smtp", settings(town, port=free_port()))
    with pytest.raises(Transient) as broke:
        made.deliver(Notice("flag.open", "k", FLAG), made.render(Notice("flag.open", "k", FLAG), None), None)
    assert not broke.value.sent


# --- what a refusal means ------------------------------------------------------------------------------------------


def test_a_refused_mail_is_dead_with_its_reason_and_the_queue_moves_on(ledger, town, target):
    owe_tickets(ledger, target, 3)
    town.faults.add("smtp", "status", method="DOT", nth=[2], status=554)
    assert sorted(drain(ledger, target, desk("smtp", settings(town)))) == ["done", "done", "refused"]
    assert len(mails(town)) == 2


def test_a_refused_password_blocks_the_target_with_one_call(ledger, town, target, monkeypatch):
    made = desk("smtp", settings(town, username=ACCOUNTS["smtp"]["username"], password_env="WRONG"))
    owe_tickets(ledger, target, 2)
    assert go(ledger, target, made).outcomes == {"blocked": 1}
    assert "535" in target_row(ledger, target)["blocked"]
    assert go(ledger, target, made).outcomes == {}
    assert states(ledger, target) == {"retry": 1, "new": 1} or set(states(ledger, target)) <= {
        "retry",
        "new",
        "blocked",
    }


@pytest.mark.parametrize(("step", "kind"), [("MAIL", ConfigError), ("RCPT", ConfigError)])
def test_refused_addresses_are_the_configurations_fault(town, step, kind):
    town.faults.add("smtp", "status", method=step, status=550)
    made = desk("smtp", settings(town))
    with pytest.raises(kind, match="550"):
        made.deliver(Notice("flag.open", "k", FLAG), made.render(Notice("flag.open", "k", FLAG), None), None)


def test_one_address_that_is_gone_does_not_silence_the_others_and_is_told(ledger, town, target):
    owe_tickets(ledger, target, 1)
    made = desk("smtp", settings(town, to=("nobody@northbank.example", "care@northbank.example")))
    assert drain(ledger, target, made) == ["done"]
    assert town.ledger.mails()[0]["recipients"] == ["care@northbank.example"]
    assert "1 of 2 addresses refused (550)" in str(
        [row(ledger, target)["error"], attempts(ledger, target)[0]["detail"]]
    )


# --- encryption and addresses --------------------------------------------------------------------------------------


@pytest.mark.parametrize("implicit", [False, True])
def test_encryption_with_a_trusted_certificate_then_the_password(tmp_path, monkeypatch, implicit):
    from tests import delivering

    monkeypatch.setitem(delivering.SECRETS, "SMTP_PASSWORD", ACCOUNTS["smtp"]["password"])
    pem, authority = certificate(tmp_path)
    with Town(options={"smtp_certificate": pem, "smtp_implicit": int(implicit)}) as town:
        own = {
            "tls": "implicit" if implicit else "starttls",
            "username": ACCOUNTS["smtp"]["username"],
            "password_env": "SMTP_PASSWORD",
        }
        made = desk("smtp", settings(town, ca_file=authority, **own))
        notice = Notice("flag.open", "em-f1-1-x", FLAG)
        made.deliver(notice, made.render(notice, None), None)
        (kept,) = town.ledger.mails()
        assert (kept["tls"], kept["login"]) == (1, ACCOUNTS["smtp"]["username"])
        with pytest.raises(Transient, match="certificate we do not trust") as stranger:
            desk("smtp", settings(town, **own)).deliver(notice, made.render(notice, None), None)
        assert not stranger.value.sent
        assert len(town.ledger.mails()) == 1


def test_a_certificate_for_another_name_is_not_trusted(tmp_path):
    pem, authority = certificate(tmp_path, "DNS:mail.elsewhere.example")
    with Town(options={"smtp_certificate": pem}) as town:
        made = desk("smtp", settings(town, tls="starttls", ca_file=authority))
        with pytest.raises(Transient, match="certificate"):
            made.deliver(Notice("flag.open", "k", FLAG), made.render(Notice("flag.open", "k", FLAG), None), None)


def test_a_server_without_encryption_gets_nothing(town):
    made = desk("smtp", settings(town, tls="starttls"))
    with pytest.raises(ConfigError, match="does not offer"):
        made.deliver(Notice("flag.open", "k", FLAG), made.render(Notice("flag.open", "k", FLAG), None), None)
    assert {r["method"] for r in town.ledger.requests("smtp")[-3:]} <= {"CONNECT", "EHLO", "QUIT"}


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "169.254.169.254", "[::1]", "0x7f.1"])
def test_private_hosts_are_refused_unless_named(town, host):
    context = Context(now=now, secret=str, allow_hosts=frozenset(), deadline=2)
    before = len(town.ledger.requests("smtp"))
    for tls in (False, "starttls"):
        made = smtp.Desk(smtp.Settings(**settings(town, host=host, tls=tls)), context)
        with pytest.raises(ConfigError):
            made.deliver(Notice("flag.open", "k", FLAG), made.render(Notice("flag.open", "k", FLAG), None), None)
    assert len(town.ledger.requests("smtp")) == before


def test_a_rejected_login_is_for_a_person(town):
    town.faults.add("smtp", "status", method="AUTH", status=535)
    made = desk("smtp", settings(town, username="u", password_env="WRONG"))
    with pytest.raises(AuthError, match="535"):
        made.deliver(Notice("flag.open", "k", FLAG), made.render(Notice("flag.open", "k", FLAG), None), None)
    assert made.quiet == timedelta(0)
