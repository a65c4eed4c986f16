"""The outage at Northbank as a list of events, made from a seed alone; no clock and no servers here."""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from typing import Any

from town.voices import NEWS, OWN, person, say

LENGTH = 60.0
# phase, its end in seconds, posts per second at its beginning and end, moods with their weights
PHASES: list[tuple[str, float, float, float, dict[str, int]]] = [
    ("calm", 16, 4, 4, {"praise": 22, "question": 24, "spam": 9, "unrelated": 32, "neutral": 8, "grumble": 5}),
    (
        "rising",
        24,
        5,
        13,
        {
            "app_down": 34,
            "card_declined": 14,
            "is_it_down": 16,
            "on_hold": 4,
            "question": 6,
            "unrelated": 14,
            "praise": 4,
            "spam": 4,
            "me_too": 4,
        },
    ),
    (
        "outage",
        43,
        14,
        13,
        {
            "app_down": 24,
            "card_declined": 18,
            "charged_twice": 13,
            "on_hold": 12,
            "sarcasm": 4,
            "is_it_down": 4,
            "me_too": 9,
            "unrelated": 6,
            "spam": 4,
            "de": 2,
            "es": 2,
            "fr": 2,
        },
    ),
    (
        "recovery",
        53,
        9,
        5,
        {
            "thanks": 26,
            "charged_twice": 12,
            "on_hold": 8,
            "app_down": 8,
            "me_too": 4,
            "neutral": 6,
            "unrelated": 20,
            "question": 10,
            "spam": 4,
        },
    ),
    (
        "thanks",
        LENGTH,
        4,
        3,
        {"thanks": 40, "praise": 10, "question": 14, "unrelated": 26, "spam": 5, "charged_twice": 5},
    ),
]
QUIET = {"praise": 18, "question": 26, "unrelated": 30, "neutral": 12, "grumble": 9, "spam": 5}
LANGUAGES = {"de", "es", "fr"}
COMPLAINTS = {"app_down", "card_declined", "charged_twice", "on_hold", "sarcasm", "de", "es", "fr"}
BASELINE_HOURS = 4


@dataclass
class Event:
    """Something that happens `at` seconds into the story; `key` names a post so that later events can mean it."""

    at: float
    act: str  # post, edit, delete, fault
    platform: str
    key: str = ""
    args: dict[str, Any] = field(default_factory=dict)


class Teller:
    """Writes the tale down: who speaks, where, in which thread."""

    def __init__(self, seed: int) -> None:
        self.rng = random.Random(f"outage:{seed}")
        self.events: list[Event] = []
        self.threads: dict[str, list[tuple[str, str]]] = {"reddit": [], "x": [], "feeds": []}
        self.spoke: dict[str, list[tuple[str, int]]] = {"reddit": [], "x": [], "feeds": []}

    def outage(self) -> list[Event]:
        start = 0.0
        for _, end, first, last, moods in PHASES:
            at = start
            while at < end:
                rate = first + (last - first) * (at - start) / (end - start)
                self.speak(at, self.pick(moods))
                at += self.rng.expovariate(rate)
            start = end
        self.own_voice()
        self.second_thoughts()
        self.mishaps()
        return sorted(self.events, key=lambda e: e.at)

    def quiet(self) -> list[Event]:
        """Some hours of ordinary talk before it begins; `at` is negative."""
        at = -BASELINE_HOURS * 3600.0
        while at < -90:
            self.speak(at, self.pick(QUIET))
            at += self.rng.expovariate(1 / 85)
        return sorted(self.events, key=lambda e: e.at)

    def pick(self, moods: dict[str, int]) -> str:
        return self.rng.choices(list(moods), list(moods.values()))[0]

    def speak(self, at: float, mood: str) -> None:
        """One person says one thing; complainers often speak again, elsewhere or in the same thread."""
        platform = self.rng.choices(["reddit", "x", "feeds"], [42, 40, 18])[0]
        known = self.spoke[self.rng.choice(["reddit", "x", "feeds"])]
        again = mood in COMPLAINTS and known and self.rng.random() < 0.22
        number = self.rng.choice(known)[1] if again else self.rng.randrange(400)
        if platform == "x" and mood in COMPLAINTS and self.threads["x"] and self.rng.random() < 0.15:
            self.post(at, "x", number, "", retweet_of=self.rng.choice(self.threads["x"][-12:])[0])
            return
        brand = self.brand(platform)
        text = say(self.rng, mood, brand)
        about: dict[str, Any] = {"lang": mood if mood in LANGUAGES else "en"}
        threads = self.threads[platform]
        answers = mood == "me_too" or (mood in COMPLAINTS and self.rng.random() < 0.2)
        if answers and threads:
            about["parent"] = self.rng.choice(threads[-15:])[0]
        key = self.post(at, platform, number, text, mood=mood, **about)
        if mood in COMPLAINTS | {"is_it_down"} and "parent" not in about:
            threads.append((key, text))
        if mood in COMPLAINTS:
            self.spoke[platform].append((key, number))
            if at > 0 and self.rng.random() < 0.12:  # the same person, same thread, a little later
                self.post(at + self.rng.uniform(2, 9), platform, number, say(self.rng, "me_too", brand), parent=key)

    def brand(self, platform: str) -> str:
        if platform == "x":
            return self.rng.choice(["@northbank", "@northbank", "Northbank", "#northbank", "northbank"])
        return self.rng.choice(["Northbank", "Northbank", "northbank", "North Bank"])

    def post(self, at: float, platform: str, number: int, text: str, *, mood: str = "", **about: Any) -> str:
        key = f"k{len(self.events)}{'q' if at < 0 else ''}"
        name, handle = person(number)
        args = {"text": text, "author": handle, **about}
        if platform == "reddit":
            args["origin"] = (
                "moneytalk" if mood in ("unrelated", "question") and self.rng.random() < 0.6 else "northbank"
            )
            args["kind"] = "t1" if about.get("parent") else "t3"
            if args["kind"] == "t3":
                args["title"], _, rest = text.partition(". ")
                args["text"] = rest
        elif platform == "feeds":
            args["origin"] = "blog" if mood in ("unrelated", "neutral") and not about.get("parent") else "forum"
            args["author"], args["title"] = name, text[:60] if len(text) <= 60 else text[:59] + "…"
        else:
            args["name"] = name
        self.events.append(Event(at, "post", platform, key, args))
        return key

    def own_voice(self) -> None:
        """The bank speaks for itself, and the papers write."""
        for at, text in zip((27.0, 36.0, 41.0, 47.0), OWN, strict=True):
            self.events.append(
                Event(
                    at,
                    "post",
                    "x",
                    f"own-x-{at}",
                    {"text": text, "author": "northbank", "name": "Northbank", "lang": "en"},
                )
            )
            self.events.append(
                Event(
                    at + 1,
                    "post",
                    "reddit",
                    f"own-r-{at}",
                    {
                        "text": text,
                        "title": "Service update",
                        "author": "northbank_help",
                        "origin": "northbank",
                        "lang": "en",
                    },
                )
            )
        for at, (title, text) in zip((31.0, 38.0, 42.0, 52.0), NEWS, strict=True):
            self.events.append(
                Event(
                    at,
                    "post",
                    "feeds",
                    f"news-{at}",
                    {"text": text, "title": title, "author": "Harbour Gazette", "origin": "news", "lang": "en"},
                )
            )

    def second_thoughts(self) -> None:
        """Edits and deletes of what was said before."""
        told = [e for e in self.events if e.act == "post" and 18 < e.at < 44 and not e.args.get("retweet_of")]
        for event in self.rng.sample([e for e in told if e.platform != "x"], 7):
            text = f"{event.args['text']} EDIT: still waiting, this is awful".strip()
            self.events.append(
                Event(event.at + self.rng.uniform(4, 12), "edit", event.platform, event.key, {"text": text})
            )
        for event in self.rng.sample(
            [e for e in told if e.platform == "x" and "northbank" in e.args["text"].lower()], 3
        ):
            self.events.append(
                Event(
                    event.at + self.rng.uniform(4, 10),
                    "edit",
                    "x",
                    event.key,
                    {"text": event.args["text"] + " (edit: and now it crashed again)"},
                )
            )
        edited = {e.key for e in self.events if e.act == "edit"}
        for i, event in enumerate(self.rng.sample([e for e in told if e.key not in edited], 6)):
            self.events.append(
                Event(
                    event.at + self.rng.uniform(5, 14),
                    "delete",
                    event.platform,
                    event.key,
                    {"shown": event.platform == "reddit" and i % 2 == 0},
                )
            )

    def mishaps(self) -> None:
        """Three items no parser likes, two that arrive late, and three faults of the platforms."""
        for at, platform, mode in (
            (29.0, "reddit", "wrong_types"),
            (33.0, "x", "missing_id"),
            (35.0, "feeds", "missing_id"),
        ):
            about = {"text": "Northbank is broken and so is this post", "author": "odd_one", "malformed": mode}
            self.events.append(
                Event(
                    at,
                    "post",
                    platform,
                    f"bad-{platform}",
                    about | ({"origin": "forum", "title": "Broken"} if platform == "feeds" else {}),
                )
            )
        for at, platform in ((22.0, "reddit"), (25.0, "feeds")):
            self.events.append(
                Event(
                    at,
                    "post",
                    platform,
                    f"late-{platform}",
                    {
                        "text": "My Northbank card was declined and I only post this now. Terrible day",
                        "title": "Late, sorry",
                        "author": "late_lena",
                        "origin": "northbank" if platform == "reddit" else "forum",
                        "visible_in": 12.0,
                    },
                )
            )
        self.events.append(
            Event(30.0, "fault", "reddit", "", {"kind": "429", "reset": "retry-after", "seconds": 3, "times": 1})
        )
        self.events.append(Event(34.0, "fault", "x", "", {"kind": "truncate", "times": 1}))
        self.events.append(Event(38.0, "fault", "feeds", "", {"kind": "status", "status": 503, "times": 1}))


def phase_at(elapsed: float) -> str:
    return next((name for name, end, *_ in PHASES if elapsed < end), "after")
