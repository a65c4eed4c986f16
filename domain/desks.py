"""Which side holds when a ticket is worked on here and at a desk. Pure; no clocks are compared.

The desk's own order of changes decides, as it is the one both sides can see. What it took last holds. While a change of ours to the
same field is still on its way, ours stands here, for it will come after theirs there; if it is refused, theirs is taken after all.
What differs though nobody there changed it since we last looked was changed here and never told: it is told now. A tag is a field of its
own, on or off, so that tags set on both sides at once are all kept; so is each custom field.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

FINAL = ("closed",)  # where a desk says so, nothing can be set any more


@dataclass(frozen=True, slots=True)
class Said:
    """One change at the desk, in its order. `fields`: field → values of ours that fit, None where none does. `fresh`: not settled yet."""

    event_id: str
    ours: bool
    fields: Mapping[str, tuple[str, ...] | None]
    fresh: frozenset[str]


@dataclass(frozen=True, slots=True)
class Field:
    """What to do about a field: `same` nothing, `take` the desk's value, `wait` for the fate of ours, `push` ours."""

    act: Literal["same", "take", "wait", "push"]
    value: str
    event_id: str


def settle(
    said: Sequence[Said], local: Mapping[str, str], pending: Collection[str], initial: Mapping[str, str] | None = None
) -> dict[str, Field]:
    """field → decision, for every field the desk ever set, and those whose value there before anybody set them is known (`initial`).

    `pending`: fields of which a change of ours has not arrived there.
    """
    decided, begun = {}, initial or {}
    for name, held in local.items():
        last = next((one for one in reversed(said) if name in one.fields), None)
        if last is None and name in begun:
            act: Literal["same", "take", "wait", "push"] = "same" if held == begun[name] or name in pending else "push"
            decided[name] = Field(act, begun[name], "")
            continue
        fits = last.fields[name] if last else None
        if last is None or fits is None:
            continue  # it says nothing of it, or something that has no counterpart here: ours is left alone
        theirs = not last.ours and name in last.fresh
        if held in fits:
            act = "same"
        elif name in pending:
            act = "wait" if theirs else "same"
        elif theirs:
            act = "take"
        else:
            act = "same" if fits == FINAL else "push"
        decided[name] = Field(act, fits[0], last.event_id)
    return decided
