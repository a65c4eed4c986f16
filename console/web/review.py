"""The review list: what the rules left to a person, one decision and one key each, with its way back and what it teaches."""

from typing import Annotated, Literal

from fastapi import APIRouter, Form
from pydantic import BaseModel, Field
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from console.web.house import house
from console.web.pages import Id, PageNumber, page
from console.web.texts import _
from console.web.words import amount
from domain.learning import LEAST, LEAST_OF_EACH
from storage import corrections, review
from storage.corrections import Lessons

router = APIRouter(include_in_schema=False)
Version = Annotated[int, Field(ge=1, lt=2**31)]
DECISIONS: dict[str, tuple[str, str | None]] = {  # what a button says → the outcome, and what the post was
    "ticket": ("ticket", None),
    "ignore": ("ignore", None),
    "spam": ("ignore", "spam"),
    "not ours": ("ignore", "other"),
}


class DecisionForm(BaseModel):
    """`next`: the post the focus goes to."""

    model_config = {"extra": "forbid"}
    csrf: str = ""
    version: Version
    outcome: Literal["ticket", "ignore", "spam", "not ours"]
    page: int = 1
    next: Annotated[int, Field(ge=0, lt=2**63)] = 0


class UndoForm(BaseModel):
    model_config = {"extra": "forbid"}
    csrf: str = ""
    version: Version
    page: int = 1


@router.get("/review")
def waiting(request: Request, number: PageNumber) -> Response:
    return _show(request, number)


@router.post("/review/{mention_id}")
def decide(request: Request, mention_id: Id, form: Annotated[DecisionForm, Form()]) -> Response:
    user = request.state.session.user
    outcome, intent = DECISIONS[form.outcome]
    done = house(request).ledger.run(
        lambda connection: review.decide(connection, user, mention_id, form.version, outcome, intent), patience=5
    )
    said = {"spam": "spam", "not ours": "notours"}.get(form.outcome, form.outcome) if done else "late"
    undo = f"&undo={mention_id}.{form.version}" if done else ""
    place = f"#post-{form.next}" if form.next else ""
    return RedirectResponse(f"/review?said={said}{undo}&page={max(1, form.page)}{place}", 303)


@router.post("/review/{mention_id}/undo")
def undo(request: Request, mention_id: Id, form: Annotated[UndoForm, Form()]) -> Response:
    user = request.state.session.user
    try:
        house(request).ledger.run(lambda c: review.take_back(c, user, mention_id, form.version), patience=5)
    except review.TooLate as late:
        return _show(request, form.page, 409, _(late))
    return RedirectResponse(f"/review?said=back&page={max(1, form.page)}#post-{mention_id}", 303)


def _show(request: Request, number: int, code: int = 200, error: str = "") -> Response:
    with house(request).ledger.read() as connection:
        found = review.waiting(connection, number)
        why = house(request).why.sentences(connection, [item.post.id for item in found.items])
        lessons = corrections.lessons(connection)
    undoable = [part for part in request.query_params.get("undo", "").split(".") if part.isdecimal() and len(part) < 19]
    return page(
        request,
        "review.html",
        code=code,
        error=error,
        found=found,
        why=why,
        lessons=lessons,
        teaching=teaching(lessons),
        undo=undoable if len(undoable) == 2 and not error else [],
    )


def teaching(lessons: Lessons) -> str:
    """What decisions do for the rules, in a sentence or two."""
    least = {"least": LEAST, "each": LEAST_OF_EACH}
    if not lessons.said:
        return _(
            "Each decision here teaches. %(least)s of them, %(each)s of each kind, make a first model (“earmark learn”).",
            **least,
        )
    known = _(
        "%(decisions)s so far, %(tickets)s of them tickets",
        decisions=amount(lessons.said, "decision"),
        tickets=lessons.tickets,
    )
    lacking = max(
        LEAST - lessons.tickets - lessons.others, LEAST_OF_EACH - lessons.tickets, LEAST_OF_EACH - lessons.others, 0
    )
    if lacking:
        return _("%(known)s: at least %(n)s more before there is enough to learn from.", known=known, n=lacking)
    if lessons.learned_at and not lessons.since:
        return _("%(known)s. The model in force has heard them all.", known=known)
    new = (
        _("%(n)s of them since the model in force was made", n=lessons.since)
        if lessons.learned_at
        else _("no model was made of them yet")
    )
    return _(
        "%(known)s; %(new)s. The next “earmark learn” learns from them, if it judges better with them than without.",
        known=known,
        new=new,
    )
