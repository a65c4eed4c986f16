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


def prose(folder: Path) -> list[str]:
    """The posts of semeval.csv, all in English, without handles, tags and links: what reviews are put together from."""
    with (folder / "semeval.csv").open(encoding="utf-8", newline="") as lines:
        texts = {row["text"]: None for row in csv.DictReader(lines) if row.get("text")}
    words = ([word for word in text.split() if not word.startswith(("@", "#", "http"))] for text in texts)
    return [" ".join(kept) for kept in words if kept]


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


def cpu(score: Callable[[str], object], texts: Sequence[str]) -> float:
    """CPU seconds for these texts."""
    start = time.process_time()
    for text in texts:
        score(text)
    return time.process_time() - start


def compared(
    fast: Callable[[str], object], slow: Callable[[str], object], texts: Sequence[str], turns: int
) -> tuple[float, float, float]:
    """(seconds a text of one, of the other, how many times faster): medians over turns that alternate, each with texts neither has seen,

    so that what a shared machine's neighbours do falls on both alike."""
    found, size = [], len(texts) // turns
    for turn in range(turns):
        part = texts[turn * size : (turn + 1) * size]
        if turn % 2:
            other, one = cpu(slow, part), cpu(fast, part)
        else:
            one, other = cpu(fast, part), cpu(slow, part)
        found.append((one / size, other / size, other / max(one, 1e-9)))
    ours, theirs, ratios = zip(*found, strict=True)
    return statistics.median(ours), statistics.median(theirs), statistics.median(ratios)


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
    print(
        f"seed {args.seed}: {len(texts)} texts ({len(real)} real), {len(different)} with a different number", flush=True
    )
    for text in different[:5]:
        print("  ", repr(text[:200]))
    english = prose(args.data)
    for name, given, run, count, turns in (
        ("tweets", real, 1, 12_000, 30),
        ("reviews", english, 7, 1600, 40),
        ("posts", real, 8, 1600, 40),
        ("long texts", real, 120, 15, 15),
    ):
        sample = [" ".join(dice.choices(given, k=run)) for _ in range(count)]
        ours_s, theirs_s, ratio = compared(ours.polarity, theirs.polarity_scores, sample, turns)
        words = statistics.fmean(len(text.split()) for text in sample)
        rates = f"ours {1 / ours_s:9.0f}/s  stock {1 / theirs_s:7.0f}/s  ratio {ratio:5.1f}"
        print(f"{name:10s} {words:6.0f} words  {rates}", flush=True)
    return bool(different)


if __name__ == "__main__":
    sys.exit(main())
