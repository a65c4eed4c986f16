"""Who works. A process holds an advisory lock by a session of its own; when the lock is free, the process is gone."""

from collections.abc import Sequence
from hashlib import blake2b
from typing import Any

from sqlalchemy import Connection, text

from storage.ledger import one, rows

LEADER = 0x6561726D6C  # advisory lock of the one scheduler that ticks


def lock_key(worker_id: str) -> int:
    return int.from_bytes(blake2b(worker_id.encode(), digest_size=8).digest(), "big", signed=True)


def register(connection: Connection, worker_id: str, kind: str, host: str, pid: int, version: str, digest: int) -> None:
    connection.execute(
        text(
            "INSERT INTO workers (id, kind, host, pid, version, digest_threads, lock) "
            "VALUES (:id, :kind, :host, :pid, :version, :digest, :lock) "
            "ON CONFLICT (id) DO UPDATE SET seen_at = now()"
        ),
        {
            "id": worker_id,
            "kind": kind,
            "host": host,
            "pid": pid,
            "version": version,
            "digest": digest,
            "lock": lock_key(worker_id),
        },
    )


def seen(connection: Connection, worker_id: str, leader: bool = False) -> bool:
    """A sign of life. False when somebody buried us meanwhile: register again."""
    return bool(
        connection.execute(
            text("UPDATE workers SET seen_at = now(), leader = :leader WHERE id = :id"),
            {"id": worker_id, "leader": leader},
        ).rowcount
    )


def bury(connection: Connection) -> list[str]:
    """Find processes that are gone (lock free, silent for 3 s) and free what they held. Returns their ids.

    A paused process still holds its lock: what it holds waits for its lease to end, and its late writes are fenced. After a restart of
    the database every lock is free, and processes that live are taken for gone: they are at work on what is freed here. So nothing is
    waited for. What somebody holds at this moment stays, and its process stays in the list until the next look; and a mention whose
    judging the restart broke off was not started by it.
    """
    found = rows(
        connection,
        "SELECT id, seen_at < pg_postmaster_start_time() AS torn FROM workers WHERE seen_at < now() - interval '3 seconds' "
        "AND pg_try_advisory_xact_lock(lock) ORDER BY id FOR UPDATE SKIP LOCKED",
    )
    if not found:
        return []
    gone = [row["id"] for row in found]
    _free(connection, gone, [row["id"] for row in found if row["torn"]])
    connection.execute(
        text(
            "UPDATE outbox SET lease_until = now() WHERE id = ANY(ARRAY(SELECT id FROM outbox WHERE worker = ANY(:gone) "
            "AND state = 'sending' FOR UPDATE SKIP LOCKED))"
        ),
        {"gone": gone},
    )
    calling = rows(
        connection,
        "SELECT DISTINCT worker FROM outbox WHERE worker = ANY(:gone) AND state = 'sending' AND lease_until > now()",
        gone=gone,
    )
    return _forget(connection, [id_ for id_ in gone if id_ not in {row["worker"] for row in calling}])


def leave(connection: Connection, worker_id: str) -> None:
    """A clean stop: an in-flight delivery stays leased and is unknown once its lease ends; the rest is free at once."""
    _free(connection, [worker_id])
    _forget(connection, [worker_id])


def _free(connection: Connection, gone: Sequence[str], torn: Sequence[str] = ()) -> None:
    """Channels and mentions they hold, but what is locked. `torn`: those that were interrupted, whose starts do not count."""
    for table, key, also in (
        ("channels", "id", ""),
        (
            "digests",
            "mention_id",
            "attempts = CASE WHEN worker = ANY(:torn) THEN greatest(attempts - 1, 0) ELSE attempts END, ",
        ),
    ):
        connection.execute(
            text(
                f"UPDATE {table} SET {also}lease = NULL, lease_until = NULL, worker = NULL WHERE {key} = ANY(ARRAY("  # noqa: S608 our own names
                f"SELECT {key} FROM {table} WHERE worker = ANY(:gone) FOR UPDATE SKIP LOCKED))"
            ),
            {"gone": list(gone), **({"torn": list(torn)} if also else {})},
        )


def _forget(connection: Connection, gone: Sequence[str]) -> list[str]:
    """Take those off the list that hold nothing any more."""
    found = rows(
        connection,
        "DELETE FROM workers w WHERE id = ANY(:gone) AND NOT EXISTS (SELECT 1 FROM channels c WHERE c.worker = w.id) "
        "AND NOT EXISTS (SELECT 1 FROM digests d WHERE d.worker = w.id) RETURNING id",
        gone=list(gone),
    )
    return sorted(row["id"] for row in found)


def digest_slots(connection: Connection) -> int:
    """Digest threads alive anywhere: the doorbell has one slot for each."""
    return max(
        1,
        one(connection, "SELECT coalesce(sum(digest_threads), 0) FROM workers WHERE seen_at > now() - interval '15 s'"),
    )


def listed(connection: Connection) -> list[Any]:
    return rows(
        connection,
        "SELECT id, kind, host, pid, version, leader, started_at, seen_at, now() - seen_at AS silent "
        "FROM workers ORDER BY kind, started_at",
    )


def stale_leader(connection: Connection, seconds: float) -> int | None:
    """Backend pid of a leader that holds the lock but has been silent: a paused process, to be put out of office.

    Only of this database (others on the server have leaders of their own), and never one whose session is younger than
    `seconds`: it has hardly had time to give a sign.
    """
    return one(
        connection,
        "SELECT l.pid FROM pg_locks l JOIN pg_stat_activity a ON a.pid = l.pid "
        "WHERE l.locktype = 'advisory' AND l.granted "
        "AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database()) "
        "AND (l.classid::bigint << 32) | l.objid::bigint = :key AND l.pid <> pg_backend_pid() "
        "AND a.backend_start < now() - make_interval(secs => greatest(:seconds, 2)) "
        "AND NOT EXISTS (SELECT 1 FROM workers WHERE leader AND seen_at > now() - make_interval(secs => :seconds))",
        key=LEADER,
        seconds=seconds,
    )


def end_session(connection: Connection, pid: int) -> None:
    """Put a silent leader out of office: its lock goes with its session."""
    connection.execute(text("SELECT pg_terminate_backend(:pid)"), {"pid": pid})
