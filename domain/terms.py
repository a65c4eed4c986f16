"""Terms that grew: a topic's own words now against its words before, in any language. Pure.

Complaints use other little words than praise does ("my", "not"), so that what is merely said oftener is no term. A word counts when
chance would do it once in a thousand times (log-likelihood ratio of its 2 x 2 table, Dunning 1993,
https://aclanthology.org/J93-1003/) and its share of texts has doubled; the order is by that ratio times how rare the word was
(inverse document frequency, Spärck Jones 1972). No list of stop words: a topic's own talk says which words are common. Where a language
is new to a topic its little words are new as well.
"""

import math
import re
from collections import Counter
from collections.abc import Iterable

CHANCE = 10.83  # of chi squared with one degree of freedom: one in a thousand
GREW = 2.0  # times its share of texts

_WORD = re.compile(r"[^\W\d_][\w'’-]{2,30}")


def counted(texts: Iterable[str]) -> Counter[str]:
    """In how many texts each word stands, once a text."""
    found: Counter[str] = Counter()
    for text in texts:
        bare = re.sub(r"https?://\S+|@\w+", " ", text.lower())
        found.update(set(_WORD.findall(bare)))
    return found


def grew(now: Iterable[str], before: Iterable[str], most: int = 8) -> list[dict[str, float | str]]:
    """The words most typical of now, at most so many. A word said once is nobody's trend; without a before nothing grew."""
    new_texts, old_texts = list(now), list(before)
    if not old_texts:
        return []
    new, old = counted(new_texts), counted(old_texts)
    n, m = len(new_texts), len(old_texts)
    found = []
    for word, count in new.items():
        if count < 2 or count * m < GREW * old[word] * n:
            continue
        ratio = likelihood(count, n, old[word], m)
        if ratio >= CHANCE:
            found.append((ratio * math.log((m + 1) / (old[word] + 0.5)), word, count, old[word] * n / m))
    found.sort(key=lambda one: (-one[0], one[1]))
    return [{"word": w, "now": c, "usual": round(u, 2)} for _, w, c, u in found[:most]]


def likelihood(a: int, n: int, b: int, m: int) -> float:
    """Twice the log-likelihood ratio of one share, `a` of `n` and `b` of `m`, against two."""
    share = (a + b) / (n + m)
    cells = ((a, n * share), (n - a, n * (1 - share)), (b, m * share), (m - b, m * (1 - share)))
    return 2 * sum(seen * math.log(seen / expected) for seen, expected in cells if seen)
