"""PostgreSQL as this project uses it: few connections, a schema of its own, a limit to every wait, errors as ours."""

from __future__ import annotations

import re
import select
import threading
import time
from collections.abc import Generator, Iterable, Sequence
from contextlib import contextmanager
from functools import lru_cache

import psycopg
from psycopg.abc import RV, PQGen
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from psycopg.types.numeric import Int8BinaryDumper

from unigate.errors import StorageError
from unigate.storage.database import PATIENCE, Row, Rows, Value, in_lots, of_several

__all__ = ["Postgres", "in_postgres_words"]

_MOST_CONNECTIONS = 3
_PLACE = re.compile(r"\?(\d*)")
_CONNECT_S = 3
# Whoever is in a hurry gives up waiting elsewhere; a commit that takes a moment is not broken off.
_LEAST_PATIENCE = 1.0
_AT_ONCE = 500
_ROWS_AT_ONCE = 100
# A peer that is gone without a word is noticed in seconds, and a keeper that froze holds no lock for long.
_SETTINGS = (
    "-c search_path=unigate -c statement_timeout=5000 -c lock_timeout=4000 "
    "-c idle_in_transaction_session_timeout=10000 -c timezone=UTC"
)
_USUAL: dict[str, int | str] = {
    "application_name": "unigate",
    "connect_timeout": _CONNECT_S,
    "keepalives": 1,
    "keepalives_idle": 5,
    "keepalives_interval": 2,
    "keepalives_count": 3,
    "tcp_user_timeout": 6000,
    "client_encoding": "utf8",
}
_NOW = "SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint * 1000"
_LOCK = "SELECT pg_advisory_xact_lock(hashtextextended('unigate:' || $1::text, 0))"
_VIEW = "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY"
_PATIENT = "SELECT set_config('statement_timeout', $1, true), set_config('lock_timeout', $1, true)"
_HAS_SCHEMA = "SELECT to_regnamespace('unigate') IS NOT NULL, to_regclass('unigate.meta') IS NOT NULL"
_VERSION = "SELECT value FROM meta WHERE name = 'schema'"
_SET_VERSION = (
    "INSERT INTO meta (name, value) VALUES ('schema', $1) ON CONFLICT (name) DO UPDATE SET value = excluded.value"
)
_SIZE = (
    "SELECT coalesce(sum(pg_total_relation_size(c.oid)), 0)::bigint FROM pg_class c "
    "WHERE c.relnamespace = to_regnamespace('unigate') AND c.relkind = 'r'"
)


class Postgres:
    """One database on a server; a connection that broke is replaced at its next use."""

    def __init__(self, url: str, *, most: int = _MOST_CONNECTIONS) -> None:
        try:
            given = conninfo_to_dict(url)
        except psycopg.Error:  # its text may have the password in it
            reason = "The database's URL cannot be read; write postgresql://user:password@host/name."
            raise StorageError(reason) from None
        options = f"{given.get('options') or ''} {_SETTINGS}".strip()
        self._info = make_conninfo("", **{**_USUAL, **given, "options": options})
        self._secret = str(given.get("password") or "")
        self.name = f"PostgreSQL at {given.get('host') or 'localhost'}:{given.get('port') or 5432}"
        self._idle: list[_Link] = []
        self._guard = threading.Lock()
        self._free = threading.BoundedSemaphore(most)

    @contextmanager
    def transaction(self, patience: float = PATIENCE) -> Generator[Rows]:
        """One transaction, kept whole or not at all. Raises StorageError for what PostgreSQL cannot do."""
        with self._link(patience) as link, link.transaction():
            rows = _PostgresRows(link)
            if patience > PATIENCE:
                rows(_PATIENT, (str(int(patience * 1000)),))
            yield rows

    @contextmanager
    def reading(self, patience: float = PATIENCE) -> Generator[Rows]:
        """One unchanging view of everything. Raises StorageError."""
        with self._link(patience) as link, link.transaction():
            rows = _PostgresRows(link)
            rows(_VIEW)
            if patience > PATIENCE:
                rows(_PATIENT, (str(int(patience * 1000)),))
            yield rows

    def now_ns(self) -> int:
        """The server's time."""
        with self.transaction() as run:
            return run.now_ns()

    def version(self, run: Rows) -> int:
        """How many steps of the schema were taken."""
        has_schema, has_meta = run(_HAS_SCHEMA)[0]
        if not has_schema:
            run("CREATE SCHEMA unigate")
        rows = run(_VERSION) if has_meta else ()
        return int(str(rows[0][0])) if rows else 0

    def step(self, run: Rows, text: str, number: int) -> None:
        """Takes one more step and leaves its number."""
        run(in_postgres_words(text))
        run(_SET_VERSION, (str(number),))

    def tidy(self) -> None:
        """Nothing: the server looks after itself."""

    @property
    def shrinks(self) -> bool:
        """Files keep their size, with room inside."""
        return False

    def size(self) -> int:
        """Bytes of our tables and their indexes."""
        with self.transaction() as run:
            return int(str(run(_SIZE)[0][0]))

    def close(self) -> None:
        """Ends the connections that nobody uses."""
        with self._guard:
            links, self._idle = self._idle, []
        for link in links:
            link.close()

    # --- connections

    @contextmanager
    def _link(self, patience: float) -> Generator[_Link]:
        if not self._free.acquire(timeout=patience):
            raise StorageError(f"All connections to {self.name} are busy; nothing was changed.")
        link = None
        try:
            link = self._idle_link() or _Link.to(self._info)
            link.patience = max(patience, _LEAST_PATIENCE)
            yield link
        except psycopg.errors.ReadOnlySqlTransaction as error:
            if link is not None:
                link.close()  # the server that takes changes may be another one by now
            raise StorageError(f"{self.name} is read-only at the moment.") from error
        except psycopg.Error as error:
            raise StorageError(f"{self.name} did not take it: {self._reason(error)}.") from error
        finally:
            if link is not None:
                self._put_back(link)
            self._free.release()

    def _idle_link(self) -> _Link | None:
        while True:
            with self._guard:
                link = self._idle.pop() if self._idle else None
            if link is None or link.is_quiet():
                return link
            link.close()

    def _put_back(self, link: _Link) -> None:
        if link.closed or link.info.transaction_status != psycopg.pq.TransactionStatus.IDLE:
            link.close()
            return
        with self._guard:
            self._idle.append(link)

    def _reason(self, error: psycopg.Error) -> str:
        text = (error.diag.message_primary or str(error) or type(error).__name__).strip().splitlines()[0]
        return text.replace(self._secret, "…") if self._secret else text


class _Link(psycopg.Connection[tuple[object, ...]]):
    """A connection that waits only so long for an answer: a server that is stopped or cut off says nothing at all."""

    patience: float | None = None

    @classmethod
    def to(cls, info: str) -> _Link:
        link = cls.connect(info, autocommit=True, cursor_factory=psycopg.RawCursor)
        # Else each number is sent in its shortest type, and a statement is planned anew for each mixture of them.
        link.adapters.register_dumper(int, Int8BinaryDumper)
        return link

    def wait(self, gen: PQGen[RV], interval: float = 0.1, timeout: float | None = None) -> RV:
        until = time.monotonic() + (self.patience or 0)
        try:
            return super().wait(gen, interval, self.patience if timeout is None else timeout)
        except psycopg.OperationalError:
            if self.patience is not None and time.monotonic() >= until:
                self.close()  # its answer may still come, and must not be taken for the next one's
            raise

    def is_quiet(self) -> bool:
        """Whether the server has neither closed it nor said anything since its last use."""
        if self.closed:
            return False
        poll = select.poll()
        poll.register(self.pgconn.socket, select.POLLIN)
        return not poll.poll(0)


class _PostgresRows:
    """Statements on one connection."""

    def __init__(self, link: _Link) -> None:
        self._link = link

    def __call__(self, statement: str, values: Sequence[Value] = ()) -> Sequence[Row]:
        cursor = self._link.execute(_numbered(statement), values or None)
        return cursor.fetchall() if cursor.description else ()

    def many(self, statement: str, rows: Iterable[Sequence[Value]]) -> Sequence[Row]:
        query = _numbered(statement)
        returned: list[Row] = []
        with self._link.cursor() as cursor:
            for some in in_lots(rows, _AT_ONCE):  # each is one wait
                cursor.executemany(query, some, returning=True)
                for result in cursor.results():
                    returned += result.fetchall() if result.description else ()
        return returned

    def several(self, statement: str, rows: Iterable[Sequence[Value]]) -> None:
        for some in in_lots(rows, _ROWS_AT_ONCE):
            if len(some) == _ROWS_AT_ONCE:
                self(of_several(statement, _ROWS_AT_ONCE), [value for row in some for value in row])
            else:
                self.many(statement, some)

    def add(self, table: str, columns: str, rows: Iterable[Sequence[Value]]) -> Sequence[str]:
        fresh = {str(row[0]): row for row in rows}
        key = columns.partition(",")[0]
        known = f"SELECT {key} FROM {table} WHERE {key} = ANY($1::text[])"
        # Not prepared: a plan that was made while the table was small would read all of it later.
        for row in self._link.execute(known.encode(), (list(fresh),), prepare=False):
            del fresh[str(row[0])]
        with self._link.cursor() as cursor, cursor.copy(f"COPY {table} ({columns}) FROM STDIN".encode()) as copy:
            for row in fresh.values():
                copy.write_row(row)
        return list(fresh)

    def lock(self, name: str) -> None:
        self(_LOCK, (name,))

    def now_ns(self) -> int:
        return int(str(self(_NOW)[0][0]))


@lru_cache(maxsize=1024)
def _numbered(statement: str) -> bytes:
    """A statement with PostgreSQL's own places: `?` and `?2` become `$1` and `$2`."""
    count = 0

    def place(found: re.Match[str]) -> str:
        nonlocal count
        count += 1
        return f"${found[1] or count}"

    return _PLACE.sub(place, statement).encode()


def in_postgres_words(step: str) -> str:
    """A step of the schema, which is written for SQLite."""
    lines = (line for line in step.splitlines() if not line.startswith("PRAGMA"))
    text = "\n".join(lines).replace(") STRICT;", ");")
    text = text.replace(" INTEGER PRIMARY KEY", " BIGINT GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY")
    return re.sub(r"\bBLOB\b", "BYTEA", re.sub(r"\bINTEGER\b", "BIGINT", text))
