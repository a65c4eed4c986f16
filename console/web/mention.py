"""A mention by itself, with its receipt; and what people say its verdict should have been."""

from typing import Annotated, Literal

from fastapi import APIRouter, Form
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from console.web.house import house
from console.web.pages import Id, page
from domain.nouns import INTENTS
from storage import corrections, judged, learning

router = APIRouter(include_in_schema=False)
Intent = Literal[INTENTS]  # type: ignore[valid-type]  # the names are a tuple, which is what Literal takes


class CorrectionForm(BaseModel):
    """Empty is nothing said."""

    model_config = {"extra": "forbid"}
    csrf: str = ""
    outcome: Literal["", "ticket", "review", "ignore"] = ""
    intent: Intent | Literal[""] = ""
    sentiment: Literal["", "negative", "neutral", "positive"] = ""
    back: Annotated[str, Field(pattern=r"^/(review|mentions/\d{1,18}|tickets/\d{1,18})$")] = "/review"


@router.get("/mentions/{mention_id}")
def mention(request: Request, mention_id: Id, again: bool = False) -> Response:
    """`again`: the rules it was judged by, in their version of then, are run on the same post once more, and nothing is stored."""
    with house(request).ledger.read() as connection:
        post = judged.post(connection, mention_id)
        found = judged.judged(connection, [mention_id]).get(mention_id)
        why = house(request).why.sentences(connection, [mention_id])
        rerun = house(request).why.again(connection, mention_id) if again and found else None
        said = corrections.of(connection, [mention_id]).get(mention_id)
    if post is None:
        raise HTTPException(404)
    return page(
        request,
        "mention.html",
        post=post,
        found=found,
        why=why.get(mention_id, ""),
        said=said,
        again=again,
        rerun=rerun,
    )


@router.post("/mentions/{mention_id}/correct")
def correct(request: Request, mention_id: Id, form: Annotated[CorrectionForm, Form()]) -> Response:
    actor = request.state.session.user.actor
    said = {"outcome": form.outcome or None, "intent": form.intent or None, "label": form.sentiment or None}
    if not any(said.values()):
        return RedirectResponse(f"{form.back}?said=same", 303)
    try:
        opens = house(request).ledger.run(lambda c: learning.correct(c, actor, mention_id, **said), patience=5)
    except learning.NoMention:
        raise HTTPException(404) from None
    return RedirectResponse(f"{form.back}?said={'ticket' if opens else 'corrected'}", 303)
