"""The review list: what the rules left to a person, one decision each."""

from typing import Annotated, Literal

from fastapi import APIRouter, Form
from pydantic import BaseModel, Field
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from console.web.house import house
from console.web.pages import Id, PageNumber, page
from storage import review

router = APIRouter(include_in_schema=False)


class DecisionForm(BaseModel):
    model_config = {"extra": "forbid"}
    csrf: str = ""
    version: Annotated[int, Field(ge=1, lt=2**31)]
    outcome: Literal["ticket", "ignore"]
    page: int = 1


@router.get("/review")
def waiting(request: Request, number: PageNumber) -> Response:
    with house(request).ledger.read() as connection:
        found = review.waiting(connection, number)
        why = house(request).why.sentences(connection, [item.post.id for item in found.items])
    return page(request, "review.html", found=found, why=why)


@router.post("/review/{mention_id}")
def decide(request: Request, mention_id: Id, form: Annotated[DecisionForm, Form()]) -> Response:
    user = request.state.session.user
    done = house(request).ledger.run(
        lambda connection: review.decide(connection, user, mention_id, form.version, form.outcome), patience=5
    )
    return RedirectResponse(f"/review?said={form.outcome if done else 'late'}&page={max(1, form.page)}", 303)
