"""The ledger's tables, a page per subject. Their words are DESIGN.md's; `storage/migrations/versions` is these pages, frozen as SQL."""

from storage.tables import customers, flags, learning, ledger, office, work
from storage.tables.base import metadata

__all__ = ["customers", "flags", "learning", "ledger", "metadata", "office", "work"]
