"""A customer's mood over time as a picture, a table and a file; the figures are storage/customer_mood.py's."""

import csv
import io
from collections.abc import Sequence
from datetime import UTC, tzinfo

from fastapi import APIRouter, HTTPException
from markupsafe import Markup
from starlette.requests import Request
from starlette.responses import Response

from console.web import formats, plots
from console.web.house import house
from console.web.pages import Id
from console.web.texts import _
from console.web.words import amount
from console.web.zone import zone
from storage import customer_mood, views_people
from storage.customer_mood import LABELS, Week
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


def said(weeks: Sequence[Week]) -> int:
    return sum(getattr(week, label) for week in weeks for label in LABELS)


def draw(weeks: Sequence[Week], where: tzinfo = UTC) -> Markup:
    """A column a week; nothing at all where nothing was said."""
    if not said(weeks):
        return Markup()
    columns = [
        plots.Column(
            _("week of %(day)s", day=formats.day(week.at, where)),
            {label: n for label in LABELS if (n := getattr(week, label))},
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
