"""How bad a flag is, from 1 to 10: excess, persistence, reach and authors. Pure."""

import math


def severity(score: float, scale: int, reach: int, authors: int) -> int:
    """Half of the points for how unusual it is, the rest for how long, how many and before how many.

    `score` 0.5 to 1; `scale` the minutes over which it is unusual; `reach` the followers of those who spoke; `authors` how many.
    """
    excess = 5 * min(1.0, max(0.0, (score - 0.5) / 0.4))
    lasting = {10: 0.0, 60: 0.5, 360: 1.0, 1440: 1.5}.get(scale, 0.0)
    heard = min(2.0, math.log10(1 + max(0, reach)) / 3)
    people = min(1.5, math.log10(1 + max(0, authors)) * 0.75)
    return max(1, min(10, round(1 + excess + lasting + heard + people - 0.5)))
