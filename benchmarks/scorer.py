"""Our VADER against the stock package: differences in any of the four numbers, and how many times faster, on one core.

usage: python -m benchmarks.scorer --data DIR [--texts 100000]

DIR holds CSV files with a `text` column (public sets of short posts). Reviews and long texts are runs of such posts.
Exit code 1 when any number differs.
"""

import argparse
import csv
import random
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from importlib import resources
from pathlib import Path

from vaderSentiment import vaderSentiment as stock

from domain.vader import Vader, read_emoji, read_lexicon

SPICE = (
    "not",
    "never so",
    "but",
    "BUT",
    "no",
    "at least",
    "least",
    "the shit",
    "kind of",
    "VERY",
    "barely",
    "without a doubt",
)
SPICE_MORE = (
    "bad ass",
    "yeah right",
    "!!!",
    "??",
    "😀",
    "👍🏽",
    "isn't",
    "no good or",
    "to die for",
    ":)",
    "( '}{' )",
    "REALLY",
    "\n",
)


def posts(folder: Path) -> list[str]:
    """Every distinct text of the folder's CSV files, in a fixed order."""
    found: dict[str, None] = {}
    for path in sorted(folder.glob("*.csv")):
        with path.open(encoding="utf-8", newline="") as lines:
            found.update(dict.fromkeys(row["text"] for row in csv.DictReader(lines) if row.get("text")))
    return list(found)


def made_up(given: Sequence[str], lexicon: Sequence[str], count: int, dice: random.Random) -> list[str]:
    """Texts of words that mean something to VADER, mixed with words of real posts."""
    plain = " ".join(dice.choices(given, k=500)).split()
    pools: list[Sequence[str]] = [lexicon, plain, SPICE, SPICE_MORE, sorted(stock.BOOSTER_DICT), stock.NEGATE]
    shapes: list[Callable[[str], str]] = [
        str,
        str,
        str,
        str.upper,
        str.title,
        lambda word: word + "!",
        lambda word: f'"{word}",',
    ]
    return [
        dice.choice((" ", " ", "  ")).join(
            dice.choice(shapes)(dice.choice(dice.choice(pools))) for _ in range(dice.randint(1, 25))
        )
        for _ in range(count)
    ]


def rates(scorers: Sequence[Callable[[str], object]], texts: Sequence[str], turns: int = 7) -> list[float]:
    """Texts per second of each scorer: the best of some turns, taken by turns, since a shared machine's speed wanders."""
    best = [float("inf")] * len(scorers)
    for _ in range(turns):
        for index, score in enumerate(scorers):
            start = time.process_time()
            for text in texts:
                score(text)
            best[index] = min(best[index], time.process_time() - start)
    return [len(texts) / seconds for seconds in best]


def main() -> int:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--data", type=Path, required=True)
    options.add_argument("--texts", type=int, default=100_000)
    options.add_argument("--seed", type=int, default=1)
    args = options.parse_args()
    dice = random.Random(args.seed)
    folder = resources.files("vaderSentiment")
    theirs = stock.SentimentIntensityAnalyzer()
    ours = Vader(
        read_lexicon((folder / "vader_lexicon.txt").read_text("utf-8")),
        read_emoji((folder / "emoji_utf8_lexicon.txt").read_text("utf-8")),
    )
    real = posts(args.data)
    dice.shuffle(real)
    real = real[: args.texts * 6 // 10]
    texts = real + made_up(real, sorted(theirs.lexicon), args.texts - len(real), dice)
    different = [text for text in texts if ours.polarity(text)._asdict() != theirs.polarity_scores(text)]
    print(f"seed {args.seed}: {len(texts)} texts ({len(real)} real), {len(different)} with a different number")
    for text in different[:5]:
        print("  ", repr(text[:200]))
    for name, run, count in (("tweets", 1, 3000), ("reviews", 8, 400), ("long texts", 120, 30)):
        sample = [" ".join(dice.choices(real, k=run)) for _ in range(count)]
        fast, slow = rates((ours.polarity, theirs.polarity_scores), sample)
        words = statistics.fmean(len(text.split()) for text in sample)
        print(f"{name:10s} {words:6.0f} words  ours {fast:9.0f}/s  stock {slow:7.0f}/s  ratio {fast / slow:5.1f}")
    return bool(different)


if __name__ == "__main__":
    sys.exit(main())
