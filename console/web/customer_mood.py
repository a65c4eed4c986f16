"""A customer's mood over time as a picture, a table and a file, and the list behind each week; the figures are storage/customer_mood.py's."""

import csv
import io
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta, tzinfo
from urllib.parse import urlencode

from fastapi import APIRouter, HTTPException
from markupsafe import Markup
from starlette.requests import Request
from starlette.responses import Response

from console.web import formats, plots
from console.web.api_lists import looked
from console.web.house import house
from console.web.pages import Id, PageNumber, page
from console.web.texts import _
from console.web.words import amount
from console.web.zone import zone
from storage import customer_mood, views_people
from storage.customer_mood import LABELS, Week
from storage.inbox_address import MOMENT, moment
from storage.together import ask

router = APIRouter(include_in_schema=False)


@router.get("/customers/{customer_id}/mood.csv")
def figures(request: Request, customer_id: Id) -> Response:
    where = zone(request)
    with house(request).ledger.read() as connection:
        if views_people.customer(connection, customer_id) is None:
            raise HTTPException(404, "There is no such customer.")
        weeks = ask(connection, customer_mood.weeks(customer_id, zone=formats.zone_name(where)))
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(["week", *LABELS, "mean_compound"])
    for week in weeks:
        mean = "" if week.compound is None else f"{week.compound:.3f}"
        writer.writerow([f"{week.at.astimezone(where):%Y-%m-%d}", *(getattr(week, label) for label in LABELS), mean])
    name = f'attachment; filename="customer-{customer_id}-mood.csv"'
    return Response(out.getvalue(), media_type="text/csv; charset=utf-8", headers={"content-disposition": name})


@router.get("/customers/{customer_id}/said")
def words(request: Request, customer_id: Id, number: PageNumber) -> Response:
    """What a customer said in a time; without one, in the last week."""
    query = request.query_params
    until = moment(query.get("until", "")) or datetime.now(UTC) + timedelta(minutes=1)
    since = moment(query.get("since", "")) or until - timedelta(days=7)
    with house(request).ledger.read() as connection:
        known = views_people.customer(connection, customer_id)
        if known is None:
            raise HTTPException(404, "There is no such customer.")
        found = customer_mood.said(connection, customer_id, since, until, number)
    looked(request, "customers", 1, customer_id)
    rest = [(name, value) for name, value in query.multi_items() if name not in ("page", "said")]
    return page(
        request, "said.html", customer=known, found=found, since=since, until=until,
        address=f"/customers/{customer_id}/said?" + urlencode([*rest, ("page", "")]),
    )  # fmt: skip


def lists(customer_id: int, weeks: Sequence[Week], where: tzinfo) -> dict[datetime, str]:
    """Each week's list of what it counts: to the next Monday there, so that a week in which the clocks change is whole."""
    found = {}
    for week in weeks:
        if said([week]):
            monday = week.at.astimezone(where)
            span = {"since": monday, "until": monday + timedelta(weeks=1)}
            times = {name: at.astimezone(UTC).strftime(MOMENT) for name, at in span.items()}
            found[week.at] = f"/customers/{customer_id}/said?" + urlencode(times, safe=":")
    return found


def said(weeks: Sequence[Week]) -> int:
    return sum(getattr(week, label) for week in weeks for label in LABELS)


def draw(weeks: Sequence[Week], where: tzinfo, behind: Mapping[datetime, str]) -> Markup:
    """A column a week; nothing at all where nothing was said."""
    if not said(weeks):
        return Markup()
    columns = [
        plots.Column(
            _("week of %(day)s", day=formats.day(week.at, where)),
            {label: n for label in LABELS if (n := getattr(week, label))},
            behind.get(week.at, ""),
            tick=formats.day(week.at, where, year=False) if at % 5 == 0 else "",
        )
        for at, week in enumerate(weeks)
    ]
    whole = sum(week.negative for week in weeks)
    about = _(
        "Columns of %(contacts)s in %(weeks)s, %(negative)s of them negative.",
        contacts=amount(said(weeks), "contact"), weeks=amount(len(weeks), "week"), negative=whole,
    )  # fmt: skip
    return plots.columns("mood", _("Mood over time"), about, columns)
