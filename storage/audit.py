"""The audit: who did what to which object, each row chained to the one before by its hash. Ids and codes only, no personal text.

The table refuses changes (a trigger) and its head is kept apart. Whoever can get around both can still not rewrite the past without
changing the head hash: `earmark audit head` prints it to be kept elsewhere, `verify` takes such anchors.
"""

import hashlib
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Connection, text

from storage.together import Question, together

LOCK = 0x6175646974  # "audit": one link at a time
CODE = re.compile(r"[A-Za-z0-9_.:/|-]{0,80}")


@dataclass(frozen=True, slots=True)
class Checked:
    """What `verify` saw: how many rows, the head's hash, and what is wrong."""

    rows: int
    head: str
    findings: list[str]


def append(
    connection: Connection, actor: str, action: str, object: str, detail: Mapping[str, Any] | None = None
) -> int:
    """Add a row in the caller's transaction and return its id. Raises ValueError where free text could hide a person."""
    for value in (actor, action, object):
        _only_codes(value)
    _only_codes(dict(detail or {}))
    canonical = json.dumps(dict(detail or {}), sort_keys=True, separators=(",", ":"))
    head = together(connection, lock=_LOCKED, head=_HEAD)[
        "head"
    ]  # in this order: the head is read when the lock is ours
    row = {
        "id": head["id"] + 1,
        "at": head["at"],
        "actor": actor,
        "action": action,
        "object": object,
        "detail": canonical,
        "previous": bytes(head["hash"]),
    }
    row["hash"] = link(**row)
    connection.execute(
        text(
            "WITH head AS (UPDATE audit_head SET id = :id, hash = :hash) "
            "INSERT INTO audit (id, at, actor, action, object, detail, previous, hash) "
            "VALUES (:id, :at, :actor, :action, :object, :detail, :previous, :hash)"
        ),
        row,
    )
    return int(row["id"])


_LOCKED: Question[None] = Question("SELECT pg_advisory_xact_lock(:k)", {"k": LOCK}, lambda _: None)
_HEAD = Question("SELECT id, hash, clock_timestamp() AS at FROM audit_head", {}, lambda found: found[0])


def _only_codes(value: Any) -> None:
    if isinstance(value, dict):
        for name, inner in value.items():
            _only_codes(name)
            _only_codes(inner)
    elif isinstance(value, list | tuple):
        for inner in value:
            _only_codes(inner)
    elif not (value is None or isinstance(value, int | float) or (isinstance(value, str) and CODE.fullmatch(value))):
        raise ValueError("the audit takes ids and short codes only, no free text")


def link(*, id: int, at: datetime, actor: str, action: str, object: str, detail: str, previous: bytes) -> bytes:
    """The hash of one row: over a canonical form that has one spelling only."""
    parts = [id, at.astimezone(UTC).isoformat(timespec="microseconds"), actor, action, object, detail, previous.hex()]
    return hashlib.sha256(json.dumps(parts, ensure_ascii=True, separators=(",", ":")).encode()).digest()


def head(connection: Connection) -> tuple[int, str]:
    """(id, hash) of the last link."""
    row = connection.execute(text("SELECT id, hash FROM audit_head")).one_or_none()
    return (row.id, bytes(row.hash).hex()) if row else (0, "")


def verify(connection: Connection, anchors: Iterable[str] = ()) -> Checked:
    """Walk the whole chain. `anchors`: head hashes noted earlier, each of which must still be a link."""
    findings: list[str] = []
    missing = {anchor.lower() for anchor in anchors}
    expected, previous, count = 1, b"", 0
    stream = connection.execute(text("SELECT * FROM audit ORDER BY id"), execution_options={"yield_per": 1000})
    for row in stream.mappings():
        count += 1
        stored = {**row, "previous": bytes(row["previous"])}
        hash_ = bytes(stored.pop("hash"))
        if row["id"] != expected:
            findings.append(f"audit {expected}..{row['id'] - 1}: removed, or their numbers were changed")
        if stored["previous"] != previous:
            findings.append(f"audit {row['id']}: does not follow the row before it (removed, inserted or reordered)")
        if link(**stored) != hash_:
            findings.append(f"audit {row['id']}: edited, its content does not give its hash")
        missing.discard(hash_.hex())
        expected, previous = row["id"] + 1, hash_
    last, head_hash = head(connection)
    if last != expected - 1 or head_hash != previous.hex():
        findings.append(
            f"audit head: says {last} {head_hash[:12]}, the last row is {expected - 1} {previous.hex()[:12]}"
        )
    findings += [f"anchor {anchor[:12]}: no row has this hash; the chain was rewritten" for anchor in sorted(missing)]
    return Checked(count, head_hash, findings)
