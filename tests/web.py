"""What the console's tests share: the app on a loopback port, people who can log in, and rows to look at."""

import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx2
import uvicorn
from fastapi import FastAPI
from sqlalchemy import text

from console.web.app import create_app
from storage import filing, runs, users
from storage.ledger import Ledger, one
from tests.support import wait_until

SECRET = b"a secret of thirty-two bytes ..."
PASSWORD = "correct horse battery staple"
ROLES = ("viewer", "agent", "lead", "admin", "auditor")


@contextmanager
def serve(app: FastAPI) -> Iterator[str]:
    """The app under uvicorn on a port the system chose; yields its address."""
    server = uvicorn.Server(uvicorn.Config(app, host="127.0.0.1", port=0, log_level="critical", proxy_headers=False))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    try:
        wait_until(lambda: server.started, message="the console starts")
        yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    finally:
        app.state.live.close()
        server.should_exit = True
        thread.join(10)


def make_app(database_url: str, **options: Any) -> FastAPI:
    return create_app(
        database_url, SECRET, **{"secure_cookies": False, "base_url": "http://console.invalid", **options}
    )


def people(database_url: str) -> dict[str, int]:
    """One user per role, ROLE@example.org; role → id."""
    ledger = Ledger(database_url)
    with ledger.begin() as connection:
        ids = {role: users.add(connection, f"{role}@example.org", PASSWORD, role, role.title()) for role in ROLES}
    ledger.close()
    return ids


def enter(ledger: Ledger, address: str, user_id: int) -> httpx2.Client:
    """A client with a session, without the cost of a password; its `csrf` header is set."""
    with ledger.begin() as connection:
        value = users.begin_session(connection, user_id)
        session = users.session(connection, value)
    assert session is not None
    return httpx2.Client(
        base_url=address, cookies={"earmark": value}, headers={"x-csrf-token": session.csrf}, follow_redirects=False
    )


def log_in(client: httpx2.Client, email: str, password: str = PASSWORD, **more: str) -> httpx2.Response:
    """Fill in the login form as a browser does."""
    form = client.get("/login")
    proof = re.search(r'name="proof" value="(\w+)"', form.text)
    assert proof
    return client.post("/login", data={"email": email, "password": password, "proof": proof[1], **more})


def csrf_of(client: httpx2.Client, path: str = "/inbox") -> str:
    found = re.search(r'name="csrf" value="([\w-]+)"', client.get(path).text)
    assert found
    return found[1]


def mention(ledger: Ledger, native_id: str, content: str, outcome: str = "ticket", **more: Any) -> int:
    """A judged mention with its receipt, as the digest step leaves it; returns its id."""
    values = {
        "platform": "reddit",
        "origin": "northbank",
        "name": "",
        "url": f"https://example.org/{native_id}",
        "author": "ann",
        "reply": None,
        "label": "negative",
        **more,
    }
    with ledger.begin() as connection:
        run = runs.start(connection, "digest", "test")
        id_ = one(
            connection,
            "INSERT INTO mentions (platform, origin, native_id, kind, url, name, content, published, context, in_reply_to, "
            "author_id, author_handle, content_hash, page_id) VALUES (:platform, :origin, :native_id, 'Note', :url, :name, "
            ":content, now(), :native_id, :reply, :author, :author, 1, 1) RETURNING id",
            native_id=native_id,
            content=content,
            **{k: v for k, v in values.items() if k != "label"},
        )
        receipt = {
            "rule": "angry",
            "reasons": [more.get("why", "Somebody waits for an answer.")],
            "sentiment": {"words": [["declined", -1.8]]},
            "versions": {"rules": "abc"},
        }
        felt = ("rule:angry", "complaint", "normal", "cards", "northbank", "en", values["label"], -0.5, "vader")
        verdict = filing.Decision(id_, 1, outcome, None, felt, json.dumps(receipt), None)
        filing.decide(connection, run, [verdict])
        runs.finish(connection, run)
    return int(id_)


def ticket(ledger: Ledger, mention_id: int, subject: str, conversation: str, author: str = "ann", **more: Any) -> int:
    """A ticket on that mention and its author's customer, filed by the same statements the digest step uses."""
    with ledger.begin() as connection:
        run = runs.start(connection, "digest", "test")
        person = {
            "platform": "reddit", "origin": "", "native_id": author, "handle": author, "name": "", "url": None, "followers": None,
        }  # fmt: skip
        identity = filing.identities(connection, [person])[("reddit", "", author)]
        known = filing.customers_of(connection, [identity])
        customer = known.get(identity) or filing.make_customers(connection, {identity: author}, {})[identity]
        opened, *_ = filing.open_tickets(connection, [(conversation, customer)])
        id_ = opened[(conversation, customer)]
        row = {
            "id": id_, "customer_id": customer, "subject": subject, "priority": "normal", "team": "cards",
            "intent": "complaint", "topic": "northbank", "platform": "reddit", "label": "negative", "targets": ["helpdesk"],
            "first": 60, "resolve": 600, **more,
        }  # fmt: skip
        number = filing.tickets(connection, run, [row])[id_]
        filing.link(connection, run, [(id_, mention_id)])
        filing.enter(connection, run, [{"ticket_id": id_, "kind": "mention", "mention_id": mention_id, "version": 1}])
        runs.finish(connection, run)
    return number


def value(ledger: Ledger, sql: str, **values: Any) -> Any:
    with ledger.begin() as connection:
        return connection.execute(text(sql), values).scalar()
