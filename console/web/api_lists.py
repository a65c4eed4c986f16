"""Lists and single rows for programs: one mechanism for every noun of storage/listings.py. Fields, filters and bounds are its tables'."""

from collections.abc import Callable
from datetime import datetime
from typing import Annotated, Any, Literal

from fastapi import APIRouter, HTTPException, Query
from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, create_model
from starlette.requests import Request
from starlette.responses import Response

from console.web import bearer
from console.web.api_shape import Route, cursor, place, problems, shown
from console.web.house import house
from console.web.pages import Id
from domain.lifecycle import STATUSES
from storage import audit, listings, views
from storage.listings import LARGEST, LISTINGS, PAGE, Found, Listing, Where

router = APIRouter(prefix="/api/v1", route_class=Route)


def _moment(value: datetime) -> datetime:
    if value.tzinfo is None or not 1 < value.year < 9999:
        raise ValueError("a time has a zone, such as 2026-11-22T08:00:00Z")
    return value


def _text(value: object) -> object:
    """A number of seconds is no time here: it does not say which."""
    if isinstance(value, str) and "T" not in value.upper():
        raise ValueError("a time is written as 2026-11-22T08:00:00Z")
    if not isinstance(value, str | datetime):
        raise ValueError("a time is a text such as 2026-11-22T08:00:00Z")
    return value


Word = Annotated[str, Field(min_length=1, max_length=200, pattern=r"^[^\x00]+$")]
Words = Annotated[list[Word], Field(max_length=20)]
Number = Annotated[int, Field(ge=1, le=2**53 - 1)]  # what every reader of JSON can hold
Moment = Annotated[datetime, BeforeValidator(_text), AfterValidator(_moment)]
GIVEN: dict[str, Any] = {"text": Word, "integer": Number, "boolean": bool, "time": Moment}
SHOWN: dict[str, Any] = {
    "text": str, "integer": int, "number": float, "boolean": bool, "time": datetime, "texts": list[str], "object": dict[str, Any],
    "objects": list[dict[str, Any]],
}  # fmt: skip
PERSONAL = {
    "customers": "customer",
    "identities": "identity",
    "interactions": "interaction",
}  # reading these is written down


def _chosen(listing: Listing) -> Any:
    """`fields=a,b`: a subset of the columns, in their order here."""
    names = "|".join(listing.columns)
    return Annotated[
        str,
        Field(
            pattern=rf"^({names})(,({names}))*$",
            max_length=1000,
            description=f"Only these, parted by commas: {', '.join(listing.columns)}.",
        ),
    ]


def _given(where: Where) -> Any:
    kind = Literal[where.choices] if where.choices else GIVEN[where.type]  # type: ignore[valid-type]
    return Annotated[kind | None, Field(description=where.about or None)]


class Asked(BaseModel):
    """What every list is asked with."""

    model_config = ConfigDict(extra="forbid")
    cursor: Annotated[str, Field(max_length=200, description="`next` of the page before; left out: the newest.")] = ""
    limit: Annotated[int, Field(ge=1, le=LARGEST, description="Rows of a page.")] = PAGE
    fields: str | None = None


class TicketsAsked(Asked):
    """The inbox's own filters; several values of one mean any of them."""

    view: Literal[tuple(views.VIEWS)] = "all"  # type: ignore[valid-type]
    q: Annotated[str, Field(max_length=200, pattern=r"^[^\x00]*$", description="Words, or #number.")] = ""
    status: Annotated[list[Literal[STATUSES]], Field(max_length=20)] = []  # type: ignore[valid-type]
    priority: Annotated[list[Literal["low", "normal", "high", "urgent"]], Field(max_length=20)] = []
    team: Words = []
    platform: Words = []
    topic: Words = []
    sentiment: Annotated[list[Literal["negative", "neutral", "positive", "unscored"]], Field(max_length=20)] = []
    intent: Words = []
    assignee: Annotated[
        list[Annotated[str, Field(pattern=r"^(me|none|[0-9]{1,18})$")]],
        Field(max_length=20, description="Numbers of users, `me` or `none`."),
    ] = []

    def filter(self) -> views.Filter:
        names = ("status", "priority", "team", "platform", "topic", "sentiment", "intent", "assignee")
        return views.Filter(view=self.view, q=self.q, **{name: tuple(getattr(self, name)) for name in names})


def _asked(listing: Listing) -> type[Asked]:
    base = TicketsAsked if listing.name == "tickets" else Asked
    more: dict[str, Any] = {name: (_given(where), None) for name, where in listing.where.items()}
    return create_model(f"{_noun(listing)}sAsked", __base__=base, fields=(_chosen(listing) | None, None), **more)


def _row(listing: Listing) -> type[BaseModel]:
    """All may be missing: `fields` leaves them out."""
    columns: dict[str, Any] = {
        name: (SHOWN[column.type] | None, Field(default=None, description=column.about or None))
        for name, column in listing.columns.items()
    }
    return create_model(_noun(listing), **columns)


def _noun(listing: Listing) -> str:
    """`dead_letters` → `DeadLetter`, `audit` → `AuditLink`."""
    if listing.name == "audit":
        return "AuditLink"
    one = listing.name.removesuffix("ies") + "y" if listing.name.endswith("ies") else listing.name.removesuffix("s")
    return "".join(part.capitalize() for part in one.split("_"))


def columns_of(listing: Listing, fields: str | None) -> list[str]:
    chosen = set(fields.split(",")) if fields else set(listing.columns)
    return [name for name in listing.columns if name in chosen]


def read(request: Request, listing: Listing, asked: Asked) -> dict[str, Any]:
    """A page: `items`, and `next` where it goes on (null: that was all)."""
    filters = {
        k: v for k, v in asked.model_dump(exclude={"cursor", "limit", "fields"}).items() if v not in (None, [], "")
    }
    after = place(asked.cursor, {"list": listing.name, **filters})
    own = {name: value for name, value in filters.items() if name in listing.where}
    with house(request).ledger.read() as connection:
        also: tuple[str, dict[str, Any]] = ("true", {})
        if isinstance(asked, TicketsAsked):
            also = views.where(asked.filter(), request.state.session.user.id)
        found: Found = listings.read(
            connection, listing, columns_of(listing, asked.fields), own, after, asked.limit, also
        )
    following = None if found.last is None else cursor(found.last, {"list": listing.name, **filters})
    if listing.name in PERSONAL:
        looked(request, listing.name, len(found.items))
    return {"items": found.items, "next": following}


def looked(request: Request, what: str, rows: int, id_: int | None = None) -> None:
    """Write down that somebody's data was read, and by whom: ids and numbers, no text."""
    name = f"{PERSONAL.get(what, what)}:{id_}" if id_ is not None else what
    house(request).ledger.run(lambda c: audit.append(c, bearer.actor(request), "personal.read", name, {"rows": rows}))


def _list_route(listing: Listing, path: str, summary: str) -> None:
    row = _row(listing)
    page = create_model(f"{_noun(listing)}Page", items=(list[row], ...), next=(str | None, ...))  # type: ignore[valid-type]
    model = _asked(listing)

    def many(request: Request, asked: Annotated[Any, Query()]) -> Response:
        return shown(read(request, listing, asked))

    many.__annotations__["asked"] = Annotated[model, Query()]
    _add(many, path, f"list_{listing.name}", summary, page, 400)


def _single_route(listing: Listing, path: str, summary: str) -> None:
    row = _row(listing)

    def single(request: Request, id: Id, fields: Any = None) -> Response:
        with house(request).ledger.read() as connection:
            found = listings.single(connection, listing, columns_of(listing, fields), id)
        if found is None:
            raise HTTPException(404, "There is no such thing.")
        if listing.name in PERSONAL:
            looked(request, listing.name, 1, id)
        return shown(found)

    single.__annotations__["fields"] = Annotated[_chosen(listing) | None, Query()]
    _add(single, path, f"get_{listing.name}", summary, row, 404)


def _add(
    handler: Callable[..., Response], path: str, name: str, summary: str, model: type[BaseModel], *codes: int
) -> None:
    responses: dict[int | str, dict[str, Any]] = {304: {"description": "You have it already (If-None-Match)."}}
    router.add_api_route(
        path, handler, methods=["GET"], name=name, operation_id=name, summary=summary, response_model=model,
        responses={**responses, **problems(*codes)},
    )  # fmt: skip


for _name, _summary in (
    ("mentions", "Posts, comments, reviews, articles, messages"),
    ("tickets", "The inbox, by the same filters as its page"),
    ("customers", "Customers by name or identity"),
    ("identities", "Accounts, addresses and numbers, with whose they are"),
    ("interactions", "Calls, chats, purchases, visits, forms"),
    ("escalations", "Escalation flags"),
    ("channels", "What is read, and how that goes"),
    ("deliveries", "What desks, alerts and webhooks are owed, with every try"),
    ("dead_letters", "Work that stopped for good"),
    ("corrections", "What people said verdicts should have been"),
    ("audit", "Who did what to which object"),
):
    _path = f"/{_name.replace('_', '-')}"
    _list_route(LISTINGS[_name], _path, _summary)
    if _name not in ("tickets", "customers", "escalations", "audit"):
        _single_route(LISTINGS[_name], _path + "/{id}", f"One of them: {_summary.lower()}")
