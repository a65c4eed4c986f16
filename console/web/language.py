"""The language a person chose for this browser, kept in a cookie; also at the doors, before anybody is known."""

from typing import Annotated

from fastapi import APIRouter, Form, HTTPException
from pydantic import BaseModel, Field
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from console.web.guard import safe_next
from console.web.house import house
from console.web.texts import COOKIE

router = APIRouter(include_in_schema=False)
YEAR = 31_536_000  # seconds


class LanguageForm(BaseModel):
    """`back`: the page it was chosen on."""

    model_config = {"extra": "forbid"}
    language: Annotated[str, Field(max_length=20)]
    back: Annotated[str, Field(max_length=4000)] = "/inbox"


@router.post("/language")
def choose(request: Request, form: Annotated[LanguageForm, Form()]) -> Response:
    if form.language not in request.app.state.languages:
        raise HTTPException(422, "There is no such language.")
    answer = RedirectResponse(safe_next(form.back), 303)
    secure = house(request).secure_cookies
    answer.set_cookie(COOKIE, form.language, max_age=YEAR, path="/", secure=secure, httponly=True, samesite="lax")
    return answer
