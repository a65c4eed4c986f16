"""The page behind a survey's link: no login, one answer. Who has the link is who was asked; an unknown, used or old link says so alike."""

from typing import Annotated

from fastapi import APIRouter, Form
from pydantic import BaseModel, Field
from starlette.requests import Request
from starlette.responses import Response

from console.web.house import house
from console.web.pages import page
from console.web.words import typed
from domain.surveys import ENDS, SCALES
from storage import surveys

router = APIRouter(include_in_schema=False)


class Answer(BaseModel):
    model_config = {"extra": "forbid"}
    score: Annotated[int, Field(ge=0, le=10)]
    comment: str = ""


@router.get("/survey/{token}")
def ask(request: Request, token: str) -> Response:
    with house(request).ledger.read() as connection:
        found = surveys.find(connection, token)
    if found is None or found.answered or found.expired:
        return _closed(request)
    low, high = SCALES[found.kind]
    return page(
        request,
        "survey.html",
        question=found.question,
        scale=range(low, high + 1),
        ends=ENDS[found.kind],
        token=token,
        state="ask",
    )


@router.post("/survey/{token}")
def answer(request: Request, token: str, form: Annotated[Answer, Form()]) -> Response:
    try:
        kept = house(request).ledger.run(
            lambda c: surveys.answer(c, token, form.score, typed(form.comment)[: surveys.LONGEST_COMMENT]), patience=5
        )
    except ValueError:
        return _closed(request, 422)
    return page(request, "survey.html", state="thanks") if kept else _closed(request)


def _closed(request: Request, code: int = 404) -> Response:
    return page(request, "survey.html", code=code, state="closed")
