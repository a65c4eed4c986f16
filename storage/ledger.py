"""The door to the ledger: connections with the session defaults every process shares, and whole-transaction retry."""

import random
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any, TypeVar

import psycopg
from sqlalchemy import Connection, Engine, create_engine, event, text
from sqlalchemy.exc import DBAPIError, DisconnectionError
from sqlalchemy.pool import QueuePool

T = TypeVar("T")

# serialization failure, deadlock, admin shutdown, crash shutdown, cannot connect now; 08xxx are connection errors
# https://www.postgresql.org/docs/current/errcodes-appendix.html
AGAIN = frozenset({"40001", "40P01", "57P01", "57P02", "57P03", "55P03"})

SESSION = (
    "-c statement_timeout=30000 -c lock_timeout=5000 -c idle_in_transaction_session_timeout=60000 "
    "-c timezone=UTC -c jit=off"
)


RESTED_SECONDS = 1.0


def normal_url(url: str) -> str:
    """Accept `postgres://` and `postgresql://` as operators write them; the driver is psycopg 3."""
    for plain in ("postgres://", "postgresql://"):
        if url.startswith(plain):
            return "postgresql+psycopg://" + url.removeprefix(plain)
    return url


def raw_url(url: str) -> str:
    """The same address as libpq writes it, for a connection outside the pool (LISTEN, advisory locks)."""
    return normal_url(url).replace("postgresql+psycopg://", "postgresql://", 1)


def again(error: BaseException) -> bool:
    """Whether the same transaction, run anew, may succeed."""
    if isinstance(error, DBAPIError):
        if error.connection_invalidated:
            return True
        error = error.orig if isinstance(error.orig, BaseException) else error
    state = getattr(error, "sqlstate", None) or ""
    return state in AGAIN or state.startswith("08") or (isinstance(error, psycopg.OperationalError) and not state)


class Moved(Exception):
    """Somebody changed between two of our statements what both rest on: run the whole transaction anew."""

    sqlstate = "40001"


class Ledger:
    """The one truth. Functions in storage take a connection from here and never commit; leaving `begin` does."""

    def __init__(self, database_url: str, *, name: str = "earmark", pool: int = 8) -> None:
        self.url = normal_url(database_url)
        self.engine: Engine = create_engine(
            self.url,
            poolclass=QueuePool,
            pool_size=pool,
            max_overflow=pool,
            pool_use_lifo=True,  # the one that was at work knows its statements and tables; others rest
            hide_parameters=True,  # an error must not carry the texts of a statement into a log
            connect_args={
                "application_name": name,
                "options": SESSION,
                "connect_timeout": 5,
                "keepalives_idle": 30,
                "keepalives_interval": 10,
                "keepalives_count": 3,
                "prepare_threshold": 3,
            },
        )
        event.listen(self.engine, "checkin", _rested)
        event.listen(self.engine, "checkout", _awake)

    @contextmanager
    def begin(self) -> Iterator[Connection]:
        """One transaction: committed when the block ends, rolled back when it raises."""
        with self.engine.begin() as connection:
            yield connection

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """One read-only snapshot: what several queries of one page see is the same moment."""
        with self.engine.connect() as connection:
            connection.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
            yield connection

    @contextmanager
    def glance(self) -> Iterator[Connection]:
        """No transaction: each statement stands for itself, one way to the database and back instead of three. For what one statement reads."""
        with self.engine.connect() as connection:
            connection.execution_options(isolation_level="AUTOCOMMIT")
            yield connection

    def run(
        self,
        work: Callable[[Connection], T],
        *,
        tries: int = 6,
        patience: float = 20.0,
        within: Callable[[], AbstractContextManager[Connection]] | None = None,
    ) -> T:
        """Run `work` in one transaction (or `within` a `glance`); on a lost connection, deadlock or conflict roll back and run it all anew.

        `work` therefore has no effect outside the database. A restart of PostgreSQL is waited out for `patience` seconds.
        Raises the last error when it does not pass.
        """
        until = time.monotonic() + patience
        attempt = 0
        while True:
            attempt += 1
            try:
                with (within or self.begin)() as connection:
                    return work(connection)
            except Exception as error:
                if not again(error) or (attempt >= tries and time.monotonic() > until):
                    raise
                time.sleep(min(0.05 * 2**attempt, 1.0) * (0.5 + random.random() / 2))  # noqa: S311 jitter, no secret

    def notify(self, connection: Connection, payload: str) -> None:
        """Ring the scheduler once this transaction commits (https://www.postgresql.org/docs/current/sql-notify.html)."""
        connection.execute(text("SELECT pg_notify('earmark', :payload)"), {"payload": payload})

    def close(self) -> None:
        self.engine.dispose()


def _rested(_: Any, record: Any) -> None:
    record.info["rested"] = time.monotonic()


def _awake(raw: Any, record: Any, _: Any) -> None:
    """Ask a connection that has rested whether it still stands; one that was at work a moment ago is taken at its word.

    https://docs.sqlalchemy.org/en/21/core/pooling.html#custom-legacy-pessimistic-ping
    """
    if time.monotonic() - record.info.get("rested", time.monotonic()) < RESTED_SECONDS:
        return
    try:
        raw.execute("SELECT 1")
        raw.rollback()
    except psycopg.Error as error:
        raise DisconnectionError from error


def one(connection: Connection, sql: str, **values: Any) -> Any:
    """The first column of the first row, or None."""
    return connection.execute(text(sql), values).scalar()


def rows(connection: Connection, sql: str, **values: Any) -> list[Any]:
    """All rows, by name."""
    return list(connection.execute(text(sql), values).mappings())
