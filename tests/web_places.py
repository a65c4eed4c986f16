"""Every page a person can open, made from the routes themselves, and rows so that each has something to show.

A new GET route is either in `PAGES` with an address of the world below, or in `MACHINES` with its reason; anything else fails a test.
"""

import hashlib
import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from fastapi import FastAPI

from domain.act_links import link
from storage import casework, members, merges, promises, talk, users
from storage.ledger import Ledger
from tests import web

MACHINES = {  # GET routes that are no page
    "/": "leads to the inbox",
    "/login/openid": "leads to the provider",
    "/login/openid/done": "leads from the provider",
    "/live": "a stream",
    "/inbox/news": "a part of the inbox",
    "/flags/{flag_id}/series.csv": "a file",
    "/customers/{customer_id}/mood.csv": "a file",
    "/presence": "a part of the inbox and the ticket",
    "/dashboards/{figure}.csv": "a file",
    "/hooks/{channel}": "for machines",
    "/hooks/interactions/{source}": "for machines",
    "/healthz": "for machines",
    "/readyz": "for machines",
    "/metrics": "for machines",
    "/static/{name}": "a file",
    "/favicon.ico": "a file",
}
STATUS = {
    "/tickets/987654": 404,
    "/invitation/over": 410,
    "/survey/over": 404,
}  # addresses asked for in vain, on purpose
LONG = "Donaudampfschifffahrtselektrizitätenhauptbetriebswerkbauunterbeamtengesellschaft" * 2


@dataclass(frozen=True)
class World:
    """The ids the addresses are filled with, and a session for the browser's cookie."""

    ledger: Ledger
    number: int  # a ticket with everything on it
    mention: int
    review: int
    customer: int
    other: int
    flag: int
    letter: int
    invitation: str
    survey: str
    ack: str
    session: str


PAGES: dict[str, Callable[[World], list[str]]] = {
    "/login": lambda w: ["/login"],
    "/inbox": lambda w: ["/inbox", "/inbox?view=all&q=declined&platform=reddit&why=1", "/inbox?q=nothing+of+that+kind"],
    "/tickets/{number}": lambda w: [f"/tickets/{w.number}", "/tickets/987654"],
    "/tickets/{number}/merge": lambda w: [f"/tickets/{w.number}/merge?other={w.number}"],
    "/mentions": lambda w: [
        "/mentions",
        f"/mentions?flag={w.flag}",
        "/mentions?mood=negative&topic=nothing+of+that+name",
    ],
    "/journeys": lambda w: ["/journeys?before=call&after=chat"],
    "/mentions/{mention_id}": lambda w: [f"/mentions/{w.mention}", f"/mentions/{w.review}?again=1"],
    "/review": lambda w: ["/review"],
    "/customers": lambda w: ["/customers", "/customers?q=nobody+of+that+name"],
    "/customers/{customer_id}": lambda w: [f"/customers/{w.customer}"],
    "/customers/{customer_id}/said": lambda w: [f"/customers/{w.customer}/said"],
    "/customers/{customer_id}/merge": lambda w: [f"/customers/{w.customer}/merge?other={w.other}"],
    "/proposals": lambda w: ["/proposals"],
    "/flags": lambda w: ["/flags"],
    "/flags/{flag_id}": lambda w: [f"/flags/{w.flag}"],
    "/flags/act/{token}": lambda w: [w.ack],
    "/channels": lambda w: ["/channels"],
    "/status": lambda w: ["/status"],
    "/status/outbox": lambda w: ["/status/outbox", "/status/outbox?target=helpdesk"],
    "/status/dead": lambda w: ["/status/dead"],
    "/status/dead/{letter}": lambda w: [f"/status/dead/letter:{w.letter}"],
    "/status/configuration": lambda w: ["/status/configuration"],
    "/dashboards": lambda w: [
        "/dashboards",
        "/dashboards?board=tickets",
        "/dashboards?board=journeys",
        "/dashboards?range=24h&topic=nothing-of-that-name",
    ],
    "/admin/users": lambda w: ["/admin/users"],
    "/admin/teams": lambda w: ["/admin/teams"],
    "/admin/tokens": lambda w: ["/admin/tokens"],
    "/admin/audit": lambda w: ["/admin/audit"],
    "/invitation/{token}": lambda w: [f"/invitation/{w.invitation}", "/invitation/over"],
    "/survey/{token}": lambda w: [f"/survey/{w.survey}", "/survey/over"],
}


def routes(app: FastAPI) -> set[str]:
    """The paths of all GET routes but the API's, found in the app."""
    found = set()
    for route in app.routes:
        for inner in getattr(getattr(route, "original_router", None), "routes", [route]):
            if "GET" in inner.methods and not inner.path.startswith("/api/"):
                found.add(inner.path)
    return found


def addresses(world: World) -> list[str]:
    return [address for made in PAGES.values() for address in made(world)]


def make(database_url: str) -> World:
    """Rows of every kind the pages show, by the statements that write them in earnest wherever those are short."""
    ids = web.people(database_url)
    ledger = Ledger(database_url)
    numbers, mentions = [], []
    for n, (platform, label, why) in enumerate(
        [("reddit", "negative", "Somebody waits for an answer."), ("x", "positive", "A VIP wrote."), ("feeds", "unscored", "Risk.")]
    ):  # fmt: skip
        said = f"My card was declined again, third time this week ({n}). {LONG if n == 0 else ''}\nIs anybody there?"
        parent = "b1" if n == 0 else None
        mentions.append(
            web.mention(
                ledger,
                f"b{n}",
                said,
                platform=platform,
                label=label,
                author=f"a{n}",
                reply=parent,
                why=why,
                name=f"Post {n}",
            )
        )
        subject = f"My card was declined ({n}) {LONG if n == 0 else ''}".strip()
        priority = ("urgent", "high", "low")[n]
        numbers.append(web.ticket(ledger, mentions[-1], subject, f"k{n}", author=f"a{n}", priority=priority))
    review = web.mention(ledger, "r", "Is it just me, or is the app down?", outcome="review", label="neutral")
    number = numbers[0]
    _work(ledger, number, numbers)
    customer, other, third = (_customer(ledger, n) for n in numbers)
    web.value(ledger, "UPDATE customers SET vip = true, tier = 'gold' WHERE id = :id RETURNING 1", id=customer)
    for a, b in ((customer, other), (other, third)):
        web.value(
            ledger,
            "INSERT INTO proposals (customer_id, other_id, confidence, evidence, source) VALUES (:a, :b, 0.9, CAST(:e AS jsonb), 'match') "
            "RETURNING 1",
            a=a, b=b, e=json.dumps([{"what": "handle", "detail": "the same handle", "weight": 3.1}]),
        )  # fmt: skip
    gone = web.value(ledger, "INSERT INTO customers (name) VALUES ('The same Ann') RETURNING id")
    ledger.run(lambda c: merges.merge(c, customer, gone, f"user:{ids['lead']}"))
    web.value(
        ledger,
        "INSERT INTO interactions (source, external_id, kind, customer_id, happened_at, subject, body, label) "
        "VALUES ('crm', 'c1', 'call', :c, now(), 'Called about the card', 'Wants it back today.', 'negative') RETURNING 1",
        c=customer,
    )
    flag = _flags(ledger)
    letter = _trouble(ledger)
    while ledger.run(talk.tally):
        pass
    with ledger.begin() as connection:
        admin = users.by_email(connection, "admin@example.org")
        assert admin
        _, invitation = members.invite(connection, admin, "new@example.org", "agent", "New Person")
        session = users.begin_session(connection, ids["admin"])
    web.value(
        ledger,
        "INSERT INTO surveys (survey, kind, ticket_id, token_hash, question, expires_at) SELECT 'after', 'csat', id, :hash, "
        "'How did we do?', now() + interval '1 day' FROM tickets WHERE number = :n RETURNING 1",
        hash=hashlib.sha256(b"asked").digest(), n=number,
    )  # fmt: skip
    ack = link(web.SECRET, "", flag, "ack", time.time())
    return World(
        ledger, number, mentions[0], review, customer, other, flag, letter, invitation, "asked", ack, session
    )  # fmt: skip


def _work(ledger: Ledger, number: int, numbers: list[int]) -> None:
    with ledger.begin() as connection:
        lead = users.by_email(connection, "lead@example.org")
        assert lead
        casework.note(connection, lead, number, f"Called the processor. {LONG}")
        casework.change(connection, lead, number, casework.Change(status="open", assignee=lead.id))
        promises.make(connection, lead, number, "A new card by Friday", datetime.now(UTC) + timedelta(hours=30))
        casework.change(connection, lead, numbers[1], casework.Change(status="pending"))
    web.value(ledger, "UPDATE tickets SET tags = ARRAY['cards', 'outage'] WHERE number = :n RETURNING 1", n=number)


def _customer(ledger: Ledger, number: int) -> int:
    return int(web.value(ledger, "SELECT customer_id FROM tickets WHERE number = :n", n=number))


def _flags(ledger: Ledger) -> int:
    """A spike with two days of minutes behind it, closed ones beside it."""
    web.value(
        ledger,
        "INSERT INTO counts SELECT 'northbank', 'reddit', 'negative', date_trunc('minute', now()) - m * interval '1 minute', "
        "1 + m % 3 + CASE WHEN m < 30 THEN 9 ELSE 0 END FROM generate_series(0, 2880, 7) m RETURNING 1",
    )
    web.value(
        ledger,
        "INSERT INTO escalations (rule, series, window_start, run_id, kind, severity, state, closed_at) "
        "SELECT 'rule' || n, 'northbank/negative', now() - n * interval '1 hour', 1, 'share', n, 'closed', now() "
        "FROM generate_series(1, 3) n RETURNING 1",
    )
    return int(
        web.value(
            ledger,
            "INSERT INTO escalations (rule, series, window_start, run_id, severity, peak) "
            "VALUES ('spike', 'northbank/reddit/negative', now() - interval '20 minutes', 1, 3, 11) RETURNING id",
        )
    )


def _trouble(ledger: Ledger) -> int:
    """A channel that reads, one that fails with advice, one that is paused; a gap, dead letters, a desk that refuses."""
    web.value(
        ledger,
        "INSERT INTO channels (name, kind, platform, last_success_at, last_item_at, error, error_kind, advice, error_at, paused_at) VALUES "
        "('news', 'feed', 'feeds', now(), now(), NULL, NULL, NULL, NULL, NULL), "
        "('bank-reddit', 'reddit', 'reddit', now() - interval '1 day', now() - interval '2 days', '401 Unauthorized', 'auth', "
        "'The token was refused: make a new one.', now(), NULL), "
        "('forum', 'discourse', 'discourse', NULL, NULL, NULL, NULL, NULL, NULL, now()) RETURNING 1",
    )
    web.value(
        ledger,
        "INSERT INTO gaps (channel_id, page_id, since, reason) SELECT id, 1, now() - interval '3 hours', 'the platform answered 503' "
        "FROM channels WHERE name = 'bank-reddit' RETURNING 1",
    )
    web.value(
        ledger,
        "INSERT INTO targets (name, kind, blocked, error) VALUES ('helpdesk', 'zendesk', 'The token was refused.', '401') RETURNING 1",
    )
    web.value(
        ledger,
        "INSERT INTO outbox (target, kind, key, ticket_id, notice, state, attempts, run_id, error) SELECT 'helpdesk', 'ticket.update', "
        "'em-u' || run_id || '-' || id || '-helpdesk', id, '{}', (ARRAY['retry', 'unknown', 'blocked'])[id % 3 + 1], 2, run_id, '503 try later' "
        "FROM tickets RETURNING 1",
    )
    return int(
        web.value(
            ledger,
            "INSERT INTO dead_letters (kind, ref_id, version, reason, error) VALUES ('digest', 1, 1, 'three starts without an end', "
            "'ValueError in step digest') RETURNING id",
        )
    )
