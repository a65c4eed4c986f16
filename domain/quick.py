"""Frozen dataclasses that are made for every mention. Pure; knows no noun.

A frozen dataclass writes each field through `object.__setattr__`, which made every eighteenth microsecond of a mention's way; a plain
one writes it in a quarter of the time (docs/measurements.md). So these are frozen for the type checker, which holds domain and connectors to
it, and plain where they run.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

__all__ = ["quick"]

if TYPE_CHECKING:
    from dataclasses import dataclass as quick
else:

    def quick(*, frozen: bool, slots: bool) -> Any:
        """As `dataclass`, which hashes what is frozen."""
        return dataclass(slots=slots, unsafe_hash=frozen)
