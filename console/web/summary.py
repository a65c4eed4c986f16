"""The summary of a customer's earlier contacts on a ticket: extractive, or by the configured model while it answers in time."""

from datetime import UTC, datetime
from typing import Any

import structlog
from pydantic import BaseModel

from config.secrets import SecretError, secret
from connectors import summariser
from connectors.contract import Context
from connectors.errors import ConnectorError
from console.web.house import House
from domain import summary
from domain.summary import Line
from storage import configurations, lookup
from storage.ledger import rows

log = structlog.get_logger()


class Summary(BaseModel):
    """`by`: extractive, or the model's name; `note` says why the model was not heard."""

    lines: list[Line]
    contacts: int
    by: str
    note: str = ""


def of_ticket(here: House, number: int) -> Summary | None:
    """The summary for one ticket; None when there is no such ticket. A ticket without a customer has an empty one."""
    with here.ledger.read() as connection:
        found = rows(
            connection,
            "SELECT t.customer_id, c.name FROM tickets t LEFT JOIN customers c ON c.id = t.customer_id WHERE number = :n",
            n=number,
        )
        if not found:
            return None
        current = configurations.in_force(connection)
        glance = lookup.history(connection, found[0]["customer_id"]) if found[0]["customer_id"] else ([], [])
    contacts = summary.of(*glance, but=number)
    settings = ((current.document if current else {}).get("settings") or {}).get("summary") or {}
    if not settings.get("url") or not contacts:
        return Summary(lines=summary.extract(contacts), contacts=len(contacts), by="extractive")
    return _by_model(settings, current.document if current else {}, contacts, found[0]["name"] or "")


def _by_model(settings: dict[str, Any], document: dict[str, Any], contacts: list[summary.Said], name: str) -> Summary:
    newest = sorted(contacts, key=lambda c: c.at, reverse=True)[:40]
    hosts = frozenset((document.get("settings") or {}).get("allow_hosts") or ())
    context = Context(
        lambda: datetime.now(UTC),
        secret,
        allow_hosts=hosts,
        max_bytes=200_000,
        deadline=float(settings.get("seconds", 8)),
    )
    try:
        key = secret(settings["key_env"]) if settings.get("key_env") else ""
        answer = summariser.write(context, settings["url"], settings.get("model", ""), key, summary.ask(newest, [name]))
        lines = summary.cited(answer, newest)
        note = "" if lines else "the model cited nothing it was given"
    except (ConnectorError, SecretError) as error:
        lines, note = [], f"the model was not heard ({type(error).__name__})"
        log.warning("summary_not_written", reason=type(error).__name__)
    if lines:
        return Summary(lines=lines, contacts=len(contacts), by=settings.get("model") or "model")
    return Summary(lines=summary.extract(contacts), contacts=len(contacts), by="extractive", note=note)
