"""A customer's mood over time as a picture, a table and a file; the figures are storage/customer_mood.py's."""

import csv
import io
from collections.abc import Sequence

from fastapi import APIRouter, HTTPException
from markupsafe import Markup
from starlette.requests import Request
from starlette.responses import Response

from console.web import plots
from console.web.house import house
from console.web.pages import Id
from console.web.words import amount
from storage import customer_mood, views_people
from storage.customer_mood import LABELS, Week

router = APIRouter(include_in_schema=False)


@router.get("/customers/{customer_id}/mood.csv")
def figures(request: Request, customer_id: Id) -> Response:
    with house(request).ledger.read() as connection:
        if views_people.customer(connection, customer_id) is None:
            raise HTTPException(404, "There is no such customer.")
        weeks = customer_mood.weeks(connection, customer_id)
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(["week", *LABELS, "mean_compound"])
    for week in weeks:
        mean = "" if week.compound is None else f"{week.compound:.3f}"
        writer.writerow([f"{week.at:%Y-%m-%d}", *(getattr(week, label) for label in LABELS), mean])
    name = f'attachment; filename="customer-{customer_id}-mood.csv"'
    return Response(out.getvalue(), media_type="text/csv; charset=utf-8", headers={"content-disposition": name})


def said(weeks: Sequence[Week]) -> int:
    return sum(getattr(week, label) for week in weeks for label in LABELS)


def draw(weeks: Sequence[Week]) -> Markup:
    """A column a week; nothing at all where nothing was said."""
    if not said(weeks):
        return Markup()
    columns = [
        plots.Column(
            f"week of {week.at:%-d %b %Y}",
            {label: n for label in LABELS if (n := getattr(week, label))},
            tick=f"{week.at:%-d %b}" if at % 5 == 0 else "",
        )
        for at, week in enumerate(weeks)
    ]
    whole = sum(week.negative for week in weeks)
    about = f"Columns of {amount(said(weeks), 'contact')} in {amount(len(weeks), 'week')}, {whole:,} of them negative."
    return plots.columns("mood", "Mood over time", about, columns)
