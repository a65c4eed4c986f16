"""Which single mention must not wait, and why. Pure."""

from dataclasses import dataclass
from datetime import datetime

TROUBLE = frozenset(
    {"risk", "cancel", "complaint", "service"}
)  # intents that are bad news in words no lexicon scores ("the app is down")


@dataclass(frozen=True, slots=True)
class Filed:
    """A mention as it was judged, with what is known of who wrote it."""

    mention_id: int
    topic: str
    platform: str
    url: str | None
    author: str
    text: str
    published: datetime
    intent: str
    label: str
    followers: int
    vip: bool
    complaints: int  # negative mentions of this customer or identity in 30 days, this one included
    pleased: int  # positive ones in the 90 days before
    promise: bool  # an open ticket of theirs is past its due time
    backfill: bool

    def why(self, signal: str) -> str:
        """The reason in words."""
        return {
            "risk": "It speaks of risk: law, safety, regulators or the press.",
            "vip": "The customer is a VIP and is not pleased.",
            "reach": f"{self.followers} people follow who wrote it.",
            "third-complaint": f"It is complaint number {self.complaints} of this customer in 30 days.",
            "mood": f"Until now this customer was pleased ({self.pleased} times in 90 days).",
            "promise": "We promised this customer an answer and the time has passed.",
        }[signal]


def signals(one: Filed, followers: int) -> list[str]:
    """Every signal that holds, the gravest first. A third complaint is told at the third, and not at each after it."""
    negative = one.label == "negative"
    found = [
        ("risk", one.intent == "risk"),
        ("vip", one.vip and negative),
        ("reach", one.followers >= followers and negative),
        ("promise", one.promise and negative),
        ("third-complaint", one.complaints == 3 and negative),
        ("mood", negative and one.complaints == 1 and one.pleased >= 3),
    ]
    return [name for name, holds in found if holds]
