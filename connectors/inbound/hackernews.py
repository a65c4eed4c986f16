"""Hacker News: stories and comments found by the search that Algolia keeps of it.

The search lists newest first and shows 1000 hits of a query, whatever the page: a walk goes down by moving the upper bound of the time,
which is inclusive, so the hits of its second come twice and are told apart by id. The index has stood still for a day and a half and was
filled up afterwards (https://github.com/algolia/hn-search/issues/248), so three days are read again. It also keeps what was deleted:
the site itself is asked about each hit. https://hn.algolia.com/api · https://github.com/HackerNews/API
"""

import copy
import html
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import urlencode

from pydantic import BaseModel, ConfigDict, Field, field_validator

from connectors import shape, walk
from connectors.contract import Context, GapFound, Glance, Page, Policy, State, Subject
from connectors.errors import ConnectorError, MalformedItem, Transient
from connectors.searches import Dialect
from connectors.searches import searches as asked
from domain.nouns import Author, Mention
from domain.query_tree import Node
from domain.text import clean, plain, safe_url

if TYPE_CHECKING:
    from connectors.http import Answer, Client

PLATFORM = "hackernews"
POLICY = Policy(source="https://www.ycombinator.com/legal/")
SEARCH, ITEMS, WWW = "https://hn.algolia.com", "https://hacker-news.firebaseio.com", "https://news.ycombinator.com"
CEILING = 1000
TOO_MANY = "the search shows 1000 hits of a query and tells the others apart by their second only"
CHECKED = 2000  # hits whose standing is remembered
SHOWN = 30  # answers of an item that is looked at
AGAIN = 6 * 3600  # the site is asked anew about a hit after this long


class Settings(BaseModel):
    """A Hacker News channel: one or more searches. Needs no credential."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    queries: list[str] = Field(
        default=[],
        description='What to search for, each by itself; "…" holds words together. Left out, the topics\' queries are asked',
        max_length=20,
    )
    kinds: list[Literal["story", "comment", "poll", "job"]] = Field(
        default=["story", "comment"], description="What to read", min_length=1
    )
    verify: bool = Field(
        default=True, description="Ask the site whether a hit still stands; the search keeps what was deleted"
    )
    lookback: int = Field(default=72, ge=0, le=720, description="Hours read again, for the search's late index")
    backfill: int = Field(default=72, ge=0, le=175_200, description="Hours to go back when the channel is new")
    page_size: int = Field(
        default=50, ge=1, le=1000, description="Hits per request; with verify at most as many more requests"
    )
    base_url: str = Field(default=SEARCH, description="Address of the search")
    items_url: str = Field(default="", description="Address of the site's items; with another base_url, that one")

    @field_validator("queries")
    @classmethod
    def _words(cls, queries: list[str]) -> list[str]:
        found = list(dict.fromkeys(query.strip() for query in queries))
        for query in found:
            if not query or len(query) > 512 or query.count('"') % 2:
                raise ValueError(f"{query[:40]!r} is not a search: 1 to 512 characters, quotes in pairs")
        return found

    @property
    def items_at(self) -> str:
        return (self.items_url or (ITEMS if self.base_url.rstrip("/") == SEARCH else self.base_url)).rstrip("/")


# https://www.algolia.com/doc/api-reference/api-parameters/query: 512 bytes, no OR, every word must be there, the last may be begun
DIALECT = Dialect(
    PLATFORM, size=lambda text: len(text.encode()), alternatives=False, host="news.ycombinator.com", prefix=True
)


def searches(settings: Settings, query: Node) -> list[Settings]:
    """The topics' queries, one search per alternative, unless the channel has its own."""
    return [settings if settings.queries else settings.model_copy(update={"queries": asked(query, DIALECT)})]


def describe(settings: Settings) -> str:
    """What is read; a change of it is another series of numbers."""
    return f"hackernews {' | '.join(sorted(settings.queries))} {'+'.join(sorted(settings.kinds))}"


def position(state: State) -> dict[str, Any]:
    """How far it has read, by listing: never goes back."""
    return {query: place.get("watermark") or 0 for query, place in state.get("searches", {}).items()}


class Connector:
    """State: {"v": 1, "turn": query, "searches": {query: position}, "checked": {id: [when asked, gone]}}.

    A position is as connectors/walk.py keeps it; its token is {"until": upper bound, "page": page within that bound}.
    """

    def __init__(self, settings: Settings, context: Context) -> None:
        self.settings, self.context = settings, context
        self._http: Client | None = None

    def fetch_page(self, state: State) -> Page:
        """One search, and with `verify` a question per hit that is due. The queries are walked in turn."""
        state = copy.deepcopy(state) if state.get("v") == 1 else {"v": 1, "turn": None, "searches": {}, "checked": {}}
        queries = self.settings.queries
        turn = state["turn"] if state.get("turn") in queries else queries[0]
        position = state["searches"].setdefault(turn, {})
        now = self.context.now().timestamp()
        current = position.get("walk") or walk.begin(
            position, now, self.settings.lookback * 3600, self.settings.backfill * 3600
        )
        answer, told = self._search(turn, current)
        hits = shape.items(told.get("hits"))
        gaps, over = _advance(position, current, told, now)
        raws, warnings = self._verified(state, hits, now)
        if over:
            state["turn"] = queries[(queries.index(turn) + 1) % len(queries)]
        else:
            state["turn"] = turn
        return Page(raws, state, over and turn == queries[-1], gaps=gaps, warnings=warnings, bytes=len(answer.body))

    def normalise(self, raw: Any) -> Mention:
        """One hit; what the site deleted or killed becomes a tombstone."""
        whole = shape.mapping(raw)
        hit = shape.mapping(whole.get("hit"))
        native_id = shape.ident(hit.get("objectID"))
        if not native_id:
            raise MalformedItem("no id")
        moments = (hit.get("created_at_i"), hit.get("created_at"))
        created = next((found for found in map(shape.when, moments) if found), None)
        published, published_raw, flags = shape.clamp(created, moments[0] or moments[1], self.context.now())
        parent = shape.ident(hit.get("parent_id"))
        common: dict[str, Any] = {
            "platform": PLATFORM,
            "native_id": native_id,
            "published": published,
            "context": shape.ident(hit.get("story_id")) or native_id,
        }
        if whole.get("gone"):
            return Mention(**common, kind="Tombstone")
        comment = bool(parent) or hit.get("comment_text") is not None
        name, cut = clean(html.unescape("" if comment else shape.words(hit.get("title"))))
        body = hit.get("comment_text") if comment else hit.get("story_text") or hit.get("text")
        content, cut_too = clean(plain(shape.words(body)))
        handle = clean(shape.ident(hit.get("author")), 200)[0]
        return Mention(
            **common,
            kind="Note" if comment else "Article",
            name=name,
            content=content,
            url=safe_url(f"{WWW}/item?id={native_id}"),
            published_raw=published_raw,
            in_reply_to=parent or None,
            attributed_to=Author(handle, handle, url=safe_url(f"{WWW}/user?id={handle}")) if handle else None,
            metrics=shape.counts(hit, {"points": "likes", "num_comments": "replies"}),
            flags=flags + (("truncated",) if cut or cut_too else ()),
        )

    def look(self, subject: Subject) -> Glance | None:
        """The item at the site itself and, if accounts of ours write there, what answers it directly; a request each."""
        item = self._item(subject.native_id)
        if item is None:
            return Glance(None)
        kids = [shape.ident(kid) for kid in shape.items(item.get("kids"))] if subject.ours else []
        found = [self._item(kid) for kid in kids[:SHOWN] if kid.isdigit()]
        return Glance(_as_hit(item), tuple(_as_hit(kid) for kid in found if kid), whole=len(kids) <= SHOWN)

    def _item(self, native_id: str) -> dict[str, Any] | None:
        told = self._get(f"{self.settings.items_at}/v0/item/{native_id}.json").json()
        return shape.mapping(told) if told is not None else None

    # -- speaking to the search and the site ----------------------------------------------------------------------

    def _search(self, query: str, current: dict[str, Any]) -> "tuple[Answer, dict[str, Any]]":
        token = current["token"] or {"until": None, "page": 0}
        bounds = [f"created_at_i>={int(current['lower'])}"]
        bounds += [f"created_at_i<={token['until']}"] if token["until"] is not None else []
        asked = {
            "query": query,
            "tags": f"({','.join(self.settings.kinds)})",
            "numericFilters": ",".join(bounds),
            "hitsPerPage": self.settings.page_size,
            "page": token["page"],
        }
        answer = self._get(f"{self.settings.base_url.rstrip('/')}/api/v1/search_by_date?{urlencode(asked)}")
        told = answer.json()
        if not isinstance(told, dict) or not isinstance(told.get("hits"), list):
            raise Transient("the search's answer is not a list of hits", status=answer.status)
        return answer, told

    def _verified(self, state: State, hits: list[Any], now: float) -> tuple[list[Any], tuple[str, ...]]:
        """Each hit with whether the site still has it. When the site cannot be asked the hit counts, and is asked about later."""
        checked: dict[str, list[Any]] = state.setdefault("checked", {})
        warnings: tuple[str, ...] = ()
        raws = []
        for hit in hits:
            native_id = _id(hit)
            asked, gone = checked.get(native_id, (0.0, False))
            due = self.settings.verify and not gone and native_id.isdigit() and now - asked > AGAIN
            if due and not warnings and not self.context.stopping():
                try:
                    gone = self._gone(native_id)
                except ConnectorError as problem:
                    warnings = (f"hits are stored unverified: {problem}",)
                else:
                    checked.pop(native_id, None)
                    checked[native_id] = [now, bool(gone)]
            raws.append({"hit": hit, "gone": bool(gone)})
        state["checked"] = dict(list(checked.items())[-CHECKED:])
        return raws, warnings

    def _gone(self, native_id: str) -> bool:
        """An item the site does not know yet (null) is not gone."""
        return _dead(self._item(native_id) or {})

    def _get(self, url: str) -> "Answer":
        from connectors.http import Client, check

        if self._http is None:
            self._http = Client(self.context, [self.settings.base_url, self.settings.items_at])
        answer = self._http.get(url, {"accept": "application/json"})
        check(answer, self.context.now())
        return answer


def _dead(item: dict[str, Any]) -> bool:
    return item.get("deleted") is True or item.get("dead") is True


def _as_hit(item: dict[str, Any]) -> dict[str, Any]:
    """An item of the site as the search would list it. https://github.com/HackerNews/API#items"""
    comment = item.get("type") == "comment"
    hit = {
        "objectID": shape.ident(item.get("id")),
        "created_at_i": item.get("time"),
        "author": item.get("by"),
        "title": item.get("title"),
        "comment_text" if comment else "story_text": item.get("text") or ("" if comment else None),
        "parent_id": item.get("parent"),
    }
    return {"hit": hit, "gone": _dead(item)}


def _advance(
    position: dict[str, Any], current: dict[str, Any], told: dict[str, Any], now: float
) -> tuple[tuple[GapFound, ...], bool]:
    """The walk's next position: gaps, and whether the walk is over."""
    hits = shape.items(told.get("hits"))
    seen = [(_id(hit), _created(hit)) for hit in hits]
    walk.step(current, position, seen, now)
    token = current["token"] or {"until": None, "page": 0}
    times = [int(created) for _, created in seen if created is not None]
    lowest = min(times, default=None)
    total = shape.count(told.get("nbHits"))
    size = shape.count(told.get("hitsPerPage")) or len(hits)
    all_shown = not hits or (total is not None and total <= token["page"] * size + len(hits))
    current.setdefault("head", [native_id for native_id, _ in seen if native_id])
    asked_too_deep = token["page"] * size >= CEILING
    if all_shown and (not asked_too_deep or token["until"] is None):
        gaps = walk.finish(position, current, not asked_too_deep, TOO_MANY)
        walk.remember(position, current["head"])
        return gaps, True
    position["walk"] = current
    if all_shown:  # the search shows no further hits of this second
        current["token"] = {"until": token["until"] - 1, "page": 0}
        return (GapFound(shape.when(token["until"]), shape.when(token["until"] + 1), TOO_MANY),), False
    if lowest is not None and (token["until"] is None or lowest < token["until"]):
        current["token"] = {"until": lowest, "page": 0}
    else:  # the whole page is of one second: what else it holds is on the next page
        current["token"] = {"until": token["until"], "page": token["page"] + 1}
    return (), False


def _id(hit: object) -> str:
    return shape.ident(shape.mapping(hit).get("objectID"))


def _created(hit: object) -> float | None:
    moment = shape.when(shape.mapping(hit).get("created_at_i"))
    return moment.timestamp() if moment else None
