"""The posts a benchmark plays back: real tweets where a folder of them is given, else what the model town's people say."""

import csv
import random
from pathlib import Path

from town.voices import VOICES, say

NAMES = ("Northbank", "@northbank", "northbank")


def texts(count: int, data: Path | None, seed: int = 1) -> list[str]:
    """`count` posts that name the brand: tweets of DIR/semeval.csv with the brand put between two words, or the town's own."""
    dice = random.Random(seed)
    if data is None:
        moods = sorted(VOICES)
        return [say(dice, dice.choice(moods), dice.choice(NAMES)) for _ in range(count)]
    with (data / "semeval.csv").open(encoding="utf-8", newline="") as lines:
        real = [row["text"] for row in csv.DictReader(lines) if row["text"].strip()]
    dice.shuffle(real)
    return [_named(real[n % len(real)], dice) for n in range(count)]


def _named(tweet: str, dice: random.Random) -> str:
    words = tweet.split(" ")
    at = dice.randint(0, len(words))
    return " ".join([*words[:at], dice.choice(NAMES), *words[at:]])
