"""Terms that grew: a topic's own words now against its words before. Pure."""

import math
import re
from collections import Counter
from collections.abc import Iterable

_WORD = re.compile(r"[^\W\d_][\w'’-]{2,30}")


def counted(texts: Iterable[str]) -> Counter[str]:
    """In how many texts each word stands, once a text."""
    found: Counter[str] = Counter()
    for text in texts:
        bare = re.sub(r"https?://\S+|@\w+", " ", text.lower())
        found.update(set(_WORD.findall(bare)))
    return found


def grew(now: Iterable[str], before: Iterable[str], most: int = 8) -> list[dict[str, float | str]]:
    """The words most typical of now: log-odds with the words before as the prior (Monroe, Colaresi and Quinn 2008, eq. 16 and 22).

    A word said once is nobody's trend."""
    new_texts, old_texts = list(now), list(before)
    new, old = counted(new_texts), counted(old_texts)
    n, m = max(1, len(new_texts)), max(1, len(old_texts))
    found = []
    for word, count in new.items():
        if count < 2:
            continue
        a, b = count + 0.5, old[word] + 0.5
        odds = math.log(a / (n - count + 0.5)) - math.log(b / (m - old[word] + 0.5))
        z = odds / math.sqrt(1 / a + 1 / b)
        if z > 1.0:
            found.append((z, word, count, old[word] * n / m))
    found.sort(key=lambda one: (-one[0], one[1]))
    return [{"word": w, "now": c, "usual": round(u, 2)} for _, w, c, u in found[:most]]
