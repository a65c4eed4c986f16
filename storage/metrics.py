"""Journey metrics: figures summed from the views of migration 0005, each with the formula that is published beside it.

Medians and 90th percentiles instead of means; every figure says how many facts it rests on. A figure without facts is None, not zero.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, text

from storage.ledger import rows

WITHIN = "{at} >= :since AND {at} < :until"


@dataclass(frozen=True, slots=True)
class Metric:
    """One figure: how it is called, its formula in words, its unit, and what it is summed from (`view` with the time column `at`)."""

    name: str
    label: str
    formula: str
    unit: str
    view: str
    at: str
    value: str
    facts: str = "count(*)"
    also: str = "NULL"  # the 90th percentile, where there is one
    nothing: float | None = None  # its value where there are no facts


def _times(name: str, label: str, formula: str, view: str, at: str, column: str = "seconds") -> Metric:
    median = f"percentile_cont(0.5) WITHIN GROUP (ORDER BY {column})"
    ninety = f"percentile_cont(0.9) WITHIN GROUP (ORDER BY {column})"
    return Metric(name, label, formula, "seconds", view, at, median, f"count({column})", ninety)


def _share(name: str, label: str, formula: str, view: str, at: str, hit: str, of: str = "true") -> Metric:
    share = f"100.0 * count(*) FILTER (WHERE ({hit}) AND ({of})) / nullif(count(*) FILTER (WHERE {of}), 0)"
    return Metric(name, label, formula, "percent", view, at, share, f"count(*) FILTER (WHERE {of})")


METRICS: tuple[Metric, ...] = (
    _times("first_response", "First response", "from opening to the first answer or resolving, per ticket", "metric_first_response", "opened_at"),
    _times("resolution", "Resolution", "from opening to the last time it was done, per ticket that is done", "metric_resolution", "opened_at"),
    _times("touch_to_resolution", "First touch to resolution", "from a journey's first contact on any channel to when all its tickets were done",
           "metric_journeys", "started", "extract(epoch FROM resolved_at - started)"),
    _share("first_contact_resolution", "First-contact resolution across channels",
           "journeys with one contact on any channel, of the journeys that were resolved", "metric_journeys", "started", "contacts = 1",
           "resolved_at IS NOT NULL"),
    _share("repeat_contact", "Repeat contact within 7 days", "done tickets whose customer made contact on any channel within 7 days after",
           "metric_repeats", "done_at", "repeated"),
    _share("reopen_rate", "Reopen rate", "tickets that were done once and opened again, of those done once", "metric_reopened", "opened_at", "reopened"),
    Metric("channel_switches", "Channel switches per journey", "contacts on another channel than the one before, per journey of several contacts",
           "switches", "metric_journeys", "started", "avg(switches) FILTER (WHERE contacts > 1)", "count(*) FILTER (WHERE contacts > 1)"),
    _share("journey_completion", "Journey completion", "journeys all tickets of which are done, of the journeys with a ticket", "metric_journeys",
           "started", "resolved_at IS NOT NULL", "tickets > 0"),
    _share("csat", "CSAT", "answers of 4 or 5 on 1 to 5", "metric_surveys", "answered_at", "score >= 4", "kind = 'csat' AND score IS NOT NULL"),
    Metric("nps", "NPS", "share of 9 and 10 less share of 0 to 6, on 0 to 10", "points", "metric_surveys", "answered_at",
           "100.0 * (count(*) FILTER (WHERE kind = 'nps' AND score >= 9) - count(*) FILTER (WHERE kind = 'nps' AND score <= 6)) "
           "/ nullif(count(*) FILTER (WHERE kind = 'nps' AND score IS NOT NULL), 0)", "count(*) FILTER (WHERE kind = 'nps' AND score IS NOT NULL)"),
    Metric("effort", "Effort", "mean answer on 1 (hard) to 7 (easy)", "of 7", "metric_surveys", "answered_at",
           "avg(score) FILTER (WHERE kind = 'effort')", "count(score) FILTER (WHERE kind = 'effort')"),
    Metric("retention", "Retention", "customers active in a month who are active in the next one too", "percent", "metric_retention",
           "month", "100.0 * sum(returned) / nullif(sum(active), 0)", "coalesce(sum(active), 0)"),
    Metric("backlog", "Backlog", "tickets that were not done at the end of the last day (UTC)", "tickets", "metric_backlog", "day",
           "(array_agg(open ORDER BY day DESC))[1]", "count(*)"),
    Metric("arrivals", "Arrivals", "contacts on all channels; per 15 minutes in the table of arrivals", "contacts", "metric_arrivals", "slot",
           "sum(contacts)", "coalesce(sum(contacts), 0)", nothing=0),
    _share("automatic_precision", "Precision of automatic tickets",
           "tickets opened by the rules that were answered or resolved, of those and the ones muted or closed without either",
           "metric_automatic", "opened_at", "judged = 'right'", "judged IS NOT NULL"),
)  # fmt: skip


def figures(
    connection: Connection, since: datetime, until: datetime, only: Collection[str] = ()
) -> list[dict[str, Any]]:
    """Every metric (or those of `only`) of the facts of a span: name, label, formula, unit, value, p90 where there is one, and facts."""
    return compared(connection, [(since, until)], only)[0]


def compared(
    connection: Connection, spans: Sequence[tuple[datetime, datetime]], only: Collection[str] = ()
) -> list[list[dict[str, Any]]]:
    """The figures of several spans that do not overlap. Each view is walked once: some are made of every contact there is, which is why
    the rest of the transaction may take two minutes a statement."""
    connection.execute(text("SET LOCAL statement_timeout = '120s'"))
    wanted = [metric for metric in METRICS if not only or metric.name in only]
    views = dict.fromkeys((metric.view, metric.at) for metric in wanted)
    read = {place: _read(connection, *place, [m for m in wanted if (m.view, m.at) == place], spans) for place in views}
    return [[_figure(metric, read[metric.view, metric.at].get(n)) for metric in wanted] for n in range(len(spans))]


def _read(
    connection: Connection, view: str, at: str, of: Sequence[Metric], spans: Sequence[tuple[datetime, datetime]]
) -> dict[int, Any]:
    """Span → a row with (value, p90, facts) of each metric, under its name; none for a span without a row in the view."""
    columns = [f"{m.value} AS {m.name}, {m.also} AS {m.name}_p90, {m.facts} AS {m.name}_facts" for m in of]
    within = [f"WHEN {at} >= :since{n} AND {at} < :until{n} THEN {n}" for n in range(len(spans))]
    values = {
        f"{end}{n}": moment
        for n, span in enumerate(spans)
        for end, moment in zip(("since", "until"), span, strict=True)
    }
    found = rows(
        connection,
        f"SELECT span, {', '.join(columns)} FROM (SELECT v.*, CASE {' '.join(within)} END AS span FROM {view} v "  # noqa: S608 our own text
        f"WHERE {at} >= :least AND {at} < :most) s WHERE span IS NOT NULL GROUP BY span",
        least=min(since for since, _ in spans),
        most=max(until for _, until in spans),
        **values,
    )
    return {row["span"]: row for row in found}


def _figure(metric: Metric, row: Any) -> dict[str, Any]:
    value, p90, facts = (row[f"{metric.name}{part}"] for part in ("", "_p90", "_facts")) if row else (None, None, 0)
    return {
        "name": metric.name, "label": metric.label, "value": metric.nothing if value is None else _number(value), "p90": _number(p90),
        "unit": metric.unit, "facts": int(facts or 0), "formula": metric.formula,
    }  # fmt: skip


def _number(value: Any) -> float | None:
    return None if value is None else float(value)


SERIES = {  # name → (label, view, its time column, columns)
    "first_response": ("First response per ticket", "metric_first_response", "opened_at", "ticket_id, opened_at, team, priority, platform, seconds"),
    "resolution": ("Resolution per ticket", "metric_resolution", "opened_at", "ticket_id, opened_at, done_at, team, priority, platform, seconds, reopened"),
    "journeys": ("Journeys", "metric_journeys", "started", "customer_id, journey, started, ended, contacts, channels, switches, tickets, resolved_at"),
    "repeats": ("Repeat contacts", "metric_repeats", "done_at", "ticket_id, customer_id, done_at, team, repeated"),
    "surveys": ("Survey answers", "metric_surveys", "asked_at", "id, survey, kind, ticket_id, team, asked_at, answered_at, score"),
    "retention": ("Retention by month", "metric_retention", "month", "month, active, returned"),
    "backlog": ("Backlog by day", "metric_backlog", "day", "day, open"),
    "arrivals": ("Arrivals per 15 minutes", "metric_arrivals", "slot", "slot, channel, contacts"),
    "automatic": ("Automatic tickets and how they were judged", "metric_automatic", "opened_at", "ticket_id, opened_at, platform, topic, judged"),
    "tickets": ("Tickets", "metric_tickets", "opened_at",
                "ticket_id, number, opened_at, team, priority, topic, platform, status, answered_at, done_at, reopened, automatic"),
}  # fmt: skip


def series(
    connection: Connection, name: str, since: datetime, until: datetime, limit: int = 100_000
) -> tuple[list[dict[str, Any]], bool]:
    """The facts behind figures, in time order; and whether there were more than `limit`. Raises KeyError for an unknown name."""
    _, view, at, columns = SERIES[name]
    order = f"{at}, {columns.split(', ')[0]}" if at != columns.split(", ")[0] else columns
    found = rows(
        connection,
        f"SELECT {columns} FROM {view} WHERE {WITHIN.format(at=at)} ORDER BY {order} LIMIT :limit",  # noqa: S608 our own text
        since=since,
        until=until,
        limit=limit + 1,
    )
    return [dict(row) for row in found[:limit]], len(found) > limit


def preferences(connection: Connection, limit: int = 50) -> list[dict[str, Any]]:
    """How many customers use which channel most."""
    found = rows(
        connection,
        "SELECT channel, count(*) AS customers FROM metric_channel_preference GROUP BY 1 ORDER BY 2 DESC, 1 LIMIT :limit",
        limit=limit,
    )
    return [dict(row) for row in found]
