"""Answers of Idempotency-Keys in a file of SQLite, which survives a restart.

Written by one thread and read by another, each with a connection of its own (write-ahead log), so that nothing waits
for a disk but those who want an answer from it. What is to be written is collected while the last part is written, the
last word about a key counts. Where writing fails, the answers stay in memory, and it is tried again.

A crash of the gateway loses what it had not written yet, some milliseconds; a crash of the machine maybe more
(`synchronous=NORMAL`), but never breaks the file. What was in flight then is not known any more afterwards.
"""

import fcntl
import logging
import os
import sqlite3
from collections.abc import Iterable
from pathlib import Path
from typing import Final, NamedTuple, NoReturn

import trio

from penstock.telemetry.occasional import Occasional
from proxy.answers.key import Fingerprint
from proxy.answers.ledger import Record, State
from proxy.answers.stores import StoreError

_log = logging.getLogger("penstock.answers")

SCHEMA_VERSION: Final = 1
RETRY_S: Final = 1.0
LAST_WRITE_S: Final = 5.0
"""How long the last words may take when the gateway ends."""
_CREATE: Final = """
CREATE TABLE IF NOT EXISTS answers (
    key BLOB PRIMARY KEY,
    state INTEGER NOT NULL,
    head BLOB NOT NULL,
    body_bytes INTEGER,
    body BLOB,
    expires_ms INTEGER NOT NULL,
    byte_count INTEGER NOT NULL,
    payload BLOB
)
"""
_PUT: Final = "INSERT OR REPLACE INTO answers VALUES (?, ?, ?, ?, ?, ?, ?, ?)"
_ALL: Final = (
    "SELECT key, state, head, body_bytes, body, expires_ms, byte_count FROM answers "
    "WHERE expires_ms > ? ORDER BY expires_ms DESC LIMIT ?"
)


class _Row(NamedTuple):
    """What is written of a record."""

    key: bytes
    state: int
    head: bytes
    body_bytes: int | None
    body: bytes | None
    expires_ms: int
    byte_count: int
    payload: bytes | None


class _Pending(NamedTuple):
    """The last word about a key: a row, or that it is gone."""

    row: _Row | None
    record: Record | None


class SqliteStore:
    """Answers in a file. ``run`` writes; it must run once."""

    def __init__(self, path: Path) -> None:
        """Open the file, or make it. Raises `StoreError`."""
        self.is_failing = False
        self.failures = 0
        self._path = path
        self._lock = _lock(path)
        opened: list[sqlite3.Connection] = []
        try:
            self._writer = _connect(path)
            opened.append(self._writer)
            self._prepare(self._writer)
            self._reader = _connect(path)
        except (sqlite3.Error, OSError) as error:
            for connection in opened:
                connection.close()
            os.close(self._lock)
            fix = "give it a file that it may write, or move this one away"
            raise StoreError(f"{path} cannot be used as a database: {error}", fix) from None
        self._pending: dict[bytes, _Pending] = {}
        self._wanted = trio.Event()
        self._one_writer, self._one_reader = trio.CapacityLimiter(1), trio.CapacityLimiter(1)
        self._failed = Occasional()

    def __repr__(self) -> str:
        """The file, and how it is."""
        return f"<SqliteStore {self._path} pending={len(self._pending)} failing={self.is_failing}>"

    @staticmethod
    def _prepare(connection: sqlite3.Connection) -> None:
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=NORMAL")
        (version,) = connection.execute("PRAGMA user_version").fetchone()
        if version not in (0, SCHEMA_VERSION):
            raise sqlite3.DatabaseError(f"its form is {version}, and this gateway knows {SCHEMA_VERSION}")
        connection.execute(_CREATE)
        connection.execute(f"PRAGMA user_version={SCHEMA_VERSION}")
        connection.commit()

    def restored(self, now: int, count_max: int) -> list[Record]:
        """Return what is there from before, without payloads, and forget what has run out.

        What was in flight when the gateway ended is not known any more.
        """
        with self._writer as connection:
            connection.execute("DELETE FROM answers WHERE expires_ms <= ?", (now,))
        records = []
        for key, state, head, body_bytes, body, expires_ms, byte_count in self._writer.execute(_ALL, (now, count_max)):
            record = Record(key, Fingerprint(head, body_bytes, body), expires_ms)
            record.state = State.KEPT if state == State.KEPT else State.UNKNOWN
            record.byte_count = byte_count if record.state is State.KEPT else 0
            records.append(record)
        return records

    # ---- from who owns the ledger ----

    def begun(self, record: Record) -> None:
        """Have it written that a key is in flight."""
        self._put(record)

    def ended(self, record: Record) -> None:
        """Have it written what became of it; then its payload is in the file alone."""
        self._put(record)

    def gone(self, keys: Iterable[bytes]) -> None:
        """Have keys forgotten."""
        for key in keys:
            self._pending[key] = _Pending(None, None)
        self._wanted.set()

    async def load(self, record: Record) -> None:
        """Read the payload of a record. Raises OSError where that fails, or where it is not there."""
        if record.payload is not None:
            return
        try:
            payload = await trio.to_thread.run_sync(self._read, record.key, limiter=self._one_reader)
        except sqlite3.Error as error:
            self.failures += 1
            self._tell("read", error)
            raise OSError(str(error)) from error
        if payload is None:
            raise OSError("the answer is not in the file")
        record.payload = payload

    def done(self, record: Record) -> None:
        """Take the payload out again, where it was written."""
        if record.key not in self._pending:
            record.payload = None

    # ---- writing ----

    async def run(self) -> NoReturn:
        """Write, until cancelled; then write what is left, and close the file."""
        try:
            while True:
                await self._wanted.wait()
                self._wanted = trio.Event()
                if not await self._write_pending():
                    await trio.sleep(RETRY_S)
                    self._wanted.set()
        finally:
            with trio.move_on_after(LAST_WRITE_S, shield=True):
                await self._write_pending()
            self.close()

    def close(self) -> None:
        """Close the file."""
        self._writer.close()
        self._reader.close()
        os.close(self._lock)

    def _put(self, record: Record) -> None:
        asked = record.asked
        row = _Row(
            record.key, record.state, asked.head, asked.body_bytes, asked.body,
            record.expires_ms, record.byte_count, record.payload,
        )  # fmt: skip
        self._pending[record.key] = _Pending(row, record)
        self._wanted.set()

    async def _write_pending(self) -> bool:
        """Write what there is. False: that failed, and it is still there."""
        batch, self._pending = self._pending, {}
        if not batch:
            return True
        rows = [pending.row for pending in batch.values() if pending.row is not None]
        gone = [(key,) for key, pending in batch.items() if pending.row is None]
        try:
            await trio.to_thread.run_sync(self._write, rows, gone, limiter=self._one_writer)
        except sqlite3.Error as error:
            self._pending = batch | self._pending
            self.is_failing = True
            self.failures += 1
            self._tell("written", error)
            return False
        except trio.Cancelled:  # before it had begun
            self._pending = batch | self._pending
            raise
        self.is_failing = False
        for key, pending in batch.items():
            is_newest = key not in self._pending and pending.record is not None
            if is_newest and pending.record is not None and pending.record.state is State.KEPT:
                pending.record.payload = None
        return True

    def _write(self, rows: list[_Row], gone: list[tuple[bytes]]) -> None:
        with self._writer as connection:
            connection.executemany("DELETE FROM answers WHERE key = ?", gone)
            connection.executemany(_PUT, rows)

    def _read(self, key: bytes) -> bytes | None:
        found = self._reader.execute("SELECT payload FROM answers WHERE key = ?", (key,)).fetchone()
        payload: bytes | None = found[0] if found is not None else None
        return payload

    def _tell(self, what: str, error: Exception) -> None:
        held_back = self._failed.held_back(what)
        if held_back is not None:
            _log.error("answers cannot be %s: %s: %s (%d more)", what, self._path, error, held_back)


def _connect(path: Path) -> sqlite3.Connection:
    return sqlite3.connect(path, timeout=5.0, check_same_thread=False)


def _lock(path: Path) -> int:
    """Make sure that no other gateway uses the file: what one does not know of a key, another may."""
    try:
        descriptor = os.open(f"{path}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise StoreError(f"{path} cannot be made: {error.strerror}", "name a file in a folder that is there") from None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(descriptor)
        raise StoreError(f"another gateway uses {path}", "give each gateway a file of its own") from None
    return descriptor
