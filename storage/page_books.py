"""What is written of a page beside its mentions: rejected items, gaps, its row of counters; and a request that brought nothing."""

import json
from collections.abc import Sequence
from datetime import datetime
from operator import attrgetter
from typing import Any

from sqlalchemy import Connection, text

from storage import bulk
from storage.keys import reject_proof
from storage.page_in import LeaseLost, PageCounts, PageIn


def rejects(connection: Connection, page: PageIn, page_id: int, counts: PageCounts) -> None:
    """An item that cannot be read is kept once, however often its page is read again."""
    rows = {item.item_hash.hex(): item for item in page.rejected}
    stored = bulk.execute(
        connection,
        """INSERT INTO rejects (channel_id, page_id, item_hash, native_id, reason, payload)
        SELECT :channel_id, :page_id, decode(hash, 'hex'), native_id, reason, payload
        FROM json_to_recordset(CAST(:rows AS json)) AS r(hash text, native_id text, reason text, payload text)
        ORDER BY hash ON CONFLICT DO NOTHING RETURNING id, item_hash""",
        [
            {"hash": hash_, "native_id": item.native_id, "reason": item.reason, "payload": item.payload}
            for hash_, item in rows.items()
        ],
        channel_id=page.channel_id,
        page_id=page_id,
    )
    counts.rejected += len(stored)
    counts.reject_sum += sum(reject_proof(row.id, bytes(row.item_hash)) for row in stored)
    counts.known += len(page.rejected) - len(stored)


def gaps(connection: Connection, page: PageIn, page_id: int, counts: PageCounts) -> None:
    for since, until, reason in page.gaps:
        counts.gaps += 1
        counts.gap_sum += connection.execute(
            text(
                "INSERT INTO gaps (channel_id, page_id, since, until, reason) "
                "VALUES (:channel, :page, :since, coalesce(CAST(:until AS timestamptz), now()), :reason) RETURNING id"
            ),
            {"channel": page.channel_id, "page": page_id, "since": since, "until": until, "reason": reason},
        ).scalar_one()
    if page.complete and page.done:  # the walk is whole again: what a failing channel left open is read by now
        connection.execute(
            text("UPDATE gaps SET until = now(), filled_at = now() WHERE channel_id = :channel AND until IS NULL"),
            {"channel": page.channel_id},
        )


_NO_FIGURE = frozenset(("paused", "since", "at", "fresh"))
_COUNTED = tuple(name for name in PageCounts.__dataclass_fields__ if name not in _NO_FIGURE)


_figures = attrgetter(*_COUNTED)


def counted(
    connection: Connection, pages: Sequence[PageIn], ids: Sequence[int], seq: int, counts: Sequence[PageCounts]
) -> None:
    """A row of counters for each page; `seq` is the last one's number."""
    rows = [
        (
            id_,
            page.channel_id,
            seq - len(pages) + n,
            "page" if page.complete else "cut",
            page.bytes,
            page.ms,
            "; ".join(page.warnings)[:2000] or None,
            *_figures(count),
        )
        for n, (page, id_, count) in enumerate(zip(pages, ids, counts, strict=True), 1)
    ]
    bulk.copy(
        connection, f"page_counters (id, channel_id, seq, outcome, bytes, ms, detail, {', '.join(_COUNTED)})", rows
    )


def fail_page(
    connection: Connection,
    channel_id: int,
    lease: str,
    *,
    kind: str,
    message: str,
    advice: str,
    not_before: datetime | None,
    state: dict[str, Any] | None = None,
    counts_as_failure: bool = True,
    ms: int = 0,
) -> None:
    """A request that brought nothing: counted as a page of its own, with an open gap from the last success on.

    Being asked to wait is no failure (`counts_as_failure=False`): no gap, no breaker. Raises LeaseLost.
    """
    page_id = connection.execute(text("SELECT nextval('page_counters_id_seq')")).scalar_one()
    channel = connection.execute(
        text(
            "UPDATE channels SET seq = seq + 1, page_sum = page_sum + :page, failures = failures + :failed, error = :message, error_kind = :kind, "
            "advice = :advice, error_at = now(), last_poll_at = now(), not_before = :not_before, "
            "state = coalesce(CAST(:state AS jsonb), state), state_version = state_version + 1 "
            "WHERE id = :id AND lease = CAST(:lease AS uuid) RETURNING seq, last_success_at, since"
        ),
        {
            "id": channel_id,
            "page": page_id,
            "lease": lease,
            "failed": int(counts_as_failure),
            "message": message,
            "kind": kind,
            "advice": advice or None,
            "not_before": not_before,
            "state": None if state is None else json.dumps(state),
        },
    ).one_or_none()
    if channel is None:
        raise LeaseLost(f"channel {channel_id}")
    opened = None
    if counts_as_failure:
        opened = connection.execute(
            text(
                "INSERT INTO gaps (channel_id, page_id, since, until, reason) SELECT :channel, :page, "
                "coalesce(CAST(:since AS timestamptz), now()), NULL, :reason "
                "WHERE NOT EXISTS (SELECT 1 FROM gaps WHERE channel_id = :channel AND until IS NULL) RETURNING id"
            ),
            {
                "channel": channel_id,
                "page": page_id,
                "since": channel.last_success_at,
                "reason": f"{kind}: {message}"[:500],
            },
        ).scalar()
    connection.execute(
        text(
            "INSERT INTO page_counters (id, channel_id, seq, outcome, gaps, gap_sum, ms, detail) OVERRIDING SYSTEM VALUE "
            "VALUES (:id, :channel, :seq, 'failed', :gaps, :gap_sum, :ms, :detail)"
        ),
        {
            "id": page_id,
            "channel": channel_id,
            "seq": channel.seq,
            "gaps": int(opened is not None),
            "gap_sum": opened or 0,
            "ms": ms,
            "detail": f"{kind}: {message}"[:2000],
        },
    )
