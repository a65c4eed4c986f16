"""The language of a text by the byte n-grams in it: py3langid's model and answers, at a quarter of its time. Pure; the arrays are handed in.

The model (Lui and Baldwin, ACL 2012, https://aclanthology.org/P12-3005/) finds n-grams with an automaton whose state, like that of Aho and
Corasick's, is the longest of its n-grams that ends here: the last DEPTH bytes decide it. So the automaton need not walk from byte to
byte; all places of a text take their DEPTH steps together. `tests/test_judge_language.py` compares the answers with the package's.
"""

import math
import unicodedata
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

DEPTH = 6  # bytes of the longest n-gram
NEVER = 0xFF  # a byte that UTF-8 has not, so that no n-gram holds it: it leads to the first state from everywhere
_BEFORE = bytes([NEVER]) * (DEPTH - 1)


@dataclass(frozen=True, slots=True)
class Tables:
    """`speaks`: n-gram × language, log-odds; `prior`: language. `follows`: row × 256 bytes → state, flat; `row`: state → where its row
    begins; `pair`: two bytes → state from the first; `gram`: state → n-gram, or -1."""

    speaks: NDArray[np.float32]
    prior: NDArray[np.float32]
    follows: NDArray[Any]
    row: NDArray[np.int32]
    pair: NDArray[np.int32]
    gram: NDArray[np.int32]


def tables(
    speaks: NDArray[Any], prior: NDArray[Any], follows: NDArray[Any], row: NDArray[Any], gram: NDArray[Any]
) -> Tables:
    """From the model's own arrays, `row` counted in rows of 256."""
    begins = row.astype(np.int32) * 256
    first = follows[begins[0] : begins[0] + 256]
    pair = follows[begins[first][:, None] + np.arange(256, dtype=np.int32)].ravel().astype(np.int32)
    return Tables(
        np.ascontiguousarray(speaks, np.float32), prior.astype(np.float32), follows, begins, pair, gram.astype(np.int32)
    )


class Tongues:
    """Tells `languages` (one name per column of the tables) apart."""

    def __init__(self, held: Tables, languages: Sequence[str]) -> None:
        self._held = held
        self._languages = [*languages]
        first: dict[str, int] = {}
        columns = [(first.setdefault(name, at), at) for at, name in enumerate(self._languages)]
        self._twice: Sequence[tuple[int, int]] = [(one, other) for one, other in columns if one != other]

    def classify(self, text: str) -> tuple[str, float]:
        """(language, probability). Two columns of one language count together."""
        data = unicodedata.normalize("NFC", text).encode("utf-8", "surrogatepass")
        chances = self._scores(data)
        chances *= 1.0 / math.sqrt(len(data) or 1)  # keeps probabilities honest for short and long texts alike
        np.exp(chances - chances.max(), out=chances)
        chances /= chances.sum()
        for one, other in self._twice:
            chances[one] += chances[other]
            chances[other] = 0.0
        best = int(chances.argmax())
        return self._languages[best], float(chances[best])

    def _scores(self, data: bytes) -> NDArray[np.float32]:
        held = self._held
        found = self._grams(data)
        if not found:
            return np.zeros(len(self._languages), np.float32)
        at = np.fromiter(found, np.intp, len(found))
        often = np.log1p(np.fromiter(found.values(), np.float32, len(found)))
        scores: NDArray[np.float32] = often @ held.speaks.take(at, axis=0) + held.prior
        return scores

    def _grams(self, data: bytes) -> Mapping[int, int]:
        """n-gram → how often it stands in the text."""
        if not data:
            return {}
        held, size = self._held, len(data)
        read = np.frombuffer(_BEFORE + data, np.uint8).astype(np.int32)
        state = held.pair.take(read[:size] * 256 + read[1 : 1 + size])
        for step in range(2, DEPTH):
            state = held.follows.take(held.row.take(state) + read[step : step + size])
        found = Counter(held.gram.take(state).tolist())
        found.pop(-1, None)
        return found
