"""App Store: the public list of customer reviews of one app, country by country.

The list holds 10 pages of 50, newest first by the last change: an app with more reviews than that between two polls leaves a gap. Apple now and
then answers 200 with no entry at all; where there were reviews before that is a failure, and not the end of the list. An edited review
keeps its id and comes on top. Apple documents none of this; the sources stand in town/appstore.py. Developers who own the app can
answer reviews in App Store Connect, which this list is not: https://developer.apple.com/app-store/ratings-and-reviews/
"""

import copy
import re
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict, Field, field_validator

from connectors import shape, walk
from connectors.contract import Context, GapFound, Page, Policy, State
from connectors.errors import MalformedItem, Transient
from domain.nouns import Author, Mention, Rating
from domain.text import clean, safe_url

if TYPE_CHECKING:
    from connectors.http import Answer, Client

PLATFORM = "appstore"
POLICY = Policy(source="https://www.apple.com/legal/internet-services/itunes/")
HOST = "https://itunes.apple.com"
PAGES, RING = 10, 600
TOO_DEEP = "the App Store lists the newest 500 reviews of a country only"
PATIENCE = {True: 3 * 86_400, False: 900}  # seconds until an empty list is believed: the first page, a later one
_PERSON = re.compile(r"/id(\d+)")


class Settings(BaseModel):
    """An App Store channel: one app. Needs no credential."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    app_id: str = Field(
        description="The app's number, as in apps.apple.com/app/id1404176564", pattern=r"^(id)?\d{5,20}$"
    )
    countries: list[str] = Field(
        default=["us"], description="Storefronts to read, as two letters", min_length=1, max_length=175
    )
    lookback: int = Field(default=7, ge=0, le=365, description="Days read again, for reviews moderated late")
    backfill: int = Field(default=30, ge=0, le=3650, description="Days to go back when the channel is new")
    base_url: str = Field(default=HOST, description="Address of the list")

    @field_validator("countries")
    @classmethod
    def _codes(cls, countries: list[str]) -> list[str]:
        codes = list(dict.fromkeys(country.strip().lower() for country in countries))
        for code in codes:
            if not re.fullmatch("[a-z]{2}", code):
                raise ValueError(f"{code!r} is not a storefront: two letters, such as us or de")
        return codes

    @property
    def app(self) -> str:
        return self.app_id.removeprefix("id")


def describe(settings: Settings) -> str:
    """What is read; a change of it is another series of numbers."""
    return f"appstore {settings.app} {'+'.join(sorted(settings.countries))}"


def position(state: State) -> dict[str, Any]:
    """How far it has read, by listing: never goes back."""
    return {country: place.get("watermark") or 0 for country, place in state.get("countries", {}).items()}


class Connector:
    """State: {"v": 1, "turn": country, "countries": {country: position}}, a position as connectors/walk.py keeps it.

    Beside that it knows how many pages there were, how long the longest was, and when there were any (`pages`, `size`, `filled`).
    """

    def __init__(self, settings: Settings, context: Context) -> None:
        self.settings, self.context = settings, context
        self._http: Client | None = None

    def fetch_page(self, state: State) -> Page:
        """One request. The countries are walked in turn."""
        state = copy.deepcopy(state) if state.get("v") == 1 else {"v": 1, "turn": None, "countries": {}}
        countries = self.settings.countries
        turn = state["turn"] if state.get("turn") in countries else countries[0]
        after = countries[(countries.index(turn) + 1) % len(countries)]
        position = state["countries"].setdefault(turn, {})
        now = self.context.now().timestamp()
        current = position.get("walk") or walk.begin(
            position, now, self.settings.lookback * 86_400, self.settings.backfill * 86_400
        )
        number = int(current["token"] or 1)
        answer = self._get(turn, number)
        reviews = _reviews(answer)
        if not reviews and _suspicious(position, current, number, now):
            said = f"the App Store shows no reviews for {turn.upper()}, page {number}, where there were some"
            if len(countries) == 1:
                raise Transient(said, status=answer.status)
            state["turn"] = after  # the other countries are not kept waiting
            return Page([], state, turn == countries[-1], warnings=(said,), bytes=len(answer.body))
        gaps, over = _advance(position, current, reviews, number, now)
        state["turn"] = after if over else turn
        raws = [{"country": turn, "entry": review} for review in reviews]
        return Page(raws, state, over and turn == countries[-1], gaps=gaps, bytes=len(answer.body))

    def normalise(self, raw: Any) -> Mention:
        """One review. Its date is that of the last change; the list knows no other."""
        whole = shape.mapping(raw)
        entry = shape.mapping(whole.get("entry"))
        native_id = shape.ident(_label(entry.get("id")))
        if not native_id:
            raise MalformedItem("no id")
        said = _label(entry.get("updated"))
        published, published_raw, flags = shape.clamp(shape.when(said), said, self.context.now())
        name, cut = clean(shape.words(_label(entry.get("title"))))
        content, cut_too = clean(shape.words(_label(entry.get("content"))))
        stars = shape.count(_label(entry.get("im:rating")))
        link = shape.mapping(shape.mapping(entry.get("link")).get("attributes")).get("href")
        return Mention(
            PLATFORM,
            native_id,
            published,
            origin=shape.ident(whole.get("country")),
            kind="Review",
            name=name,
            content=content,
            url=safe_url(link),
            published_raw=published_raw,
            context=native_id,
            attributed_to=_author(shape.mapping(entry.get("author"))),
            rating=Rating(float(stars), 5.0, 1.0) if stars is not None and 1 <= stars <= 5 else None,
            metrics=shape.counts({"votes": _label(entry.get("im:voteSum"))}, {"votes": "likes"}),
            flags=flags + (("truncated",) if cut or cut_too else ()),
        )

    # -- speaking to Apple -----------------------------------------------------------------------------------------

    def _get(self, country: str, number: int) -> "Answer":
        from connectors.http import Client, check

        base = self.settings.base_url.rstrip("/")
        self._http = self._http or Client(self.context, [base])
        path = f"/{country}/rss/customerreviews/page={number}/id={self.settings.app}/sortby=mostrecent/json"
        answer = self._http.get(base + path, {"accept": "application/json"})
        if answer.status == 403:  # nothing here takes credentials: too many requests, in Apple's words
            raise Transient("the App Store refuses to answer for now (403)", status=403)
        check(answer, self.context.now())
        return answer


def _reviews(answer: "Answer") -> list[Any]:
    """The entries that are reviews. One alone is no list; the app itself, which has neither rating nor author, is none."""
    told = answer.json()
    feed = told.get("feed") if isinstance(told, dict) else None
    if not isinstance(feed, dict):
        raise Transient("the App Store's answer is not a list of reviews", status=answer.status)
    entries = feed.get("entry") or []
    listed = entries if isinstance(entries, list) else [entries]
    return [entry for entry in listed if not isinstance(entry, dict) or "im:rating" in entry or "author" in entry]


def _suspicious(position: dict[str, Any], current: dict[str, Any], number: int, now: float) -> bool:
    """Whether a page without reviews contradicts what we saw: there were some, and not long ago."""
    if number > position.get("pages", 0):
        return False
    if number == 1:
        return bool(now - position.get("filled", 0) < PATIENCE[True])
    full = current.get("last", 0) >= position.get("size", 0)  # after a short page nothing is missing
    return bool(full and now - current["at"] < PATIENCE[False])


def _advance(
    position: dict[str, Any], current: dict[str, Any], reviews: list[Any], number: int, now: float
) -> tuple[tuple[GapFound, ...], bool]:
    """The walk's next position: gaps, and whether the walk is over."""
    seen = [(shape.ident(_label(shape.mapping(review).get("id"))), _updated(review)) for review in reviews]
    known = set(position.get("recent", ()))
    below = walk.step(current, position, seen, now)
    if seen and all(updated is None and native_id in known for native_id, updated in seen):
        below = True  # without dates a page of known reviews is known ground
    current["ids"] = [*current.get("ids", []), *(native_id for native_id, _ in seen if native_id)][:RING]
    current["last"] = len(seen)
    if seen:
        position["filled"] = now
        position["size"] = max(position.get("size", 0), len(seen))
        if not below and number < PAGES:
            current["token"] = number + 1
            position["walk"] = current
            return (), False
    ended = not seen and number > position.get("pages", 0)
    gaps = walk.finish(position, current, below or ended, TOO_DEEP)
    position["pages"] = number if seen else number - 1
    walk.remember(position, current["ids"], RING)
    return gaps, True


def _updated(review: object) -> float | None:
    moment = shape.when(_label(shape.mapping(review).get("updated")))
    return moment.timestamp() if moment else None


def _label(value: object) -> object:
    """Every value is an object with a label."""
    return value.get("label") if isinstance(value, dict) else None


def _author(author: dict[str, Any]) -> Author | None:
    """By the number in the reviewer's address; the name alone can be anybody's."""
    name = clean(shape.words(_label(author.get("name"))), 500)[0]
    url = safe_url(_label(author.get("uri")))
    person = _PERSON.search(url or "")
    native_id = person.group(1) if person else name
    return Author(native_id, name, name, url) if native_id else None
