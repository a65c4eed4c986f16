"""How much of what was said is one thing said again: near-copies are amplification, not more people with a case. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass

from domain.copies import candidates, clusters, sketch


@dataclass(frozen=True, slots=True)
class Said:
    """A mention of a window, the author by any stable name."""

    id: int
    author: str
    text: str


@dataclass(frozen=True, slots=True)
class Heard:
    """`copies`: mentions that say what an earlier one of the window said, over all of it; `only_copied`: people who said nothing else."""

    copies: int
    only_copied: int


def heard(said: Sequence[Said], mentions: int) -> Heard:
    """What is amplification among these. `mentions`: how many the window holds; where they are more, copies are in proportion."""
    made = {one.id: found for one in said if (found := sketch(one.text)) is not None}
    of = clusters(
        {id_: one.normal for id_, one in made.items()}, candidates({id_: one.bands for id_, one in made.items()})
    )
    copied = {id_ for id_, first in of.items() if first != id_}
    first_hand = {one.author for one in said if one.id not in copied}
    behind = len({one.author for one in said} - first_hand)
    whole = max(1.0, mentions / len(said)) if said else 1.0
    return Heard(round(len(copied) * whole), behind)
