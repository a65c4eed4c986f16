"""The summary of a customer's earlier contacts on a ticket: extractive, or by the configured model while it answers in time."""

from datetime import UTC, datetime
from typing import Any

import structlog
from pydantic import BaseModel
from sqlalchemy import Connection

from config.secrets import SecretError, secret
from connectors import summariser
from connectors.contract import Context
from connectors.errors import ConnectorError
from console.web.house import House
from domain import summary
from domain.summary import Line
from storage import configurations, lookup
from storage.together import together

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
        found = lookup.of_ticket(connection, number)
        if found is None:
            return None
        customer, name = found
        document = _document(connection)
        contacts = summary.of(**together(connection, **lookup.history(customer)), but=number)
    settings = _settings(document)
    if not settings.get("url") or not contacts:
        return Summary(lines=summary.extract(contacts), contacts=len(contacts), by="extractive")
    return _by_model(settings, document, contacts, name)


def asks_a_model(document: dict[str, Any]) -> bool:
    """Whether a model is configured: a page then shows the extractive lines at once and asks for the model's."""
    return bool(_settings(document).get("url"))


def _document(connection: Connection) -> dict[str, Any]:
    current = configurations.in_force(connection)
    return current.document if current else {}


def _settings(document: dict[str, Any]) -> dict[str, Any]:
    return (document.get("settings") or {}).get("summary") or {}


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
