"""Adding a platform is a page, a stand-in and a section of documentation: a made-up one, dropped in from outside, is read end to end.

The connector comes as an installed distribution's entry point would, the stand-in as one more page of the town. Nothing else is told of it.
"""

import os
import sys
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import town
from connectors import inbound
from tests.timeline import NAME, Day, agree, visible
from tests.town_world import World
from town.stands import stand_ins

pytest_plugins = ["tests.town_fixtures"]

CONNECTOR = '''
    """A guestbook: /entries?after=N, oldest first."""
    from datetime import UTC, datetime
    from pydantic import BaseModel, ConfigDict, Field
    from connectors import shape
    from connectors.contract import Page, Policy
    from connectors.errors import MalformedItem, Transient
    from connectors.http import Client, check
    from domain.nouns import Author, Mention
    from domain.text import clean

    PLATFORM = "guestbook"
    POLICY = Policy(source="https://guestbook.example/terms")


    class Settings(BaseModel):
        """A guestbook channel."""

        model_config = ConfigDict(extra="forbid", frozen=True)
        base_url: str = Field(description="Its address")
        page_size: int = Field(default=20, description="Entries per request")


    def describe(settings):
        return f"guestbook {settings.base_url}"


    def position(state):
        return {"": state.get("after", 0)}


    class Connector:
        def __init__(self, settings, context):
            self.settings, self.context = settings, context
            self.client = Client(context, [settings.base_url])

        def fetch_page(self, state):
            after = state.get("after", 0)
            answer = self.client.get(f"{self.settings.base_url}/entries?after={after}&limit={self.settings.page_size}")
            check(answer, self.context.now())
            told = answer.json()
            if not isinstance(told, list):
                raise Transient("no list of entries")
            last = max([after, *(entry["number"] for entry in told)])
            return Page(told, {"after": last}, len(told) < self.settings.page_size)

        def normalise(self, raw):
            entry = shape.mapping(raw)
            if not shape.ident(entry.get("id")):
                raise MalformedItem("no id")
            at = datetime.fromtimestamp(entry["at"], UTC)
            who = clean(shape.words(entry.get("who")))[0]
            author = Author(who, who) if who else None
            return Mention(PLATFORM, entry["id"], at, content=clean(entry["said"])[0], context=entry["id"], attributed_to=author)
'''
STAND_IN = '''
    """A guestbook that counts what is written in it."""
    import time
    from town.http import Stand, answer
    from town.posts import Post


    class Guestbook(Stand):
        name = "guestbook"

        def __init__(self, town):
            super().__init__(town)
            self.posts, self.book = {}, []

        def make(self, text, *, seq, created, visible_from, author="someone", **extra):
            ident = f"entry-{seq}"
            return Post("guestbook", "", ident, "entry", author, "", text, created, visible_from, seq, thread=ident, extra=extra)

        def take(self, post):
            self.posts[post.native_id] = post
            self.book.append((post, dict(said=post.text)))

        def warm(self, post):
            pass

        def edit(self, native_id, text, now):
            post = self.posts[native_id]
            post.text, post.edited = text, now
            self.book.append((post, dict(said=text)))
            return [post]

        def delete(self, native_id, shown):
            self.posts[native_id].deleted = "gone"
            return self.posts[native_id]

        def channel(self, page_size):
            return {"kind": "guestbook", "base_url": self.town.urls["guestbook"], "page_size": page_size}

        def handle(self, request):
            after, limit, found = int(request.query["after"]), int(request.query["limit"]), []
            for number, (post, told) in enumerate(self.book, 1):
                if post.visible_from > time.time():
                    break
                if number > after and len(found) < limit:
                    found.append({"number": number, "id": post.native_id, "who": post.author, "at": post.created, **told})
            return answer(found)


    STAND_INS = (Guestbook,)
'''


@pytest.fixture
def dropped_in(tmp_path: Path) -> Iterator[Path]:
    """A folder of a distribution and a page of the town; both are forgotten afterwards."""
    installed, pages = tmp_path / "installed", tmp_path / "pages"
    about = installed / "guestbook-0.1.dist-info"
    for folder in (about, pages):
        folder.mkdir(parents=True)
    (installed / "earmark_guestbook.py").write_text(textwrap.dedent(CONNECTOR))
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: guestbook\nVersion: 0.1\n")
    (about / "entry_points.txt").write_text("[earmark.connectors]\nguestbook = earmark_guestbook\n")
    (pages / "guestbook.py").write_text(textwrap.dedent(STAND_IN))
    sys.path.insert(0, str(installed))
    town.__path__.append(str(pages))
    inbound.kinds.cache_clear()
    try:
        yield installed
    finally:
        sys.path.remove(str(installed))
        town.__path__.remove(str(pages))
        inbound.kinds.cache_clear()
        for name in ("earmark_guestbook", "town.guestbook"):
            sys.modules.pop(name, None)


def test_a_random_day_is_told_to_it(dropped_in: Path, day: Callable[[str, int], Day]) -> None:
    assert "guestbook" in {one.name for one in stand_ins()}
    lived = day("guestbook", 1)
    lived.hours(15)
    lived.quiet()
    lived.check()
    assert len(visible(lived.stand)) > 20


def test_the_real_processes_read_it(dropped_in: Path, make_world: Callable[..., World]) -> None:
    world = make_world()
    stand = world.town.stands["guestbook"]
    world.env["PYTHONPATH"] = os.pathsep.join([str(dropped_in), os.environ.get("PYTHONPATH", "")]).rstrip(os.pathsep)
    world.configure({"name": NAME, "every": "1h", **stand.channel(10)})
    for n in range(30):
        world.town.post("guestbook", f"northbank is broken {n}", author=f"ann{n % 3}")
    world.start()
    world.known(NAME, timeout=60)
    world.read_all(NAME, timeout=90)
    assert world.rows("SELECT reason, error FROM dead_letters") == []
    agree(world.ledger, visible(stand))
    assert world.ask("SELECT count(*) FROM tickets") > 0
