"""Keys as the ledger writes them, and the number each row adds to a proof sum.

Every sum is computed twice, from different places: here by the writer from what it meant to write, and by `earmark reconcile` in SQL
from what the table holds (storage/proofs.py). A row that is deleted, added or whose key changes makes the two differ.
"""

from hashlib import md5, sha256

SHORT = 50  # characters, of at most four bytes each: an id as long is its own key


def native(native_id: str) -> str:
    """A platform id as a key: over 200 bytes it is hashed (an index row has a limit), the payload keeps the original."""
    if len(native_id) <= SHORT:
        return native_id
    raw = native_id.encode()
    return native_id if len(raw) <= 200 else "sha256:" + sha256(raw).hexdigest()


def mention_proof(mention_id: int, platform: str, origin: str, native_id: str) -> int:
    """What a mention adds to its page's `mention_sum`: its id and 60 bits of its platform key."""
    key = md5(f"{platform}|{origin}|{native_id}".encode(), usedforsecurity=False).hexdigest()
    return mention_id + int(key[:15], 16)


def reject_proof(reject_id: int, item_hash: bytes) -> int:
    """What a reject adds to its page's `reject_sum`: its id and 60 bits of its item's hash."""
    return reject_id + int(item_hash.hex()[:15], 16)
